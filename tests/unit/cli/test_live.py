"""Telling events as lines: each kind has its words, long output its end, and nothing is obeyed."""

from __future__ import annotations

import io

import pytest

from autopilot_ls.cli.live import Narrator
from autopilot_ls.cli.terminal import Terminal
from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    CommandAction,
    Decision,
    DecisionKind,
    Grant,
    Mode,
    Outcome,
    ProposedChange,
    Verdict,
)
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Body,
    Compacted,
    Event,
    FilesSettled,
    GrantAdded,
    ItemCompleted,
    ItemStarted,
    ModeChanged,
    Notice,
    PlanUpdated,
    RuntimeExited,
    RuntimeStarted,
    SessionCreated,
    SubAgentOpened,
    TextDelta,
    ThreadOpened,
    TurnCompleted,
    TurnStatus,
)
from autopilot_ls.model.items import (
    AgentMessage,
    CommandExecution,
    FileChanges,
    ItemStatus,
    PlanStep,
    Reasoning,
    ToolCall,
    UserMessage,
    WebSearch,
)
from autopilot_ls.model.state import SessionState

CREATED = SessionCreated(cwd="/work", runtime="codex", mode=Mode.PROPOSE, title="t")
DONE = ItemStatus.COMPLETED


def tell(*bodies: Body, tells_requests: bool = True) -> str:
    terminal = Terminal(io.StringIO(), colour=False)
    state = SessionState("s")
    narrator = Narrator(terminal, state.item, tells_requests=tells_requests)
    for seq, body in enumerate((CREATED, *bodies), 1):
        event = Event(seq=seq, time=0.0, session_id="s", thread_id="t", body=body)
        state.apply(event)
        narrator.tell(event)
    return terminal.take().partition("\n")[2]


def command(**members: object) -> CommandExecution:
    return CommandExecution.model_validate({"id": "c", "command": "make", **members})


def change(kind: ChangeKind, path: str, move_to: str | None = None) -> ProposedChange:
    return ProposedChange(path=path, kind=kind, move_to=move_to, form="content", text="")


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (RuntimeStarted(runtime="codex", version="1.2", pid=7), "codex 1.2, process 7\n"),
        (ThreadOpened(how="started", model="gpt"), "model gpt\n"),
        (ThreadOpened(how="forked"), "The agent's thread was forked.\n"),
        (ItemStarted(item=UserMessage(id="u", text="do it")), "> do it\n"),
        (ItemCompleted(item=AgentMessage(id="a", text="I did.\n")), "I did.\n"),
        (ItemCompleted(item=AgentMessage(id="a", text=" ")), ""),
        (ItemCompleted(item=Reasoning(id="r", summary="a\nb")), "a ⏎ b\n"),
        (ItemCompleted(item=WebSearch(id="w", query="q")), "searched the web: q\n"),
        (
            ItemCompleted(item=ToolCall(id="x", server="s", tool="t", status=DONE)),
            "tool s.t: completed\n",
        ),
        (
            ItemCompleted(item=ToolCall(id="x", tool="t", error="no\nway")),
            "tool t: failed: no ⏎ way\n",
        ),
        (ModeChanged(mode=Mode.READ_ONLY, changed_by="me"), "Mode read-only, set by me.\n"),
        (
            GrantAdded(grant=Grant(id="g", paths=("/work/a", "/b"), granted_by="me")),
            "Allowed for this session: a, /b\n",
        ),
        (Notice(severity="warning", code="c", message="Look \x1b[2J"), "Look \\x1b[2J\n"),
        (Compacted(), "The agent shortened its context.\n"),
        (SubAgentOpened(name="helper"), "Sub-agent helper started.\n"),
        (
            FilesSettled(approval_id="a", outcome="restored", paths=("/work/a",), detail="Undone."),
            "Undone.\n",
        ),
        (FilesSettled(approval_id="a", outcome="applied", paths=("/work/a",)), ""),
        (RuntimeExited(expected=True), ""),
        (
            RuntimeExited(expected=False, stderr="boom\n"),
            "The agent's process ended unexpectedly.\n  boom\n",
        ),
        (TurnCompleted(status=TurnStatus.FAILED, error="It broke."), "It broke.\n"),
        (TurnCompleted(status=TurnStatus.INTERRUPTED), "The turn was interrupted.\n"),
        (TurnCompleted(status=TurnStatus.COMPLETED), ""),
    ],
)
def test_each_kind_has_its_words(body: Body, lines: str) -> None:
    assert tell(body) == lines


def test_a_command_is_told_once_with_how_it_ended() -> None:
    ended = command(output="a\nb\n", exit_code=0, duration=1.25, status="completed")
    told = "$ make\n  a\n  b\n  exit code 0, 1.2 s\n"
    assert tell(ItemStarted(item=command()), ItemCompleted(item=ended)) == told
    assert tell(ItemCompleted(item=ended)) == told


def test_long_output_is_cut_to_its_end() -> None:
    output = "".join(f"line {number}\n" for number in range(100))
    told = tell(ItemCompleted(item=command(output=output, exit_code=1, status="failed")))
    assert "… 88 earlier lines" in told
    assert "line 88\n" in told
    assert "line 87\n" not in told
    assert told.endswith("  exit code 1\n")


def test_output_that_only_streamed_is_told_too() -> None:
    told = tell(
        ItemStarted(item=command()),
        TextDelta(item_id="c", field="output", text="streamed\n"),
        ItemCompleted(item=command(exit_code=0, status="completed")),
    )
    assert "  streamed\n" in told


def test_a_declined_command_was_not_run() -> None:
    assert tell(ItemCompleted(item=command(status="declined"))) == "$ make\n  not run\n"


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        ("completed", "added new\ndeleted /old\nedited a → b\n"),
        ("declined", "not changed: new\nnot changed: /old\nnot changed: a\n"),
        (
            "failed",
            "could not be changed: new\ncould not be changed: /old\ncould not be changed: a\n",
        ),
    ],
)
def test_changed_files_are_named(status: str, lines: str) -> None:
    changes = (
        change(ChangeKind.ADD, "/work/new"),
        change(ChangeKind.DELETE, "/old"),
        change(ChangeKind.UPDATE, "/work/a", "/work/b"),
    )
    item = FileChanges(id="f", changes=changes, status=ItemStatus(status))
    assert tell(ItemCompleted(item=item)) == lines


def test_a_plan_is_told_when_it_changes() -> None:
    steps = (
        PlanStep(step="one", status="completed"),
        PlanStep(step="two", status="inProgress"),
        PlanStep(step="three", status="pending"),
    )
    plan = PlanUpdated(steps=steps)
    assert tell(plan, plan) == "  ✓ one\n  ▸ two\n  ○ three\n"


def approval(outcome: Outcome) -> Approval:
    return Approval(
        id="apr",
        session_id="s",
        native_key="k",
        action=CommandAction(command="make", cwd="/work"),
        verdict=Verdict(outcome=outcome, rule="r", source="mode", reason="because"),
        requested_at=0.0,
    )


def resolved(kind: DecisionKind, message: str = "") -> ApprovalResolved:
    decision = Decision(kind=kind, decided_by="me", message=message)
    return ApprovalResolved(approval_id="apr", decision=decision, waited=1.0)


def test_a_decision_is_told_with_who_and_why() -> None:
    told = tell(
        ApprovalRequested(approval=approval(Outcome.ASK)), resolved(DecisionKind.DECLINE, "no")
    )
    assert (
        told
        == "? Run: make\n  Asked by the mode itself (r): because\n  declined by me (Run: make): no\n"
    )


def test_what_is_asked_for_at_a_prompt_is_not_told_twice() -> None:
    asked = ApprovalRequested(approval=approval(Outcome.ASK))
    assert tell(asked, tells_requests=False) == ""


def test_what_the_policy_allows_is_not_worth_a_line_but_what_it_denies_is() -> None:
    allowed = ApprovalRequested(approval=approval(Outcome.ALLOW))
    denied = ApprovalRequested(approval=approval(Outcome.DENY))
    assert tell(allowed, resolved(DecisionKind.ACCEPT)) == ""
    assert "declined by me" in tell(denied, resolved(DecisionKind.DECLINE))
