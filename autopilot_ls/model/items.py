"""Items: the pieces of a turn as a person sees them.

Runtime-neutral values, closed as a union: an item of an agent that has no form of its own here is an
`OtherItem`, never lost. Not aware of any wire. `events` carries them, `state` keeps them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from autopilot_ls.model.approvals import ProposedChange
from autopilot_ls.model.base import Frozen


class ItemStatus(StrEnum):
    """Where an item stands."""

    IN_PROGRESS = "inProgress"
    COMPLETED = "completed"
    FAILED = "failed"
    DECLINED = "declined"


class _Item(Frozen):
    id: str
    status: ItemStatus = ItemStatus.IN_PROGRESS


class UserMessage(_Item):
    """What the person wrote; `steered` when it was sent into a running turn."""

    kind: Literal["userMessage"] = "userMessage"
    text: str
    steered: bool = False


class AgentMessage(_Item):
    """What the agent says, in markdown."""

    kind: Literal["agentMessage"] = "agentMessage"
    text: str = ""


class Reasoning(_Item):
    """The agent's reasoning: a summary for people, and the raw text where it is given."""

    kind: Literal["reasoning"] = "reasoning"
    summary: str = ""
    content: str = ""


class PlanText(_Item):
    """A plan written as prose; the steps with ticks come as `PlanUpdated`."""

    kind: Literal["plan"] = "plan"
    text: str = ""


class CommandExecution(_Item):
    """A command with its output.

    Attributes:
        output: Standard output and error together, as far as the agent reports it.
        exit_code: None while it runs or when it never ran.
        duration: Seconds.
        process_id: The agent's own name for the process, for background terminals.
    """

    kind: Literal["command"] = "command"
    command: str
    cwd: str = ""
    output: str = ""
    exit_code: int | None = None
    duration: float | None = None
    process_id: str | None = None


class FileChanges(_Item):
    """A patch as the agent worded it."""

    kind: Literal["fileChanges"] = "fileChanges"
    changes: tuple[ProposedChange, ...] = ()


class ToolCall(_Item):
    """A call of an MCP tool, or of a tool that the client offers; arguments and result as text."""

    kind: Literal["toolCall"] = "toolCall"
    server: str = ""
    tool: str
    arguments: str = ""
    result: str = ""
    error: str = ""


class WebSearch(_Item):
    """A search in the web."""

    kind: Literal["webSearch"] = "webSearch"
    query: str = ""


class SubAgentCall(_Item):
    """Work with sub-agents: spawn, send, wait, close."""

    kind: Literal["subAgent"] = "subAgent"
    tool: str = ""
    thread_ids: tuple[str, ...] = ()
    prompt: str = ""


class Compaction(_Item):
    """The agent shortened its context."""

    kind: Literal["compaction"] = "compaction"


class OtherItem(_Item):
    """An item that has no form of its own here: its native type and a short description."""

    kind: Literal["other"] = "other"
    native_type: str
    summary: str = ""


Item = Annotated[
    UserMessage
    | AgentMessage
    | Reasoning
    | PlanText
    | CommandExecution
    | FileChanges
    | ToolCall
    | WebSearch
    | SubAgentCall
    | Compaction
    | OtherItem,
    Field(discriminator="kind"),
]

TextField = Literal["text", "summary", "content", "output"]
"""The item members that grow by deltas."""


class PlanStep(Frozen):
    """One step of a plan."""

    step: str
    status: Literal["pending", "inProgress", "completed"]


class TokenUsage(Frozen):
    """Tokens spent so far by a thread.

    Attributes:
        context_window: Size of the model's context in tokens, when known.
        context_used: Tokens in the context at the last model call.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0
    context_window: int | None = None
    context_used: int | None = None

    def plus(self, other: TokenUsage) -> TokenUsage:
        """Return the sum of two counts; the context is this one's."""
        return TokenUsage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            context_window=self.context_window,
            context_used=self.context_used,
        )


class RateLimit(Frozen):
    """One limit of the account: how much of it is used, and when it starts anew.

    Attributes:
        used_percent: 0 to 100.
        resets_at: Seconds since the epoch.
    """

    name: str
    used_percent: float
    resets_at: float | None = None
