"""Telling a person who is away, by a command of their own.

A view of the supervisor like an editor: takes from the events what is news, and has the command run for
it, one at a time. What comes meanwhile is told together ("3 approvals wait"), what was decided meanwhile
is not told. Nothing waits for it: a command that fails is said once, in the session. Not aware of how the
command is run. `supervisor` stands above, `notify_command` below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from autopilot_ls.model.approvals import Approval, Mode, Outcome
from autopilot_ls.model.errors import DecisionRefused
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Event,
    Notice,
    TurnCompleted,
)
from autopilot_ls.model.snapshots import SessionSnapshot
from autopilot_ls.model.text import count, one_line
from autopilot_ls.presentation import approvals, progress
from autopilot_ls.presentation.markdown import Redact
from autopilot_ls.runtimes.base import AccountInfo
from autopilot_ls.settings.tree import NotifySettings
from autopilot_ls.supervisor.notify_command import Message, run
from autopilot_ls.supervisor.tasks import Tasks
from autopilot_ls.supervisor.views import OpenDocument

MAX_WAITING: Final = 100
"""News that wait for the command; more are only counted."""

PAUSE: Final = 2.0
"""Seconds between two runs of the command."""

LAST_WORDS: Final = 5.0
"""Seconds that the last news have when the server ends."""

_SHOWN: Final = 3
_KINDS: Final = ("limit", "high-risk", "approval", "turn-end")


@dataclass(frozen=True, slots=True)
class _News:
    message: Message
    approval_id: str = ""


class Notifier:
    """See the module's docstring. It is a `ClientView`."""

    name = "notify"

    def __init__(
        self,
        settings: NotifySettings,
        snapshot: Callable[[str], SessionSnapshot],
        tell: Callable[[str, Notice], None],
        *,
        redact: Redact,
        environment: Mapping[str, str],
        tasks: Tasks,
    ) -> None:
        """Create it.

        Args:
            settings: The command, and what it tells.
            snapshot: Gives a session's present state.
            tell: Tells something in a session.
            redact: Leaves out secrets, since a command may send what it gets anywhere.
            environment: What the command gets beside the news.
            tasks: Where the command is run.
        """
        self._command = settings.command
        self._on = frozenset(settings.on)
        self._snapshot = snapshot
        self._tell = tell
        self._redact = redact
        self._environment = environment
        self._tasks = tasks
        self._waiting: list[_News] = []
        self._omitted = 0
        self._failed = False
        self._closing = anyio.Event()
        self._idle = anyio.Event()
        self._idle.set()

    # The supervisor's `ClientView` ----------------------------------------------------------------

    def events_applied(self, session_id: str, events: Sequence[Event]) -> None:
        """Take from the events what is news."""
        for event in events:
            match event.body:
                case ApprovalRequested(approval=approval) if (
                    approval.verdict.outcome is Outcome.ASK
                ):
                    self._approval(session_id, approval)
                case ApprovalResolved(approval_id=approval_id):
                    self._waiting = [n for n in self._waiting if n.approval_id != approval_id]
                case Notice(code=code, message=text) if code.startswith("limit-"):
                    self._add(session_id, "limit", "a limit stopped the turn", text)
                case Notice(code=DecisionRefused.code, message=text):
                    self._add(session_id, "approval", "something waits for you", text)
                case TurnCompleted():
                    self._turn_ended(session_id)
                case _:
                    pass

    def review_changed(self, workspace: Path) -> None:
        """Let it pass."""
        del workspace

    def account_changed(self, account: AccountInfo, login_id: str, error: str) -> None:
        """Nobody is called for it."""

    def policy_changed(self) -> None:
        """Nothing of this is news."""

    def files_written(self, paths: Sequence[Path]) -> None:
        """Nothing of this is news."""

    def open_documents(self) -> Iterable[OpenDocument]:
        """Return none."""
        return ()

    # What is news ---------------------------------------------------------------------------------

    def _approval(self, session_id: str, approval: Approval) -> None:
        snapshot = self._snapshot(session_id)
        kind, title = _kind_of(approval, snapshot.mode)
        if kind not in self._on:
            kind = "approval"
        what = approvals.title(approval, root=snapshot.cwd, redact=self._redact, limit=300)
        why = one_line(self._redact(approval.verdict.reason))
        self._add(session_id, kind, title, f"Waits for you: {what}. {why}", approval.id)

    def _turn_ended(self, session_id: str) -> None:
        snapshot = self._snapshot(session_id)
        turn = snapshot.turns[-1]
        closing = progress.closing_line(snapshot, turn, redact=self._redact)
        title = one_line(self._redact(snapshot.title), 60)
        self._add(session_id, "turn-end", f"the turn has ended ({title})", f"Ended. {closing}")

    def _add(
        self, session_id: str, kind: str, title: str, text: str, approval_id: str = ""
    ) -> None:
        if kind not in self._on or self._closing.is_set():
            return
        if len(self._waiting) >= MAX_WAITING:
            self._omitted += 1
            return
        cwd = self._snapshot(session_id).cwd
        message = Message(kind, f"Autopilot: {title}", self._redact(text), session_id, cwd)
        self._waiting.append(_News(message, approval_id))
        if self._idle.is_set():
            self._idle = anyio.Event()
            self._tasks.start_soon(self._work)

    # Telling it -----------------------------------------------------------------------------------

    async def _work(self) -> None:
        try:
            while self._waiting:
                session = self._waiting[-1].message.session
                problem = await run(self._command, self._take(), self._environment)
                self._say(session, problem)
                with anyio.move_on_after(PAUSE):
                    await self._closing.wait()
        finally:
            self._idle.set()

    def _take(self) -> Message:
        news, self._waiting = self._waiting, []
        omitted, self._omitted = self._omitted, 0
        return news[0].message if len(news) == 1 else _together(news, omitted)

    def _say(self, session_id: str, problem: str) -> None:
        first, self._failed = not self._failed, bool(problem)
        if problem and first:
            text = f"The notify command {problem}. Nobody was told by it; see the setting notify.command."
            self._tell(session_id, Notice(severity="error", code="notify-failed", message=text))

    async def finish(self) -> None:
        """Take no more news, and give what waits some seconds; for the end of the server."""
        self._closing.set()
        with anyio.move_on_after(LAST_WORDS, shield=True):
            await self._idle.wait()


def _kind_of(approval: Approval, mode: Mode) -> tuple[str, str]:
    """Return which news a waiting approval is, and its title."""
    if approvals.is_limited(approval):
        return "limit", "a limit is reached"
    if approval.verdict.risk == "high" and mode in (Mode.AUTO, Mode.ESCALATE):
        return "high-risk", "high risk waits for you"
    return "approval", "something waits for you"


def _together(news: Sequence[_News], omitted: int) -> Message:
    """Return several news as one."""
    waiting = sum(bool(one.approval_id) for one in news)
    ended = sum(one.message.kind == "turn-end" for one in news)
    others = len(news) - waiting - ended
    parts = [
        f"{count(waiting, 'approval')} {'waits' if waiting == 1 else 'wait'}" if waiting else "",
        f"{count(ended, 'turn')} ended" if ended else "",
        f"{count(others + omitted, 'other event')}" if others + omitted else "",
    ]
    kinds = {one.message.kind for one in news}
    sessions = {(one.message.session, one.message.workspace) for one in news}
    session, workspace = sessions.pop() if len(sessions) == 1 else ("", "")
    # What is most urgent first.
    urgent = sorted(news, key=lambda one: _KINDS.index(one.message.kind))
    texts = [one_line(one.message.text, 180) for one in urgent[:_SHOWN]]
    more = len(news) + omitted - len(texts)
    return Message(
        kind=next(kind for kind in _KINDS if kind in kinds),
        title=f"Autopilot: {', '.join(part for part in parts if part)}",
        text=" | ".join(texts) + (f" | and {more:,} more" if more else ""),
        session=session,
        workspace=workspace,
    )
