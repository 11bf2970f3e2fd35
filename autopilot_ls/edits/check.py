"""Whether a patch can be accepted without losing anything of the person's.

Looks at the disk and at what is open in the editors, before the answer goes to the agent. Whatever is
in doubt refuses. Blocking; run it in a thread. Not aware of who decides or how the agent is told;
`supervisor` stands above, `promise`, `snapshot` and `paths` below.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from autopilot_ls.edits.paths import affected, same_place, shown
from autopilot_ls.edits.promise import promise
from autopilot_ls.edits.snapshot import MAX_KEPT, FileState, capture, same
from autopilot_ls.model.approvals import ChangeKind, FileChange
from autopilot_ls.model.errors import DecisionRefused, PatchInvalid

_OTHER_ENCODINGS: Final = ("cp1252", "latin-1")
_MARKED_ENCODINGS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ANY_WRITE: Final = 0o222


class Document(Protocol):
    """A file as an editor has it open; `supervisor.views.OpenDocument` is one."""

    @property
    def path(self) -> Path:
        """Absolute path."""
        ...

    @property
    def text(self) -> str:
        """The editor's text."""
        ...


def affected_paths(files: Iterable[FileChange]) -> tuple[Path, ...]:
    """Return all files that accepting the changes touches, each once."""
    return tuple(dict.fromkeys(path for change in files for path in affected(change)))


def check_acceptable(
    files: Sequence[FileChange],
    *,
    disk_at_proposal: Mapping[Path, FileState],
    documents: Iterable[Document],
    root: Path | None = None,
    limit: int = MAX_KEPT,
) -> dict[Path, FileState]:
    """Check that accepting loses nothing; returns the snapshot that it was checked against.

    Args:
        files: The patch by hunks.
        disk_at_proposal: `capture(affected_paths(files), keep=False)` of when it was proposed.
        documents: What is open in all editors right now.
        root: The folder that names in messages are relative to.
        limit: Bytes that the snapshot may hold.

    Returns:
        The files as they are now with their contents, for `settle` to compare with and restore.

    Raises:
        DecisionRefused: It cannot be accepted; the message names the file, the advice what to do.
    """
    for change in files:
        if change.problem:
            raise DecisionRefused(change.problem, advice="Reject it; the agent can propose anew.")
    before = capture(affected_paths(files), limit=limit)
    open_now = tuple(documents)
    for path, state in before.items():
        _check_disk(path, state, disk_at_proposal.get(path), root)
    for change in files:
        _check_writable(change, before, root)
        _check_promise(change, before, root)
    for state in before.values():
        check_documents(state, open_now, root)
    return before


def _check_disk(path: Path, now: FileState, then: FileState | None, root: Path | None) -> None:
    name = shown(path, root)
    advice = "Reject it; the agent then sees the file as it is and can propose anew."
    if now.kind in ("link", "other"):
        what = "a symbolic link" if now.kind == "link" else "no longer a regular file"
        raise DecisionRefused(f"Not accepted: {name} is {what} now.", advice=advice)
    if then is None:
        message = f"Not accepted: what {name} was when the change was proposed is not known."
    elif then.exists and not now.exists:
        message = f"Not accepted: {name} was deleted after the change was proposed."
    elif now.exists and not then.exists:
        message = f"Not accepted: {name} was created after the change was proposed, and would be overwritten."
    elif not same(then, now):
        message = f"Not accepted: {name} was changed on disk after the change was proposed."
    elif then.folder != now.folder:
        message = f"Not accepted: the folder of {name} was replaced after the change was proposed."
    else:
        return
    raise DecisionRefused(message, advice=advice)


def _check_writable(
    change: FileChange, before: Mapping[Path, FileState], root: Path | None
) -> None:
    for path in affected(change):
        state = before[path]
        name = shown(path, root)
        if state.kind == "file" and not (state.mode & _ANY_WRITE and os.access(path, os.W_OK)):
            raise DecisionRefused(
                f"Not accepted: {name} is read-only.",
                advice="Make it writable and accept again, or reject the change.",
            )
        entry_changes = state.kind == "absent" or change.kind is ChangeKind.DELETE or change.move_to
        folder = state.missing[-1].parent if state.missing else path.parent
        if entry_changes and not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            raise DecisionRefused(
                f"Not accepted: the folder of {name} cannot be written.",
                advice="Make it writable and accept again, or reject the change.",
            )


def _check_promise(change: FileChange, before: Mapping[Path, FileState], root: Path | None) -> None:
    try:
        promise(change, before[Path(change.path)].data)
    except PatchInvalid as error:
        raise DecisionRefused(
            f"Not accepted: the change does not fit {shown(change.path, root)}. {error.message}",
            advice="Reject it; the agent can propose anew.",
        ) from error


def check_documents(
    state: FileState, documents: Iterable[Document], root: Path | None = None
) -> None:
    """Check that no editor holds unsaved changes of this file.

    Args:
        state: The file with its content.
        documents: What is open in all editors.
        root: The folder that names in messages are relative to.

    Raises:
        DecisionRefused: One does.
    """
    for document in documents:
        if same_place(state.path, document.path) and not is_clean(document.text, state.data):
            raise DecisionRefused(
                f"Save {shown(document.path, root)} first: it has unsaved changes in an editor, so that "
                "nothing was accepted.",
                advice="Then decide again; or accept without saving, into the unsaved text.",
            )


def is_clean(text: str, disk: bytes | None) -> bool:
    """Tell whether an editor's text is what the disk holds.

    Line ends and a byte order mark are the editor's affair and do not count, nor does one final
    line end, which editors add or leave out. A file that is not UTF-8 is clean if the text encoded
    in another usual way gives its bytes.

    Args:
        text: The editor's text.
        disk: The file's bytes; None when there is no such file, which an empty text agrees with.
    """
    if disk is None:
        return not _plain(text)
    return any(_plain(text) == _plain(candidate) for candidate in _decoded(disk))


def _decoded(disk: bytes) -> Iterable[str]:
    for mark, encoding in _MARKED_ENCODINGS:
        if disk.startswith(mark):
            try:
                yield disk.decode(encoding)
            except UnicodeDecodeError:
                break
            return
    try:
        yield disk.decode()
    except UnicodeDecodeError:
        yield disk.decode(errors="replace")
        for encoding in _OTHER_ENCODINGS:
            try:
                yield disk.decode(encoding)
            except UnicodeDecodeError:
                continue


def _plain(text: str) -> str:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n")
