"""Code actions that give the agent work: fix a diagnostic, something with a selection, a comment's task.

Pure: from a document and a place to offers. Not aware of sessions. `code_actions` stands above.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from lsprotocol import types
from pydantic import JsonValue

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.convert import content
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.actions import QUICK_FIX, REFACTOR, REWRITE, Offer
from autopilot_ls.lsp.features.encoded import SOURCE
from autopilot_ls.model.text import one_line

MAX_DIAGNOSTICS: Final = 5
"""Diagnostics at one place that "fix this" is offered for."""

_MAX_MESSAGE: Final = 2_000

# What a comment begins with in about any language. Behind code it needs a space before it; a quote
# begins a string there, and a comment only at the start of a line.
_TASK: Final = re.compile(
    r"(?:^\s*(?:\"+|'+)|(?:^|\s)"
    r"(?:#+[|!:]?|/{2,}!?|/\*+!?|\*+|-{2,}[\[{|]*|;+|%+\{?|<!--+|\(\*+|\{-+|\{#+|<%--|\.\.|"
    r"@?rem\b|dnl\b|!))"
    r"\s*autopilot\s*:\s*(?P<task>\S.*)$",
    re.IGNORECASE,
)
_CLOSING: Final = re.compile(r"\s*(?:\*+/|--+>|--%>|\*+\)|-+\}|#+\}|\]\]|%\}|\|#|\"{3}|'{3})\s*$")

_SELECTION: Final = (
    (
        "explain the selection",
        "Explain what this code does and why. Do not change any file.",
        REFACTOR,
    ),
    ("add tests for the selection", "Add tests for this code.", REWRITE),
    ("document the selection", "Document this code where it stands.", REWRITE),
    ("improve the selection", "Improve this code without changing what it does.", REWRITE),
)


def task_in(line: str) -> str | None:
    """Return the task that a comment in this line gives, if one does."""
    found = _TASK.search(content(line))
    if found is None:
        return None
    return _CLOSING.sub("", found["task"]).strip() or None


def offers(
    document: Document, place: types.Range, diagnostics: Iterable[types.Diagnostic], selection: str
) -> list[Offer]:
    """Return the work that may be begun at a place."""
    found = [
        _fix(document, diagnostic)
        for diagnostic in [d for d in diagnostics if d.source != SOURCE][:MAX_DIAGNOSTICS]
    ]
    line = place.start.line
    task = task_in(document.lines[line]) if 0 <= line < len(document.lines) else None
    if task is not None:
        where = types.Range(types.Position(line, 0), types.Position(line + 1, 0))
        text = (
            f"{task}\n\n(This task stands in the comment that is referred to; remove the comment.)"
        )
        found.append(_start(f"run this task: {one_line(task, 100)}", text, document, where))
    if selection.strip():
        found += [
            _start(title, text, document, place, kind=kind) for title, text, kind in _SELECTION
        ]
    return found


def _start(
    title: str,
    text: str,
    document: Document,
    place: types.Range,
    *,
    kind: types.CodeActionKind = QUICK_FIX,
    diagnostics: tuple[types.Diagnostic, ...] = (),
) -> Offer:
    reference: dict[str, JsonValue] = {"uri": document.uri, "range": _plain(place)}
    argument: dict[str, JsonValue] = {"text": text, "references": [reference]}
    return Offer(title, methods.TURN_START, argument, kind=kind, diagnostics=diagnostics)


def _plain(place: types.Range) -> dict[str, JsonValue]:
    return {
        "start": {"line": place.start.line, "character": place.start.character},
        "end": {"line": place.end.line, "character": place.end.character},
    }


def _fix(document: Document, diagnostic: types.Diagnostic) -> Offer:
    origin = " ".join(
        str(part) for part in (diagnostic.source, diagnostic.code) if part is not None
    )
    said_by = f" ({origin})" if origin else ""
    message = str(diagnostic.message)[:_MAX_MESSAGE]
    return _start(
        f"fix this: {one_line(message, 100)}",
        f"Fix this problem{said_by}: {message}",
        document,
        diagnostic.range,
        diagnostics=(diagnostic,),
    )
