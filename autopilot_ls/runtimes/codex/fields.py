"""Reading JSON that an agent sent, without trusting its shape.

Each function gives a usable value whatever is there. Not aware of the protocol; every other file of
this package stands above, nothing below.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast

Table: TypeAlias = Mapping[str, object]

EMPTY: Final[Table] = {}


def as_table(value: object) -> Table:
    """Return the value when it is an object, else an empty one."""
    return cast("Table", value) if isinstance(value, dict) else EMPTY


def table(source: Table, name: str) -> Table:
    """Return the member as an object, empty when it is none."""
    return as_table(source.get(name))


def as_tables(value: object) -> list[Table]:
    """Return the objects of a list, leaving out whatever else it holds."""
    if not isinstance(value, list):
        return []
    return [cast("Table", each) for each in cast("list[object]", value) if isinstance(each, dict)]


def tables(source: Table, name: str) -> list[Table]:
    """Return the member as a list of objects."""
    return as_tables(source.get(name))


def text(source: Table, name: str, default: str = "") -> str:
    """Return the member as text, the default when it is none."""
    value = source.get(name)
    return value if isinstance(value, str) else default


def optional_text(source: Table, name: str) -> str | None:
    """Return the member when it is text that is not empty."""
    value = source.get(name)
    return value if isinstance(value, str) and value else None


def texts(source: Table, name: str) -> tuple[str, ...]:
    """Return the texts of a list, leaving out whatever else it holds."""
    value = source.get(name)
    if not isinstance(value, list):
        return ()
    return tuple(each for each in cast("list[object]", value) if isinstance(each, str))


def number(source: Table, name: str) -> float | None:
    """Return the member when it is a finite number."""
    value = source.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def integer(source: Table, name: str, default: int = 0) -> int:
    """Return the member as an integer, the default when it is none."""
    value = source.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def optional_integer(source: Table, name: str) -> int | None:
    """Return the member when it is an integer."""
    value = source.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def flag(source: Table, name: str, *, default: bool = False) -> bool:
    """Return the member as a truth value, the default when it is none."""
    value = source.get(name)
    return value if isinstance(value, bool) else default


def as_json(value: object) -> str:
    """Return compact JSON text of a value that came from JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def plain(value: object) -> str:
    """Return text as it is, nothing for null, and JSON for everything else."""
    if value is None:
        return ""
    return value if isinstance(value, str) else as_json(value)


def joined(parts: Sequence[str]) -> str:
    """Join paragraphs as they are shown; what streams is joined in the same way."""
    return "\n\n".join(parts)
