"""The person's editor in a play: buffers as real editors keep them, and a view of the supervisor.

A clean buffer is loaded anew when it is told that its file was written, a dirty one never. Saves note what
the server is to be told, which the play does at once or later. Not aware of agents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from autopilot_ls.edits.lines import split
from autopilot_ls.edits.merge import Merged
from autopilot_ls.model.events import Event
from autopilot_ls.runtimes.base import AccountInfo
from autopilot_ls.supervisor.views import OpenDocument, PutOutcome
from tests.support.play.disk import Disk


@dataclass
class Buffer:
    """An open file.

    Attributes:
        loaded: The text that was loaded or saved last.
        base: The bytes that the disk had then.
        saved: What was saved last, None when nothing was since it was loaded.
        crlf: Whether it is saved with CR LF, though the text has LF only.
    """

    text: str
    loaded: str
    base: bytes | None
    crlf: bool = False
    undo: list[str] = field(default_factory=list[str])
    saved: str | None = None

    @property
    def dirty(self) -> bool:
        return self.text != self.loaded


@dataclass
class Save:
    """What the server is to be told of a save."""

    path: Path
    loaded: str
    text: str


class Editor:
    """A client of the supervisor with open buffers."""

    name = "played editor"

    def __init__(self, disk: Disk, *, like_vim: bool, heard: Callable[[Event], None]) -> None:
        self.disk = disk
        self.like_vim = like_vim
        self.heard = heard
        self.buffers: dict[str, Buffer] = {}
        self.told: set[str] = set()
        self.typed = 0
        self.puts = 0
        self.took: Callable[[str, str, str], None] = lambda _name, _before, _after: None

    # As a view ----------------------------------------------------------------------------------

    def events_applied(self, session_id: str, events: Sequence[Event]) -> None:
        del session_id
        for event in events:
            self.heard(event)

    def files_written(self, paths: Sequence[Path]) -> None:
        for path in paths:
            name = str(path.relative_to(self.disk.folder))
            self.told.add(name)
            self.reload(name)

    def account_changed(self, account: AccountInfo, login_id: str, error: str) -> None:
        """Of no account here."""

    def policy_changed(self) -> None:
        pass

    def review_changed(self, workspace: Path) -> None:
        pass

    def open_documents(self) -> Iterable[OpenDocument]:
        return [
            OpenDocument(
                self.disk.path(name), buffer.text, put=partial(self.put, name), saved=buffer.saved
            )
            for name, buffer in self.buffers.items()
        ]

    async def put(self, name: str, merged: Merged) -> PutOutcome:
        """Take an edit into a buffer, as an editor that is asked to by the server."""
        self.puts += 1
        if self.puts % 7 == 0:
            return "failed"
        buffer = self.buffers.get(name)
        if buffer is None or buffer.text != merged.before:
            return "stale"
        buffer.undo.append(buffer.text)
        buffer.text = merged.after
        self.took(name, merged.before, merged.after)
        return "done"

    # As the person uses it ----------------------------------------------------------------------

    def _load(self, data: bytes) -> tuple[str, bool]:
        text = data.decode()
        if self.like_vim:
            text = text.removeprefix("\ufeff")
            if "\r\n" in text and text.replace("\r\n", "").find("\n") < 0:
                return text.replace("\r\n", "\n"), True
        return text, False

    def open(self, name: str) -> None:
        if name in self.buffers:
            return
        data = self.disk.data(name)
        try:
            text, crlf = self._load(data or b"")
        except UnicodeDecodeError:
            return
        if "\0" not in text:
            self.buffers[name] = Buffer(text, text, data, crlf)

    def reload(self, name: str) -> None:
        """Load a clean buffer anew, if its file is there."""
        buffer, data = self.buffers.get(name), self.disk.data(name)
        if buffer is None or buffer.dirty or data is None:
            return
        try:
            text, crlf = self._load(data)
        except UnicodeDecodeError:
            return
        if text != buffer.text:
            buffer.undo.append(buffer.text)
        buffer.text = buffer.loaded = text
        buffer.base, buffer.crlf, buffer.saved = data, crlf, None

    def discard(self, name: str) -> None:
        buffer = self.buffers[name]
        buffer.text = buffer.loaded
        self.reload(name)

    def type(self, name: str, where: int, how: int) -> None:
        buffer = self.buffers[name]
        lines = [line.decode() for line in split(buffer.text.encode())]
        end = "\r\n" if "\r\n" in buffer.text else "\n"
        at = where % (len(lines) + 1)
        self.typed += 1
        token = f"p{self.typed}~"
        match how % 8:
            case 0 | 1 | 2:
                new = f"{token} typed 🙂{end}"
                if at == len(lines) and lines and not lines[-1].endswith(("\n", "\r")):
                    new = end + new.rstrip("\r\n")
                lines.insert(at, new)
            case 3 if lines:
                lines[at % len(lines)] = token + end
            case 4 if lines:
                del lines[at % len(lines)]
            case 5 if lines:
                at %= len(lines)
                body = lines[at].rstrip("\r\n")
                lines[at] = f"{body} {token}{lines[at][len(body) :]}"
            case 6:
                lines = [f"{token} alone"]
            case _:
                lines.append((end if lines and not lines[-1].endswith("\n") else "") + token)
        buffer.undo.append(buffer.text)
        buffer.text = "".join(lines)

    def take_back(self, name: str) -> None:
        buffer = self.buffers[name]
        if buffer.undo:
            buffer.text = buffer.undo.pop()

    def save(self, name: str, *, over: bool) -> Save | None:
        """Write a buffer; the file's other changes are overwritten, or the save is given up."""
        buffer = self.buffers[name]
        if not buffer.dirty or (self.disk.data(name) != buffer.base and not over):
            return None
        if self.like_vim and buffer.text and not buffer.text.endswith("\n"):
            buffer.text += "\n"
        text = buffer.text.replace("\n", "\r\n") if buffer.crlf else buffer.text
        data = text.encode()
        if self.disk.content(name).kind == "link":
            return None
        self.disk.write(name, data)
        save = Save(self.disk.path(name), buffer.loaded, buffer.text)
        buffer.loaded, buffer.base, buffer.saved = buffer.text, data, buffer.text
        return save
