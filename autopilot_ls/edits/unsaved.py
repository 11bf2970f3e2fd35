"""Which open documents differ from the disk, which is all that an agent reads.

Blocking. Not aware of patches. `check` has the comparison itself; `supervisor` stands above.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from autopilot_ls.edits.check import Document, is_clean
from autopilot_ls.edits.paths import inside
from autopilot_ls.edits.snapshot import read_target
from autopilot_ls.model.errors import PatchInvalid


def dirty_documents(documents: Iterable[Document], root: Path) -> list[Path]:
    """Return the files under a folder that are open with unsaved changes, each once.

    A file that cannot be read, or is new and not empty, counts as unsaved.
    """
    dirty = dict[Path, None]()
    for document in documents:
        try:
            if not inside(document.path, root):
                continue
            # A link is read through here: nothing is written, and the agent reads through it too.
            disk = read_target(Path(os.path.realpath(document.path)))
        except ValueError:
            continue  # What no file can be named is under no folder.
        except PatchInvalid:
            dirty[document.path] = None
            continue
        if not is_clean(document.text, disk):
            dirty[document.path] = None
    return list(dirty)
