"""The messages of JSON-RPC: what arrives, as values, and what is sent, as bytes.

Not aware of connections: which reply is whose, and what is recorded, is the business of `jsonrpc`,
which stands above, as do the runtimes. Only the model's errors stand below.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, TypeAlias

from autopilot_ls.model.errors import InvalidRequest, RpcError

_SHOWN: Final = 2_000

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"


# Freezing it would cost as much as parsing the message, and these come by the ten thousand.
@dataclass(slots=True)
class Notification:
    """A message of the agent that wants no answer; never changed once it is made."""

    method: str
    params: JsonObject
    frame: int


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """A message of the agent that must be answered exactly once, by its id."""

    id: int | str
    method: str
    params: JsonObject
    frame: int


@dataclass(frozen=True, slots=True)
class OrphanError:
    """An error without an id that could not be attributed to a request in flight."""

    code: int
    message: str
    frame: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """A frame that is no JSON-RPC message.

    Attributes:
        text: Its beginning, not safe to display; the record has the whole.
        request_id: If the agent waits for an answer to it, the id to send an error to.
    """

    text: str
    frame: int
    request_id: int | str | None = None


Incoming: TypeAlias = Notification | ServerRequest | OrphanError | Malformed


def request_id_of(value: JsonValue) -> int | str | None:
    """Return the value if it can be the id of a request."""
    if type(value) is int or type(value) is str:
        return value
    return None


def malformed(line: bytes, frame: int, request_id: int | str | None = None) -> Malformed:
    """Return what is handed on of a frame that is no message."""
    return Malformed(line[:_SHOWN].decode("utf-8", "replace"), frame, request_id)


def rpc_error(error: JsonValue) -> RpcError:
    """Return the error of a reply, whatever its form."""
    if not isinstance(error, dict):
        return RpcError(json.dumps(error)[:_SHOWN], rpc_code=0)
    code, message, data = error.get("code"), error.get("message"), error.get("data")
    return RpcError(
        message[:_SHOWN] if isinstance(message, str) else "The agent gave no reason.",
        rpc_code=code if type(code) is int else 0,
        data="" if data is None else json.dumps(data),
    )


def with_params(head: JsonObject, params: JsonValue) -> JsonObject:
    """Return the message with its parameters, which are left out when None."""
    if params is not None:
        head["params"] = params
    return head


def encode(message: JsonObject) -> bytes:
    """Return the message as one line, without its newline.

    Raises:
        InvalidRequest: It cannot be said in JSON.
    """
    try:
        text = json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"This cannot be sent to an agent as JSON: {error}.") from error
    try:
        return text.encode()
    except UnicodeEncodeError:
        # A lone surrogate, such as from a file name that is not UTF-8: only an escape can carry it.
        return json.dumps(message, separators=(",", ":"), allow_nan=False).encode("ascii")
