"""Looking into plain JSON that came from an editor. Pure and light."""

from __future__ import annotations

from typing import cast


def member(value: object, name: str) -> object:
    """Return a member of an object; None where it is none or lacks it."""
    return cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None
