"""What one window sees of a supervisor that many share: the sessions at work in its folders, and its own.

`WindowBackend` is what it asks, `WindowView` what it is told through. A window is concerned with the sessions
in its workspace folders (or around them), and with those that were begun or taken up in it; one without
folders is concerned with all. A session that is named by its id can be had from any window. What a window
is told is told in its own context, and what goes wrong there stays there. What it asks for is carried out
though it is gone: half a decision would be neither. Not aware of connections.
`clients` stands above; the supervisor below.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Iterable, Sequence
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast

from anyio.abc import TaskGroup

from autopilot_ls.lsp.convert import canonical, is_inside
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.model.events import SessionCreated
from autopilot_ls.supervisor.caller import CALLER, Caller

if TYPE_CHECKING:
    from autopilot_ls.lsp.backend import Backend
    from autopilot_ls.model.approvals import Approval
    from autopilot_ls.model.events import Event
    from autopilot_ls.model.snapshots import SessionSnapshot
    from autopilot_ls.runtimes.base import AccountInfo
    from autopilot_ls.settings.tree import Settings
    from autopilot_ls.supervisor.requests import StartedTurn, StartReview, StartTurn
    from autopilot_ls.supervisor.supervisor import Supervisor
from autopilot_ls.supervisor.views import ClientView, OpenDocument

_LOG: Final = logging.getLogger(__name__)

MAX_PLACES: Final = 1_000
"""Folders whose places on the disk are remembered."""

T = TypeVar("T")


class Scope:
    """What a window is concerned with."""

    def __init__(
        self, supervisor: Supervisor, caller: Caller, folders: Callable[[], Sequence[str]]
    ) -> None:
        """Create it.

        Args:
            supervisor: Has the sessions.
            caller: Who begins sessions in this window.
            folders: The window's workspace folders at the moment.
        """
        self.caller = caller
        self._supervisor = supervisor
        self._folders = folders
        self._own: set[str] = set()
        self._places: dict[str, str] = {}

    def take(self, session_id: str) -> None:
        """Have a session as the window's own from now on."""
        self._own.add(session_id)

    def has(self, session_id: str) -> bool:
        """Tell whether the window is concerned with an open session."""
        return session_id in self._own or self.has_folder(self._supervisor.snapshot(session_id).cwd)

    def has_folder(self, folder: str) -> bool:
        """Tell whether a folder is one of the window's, or lies in one, or around one."""
        folders = [self._canonical(each) for each in self._folders()]
        place = self._canonical(folder)
        return not folders or any(is_inside(place, f) or is_inside(f, place) for f in folders)

    def _canonical(self, folder: str) -> str:
        # Looked up on the disk, and asked for with every event.
        place = self._places.get(folder)
        if place is None:
            if len(self._places) >= MAX_PLACES:
                self._places.clear()
            place = self._places[folder] = canonical(folder)
        return place


class Lasting:
    """Something whose methods are carried out to their ends, though who called them is cancelled."""

    def __init__(self, inner: object, jobs: Jobs) -> None:
        """Have what takes its time carried out as such jobs."""
        self._inner = inner
        self._jobs = jobs

    def __getattr__(self, name: str) -> object:
        found: object = getattr(self._inner, name)
        if not iscoroutinefunction(found):
            return found
        jobs = self._jobs

        async def carried_out(*arguments: object, **named: object) -> object:
            return await jobs.run(lambda: found(*arguments, **named))

        return carried_out


class WindowBackend(Lasting):
    """The supervisor as a window asks it; what is not here is the supervisor's own."""

    def __init__(
        self, supervisor: Supervisor, scope: Scope, settings: Settings, jobs: Jobs
    ) -> None:
        """Create it with the window's own settings."""
        super().__init__(supervisor, jobs)
        self.settings = settings
        self.review = Lasting(supervisor.review, jobs)
        self._supervisor = supervisor
        self._scope = scope

    @property
    def messages(self) -> Lasting:
        """See `MessageDesk`."""
        return Lasting(self._supervisor.messages, self._jobs)

    @property
    def shelf(self) -> Lasting:
        """See `Shelf`."""
        return Lasting(self._supervisor.shelf, self._jobs)

    @property
    def accounts(self) -> Lasting:
        """See `Accounts`."""
        return Lasting(self._supervisor.accounts, self._jobs)

    def live_sessions(self) -> tuple[str, ...]:
        """Return the ids of the open sessions that the window is concerned with, oldest first."""
        return tuple(filter(self._scope.has, self._supervisor.live_sessions()))

    def approvals(self, session_id: str | None = None) -> tuple[Approval, ...]:
        """Return what waits for a decision, oldest first, in one session or in the window's."""
        found = self._supervisor.approvals(session_id)
        if session_id is not None:
            return found
        return tuple(approval for approval in found if self._scope.has(approval.session_id))

    async def start_turn(self, request: StartTurn, by: str) -> StartedTurn:
        """See `Supervisor.start_turn`."""
        if request.session_id is not None:
            self._scope.take(request.session_id)
        return await self._jobs.run(lambda: self._supervisor.start_turn(request, by))

    async def start_review(self, request: StartReview, by: str) -> StartedTurn:
        """See `Supervisor.start_review`."""
        if request.session_id is not None:
            self._scope.take(request.session_id)
        return await self._jobs.run(lambda: self._supervisor.start_review(request, by))

    async def resume(self, session_id: str) -> SessionSnapshot:
        """See `Supervisor.resume`."""
        self._scope.take(session_id)
        return await self._jobs.run(lambda: self._supervisor.resume(session_id))


def backend_of(
    supervisor: Supervisor, scope: Scope, settings: Settings, tasks: TaskGroup
) -> Backend:
    """Return the supervisor as a window has it.

    Args:
        supervisor: Shared by all windows.
        scope: What this one is concerned with.
        settings: Its own.
        tasks: Where what it asks for is carried out, also when the window is gone by then.
    """
    return cast("Backend", WindowBackend(supervisor, scope, settings, Jobs(tasks)))


class WindowView:
    """A window's view as the supervisor has it; see the module's docstring. It is a `ClientView`."""

    def __init__(self, view: ClientView, scope: Scope) -> None:
        """Wrap the view; what it is told, it is told in the present context."""
        self._view = view
        self._scope = scope
        self._context = contextvars.copy_context()

    def _run(self, work: Callable[[], T], otherwise: T) -> T:
        try:
            return self._context.copy().run(work)
        except Exception:  # noqa: BLE001 reason: it must reach neither the session nor other windows
            _LOG.exception("Fault in the window of %s.", self._view.name)
            return otherwise

    @property
    def name(self) -> str:
        """See `ClientView`."""
        return self._view.name

    def events_applied(self, session_id: str, events: Sequence[Event]) -> None:
        """See `ClientView`."""
        if CALLER.get() is self._scope.caller and any(
            isinstance(event.body, SessionCreated) for event in events
        ):
            self._scope.take(session_id)
        if self._scope.has(session_id):
            self._run(lambda: self._view.events_applied(session_id, events), None)

    def files_written(self, paths: Sequence[Path]) -> None:
        """See `ClientView`."""
        concerned = [path for path in paths if self._scope.has_folder(str(path.parent))]
        if concerned:
            self._run(lambda: self._view.files_written(concerned), None)

    def policy_changed(self) -> None:
        """See `ClientView`."""
        self._run(self._view.policy_changed, None)

    def account_changed(self, account: AccountInfo, login_id: str, error: str) -> None:
        """See `ClientView`."""
        self._run(lambda: self._view.account_changed(account, login_id, error), None)

    def review_changed(self, workspace: Path) -> None:
        """See `ClientView`."""
        if self._scope.has_folder(str(workspace)):
            self._run(lambda: self._view.review_changed(workspace), None)

    def open_documents(self) -> Iterable[OpenDocument]:
        """See `ClientView`."""
        none: Iterable[OpenDocument] = ()
        return self._run(lambda: tuple(self._view.open_documents()), none)
