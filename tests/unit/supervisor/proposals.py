"""A patch that a played agent proposes, and how a person accepts hunks of it.

Files of twenty lines and a patch of three hunks, by which the tests of partial acceptance, merging and saving
tell what was written. `conftest` stands beside it; the tests stand above.
"""

from __future__ import annotations

from pathlib import Path

from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    DecisionKind,
    PatchAction,
    ProposedChange,
)
from autopilot_ls.model.review import units_of
from tests.unit.supervisor.conftest import Stage

OLD = "".join(f"line {n}\n" for n in range(1, 21))
HUNKS = "@@ -2 +2 @@\n-line 2\n+LINE 2\n@@ -9,0 +10,2 @@\n+new a\n+new b\n@@ -20 +22 @@\n-line 20\n+LINE 20\n"


def unified(path: Path, text: str, move_to: Path | None = None) -> ProposedChange:
    return ProposedChange(
        path=str(path),
        kind=ChangeKind.UPDATE,
        move_to=None if move_to is None else str(move_to),
        form="unified",
        text=text,
    )


def whole(path: Path, kind: ChangeKind, text: str) -> ProposedChange:
    return ProposedChange(path=str(path), kind=kind, form="content", text=text)


async def ask(stage: Stage, *changes: ProposedChange) -> Approval:
    await stage.start()
    stage.agent.ask(PatchAction(changes=changes))
    return stage.waiting()[0]


def ids(approval: Approval) -> list[str]:
    return [unit.id for unit in units_of(approval)]


async def accept(stage: Stage, approval: Approval, *hunks: str, message: str = "") -> None:
    await stage.supervisor.decide(
        approval.id, DecisionKind.ACCEPT, decided_by="me", hunks=hunks, message=message
    )


def litter(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".autopilot-*")]
