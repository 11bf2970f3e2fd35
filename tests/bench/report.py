"""Figures with their aims, as a table for people and JSON for machines."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One result.

    Attributes:
        name: What was measured.
        value: In `unit`; the median of `samples` where there are several.
        baseline: What it is compared with, in words with its number.
        aim: What is aimed at, in words; empty when there is no aim.
        met: Whether the aim is met; None when there is none.
        note: What a reader should know to judge it.
        samples: The single measurements.
    """

    name: str
    value: float
    unit: str
    baseline: str = ""
    ratio: float | None = None
    aim: str = ""
    met: bool | None = None
    note: str = ""
    samples: tuple[float, ...] = ()


@dataclass
class Results:
    """Everything that one run found."""

    machine: str
    figures: list[Figure] = field(default_factory=list[Figure])
    failures: list[str] = field(default_factory=list[str])
    noise: str = ""

    def add(self, *figures: Figure) -> None:
        self.figures += figures


def median(samples: Sequence[float]) -> float:
    return statistics.median(samples)


def percentile(samples: Sequence[float], part: float) -> float:
    """Return the value that this part of the samples does not exceed (nearest rank)."""
    ordered = sorted(samples)
    rank = max(0, min(len(ordered) - 1, round(part * len(ordered) + 0.5) - 1))
    return ordered[rank]


def quartiles(samples: Sequence[float], unit: str) -> str:
    """Return the middle half of the samples in words."""
    if len(samples) < 4:
        return f"{len(samples)} runs, {number(min(samples))}–{number(max(samples))} {unit}"
    low, _, high = statistics.quantiles(samples, n=4)
    return f"{len(samples)} runs, middle half {number(low)}–{number(high)} {unit}"


def at_most(value: float, limit: float) -> bool:
    return value <= limit


def number(value: float) -> str:
    """Return a number as people read it."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


VERDICTS: dict[bool | None, Literal["met", "MISSED", ""]] = {True: "met", False: "MISSED", None: ""}


def table(results: Results) -> str:
    """Return all figures as a table with a head and a foot."""
    rows: list[tuple[str, ...]] = [("", "", "against", "ratio", "aim", "")]
    rows += [
        (
            figure.name,
            f"{number(figure.value)} {figure.unit}".strip(),
            figure.baseline,
            "" if figure.ratio is None else f"{figure.ratio:.2f} ×",
            figure.aim,
            VERDICTS[figure.met],
        )
        for figure in results.figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = [results.machine, ""]
    for index, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
        if index == 0:
            lines.append("  ".join("─" * width for width in widths))
            continue
        note = results.figures[index - 1].note
        if note:
            lines.append(f"    {note}")
    lines += ["", results.noise] if results.noise else []
    lines += [f"FAILED: {failure}" for failure in results.failures]
    return "\n".join(lines)


def write_json(results: Results, file: Path) -> None:
    file.write_text(json.dumps(asdict(results), indent=2, ensure_ascii=False) + "\n", "utf-8")
