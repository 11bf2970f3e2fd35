"""A runtime that the test plays: it shows the supervisor faults no real agent can be made to show."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio

from autopilot_ls.model.approvals import (
    Action,
    ChangeKind,
    CommandAction,
    Decision,
    Mode,
    PatchAction,
    ProposedChange,
)
from autopilot_ls.model.events import (
    ItemCompleted,
    RuntimeExited,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.model.findings import ReviewTarget
from autopilot_ls.model.items import FileChanges, ItemStatus
from autopilot_ls.runtimes.base import (
    AccountInfo,
    AgentRuntime,
    LoginBegun,
    LoginMethod,
    ModelInfo,
    OpenOptions,
    RuntimeApproval,
    RuntimeCapabilities,
    RuntimeEvent,
    RuntimeMessage,
    RuntimeSink,
    SandboxFit,
    ThreadInfo,
    ThreadOptions,
)


class PlayedRuntime:
    """Implements `AgentRuntime`; the test calls `say` and `ask`, and reads `answers`."""

    name = "codex"
    version = "played"
    pid = 2**22 + 1
    """No process of a Linux system has this number."""
    capabilities = RuntimeCapabilities()

    def __init__(self, sink: RuntimeSink, factory: PlayedFactory) -> None:
        self.sink = sink
        self.factory = factory
        self.forked: list[tuple[str, str]] = []
        self.archived: list[tuple[str, bool]] = []
        self.reviews: list[ReviewTarget] = []
        self.answers: list[tuple[str, Decision]] = []
        self.told: list[str] = []
        self.steered: list[str] = []
        self.resumed: list[str] = []
        self.turns = 0
        self.obeys_interrupt = True
        self.hears = True
        self.modes: list[Mode] = []
        self.texts: list[str] = []
        self.images: list[tuple[str, ...]] = []
        self.fit: SandboxFit | None = None
        self.on_answer: Callable[[str, Decision], None] = lambda _key, _decision: None
        self._changed = anyio.Event()

    def sandbox_fit(self, mode: Mode) -> SandboxFit:
        """As an agent with two sandboxes, of which all modes but one have the wide one."""
        if self.fit is not None:
            return self.fit
        wide = any(used is not Mode.READ_ONLY for used in self.modes)
        wants_wide = mode is not Mode.READ_ONLY
        if not self.modes or wide == wants_wide:
            return "same"
        return "looser" if wide else "stricter"

    async def start_thread(self, options: ThreadOptions) -> ThreadInfo:
        del options
        return ThreadInfo("thread", "model", "started")

    async def resume_thread(self, thread_id: str, options: ThreadOptions) -> ThreadInfo:
        del options
        self.resumed.append(thread_id)
        return ThreadInfo(thread_id, "model", "resumed")

    async def start_turn(
        self, text: str, options: ThreadOptions, images: Sequence[str] = ()
    ) -> str:
        self.images.append(tuple(images))
        self.turns += 1
        self.told.append(text)
        self.modes.append(options.mode)
        self.texts.append(text)
        self.sink.record("out", [text.encode()])
        self.say(RuntimeEvent(TurnStarted(), "thread", f"turn{self.turns}"))
        return f"turn{self.turns}"

    async def steer_turn(self, text: str, images: Sequence[str] = ()) -> None:
        self.images.append(tuple(images))
        self.steered.append(text)

    async def interrupt_turn(self) -> None:
        if self.obeys_interrupt:
            self.end_turn(TurnStatus.INTERRUPTED)

    async def answer(self, key: str, decision: Decision) -> bool:
        self.answers.append((key, decision))
        self.on_answer(key, decision)
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
        return self.hears

    async def list_models(self) -> tuple[ModelInfo, ...]:
        return ()

    async def fork_thread(
        self, thread_id: str, last_turn_id: str, options: ThreadOptions
    ) -> ThreadInfo:
        del options
        self.forked.append((thread_id, last_turn_id))
        return ThreadInfo("copy", "model", "forked")

    async def archive_thread(self, thread_id: str, *, archived: bool) -> None:
        self.archived.append((thread_id, archived))

    async def compact(self) -> None:
        self.turns += 1
        self.say(RuntimeEvent(TurnStarted(), "thread", f"turn{self.turns}"))

    async def start_review(self, target: ReviewTarget) -> str:
        self.reviews.append(target)
        self.turns += 1
        self.say(RuntimeEvent(TurnStarted(), "thread", f"turn{self.turns}"))
        return f"turn{self.turns}"

    async def account(self) -> AccountInfo:
        return self.factory.account

    async def login(self, method: LoginMethod, api_key: str = "") -> LoginBegun:
        self.factory.logins.append((method, api_key))
        if method == "apiKey":
            self.factory.account = AccountInfo(logged_in=True, needed=True, description="key")
            return LoginBegun()
        return LoginBegun("login1", "https://example.org/", "CODE")

    async def cancel_login(self, login_id: str) -> None:
        self.factory.logins.append(("cancel", login_id))

    async def logout(self) -> None:
        self.factory.account = AccountInfo(logged_in=False, needed=True, description="none")

    def say(self, *messages: RuntimeMessage) -> None:
        self.sink.deliver(messages)

    def end_turn(self, status: TurnStatus = TurnStatus.COMPLETED) -> None:
        self.say(RuntimeEvent(TurnCompleted(status=status), "thread", f"turn{self.turns}"))

    def ask(self, action: Action, key: str = "k1", item_id: str = "i1") -> None:
        self.say(RuntimeApproval(key, action, "why", "thread", f"turn{self.turns}", item_id))

    def patch_done(self, item_id: str = "i1", status: ItemStatus = ItemStatus.COMPLETED) -> None:
        item = FileChanges(id=item_id, status=status)
        self.say(RuntimeEvent(ItemCompleted(item=item), "thread", f"turn{self.turns}"))

    async def answered(self, count: int) -> Sequence[tuple[str, Decision]]:
        """Wait until so many answers arrived."""
        with anyio.fail_after(5):
            while len(self.answers) < count:
                await self._changed.wait()
        return self.answers


class PlayedFactory:
    """Implements `RuntimeFactory`; `runtimes` are those it opened, in order."""

    name = "codex"

    def __init__(self) -> None:
        self.runtimes: list[PlayedRuntime] = []
        self.options: list[OpenOptions] = []
        self.closed = 0
        self.account = AccountInfo(logged_in=True, needed=False, description="none needed")
        self.logins: list[tuple[str, str]] = []

    def open(
        self, options: OpenOptions, sink: RuntimeSink
    ) -> AbstractAsyncContextManager[AgentRuntime]:
        self.options.append(options)
        return self._open(sink)

    @asynccontextmanager
    async def _open(self, sink: RuntimeSink) -> AsyncGenerator[AgentRuntime]:
        runtime = PlayedRuntime(sink, self)
        self.runtimes.append(runtime)
        try:
            yield runtime
        finally:
            self.closed += 1
            sink.deliver([RuntimeEvent(RuntimeExited(expected=True, code=0))])

    @property
    def last(self) -> PlayedRuntime:
        return self.runtimes[-1]


def command(text: str, cwd: Path) -> CommandAction:
    return CommandAction(command=text, cwd=str(cwd))


def update(path: Path, old: str, new: str, line: int = 1) -> PatchAction:
    """A patch of one line of one file."""
    diff = f"@@ -{line} +{line} @@\n-{old}\n+{new}\n"
    return PatchAction(
        changes=(ProposedChange(path=str(path), kind=ChangeKind.UPDATE, form="unified", text=diff),)
    )


def add(path: Path, content: str) -> PatchAction:
    return PatchAction(
        changes=(ProposedChange(path=str(path), kind=ChangeKind.ADD, form="content", text=content),)
    )
