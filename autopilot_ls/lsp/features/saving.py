"""Saving what is unsaved before it is accepted.

An editor with our client saves when it is asked to; in any other the decision waits until the person has
saved. What an editor answers proves nothing: the decision is checked against the disk afterwards. Not aware
of how a decision is made. `approval_commands` stands above, `unsaved` below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, cast

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import canonical
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.unsaved import UnsavedTasks
from autopilot_ls.lsp.plain import member
from autopilot_ls.lsp.protocol import ClientFailed
from autopilot_ls.model.approvals import Approval
from autopilot_ls.model.errors import DecisionRefused
from autopilot_ls.model.text import one_line
from autopilot_ls.presentation.approvals import title

SAVE_LIMIT: Final = 60.0
"""Seconds an editor has to save; formatters may run, and it may ask the person for a name."""

ARRIVAL_LIMIT: Final = 5.0
"""Seconds that word of the saving may take to arrive after the answer."""


class Saving:
    """The saving in one editor."""

    def __init__(self, connection: Connection, backend: Backend, tasks: UnsavedTasks) -> None:
        """Create the feature."""
        self._connection = connection
        self._backend = backend
        self._tasks = tasks
        self._heard = asyncio.Event()

    def document_saved(self) -> None:
        """A document was saved."""
        self._heard.set()
        self._heard = asyncio.Event()

    async def before(
        self,
        approval: Approval,
        hunks: Sequence[str] | None,
        decide: Callable[[], Awaitable[object]],
    ) -> None:
        """Have everything saved that must be before these hunks of a patch, or all, are accepted.

        Args:
            approval: About the patch.
            hunks: What will be accepted.
            decide: Makes the decision, if it has to wait for the person.

        Raises:
            UnsavedDocuments: The person has to save; then it is decided.
            DecisionRefused: It would not fit what is saved then, and nothing was saved; or the editor did
                not save.
        """

        async def look() -> Sequence[Path]:
            return [Path(path) for path in await self._backend.to_save(approval.id, hunks)]

        paths = await look()
        if not paths:
            return
        if not self._connection.profile.opted_in:
            text = f"accept {title(approval, limit=80)}"
            raise self._tasks.hold_decision(approval.id, text, paths, look, decide)
        keys = {canonical(str(path)) for path in paths}
        await self._save([d for d in self._connection.documents if d.key in keys])

    async def _save(self, documents: Sequence[Document]) -> None:
        uris = [document.uri for document in documents]
        if not uris:
            return  # Another editor has them, and the decision will be refused.
        try:
            answer = await self._connection.ask(methods.SAVE, {"uris": uris}, limit=SAVE_LIMIT)
        except ClientFailed as error:
            raise DecisionRefused(
                f"Nothing was accepted: the editor did not save. {one_line(str(error), 200)}",
                advice="Save and accept again.",
            ) from error
        said = member(answer, "saved")
        saved = {str(uri) for uri in cast("list[object]", said)} if isinstance(said, list) else ()
        missing = [Path(d.path or d.uri).name for d in documents if d.uri not in saved]
        if missing:
            raise DecisionRefused(
                one_line(f"Nothing was accepted: {', '.join(missing)} could not be saved.", 300),
                advice="See what the editor says about it, save, and accept again.",
            )
        try:
            async with asyncio.timeout(ARRIVAL_LIMIT):
                while any(document.saved != document.text for document in documents):
                    await self._heard.wait()
        except TimeoutError:
            return  # What is on disk decides.
