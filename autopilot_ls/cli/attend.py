"""Being with a turn: tells what happens, and decides or has a person decide.

A view of the supervisor that collects events, and one task that writes them and asks, so that a line
never breaks into a prompt. Where nobody can be asked everything is declined. Not aware of arguments and
exit codes; `run` stands above, `live` and `prompting` below.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import anyio
import anyio.to_thread
from anyio import CancelScope

from autopilot_ls.cli.keyboard import Keyboard
from autopilot_ls.cli.live import Narrator
from autopilot_ls.cli.prompting import Answer, Prompter
from autopilot_ls.cli.sessions import event_json
from autopilot_ls.cli.terminal import Style, Terminal
from autopilot_ls.cli.view import TERMINAL, RunView
from autopilot_ls.model.approvals import Approval, DecisionKind, Outcome
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.events import TurnStatus
from autopilot_ls.model.items import Item
from autopilot_ls.model.snapshots import ItemEntry, SessionSnapshot, TurnSnapshot
from autopilot_ls.model.text import count
from autopilot_ls.presentation import progress
from autopilot_ls.supervisor.supervisor import Supervisor

NOBODY: Final = "autopilot-ls run"
"""Who decided, when nobody could be asked."""

UNATTENDED: Final = "Nobody can be asked: autopilot-ls was started without a terminal."
MAX_DECLINES: Final = 20
"""So often is an agent told that nobody is there; then its turn is stopped."""

_POLICY_TIME: Final = 2.0


@dataclass(frozen=True, slots=True)
class Mouth:
    """Where to speak.

    Attributes:
        terminal: For what happens.
        prompts: For questions; None when nobody can be asked, as is `keyboard`.
        redact: Hides secrets in what is shown.
    """

    terminal: Terminal
    prompts: Terminal | None
    keyboard: Keyboard | None
    as_json: bool
    redact: Callable[[str], str]


class Attendant:
    """Tells one turn and has its approvals decided."""

    def __init__(self, supervisor: Supervisor, mouth: Mouth, session_id: str | None) -> None:
        """Attend the turn of a session, or of the session that is about to be made."""
        self._supervisor = supervisor
        self._mouth = mouth
        self._terminal = mouth.terminal
        self._narrator = Narrator(mouth.terminal, self._item, tells_requests=mouth.prompts is None)
        self._asking = True
        self._asked: CancelScope | None = None
        self._ended = False
        self._snapshot: SessionSnapshot | None = None
        self.declined = 0
        self.broken: OSError | None = None
        as_json = partial(event_json, redact=mouth.redact)
        self.view = RunView(json=as_json if mouth.as_json else None)
        self.view.session_id = session_id

    def _item(self, thread_id: str | None, item_id: str) -> Item | None:
        snapshot = self.look()
        for turn in reversed(snapshot.turns[-2:] if snapshot else ()):
            items = (entry for entry in reversed(turn.entries) if isinstance(entry, ItemEntry))
            for entry in items:
                if (entry.thread_id, entry.item.id) == (thread_id, item_id):
                    return entry.item
        return None

    def look(self) -> SessionSnapshot | None:
        """Return the session as it is while it is open, then as it was when last looked at."""
        session_id = self.view.session_id
        if session_id in self._supervisor.live_sessions():
            self._snapshot = self._supervisor.snapshot(session_id)
        return self._snapshot

    def was_told(self, error: AutopilotError) -> bool:
        """Tell whether the person read this error already, as part of what happened."""
        return not self._mouth.as_json and str(error) in self._narrator.notices

    def last_turn(self) -> TurnSnapshot | None:
        """Return the turn as it stood when the session was last looked at."""
        turns = self._snapshot.turns if self._snapshot else ()
        return turns[-1] if turns else None

    # The one task -------------------------------------------------------------------------------

    async def attend(self, scope: CancelScope) -> None:
        """Tell and ask until `no_more`; a standard output that is gone cancels the scope."""
        try:
            while True:
                ended = self._ended
                await self._tell()
                if ended:
                    return
                approval = self._waiting()
                if approval is None:
                    await self.view.news()
                else:
                    await self._decide(approval)
        except OSError as error:
            self.broken = error
            scope.cancel()

    def no_more(self) -> None:
        """Let `attend` end when all is told."""
        self._ended = True
        if self._asked is not None:
            self._asked.cancel()
        self.view.wake()

    def stop_asking(self, why: str) -> None:
        """Withdraw what is asked and ask no more, since the turn is being stopped."""
        self._asking = False
        if self._asked is not None:
            self._asked.cancel()
        if not self._mouth.as_json:
            self._terminal.line(why, Style.WARNING)
        self.view.wake()

    async def _tell(self) -> None:
        if self._mouth.as_json:
            lines = self.view.take_lines()
            if lines:
                await anyio.to_thread.run_sync(_print, lines, abandon_on_cancel=True)
            return
        for event in self.view.take():
            self._narrator.tell(event)
        snapshot = None if self._ended else self.look()
        self._terminal.status(progress.message(snapshot) if snapshot else "")
        await self._terminal.flush()

    async def close(self) -> None:
        """Tell how the turn ended."""
        if self.view.dropped:
            missed = count(self.view.dropped, "event")
            hint = "`autopilot-ls sessions show` has them"
            print(
                f"autopilot-ls: {missed} not printed, output was too slow; {hint}", file=sys.stderr
            )
        turn = self.last_turn()
        if self._mouth.as_json or self._snapshot is None or turn is None:
            return
        if self.declined:
            what = count(self.declined, "request")
            self._terminal.line(f"{what} declined. {UNATTENDED}", Style.WARNING)
        # How it ended was told when it did; this is what it came to.
        turn = replace(turn, status=TurnStatus.COMPLETED)
        closing = progress.closing_line(self._snapshot, turn, redact=self._mouth.redact)
        self._terminal.line(closing, Style.BOLD)
        self._terminal.line(f"Session {self._snapshot.session_id}", Style.DIM)
        await self._terminal.flush()

    # Deciding -----------------------------------------------------------------------------------

    def _waiting(self) -> Approval | None:
        """Return the oldest request that a person has to decide on, if there is one."""
        session_id = self.view.session_id
        if not self._asking or session_id not in self._supervisor.live_sessions():
            return None
        # What the policy decides by itself waits a moment too. Where that was refused, because it
        # would cost the person something, it goes on waiting, and becomes a question.
        late = time.time() - _POLICY_TIME
        for approval in self._supervisor.approvals(session_id):
            if approval.verdict.outcome is Outcome.ASK or approval.requested_at < late:
                return approval
        return None

    async def _decide(self, approval: Approval) -> None:
        prompts, keyboard = self._mouth.prompts, self._mouth.keyboard
        if prompts is None or keyboard is None:
            await self._decline(approval)
            return
        self._terminal.status("")
        await self._terminal.flush()
        answer: Answer | None = None
        with CancelScope() as scope:
            self._asked = scope
            self.view.watch(approval.id, scope)
            answer = await Prompter(prompts, keyboard, root=self._root()).ask(approval)
        self._asked = None
        self.view.unwatch()
        if answer is None:
            prompts.line()
            prompts.line("It does not wait any more.", Style.DIM)
            await prompts.flush()
            return
        await self._send(approval, answer, TERMINAL)

    async def _decline(self, approval: Approval) -> None:
        self.declined += 1
        stop = self.declined >= MAX_DECLINES
        kind = DecisionKind.CANCEL if stop else DecisionKind.DECLINE
        await self._send(approval, Answer(kind, message=UNATTENDED), NOBODY)

    async def _send(self, approval: Approval, answer: Answer, by: str) -> None:
        try:
            await self._supervisor.decide(
                approval.id,
                answer.kind,
                decided_by=by,
                message=answer.message,
                answers=answer.answers,
                content=answer.content,
                remember=answer.remember,
                hunks=answer.hunks,
                reasons=answer.reasons,
            )
        except AutopilotError as refusal:
            # Where it still waits, it is asked for again after this message.
            self._complain(refusal)

    def _root(self) -> str:
        snapshot = self.look()
        return snapshot.cwd if snapshot else ""

    def _complain(self, error: AutopilotError) -> None:
        if self._mouth.as_json:
            print(f"autopilot-ls: {error}", file=sys.stderr)
        else:
            self._terminal.line(str(error), Style.BAD)


def _print(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
