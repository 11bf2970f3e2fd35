"""A message that a person wrote while a turn ran, and that waits for the turn's end.

Values only. Not aware of when it is sent: the supervisor sees to that.
"""

from __future__ import annotations

from autopilot_ls.model.attachments import Attachment
from autopilot_ls.model.base import Frozen


class WaitingMessage(Frozen):
    """A message that waits.

    Attributes:
        text: What the person wrote.
        prompt: What the agent is given, where that is more than the text.
        queued_by: Who wrote it, for the record.
        queued_at: Seconds since the epoch.
        held: Whether it goes only when a person says so, and not by itself at the turn's end.
    """

    id: str
    text: str
    prompt: str = ""
    attachments: tuple[Attachment, ...] = ()
    queued_by: str = ""
    queued_at: float = 0.0
    held: bool = False
