"""Ids that Autopilot itself hands out.

Not aware of the agents' own ids, which are opaque strings kept beside ours.
"""

from __future__ import annotations

import re
import secrets
import time

_SESSION_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


def new_session_id(now: float | None = None) -> str:
    """Return an id that sorts by creation time and is safe as a file name.

    Args:
        now: Seconds since the epoch; the current time when omitted.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    return f"{stamp}-{secrets.token_hex(3)}"


def is_session_id(text: str) -> bool:
    """Tell whether the text has the form of a session id, so that it may become part of a path."""
    return _SESSION_ID.fullmatch(text) is not None


def new_approval_id() -> str:
    """Return an id for one approval, unique over all sessions."""
    return f"apr-{secrets.token_hex(5)}"


def new_message_id() -> str:
    """Return an id for a message that waits, unique over all sessions."""
    return f"msg-{secrets.token_hex(5)}"
