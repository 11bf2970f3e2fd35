"""What the models of several commands share: limits of texts, places, and the naming of a session.

Values only. Not aware of commands; `params` and the other models stand above. Not imported before
`initialize` is answered.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from autopilot_ls.model.base import Frozen

Text = Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Reason = Annotated[str, StringConstraints(max_length=20_000)]
LineNumber = Annotated[int, Field(ge=0, le=2**31 - 1)]


class NoParams(Frozen):
    """A command without arguments."""


class Done(Frozen):
    """The command was carried out."""

    done: Literal[True] = True


class Position(Frozen):
    """A position as the protocol has it, in the unit agreed on."""

    line: LineNumber
    character: LineNumber


class Range(Frozen):
    """A range as the protocol has it."""

    start: Position
    end: Position


class Reference(Frozen):
    """A place that the person points at.

    Attributes:
        uri: The document.
        range: The part of it that is meant; the whole document when omitted.
    """

    uri: Name
    range: Range | None = None


class SessionParams(Frozen):
    """Names a session."""

    session_id: Name


class OptionalSessionParams(Frozen):
    """Names a session, or leaves the choice to the command."""

    session_id: Name | None = None
