"""The disk of a play: a small workspace, what it holds now, and the time at which it was written.

Not aware of editors, agents or the supervisor.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from autopilot_ls.edits.baselines.values import Baseline, Change, ChangedFile, Changes, Side
from autopilot_ls.edits.contents import read_content
from autopilot_ls.edits.history import ABSENT, Content

TOKEN = re.compile(rb"[px]\d+~")
"""What a person (p), or another program while no agent was at work (x), has written; each once."""

SIGNED = re.compile(rb"agent \d\.\d+ ")
"""What an agent has written: whose it is, and a number; each once."""

FIRST: Mapping[str, bytes] = {
    "a.txt": "".join(f"a{n} line 🙂\n" for n in range(8)).encode(),
    "b.txt": "".join(f"b{n} e\u0301\r\n" for n in range(5)).encode(),
    "c.txt": b"c0\n}\n\nc1\n}\n\nc2\n}\nno newline at the end",
    "d/e.txt": b"\xef\xbb\xbfmarked\nlf\ncrlf\r\nend\n",
    "empty.txt": b"",
    "x.sh": b"#!/bin/sh\necho 1\necho 2\n",
    "bin.dat": b"\x00\x01\nbinary\n",
    "latin.txt": b"caf\xe9\nline\n",
}
NEW = ("n0.txt", "d/n1.txt", "new/deep/n2.txt")
TEXTS = ("a.txt", "b.txt", "c.txt", "d/e.txt", "empty.txt", "x.sh", *NEW)
ALL = (*TEXTS, "bin.dat", "latin.txt", "link")


class Disk:
    """The workspace of a play."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_000_000.0
        self.times: dict[str, float] = {}

    def fill(self) -> None:
        for name, data in FIRST.items():
            self.write(name, data)
        (self.folder / "x.sh").chmod(0o755)

    def path(self, name: str) -> Path:
        return self.folder / name

    def data(self, name: str) -> bytes | None:
        """Return the bytes of a regular file."""
        content = self.content(name)
        return content.data if content.kind == "file" else None

    def content(self, name: str) -> Content:
        found = read_content(self.folder / name)
        assert found is not None, name
        return found

    def write(self, name: str, data: bytes | None) -> None:
        path = self.folder / name
        if path.is_symlink():
            path.unlink()
        if data is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.times[name] = self.now

    def names(self) -> Iterator[str]:
        for folder, _, names in os.walk(self.folder):
            for name in names:
                yield os.path.relpath(os.path.join(folder, name), self.folder)  # noqa: PTH118 reason: it is walked after each step

    def all(self) -> dict[str, Content]:
        return {name: self.content(name) for name in sorted(self.names())}

    def note_changes(self, before: Mapping[str, Content], after: Mapping[str, Content]) -> None:
        """Note the time of what the program under test has written."""
        for name in before.keys() | after.keys():
            if before.get(name, ABSENT) != after.get(name, ABSENT):
                self.times[name] = self.now


def tokens(
    contents: Iterable[Content | bytes | str | None], like: re.Pattern[bytes] = TOKEN
) -> set[bytes]:
    found: set[bytes] = set()
    for content in contents:
        match content:
            case Content():
                found.update(like.findall(content.data))
            case str():
                found.update(like.findall(content.encode()))
            case bytes():
                found.update(like.findall(content))
            case _:
                pass
    return found


class MemorySnapshots:
    """Looks at the workspace as the private baselines do, exactly, and keeps all in memory."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.seen: dict[str, dict[str, Content]] = {}
        self.blobs: dict[str, bytes] = {}
        self.commits: list[dict[str, Content]] = []

    async def take(self) -> Baseline:
        files = self.disk.all()
        whole = [(path, content, content.data) for path, content in sorted(files.items())]
        name = hashlib.sha1(repr(whole).encode(errors="surrogateescape")).hexdigest()
        self.seen[name] = files
        return Baseline(name, self.disk.now, len(files))

    async def changes(self, since: str, until: str) -> Changes:
        before, after = self.seen[since], self.seen[until]
        return Changes(
            tuple(
                ChangedFile(
                    name, Change.UPDATE, self._side(before.get(name)), self._side(after.get(name))
                )
                for name in sorted(before.keys() | after.keys())
                if before.get(name) != after.get(name)
            )
        )

    def _side(self, content: Content | None) -> Side | None:
        if content is None:
            return None
        blob = hashlib.sha1(content.data).hexdigest()
        self.blobs[blob] = content.data
        modes = {"link": 0o120000, "file": 0o100755 if content.executable else 0o100644}
        return Side(modes[content.kind], len(content.data), blob)

    async def read(self, sides: Iterable[Side]) -> Mapping[str, bytes]:
        return {side.blob: self.blobs[side.blob] for side in sides}

    async def prune(self) -> None:
        pass

    async def heads(self, paths: Iterable[str]) -> Mapping[str, str]:
        del paths
        return {"": f"commit{len(self.commits)}"} if self.commits else {}

    async def committed(
        self, heads: Mapping[str, str], paths: Iterable[str]
    ) -> Mapping[str, Content]:
        del heads
        held = self.commits[-1]
        return {path: held.get(path, ABSENT) for path in paths}


def strangers(contents: Iterable[Content | bytes | str | None], number: int) -> set[bytes]:
    """Return the signatures of agents' lines, without those of one agent."""
    found = tokens(contents, SIGNED)
    return {signature for signature in found if not signature.startswith(b"agent %d." % number)}


def picked(choices: Sequence[str], number: int) -> str:
    return choices[number % len(choices)]
