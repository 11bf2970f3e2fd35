"""What there is to say about one policy file: what is wrong, what is probably not meant, is it trusted.

For people: editors show it as diagnostics, `doctor` and the status in a line. Works on a text that an
editor has not saved as well. Reads the disk; only `trust_exactly` changes anything. `load` decides what
is in force; `lsp` and `cli` stand above.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.text import visible
from autopilot_ls.policy.language import PolicyProblem, PolicyText, read_policy
from autopilot_ls.policy.lint import Finding, lint
from autopilot_ls.policy.load import WORKSPACE_FILE, PolicyFiles, read_file
from autopilot_ls.policy.policy import Layer, builtin_layer, layer_of
from autopilot_ls.policy.remember import read_remembered
from autopilot_ls.policy.trust import TrustStore, content_hash

FileKind = Literal["user", "remembered", "workspace"]

MAX_LINTED: Final = 500
"""Rules beyond which nothing is said about what is probably not meant: each is compared with each."""

_MAX_INVISIBLE: Final = 20


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to say about a policy file.

    Attributes:
        path: The file.
        kind: Whose it is.
        text: Its text, of the editor where it was given; empty when there is none.
        missing: Whether there is no file.
        saved: Whether the text is what stands on the disk.
        problems: What is wrong; with any of them the text gives no rules.
        findings: What is probably not meant.
        invisible: Lines, from 1, with characters that a person cannot see.
        rules: How many rules there are.
        allowing: How many of them allow something.
        trusted: Whether a workspace's policy is trusted; always for the user's own files.
        hash: Of the text, as it is trusted.
    """

    path: Path
    kind: FileKind
    text: str = ""
    missing: bool = False
    saved: bool = True
    problems: tuple[PolicyProblem, ...] = ()
    findings: tuple[Finding, ...] = ()
    invisible: tuple[int, ...] = ()
    rules: int = 0
    allowing: int = 0
    trusted: bool = True
    hash: str = ""

    @property
    def workspace(self) -> Path:
        """The folder that a workspace's policy is for."""
        return self.path.parent.parent

    @property
    def can_be_trusted(self) -> bool:
        """Whether a person who sees the text can trust it."""
        ready = self.kind == "workspace" and self.saved and not self.missing
        return ready and not (self.trusted or self.problems or self.invisible)


def kind_of(files: PolicyFiles, path: Path) -> FileKind | None:
    """Return whose policy file this is, None when it is none."""
    real = os.path.realpath(path)
    if real == os.path.realpath(files.user):
        return "user"
    if real == os.path.realpath(files.remembered):
        return "remembered"
    return "workspace" if path.parts[-2:] == WORKSPACE_FILE.parts else None


def report(files: PolicyFiles, path: Path, kind: FileKind, *, shown: str | None = None) -> Report:
    """Return what there is to say about a file; never raises.

    Args:
        files: Where the user's files are.
        path: The file, which need not exist.
        kind: Whose it is.
        shown: The text as an editor has it; None for what stands on the disk.
    """
    read = read_file(path)
    saved = shown is None or (not read.missing and _same(shown, read.text))
    if shown is None and (read.missing or read.problem):
        wrong = (PolicyProblem(str(path), 1, 1, read.problem),) if read.problem else ()
        return Report(path, kind, missing=read.missing, problems=wrong)
    # What stands on the disk is what is trusted, to the byte.
    text = read.text if shown is None or saved else shown
    content = _content(text, path, kind)
    trusted = kind != "workspace" or (
        saved and TrustStore(files.trust).trusts(path.parent.parent, content_hash(text))
    )
    layer = layer_of(kind, content, narrowing=not trusted)
    rules = tuple(layer.all_rules())
    return Report(
        path,
        kind,
        text,
        missing=read.missing,
        saved=saved,
        problems=layer.problems,
        findings=_findings(files, layer) if len(layer.rules) <= MAX_LINTED else (),
        invisible=_invisible(text),
        rules=len(rules),
        allowing=sum(rule.allows for rule in rules),
        trusted=trusted,
        hash=content_hash(text),
    )


def _content(text: str, path: Path, kind: FileKind) -> PolicyText:
    read = read_remembered if kind == "remembered" else read_policy
    return read(text, str(path))


def _findings(files: PolicyFiles, layer: Layer) -> tuple[Finding, ...]:
    layers = [builtin_layer()]
    if layer.kind != "user":
        users = read_file(files.user)
        if users.text:
            own = layer_of("user", read_policy(users.text, str(files.user)))
            layers += [own] if len(own.rules) <= MAX_LINTED else []
    return tuple(found for found in lint([*layers, layer]) if found.file == layer.file)


def _same(one: str, other: str) -> bool:
    # Some editors have line ends of their own in memory.
    return one.replace("\r\n", "\n") == other.replace("\r\n", "\n")


def _invisible(text: str) -> tuple[int, ...]:
    lines = text.replace("\r\n", "\n").split("\n")
    found = (number for number, line in enumerate(lines, 1) if visible(line) != line)
    return tuple(number for number, _ in zip(found, range(_MAX_INVISIBLE), strict=False))


def trust_exactly(files: PolicyFiles, workspace: Path, wanted: str) -> Path:
    """Trust a workspace's policy if its content is exactly what a person saw; returns the file.

    Args:
        files: Where the user's files are.
        workspace: The folder that the policy is for.
        wanted: The hash of what was seen, as in `Report.hash`.

    Raises:
        InvalidRequest: There is none, it cannot be read or understood, or it is another one by now.
        OSError: That it is trusted cannot be written down.
    """
    path = workspace / WORKSPACE_FILE
    found = report(files, path, "workspace")
    if found.missing:
        raise InvalidRequest(f"There is no policy {path}.")
    if found.problems:
        raise InvalidRequest(f"{found.problems[0]}", advice="Mend it first.")
    if found.hash != wanted:
        raise InvalidRequest(
            f"{path} has changed since it was shown; nothing was trusted.",
            advice="Look at it again.",
        )
    if found.invisible:
        raise InvalidRequest(
            f"{path}:{found.invisible[0]} holds characters that cannot be seen.",
            advice="Read it with: autopilot-ls policy trust",
        )
    TrustStore(files.trust).trust(workspace, wanted)
    return path
