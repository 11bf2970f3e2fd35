"""The models of the commands about changes that nobody was asked about.

Values only, like those in `params`. Not imported before `initialize` is answered.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from autopilot_ls.model.base import Frozen

Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Texts = Annotated[tuple[Text, ...], Field(max_length=10_000)]

MAX_LISTED = 1_000
"""Changes that one answer lists."""

MAX_SHOWN = 20
"""Lines before, and lines after, that a listed change comes with."""


class ChangesListParams(Frozen):
    """Names the workspace whose changes are listed.

    Attributes:
        cwd: Its folder, as an absolute path or a `file:` URI; the first workspace folder when omitted.
        session_id: A session that works there: only its changes, and those of nobody known.
    """

    cwd: Text | None = None
    session_id: Text | None = None


class ChangesChosenParams(Frozen):
    """Says which changes are meant; what is given adds up, and something must be given.

    Attributes:
        cwd: The workspace, as in `autopilot.changes.list`.
        ids: Changes by their ids.
        paths: Files, or folders with all in them: absolute, `file:` URIs, or relative to the workspace.
        turn: Changes that this turn has a part in: its name, or its number where one session has it.
        all: All there are.
    """

    cwd: Text | None = None
    ids: Texts = ()
    paths: Texts = ()
    turn: Text | None = None
    all: bool = False


class TurnUndoParams(Frozen):
    """Take back all that a turn changed, and all turns of that session since.

    Attributes:
        session_id: Whose turn.
        turn: Its name, or its number in the session; the session's last one when omitted.
    """

    session_id: Text
    turn: Text | None = None


class TurnRedoParams(Frozen):
    """Do again what was taken back.

    Attributes:
        cwd: The workspace, as in `autopilot.changes.list`.
        undo_id: What an undo returned; the last one when omitted.
    """

    cwd: Text | None = None
    undo_id: Text | None = None


class ChangeShown(Frozen):
    """A change to be reviewed.

    Attributes:
        id: Names it while it lasts.
        path: Relative to the workspace.
        uri: The file.
        before: The file without what nobody has reviewed, for `workspace/textDocumentContent`.
        kind: A `hunk` is about some lines, `mode` about permissions, the others about the file.
        line: Its first line on disk, from 0.
        author: `unattributed` where another program may have made it.
        by: What made it, such as a command; empty when that is not known.
        turns: The turns it belongs to.
        old: The first lines as they would be without it.
        new: The first lines as they are.
        removed: How many lines would be there without it.
        added: How many lines there are instead.
    """

    id: str
    path: str
    uri: str
    before: str
    kind: Literal["hunk", "add", "delete", "whole", "mode"]
    line: int
    author: Literal["agent", "unattributed"]
    by: str
    turns: tuple[str, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]
    removed: int
    added: int


class TurnUndoable(Frozen):
    """A turn that can be undone; `began` is in seconds since the epoch."""

    turn: str
    session_id: str
    began: float
    at_work: bool


class UndoneShown(Frozen):
    """Something that was taken back and can be done again."""

    undo_id: str
    what: str


class ChangesList(Frozen):
    """What is to be reviewed in a workspace.

    Attributes:
        changes: By path and place, at most 1,000.
        total: How many there are.
        turns: The turns that can be undone, the oldest first.
        undone: What can be done again, the oldest first.
        notices: What is not covered, in sentences for a person.
    """

    cwd: str
    changes: tuple[ChangeShown, ...]
    total: int
    turns: tuple[TurnUndoable, ...]
    undone: tuple[UndoneShown, ...]
    notices: tuple[str, ...]


class ChangesKept(Frozen):
    """The changes that need no review any more, by their ids."""

    kept: tuple[str, ...]


class ChangesUndone(Frozen):
    """What was taken back, or done again.

    Attributes:
        undo_id: By which it can be done again; empty where nothing was taken back.
        written: The files that were changed, relative to the workspace.
        left: Why other files were left as they are, a sentence each.
    """

    undo_id: str
    written: tuple[str, ...]
    left: tuple[str, ...]
