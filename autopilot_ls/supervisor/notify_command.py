"""Running the person's notify command once, with news that an agent may have worded.

What it is given is cleaned, bounded, and never read by a shell: words of the command, environment
variables, and one line of JSON on its standard input. Bounded in time and output; nothing that it starts
outlives the call. Not aware of what is news. `notifier` stands above, `wire.process` below.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from autopilot_ls.model.errors import AgentError
from autopilot_ls.model.text import one_line, visible, without_escapes
from autopilot_ls.settings.templates import PLACEHOLDER
from autopilot_ls.wire.process import Process, ProcessLimits, spawn

TIME_LIMIT: Final = 10.0
"""Seconds that the command may take."""

OUTPUT_LIMIT: Final = 64 * 1024
"""Bytes that it may print; nobody reads them."""

MAX_TITLE: Final = 120
MAX_TEXT: Final = 600

_LIMITS: Final = ProcessLimits(
    close_grace=0.2, terminate_grace=0.5, stderr_tail=2_000, write_timeout=TIME_LIMIT
)
_MARKUP: Final = str.maketrans({"<": "‹", ">": "›"})
_SPECIAL: Final = "-@+=/\\~"


@dataclass(frozen=True, slots=True)
class Message:
    """What the command is told; texts may be anybody's.

    Attributes:
        kind: One of the names of the setting `notify.on`.
        session: The session's id; empty when it is about several.
        workspace: The session's folder, likewise.
    """

    kind: str
    title: str
    text: str
    session: str
    workspace: str

    def cleaned(self) -> dict[str, str]:
        """Return the members as single visible lines of bounded length."""
        return {
            "kind": self.kind,
            "title": one_line(self.title, MAX_TITLE),
            "text": one_line(self.text, MAX_TEXT),
            "session": one_line(self.session, 100),
            "workspace": one_line(self.workspace, 1_000),
        }


def words_of(template: Sequence[str], message: Message) -> list[str]:
    """Return the command with the message put in; each word stays one word."""
    values = message.cleaned()

    def value(found: re.Match[str]) -> str:
        return _harmless(found[1], values[found[1]])

    program = str(Path(template[0]).expanduser())
    return [program, *(PLACEHOLDER.sub(value, word) for word in template[1:])]


def _harmless(name: str, value: str) -> str:
    """Return a value for a word: no option, no name of a file, no markup with links.

    Only our own words begin a text, but what an option is must not hang on that.
    """
    if name == "workspace":
        return value
    value = value.translate(_MARKUP)
    return f" {value}" if value[:1] and value[0] in _SPECIAL else value


async def run(template: Sequence[str], message: Message, environment: Mapping[str, str]) -> str:
    """Run the command and wait for its end.

    Args:
        template: The checked command.
        message: What to tell.
        environment: What the command gets beside it.

    Returns:
        What went wrong as the end of a sentence, empty when nothing did.
    """
    values = message.cleaned()
    told = {f"AUTOPILOT_{name.upper()}": value for name, value in values.items()}
    payload = json.dumps(values, ensure_ascii=False).encode() + b"\n"
    home = Path.home()
    # Not the workspace: what stands there must not be taken for a part of the command.
    folder = home if home.is_dir() else Path("/")
    try:
        async with spawn(
            words_of(template, message),
            cwd=folder,
            env={**environment, **told},
            limits=_LIMITS,
        ) as process:
            return await _attend(process, payload)
    except AgentError as error:
        return f"could not be started: {error.message}"


async def _attend(process: Process, payload: bytes) -> str:
    with anyio.move_on_after(TIME_LIMIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_feed, process, payload)
            size = 0
            while piece := await process.read():
                size += len(piece)
                if size > OUTPUT_LIMIT:
                    tasks.cancel_scope.cancel()
                    return f"printed more than {OUTPUT_LIMIT // 1024} KB and was ended"
            await process.wait()
            tasks.cancel_scope.cancel()
        return _outcome(process)
    return f"did not end within {TIME_LIMIT:.0f} seconds and was ended"


async def _feed(process: Process, payload: bytes) -> None:
    try:
        await process.write(payload)
    except AgentError:
        return  # It does not want to know; how it ends says whether that is wrong.
    finally:
        process.end_input()


def _outcome(process: Process) -> str:
    ended = process.exit
    if ended is None or (ended.code == 0 and ended.signal is None):
        return ""
    last = visible(without_escapes(process.stderr_tail())).strip().splitlines()[-1:]
    return ended.describe() + (f": {one_line(last[0])}" if last else "")
