"""What `autopilot-ls doctor` says of Codex: findings, as data.

Starts Codex, asks it about itself, opens no thread and changes nothing. Not aware of how findings are
shown. The command line stands above; `locate`, `manifest`, `guard` and `conversation` below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from autopilot_ls.model.errors import AgentError, AutopilotError, RpcError
from autopilot_ls.runtimes.base import OpenOptions, Unrecorded
from autopilot_ls.runtimes.codex.failures import CONFIG_ADVICE, LOGIN_ADVICE
from autopilot_ls.runtimes.codex.guard import FALLBACK_UNSEEN
from autopilot_ls.runtimes.codex.locate import environment_for, locate
from autopilot_ls.runtimes.codex.manifest import ManifestReport, check_manifest
from autopilot_ls.runtimes.codex.runtime import CodexFactory, CodexRuntime
from autopilot_ls.settings.tree import CodexSettings

_SOURCES: Final = {
    "settings": "the setting codex.command",
    "package": "the package openai-codex-cli-bin",
    "path": "the PATH",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: `ok`; `warning` works, but a person should know; `problem` has to be solved.
        subject: What was looked at, in a word or two.
        text: How it is, in a sentence.
        advice: What to do about it; empty when there is nothing to do.
    """

    level: Literal["ok", "warning", "problem"]
    subject: str
    text: str
    advice: str = ""


async def examine(
    settings: CodexSettings, environment: Mapping[str, str], cwd: Path
) -> tuple[Finding, ...]:
    """Look at the Codex that a session in this folder would use. Never raises an `AutopilotError`.

    Args:
        settings: Which Codex, and how it is configured.
        environment: The environment of the person.
        cwd: The folder; its configuration counts too.
    """
    try:
        located = locate(settings.command, environment_for(settings, environment))
    except AutopilotError as error:
        return (_problem("Codex", error),)
    shown = " ".join(located.command)
    program = f"{shown}, from {_SOURCES[located.source]}"
    findings = [Finding("ok", "Codex", f"Codex is {program}.")]
    findings += await _protocol(settings, environment)
    factory = CodexFactory(settings)
    try:
        async with factory.open(OpenOptions(cwd, cwd, environment), Unrecorded()) as runtime:
            findings.append(Finding("ok", "Codex version", f"Codex {runtime.version} starts."))
            assert isinstance(runtime, CodexRuntime)
            findings += await _account(runtime)
            findings += await _judging(runtime, cwd)
    except AutopilotError as error:
        findings.append(_problem("Codex start", error))
    return tuple(findings)


def _problem(subject: str, error: AutopilotError) -> Finding:
    return Finding("problem", subject, error.message, error.advice)


async def _protocol(settings: CodexSettings, environment: Mapping[str, str]) -> list[Finding]:
    try:
        report = await check_manifest(settings, environment)
    except AgentError as error:
        return [_problem("Codex protocol", error)]
    return [_describe_protocol(report)]


def _describe_protocol(report: ManifestReport) -> Finding:
    pinned = ", ".join(report.pinned_versions) or "none"
    if report.unlisted:
        names = ", ".join(report.unlisted)
        return Finding(
            "warning",
            "Codex protocol",
            f"Codex {report.version} has what this Autopilot does not know: {names}. It is recorded, "
            "and unknown requests are refused.",
            "Update autopilot-ls when there is a version for this Codex.",
        )
    if report.same:
        message = f"The protocol of Codex {report.version} is the pinned one."
        return Finding("ok", "Codex protocol", message)
    if report.same is None:
        message = (
            f"Codex {report.version} is not among the versions Autopilot is tested with ({pinned}), "
            "but everything that it sends is known."
        )
        return Finding("warning", "Codex protocol", message)
    return Finding(
        "warning",
        "Codex protocol",
        f"Codex {report.version} has another protocol than the one pinned for this version.",
        "Reinstall Codex, and report it when that does not help.",
    )


async def _account(runtime: CodexRuntime) -> list[Finding]:
    account = await runtime.account()
    if account.logged_in:
        return [Finding("ok", "Codex account", f"Logged in: {account.description}.")]
    if not account.needed:
        message = "Not logged in, and the model provider in use does not need it."
        return [Finding("ok", "Codex account", message)]
    return [Finding("problem", "Codex account", "Codex is not logged in.", LOGIN_ADVICE)]


async def _judging(runtime: CodexRuntime, cwd: Path) -> list[Finding]:
    """Say whether Autopilot can judge everything this Codex does, and what it takes for that."""
    findings: list[Finding] = []
    try:
        if await runtime.conversation.takes_strictest_asking():
            message = "Codex asks Autopilot before every command, patch and tool."
            findings.append(Finding("ok", "Codex asking", message))
        else:
            findings.append(Finding("warning", "Codex asking", FALLBACK_UNSEEN))
        guard = await runtime.conversation.inspect(cwd)
    except RpcError as error:
        message = f"Codex cannot read its configuration: {error.message}"
        findings.append(Finding("problem", "Codex configuration", message, CONFIG_ADVICE))
    except AgentError as error:
        findings.append(_problem("Codex bypasses", error))
    else:
        message = "Nothing in Codex's configuration acts past Autopilot."
        findings.append(Finding("ok", "Codex bypasses", message))
        findings += [Finding("warning", "Codex configuration", each) for each in guard.warnings]
    return findings
