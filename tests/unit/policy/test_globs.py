"""Patterns of names: what a shell makes of them is looked at, whatever the spelling."""

from __future__ import annotations

import fnmatch
import random
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.model.approvals import CommandAction, Mode, Outcome
from autopilot_ls.policy.globs import component, is_simple
from autopilot_ls.policy.policy import builtin_policy
from autopilot_ls.policy.searching import reach_of
from autopilot_ls.policy.shell import Word

NAMES = st.text(alphabet="ab.*?[]!^-{},é", max_size=12)
PIECES = [
    ".", "e", "n", "v", "e", "n", "v", "*", "?", "[e]", "[a-f]", "[!x]", "[^x]", "[e-e]", "[D-F]", "[[:alpha:]]", "[[:lower:]]", "[[=e=]]",
    "[\\!e]", "['!'e]", "[]e]", "[e\\]]", "[.e]", "{e,n}", "{n..n}", "''", '""', "\\e", "'n'", '"v"', "$'\\x65'", "[", "]", "{", "}", ",",
]  # fmt: skip


@given(pattern=NAMES, name=st.text(alphabet="ab.-é", max_size=8))
def test_a_simple_pattern_matches_as_everywhere(pattern: str, name: str) -> None:
    if is_simple(pattern):
        expected = fnmatch.fnmatchcase(name, pattern.replace("[^", "[!"))
        assert bool(re.fullmatch(component(pattern), name, re.DOTALL)) == expected


@given(pattern=NAMES)
def test_any_pattern_is_compared(pattern: str) -> None:
    re.fullmatch(component(pattern), "a" * 300)


def test_a_name_made_for_a_pattern_does_not_hold_up_a_verdict(tmp_path: Path) -> None:
    # With one more choice for each star, this would take for ever.
    (tmp_path / ("a" * 250)).touch()
    line = "cat " + "*a" * 40 + "*b"
    action = CommandAction(command=line, cwd=str(tmp_path))
    builtin_policy().judge(action, mode=Mode.AUTO, workspace=tmp_path)


def test_no_spelling_of_a_pattern_reads_credentials(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEY=1\n")
    (tmp_path / "env").touch()
    random_ = random.Random(1)
    spellings = {
        "".join(random_.choice(PIECES) for _ in range(random_.randint(2, 6))) for _ in range(4000)
    }
    spellings |= {f".{one}nv" for one in PIECES} | {f".e{one}v" for one in PIECES}
    reached = caught = 0
    for spelling, words in _expanded(sorted(spellings), tmp_path):
        if ".env" not in words:
            continue
        reached += 1
        action = CommandAction(command=f"cat {spelling}", cwd=str(tmp_path))
        verdict = builtin_policy().judge(action, mode=Mode.AUTO, workspace=tmp_path)
        assert verdict.outcome is not Outcome.ALLOW, (spelling, verdict)
        caught += verdict.rule == "reading-credentials"
    assert reached > 20
    assert caught > 10


def _expanded(spellings: list[str], folder: Path) -> list[tuple[str, list[str]]]:
    """Return what bash makes of each word, which it only prints."""
    script = "".join(
        f"eval 'set -- '{_quoted(text)} 2>/dev/null && printf '%s\\1' \"$@\"; printf '\\2'\n"
        for text in spellings
    )
    done = subprocess.run(
        ["/bin/bash", "--norc", "--noprofile", "-s"],
        input=script.encode(),
        stdout=subprocess.PIPE,
        cwd=folder,
        env={"PATH": "/nonexistent"},
        timeout=60,
        check=False,
    )
    printed = done.stdout.decode("utf-8", "surrogateescape").split("\x02")
    assert len(printed) == len(spellings) + 1
    return [
        (text, words.split("\x01")) for text, words in zip(spellings, printed[:-1], strict=True)
    ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.mark.parametrize(
    ("line", "names", "without"),
    [
        ("grep -r x .", (), ()),
        ("grep -rn --include=*.py x .", ("*.py",), ()),
        ("grep -r --include *.py --include=*.md x", ("*.py", "*.md"), ()),
        ("grep -r --exclude-dir=.git --exclude=.env x", (), (".git", ".env")),
        ("grep -r --exclude=*.py --include=*.py x", (), ()),
        ("grep -r --include=*.py --exclude=*.x x", ("*.py",), ()),
        ("grep -r --include=*.py --inc=.env x", (), ()),
        ("grep -r --include=[[:alpha:]]* x", (), ()),
        ("rg --hidden x", (), ()),
        ("rg -g *.{ts,tsx} x", ("*.ts", "*.tsx"), ()),
        ("rg --hidden -g !.env* -g !node_modules/** x", (), (".env*", "node_modules")),
        ("rg -g !a -g .env x", (".env",), ()),
        ("rg -ng.env x", (), ()),
        ("rg --iglob .ENV x", (), ()),
    ],
)
def test_what_a_search_is_narrowed_to(
    line: str, names: tuple[str, ...], without: tuple[str, ...]
) -> None:
    program, *rest = line.split()
    reach = reach_of(program, [Word(text, text) for text in rest])
    assert reach is not None
    assert (reach.names, reach.without) == (names, without)


@pytest.mark.parametrize(
    "line", ["grep x a.py", "rg x", "rg --files --hidden", "diff -rq a b", "cat a"]
)
def test_what_takes_in_no_folder(line: str) -> None:
    program, *rest = line.split()
    assert reach_of(program, [Word(text, text) for text in rest]) is None
