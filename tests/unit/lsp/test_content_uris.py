"""Names of the server's own documents: what is made is understood, and nothing else is."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.lsp.content_uris import (
    BaselineUri,
    DiffUri,
    TextUri,
    TranscriptUri,
    baseline_uri,
    diff_uri,
    parsed,
    text_uri,
    transcript_uri,
    workspace_key,
)
from autopilot_ls.lsp.features.content import MAX_SIZE, shown
from autopilot_ls.model.errors import InvalidRequest

names = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=("Cs",)), min_size=1, max_size=40
).filter(lambda name: name not in {".", ".."})


@given(names, names)
def test_what_is_made_is_understood(folder: str, name: str) -> None:
    path = f"{folder}/{name}"
    made = baseline_uri(Path("/work"), path)
    assert made.isascii()
    assert parsed(made) == BaselineUri(workspace_key(Path("/work")), path)
    assert parsed(text_uri("apr-1", "after", 3, f"/x/{path}")) == TextUri("apr-1", "after", 3)
    assert parsed(diff_uri("apr-1")) == DiffUri("apr-1")
    session = "20260101-000000-abcdef"
    assert parsed(transcript_uri(session)) == TranscriptUri(session)


@given(st.text(max_size=200))
def test_anything_else_is_refused_and_never_fails_otherwise(text: str) -> None:
    for uri in (text, f"autopilot:{text}", f"autopilot:/transcript/{text}.md"):
        with contextlib.suppress(InvalidRequest):
            parsed(uri)


def test_half_a_character_is_refused_like_anything_else() -> None:
    with pytest.raises(InvalidRequest):
        parsed("autopilot:/transcript/\ud800.md")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, ""),
        (b"", ""),
        (b"\xef\xbb\xbfa\r\nb\n", "\ufeffa\r\nb\n"),
        (b"caf\xe9\n", "café\n"),
        (b"\0\1", "A binary file of 2 bytes.\n"),
        (b"x" * (MAX_SIZE + 1), f"Too large to be shown: {MAX_SIZE + 1:,} bytes.\n"),
    ],
)
def test_text_is_exact_and_everything_else_is_described(data: bytes | None, text: str) -> None:
    assert shown(data) == text
