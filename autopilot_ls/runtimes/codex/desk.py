"""The requests of Codex that are open: each is answered exactly once.

Takes server requests in, hands approvals out, and words the decisions. Whatever cannot be decided is
refused at once; what Codex no longer waits for is withdrawn; what is left at the end is void. Not aware
of who decides. `mapping` and `runtime` stand above, `approvals` and `threads` below.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from typing import Final

from autopilot_ls.model.approvals import CommandAction, Decision
from autopilot_ls.model.errors import AgentDied, ApprovalAlreadyResolved, ApprovalNotFound
from autopilot_ls.model.events import Notice
from autopilot_ls.runtimes.base import (
    ApprovalWithdrawn,
    RuntimeApproval,
    RuntimeEvent,
    RuntimeMessage,
)
from autopilot_ls.runtimes.codex.approvals import (
    INTERNAL_ERROR,
    Asked,
    Context,
    Refused,
    answer_for,
    read_request,
)
from autopilot_ls.runtimes.codex.fields import Table, text
from autopilot_ls.runtimes.codex.open_items import OpenItems
from autopilot_ls.runtimes.codex.permissions import Reserved
from autopilot_ls.runtimes.codex.threads import Threads
from autopilot_ls.wire.messages import JsonObject, ServerRequest

MAX_OPEN: Final = 1_000
MAX_ANSWERED: Final = 2_000
MAX_REPLIES: Final = 10_000
UNSEEN_SANDBOX: Final = "Autopilot could not see whether it asks to run outside the sandbox."
"""Said with a command where that is so."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that waits for its answer; `request_id` is Codex's name for it."""

    key: str
    request_id: int | str
    method: str
    params: Table
    thread_id: str
    turn_id: str | None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to be sent; `result` None means an error."""

    request_id: int | str
    result: JsonObject | None
    error: tuple[int, str] = (INTERNAL_ERROR, "")


class Desk:
    """The open requests of one Codex process.

    Attributes:
        replies: Answers that are to be sent at once, in order.
        overflown: Whether Codex asked so much at once that it cannot be trusted any more.
        reserved: Folders that no permission may lead to.
    """

    def __init__(self, items: OpenItems, threads: Threads) -> None:
        """Create an empty desk.

        Args:
            items: What is known of the items that requests refer to.
            threads: What is known of the threads they come from.
        """
        self.replies: deque[Reply] = deque()
        self.overflown = False
        self.reserved = Reserved()
        self._threads = threads
        self._context = Context(items, threads.folder_of, lambda: self.reserved)
        self._open: dict[str, OpenRequest] = {}
        self._key_of: dict[int | str, str] = {}
        self._answered: OrderedDict[str, int | str | None] = OrderedDict()
        self._count = 0
        self._void = False

    def take(self, request: ServerRequest) -> list[RuntimeMessage]:
        """Take a request in; gives what is to be reported, and may add to `replies`."""
        twin = self._key_of.get(request.id)
        if twin is not None:
            return self._refuse_twins(twin, request)
        read = read_request(request.method, request.params, self._context)
        if isinstance(read, Asked) and len(self._open) >= MAX_OPEN:
            read = Refused(
                answer_for(request.method, request.params, _DECLINED),
                notice="Codex asked for too many things at once. This one was declined.",
            )
        if isinstance(read, Refused):
            self._send(Reply(request.id, read.result, read.error or (INTERNAL_ERROR, "")))
            return [] if not read.notice else [_notice(request, read.notice)]
        return [self._hand_out(request, read)]

    def refuse(self, request_id: int | str, code: int, message: str) -> None:
        """Answer with an error what cannot even be read."""
        self._send(Reply(request_id, None, (code, message)))

    def _hand_out(self, request: ServerRequest, asked: Asked) -> RuntimeApproval:
        self._count += 1
        key = f"codex-{self._count}"
        self._open[key] = OpenRequest(
            key, request.id, request.method, request.params, asked.thread_id, asked.turn_id
        )
        self._key_of[request.id] = key
        asked = self._with_sandbox(asked)
        return RuntimeApproval(
            key=key,
            action=asked.action,
            reason=asked.reason,
            thread_id=asked.thread_id or None,
            turn_id=asked.turn_id,
            item_id=asked.item_id,
            frames=(request.frame, request.frame),
        )

    def _with_sandbox(self, asked: Asked) -> Asked:
        """Say whether a command would run outside the sandbox; what cannot be told counts as yes."""
        action = asked.action
        if not isinstance(action, CommandAction) or action.types_input:
            return asked
        leaves = self._threads.leaves_sandbox(asked.thread_id, asked.item_id or "")
        if leaves is None:
            reason = f"{asked.reason} ({UNSEEN_SANDBOX})" if asked.reason else UNSEEN_SANDBOX
            return replace(
                asked, action=action.model_copy(update={"escalated": True}), reason=reason
            )
        escalated = leaves or action.escalated
        return replace(asked, action=action.model_copy(update={"escalated": escalated}))

    def _refuse_twins(self, twin: str, request: ServerRequest) -> list[RuntimeMessage]:
        # One answer would settle two questions, and nobody can tell which: both are refused.
        opened = self._close(twin)
        self._remember(twin, None)
        self._send(Reply(request.id, answer_for(opened.method, opened.params, _DECLINED)))
        text_ = "Codex asked twice under one name. Both requests were declined."
        return [ApprovalWithdrawn(twin), _notice(request, text_)]

    def _close(self, key: str) -> OpenRequest:
        opened = self._open.pop(key)
        self._key_of.pop(opened.request_id, None)
        return opened

    def _send(self, reply: Reply) -> None:
        if len(self.replies) >= MAX_REPLIES:
            self.overflown = True
            return
        self.replies.append(reply)

    def resolved(self, request_id: object) -> list[RuntimeMessage]:
        """Note that Codex took an answer, or no longer waits for it."""
        if isinstance(request_id, bool) or not isinstance(request_id, int | str):
            return []
        key = self._key_of.get(request_id)
        if key is not None:
            self._close(key)
            self._remember(key, None)
            return [ApprovalWithdrawn(key)]
        for answered, name in self._answered.items():
            if name == request_id:
                del self._answered[answered]
                self._remember(answered, None)
                return [ApprovalWithdrawn(answered)]
        return []

    def _remember(self, key: str, request_id: int | str | None) -> None:
        self._answered[key] = request_id
        if len(self._answered) > MAX_ANSWERED:
            self._answered.popitem(last=False)

    def turn_ended(self, thread: str, turn: str) -> list[RuntimeMessage]:
        """Withdraw what was asked in a turn that has ended; Codex is told no, for certainty."""
        ended = [
            each for each in self._open.values() if (each.thread_id, each.turn_id) == (thread, turn)
        ]
        for opened in ended:
            self._close(opened.key)
            self._remember(opened.key, None)
            answer = answer_for(opened.method, opened.params, _DECLINED)
            self._send(Reply(opened.request_id, answer))
        return [ApprovalWithdrawn(opened.key) for opened in ended]

    def claim(self, key: str) -> OpenRequest:
        """Take a request off the desk in order to answer it; nobody else can answer it then.

        Raises:
            AgentDied: The process has ended; nothing can be answered any more.
            ApprovalAlreadyResolved: It was answered, or Codex no longer waits for it.
            ApprovalNotFound: There never was such a request.
        """
        if self._void:
            raise AgentDied("Codex has ended; nothing it asked can be answered any more.")
        if key in self._open:
            opened = self._close(key)
            self._remember(key, opened.request_id)
            return opened
        number = key.removeprefix("codex-")
        if key in self._answered or (number.isdecimal() and 0 < int(number) <= self._count):
            raise ApprovalAlreadyResolved(
                "The request was answered, or Codex no longer waits for the answer."
            )
        raise ApprovalNotFound(f"Codex has no request {key!r} open.")

    def is_awaited(self, opened: OpenRequest) -> bool:
        """Tell whether Codex still waits for the answer to a request that was claimed."""
        return not self._void and self._answered.get(opened.key) == opened.request_id

    def refuse_all(self) -> list[RuntimeMessage]:
        """Cancel everything that is open, in `replies`; for the end of the session."""
        opened = list(self._open.values())
        for each in opened:
            self._close(each.key)
            self._remember(each.key, each.request_id)
            self._send(Reply(each.request_id, answer_for(each.method, each.params, _CANCELLED)))
        return [ApprovalWithdrawn(each.key) for each in opened]

    def void(self) -> list[RuntimeMessage]:
        """Give up everything that is open: the process is gone."""
        self._void = True
        self.replies.clear()
        keys = list(self._open)
        self._open.clear()
        self._key_of.clear()
        return [ApprovalWithdrawn(key) for key in keys]


_DECLINED: Final = Decision.model_validate({"kind": "decline", "decided_by": "autopilot"})
_CANCELLED: Final = Decision.model_validate({"kind": "cancel", "decided_by": "autopilot"})


def _notice(request: ServerRequest, message: str) -> RuntimeEvent:
    thread = text(request.params, "threadId") or text(request.params, "conversationId")
    return RuntimeEvent(
        Notice(severity="warning", code="request-refused", message=message),
        thread_id=thread or None,
        turn_id=text(request.params, "turnId") or None,
        frames=(request.frame, request.frame),
    )
