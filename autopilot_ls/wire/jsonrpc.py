"""JSON-RPC 2.0 over lines, with or without the `jsonrpc` member (Codex leaves it out).

Not aware of any method, nor of how a process lives. Runtimes stand above; `messages`, `process`
and `jsonl` below. What the agent sends is not trusted: whatever cannot be understood is handed
on as `Malformed`, never guessed at, and nothing is acted upon before it is recorded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, Protocol, cast

import anyio

from autopilot_ls.model.errors import (
    AgentDied,
    AutopilotError,
    RequestTimeout,
    WireError,
)
from autopilot_ls.model.text import visible
from autopilot_ls.wire.jsonl import MAX_LINE, LineSplitter
from autopilot_ls.wire.messages import (
    Incoming,
    JsonObject,
    JsonValue,
    Notification,
    OrphanError,
    ServerRequest,
    encode,
    malformed,
    request_id_of,
    rpc_error,
    with_params,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autopilot_ls.wire.process import Process

# With twice as much, who types during a flood waits twice as long; with half, a flood costs more.
_READ_SIZE: Final = 16_384
_EXIT_GRACE: Final = 0.25
_UNKNOWN_VARIANT: Final = re.compile(r"unknown variant `([^`]{1,200})`")


class FrameRecorder(Protocol):
    """Where frames are written before they are acted upon or sent."""

    def record(self, direction: Literal["in", "out"], frames: Sequence[bytes]) -> int:
        """Record the frames, each without its newline, in this order.

        Returns:
            The number of the first frame; numbers are 1-based and rise by one per frame.

        Raises:
            TraceFull: They cannot be recorded; the connection then ends.
        """
        ...


class _Waiter:
    """One request in flight."""

    __slots__ = ("done", "failure", "method", "result")

    def __init__(self, method: str) -> None:
        self.method = method
        self.done = anyio.Event()
        self.result: JsonValue = None
        self.failure: AutopilotError | None = None

    def succeed(self, result: JsonValue) -> None:
        self.result = result
        self.done.set()

    def fail(self, failure: AutopilotError) -> None:
        self.failure = failure
        self.done.set()


class JsonRpcConnection:
    """One conversation with one agent.

    `run` must be running for replies to arrive. Once the connection has failed nothing that arrives
    is acted upon and nothing is sent any more; every waiter and every later call gets the reason.

    Attributes:
        failure: Why the connection ended; None while it works.
        unexpected_replies: Replies to nobody: late, duplicated or invented. They are only recorded.
    """

    def __init__(
        self,
        process: Process,
        recorder: FrameRecorder,
        on_batch: Callable[[Sequence[Incoming]], None],
        max_line: int = MAX_LINE,
        read_size: int = _READ_SIZE,
    ) -> None:
        """Prepare a connection; nothing is read before `run`.

        Args:
            process: The agent; owned, and stopped, by the caller.
            recorder: Records every frame in both directions.
            on_batch: Gets everything but replies that one read brought, in order. Must not block.
                If it raises, the connection ends.
            max_line: Longest line accepted, in bytes.
            read_size: Most bytes handled in one go; larger ones are faster and hold up others longer.
        """
        self.failure: AutopilotError | None = None
        self.unexpected_replies = 0
        self._process = process
        self._recorder = recorder
        self._on_batch = on_batch
        self._splitter = LineSplitter(max_line)
        self._read_size = read_size
        self._waiters: dict[int, _Waiter] = {}
        self._next_id = 1
        self._scope = anyio.CancelScope()

    @property
    def in_flight(self) -> int:
        """Number of requests that wait for their reply."""
        return len(self._waiters)

    # -- outgoing

    async def request(self, method: str, params: JsonValue = None, *, timeout: float) -> JsonValue:
        """Send a request and wait for its reply.

        Args:
            method: Name of the method.
            params: Left out of the frame when None.
            timeout: Seconds for sending and reply together.

        Returns:
            The result.

        Raises:
            RpcError: The agent replied with an error.
            RequestTimeout: No reply in time; whether the agent acted is unknown. A late reply is dropped.
            AgentDied: The agent ended, or was already gone.
            AutopilotError: Whatever else ended the connection, such as `TraceFull` or `LineTooLong`.

        When cancelled, the frame is nevertheless sent whole if it was recorded, and a late reply is
        dropped.
        """
        number = self._next_id
        self._next_id += 1
        frame = encode(with_params({"method": method, "id": number}, params))
        waiter = self._waiters[number] = _Waiter(method)
        try:
            with anyio.move_on_after(timeout):
                await self._send(frame)
                await waiter.done.wait()
        finally:
            self._waiters.pop(number, None)
        if waiter.failure is not None:
            raise waiter.failure
        if not waiter.done.is_set():
            raise RequestTimeout(
                f"{self._process.name} did not reply to {method} within {timeout:g} seconds.",
                advice="Whether it acted is unknown; look before you try again.",
            )
        return waiter.result

    async def notify(self, method: str, params: JsonValue = None) -> None:
        """Send a notification; `params` is left out when None. Raises as `respond`."""
        await self._send(encode(with_params({"method": method}, params)))

    async def respond(self, id: int | str, result: JsonValue) -> None:
        """Answer a request of the agent.

        Raises:
            AgentDied: The agent is gone.
            AutopilotError: Whatever else ended the connection.
        """
        await self._send(encode({"id": id, "result": result}))

    async def respond_error(self, id: int | str, code: int, message: str) -> None:
        """Answer a request of the agent with an error. Raises as `respond`."""
        await self._send(encode({"id": id, "error": {"code": code, "message": message}}))

    async def _send(self, frame: bytes) -> None:
        # Nothing is awaited between the record and the queue of the process, so that the order of
        # the record is the order on the wire without a lock.
        if self.failure is not None:
            raise self.failure.with_traceback(None)
        if self._process.exit is not None:
            raise self._process.death()
        try:
            self._recorder.record("out", (frame,))
            await self._process.write(frame + b"\n")
        except AgentDied:
            # What it said before its end is still to be read; the reader will meet the end itself.
            raise
        except AutopilotError as error:
            self._fail(error)
            raise
        except Exception as error:
            self._fail(WireError(f"A frame could not be recorded: {visible(str(error))}."))
            raise

    # -- incoming

    async def run(self) -> None:
        """Read until the agent closes its output, routing what arrives.

        Raises:
            LineTooLong: A line exceeds the limit.
            TraceFull: A frame could not be recorded; it was not acted upon.
            AutopilotError: Sending failed in a way that ends the connection.
            Exception: Whatever `on_batch` raised.

        However it ends, all requests in flight fail at once.
        """
        try:
            with self._scope:
                await self._read_all()
        except AutopilotError as error:
            self._fail(error)
            raise
        finally:
            self._fail(AgentDied(f"The connection to {self._process.name} was closed."))
        if self._scope.cancelled_caught and self.failure is not None:
            raise self.failure.with_traceback(None)

    async def _read_all(self) -> None:
        while chunk := await self._process.read(self._read_size):
            if lines := self._splitter.feed(chunk):
                self._receive(lines)
        if rest := self._splitter.finish().strip():
            self._receive([rest])
        # The end of the pipe comes shortly before the end of the process, which has a better story.
        with anyio.move_on_after(_EXIT_GRACE):
            await self._process.wait()
        self._fail(self._process.death())

    def _fail(self, failure: AutopilotError) -> None:
        if self.failure is None:
            self.failure = failure
            self._scope.cancel()
            for waiter in self._waiters.values():
                if not waiter.done.is_set():
                    waiter.fail(failure)

    def _receive(self, lines: Sequence[bytes]) -> None:
        """Record the lines, resolve the waiters of replies, then hand on the rest."""
        from pydantic_core import from_json

        if self.failure is not None:
            return
        number = self._recorder.record("in", lines)
        batch: list[Incoming] = []
        for frame, line in enumerate(lines, number):
            try:
                # Only names repeat often enough for a cache to be worth its while.
                message: JsonValue = from_json(line, allow_inf_nan=False, cache_strings="keys")
            except ValueError:
                batch.append(malformed(line, frame))
                continue
            # Nearly everything is a plain notification; `_route` would find the same, more slowly.
            if type(message) is dict and "id" not in message:
                method, params = message.get("method"), message.get("params")
                if type(method) is str and type(params) is dict:
                    batch.append(Notification(method, params, frame))
                    continue
            incoming = self._route(message, line, frame)
            if incoming is not None:
                batch.append(incoming)
        if batch:
            self._on_batch(batch)

    def _route(self, message: object, line: bytes, frame: int) -> Incoming | None:
        """Return what is to be handed on; replies are taken care of."""
        if type(message) is not dict:
            return malformed(line, frame)
        members = cast("JsonObject", message)
        method = members.get("method")
        if method is None:
            return self._take_reply(members, line, frame)
        params = members.get("params")
        if params is None:
            params = {}
        request_id = request_id_of(members.get("id"))
        if type(method) is not str or type(params) is not dict:
            return malformed(line, frame, request_id)
        if request_id is not None:
            return ServerRequest(request_id, method, params, frame)
        if "id" in members:
            return malformed(line, frame)
        return Notification(method, params, frame)

    def _take_reply(self, members: JsonObject, line: bytes, frame: int) -> Incoming | None:
        number = members.get("id")
        error = members.get("error")
        if number is None:
            return self._take_orphan(error, line, frame)
        if error is None and "result" not in members:
            failure: AutopilotError | None = WireError(
                f"{self._process.name} sent a reply that holds neither a result nor an error."
            )
        else:
            failure = None if error is None else rpc_error(error)
        # A boolean or a float would find the waiter of the equal integer.
        waiter = self._waiters.get(number) if type(number) is int else None
        if waiter is None or waiter.done.is_set():
            self.unexpected_replies += 1
        elif failure is None:
            waiter.succeed(members.get("result"))
        else:
            waiter.fail(failure)
        return None

    def _take_orphan(self, error: JsonValue, line: bytes, frame: int) -> Incoming | None:
        """Fail the request an error without an id is about, if there is just one it can be about."""
        if error is None:
            return malformed(line, frame)
        failure = rpc_error(error)
        waiters = [waiter for waiter in self._waiters.values() if not waiter.done.is_set()]
        named = _UNKNOWN_VARIANT.search(failure.message)
        if named is not None:
            waiters = [waiter for waiter in waiters if waiter.method == named[1]]
        if len(waiters) != 1:
            return OrphanError(failure.rpc_code, failure.message, frame)
        waiters[0].fail(failure)
        return None
