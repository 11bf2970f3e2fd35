"""The chosen part of a patch put into a text that the person has changed and not saved.

`merge` compares by lines what the disk holds with the person's text, and with the disk after the patch.
What touches a line of both, or stands right beside it, is refused: nobody's lines are ever given up. Line
ends and the final one are the editor's affair. Pure. Not aware of editors or of who decides; `supervisor`
and `lsp` stand above, `compare` and `lines` below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autopilot_ls.edits.compare import Change, changes
from autopilot_ls.edits.line_edits import LineEdit
from autopilot_ls.edits.lines import is_terminated, split
from autopilot_ls.model.errors import PatchInvalid

_ENDS = b"\r\n"


@dataclass(frozen=True, slots=True)
class Merged:
    """How a text takes in the changes of a patch.

    Attributes:
        before: The text that it was made for.
        after: The text with the changes.
        edits: The changes in ascending order, as places in the text before; none overlap.
    """

    before: str
    after: str
    edits: tuple[LineEdit, ...]

    def stands_in(self, text: str) -> bool:
        """Tell whether the changes stand in a text, which may have been typed in elsewhere since."""
        if text == self.after:
            return True
        wanted, now = _contents(_lines(self.after)), _contents(_lines(text))
        if wanted == now:
            return True
        if now == _contents(_lines(self.before)):
            return False
        places: list[tuple[int, int]] = []
        shift = 0
        for edit in self.edits:
            start = edit.first + shift
            places.append((start, start + len(edit.inserted)))
            shift += len(edit.inserted) - len(edit.removed)
        return not any(
            change.old_start <= end and start <= change.old_end
            for change in changes(wanted, now)
            for start, end in places
        )


def merge(base: bytes, ours: str, theirs: bytes) -> Merged:
    """Return how the person's text takes in what leads from one content of a file to another.

    Args:
        base: What the disk holds, which the person's text was made from.
        ours: The person's text.
        theirs: What the disk would hold with the patch.

    Raises:
        PatchInvalid: Both changed the same or neighbouring lines, or the change is one that a text in
            an editor cannot show: of line ends only, or of a file that is not UTF-8.
    """
    old, new = _decoded(base), _decoded(theirs)
    mine = _lines(ours)
    plain = _contents(old)
    proposed = list(changes(plain, _contents(new)))
    if _made(old, new, proposed) != new or not proposed:
        raise PatchInvalid("The change is about line ends, which are the editor's affair.")
    typed = list(changes(plain, _contents(mine)))
    for change in proposed:
        for other in typed:
            if other.old_start <= change.old_end and change.old_start <= other.old_end:
                raise PatchInvalid(
                    f"You have changed the same lines, or lines right beside them, at line "
                    f"{other.new_start + 1}."
                )
    edits = tuple(_edit(change, typed, new, mine) for change in proposed)
    after: list[str] = []
    position = 0
    shown = [_text(line) for line in mine]
    for edit in edits:
        after += [*shown[position : edit.first], *edit.inserted]
        position = edit.first + len(edit.removed)
    return Merged(ours, "".join([*after, *shown[position:]]), edits)


def _edit(
    change: Change, typed: Sequence[Change], new: Sequence[bytes], mine: Sequence[bytes]
) -> LineEdit:
    shift = sum(
        (other.new_end - other.new_start) - (other.old_end - other.old_start)
        for other in typed
        if other.old_end < change.old_start
    )
    first, last = change.old_start + shift, change.old_end + shift
    removed = list(mine[first:last])
    style = _style(mine)
    inserted = [
        line.rstrip(_ENDS) + (style or line[len(line.rstrip(_ENDS)) :] or b"\n")
        for line in new[change.new_start : change.new_end]
    ]
    if inserted and last == len(mine) and mine and not is_terminated(mine[-1]):
        # The text's last line has no end, and goes on having none.
        if not removed:
            first -= 1
            removed = [mine[-1]]
            end = inserted[0][len(inserted[0].rstrip(_ENDS)) :]
            inserted.insert(0, mine[-1] + end)
        inserted[-1] = inserted[-1].rstrip(_ENDS)
    return LineEdit(first, [_text(line) for line in removed], [_text(line) for line in inserted])


def _made(old: Sequence[bytes], new: Sequence[bytes], found: Sequence[Change]) -> list[bytes]:
    lines: list[bytes] = []
    position = 0
    for change in found:
        lines += [*old[position : change.old_start], *new[change.new_start : change.new_end]]
        position = change.old_end
    return [*lines, *old[position:]]


def _style(lines: Sequence[bytes]) -> bytes:
    """Return the one line end of a text; empty when there is none or more than one."""
    ends = {line[len(line.rstrip(_ENDS)) :] for line in lines if is_terminated(line)}
    return ends.pop() if len(ends) == 1 else b""


def _decoded(data: bytes) -> list[bytes]:
    try:
        return split(data.decode().removeprefix("\ufeff").encode())
    except UnicodeDecodeError as error:
        raise PatchInvalid("The file is not UTF-8.") from error


def _lines(text: str) -> list[bytes]:
    return split(text.encode("utf-8", "surrogatepass"))


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogatepass")


def _contents(lines: Sequence[bytes]) -> list[bytes]:
    return [line.rstrip(_ENDS) for line in lines]
