"""The shared process: accepts who is this user's, and serves editors until nobody needs it.

Begins with a socket that listens already (`starting`), answers at once, and loads the language server while
the first editor waits. It ends when it has been idle, on a signal, or when it is asked to; it gives up its
place in the folder first, under the lock, so that whoever comes then starts another. Not aware of what an
editor is shown. `starting` and `cli` stand above; `clients`, `pool` and `places` below.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from autopilot_ls import __file__ as _package
from autopilot_ls import __version__
from autopilot_ls.shared import greeting
from autopilot_ls.shared.peers import require_own
from autopilot_ls.shared.places import Names, NotShared, own_names

if TYPE_CHECKING:
    from autopilot_ls.model.snapshots import SessionSnapshot
    from autopilot_ls.settings.tree import Settings
    from autopilot_ls.shared.clients import Client
    from autopilot_ls.shared.pool import Pool
    from autopilot_ls.supervisor.caller import Caller
    from autopilot_ls.supervisor.supervisor import Supervisor

_LOG: Final = logging.getLogger(__name__)

MAX_CLIENTS: Final = 100
"""Connections at a time."""

HELLO_LIMIT: Final = 10.0
"""Seconds a client has to say who it is."""

IDLE_SECONDS: Final = 600.0
"""How long to stay idle, until an editor's settings say something else."""

TICK: Final = 5.0
"""Seconds between two looks at the process's own state."""

LEAVING: Final = 10.0
"""Seconds that connections have to close when the process ends."""

MAX_LISTED: Final = 50

_LISTENER, _FOLDER = 3, 4


class Daemon:
    """See the module's docstring."""

    def __init__(
        self, listener: socket.socket, folder: int, names: Names, *, stays: bool = False
    ) -> None:
        """Create it; `run` serves.

        Args:
            listener: Listens already.
            folder: The open folder in which it has its place.
            names: What it has there.
            stays: Whether it stays however long it is idle.
        """
        self._listener = listener
        self._folder = folder
        self._names = names
        self._stays = stays
        self._inode = _inode(folder, names.socket)
        self._code = _fingerprint()
        self._started = time.time()
        self._connections: set[asyncio.Task[None]] = set()
        self._clients: list[Client] = []
        self._last_connections: list[socket.socket] = []
        self._pool: Pool | None = None
        self._loading = asyncio.Lock()
        self._idle_seconds = IDLE_SECONDS
        self._used_at = time.monotonic()
        self._retired = False
        self._changed = asyncio.Event()
        self._ending = asyncio.Event()
        self._exit_code = 0

    # Its life -------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Serve until the end; returns the exit code."""
        import anyio

        self._listener.setblocking(False)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.end, 128 + number)
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            accepting = asyncio.create_task(self._accept())
            try:
                await self._until_unneeded()
                await self._give_up_place()
            finally:
                accepting.cancel()
                self._listener.close()
            await self._see_off()
            if self._pool is not None:
                await self._pool.end()
            tasks.cancel_scope.cancel()
        return self._exit_code

    def end(self, exit_code: int) -> None:
        """Have the process end in an orderly way; the first call says how."""
        if not self._ending.is_set():
            self._exit_code = exit_code
            self._ending.set()
            self._changed.set()

    async def _until_unneeded(self) -> None:
        while not self._ending.is_set():
            self._changed.clear()
            if not self._retired and _inode(self._folder, self._names.socket) != self._inode:
                _LOG.warning("The socket is gone; this process ends with its last editor.")
                self._retired = True
            now = time.monotonic()
            if self._clients:
                self._used_at = now
            left = self._used_at + (0.0 if self._retired else self._idle_seconds) - now
            is_free = not self._connections and (self._pool is None or self._pool.is_empty)
            if is_free and left <= 0 and not (self._stays and not self._retired):
                return
            self._keep_log_short()
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK if left <= 0 else min(TICK, left)):
                    await self._changed.wait()

    async def _give_up_place(self) -> None:
        """Have whoever comes now start another process."""
        from autopilot_ls.shared.starting import locked

        def give_up() -> None:
            with locked(self._folder, self._names.lock):
                if self._inode and _inode(self._folder, self._names.socket) == self._inode:
                    os.unlink(self._names.socket, dir_fd=self._folder)

        # Without the lock it stays, and is taken for what it is: one that nobody listens on.
        with suppress(NotShared, OSError):
            await asyncio.to_thread(give_up)

    async def _retire(self) -> None:
        """Serve who is there and nobody else."""
        if not self._retired:
            _LOG.warning("The package has changed on disk; this process ends with its last editor.")
            self._retired = True
            await self._give_up_place()
            self._changed.set()

    async def _see_off(self) -> None:
        for client in self._clients:
            client.connection.stop(self._exit_code)
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=LEAVING)
            for task in late:
                task.cancel()

    def _keep_log_short(self) -> None:
        """Begin a new log when the present one is long."""
        from autopilot_ls.shared.starting import MAX_LOG, open_log

        found = os.fstat(2)
        if not self._stays and stat.S_ISREG(found.st_mode) and found.st_size > MAX_LOG:
            with suppress(OSError):
                descriptor = open_log(self._folder, self._names.log)
                for number in (1, 2):
                    os.dup2(descriptor, number)
                os.close(descriptor)

    # Who comes ------------------------------------------------------------------------------------

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, _ = await loop.sock_accept(self._listener)
            except OSError as error:
                if error.errno in {errno.EBADF, errno.EINVAL}:
                    return
                # Too many open files, or a client that was gone at once: neither lasts.
                await asyncio.sleep(0.1)
                continue
            task = asyncio.create_task(self._meet(connected))
            self._connections.add(task)
            task.add_done_callback(self._part)
            self._changed.set()

    def _part(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        self._changed.set()

    async def _meet(self, connected: socket.socket) -> None:
        """Serve one connection; nothing that goes wrong with it goes further."""
        connected.setblocking(False)
        try:
            require_own(connected)
            async with asyncio.timeout(HELLO_LIMIT):
                hello = await _hello(connected)
            # Who only looks whether somebody listens says nothing.
            if hello is not None:
                await self._serve(connected, hello)
        except (NotShared, OSError, TimeoutError, greeting.Garbled) as error:
            _LOG.warning("A connection was given up: %s", error or "it said nothing")
        except Exception:  # noqa: BLE001 reason: the others are served on
            _LOG.exception("A connection failed.")
        finally:
            connected.close()

    async def _serve(self, connected: socket.socket, hello: dict[str, object]) -> None:
        purpose = hello.get("purpose")
        if hello.get("autopilot") != greeting.PROTOCOL:
            await _answer(connected, greeting.REFUSED, message="it speaks another protocol")
        elif purpose == "status":
            await _answer(connected, greeting.WELCOME, **self._status())
        elif purpose == "release":
            if self._pool is not None:
                await self._pool.release()
            await _answer(connected, greeting.WELCOME, **self._status())
        elif purpose == "stop":
            await _answer(connected, greeting.WELCOME, **self._status())
            # Who asked waits until the connection closes, which the end of the process does.
            self._last_connections.append(connected.dup())
            self.end(0)
        elif purpose != "edit" or len(self._connections) > MAX_CLIENTS:
            await _answer(connected, greeting.REFUSED, message="it has too many connections")
        elif hello.get("version") != __version__:
            text = f"the shared process is of version {__version__}, and the editor's server of another"
            await _answer(connected, greeting.REFUSED, message=text)
        elif self._ending.is_set() or self._retired or self._code != _fingerprint():
            await self._retire()
            await _answer(connected, greeting.GONE)
        else:
            await self._edit(connected, hello)

    async def _edit(self, connected: socket.socket, hello: dict[str, object]) -> None:
        try:
            async with self._loading:
                # In a thread, because others may be served meanwhile.
                make_client, make_caller = await asyncio.to_thread(_load)
        except Exception:
            await _answer(
                connected, greeting.REFUSED, message="the shared process cannot be loaded"
            )
            raise
        await _answer(connected, greeting.WELCOME, version=__version__, pid=os.getpid())
        client = make_client(
            self._supervisors,
            make_caller(_texts(hello.get("environ")), Path(str(hello.get("cwd") or "/"))),
            said=str(hello.get("said") or ""),
            applied=self._apply,
        )
        self._clients.append(client)
        try:
            if not self._ending.is_set():
                await client.serve(connected)
        finally:
            self._clients.remove(client)
            # Who only asks how it is does not keep it.
            self._used_at = time.monotonic()

    def _supervisors(self) -> Pool:
        if self._pool is None:
            from autopilot_ls.shared.pool import Pool

            self._pool = Pool(self._tasks, lambda: self._idle_seconds)
        return self._pool

    def _apply(self, settings: Settings) -> None:
        self._idle_seconds = settings.shared.idle_seconds
        logging.getLogger().setLevel(settings.log_level.upper())

    def _status(self) -> dict[str, object]:
        """Return what `autopilot-ls daemon --status` shows, and what the HUD asks for."""
        sessions = [
            {
                "id": snapshot.session_id,
                "cwd": snapshot.cwd,
                "title": snapshot.title[:80],
                "running": snapshot.active_turn is not None,
                "waiting": len(snapshot.pending),
                "unreviewed": _unreviewed(place.supervisor, snapshot),
            }
            for place in (self._pool.places if self._pool else ())
            for session_id in place.supervisor.live_sessions()
            for snapshot in [place.supervisor.snapshot(session_id)]
        ]
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started": self._started,
            "retired": self._retired,
            "editors": [client.label[:200] for client in self._clients[:MAX_LISTED]],
            "sessions": sessions[:MAX_LISTED],
        }


def _load() -> tuple[type[Client], type[Caller]]:
    from autopilot_ls.lsp.protocol import quiet_pygls
    from autopilot_ls.shared.clients import Client
    from autopilot_ls.supervisor.caller import Caller

    quiet_pygls()
    return Client, Caller


def _unreviewed(supervisor: Supervisor, snapshot: SessionSnapshot) -> dict[str, int]:
    from autopilot_ls.lsp.features.statuses import unreviewed_by_session

    known = supervisor.review.known(Path(snapshot.cwd)).items if supervisor.review.is_on else ()
    found = unreviewed_by_session(known).get(snapshot.session_id)
    return {"files": found.files, "hunks": found.hunks} if found else {"files": 0, "hunks": 0}


async def _hello(connected: socket.socket) -> dict[str, object] | None:
    """Return the first line of a client, which sends nothing more before it has an answer."""
    loop = asyncio.get_running_loop()
    data = bytearray()
    while not data.endswith(b"\n"):
        if len(data) > greeting.MAX_HELLO:
            raise greeting.Garbled("its first line is too long")
        some = await loop.sock_recv(connected, 65536)
        if not some:
            return None
        data += some
    return greeting.message(bytes(data))


async def _answer(connected: socket.socket, answer: str, **more: object) -> None:
    line = greeting.line({"answer": answer, **more})
    async with asyncio.timeout(HELLO_LIMIT):
        await asyncio.get_running_loop().sock_sendall(connected, line)


def _texts(value: object) -> dict[str, str]:
    """Return the members of an object that are text."""
    if not isinstance(value, dict):
        return {}
    members = cast("dict[str, object]", value)
    return {name: text for name, text in members.items() if isinstance(text, str)}


def _inode(folder: int, name: str) -> int:
    """Return what tells a socket from another of its name; 0 when there is none."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino
    except OSError:
        return 0


def _fingerprint() -> tuple[int, int]:
    """Return what changes when another version of the package is installed in place of this one."""
    try:
        found = Path(_package).stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def serve_here(environ: Mapping[str, str]) -> int:
    """Be the shared process in the present one, until a signal or a request ends it.

    Raises:
        NotShared: There is one already, or there can be none.
    """
    from autopilot_ls.shared.places import open_folder, state_folder
    from autopilot_ls.shared.starting import connect, listen, locked

    folder, names = open_folder(state_folder(environ)), own_names(environ)
    with locked(folder, names.lock):
        running = connect(folder, names.socket)
        if running is not None:
            running.close()
            raise NotShared("one runs already; see autopilot-ls daemon --status")
        listener = listen(folder, names.socket)
    return _run(listener, folder, names, stays=True)


def _run(listener: socket.socket, folder: int, names: Names, *, stays: bool = False) -> int:
    # The classes of the protocol are made in one go and stay for ever: nothing there to collect.
    gc.disable()
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )

    async def run() -> int:
        return await Daemon(listener, folder, names, stays=stays).run()

    return asyncio.run(run())


def main() -> int:
    """Be the shared process; `starting` has put the socket and the folder where they are expected."""
    listener = socket.socket(fileno=_LISTENER)
    for number in (_LISTENER, _FOLDER):
        os.set_inheritable(number, False)
    return _run(listener, _FOLDER, Names(*sys.argv[1:3]))


if __name__ == "__main__":
    sys.exit(main())
