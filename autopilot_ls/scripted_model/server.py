"""The scripted model: a loopback HTTP server that answers an agent from a script.

It speaks as much of the OpenAI Responses API as Codex needs to run without a login or a network:
the real agent runs, only what the model says is written beforehand. The demo and the tests use it.
It knows nothing of Autopilot and imports only the standard library. `steps` and `outputs` say what
can be scripted.
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self, TypeAlias, cast

from autopilot_ls.scripted_model.outputs import JsonObject, Output, message
from autopilot_ls.scripted_model.steps import Compute, CutStream, Hold, HttpError, Respond, respond

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from autopilot_ls.scripted_model.encoding import EncodedResponse
    from autopilot_ls.scripted_model.steps import Step

Script: TypeAlias = "Sequence[Step | Output]"

_BODY_LIMIT = 64 * 1024 * 1024
_READ_TIMEOUT = 30.0
_POLL = 0.02


class ScriptedModel:
    """A model that says what it was told to say.

    Every POST that offers tools takes the next step of the script; requests past the end, and
    those without tools (Codex asks for titles and summaries in this way), get a plain message.
    Use it as a context manager.

    Args:
        script: One list of steps for all threads, in the order in which requests come. Or a mapping
            from a marker to steps: a thread follows the script whose marker stands in the last
            user message of its first request, or in the task it was given as a sub-agent.
        hold_limit: The longest that a `hold` waits, in seconds.
        after_end: The message that is said past the end of a script.
    """

    def __init__(
        self,
        script: Script | Mapping[str, Script] = (),
        *,
        hold_limit: float = 60.0,
        after_end: str = "done",
    ) -> None:
        scripts = script if isinstance(script, Mapping) else {"": script}
        self._scripts = {
            marker: deque(_prepared(step) for step in steps) for marker, steps in scripts.items()
        }
        self._markers: dict[str, str] = {}
        self._bodies: list[JsonObject] = []
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._failures: list[BaseException] = []
        self._hold_limit = hold_limit
        self._after_end = after_end
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": _POLL},
            name="scripted-model",
            daemon=True,
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if error is None and self._failures:
            raise self._failures[0]

    @property
    def base_url(self) -> str:
        """Where it listens, as `http://127.0.0.1:PORT/v1`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def requests(self) -> list[JsonObject]:
        """The bodies of all requests so far, oldest first."""
        with self._changed:
            return list(self._bodies)

    @property
    def remaining(self) -> int:
        """How many steps of all scripts are still to come."""
        with self._changed:
            return sum(len(steps) for steps in self._scripts.values())

    def extend(self, *steps: Step | Output, marker: str = "") -> None:
        """Add steps to the end of a script, while the server runs.

        Args:
            steps: What is to be said next.
            marker: The script to extend; the empty one is that of a plain list.
        """
        prepared = [_prepared(step) for step in steps]
        with self._changed:
            self._scripts.setdefault(marker, deque()).extend(prepared)

    def wait_for_requests(self, count: int, timeout: float = 30.0) -> list[JsonObject]:
        """Wait until this many requests have come since the start.

        Args:
            count: How many.
            timeout: The longest to wait, in seconds.

        Returns:
            The bodies of all requests.

        Raises:
            TimeoutError: If fewer came in time; the message says how many.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._bodies) >= count, timeout):
                came = len(self._bodies)
                raise TimeoutError(f"{came} of {count} requests came within {timeout} s")
            return list(self._bodies)

    def next_step(self, body: JsonObject) -> Step:
        """Record a request and take the step that answers it; called by the server's threads."""
        with self._changed:
            self._bodies.append(body)
            self._changed.notify_all()
            steps = self._scripts.get(self._marker(body))
            step = steps.popleft() if steps and body.get("tools") else None
        if step is None:
            return respond(message(self._after_end))
        return _prepared(step.decide(body)) if isinstance(step, Compute) else step

    def wait_for_release(self, event: threading.Event, connection: socket.socket) -> bool:
        """Wait for the event of a `hold`; false where the response must not go on."""
        end = time.monotonic() + self._hold_limit
        while not event.wait(_POLL):
            if self._closing.is_set() or time.monotonic() > end or _is_closed(connection):
                return False
        return True

    def fail(self, error: BaseException) -> None:
        """Keep an error of a serving thread, to be raised when the server is closed."""
        self._failures.append(error)

    def _marker(self, body: JsonObject) -> str:
        thread = thread_of(body)
        if thread not in self._markers:
            text = last_user_text(body)
            found = (marker for marker in self._scripts if marker and marker in text)
            self._markers[thread] = next(found, "")
        return self._markers[thread]


def thread_of(body: JsonObject) -> str:
    """The thread that made a request; a sub-agent has its own, though it shares the cache key."""
    metadata = body.get("client_metadata")
    named = cast("JsonObject", metadata).get("thread_id") if isinstance(metadata, dict) else None
    return str(named or body.get("prompt_cache_key", ""))


def last_user_text(body: JsonObject) -> str:
    """The text of the last message from a user, or to a sub-agent; empty where there is none."""
    items = body.get("input")
    for item in reversed(cast("list[JsonObject]", items) if isinstance(items, list) else []):
        if item.get("role") == "user" or item.get("type") == "agent_message":
            parts = cast("list[JsonObject]", item.get("content") or [])
            # What one agent says to another stands in a member that is encrypted elsewhere.
            return "".join(
                str(part.get("text") or part.get("encrypted_content") or "") for part in parts
            )
    return ""


def call_outputs(body: JsonObject) -> list[str]:
    """What the calls so far gave back to the model, as text, oldest first."""
    items = body.get("input")
    found: list[str] = []
    for item in cast("list[JsonObject]", items) if isinstance(items, list) else []:
        if str(item.get("type", "")).endswith("_call_output"):
            output = item.get("output")
            found.append(output if isinstance(output, str) else json.dumps(output))
    return found


def _prepared(step: Step | Output) -> Step:
    """Encode a bare output at once, so that nothing but writing is left when its turn comes."""
    return respond(step) if isinstance(step, Output) else step


def _is_closed(connection: socket.socket) -> bool:
    """Whether the other side has gone; it sends nothing more after its one request."""
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, model: ScriptedModel) -> None:
        self.model = model
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: an agent that goes away in mid-response is a part of many scripts."""


class _Handler(BaseHTTPRequestHandler):
    # HTTP/1.0 ends a body by closing the connection, so that a cut stream needs nothing special.
    protocol_version = "HTTP/1.0"
    timeout = _READ_TIMEOUT

    @property
    def _model(self) -> ScriptedModel:
        return cast("_Server", self.server).model

    def do_GET(self) -> None:
        # Codex may ask for the list of models; it goes on with its own when there is none.
        self._send_json(404, {"error": {"message": "not scripted", "code": "not_found"}})

    def do_POST(self) -> None:
        body = self._read_body()
        if body is None:
            return
        try:
            step = self._model.next_step(body)
        except Exception as error:  # noqa: BLE001 - the script's own code may raise anything.
            self._model.fail(error)
            step = HttpError(500, f"the script failed: {error!r}", "script_failed")
        with suppress(ConnectionError):
            self._perform(step)

    def log_message(
        self,
        format: str,
        *args: object,
    ) -> None:
        """Say nothing: standard error belongs to whoever runs the script."""

    def _read_body(self) -> JsonObject | None:
        length = int(self.headers.get("Content-Length", "0"))
        if not self.path.endswith("/responses"):
            self._send_json(404, {"error": {"message": "not scripted", "code": "not_found"}})
            return None
        if length > _BODY_LIMIT:
            self._send_json(413, {"error": {"message": "too large", "code": "too_large"}})
            return None
        try:
            body: object = json.loads(self.rfile.read(length))
        except ValueError:
            body = None
        if not isinstance(body, dict):
            self._send_json(400, {"error": {"message": "not a JSON object", "code": "bad_json"}})
            return None
        return cast("JsonObject", body)

    def _perform(self, step: Step) -> None:
        match step:
            case Respond(response):
                self._begin(response)
                self._finish(response)
            case CutStream(response):
                self._begin(response)
                self._finish(response)
            case Hold(event, then, first):
                self._begin(then.response)
                self._write_blocks(first)
                if self._model.wait_for_release(event, self.connection):
                    self._finish(then.response)
            case HttpError(status, text, code):
                error = {"message": text, "type": "scripted", "code": code}
                self._send_json(status, {"error": error})
            case Compute(decide):
                raise TypeError(f"a computed step made another computed step: {decide}")

    def _begin(self, response: EncodedResponse) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        self.wfile.write(response.created())

    def _finish(self, response: EncodedResponse) -> None:
        self._write_blocks(response)
        self.wfile.write(response.completed)

    def _write_blocks(self, response: EncodedResponse) -> None:
        for block in response.blocks:
            self.wfile.write(block)

    def _send_json(self, status: int, value: JsonObject) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
