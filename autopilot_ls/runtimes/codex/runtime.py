"""Codex as a runtime: one `codex app-server` process, serving one session.

Puts the parts together: the process and its connection (`wire`), what arrives (`mapping`, `desk`),
what keeps Codex from acting unjudged (`guard`), and the commands of the session. Not aware of
sessions, policies or editors. `runtimes.base` is what the supervisor sees of it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio

from autopilot_ls import __version__
from autopilot_ls.model.approvals import Decision, DecisionKind, Mode
from autopilot_ls.model.errors import (
    AgentDied,
    AgentError,
    AutopilotError,
    InvalidRequest,
    NoActiveTurn,
    RequestTimeout,
    RpcError,
    WireError,
)
from autopilot_ls.model.events import Notice, RuntimeExited
from autopilot_ls.model.findings import ReviewTarget
from autopilot_ls.runtimes.base import (
    AccountInfo,
    AgentRuntime,
    LoginBegun,
    LoginMethod,
    ModelInfo,
    OpenOptions,
    RuntimeCapabilities,
    RuntimeEvent,
    RuntimeMessage,
    RuntimeSink,
    SandboxFit,
    ThreadInfo,
    ThreadOptions,
)
from autopilot_ls.runtimes.codex.account import AccountRequests
from autopilot_ls.runtimes.codex.approvals import answer_for, ends_turn, tells_reason, widens
from autopilot_ls.runtimes.codex.calls import Calls
from autopilot_ls.runtimes.codex.conversation import Conversation
from autopilot_ls.runtimes.codex.desk import OpenRequest
from autopilot_ls.runtimes.codex.failures import readable_stderr, start_failure
from autopilot_ls.runtimes.codex.fields import as_table, text
from autopilot_ls.runtimes.codex.guard import FALLBACK_UNSEEN
from autopilot_ls.runtimes.codex.locate import (
    check_version,
    environment_for,
    locate,
    nested_config,
    override_arguments,
    parse_version,
)
from autopilot_ls.runtimes.codex.mapping import Mapper
from autopilot_ls.runtimes.codex.permissions import Reserved
from autopilot_ls.runtimes.codex.profiles import Profiles
from autopilot_ls.settings.tree import CodexSettings
from autopilot_ls.wire.exits import ProcessExit
from autopilot_ls.wire.jsonrpc import JsonRpcConnection
from autopilot_ls.wire.messages import Incoming, JsonObject
from autopilot_ls.wire.process import Process, spawn

NAME: Final = "codex"
_ASIDE_TIMEOUT: Final = 5.0
_LAST_ANSWERS: Final = 2.0


class CodexRuntime:
    """One running Codex; implements `AgentRuntime`. Made by `CodexFactory.open`."""

    def __init__(
        self,
        process: Process,
        sink: RuntimeSink,
        options: OpenOptions,
        settings: CodexSettings,
        profiles: Profiles,
    ) -> None:
        """Put a runtime around a process that has just been started; `serve` makes it work."""
        self._process = process
        self._sink = sink
        self._settings = settings
        self._profiles = profiles
        self._mapper = Mapper(str(options.cwd))
        self._desk = self._mapper.desk
        self._connection = JsonRpcConnection(process, sink, self._on_batch)
        calls = Calls(self._connection, timeout=settings.request_timeout)
        self._account = AccountRequests(calls)
        self._conversation = Conversation(
            calls,
            self._mapper.threads,
            config=nested_config(settings.config),
            profiles=profiles,
        )
        self._version = ""
        self._work = anyio.Event()
        self._served = anyio.Event()
        self._closing = False
        self._ended = False
        self._stopped_for_breach = False

    @property
    def conversation(self) -> Conversation:
        """The requests to this Codex, for `doctor`."""
        return self._conversation

    @property
    def name(self) -> str:
        """The runtime's name as in the settings."""
        return NAME

    @property
    def version(self) -> str:
        """Codex's version as it reports it."""
        return self._version

    @property
    def pid(self) -> int:
        """Process id of Codex."""
        return self._process.pid

    @property
    def capabilities(self) -> RuntimeCapabilities:
        """What this very Codex can do; final once a thread is open."""
        if self._conversation.asks_everything:
            return RuntimeCapabilities()
        return RuntimeCapabilities(sees_everything=False, unseen=FALLBACK_UNSEEN)

    # Its life ---------------------------------------------------------------------------------

    async def handshake(self) -> None:
        """Introduce ourselves, and learn which Codex this is.

        Raises:
            AgentStartFailed: It ended, or did not answer, before it was usable.
            AgentTooOld: It lacks what we need.
        """
        hello: JsonObject = {
            "clientInfo": {"name": "autopilot-ls", "title": "Autopilot", "version": __version__},
            "capabilities": {"experimentalApi": True},
        }
        try:
            reply = as_table(
                await self._connection.request(
                    "initialize", hello, timeout=self._settings.start_timeout
                )
            )
            home = self._conversation.home = text(reply, "codexHome")
            self._desk.reserved = Reserved(self._profiles.private, Path(home) if home else None)
            said = text(reply, "userAgent")
            self._version = check_version(parse_version(said), said)
            await self._connection.notify("initialized")
        except AgentDied as error:
            await self._process.stop()  # Only then all that it had to say has been read.
            raise self._start_failure("Codex ended before it was ready.") from error
        except RequestTimeout as error:
            limit = self._settings.start_timeout
            what = f"Codex was not ready within {limit:g} seconds."
            raise self._start_failure(what) from error
        except RpcError as error:
            what = f"Codex refused to start: {error.message}."
            raise self._start_failure(what) from error

    def _start_failure(self, what: str) -> AgentError:
        return start_failure(what, self._process.stderr_tail())

    async def serve(self) -> None:
        """Read until the process ends, and report its end; never raises."""
        failure: AutopilotError | None = None
        try:
            await self._connection.run()
        except AgentDied:
            pass
        except AutopilotError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 reason: our own fault must end this process only
            failure = AgentError(f"Internal error while reading from Codex: {error!r}.")
        finally:
            with anyio.CancelScope(shield=True):
                self._tell(self._desk.void())
                self._finish(await self._process.stop(), failure)

    def _finish(self, exit_: ProcessExit, failure: AutopilotError | None) -> None:
        messages = [*self._mapper.held_errors()]
        if failure is not None:
            notice = Notice(severity="error", code=failure.code, message=str(failure))
            messages.append(RuntimeEvent(notice))
        exited = RuntimeExited(
            expected=self._closing,
            code=exit_.code,
            signal=exit_.signal,
            stderr=readable_stderr(exit_.stderr_tail),
            survivors=tuple(sorted({*exit_.survivors, *exit_.remaining})),
        )
        self._tell([*messages, RuntimeEvent(exited)])
        self._ended = True
        self._work.set()
        self._served.set()

    async def close(self) -> None:
        """Cancel what is open, end the process, and wait until its end is reported."""
        self._closing = True
        self._tell(self._desk.refuse_all())
        with anyio.move_on_after(_LAST_ANSWERS):
            await self._send_replies()
        await self._process.stop()
        await self._served.wait()

    # What arrives -----------------------------------------------------------------------------

    def _on_batch(self, batch: Sequence[Incoming]) -> None:
        messages = self._mapper.map(batch)
        self._tell(messages)
        if self._desk.replies or self._desk.overflown or self._mapper.watch.breached:
            self._work.set()

    def _tell(self, messages: Sequence[RuntimeMessage]) -> None:
        if messages and not self._ended:
            self._sink.deliver(messages)

    async def work(self) -> None:
        """Send what is to be sent without anybody asking; ends with the process."""
        while not self._ended:
            await self._work.wait()
            self._work = anyio.Event()
            try:
                await self._send_replies()
                if self._desk.overflown:
                    await self._process.stop()
                if self._mapper.watch.breached and not self._stopped_for_breach:
                    self._stopped_for_breach = True
                    await self._conversation.interrupt(timeout=_ASIDE_TIMEOUT)
            except NoActiveTurn:
                continue
            except AutopilotError:
                # Whoever decides by itself and does not stop is ended; whoever is dead, is reaped.
                await self._process.stop()
                return

    async def _send_replies(self) -> None:
        while self._desk.replies:
            reply = self._desk.replies.popleft()
            if reply.result is None:
                await self._connection.respond_error(reply.request_id, *reply.error)
            else:
                await self._connection.respond(reply.request_id, reply.result)

    # Commands ---------------------------------------------------------------------------------

    def sandbox_fit(self, mode: Mode) -> SandboxFit:
        """Tell how the sandbox in use fits a mode; see `AgentRuntime`."""
        return self._conversation.sandbox_fit(mode)

    async def start_thread(self, options: ThreadOptions) -> ThreadInfo:
        """Begin a new thread."""
        return await self._opened(self._conversation.start_thread(options))

    async def resume_thread(self, thread_id: str, options: ThreadOptions) -> ThreadInfo:
        """Go on with a stored thread, or with a fork of it when it cannot be resumed in time."""
        return await self._opened(self._conversation.resume_thread(thread_id, options))

    async def fork_thread(
        self, thread_id: str, last_turn_id: str, options: ThreadOptions
    ) -> ThreadInfo:
        """Begin a thread that knows all of a stored one up to a turn."""
        forked = self._conversation.fork_thread(thread_id, last_turn_id, options)
        return await self._opened(forked)

    async def _opened(self, opening: Coroutine[object, object, ThreadInfo]) -> ThreadInfo:
        """Open a thread, if Codex has the login that it needs."""
        try:
            await self._account.require_login()
        except BaseException:
            opening.close()
            raise
        info = await opening
        self._mapper.watch.expects_asking = self._conversation.asks_everything
        return info

    async def archive_thread(self, thread_id: str, *, archived: bool) -> None:
        """Put a stored thread away in Codex's own list, or back."""
        await self._conversation.archive_thread(thread_id, archived=archived)

    async def compact(self) -> None:
        """Have the context of the thread shortened."""
        await self._conversation.compact()

    async def start_review(self, target: ReviewTarget) -> str:
        """Have Codex's reviewer look at changes, in a sandbox that can only read."""
        return await self._conversation.start_review(target)

    async def start_turn(
        self, text: str, options: ThreadOptions, images: Sequence[str] = ()
    ) -> str:
        """Give the thread work; returns Codex's id of the turn."""
        return await self._conversation.start_turn(text, options, images)

    async def steer_turn(self, text: str, images: Sequence[str] = ()) -> None:
        """Say something into the running turn."""
        await self._conversation.steer(text, images)

    async def interrupt_turn(self) -> None:
        """Ask the running turn to end, with what it has started; see `Conversation.stop`."""
        await self._conversation.stop()

    async def answer(self, key: str, decision: Decision) -> bool:
        """Answer a `RuntimeApproval`, exactly once; nothing lasting is ever granted.

        A decline's message is steered into the turn before the decline is sent: the other way round,
        the model may end the turn before it hears it. Not interrupted by cancellation.

        Returns:
            Whether Codex was told a decline's message.

        Raises:
            AgentDied: Codex has ended.
            ApprovalAlreadyResolved: It was answered, or Codex no longer waits.
            ApprovalNotFound: There is no such request.
            InvalidRequest: The content is not JSON; the request was declined.
        """
        opened = self._desk.claim(key)
        told: list[bool] = []
        with anyio.CancelScope(shield=True):
            told.append(await self._answer(opened, decision))
        return any(told)

    async def _answer(self, opened: OpenRequest, decision: Decision) -> bool:
        try:
            result = answer_for(opened.method, opened.params, decision)
        except ValueError as error:
            declined = decision.model_copy(update={"kind": DecisionKind.DECLINE})
            refused = answer_for(opened.method, opened.params, declined)
            await self._connection.respond(opened.request_id, refused)
            raise InvalidRequest(
                "The content of the answer is not JSON. The request was declined.",
                advice="Start the turn again and give the content as JSON text.",
            ) from error
        told = False
        if not decision.kind.accepts:
            told = await self._speak_first(opened, decision)
            if not self._desk.is_awaited(opened):
                return told
        elif widens(opened.method):
            self._conversation.widened = True
        await self._connection.respond(opened.request_id, result)
        return told or (decision.kind is DecisionKind.DECLINE and tells_reason(opened.method))

    async def _speak_first(self, opened: OpenRequest, decision: Decision) -> bool:
        """Do what must reach Codex before the refusal does; whatever fails, the refusal follows.

        Returns:
            Whether the decision's message was told.
        """
        if opened.turn_id is None:
            return False
        thread, turn = opened.thread_id, opened.turn_id
        try:
            if decision.kind is DecisionKind.CANCEL and not ends_turn(opened.method):
                await self._conversation.interrupt(thread=thread, turn=turn, timeout=_ASIDE_TIMEOUT)
            elif (
                decision.kind is DecisionKind.DECLINE
                and decision.message.strip()
                and not tells_reason(opened.method)
            ):
                await self._conversation.steer(
                    decision.message, thread=thread, turn=turn, timeout=_ASIDE_TIMEOUT
                )
                return True
        except (AgentError, WireError, NoActiveTurn):
            pass
        return False

    async def list_models(self) -> tuple[ModelInfo, ...]:
        """Return the models that Codex offers."""
        return await self._account.list_models()

    async def account(self) -> AccountInfo:
        """Return Codex's login state."""
        return await self._account.account()

    async def login(self, method: LoginMethod, api_key: str = "") -> LoginBegun:
        """Begin a login by Codex's own flow."""
        return await self._account.login(method, api_key)

    async def cancel_login(self, login_id: str) -> None:
        """Give up a login that goes on."""
        await self._account.cancel_login(login_id)

    async def logout(self) -> None:
        """Log Codex out."""
        await self._account.logout()


class CodexFactory:
    """Opens Codex processes; implements `RuntimeFactory`."""

    def __init__(self, settings: CodexSettings | None = None) -> None:
        """Create a factory.

        Args:
            settings: How Codex is found, started and configured; the defaults when omitted.
        """
        self._settings = settings or CodexSettings()

    @property
    def name(self) -> str:
        """The runtime's name as in the settings."""
        return NAME

    @asynccontextmanager
    async def open(self, options: OpenOptions, sink: RuntimeSink) -> AsyncGenerator[AgentRuntime]:
        """Start Codex and make it ready; leaving ends the process, surely.

        Raises:
            AgentNotFound: There is no Codex.
            AgentStartFailed: It does not start; the message has what it says.
            AgentTooOld: It lacks what we need.
            InvalidSettings: An override of its configuration cannot be written.
        """
        settings = self._settings
        environment = environment_for(settings, options.environment)
        located = locate(settings.command, environment)
        profiles = Profiles.named_anew(options.private, _own_folder(environment), options.held)
        overrides = [*override_arguments(settings.config), *profiles.arguments()]
        command = [*located.command, *overrides, "app-server"]
        failure: Exception | None = None
        async with (
            spawn(command, cwd=options.cwd, env=environment) as process,
            anyio.create_task_group() as tasks,
        ):
            runtime = CodexRuntime(process, sink, options, settings, profiles)
            tasks.start_soon(runtime.serve)
            tasks.start_soon(runtime.work)
            try:
                await runtime.handshake()
                yield runtime
            except Exception as error:  # noqa: BLE001 reason: raised below, outside of the task group
                failure = error
            finally:
                with anyio.CancelScope(shield=True):
                    await runtime.close()
        # A task group would wrap it into a group, which nobody above expects.
        if failure is not None:
            raise failure


def _own_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the folder that Codex will take for its own, if there is one yet."""
    named = environment.get("CODEX_HOME")
    folder = Path(named) if named else Path(environment.get("HOME") or Path.home()) / ".codex"
    return folder.resolve() if folder.is_dir() else None
