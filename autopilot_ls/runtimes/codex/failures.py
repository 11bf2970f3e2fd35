"""What went wrong, in one sentence for a person, with what to do about it.

Pure: texts and codes of Codex in, a `Failure` or an error of the tree out. Not aware of processes or
turns; `turn_reports`, `runtime` and `doctor` stand above.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final, cast

from autopilot_ls.model.errors import AgentError, AgentStartFailed, NotLoggedIn, RpcError
from autopilot_ls.model.text import one_line, visible
from autopilot_ls.runtimes.codex.fields import Table, as_table, optional_integer, table, text

LOGIN_ADVICE: Final = "Run `autopilot-ls login` in a terminal, then try again."
_UNTRUSTED_ADVICE: Final = (
    'Remove the line `approval_policy = "untrusted"` from Codex\'s config.toml: Autopilot asks for it '
    "itself, thread by thread."
)
CONFIG_ADVICE: Final = (
    "Correct Codex's config.toml (in CODEX_HOME, else ~/.codex) or the setting codex.config, and try "
    "again."
)
_HOME_ADVICE: Final = (
    "Correct the setting codex.home or the environment variable CODEX_HOME, or make that folder; it "
    "needs its own `autopilot-ls login`."
)
_ESCAPE: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_NOISE: Final = re.compile(
    r"^(WARNING: proceeding, even though we could not create PATH aliases|Stack backtrace:|\s+\d+: )"
    r"|could not find bubblewrap"
)
_UNAUTHORIZED: Final = 401
_RETRIES: Final = "Codex tries again by itself."
_UNNAMED_RETRY: Final = "A request to the model failed."
_STATUS: Final = re.compile(r"\bstatus:? (\d{3})\b")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a turn failed.

    Attributes:
        code: A code of `model.errors`, or Codex's own name for it.
        message: What happened and what to do, for a person.
    """

    code: str
    message: str


_ADVICE: Final = {
    "contextWindowExceeded": (
        "The conversation no longer fits into the model's context.",
        "Start a new session, or choose a model with a larger context.",
    ),
    "sessionBudgetExceeded": ("The session's budget is used up.", "Start a new session."),
    "usageLimitExceeded": (
        "The account's usage limit is reached.",
        "Wait until it starts anew, or check the plan and its billing.",
    ),
    "rateLimitExceeded": ("The model provider limits the rate.", "Wait a moment and try again."),
    "flexUnavailable": (
        "The flexible service tier has no capacity now.",
        "Try again later, or choose another service tier in Codex's configuration.",
    ),
    "serverOverloaded": ("The model provider is overloaded.", "Wait a moment and try again."),
    "internalServerError": ("The model provider failed.", "Wait a moment and try again."),
    "cyberPolicy": ("The model provider refused the request for its security policy.", ""),
    "misalignmentPolicyViolation": ("The model provider stopped the work for its policy.", ""),
    "tooManyDenials": (
        "Codex stopped because too many of its requests were declined.",
        "Tell it what it may do, and start another turn.",
    ),
    "badRequest": (
        "The model provider refused the request as wrong.",
        "Check the model's name and the provider in Codex's configuration.",
    ),
    "threadRollbackFailed": ("Codex could not go back in the thread.", "Start a new session."),
    "sandboxError": (
        "Codex could not set up its sandbox.",
        "Run `codex doctor` or `autopilot-ls doctor` to see what the system lacks.",
    ),
    "responseStreamDisconnected": (
        "The connection to the model was lost in the middle of its answer.",
        "Check the network and start the turn again.",
    ),
    "httpConnectionFailed": (
        "The model provider could not be reached.",
        "Check the network, the proxy settings and the provider's address.",
    ),
    "responseStreamConnectionFailed": (
        "The model provider could not be reached.",
        "Check the network, the proxy settings and the provider's address.",
    ),
    "responseTooManyFailedAttempts": (
        "The model provider failed again and again.",
        "Wait a moment and try again.",
    ),
    "activeTurnNotSteerable": ("The running turn takes no further text.", "Wait for its end."),
}
_BY_STATUS: Final = {
    402: "usageLimitExceeded",
    404: "badRequest",
    413: "contextWindowExceeded",
    429: "rateLimitExceeded",
    529: "serverOverloaded",
}
_BY_TEXT: Final = (
    (re.compile(r"context_length_exceeded|context window", re.IGNORECASE), "contextWindowExceeded"),
    (re.compile(r"stream (disconnected|closed)", re.IGNORECASE), "responseStreamDisconnected"),
    (re.compile(r"insufficient_quota|usage limit", re.IGNORECASE), "usageLimitExceeded"),
    (
        re.compile(r"error sending request|connection refused|dns error", re.IGNORECASE),
        "httpConnectionFailed",
    ),
)


def _info(error: Table) -> tuple[str, int | None]:
    """Return Codex's name for the error and the HTTP status, where it has one."""
    info = error.get("codexErrorInfo")
    if isinstance(info, str):
        return info, None
    for name, details in as_table(info).items():
        return name, optional_integer(as_table(details), "httpStatusCode")
    return "other", None


def _stated(error: Table) -> str:
    """Return what the provider said, dug out of the JSON that Codex passes on as it is."""
    stated = text(error, "message")
    if stated.lstrip().startswith("{"):
        try:
            value = cast("object", json.loads(stated))
        except (ValueError, RecursionError):
            return stated
        inner = table(as_table(value), "error")
        stated = text(inner, "message") or stated
        code = text(inner, "code")
        return f"{stated} ({code})" if code and code not in stated else stated
    return stated


def turn_failure(error: Table, *, retries: bool = False) -> Failure:
    """Return why a turn failed, from a `TurnError` of Codex.

    Args:
        error: Codex's description.
        retries: Whether Codex tries again by itself, so that there is nothing to do yet.
    """
    name, status = _info(error)
    stated = _stated(error)
    found = _STATUS.search(stated)
    if status is None and found is not None:
        status = int(found[1])
    if name == "unauthorized" or status == _UNAUTHORIZED:
        said = f" It says: {one_line(stated, 500)}" if stated else ""
        message = "The model provider refused the login, or there is none."
        return Failure(NotLoggedIn.code, f"{message} {LOGIN_ADVICE}{said}")
    if name == "other":
        name = next((known for pattern, known in _BY_TEXT if pattern.search(stated)), name)
    if status in _BY_STATUS and name not in ("usageLimitExceeded", "contextWindowExceeded"):
        name = _BY_STATUS[status]
    what, advice = _ADVICE.get(name, (_UNNAMED_RETRY if retries else "The turn failed.", ""))
    if retries:
        advice = _RETRIES
    details = text(error, "additionalDetails")
    said = one_line(f"{stated} {details}" if details else stated, 500)
    parts = [what, f"Codex says: {said}" if said else "", advice]
    if said and said[-1] not in ".!?…":
        parts[1] += "."
    return Failure(name, " ".join(part for part in parts if part))


def readable_stderr(tail: str) -> str:
    """Return the telling lines at the end of Codex's standard error, safe to show."""
    lines = [
        line.rstrip()
        for line in visible(_ESCAPE.sub("", tail)).splitlines()
        if line.strip() and not _NOISE.search(line)
    ]
    return "\n".join(lines[-12:])[-2_000:]


def start_failure(what: str, tail: str) -> AgentError:
    """Return the error for a Codex that did not become usable.

    Args:
        what: What happened, as a sentence.
        tail: The end of its standard error.
    """
    said = readable_stderr(tail)
    end = "" if said.endswith((".", "!", "?", "…")) else "."
    message = f"{what} It says: {said}{end}" if said else what
    lowered = said.lower()
    if "untrusted" in lowered and "no longer supported" in lowered:
        return AgentStartFailed(message, advice=_UNTRUSTED_ADVICE)
    if "codex_home" in lowered:
        return AgentStartFailed(message, advice=_HOME_ADVICE)
    if "config" in lowered or re.search(r"^in `", said, re.MULTILINE):
        return AgentStartFailed(message, advice=CONFIG_ADVICE)
    if "not logged in" in lowered or "unauthorized" in lowered:
        return NotLoggedIn(message, advice=LOGIN_ADVICE)
    return AgentStartFailed(message, advice="Run `autopilot-ls doctor` to see what is wrong.")


def request_failure(what: str, error: RpcError) -> AgentError:
    """Return the error for a request about a thread that Codex refused.

    Args:
        what: What could not be done, as the beginning of a sentence.
        error: Codex's answer.
    """
    said = one_line(error.message, 1_000)
    message = f"{what}: {said}"
    lowered = said.lower()
    if "unauthorized" in lowered or "not logged in" in lowered:
        return NotLoggedIn(message, advice=LOGIN_ADVICE)
    if "config" in lowered or "unknown variant" in lowered:
        return AgentStartFailed(message, advice=CONFIG_ADVICE)
    return AgentError(message)
