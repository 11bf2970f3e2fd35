"""Turns of the real Codex under the supervisor, from the start to whatever end they take."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

import anyio.to_thread
import pytest

from autopilot_ls.model.approvals import (
    CommandAction,
    DecisionKind,
    Mode,
    PatchAction,
    PermissionAction,
    QuestionAction,
)
from autopilot_ls.model.errors import ApprovalAlreadyResolved, DecisionRefused
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    FilesSettled,
    ItemCompleted,
    ItemStarted,
    Notice,
    PlanUpdated,
    RuntimeExited,
    ThreadOpened,
    TokensUsed,
    TurnStatus,
)
from autopilot_ls.model.items import AgentMessage, CommandExecution, UserMessage
from autopilot_ls.runtimes.codex import conversation
from autopilot_ls.scripted_model import (
    ScriptedModel,
    command,
    cut_stream,
    hold,
    http_error,
    message,
    patch,
    plan,
    question,
    reasoning,
    respond,
    tool_call,
)
from autopilot_ls.supervisor.requests import StartTurn
from autopilot_ls.supervisor.views import OpenDocument
from tests.support.staged import Staged, staged, supervised, until
from tests.support.world import world

pytestmark = [pytest.mark.core, pytest.mark.timeout(120)]

ACCEPT, DECLINE, CANCEL = DecisionKind.ACCEPT, DecisionKind.DECLINE, DecisionKind.CANCEL
UPDATE: Final = "*** Begin Patch\n*** Update File: a.py\n@@\n-x = 1\n+x = 2\n*** End Patch"
ADD: Final = "*** Begin Patch\n*** Add File: new.py\n+y = 1\n*** End Patch"
BOTH: Final = (
    "*** Begin Patch\n*** Update File: a.py\n@@\n-x = 1\n+x = 2\n"
    "*** Update File: b.py\n@@\n-y = 1\n+y = 2\n*** End Patch"
)


async def test_an_accepted_patch_is_written_and_proved() -> None:
    steps = [
        respond(reasoning("Thinking."), plan([("one", "in_progress")]), patch(UPDATE)),
        message("Done."),
    ]
    async with staged(*steps) as stage:
        stage.world.write("a.py", "x = 1\n")
        await stage.start()
        (approval,) = await stage.waiting()
        assert isinstance(approval.action, PatchAction)
        (file,) = approval.files
        assert [(h.old_lines, h.new_lines) for h in file.hunks] == [(("x = 1\n",), ("x = 2\n",))]
        await stage.decide(approval)
        assert (await stage.ended()).status is TurnStatus.COMPLETED
        assert stage.world.read("a.py") == "x = 2\n"
        assert (await stage.view.saw(FilesSettled)).outcome == "applied"
        assert stage.view.written == [stage.world.workspace / "a.py"]
        assert stage.view.all(PlanUpdated)
        assert stage.view.all(TokensUsed)[-1].usage.total_tokens > 0
        texts = [i.item for i in stage.view.all(ItemCompleted)]
        assert any(isinstance(i, AgentMessage) and i.text == "Done." for i in texts)


async def test_a_rejected_patch_changes_nothing_and_the_reason_reaches_the_model() -> None:
    async with staged(patch(UPDATE), message("Sorry."), message("Sorry.")) as stage:
        stage.world.write("a.py", "x = 1\n")
        await stage.start()
        (approval,) = await stage.waiting()
        await stage.decide(approval, DECLINE, "Use three instead.")
        assert (await stage.ended()).status is TurnStatus.COMPLETED
        assert stage.world.read("a.py") == "x = 1\n"
        stage.model.wait_for_requests(2, timeout=10)
        assert "Use three instead." in str(stage.model.requests[1])


@pytest.mark.parametrize(("kind", "made"), [(ACCEPT, True), (DECLINE, False), (CANCEL, False)])
async def test_a_command_runs_only_when_it_is_accepted(kind: DecisionKind, made: bool) -> None:  # noqa: FBT001 reason: a table of cases
    async with staged(command("touch made"), message("Done.")) as stage:
        await stage.start()
        (approval,) = await stage.waiting()
        assert isinstance(approval.action, CommandAction)
        assert "touch made" in approval.action.command
        assert not approval.action.escalated
        await stage.decide(approval, kind)
        completed = await stage.ended()
        assert (stage.world.workspace / "made").exists() is made
        wanted = TurnStatus.INTERRUPTED if kind is CANCEL else TurnStatus.COMPLETED
        assert completed.status is wanted


async def test_an_accepted_command_stays_in_the_sandbox_and_none_is_let_out() -> None:
    outside = Path.home() / f".autopilot-escape-{os.getpid()}"
    steps = [
        # Codex's plain sandboxes ran this again without any sandbox when it failed at once.
        command(f"touch {outside}", call_id="c1"),
        command(f"touch {outside}", escalate=True, call_id="c2"),
        message("Done."),
        message("Done."),
    ]
    async with staged(*steps) as stage:
        await stage.start()
        (approval,) = await stage.waiting()
        await stage.decide(approval)
        await stage.ended()
        escalated = stage.view.all(ApprovalRequested)[-1].approval
        assert isinstance(escalated.action, CommandAction)
        assert escalated.action.escalated
        assert escalated.verdict.rule == "sandbox"
        assert "Ask for the permissions" in stage.outputs()
        assert not outside.exists()


@pytest.mark.parametrize("asks_for", ["sessions", "codex", "/"])
async def test_the_records_and_what_decides_about_asking_cannot_be_permitted(asks_for: str) -> None:
    async with staged() as stage:
        places = {
            # Codex opens a folder below a denied one when it is permitted by its own name.
            "sessions": stage.world.state / "sessions",
            "codex": stage.world.codex_home / "rules",
            "/": Path("/"),
        }
        place = str(places[asks_for])
        asked = {"reason": "Please.", "permissions": {"file_system": {"write": [place]}}}
        stage.model.extend(tool_call("request_permissions", asked), message("Done."))
        await stage.start()
        await stage.ended()
        assert not stage.view.all(ApprovalRequested)
        (notice,) = [each for each in stage.view.all(Notice) if "It was declined." in each.message]
        assert "own" in notice.message


async def test_a_workspace_that_holds_the_folders_of_codex_and_ours_keeps_them() -> None:
    """As a home folder does: what an agent writes there would decide what is asked about."""

    def added(name: str) -> str:
        return f"*** Begin Patch\n*** Add File: {name}\n+x\n*** End Patch"

    steps = [
        # The rules would see a plain name: what they cannot read, the sandbox must hold.
        command(
            "echo x > codex/a.rules; python3 -c \"open('sta' + 'te/a', 'w')\"; touch made",
            call_id="c1",
        ),
        patch(added("codex/rules/a.rules")),
        patch(added("state/sessions/a")),
        message("Done."),
    ]
    async with staged(*steps) as stage:
        request = StartTurn(text="Go.", cwd=str(stage.world.root))
        stage.session_id = (await stage.supervisor.start_turn(request, "test")).session_id
        (approval,) = await stage.waiting()
        await stage.decide(approval)
        await stage.ended()
        assert (stage.world.root / "made").exists()
        assert [
            each for each in stage.world.root.rglob("a*") if each.name in ("a", "a.rules")
        ] == []
        declined = [n for n in stage.view.all(Notice) if "It was declined." in n.message]
        assert len(declined) == 2


async def test_more_than_the_sandbox_gives_is_asked_for_and_granted_for_one_turn() -> None:
    with tempfile.TemporaryDirectory(dir=Path.home()) as elsewhere:
        ask = {"reason": "Need it.", "permissions": {"file_system": {"write": [elsewhere]}}}
        steps = [
            tool_call("request_permissions", ask, call_id="p1"),
            command(f"touch {elsewhere}/made", call_id="c1"),
            message("Done."),
            command(f"touch {elsewhere}/again", call_id="c2"),
            message("Done."),
        ]
        async with staged(*steps) as stage:
            await stage.start()
            (approval,) = await stage.waiting()
            assert isinstance(approval.action, PermissionAction)
            assert any(elsewhere in line for line in approval.action.permissions)
            await stage.decide(approval)
            await stage.view.until(
                lambda: any(
                    isinstance(a.action, CommandAction)
                    for a in stage.supervisor.approvals(stage.session_id)
                )
            )
            await stage.decide((await stage.waiting())[0])
            await stage.ended()
            assert (Path(elsewhere) / "made").exists()
            await stage.start("Again.", session_id=stage.session_id)
            await stage.decide((await stage.waiting())[0])
            await stage.ended(2)
            assert not (Path(elsewhere) / "again").exists()


async def test_two_commands_pending_together_are_answered_in_any_order() -> None:
    steps = [
        respond(command("touch one", call_id="c1"), command("touch two", call_id="c2")),
        message("Done."),
    ]
    async with staged(*steps) as stage:
        await stage.start()
        first, second = await stage.waiting(2)
        await stage.decide(second)
        await stage.decide(first, DECLINE)
        await stage.ended()
        made = {p.name for p in stage.world.workspace.iterdir()} & {"one", "two"}
        assert isinstance(second.action, CommandAction)
        assert made == {"two" if "two" in second.action.command else "one"}


async def test_a_question_is_answered() -> None:
    steps = [question("q", "Which?", [("A", "first"), ("B", "second")]), message("Done.")]
    async with staged(*steps) as stage:
        await stage.start()
        (approval,) = await stage.waiting()
        assert isinstance(approval.action, QuestionAction)
        assert [o.label for o in approval.action.questions[0].options] == ["A", "B"]
        await stage.supervisor.decide(approval.id, ACCEPT, decided_by="test", answers={"q": ["B"]})
        await stage.ended()
        assert "B" in str(stage.model.requests[1]["input"])


async def test_steering_reaches_the_running_turn() -> None:
    go = threading.Event()
    steps = [hold(go, command("ls", call_id="c1")), message("Done."), message("Done.")]
    async with staged(*steps) as stage:
        await stage.start()
        stage.model.wait_for_requests(1)
        await stage.supervisor.steer(stage.session_id, "Mind the gap.")
        go.set()
        await stage.ended()
        assert "Mind the gap." in stage.outputs()
        said = [i.item for i in stage.view.all(ItemStarted)] + [
            i.item for i in stage.view.all(ItemCompleted)
        ]
        assert any(isinstance(i, UserMessage) and "Mind the gap." in i.text for i in said)


async def test_an_interrupt_in_the_middle_of_a_command_really_stops_it() -> None:
    script = "echo $$ > pid; sleep 1000 & echo $! > child; wait"
    async with staged(command(script), message("Done.")) as stage:
        await stage.start()
        (approval,) = await stage.waiting()
        await stage.decide(approval)
        await until(lambda: bool(_text(stage.world.workspace / "child")))
        await stage.view.until(
            lambda: any(isinstance(i.item, CommandExecution) for i in stage.view.all(ItemStarted))
        )
        await stage.supervisor.interrupt(stage.session_id, "test")
        assert (await stage.ended()).status is TurnStatus.INTERRUPTED
        assert stage.snapshot.active_turn is None
        # The sandbox numbers its processes anew, so the command is found by what it runs.
        await until(lambda: not _running("sleep", "1000", stage.world.workspace))


@pytest.mark.core
async def test_an_interrupt_stops_what_the_turn_put_into_the_background() -> None:
    """Codex does so by itself with a command that takes long, which its own interrupt leaves running."""
    go = threading.Event()
    earlier = "sleep 1001 & echo $! > earlier; wait"
    script = "sleep 1000 & echo $! > child; wait"
    async with staged(
        command(earlier, yield_time_ms=250),
        message("Runs."),
        command(script, yield_time_ms=250),
        hold(go, message("Late.")),
    ) as stage:
        session = await stage.start()
        (approval,) = await stage.waiting()
        await stage.decide(approval)
        await stage.ended()
        await stage.start(session_id=session)
        (approval,) = await stage.waiting()
        await stage.decide(approval)
        await anyio.to_thread.run_sync(stage.model.wait_for_requests, 4, 30)
        workspace = stage.world.workspace
        await until(lambda: bool(_running("sleep", "1000", workspace)))
        await stage.supervisor.interrupt(session, "test")
        assert (await stage.ended(2)).status is TurnStatus.INTERRUPTED
        await until(lambda: not _running("sleep", "1000", workspace))
        assert _running("sleep", "1001", workspace)
        go.set()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _running(program: str, argument: str, cwd: Path) -> list[int]:
    found = list[int]()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if words[:2] == [program.encode(), argument.encode()] and (
                (entry / "cwd").readlink() == cwd
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


async def test_a_session_goes_on_after_a_restart() -> None:
    with ScriptedModel([message("First."), message("Second.")]) as model, world(model) as here:
        async with supervised(here, model) as stage:
            session_id = await stage.start("One.")
            await stage.ended()
        async with supervised(here, model) as stage:
            assert stage.supervisor.sessions()[0].id == session_id
            await stage.start("Two.", session_id=session_id)
            await stage.ended()
            assert stage.view.all(ThreadOpened)[-1].how == "resumed"
            texts = str(model.requests[-1]["input"])
            assert "One." in texts
            assert "First." in texts
            assert len([t for t in stage.snapshot.turns if t.id]) == 2


async def test_two_sessions_work_at_once() -> None:
    with (
        ScriptedModel(
            {
                "left": [command("touch left"), message("Done.")],
                "right": [command("touch right"), message("Done.")],
            }
        ) as model,
        world(model) as here,
    ):
        async with supervised(here, model) as stage:
            left = await stage.start("Go left")
            right = await stage.start("Go right")
            assert left != right
            (two,) = await stage.waiting(session_id=right)
            (one,) = await stage.waiting(session_id=left)
            await stage.decide(two)
            await stage.decide(one)
            await stage.ended(2)
            assert (here.workspace / "left").exists()
            assert (here.workspace / "right").exists()


async def _killed(stage: Staged) -> float:
    os.kill(stage.pid, signal.SIGKILL)
    began = time.monotonic()
    await stage.view.saw(RuntimeExited)
    completed = await stage.ended()
    assert completed.status is TurnStatus.FAILED
    assert completed.error_code == "agent-died"
    assert "resume" in completed.error
    return time.monotonic() - began


async def test_a_codex_killed_in_a_turn_is_noticed_and_the_session_goes_on() -> None:
    go = threading.Event()
    async with staged(hold(go, message("Late.")), message("Back."), message("Back.")) as stage:
        await stage.start("One.")
        stage.model.wait_for_requests(1)
        assert await _killed(stage) < 1.0
        go.set()
        await stage.start("Two.", session_id=stage.session_id)
        assert (await stage.ended(2)).status is TurnStatus.COMPLETED


async def test_a_codex_killed_while_it_waits_voids_the_approval() -> None:
    async with staged(patch(UPDATE), message("Back."), message("Back.")) as stage:
        stage.world.write("a.py", "x = 1\n")
        await stage.start()
        (approval,) = await stage.waiting()
        assert await _killed(stage) < 1.0
        with pytest.raises(ApprovalAlreadyResolved, match="cancel by autopilot"):
            await stage.decide(approval)
        assert stage.world.read("a.py") == "x = 1\n"
        await stage.start("Again.", session_id=stage.session_id)
        assert (await stage.ended(2)).status is TurnStatus.COMPLETED


@pytest.mark.parametrize(
    "fault", [http_error(400, "no"), http_error(500, "oops"), cut_stream(message("half"))]
)
async def test_a_model_error_ends_the_turn_with_a_clear_message(fault: object) -> None:
    async with staged(fault, message("Better.")) as stage:
        await stage.start()
        completed = await stage.ended()
        assert completed.status is TurnStatus.FAILED
        assert completed.error
        assert completed.error_code
        await stage.start("Again.", session_id=stage.session_id)
        assert (await stage.ended(2)).status is TurnStatus.COMPLETED


async def test_an_accept_is_refused_while_a_buffer_has_unsaved_changes() -> None:
    async with staged(patch(UPDATE), message("Done.")) as stage:
        path = stage.world.write("a.py", "x = 1\n")
        await stage.start()
        (approval,) = await stage.waiting()
        stage.view.documents = [OpenDocument(path, "x = 1\n# mine\n")]
        with pytest.raises(DecisionRefused, match="unsaved"):
            await stage.decide(approval)
        assert stage.world.read("a.py") == "x = 1\n"
        stage.view.documents = []
        await stage.decide(approval)
        await stage.ended()
        assert stage.world.read("a.py") == "x = 2\n"


async def test_a_file_created_meanwhile_is_not_overwritten() -> None:
    async with staged(patch(ADD), message("Done.")) as stage:
        await stage.start()
        (approval,) = await stage.waiting()
        stage.world.write("new.py", "mine\n")
        with pytest.raises(DecisionRefused, match="created"):
            await stage.decide(approval)
        await stage.decide(approval, DECLINE)
        await stage.ended()
        assert stage.world.read("new.py") == "mine\n"


async def test_a_patch_whose_second_file_fails_is_restored() -> None:
    async with staged(patch(BOTH), message("Done.")) as stage:
        stage.world.write("a.py", "x = 1\n")
        second = stage.world.write("b.py", "y = 1\n")
        await stage.start()
        (approval,) = await stage.waiting()
        # Between our check and the agent's write, another program takes the second file's text.
        original = stage.supervisor._sessions[stage.session_id]._answer

        async def change_and_answer(key: str, decision: object) -> bool:
            second.write_text("z = 1\n")
            return await original(key, decision)  # pyright: ignore[reportArgumentType]

        stage.supervisor._sessions[stage.session_id].broker.answering.answer = change_and_answer
        await stage.decide(approval)
        settled = await stage.view.saw(FilesSettled)
        await stage.ended()
        assert settled.outcome in {"restored", "different"}
        assert "estored" in settled.detail
        assert stage.world.read("a.py") == "x = 1\n"
        assert stage.world.read("b.py") == "z = 1\n"


async def test_read_only_lets_codex_look_and_nothing_else() -> None:
    steps = [
        respond(command("cat a.py", call_id="c1"), command("touch made", call_id="c2")),
        patch(UPDATE),
        message("Done."),
    ]
    async with staged(*steps) as stage:
        stage.world.write("a.py", "x = 1\n")
        await stage.start(mode=Mode.READ_ONLY)
        assert (await stage.ended()).status is TurnStatus.COMPLETED
        decisions = [b.decision for b in stage.view.all(ApprovalResolved)]
        assert {d.decided_by for d in decisions} == {"policy"}
        assert sorted(d.kind.value for d in decisions) == ["accept", "decline", "decline"]
        assert stage.world.read("a.py") == "x = 1\n"
        assert not (stage.world.workspace / "made").exists()
        assert "x = 1" in str(stage.model.requests[1]["input"])


async def test_a_codex_that_no_longer_asks_about_everything_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What a later Codex answers to a value it no longer knows, this one answers to an invented one.
    monkeypatch.setattr(conversation, "APPROVAL_POLICY", "retired")
    async with staged(command("touch made"), message("Done.")) as stage:
        await stage.start()
        await stage.ended()
        codes = [notice.code for notice in stage.view.all(Notice)]
        assert codes.count("agent-unseen") == 1
        assert not (stage.world.workspace / "made").exists()
