"""Which workspace policies the user trusts: exactly this content, in exactly this folder.

A small file in the state folder maps folders to hashes. Whatever is wrong with it, nothing is trusted.
`load` asks; the command `policy trust` writes.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Final, cast

from autopilot_ls.policy.writing import replace_file

MAX_SIZE: Final = 1024 * 1024


def content_hash(text: str) -> str:
    """Return the hash of a policy's text, as it is trusted and shown."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class TrustStore:
    """The file of trusted workspace policies; read anew each time, since others write it too."""

    def __init__(self, path: Path) -> None:
        """Create a store.

        Args:
            path: The file, which need not exist.
        """
        self._path = path

    def all(self) -> dict[str, str]:
        """Return the trusted hash of each folder; empty when the file cannot be understood."""
        try:
            if self._path.stat().st_size > MAX_SIZE:
                return {}
            content = cast("object", json.loads(self._path.read_bytes()))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(content, dict):
            return {}
        table = cast("dict[object, object]", content)
        return {k: v for k, v in table.items() if isinstance(k, str) and isinstance(v, str)}

    def trusts(self, workspace: Path, content: str) -> bool:
        """Tell whether this content (its hash) is trusted in this folder."""
        return self.all().get(_key(workspace)) == content

    def trust(self, workspace: Path, content: str) -> None:
        """Trust this content (its hash) in this folder.

        Raises:
            OSError: The file cannot be written.
        """
        self._write({**self.all(), _key(workspace): content})

    def distrust(self, workspace: Path) -> bool:
        """No longer trust a folder's policy; tell whether it was trusted.

        Raises:
            OSError: The file cannot be written.
        """
        known = self.all()
        if known.pop(_key(workspace), None) is None:
            return False
        self._write(known)
        return True

    def _write(self, content: dict[str, str]) -> None:
        replace_file(self._path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def _key(workspace: Path) -> str:
    return os.path.realpath(workspace)
