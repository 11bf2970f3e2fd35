"""What the scripted model does with one request: answer it, fail it, cut it or hold it.

A `Step` is inert data; `server` carries it out. Nothing here knows of sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from autopilot_ls.scripted_model.encoding import EncodedResponse
from autopilot_ls.scripted_model.outputs import JsonObject, Output

if TYPE_CHECKING:
    import threading


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens a response claims to have used."""

    input_tokens: int = 100
    cached_input_tokens: int = 0
    output_tokens: int = 10
    reasoning_output_tokens: int = 0

    def as_json(self) -> JsonObject:
        """The `usage` member of `response.completed`."""
        return {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": self.cached_input_tokens},
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": self.reasoning_output_tokens},
            "total_tokens": self.input_tokens + self.output_tokens,
        }


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer with a whole response; see `respond`."""

    response: EncodedResponse


@dataclass(frozen=True, slots=True)
class HttpError:
    """Answer with an HTTP error; see `http_error`."""

    status: int
    message: str
    code: str


@dataclass(frozen=True, slots=True)
class CutStream:
    """Begin a response and close the connection; see `cut_stream`."""

    response: EncodedResponse


@dataclass(frozen=True, slots=True)
class Hold:
    """Begin a response, wait, go on; see `hold`."""

    event: threading.Event
    then: Respond | CutStream
    first: EncodedResponse


@dataclass(frozen=True, slots=True)
class Compute:
    """Decide when the request is there; see `compute`."""

    decide: Callable[[JsonObject], Step | Output]


Step: TypeAlias = Respond | HttpError | CutStream | Hold | Compute


def respond(*outputs: Output, usage: Usage | None = None) -> Respond:
    """Answer with these outputs, in this order; several calls make Codex run them side by side."""
    return Respond(EncodedResponse.of(outputs, usage=(usage or Usage()).as_json()))


def http_error(status: int, message: str, *, code: str = "scripted_error") -> HttpError:
    """Answer with an HTTP error and the error body of the API.

    Args:
        status: The HTTP status, from 400 to 599.
        message: What the error says.
        code: The machine readable code, such as `context_length_exceeded`.
    """
    return HttpError(status, message, code)


def cut_stream(*after: Output) -> CutStream:
    """Send these outputs, then close the connection without having completed the response."""
    return CutStream(EncodedResponse.of(after, usage=None))


def hold(
    event: threading.Event, then: Respond | CutStream | Output, *, first: tuple[Output, ...] = ()
) -> Hold:
    """Begin the response, wait for the event, then go on.

    The wait ends without the rest when the agent goes away, the server is closed, or the server's
    `hold_limit` is over.

    Args:
        event: Set it to let the response go on.
        then: The rest of the response.
        first: Outputs to send before the wait.
    """
    rest = respond(then) if isinstance(then, Output) else then
    return Hold(event, rest, EncodedResponse.of(first, usage=None))


def compute(decide: Callable[[JsonObject], Step | Output]) -> Compute:
    """Make the step from the body of the request, for example from the output of an earlier call.

    Args:
        decide: Called with the body, in the thread that serves the request.
    """
    return Compute(decide)
