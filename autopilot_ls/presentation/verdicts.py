"""The one sentence in which a verdict explains itself: who decided, where that stands, on what, and why.

Prompts, hovers, transcripts and status all show this sentence, so that what a person reads in one place
can be found in the others. The part is the agent's text and the reason may be a repository's: both are
shown, never obeyed. Not aware of approvals. `approvals`, `entries` and the clients stand above.
"""

from __future__ import annotations

from typing import Final

from autopilot_ls.model.approvals import Mode, Outcome, Verdict
from autopilot_ls.model.text import one_line
from autopilot_ls.presentation.markdown import Redact, code, plain, unchanged

MODE: Final = "mode"
"""The source of a verdict that no rule gave."""

GRANT: Final = "session grant"
"""The source of a verdict that a person's "for this session" gave."""

_SAID: Final = {Outcome.ALLOW: "Allowed", Outcome.ASK: "Asked", Outcome.DENY: "Denied"}
_MODES: Final = frozenset(mode.value for mode in Mode)


def explained(verdict: Verdict, *, redact: Redact = unchanged, markdown: bool = False) -> str:
    """Return who decided, where that stands, on which part, with which risk and why.

    For example: Denied by the rule no-fetch (/home/me/.config/autopilot-ls/policy.toml:7) on
    “curl example.org”, high risk: Nothing is fetched here.

    Args:
        verdict: What was decided.
        redact: Leaves out secrets.
        markdown: Whether the sentence stands in markdown; else it is one visible line of plain text.
    """
    shown = _in_markdown if markdown else one_line
    by = _by(verdict, markdown=markdown)
    part = redact(verdict.part)
    on = f" on {_quoted(part, markdown=markdown)}" if part.strip() else ""
    risk = ", high risk" if verdict.risk == "high" else ""
    return f"{_SAID[verdict.outcome]} by {by}{on}{risk}: {shown(redact(verdict.reason), 1_000)}"


def _by(verdict: Verdict, *, markdown: bool) -> str:
    name = code(verdict.rule) if markdown else one_line(verdict.rule)
    if verdict.source == MODE:
        # What a mode does by itself has names too, which tell more than the mode's own.
        return f"the mode {name}" if verdict.rule in _MODES else f"the mode itself ({name})"
    if verdict.source == GRANT:
        return f"the session's grant {name}"
    source = plain(verdict.source, 500) if markdown else one_line(verdict.source, 500)
    return f"the rule {name} ({source})"


def _quoted(text: str, *, markdown: bool) -> str:
    return code(text) if markdown else f"“{one_line(text)}”"


def _in_markdown(text: str, limit: int) -> str:
    return plain(text, limit)
