"""Routing of frames, over a real child whose output the test writes word by word."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest

from autopilot_ls.model.errors import (
    AgentDied,
    AutopilotError,
    InvalidRequest,
    LineTooLong,
    RequestTimeout,
    RpcError,
    TraceFull,
    WireError,
)
from autopilot_ls.wire.jsonl import MAX_LINE
from autopilot_ls.wire.jsonrpc import JsonRpcConnection
from autopilot_ls.wire.messages import Incoming, Malformed, Notification, OrphanError, ServerRequest
from autopilot_ls.wire.process import Process, ProcessLimits, spawn

# Obeys lines: {"say": text} prints the text, {"end": true} ends. Any other line is printed back to
# the test through standard error, so that the test sees what arrived.
PUPPET = """
import sys, json
for line in sys.stdin.buffer:
    message = json.loads(line)
    orders = message.get("params") or message.get("result")
    if isinstance(orders, dict) and "say" in orders:
        sys.stdout.buffer.write(orders["say"].encode("latin-1"))
        sys.stdout.buffer.flush()
    elif isinstance(orders, dict) and "end" in orders:
        sys.exit(orders["end"])
    sys.stderr.buffer.write(line)
    sys.stderr.buffer.flush()
"""


class Recorder:
    def __init__(self) -> None:
        self.frames: list[tuple[str, bytes]] = []
        self.full: str = ""

    def record(self, direction: Literal["in", "out"], frames: Sequence[bytes]) -> int:
        if direction == self.full:
            raise TraceFull("The disk is full.")
        first = len(self.frames) + 1
        self.frames += [(direction, frame) for frame in frames]
        return first


class Talk:
    """A connection with a puppet, and all it handed on."""

    def __init__(self, process: Process, max_line: int) -> None:
        self.process = process
        self.recorder = Recorder()
        self.got: list[Incoming] = []
        self.batches: list[list[Incoming]] = []
        self.on_batch: Callable[[], None] = lambda: None
        self.connection = JsonRpcConnection(process, self.recorder, self._take, max_line=max_line)
        self.ended: BaseException | None = None
        self.over = anyio.Event()

    def _take(self, batch: Sequence[Incoming]) -> None:
        self.got += batch
        self.batches.append(list(batch))
        self.on_batch()

    async def run(self) -> None:
        try:
            await self.connection.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test judges it
            self.ended = error
        finally:
            self.over.set()

    async def say(self, text: bytes) -> None:
        await self.connection.notify("order", {"say": text.decode("latin-1")})

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(10):
            while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
                await anyio.sleep(0.002)

    async def hears(self, count: int) -> list[Incoming]:
        await self.until(lambda: len(self.got) >= count)
        return self.got


@asynccontextmanager
async def talk(
    path: Path, *, max_line: int = MAX_LINE, puppet: str = PUPPET
) -> AsyncGenerator[Talk]:
    limits = ProcessLimits(close_grace=1, terminate_grace=1, write_timeout=1)
    command = [sys.executable, "-I", "-c", puppet]
    async with spawn(command, cwd=path, env=dict(os.environ), limits=limits) as process:
        conversation = Talk(process, max_line)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(conversation.run)
            yield conversation
            tasks.cancel_scope.cancel()


async def outcome(awaitable: Any) -> Any:
    try:
        return await awaitable
    except AutopilotError as error:
        return error


async def test_requests_are_answered_in_any_order_and_recorded_before(tmp_path: Path) -> None:
    results: dict[str, Any] = {}
    async with talk(tmp_path) as t, anyio.create_task_group() as tasks:

        async def ask(method: str) -> None:
            results[method] = await t.connection.request(method, {"x": 1}, timeout=10)

        tasks.start_soon(ask, "one")
        tasks.start_soon(ask, "two")
        await t.until(lambda: t.connection.in_flight == 2)
        assert [json.loads(frame)["method"] for _, frame in t.recorder.frames] == ["one", "two"]
        await t.say(b'{"id":2,"result":"second"}\n{"jsonrpc":"2.0","id":1,"result":null}\n')
        await t.until(lambda: len(results) == 2)
    assert results == {"one": None, "two": "second"}


async def test_replies_resolve_waiters_before_the_batch_is_handed_on(tmp_path: Path) -> None:
    in_flight_then: list[bool] = []
    async with talk(tmp_path) as t, anyio.create_task_group() as tasks:

        async def ask() -> None:
            await t.connection.request("ask", timeout=10)

        tasks.start_soon(ask)
        await t.until(lambda: t.connection.in_flight == 1)
        waiter = next(iter(t.connection._waiters.values()))
        t.on_batch = lambda: in_flight_then.append(waiter.done.is_set())
        await t.say(b'{"method":"first","params":{"a":1}}\n{"id":1,"result":1}\n')
        await t.hears(1)
    assert in_flight_then == [True]


async def test_what_one_read_brings_is_one_batch_with_frame_numbers(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        await t.say(
            b'{"method":"m"}\n{"method":"q","id":"a","params":{"b":[1]}}\n\n{"method":"q","id":0}\n'
        )
        await t.hears(3)
    # Frame 1 is the order itself.
    assert t.batches == [
        [
            Notification("m", {}, 2),
            ServerRequest("a", "q", {"b": [1]}, 3),
            ServerRequest(0, "q", {}, 4),
        ]
    ]


@pytest.mark.parametrize(
    ("line", "answerable"),
    [
        (b"not json", None),
        (b'{"method":"m"', None),
        (b'{"method":"\xff\xfe"}', None),
        (b'{"method":"\\ud800"}', None),
        (b"[" * 100_000, None),
        (b'{"method":' * 100_000, None),
        (b'[{"method":"m"}]', None),
        (b"7", None),
        (b"null", None),
        (b"{}", None),
        (b'{"result":1}', None),
        (b'{"method":7}', None),
        (b'{"method":"m","id":null}', None),
        (b'{"method":"m","id":1.5}', None),
        (b'{"method":"m","id":true}', None),
        (b'{"method":"m","params":NaN}', None),
        (b'{"method":"m","id":4,"params":[1]}', 4),
        (b'{"method":["m"],"id":"z"}', "z"),
        (b'{"method":"m","params":1' + b"0" * 10_000 + b"}", None),
    ],
)
async def test_malformed_frames_are_handed_on_and_the_next_one_works(
    tmp_path: Path, line: bytes, answerable: int | str | None
) -> None:
    async with talk(tmp_path) as t:
        await t.say(line + b'\n{"method":"next"}\n')
        await t.until(lambda: bool(t.got) and isinstance(t.got[-1], Notification))
    [malformed, following] = t.got
    assert isinstance(malformed, Malformed)
    assert malformed.request_id == answerable
    assert malformed.text == line[:2000].decode("utf-8", "replace")
    assert isinstance(following, Notification)
    assert ("in", line) in t.recorder.frames, "the record has the whole line"


async def test_errors_carry_code_message_and_data(tmp_path: Path) -> None:
    got: list[Any] = []
    async with talk(tmp_path) as t, anyio.create_task_group() as tasks:

        async def ask() -> None:
            got.append(await outcome(t.connection.request("ask", timeout=10)))

        replies = [
            b'{"id":1,"error":{"code":-32001,"message":"busy","data":{"a":1}}}\n',
            b'{"id":2,"error":{"code":-1,"message":"both"},"result":1}\n',
            b'{"id":3,"error":"text"}\n',
            b'{"id":4}\n',
        ]
        for number, reply in enumerate(replies, 1):
            tasks.start_soon(ask)
            await t.until(lambda: t.connection.in_flight == 1)
            await t.say(reply)
            await t.until(lambda number=number: len(got) == number)
    first, second, third, fourth = got
    assert (first.rpc_code, first.message, first.data) == (-32001, "busy", '{"a": 1}')
    assert isinstance(second, RpcError), "a reply that says both is an error"
    assert isinstance(third, RpcError)
    assert isinstance(fourth, WireError)


async def test_duplicated_and_invented_replies_only_count(tmp_path: Path) -> None:
    got: list[Any] = []
    async with talk(tmp_path) as t, anyio.create_task_group() as tasks:

        async def ask() -> None:
            got.append(await t.connection.request("ask", timeout=10))

        tasks.start_soon(ask)
        await t.until(lambda: t.connection.in_flight == 1)
        await t.say(
            b'{"id":true,"result":"bool"}\n{"id":1.0,"result":"float"}\n{"id":"1","result":"text"}\n'
            b'{"id":99,"result":"invented"}\n{"id":1,"result":"mine"}\n{"id":1,"result":"again"}\n'
            b'{"id":1,"error":{"code":1,"message":"again"}}\n{"method":"mark"}\n'
        )
        await t.hears(1)
        await t.until(lambda: bool(got))
    assert got == ["mine"]
    assert t.connection.unexpected_replies == 6
    assert t.got == [Notification("mark", {}, 10)]


@pytest.mark.parametrize("identity", [b"", b'"id":null,'])
async def test_an_error_without_id_fails_the_one_request_it_can_be_about(
    tmp_path: Path, identity: bytes
) -> None:
    got: dict[str, Any] = {}
    async with talk(tmp_path) as t, anyio.create_task_group() as tasks:

        async def ask(method: str) -> None:
            got[method] = await outcome(t.connection.request(method, timeout=10))

        async def orphan(message: bytes) -> None:
            await t.say(
                b"{" + identity + b'"error":{"code":-32600,"message":"' + message + b'"}}\n'
            )

        await orphan(b"nobody asked")
        await t.hears(1)
        tasks.start_soon(ask, "a/b")
        await t.until(lambda: t.connection.in_flight == 1)
        await orphan(b"Invalid request: unknown variant `other`, expected one of")
        await t.hears(2)
        tasks.start_soon(ask, "c/d")
        await t.until(lambda: t.connection.in_flight == 2)
        await orphan(b"whose is it?")
        await t.hears(3)
        await orphan(b"Invalid request: unknown variant `c/d`, expected `a/b`")
        await t.until(lambda: "c/d" in got)
        assert "a/b" not in got
        await orphan(b"only one is left")
        await t.until(lambda: "a/b" in got)
    assert [type(incoming) for incoming in t.got] == [OrphanError] * 3
    assert isinstance(got["c/d"], RpcError)
    assert "only one is left" in str(got["a/b"])


async def test_a_request_times_out_and_its_late_reply_is_dropped(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        with pytest.raises(RequestTimeout, match="slow/method"):
            await t.connection.request("slow/method", timeout=0.05)
        assert t.connection.in_flight == 0
        await t.say(b'{"id":1,"result":1}\n{"method":"mark"}\n')
        await t.hears(1)
        assert t.connection.unexpected_replies == 1


async def test_a_cancelled_request_leaves_nothing_behind(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        with anyio.move_on_after(0.05):
            await t.connection.request("ask", timeout=10)
        assert t.connection.in_flight == 0
        await t.say(b'{"method":"mark"}\n')
        await t.hears(1)


async def test_the_end_of_the_agent_fails_all_waiters_at_once_with_its_last_words(
    tmp_path: Path,
) -> None:
    got: list[Any] = []
    async with talk(tmp_path) as t, anyio.create_task_group() as tasks:

        async def ask() -> None:
            got.append(await outcome(t.connection.request("ask", timeout=60)))

        for _ in range(5):
            tasks.start_soon(ask)
        await t.until(lambda: t.connection.in_flight == 5)
        started = anyio.current_time()
        await t.connection.notify("order", {"end": "I give up\x1b[31m"})
        await t.until(lambda: len(got) == 5)
        assert anyio.current_time() - started < 5
        await t.over.wait()
        assert t.ended is None, "the end of the stream is no error of run"
        assert isinstance(await outcome(t.connection.request("more", timeout=60)), AgentDied)
        assert isinstance(await outcome(t.connection.respond(1, {})), AgentDied)
    for error in got:
        assert isinstance(error, AgentDied)
        assert "exit code 1" in str(error)
        said = str(error)
        assert "I give up" in said
        assert "\x1b" not in said, "what it said is shown, never obeyed"
    sent_after_death = [frame for way, frame in t.recorder.frames if way == "out"]
    assert len(sent_after_death) == 6, "what cannot be sent is not recorded as sent"


async def test_half_a_line_at_the_end_is_recorded_and_handed_on(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        await t.say(b'{"method":"m"}\n{"method":"half')
        await t.connection.notify("order", {"end": 0})
        await t.over.wait()
    assert t.got[1:] == [Malformed('{"method":"half', t.got[1].frame)]
    assert ("in", b'{"method":"half') in t.recorder.frames


async def test_a_full_disk_ends_the_connection_before_anything_is_acted_upon(
    tmp_path: Path,
) -> None:
    got: list[Any] = []
    async with talk(tmp_path) as t, anyio.create_task_group() as tasks:

        async def ask() -> None:
            got.append(await outcome(t.connection.request("ask", timeout=60)))

        tasks.start_soon(ask)
        await t.until(lambda: t.connection.in_flight == 1)
        t.recorder.full = "in"
        await t.say(b'{"id":1,"result":"approved"}\n{"method":"q","id":1}\n')
        await t.over.wait()
        assert isinstance(t.ended, TraceFull)
        await t.until(lambda: bool(got))
        assert isinstance(got[0], TraceFull)
        assert t.got == []
        assert isinstance(await outcome(t.connection.respond(1, {})), TraceFull)


async def test_what_cannot_be_recorded_is_not_sent_and_ends_the_connection(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        await t.connection.notify("before")
        await t.until(lambda: "before" in t.process.stderr_tail())
        t.recorder.full = "out"
        with pytest.raises(TraceFull):
            await t.connection.respond(7, {"decision": "accept"})
        await t.over.wait()
        assert isinstance(t.ended, TraceFull)
        await t.process.stop()
        assert "accept" not in t.process.stderr_tail()


async def test_a_line_that_is_too_long_ends_the_connection(tmp_path: Path) -> None:
    async with talk(tmp_path, max_line=100) as t:
        await t.say(b'{"method":"m"}\n' + b"x" * 1000)
        await t.hears(1)
        await t.say(b"y")
        await t.over.wait()
        assert isinstance(t.ended, LineTooLong)


async def test_a_consumer_that_raises_ends_the_connection(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:

        def fail() -> None:
            raise ZeroDivisionError

        t.on_batch = fail
        await t.say(b'{"method":"m"}\n')
        await t.over.wait()
        assert isinstance(t.ended, ZeroDivisionError)
        assert isinstance(await outcome(t.connection.notify("more")), AgentDied)


async def test_what_is_not_json_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        for bad in (float("nan"), {1, 2}):
            with pytest.raises(InvalidRequest):
                await t.connection.notify("m", bad)  # type: ignore[arg-type]
        await t.connection.respond("id", {"name": "caf\udce9 \u2028 ü\n"})
        await t.connection.respond_error("id", -32601, "unknown")
        await t.until(lambda: "-32601" in t.process.stderr_tail())
    frames = [frame for _, frame in t.recorder.frames]
    assert json.loads(frames[0])["result"]["name"] == "caf\udce9 \u2028 ü\n"
    assert json.loads(frames[1]) == {"id": "id", "error": {"code": -32601, "message": "unknown"}}


async def test_a_write_that_blocks_neither_stops_the_reader_nor_lasts(tmp_path: Path) -> None:
    talkative = (
        'import time\nwhile True:\n print(\'{"method":"alive"}\', flush=True); time.sleep(0.01)'
    )
    got: list[Any] = []
    async with talk(tmp_path, puppet=talkative) as t, anyio.create_task_group() as tasks:

        async def flood() -> None:
            got.append(await outcome(t.connection.notify("m", "x" * 1_000_000)))

        await t.hears(1)
        heard = len(t.got)
        tasks.start_soon(flood)
        await t.hears(heard + 20)
        assert not got, "the reader goes on while the write is blocked"
        await t.over.wait()
        await t.until(lambda: bool(got))
        assert isinstance(got[0], RequestTimeout)
        assert isinstance(t.ended, RequestTimeout)
