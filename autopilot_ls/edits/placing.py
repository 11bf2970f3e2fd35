"""Putting new contents into several files: prepared where it can still be refused, then done as one.

`stage` writes everything beside its place, which finds a full disk or a read-only folder while nothing
has happened yet. `Staged.place` then only renames, and never over what is not what it was; what fails in
the middle is brought back by `Staged.take_back`. Blocking. Not aware of hunks, agents or who decides;
`supervisor` stands above, `snapshot` and `paths` below.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autopilot_ls.edits.leftovers import temporary_name
from autopilot_ls.edits.paths import shown
from autopilot_ls.edits.snapshot import FileState, Restored, capture, restore, same
from autopilot_ls.model.errors import DecisionRefused, PatchInvalid

_NEW_FILE: Final = 0o666


@dataclass(slots=True)
class Staged:
    """New contents that lie ready beside their places; end it by `place` or `discard`.

    Attributes:
        before: What the files were when the contents were made from them.
        contents: What each file will hold; None for one that goes.
    """

    before: Mapping[Path, FileState]
    contents: Mapping[Path, bytes | None]
    root: Path | None = None
    tag: str = ""
    _ready: dict[Path, Path] = field(default_factory=dict[Path, Path])
    _placed: list[Path] = field(default_factory=list[Path])

    def place(self) -> None:
        """Put all contents into their places; what goes, goes last.

        Raises:
            PatchInvalid: A file is no longer what it was; those before it are in place.
            OSError: The system refused; likewise.
        """
        try:
            for path, temporary in list(self._ready.items()):
                self._require_unchanged(path)
                path.parent.mkdir(parents=True, exist_ok=True)
                if self.before[path].exists:
                    temporary.replace(path)
                else:
                    _put_anew(temporary, path)
                del self._ready[path]
                self._placed.append(path)
            for path, content in self.contents.items():
                if content is None and self.before[path].exists:
                    self._require_unchanged(path)
                    path.unlink()
                    self._placed.append(path)
        finally:
            self.discard()
        for folder in dict.fromkeys(path.parent for path in self.contents):
            _sync(folder)

    def take_back(self) -> Restored:
        """Bring back what `place` changed before it failed; whatever it did not get to is not touched."""
        self.discard()
        before = {path: self.before[path] for path in self._placed}
        return restore(before, written=self.contents, tag=self.tag)

    def _require_unchanged(self, path: Path) -> None:
        now = capture([path], keep=False)[path]
        then = self.before[path]
        if not same(now, then) or now.folder != then.folder:
            raise PatchInvalid(f"{shown(path, self.root)} was changed at the last moment.")

    def discard(self) -> None:
        """Remove what lies ready; may be called more than once, and by two threads."""
        for path in list(self._ready):
            temporary = self._ready.pop(path, None)
            if temporary is not None:
                with contextlib.suppress(OSError):
                    temporary.unlink()


def stage(
    contents: Mapping[Path, bytes | None],
    before: Mapping[Path, FileState],
    *,
    modes: Mapping[Path, int] | None = None,
    root: Path | None = None,
    tag: str = "",
) -> Staged:
    """Write new contents beside their places.

    Args:
        contents: What each file is to hold; None for one that is to go.
        before: The files as they are, for each of them.
        modes: Permission bits of files that do not exist yet; what is usual where none is given.
        root: The folder that names in messages are relative to.
        tag: By which `leftovers.clear` finds what a crash leaves behind.

    Raises:
        DecisionRefused: One cannot be written; nothing is left behind.
    """
    staged = Staged(before, contents, root, tag)
    path = Path()
    try:
        for path, content in contents.items():
            if content is None:
                continue
            state = before[path]
            mode = state.mode if state.exists else (modes or {}).get(path)
            staged._ready[path] = _beside(state, content, mode, tag)  # noqa: SLF001 reason: it makes the object
    except OSError as error:
        staged.discard()
        raise DecisionRefused(
            f"Nothing was written: {shown(path, root)} cannot be written: "
            f"{error.strerror or type(error).__name__}.",
            advice="Look at the disk space and the permissions there, then do it again.",
        ) from error
    except BaseException:  # Also when it is given up, nothing is left behind; it is raised again.
        staged.discard()
        raise
    return staged


def _beside(state: FileState, content: bytes, mode: int | None, tag: str) -> Path:
    """Write a content to a new file on the disk of its place; a folder that is missing is made later."""
    folder = state.missing[-1].parent if state.missing else state.path.parent
    path = folder / temporary_name(tag)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, _NEW_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if mode is not None:
                path.chmod(mode)
            os.fsync(file.fileno())
    except BaseException:  # Also when it is given up, nothing is left behind; it is raised again.
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    return path


def _put_anew(temporary: Path, path: Path) -> None:
    """Give a file its name unless the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # Not every file system has hard links. It was looked at a moment ago that there is nothing.
        temporary.rename(path)
        return
    temporary.unlink()


def _sync(folder: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
