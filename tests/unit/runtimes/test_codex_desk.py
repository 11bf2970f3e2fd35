from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from autopilot_ls.model.approvals import CommandAction, Decision, DecisionKind
from autopilot_ls.model.errors import AgentDied, ApprovalAlreadyResolved
from autopilot_ls.runtimes.base import ApprovalWithdrawn, RuntimeApproval
from autopilot_ls.runtimes.codex.approvals import answer_for
from autopilot_ls.runtimes.codex.desk import MAX_OPEN, UNSEEN_SANDBOX, Desk
from autopilot_ls.runtimes.codex.open_items import OpenItems
from autopilot_ls.runtimes.codex.protocol import ASKED_REQUESTS
from autopilot_ls.runtimes.codex.threads import Threads
from autopilot_ls.wire.messages import JsonObject, ServerRequest

COMMAND: JsonObject = {
    "threadId": "t",
    "turnId": "u",
    "itemId": "i",
    "command": "ls",
    "cwd": "/work",
}


def desk(threads: Threads | None = None) -> Desk:
    return Desk(OpenItems(), threads or Threads("/work"))


def ask(number: int | str, **more: str) -> ServerRequest:
    params: JsonObject = {**COMMAND, **more}
    return ServerRequest(number, "item/commandExecution/requestApproval", params, 1)


def key_of(messages: object) -> str:
    assert isinstance(messages, list)
    (asked,) = messages
    assert isinstance(asked, RuntimeApproval)
    return asked.key


def decision(kind: DecisionKind) -> Decision:
    return Decision(
        kind=kind, decided_by="test", message="why", content='{"a":1}', answers={"q": ("x",)}
    )


@pytest.mark.parametrize("method", sorted(ASKED_REQUESTS))
@pytest.mark.parametrize("kind", list(DecisionKind))
def test_an_answer_accepts_only_an_accept_and_never_for_longer(
    method: str, kind: DecisionKind
) -> None:
    params: JsonObject = {
        "permissions": {"network": {"enabled": True}},
        "questions": [{"id": "q"}],
        "availableDecisions": ["accept", "acceptForSession"],
        "proposedExecpolicyAmendment": ["ls"],
        "_meta": {"persist": ["session", "always"]},
    }
    said = json.dumps(answer_for(method, params, decision(kind)))
    assert "ession" not in said
    assert "amendment" not in said
    assert "persist" not in said
    accepting = ('"accept"', '"approved"', '"enabled"', '"answers": ["x"]')
    assert any(each in said for each in accepting) is kind.accepts


def test_one_wire_id_used_twice_is_refused_for_both() -> None:
    made = desk()
    first = key_of(made.take(ask(1)))
    told = made.take(ask(1, command="rm -rf /"))
    assert ApprovalWithdrawn(first) in told
    assert not [each for each in told if isinstance(each, RuntimeApproval)]
    assert [(each.request_id, each.result) for each in made.replies] == [
        (1, {"decision": "decline"})
    ]
    with pytest.raises(ApprovalAlreadyResolved):
        made.claim(first)


def test_zero_is_an_id_and_false_is_none() -> None:
    made = desk()
    key = key_of(made.take(ask(0)))
    assert made.resolved(False) == []
    assert made.resolved(0) == [ApprovalWithdrawn(key)]


def test_codex_taking_an_answer_is_told_once() -> None:
    made = desk()
    key = key_of(made.take(ask("a")))
    opened = made.claim(key)
    assert made.is_awaited(opened)
    assert made.resolved("a") == [ApprovalWithdrawn(key)]
    assert not made.is_awaited(opened)
    assert made.resolved("a") == []


def test_the_end_of_a_turn_withdraws_only_its_own() -> None:
    made = desk()
    gone = key_of(made.take(ask(1)))
    kept = key_of(made.take(ask(2, turnId="other")))
    assert made.turn_ended("t", "u") == [ApprovalWithdrawn(gone)]
    assert made.claim(kept).request_id == 2


def test_too_many_are_refused() -> None:
    made = desk()
    for number in range(MAX_OPEN):
        made.take(ask(number))
    told = made.take(ask("more"))
    assert not [each for each in told if isinstance(each, RuntimeApproval)]
    assert made.replies[-1].result == {"decision": "decline"}


def test_after_the_end_nothing_is_answered() -> None:
    made = desk()
    key = key_of(made.take(ask(1)))
    assert made.void() == [ApprovalWithdrawn(key)]
    with pytest.raises(AgentDied):
        made.claim(key)


# The sandbox ------------------------------------------------------------------------------------


def stored(tmp_path: Path, *calls: tuple[str, object]) -> Threads:
    lines = [
        json.dumps({"payload": {"type": "function_call", "call_id": name, "arguments": arguments}})
        for name, arguments in calls
    ]
    path = tmp_path / "rollout.jsonl"
    path.write_text("\n".join(["{broken", *lines, '{"torn"']))
    threads = Threads("/work")
    threads.learn({"id": "t", "path": str(path)})
    return threads


@pytest.mark.parametrize(
    ("arguments", "leaves"),
    [
        ('{"cmd":"ls"}', False),
        ('{"cmd":"ls","sandbox_permissions":"use_default"}', False),
        ('{"cmd":"ls","sandbox_permissions":"require_escalated"}', True),
        ('{"cmd":"ls","sandbox_permissions":"something_new"}', True),
        ('{"cmd":"ls","with_escalated_permissions":true}', True),
        ("no json", None),
        (7, None),
    ],
)
def test_leaving_the_sandbox_is_read_from_the_stored_call(
    tmp_path: Path, arguments: object, *, leaves: bool | None
) -> None:
    threads = stored(tmp_path, ("other", '{"sandbox_permissions":"x"}'), ("i", arguments))
    assert threads.leaves_sandbox("t", "i") is leaves
    (asked,) = desk(threads).take(ask(1))
    assert isinstance(asked, RuntimeApproval)
    assert isinstance(asked.action, CommandAction)
    assert asked.action.escalated is (leaves is not False)
    assert (UNSEEN_SANDBOX in asked.reason) is (leaves is None)


def test_two_stored_calls_of_one_name_count_as_the_worse(tmp_path: Path) -> None:
    threads = stored(tmp_path, ("i", '{"sandbox_permissions":"require_escalated"}'), ("i", "{}"))
    assert threads.leaves_sandbox("t", "i") is True


def test_a_pipe_in_the_place_of_the_stored_thread_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    threads = Threads("/work")
    threads.learn({"id": "t", "path": str(tmp_path / "pipe")})
    assert threads.leaves_sandbox("t", "i") is None


def test_a_child_of_unknown_place_counts_as_leaving() -> None:
    threads = Threads("/work")
    assert threads.leaves_sandbox("nobody", "i") is None
