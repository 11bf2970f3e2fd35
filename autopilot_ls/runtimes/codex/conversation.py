"""What the session asks of Codex: threads, turns, reviews.

Each call is one or a few requests with a limit on their time, and what Codex refuses becomes an error of the
tree. Not aware of what arrives in between. `runtime` stands above; `calls`, `guard` and `threads` below.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import (
    AgentError,
    AgentNotSafe,
    AgentStartFailed,
    NoActiveTurn,
    RequestTimeout,
    RpcError,
)
from autopilot_ls.model.findings import ReviewTarget
from autopilot_ls.runtimes.base import (
    SandboxFit,
    ThreadInfo,
    ThreadOptions,
)
from autopilot_ls.runtimes.codex.calls import ASIDE_TIMEOUT, Calls
from autopilot_ls.runtimes.codex.failures import request_failure
from autopilot_ls.runtimes.codex.fields import (
    Table,
    as_table,
    optional_text,
    table,
    tables,
    text,
)
from autopilot_ls.runtimes.codex.guard import (
    APPROVAL_POLICY,
    FALLBACK_POLICY,
    REVIEWER,
    Guard,
    check_again,
    inspect,
)
from autopilot_ls.runtimes.codex.profiles import Profiles
from autopilot_ls.runtimes.codex.reviewer import native_target
from autopilot_ls.runtimes.codex.threads import Threads
from autopilot_ls.wire.messages import JsonObject, JsonValue

RESUME_TIMEOUT: Final = 20.0
"""Seconds a resume may take; it can hang for ever on a thread that Codex takes for active
(openai/codex issue 37047)."""


class Conversation:
    """The requests to one Codex process.

    Attributes:
        asks_everything: Whether this Codex still takes the strictest asking.
        home: Codex's own folder, as it names it.
        widened: Whether this process was given permissions beyond a profile.
    """

    def __init__(
        self,
        calls: Calls,
        threads: Threads,
        *,
        config: Mapping[str, JsonValue],
        profiles: Profiles,
    ) -> None:
        """Create it over an open connection.

        Args:
            calls: Sends requests.
            threads: Gets to know the threads that are opened.
            config: The setting `codex.config`, nested.
            profiles: The sandboxes of the turns, known to the process.
        """
        self.asks_everything = True
        self.home = ""
        self.widened = False
        self._turn_profiles: set[str] = set()
        self._config = config
        self._profiles = profiles
        self._calls = calls
        self._threads = threads

    async def read(self, method: str, params: JsonObject) -> JsonValue:
        """Send a request that changes nothing."""
        return await self._calls.read(method, params)

    # Threads ----------------------------------------------------------------------------------

    async def start_thread(self, options: ThreadOptions) -> ThreadInfo:
        """Begin a thread; see `AgentRuntime`."""
        reply = await self._open("thread/start", {}, options, "Codex did not start a thread")
        return self._opened(reply, "started")

    async def resume_thread(self, thread_id: str, options: ThreadOptions) -> ThreadInfo:
        """Go on with a stored thread; see `AgentRuntime`."""
        named: JsonObject = {"threadId": thread_id, "excludeTurns": True}
        what = "Codex could not go on with its thread"
        try:
            reply = await self._open(
                "thread/resume", named, options, what, min(RESUME_TIMEOUT, self._calls.timeout)
            )
        except RequestTimeout:
            reply = await self._open("thread/fork", named, options, what)
            return self._opened(reply, "forked")
        return self._opened(reply, "resumed")

    async def fork_thread(
        self, thread_id: str, last_turn_id: str, options: ThreadOptions
    ) -> ThreadInfo:
        """Begin a thread with what is stored of another one, up to a turn; see `AgentRuntime`."""
        named: JsonObject = {
            "threadId": thread_id,
            "lastTurnId": last_turn_id,
            "excludeTurns": True,
        }
        reply = await self._open("thread/fork", named, options, "Codex did not copy its thread")
        return self._opened(reply, "forked")

    async def archive_thread(self, thread_id: str, *, archived: bool) -> None:
        """Put a stored thread away in Codex's own list, or back."""
        method = "thread/archive" if archived else "thread/unarchive"
        await self._calls.send(method, {"threadId": thread_id}, f"Codex did not answer {method}")

    async def inspect(self, cwd: Path) -> Guard:
        """Look at what would guard a thread in this folder; see `guard.inspect`."""
        return await inspect(self.read, cwd, home=self.home, wished=self._config)

    async def takes_strictest_asking(self) -> bool:
        """Tell whether this Codex still knows the strictest asking, without opening a thread."""
        # The parameters are read before the thread is looked for, and there is none of this name.
        params: JsonObject = {"threadId": "none", "approvalPolicy": APPROVAL_POLICY}
        try:
            await self._calls.once("thread/resume", params)
        except RpcError as error:
            return f"`{APPROVAL_POLICY}`" not in error.message
        return True

    async def _open(
        self,
        method: str,
        named: JsonObject,
        options: ThreadOptions,
        what: str,
        timeout: float | None = None,
    ) -> Table:
        try:
            guard = await self.inspect(options.cwd)
        except RpcError as error:
            raise request_failure(what, error) from error
        params: JsonObject = {
            **named,
            "cwd": str(options.cwd),
            "approvalPolicy": self._approval_policy,
            "approvalsReviewer": REVIEWER,
            # Every thread begins with the strictest sandbox, and each turn says which it has: a thread
            # that is opened with a writable one makes Codex trust the workspace for ever.
            "permissions": self._profiles.read,
            "config": guard.config,
        }
        if options.model is not None:
            params["model"] = options.model
        try:
            reply = await self._calls.send(method, params, what, timeout)
        except AgentStartFailed as error:
            if not self.asks_everything or f"`{APPROVAL_POLICY}`" not in error.message:
                raise
        else:
            check_again(guard)
            return reply
        # A later Codex may no longer know the strictest policy: less is asked then, nothing is
        # written unasked, and the person is told.
        self.asks_everything = False
        return await self._open(method, named, options, what, timeout)

    @property
    def _approval_policy(self) -> str:
        return APPROVAL_POLICY if self.asks_everything else FALLBACK_POLICY

    def _opened(self, reply: Table, how: Literal["started", "resumed", "forked"]) -> ThreadInfo:
        """Take a thread that was opened, if it is guarded as we asked."""
        got = (
            reply.get("approvalPolicy"),
            reply.get("approvalsReviewer"),
            text(table(reply, "sandbox"), "type"),
            text(table(reply, "activePermissionProfile"), "id"),
        )
        wanted = (self._approval_policy, REVIEWER, "readOnly", self._profiles.read)
        if got != wanted:
            raise AgentNotSafe(
                f"Codex did not take the settings that let Autopilot judge what it does: it answers "
                f"{got} instead of {wanted}.",
                advice="Look for managed requirements (requirements.toml) in Codex's configuration.",
            )
        native = table(reply, "thread")
        thread_id = optional_text(native, "id")
        if thread_id is None:
            raise AgentError("Codex opened a thread without naming it.")
        self._threads.main_id = thread_id
        self._threads.learn(native, text(reply, "cwd"))
        return ThreadInfo(thread_id, text(reply, "model"), how)

    # Turns ------------------------------------------------------------------------------------

    async def start_turn(
        self, content: str, options: ThreadOptions, images: Sequence[str] = ()
    ) -> str:
        """Give the thread work; see `AgentRuntime`."""
        thread = self._main()
        profile = self._profile(options.mode)
        params: JsonObject = {
            "threadId": thread,
            "input": _input(content, images),
            "cwd": str(options.cwd),
            # Said again with each turn, so that no settings update can have changed it.
            "approvalPolicy": self._approval_policy,
            "approvalsReviewer": REVIEWER,
            "permissions": profile,
        }
        # Noted before it is asked for, since a refusal that comes late may be none.
        self._turn_profiles.add(profile)
        if options.model is not None:
            params["model"] = options.model
        if options.effort is not None:
            params["effort"] = options.effort
        reply = await self._calls.send("turn/start", params, "Codex did not start the turn")
        turn = optional_text(table(reply, "turn"), "id")
        if turn is None:
            raise AgentError("Codex started a turn without naming it.")
        known = self._threads[thread]
        if known.last_turn_id != turn:
            known.turn_id = turn
        return turn

    async def compact(self) -> None:
        """Have the context of the thread shortened; see `AgentRuntime`."""
        params: JsonObject = {"threadId": self._main()}
        await self._calls.send("thread/compact/start", params, "Codex did not shorten its context")

    async def start_review(self, target: ReviewTarget) -> str:
        """Have Codex's reviewer look at changes.

        Measured with 0.163.0: the reviewer never asks, whatever the thread's policy, and has the sandbox
        that the thread was opened with or that its last turn had; `thread/settings/update` does not change
        it. So a process in which a turn could write must not be used. In the reading profile its commands
        run without network and cannot write, what would leave the sandbox is refused, and so are patches.

        Raises:
            AgentNotSafe: A turn of this process had a sandbox that allows more than reading.
        """
        thread = self._main()
        if self._turn_profiles - {self._profiles.read} or self.widened:
            raise AgentNotSafe("The reviewer would have a sandbox that allows more than reading.")
        self._turn_profiles.add(self._profiles.read)
        params: JsonObject = {"threadId": thread, "target": native_target(target)}
        self._threads.reviewing = thread
        try:
            reply = await self._calls.send("review/start", params, "Codex did not start a review")
        except BaseException:
            self._threads.reviewing = None
            raise
        turn = optional_text(table(reply, "turn"), "id")
        if turn is None:
            raise AgentError("Codex started a review without naming its turn.")
        return turn

    def _profile(self, mode: Mode) -> str:
        return self._profiles.for_turn(mode, asks_everything=self.asks_everything)

    def sandbox_fit(self, mode: Mode) -> SandboxFit:
        """Tell how this process's turns fit a mode; see `AgentRuntime`.

        All its turns count, since terminals and sub-agents of an earlier one may live on.
        """
        wanted = self._profile(mode)
        fits: set[SandboxFit] = {self._profiles.fit(used, wanted) for used in self._turn_profiles}
        if mode is Mode.READ_ONLY and self.widened:
            return "looser"
        if "looser" in fits:
            return "looser"
        return "stricter" if fits == {"stricter"} else "same"

    def _main(self) -> str:
        if self._threads.main_id is None:
            raise AgentError("No thread of Codex is open.")
        return self._threads.main_id

    def _running(self) -> tuple[str, str]:
        thread = self._main()
        turn = self._threads[thread].turn_id
        if turn is None:
            raise NoActiveTurn("No turn of Codex is running.")
        return thread, turn

    async def steer(
        self,
        content: str,
        images: Sequence[str] = (),
        *,
        thread: str | None = None,
        turn: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Say something into a running turn, by default the main thread's.

        Raises:
            NoActiveTurn: The turn ended meanwhile.
            AgentError: Codex refuses, dies, or is too slow.
        """
        if thread is None or turn is None:
            thread, turn = self._running()
        params: JsonObject = {
            "threadId": thread,
            "expectedTurnId": turn,
            "input": _input(content, images),
        }
        await self._in_turn("turn/steer", params, "Codex did not take the text", timeout)

    async def interrupt(
        self, *, thread: str | None = None, turn: str | None = None, timeout: float | None = None
    ) -> None:
        """Ask a running turn to end, by default the main thread's. Raises as `steer`."""
        if thread is None or turn is None:
            thread, turn = self._running()
        params: JsonObject = {"threadId": thread, "turnId": turn}
        await self._in_turn("turn/interrupt", params, "Codex did not stop", timeout)

    async def stop(self) -> None:
        """Ask all that runs to end: the main turn, those of sub-agents, and what they left running.

        A turn's commands outlive it, once Codex has put them into the background, and so do the turns
        of sub-agents. What earlier turns left running goes on. Raises as `steer`, for the main turn only.
        """
        main = self._running()
        others = [turn for turn in self._threads.at_work() if turn != main]
        await self.interrupt(thread=main[0], turn=main[1])
        for thread, turn in others:
            with contextlib.suppress(AgentError, NoActiveTurn):
                await self.interrupt(thread=thread, turn=turn, timeout=ASIDE_TIMEOUT)
        for thread, _ in (main, *others):
            with contextlib.suppress(AgentError):
                await self._end_terminals(thread)

    async def _end_terminals(self, thread: str) -> None:
        params: JsonObject = {"threadId": thread}
        listed = as_table(await self.read("thread/backgroundTerminals/list", params))
        for terminal in tables(listed, "data"):
            if text(terminal, "itemId") in self._threads[thread].commands:
                await self.read(
                    "thread/backgroundTerminals/terminate",
                    {"threadId": thread, "processId": text(terminal, "processId")},
                )

    async def _in_turn(
        self, method: str, params: JsonObject, what: str, timeout: float | None
    ) -> None:
        try:
            await self._calls.once(method, params, timeout)
        except RpcError as error:
            lowered = error.message.lower()
            if "no active turn" in lowered or "expected active turn" in lowered:
                raise NoActiveTurn("The turn of Codex has ended already.") from error
            raise request_failure(what, error) from error


def _input(content: str, images: Sequence[str]) -> list[JsonValue]:
    """Return a message as Codex takes it; it reads the pictures itself."""
    shown: list[JsonValue] = [{"type": "localImage", "path": path} for path in images]
    return [{"type": "text", "text": content}, *shown]
