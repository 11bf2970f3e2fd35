"""Writing what taking changes back has worked out: on disk, and never over what a person has unsaved.

All files that can be written are written as one; what an editor holds unsaved is left out and said, and so
is what lies behind a link to another folder, by which an agent could have the person write anywhere. Not
aware of histories; the supervisor stands above, `edits.placing` and `edits.snapshot` below.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio.to_thread

from autopilot_ls.edits.check import is_clean
from autopilot_ls.edits.contents import folder_in, read_inside
from autopilot_ls.edits.history import Content
from autopilot_ls.edits.leftovers import tag_of, temporary_name
from autopilot_ls.edits.paths import same_place
from autopilot_ls.edits.placing import stage
from autopilot_ls.edits.snapshot import capture
from autopilot_ls.model.errors import DecisionRefused, PatchInvalid
from autopilot_ls.supervisor.views import OpenDocument

_EXECUTABLE = 0o111
_READABLE = 0o444

Pairs = Mapping[str, tuple[Content, Content]]
"""What each file is and what it is to be, by path relative to the workspace."""


@dataclass(slots=True)
class Placing:
    """One writing of several files.

    Attributes:
        folder: The workspace.
        documents: Gives what is open in the editors.
        ready: Called right before anything is written.
        reasons: Why files were left out, a sentence each.
    """

    folder: Path
    documents: Callable[[], Iterable[OpenDocument]]
    ready: Callable[[], Awaitable[None]]
    reasons: list[str] = field(default_factory=list[str])

    @property
    def _tag(self) -> str:
        return tag_of(str(self.folder))

    async def place(self, files: Pairs) -> frozenset[str]:
        """Write them; returns the paths of those that hold now what they are to hold."""
        chosen = {path: pair for path, pair in files.items() if self._is_free(path, pair[0])}
        if not chosen:
            return frozenset()
        await self.ready()
        # The person may have typed meanwhile.
        chosen = {path: pair for path, pair in chosen.items() if self._is_free(path, pair[0])}
        return await anyio.to_thread.run_sync(self._write, chosen)

    def _is_free(self, path: str, now: Content) -> bool:
        """Tell whether no editor holds unsaved changes of a file."""
        data = None if now.kind == "absent" else now.data
        file = self.folder / path
        is_free = all(
            is_clean(document.text, data)
            for document in self.documents()
            if same_place(file, document.path)
        )
        if not is_free:
            self.reasons.append(
                f"{path} was left as it is: it has unsaved changes in an editor. Save or discard them, "
                "then try again."
            )
        return is_free

    def _write(self, files: Pairs) -> frozenset[str]:
        # Links that go come first: a folder may come back in the place of one.
        links = [path for path, pair in files.items() if pair[0].kind == "link"]
        done = self._write_links(files, links)
        links += [path for path, pair in files.items() if pair[1].kind == "link"]
        plain = {path: files[path] for path in files.keys() - links if self._is_inside(path)}
        try:
            self._write_plain(plain)
            done |= plain.keys()
        except (PatchInvalid, DecisionRefused) as error:
            self.reasons.append(error.message)
        except OSError as error:
            self.reasons.append(f"Not written: {error.strerror or type(error).__name__}.")
        # What was written before it failed counts by what is on disk.
        done |= {path for path, pair in plain.items() if self._holds(path, pair[1])}
        come = [path for path in links if files[path][0].kind != "link"]
        return frozenset(done | self._write_links(files, come))

    def _is_inside(self, path: str) -> bool:
        inside = folder_in(self.folder, path) is not None
        if not inside:
            self.reasons.append(f"{path} was left as it is: its folder is a link now.")
        return inside

    def _write_links(self, files: Pairs, paths: Iterable[str]) -> set[str]:
        done: set[str] = set()
        for path in paths:
            try:
                if self._is_inside(path):
                    self._write_link(path, *files[path])
                    done.add(path)
            except (OSError, PatchInvalid) as error:
                self.reasons.append(f"Not written: {error}")
        return done

    def _write_plain(self, files: Pairs) -> None:
        before = capture([self.folder / path for path in files])
        for path, (was, _) in files.items():
            if not self._holds(path, was):
                raise PatchInvalid(f"{path} was changed at the last moment.")
            if before[self.folder / path].folder != folder_in(self.folder, path):
                raise PatchInvalid(f"The folder of {path} was replaced at the last moment.")
        modes = {
            self.folder / path: _mode(before[self.folder / path].mode, to)
            for path, (_, to) in files.items()
        }
        contents = {
            self.folder / path: None if to.kind == "absent" else to.data
            for path, (_, to) in files.items()
        }
        stage(contents, before, modes=modes, root=self.folder, tag=self._tag).place()
        for path, (_, to) in files.items():
            if to.kind == "file":
                (self.folder / path).chmod(modes[self.folder / path])

    def _holds(self, path: str, content: Content) -> bool:
        return read_inside(self.folder, path) == content

    def _write_link(self, name: str, before: Content, after: Content) -> None:
        path = self.folder / name
        if not self._holds(name, before):
            raise PatchInvalid(f"{path.name} was changed at the last moment.")
        if after.kind == "absent":
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(temporary_name(self._tag))
        try:
            if after.kind == "link":
                beside.symlink_to(os.fsdecode(after.data))
            else:
                descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(after.data)
                    file.flush()
                    os.fsync(file.fileno())
                beside.chmod(_mode(0o644, after))
            beside.replace(path)
        except BaseException:  # Given up or failed, it leaves nothing; it is raised again.
            beside.unlink(missing_ok=True)
            raise


def _mode(before: int, to: Content) -> int:
    """Return the permission bits for a content: who may read it may run it, or nobody may."""
    mode = before or 0o644
    if to.executable:
        return mode | ((mode & _READABLE) >> 2)
    return mode & ~_EXECUTABLE
