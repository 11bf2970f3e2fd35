"""Scripts for plays: made from a seed, and made shorter when one fails. Not aware of what steps mean."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.support.play.scene import Script, Step

WEIGHTS = {
    "type": 16,
    "save": 14,
    "take_back": 2,
    "close": 3,
    "open": 3,
    "look_up": 4,
    "notify": 2,
    "outside": 5,
    "commit": 1,
    "turn": 8,
    "end": 4,
    "interrupt": 1,
    "die": 1,
    "mode": 2,
    "command": 10,
    "write": 14,
    "ask": 10,
    "apply": 9,
    "decide": 10,
    "mark": 7,
    "look": 9,
    "keep": 2,
    "undo": 4,
    "undo_turn": 3,
    "redo": 3,
    "during": 6,
    "kill": 2,
    "store": 2,
    "restart": 1,
    "crash": 1,
}
NUMBERS = {
    "type": 3, "save": 3, "take_back": 1, "close": 2, "open": 1, "look_up": 1, "outside": 3,
    "mode": 1, "command": 1, "write": 3, "ask": 1, "apply": 3, "decide": 3, "mark": 3, "keep": 1,
    "undo": 1, "undo_turn": 1, "redo": 1, "during": 5, "crash": 1, "kill": 1, "touch": 4,
}  # fmt: skip

OTHER = 16
"""How often it is the other session's turn, where there are two."""

PROPOSE = ("mode", 0)
SOME = 1
"""How a decision takes some hunks; the mode of a play's turn asks about them."""

PLOTS: Sequence[Sequence[str | Step]] = (
    (("turn",), PROPOSE, "ask", "touch", "decide", "look"),
    (("turn",), PROPOSE, "ask", "touch", "some", "look"),
    (("turn",), PROPOSE, "ask", "kill", "some", "turn"),
    (("turn",), PROPOSE, "ask", "during", "some"),
    (("turn",), PROPOSE, "ask", ("decide", 0, 0, 0), "apply", "look"),
    (("turn",), PROPOSE, "ask", ("decide", 0, 0, 0), "during", "apply"),
    (("turn",), "command", "write", "write", "look", ("end",), "type", "save", "undo_turn", "redo"),
    (("turn",), "command", "write", "look", "kill", "undo", "look"),
    (("turn",), "command", "write", ("end",), "kill", "undo_turn", "look", "redo"),
)
"""What is done one after the other more often than by chance, so that it comes to something."""


BESIDE: Sequence[Sequence[str | Step]] = (
    (("turn",), PROPOSE, "ask", ("other",), ("turn",), PROPOSE, "ask", "decide", ("other",), "decide"),
    (("turn",), PROPOSE, ("ask", 2), ("other",), ("turn",), PROPOSE, ("ask", 2), ("decide", 0, 0, 0), "apply",
     ("other",), "some", "look"),
    (("turn",), PROPOSE, "command", ("other",), ("turn",), PROPOSE, "ask", ("decide", 0, 0, 0), "apply",
     ("other",), "write", "write", "look", "undo_turn"),
    (("turn",), "command", "write", "look", ("end",), ("other",), ("turn",), "command", "write", "look",
     "undo_turn", "type", "save", "redo"),
)  # fmt: skip
"""The same, where there are two sessions."""


def make(seed: int, length: int) -> list[Step]:
    """Return a script of so many steps, of one session or of two."""
    chance = random.Random(seed)
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    plots = PLOTS
    if chance.randrange(2):
        names, weights, plots = [*names, "other"], [*weights, OTHER], [*PLOTS, *BESIDE]
    # A few files only, so that what is done to them meets.
    files = [chance.randrange(60) for _ in range(chance.choice((1, 2, 2, 3, 6)))]
    script: list[Step] = [] if chance.randrange(3) == 0 else [("turn",)]
    while len(script) < length:
        chosen: Sequence[str | Step] = chance.choices(names, weights)
        if chance.randrange(15) == 0:
            chosen = chance.choice(plots)
        script += [_step(chance, part, files) for part in chosen]
    return script[:length]


def _step(chance: random.Random, part: str | Step, files: Sequence[int]) -> Step:
    """Return a step with numbers, if it has none yet."""
    if isinstance(part, tuple):
        return part
    if part == "some":
        return ("decide", 0, SOME + 6 * chance.randrange(10), chance.randrange(60))
    name = part
    numbers = [chance.randrange(60) for _ in range(NUMBERS.get(name, 0))]
    if name in ("type", "save", "outside", "write", "look_up", "close", "open", "take_back"):
        numbers[0] = chance.choice(files)
    if name == "during":
        numbers[2] = chance.choice(files)
    return (name, *numbers)


def shrunk(script: Script, fails: Callable[[Script], bool], tries: int = 400) -> list[Step]:
    """Return a part of a failing script that fails as well, as short as some tries can make it."""
    best = list(script)
    size = max(1, len(best) // 2)
    while tries > 0:
        at = 0
        removed = False
        while at < len(best) and tries > 0:
            part = best[:at] + best[at + size :]
            tries -= 1
            if fails(part):
                best, removed = part, True
            else:
                at += size
        if size == 1 and not removed:
            break
        size = max(1, size // 2) if not removed or size > 1 else 1
    return best
