"""Telling a session's events as lines of text, as they happen or afterwards.

One event gives no line, one or a few; long output is cut to its end, since the record has the rest.
Not aware of where events come from nor of decisions being asked for. `run` and `sessions tail` stand
above, `terminal` below.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from autopilot_ls.cli.terminal import Style, Terminal
from autopilot_ls.model.approvals import Approval, Mode, Outcome, ProposedChange
from autopilot_ls.model.events import (
    ApprovalRequested,
    ApprovalResolved,
    Compacted,
    Event,
    FilesSettled,
    GrantAdded,
    GrantRevoked,
    ItemCompleted,
    ItemStarted,
    ModeChanged,
    Notice,
    PlanUpdated,
    RuntimeExited,
    RuntimeStarted,
    SessionCreated,
    SubAgentOpened,
    ThreadOpened,
    TurnCompleted,
    TurnStatus,
)
from autopilot_ls.model.items import (
    AgentMessage,
    CommandExecution,
    FileChanges,
    Item,
    ItemStatus,
    PlanStep,
    PlanText,
    Reasoning,
    ToolCall,
    UserMessage,
    WebSearch,
)
from autopilot_ls.model.text import count, one_line
from autopilot_ls.presentation import approvals as approval_words
from autopilot_ls.presentation.verdicts import explained

Lookup = Callable[[str | None, str], Item | None]
"""Gives an item in its present form, by thread and id."""

_OUTPUT_LINES: Final = 12
_COMMAND_LENGTH: Final = 400
_MAX_OPEN: Final = 1_000

_PLAN_MARKS: Final = {"pending": "○", "inProgress": "▸", "completed": "✓"}
_CHANGED: Final = {"add": "added", "delete": "deleted", "update": "edited"}
_SEVERITY: Final = {"info": Style.INFO, "warning": Style.WARNING, "error": Style.BAD}


class Narrator:
    """Writes what happens in one session to a terminal."""

    def __init__(
        self, terminal: Terminal, lookup: Lookup, *, cwd: str = "", tells_requests: bool = True
    ) -> None:
        """Tell to a terminal.

        Args:
            terminal: Where to.
            lookup: For text that streamed and is not repeated when an item is complete.
            cwd: The session's folder, to shorten paths; taken from the events when they tell it.
            tells_requests: Whether to tell that an approval waits; not where it is asked for.
        """
        self._terminal = terminal
        self._lookup = lookup
        self._cwd = cwd
        self._tells_requests = tells_requests
        self._approvals: dict[str, Approval] = {}
        self._announced: set[str] = set()
        self._plan: tuple[PlanStep, ...] = ()
        self.notices: deque[str] = deque(maxlen=20)

    def tell(self, event: Event) -> None:
        """Write the lines of an event, if it has any."""
        match event.body:
            case ItemStarted(item=item):
                self._item_started(item)
            case ItemCompleted(item=item):
                self._item_completed(self._lookup(event.thread_id, item.id) or item)
            case PlanUpdated(steps=steps):
                self._plan_updated(steps)
            case ApprovalRequested(approval=approval):
                self._approval_requested(approval)
            case ApprovalResolved() as body:
                self._approval_resolved(body)
            case TurnCompleted() as body:
                self._turn_completed(body)
            case _:
                self._tell_life(event)

    def _tell_life(self, event: Event) -> None:
        line = self._terminal.line
        match event.body:
            case SessionCreated() as body:
                self._cwd = body.cwd
                line(f"Session {event.session_id} in {body.cwd}, mode {body.mode}", Style.BOLD)
            case RuntimeStarted() as body:
                line(f"{body.runtime} {body.version}, process {body.pid}", Style.DIM)
            case ThreadOpened(how="started", model=model) if model:
                line(f"model {model}", Style.DIM)
            case ThreadOpened(how=("resumed" | "forked") as how):
                line(f"The agent's thread was {how}.", Style.DIM)
            case RuntimeExited(expected=False) as body:
                line("The agent's process ended unexpectedly.", Style.BAD)
                self._output(body.stderr)
            case Notice() as body:
                self.notices.append(body.message)
                line(body.message, _SEVERITY[body.severity])
            case FilesSettled() as body if body.outcome != "applied":
                line(body.detail or f"The files are {body.outcome}.", Style.WARNING)
            case ModeChanged() as body:
                line(f"Mode {body.mode}, set by {body.changed_by}.", Style.INFO)
            case GrantAdded() as body:
                what = body.grant.command or ", ".join(map(self._name, body.grant.paths))
                line(f"Allowed for this session: {one_line(what)}", Style.INFO)
            case GrantRevoked():
                line("A permission for this session was taken back.", Style.INFO)
            case Compacted():
                line("The agent shortened its context.", Style.INFO)
            case SubAgentOpened() as body:
                line(f"Sub-agent {body.name or event.thread_id or ''} started.", Style.INFO)
            case _:
                pass

    def _name(self, path: str) -> str:
        try:
            return str(Path(path).relative_to(self._cwd)) if self._cwd else path
        except ValueError:
            return path

    # Items --------------------------------------------------------------------------------------

    def _first_time(self, item: Item) -> bool:
        if item.id in self._announced:
            self._announced.discard(item.id)
            return False
        if len(self._announced) < _MAX_OPEN:
            self._announced.add(item.id)
        return True

    def _item_started(self, item: Item) -> None:
        match item:
            case CommandExecution() if self._first_time(item):
                self._command(item)
            case UserMessage() if self._first_time(item):
                self._terminal.line(f"> {item.text}", Style.BOLD)
            case _:
                pass

    def _command(self, item: CommandExecution) -> None:
        self._terminal.line(f"$ {one_line(item.command, _COMMAND_LENGTH)}", Style.INFO)

    def _item_completed(self, item: Item) -> None:
        line = self._terminal.line
        match item:
            case UserMessage() if self._first_time(item):
                line(f"> {item.text}", Style.BOLD)
            case AgentMessage(text=text) | PlanText(text=text) if text.strip():
                line(text.strip("\n"))
            case Reasoning(summary=summary) if summary.strip():
                line(one_line(summary, _COMMAND_LENGTH), Style.DIM)
            case CommandExecution():
                if self._first_time(item):
                    self._command(item)
                self._command_ended(item)
            case FileChanges():
                self._files_changed(item.changes, item.status)
            case ToolCall():
                name = f"{item.server}.{item.tool}" if item.server else item.tool
                how = f"failed: {one_line(item.error)}" if item.error else item.status.value
                line(f"tool {name}: {how}", Style.BAD if item.error else Style.INFO)
            case WebSearch():
                line(f"searched the web: {one_line(item.query)}", Style.INFO)
            case _:
                pass

    def _output(self, text: str) -> None:
        lines = text.rstrip("\n").split("\n") if text.strip() else []
        if len(lines) > _OUTPUT_LINES:
            left = len(lines) - _OUTPUT_LINES
            lines = [f"… {left} earlier lines", *lines[-_OUTPUT_LINES:]]
        for part in lines:
            self._terminal.line(f"  {part}", Style.DIM)

    def _command_ended(self, item: CommandExecution) -> None:
        if item.status is ItemStatus.DECLINED:
            self._terminal.line("  not run", Style.WARNING)
            return
        self._output(item.output)
        took = f", {item.duration:.1f} s" if item.duration is not None else ""
        code = "no exit code" if item.exit_code is None else f"exit code {item.exit_code}"
        good = item.exit_code == 0
        self._terminal.line(f"  {code}{took}", Style.GOOD if good else Style.WARNING)

    def _files_changed(self, changes: Iterable[ProposedChange], status: ItemStatus) -> None:
        for change in changes:
            name = self._name(change.path)
            moved = f" → {self._name(change.move_to)}" if change.move_to else ""
            match status:
                case ItemStatus.COMPLETED:
                    text, style = f"{_CHANGED[change.kind]} {name}{moved}", Style.GOOD
                case ItemStatus.DECLINED:
                    text, style = f"not changed: {name}", Style.WARNING
                case _:
                    text, style = f"could not be changed: {name}", Style.BAD
            self._terminal.line(text, style)

    # The rest -----------------------------------------------------------------------------------

    def _plan_updated(self, steps: tuple[PlanStep, ...]) -> None:
        if steps == self._plan:
            return
        self._plan = steps
        for step in steps:
            style = Style.GOOD if step.status == "completed" else Style.PLAIN
            self._terminal.line(f"  {_PLAN_MARKS[step.status]} {one_line(step.step)}", style)

    def _approval_requested(self, approval: Approval) -> None:
        if len(self._approvals) < _MAX_OPEN:
            self._approvals[approval.id] = approval
        if self._tells_requests and approval.verdict.outcome is Outcome.ASK:
            title = approval_words.title(approval, root=self._cwd)
            alarm = approval_words.alarm(approval, Mode.ESCALATE)
            if alarm:
                self._terminal.line(f"? {alarm}: {title}", Style.BAD)
            else:
                self._terminal.line(f"? {title}", Style.WARNING)
            self._terminal.line(f"  {explained(approval.verdict)}", Style.DIM)

    def _approval_resolved(self, body: ApprovalResolved) -> None:
        approval = self._approvals.pop(body.approval_id, None)
        decision = body.decision
        allowed = approval is not None and approval.verdict.outcome is Outcome.ALLOW
        if allowed and decision.kind.accepts:
            return
        what = (
            approval_words.title(approval, root=self._cwd)
            if approval is not None
            else body.approval_id
        )
        how = {
            "accept": "accepted",
            "acceptForSession": "accepted for this session",
            "decline": "declined",
            "cancel": "cancelled",
        }[decision.kind]
        if decision.hunks is not None:
            how = f"{count(len(decision.hunks), 'hunk')} accepted, the others rejected"
        how += f" and remembered as {decision.remembered}" if decision.remembered else ""
        said = one_line(decision.message)
        if approval is not None and decision.message == approval.verdict.reason:
            # A rule decided: where it stands and on what is told with its reason.
            said = explained(approval.verdict)
        why = f": {said}" if said else ""
        style = Style.GOOD if decision.kind.accepts else Style.WARNING
        self._terminal.line(f"  {how} by {decision.decided_by} ({what}){why}", style)

    def _turn_completed(self, body: TurnCompleted) -> None:
        if body.error and body.error not in self.notices:
            self._terminal.line(body.error, Style.BAD)
        elif body.status is TurnStatus.INTERRUPTED:
            self._terminal.line("The turn was interrupted.", Style.WARNING)
