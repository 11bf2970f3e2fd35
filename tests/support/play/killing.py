"""A server of a play that is killed: what is on disk and in the editor at that moment, and coming back to it.

Not aware of what a play is; `play` stands above.
"""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.play.disk import Disk
from tests.support.play.editor import Buffer, Editor
from tests.support.play.ledger import Ledger


@dataclass
class Kept:
    """What was there when the server was killed.

    Attributes:
        must: Tokens that must be on disk.
    """

    root: Path
    buffers: dict[str, Buffer]
    must: set[bytes]

    @property
    def _folder(self) -> Path:
        return self.root / "killed"

    @classmethod
    def of(cls, root: Path, disk: Disk, editor: Editor, ledger: Ledger) -> Kept:
        """Keep what is there now."""
        kept = cls(
            root,
            copy.deepcopy(editor.buffers),
            ledger.must_disk - ledger.may_go - ledger.accepted,
        )
        shutil.rmtree(kept._folder, ignore_errors=True)
        shutil.copytree(root / "state", kept._folder / "state")
        shutil.copytree(disk.folder, kept._folder / "work", symlinks=True)
        return kept

    def shelve(self) -> None:
        """Put it where what still runs does not reach it."""

    def bring_back(self, editor: Editor) -> None:
        """Have all be as it was."""
        for name in ("state", "work"):
            shutil.rmtree(self.root / name)
            (self._folder / name).rename(self.root / name)
        editor.buffers = self.buffers
