"""The demo's wire to the language server: messages framed as the protocol says, every wait limited.

Not aware of documents or of what a person sees; `demo_client` stands above, `wire.process` below.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, TypeAlias, cast

import anyio

from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.text import visible
from autopilot_ls.wire.process import Process

Json: TypeAlias = object
JsonObject: TypeAlias = dict[str, object]

_MAX_HEADER: Final = 4096
_MAX_BODY: Final = 64 * 1024 * 1024
_LENGTH: Final = re.compile(rb"content-length: *(\d{1,9})\r\n", re.IGNORECASE)
_UNKNOWN_METHOD: Final = -32601


class DemoFailed(AutopilotError):
    """The demo could not go on; the message says at what."""

    code = "demo-failed"


def member(value: Json, *path: str | int) -> Json:
    """Return what is at a path in a JSON value, or None."""
    for step in path:
        if isinstance(step, int):
            entries = cast("list[Json]", value) if isinstance(value, list) else []
            value = entries[step] if -len(entries) <= step < len(entries) else None
        else:
            value = cast("JsonObject", value).get(step) if isinstance(value, dict) else None
    return value


def objects(value: Json) -> list[JsonObject]:
    """Return the objects of a JSON list; empty when it is none."""
    entries = cast("list[Json]", value) if isinstance(value, list) else []
    return [cast("JsonObject", entry) for entry in entries if isinstance(entry, dict)]


def number(value: Json) -> int:
    """Return a JSON number as a whole number, 0 when it is none."""
    return int(value) if isinstance(value, int | float) else 0


class LspWire(ABC):
    """A connection to a language server; a subclass says what its messages mean."""

    def __init__(self, process: Process) -> None:
        """Speak to a server that was started."""
        self._process = process
        self._buffer = bytearray()
        self._replies: dict[int, tuple[anyio.Event, list[JsonObject]]] = {}
        self._requests = 0
        self._changed = anyio.Event()
        self._gone = False

    @abstractmethod
    def answer(self, method: str, params: Json) -> Json:
        """Return the result of a request of the server's.

        Raises:
            LookupError: The method is not known.
        """

    @abstractmethod
    def note(self, method: str, params: Json) -> None:
        """Take a notification of the server's."""

    async def run(self) -> None:
        """Read what the server says until it ends."""
        try:
            while message := await self._read():
                await self._handle(message)
        finally:
            self._gone = True
            for event, _ in self._replies.values():
                event.set()
            self._tell_change()

    async def _read(self) -> JsonObject | None:
        header = await self._until(b"\r\n\r\n")
        if header is None:
            return None
        length = _LENGTH.search(header)
        if length is None or int(length[1]) > _MAX_BODY:
            raise DemoFailed(f"The language server sent no message: {header[:200]!r}.")
        size = int(length[1])
        while len(self._buffer) < size:
            if not await self._more():
                return None
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        message: object = json.loads(body)
        if not isinstance(message, dict):
            raise DemoFailed(f"The language server sent no message: {body[:200]!r}.")
        return cast("JsonObject", message)

    async def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._buffer:
            if len(self._buffer) > _MAX_HEADER:
                raise DemoFailed("The language server sent an endless header.")
            if not await self._more():
                return None
        end = self._buffer.index(mark) + len(mark)
        found = bytes(self._buffer[:end])
        del self._buffer[:end]
        return found

    async def _more(self) -> bool:
        chunk = await self._process.read()
        self._buffer += chunk
        return bool(chunk)

    async def _send(self, message: JsonObject) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode()
        await self._process.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def notify(self, method: str, params: Json) -> None:
        """Send a notification."""
        await self._send({"method": method, "params": params})

    async def request(self, method: str, params: Json, *, limit: float = 30.0) -> Json:
        """Send a request and return its result.

        Raises:
            DemoFailed: The server refused, ended, or did not reply within `limit` seconds.
        """
        self._requests += 1
        number_ = self._requests
        event, reply = anyio.Event(), list[JsonObject]()
        self._replies[number_] = (event, reply)
        try:
            await self._send({"id": number_, "method": method, "params": params})
            with anyio.move_on_after(limit):
                await event.wait()
        finally:
            del self._replies[number_]
        if not reply:
            why = "ended" if self._gone else f"did not answer within {limit:.0f} s"
            raise DemoFailed(f"The language server {why} ({method}).")
        if "error" in reply[0]:
            said = member(reply[0], "error", "message")
            raise DemoFailed(f"The language server refused {method}: {visible(str(said))}")
        return reply[0].get("result")

    async def ended(self) -> None:
        """Wait until the server has ended."""
        await self._process.wait()

    def last_words(self) -> str:
        """Return the end of what the server wrote to its standard error."""
        tail = visible(self._process.stderr_tail()).strip()
        return f"It wrote at last: {tail[-1000:]}" if tail else ""

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, condition: Callable[[], bool], *, limit: float, what: str) -> None:
        """Wait until something can be seen.

        Raises:
            DemoFailed: It did not come within `limit` seconds, or the server ended.
        """
        with anyio.move_on_after(limit):
            while not condition():
                if self._gone:
                    raise DemoFailed("The language server ended.")
                await self._changed.wait()
            return
        raise DemoFailed(f"There was no {what} within {limit:.0f} s.")

    async def _handle(self, message: JsonObject) -> None:
        method, params = message.get("method"), message.get("params")
        if method is None:
            waiting = self._replies.get(number(message.get("id")))
            if waiting is not None:
                waiting[1].append(message)
                waiting[0].set()
        elif "id" in message:
            await self._answer(message["id"], str(method), params)
        else:
            self.note(str(method), params)
        self._tell_change()

    async def _answer(self, id_: Json, method: str, params: Json) -> None:
        try:
            result = self.answer(method, params)
        except LookupError:
            error: JsonObject = {"code": _UNKNOWN_METHOD, "message": f"unknown: {method}"}
            await self._send({"id": id_, "error": error})
        else:
            await self._send({"id": id_, "result": result})
