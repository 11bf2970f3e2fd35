"""The models by which clients learn the names of documents that only the server has.

Values only, like those in `params`. Not imported before `initialize` is answered. `content_uris` below.
"""

from __future__ import annotations

from autopilot_ls.lsp.content_uris import diff_uri, text_uri
from autopilot_ls.model.approvals import Approval, ChangeKind
from autopilot_ls.model.base import Frozen


class FileDocuments(Frozen):
    """A file of a patch as documents to compare.

    Attributes:
        path: As in the approval's files, in the same order.
        before: The text before the patch, unsaved changes included; null where the file is new.
        after: The text with the whole patch; null where the file goes.
    """

    path: str
    before: str | None
    after: str | None


class ApprovalDocuments(Frozen):
    """The documents of a patch that waits, for `workspace/textDocumentContent`.

    Attributes:
        diff: All of it as a unified diff.
    """

    approval_id: str
    diff: str
    files: tuple[FileDocuments, ...]


def documents_of(approval: Approval) -> ApprovalDocuments:
    """Return the names of the documents of a patch."""
    files: list[FileDocuments] = []
    for index, file in enumerate(approval.files):
        before = text_uri(approval.id, "before", index, file.path)
        after = text_uri(approval.id, "after", index, file.move_to or file.path)
        files.append(
            FileDocuments(
                path=file.path,
                before=None if file.kind is ChangeKind.ADD else before,
                after=None if file.kind is ChangeKind.DELETE else after,
            )
        )
    return ApprovalDocuments(
        approval_id=approval.id, diff=diff_uri(approval.id), files=tuple(files)
    )
