"""The seam between the supervisor and any agent.

A `RuntimeFactory` opens one agent process for one session; the `AgentRuntime` it gives takes commands,
and reports through a `RuntimeSink`, by synchronous calls that must not block: first the raw frames
(`record`, before anything is acted upon), then what they mean (`deliver`, one batch for each read of
the pipe). Not aware of any concrete agent, of the policy, or of who listens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from autopilot_ls.model.approvals import Action, Decision, Mode
from autopilot_ls.model.events import Body
from autopilot_ls.model.findings import ReviewTarget


@dataclass(frozen=True, slots=True)
class RuntimeEvent:
    """A fact the agent reported.

    Attributes:
        frames: First and last number of the raw frames it came from; None for what the runtime
            itself noticed.
    """

    body: Body
    thread_id: str | None = None
    turn_id: str | None = None
    frames: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class RuntimeApproval:
    """The agent asks and waits; answer it once through `AgentRuntime.answer`.

    Attributes:
        key: Names the request towards this runtime.
    """

    key: str
    action: Action
    reason: str = ""
    thread_id: str | None = None
    turn_id: str | None = None
    item_id: str | None = None
    frames: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ApprovalWithdrawn:
    """The agent no longer waits for the answer to this request, or has taken it."""

    key: str


@dataclass(frozen=True, slots=True)
class LoginEnded:
    """A login has ended, well or not.

    Attributes:
        login_id: As `LoginBegun` had it.
        error: Why it failed; empty when it did not.
    """

    login_id: str
    error: str = ""


RuntimeMessage = RuntimeEvent | RuntimeApproval | ApprovalWithdrawn | LoginEnded


class RuntimeSink(Protocol):
    """What a runtime reports to; implemented by the supervisor's session."""

    def record(self, direction: Literal["in", "out"], frames: Sequence[bytes]) -> int:
        """Record raw frames before they are acted upon or sent.

        Returns:
            The number of the first of them, from 1 in the session.

        Raises:
            TraceFull: They cannot be recorded; the runtime must decline what is open, and stop.
        """
        ...

    def deliver(self, batch: Sequence[RuntimeMessage]) -> None:
        """Take what one read of the pipe brought, in order. Never blocks, never raises."""
        ...


class Unrecorded:
    """A sink for questions that belong to no session: nothing is recorded, nothing is asked."""

    def __init__(self) -> None:
        """Create it with no frame counted."""
        self._frames = 0

    def record(self, direction: Literal["in", "out"], frames: Sequence[bytes]) -> int:
        """Count the frames only."""
        del direction
        first = self._frames + 1
        self._frames += len(frames)
        return first

    def deliver(self, batch: Sequence[RuntimeMessage]) -> None:
        """Let it pass."""
        del batch


@dataclass(frozen=True, slots=True)
class RuntimeCapabilities:
    """What the agent can do.

    Attributes:
        sees_everything: Whether every action of the agent comes to us for judgement.
        unseen: What does not, in words for a person; empty when everything does.
    """

    steer: bool = True
    resume: bool = True
    models: bool = True
    sees_everything: bool = True
    unseen: str = ""


SandboxFit = Literal["same", "looser", "stricter"]
"""How the sandbox that is in use relates to the one that a mode gives."""


@dataclass(frozen=True, slots=True)
class HeldPaths:
    """What the operating system should keep programs from, in a sandbox that may write.

    All paths are absolute and real (no symlink leads to them), and existed a moment ago.

    Attributes:
        read_only: Files and folders that cannot be written, with all that is below them.
        denied: Those that cannot even be read.
    """

    read_only: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()

    def holds(self, other: HeldPaths) -> bool:
        """Tell whether these keep programs from all that the other ones do."""
        denied = set(self.denied)
        return denied.issuperset(other.denied) and (denied | set(self.read_only)).issuperset(
            other.read_only
        )


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """How to start the agent's process for a session.

    Attributes:
        private: A folder of Autopilot's own, which exists and which the agent must not look into.
        environment: The environment that the person's editor has, with the settings' additions.
        held: What the sandbox of each mode holds within the workspace, for as long as the process
            lives; a mode that is missing holds nothing special.
    """

    cwd: Path
    private: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    held: Mapping[Mode, HeldPaths] = field(default_factory=dict[Mode, HeldPaths])


@dataclass(frozen=True, slots=True)
class ThreadOptions:
    """How a thread works: where, how autonomous, and with which model (None: the agent's own choice)."""

    cwd: Path
    mode: Mode
    model: str | None = None
    effort: str | None = None


@dataclass(frozen=True, slots=True)
class ThreadInfo:
    """The thread that serves the session from now on; `how` as in `events.ThreadOpened`."""

    thread_id: str
    model: str
    how: Literal["started", "resumed", "forked"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that the agent offers."""

    id: str
    name: str
    description: str
    efforts: tuple[str, ...]
    default_effort: str
    is_default: bool


LoginMethod = Literal["browser", "deviceCode", "apiKey"]


@dataclass(frozen=True, slots=True)
class LoginBegun:
    """A login that goes on, or is done.

    Attributes:
        login_id: Names it towards the agent; empty when it is done.
        url: Where the person goes with a browser.
        user_code: What they enter there.
    """

    login_id: str = ""
    url: str = ""
    user_code: str = ""


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """The agent's login; `needed` tells whether it can work without one (own model provider)."""

    logged_in: bool
    needed: bool
    description: str


class AgentRuntime(Protocol):
    """One running agent process, serving one session.

    Every method has a bounded wait and raises an `AgentError` when the agent refuses, is too slow or
    dies. Cancelling a call ends the wait only; what the agent does with it is then unknown.
    """

    @property
    def name(self) -> str:
        """The runtime's name as in the settings, for example `codex`."""
        ...

    @property
    def version(self) -> str:
        """The agent's version as it reports it."""
        ...

    @property
    def pid(self) -> int:
        """Process id of the agent."""
        ...

    @property
    def capabilities(self) -> RuntimeCapabilities:
        """What this very agent can do."""
        ...

    def sandbox_fit(self, mode: Mode) -> SandboxFit:
        """Tell how the sandbox of the running turn relates to the one that a mode gives.

        Without a running turn it is that of the last one, whose programs may live on. What is looser in
        one point and stricter in another is looser.
        """
        ...

    async def start_thread(self, options: ThreadOptions) -> ThreadInfo:
        """Begin a new thread."""
        ...

    async def resume_thread(self, thread_id: str, options: ThreadOptions) -> ThreadInfo:
        """Go on with a stored thread, or with a fork of it when it cannot be resumed in time."""
        ...

    async def fork_thread(
        self, thread_id: str, last_turn_id: str, options: ThreadOptions
    ) -> ThreadInfo:
        """Begin a thread that knows all of a stored one up to a turn, which is included."""
        ...

    async def archive_thread(self, thread_id: str, *, archived: bool) -> None:
        """Put a stored thread away in the agent's own list, or back; no process may serve it."""
        ...

    async def compact(self) -> None:
        """Have the thread's context shortened; goes on as a turn of its own."""
        ...

    async def start_review(self, target: ReviewTarget) -> str:
        """Have the agent's own reviewer look at changes; returns the agent's id of the turn.

        Must be held by a sandbox that can only read, whatever the mode, where the reviewer does not ask.
        What it finds is reported as `FindingsReported`; then comes `TurnCompleted`.
        """
        ...

    async def start_turn(
        self, text: str, options: ThreadOptions, images: Sequence[str] = ()
    ) -> str:
        """Give the thread work; returns the agent's id of the turn. Ends with `TurnCompleted`.

        Args:
            text: What to do.
            options: How to do it.
            images: Absolute paths of pictures that the model is shown with it.
        """
        ...

    async def steer_turn(self, text: str, images: Sequence[str] = ()) -> None:
        """Say something into the running turn; `images` as in `start_turn`.

        Raises:
            NoActiveTurn: The turn ended meanwhile.
        """
        ...

    async def interrupt_turn(self) -> None:
        """Ask the running turn to end; that it did is reported as `TurnCompleted`."""
        ...

    async def answer(self, key: str, decision: Decision) -> bool:
        """Answer a `RuntimeApproval`, exactly once; nothing lasting is ever granted.

        Returns:
            Whether the agent was told a decline's message too: not where it has no way to hear it,
            or its turn has just ended.
        """
        ...

    async def list_models(self) -> tuple[ModelInfo, ...]:
        """Return the models the agent offers."""
        ...

    async def account(self) -> AccountInfo:
        """Return the agent's login state."""
        ...

    async def login(self, method: LoginMethod, api_key: str = "") -> LoginBegun:
        """Begin a login; that it ended is reported as `LoginEnded`, unless it was done at once.

        The process must live until then. The key is among the frames that are recorded, so this is for a
        sink that records none.
        """
        ...

    async def cancel_login(self, login_id: str) -> None:
        """Give up a login that goes on."""
        ...

    async def logout(self) -> None:
        """Log the agent out."""
        ...


class RuntimeFactory(Protocol):
    """Opens agent processes of one kind."""

    @property
    def name(self) -> str:
        """The runtime's name as in the settings."""
        ...

    def open(
        self, options: OpenOptions, sink: RuntimeSink
    ) -> AbstractAsyncContextManager[AgentRuntime]:
        """Start an agent and make it ready; leaving the context ends the process, surely.

        When the process ends, for whatever reason, the last thing delivered is a `RuntimeExited`.

        Raises:
            AgentError: The agent cannot be had; the message says what to do.
        """
        ...
