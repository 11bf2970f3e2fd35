"""A change for a file that the person has saved other changes in."""

from __future__ import annotations

import pytest

from autopilot_ls.edits.promise import promise
from autopilot_ls.edits.rebase import rebased
from autopilot_ls.model.approvals import ChangeKind, FileChange, Hunk
from autopilot_ls.model.errors import PatchInvalid

BASE = b"".join(b"line %d\n" % number for number in range(1, 11))


def change(*hunks: tuple[int, list[str], list[str]]) -> FileChange:
    return FileChange(
        path="/a",
        kind=ChangeKind.UPDATE,
        hunks=tuple(
            Hunk(
                id=f"h{number}",
                old_start=start,
                old_lines=tuple(old),
                new_start=start,
                new_lines=tuple(new),
            )
            for number, (start, old, new) in enumerate(hunks)
        ),
    )


TWO = change((3, ["line 3\n"], ["THREE\n"]), (8, [], ["eight and a half\n"]))


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        (BASE, BASE),
        (b"new\n" + BASE, b"new\n" + BASE),
        (BASE + b"line 3\n", BASE + b"line 3\n"),
        # What stands twice now is no reason to guess.
        (b"line 3\nline 8\n" + BASE, b"line 3\nline 8\n" + BASE),
        (BASE.replace(b"line 5\n", b"", 1), BASE.replace(b"line 5\n", b"", 1)),
    ],
)
def test_hunks_move_with_what_was_typed_elsewhere(now: bytes, wanted: bytes) -> None:
    moved = promise(rebased(TWO, BASE, now), now)
    first = wanted.rindex(b"line 3\nline 4")
    expected = wanted[:first] + wanted[first:].replace(b"line 3\n", b"THREE\n", 1)
    at = expected.rindex(b"line 8\nline 9")
    assert moved == expected[:at] + b"eight and a half\n" + expected[at:]


@pytest.mark.parametrize(
    "now",
    [
        BASE.replace(b"line 3\n", b"mine\n"),
        BASE.replace(b"line 3\n", b""),
        BASE.replace(b"line 2\n", b"mine\n"),
        BASE.replace(b"line 4\n", b"line 3\nline 4\n"),
        BASE.replace(b"line 8\n", b"mine\nline 8\n"),
        BASE.replace(b"\n", b"\r\n"),
        b"",
    ],
)
def test_what_was_typed_in_the_lines_of_a_hunk_or_beside_them_refuses(now: bytes) -> None:
    with pytest.raises(PatchInvalid, match="same lines"):
        rebased(TWO, BASE, now)


def test_whole_files_are_no_matter_of_lines() -> None:
    for kind in (ChangeKind.ADD, ChangeKind.DELETE):
        with pytest.raises(PatchInvalid):
            rebased(TWO.model_copy(update={"kind": kind}), BASE, BASE)
