"""What Codex 0.163 really sent for patches on real files, and what it left on disk when accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopilot_ls.edits.convert import file_changes
from autopilot_ls.edits.promise import promise
from autopilot_ls.model.approvals import ChangeKind, ProposedChange

FILE = Path("/ws/file.txt")
PLAIN = b"one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n"


def update(diff: str, move_to: str | None = None) -> ProposedChange:
    return ProposedChange(
        path=str(FILE), kind=ChangeKind.UPDATE, move_to=move_to, form="unified", text=diff
    )


CASES = {
    "two blocks": (
        PLAIN,
        "@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n@@ -7,3 +7,4 @@\n seven\n-eight\n+EIGHT\n+8.5\n nine\n",
        b"one\nTWO\nthree\nfour\nfive\nsix\nseven\nEIGHT\n8.5\nnine\n",
        2,
    ),
    "two changes in one block": (
        PLAIN,
        "@@ -1,5 +1,5 @@\n one\n-two\n+TWO\n three\n-four\n+FOUR\n five\n",
        b"one\nTWO\nthree\nFOUR\nfive\nsix\nseven\neight\nnine\n",
        2,
    ),
    "start, deletion, append": (
        PLAIN,
        "@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n@@ -4,4 +4,2 @@\n four\n-five\n-six\n seven\n@@ -9 +7,2 @@\n nine\n+ten\n",
        b"ONE\ntwo\nthree\nfour\nseven\neight\nnine\nten\n",
        3,
    ),
    "no newline at the end is added": (
        b"a\nb\nc",
        "@@ -2,2 +2,2 @@\n b\n-c\n\\ No newline at end of file\n+C\n",
        b"a\nb\nC\n",
        1,
    ),
    "no newline, change elsewhere": (
        b"a\nb\nc",
        "@@ -1,3 +1,3 @@\n-a\n+A\n b\n-c\n\\ No newline at end of file\n+c\n",
        b"A\nb\nc\n",
        2,
    ),
    "CRLF": (
        b"a\r\nb\r\nc\r\nd\r\n",
        "@@ -1,3 +1,3 @@\n a\r\n-b\r\n+B\r\n c\r\n",
        b"a\r\nB\r\nc\r\nd\r\n",
        1,
    ),
    "mixed line ends, lone CR counted": (
        b"a\r\nb\nc\rd\ne\n",
        "@@ -4,2 +4,2 @@\n d\n-e\n+E\r\n",
        b"a\r\nb\nc\rd\nE\r\n",
        1,
    ),
    "context that ends with a lone CR": (
        b"a\nb\rX\nc\rd",
        "@@ -1,2 +1,2 @@\n-a\n+A\n b\r@@ -4,2 +4,2 @@\n c\r-d\n\\ No newline at end of file\n+d\n",
        b"A\nb\rX\nc\rd\n",
        2,
    ),
    "byte order mark": (
        b"\xef\xbb\xbfa\nb\n",
        "@@ -1,2 +1,2 @@\n \ufeffa\n-b\n+B\n",
        b"\xef\xbb\xbfa\nB\n",
        1,
    ),
    "form feed and Unicode line separators end no line": (
        "a\x0cb\u2028x\x85y\nb\nc\n".encode(),
        "@@ -1,3 +1,3 @@\n a\x0cb\u2028x\x85y\n-b\n+B\n c\n",
        "a\x0cb\u2028x\x85y\nB\nc\n".encode(),
        1,
    ),
    "empty file": (b"", "@@ -0,0 +1 @@\n+hello\n", b"hello\n", 1),
    "emptied file": (b"a\n", "@@ -1 +0,0 @@\n-a\n", b"", 1),
    "nothing changed": (b"a\nb\n", "", b"a\nb\n", 0),
}


@pytest.mark.parametrize("name", CASES)
def test_what_codex_sent_gives_what_codex_wrote(name: str) -> None:
    before, diff, after, hunks = CASES[name]
    (change,) = file_changes([update(diff)], approval_id="apr", read={FILE: before}.get)
    assert change.problem == ""
    assert len(change.hunks) == hunks
    assert promise(change, before) == after


def test_positions_of_hunks() -> None:
    _, diff, _, _ = CASES["start, deletion, append"]
    (change,) = file_changes([update(diff)], approval_id="apr", read={FILE: PLAIN}.get)
    assert [(hunk.old_start, hunk.new_start) for hunk in change.hunks] == [(1, 1), (5, 5), (10, 8)]
    assert change.hunks[1].new_lines == ()
    assert change.hunks[2].old_lines == ()
    assert [hunk.id for hunk in change.hunks] == ["apr-h0", "apr-h1", "apr-h2"]


@pytest.mark.parametrize(
    "diff",
    [
        "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n\n\nMoved to: /ws/sub/to.txt",
        "\n\nMoved to: /ws/sub/to.txt",
    ],
)
def test_a_rename(diff: str) -> None:
    files = {FILE: b"a\nb\nc\n"}
    (change,) = file_changes(
        [update(diff, "/ws/sub/to.txt")], approval_id="apr", read=files.get, root=Path("/ws")
    )
    assert change.problem == ""
    assert change.move_to == "/ws/sub/to.txt"
    assert promise(change, files[FILE]) == (b"a\nB\nc\n" if change.hunks else b"a\nb\nc\n")


def test_a_rename_over_a_file_is_a_problem() -> None:
    # Codex overwrote the target without a word.
    files = {FILE: b"a\nb\n", Path("/ws/to.txt"): b"precious\n"}
    diff = "@@ -1,2 +1,2 @@\n a\n-b\n+B\n\n\nMoved to: /ws/to.txt"
    (change,) = file_changes([update(diff, "/ws/to.txt")], approval_id="apr", read=files.get)
    assert "/ws/to.txt exists and would be overwritten" in change.problem


@pytest.mark.parametrize("content", [b"", b"x\ny", b"\xef\xbb\xbfa\r\nb\rc\n"])
def test_a_deletion(content: bytes) -> None:
    proposed = ProposedChange(
        path=str(FILE), kind=ChangeKind.DELETE, form="content", text=content.decode()
    )
    (change,) = file_changes([proposed], approval_id="apr", read={FILE: content}.get)
    assert change.problem == ""
    assert promise(change, content) is None


@pytest.mark.parametrize("content", [b"", b"a\n\nb\n", b"no newline"])
def test_an_addition(content: bytes) -> None:
    proposed = ProposedChange(
        path=str(FILE), kind=ChangeKind.ADD, form="content", text=content.decode()
    )
    (change,) = file_changes([proposed], approval_id="apr", read={}.get)
    assert change.problem == ""
    assert promise(change, None) == content


def test_adding_over_a_file_shows_what_it_would_do_to_it() -> None:
    # Codex overwrites it; what is reviewed is therefore an update.
    proposed = ProposedChange(
        path=str(FILE), kind=ChangeKind.ADD, form="content", text="one\nTWO\nthree\n"
    )
    before = b"one\ntwo\nthree\n"
    (change,) = file_changes([proposed], approval_id="apr", read={FILE: before}.get)
    assert change.kind is ChangeKind.UPDATE
    assert [(hunk.old_lines, hunk.new_lines) for hunk in change.hunks] == [(("two\n",), ("TWO\n",))]
    assert promise(change, before) == b"one\nTWO\nthree\n"
