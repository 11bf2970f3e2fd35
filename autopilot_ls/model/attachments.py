"""What a person gives an agent beside their words: images and files.

Values only. Not aware of how they are read or checked; the supervisor does that, the runtimes hand them on.
"""

from __future__ import annotations

from typing import Literal

from autopilot_ls.model.base import Frozen


class Attachment(Frozen):
    """A file that goes with a message.

    Attributes:
        path: Absolute; the agent reads it there.
        kind: `image` is shown to the model; `file` is only named to it.
    """

    path: str
    kind: Literal["image", "file"]
