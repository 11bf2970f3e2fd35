from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from autopilot_ls.model.approvals import PatchAction
from autopilot_ls.model.events import (
    Body,
    DiffUpdated,
    ItemStarted,
    Notice,
    SubAgentOpened,
    TextDelta,
    TokensUsed,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
    UnknownReceived,
)
from autopilot_ls.runtimes.base import RuntimeApproval, RuntimeEvent, RuntimeMessage
from autopilot_ls.runtimes.codex.items import MAPPERS
from autopilot_ls.runtimes.codex.mapping import Mapper
from autopilot_ls.runtimes.codex.protocol import (
    ASKED_REQUESTS,
    MAPPED_ITEMS,
    MAPPED_NOTIFICATIONS,
    RECORDED_ITEMS,
    RECORDED_NOTIFICATIONS,
    REFUSED_REQUESTS,
)
from autopilot_ls.wire.messages import (
    Incoming,
    JsonObject,
    JsonValue,
    Malformed,
    Notification,
    OrphanError,
    ServerRequest,
)

MAIN, TURN = "main", "turn"


def mapper() -> Mapper:
    made = Mapper("/work")
    made.threads.main_id = MAIN
    made.threads.note(MAIN)
    return made


def note(method: str, frame: int = 1, **params: JsonValue) -> Notification:
    return Notification(method, {"threadId": MAIN, "turnId": TURN, **params}, frame)


def delta(text: str, frame: int, item: str = "i", **params: JsonValue) -> Notification:
    return note("item/agentMessage/delta", frame, itemId=item, delta=text, **params)


def bodies(messages: list[RuntimeMessage]) -> list[Body]:
    return [each.body for each in messages if isinstance(each, RuntimeEvent)]


def test_the_deltas_of_a_batch_become_one_for_each_item_and_field() -> None:
    batch: list[Incoming] = [
        delta("a", 1),
        delta("b", 2),
        delta("x", 3, item="j"),
        delta("c", 4),
        note("item/reasoning/summaryTextDelta", 5, itemId="r", delta="s", summaryIndex=0),
    ]
    found = mapper().map(batch)
    assert [each.frames for each in found if isinstance(each, RuntimeEvent)] == [
        (1, 4),
        (3, 3),
        (5, 5),
    ]
    assert bodies(found) == [
        TextDelta(item_id="i", field="text", text="abc"),
        TextDelta(item_id="j", field="text", text="x"),
        TextDelta(item_id="r", field="summary", text="s"),
    ]


def test_nothing_overtakes_what_stands_between_deltas() -> None:
    batch: list[Incoming] = [
        delta("a", 1),
        note("turn/diff/updated", 2, diff="d"),
        delta("b", 3),
    ]
    assert [type(each) for each in bodies(mapper().map(batch))] == [
        TextDelta,
        DiffUpdated,
        TextDelta,
    ]


def test_a_flood_costs_less_than_five_microseconds_for_each_delta() -> None:
    batch: list[Incoming] = [delta(f"{number:016}", number) for number in range(20_000)]
    made = mapper()
    made.map(batch)
    best = 1.0
    for _ in range(5):
        before = time.process_time()
        made.map(batch)
        best = min(best, time.process_time() - before)
    assert best / len(batch) < 5e-6


def test_turns_plans_and_diffs_of_sub_agents_are_not_the_sessions() -> None:
    child: JsonObject = {"threadId": "child", "turnId": "t2"}
    usage: JsonObject = {"total": {"inputTokens": 3, "totalTokens": 4}, "last": {}}
    item: JsonObject = {"type": "agentMessage", "id": "m", "text": ""}
    batch: list[Incoming] = [
        Notification("turn/started", {"threadId": "child", "turn": {"id": "t2"}}, 1),
        Notification("turn/plan/updated", {**child, "plan": []}, 2),
        Notification("turn/diff/updated", {**child, "diff": "x"}, 3),
        Notification("item/started", {**child, "item": item}, 4),
        Notification("thread/tokenUsage/updated", {**child, "tokenUsage": usage}, 5),
        Notification(
            "turn/completed", {"threadId": "child", "turn": {"id": "t2", "status": "failed"}}, 6
        ),
    ]
    found = mapper().map(batch)
    assert [type(each) for each in bodies(found)] == [SubAgentOpened, ItemStarted, TokensUsed]
    assert {each.thread_id for each in found if isinstance(each, RuntimeEvent)} == {"child"}


def test_a_turn_whose_beginning_is_said_twice_is_one_turn() -> None:
    def says(what: str, frame: int) -> Notification:
        turn: JsonObject = {"id": TURN, "status": "completed"}
        return Notification(what, {"threadId": MAIN, "turn": turn}, frame)

    beginning, end = "turn/started", "turn/completed"
    said = [beginning, beginning, end, beginning]
    found = bodies(mapper().map([says(what, frame) for frame, what in enumerate(said)]))
    assert [type(each) for each in found] == [TurnStarted, TurnCompleted, TurnStarted]


def test_a_patch_request_gets_the_changes_of_its_item() -> None:
    change: JsonObject = {"path": "a.txt", "kind": {"type": "add"}, "diff": "x"}
    item: JsonObject = {"type": "fileChange", "id": "p", "changes": [change]}
    asks: JsonObject = {"threadId": MAIN, "turnId": TURN, "itemId": "p"}
    found = mapper().map(
        [
            note("item/started", 1, item=item),
            ServerRequest(7, "item/fileChange/requestApproval", asks, 2),
        ]
    )
    asked = found[-1]
    assert isinstance(asked, RuntimeApproval)
    assert isinstance(asked.action, PatchAction)
    assert [each.path for each in asked.action.changes] == ["/work/a.txt"]


def test_a_patch_that_nobody_can_see_is_declined() -> None:
    made = mapper()
    broken: JsonObject = {"path": "a.txt", "kind": {"type": "replace"}, "diff": "x"}
    item: JsonObject = {"type": "fileChange", "id": "p", "changes": [broken]}
    asks: JsonObject = {"threadId": MAIN, "turnId": TURN, "itemId": "p"}
    found = made.map(
        [
            note("item/started", 1, item=item),
            ServerRequest(7, "item/fileChange/requestApproval", asks, 2),
            ServerRequest(8, "item/fileChange/requestApproval", {**asks, "itemId": "?"}, 3),
        ]
    )
    assert not [each for each in found if isinstance(each, RuntimeApproval)]
    assert [each.result for each in made.desk.replies] == [{"decision": "decline"}] * 2
    assert [each.code for each in bodies(found) if isinstance(each, Notice)] == [
        "request-refused"
    ] * 2


def test_an_error_is_told_once_with_the_end_of_its_turn() -> None:
    error: JsonObject = {"message": "no", "codexErrorInfo": "unauthorized"}
    made = mapper()
    found = made.map(
        [
            note("error", 1, error={"message": "again"}, willRetry=True),
            note("error", 2, error=error, willRetry=False),
            Notification(
                "turn/completed", {"threadId": MAIN, "turn": {"id": TURN, "status": "failed"}}, 3
            ),
        ]
    )
    retry, end = bodies(found)
    assert isinstance(retry, Notice)
    assert retry.will_retry
    assert isinstance(end, TurnCompleted)
    assert (end.status, end.error_code) == (TurnStatus.FAILED, "not-logged-in")
    assert made.held_errors() == []


def test_a_command_that_ran_without_a_question_sounds_the_alarm_once() -> None:
    made = mapper()
    item: JsonObject = {"type": "commandExecution", "id": "c", "command": "rm -rf x"}
    done: JsonObject = {**item, "status": "completed", "exitCode": 0}
    found = made.map([note("item/started", 1, item=item), note("item/completed", 2, item=done)] * 2)
    alarms = [each for each in bodies(found) if isinstance(each, Notice)]
    assert made.watch.breached
    assert len(alarms) == 1
    assert "rm -rf x" in alarms[0].message


def test_what_is_unknown_is_counted_and_nothing_breaks() -> None:
    made = mapper()
    found = made.map(
        [
            note("brand/new"),
            note("item/started", 2, item={"type": "hologram", "id": "h"}),
            note("item/agentMessage/delta", 3, itemId=5, delta="x"),
            note("item/agentMessage/delta", 4, itemId="i", delta=None),
            OrphanError(-32600, "what?", 5),
            Malformed("{", 6),
            Malformed("[]", 7, request_id=9),
            ServerRequest(1, "brand/newRequest", {}, 8),
        ]
    )
    unknown = [each.method for each in bodies(found) if isinstance(each, UnknownReceived)]
    assert unknown == [
        "brand/new",
        "item hologram",
        "item/agentMessage/delta",
        "item/agentMessage/delta",
        "malformed frame",
        "malformed frame",
    ]
    assert [(each.request_id, each.error[0]) for each in made.desk.replies] == [
        (9, -32600),
        (1, -32601),
    ]


def test_each_name_stands_in_one_list_and_is_handled_as_it_says() -> None:
    assert mapper().handled == MAPPED_NOTIFICATIONS
    assert not MAPPED_NOTIFICATIONS & RECORDED_NOTIFICATIONS
    assert not ASKED_REQUESTS & REFUSED_REQUESTS
    assert frozenset(MAPPERS) == MAPPED_ITEMS
    assert not MAPPED_ITEMS & RECORDED_ITEMS


SMALL = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", MAIN, TURN, "i", "update", "failed", "/a", "inProgress", "command"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "threadId",
                    "turnId",
                    "itemId",
                    "item",
                    "id",
                    "type",
                    "status",
                    "changes",
                    "path",
                    "kind",
                    "diff",
                    "error",
                    "message",
                    "turn",
                    "delta",
                    "plan",
                    "step",
                    "thread",
                    "tokenUsage",
                    "total",
                    "rateLimits",
                    "primary",
                    "usedPercent",
                    "run",
                    "params",
                    "questions",
                    "permissions",
                    "fileSystem",
                    "entries",
                    "network",
                    "command",
                    "cwd",
                    "_meta",
                    "mode",
                    "codex_approval_kind",
                    "serverName",
                    "requestedSchema",
                    "fileChanges",
                    "conversationId",
                    "codexErrorInfo",
                    "requestId",
                    "summaryIndex",
                    "tool_params",
                    "arguments",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)
PARAMS = st.dictionaries(
    st.sampled_from(
        [
            "threadId",
            "turnId",
            "itemId",
            "item",
            "turn",
            "error",
            "delta",
            "diff",
            "plan",
            "thread",
            "tokenUsage",
            "rateLimits",
            "run",
            "questions",
            "permissions",
            "command",
            "cwd",
            "_meta",
            "mode",
            "serverName",
            "fileChanges",
            "conversationId",
            "requestId",
            "summaryIndex",
            "message",
            "kind",
            "changes",
            "willRetry",
            "reason",
        ]
    ),
    SMALL,
    max_size=8,
)
METHODS = sorted(MAPPED_NOTIFICATIONS | {"some/thing"})
REQUESTS = sorted(ASKED_REQUESTS | REFUSED_REQUESTS | {"some/request"})


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(METHODS), PARAMS, st.booleans(), st.sampled_from(REQUESTS)),
        max_size=12,
    )
)
def test_whatever_codex_sends_is_mapped_and_each_request_has_one_fate(
    sent: list[tuple[str, JsonObject, bool, str]],
) -> None:
    made = mapper()
    batch: list[Incoming] = []
    for number, (method, params, asks, request) in enumerate(sent):
        if asks:
            batch.append(ServerRequest(number, request, params, number + 1))
        else:
            batch.append(Notification(method, params, number + 1))
    found = made.map(batch)
    asked = [each for each in found if isinstance(each, RuntimeApproval)]
    assert len({each.key for each in asked}) == len(asked)
    answered = [each.request_id for each in made.desk.replies]
    assert len(set(answered)) == len(answered)
    requests = sum(isinstance(each, ServerRequest) for each in batch)
    assert len(answered) <= requests <= len(answered) + len(asked)
    for reply in made.desk.replies:
        assert "accept" not in str(reply.result)
        assert "approved" not in str(reply.result)
