"""The demo's editor is an honest one: edits land where the protocol says, and stale ones are refused."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.cli.demo_client import DemoClient, OpenFile, apply_edits, covers
from autopilot_ls.cli.demo_wire import DemoFailed, JsonObject, member, number, objects
from autopilot_ls.wire.process import ProcessLimits, spawn

LINES = st.lists(st.text(st.sampled_from("aä€😀 "), max_size=6), min_size=1, max_size=5)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def edit(start: tuple[int, int], end: tuple[int, int], text: str) -> JsonObject:
    places = {
        name: {"line": line, "character": character}
        for name, (line, character) in (("start", start), ("end", end))
    }
    return {"range": places, "newText": text}


@given(LINES, st.data())
def test_an_edit_lands_where_its_utf_16_positions_say(
    lines: list[str], data: st.DataObject
) -> None:
    text = "\n".join(lines)
    first, last = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2)))

    def place(offset: int) -> tuple[int, int]:
        before = text[:offset]
        return before.count("\n"), units(before.rpartition("\n")[2])

    changed = apply_edits(text, [edit(place(first), place(last), "new")])
    assert changed == text[:first] + "new" + text[last:]


def test_several_edits_do_not_move_one_another() -> None:
    edits = [edit((0, 0), (0, 1), "longer"), edit((1, 0), (1, 1), ""), edit((9, 0), (9, 0), "!")]
    assert apply_edits("ab\ncd\n", edits) == "longerb\nd\n!"


def test_json_is_looked_into_without_trust() -> None:
    value: JsonObject = {"a": [{"b": 1}, 2]}
    assert member(value, "a", 0, "b") == 1
    for path in (("a", 5), ("a", "b"), ("x", "y"), ("a", 1, "b")):
        assert member(value, *path) is None
    assert objects(value["a"]) == [{"b": 1}]
    assert objects("no list") == []
    assert (number(2.0), number("2"), number(None)) == (2, 0, 0)
    assert covers({"range": {"start": {"line": 1}, "end": {"line": 2}}}, 2)
    assert not covers({}, 1)


@asynccontextmanager
async def talking(script: str) -> AsyncGenerator[tuple[DemoClient, list[BaseException]]]:
    """Give a client of a server that is a few lines of Python, and what ended the reading."""
    said = (
        "import json, sys, time\n"
        "out = sys.stdout.buffer\n"
        "def send(m):\n"
        "    b = json.dumps(m).encode()\n"
        "    out.write(b'Content-Length: %d\\r\\n\\r\\n' % len(b) + b); out.flush()\n"
    ) + script
    failures: list[BaseException] = []
    limits = ProcessLimits(close_grace=0.1, terminate_grace=0.5)
    with anyio.fail_after(20):
        async with spawn(
            (sys.executable, "-c", said), cwd=Path.cwd(), env={}, limits=limits
        ) as process:
            client = DemoClient(process, settings={"mode": "propose"})

            async def read() -> None:
                try:
                    await client.run()
                except DemoFailed as failure:
                    failures.append(failure)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                yield client, failures
                tasks.cancel_scope.cancel()


async def test_a_server_that_ends_fails_every_wait_at_once() -> None:
    script = "time.sleep(0.2); print('my last words', file=sys.stderr)"
    async with talking(script) as (client, _):
        with pytest.raises(DemoFailed, match="ended"):
            await client.request("initialize", {})
        await client.ended()
        assert "my last words" in client.last_words()
        with pytest.raises(DemoFailed, match="ended"):
            await client.until(lambda: False, limit=10.0, what="miracle")


async def test_a_server_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    async with talking("time.sleep(30)") as (client, _):
        with pytest.raises(DemoFailed, match="did not answer within 0 s"):
            await client.request("initialize", {}, limit=0.1)
        with pytest.raises(DemoFailed, match="no miracle within"):
            await client.until(lambda: False, limit=0.1, what="miracle")


@pytest.mark.parametrize(
    "script",
    [
        "out.write(b'x' * 100_000); out.flush(); time.sleep(30)",
        "out.write(b'Content-Type: x\\r\\n\\r\\n'); out.flush(); time.sleep(30)",
        "out.write(b'Content-Length: 99999999999\\r\\n\\r\\n'); out.flush(); time.sleep(30)",
        "send([1]); time.sleep(30)",
    ],
)
async def test_what_is_no_message_ends_the_conversation(script: str) -> None:
    async with talking(script) as (client, failures):
        with pytest.raises(DemoFailed):
            await client.until(lambda: False, limit=15.0, what="message")
        assert failures


async def test_a_refusal_is_told() -> None:
    script = "send({'id': 1, 'error': {'code': 1, 'message': 'no \\x1b'}}); time.sleep(30)"
    async with talking(script) as (client, _):
        with pytest.raises(DemoFailed, match=r"refused x: no \\x1b"):
            await client.request("x", {})


def test_an_edit_of_another_version_is_refused() -> None:
    # What is answered does not depend on the process, and so none is started.
    client = DemoClient.__new__(DemoClient)
    client.files = {"file:///a": OpenFile(version=3, text="old", saved="old")}

    def answer(version: int, uri: str = "file:///a") -> object:
        change = {
            "textDocument": {"uri": uri, "version": version},
            "edits": [edit((0, 0), (0, 3), "new")],
        }
        return client.answer("workspace/applyEdit", {"edit": {"documentChanges": [change]}})

    assert member(answer(2), "applied") is False
    assert member(answer(3, "file:///b"), "applied") is False
    assert client.files["file:///a"].text == "old"
    assert member(answer(3), "applied") is True
    assert client.files["file:///a"].text == "new"
