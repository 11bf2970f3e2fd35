"""What the forwarder and the shared process say to each other, in whatever pieces it arrives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.shared import greeting


def test_an_environment_of_odd_bytes_survives() -> None:
    environ = {"A": "\udcff\udc80", "Ü": "ü\n"}
    said = greeting.line(greeting.hello("edit", "1", cwd="/x\udcff", environ=environ))
    assert said.count(b"\n") == 1
    heard = greeting.message(said)
    assert heard["environ"] == environ
    assert heard["cwd"] == "/x\udcff"


@pytest.mark.parametrize("data", [b"", b"\n", b"[]\n", b"{\n", b"1\n", b"[" * 100_000, b"\xff\n"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(greeting.Garbled):
        greeting.message(data)


PIECES = st.lists(
    st.tuples(st.sampled_from([greeting.DATA, greeting.SAID, greeting.END]), st.binary(min_size=1)),
    max_size=8,
)


@given(PIECES, st.lists(st.integers(1, 40)))
def test_pieces_arrive_whole_however_they_are_cut(
    pieces: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(greeting.piece(kind, data) for kind, data in pieces)
    taker = greeting.Pieces()
    got: list[tuple[bytes, bytes]] = []
    for size in [*cuts, len(stream)]:
        part, stream = stream[:size], stream[size:]
        got += taker.feed(part)
    for kind in (greeting.SAID, greeting.END):
        assert [d for k, d in got if k == kind] == [d for k, d in pieces if k == kind]
    sent = b"".join(d for k, d in pieces if k == greeting.DATA)
    assert b"".join(d for k, d in got if k == greeting.DATA) == sent


@pytest.mark.parametrize("data", [b"X\0\0\0\1a", b"D\0\0\0\0", b"D\xff\xff\xff\xff", b"S\0\2\0\0"])
def test_what_is_no_piece_is_refused(data: bytes) -> None:
    with pytest.raises(greeting.Garbled):
        list(greeting.Pieces().feed(data))
