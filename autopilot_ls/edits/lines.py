"""Lines as bytes, exactly: the one place that says what a line is.

A line ends after CR LF, LF or a lone CR, which is how the Language Server Protocol counts lines and
how Codex numbers them in its diffs (a form feed or U+2028 ends no line). Everything here works on
bytes, so that line ends, a byte order mark and bytes that are not UTF-8 come out as they went in.
Not aware of diffs, files or agents; `unified`, `convert` and `promise` build on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autopilot_ls.model.errors import PatchInvalid


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines of a file replaced by others.

    Attributes:
        start: Index (from 0) of the first line replaced, or before which the new lines go.
        old: The lines taken out, each with its line end.
        new: The lines put in, each with its line end.
    """

    start: int
    old: tuple[bytes, ...]
    new: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """Index after the last line replaced."""
        return self.start + len(self.old)


def split(data: bytes) -> list[bytes]:
    """Return the lines with their line ends; joined they give the data again."""
    # Only for bytes, splitlines knows no other line ends than the three that are meant here.
    return data.splitlines(keepends=True)


def is_terminated(line: bytes) -> bool:
    """Tell whether the line has its line end."""
    return line.endswith((b"\n", b"\r"))


def splice(lines: Sequence[bytes], edits: Iterable[Edit]) -> bytes:
    """Return the text with the edits made.

    Args:
        lines: The lines that the edits' positions refer to.
        edits: Edits in ascending order; each must fit where it says.

    Raises:
        PatchInvalid: An edit does not fit, overlaps another, or would glue two lines together.
    """
    pieces: list[bytes] = []
    position = 0
    for edit in edits:
        if edit.start < position or edit.end > len(lines):
            raise PatchInvalid("A hunk lies outside the file or overlaps another one.")
        if tuple(lines[edit.start : edit.end]) != edit.old:
            raise PatchInvalid(
                f"The file does not have the expected text at line {edit.start + 1}."
            )
        _check_joints(lines, edit)
        pieces.extend(lines[position : edit.start])
        pieces.extend(edit.new)
        position = edit.end
    pieces.extend(lines[position:])
    return b"".join(pieces)


def _check_joints(lines: Sequence[bytes], edit: Edit) -> None:
    loose = [index for index, line in enumerate(edit.new) if not is_terminated(line)]
    at_end = edit.end == len(lines)
    if loose and (loose != [len(edit.new) - 1] or not at_end):
        raise PatchInvalid("A new line in the middle of the file has no line end.")
    if edit.new and edit.start > 0 and not is_terminated(lines[edit.start - 1]):
        raise PatchInvalid("Lines are to be added after a last line that has no line end.")
