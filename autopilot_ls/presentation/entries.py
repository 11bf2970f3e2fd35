"""One entry of a turn as lines of markdown.

Pure: an entry in, lines out. Which entries there are and where they stand is the transcript's affair;
how untrusted text is shown is `markdown`'s. `transcript` stands above.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, assert_never

from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    Decision,
    DecisionKind,
    ElicitationAction,
    Mark,
    Outcome,
    PatchAction,
    ProposedChange,
    QuestionAction,
)
from autopilot_ls.model.diffstat import of_proposed, summed
from autopilot_ls.model.items import (
    AgentMessage,
    CommandExecution,
    Compaction,
    FileChanges,
    Item,
    ItemStatus,
    OtherItem,
    PlanText,
    Reasoning,
    SubAgentCall,
    ToolCall,
    UserMessage,
    WebSearch,
)
from autopilot_ls.model.review import units_of
from autopilot_ls.model.snapshots import ApprovalEntry, Entry, ItemEntry, NoteEntry
from autopilot_ls.presentation import approvals
from autopilot_ls.presentation.markdown import (
    Redact,
    code,
    fence,
    output,
    plain,
    said,
    shortened,
)
from autopilot_ls.presentation.progress import duration
from autopilot_ls.presentation.verdicts import explained

MAX_CHANGE: Final = 60_000
"""Characters of one file's diff that are shown."""

MAX_CHOICES: Final = 200
"""Hunks whose choice is shown one by one."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What entries are shown against.

    Attributes:
        root: The session's folder, which paths are shown relative to.
        thread_id: The agent's main thread; items of others are a sub-agent's.
        redact: Leaves out secrets.
        zone: The time zone of times; None: the local one.
    """

    root: str
    thread_id: str | None
    redact: Redact
    zone: tzinfo | None

    def time(self, seconds: float) -> str:
        """Return a time of day."""
        return self._moment(seconds).strftime("%H:%M:%S")

    def date(self, seconds: float) -> str:
        """Return a date with the time of day."""
        return self._moment(seconds).strftime("%Y-%m-%d %H:%M")

    def _moment(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, self.zone).astimezone(self.zone)

    def relative(self, path: str) -> str:
        """Return a path relative to the session's folder."""
        return approvals.relative(path, self.root)


def render(entry: Entry, frame: Frame) -> list[str]:
    """Return the entry as markdown lines, none if there is nothing to show."""
    match entry:
        case ItemEntry():
            lines = _item(entry.item, frame)
            foreign = entry.thread_id is not None and entry.thread_id != frame.thread_id
            if lines and foreign and frame.thread_id is not None:
                lines[0] = f"{lines[0]} (sub-agent {code(entry.thread_id or '')})"
            return lines
        case ApprovalEntry():
            return _approval(entry, frame)
        case NoteEntry():
            return _note(entry, frame)
        case _:
            assert_never(entry)


def _item(item: Item, frame: Frame) -> list[str]:
    match item:
        case UserMessage():
            who = "**You**, into the running turn:" if item.steered else "**You:**"
            return [who, "", *said(frame.redact(item.text))]
        case AgentMessage():
            return ["**Agent:**", "", *said(frame.redact(item.text))] if item.text.strip() else []
        case Reasoning():
            summary = item.summary.strip()
            return ["*Reasoning:*", "", *said(frame.redact(summary))] if summary else []
        case PlanText():
            return ["**Plan in words:**", "", *said(frame.redact(item.text))] if item.text else []
        case CommandExecution():
            return _command(item, frame)
        case FileChanges():
            return _changes(item, frame)
        case _:
            return _other(item, frame)


def _other(
    item: ToolCall | WebSearch | SubAgentCall | Compaction | OtherItem, frame: Frame
) -> list[str]:
    redact = frame.redact
    match item:
        case ToolCall():
            return _tool(item, redact)
        case WebSearch():
            return [f"**Searched the web** for {code(redact(item.query))}"]
        case SubAgentCall():
            threads = ", ".join(code(thread) for thread in item.thread_ids[:8])
            lines = [f"**Sub-agent:** {code(item.tool)} {threads}".rstrip()]
            return [*lines, "", *said(redact(item.prompt))] if item.prompt.strip() else lines
        case Compaction():
            return ["*The agent shortened its context.*"]
        case OtherItem():
            summary = f": {plain(redact(item.summary), 500)}" if item.summary else ""
            return [f"**Other:** {code(item.native_type)}{summary}"]
        case _:
            assert_never(item)


def _command(item: CommandExecution, frame: Frame) -> list[str]:
    verb = {
        ItemStatus.IN_PROGRESS: "Runs",
        ItemStatus.COMPLETED: "Ran",
        ItemStatus.FAILED: "Ran",
        ItemStatus.DECLINED: "Not run",
    }[item.status]
    facts: list[str] = []
    if item.exit_code is not None:
        facts.append(f"exit code {item.exit_code}")
    elif item.status is ItemStatus.FAILED:
        facts.append("failed")
    if item.duration is not None:
        facts.append(duration(item.duration))
    if item.cwd and item.cwd != frame.root:
        facts.append(f"in {code(frame.relative(item.cwd))}")
    tail = f" ({', '.join(facts)})" if facts else ""
    command = frame.redact(item.command)
    if "\n" in command.strip():
        lines = [f"**{verb}**{tail}", "", *fence(command, "sh")]
    else:
        lines = [f"**{verb}** {code(command, 500)}{tail}"]
    if item.output.strip():
        lines.extend(["", *output(frame.redact(item.output))])
    return lines


def _changes(item: FileChanges, frame: Frame) -> list[str]:
    verb, with_diff = {
        ItemStatus.IN_PROGRESS: ("Wants to change", False),
        ItemStatus.COMPLETED: ("Changed", True),
        ItemStatus.FAILED: ("Could not change", True),
        ItemStatus.DECLINED: ("Not changed, declined:", False),
    }[item.status]
    names = [code(frame.relative(change.path), 300) for change in item.changes]
    lines = [f"**{verb}** {', '.join(names)} ({summed(of_proposed(item.changes))})"]
    if with_diff:
        for change in item.changes:
            lines.extend(["", *fence(frame.redact(_worded(change, frame)), "diff")])
    return lines


def _worded(change: ProposedChange, frame: Frame) -> str:
    old, new = frame.relative(change.path), frame.relative(change.move_to or change.path)
    if change.form == "unified":
        body = change.text
    else:
        mark = "+" if change.kind is ChangeKind.ADD else "-"
        body = "".join(f"{mark}{line}\n" for line in change.text.split("\n")[:-1])
        last = change.text.rpartition("\n")[2]
        body += f"{mark}{last}\n\\ No newline at end of file\n" if last else ""
    first = "/dev/null" if change.kind is ChangeKind.ADD else f"a/{old}"
    second = "/dev/null" if change.kind is ChangeKind.DELETE else f"b/{new}"
    return f"--- {first}\n+++ {second}\n{shortened(body, MAX_CHANGE)}"


def _tool(item: ToolCall, redact: Redact) -> list[str]:
    verb = {
        ItemStatus.IN_PROGRESS: "Calls",
        ItemStatus.COMPLETED: "Called",
        ItemStatus.FAILED: "Called in vain",
        ItemStatus.DECLINED: "Not called",
    }[item.status]
    lines = [f"**{verb}** {code(f'{item.server}.{item.tool}' if item.server else item.tool)}"]
    if item.arguments.strip() not in {"", "{}", "null"}:
        lines.extend(["", *fence(shortened(redact(item.arguments)), "json")])
    if item.result.strip():
        lines.extend(["", *output(redact(item.result))])
    if item.error.strip():
        lines.extend(["", "It failed:", "", *said(shortened(redact(item.error)))])
    return lines


def _note(note: NoteEntry, frame: Frame) -> list[str]:
    text = frame.redact(note.message).strip()
    label = {"info": "Note", "warning": "Warning", "error": "Error"}[note.severity]
    tag = f" ({code(note.code)})" if note.code and note.severity != "info" else ""
    if "\n" in text:
        return [f"**{label}**{tag}:", "", *said(text)]
    if note.severity == "info":
        return [f"*{label}:* {plain(text, 1_000)}"]
    return [f"**{label}**{tag}: {plain(text, 1_000)}"]


def _approval(entry: ApprovalEntry, frame: Frame) -> list[str]:
    approval, decision = entry.approval, entry.decision
    name = plain(approvals.title(approval, root=frame.root, redact=frame.redact))
    verdict = approval.verdict
    if decision is not None and decision.kind.accepts and verdict.outcome is Outcome.ALLOW:
        # What a rule let pass is on record, but needs no heading among what a person decided.
        why = explained(verdict, redact=frame.redact, markdown=True)
        return [f"*Without asking:* {name}. {why}"]
    lines = [f"### Approval {_heading(decision)}: {name}", ""]
    lines.extend(approvals.details(approval, root=frame.root, redact=frame.redact))
    lines.extend(approvals.why(approval, redact=frame.redact))
    if decision is None:
        lines.append(f"- **Waits since:** {frame.time(approval.requested_at)}")
        lines.append(
            "- **To decide:** the code actions on this heading, or the command "
            f"`autopilot.approval.decide` with the `approvalId` {code(approval.id)}"
        )
        for offer in approval.offers:
            label = plain(frame.redact(offer.label), 600)
            lines.append(f"- **Can be remembered:** {label} (`remember`: {code(offer.key)})")
    else:
        lines.extend(_decided(entry, decision, frame))
    lines.extend(_choices(approval, decision, frame))
    undone = decision is None or not decision.kind.accepts or decision.hunks is not None
    if isinstance(approval.action, PatchAction) and approval.files and undone:
        diff = approvals.unified_diff(approval.files, root=frame.root)
        lines.extend(["", *fence(shortened(frame.redact(diff), MAX_CHANGE), "diff")])
    return lines


def _choices(approval: Approval, decision: Decision | None, frame: Frame) -> list[str]:
    """Return what was chosen for single hunks, so far or in the end."""
    accepted = {choice.hunk_id for choice in approval.marks if choice.mark is Mark.ACCEPT}
    reasons = {choice.hunk_id: choice.message for choice in approval.marks}
    chosen = set(reasons)
    if decision is not None:
        if decision.hunks is None:
            return []
        accepted, reasons = set(decision.hunks), decision.reasons
        chosen = {unit.id for unit in units_of(approval)}
    lines: list[str] = []
    for unit in units_of(approval):
        if unit.id not in chosen:
            continue
        name = code(frame.relative(unit.file.path), 300)
        what = f"{name}, hunk {unit.number} of {unit.of}" if unit.hunk else name
        how = "accepted" if unit.id in accepted else "rejected"
        why = plain(frame.redact(reasons.get(unit.id, "")), 300)
        lines.append(f"  - {what}: {how}{f' ({why})' if why.strip() else ''}")
    more = len(lines) - MAX_CHOICES
    if more > 0:
        lines = [*lines[:MAX_CHOICES], f"  - and {more} more"]
    if not lines:
        return []
    place = ""
    if decision is not None and decision.in_editor:
        place = " (in the editor)"
    elif decision is not None and decision.merged:
        place = " (into unsaved text)"
    return ["", f"- **Hunk by hunk{place}:**", *lines]


def _heading(decision: Decision | None) -> str:
    if decision is None:
        return "waiting for you"
    if decision.hunks is not None:
        return "accepted in part"
    return {
        DecisionKind.ACCEPT: "accepted",
        DecisionKind.ACCEPT_FOR_SESSION: "accepted for this session",
        DecisionKind.DECLINE: "declined",
        DecisionKind.CANCEL: "cancelled",
    }[decision.kind]


def _decided(entry: ApprovalEntry, decision: Decision, frame: Frame) -> list[str]:
    at = frame.time(entry.approval.requested_at + entry.waited)
    lines = [
        f"- **Decided by:** {plain(decision.decided_by)} at {at}, after {duration(entry.waited)}"
    ]
    if decision.message.strip():
        lines.extend(["- **Because:**", "", *said(frame.redact(decision.message))])
    if decision.remembered:
        labels = {offer.key: offer.label for offer in entry.approval.offers}
        what = plain(frame.redact(labels.get(decision.remembered, "")), 600)
        forget = f"`autopilot-ls policy forget {decision.remembered}` takes it back"
        lines.append(f"- **Remembered:** {what or code(decision.remembered)} ({forget})")
    action = entry.approval.action
    if isinstance(action, QuestionAction):
        for question in action.questions:
            given = decision.answers.get(question.id, ())
            shown = ", ".join(plain(frame.redact(answer), 1_000) for answer in given)
            secret = "(given, not shown)" if question.secret and given else ""
            lines.append(f"- **Answer to {code(question.id)}:** {secret or shown or '(none)'}")
    elif isinstance(action, ElicitationAction) and decision.content is not None:
        if _asks_for_secrets(action.content_schema):
            lines.append("- **Content:** (given, not shown)")
        else:
            lines.extend(["", *fence(shortened(frame.redact(decision.content)), "json")])
    return lines


def _asks_for_secrets(schema: str) -> bool:
    """Tell whether a JSON Schema asks for something like a password; in doubt it does."""
    try:
        text = json.dumps(json.loads(schema)).casefold()
    except ValueError:
        return True
    return any(word in text for word in ("password", "secret", "token", "credential", "api_key"))
