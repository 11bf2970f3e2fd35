"""The sandboxes of Codex's turns: permission profiles of our own, one to read and those to write with.

Codex's plain sandboxes do not hold what a person accepted: a command that the sandbox stops at once is
run again without any sandbox, unasked (measured with 0.155.1 and 0.163.0, every time). Where a profile
denies a path, Codex never leaves the sandbox, so ours deny Autopilot's own folder, which is none of an
agent's business. What an agent needs beyond it asks for permissions, for one turn. Not aware of
threads, nor of why a path is held. `conversation` and `runtime` stand above.

More that was measured with both: a path with `*?[` in it is a pattern, with which no thread starts or
nothing is held; with a path that is a symlink no command runs at all; a path that vanished does no harm.
Each path costs every command some time, more than in proportion: 40 a few milliseconds, 400 five seconds.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from autopilot_ls.model.approvals import Mode
from autopilot_ls.runtimes.base import HeldPaths, SandboxFit

MAX_PATHS: Final = 128
"""Paths that one profile holds at the most, whatever it is given: a last belt for Codex's arguments."""

_PATTERN: Final = frozenset("*?[]{}")


@dataclass(frozen=True, slots=True)
class Profiles:
    """The names of the profiles, and what they hold.

    Attributes:
        prefix: What all names begin with.
        private: Absolute path of a folder that exists, which all deny. A denied path that does not
            exist would be made an empty file by Codex.
        home: Codex's own folder, which is only read even where the workspace holds it, since it decides
            what is asked about. None when there is none.
        held: What each mode's profile holds within the workspace.
    """

    prefix: str
    private: Path
    home: Path | None = None
    held: Mapping[Mode, HeldPaths] = field(default_factory=dict[Mode, HeldPaths])

    @classmethod
    def named_anew(
        cls,
        private: Path,
        home: Path | None = None,
        held: Mapping[Mode, HeldPaths] | None = None,
    ) -> Self:
        """Return profiles whose names no configuration can have, since equal names are merged."""
        return cls(f"autopilot-{secrets.token_hex(4)}", private, home, held or {})

    @property
    def read(self) -> str:
        """The name of the profile with which nothing can be written."""
        return f"{self.prefix}-read"

    def write(self, mode: Mode) -> str:
        """Return the name of a mode's profile to write with: in the workspace, without network."""
        return f"{self.prefix}-write-{mode}"

    def arguments(self) -> list[str]:
        """Return the arguments that make the profiles known to a Codex process.

        A turn looks for its profile in the process's configuration only, not in its thread's.
        """
        made = [self._argument(self.read, ":read-only", self._held(Mode.READ_ONLY))]
        made += [
            self._argument(self.write(mode), ":workspace", self._held(mode))
            for mode in Mode
            if mode is not Mode.READ_ONLY
        ]
        leaves = [*made, f'default_permissions="{self.read}"']
        return [part for leaf in leaves for part in ("-c", leaf)]

    def _held(self, mode: Mode) -> HeldPaths:
        return self.held.get(mode, HeldPaths())

    def _argument(self, name: str, base: str, held: HeldPaths) -> str:
        files = ",".join(f'{_quoted(path)}="{access}"' for path, access in self._entries(held))
        return f'permissions.{name}={{extends="{base}",filesystem={{{files}}}}}'

    def _entries(self, held: HeldPaths) -> Iterator[tuple[str, str]]:
        entries = {str(self.private): "deny"}
        if self.home is not None:
            entries.setdefault(str(self.home), "read")
        for paths, access in ((held.denied, "deny"), (held.read_only, "read")):
            for path in paths:
                if len(entries) < MAX_PATHS and _PATTERN.isdisjoint(path):
                    entries.setdefault(path, access)
        yield from entries.items()

    def for_turn(self, mode: Mode, *, asks_everything: bool) -> str:
        """Return the name of the profile for a turn.

        In *propose* a command that was accepted should be able to do its work in the workspace; it
        asks before, whatever the sandbox. Where Codex no longer asks before every command, only the
        reading one keeps it from writing unasked.
        """
        return self.read if mode is Mode.READ_ONLY or not asks_everything else self.write(mode)

    def fit(self, used: str, wanted: str) -> SandboxFit:
        """Tell how a profile that is in use relates to another one, both by their names."""
        if used == wanted:
            return "same"
        if self.read in (used, wanted):
            return "stricter" if used == self.read else "looser"
        mine, theirs = self._held_by(used), self._held_by(wanted)
        if not mine.holds(theirs):
            return "looser"
        return "same" if theirs.holds(mine) else "stricter"

    def _held_by(self, name: str) -> HeldPaths:
        return next((self._held(mode) for mode in Mode if self.write(mode) == name), HeldPaths())


def _quoted(path: str) -> str:
    return json.dumps(path, ensure_ascii=False).replace("\x7f", "\\u007f")
