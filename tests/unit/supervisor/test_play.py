"""The user's text is never lost: random plays of a person, an agent, other programs and the server.

Each play is a script made from a seed, checked after each step (see `tests.support.play`). The seeds are the
same each time. Far more on demand: PLAY_STEPS=200000 for that many steps, PLAY_SEED=7 to begin at another
seed. What fails is printed as the shortest script that still does, to be put into `FOUND`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import anyio
import pytest

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

FOUND: dict[str, Script] = {
    "a turn can be undone after the one behind it, which had put a link in the file's place": (
        ("turn",),
        ("command", 7),
        ("write", 0, 59, 52),
        ("end",),
        ("turn",),
        ("command", 0),
        ("write", 24, 45, 53),
        ("end",),
        ("undo_turn", 34),
    ),
    "a file that a turn made goes with it, also after the undo of the turn that deleted it": (
        ("turn",),
        ("command", 14),
        ("write", 47, 37, 21),
        ("end",),
        ("turn",),
        ("command", 52),
        ("write", 47, 38, 51),
        ("end",),
        ("undo_turn", 0),
    ),
    "what was undone, deleted by the agent, undone and done again can be undone": (
        ("turn",),
        ("command", 35),
        ("write", 10, 57, 49),
        ("command", 30),
        ("command", 18),
        ("look",),
        ("undo", 30),
        ("write", 10, 28, 48),
        ("end",),
        ("undo_turn", 31),
        ("redo", 38),
    ),
    "a patch that was accepted goes with its turn, also after a later one made the file binary": (
        ("turn",),
        ("command", 45),
        ("write", 53, 25, 54),
        ("end",),
        ("turn",),
        ("ask", 20),
        ("decide", 0, 0, 0),
        ("apply", 15, 10, 54),
        ("end",),
        ("turn",),
        ("command", 7),
        ("write", 53, 43, 28),
    ),
    "a last line is the person's, also where the editor ended it and another program went on": (
        ("type", 8, 31, 4),
        ("outside", 8, 0, 56),
        ("turn",),
        ("ask", 17),
        ("during", 35, 18, 8, 23, 28),
        ("decide", 0, 43, 12),
        ("outside", 8, 13, 59),
        ("interrupt",),
    ),
    "an undo that was undone leaves nothing to go back from": (
        ("turn",),
        ("command", 1),
        ("write", 55, 28, 32),
        ("look",),
        ("undo", 11),
        ("redo", 31),
    ),
    "a file that the agent made again after an undo goes with its turn": (
        ("turn",),
        ("command", 55),
        ("outside", 11, 49, 4),
        ("write", 13, 30, 13),
        ("write", 11, 56, 42),
        ("look",),
        ("undo", 18),
        ("write", 11, 6, 21),
    ),
    "a file that is again what it was at the last look, after a save, is what it is": (
        ("turn",),
        ("outside", 44, 2, 17),
        ("look",),
        ("undo", 16),
        ("look",),
        ("type", 44, 40, 23),
        ("save", 44, 15, 47),
        ("write", 44, 12, 48),
    ),
    "an undo that is undone takes no file away that the person has typed into since": (
        ("turn",),
        ("outside", 1, 8, 6),
        ("command", 40),
        ("interrupt",),
        ("undo_turn", 12),
        ("type", 1, 19, 30),
        ("save", 1, 49, 18),
        ("redo", 32),
    ),
    "a failed rename is not restored by half": (
        ("type", 2, 56, 57),
        ("save", 29, 38, 19),
        ("turn",),
        ("ask", 3),
        ("decide", 1, 12, 43),
        ("apply", 8, 4, 4),
        ("during", 49, 31, 29, 52, 10),
        ("end",),
    ),
    "a link and a binary file that took its place are not joined": (
        ("turn",),
        ("write", 27, 7, 5),
        ("write", 38, 36, 57),
        ("look",),
        ("undo", 8),
        ("write", 27, 59, 28),
        ("redo", 36),
    ),
    "what happens while a turn begins is in the review": (
        ("turn",),
        ("outside", 50, 44, 49),
        ("restart",),
        ("during", 45, 11, 50, 33, 11),
        ("turn",),
    ),
    "what was saved and taken by the agent between two looks comes back": (
        ("type", 58, 31, 58),
        ("turn",),
        ("ask", 12),
        ("ask", 37),
        ("save", 58, 33, 19),
        ("ask", 48),
        ("decide", 21, 37, 25),
        ("ask", 0),
        ("ask", 20),
        ("mode", 7),
        ("apply", 52, 34, 5),
    ),
    "what another program does before a late save is told is nobody's to review": (
        ("turn",),
        ("type", 31, 6, 0),
        ("save", 31, 17, 24),
        ("end",),
        ("outside", 31, 33, 53),
    ),
    "what was saved is the person's, though it is told after a look and another save": (
        ("turn",),
        ("type", 23, 27, 34),
        ("save", 23, 4, 48),
        ("outside", 23, 49, 25),
        ("interrupt",),
        ("type", 23, 23, 40),
        ("save", 23, 8, 22),
    ),
    "what was saved is the person's, though it is told after two looks": (
        ("type", 2, 8, 21),
        ("turn",),
        ("save", 2, 8, 52),
        ("mode", 8),
        ("outside", 2, 46, 29),
        ("end",),
    ),
    "a file that only agents changed is gone back from, though an undo came in between": (
        ("turn",),
        ("command", 22),
        ("write", 26, 22, 39),
        ("look",),
        ("undo", 11),
        ("write", 26, 15, 6),
    ),
    "a file that the agent deleted again after an undo comes back": (
        ("turn",),
        ("command", 9),
        ("write", 53, 17, 3),
        ("look",),
        ("undo", 46),
        ("write", 53, 42, 12),
    ),
    "two patches of one file of which the last one is brought back": (
        ("turn",),
        ("ask", 54),
        ("decide", 0, 0, 0),
        ("apply", 30, 22, 24),
        ("ask", 35),
        ("decide", 0, 0, 0),
        ("apply", 31, 49, 36),
    ),
    "two patches that both make a file, of which one is written": (
        ("turn",),
        ("ask", 34),
        ("mode", 4),
        ("ask", 34),
        ("apply", 59, 53, 20),
    ),
    "a patch that does nothing over one that is brought back": (
        ("turn",),
        ("ask", 17),
        ("decide", 0, 0, 0),
        ("apply", 43, 31, 12),
        ("ask", 6),
        ("outside", 54, 1, 37),
        ("mark", 35, 52, 21),
    ),
    "a file that the agent made with consent, and then made binary, goes with its turn": (
        ("turn",),
        ("ask", 44),
        ("decide", 16, 7, 32),
        ("command", 20),
        ("look",),
        ("write", 18, 20, 52),
    ),
    "what was taken back is not done again in a file that is binary since": (
        ("turn",),
        ("write", 50, 45, 19),
        ("look",),
        ("undo", 34),
        ("write", 2, 8, 28),
        ("redo", 26),
    ),
    "what an undo has lying ready when the server is killed goes, though nothing was stored before": (
        ("turn",),
        ("write", 48, 46, 40),
        ("command", 43),
        ("end",),
        ("kill", 48),
        ("undo_turn", 2),
    ),
    "what was saved is the person's, though the file's mode was changed before it is told": (
        ("turn",),
        ("ask", 47),
        ("touch", 39, 47, 32, 0),
        ("look",),
        ("write", 14, 41, 2),
    ),
    "what a command does to a file beside another session's patch is not the patch's": (
        ("turn",),
        ("mode", 2),
        ("command", 1),
        ("other",),
        ("turn",),
        ("mode", 0),
        ("ask", 0),
        ("decide", 0, 0, 0),
        ("other",),
        ("write", 0, 3, 8),
        ("other",),
        ("apply", 0, 0, 1),
        ("look",),
    ),
    "what is put where a patch has renamed a file away is not the patch's": (
        ("turn",),
        ("mode", 2),
        ("command", 1),
        ("other",),
        ("turn",),
        ("mode", 0),
        ("ask", 3),
        ("decide", 0, 0, 0),
        ("apply", 0, 0, 1),
        ("other",),
        ("write", 2, 3, 8),
        ("other",),
        ("look",),
    ),
    "a patch whose turn ends before it is told is not another session's": (
        ("turn",),
        ("command", 43),
        ("other",),
        ("turn",),
        ("ask", 4),
        ("decide", 0, 0, 0),
        ("apply", 6, 44, 32),
        ("end",),
    ),
    "an undo that was undone again leaves each turn to be taken back, also of one piece": (
        ("turn",),
        ("command", 8),
        ("write", 26, 36, 41),
        ("end",),
        ("undo_turn", 37),
        ("redo", 11),
        ("keep", 0),
        ("turn",),
        ("command", 19),
        ("write", 26, 5, 5),
    ),
    "a change in a file that was deleted with consent since is not taken back by itself": (
        ("turn",),
        ("command", 33),
        ("write", 24, 16, 19),
        ("die",),
        ("turn",),
        ("ask", 2),
        ("decide", 0, 0, 0),
        ("apply", 17, 44, 59),
        ("undo", 23),
    ),
    "what is brought back when a patch was left half written is nobody's": (
        ("type", 45, 1, 43),
        ("turn",),
        ("ask", 2),
        ("touch", 49, 37, 56, 15),
        ("write", 50, 22, 39),
        ("other",),
        ("turn",),
        ("ask", 44),
        ("decide", 0, 0, 0),
        ("apply", 15, 53, 0),
        ("other",),
        ("write", 50, 47, 8),
        ("other",),
        ("look",),
        ("end",),
    ),
    "what an agent writes beyond its patch is not another session's": (
        ("turn",),
        ("command", 54),
        ("other",),
        ("turn",),
        ("ask", 38),
        ("decide", 0, 0, 0),
        ("apply", 43, 39, 31),
    ),
    "what another program writes while a turn begins is no agent's": (
        ("turn",),
        ("outside", 1, 45, 30),
        ("interrupt",),
        ("during", 33, 59, 25, 41, 58),
        ("turn",),
    ),
    "a file that one session patched and deleted, while another's command ran, comes back": (
        ("turn",),
        ("command", 41),
        ("other",),
        ("turn",),
        ("ask", 31),
        ("decide", 25, 2, 6),
        ("ask", 2),
        ("decide", 0, 0, 0),
        ("apply", 22, 18, 37),
    ),
    "what another program leaves at the last moment is no half of what was to be written": (
        ("turn",),
        ("ask", 48),
        ("during", 1, 7, 46, 46, 20),
        ("decide", 0, 37, 56),
    ),
    "a patch that a look has seen before it was told is not taken out once more": (
        ("type", 15, 11, 26),
        ("save", 15, 8, 44),
        ("turn",),
        ("ask", 0),
        ("decide", 0, 0, 0),
        ("apply", 45, 21, 28),
        ("look",),
        ("apply", 17, 20, 45),
        ("ask", 0),
        ("decide", 4, 7, 44),
    ),
    "what others do to a file while the patch in it is not told yet is not that patch": (
        ("outside", 19, 22, 51),
        ("type", 21, 11, 59),
        ("save", 21, 23, 38),
        ("turn",),
        ("ask", 38),
        ("decide", 0, 0, 0),
        ("apply", 5, 14, 8),
        ("close", 21, 0),
        ("type", 21, 35, 41),
        ("save", 21, 54, 9),
        ("outside", 21, 9, 49),
    ),
    "a save that is told late is known by its text, though another gave its last line an end": (
        ("type", 22, 13, 44),
        ("type", 22, 14, 42),
        ("turn",),
        ("save", 22, 50, 16),
        ("end",),
        ("outside", 22, 47, 42),
    ),
    "what a file became that others made binary before the save was told is not the person's": (
        ("turn",),
        ("other",),
        ("type", 8, 59, 38),
        ("save", 8, 2, 32),
        ("write", 32, 21, 52),
        ("turn",),
        ("command", 58),
        ("write", 32, 22, 33),
    ),
    "a patch that only takes lines out is not in a file where these stand still": (
        ("outside", 21, 10, 8),
        ("turn",),
        ("ask", 45),
        ("decide", 30, 41, 28),
        ("outside", 21, 2, 3),
    ),
    "what a person saved is theirs though it was binary when that was told": (
        ("type", 3, 42, 3),
        ("turn",),
        ("save", 3, 39, 56),
        ("write", 3, 25, 4),
        ("type", 3, 26, 41),
    ),
    "a file of which one hunk was undone and another kept goes with its turn once it is a link": (
        ("turn",),
        ("command", 47),
        ("write", 17, 15, 17),
        ("look",),
        ("undo", 44),
        ("keep", 25),
        ("write", 17, 31, 53),
    ),
    "a file that was undone, made again and kept goes with its turn once it is binary": (
        ("turn",),
        ("command", 48),
        ("write", 18, 59, 38),
        ("look",),
        ("undo", 44),
        ("write", 18, 57, 21),
        ("look",),
        ("keep", 25),
        ("write", 18, 54, 52),
    ),
    "what an editor had loaded before an agent wrote is not the agent's when a person saves it again": (
        ("type", 39, 15, 19),
        ("save", 39, 23, 33),
        ("turn",),
        ("command", 51),
        ("other",),
        ("turn",),
        ("ask", 49),
        ("decide", 0, 0, 0),
        ("apply", 46, 3, 26),
        ("other",),
        ("write", 39, 47, 32),
        ("look",),
        ("ask", 49),
        ("touch", 52, 43, 9, 56),
    ),
    "a rename that was accepted without the rest is known beside another session's command": (
        ("outside", 18, 14, 56),
        ("turn",),
        ("command", 55),
        ("other",),
        ("turn",),
        ("ask", 13),
        ("decide", 1, 26, 3),
    ),
    "a file that came after a look and was deleted by a patch before the next one comes back": (
        ("outside", 44, 33, 41),
        ("turn",),
        ("ask", 27),
        ("decide", 0, 13, 4),
        ("write", 44, 13, 15),
        ("ask", 59),
        ("mark", 42, 9, 37),
        ("apply", 2, 26, 19),
    ),
    "a patch that takes out an empty line is in the file though another empty line stands there": (
        ("turn",),
        ("command", 8),
        ("other",),
        ("turn",),
        ("ask", 14),
        ("decide", 0, 43, 20),
    ),
    "what may be a patch of another session, that ended before this was told, is nobody's": (
        ("turn",),
        ("other",),
        ("turn",),
        ("ask", 54),
        ("decide", 52, 43, 16),
        ("other",),
        ("ask", 57),
        ("mark", 27, 40, 37),
        ("apply", 7, 21, 28),
        ("end",),
    ),
    "a link that took the place of a file before its save was told is not the person's": (
        ("type", 4, 33, 33),
        ("save", 4, 0, 44),
        ("turn",),
        ("command", 15),
        ("write", 4, 26, 5),
    ),
    "what was saved is known by the end of its last line, which a patch has taken out since": (
        ("turn",),
        ("ask", 44),
        ("touch", 54, 55, 10, 30),
        ("decide", 12, 8, 26),
        ("look",),
    ),
    "what a person saved is theirs though it took out one of several empty lines": (
        ("turn",),
        ("type", 38, 35, 29),
        ("save", 38, 29, 0),
        ("end",),
        ("outside", 38, 51, 40),
    ),
    "saves that are told after a turn has begun were there before it": (
        ("type", 1, 12, 50),
        ("save", 1, 15, 4),
        ("type", 1, 34, 53),
        ("save", 1, 37, 56),
        ("turn",),
        ("write", 1, 58, 20),
    ),
    "what a patch took out before a person saved is the patch's": (
        ("type", 26, 29, 20),
        ("save", 26, 28, 31),
        ("outside", 7, 18, 20),
        ("turn",),
        ("ask", 26),
        ("decide", 0, 0, 0),
        ("apply", 55, 1, 13),
        ("type", 7, 42, 59),
    ),
    "what somebody made, an agent deleted and then made a link comes back as it was": (
        ("turn",),
        ("write", 52, 52, 30),
        ("other",),
        ("turn",),
        ("command", 9),
        ("write", 28, 56, 48),
        ("look",),
        ("write", 28, 1, 5),
    ),
    "a turn that was undone with the one before it brings nothing of that back": (
        ("turn",),
        ("command", 7),
        ("write", 50, 45, 12),
        ("write", 50, 55, 7),
        ("end",),
        ("turn",),
        ("command", 43),
        ("write", 50, 13, 49),
        ("end",),
        ("undo_turn", 19),
        ("undo_turn", 6),
    ),
}


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
