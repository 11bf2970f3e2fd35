"""Asking a person at the terminal for a decision.

Shows what is asked, where and why, all of it and nothing redacted, and takes an answer that was typed
after it was shown. There is no default: an empty line decides nothing. Not aware of the supervisor,
which gets the answer from `run`; `terminal` and `keyboard` stand below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

from autopilot_ls.cli.elicitation import Refused, asked_for, read_value
from autopilot_ls.cli.keyboard import Keyboard
from autopilot_ls.cli.terminal import Style, Terminal
from autopilot_ls.model.approvals import (
    Approval,
    CommandAction,
    DecisionKind,
    ElicitationAction,
    FileChange,
    Mode,
    PatchAction,
    PermissionAction,
    Question,
    QuestionAction,
    RememberOffer,
    ToolAction,
)
from autopilot_ls.model.review import Unit, units_of
from autopilot_ls.model.text import count, one_line, visible
from autopilot_ls.presentation import approvals as words
from autopilot_ls.presentation.verdicts import explained

_SHOWN_AT_ONCE: Final = 60
"""Lines of a diff that are shown unasked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the person decided; fields as in `model.approvals.Decision`.

    Attributes:
        remember: Key of the offer that is to be remembered.
        hunks: What is accepted of a patch; None for the whole.
    """

    kind: DecisionKind
    message: str = ""
    answers: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    content: str | None = None
    remember: str | None = None
    hunks: tuple[str, ...] | None = None
    reasons: dict[str, str] = field(default_factory=dict[str, str])


_STOP: Final = Answer(DecisionKind.CANCEL)


def can_be_granted(approval: Approval) -> bool:
    """Tell whether "for this session" can be offered: the broker's rule for what it would refuse."""
    match approval.action:
        case PatchAction():
            return True
        case CommandAction() as action:
            special = action.escalated or action.types_input or action.permissions
            return not special and action.network_host is None
        case _:
            return False


class Prompter:
    """Asks on one terminal."""

    def __init__(self, terminal: Terminal, keyboard: Keyboard, *, root: str = "") -> None:
        """Ask on a terminal and its keyboard; paths in titles are relative to `root`."""
        self._terminal = terminal
        self._keyboard = keyboard
        self._root = root

    async def ask(self, approval: Approval) -> Answer:
        """Show an approval and return the person's answer; cancel it to withdraw the prompt."""
        title = words.title(approval, root=self._root)
        self._terminal.line()
        # At the terminal it is said in every mode: the person is just being asked.
        alarm = words.alarm(approval, Mode.ESCALATE)
        if alarm:
            self._terminal.line(f"── {alarm}: {title}", Style.BAD, whole=True)
        else:
            self._terminal.line(f"── {title}", Style.WARNING, whole=True)
        for name, value in _facts(approval):
            self._fact(name, value)
        match approval.action:
            case QuestionAction(questions=questions):
                return await self._ask_questions(questions)
            case ElicitationAction() as action:
                return await self._ask_elicitation(action)
            case _:
                return await self._ask_choice(approval)

    def _fact(self, name: str, value: str) -> None:
        first, *more = visible(value).split("\n") or [""]
        self._terminal.line(f"  {name:<8} {first}", whole=True)
        for part in more:
            self._terminal.line(f"           {part}", whole=True)

    async def _read(self, prompt: str) -> str | None:
        self._terminal.ask(prompt)
        self._keyboard.forget()
        await self._terminal.flush()
        line = await self._keyboard.line()
        if line is None:
            self._terminal.line()
        return line

    # Yes or no ----------------------------------------------------------------------------------

    async def _ask_choice(self, approval: Approval) -> Answer:
        if approval.files:
            self._show_diff(approval.files, limit=_SHOWN_AT_ONCE)
        choices = _choices(approval)
        prompt = ", ".join(f"{key} {what}" for key, what in choices.items())
        while True:
            typed = await self._read(f"{prompt} > ")
            match "c" if typed is None else typed.strip().lower():
                case "a" if "a" in choices:
                    return Answer(DecisionKind.ACCEPT)
                case "s" if "s" in choices:
                    return Answer(DecisionKind.ACCEPT_FOR_SESSION)
                case "w" if "w" in choices:
                    chosen = await self._ask_what_to_remember(approval.offers)
                    if chosen is not None:
                        return Answer(DecisionKind.ACCEPT, remember=chosen.key)
                case "r":
                    return await self._ask_reason()
                case "c":
                    return _STOP
                case "h" if "h" in choices:
                    by_hunk = await self._ask_hunks(list(units_of(approval)))
                    if by_hunk is not None:
                        return by_hunk
                case "d" if approval.files:
                    self._show_diff(approval.files, limit=None)
                case _:
                    self._terminal.line(f"Type one of: {', '.join(choices)}.", Style.DIM)

    async def _ask_hunks(self, units: Sequence[Unit]) -> Answer | None:
        """Return the decision made of the choices for single hunks, None when the person went back."""
        accepted: list[str] = []
        reasons: dict[str, str] = {}
        for number, unit in enumerate(units, 1):
            hunks = () if unit.hunk is None else (unit.hunk,)
            self._show_diff([unit.file.model_copy(update={"hunks": hunks})], limit=None)
            place = f"hunk {number} of {len(units)}"
            keys = "n reject, q back" if unit.file.problem else "y accept, n reject, q back"
            while True:
                typed = await self._read(f"{place}: {keys} > ")
                match "q" if typed is None else typed.strip().lower():
                    case "y" if not unit.file.problem:
                        accepted.append(unit.id)
                        break
                    case "n":
                        reason = await self._read("Why? (Enter: no reason) > ")
                        reasons[unit.id] = (reason or "").strip()
                        break
                    case "q":
                        return None
                    case _:
                        self._terminal.line(f"Type one of: {keys}.", Style.DIM)
        told = {unit: reason for unit, reason in reasons.items() if reason}
        if not accepted:
            return Answer(DecisionKind.DECLINE, reasons=told)
        return Answer(DecisionKind.ACCEPT, hunks=tuple(accepted), reasons=told)

    async def _ask_what_to_remember(self, offers: Sequence[RememberOffer]) -> RememberOffer | None:
        """Return the offer that is chosen, None when the person went back."""
        for number, offer in enumerate(offers, 1):
            self._terminal.line(f"  {number}. {offer.label}", whole=True)
        self._terminal.line("  `autopilot-ls policy forget` takes it back.", Style.DIM)
        while True:
            typed = (await self._read("a number, Enter to go back > ") or "").strip()
            if not typed:
                return None
            if typed in map(str, range(1, len(offers) + 1)):
                return offers[int(typed) - 1]
            self._terminal.line("Type the number of one of these.", Style.DIM)

    async def _ask_reason(self) -> Answer:
        reason = await self._read("Why, or what instead? (Enter: no reason) > ")
        return Answer(DecisionKind.DECLINE, message=(reason or "").strip())

    def _show_diff(self, files: Sequence[FileChange], *, limit: int | None) -> None:
        lines = words.unified_diff(files, root=self._root).rstrip("\n").split("\n")
        shown = lines if limit is None else lines[:limit]
        for line in shown:
            self._terminal.line(f"  {line}", diff_style(line), whole=True)
        if len(shown) < len(lines):
            left = count(len(lines) - len(shown), "more line")
            self._terminal.line(f"  … {left}: d shows all", Style.WARNING)

    # Questions ----------------------------------------------------------------------------------

    async def _ask_questions(self, questions: Sequence[Question]) -> Answer:
        answers: dict[str, tuple[str, ...]] = {}
        for question in questions:
            answer = await self._ask_question(question)
            if isinstance(answer, Answer):
                return answer
            answers[question.id] = (answer,)
        return Answer(DecisionKind.ACCEPT, answers=answers)

    async def _ask_question(self, question: Question) -> str | Answer:
        self._terminal.line(f"  {question.text}", Style.BOLD, whole=True)
        for number, option in enumerate(question.options, 1):
            more = f" – {option.description}" if option.description else ""
            self._terminal.line(f"  {number}. {option.label}{more}", whole=True)
        ways = [
            *(["a number"] if question.options else []),
            *(["your answer"] if question.free_text or not question.options else []),
            "/r to reject",
        ]
        while True:
            typed = await self._read_answer(f"{', '.join(ways)} > ", secret=question.secret)
            if typed is None:
                return _STOP
            chosen = _chosen(question, typed.strip())
            if chosen == "/r":
                return await self._ask_reason()
            if chosen:
                return chosen
            self._terminal.line(f"Type {' or '.join(ways)}.", Style.DIM)

    async def _read_answer(self, prompt: str, *, secret: bool) -> str | None:
        if not secret:
            return await self._read(prompt)
        with self._keyboard.hidden():
            line = await self._read(prompt)
        self._terminal.line()
        return line

    async def _ask_elicitation(self, action: ElicitationAction) -> Answer:
        try:
            fields = asked_for(action.content_schema)
        except Refused as refusal:
            self._terminal.line(f"  It cannot be answered here: {refusal}.", Style.WARNING)
            return await self._ask_reason()
        content: dict[str, object] = {}
        for wanted in fields:
            while True:
                typed = await self._read(f"{wanted.prompt} (/r rejects) > ")
                if typed is None:
                    return _STOP
                if typed.strip() == "/r":
                    return await self._ask_reason()
                try:
                    read_value(wanted, typed, content)
                except Refused as refusal:
                    self._terminal.line(f"  {refusal}", Style.DIM)
                else:
                    break
        return await self._confirm_elicitation(content)

    async def _confirm_elicitation(self, content: dict[str, object]) -> Answer:
        import json

        while True:
            typed = await self._read("a accept, r reject, c reject and stop > ")
            match "c" if typed is None else typed.strip().lower():
                case "a":
                    return Answer(DecisionKind.ACCEPT, content=json.dumps(content))
                case "r":
                    return await self._ask_reason()
                case "c":
                    return _STOP
                case _:
                    self._terminal.line("Type one of: a, r, c.", Style.DIM)


def _choices(approval: Approval) -> dict[str, str]:
    """Return the keys that can be typed, each with what it does."""
    choices: dict[str, str] = {}
    if not any(change.problem for change in approval.files):
        choices["a"] = "accept"
        if can_be_granted(approval):
            choices["s"] = "accept for this session"
        if approval.offers:
            choices["w"] = "always allow …"
    choices |= {"r": "reject", "c": "reject and stop"}
    units = list(units_of(approval))
    if len(units) > 1:
        choices["h"] = "hunk by hunk"
    if approval.files:
        choices["d"] = "whole diff"
    return choices


def _chosen(question: Question, typed: str) -> str:
    """Return the answer that was meant; empty when it is none."""
    if typed.isdecimal() and 1 <= int(typed) <= len(question.options):
        return question.options[int(typed) - 1].label
    labels = {option.label.lower(): option.label for option in question.options}
    if typed == "/r" or question.free_text or not question.options:
        return labels.get(typed.lower(), typed)
    return labels.get(typed.lower(), "")


def diff_style(line: str) -> Style:
    """Return how a line of a unified diff is set off."""
    if line.startswith(("+++", "---")):
        return Style.BOLD
    return {"+": Style.GOOD, "-": Style.BAD, "@": Style.INFO}.get(line[:1], Style.PLAIN)


def _facts(approval: Approval) -> list[tuple[str, str]]:
    """Return name and text of what a person must know to decide."""
    facts: list[tuple[str, str]] = []
    action = approval.action
    match action:
        case CommandAction():
            facts += [("input" if action.types_input else "command", action.command)]
            facts += [("in", action.cwd)]
            if action.escalated:
                facts += [("sandbox", "it asks to run OUTSIDE the sandbox")]
            if action.network_host is not None:
                facts += [("network", action.network_host)]
            facts += [("wants", permission) for permission in action.permissions]
        case PatchAction():
            facts += [("file", _file_line(change)) for change in approval.files]
            if action.grant_root is not None:
                asked = f"{action.grant_root}, without asking again; this is not granted"
                facts += [("wants", asked)]
        case PermissionAction():
            facts += [("in", action.cwd)]
            facts += [("wants", permission) for permission in action.permissions]
        case ToolAction():
            facts += [("tool", f"{action.server}.{action.tool}" if action.server else action.tool)]
            facts += [("with", action.arguments)]
            facts += [("says", action.message)] if action.message else []
        case ElicitationAction():
            facts += [("from", f"the MCP server {one_line(action.server)}")]
            facts += [("says", action.message)]
            facts += [("address", action.url)] if action.url else []
        case QuestionAction():
            pass
        case _:
            assert_never(action)
    if approval.reason:
        facts += [("why", approval.reason)]
    return [*facts, ("verdict", explained(approval.verdict))]


def _file_line(change: FileChange) -> str:
    added = sum(len(hunk.new_lines) for hunk in change.hunks)
    removed = sum(len(hunk.old_lines) for hunk in change.hunks)
    moved = f" → {change.move_to}" if change.move_to else ""
    return f"{change.path}{moved} ({change.kind}, +{added} −{removed})"
