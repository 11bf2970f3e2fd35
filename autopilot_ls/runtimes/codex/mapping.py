"""Codex's notifications as facts of the model.

Takes what one read of the pipe brought and gives what it means, in order. Text deltas, which come by
the ten thousand, are joined by item on the way. Never raises on what Codex sends: what is not known,
or has an unexpected shape, is reported as `UnknownReceived`. Not aware of how approvals are answered.
`runtime` stands above; `deltas`, `items`, `counts`, `notices`, `desk` and `threads` below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, cast

from autopilot_ls.model.errors import AgentNotSafe
from autopilot_ls.model.events import (
    AccountUpdated,
    Body,
    Compacted,
    DiffUpdated,
    ItemCompleted,
    ItemStarted,
    Notice,
    PlanUpdated,
    RateLimitsUpdated,
    SubAgentOpened,
    TextDelta,
    TokensUsed,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
    UnknownReceived,
)
from autopilot_ls.model.items import (
    RateLimit,
    UserMessage,
)
from autopilot_ls.runtimes.base import RuntimeEvent, RuntimeMessage
from autopilot_ls.runtimes.codex.approvals import INVALID_REQUEST
from autopilot_ls.runtimes.codex.counts import plan_steps, rate_limits, token_usage
from autopilot_ls.runtimes.codex.deltas import Deltas
from autopilot_ls.runtimes.codex.desk import Desk
from autopilot_ls.runtimes.codex.failures import Failure, turn_failure
from autopilot_ls.runtimes.codex.fields import (
    Table,
    flag,
    integer,
    optional_text,
    table,
    text,
)
from autopilot_ls.runtimes.codex.guard import DECIDING_HOOKS
from autopilot_ls.runtimes.codex.items import describe, item_from, was_carried_out
from autopilot_ls.runtimes.codex.notices import NOTICES, account_description
from autopilot_ls.runtimes.codex.open_items import OpenItems
from autopilot_ls.runtimes.codex.protocol import DELTAS, MAPPED_ITEMS, RECORDED_NOTIFICATIONS
from autopilot_ls.runtimes.codex.threads import Threads
from autopilot_ls.wire.messages import Incoming, Notification, OrphanError, ServerRequest

_MAX_LIMITS: Final = 50
_MAX_NAME: Final = 200
_MAX_TYPED: Final = 2_000
_TURN: Final = {
    "completed": TurnStatus.COMPLETED,
    "interrupted": TurnStatus.INTERRUPTED,
    "failed": TurnStatus.FAILED,
}
_REVIEWS: Final = frozenset(
    {
        "item/autoApprovalReview/started",
        "item/autoApprovalReview/completed",
        "autoApprovalReview/strictReviewRequired",
    }
)
_BREACH: Final = (
    "The turn is stopped. Look at what it did, run `autopilot-ls doctor`, and report this."
)

_Handler = Callable[[Notification, Table], None]


class Mapper:
    """Maps what one Codex process sends; keeps only what later messages refer to.

    Attributes:
        threads: The threads that are known.
        items: The items that have begun.
        desk: Where requests go.
        breached: Whether Codex was seen to act or decide by itself, which must never happen.
        expects_asking: Whether this Codex asks before everything.
    """

    def __init__(self, cwd: str) -> None:
        """Create a mapper for a session in this absolute folder."""
        self.threads = Threads(cwd)
        self.items = OpenItems()
        self.desk = Desk(self.items, self.threads)
        self.breached = False
        self.expects_asking = True
        self._out: list[RuntimeMessage] = []
        self._errors: dict[str, Failure] = {}
        self._user_turns: dict[str, str] = {}
        self._compacted: dict[str, str] = {}
        self._diff: tuple[str, str] = ("", "")
        self._limits: dict[str, tuple[RateLimit, ...]] = {}
        self._handlers: dict[str, _Handler] = {
            "account/rateLimits/updated": self._rate_limits,
            "account/updated": self._account,
            "error": self._error,
            "item/commandExecution/terminalInteraction": self._typed,
            "item/completed": self._item_completed,
            "item/fileChange/patchUpdated": self._patch_updated,
            "item/reasoning/summaryPartAdded": self._summary_part,
            "item/started": self._item_started,
            "serverRequest/resolved": self._resolved,
            "thread/compacted": self._thread_compacted,
            "thread/started": self._thread_started,
            "thread/tokenUsage/updated": self._tokens,
            "turn/completed": self._turn_completed,
            "turn/diff/updated": self._turn_diff,
            "turn/plan/updated": self._turn_plan,
            "turn/started": self._turn_started,
            **dict.fromkeys(_REVIEWS, self._review),
            **dict.fromkeys(NOTICES, self._notice),
        }

    @property
    def handled(self) -> frozenset[str]:
        """The notifications that are understood."""
        return frozenset(self._handlers) | frozenset(DELTAS)

    def map(self, batch: Sequence[Incoming]) -> list[RuntimeMessage]:
        """Return what a batch means, in order.

        Deltas of one item and field that nothing else separates become one `TextDelta`. Costs well
        under a microsecond for each.
        """
        out = self._out = []
        deltas = Deltas()
        fields = DELTAS
        for incoming in batch:
            if incoming.__class__ is Notification:
                notification = cast("Notification", incoming)
                field = fields.get(notification.method)
                if field is not None:
                    if not deltas.add(notification, field):
                        self._flush(deltas)
                        self._unknown(notification)
                    continue
            if deltas:
                self._flush(deltas)
            self._map_one(incoming)
        if deltas:
            self._flush(deltas)
        self._out = []
        return out

    def _flush(self, deltas: Deltas) -> None:
        for event in deltas.take():
            self._see_thread(event.thread_id or "")
            self._out.append(event)

    # Everything else --------------------------------------------------------------------------

    def _map_one(self, incoming: Incoming) -> None:
        if isinstance(incoming, Notification):
            handler = self._handlers.get(incoming.method)
            if handler is not None:
                try:
                    handler(incoming, incoming.params)
                except (ValueError, TypeError, KeyError, RecursionError):
                    self._unknown(incoming)
            elif incoming.method not in RECORDED_NOTIFICATIONS:
                self._unknown(incoming)
        elif isinstance(incoming, ServerRequest):
            thread = optional_text(incoming.params, "threadId")
            if thread is not None:
                self._see_thread(thread)
            self._out += self.desk.take(incoming)
        elif isinstance(incoming, OrphanError):
            notice = Notice(severity="warning", code="rpc-error", message=incoming.message)
            self._out.append(RuntimeEvent(notice, frames=(incoming.frame, incoming.frame)))
        else:
            if incoming.request_id is not None:
                self.desk.refuse(incoming.request_id, INVALID_REQUEST, "This is no request.")
            unknown = UnknownReceived(method="malformed frame")
            self._out.append(RuntimeEvent(unknown, frames=(incoming.frame, incoming.frame)))

    def _unknown(self, notification: Notification) -> None:
        self._emit(UnknownReceived(method=notification.method[:_MAX_NAME]), notification)

    def _emit(self, body: Body, notification: Notification) -> None:
        params = notification.params
        turn = optional_text(params, "turnId") or optional_text(table(params, "turn"), "id")
        self._out.append(
            RuntimeEvent(
                body,
                thread_id=optional_text(params, "threadId"),
                turn_id=turn,
                frames=(notification.frame, notification.frame),
            )
        )

    def _see_thread(self, thread: str, parent: str = "", name: str = "") -> None:
        """Report a thread that shows up for the first time and is not the main one."""
        if thread in self.threads:
            return
        self.threads.note(thread)
        if self.threads.main_id is not None and not self.threads.is_main(thread):
            opened = SubAgentOpened(parent_thread_id=parent or self.threads.main_id, name=name)
            self._out.append(RuntimeEvent(opened, thread_id=thread))

    def _thread_started(self, notification: Notification, params: Table) -> None:
        native = table(params, "thread")
        thread = optional_text(native, "id")
        if thread is None:
            self._unknown(notification)
            return
        parent = text(native, "parentThreadId")
        if parent or self.threads.main_id is not None:
            name = text(native, "agentNickname") or text(native, "agentRole")
            self._see_thread(thread, parent, name)
        self.threads.learn(native)

    # Turns ------------------------------------------------------------------------------------

    def _turn_started(self, notification: Notification, params: Table) -> None:
        thread = text(params, "threadId")
        turn = text(table(params, "turn"), "id")
        self._see_thread(thread)
        self.threads[thread].turn_id = turn or None
        self._errors.pop(thread, None)
        if self.threads.is_main(thread):
            self._emit(TurnStarted(), notification)

    def _turn_completed(self, notification: Notification, params: Table) -> None:
        thread = text(params, "threadId")
        native = table(params, "turn")
        turn = text(native, "id")
        known = self.threads[thread]
        known.turn_id, known.last_turn_id = None, turn
        self._out += self.desk.turn_ended(thread, turn)
        held = self._errors.pop(thread, None)
        if not self.threads.is_main(thread):
            return
        status = _TURN.get(text(native, "status"), TurnStatus.UNKNOWN)
        error = table(native, "error")
        failure = turn_failure(error) if error else held
        if status is TurnStatus.FAILED and failure is None:
            failure = Failure("failed", "The turn failed, and Codex does not say why.")
        self._emit(
            TurnCompleted(
                status=status,
                error="" if failure is None else failure.message,
                error_code="" if failure is None else failure.code,
            ),
            notification,
        )

    def _error(self, notification: Notification, params: Table) -> None:
        failure = turn_failure(table(params, "error"))
        thread = text(params, "threadId")
        retries = flag(params, "willRetry")
        if not retries and self.threads.is_main(thread):
            # The turn's end says it again, and a person should read it once.
            self._errors[thread] = failure
            return
        severity: Literal["warning", "error"] = "warning" if retries else "error"
        notice = Notice(
            severity=severity, code=failure.code, message=failure.message, will_retry=retries
        )
        self._emit(notice, notification)

    def held_errors(self) -> list[RuntimeMessage]:
        """Return the errors whose turn never came to its end; for the end of the process."""
        held, self._errors = self._errors, {}
        return [
            RuntimeEvent(
                Notice(severity="error", code=failure.code, message=failure.message),
                thread_id=thread,
            )
            for thread, failure in held.items()
        ]

    def _turn_plan(self, notification: Notification, params: Table) -> None:
        if not self.threads.is_main(text(params, "threadId")):
            return
        self._emit(
            PlanUpdated(explanation=text(params, "explanation"), steps=plan_steps(params)),
            notification,
        )

    def _turn_diff(self, notification: Notification, params: Table) -> None:
        turn, diff = text(params, "turnId"), text(params, "diff")
        # Codex repeats the whole diff after each model call.
        if not self.threads.is_main(text(params, "threadId")) or self._diff == (turn, diff):
            return
        self._diff = (turn, diff)
        self._emit(DiffUpdated(diff=diff), notification)

    # Items ------------------------------------------------------------------------------------

    def _item_started(self, notification: Notification, params: Table) -> None:
        self._item(notification, params, done=False)

    def _item_completed(self, notification: Notification, params: Table) -> None:
        self._item(notification, params, done=True)

    def _item(self, notification: Notification, params: Table, *, done: bool) -> None:
        native = table(params, "item")
        thread, item_id = text(params, "threadId"), optional_text(native, "id")
        if item_id is None:
            self._unknown(notification)
            return
        self._see_thread(thread)
        native_type = text(native, "type")
        if native_type not in MAPPED_ITEMS:
            name = f"item {native_type[:_MAX_NAME]}"
            self._emit(UnknownReceived(method=name), notification)
        cwd = self.threads.folder_of(thread)
        item = item_from(native, done=done, cwd=cwd)
        if isinstance(item, UserMessage) and self._is_steered(thread, params, item_id):
            item = item.model_copy(update={"steered": True})
        if native_type == "contextCompaction":
            self._compacted[thread] = text(params, "turnId")
        self._emit(ItemCompleted(item=item) if done else ItemStarted(item=item), notification)
        if done:
            self._check_judged(notification, native, asked=self.items.finish(thread, item_id))
        else:
            self.items.keep(thread, native, cwd)

    def _check_judged(
        self, notification: Notification, native: Table, *, asked: bool | None
    ) -> None:
        """Sound the alarm when something was carried out that nobody was asked about."""
        if asked is not False or not self.expects_asking or not was_carried_out(native):
            return
        self._alarm(notification, f"Codex acted without asking: {describe(native)}.")

    def _alarm(self, notification: Notification, what: str) -> None:
        if not self.breached:
            message = f"{what} {_BREACH}"
            self._emit(
                Notice(severity="error", code=AgentNotSafe.code, message=message), notification
            )
        self.breached = True

    def _is_steered(self, thread: str, params: Table, item_id: str) -> bool:
        """Tell whether a message of the person is not the one that began the turn."""
        first = f"{text(params, 'turnId')} {item_id}"
        known = self._user_turns.get(thread, "")
        if known.split(" ", 1)[0] != text(params, "turnId"):
            self._user_turns[thread] = first
            return False
        return known != first

    def _patch_updated(self, notification: Notification, params: Table) -> None:
        del notification
        thread, item_id = text(params, "threadId"), text(params, "itemId")
        begun = self.items.native(thread, item_id)
        if begun is not None:
            revised = {**begun, "changes": params.get("changes")}
            self.items.keep(thread, revised, self.threads.folder_of(thread))

    def _typed(self, notification: Notification, params: Table) -> None:
        """Tell of input that Codex typed into a program inside the sandbox without asking."""
        typed = text(params, "stdin")
        if not typed or self.items.take_input(text(params, "threadId"), text(params, "itemId")):
            return
        message = f"Codex typed into a running program without asking: {typed[:_MAX_TYPED]}"
        self._emit(Notice(severity="warning", code="unasked-input", message=message), notification)

    def _summary_part(self, notification: Notification, params: Table) -> None:
        item_id = optional_text(params, "itemId")
        if item_id is not None and integer(params, "summaryIndex") > 0:
            self._emit(TextDelta(item_id=item_id, field="summary", text="\n\n"), notification)

    # Counts, account, notices -----------------------------------------------------------------

    def _tokens(self, notification: Notification, params: Table) -> None:
        self._see_thread(text(params, "threadId"))
        self._emit(TokensUsed(usage=token_usage(table(params, "tokenUsage"))), notification)

    def _rate_limits(self, notification: Notification, params: Table) -> None:
        native = table(params, "rateLimits")
        name, limits = rate_limits(native)
        if self._limits.get(name, ()) == limits or len(self._limits) >= _MAX_LIMITS:
            return
        self._limits[name] = limits
        every = tuple(limit for group in self._limits.values() for limit in group)
        self._emit(RateLimitsUpdated(limits=every), notification)

    def _account(self, notification: Notification, params: Table) -> None:
        mode = optional_text(params, "authMode")
        description = account_description(mode, text(params, "planType"))
        self._emit(
            AccountUpdated(logged_in=mode is not None, description=description), notification
        )

    def _thread_compacted(self, notification: Notification, params: Table) -> None:
        # Newer versions send an item as well, which says the same.
        if self._compacted.get(text(params, "threadId")) != text(params, "turnId"):
            self._emit(Compacted(), notification)

    def _resolved(self, notification: Notification, params: Table) -> None:
        del notification
        self._out += self.desk.resolved(params.get("requestId"))

    def _review(self, notification: Notification, params: Table) -> None:
        del params
        self._alarm(notification, "Codex let its own reviewer decide instead of you.")

    def _notice(self, notification: Notification, params: Table) -> None:
        hook = text(table(params, "run"), "eventName")
        if notification.method == "hook/completed" and hook in DECIDING_HOOKS:
            self._alarm(notification, f"A hook of Codex ({hook}) ran, which may answer for you.")
            return
        notice = NOTICES[notification.method](params)
        if notice is not None:
            self._emit(notice, notification)
