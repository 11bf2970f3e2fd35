"""The judge of what is sent to an editor objects where it must: the protocol tests lean on it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.manners import about_actions, about_greeting, about_hover, objections
from tests.clients.profiles import PROFILES

WHOLE = PROFILES["sublime"]
OLD_EMACS = PROFILES["eglot-1.9"]
DIAGNOSTIC = {"range": {}, "message": "x", "code": "c"}


def published(**members: Any) -> dict[str, Any]:
    return {"method": "textDocument/publishDiagnostics", "params": {"diagnostics": [], **members}}


@pytest.mark.parametrize(
    "sent",
    [
        {"method": "window/workDoneProgress/create", "params": {"token": "t"}},
        {"method": "window/showDocument", "params": {}},
        {"method": "window/showMessageRequest", "params": {"message": "x"}},
        {"method": "workspace/codeLens/refresh", "params": None},
        {"method": "workspace/textDocumentContent/refresh", "params": {"uri": "x"}},
        {"method": "autopilot/status", "params": {}},
        {"method": "window/unheardOf", "params": {}},
        {
            "method": "client/registerCapability",
            "params": {"registrations": [{"method": "workspace/didChangeConfiguration"}]},
        },
        published(version=3),
        published(diagnostics=[{**DIAGNOSTIC, "relatedInformation": []}]),
        published(diagnostics=[{**DIAGNOSTIC, "tags": [9]}]),
        {
            "method": "workspace/applyEdit",
            "params": {"edit": {"documentChanges": [{"kind": "create"}]}},
        },
        {
            "method": "workspace/applyEdit",
            "params": {"edit": {"documentChanges": [{"edits": [{"annotationId": "a"}]}]}},
        },
        {"method": "window/showMessage", "params": {"message": "two\nlines"}},
        {"method": "$/progress", "params": {"token": "unknown", "value": {}}},
    ],
)
def test_what_was_not_announced_is_objected_to(sent: dict[str, Any]) -> None:
    assert objections(OLD_EMACS, [sent])


def test_what_was_announced_is_not() -> None:
    sent = [
        {"method": "window/workDoneProgress/create", "params": {"token": "t"}},
        {"method": "$/progress", "params": {"token": "t", "value": {}}},
        published(version=3, diagnostics=[{**DIAGNOSTIC, "data": {}, "tags": [1]}]),
        {"method": "workspace/codeLens/refresh", "params": None},
        {"method": "workspace/textDocumentContent/refresh", "params": {"uri": "x"}},
        {"id": 1, "result": None},
    ]
    assert objections(WHOLE, sent) == []


def test_answers_are_judged_too() -> None:
    action = {"title": "x", "kind": "quickfix", "command": {"command": "c"}, "tags": [1]}
    assert about_actions(OLD_EMACS, [action]) == ["the tag 1"]
    assert about_actions(WHOLE, [action]) == []
    assert about_actions(OLD_EMACS, [{"title": "x", "command": "c"}]) == []
    assert about_greeting(OLD_EMACS, {"positionEncoding": "utf-8"})
    assert about_greeting(OLD_EMACS, {"codeLensProvider": {}})
    assert about_hover(OLD_EMACS, {"contents": {"kind": "markdown", "value": "x"}})
    assert about_hover(WHOLE, {"contents": {"kind": "markdown", "value": "x"}}) == []
