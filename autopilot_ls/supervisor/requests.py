"""What clients ask of the supervisor, as values.

Not aware of how a client words it; `lsp` and `cli` build these.
"""

from __future__ import annotations

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.findings import ReviewTarget


class Reference(Frozen):
    """A place the person points at.

    Attributes:
        path: Absolute path of the file.
        start_line: First line, from 0; None for the whole file.
        end_line: Last line, from 0 and included.
        text: The text at that place as the person sees it, where it is worth sending.
    """

    path: str
    start_line: int | None = None
    end_line: int | None = None
    text: str | None = None


class StartTurn(Frozen):
    """Give an agent work.

    Attributes:
        session_id: The session to go on with; None for a new one.
        cwd: Absolute folder of a new session; the process's own when omitted.
        attachments: Absolute paths of files that go with the text.
        mode: The session's mode from now on; the default mode when a new session names none.
        model: The agent's own name of a model.
        effort: The agent's own name of a reasoning effort.
    """

    text: str
    session_id: str | None = None
    cwd: str | None = None
    references: tuple[Reference, ...] = ()
    attachments: tuple[str, ...] = ()
    mode: Mode | None = None
    model: str | None = None
    effort: str | None = None


class StartedTurn(Frozen):
    """The turn that a `StartTurn` began; `turn_id` is the agent's own."""

    session_id: str
    turn_id: str


class QueueMessage(Frozen):
    """Leave a message that goes when the running turn is completed, or at once if none runs.

    Attributes:
        attachments: Absolute paths of files that go with it.
    """

    session_id: str
    text: str
    references: tuple[Reference, ...] = ()
    attachments: tuple[str, ...] = ()


class StartReview(Frozen):
    """Have the agent's reviewer look at changes; `session_id` and `cwd` are as in `StartTurn`."""

    target: ReviewTarget
    session_id: str | None = None
    cwd: str | None = None
