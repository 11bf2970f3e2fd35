"""The sandbox of Codex's turns: two permission profiles of our own, one to read and one to write with.

Codex's plain sandboxes do not hold what a person accepted: a command that the sandbox stops at once is
run again without any sandbox, unasked (measured with 0.155.1 and 0.163.0, every time). Where a profile
denies a path, Codex never leaves the sandbox, so ours deny Autopilot's own folder, which is none of an
agent's business. What an agent needs beyond it asks for permissions, for one turn. Not aware of
threads. `conversation` and `runtime` stand above.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from autopilot_ls.model.approvals import Mode


@dataclass(frozen=True, slots=True)
class Profiles:
    """The names of the two profiles, and the folder that both deny.

    Attributes:
        read: Nothing can be written.
        write: The workspace and the temporary folders can be written; there is no network.
        private: Absolute path of a folder that exists. A denied path that does not exist would be
            made an empty file by Codex.
        home: Codex's own folder, which is only read even where the workspace holds it, since it decides
            what is asked about. None when there is none.
    """

    read: str
    write: str
    private: Path
    home: Path | None = None

    @classmethod
    def named_anew(cls, private: Path, home: Path | None = None) -> Self:
        """Return profiles whose names no configuration can have, since equal names are merged."""
        name = f"autopilot-{secrets.token_hex(4)}"
        return cls(f"{name}-read", f"{name}-write", private, home)

    def arguments(self) -> list[str]:
        """Return the arguments that make the profiles known to a Codex process.

        A turn looks for its profile in the process's configuration only, not in its thread's.
        """
        files = f'{_quoted(self.private)}="deny"'
        if self.home is not None:
            files += f',{_quoted(self.home)}="read"'
        made = {self.read: ":read-only", self.write: ":workspace"}
        profiles = [
            f'permissions.{name}={{extends="{base}",filesystem={{{files}}}}}'
            for name, base in made.items()
        ]
        leaves = [*profiles, f'default_permissions="{self.read}"']
        return [part for leaf in leaves for part in ("-c", leaf)]

    def for_turn(self, mode: Mode, *, asks_everything: bool) -> str:
        """Return the name of the profile for a turn.

        In *propose* a command that was accepted should be able to do its work in the workspace; it
        asks before, whatever the sandbox. Where Codex no longer asks before every command, only the
        reading one keeps it from writing unasked.
        """
        return self.read if mode is Mode.READ_ONLY or not asks_everything else self.write


def _quoted(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False).replace("\x7f", "\\u007f")
