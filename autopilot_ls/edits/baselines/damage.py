"""Finding out whether a store is damaged, by a power cut say, and putting it out of the way.

git trusts what it has written, so that what is lost would be taken for stored ever after. Not aware of
who asks, nor when; `baselines` stands above, `repository` below.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import anyio.to_thread

from autopilot_ls.edits.baselines.repository import Repository, remove

NOTICE: Final = (
    "What was known of this workspace was damaged and was begun anew: what earlier turns changed "
    "cannot be reviewed or undone any more, except where it is shown already."
)
_ASIDE: Final = "damaged"
# git ends with the last one when something is missing, and with the first when it is not as written.
_TOLD: Final = (0, 1, 128)


async def is_damaged(repository: Repository) -> bool:
    """Tell whether something that a state needs is missing, or is not what was written.

    Reads all of the store: some seconds for hundreds of megabytes.

    Raises:
        BaselineUnavailable: It took too long.
        GitFailed: git was killed.
    """
    await anyio.to_thread.run_sync(_drop_empty, repository)
    told = await repository.run("rev-list", "--objects", "--quiet", "--all", codes=_TOLD)
    packs = sorted((repository.folder / "objects" / "pack").glob("*.idx"))
    if told.code == 0 and packs:
        told = await repository.run("verify-pack", "--", *map(str, packs), codes=_TOLD)
    return told.code != 0


def _drop_empty(repository: Repository) -> None:
    """Remove names that stand for nothing: they were written last, and lose nothing."""
    for path in (repository.folder / "refs").rglob("*"):
        if path.is_file() and not repository.resolve(str(path.relative_to(repository.folder))):
            remove(path)


def set_aside(repository: Repository) -> None:
    """Put the store where somebody could still look for a text in it, and make a new one. Blocks.

    Raises:
        OSError: It cannot be done.
    """
    aside = _aside(repository)
    remove(aside)
    repository.folder.rename(aside)
    repository.prepare()


def forget_old(repository: Repository, seconds: float) -> None:
    """Remove what was put aside that long ago. Blocks."""
    aside = _aside(repository)
    if aside.is_dir() and aside.lstat().st_ctime < time.time() - seconds:
        remove(aside)


def _aside(repository: Repository) -> Path:
    return repository.folder.with_name(_ASIDE)
