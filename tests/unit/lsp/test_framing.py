from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.lsp.framing import MessageSplitter, Skipped, frame


def feed(splitter: MessageSplitter, data: bytes, size: int) -> list[bytes | Skipped]:
    return [
        found
        for start in range(0, len(data), size)
        for found in splitter.feed(data[start : start + size])
    ]


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 50))
def test_bodies_come_back_however_the_stream_is_cut(bodies: list[bytes], size: int) -> None:
    stream = b"".join(map(frame, bodies))
    assert feed(MessageSplitter(), stream, size) == bodies


def test_headers_are_read_without_regard_to_case_order_or_company() -> None:
    stream = b"content-type: x; charset=utf-8\r\nCONTENT-LENGTH:  2 \r\nX: y\r\n\r\nab"
    assert MessageSplitter().feed(stream) == [b"ab"]


@given(st.binary(max_size=300), st.integers(1, 60))
def test_no_garbage_breaks_it_or_makes_it_grow(garbage: bytes, size: int) -> None:
    splitter = MessageSplitter(max_header=50, max_body=50)
    for _ in range(4):
        feed(splitter, garbage, size)
        assert len(splitter._buffer) <= 50 + 50 + 4 + 60 + len(garbage)


def test_header_without_a_length_is_skipped_and_the_next_message_taken() -> None:
    found = MessageSplitter().feed(b"X: 1\r\n\r\n" + frame(b"{}"))
    assert isinstance(found[0], Skipped)
    assert found[1:] == [b"{}"]


def test_header_without_an_end_is_given_up_and_the_next_message_taken() -> None:
    splitter = MessageSplitter(max_header=64)
    found = feed(splitter, b"y" * 500 + frame(b"{}"), 7)
    assert found[-1] == b"{}"
    assert all(isinstance(skipped, Skipped) for skipped in found[:-1])


def test_too_long_body_is_skipped_without_being_kept() -> None:
    splitter = MessageSplitter(max_body=10)
    found: list[bytes | Skipped] = []
    for chunk in (b"Content-Length: 1000\r\n\r\n", *[b"z" * 100] * 10, frame(b"ok")):
        found += splitter.feed(chunk)
        assert len(splitter._buffer) < 100
    assert isinstance(found[0], Skipped)
    assert "1,000 bytes" in found[0].reason
    assert found[1:] == [b"ok"]


def test_negative_or_absurd_lengths_are_no_lengths() -> None:
    for length in (b"-1", b"1e3", b"9" * 19, b""):
        found = MessageSplitter().feed(b"Content-Length: " + length + b"\r\n\r\n" + frame(b"ok"))
        assert found[-1] == b"ok"
        assert isinstance(found[0], Skipped)
