"""What the commands about the policy do, and what the status says of its files.

Not aware of how a command came. `commands` stands above, the supervisor and `policy.report` below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import anyio.to_thread

from autopilot_ls.lsp import policy_params as params
from autopilot_ls.lsp.backend import Backend
from autopilot_ls.lsp.connection import Connection
from autopilot_ls.lsp.convert import to_path
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.policy.load import WORKSPACE_FILE, PolicyFiles
from autopilot_ls.policy.report import FileKind, Report, report, trust_exactly
from autopilot_ls.policy.trust import TrustStore
from autopilot_ls.presentation.verdicts import explained
from autopilot_ls.supervisor.caller import current_folder


class PolicyCommands:
    """The policy's commands of one editor."""

    def __init__(
        self,
        connection: Connection,
        backend: Backend,
        files: PolicyFiles,
        changed: Callable[[], None],
    ) -> None:
        """Create the commands.

        Args:
            connection: Knows the workspace folders.
            backend: The supervisor.
            files: Where the user's files are.
            changed: Hears that the trust in a file has changed.
        """
        self._connection = connection
        self._backend = backend
        self._files = files
        self._changed = changed

    async def trust(self, request: params.PolicyTrustParams) -> params.PolicyTrusted:
        """Trust exactly what the person saw."""
        folder = _folder(request.cwd)
        before = TrustStore(self._files.trust).trusts(folder, request.hash)
        path = await anyio.to_thread.run_sync(trust_exactly, self._files, folder, request.hash)
        self._changed()
        return params.PolicyTrusted(path=str(path), trusted=True, before=before)

    async def untrust(self, request: params.PolicyUntrustParams) -> params.PolicyTrusted:
        """Trust a folder's policy no longer."""
        folder = _folder(request.cwd)
        before = await anyio.to_thread.run_sync(TrustStore(self._files.trust).distrust, folder)
        self._changed()
        path = str(folder / WORKSPACE_FILE)
        return params.PolicyTrusted(path=path, trusted=False, before=before)

    async def explain(self, request: params.PolicyExplainParams) -> params.PolicyExplained:
        """Judge a command line without running it."""
        given = request.cwd or self._connection.folder_of(None) or str(current_folder())
        folder, mode = _folder(given), request.mode or self._backend.mode
        verdict, parts = self._backend.explain(request.command, mode=mode, workspace=folder)
        return params.PolicyExplained(
            command=request.command,
            cwd=str(folder),
            mode=mode,
            outcome=verdict.outcome,
            rule=verdict.rule,
            source=verdict.source,
            reason=verdict.reason,
            part=verdict.part,
            risk=verdict.risk,
            why=explained(verdict),
            parts=tuple(
                params.PolicyPart(
                    part=part.part,
                    outcome=part.outcome,
                    rule=part.rule,
                    source=part.source,
                    reason=part.reason,
                    risk=part.risk,
                    hard=part.hard,
                )
                for part in parts
            ),
        )

    async def files(self, folders: Iterable[str]) -> tuple[params.PolicyFileShown, ...]:
        """Return the policy files that are there, the user's and those of the folders."""
        given: dict[Path, FileKind] = {
            self._files.user: "user",
            self._files.remembered: "remembered",
        }
        for folder in folders:
            given.setdefault(Path(folder) / WORKSPACE_FILE, "workspace")

        def look() -> list[Report]:
            return [report(self._files, path, kind) for path, kind in given.items()]

        found = await anyio.to_thread.run_sync(look)
        return tuple(_shown(one) for one in found if not one.missing)


def _shown(found: Report) -> params.PolicyFileShown:
    of_workspace = found.kind == "workspace"
    return params.PolicyFileShown(
        path=str(found.path),
        kind=found.kind,
        state="broken" if found.problems else "inForce" if found.trusted else "notTrusted",
        rules=found.rules,
        problems=tuple(map(str, found.problems)),
        cwd=str(found.workspace) if of_workspace else "",
        hash=found.hash if of_workspace else "",
    )


def _folder(given: str) -> Path:
    path = Path(to_path(given) or given)
    if not path.is_absolute():
        raise InvalidRequest(
            f"cwd: {given[:200]!r} is not an absolute path.",
            advice="Give an absolute path or a file: URI.",
        )
    return path
