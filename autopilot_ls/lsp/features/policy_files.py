"""Policy files in the editor: what is wrong with them, and trusting a workspace's, where a person sees it.

A file is looked at while the editor has it open, also before it is saved, and while sessions live that it
holds for. The work is done in a thread, some moments after the last change. Not aware of what is in force;
`policy.report` knows the files, `diagnostics` publishes. `view` stands above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from lsprotocol import types

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import canonical, content, split_lines, to_units
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.actions import Offer
from autopilot_ls.lsp.features.diagnostics import Diagnostics
from autopilot_ls.lsp.features.encoded import SOURCE
from autopilot_ls.lsp.jobs import Jobs
from autopilot_ls.model.text import count, visible
from autopilot_ls.policy.load import WORKSPACE_FILE, PolicyFiles
from autopilot_ls.policy.report import FileKind, Report, kind_of, report

INVALID: Final = "policy-invalid"
NOT_TRUSTED: Final = "policy-not-trusted"
NOT_SAVED: Final = "policy-not-saved"
INVISIBLE: Final = "invisible-characters"

DELAY: Final = 0.05
"""Seconds after a change in which further ones are taken together."""

_UNTRUSTED: Final = "This policy is not trusted: only its ask and deny rules count until you trust exactly this content."
_UNSAVED: Final = "These rules are not in force until the file is saved."
_UNSEEN: Final = "There are characters here that cannot be seen, and that may mislead who reads it."


class PolicyFilesShown:
    """The policy files of one editor."""

    def __init__(
        self,
        connection: Connection,
        files: PolicyFiles,
        diagnostics: Diagnostics,
        jobs: Jobs,
        *,
        folders: Callable[[], Iterable[str]],
        follow: Callable[[Path], object],
    ) -> None:
        """Create the feature; nothing is looked at yet.

        Args:
            connection: Tells what is open.
            files: Where the user's files are.
            diagnostics: Where it is shown.
            jobs: Where the files are read.
            folders: Gives the folders of the sessions that live.
            follow: Asks to be told (`look_again`) when a policy file that holds in a folder changes.
        """
        self._connection = connection
        self._files = files
        self._diagnostics = diagnostics
        self._jobs = jobs
        self._folders = folders
        self._follow = follow
        self._wanted: dict[str, tuple[Path, FileKind]] = {}
        self._reports: dict[str, Report] = {}
        self._running = False

    # When to look -------------------------------------------------------------------------------

    def look(self, document: Document) -> None:
        """Look at a document that was opened, changed, saved or closed, if it is a policy file."""
        path = Path(document.path) if document.path is not None else None
        kind = kind_of(self._files, path) if path is not None else None
        if path is not None and kind is not None:
            self._want(document.key, path, kind)

    def look_again(self) -> None:
        """Look at every file that is shown or that holds for a session: one has changed."""
        for key, known in list(self._reports.items()):
            self._want(key, known.path, known.kind)
        folders = list(self._folders())
        if folders:
            self._want(canonical(str(self._files.user)), self._files.user, "user")
            remembered = self._files.remembered
            self._want(canonical(str(remembered)), remembered, "remembered")
        for folder in folders:
            path = Path(folder) / WORKSPACE_FILE
            self._want(canonical(str(path)), path, "workspace")

    def _want(self, key: str, path: Path, kind: FileKind) -> None:
        self._wanted[key] = (path, kind)
        if not self._running:
            self._running = True
            self._jobs.start(self._work)

    async def _work(self) -> None:
        try:
            while self._wanted:
                await anyio.sleep(DELAY)
                wanted, self._wanted = self._wanted, {}
                for key, (path, kind) in wanted.items():
                    await self._look_at(key, path, kind)
        finally:
            self._running = False

    async def _look_at(self, key: str, path: Path, kind: FileKind) -> None:
        document = self._connection.documents.by_key(key)
        if document is None and not self._concerns(path, kind):
            self._reports.pop(key, None)
            self._diagnostics.show_policy(key, str(path), ())
            return
        if kind == "workspace":
            self._follow(path.parent.parent)
        else:
            self._follow(Path(self._connection.folder_of(None) or path.parent))
        version, text = (document.version, document.text) if document else (0, None)
        found = await anyio.to_thread.run_sync(lambda: report(self._files, path, kind, shown=text))
        now = self._connection.documents.by_key(key)
        if now is not document or (now is not None and now.version != version):
            # It was changed meanwhile, and its places are others now.
            self._wanted.setdefault(key, (path, kind))
            return
        self._reports[key] = found
        self._diagnostics.show_policy(key, str(path), self._shown(found))

    def _concerns(self, path: Path, kind: FileKind) -> bool:
        folders = list(self._folders())
        return bool(folders) and (kind != "workspace" or str(path.parent.parent) in folders)

    # What is shown ------------------------------------------------------------------------------

    def _shown(self, found: Report) -> tuple[types.Diagnostic, ...]:
        error, warning = types.DiagnosticSeverity.Error, types.DiagnosticSeverity.Warning
        at = _Places(found.text, self._connection.profile.encoding)
        shown = [at.say(p.message, error, INVALID, p.line, p.column) for p in found.problems]
        shown += [at.say(f.message, warning, f.code, f.line) for f in found.findings]
        shown += [at.say(_UNSEEN, warning, INVISIBLE, line) for line in found.invisible]
        information = types.DiagnosticSeverity.Information
        if not found.saved:
            shown.append(at.say(_UNSAVED, information, NOT_SAVED, 1))
        elif not (found.trusted or found.missing):
            shown.append(at.say(_UNTRUSTED, information, NOT_TRUSTED, 1))
        return tuple(shown)

    # What may be done ---------------------------------------------------------------------------

    def offers(self, document: Document) -> list[Offer]:
        """Return what a person may do with a workspace's policy that they have open as it is saved."""
        found = self._reports.get(document.key)
        if found is None or found.kind != "workspace" or found.text != document.text:
            return []
        cwd = str(found.workspace)
        if found.can_be_trusted:
            title = f"trust exactly this policy ({found.allowing} of {count(found.rules, 'rule')} allow)"
            argument = {"cwd": cwd, "hash": found.hash}
            return [Offer(title, methods.POLICY_TRUST, argument)]
        if found.trusted and found.saved:
            return [Offer("trust this policy no longer", methods.POLICY_UNTRUST, {"cwd": cwd})]
        return []


class _Places:
    """Puts what is said of a text at its places, in the editor's unit."""

    def __init__(self, text: str, encoding: str) -> None:
        self._lines = split_lines(text)
        self._encoding = encoding

    def say(
        self,
        message: str,
        severity: types.DiagnosticSeverity,
        code: str,
        line: int,
        column: int = 1,
    ) -> types.Diagnostic:
        """Return a diagnostic from a place, line and column from 1, to the end of its line."""
        at = min(line, len(self._lines)) - 1
        text = content(self._lines[at])
        start = to_units(text[: column - 1], self._encoding)
        end = to_units(text, self._encoding)
        return types.Diagnostic(
            range=types.Range(types.Position(at, start), types.Position(at, end)),
            message=visible(message),
            severity=severity,
            code=code,
            source=SOURCE,
        )
