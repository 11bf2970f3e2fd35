"""A session at a glance: what is in it, and that it stays small whatever an agent does."""

from __future__ import annotations

import json
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    CommandAction,
    Decision,
    DecisionKind,
    FileChange,
    Grant,
    Hunk,
    Mode,
    Outcome,
    PatchAction,
    ProposedChange,
    Verdict,
)
from autopilot_ls.model.changed import FileEntry
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
    Notice,
    PlanUpdated,
    RateLimitsUpdated,
    RuntimeExited,
    RuntimeStarted,
    SessionCreated,
    SubAgentOpened,
    TextDelta,
    ThreadOpened,
    TokensUsed,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.model.items import (
    AgentMessage,
    CommandExecution,
    Compaction,
    FileChanges,
    ItemStatus,
    PlanStep,
    RateLimit,
    Reasoning,
    TokenUsage,
)
from autopilot_ls.model.state import SessionState
from autopilot_ls.presentation.status import MAX_BYTES, Outside, StatusMaker, size, status
from autopilot_ls.presentation.status_view import StatusView, Unreviewed

ASK = Verdict(outcome=Outcome.ASK, rule="propose", source="the mode propose", reason="It asks.")


class Story:
    """A session to which things happen, one a second from second 100."""

    def __init__(self) -> None:
        self.state = SessionState("ses-1")
        self.happens(
            SessionCreated(cwd="/ws", runtime="codex", mode=Mode.PROPOSE, title="Mend it"),
            RuntimeStarted(runtime="codex", version="0.163.0", pid=7),
            ThreadOpened(how="started", model="gpt"),
        )

    def happens(self, *bodies: Body, thread: str | None = "main") -> Story:
        for body in bodies:
            seq = self.state.seq + 1
            self.state.apply(
                Event(
                    seq=seq,
                    time=100.0 + seq,
                    session_id="ses-1",
                    thread_id=thread,
                    turn_id="turn-1",
                    body=body,
                )
            )
        return self

    def view(self, **more: Any) -> StatusView:
        return status(self.state.snapshot(), **more)


def command(name: str, status: ItemStatus = ItemStatus.IN_PROGRESS) -> CommandExecution:
    return CommandExecution(id=name, command=f"run {name}", cwd="/ws", status=status)


def test_a_running_command_shows_the_end_of_its_output() -> None:
    story = Story().happens(TurnStarted(), ItemStarted(item=command("a")))
    for text in ("one\ntw", "o\n\x1b[32mthr", "ee\x1b[0m\r4"):
        story.happens(TextDelta(item_id="a", field="output", text=text))
    (shown,) = story.view().commands
    assert (shown.command, shown.started_at, shown.tail) == ("run a", 105.0, ("one", "two", "4"))
    assert not shown.background
    found = story.view().item
    assert found is not None
    assert (found.kind, found.title) == ("command", "Runs: run a")
    story.happens(ItemCompleted(item=command("a", ItemStatus.COMPLETED)))
    assert story.view().commands == ()
    assert story.view().item is None


def test_a_command_goes_on_in_the_background() -> None:
    story = Story().happens(TurnStarted(), ItemStarted(item=command("a")))
    story.happens(ItemStarted(item=command("b")))
    assert [each.background for each in story.view().commands] == [False, False]
    story.happens(ItemStarted(item=AgentMessage(id="m")))
    assert [each.background for each in story.view().commands] == [True, True]
    found = story.view().item
    assert found is not None
    assert found.kind == "message"
    story.happens(TurnCompleted(status=TurnStatus.COMPLETED))
    story.happens(TextDelta(item_id="b", field="output", text="still here"))
    view = story.view()
    assert [(each.id, each.tail) for each in view.commands] == [("a", ()), ("b", ("still here",))]
    assert (view.state, view.item, view.started_at) == ("completed", None, None)
    story.happens(TurnStarted(), TextDelta(item_id="b", field="output", text="!"))
    assert [each.tail for each in story.view().commands] == [(), ("still here!",)]
    story.happens(RuntimeExited(expected=True))
    assert (story.view().commands, story.view().alive) == ((), False)


def test_a_command_that_waits_for_its_approval_does_not_run_yet() -> None:
    story = Story().happens(TurnStarted(), ItemStarted(item=command("a")))
    asked = patch(1, "/ws/a").model_copy(
        update={"action": CommandAction(command="run a", cwd="/ws"), "item_id": "a"}
    )
    story.happens(ApprovalRequested(approval=asked))
    assert story.view().commands == ()
    story.happens(decided(1))
    assert [(each.id, each.started_at) for each in story.view().commands] == [("a", 107.0)]


def test_a_secret_in_the_output_is_left_out() -> None:
    story = Story().happens(TurnStarted(), ItemStarted(item=command("a")))
    story.happens(TextDelta(item_id="a", field="output", text="key\nsecret\n"))
    (shown,) = story.view(redact=lambda text: text.replace("key\nsecret", "[redacted]")).commands
    assert shown.tail == ("[redacted]",)


def patch(number: int, *paths: str, kind: ChangeKind = ChangeKind.UPDATE) -> Approval:
    changes = tuple(
        ProposedChange(path=path, kind=kind, form="unified", text="@@ -1 +1,2 @@\n-a\n+b\n+c\n")
        for path in paths
    )
    files = tuple(
        FileChange(
            path=path,
            kind=kind,
            hunks=(
                Hunk(
                    id=f"h{number}-{place}",
                    old_start=1,
                    old_lines=("a\n",),
                    new_start=1,
                    new_lines=("b\n", "c\n"),
                ),
            ),
        )
        for place, path in enumerate(paths)
    )
    return Approval(
        id=f"apr-{number}",
        session_id="ses-1",
        native_key=str(number),
        thread_id="main",
        item_id=f"patch-{number}",
        action=PatchAction(changes=changes),
        files=files,
        verdict=ASK,
        requested_at=100.0,
    )


def decided(number: int, **how: Any) -> ApprovalResolved:
    decision = Decision(kind=DecisionKind.ACCEPT, decided_by="me", **how)
    return ApprovalResolved(approval_id=f"apr-{number}", decision=decision, waited=1.0)


def settled(number: int, outcome: Any) -> FilesSettled:
    return FilesSettled(approval_id=f"apr-{number}", outcome=outcome, paths=("/ws/a",))


def test_files_are_those_that_patches_changed() -> None:
    story = Story().happens(TurnStarted())
    for number, paths, how, outcome in [
        (1, ("/ws/a", "/ws/b"), {"hunks": ("h1-0",)}, "applied"),
        (2, ("/ws/a",), {}, "different"),
        (3, ("/ws/c",), {}, "restored"),
        (4, ("/ws/d",), {"hunks": ("h4-0",), "merged": ("/ws/d",)}, None),
        (5, ("/ws/e",), {"hunks": ("h5-0",), "in_editor": True}, None),
    ]:
        story.happens(ApprovalRequested(approval=patch(number, *paths)), decided(number, **how))
        if outcome:
            story.happens(settled(number, outcome))
    # An item of a patch that was asked about tells nothing new, one that was not does.
    for number, path in ((1, "/ws/a"), (9, "/elsewhere/f")):
        changes = patch(number, path).action
        assert isinstance(changes, PatchAction)
        item = FileChanges(
            id=f"patch-{number}", status=ItemStatus.COMPLETED, changes=changes.changes
        )
        story.happens(ItemCompleted(item=item))
    shown = [(each.path, each.added, each.removed, each.kind) for each in story.view().files]
    assert shown == [
        ("a", 4, 2, "update"),
        ("d", 2, 1, "update"),
        ("e", 2, 1, "update"),
        ("/elsewhere/f", 2, 1, "update"),
    ]
    assert story.view().files[0].uri == "file:///ws/a"
    assert [p.code for p in story.view().problems] == ["files-different", "files-restored"]


def test_what_only_the_disk_tells_comes_beside_the_patches() -> None:
    story = Story().happens(TurnStarted())
    story.happens(ApprovalRequested(approval=patch(1, "/ws/a")), decided(1), settled(1, "applied"))
    outside = Outside(
        unreviewed=Unreviewed(files=2, hunks=5),
        changed=(FileEntry("/ws/a", 9, 9, "update"), FileEntry("/ws/made", 3, 0, "add")),
    )
    view = StatusMaker().view(story.state.snapshot(), outside=outside)
    assert [(each.path, each.added) for each in view.files] == [("a", 2), ("made", 3)]
    assert view.unreviewed == Unreviewed(files=2, hunks=5)


def test_sub_agents_compactions_and_problems() -> None:
    story = Story().happens(TurnStarted())
    story.happens(SubAgentOpened(name="Ada"), thread="sub-1")
    story.happens(SubAgentOpened(name="Bob"), thread="sub-2")
    story.happens(ItemStarted(item=command("x")), thread="sub-1")
    story.happens(TokensUsed(usage=TokenUsage(total_tokens=70)), thread="sub-1")
    asked = patch(1, "/ws/a").model_copy(update={"thread_id": "sub-2"})
    story.happens(ApprovalRequested(approval=asked), thread="sub-2")
    story.happens(Compacted(), ItemStarted(item=Compaction(id="c")))
    story.happens(ItemCompleted(item=Compaction(id="c", status=ItemStatus.COMPLETED)))
    story.happens(Notice(severity="info", code="i", message="nothing"))
    story.happens(Notice(severity="warning", code="w", message="take\ncare"))
    story.happens(TurnCompleted(status=TurnStatus.FAILED, error="It broke.", error_code="broken"))
    # An agent that comes up again says the same again.
    story.happens(Notice(severity="warning", code="w", message="take\ncare"))
    view = story.view()
    assert [(a.name, a.state, a.tokens, a.doing) for a in view.agents] == [
        ("Ada", "working", 70, "Runs: run x"),
        ("Bob", "waiting", 0, ""),
    ]
    assert view.compactions == 2
    assert [(each.level, each.code, each.text) for each in view.problems] == [
        ("error", "broken", "It broke."),
        ("warning", "w", "take ⏎ care"),
    ]
    assert view.commands[0].thread_id == "sub-1"


def test_what_the_policy_answers_by_itself_does_not_wait_for_a_person() -> None:
    allowed = patch(1, "/ws/a").model_copy(
        update={"verdict": ASK.model_copy(update={"outcome": Outcome.ALLOW})}
    )
    story = Story().happens(TurnStarted(), ApprovalRequested(approval=allowed))
    assert (story.view(now=100.5).state, story.view(now=100.5).pending) == ("inProgress", ())
    left = story.view(now=102.0)
    assert (left.state, left.pending[0].requested_at) == ("waiting", 100.0)
    maker = StatusMaker()
    sure = maker.view(story.state.snapshot(), now=100.5, outside=Outside(asked=("apr-1",)))
    assert sure.state == "waiting"


HOSTILE = st.text(max_size=50).flatmap(
    lambda text: st.sampled_from([text, text * 200, "\U0001f600" * 3_000, "\u202e\x1b[2J\n" * 99])
)
ITEMS = st.one_of(
    st.builds(
        CommandExecution,
        id=HOSTILE,
        command=HOSTILE,
        cwd=HOSTILE,
        output=HOSTILE,
        processId=HOSTILE,
    ),
    st.builds(AgentMessage, id=HOSTILE, text=HOSTILE),
    st.builds(Reasoning, id=HOSTILE, summary=HOSTILE),
)
CHANGES = st.builds(
    ProposedChange,
    path=HOSTILE,
    kind=st.sampled_from(ChangeKind),
    form=st.just("unified"),
    text=HOSTILE,
)
HUNKS = st.lists(CHANGES, max_size=30)
BODIES = st.one_of(
    st.builds(ItemStarted, item=ITEMS),
    st.builds(TextDelta, itemId=HOSTILE, field=st.just("output"), text=HOSTILE),
    st.builds(Notice, severity=st.just("error"), code=HOSTILE, message=HOSTILE),
    st.builds(SubAgentOpened, name=HOSTILE),
    st.builds(
        PlanUpdated,
        steps=st.lists(
            st.builds(PlanStep, step=HOSTILE, status=st.just("pending")), max_size=60
        ).map(tuple),
    ),
    st.builds(
        RateLimitsUpdated,
        limits=st.lists(
            st.builds(RateLimit, name=HOSTILE, usedPercent=st.just(1.0)), max_size=20
        ).map(tuple),
    ),
    st.builds(
        ItemCompleted,
        item=st.builds(
            FileChanges,
            id=HOSTILE,
            status=st.just(ItemStatus.COMPLETED),
            changes=HUNKS.map(tuple),
        ),
    ),
    st.builds(
        GrantAdded,
        grant=st.builds(
            Grant, id=HOSTILE.map(lambda text: text[:40]), command=HOSTILE, grantedBy=st.just("me")
        ),
    ),
    st.builds(TurnCompleted, status=st.sampled_from(TurnStatus), error=HOSTILE, errorCode=HOSTILE),
    st.just(TurnStarted()),
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(BODIES, st.sampled_from(["main", "sub-1", "sub-2"])), max_size=25), HOSTILE
)
def test_no_session_makes_a_large_status(happened: list[tuple[Body, str]], title: str) -> None:
    story = Story()
    for body, thread in happened:
        story.happens(body, thread=thread)
    for number in range(30):
        action = CommandAction(command=title, cwd="/ws")
        approval = patch(number, *(f"/ws/{title[:2_000]}-{each}" for each in range(40)))
        asked = approval.model_copy(
            update={"id": f"x{number}", "action": action, "reason": title, "thread_id": title}
        )
        story.happens(ApprovalRequested(approval=asked))
    view = story.view()
    assert size(view) <= MAX_BYTES
    assert len(view.pending) + view.pending_more == 30
    # It goes through JSON unharmed.
    assert StatusView.model_validate_json(json.dumps(view.model_dump(mode="json"))) == view


def test_a_status_of_a_busy_session_costs_little() -> None:
    story = Story().happens(TurnStarted())
    for number in range(300):
        story.happens(ItemCompleted(item=command(f"c{number}", ItemStatus.COMPLETED)))
    for number in range(5):
        story.happens(ItemStarted(item=command(f"r{number}")))
        story.happens(TextDelta(item_id=f"r{number}", field="output", text="x" * 79 + "\n"))
    for number in range(50):
        story.happens(ApprovalRequested(approval=patch(number, f"/ws/{number}")), decided(number))
        story.happens(settled(number, "applied"))
    maker = StatusMaker()
    began = time.perf_counter()
    for _ in range(50):
        story.happens(TextDelta(item_id="r1", field="output", text="one more word "))
        maker.view(story.state.snapshot())
    # About 2 ms each here.
    assert (time.perf_counter() - began) / 50 < 0.05
