"""The user's text is never lost: random plays of a person, an agent, other programs and the server.

Each play is a script made from a seed, checked after each step (see `tests.support.play`). The seeds are the
same each time. Far more on demand: PLAY_STEPS=200000 for that many steps, PLAY_SEED=7 to begin at another
seed. What fails is printed as the shortest script that still does, to be put into
`tests.support.play.found`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import anyio
import pytest

from tests.support.play.found import FOUND
from tests.support.play.play import Play
from tests.support.play.scene import Script, Violation
from tests.support.play.script import make, shrunk

STEPS = int(os.environ.get("PLAY_STEPS", "11000"))
FIRST_SEED = int(os.environ.get("PLAY_SEED", "1"))
LENGTH = 60
PARTS = 10
"""Into so many tests the plays are put, so that they run beside each other where there are more cores."""

REAL = 3
"""Plays with git and threads."""


def played(script: Script, *, real: bool = False) -> str:
    """Play a script; returns what did not hold."""
    # In memory where that is possible: it writes many small files.
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="play-", dir=memory if os.access(memory, os.W_OK) else None)
    try:
        anyio.run(Play(Path(folder), real=real).run, script)
    except Violation as error:
        return str(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return ""


def check(seed: int, *, real: bool = False) -> None:
    script = make(seed, LENGTH)
    fault = played(script, real=real)
    if fault:
        short = shrunk(script, lambda part: bool(played(part, real=real)))
        lines = "\n".join(f"        {step!r}," for step in short)
        pytest.fail(
            f"seed {seed}: {fault}\nshort: {played(short, real=real)}\n    (\n{lines}\n    )"
        )


@pytest.mark.timeout(max(300, STEPS // 10))
@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_that_a_person_typed_is_ever_lost(part: int) -> None:
    plays = -(-STEPS // (LENGTH * PARTS))
    for number in range(plays):
        check(FIRST_SEED + part + PARTS * number)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(REAL))
def test_the_same_holds_with_git_and_threads(number: int) -> None:
    check(FIRST_SEED + number, real=True)


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_is_mended(name: str) -> None:
    assert played(FOUND[name]) == ""
