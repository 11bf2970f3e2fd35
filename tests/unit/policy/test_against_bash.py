"""The reader of shell lines against the real shell: what bash runs is among the parts that we judge.

Lines are made of harmless pieces, and bash runs them in an empty folder without any program: each
command that it would start is only written down. A line with a part that is not understood asks
anyway and is not compared.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

from autopilot_ls.policy.shell import Part, PartKind, parse

# More lines for a longer look: POLICY_LINES=20000 POLICY_SEED=7 pytest …
LINES = int(os.environ.get("POLICY_LINES", "500"))
SEED = int(os.environ.get("POLICY_SEED", "1"))

WORDS = [
    "aa", "bb", "cc", "dd", "'a b'", '"q r"', "$x", "${x}", "$(aa)", "`bb`", "\\", "x=1", "'", '"', "$'\\x61a'", "*", "{aa,bb}", "~", "-n", "#", "#h",
    "\\;", "a\\ b", "$((1+2))", "!", "[", "]", "[[", "]]", "=", "==", "aa=bb", "''", '""', "$", "%", "@", "^", "a#b", "\\\n", "a'b'c", '"$(cc dd)"', "<(aa)", "é",
    "$'a\\'b'", '"a\\"b"', "'a'\\''b'", "{1..3}", "a{b,c}d", "{", "}", "{}", '"$x"', "${x:-aa}", "$#", "$?", "\\$x", "'$x'", '"\\$x"', "`aa bb`", "2", "{fd}", '"`cc`"', "\\\\",
]  # fmt: skip
OPERATORS = [
    ";", "&&", "||", "|", "\n", "&", "(", ")", "{", "}", " > f1", " >> f2", " 2>&1", "3>f1", ">f1", "2>f2", "<f0", " < f0", "<<E\naa\nE\n", "<<'E'\nbb $(cc)\nE\n", "<<-E\n\tdd\n\tE\n", "<<< ",
    "if", "then", "else", "fi", "for i in", "do", "done", "while", "until", "case aa in", "esac", "aa)", ";;", "!", "|&", "&>", "do aa;", "; done", "; fi", "then bb;",
    "E\n", "<<E\n", "\nE\n", " &", "<<E | bb\ncc\nE\n", "<<E && bb\ncc\nE\n", "for i in aa bb; do cc $i; done", "if aa; then bb; fi", "aa && bb || cc", "{ aa; bb; }", "(aa; bb)",
    "case aa in aa) bb;; *) cc;; esac", "while aa; do bb; break; done", "\\\n ", " \\\n", "# h\n",
]  # fmt: skip

# Every command that bash does not know is written down, as words between \\x01 and up to \\x02.
NOTING = r"""
command_not_found_handle() {
  local noted="" word
  for word in "$@"; do noted+="$word"$'\001'; done
  printf '%s\002' "$noted" >> "$LOG"
  return $((RANDOM % 2))
}
FUNCNEST=10
PATH=/nonexistent
builtin cd "$FOLDER" || exit 9
eval "$LINE"
"""


def line_of(random_: random.Random) -> str:
    pieces = [
        random_.choice(WORDS if random_.random() < 0.6 else OPERATORS)
        for _ in range(random_.randint(1, 9))
    ]
    return random_.choice([" ", " ", ""]).join(pieces)


def run(line: str, folder: Path, log: Path) -> list[list[str]]:
    """Run a line; each has its own log, since what runs in the background may end late."""
    log.write_bytes(b"")
    environment = {"LOG": str(log), "FOLDER": str(folder), "LINE": line, "HOME": str(folder)}
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            ["/bin/bash", "--norc", "--noprofile", "-c", NOTING],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=1,
            check=False,
        )
    records = log.read_bytes().decode("utf-8", "surrogateescape").split("\x02")[:-1]
    return [record.split("\x01")[:-1] for record in records]


def is_part(part: Part, words: Sequence[str]) -> bool:
    """Tell whether a part stands for these words; what is not known stands for any."""
    reached = {0}
    for word in part.words:
        following: set[int] = set()
        for at in reached:
            if word.text is None or word.tilde:
                following |= set(range(at, len(words) + 1))
            elif at < len(words) and (
                words[at] == word.text or (word.text[:8] == words[at][:8] == "/dev/fd/")
            ):
                following.add(at + 1)
        reached = following
    return len(words) in reached


def test_what_bash_runs_is_among_the_parts(tmp_path: Path) -> None:
    random_ = random.Random(SEED)
    compared = seen = 0
    for number in range(LINES):
        line = line_of(random_)
        parts = parse(line)
        if any(part.kind is PartKind.UNKNOWN for part in parts):
            continue
        compared += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "f0").write_text("aa\n")
        for noted in run(line, folder, tmp_path / f"{number}.log"):
            seen += 1
            # `time` is a word of the shell or a program; either way what it runs is what counts.
            words = list(itertools.dropwhile(lambda word: word == "time", noted))
            assert not words or any(is_part(part, words) for part in parts), (line, words, parts)
    assert compared > LINES / 20
    assert seen > LINES / 20
