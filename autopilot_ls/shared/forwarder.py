"""What an editor starts: carries bytes between standard input and output and the shared process.

Starts at once, since it imports only the standard library, knows nothing of what it carries, and keeps
nothing: killed, it loses nothing. `__main__` stands above, `starting` and `greeting` below.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Final

from autopilot_ls import __version__
from autopilot_ls.shared import greeting
from autopilot_ls.shared.places import (
    FOLDER,
    Names,
    NotShared,
    open_folder,
    own_names,
    state_folder,
)

ANSWER_LIMIT: Final = 30.0
"""Seconds until the shared process answers; a new one has to start first."""

LAST_WORDS: Final = 15.0
"""Seconds that the shared process has to end the connection, once the editor has."""

ATTEMPTS: Final = 4
"""How often another process is looked for when the one that was found is about to end."""

_CHUNK: Final = 256 * 1024


def forward() -> int:
    """Be the editor's language server by way of the shared process; returns the exit code.

    That of the language server (see `lsp.main`), or 3 when the shared process was lost.

    Raises:
        NotShared: There is no shared process to be had; nothing was read or written yet.
    """
    connection = reach()
    # An interrupted forwarder has nothing to tidy up.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_carry_in, args=(connection,), daemon=True).start()
    return _carry_out(connection)


def reach() -> socket.socket:
    """Return a connection on which the shared process has said welcome.

    Raises:
        NotShared: There is none to be had.
    """
    if sys.platform == "win32":
        raise NotShared("there is no shared process on this system")
    from autopilot_ls.shared.starting import connect_or_start

    folder = open_folder(state_folder(os.environ))
    try:
        names = own_names(os.environ)
        said = _others(folder, names)
        for _ in range(ATTEMPTS):
            connection = connect_or_start(folder, names)
            try:
                if _is_welcome(connection, said):
                    return connection
            except BaseException:
                connection.close()
                raise
            connection.close()
    finally:
        os.close(folder)
    raise NotShared(f"no shared process stayed; the log is in {state_folder(os.environ)}/{FOLDER}")


def _others(folder: int, names: Names) -> str:
    """Return what is to be said of processes of other versions of this package; mostly nothing."""
    from autopilot_ls.shared.starting import connect

    found: list[str] = []
    for name in os.listdir(folder):
        version, _, place = name.removesuffix(".sock").rpartition("-")
        if not name.endswith(".sock") or name == names.socket or place != names.place:
            continue
        connection = connect(folder, name)
        if connection is not None:
            connection.close()
            found.append(version)
    if not found:
        return ""
    said = (
        f"The shared process of another version of autopilot-ls is still there ({', '.join(sorted(found))}). "
        f"This editor gets one of version {__version__}; sessions that are open in the other one cannot be "
        "used here until it has ended, which it does when it is idle, or by `autopilot-ls daemon --stop`."
    )
    _say(said)
    return said


def _is_welcome(connection: socket.socket, said: str) -> bool:
    """Say who comes; tells whether to go on, or to look for another process."""
    try:
        cwd = str(Path.cwd())
    except OSError:  # It was deleted.
        cwd = "/"
    message = greeting.hello("edit", __version__, cwd=cwd, environ=os.environ, said=said)
    hello = greeting.line(message)
    if len(hello) > greeting.MAX_HELLO:
        raise NotShared("the environment is too large")
    answer = ask(connection, hello, ANSWER_LIMIT)
    if answer is None or answer.get("answer") == greeting.GONE:
        return False
    if answer.get("answer") != greeting.WELCOME:
        raise NotShared(str(answer.get("message", "the shared process did not answer")))
    return True


def ask(connection: socket.socket, hello: bytes, limit: float) -> dict[str, object] | None:
    """Send the first line and return the answer, or None when the process ended instead.

    Args:
        connection: Just made.
        hello: The line.
        limit: Seconds to wait for each part of it.

    Raises:
        NotShared: There was no answer in time, or none that can be understood.
    """
    connection.settimeout(limit)
    answer = bytearray()
    try:
        connection.sendall(hello)
        # Byte by byte at its end, since what follows the line is the editor's.
        while not answer.endswith(b"\n"):
            if len(answer) > greeting.MAX_ANSWER:
                raise NotShared("the shared process gave too long an answer")
            some = connection.recv(4096, socket.MSG_PEEK)
            if not some:
                return None
            end = some.find(b"\n") + 1
            answer += connection.recv(end or len(some))
        return greeting.message(bytes(answer))
    except TimeoutError:
        raise NotShared(f"the shared process did not answer within {limit:g} seconds") from None
    except ConnectionError:
        return None
    except greeting.Garbled as error:
        raise NotShared("the shared process gave an answer that makes no sense") from error


def _carry_in(connection: socket.socket) -> None:
    """Carry what the editor says; a thread of its own, so that neither way can hold up the other."""
    connection.settimeout(None)
    try:
        while chunk := os.read(0, _CHUNK):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # The other way ends too, and knows how.
    # The editor is gone: there is a limit to waiting for anything more.
    threading.Event().wait(LAST_WORDS)
    os._exit(1)


def _carry_out(connection: socket.socket) -> int:
    """Carry what the editor is told; returns the exit code at the end."""
    connection.settimeout(None)
    pieces = greeting.Pieces()
    try:
        while chunk := connection.recv(_CHUNK):
            for kind, data in pieces.feed(chunk):
                if kind == greeting.DATA:
                    _write(1, data)
                elif kind == greeting.SAID:
                    _write(2, data + b"\n")
                else:
                    return int(data)
    except BrokenPipeError:
        return 1  # The editor does not read any more.
    except (OSError, ValueError, greeting.Garbled) as error:
        _say(f"the connection to the shared process broke: {error}.")
        return 3
    _say(
        "the shared process ended unexpectedly. What it did is on record: start the language server again. "
        f"Its log is in {state_folder(os.environ)}/{FOLDER}."
    )
    return 3


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _say(text: str) -> None:
    os.write(2, f"autopilot-ls: {text}\n".encode(errors="replace"))
