"""What must never be lost in a play, and what may be shown as whose.

Every line that a person typed has a token of its own. The ledger knows which tokens must be on disk and which
at least in a buffer, whom a token was taken by, and which files nobody but agents has touched. Not aware of
the supervisor; `play` stands above.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

from autopilot_ls.edits.check import is_clean
from autopilot_ls.edits.history import ABSENT, Content
from tests.support.play.disk import SIGNED, Disk, strangers, tokens
from tests.support.play.editor import Editor

Turn = tuple[str, int]
"""A session, and which of its turns."""


@dataclass
class Ledger:
    """See the module's docstring.

    Attributes:
        may_go: Tokens that this step may take from the disk, since the person said so.
        accepted: Tokens in lines of which the person has just accepted that they go.
        taken: Tokens that an agent took from the disk, each with the turn, by
            whose undo they come back, and the file.
        copied: Tokens that an agent wrote to another place.
        strays: Signatures of agents' lines that somebody else wrote.
        worked: When an agent last changed a file, by its session and the file.
        returned: Tokens that an undo brought back, which undoing the undo takes away.
        touched: When a file was last changed by somebody else than the agent.
        taken_back: When something of a file was last taken back, or put into place again.
    """

    disk: Disk
    editor: Editor
    must_disk: set[bytes] = field(default_factory=set[bytes])
    texts: dict[str, tuple[str, bool]] = field(default_factory=dict[str, tuple[str, bool]])
    files: dict[str, Content] = field(default_factory=dict[str, Content])
    may_go: set[bytes] = field(default_factory=set[bytes])
    accepted: set[bytes] = field(default_factory=set[bytes])
    taken: dict[bytes, tuple[Turn, str]] = field(default_factory=dict[bytes, "tuple[Turn, str]"])
    copied: set[bytes] = field(default_factory=set[bytes])
    strays: set[bytes] = field(default_factory=set[bytes])
    worked: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    returned: set[bytes] = field(default_factory=set[bytes])
    touched: dict[str, int] = field(default_factory=dict[str, int])
    taken_back: dict[str, int] = field(default_factory=dict[str, int])
    step: int = 0
    overwritten: str = ""

    def _here(self) -> tuple[dict[str, Content], set[bytes], set[bytes]]:
        files = self.disk.all()
        on_disk = tokens(files.values())
        return (
            files,
            on_disk,
            on_disk | tokens(buffer.text for buffer in self.editor.buffers.values()),
        )

    def begin(self) -> None:
        """Begin a step: all that is here must be here at its end."""
        self.step += 1
        self.disk.now += 0.01
        self.may_go.clear()
        self.accepted.clear()
        self.overwritten = ""
        self.files, self.must_disk, _ = self._here()
        self._note_texts()

    def _note_texts(self) -> None:
        self.texts = {n: (b.text, b.dirty) for n, b in self.editor.buffers.items()}

    @contextmanager
    def deed(
        self, *, agent: Turn | None = None, sign: int = -1, exact: bool = True
    ) -> Generator[None]:
        """Have somebody do something, who may.

        Args:
            agent: The agent's turn, if it is an agent.
            sign: How that agent signs its lines.
            exact: Whether it is certain that this is noticed as the agent's.
        """
        files, disk, anywhere = self._here()
        yield
        after, disk_after, anywhere_after = self._here()
        gone, come = disk - disk_after, disk_after - disk
        self.must_disk = (self.must_disk - gone) | come
        for name in files.keys() | after.keys():
            before, now = files.get(name, ABSENT), after.get(name, ABSENT)
            if before == now:
                continue
            self.strays |= strangers([now], sign) - tokens([before], SIGNED)
            if agent is not None:
                self.worked[agent[0], name] = self.step
                self.copied |= tokens([now]) - tokens([before])
                for token in (tokens([before]) & gone) if exact else ():
                    self.taken[token] = (agent, name)
            if agent is None or not exact:
                self.touched[name] = self.step
        if agent is None:
            for token in anywhere - anywhere_after:
                self.taken.pop(token, None)  # The person is content that it is gone.
        self.files = after
        self._note_texts()

    def forget(self, names: Collection[str]) -> None:
        """Take it that the agent's changes of these files cannot be told from others'."""
        self.touch(names)
        self.taken = {token: by for token, by in self.taken.items() if by[1] not in names}

    def has_worked(self, name: str, since: int, *, but: str) -> bool:
        """Tell whether an agent of another session than one has changed a file."""
        return any(
            session != but and path == name and step >= since
            for (session, path), step in self.worked.items()
        )

    def touch(self, names: Iterable[str]) -> None:
        for name in names:
            self.touched[name] = self.step

    def end(self, turn: Turn) -> str:
        """End a step; returns what was lost in it, as a sentence."""
        files, disk, _ = self._here()
        lost = self.must_disk - disk
        wrongly = lost - self.may_go - self.accepted
        if wrongly:
            return f"lost from the disk: {_named(wrongly)}"
        for name, content in self.files.items():
            for token in lost & tokens([content]) & self.accepted:
                self.taken[token] = (turn, name)
        self.taken = {token: by for token, by in self.taken.items() if token not in disk}
        self.disk.note_changes(self.files, files)
        for name, (text, dirty) in self.texts.items():
            buffer = self.editor.buffers[name]
            if dirty and buffer.text != text:
                return f"the unsaved buffer of {name} was changed"
            changed = self.files.get(name, ABSENT) != files.get(name, ABSENT)
            before = self.files.get(name, ABSENT)
            if (
                changed
                and dirty
                and not is_clean(text, before.data if before.kind == "file" else None)
            ):
                self.overwritten = f"{name} was written under unsaved changes"
            if changed and not dirty and name in files:
                before = self.files.get(name, ABSENT)
                knew = buffer.base == before.data or (buffer.base is None and before == ABSENT)
                if name not in self.editor.told and knew:
                    return f"nobody told the editor that {name} was written"
        left = [name for name in files if ".autopilot-" in name]
        return f"left behind: {left}" if left else ""


def _named(found: set[bytes]) -> str:
    return ", ".join(sorted(token.decode() for token in found))
