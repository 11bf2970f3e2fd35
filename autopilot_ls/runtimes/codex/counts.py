"""Codex's numbers and plans as values of the model.

Pure. Not aware of whose they are; `mapping` and `turn_reports` stand above, `fields` and the model below.
"""

from __future__ import annotations

from typing import Final, Literal

from autopilot_ls.model.items import PlanStep, RateLimit, TokenUsage
from autopilot_ls.runtimes.codex.fields import (
    Table,
    integer,
    number,
    optional_integer,
    table,
    tables,
    text,
)

_STEPS: Final[dict[str, Literal["pending", "inProgress", "completed"]]] = {
    "pending": "pending",
    "inProgress": "inProgress",
    "completed": "completed",
}


def plan_steps(native: Table) -> tuple[PlanStep, ...]:
    """Return the steps of a `turn/plan/updated`; an unknown status counts as pending."""
    return tuple(
        PlanStep(step=text(step, "step"), status=_STEPS.get(text(step, "status"), "pending"))
        for step in tables(native, "plan")
    )


def token_usage(native: Table) -> TokenUsage:
    """Return a `ThreadTokenUsage` of Codex."""
    total, last = table(native, "total"), table(native, "last")
    return TokenUsage(
        input_tokens=integer(total, "inputTokens"),
        cached_input_tokens=integer(total, "cachedInputTokens"),
        output_tokens=integer(total, "outputTokens"),
        reasoning_tokens=integer(total, "reasoningOutputTokens"),
        total_tokens=integer(total, "totalTokens"),
        context_window=optional_integer(native, "modelContextWindow"),
        context_used=optional_integer(last, "totalTokens"),
    )


def rate_limits(native: Table) -> tuple[str, tuple[RateLimit, ...]]:
    """Return the name of a `RateLimitSnapshot` of Codex, and its limits."""
    name = text(native, "limitName") or text(native, "limitId") or "usage"
    found: list[RateLimit] = []
    for window in (table(native, "primary"), table(native, "secondary")):
        used = number(window, "usedPercent")
        if used is not None:
            span = _span(optional_integer(window, "windowDurationMins"))
            shown = f"{name}, {span}" if span else name
            resets = number(window, "resetsAt")
            found.append(RateLimit(name=shown, used_percent=used, resets_at=resets))
    return name, tuple(found)


def _span(minutes: int | None) -> str:
    if minutes is None or minutes <= 0:
        return ""
    if minutes % 1440 == 0:
        return f"{minutes // 1440} d"
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
