"""The scripted model, asked over real HTTP as an agent asks it."""

from __future__ import annotations

import http.client
import json
import threading
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import pytest

from autopilot_ls.scripted_model import (
    JsonObject,
    ScriptedModel,
    Usage,
    call_outputs,
    codex_arguments,
    codex_config,
    command,
    compute,
    cut_stream,
    flood,
    hold,
    http_error,
    last_user_text,
    message,
    patch,
    plan,
    question,
    reasoning,
    respond,
    tool_call,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 10.0


def user(text: str) -> JsonObject:
    """A user's message as it stands in a request."""
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def request_body(text: str = "go", *, thread: str = "t1", tools: bool = True) -> JsonObject:
    """The members of a request that the model looks at."""
    offered: list[JsonObject] = [{"type": "function", "name": "exec_command"}] if tools else []
    return {"input": [user(text)], "tools": offered, "prompt_cache_key": thread}


def connect(model: ScriptedModel) -> http.client.HTTPConnection:
    """A connection to the model, with a limit on every wait."""
    return http.client.HTTPConnection(urlsplit(model.base_url).netloc, timeout=LIMIT)


def post(model: ScriptedModel, body: JsonObject | None = None) -> tuple[int, bytes]:
    """Send one request and read the whole answer."""
    connection = connect(model)
    data = json.dumps(body or request_body())
    connection.request("POST", "/v1/responses", data, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.status, answer


def events(answer: bytes) -> Iterator[JsonObject]:
    """The events of a stream; the two lines of each must agree on the type."""
    for block in answer.decode().split("\n\n"):
        if block:
            kind, data = block.split("\n")
            event = cast("JsonObject", json.loads(data.removeprefix("data: ")))
            assert kind == f"event: {event['type']}"
            yield event


def items(answer: bytes) -> list[JsonObject]:
    """The finished output items of a stream."""
    done = (event for event in events(answer) if event["type"] == "response.output_item.done")
    return [cast("JsonObject", event["item"]) for event in done]


def said(answer: bytes) -> str:
    """The text of the one message in a stream."""
    (item,) = items(answer)
    (content,) = cast("list[JsonObject]", item["content"])
    return str(content["text"])


def test_a_message_streams_its_words_and_completes_with_the_usage() -> None:
    usage = Usage(input_tokens=7, cached_input_tokens=3, output_tokens=2)
    with ScriptedModel([respond(message("hello big  world"), usage=usage)]) as model:
        status, answer = post(model)
    seen = list(events(answer))
    assert status == 200
    assert seen[0]["type"] == "response.created"
    deltas = [event["delta"] for event in seen if event["type"] == "response.output_text.delta"]
    assert deltas == ["hello ", "big ", " ", "world"]
    completed = cast("JsonObject", seen[-1]["response"])
    assert seen[-1]["type"] == "response.completed"
    assert completed["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 9,
    }


def test_steps_are_taken_in_order_and_then_a_plain_message_is_said() -> None:
    with ScriptedModel([message("one"), message("two")]) as model:
        assert model.remaining == 2
        assert [said(post(model)[1]) for _ in range(3)] == ["one", "two", "done"]
        assert model.remaining == 0
        model.extend(message("three"))
        assert said(post(model)[1]) == "three"


def test_requests_without_tools_take_no_step() -> None:
    with ScriptedModel([message("one")]) as model:
        assert said(post(model, request_body(tools=False))[1]) == "done"
        assert said(post(model)[1]) == "one"


def test_threads_follow_the_script_whose_marker_they_began_with() -> None:
    scripts = {"red": [message("r1"), message("r2")], "blue": [message("b1")]}
    with ScriptedModel(scripts) as model:
        assert said(post(model, request_body("do red", thread="a"))[1]) == "r1"
        assert said(post(model, request_body("do blue", thread="b"))[1]) == "b1"
        assert said(post(model, request_body("now blue", thread="a"))[1]) == "r2"
        assert said(post(model, request_body("neither", thread="c"))[1]) == "done"


def test_a_sub_agent_follows_the_script_of_its_own_task() -> None:
    task: JsonObject = {
        "type": "agent_message",
        "content": [
            {"type": "input_text", "text": "Payload: "},
            {"type": "encrypted_content", "encrypted_content": "blue, please"},
        ],
    }
    child = request_body("do red", thread="root")
    child["input"] = [user("do red"), task]
    child["client_metadata"] = {"thread_id": "child"}
    with ScriptedModel({"red": [message("r1"), message("r2")], "blue": [message("b1")]}) as model:
        assert said(post(model, request_body("do red", thread="root"))[1]) == "r1"
        assert said(post(model, child)[1]) == "b1"
        assert said(post(model, request_body("do red", thread="root"))[1]) == "r2"


def test_calls_have_the_shapes_that_codex_reads() -> None:
    text = "*** Begin Patch\n*** End Patch\n"
    outputs = [
        command("ls", escalate=True, justification="May I?", call_id="c1", yield_time_ms=250),
        patch(text, call_id="p1"),
        plan([("think", "completed"), ("act", "in_progress")]),
        question("q1", "Which?", [("A", "first"), ("B", "second")], header="Pick"),
        tool_call("write", {"a": 1}, namespace="mcp__files"),
    ]
    with ScriptedModel([respond(*outputs)]) as model:
        run, change, steps, asked, other = items(post(model)[1])
    assert (run["type"], run["name"], run["call_id"]) == ("function_call", "exec_command", "c1")
    assert json.loads(str(run["arguments"])) == {
        "cmd": "ls",
        "sandbox_permissions": "require_escalated",
        "justification": "May I?",
        "yield_time_ms": 250,
    }
    assert (change["type"], change["name"]) == ("custom_tool_call", "apply_patch")
    assert (change["input"], change["call_id"]) == (text, "p1")
    assert json.loads(str(steps["arguments"]))["plan"][1] == {
        "step": "act",
        "status": "in_progress",
    }
    (entry,) = json.loads(str(asked["arguments"]))["questions"]
    assert (entry["id"], entry["header"]) == ("q1", "Pick")
    assert entry["options"][1] == {"label": "B", "description": "second"}
    assert (other["namespace"], other["name"]) == ("mcp__files", "write")
    assert len({item["call_id"] for item in (run, change, steps, asked, other)}) == 5


def test_a_reasoning_summary_is_streamed_before_the_message() -> None:
    with ScriptedModel([respond(reasoning("a thought"), message("said"))]) as model:
        answer = post(model)[1]
    seen = list(events(answer))
    kind = "response.reasoning_summary_text.delta"
    deltas = [event for event in seen if event["type"] == kind]
    assert [event["delta"] for event in deltas] == ["a ", "thought"]
    assert {event["summary_index"] for event in deltas} == {0}
    assert [item["type"] for item in items(answer)] == ["reasoning", "message"]


def test_an_item_is_announced_empty_and_finished_whole() -> None:
    with ScriptedModel([command("ls")]) as model:
        seen = list(events(post(model)[1]))
    announced = next(event for event in seen if event["type"] == "response.output_item.added")
    assert cast("JsonObject", announced["item"])["arguments"] == ""


@pytest.mark.parametrize("status", [400, 429, 500])
def test_an_http_error_has_the_error_body_of_the_api(status: int) -> None:
    with ScriptedModel([http_error(status, "no", code="why")]) as model:
        got, answer = post(model)
    error = {"message": "no", "type": "scripted", "code": "why"}
    assert (got, json.loads(answer)) == (status, {"error": error})


def test_a_cut_stream_ends_without_having_completed() -> None:
    with ScriptedModel([cut_stream(message("half"))]) as model:
        answer = post(model)[1]
    assert said(answer) == "half"
    assert "response.completed" not in {event["type"] for event in events(answer)}


def test_a_held_response_goes_on_when_it_is_released() -> None:
    release = threading.Event()
    with ScriptedModel([hold(release, message("late"), first=(message("soon"),))]) as model:
        connection = connect(model)
        connection.request("POST", "/v1/responses", json.dumps(request_body()))
        response = connection.getresponse()
        before = b""
        while b"response.output_item.done" not in before:
            before += response.read1()
        assert b"late" not in before
        release.set()
        answer = before + response.read()
        connection.close()
    assert len(items(answer)) == 2
    assert list(events(answer))[-1]["type"] == "response.completed"


def test_a_held_response_ends_at_its_limit_and_when_the_server_closes() -> None:
    never = threading.Event()
    with ScriptedModel([hold(never, message("late"))], hold_limit=0.05) as model:
        assert items(post(model)[1]) == []
    with ScriptedModel([hold(never, message("late"))]) as model:
        connection = connect(model)
        connection.request("POST", "/v1/responses", json.dumps(request_body()))
        response = connection.getresponse()
    assert items(response.read()) == []
    connection.close()


def test_an_agent_that_goes_away_ends_its_hold_and_disturbs_nobody() -> None:
    never = threading.Event()
    steps = [hold(never, message("late")), message("next")]
    with ScriptedModel(steps) as model:
        connection = connect(model)
        connection.request("POST", "/v1/responses", json.dumps(request_body()))
        connection.getresponse()
        connection.close()
        assert said(post(model)[1]) == "next"


def test_a_computed_step_sees_the_request_and_what_earlier_calls_gave_back() -> None:
    body = request_body("first")
    outputs: list[JsonObject] = [
        {"type": "function_call_output", "call_id": "c", "output": "exit 0"},
        {"type": "custom_tool_call_output", "call_id": "p", "output": [{"text": "Done"}]},
    ]
    body["input"] = [user("first"), *outputs]
    with ScriptedModel([compute(lambda seen: message(" | ".join(call_outputs(seen))))]) as model:
        answer = post(model, body)[1]
        assert last_user_text(model.requests[0]) == "first"
    assert said(answer) == 'exit 0 | [{"text": "Done"}]'


def test_an_error_in_the_script_fails_the_request_and_then_the_test() -> None:
    def broken(body: JsonObject) -> JsonObject:
        raise LookupError(len(body))

    with pytest.raises(LookupError), ScriptedModel([compute(broken)]) as model:  # pyright: ignore[reportArgumentType]
        assert post(model)[0] == 500


def test_waiting_for_requests_says_how_many_came() -> None:
    with ScriptedModel() as model:
        post(model)
        assert len(model.wait_for_requests(1, LIMIT)) == 1
        with pytest.raises(TimeoutError, match="1 of 2 requests"):
            model.wait_for_requests(2, 0.01)


def test_what_is_not_a_request_of_the_api_is_refused() -> None:
    with ScriptedModel([message("one")]) as model:
        connection = connect(model)
        connection.request("POST", "/v1/responses", "[1]")
        assert connection.getresponse().status == 400
        connection.request("POST", "/v1/elsewhere", "{}")
        assert connection.getresponse().status == 404
        connection.request("GET", "/v1/models")
        assert connection.getresponse().status == 404
        connection.close()
        assert model.requests == []
        assert model.remaining == 1


def test_a_flood_is_numbered_and_ready_before_it_is_asked_for() -> None:
    count = 20_000
    with ScriptedModel([flood(count, 6)]) as model:
        answer = post(model)[1]
    deltas = [event["delta"] for event in events(answer) if "delta" in event]
    assert deltas == [f"{number:06d}" for number in range(count)]
    assert said(answer) == "".join(cast("list[str]", deltas))
    with pytest.raises(ValueError, match="cannot be numbered"):
        flood(11, 1)


def test_the_configuration_for_codex_is_the_same_on_the_command_line() -> None:
    with ScriptedModel() as model:
        config = codex_config(model)
        arguments = codex_arguments(config)
    assert arguments[::2] == ["-c"] * (len(arguments) // 2)
    assert 'model_provider="autopilot_scripted"' in arguments
    url = f'model_providers.autopilot_scripted.base_url="{model.base_url}"'
    assert url in arguments
    assert "features.default_mode_request_user_input=true" in arguments
