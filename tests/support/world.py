"""An isolated world for end-to-end tests: a repository, homes, and the environment of the server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from autopilot_ls.scripted_model import ScriptedModel, codex_config
from tests.support.own_policy import no_rules

KEPT = ("PATH", "LANG", "LC_ALL", "TERM")


def codex_binary() -> Path:
    """Return the Codex under test; AUTOPILOT_TEST_CODEX names another than the installed one."""
    named = os.environ.get("AUTOPILOT_TEST_CODEX")
    if named:
        return Path(named)
    from codex_cli_bin import bundled_codex_path

    return Path(bundled_codex_path())


@dataclass
class World:
    """Folders below one throw-away root, and what the server is started with."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def workspace(self) -> Path:
        return self.root / "work"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def codex_home(self) -> Path:
        return self.root / "codex"

    def write(self, name: str, text: str) -> Path:
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name: str) -> str:
        return (self.workspace / name).read_text()

    def run(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of ours in the workspace, without a terminal, and return what it did.

        Args:
            words: What stands behind `autopilot-ls`.
            said: What it reads from its standard input.
        """
        return subprocess.run(
            [sys.executable, "-m", "autopilot_ls", *words],
            cwd=self.workspace,
            env=self.environment,
            input=said,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )


@contextmanager
def world(model: ScriptedModel, config: Mapping[str, object] | None = None) -> Generator[World]:
    """Make a world whose Codex talks to the scripted model; it is gone afterwards.

    The root is short and not below pytest's folder, since sockets have short names and Codex wants
    its home apart from its temporary folder.
    """
    # Resolved, because some systems' folder for temporary files is reached by a link.
    root = Path(tempfile.mkdtemp(prefix="ap-")).resolve()
    try:
        here = World(root)
        for folder in ("work", "state", "codex", "home", "tmp", "run"):
            (root / folder).mkdir(mode=0o700)
        here.environment = {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "XDG_RUNTIME_DIR": str(root / "run"),
            "CODEX_HOME": str(here.codex_home),
            "AUTOPILOT_STATE_DIR": str(here.state),
            "AUTOPILOT_POLICY_FILE": str(no_rules(root / "policy.toml")),
            "AUTOPILOT_CODEX_COMMAND": json.dumps([str(codex_binary())]),
            "AUTOPILOT_CODEX_CONFIG": json.dumps({**codex_config(model), **(config or {})}),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }
        environment_path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        here.environment["PATH"] = environment_path
        subprocess.run(["git", "init", "--quiet", str(here.workspace)], check=True)
        yield here
    finally:
        shutil.rmtree(root, ignore_errors=True)
