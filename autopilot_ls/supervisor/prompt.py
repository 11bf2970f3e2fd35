"""The text an agent is given: the person's words and the places they point at.

Pure. Not aware of agents; the runtimes send the text as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from autopilot_ls.model.attachments import Attachment
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.findings import ReviewTarget
from autopilot_ls.model.text import one_line
from autopilot_ls.supervisor.attachments import files_of
from autopilot_ls.supervisor.requests import Reference

MAX_TEXT: Final = 1_000_000
_MAX_EXCERPT: Final = 20_000


def _name(path: str, cwd: Path) -> str:
    try:
        return str(Path(path).relative_to(cwd))
    except ValueError:
        return path


def _place(reference: Reference, cwd: Path) -> str:
    name = _name(reference.path, cwd)
    if reference.start_line is None:
        return name
    first = reference.start_line + 1
    last = (reference.end_line if reference.end_line is not None else reference.start_line) + 1
    return f"{name}, line {first}" if first == last else f"{name}, lines {first} to {last}"


def _fence(text: str) -> str:
    longest = max(
        (len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0
    )
    return "`" * max(3, longest + 1)


def compose(
    text: str, references: Sequence[Reference], attachments: Sequence[Attachment], cwd: Path
) -> str:
    """Return the prompt for a turn: the text, then each place with its excerpt, then attached files."""
    parts = [text]
    for reference in (*references, *files_of(attachments)):
        part = f"See {_place(reference, cwd)}"
        if reference.text:
            excerpt = reference.text[:_MAX_EXCERPT]
            fence = _fence(excerpt)
            part += f":\n{fence}\n{excerpt.rstrip(chr(10))}\n{fence}"
        else:
            part += "."
        parts.append(part)
    return "\n\n".join(parts)


def require_text(text: str) -> None:
    """Check what a person wants said.

    Raises:
        InvalidRequest: There is nothing, or too much.
    """
    if not text.strip() or len(text) > MAX_TEXT:
        raise InvalidRequest(
            "The task has no text." if not text.strip() else "The task is too long.",
            advice=f"Say in 1 to {MAX_TEXT:,} characters what the agent should do.",
        )


def review_title(target: ReviewTarget) -> str:
    """Return what is reviewed, in a few words.

    Raises:
        InvalidRequest: What the kind needs is missing.
    """
    needed = {
        "baseBranch": ("branch", target.branch, f"the changes since {target.branch}"),
        "commit": ("sha", target.sha, f"commit {target.sha[:12]}"),
        "custom": ("instructions", target.instructions, target.instructions),
    }
    if target.kind not in needed:
        return "the uncommitted changes"
    name, value, title = needed[target.kind]
    if not value.strip():
        raise InvalidRequest(f"A review of the kind {target.kind} needs {name}.")
    return one_line(title, 60)
