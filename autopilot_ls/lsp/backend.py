"""What the editor's side needs of the supervisor.

Narrow on purpose: features are written and tested against this, and a supervisor behind a socket can take
its place. Not aware of editors. `supervisor.Supervisor` has it all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from autopilot_ls.model.approvals import Approval, Decision, DecisionKind, Mark, Mode, Verdict
from autopilot_ls.model.snapshots import SessionSnapshot
from autopilot_ls.policy.language import PolicyProblem
from autopilot_ls.policy.remember import Remembered
from autopilot_ls.policy.verdicts import PartVerdict
from autopilot_ls.runtimes.base import ModelInfo
from autopilot_ls.settings.tree import Settings
from autopilot_ls.supervisor.accounts import Accounts
from autopilot_ls.supervisor.messages import MessageDesk
from autopilot_ls.supervisor.requests import StartedTurn, StartReview, StartTurn
from autopilot_ls.supervisor.review.desk import ReviewDesk
from autopilot_ls.supervisor.shelf import Shelf
from autopilot_ls.trace.summary import SessionSummary


class Backend(Protocol):
    """The supervisor as the editor's side sees it; its own docstrings say more."""

    settings: Settings
    review: ReviewDesk
    accounts: Accounts
    messages: MessageDesk
    shelf: Shelf

    @property
    def mode(self) -> Mode:
        """The mode of new sessions."""
        ...

    def live_sessions(self) -> tuple[str, ...]:
        """Return the ids of the open sessions that the editor is concerned with, oldest first."""
        ...

    def is_open(self, session_id: str) -> bool:
        """Tell whether a session is open, whether the editor is concerned with it or not."""
        ...

    def sessions(self) -> list[SessionSummary]:
        """Return all sessions, newest first."""
        ...

    def snapshot(self, session_id: str) -> SessionSnapshot:
        """Return a session's present state, or the last recorded one."""
        ...

    def approvals(self, session_id: str | None = None) -> tuple[Approval, ...]:
        """Return what waits for a decision, oldest first."""
        ...

    def approval(self, approval_id: str) -> Approval:
        """Return an approval that waits."""
        ...

    def dirty_documents(self, cwd: Path) -> list[Path]:
        """Return the files under a folder that a client has open with unsaved changes."""
        ...

    async def start_turn(self, request: StartTurn, by: str) -> StartedTurn:
        """Give an agent work."""
        ...

    async def steer(self, session_id: str, text: str, attachments: Sequence[str] = ()) -> None:
        """Say something into a running turn."""
        ...

    async def start_review(self, request: StartReview, by: str) -> StartedTurn:
        """Have the agent's reviewer look at changes."""
        ...

    async def dismiss_findings(self, session_id: str, finding_ids: Sequence[str]) -> None:
        """Show findings of a review no longer; all of them when none is named."""
        ...

    async def interrupt(self, session_id: str, by: str) -> None:
        """Stop a running turn; returns when it has ended."""
        ...

    async def resume(self, session_id: str) -> SessionSnapshot:
        """Open a recorded session again and bring its agent up."""
        ...

    async def close_session(self, session_id: str) -> None:
        """End a session's agent."""
        ...

    async def delete_session(self, session_id: str) -> None:
        """Delete a session's record."""
        ...

    async def set_mode(self, mode: Mode, *, session_id: str | None, changed_by: str) -> None:
        """Change the mode of a session, or of new ones."""
        ...

    def revoke_grant(self, session_id: str, grant_id: str) -> None:
        """Take a grant back."""
        ...

    def explain(
        self, command: str, *, mode: Mode, workspace: Path
    ) -> tuple[Verdict, tuple[PartVerdict, ...]]:
        """Judge a command line that nobody wants to run."""
        ...

    def policy_problems(self, workspace: Path) -> Mapping[str, tuple[PolicyProblem, ...]]:
        """Return what is wrong with each policy file that holds in a folder."""
        ...

    async def remembered(self) -> tuple[Remembered, ...]:
        """Return the remembered rules."""
        ...

    async def forget(self, names: Sequence[str]) -> None:
        """Forget remembered rules."""
        ...

    async def list_models(self, cwd: Path) -> tuple[ModelInfo, ...]:
        """Return the models the agent offers."""
        ...

    async def decide(
        self,
        approval_id: str,
        kind: DecisionKind,
        *,
        decided_by: str,
        message: str = "",
        answers: Mapping[str, Iterable[str]] | None = None,
        content: str | None = None,
        hunks: Iterable[str] | None = None,
        reasons: Mapping[str, str] | None = None,
        in_editor: bool = False,
        remember: str | None = None,
        merge: bool = False,
    ) -> Decision:
        """Give the one decision on an approval."""
        ...

    async def to_save(self, approval_id: str, hunks: Iterable[str] | None) -> tuple[str, ...]:
        """Return the paths of the files to be saved before these hunks, or all, can be accepted."""
        ...

    async def mark(
        self,
        approval_id: str,
        hunks: Iterable[str],
        mark: Mark | None,
        *,
        marked_by: str,
        message: str = "",
        merge: bool = False,
    ) -> Decision | None:
        """Choose for single hunks of a patch that waits; returns the decision if it was the last."""
        ...
