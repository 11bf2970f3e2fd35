"""Lines out of chunks: the same however the stream is cut, and bounded."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.model.errors import LineTooLong
from autopilot_ls.wire.jsonl import LineSplitter


@given(
    st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=20),
    st.binary(max_size=10).filter(lambda rest: b"\n" not in rest),
    st.lists(st.integers(min_value=1, max_value=7), min_size=1, max_size=30),
)
def test_lines_do_not_depend_on_how_the_stream_is_cut(
    lines: list[bytes], rest: bytes, sizes: list[int]
) -> None:
    stream = b"".join(line + b"\n" for line in lines) + rest
    splitter = LineSplitter()
    found: list[bytes] = []
    position = turn = 0
    while position < len(stream):
        size = sizes[turn % len(sizes)]
        found += splitter.feed(stream[position : position + size])
        position += size
        turn += 1
    assert found == [line for line in lines if line not in {b"", b"\r"}]
    assert splitter.finish() == rest


def test_a_line_of_exactly_the_limit_passes() -> None:
    splitter = LineSplitter(max_line=4)
    assert splitter.feed(b"abcd\nef") == [b"abcd"]
    assert splitter.feed(b"gh\n") == [b"efgh"]


@pytest.mark.parametrize("chunks", [[b"abcde\n"], [b"abcde"], [b"abc", b"de"], [b"abc", b"de\n"]])
def test_a_longer_line_fails_finished_or_not(chunks: list[bytes]) -> None:
    splitter = LineSplitter(max_line=4)
    *fine, bad = chunks
    assert [splitter.feed(chunk) for chunk in fine] == [[] for _ in fine]
    with pytest.raises(LineTooLong):
        splitter.feed(bad)


@pytest.mark.parametrize("chunk", [b"one\ntoo long\ntwo\n", b"one\ntoo long"])
def test_lines_before_a_long_one_are_not_lost_and_it_stays_failed(chunk: bytes) -> None:
    splitter = LineSplitter(max_line=4)
    assert splitter.feed(chunk) == [b"one"]
    with pytest.raises(LineTooLong):
        splitter.feed(b"ok\n")
    with pytest.raises(LineTooLong):
        splitter.finish()


def test_a_giant_line_in_tiny_chunks_costs_linear_time() -> None:
    splitter = LineSplitter()
    started = time.process_time()
    for _ in range(200_000):
        splitter.feed(b"x" * 100)
    [line] = splitter.feed(b"\n")
    assert len(line) == 20_000_000
    # A splitter that joins at each chunk copies two terabytes here.
    assert time.process_time() - started < 5
