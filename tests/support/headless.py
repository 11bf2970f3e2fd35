"""A real Neovim without a screen, run once for each script in Lua, with the client on its path.

Not aware of a server; the tests of the client's parts stand above.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.neovim import ROOT, executable

CLIENT: Final = ROOT / "editors" / "nvim"


class Headless:
    """A Neovim with the client on its path, run once for each script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
        }
        for made in ("home", "run"):
            (folder / made).mkdir(mode=0o700)

    def run(
        self, body: str, *, before: str = "", environment: dict[str, str] | None = None
    ) -> object:
        """Return what the body of a Lua function returns."""
        script = self.folder / "script.lua"
        answer = self.folder / "answer.json"
        script.write_text(
            f"local function body()\n{body}\nend\n"
            "local ok, value = xpcall(body, debug.traceback)\n"
            f"local text = vim.json.encode({{ ok = ok, value = value }})\n"
            f"vim.fn.writefile({{ text }}, '{answer}')\nvim.cmd('qall!')\n"
        )
        init = self.folder / "init.lua"
        init.write_text(f"vim.opt.runtimepath:append('{CLIENT}')\nvim.o.shada = ''\n{before}\n")
        done = subprocess.run(
            [executable(), "--headless", "-n", "-u", str(init), "-c", f"luafile {script}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=self.folder,
            env={**self._environment, **(environment or {})},
        )
        assert answer.exists(), done.stderr + done.stdout
        found = json.loads(answer.read_text())
        answer.unlink()
        assert found["ok"], found["value"]
        return found.get("value")
