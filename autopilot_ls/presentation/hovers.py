"""What an editor shows over a pending hunk: what is asked, why it was asked, and the change itself.

Nothing is redacted, since it is what a person decides on; everything is shown, never obeyed. Not aware of
where in a document a hunk stands. `lsp` stands above, `approvals` and `verdicts` below.
"""

from __future__ import annotations

from typing import Final

from autopilot_ls.model.approvals import Approval, FileChange, Hunk
from autopilot_ls.model.text import count, one_line, visible
from autopilot_ls.presentation.approvals import title, unified_diff
from autopilot_ls.presentation.markdown import fence, plain, said, shortened
from autopilot_ls.presentation.verdicts import explained

MAX_DIFF: Final = 8_000
"""Characters of a hunk that are shown; the preview and the transcript have all of it."""

_DECIDE: Final = "Decide by the code actions here."


def hover(
    approval: Approval, file: FileChange, hunk: Hunk | None, *, root: str | None, markdown: bool
) -> str:
    """Return the text of a hover.

    Args:
        approval: The approval that waits.
        file: The change of the file that the pointer is in.
        hunk: The hunk that it is on; None where the change has none to show.
        root: The session's folder, which paths are shown relative to.
        markdown: Whether the editor shows markdown; else it is plain text.
    """
    head = title(approval, root=root)
    shown = file if hunk is None else file.model_copy(update={"hunks": (hunk,)})
    diff = shortened(unified_diff([shown], root=root), MAX_DIFF)
    others = sum(len(each.hunks) for each in approval.files) - (hunk is not None)
    closing = f"{_DECIDE} The patch has {count(others, 'more hunk')}." if others else _DECIDE
    why = explained(approval.verdict, markdown=markdown)
    if not markdown:
        reason = one_line(approval.reason, 1_000)
        lines = [head, why, *([f"The agent's reason: {reason}"] if reason else []), ""]
        return "\n".join([*lines, visible(diff).rstrip("\n"), "", closing])
    lines = [f"**{plain(head)}**", "", why]
    if approval.reason.strip():
        lines += ["", "The agent's reason:", "", *said(approval.reason)]
    return "\n".join([*lines, "", *fence(diff, "diff"), "", closing])
