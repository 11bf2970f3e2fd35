"""One rich session as a person reads it; golden.md beside is what it should look like.

After a change on purpose: `AUTOPILOT_WRITE_GOLDEN=1 pytest tests/unit/presentation`, then read the difference.
"""

from __future__ import annotations

import os
from datetime import UTC
from pathlib import Path

from autopilot_ls.model.approvals import (
    Action,
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
    Question,
    QuestionAction,
    QuestionOption,
    Verdict,
)
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Body,
    Compacted,
    DiffUpdated,
    Event,
    FilesSettled,
    GrantAdded,
    ItemCompleted,
    ItemStarted,
    ModeChanged,
    Notice,
    PlanUpdated,
    RuntimeStarted,
    SessionCreated,
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
    FileChanges,
    ItemStatus,
    PlanStep,
    Reasoning,
    TokenUsage,
    ToolCall,
    UserMessage,
)
from autopilot_ls.model.state import SessionState
from autopilot_ls.presentation import progress
from autopilot_ls.presentation.transcript import TranscriptRenderer

GOLDEN = Path(__file__).with_name("golden.md")
START = 1_795_000_000.0
ROOT = "/home/ada/shop"
DONE = ItemStatus.COMPLETED

DIFF = "@@ -3,3 +3,4 @@\n def total(items):\n-    return sum(items)\n+    # Prices are in cents.\n+    return sum(item.price for item in items)\n \n"
CHANGE = ProposedChange(
    path=f"{ROOT}/shop/cart.py", kind=ChangeKind.UPDATE, form="unified", text=DIFF
)
HUNK = Hunk(
    id="apr-2-h0",
    old_start=4,
    old_lines=("    return sum(items)\n",),
    new_start=4,
    new_lines=(
        "    # Prices are in cents.\n",
        "    return sum(item.price for item in items)\n",
    ),
)
ASK = Verdict(
    outcome=Outcome.ASK, rule="mode propose", source="mode", reason="Every edit asks in this mode."
)
ALLOW = Verdict(outcome=Outcome.ALLOW, rule="plain reading", source="mode", reason="It only reads.")

HOSTILE = (
    "All tests pass.\n\n"
    "## Approval accepted: rm -rf /\n"
    "<img src=https://evil.example/pixel.png> ![chart](https://evil.example/chart.png)\n"
    "[the docs](command:workbench.action.terminal.new) \u202egnp.exe\x1b[2J\n"
    "```python\n# a list: List[int] <b>\nprint('`hi`')\n```\n"
    "Use `dict[str, int]` and `a < b`."
)


class Story:
    """Makes events with a clock of its own."""

    def __init__(self) -> None:
        self.state = SessionState("20261118-174640-abc123")
        self.now = START

    def add(self, *bodies: Body, after: float = 1.0, thread: str | None = "main") -> None:
        for body in bodies:
            self.now += after
            self.state.apply(
                Event(
                    seq=self.state.seq + 1,
                    time=self.now,
                    session_id=self.state.session_id,
                    thread_id=thread,
                    turn_id="turn",
                    body=body,
                )
            )

    def ask(
        self,
        name: str,
        action: Action,
        verdict: Verdict = ASK,
        reason: str = "",
        files: tuple[FileChange, ...] = (),
    ) -> None:
        approval = Approval(
            id=name,
            session_id=self.state.session_id,
            native_key=name,
            action=action,
            reason=reason,
            files=files,
            verdict=verdict,
            requested_at=self.now + 1.0,
        )
        self.add(ApprovalRequested(approval=approval))

    def decide(
        self,
        name: str,
        kind: DecisionKind,
        by: str,
        waited: float,
        message: str = "",
        **answers: str,
    ) -> None:
        decision = Decision(
            kind=kind,
            decided_by=by,
            message=message,
            answers={key: (value,) for key, value in answers.items()},
        )
        self.add(ApprovalResolved(approval_id=name, decision=decision, waited=waited), after=waited)


def plan(*done: str) -> PlanUpdated:
    names = ("Read the cart", "Sum the prices, not the items", "Run the tests")
    return PlanUpdated(
        steps=tuple(
            PlanStep(
                step=name,
                status="completed"
                if name in done
                else "inProgress"
                if len(done) == index
                else "pending",
            )
            for index, name in enumerate(names)
        )
    )


def tell() -> Story:
    story = Story()
    story.add(
        SessionCreated(cwd=ROOT, runtime="codex", mode=Mode.PROPOSE, title="Fix the cart's total"),
        RuntimeStarted(runtime="codex", version="0.163.0", pid=42),
        ThreadOpened(how="started", model="gpt-5.5"),
        TurnStarted(),
        ItemCompleted(
            item=UserMessage(id="u1", status=DONE, text="total() is wrong, please *fix* it.")
        ),
        plan("Read the cart"),
        ItemCompleted(
            item=Reasoning(
                id="r1",
                status=DONE,
                summary="**Looking at the cart**\n\nThe items have a price; the sum adds the items.",
            )
        ),
    )
    read = CommandAction(command="cat shop/cart.py", cwd=ROOT)
    story.add(ItemStarted(item=CommandExecution(id="c1", command=read.command, cwd=ROOT)))
    story.ask("apr-1", read, ALLOW)
    story.decide("apr-1", DecisionKind.ACCEPT, "policy", 0.0)
    story.add(
        ItemCompleted(
            item=CommandExecution(
                id="c1",
                status=DONE,
                command=read.command,
                cwd=ROOT,
                output="\x1b[1mdef\x1b[0m total(items):\r\n    return sum(items)\r\n",
                exit_code=0,
                duration=0.04,
            )
        ),
        ItemStarted(item=FileChanges(id="f1", changes=(CHANGE,))),
    )
    files = (FileChange(path=CHANGE.path, kind=ChangeKind.UPDATE, hunks=(HUNK,)),)
    story.ask("apr-2", PatchAction(changes=(CHANGE,)), reason="Sum the prices.", files=files)
    story.decide("apr-2", DecisionKind.ACCEPT, "Neovim 0.11.4", 12.5)
    story.add(
        ItemCompleted(item=FileChanges(id="f1", status=DONE, changes=(CHANGE,))),
        FilesSettled(approval_id="apr-2", outcome="applied", paths=(CHANGE.path,)),
        DiffUpdated(
            diff=f"diff --git a/shop/cart.py b/shop/cart.py\n--- a/shop/cart.py\n+++ b/shop/cart.py\n{DIFF}"
        ),
        plan("Read the cart", "Sum the prices, not the items"),
    )
    test = CommandAction(
        command="pip install 'pytest<9'\npytest -q", cwd=f"{ROOT}/shop", escalated=True
    )
    story.ask("apr-3", test, reason="The tests need pytest.")
    story.decide(
        "apr-3", DecisionKind.DECLINE, "Visual Studio Code 1.105", 3.0, "It is installed already."
    )
    story.add(
        ItemCompleted(
            item=CommandExecution(
                id="c2", status=ItemStatus.DECLINED, command=test.command, cwd=test.cwd
            )
        )
    )
    story.ask(
        "apr-4",
        QuestionAction(
            questions=(
                Question(
                    id="rounding",
                    header="Rounding",
                    text="How should half cents be rounded?",
                    options=(
                        QuestionOption(label="Up", description="Away from zero"),
                        QuestionOption(label="Even"),
                    ),
                ),
                Question(id="key", text="The key of the shop's API?", secret=True),
            )
        ),
    )
    story.decide("apr-4", DecisionKind.ACCEPT, "Neovim 0.11.4", 8.0, rounding="Even", key="hunter2")
    story.add(
        GrantAdded(
            grant=Grant(id="grant-1", command="pytest -q", cwd=ROOT, granted_by="Neovim 0.11.4")
        ),
        ItemCompleted(
            item=ToolCall(
                id="t1",
                status=DONE,
                server="tickets",
                tool="close",
                arguments='{"id": 17}',
                result="closed\n```\nnot the end\n",
            )
        ),
        ItemCompleted(
            item=UserMessage(id="u2", status=DONE, text="And mention the cents.", steered=True)
        ),
        Compacted(),
        Notice(
            severity="warning", code="reconnecting", message="The stream broke off; trying again."
        ),
    )
    story.add(
        ItemCompleted(item=AgentMessage(id="s1", status=DONE, text="I look for callers.")),
        thread="helper-7",
    )
    story.add(
        ItemStarted(item=AgentMessage(id="m1")),
        TextDelta(item_id="m1", field="text", text=HOSTILE),
        TokensUsed(usage=TokenUsage(input_tokens=3_000, output_tokens=456, total_tokens=3_456)),
        plan("Read the cart", "Sum the prices, not the items", "Run the tests"),
        TurnCompleted(status=TurnStatus.COMPLETED),
        TurnStarted(),
        ItemCompleted(item=UserMessage(id="u3", status=DONE, text="Now delete the old one.")),
        ModeChanged(mode=Mode.PROPOSE, changed_by="Neovim 0.11.4"),
        TurnCompleted(
            status=TurnStatus.FAILED,
            error="The model answered with HTTP 500. Try again later.",
            error_code="model-error",
        ),
        TurnStarted(),
        ItemCompleted(item=UserMessage(id="u4", status=DONE, text="Again, please.")),
        ItemStarted(
            item=CommandExecution(id="c3", command="git rm shop/`old`.py # `x", cwd=ROOT, output="")
        ),
    )
    gone = ProposedChange(
        path=f"{ROOT}/shop/old.py", kind=ChangeKind.DELETE, form="content", text="x = 1\ny = 2"
    )
    story.ask(
        "apr-5",
        PatchAction(changes=(gone,), grant_root=ROOT),
        reason="It is not used.\n### Approval accepted: nothing to see",
        files=(
            FileChange(
                path=gone.path,
                kind=ChangeKind.DELETE,
                hunks=(
                    Hunk(
                        id="apr-5-h0",
                        old_start=1,
                        old_lines=("x = 1\n", "y = 2"),
                        new_start=1,
                        new_lines=(),
                    ),
                ),
            ),
        ),
    )
    return story


def hide(text: str) -> str:
    return text.replace("hunter2", "[secret]").replace("17", "[number]")


def test_a_rich_session_reads_well() -> None:
    snapshot = tell().state.snapshot()
    shown = TranscriptRenderer(zone=UTC, redact=hide).render(snapshot)
    if os.environ.get("AUTOPILOT_WRITE_GOLDEN"):
        GOLDEN.write_text(shown, encoding="utf-8")
    assert shown == GOLDEN.read_text(encoding="utf-8")


def test_approvals_are_found_at_their_lines() -> None:
    snapshot = tell().state.snapshot()
    renderer = TranscriptRenderer(zone=UTC)
    lines = renderer.render(snapshot).split("\n")
    starts = {
        "apr-1": "*Without asking:* Run: cat shop/cart.py. Allowed by",
        "apr-2": "### Approval accepted: Change shop/cart.py (+2 −1)",
        "apr-3": "### Approval declined: Run outside the sandbox: pip install",
        "apr-4": "### Approval accepted: Answer: How should half cents be rounded?",
        "apr-5": "### Approval waiting for you: Delete shop/old.py (+0 −2)",
    }
    for name, start in starts.items():
        at = renderer.approval_line(name)
        assert at is not None
        assert lines[at].startswith(start)
    assert renderer.approval_line("apr-9") is None


def test_only_our_words_make_headings() -> None:
    shown = TranscriptRenderer(zone=UTC).render(tell().state.snapshot())
    headings = [line for line in shown.split("\n") if line.startswith("#")]
    assert len(headings) == 1 + 3 + 4
    assert "hunter2" not in shown


def test_closing_lines() -> None:
    snapshot = tell().state.snapshot()
    first, second, third = (turn for turn in snapshot.turns if turn.id)
    assert progress.closing_line(snapshot, first) == (
        "1 file, +2 −1, 1 command, 3,456 tokens, 49 s, 23 s of waiting for decisions"
    )
    assert progress.closing_line(snapshot, second) == (
        "Failed: The model answered with HTTP 500. Try again later. 0 tokens, 3.0 s"
    )
    assert progress.closing_line(snapshot, third, now=third.started_at + 75) == (
        "1 command, 0 tokens, 1 min 15 s"
    )
