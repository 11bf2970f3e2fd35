"""For any two texts: a diff in Codex's style, read back, gives exactly the new bytes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from autopilot_ls.edits.convert import file_changes
from autopilot_ls.edits.lines import split
from autopilot_ls.edits.promise import apply_hunks, promise
from autopilot_ls.model.approvals import ChangeKind, FileChange, ProposedChange

FILE = Path("/ws/file")

# Few different lines, so that repetitions are frequent, and some that look like parts of a diff.
LINES = st.sampled_from(
    [
        "a",
        "b",
        "",
        "}",
        "-x",
        "+x",
        " x",
        "@@ -1 +1 @@",
        "\\ No newline at end of file",
        "é\u2028\x0c",
    ]
)
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    rows = draw(st.lists(st.tuples(LINES, ENDS), max_size=12))
    text = "".join(line + end for line, end in rows)
    if draw(st.booleans()):
        text = "\ufeff" + text
    return text + draw(st.sampled_from(["", "", "last"]))


def codex_diff(old: str, new: str, context: int) -> str:
    """A diff as the Rust crate `similar` writes it for Codex: lone CRs end lines."""
    before = [line.decode() for line in split(old.encode())]
    after = [line.decode() for line in split(new.encode())]
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return "".join(_blocks(matcher, before, after, context))


def _blocks(
    matcher: difflib.SequenceMatcher[str], before: list[str], after: list[str], context: int
) -> Iterator[str]:
    if before == after:
        return
    for group in matcher.get_grouped_opcodes(context):
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (_row(" ", line) for line in before[i1:i2])
            else:
                yield from (_row("-", line) for line in before[i1:i2])
                yield from (_row("+", line) for line in after[j1:j2])


def _row(tag: str, line: str) -> str:
    marker = "" if line.endswith(("\n", "\r")) else "\n\\ No newline at end of file\n"
    return tag + line + marker


def _range(start: int, stop: int) -> str:
    if stop - start == 1:
        return str(start + 1)
    return f"{start + 1 if stop > start else start},{stop - start}"


def change_of(old: str, new: str, context: int) -> FileChange:
    proposed = ProposedChange(
        path=str(FILE), kind=ChangeKind.UPDATE, form="unified", text=codex_diff(old, new, context)
    )
    (change,) = file_changes([proposed], approval_id="apr", read={FILE: old.encode()}.get)
    assert change.problem == "", (old, new, proposed.text)
    return change


@given(old=texts(), new=texts(), context=st.integers(0, 3))
@settings(max_examples=400, deadline=None)
def test_all_hunks_give_the_new_text(old: str, new: str, context: int) -> None:
    change = change_of(old, new, context)
    everything = {hunk.id for hunk in change.hunks}
    assert len(everything) == len(change.hunks)
    assert apply_hunks(old.encode(), change, everything) == new.encode()
    assert apply_hunks(old.encode(), change, ()) == old.encode()
    assert promise(change, old.encode()) == new.encode()


@given(old=texts(), new=texts(), data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_subset_is_consistent(old: str, new: str, data: st.DataObject) -> None:
    """Taking some hunks is as undoing the others: both ways lead to the same text."""
    change = change_of(old, new, 1)
    chosen = {hunk.id for hunk in change.hunks if data.draw(st.booleans())}
    partial = apply_hunks(old.encode(), change, chosen)
    undone = change.model_copy(
        update={
            "hunks": tuple(
                hunk.model_copy(
                    update={
                        "old_start": hunk.new_start,
                        "old_lines": hunk.new_lines,
                        "new_lines": hunk.old_lines,
                    }
                )
                for hunk in change.hunks
            )
        }
    )
    others = {hunk.id for hunk in change.hunks} - chosen
    assert apply_hunks(new.encode(), undone, others) == partial


@given(old=texts(), new=texts())
@settings(max_examples=200, deadline=None)
def test_replacing_a_whole_file_gives_hunks(old: str, new: str) -> None:
    proposed = ProposedChange(path=str(FILE), kind=ChangeKind.ADD, form="content", text=new)
    (change,) = file_changes([proposed], approval_id="apr", read={FILE: old.encode()}.get)
    assert change.problem == ""
    assert promise(change, old.encode()) == new.encode()


@given(text=st.text(st.sampled_from("@-+ 1,2\n\r\\aN"), max_size=60), old=texts())
@settings(max_examples=300, deadline=None)
def test_garbage_never_raises(text: str, old: str) -> None:
    proposed = ProposedChange(path=str(FILE), kind=ChangeKind.UPDATE, form="unified", text=text)
    (change,) = file_changes([proposed], approval_id="apr", read={FILE: old.encode()}.get)
    if change.problem == "":
        promise(change, old.encode())
