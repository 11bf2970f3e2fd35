"""What a flood of everything costs who watches and types: messages of all kinds, and the round trip of a key.

At the rate at which our clients must not feel it: 20,000 events a second, text, items, plans, tokens and
warnings. The key's round trip is the server's alone; `neovim` measures it in the real editor.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.flood import MOST_NOTIFICATIONS, SECOND, most_in_a_second
from tests.bench.flood_agent import Plan, large_text
from tests.bench.keystroke import Size as Typing
from tests.bench.keystroke import open_document, press
from tests.bench.lsp_client import Json
from tests.bench.report import Figure, at_most, median, percentile
from tests.bench.scene import Scene, scene

RATE: Final = 20_000
"""Events a second."""

AIM: Final = 20.0
"""Milliseconds for 99 of 100 keys."""

CLIENTS: Final[tuple[tuple[str, bool | Json], ...]] = (
    ("our clients", {"events": False}),
    ("a client with all events", True),
    ("a plain client", False),
)


@dataclass(frozen=True)
class Size:
    """How long each flood lasts, in seconds, and how many keys are pressed in it, how fast."""

    seconds: float
    keys: int
    interval: float


@dataclass(frozen=True)
class Watched:
    """What a flood came to at a client: when messages arrived, in nanoseconds, by their methods."""

    arrivals: Sequence[tuple[int, str]]
    sent: int
    took: float

    @property
    def most(self) -> int:
        """How many messages the fullest second holds."""
        return most_in_a_second([at for at, _ in self.arrivals])


def watch(place: Scene, seconds: float) -> Watched:
    """Have everything at the rate for some seconds, and return what the client was told."""
    client = place.client
    client.arrivals.clear()
    report = place.play(Plan(rate=RATE, seconds=seconds, mixed=True), seconds * 10 + 60)
    arrivals = [each for each in client.arrivals if each[0] <= place.ended_at]
    return Watched(arrivals, report.sent, (place.ended_at - report.began) / SECOND)


def measure(folder: Path, size: Size) -> list[Figure]:
    """Flood each kind of client; type beside it in ours."""
    figures: list[Figure] = []
    for name, opted_in in CLIENTS:
        with scene(Scene, folder / name.replace(" ", "-"), opted_in=opted_in) as place:
            place.play(Plan(rate=1000, seconds=0.2), 30)
            found = watch(place, size.seconds)
            figures.append(
                Figure(
                    f"messages to {name}, flood of everything",
                    len(found.arrivals) / found.took,
                    "/s",
                    f"{RATE:,} events/s sent",
                    aim=f"≤ {MOST_NOTIFICATIONS} /s",
                    met=at_most(found.most, MOST_NOTIFICATIONS),
                    note=f"most in any one second: {found.most}, all kinds; {found.sent:,} events "
                    f"in {found.took:.1f} s",
                )
            )
            if opted_in == {"events": False}:
                figures.append(_typing(place, size))
    return figures


def _typing(place: Scene, size: Size) -> Figure:
    path = place.client.cwd / "typed.txt"
    text = large_text(1_000)
    path.write_text(text, "utf-8")
    open_document(place.client, path, text)
    seconds = max(size.seconds, size.keys * (size.interval + 0.005))
    flood = threading.Thread(target=watch, args=(place, seconds))
    flood.start()
    keys = press(place.client, path, Typing(1_000, 0, size.keys, size.interval))
    flood.join()
    worst = percentile(keys, 0.99)
    return Figure(
        "key pressed, flood of everything: p99",
        worst,
        "ms",
        aim=f"≤ {AIM:.0f} ms",
        met=at_most(worst, AIM),
        note=f"{len(keys)} keys; median {median(keys):.1f} ms, longest {max(keys):.1f} ms",
        samples=tuple(keys),
    )
