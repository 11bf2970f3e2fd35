"""The names of documents that only the server has: transcripts, and texts before and after a change.

Made for clients, and taken apart again when a client asks for one; nothing that comes in is believed to be
a name of ours until it has exactly that form. Pure. Not aware of what is in a document; `features.content`
stands above.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote, unquote_to_bytes

from autopilot_ls.lsp.methods import SCHEME
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.ids import is_session_id

Side = Literal["before", "after"]

_MAX_URI: Final = 10_000
_SAFE: Final = "/-._~!$&'()*+,;@"
_APPROVAL: Final = r"(?P<approval>[^/]{1,80})"
_TRANSCRIPT: Final = re.compile(r"/transcript/(?P<session>[^/]+)\.md")
_DIFF: Final = re.compile(rf"/approval/{_APPROVAL}\.diff")
_TEXT: Final = re.compile(
    rf"/approval/{_APPROVAL}/(?P<side>before|after)/(?P<index>\d{{1,6}})/[^/]+", re.DOTALL
)
_BASELINE: Final = re.compile(
    r"/changes/before/(?P<workspace>[0-9a-f]{16})/(?P<path>.+)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class TranscriptUri:
    """The transcript of a session."""

    session_id: str


@dataclass(frozen=True, slots=True)
class DiffUri:
    """A pending patch as a unified diff."""

    approval_id: str


@dataclass(frozen=True, slots=True)
class TextUri:
    """A file of a pending patch, before it or after; `index` is the file's place in it, from 0."""

    approval_id: str
    side: Side
    index: int


@dataclass(frozen=True, slots=True)
class BaselineUri:
    """A file as it would be without what nobody has reviewed.

    Attributes:
        workspace: The `workspace_key` of the folder.
        path: Relative to it.
    """

    workspace: str
    path: str


DocumentUri = TranscriptUri | DiffUri | TextUri | BaselineUri


def workspace_key(folder: Path) -> str:
    """Return what stands for a workspace's real folder in a URI."""
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


def transcript_uri(session_id: str) -> str:
    """Return the name of a session's transcript."""
    return f"{SCHEME}:/transcript/{session_id}.md"


def diff_uri(approval_id: str) -> str:
    """Return the name of a pending patch as a diff."""
    return f"{SCHEME}:/approval/{approval_id}.diff"


def text_uri(approval_id: str, side: Side, index: int, path: str) -> str:
    """Return the name of a file of a pending patch; it ends with the file's own name."""
    name = quote(os.fsencode(Path(path).name), safe=_SAFE) or "file"
    return f"{SCHEME}:/approval/{approval_id}/{side}/{index}/{name}"


def baseline_uri(folder: Path, path: str) -> str:
    """Return the name of a file as it would be without what nobody has reviewed.

    Args:
        folder: The workspace's real folder.
        path: Relative to it.
    """
    name = quote(os.fsencode(path), safe=_SAFE)
    return f"{SCHEME}:/changes/before/{workspace_key(folder)}/{name}"


def parsed(uri: str) -> DocumentUri:
    """Return what a URI names.

    Raises:
        InvalidRequest: It has not the form of any of ours.
    """
    scheme, _, rest = uri[:_MAX_URI].partition(":")
    # Editors write an empty authority or none, and escape more than is needed.
    path = os.fsdecode(unquote_to_bytes(rest.removeprefix("//").encode("utf-8", "surrogatepass")))
    if scheme == SCHEME and len(uri) <= _MAX_URI and "\0" not in path:
        if (found := _TRANSCRIPT.fullmatch(path)) and is_session_id(found["session"]):
            return TranscriptUri(found["session"])
        if found := _DIFF.fullmatch(path):
            return DiffUri(found["approval"])
        if found := _TEXT.fullmatch(path):
            side: Side = "before" if found["side"] == "before" else "after"
            return TextUri(found["approval"], side, int(found["index"]))
        if found := _BASELINE.fullmatch(path):
            return BaselineUri(found["workspace"], found["path"])
    raise InvalidRequest(
        f"There is no document {uri[:200]!r}.",
        advice="Take the URIs from autopilot.approval.list and autopilot.changes.list.",
    )
