"""What real editors say of themselves when they start a language server, from the files beside this one.

Each file has the `initialize` parameters that matter: who it is and what it is capable of. The README says
where they are from. Knows nothing of the server.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Profile:
    """One editor with one version.

    Attributes:
        info: Its `clientInfo`; some editors send none.
        how: `recorded` from the real editor, or `read` in its source.
    """

    name: str
    editor: str
    version: str
    how: str
    source: str
    info: dict[str, Any] | None
    capabilities: dict[str, Any]

    def can(self, *path: str) -> Any:
        """Return what stands at a place of the capabilities; None where there is nothing."""
        found: Any = self.capabilities
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found


def _load(path: Path) -> Profile:
    said = json.loads(path.read_text())
    return Profile(
        name=path.stem,
        editor=said["editor"],
        version=said["version"],
        how=said["how"],
        source=said["source"],
        info=said["clientInfo"],
        capabilities=said["capabilities"],
    )


PROFILES = {path.stem: _load(path) for path in sorted(HERE.glob("*.json"))}
