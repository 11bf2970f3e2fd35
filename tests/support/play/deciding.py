"""What the person says to patches that wait. `at_work` stands below."""

from __future__ import annotations

import random
from collections.abc import Sequence

from autopilot_ls.edits.lines import split
from autopilot_ls.model.approvals import (
    Approval,
    ChangeKind,
    DecisionKind,
    Mark,
)
from autopilot_ls.model.review import chosen, expanded, units_of
from tests.support.play.at_work import AtWork


class Deciding(AtWork):
    """Adds the steps by which patches are decided on."""

    @staticmethod
    def _subset(approval: Approval, bits: int) -> list[str]:
        units = list(units_of(approval))
        chance = random.Random(bits)
        return [unit.id for unit in units if chance.randrange(2)]

    async def do_decide(self, which: int, how: int, bits: int) -> None:
        approval = self._waiting(which)
        if approval is None:
            return
        kinds = (
            DecisionKind.ACCEPT,
            DecisionKind.ACCEPT,
            DecisionKind.ACCEPT,
            DecisionKind.DECLINE,
            DecisionKind.CANCEL,
            DecisionKind.ACCEPT_FOR_SESSION,
        )
        kind = kinds[how % len(kinds)]
        hunks = self._subset(approval, bits) if how % len(kinds) in (1, 2) else None
        in_editor = bool(hunks) and how // 6 % 5 == 4 and self._preview(approval, hunks or [])
        merge = how // 6 % 2 == 1 and not in_editor
        await self.supervisor.decide(
            approval.id, kind, decided_by="me", hunks=hunks, in_editor=in_editor, merge=merge
        )

    def _preview(self, approval: Approval, hunks: Sequence[str]) -> bool:
        """Make the hunks in the editor, as its preview does; tells whether that is possible."""
        files = chosen(approval, expanded(approval, hunks))
        olds = self._proposal(approval.id).at
        names = [self._name(file.path) for file in files]
        for name, file in zip(names, files, strict=True):
            self.editor.open(name)
            buffer = self.editor.buffers.get(name)
            plain = file.kind is ChangeKind.UPDATE and file.move_to is None and file.hunks
            if not plain or buffer is None or buffer.text.encode() != olds[name]:
                return False
        with self.ledger.deed():
            for name, file in zip(names, files, strict=True):
                buffer = self.editor.buffers[name]
                lines = [line.decode() for line in split(buffer.text.encode())]
                for hunk in reversed(file.hunks):
                    start = hunk.old_start - 1
                    lines[start : start + len(hunk.old_lines)] = hunk.new_lines
                buffer.undo.append(buffer.text)
                buffer.text = "".join(lines)
        return True

    async def do_mark(self, which: int, bits: int, how: int) -> None:
        approval = self._waiting(which)
        if approval is not None:
            mark = (Mark.ACCEPT, Mark.ACCEPT, Mark.REJECT, None)[how % 4]
            hunks = self._subset(approval, bits)
            merge = how // 4 % 3 == 2
            await self.supervisor.mark(
                approval.id, hunks, mark, marked_by="me", message="No.", merge=merge
            )
