"""Whose process is at the other end of a socket, as the system says it.

Only the standard library. Not aware of what goes through the socket.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import Final

from autopilot_ls.shared.places import NotShared

_LOCAL_PEERCRED: Final = 1
_UCRED: Final = struct.Struct("=iII")
_XUCRED: Final = struct.Struct("=II")


def user_of(connection: socket.socket) -> int:
    """Return the user id of the process at the other end, when it connected or began to listen.

    Raises:
        NotShared: This system does not say it.
        OSError: There is nobody at the other end any more.
    """
    if sys.platform == "linux":
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        return _UCRED.unpack(data)[1]
    if sys.platform == "darwin" or sys.platform.startswith("freebsd"):
        # `struct xucred`: its version, the user, then the groups. The level is SOL_LOCAL.
        data = connection.getsockopt(0, _LOCAL_PEERCRED, 76)
        version, user = _XUCRED.unpack_from(data)
        if version == 0:
            return user
    raise NotShared("this system does not tell whose process is at the other end of a socket")


def require_own(connection: socket.socket) -> None:
    """Make sure that the process at the other end is this user's.

    Raises:
        NotShared: It is not, or that cannot be told.
    """
    try:
        user = user_of(connection)
    except OSError as error:
        raise NotShared(f"nobody is at the other end: {error.strerror}") from error
    if user != os.geteuid():
        raise NotShared("another user's process is at the other end of the socket")
