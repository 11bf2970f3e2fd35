"""Codex's reviewer: what it is told to look at, and what it says in the end.

The protocol (`review/start` of app-server 0.163.0, run and read in its generated schema): a review is a turn of
the thread. `enteredReviewMode` comes first, with a title as its `review`; then `turn/started`, whose id is that
of the reviewer's own turn and whose `rootTurnId` is the turn that the reply named and that all else refers to;
the reviewer's commands; and `exitedReviewMode`, whose `review` is the result **as text only**, in this form:

    <explanation>

    Full review comments:          (or `Review comment:` for a single one)

    - <title> — <absolute path>:<first line>-<last line>
      <body, each line indented by two spaces>

An agent message repeats the text. The structured result stands in Codex's stored thread only, which may be
written later than the notification comes. A priority is part of the title by Codex's own instructions: `[P1]`.
The text is the model's and not to be trusted: whoever shows it sees to that. Pure. `item_reports` and
`conversation` stand above.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Final

from autopilot_ls.model.aside import MAX_FINDINGS
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.events import FindingsReported
from autopilot_ls.model.findings import Finding, ReviewTarget
from autopilot_ls.wire.messages import JsonObject

MAX_TITLE: Final = 300
MAX_BODY: Final = 4_000
MAX_SUMMARY: Final = 4_000
MAX_TEXT: Final = 1_000_000
"""Characters of a result that are looked at."""

_MAX_LINE: Final = 10_000_000
_HEADING: Final = re.compile(r"^(?:Full review comments|Review comment):$", re.MULTILINE)
_FINDING: Final = re.compile(r"- (?P<title>.*) — (?P<path>.+):(?P<first>\d{1,9})-(?P<last>\d{1,9})")
_PRIORITY: Final = re.compile(r"\[P([0-3])\]\s*")


def native_target(target: ReviewTarget) -> JsonObject:
    """Return what is to be reviewed as Codex takes it.

    Raises:
        InvalidRequest: What the kind needs is missing.
    """
    match target.kind:
        case "uncommittedChanges":
            return {"type": "uncommittedChanges"}
        case "baseBranch":
            return {"type": "baseBranch", "branch": _given(target.branch, "branch", target)}
        case "commit":
            return {"type": "commit", "sha": _given(target.sha, "sha", target), "title": None}
        case "custom":
            said = _given(target.instructions, "instructions", target)
            return {"type": "custom", "instructions": said}


def _given(value: str, name: str, target: ReviewTarget) -> str:
    # What git would take for an option is none of these.
    if not value.strip() or (name != "instructions" and value.startswith("-")):
        raise InvalidRequest(f"A review of the kind {target.kind} needs {name}.")
    return value


def findings_of(review: str, item_id: str, cwd: str) -> FindingsReported:
    """Return what a reviewer found.

    Args:
        review: Its result as text.
        item_id: Codex's id of the item that has it, from which the findings get theirs.
        cwd: Absolute folder that relative paths start from.
    """
    review = review[:MAX_TEXT]
    headings = list(_HEADING.finditer(review))
    # Bodies are indented, so that nothing in them looks like the heading; the explanation before it may.
    summary = review if not headings else review[: headings[-1].start()]
    found = [] if not headings else _findings(review[headings[-1].end() :].splitlines(), cwd)
    prefix = hashlib.sha256(item_id.encode()).hexdigest()[:10]
    return FindingsReported(
        findings=tuple(
            finding.model_copy(update={"id": f"fnd-{prefix}-{number}"})
            for number, finding in enumerate(found[:MAX_FINDINGS])
        ),
        summary=summary.strip()[:MAX_SUMMARY],
        omitted=max(0, len(found) - MAX_FINDINGS),
    )


def _findings(lines: list[str], cwd: str) -> list[Finding]:
    found: list[Finding] = []
    bodies: list[list[str]] = []
    for line in lines:
        heading = _FINDING.fullmatch(line)
        if heading is not None:
            found.append(_finding(heading, cwd))
            bodies.append([])
        elif bodies:
            bodies[-1].append(line.removeprefix("  "))
    return [
        finding.model_copy(update={"body": "\n".join(body).strip()[:MAX_BODY]})
        for finding, body in zip(found, bodies, strict=True)
    ]


def _finding(heading: re.Match[str], cwd: str) -> Finding:
    title = heading["title"].strip()
    priority = _PRIORITY.match(title)
    if priority is not None:
        title = title[priority.end() :]
    first = min(max(int(heading["first"]) - 1, 0), _MAX_LINE)
    last = min(max(int(heading["last"]) - 1, first), _MAX_LINE)
    path = heading["path"]
    return Finding(
        id="",
        title=title[:MAX_TITLE],
        path="" if "\0" in path else os.path.normpath(os.path.join(cwd, path)),  # noqa: PTH118 reason: text
        start_line=first,
        end_line=last,
        priority=int(priority[1]) if priority is not None else None,
    )
