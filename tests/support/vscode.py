"""A real VS Code with the real extension: code-server in a throw-away home, shown in Chromium.

The workbench and the extension host are VS Code's own; only the window is a browser's. Everything is done
as a person does it, by keys and clicks, and waited for by what is seen. Nothing outside this machine is
asked for. `editors.toolchain` brings the programs.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from autopilot_ls.shared.control import ask_all
from editors import toolchain
from tests.support.world import World

WAIT: Final = 30_000.0
"""Milliseconds that anything seen may take; the machine may be loaded."""

ARTIFACTS: Final = Path(
    os.environ.get("AUTOPILOT_ARTIFACTS") or Path(__file__).parents[2] / ".build" / "artifacts"
)

_SETTINGS: Final[Mapping[str, object]] = {
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "extensions.autoCheckUpdates": False,
    "extensions.autoUpdate": False,
    "extensions.ignoreRecommendations": True,
    "workbench.enableExperiments": False,
    "workbench.settings.enableNaturalLanguageSearch": False,
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.colorTheme": "Default Dark Modern",
    "chat.disableAIFeatures": True,
    "git.enabled": False,
    "git.openRepositoryInParentFolders": "never",
    "files.autoSave": "off",
    "files.hotExit": "off",
    "editor.accessibilitySupport": "off",
    "editor.minimap.enabled": False,
    "breadcrumbs.enabled": False,
    "remote.autoForwardPorts": False,
    "window.title": "${activeEditorShort}",
    "security.workspace.trust.startupPrompt": "never",
    "security.workspace.trust.banner": "never",
}

_FLAGS: Final = (
    "--disable-telemetry",
    "--disable-update-check",
    "--disable-getting-started-override",
    "--disable-proxy",
    "--auth",
    "none",
)

_BROWSER: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def chromium() -> str:
    """Return the browser; a missing one is a failure."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "Chromium is missing: apt-get install chromium"
    return found


class Workbench:
    """One window, as a person uses it."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self._name = name
        self._shots = 0

    def shot(self, what: str) -> Path:
        """Keep a picture of the window among the artefacts."""
        self._shots += 1
        folder = ARTIFACTS / "vscode"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self._name}-{self._shots:02d}-{what}.png"
        self.page.mouse.move(900, 8)  # Away from what would show a tooltip.
        self.page.screenshot(path=path)
        return path

    def see(self, locator: Locator) -> Locator:
        """Wait until something is seen."""
        expect(locator.first).to_be_visible(timeout=WAIT)
        return locator.first

    def miss(self, locator: Locator) -> None:
        """Wait until something is no longer seen."""
        expect(locator).to_have_count(0, timeout=WAIT)

    def command(self, title: str) -> None:
        """Run a command by the palette."""
        self.page.keyboard.press("F1")
        box = self.see(self.page.locator(".quick-input-widget:visible .quick-input-box input"))
        box.fill(f">{title}")
        self.see(
            self.page.locator(".quick-input-widget .monaco-list-row").filter(has_text=title)
        ).click()

    def chord(self, key: str) -> None:
        """Press one of our shortcuts: Ctrl+' and a key."""
        waiting = self.page.locator(".part.statusbar").filter(has_text="was pressed")
        deadline = time.monotonic() + WAIT / 1000
        while True:
            # Pressed while the focus moves, a key can get lost.
            self.page.keyboard.press("Control+'")
            with suppress(PlaywrightError):
                waiting.wait_for(timeout=2_000)
                break
            assert time.monotonic() < deadline, "the first key of the chord gets lost"
        self.page.keyboard.press(key)

    def pick(self, text: str) -> None:
        """Choose in a quick pick."""
        rows = self.page.locator(".quick-input-widget:visible .monaco-list-row")
        self.see(rows.filter(has_text=text)).click()

    def answer(self, text: str) -> None:
        """Type into an input box that is open, and press Enter."""
        box = self.see(self.page.locator(".quick-input-widget:visible .quick-input-box input"))
        box.fill(text)
        self.page.keyboard.press("Enter")
        expect(self.page.locator(".quick-input-widget:visible")).to_have_count(0, timeout=WAIT)

    def open(self, name: str) -> Locator:
        """Open a file by its name."""
        self.page.keyboard.press("Control+p")
        box = self.see(self.page.locator(".quick-input-widget:visible .quick-input-box input"))
        box.fill(name)
        self.see(self.page.locator(".quick-input-widget .monaco-list-row").filter(has_text=name))
        self.page.keyboard.press("Enter")
        return self.see(self.editor(name))

    def editor(self, name: str) -> Locator:
        """Return the editor of a document by the end of its address."""
        return self.page.locator(f'.editor-instance .monaco-editor[data-uri$="/{name}"]')

    def tree(self, view: str) -> Locator:
        """Return the rows of one of our views, by its title."""
        pane = self.page.locator(".pane").filter(
            has=self.page.locator(".pane-header h3", has_text=re.compile(f"^{view}$"))
        )
        return pane.locator(".monaco-list-row")

    def row(self, view: str, text: str | re.Pattern[str]) -> Locator:
        """Return a row of a view by its text."""
        return self.tree(view).filter(has_text=text)

    def act(self, row: Locator, title: str) -> None:
        """Press a button in a row, which is seen while the mouse is over it."""
        button = row.first.locator(f'.action-label[aria-label^="{title}"]')
        deadline = time.monotonic() + WAIT / 1000
        while True:
            # Rows are drawn anew while things go on: what was found may be gone.
            with suppress(PlaywrightError):
                row.first.hover(timeout=2_000)
                button.click(timeout=2_000)
                return
            assert time.monotonic() < deadline, f"there is no button {title!r}"

    def choose(self, row: Locator, entry: str) -> None:
        """Choose in the context menu of a row."""
        item = self.page.get_by_role("menuitem", name=entry)
        self.see(row).click(button="right")
        deadline = time.monotonic() + WAIT / 1000
        while True:
            # A menu takes no clicks in its first moments.
            with suppress(PlaywrightError):
                self.see(item).click(timeout=2_000)
                item.wait_for(state="hidden", timeout=2_000)
                return
            assert time.monotonic() < deadline, f"the menu's entry {entry!r} cannot be chosen"

    def toast(self, text: str | re.Pattern[str]) -> Locator:
        """Return a message by its text."""
        return self.page.locator(".notification-toast").filter(has_text=text)

    def press(self, toast: Locator, button: str) -> None:
        """Press a button of a message; a lens over the text may have the same words."""
        toast.get_by_role("button", name=button, exact=True).click(timeout=WAIT)

    def status(self) -> Locator:
        """Return our item in the status bar."""
        return self.page.locator('[id="autopilot-ls.autopilot-ls.autopilot"].statusbar-item')

    def show(self) -> None:
        """Show our views."""
        label = self.page.locator('.action-label[aria-label^="Autopilot"]')
        # The item as a whole: the badge of what waits lies over its icon, and takes the click.
        item = self.see(self.page.locator(".activitybar .action-item").filter(has=label))
        item.click(timeout=WAIT)
        self.see(self.page.locator(".pane-header h3").filter(has_text="Approvals"))

    def unfold(self, view: str) -> None:
        """Unfold one of our views that is folded at first."""
        header = self.page.locator(".pane-header").filter(
            has=self.page.locator("h3", has_text=re.compile(f"^{view}$"))
        )
        if header.get_attribute("aria-expanded") != "true":
            header.click()


@dataclass
class VSCode:
    """The running editor: windows are opened on it."""

    world: World
    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    browser: Browser
    outside: list[str] = field(default_factory=list[str])

    def window(self, name: str, workspace: Path | None = None) -> Workbench:
        """Open a window on the workspace, and wait until the extension is there."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
        page = context.new_page()
        page.on("request", self._asked)
        page.goto(f"{self.url}/?folder={workspace or self.world.workspace}")
        bench = Workbench(page, name)
        bench.see(bench.status())
        return bench

    def keep_pictures(self) -> None:
        """Keep a picture of each window, for who looks into a failure."""
        folder = ARTIFACTS / "vscode"
        folder.mkdir(parents=True, exist_ok=True)
        for number, context in enumerate(self.browser.contexts):
            for page in context.pages:
                with suppress(PlaywrightError):
                    page.screenshot(path=folder / f"failed-{self.world.root.name}-{number}.png")

    def _asked(self, request: object) -> None:
        url = str(getattr(request, "url", ""))
        if not re.match(r"(https?|wss?)://127\.0\.0\.1:|data:|blob:|vscode-", url):
            self.outside.append(url)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with suppress(OSError), urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
            if answer.status == 200:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"code-server did not start:\n{log.read_text()}")
        time.sleep(0.05)  # reason: the interval of a poll with a deadline


@contextmanager
def vscode(
    world: World,
    package: Path,
    settings: Mapping[str, object] | None = None,
    *,
    trust: bool = False,
) -> Generator[VSCode]:
    """Run code-server with the extension in a world.

    Args:
        world: Where it lives; its environment is that of the server that the extension starts.
        package: The extension's package.
        settings: The person's settings of the extension.
        trust: Whether workspaces must be trusted first, as for a person.
    """
    root = toolchain.code_server()
    # A short path: sockets below it have short names.
    folder = Path(tempfile.mkdtemp(prefix="cs-")).resolve()
    for name in ("home", "run", "tmp", "data/User", "data/Machine", "ext"):
        (folder / name).mkdir(parents=True)
    # The editor takes the PATH from the login shell, as it does for a person.
    (Path(world.environment["HOME"]) / ".profile").write_text(
        f"export PATH={shlex.quote(world.environment['PATH'])}\n"
    )
    quiet = {**_SETTINGS, "security.workspace.trust.enabled": trust}
    (folder / "data/User/settings.json").write_text(json.dumps(quiet))
    # The window is a browser's: what is of scope `machine` counts from where the extension runs only.
    (folder / "data/Machine/settings.json").write_text(json.dumps(settings or {}))
    environment = {
        **world.environment,
        "TMPDIR": str(folder / "tmp"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "EXTENSIONS_GALLERY": "{}",
    }
    command = [
        str(toolchain.node()),
        str(root / "node_modules/code-server/out/node/entry.js"),
        *("--config", str(folder / "config.yaml")),
        *("--user-data-dir", str(folder / "data")),
        *("--extensions-dir", str(folder / "ext")),
    ]
    subprocess.run(
        [*command, "--install-extension", str(package), "--force"],
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    port = _free_port()
    url, log = f"http://127.0.0.1:{port}", folder / "log"
    flags = [*_FLAGS, "--bind-addr", f"127.0.0.1:{port}"]
    if not trust:
        flags.append("--disable-workspace-trust")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *flags],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await(url, process, log)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium(),
                args=[*_BROWSER],
                env={**os.environ, "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")},
            )
            try:
                editor = VSCode(world, url, folder, process, browser)
                try:
                    yield editor
                except BaseException:  # Whatever ended the test, it is raised again.
                    editor.keep_pictures()
                    raise
                assert not editor.outside, f"asked for outside this machine: {editor.outside}"
            finally:
                browser.close()
    finally:
        _end(process)
        # The process that windows share outlives them by design.
        ask_all(world.environment, "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the group that was started here."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return
