"""Limits stop a runaway: what rules allow waits for a person, and a turn nobody asks about is stopped."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from autopilot_ls.model.approvals import (
    ChangeKind,
    Decision,
    DecisionKind,
    Mode,
    Outcome,
    ProposedChange,
)
from autopilot_ls.model.events import (
    ApprovalResolved,
    Body,
    ItemCompleted,
    Notice,
    SubAgentOpened,
    TokensUsed,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.model.items import CommandExecution, FileChanges, ItemStatus, TokenUsage
from autopilot_ls.runtimes.base import RuntimeEvent
from autopilot_ls.supervisor.requests import StartTurn
from tests.unit.supervisor.conftest import Stage
from tests.unit.supervisor.played_runtime import add, command

ACCEPT, DECLINE = DecisionKind.ACCEPT, DecisionKind.DECLINE


def limit(stage: Stage, text: str, more: str = "") -> None:
    path = stage.workspace.parent / "policy.toml"
    path.write_text(f"version = 1\n{more}\n[limits]\n{text}\n")


def say(stage: Stage, *bodies: Body, thread: str = "thread") -> None:
    turn = f"turn{stage.agent.turns}"
    stage.agent.say(*(RuntimeEvent(body, thread, turn) for body in bodies))


def ran(number: int = 1, *, code: int = 0, thread: str = "") -> ItemCompleted:
    status = ItemStatus.COMPLETED if code == 0 else ItemStatus.FAILED
    name = f"c{thread}{number}"
    item = CommandExecution(id=name, command="x", status=status, exit_code=code)
    return ItemCompleted(item=item)


def changed(
    *names: str, lines: int = 1, status: ItemStatus = ItemStatus.COMPLETED
) -> ItemCompleted:
    changes = tuple(
        ProposedChange(
            path=f"/work/{name}", kind=ChangeKind.ADD, form="content", text="line\n" * lines
        )
        for name in names
    )
    return ItemCompleted(item=FileChanges(id="-".join(names), status=status, changes=changes))


def tokens(total: int) -> TokensUsed:
    return TokensUsed(usage=TokenUsage(total_tokens=total))


def read(stage: Stage, key: str) -> None:
    stage.agent.ask(command(f"cat {key}", stage.workspace), key=key, item_id=key)


async def asked(stage: Stage, key: str = "k") -> str:
    """Ask for what a rule allows; returns the limit that it waits for, nothing when it was accepted."""
    before = len(stage.agent.answers)
    read(stage, key)
    await anyio.wait_all_tasks_blocked()
    waiting = [a for a in stage.waiting() if a.native_key == key]
    if not waiting:
        answers = await stage.agent.answered(before + 1)
        assert answers[-1][1].kind is ACCEPT
        return ""
    assert (waiting[0].verdict.outcome, waiting[0].verdict.risk) == (Outcome.ASK, "high")
    return waiting[0].verdict.rule


async def decide(stage: Stage, key: str, kind: DecisionKind = ACCEPT, by: str = "me") -> Decision:
    approval = next(a for a in stage.waiting() if a.native_key == key)
    return await stage.supervisor.decide(approval.id, kind, decided_by=by)


async def test_of_many_approvals_at_once_only_as_many_as_the_limit_go_by_rule(
    stage: Stage,
) -> None:
    limit(stage, "approvals = 3\napprovals_window = 3600")
    await stage.start()
    for number in range(5):
        read(stage, f"k{number}")
    answers = await stage.agent.answered(3)
    # Those are decided beside one another, so that their order is not certain.
    assert {key for key, _ in answers} == {"k0", "k1", "k2"}
    await anyio.wait_all_tasks_blocked()
    assert [a.native_key for a in stage.waiting()] == ["k3", "k4"]
    verdict = stage.waiting()[0].verdict
    assert (verdict.outcome, verdict.rule, verdict.risk) == (
        Outcome.ASK,
        "limit-approvals",
        "high",
    )
    assert "approvals = 3 is reached: 3 approvals by rule in 3600 s" in verdict.reason
    assert "The rule reading of built-in rules" in verdict.reason


async def test_a_deny_goes_on_when_a_limit_is_reached(stage: Stage) -> None:
    limit(stage, "approvals = 1")
    await stage.start()
    assert await asked(stage, "k1") == ""
    assert await asked(stage, "k2") == "limit-approvals"
    stage.agent.ask(add(stage.workspace / ".git" / "hooks" / "x", "y\n"), key="k3")
    answers = await stage.agent.answered(2)
    assert (answers[1][0], answers[1][1].kind) == ("k3", DECLINE)


async def test_what_a_person_accepts_or_says_begins_the_count_anew(stage: Stage) -> None:
    limit(stage, "approvals = 1")
    await stage.start()
    assert await asked(stage, "k1") == ""
    assert await asked(stage, "k2") == "limit-approvals"
    await decide(stage, "k2")
    assert await asked(stage, "k3") == ""
    assert await asked(stage, "k4") == "limit-approvals"
    await stage.supervisor.steer(stage.session_id, "Go on.")
    assert await asked(stage, "k5") == ""
    assert await asked(stage, "k6") == "limit-approvals"
    # What waited for the limit alone is judged anew by the mode, and goes.
    await stage.supervisor.set_mode(Mode.AUTO, session_id=stage.session_id, changed_by="me")
    await stage.agent.answered(5)
    await anyio.wait_all_tasks_blocked()
    assert [a.native_key for a in stage.waiting()] == ["k6"]
    stage.agent.end_turn()
    await stage.start()
    assert await asked(stage, "k7") == ""


async def test_a_decline_does_not_begin_the_count_anew(stage: Stage) -> None:
    """It may come from where nobody can be asked, such as `autopilot-ls run` without a terminal."""
    limit(stage, "approvals = 1")
    await stage.start()
    assert await asked(stage, "k1") == ""
    assert await asked(stage, "k2") == "limit-approvals"
    await decide(stage, "k2", DECLINE, by="autopilot-ls run")
    assert await asked(stage, "k3") == "limit-approvals"


@pytest.mark.parametrize(
    ("limits", "facts", "rule"),
    [
        ("files = 2", [changed("a"), changed("a"), changed("b")], "limit-files"),
        ("lines = 10", [changed("a", lines=10)], "limit-lines"),
        ("commands = 2", [ran(1), ran(2)], "limit-commands"),
        (
            "failures = 2",
            [ran(1, code=1), changed("a", status=ItemStatus.FAILED)],
            "limit-failures",
        ),
    ],
)
async def test_each_limit_that_is_reached_asks(
    stage: Stage, limits: str, facts: list[ItemCompleted], rule: str
) -> None:
    limit(stage, limits)
    await stage.start()
    say(stage, *facts[:-1])
    assert await asked(stage, "k1") == ""
    say(stage, facts[-1])
    assert await asked(stage, "k2") == rule


async def test_what_was_declined_is_no_use_and_a_success_ends_a_row_of_failures(
    stage: Stage,
) -> None:
    limit(stage, "commands = 2\nfailures = 2")
    await stage.start()
    declined = CommandExecution(id="d", command="x", status=ItemStatus.DECLINED)
    say(stage, ItemCompleted(item=declined), ItemCompleted(item=declined), ran(1, code=1))
    say(stage, changed("a"))
    assert await asked(stage) == ""


async def test_a_patch_that_would_exceed_a_limit_waits(stage: Stage) -> None:
    allow = '[[rule]]\nverdict = "allow"\nedit = ["*"]\nmodes = ["propose"]\n'
    limit(stage, "lines = 3", allow)
    await stage.start()
    stage.agent.ask(add(stage.workspace / "small.txt", "1\n2\n3\n"), key="k1")
    await stage.agent.answered(1)
    stage.agent.ask(add(stage.workspace / "large.txt", "1\n2\n3\n4\n"), key="k2", item_id="i2")
    await stage.view.until(lambda: any(a.native_key == "k2" for a in stage.waiting()))
    (waiting,) = stage.waiting()
    assert waiting.verdict.rule == "limit-lines"
    assert "would be exceeded: 4 lines" in waiting.verdict.reason


async def test_turns_that_nobody_started_and_that_change_nothing_are_counted(stage: Stage) -> None:
    limit(stage, "idle_turns = 2")
    await stage.start()
    stage.agent.end_turn()
    for _ in range(2):
        say(stage, TurnStarted())
        stage.agent.end_turn()
    say(stage, TurnStarted())
    assert await asked(stage, "k1") == "limit-idle_turns"
    stage.agent.end_turn()
    await stage.start()
    assert await asked(stage, "k2") == ""


async def test_who_lets_it_go_on_gives_the_turn_the_same_allowance_once_more(stage: Stage) -> None:
    limit(stage, "commands = 1")
    await stage.start()
    say(stage, ran(1))
    assert await asked(stage, "k1") == "limit-commands"
    await decide(stage, "k1")
    assert await asked(stage, "k2") == ""
    say(stage, ran(2))
    assert await asked(stage, "k3") == "limit-commands"


async def test_a_limit_that_is_changed_holds_at_once(stage: Stage) -> None:
    await stage.start()
    say(stage, ran(1))
    assert await asked(stage, "k1") == ""
    limit(stage, "commands = 1")
    assert await asked(stage, "k2") == "limit-commands"
    limit(stage, "commands = 0")
    assert await asked(stage, "k3") == ""


async def test_what_waits_at_a_limit_does_not_go_by_waiting_and_a_touched_policy(
    stage: Stage,
) -> None:
    """An agent's script can make a policy in the workspace that says nothing, or less."""
    limit(stage, "approvals = 1\napprovals_window = 1")
    await stage.start()
    assert await asked(stage, "k1") == ""
    assert await asked(stage, "k2") == "limit-approvals"
    await anyio.sleep(1.1)  # The window is over, and only that: nothing is waited for.
    own = stage.workspace / ".autopilot" / "policy.toml"
    own.parent.mkdir()
    for text in ("version = 1\n", "version = 1\n[limits]\nfiles = 3\napprovals_window = 5\n"):
        before = stage.view.policy_changes
        own.write_text(text)
        await stage.view.until(lambda before=before: stage.view.policy_changes > before)
        await anyio.wait_all_tasks_blocked()
        assert [a.native_key for a in stage.waiting()] == ["k2"]
    limit(stage, "approvals = 5\napprovals_window = 1")
    answers = await stage.agent.answered(2)
    assert (answers[1][0], answers[1][1].kind) == ("k2", ACCEPT)


async def test_tokens_of_all_threads_together_stop_the_turn(stage: Stage) -> None:
    limit(stage, "tokens = 1000")
    await stage.start()
    say(stage, tokens(400))
    say(stage, tokens(500), thread="sub")
    assert stage.supervisor.snapshot(stage.session_id).active_turn is not None
    say(stage, tokens(600), thread="sub")
    ended = await stage.view.saw(TurnCompleted)
    assert ended.status is TurnStatus.INTERRUPTED
    notice = next(n for n in stage.view.all(Notice) if n.code == "limit-tokens")
    assert notice.severity == "error"
    assert "tokens = 1,000 is reached: 1,000 tokens in this turn" in notice.message
    assert "start the next turn" in notice.message
    # A sub-agent does not hear of an interrupted turn, so that its process is ended.
    await stage.view.until(lambda: stage.factory.closed == 1)


async def test_tokens_of_earlier_turns_and_of_an_earlier_process_do_not_count(
    stage: Stage,
) -> None:
    limit(stage, "tokens = 1000")
    await stage.start()
    say(stage, tokens(900))
    stage.agent.end_turn()
    await stage.start()
    say(stage, tokens(1_800))
    stage.agent.end_turn()
    await stage.supervisor.close_session(stage.session_id)
    await stage.start()
    assert len(stage.factory.runtimes) == 2
    say(stage, tokens(2_700))
    await anyio.wait_all_tasks_blocked()
    assert not [n for n in stage.view.all(Notice) if n.code.startswith("limit")]
    say(stage, tokens(2_800))
    assert (await stage.view.saw(TurnCompleted, 3)).status is TurnStatus.INTERRUPTED


async def test_what_waits_is_cancelled_when_the_turn_is_stopped(stage: Stage) -> None:
    limit(stage, "tokens = 10")
    await stage.start()
    stage.agent.ask(command("frobnicate", stage.workspace))
    say(stage, tokens(10))
    resolved = await stage.view.saw(ApprovalResolved)
    assert (resolved.decision.kind, resolved.decision.decided_by) == (DecisionKind.CANCEL, "policy")
    assert (await stage.view.saw(TurnCompleted)).status is TurnStatus.INTERRUPTED


async def test_the_time_of_a_turn_stops_it_also_when_no_client_is_attached(
    stage: Stage,
) -> None:
    limit(stage, "seconds = 1")
    stage.attachment.detach()
    await stage.start()
    with anyio.fail_after(20):
        await stage.supervisor.wait_turn_ended(stage.session_id)
    events = [e.body for e in stage.supervisor.store.read_events(stage.session_id)]
    assert [b.code for b in events if isinstance(b, Notice)] == ["limit-seconds"]
    assert [b.status for b in events if isinstance(b, TurnCompleted)] == [TurnStatus.INTERRUPTED]
    # The next turn has its own time, and goes on in the same process.
    await stage.start()
    assert len(stage.factory.runtimes) == 1
    stage.agent.end_turn()


async def test_an_agent_that_ignores_it_is_ended(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autopilot_ls.supervisor.stopping.INTERRUPT_GRACE", 0.05)
    limit(stage, "tokens = 10")
    await stage.start()
    stage.agent.obeys_interrupt = False
    say(stage, tokens(10))
    assert (await stage.view.saw(TurnCompleted)).status is TurnStatus.INTERRUPTED
    await stage.view.until(lambda: stage.factory.closed == 1)


async def test_a_turn_that_ends_in_time_leaves_no_timer(stage: Stage) -> None:
    limit(stage, "seconds = 1")
    for _ in range(3):
        await stage.start()
        stage.agent.end_turn()
    await stage.start()
    assert stage.supervisor.snapshot(stage.session_id).active_turn is not None
    await stage.view.saw(TurnCompleted, 4)
    stops = [n for n in stage.view.all(Notice) if n.code == "limit-seconds"]
    assert len(stops) == 1


async def test_what_a_crash_left_open_is_no_turn_without_a_change_and_its_tokens_are_past(
    stage: Stage,
) -> None:
    limit(stage, "idle_turns = 1\ntokens = 1000")
    await stage.start()
    say(stage, SubAgentOpened(name="x"), thread="sub")
    say(stage, tokens(900), thread="sub")
    folder = stage.supervisor.settings.state_folder / "sessions" / stage.session_id
    # The folder as a crash at this moment would leave it.
    crashed = {path.name: path.read_bytes() for path in folder.iterdir()}
    await stage.supervisor.close_session(stage.session_id)
    for name, content in crashed.items():
        (folder / name).write_bytes(content)
    await stage.supervisor.resume(stage.session_id)
    assert (await stage.view.saw(TurnCompleted, 2)).status is TurnStatus.UNKNOWN
    say(stage, TurnStarted())
    say(stage, tokens(1_800), thread="sub")
    assert await asked(stage) == ""


async def test_the_start_of_a_turn_that_is_refused_changes_nothing(stage: Stage) -> None:
    limit(stage, "seconds = 3600")
    await stage.start()
    say(stage, tokens(1))
    with pytest.raises(Exception, match="working on a turn"):
        await stage.supervisor.start_turn(
            StartTurn(text="x", cwd=str(Path("/")), session_id=stage.session_id), "me"
        )
    assert await asked(stage) == ""
