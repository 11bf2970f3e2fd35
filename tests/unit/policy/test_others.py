"""Limits, backtests, sandbox profiles, paths."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from autopilot_ls.model.approvals import (
    Approval,
    CommandAction,
    Decision,
    DecisionKind,
    Mode,
    Outcome,
    Verdict,
)
from autopilot_ls.policy.backtest import Recorded, backtest
from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.limits import Limits, Usage, reached
from autopilot_ls.policy.paths import Workspace
from autopilot_ls.policy.patterns import PathPatterns
from autopilot_ls.policy.policy import Policy, builtin_layer, builtin_policy, layer_of


def test_each_limit_is_reached_and_says_so() -> None:
    def check(limits: Limits, usage: Usage, now: float = 0.0) -> str:
        found = reached(limits, usage, now)
        return found.limit if found else ""

    usage = Usage()
    for second in range(5):
        usage.approved(float(second))
    assert check(Limits(approvals=5, approvals_window=10), usage, 5) == "approvals"
    assert check(Limits(approvals=5, approvals_window=10), usage, 12) == ""
    assert check(Limits(approvals=6), usage, 5) == ""
    usage.person_decided()
    assert check(Limits(approvals=1), usage, 5) == ""
    usage.start_turn(100.0)
    usage.changed_files(("a", "b", "a"), 30)
    usage.ran_command(failed=True)
    usage.changed_files((), 0, failed=True)
    usage.used_tokens(500)
    assert check(Limits(files=2), usage) == "files"
    assert check(Limits(files=3), usage) == ""
    assert check(Limits(lines=30), usage) == "lines"
    assert check(Limits(commands=1), usage) == "commands"
    assert check(Limits(tokens=500), usage) == "tokens"
    assert check(Limits(failures=2), usage) == "failures"
    assert check(Limits(seconds=60), usage, 160.0) == "seconds"
    usage.ran_command(failed=False)
    assert check(Limits(failures=1), usage) == ""
    usage.end_turn()
    for _ in range(3):
        usage.start_turn(0.0)
        usage.end_turn()
    assert check(Limits(idle_turns=3), usage) == "idle_turns"
    found = reached(Limits(idle_turns=3), usage, 0.0)
    assert found is not None
    assert "3 turns without a change" in found.reason
    assert reached(Limits(), usage, 1e9) is None


def test_time_that_waits_for_a_person_does_not_count() -> None:
    usage = Usage()
    usage.start_turn(100.0)
    usage.hold(110.0)
    usage.hold(120.0)
    assert usage.elapsed(1_000.0) == 10.0
    usage.go_on(1_000.0)
    usage.go_on(1_005.0)
    assert usage.elapsed(1_020.0) == 30.0
    usage.end_turn()
    usage.go_on(2_000.0)
    assert usage.elapsed(3_000.0) == 0.0


def test_a_turn_that_nobody_saw_begin_is_not_one_without_a_change() -> None:
    usage = Usage()
    usage.end_turn()
    assert usage.idle_turns == 0


def test_who_lets_a_turn_go_on_beyond_a_limit_gives_it_the_same_once_more() -> None:
    usage, limits = Usage(), Limits(commands=2, files=1)
    usage.start_turn(0.0)
    usage.changed_files(("a",), 1)
    usage.ran_command(failed=False)
    usage.ran_command(failed=False)
    usage.tell("commands")
    usage.person_decided()
    # Nobody was told of the files.
    assert [found.limit for found in [reached(limits, usage, 0.0)] if found] == ["files"]
    limits = Limits(commands=2)
    assert reached(limits, usage, 0.0) is None
    usage.person_decided()
    usage.ran_command(failed=False)
    usage.ran_command(failed=False)
    found = reached(limits, usage, 0.0)
    assert found is not None
    assert found.reason == "The limit commands = 2 is reached again: 4 commands in this turn."


def test_a_change_that_would_exceed_a_limit_has_reached_it() -> None:
    usage = Usage()
    usage.start_turn(0.0)
    usage.changed_files(("a",), 5)
    assert reached(Limits(files=2), usage, 0.0, files=("a", "b")) is None
    assert reached(Limits(lines=10), usage, 0.0, lines=5) is None
    found = reached(Limits(files=2), usage, 0.0, files=("a", "b", "c"))
    assert found is not None
    assert "files = 2 would be exceeded: 3 files changed in this turn with this" in found.reason
    assert reached(Limits(lines=10), usage, 0.0, lines=6) is not None
    assert reached(Limits(files=1), usage, 0.0, names=("tokens",)) is None


def test_limits_of_an_untrusted_file_only_narrow() -> None:
    mine = Limits(files=10, approvals=5, approvals_window=60)
    theirs = Limits(files=99, lines=7, approvals=3, approvals_window=1)
    assert mine.narrowed(theirs) == Limits(files=10, lines=7, approvals=3, approvals_window=60)
    assert theirs.over(mine) == theirs
    assert Limits(files=0).over(mine).of("files") == 0
    assert mine.narrowed(Limits(files=0)).files == 10
    # A window that no file says is a window all the same.
    assert Limits(approvals=5).narrowed(Limits(approvals_window=1)).window == 300
    assert Limits(lines=1).over(mine) == Limits(lines=1, files=10, approvals=5, approvals_window=60)


def test_a_backtest_tells_what_would_have_changed() -> None:
    root = Path("/work")

    def recorded(command: str, outcome: Outcome, kind: DecisionKind, by: str = "me") -> Recorded:
        verdict = Verdict(outcome=outcome, rule="x", source="mode", reason="")
        action = CommandAction(command=command, cwd="/work")
        approval = Approval(
            id=command,
            session_id="s",
            native_key="k",
            action=action,
            verdict=verdict,
            requested_at=0,
        )
        return Recorded(approval, Decision(kind=kind, decided_by=by), Mode.AUTO, root)

    history = [
        recorded("ls", Outcome.ALLOW, DecisionKind.ACCEPT, "policy"),
        recorded("evil x", Outcome.ASK, DecisionKind.DECLINE),
        recorded("good x", Outcome.ASK, DecisionKind.ACCEPT),
        recorded("git push", Outcome.ASK, DecisionKind.ACCEPT),
    ]
    text = (
        '[[rule]]\nverdict="allow"\ncommand=["evil …", "good …"]\n'
        '[[rule]]\nverdict="deny"\ncommand=["git push …"]\n'
    )
    policy = Policy([builtin_layer(), layer_of("user", read_policy(text, "p"))])
    found = [
        (d.recorded.approval.id, d.after.outcome.value, d.against_person)
        for d in backtest(history, policy)
    ]
    assert found == [
        ("evil x", "allow", True),
        ("good x", "allow", False),
        ("git push", "deny", True),
    ]
    assert list(backtest(history, builtin_policy())) == []


def test_places_follow_links_and_spellings(tmp_path: Path) -> None:
    root = tmp_path / "work"
    (root / "src").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (root / "in").symlink_to(root / "src")
    (root / "away").symlink_to(tmp_path / "out")
    (tmp_path / "alias").symlink_to(root)
    at = Workspace(root)

    def inside(path: str) -> bool:
        return at.place(f"{root}/{path}").inside

    assert inside("src/x")
    assert inside("src/../y/../z")
    assert inside("in/new/deeper")
    assert inside(".")
    assert not inside("away/x")
    assert not inside("away/../x")
    assert not inside("in/../../out")
    assert not inside("../work2/x")
    assert not at.place("/proc/self/cwd/x").inside
    assert Workspace(tmp_path / "alias").place(f"{tmp_path}/alias/src/x").inside
    assert Workspace(tmp_path / "alias").place(f"{root}/src/x").inside


def test_protection_takes_any_spelling_and_allowing_takes_one() -> None:
    at = Workspace(Path("/work"))
    protected, allowed = PathPatterns([".git", "café/x"]), PathPatterns(["src", "Café/x"])
    for path in (
        ".git/x",
        ".GIT",
        "a/.Git/config",
        ".g\u200dit",
        ".git.",
        "git~2/x",
        ".git::x",
        "a/.git /b",
    ):
        assert protected.touches(at.place(f"/work/{path}")), path
    for path in ("git", ".gitx", ".github", "x.git"):
        assert not protected.touches(at.place(f"/work/{path}")), path
    decomposed = unicodedata.normalize("NFD", "café/x")
    assert protected.touches(at.place(f"/work/{decomposed}"))
    assert protected.touches(at.place("/elsewhere/.git/x"))
    assert allowed.covers(at.place("/work/src/a"))
    assert allowed.covers(at.place("/work/deep/src/a"))
    assert not allowed.covers(at.place("/work/SRC/a"))
    assert not allowed.covers(at.place("/elsewhere/src/a"))
    assert PathPatterns(["/tmp/**"]).covers(at.place("/tmp/x"))
    assert not PathPatterns(["/tmp/**"]).covers(at.place("/tmp/../etc/x"))
    assert not PathPatterns(["**", "!docs"]).covers(at.place("/work/docs/x"))
    assert PathPatterns(["docs/*.md"]).covers(at.place("/work/docs/a.md"))
    assert not PathPatterns(["docs/*.md"]).covers(at.place("/work/docs/b/a.md"))
    assert PathPatterns(["docs/{a,b}/[x-z]?"]).covers(at.place("/work/docs/b/y1"))
