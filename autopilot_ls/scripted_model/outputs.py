"""What the scripted model can say: one function per kind of output item.

Each function returns an `Output`, a Responses API item together with the deltas that announce it.
Nothing here knows when an output is sent (`steps`) or how it is encoded (`encoding`), and nothing
knows of Autopilot. The shapes are those that Codex reads from a Responses stream.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JsonObject: TypeAlias = dict[str, object]
PlanStatus: TypeAlias = Literal["pending", "in_progress", "completed"]


@dataclass(frozen=True, slots=True)
class Output:
    """One output item of a response.

    Attributes:
        item: The finished item, as it stands in `response.output_item.done`. Its `id` and, for
            calls, its `call_id` may be missing: the server then gives one that is unique.
        deltas: The pieces of text that are streamed before the item is finished.
        delta_event: The event type which carries the deltas.
    """

    item: Mapping[str, object]
    deltas: tuple[str, ...] = ()
    delta_event: str = ""


def message(text: str, *, deltas: Sequence[str] | None = None) -> Output:
    """A message to the user.

    Args:
        text: The whole text.
        deltas: How it is streamed; by default word by word. An empty sequence streams nothing, so
            that the text arrives with the finished item only.
    """
    pieces = _words(text) if deltas is None else tuple(deltas)
    return Output(
        item={
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": text}],
        },
        deltas=pieces,
        delta_event="response.output_text.delta",
    )


def reasoning(summary: str) -> Output:
    """A reasoning item whose summary is streamed word by word.

    Codex shows it only where the thread asks for summaries; `codex_config` does.
    """
    return Output(
        item={
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": summary}],
            "content": [],
            "encrypted_content": None,
        },
        deltas=_words(summary),
        delta_event="response.reasoning_summary_text.delta",
    )


def command(
    cmd: str,
    *,
    escalate: bool = False,
    justification: str | None = None,
    call_id: str | None = None,
    workdir: str | None = None,
    prefix_rule: Sequence[str] | None = None,
    tty: bool | None = None,
    yield_time_ms: int | None = None,
) -> Output:
    """A call of `exec_command`, which runs a shell line.

    Args:
        cmd: The shell line.
        escalate: Whether to ask to leave the sandbox (`sandbox_permissions: require_escalated`).
        justification: The question that goes with an escalation.
        call_id: The id of the call, which becomes the id of the item in Codex.
        workdir: Where to run; by default the working folder of the turn.
        prefix_rule: The lasting rule the model proposes along with an escalation.
        tty: Whether to give the command a terminal.
        yield_time_ms: How long Codex waits before it leaves the command in the background.
    """
    arguments: JsonObject = {"cmd": cmd}
    if escalate:
        arguments["sandbox_permissions"] = "require_escalated"
    optional = {
        "justification": justification,
        "workdir": workdir,
        "prefix_rule": None if prefix_rule is None else list(prefix_rule),
        "tty": tty,
        "yield_time_ms": yield_time_ms,
    }
    arguments.update({name: value for name, value in optional.items() if value is not None})
    return tool_call("exec_command", arguments, call_id=call_id)


def patch(text: str, *, call_id: str | None = None) -> Output:
    """A call of the freeform `apply_patch` tool.

    Args:
        text: The patch from `*** Begin Patch` to `*** End Patch`, sent as it is, wrong or not.
        call_id: The id of the call, which becomes the id of the item in Codex.
    """
    return custom_call("apply_patch", text, call_id=call_id)


def plan(steps: Sequence[tuple[str, PlanStatus]], *, explanation: str | None = None) -> Output:
    """A call of `update_plan` with the steps and where each of them stands.

    Codex offers this tool only where `tools.update_plan.enabled` is on; `codex_config` turns it on.
    """
    arguments: JsonObject = {"plan": [{"step": step, "status": status} for step, status in steps]}
    if explanation is not None:
        arguments["explanation"] = explanation
    return tool_call("update_plan", arguments)


def question(
    question_id: str,
    text: str,
    options: Sequence[tuple[str, str]],
    *,
    header: str = "Question",
    call_id: str | None = None,
) -> Output:
    """A call of `request_user_input` with one question.

    Codex offers this tool in the collaboration mode `plan` only, unless the feature
    `default_mode_request_user_input` is on; `codex_config` turns it on.

    Args:
        question_id: The key of the answer.
        text: The question.
        options: Pairs of label and description, two or three of them.
        header: A short title, twelve characters at most.
        call_id: The id of the call, which becomes the id of the item in Codex.
    """
    choices = [{"label": label, "description": description} for label, description in options]
    entry = {"id": question_id, "header": header, "question": text, "options": choices}
    return tool_call("request_user_input", {"questions": [entry]}, call_id=call_id)


def tool_call(
    name: str,
    arguments: Mapping[str, object],
    *,
    namespace: str | None = None,
    call_id: str | None = None,
) -> Output:
    """A call of any function tool.

    Args:
        name: The tool, as the request offered it.
        arguments: The arguments, sent as JSON text.
        namespace: The namespace the request offered the tool in, which MCP servers' tools have.
        call_id: The id of the call, which becomes the id of the item in Codex.
    """
    item: JsonObject = {"type": "function_call", "name": name, "arguments": json.dumps(arguments)}
    if namespace is not None:
        item["namespace"] = namespace
    if call_id is not None:
        item["call_id"] = call_id
    return Output(item=item)


def custom_call(name: str, text: str, *, call_id: str | None = None) -> Output:
    """A call of any freeform tool, which takes text instead of JSON."""
    item: JsonObject = {"type": "custom_tool_call", "name": name, "input": text}
    if call_id is not None:
        item["call_id"] = call_id
    return Output(item=item)


def flood(deltas: int, size: int = 16) -> Output:
    """A message of very many small deltas, to see how fast a reader is.

    Each delta is its own number, padded with zeros to `size` characters: a reader can tell whether
    one was lost or came out of order.

    Args:
        deltas: How many.
        size: The characters in each, at least as many as the largest number has digits.

    Raises:
        ValueError: If `size` is too small for the numbers.
    """
    if len(str(max(deltas - 1, 0))) > size:
        raise ValueError(f"{deltas} deltas cannot be numbered in {size} characters")
    pieces = tuple(f"{number:0{size}d}" for number in range(deltas))
    return message("".join(pieces), deltas=pieces)


def _words(text: str) -> tuple[str, ...]:
    """Split after every space, so that the pieces joined are the text again."""
    starts = [0, *(index + 1 for index, character in enumerate(text) if character == " ")]
    return tuple(text[a:b] for a, b in itertools.pairwise([*starts, len(text)]) if a != b)
