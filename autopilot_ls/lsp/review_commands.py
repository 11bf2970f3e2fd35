"""What the commands about changes after the fact do: list, keep, undo, undo a turn, and take an undo back.

Not aware of how an editor sends a command, nor of how changes are found. `commands` stands above.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio.to_thread

from autopilot_ls.lsp import review_params as params
from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.content_uris import baseline_uri
from autopilot_ls.lsp.convert import canonical, to_path, to_uri
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.presentation.changes import ChangedPart
from autopilot_ls.supervisor.caller import current_folder
from autopilot_ls.supervisor.review.desk import ReviewDesk, TakenBack
from autopilot_ls.supervisor.review.showing import Chosen, shown, turn_named


class ReviewCommands:
    """The commands of one editor about changes."""

    def __init__(
        self,
        connection: Connection,
        backend: Backend,
        name: Callable[[], str],
        done: Callable[[TakenBack], None],
    ) -> None:
        """Create them.

        Args:
            connection: Knows the workspace folders.
            backend: The supervisor.
            name: Says who decides.
            done: Hears what became of an undo.
        """
        self._connection = connection
        self._backend = backend
        self._name = name
        self._done = done

    @property
    def _desk(self) -> ReviewDesk:
        return self._backend.review

    async def _session_folder(self, session_id: str) -> Path:
        if self._backend.is_open(session_id):
            return Path(self._backend.snapshot(session_id).cwd)
        return Path((await anyio.to_thread.run_sync(self._backend.snapshot, session_id)).cwd)

    def _folder(self, cwd: str | None) -> Path:
        if cwd is None:
            return Path(self._connection.folder_of(None) or current_folder())
        path = Path(to_path(cwd) or cwd)
        if not path.is_absolute():
            raise InvalidRequest(
                f"cwd: {cwd!r} is not an absolute path.",
                advice="Give an absolute path or a file: URI.",
            )
        return path

    async def list(self, request: params.ChangesListParams) -> params.ChangesList:
        """List what is to be reviewed, after a look at the disk."""
        session = request.session_id
        folder = self._folder(request.cwd)
        if session is not None and request.cwd is None:
            folder = await self._session_folder(session)
        found = await self._desk.items(folder, fresh=True)
        mine = [turn for turn in found.turns if session in (None, turn.session_id)]
        names = {turn.name for turn in mine}
        items = [
            item
            for item in found.items
            if session is None or not item.change.turns or names.intersection(item.change.turns)
        ]
        return params.ChangesList(
            cwd=str(folder),
            changes=tuple(_shown(shown(item), folder) for item in items[: params.MAX_LISTED]),
            total=len(items),
            turns=tuple(
                params.TurnUndoable(
                    turn=turn.name,
                    session_id=turn.session_id,
                    began=turn.began,
                    at_work=turn.at_work,
                )
                for turn in mine
            ),
            undone=tuple(
                params.UndoneShown(undo_id=undone.id, what=undone.what) for undone in found.undone
            ),
            notices=found.notices,
        )

    async def _chosen(self, request: params.ChangesChosenParams) -> tuple[Path, list[str]]:
        folder = self._folder(request.cwd)
        found = await self._desk.items(folder)
        turn = turn_named(request.turn, "", found.turns) if request.turn else ""
        paths = [to_path(path) or path for path in request.paths]
        chosen = Chosen(request.ids, paths, turn, request.all)
        root = await anyio.to_thread.run_sync(folder.resolve)
        items = await anyio.to_thread.run_sync(chosen.among, found.items, root)
        return folder, [item.id for item in items]

    async def keep(self, request: params.ChangesChosenParams) -> params.ChangesKept:
        """Take changes as reviewed."""
        folder, ids = await self._chosen(request)
        kept = await self._desk.keep(folder, ids) if ids else ()
        return params.ChangesKept(kept=tuple(item.id for item in kept))

    async def undo(self, request: params.ChangesChosenParams) -> params.ChangesUndone:
        """Take changes back."""
        folder, ids = await self._chosen(request)
        return self._told(await self._desk.undo(folder, ids, self._name()))

    async def undo_turn(self, request: params.TurnUndoParams) -> params.ChangesUndone:
        """Take back a turn and all turns of its session since."""
        folder = await self._session_folder(request.session_id)
        found = await self._desk.items(folder)
        turn = turn_named(request.turn or "", request.session_id, found.turns)
        return self._told(await self._desk.undo_turn(folder, turn, self._name()))

    async def redo(self, request: params.TurnRedoParams) -> params.ChangesUndone:
        """Do again what was taken back."""
        folder = self._folder(request.cwd)
        undo_id = request.undo_id
        if undo_id is None:
            undone = (await self._desk.items(folder)).undone
            if not undone:
                raise InvalidRequest("Nothing was taken back that could be done again.")
            undo_id = undone[-1].id
        return self._told(await self._desk.redo(folder, undo_id, self._name()))

    def _told(self, taken: TakenBack) -> params.ChangesUndone:
        self._done(taken)
        return params.ChangesUndone(
            undo_id=taken.outcome.undo_id,
            written=tuple(sorted(taken.outcome.written)),
            left=taken.reasons,
        )


def _shown(part: ChangedPart, folder: Path) -> params.ChangeShown:
    return params.ChangeShown(
        id=part.id,
        path=part.path.encode(errors="backslashreplace").decode(),
        uri=to_uri(str(folder / part.path)),
        before=baseline_uri(Path(canonical(str(folder))), part.path),
        kind=part.kind,
        line=part.line,
        author="agent" if part.attributed else "unattributed",
        by=part.by,
        turns=part.turns,
        old=part.old[: params.MAX_SHOWN],
        new=part.new[: params.MAX_SHOWN],
        removed=part.removed,
        added=part.added,
    )
