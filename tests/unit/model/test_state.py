"""Replaying the recorded events gives the live state."""

from __future__ import annotations

from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopilot_ls.model import state as state_module
from autopilot_ls.model import turns as turns_module
from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    CommandAction,
    Decision,
    DecisionKind,
    Grant,
    Mode,
    Outcome,
    PatchAction,
    ProposedChange,
    Verdict,
)
from autopilot_ls.model.base import Frozen
from autopilot_ls.model.events import (
    AccountUpdated,
    ApprovalRequested,
    ApprovalResolved,
    Body,
    Compacted,
    DiffUpdated,
    Event,
    FilesSettled,
    GrantAdded,
    GrantRevoked,
    ItemCompleted,
    ItemStarted,
    ModeChanged,
    Notice,
    PlanUpdated,
    RateLimitsUpdated,
    RuntimeExited,
    RuntimeStarted,
    SessionCreated,
    SessionTitled,
    SubAgentOpened,
    TextDelta,
    ThreadOpened,
    TokensUsed,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
    UnknownReceived,
)
from autopilot_ls.model.items import (
    AgentMessage,
    CommandExecution,
    FileChanges,
    Item,
    PlanStep,
    RateLimit,
    Reasoning,
    TokenUsage,
    UserMessage,
)
from autopilot_ls.model.snapshots import ApprovalEntry, ItemEntry
from autopilot_ls.model.state import SessionState

M = TypeVar("M", bound=Frozen)


def _made(model: type[M], /, **members: st.SearchStrategy[object]) -> st.SearchStrategy[M]:
    # `st.builds` would also fill in the aliases that it reads off the signature.
    return st.fixed_dictionaries(members).map(lambda values: model(**values))


SESSION = "20260101-000000-abcdef"
IDS = st.sampled_from(["a", "b", "c"])
THREADS = st.sampled_from(["main", "sub"])
TEXT = st.text(max_size=40)
TOKENS = _made(TokenUsage, input_tokens=st.integers(0, 9), total_tokens=st.integers(0, 9))


def _approval(approval_id: str, command: str) -> Approval:
    return Approval(
        id=approval_id,
        session_id=SESSION,
        native_key="k",
        action=CommandAction(command=command, cwd="/w"),
        verdict=Verdict(outcome=Outcome.ASK, rule="r", source="s", reason="because"),
        requested_at=1.0,
    )


ITEMS: st.SearchStrategy[Item] = st.one_of(
    _made(AgentMessage, id=IDS, text=TEXT),
    _made(Reasoning, id=IDS, summary=TEXT),
    _made(UserMessage, id=IDS, text=TEXT),
    _made(CommandExecution, id=IDS, command=TEXT, output=TEXT),
    _made(
        FileChanges,
        id=IDS,
        changes=st.tuples(
            _made(
                ProposedChange,
                path=TEXT,
                kind=st.sampled_from(ChangeKind),
                form=st.just("unified"),
                text=TEXT,
            )
        ),
    ),
)
APPROVALS = st.builds(_approval, IDS, TEXT)
DECISIONS = _made(Decision, kind=st.sampled_from(DecisionKind), decided_by=st.just("me"))
BODIES: st.SearchStrategy[Body] = st.one_of(
    _made(SessionCreated, cwd=TEXT, runtime=TEXT, mode=st.sampled_from(Mode), title=TEXT),
    _made(SessionTitled, title=TEXT),
    _made(RuntimeStarted, runtime=TEXT, version=TEXT, pid=st.integers(1, 9)),
    _made(RuntimeExited, expected=st.booleans()),
    _made(ThreadOpened, how=st.just("started"), model=TEXT),
    _made(SubAgentOpened, name=TEXT),
    st.just(TurnStarted()),
    _made(TurnCompleted, status=st.sampled_from(TurnStatus), error=TEXT),
    _made(ItemStarted, item=ITEMS),
    _made(ItemCompleted, item=ITEMS),
    _made(
        TextDelta,
        item_id=IDS,
        field=st.sampled_from(["text", "summary", "content", "output"]),
        text=TEXT,
    ),
    _made(
        PlanUpdated,
        steps=st.tuples(_made(PlanStep, step=TEXT, status=st.just("pending"))),
    ),
    _made(DiffUpdated, diff=TEXT),
    _made(TokensUsed, usage=TOKENS),
    _made(
        RateLimitsUpdated,
        limits=st.tuples(_made(RateLimit, name=TEXT, used_percent=st.floats(0, 100))),
    ),
    _made(AccountUpdated, logged_in=st.booleans(), description=TEXT),
    _made(ApprovalRequested, approval=APPROVALS),
    _made(ApprovalResolved, approval_id=IDS, decision=DECISIONS, waited=st.floats(0, 9)),
    _made(
        FilesSettled,
        approval_id=IDS,
        outcome=st.sampled_from(["applied", "restored"]),
        paths=st.just(("/w/a",)),
    ),
    _made(ModeChanged, mode=st.sampled_from(Mode), changed_by=TEXT),
    _made(GrantAdded, grant=_made(Grant, id=IDS, command=TEXT, granted_by=TEXT)),
    _made(GrantRevoked, grant_id=IDS),
    _made(Notice, severity=st.just("warning"), code=TEXT, message=TEXT),
    st.just(Compacted()),
    _made(UnknownReceived, method=TEXT),
)


@settings(max_examples=200)
@given(st.lists(st.tuples(BODIES, THREADS, IDS), max_size=40), st.integers(1, 5))
def test_replaying_the_record_gives_the_live_state(
    facts: list[tuple[Body, str, str]], every: int
) -> None:
    live, recorded = SessionState(SESSION), list[str]()
    for seq, (body, thread, turn) in enumerate(facts, start=1):
        event = Event.model_construct(
            seq=seq, time=float(seq), session_id=SESSION, thread_id=thread, turn_id=turn, body=body
        )
        recorded.append(event.model_dump_json())
        live.apply(event)
        if seq % every == 0:
            live.snapshot()  # Looking at it in between must not change what comes out.
    replayed = SessionState(SESSION)
    for line in recorded:
        replayed.apply(Event.model_validate_json(line))
    assert replayed.snapshot() == live.snapshot()


def _state(*bodies: Body, turn: str = "t") -> SessionState:
    state = SessionState(SESSION)
    for seq, body in enumerate(bodies, start=1):
        state.apply(Event(seq=seq, time=float(seq), session_id=SESSION, turn_id=turn, body=body))
    return state


def test_an_event_out_of_order_is_refused() -> None:
    state = _state(TurnStarted())
    for seq in (1, 3):
        with pytest.raises(ValueError, match="does not follow"):
            state.apply(Event(seq=seq, time=0, session_id=SESSION, body=TurnStarted()))


def test_the_final_text_wins_and_streamed_output_stays_where_the_final_form_has_none() -> None:
    state = _state(
        TurnStarted(),
        ItemStarted(item=AgentMessage(id="m")),
        TextDelta(item_id="m", field="text", text="Hal"),
        ItemCompleted(item=AgentMessage(id="m", text="Hallo")),
        ItemStarted(item=CommandExecution(id="c", command="ls")),
        TextDelta(item_id="c", field="output", text="a\n"),
        ItemCompleted(item=CommandExecution(id="c", command="ls", exit_code=0)),
    )
    message, command = state.snapshot().turns[-1].entries
    assert isinstance(message, ItemEntry)
    assert isinstance(message.item, AgentMessage)
    assert message.item.text == "Hallo"
    assert isinstance(command, ItemEntry)
    assert isinstance(command.item, CommandExecution)
    assert (command.item.output, command.item.exit_code) == ("a\n", 0)


def test_a_snapshot_shares_what_did_not_change() -> None:
    bodies: list[Body] = [
        TurnStarted(),
        ItemStarted(item=AgentMessage(id="m", text="x")),
        TurnCompleted(status=TurnStatus.COMPLETED),
        TurnStarted(),
    ]
    state = _state(*bodies)
    before = state.snapshot()
    event = Event(
        seq=5,
        time=5,
        session_id=SESSION,
        turn_id="t",
        body=TextDelta(item_id="n", field="text", text="y"),
    )
    state.apply(event)
    after = state.snapshot()
    assert after.turns[0] is before.turns[0]
    assert after.turns[1] is not before.turns[1]


def test_turns_and_entries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "MAX_TURNS", 3)
    monkeypatch.setattr(turns_module, "MAX_ENTRIES", 5)
    many: list[Body] = []
    for _ in range(4):
        many.append(TurnStarted())
        many.extend(Notice(severity="info", code="n", message=str(n)) for n in range(8))
    snapshot = _state(*many).snapshot()
    assert (len(snapshot.turns), snapshot.dropped_turns) == (3, 1)
    assert all((len(turn.entries), turn.dropped) == (5, 3) for turn in snapshot.turns)


def test_a_patch_approval_keeps_its_place_when_it_is_resolved() -> None:
    approval = _approval("p", "x").model_copy(update={"action": PatchAction(changes=())})
    state = _state(TurnStarted(), ApprovalRequested(approval=approval))
    assert state.snapshot().pending == (approval,)
    decision = Decision(kind=DecisionKind.DECLINE, decided_by="me", message="no")
    state.apply(
        Event(
            seq=3,
            time=3,
            session_id=SESSION,
            turn_id="t",
            body=ApprovalResolved(approval_id="p", decision=decision, waited=2.0),
        )
    )
    snapshot = state.snapshot()
    assert snapshot.pending == ()
    assert snapshot.turns[-1].waited == 2.0
    assert snapshot.turns[-1].entries == (ApprovalEntry(approval, decision, 2.0),)


class _Told:
    """Applies bodies to a live state that is looked at after each of them, as clients do."""

    def __init__(self) -> None:
        self.state = SessionState(SESSION)
        self.events = list[Event]()

    def tell(self, body: Body, thread: str = "main", turn: str | None = "t1") -> None:
        event = Event(
            seq=len(self.events) + 1,
            time=float(len(self.events)),
            session_id=SESSION,
            thread_id=thread,
            turn_id=turn,
            body=body,
        )
        self.events.append(event)
        self.state.apply(event)
        self.state.snapshot()

    def assert_replay_is_equal(self) -> None:
        replayed = SessionState(SESSION)
        for event in self.events:
            replayed.apply(event)
        assert replayed.snapshot() == self.state.snapshot()


def _resolved(approval_id: str, kind: DecisionKind = DecisionKind.CANCEL) -> ApprovalResolved:
    return ApprovalResolved(
        approval_id=approval_id, decision=Decision(kind=kind, decided_by="me"), waited=2.0
    )


def test_an_approval_of_an_older_turn_is_resolved_in_its_place() -> None:
    told = _Told()
    told.tell(TurnStarted())
    told.tell(ApprovalRequested(approval=_approval("a", "make")), thread="sub")
    told.tell(TurnCompleted(status=TurnStatus.COMPLETED))
    told.tell(TurnStarted(), turn="t2")
    told.tell(_resolved("a"), thread="sub")
    first, second = told.state.snapshot().turns
    (entry,) = first.entries
    assert isinstance(entry, ApprovalEntry)
    assert entry.decision is not None
    assert (first.waited, second.waited) == (2.0, 0.0)
    told.assert_replay_is_equal()


def test_a_turn_that_another_one_cuts_off_does_not_run_for_ever() -> None:
    told = _Told()
    told.tell(TurnStarted())
    told.tell(TurnStarted(), turn="t2")
    first, second = told.state.snapshot().turns
    assert (first.status, second.status) == (TurnStatus.UNKNOWN, TurnStatus.IN_PROGRESS)
    assert first.completed_at is not None
    told.assert_replay_is_equal()


def test_what_an_older_turn_left_running_goes_on_in_its_place() -> None:
    told = _Told()
    told.tell(ThreadOpened(how="started"), turn=None)
    told.tell(TurnStarted())
    told.tell(ItemStarted(item=CommandExecution(id="a", command="serve")))
    told.tell(ItemStarted(item=AgentMessage(id="b")), thread="sub", turn="s1")
    told.tell(TurnCompleted(status=TurnStatus.COMPLETED))
    told.tell(TurnStarted(), turn="t2")
    told.tell(TextDelta(item_id="a", field="output", text="listening"))
    told.tell(TextDelta(item_id="b", field="text", text="found it"), thread="sub", turn="s1")
    told.tell(ItemStarted(item=AgentMessage(id="a", text="new")), turn="t2")
    first, second = told.state.snapshot().turns
    items = [entry.item for entry in first.entries if isinstance(entry, ItemEntry)]
    assert items == [
        CommandExecution(id="a", command="serve", output="listening"),
        AgentMessage(id="b", text="found it"),
    ]
    assert [e.item for e in second.entries if isinstance(e, ItemEntry)] == [
        AgentMessage(id="a", text="new")
    ]
    told.assert_replay_is_equal()


def test_approvals_that_have_no_place_any_more_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns_module, "MAX_ENTRIES", 3)
    told = _Told()
    told.tell(TurnStarted())
    for number in range(10):
        told.tell(ApprovalRequested(approval=_approval(f"a{number}", "make")))
        if number:
            told.tell(_resolved(f"a{number}"))
    told.tell(_resolved("a0"))
    known = [number for number in range(10) if told.state.resolved(f"a{number}") is not None]
    assert known == [7, 8, 9]
    assert told.state.pending == {}
    told.assert_replay_is_equal()


def test_a_text_that_comes_all_at_once_is_bounded_like_one_that_streams() -> None:
    told, streamed = _Told(), _Told()
    text = "".join(f"{number:07}\n" for number in range(200_000))
    told.tell(ItemCompleted(item=AgentMessage(id="a", text=text)))
    streamed.tell(ItemStarted(item=AgentMessage(id="a")))
    for start in range(0, len(text), 100_000):
        streamed.tell(TextDelta(item_id="a", field="text", text=text[start : start + 100_000]))
    entries = [t.state.snapshot().turns[0].entries[0] for t in (told, streamed)]
    assert entries[0] == entries[1]
    assert isinstance(entries[0], ItemEntry)
    assert isinstance(entries[0].item, AgentMessage)
    assert len(entries[0].item.text) < 300_000
    told.assert_replay_is_equal()


def test_a_patch_is_unsettled_from_its_accept_until_the_disk_was_looked_at() -> None:
    told = _Told()
    patch = _approval("a", "").model_copy(update={"action": PatchAction(changes=())})
    told.tell(TurnStarted())
    told.tell(ApprovalRequested(approval=patch))
    assert told.state.unsettled == {}
    told.tell(_resolved("a", DecisionKind.ACCEPT))
    told.tell(TurnCompleted(status=TurnStatus.COMPLETED))
    assert list(told.state.unsettled) == ["a"]
    told.tell(FilesSettled(approval_id="a", outcome="applied", paths=()))
    assert told.state.unsettled == {}


def test_an_approval_named_twice_stays_what_it_was_at_first() -> None:
    told = _Told()
    told.tell(TurnStarted())
    told.tell(ApprovalRequested(approval=_approval("a", "first")))
    told.tell(TurnStarted(), turn="t2")
    told.tell(ApprovalRequested(approval=_approval("a", "second")))
    assert told.state.snapshot().pending == (_approval("a", "first"),)
    told.tell(_resolved("a"))
    told.tell(ApprovalRequested(approval=_approval("a", "third")))
    assert told.state.pending == {}
    told.assert_replay_is_equal()
