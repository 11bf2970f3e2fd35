"""Codex: the only place that knows the protocol of `codex app-server`.

`CodexFactory` is what the supervisor uses; `doctor` and `manifest` are for the command line. Not aware
of sessions, policies or editors. Stands on `runtimes.base`, `wire`, `settings` and `model`.
"""

from __future__ import annotations

from autopilot_ls.runtimes.codex.runtime import CodexFactory

__all__ = ["CodexFactory"]
