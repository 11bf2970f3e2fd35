"""`autopilot-ls doctor`: what is installed, what is wrong, and what to do about each.

Joins what the runtime says about its agent with what concerns us alone. Changes nothing. Not aware of how
the agent is examined (`runtimes.codex.doctor` knows). `main` stands above.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

import anyio

from autopilot_ls import __version__
from autopilot_ls.cli.commands import Doctor, Exit
from autopilot_ls.cli.sessions import open_store
from autopilot_ls.cli.terminal import Style, Terminal
from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.events import UnknownReceived
from autopilot_ls.model.text import count
from autopilot_ls.settings.loading import SettingsProblem, load
from autopilot_ls.settings.tree import Settings
from autopilot_ls.trace.files import require_state_folder
from autopilot_ls.trace.redaction import Redactor

Level = Literal["ok", "warning", "problem"]

_PACKAGES: Final = ("pygls", "lsprotocol", "pydantic", "anyio", "watchfiles")
_LOW_SPACE: Final = 1_000_000_000
_LOOKED_AT: Final = 10
_MAX_SIZE: Final = 20_000_000
_STYLES: Final = {"ok": Style.GOOD, "warning": Style.WARNING, "problem": Style.BAD}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What, in a word or two.
        text: How it is; one sentence.
        advice: What to do; empty when there is nothing to do.
    """

    level: Level
    subject: str
    text: str
    advice: str = ""


def run_doctor(command: Doctor) -> int:
    """Look at everything, print it, and return 3 when there is a problem."""
    settings, problems = load([])
    findings = [*own_findings(settings, problems), *anyio.run(_agent_findings, settings)]
    redact = _redactor(settings)
    if command.json:
        shown = [{key: redact.redact(value) for key, value in asdict(f).items()} for f in findings]
        print(json.dumps({"version": __version__, "findings": shown}, indent=2, ensure_ascii=False))
    else:
        _print(findings, Terminal(redact=redact.redact))
    return Exit.AGENT if any(f.level == "problem" for f in findings) else Exit.OK


def _redactor(settings: Settings) -> Redactor:
    try:
        return Redactor(settings.trace.redact)
    except AutopilotError:
        return Redactor()


def _print(findings: list[Finding], terminal: Terminal) -> None:
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        style = _STYLES[finding.level]
        head = f"{finding.level:<7}  {finding.subject:<{width}}  "
        first, *more = finding.text.split("\n")
        terminal.line(head + first, Style.PLAIN if finding.level == "ok" else style)
        for line in more:
            terminal.line(" " * len(head) + line)
        if finding.advice:
            terminal.line(f"{' ' * len(head)}→ {finding.advice}", Style.BOLD)
    wrong = sum(finding.level == "problem" for finding in findings)
    doubtful = sum(finding.level == "warning" for finding in findings)
    terminal.line()
    if wrong or doubtful:
        said = f"{count(wrong, 'problem')}, {count(doubtful, 'warning')}."
        terminal.line(said, Style.BAD if wrong else Style.WARNING)
    else:
        terminal.line("All is well.", Style.GOOD)
    terminal.flush_now()


# What concerns us alone -------------------------------------------------------------------------


def own_findings(settings: Settings, problems: list[SettingsProblem]) -> list[Finding]:
    """Return what is to be said about everything but the agent."""
    return [
        Finding("ok", "Autopilot", f"{__version__}, in {Path(__file__).parent.parent}"),
        Finding("ok", "Python", f"{sys.version.split()[0]}, {sys.executable}"),
        *_packages(),
        *_settings(problems),
        *_state(settings),
        *_policy(settings),
        *_git(),
        *_sandbox(settings),
    ]


def _packages() -> Iterator[Finding]:
    found: list[str] = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            advice = "Install autopilot-ls again: pip install --force-reinstall autopilot-ls"
            yield Finding("problem", "Packages", f"{name} is not installed.", advice)
    yield Finding("ok", "Packages", ", ".join(found))


def _settings(problems: list[SettingsProblem]) -> Iterator[Finding]:
    for problem in problems:
        yield Finding(
            "problem", "Settings", str(problem), "Correct or unset it; it does not apply."
        )
    if not problems:
        names = sorted(name for name in os.environ if name.startswith("AUTOPILOT_"))
        where = f"from the environment: {', '.join(names)}" if names else "all defaults"
        yield Finding("ok", "Settings", f"{where}; an editor may give others")


def _state(settings: Settings) -> Iterator[Finding]:
    folder = settings.state_folder
    store = open_store(settings)
    try:
        # A folder that is missing would be made by the first session, and that can fail.
        require_state_folder(folder)
        sessions = store.list()
    except AutopilotError as error:
        yield Finding("problem", "Record", error.message, error.advice)
        return
    except OSError as error:
        text = f"{folder} cannot be read: {error.strerror}."
        yield Finding("problem", "Record", text, "Set AUTOPILOT_STATE_DIR to a private folder.")
        return
    size = sum(session.size_bytes for session in sessions) / 1_000_000
    used = count(len(sessions), "session")
    yield Finding("ok", "Record", f"{folder}, {used}, {size:.1f} MB")
    yield from _room(folder)
    unknown: Counter[str] = Counter()
    for session in sessions[:_LOOKED_AT]:
        if session.size_bytes <= _MAX_SIZE:
            try:
                for event in store.read_events(session.id):
                    if isinstance(event.body, UnknownReceived):
                        unknown[event.body.method] += 1
            except AutopilotError as error:
                advice = (
                    f"Delete it when you do not need it: autopilot-ls sessions delete {session.id}"
                )
                yield Finding("warning", "Record", str(error), advice)
    if unknown:
        listed = ", ".join(f"{name} ({times}×)" for name, times in unknown.most_common(10))
        text = f"The agent sent what this version does not know: {listed}. It is in the record."
        yield Finding("warning", "Unknown", text, "Look for a newer autopilot-ls.")


def _policy(settings: Settings) -> Iterator[Finding]:
    from autopilot_ls.cli.policy_doctor import policy_findings

    for level, text, advice in policy_findings(settings):
        yield Finding(level, "Policy", text, advice)


def _room(folder: Path) -> Iterator[Finding]:
    existing = next((each for each in (folder, *folder.parents) if each.is_dir()), None)
    if existing is None or not os.access(existing, os.W_OK):
        text = f"{folder} cannot be written to."
        yield Finding("problem", "Record", text, "Set AUTOPILOT_STATE_DIR to a private folder.")
        return
    free = shutil.disk_usage(existing).free
    if free < _LOW_SPACE:
        text = f"Only {free / 1_000_000:.0f} MB are free there. A full disk stops every turn."
        yield Finding("warning", "Record", text, "Make room, or run: autopilot-ls sessions prune")


def _git() -> Iterator[Finding]:
    found = shutil.which("git")
    if found is None:
        text = "is not installed; agents and the demo use it."
        yield Finding("warning", "git", text, "Install git.")
    else:
        yield Finding("ok", "git", found)


def _sandbox(settings: Settings) -> Iterator[Finding]:
    """Say what of the policy the sandbox would hold in this folder."""
    from autopilot_ls.policy.profile import compile_profile
    from autopilot_ls.supervisor.policies import Policies, policy_files

    here = Path.cwd()
    profile = compile_profile(Policies(policy_files(settings)).of(here), Mode.AUTO, here)
    held = count(len(profile.read_only) + len(profile.denied), "protected path")
    text = f"Holds {held} here; {count(len(profile.missing), 'other')} that rules name do not exist yet."
    if not profile.unheld and profile.complete:
        yield Finding("ok", "Sandbox", text)
        return
    lacks = f"{count(len(profile.unheld), 'path')} cannot be held"
    more = "" if profile.complete else ", and not the whole folder was looked at"
    advice = (
        "There only the policy's reading of commands and patches holds; see Modes in the README."
    )
    yield Finding("warning", "Sandbox", f"{text} {lacks}{more}.", advice)


# The agent --------------------------------------------------------------------------------------


async def _agent_findings(settings: Settings) -> list[Finding]:
    from autopilot_ls.runtimes.codex.doctor import examine

    found = await examine(settings.codex, os.environ, Path.cwd())
    return [Finding(f.level, f.subject, f.text, f.advice) for f in found]
