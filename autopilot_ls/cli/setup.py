"""What commands need before they begin: the settings, what an idle shared process holds, and redaction.

Not aware of the commands, which stand above; `settings` and `shared` stand below.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import cast

from autopilot_ls.settings.loading import load
from autopilot_ls.settings.tree import Settings


def load_settings() -> Settings:
    """Return the settings from the environment; what does not apply is said on standard error."""
    settings, problems = load([])
    for problem in problems:
        print(f"autopilot-ls: setting {problem}", file=sys.stderr)
    return settings


def take_what_is_idle() -> None:
    """Have a shared process give up the sessions and reviews that nobody uses, so that they can be had here."""
    if sys.platform != "win32":
        from autopilot_ls.shared.control import release_idle

        release_idle(os.environ)


def redact_json(value: object, redact: Callable[[str], str]) -> object:
    """Return a JSON value with the secrets in its texts hidden, so that it stays JSON."""
    match value:
        case str():
            return redact(value)
        case dict():
            members = cast("dict[str, object]", value)
            return {key: redact_json(member, redact) for key, member in members.items()}
        case list():
            return [redact_json(member, redact) for member in cast("list[object]", value)]
        case _:
            return value
