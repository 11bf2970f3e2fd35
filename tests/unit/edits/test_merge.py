"""A patch in a text that was typed into: nothing of the person's goes, and nothing is guessed."""

from __future__ import annotations

import random

import pytest

from autopilot_ls.edits.check import is_clean
from autopilot_ls.edits.merge import merge
from autopilot_ls.model.errors import PatchInvalid

BASE = "".join(f"line {n}\n" for n in range(1, 13))
THEIRS = BASE.replace("line 3\n", "LINE 3\n").replace("line 9\n", "line 9\nnew\n")


def test_changes_elsewhere_go_together_and_only_what_changes_is_replaced() -> None:
    ours = "typed above\n" + BASE.replace("line 6\n", "line 6, typed\n")
    merged = merge(BASE.encode(), ours, THEIRS.encode())
    assert merged.after == "typed above\n" + THEIRS.replace("line 6\n", "line 6, typed\n")
    assert [(edit.first, edit.removed, edit.inserted) for edit in merged.edits] == [
        (3, ["line 3\n"], ["LINE 3\n"]),
        (10, [], ["new\n"]),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("line 3\n", "line 3 mine\n"),
        ("line 3\n", ""),
        ("line 3\n", "LINE 3\n"),
        ("line 2\n", "line two\n"),
        ("line 4\n", "mine\nline 4\n"),
        ("line 9\n", "line nine\n"),
        ("line 10\n", "line ten\n"),
        ("line 10\n", "mine\nline 10\n"),
    ],
)
def test_the_same_lines_and_lines_beside_them_are_refused(old: str, new: str) -> None:
    with pytest.raises(PatchInvalid, match="You have changed"):
        merge(BASE.encode(), BASE.replace(old, new), THEIRS.encode())


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "after"),
    [
        ("a\nb\nc\n", "x\na\nb\nc", "a\nb\nC\n", "x\na\nb\nC"),
        ("a\nb\nc", "x\na\nb\nc", "a\nb\nC", "x\na\nb\nC"),
        ("a\nb\nc\n", "x\na\nb\nc", "a\nb\nc\nd\n", "x\na\nb\nc\nd"),
        ("a\nb\nc\n", "x\na\nb\nc\n", "a\nb\n", "x\na\nb\n"),
        ("a\nb\nc\n", "x\na\nb\nc", "a\nb\n", "x\na\nb\n"),
        ("a\nb\nc\n", "x\r\na\r\nb\r\nc\r\n", "a\nb\nC\n", "x\r\na\r\nb\r\nC\r\n"),
        ("a\r\nb\r\nc\r\n", "x\na\nb\nc\n", "a\r\nb\r\nC\r\n", "x\na\nb\nC\n"),
        ("\ufeffa\nb\nc\n", "x\na\nb\nc\n", "\ufeffa\nb\nC\n", "x\na\nb\nC\n"),
        ("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\n😋\n", "A\nb\nc\n😋\n"),
    ],
)
def test_line_ends_stay_as_the_editor_has_them(
    base: str, ours: str, theirs: str, after: str
) -> None:
    assert merge(base.encode(), ours, theirs.encode()).after == after


@pytest.mark.parametrize(
    ("base", "theirs"),
    [
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\nb\n", b"a\nb"),
        (b"a\nb\r\nc\nd\n", b"a\nb\nc\nD\n"),
        (b"a\n\xff\n", b"b\n\xff\n"),
        (b"a\n", b"a\n"),
    ],
)
def test_what_no_text_in_an_editor_shows_is_refused(base: bytes, theirs: bytes) -> None:
    with pytest.raises(PatchInvalid):
        merge(base, base.decode(errors="replace"), theirs)


def _changed(source: random.Random, lines: list[str], mark: str) -> list[str]:
    found = list(lines)
    for number in range(source.randint(1, 3)):
        at = source.randrange(len(found) + 1)
        gone = source.choice([0, 0, 1, 2])
        fresh = [f"{mark}{number}{n}" for n in range(source.choice([0, 1, 2]))]
        found[at : at + gone] = fresh
    return found


def test_every_typed_line_is_kept_and_a_clean_text_becomes_what_was_accepted() -> None:
    source = random.Random(7)
    merges = 0
    for _ in range(2000):
        base = [source.choice("abcde") + str(source.randrange(4)) for _ in range(14)]
        ours, theirs = _changed(source, base, "mine"), _changed(source, base, "agent")
        end = source.choice(["", "\n"])
        disk, text = "\n".join(base) + "\n", "\n".join(ours) + end
        wanted = "\n".join(theirs) + "\n"
        if wanted == disk:
            continue
        assert is_clean(merge(disk.encode(), disk, wanted.encode()).after, wanted.encode())
        try:
            merged = merge(disk.encode(), text, wanted.encode())
        except PatchInvalid:
            continue
        merges += 1
        lines = merged.after.splitlines()
        assert [line for line in lines if line.startswith("mine")] == [
            line for line in ours if line.startswith("mine")
        ]
        assert [line for line in lines if line.startswith("agent")] == [
            line for line in theirs if line.startswith("agent")
        ]
        # What stands there is seen there, also where somebody goes on typing; what does not, is not.
        assert merged.stands_in(merged.after)
        assert not merged.stands_in(merged.before)
        # The other way round gives the same.
        back = (
            merge(disk.encode(), wanted, (text.removesuffix("\n") + "\n").encode())
            if (text.removesuffix("\n") + "\n" != disk)
            else None
        )
        if back is not None:
            assert is_clean(back.after, merged.after.encode())
    assert merges > 300


def test_what_is_typed_on_after_the_merge_does_not_hide_it() -> None:
    merged = merge(BASE.encode(), "typed\n" + BASE, THEIRS.encode())
    assert merged.stands_in(merged.after.replace("line 12\n", "line 12 and more\n"))
    assert not merged.stands_in(merged.after.replace("LINE 3\n", "line 3\n"))
    assert not merged.stands_in(merged.after.replace("new\n", ""))
    assert not merged.stands_in("typed on\n" + merged.before)
    # What is typed right beside it may be about it.
    assert not merged.stands_in(merged.after.replace("LINE 3\n", "LINE 3\nbeside\n"))
    assert not merged.stands_in(merged.after.replace("LINE 3\n", "beside\nLINE 3\n"))
