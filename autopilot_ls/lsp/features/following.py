"""The hunks of each file that an editor has, or may have, open, followed through what is typed there.

By file (its canonical path) and by owner: an approval, or anything else that has hunks to show. A file
that is not open is not followed; what stood around its hunks when it was closed is remembered, since
editors load a file again by closing and opening it. Not aware of diagnostics. `diagnostics` stands
above, `edits.follow` below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autopilot_ls.edits.follow import Follower
from autopilot_ls.edits.followed import Effect, FollowedHunk, Place
from autopilot_ls.edits.line_edits import LineEdit
from autopilot_ls.lsp.documents import Document


class Following:
    """The followed hunks of one editor."""

    def __init__(self) -> None:
        """Follow nothing yet."""
        self._followers: dict[str, Follower] = {}
        self._owned: dict[tuple[str, str], list[str]] = {}

    def add(
        self, key: str, owner: str, hunks: Iterable[FollowedHunk], document: Document | None
    ) -> None:
        """Follow hunks in a file, in the document where it is open."""
        fresh = list(hunks)
        self._owned.setdefault((key, owner), []).extend(hunk.id for hunk in fresh)
        follower = self._followers.setdefault(key, Follower())
        follower.add(fresh, document.lines if document else None)

    def discard(self, key: str, owner: str) -> None:
        """Follow what this owner has in a file no longer."""
        follower = self._followers.get(key)
        if follower is not None:
            follower.discard(self._owned.pop((key, owner), ()))
            if not len(follower):
                del self._followers[key]

    def get(self, key: str, hunk_id: str) -> Place | None:
        """Return the place of a hunk in a file."""
        follower = self._followers.get(key)
        return follower.get(hunk_id) if follower is not None else None

    def changed(self, document: Document, edits: Sequence[LineEdit] | None) -> Effect:
        """Take what happened to a document, which was opened if `edits` is None.

        Returns:
            What that did to the hunks.
        """
        follower = self._followers.get(document.key)
        if follower is None:
            return Effect.NONE
        if edits is None:
            follower.opened(document.lines)
            return Effect.STATE
        return follower.changed(edits, document.lines)

    def closed(self, document: Document) -> None:
        """A document was closed."""
        follower = self._followers.get(document.key)
        if follower is not None:
            follower.closed(document.lines)
