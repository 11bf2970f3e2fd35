"""Titles, descriptions, diffs, progress and status of single things."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC

import pytest

from autopilot_ls.model import diffstat
from autopilot_ls.model.approvals import (
    Action,
    Approval,
    ChangeKind,
    CommandAction,
    ElicitationAction,
    FileChange,
    Hunk,
    Mode,
    Outcome,
    PatchAction,
    PermissionAction,
    ProposedChange,
    Question,
    QuestionAction,
    ToolAction,
    Verdict,
)
from autopilot_ls.model.events import (
    ApprovalRequested,
    Body,
    Event,
    ItemCompleted,
    ItemStarted,
    ModeChanged,
    PlanUpdated,
    SessionCreated,
    TextDelta,
    TurnStarted,
)
from autopilot_ls.model.items import (
    AgentMessage,
    CommandExecution,
    FileChanges,
    Item,
    ItemStatus,
    PlanStep,
    Reasoning,
    ToolCall,
    WebSearch,
)
from autopilot_ls.model.state import SessionState
from autopilot_ls.presentation import approvals, progress
from autopilot_ls.presentation.status import status
from autopilot_ls.presentation.status_view import StatusView
from autopilot_ls.presentation.transcript import TranscriptRenderer

ASK = Verdict(outcome=Outcome.ASK, rule="propose", source="mode", reason="Everything asks.")


def approval(action: Action, *files: FileChange, reason: str = "") -> Approval:
    return Approval(
        id="apr-1",
        session_id="s",
        native_key="k",
        action=action,
        reason=reason,
        files=files,
        verdict=ASK,
        requested_at=100.0,
    )


def hunk(old: tuple[str, ...], new: tuple[str, ...], at: int = 1) -> Hunk:
    return Hunk(id="h", old_start=at, old_lines=old, new_start=at, new_lines=new)


def change(path: str, *hunks: Hunk, kind: ChangeKind = ChangeKind.UPDATE) -> FileChange:
    return FileChange(path=path, kind=kind, hunks=hunks)


UPDATE = change("/ws/a.py", hunk(("a\n",), ("b\n", "c\n")))
ADD = change("/ws/n.py", hunk((), ("b\n",)), kind=ChangeKind.ADD)
MOVE = FileChange(path="/ws/a.py", kind=ChangeKind.UPDATE, move_to="/ws/sub/b.py")
PATCH = PatchAction(changes=())


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            approval(CommandAction(command="ls\nrm -rf \u202ex", cwd="/ws")),
            "Run: ls ⏎ rm -rf \\u{202e}x",
        ),
        (
            approval(CommandAction(command="make", cwd="/ws", escalated=True)),
            "Run outside the sandbox: make",
        ),
        (
            approval(CommandAction(command="y", cwd="/ws", types_input=True)),
            "Type into the running program: y",
        ),
        (
            approval(CommandAction(command="curl x", cwd="/ws", network_host="e.x")),
            "Reach the network host e.x: curl x",
        ),
        (approval(PATCH, UPDATE), "Change a.py (+2 −1)"),
        (approval(PATCH, ADD), "Create n.py (+1 −0)"),
        (approval(PATCH, ADD, UPDATE, MOVE), "Change n.py and 2 more files (+3 −1)"),
        (approval(PATCH, MOVE), "Rename a.py to sub/b.py (+0 −0)"),
        (
            approval(PermissionAction(cwd="/ws", permissions=("write /x",), native="{}")),
            "Allow for this turn: write /x",
        ),
        (
            # A long one and many others must not push out of sight what comes with them.
            approval(
                PermissionAction(
                    cwd="/ws",
                    permissions=("write /" + "a" * 90, "write /b", "read /c"),
                    native="{}",
                )
            ),
            f"Allow for this turn: write /{'a' * 36}…; write /b; and 1 more",
        ),
        (
            approval(CommandAction(command="ls", cwd="/ws", permissions=("write /x",))),
            "Run (may write /x): ls",
        ),
        (approval(QuestionAction(questions=(Question(id="q", text="Why?"),))), "Answer: Why?"),
        (
            approval(ElicitationAction(server="tickets", message="Which?")),
            "MCP server tickets asks: Which?",
        ),
        (approval(ToolAction(server="tickets", tool="close")), "Call the tool tickets.close"),
    ],
)
def test_titles(asked: Approval, said: str) -> None:
    assert approvals.title(asked, root="/ws") == said
    # Every kind can be described, and names its rule.
    assert "**Verdict:** Asked by the mode `propose`: Everything asks." in approvals.describe(asked)


def test_a_title_hides_secrets_and_is_bounded() -> None:
    asked = approval(CommandAction(command="login hunter2 " + "x" * 999, cwd="/ws"))
    said = approvals.title(asked, redact=lambda text: text.replace("hunter2", "…"), limit=40)
    assert said.startswith("Run: login … xxx")
    assert len(said) == 40


def test_what_cannot_be_accepted_says_so() -> None:
    broken = UPDATE.model_copy(update={"problem": "The file is binary."})
    assert "**Cannot be accepted:** The file is binary." in approvals.describe(
        approval(PATCH, broken)
    )
    assert "# Cannot be accepted: The file is binary.\n" in approvals.unified_diff([broken])


def test_a_patch_as_a_diff() -> None:
    files = (
        change("/ws/a.py", hunk(("a\n",), ("b\n", "c"), 3)),
        change("/ws/crlf", hunk(("a\r\n",), ("a\n",)), hunk((), ("x\x1b\n",), 7)),
        change("/ws/dos", hunk(("a\r\n",), ("b\r\n",))),
        ADD,
        change("/ws/gone", hunk(("x\n",), ()), kind=ChangeKind.DELETE),
    )
    assert approvals.unified_diff(files, root="/ws") == (
        "--- a/a.py\n+++ b/a.py\n@@ -3,1 +3,2 @@\n-a\n+b\n+c\n\\ No newline at end of file\n"
        "--- a/crlf\n+++ b/crlf\n@@ -1,1 +1,1 @@\n-a␍\n+a\n@@ -6,0 +7,1 @@\n+x\\x1b\n"
        "--- a/dos\n+++ b/dos\n@@ -1,1 +1,1 @@\n-a\n+b\n"
        "--- /dev/null\n+++ b/n.py\n@@ -0,0 +1,1 @@\n+b\n"
        "--- a/gone\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-x\n"
    )


# As Codex 0.163 sent it, shortened: a lone CR ends a line, content looks like headers.
TURN_DIFF = (
    "diff --git a/t/crlf.txt b/t/crlf.txt\nindex 1a..b6\n--- a/t/crlf.txt\n+++ b/t/crlf.txt\n"
    "@@ -1,4 +1,4 @@\n a\r\n-b\r\n+B\r\n c\r d\r\n"
    "diff --git a/t/del.txt b/t/del.txt\ndeleted file mode 100644\n--- a/t/del.txt\n+++ /dev/null\n"
    "@@ -1,2 +0,0 @@\n-x\n-y\n\\ No newline at end of file\n"
    "diff --git a/t/m.txt b/t/sub/m v2.txt\n--- a/t/m.txt\n+++ b/t/sub/m v2.txt\n@@ -1 +1,2 @@\n-b\n+++ x\n+B\n"
)


def test_lines_per_file() -> None:
    assert diffstat.of_diff(TURN_DIFF) == (
        diffstat.FileStat("t/crlf.txt", 1, 1),
        diffstat.FileStat("t/del.txt", 0, 2),
        diffstat.FileStat("t/sub/m v2.txt", 2, 1),
    )
    assert diffstat.of_diff("") == diffstat.of_diff("nonsense\n@@ -1 +1 @@\n+a\n") == ()
    assert diffstat.summed(diffstat.of_diff(TURN_DIFF)) == "+3 −4"
    changes = (
        ProposedChange(path="/a", kind=ChangeKind.ADD, form="content", text="x\ny"),
        ProposedChange(path="/d", kind=ChangeKind.DELETE, form="content", text="x\n"),
        ProposedChange(
            path="/u", kind=ChangeKind.UPDATE, form="unified", text="@@ -1 +1 @@\n-a\n+b\n"
        ),
    )
    assert diffstat.summed(diffstat.of_proposed(changes)) == "+3 −2"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0 ms"), (0.04, "40 ms"), (0.9996, "1.0 s"), (9.94, "9.9 s"), (9.96, "9 s"), (12.4, "12 s"),
     (59.97, "1 min 0 s"), (185, "3 min 5 s"), (7_800, "2 h 10 min")],
)  # fmt: skip
def test_durations(seconds: float, said: str) -> None:
    assert progress.duration(seconds) in {said, "10 s"}


class Session:
    """A session whose events take a second each."""

    def __init__(self, *bodies: Body) -> None:
        self.state = SessionState("s")
        self.add(SessionCreated(cwd="/ws", runtime="codex", mode=Mode.PROPOSE, title="A title"))
        self.add(*bodies)

    def add(self, *bodies: Body) -> None:
        for body in bodies:
            seq = self.state.seq + 1
            self.state.apply(
                Event(seq=seq, time=100.0 + seq, session_id="s", turn_id="t", body=body)
            )


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (CommandExecution(id="i", command="make\nall"), "Runs: make ⏎ all"),
        (Reasoning(id="i", summary="**One**\n\n**Two**"), "Thinks: Two"),
        (Reasoning(id="i"), "Thinks"),
        (AgentMessage(id="i", text="Hello"), "Writes"),
        (ToolCall(id="i", server="s", tool="t"), "Calls s.t"),
        (WebSearch(id="i", query="q"), "Searches the web: q"),
        (
            FileChanges(
                id="i",
                changes=(
                    ProposedChange(path="/ws/a", kind=ChangeKind.ADD, form="content", text=""),
                ),
            ),
            "Changes a",
        ),
    ],
)
def test_what_happens_now(item: Item, said: str) -> None:
    session = Session(TurnStarted(), ItemStarted(item=item))
    assert progress.message(session.state.snapshot()) == said


def test_progress_of_a_turn() -> None:
    session = Session()
    assert progress.message(session.state.snapshot()) == ""
    assert progress.percentage(session.state.snapshot()) is None
    session.add(TurnStarted())
    assert progress.message(session.state.snapshot()) == "Works"
    assert progress.percentage(session.state.snapshot()) is None
    steps = (
        PlanStep(step="one", status="completed"),
        PlanStep(step="two", status="inProgress"),
        PlanStep(step="three", status="pending"),
    )
    session.add(PlanUpdated(steps=steps))
    assert progress.message(session.state.snapshot()) == "two"
    assert progress.percentage(session.state.snapshot()) == 50
    ask = approval(CommandAction(command="ls", cwd="/ws"))
    session.add(
        ApprovalRequested(approval=ask),
        ApprovalRequested(approval=ask.model_copy(update={"id": "apr-2"})),
    )
    assert progress.message(session.state.snapshot()) == "Waits for you: Run: ls (and 1 more)"
    assert progress.title(session.state.snapshot()) == "Autopilot: A title"


def test_what_must_be_said_loudly_comes_first() -> None:
    session = Session(TurnStarted())
    plain = approval(CommandAction(command="make", cwd="/work"))
    verdict = Verdict(outcome=Outcome.ASK, rule="publishing", source="x", reason="y", risk="high")
    push = approval(CommandAction(command="git push", cwd="/work"))
    push = push.model_copy(update={"id": "apr-2", "verdict": verdict})
    session.add(ApprovalRequested(approval=plain), ApprovalRequested(approval=push))
    said = progress.message(session.state.snapshot())
    assert said == "Waits for you: Run: make (and 1 more)"
    session.add(ModeChanged(mode=Mode.ESCALATE, changed_by="x"))
    snapshot = session.state.snapshot()
    loud = "HIGH RISK, waits for you: Run: git push (and 1 more)"
    assert progress.message(snapshot) == loud
    view = status(snapshot)
    assert view.doing == loud
    assert [(each.risk, each.alarm) for each in view.pending] == [
        ("low", ""),
        ("high", "HIGH RISK"),
    ]


def test_status() -> None:
    session = Session()
    assert status(session.state.snapshot()).state == "idle"
    session.add(TurnStarted(), ApprovalRequested(approval=approval(PATCH, UPDATE)))
    view = status(session.state.snapshot(), now=110.0)
    assert (view.state, view.elapsed, view.turns) == ("waiting", 8.0, 1)
    assert (view.seq, view.started_at) == (3, 102.0)
    assert view.pending[0].model_dump(by_alias=True) == {
        "id": "apr-1",
        "kind": "patch",
        "title": "Change a.py (+2 −1)",
        "rule": "propose",
        "risk": "low",
        "alarm": "",
        "why": "Asked by the mode propose: Everything asks.",
        "age": 10.0,
        "requestedAt": 100.0,
        "paths": ("/ws/a.py",),
        "hunks": 1,
        "threadId": None,
    }
    assert StatusView.model_validate_json(view.model_dump_json()) == view


def test_a_frame_of_a_long_session_costs_what_changed() -> None:
    session = Session(TurnStarted())
    for number in range(1_998):
        if number % 3:
            item: Item = CommandExecution(
                id=f"i{number}",
                status=ItemStatus.COMPLETED,
                command=f"make {number}",
                output="fine\n" * 20,
                exit_code=0,
            )
        else:
            item = AgentMessage(
                id=f"i{number}", status=ItemStatus.COMPLETED, text="Some *words* `x`.\n" * 5
            )
        session.add(ItemCompleted(item=item))
    session.add(ItemStarted(item=AgentMessage(id="live")))
    calls: list[str] = []

    def counting(text: str) -> str:
        calls.append(text)
        return text

    renderer = TranscriptRenderer(redact=counting, zone=UTC)
    shown = ""
    began = time.perf_counter()
    renderer.render(session.state.snapshot())
    whole = time.perf_counter() - began
    times: list[float] = []
    for number in range(20):
        if number == 10:
            renderer.render(session.state.snapshot())  # Nothing changed: what is kept must stay.
        session.add(TextDelta(item_id="live", field="text", text=f"more {number} "))
        snapshot = session.state.snapshot()
        calls.clear()
        began = time.perf_counter()
        shown = renderer.render(snapshot)
        times.append(time.perf_counter() - began)
        assert len(calls) < 5
        assert f"more {number}" in shown
    print(f"2,000 entries: first {whole * 1e3:.1f} ms, after a delta {min(times) * 1e3:.2f} ms")
    assert shown == TranscriptRenderer(zone=UTC).render(session.state.snapshot())


def test_another_folder_or_thread_renders_anew() -> None:
    session = Session(
        TurnStarted(),
        ItemCompleted(item=CommandExecution(id="c", command="ls", cwd="/ws/sub", exit_code=0)),
    )
    renderer = TranscriptRenderer(zone=UTC)
    snapshot = session.state.snapshot()
    assert "in `sub`" in renderer.render(snapshot)
    moved = dataclasses.replace(snapshot, cwd="/ws/sub")
    assert "in `" not in renderer.render(moved)
