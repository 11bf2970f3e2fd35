"""Codex's notifications as facts of the model.

Takes what one read of the pipe brought and gives what it means, in order. Text deltas, which come by
the ten thousand, are joined by item on the way. Never raises on what Codex sends: what is not known,
or has an unexpected shape, is reported as `UnknownReceived`. Not aware of how approvals are answered.
`runtime` stands above; `deltas`, `turn_reports`, `item_reports`, `notices`, `desk`, `watch` and `facts`
below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from autopilot_ls.model.events import AccountUpdated, Notice, RateLimitsUpdated, UnknownReceived
from autopilot_ls.model.items import RateLimit
from autopilot_ls.runtimes.base import LoginEnded, RuntimeEvent, RuntimeMessage
from autopilot_ls.runtimes.codex.approvals import INVALID_REQUEST
from autopilot_ls.runtimes.codex.counts import rate_limits
from autopilot_ls.runtimes.codex.deltas import Deltas
from autopilot_ls.runtimes.codex.desk import Desk
from autopilot_ls.runtimes.codex.facts import Facts, Handler
from autopilot_ls.runtimes.codex.fields import Table, flag, optional_text, table, text
from autopilot_ls.runtimes.codex.guard import DECIDING_HOOKS
from autopilot_ls.runtimes.codex.item_reports import ItemReports
from autopilot_ls.runtimes.codex.notices import NOTICES, account_description
from autopilot_ls.runtimes.codex.open_items import OpenItems
from autopilot_ls.runtimes.codex.protocol import DELTAS, RECORDED_NOTIFICATIONS
from autopilot_ls.runtimes.codex.threads import Threads
from autopilot_ls.runtimes.codex.turn_reports import TurnReports
from autopilot_ls.runtimes.codex.watch import Watch
from autopilot_ls.wire.messages import Incoming, Notification, OrphanError, ServerRequest

_MAX_LIMITS: Final = 50
_REVIEWS: Final = frozenset(
    {
        "item/autoApprovalReview/started",
        "item/autoApprovalReview/completed",
        "autoApprovalReview/strictReviewRequired",
    }
)


class Mapper:
    """Maps what one Codex process sends; keeps only what later messages refer to.

    Attributes:
        threads: The threads that are known.
        items: The items that have begun.
        desk: Where requests go.
        watch: Whether Codex was seen to act or decide by itself, which must never happen.
    """

    def __init__(self, cwd: str) -> None:
        """Create a mapper for a session in this absolute folder."""
        self.threads = Threads(cwd)
        self.items = OpenItems()
        self.desk = Desk(self.items, self.threads)
        self._facts = Facts(self.threads)
        self.watch = Watch(self._facts)
        self._turns = TurnReports(self._facts, self.threads, self.desk)
        self._limits: dict[str, tuple[RateLimit, ...]] = {}
        self._handlers: dict[str, Handler] = {
            "account/rateLimits/updated": self._rate_limits,
            "account/login/completed": self._login_completed,
            "account/updated": self._account,
            "serverRequest/resolved": self._resolved,
            "thread/started": self._thread_started,
            **self._turns.handlers,
            **ItemReports(self._facts, self.threads, self.items, self.watch).handlers,
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
        deltas = Deltas()
        fields = DELTAS
        for incoming in batch:
            if incoming.__class__ is Notification:
                notification = cast("Notification", incoming)
                field = fields.get(notification.method)
                if field is not None:
                    if not deltas.add(notification, field):
                        self._flush(deltas)
                        self._facts.unknown(notification)
                    continue
            if deltas:
                self._flush(deltas)
            self._map_one(incoming)
        if deltas:
            self._flush(deltas)
        return self._facts.take()

    def _flush(self, deltas: Deltas) -> None:
        for event in deltas.take():
            self._facts.see_thread(event.thread_id or "")
            self._facts.add(event)

    # Everything else --------------------------------------------------------------------------

    def _map_one(self, incoming: Incoming) -> None:
        if isinstance(incoming, Notification):
            handler = self._handlers.get(incoming.method)
            if handler is not None:
                try:
                    handler(incoming, incoming.params)
                except (ValueError, TypeError, KeyError, RecursionError):
                    self._facts.unknown(incoming)
            elif incoming.method not in RECORDED_NOTIFICATIONS:
                self._facts.unknown(incoming)
        elif isinstance(incoming, ServerRequest):
            thread = optional_text(incoming.params, "threadId")
            if thread is not None:
                self._facts.see_thread(thread)
            self._facts.add(*self.desk.take(incoming))
        elif isinstance(incoming, OrphanError):
            notice = Notice(severity="warning", code="rpc-error", message=incoming.message)
            self._facts.add(RuntimeEvent(notice, frames=(incoming.frame, incoming.frame)))
        else:
            if incoming.request_id is not None:
                self.desk.refuse(incoming.request_id, INVALID_REQUEST, "This is no request.")
            unknown = UnknownReceived(method="malformed frame")
            self._facts.add(RuntimeEvent(unknown, frames=(incoming.frame, incoming.frame)))

    def _thread_started(self, notification: Notification, params: Table) -> None:
        native = table(params, "thread")
        thread = optional_text(native, "id")
        if thread is None:
            self._facts.unknown(notification)
            return
        parent = text(native, "parentThreadId")
        if parent or self.threads.main_id is not None:
            name = text(native, "agentNickname") or text(native, "agentRole")
            self._facts.see_thread(thread, parent, name)
        self.threads.learn(native)

    def held_errors(self) -> list[RuntimeMessage]:
        """Return the errors whose turn never came to its end; for the end of the process."""
        return self._turns.held_errors()

    # Limits, account, notices -----------------------------------------------------------------

    def _rate_limits(self, notification: Notification, params: Table) -> None:
        native = table(params, "rateLimits")
        name, limits = rate_limits(native)
        if self._limits.get(name, ()) == limits or len(self._limits) >= _MAX_LIMITS:
            return
        self._limits[name] = limits
        every = tuple(limit for group in self._limits.values() for limit in group)
        self._facts.emit(RateLimitsUpdated(limits=every), notification)

    def _account(self, notification: Notification, params: Table) -> None:
        mode = optional_text(params, "authMode")
        description = account_description(mode, text(params, "planType"))
        self._facts.emit(
            AccountUpdated(logged_in=mode is not None, description=description), notification
        )

    def _login_completed(self, notification: Notification, params: Table) -> None:
        del notification
        failed = "" if flag(params, "success") else text(params, "error") or "It was not completed."
        self._facts.add(LoginEnded(text(params, "loginId"), failed))

    def _resolved(self, notification: Notification, params: Table) -> None:
        del notification
        self._facts.add(*self.desk.resolved(params.get("requestId")))

    def _review(self, notification: Notification, params: Table) -> None:
        del params
        self.watch.alarm(notification, "Codex let its own reviewer decide instead of you.")

    def _notice(self, notification: Notification, params: Table) -> None:
        hook = text(table(params, "run"), "eventName")
        if notification.method == "hook/completed" and hook in DECIDING_HOOKS:
            self.watch.alarm(
                notification, f"A hook of Codex ({hook}) ran, which may answer for you."
            )
            return
        notice = NOTICES[notification.method](params)
        if notice is not None:
            self._facts.emit(notice, notification)
