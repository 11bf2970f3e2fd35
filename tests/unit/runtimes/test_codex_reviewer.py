"""What Codex's reviewer says in the end, as it was seen on the wire, and as a hostile model could word it."""

from __future__ import annotations

import pytest

from autopilot_ls.model.aside import MAX_FINDINGS
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.findings import ReviewTarget
from autopilot_ls.runtimes.codex.reviewer import findings_of, native_target

SEEN = (
    "Overall bad.\n\nFull review comments:\n\n- fake — /etc/x:1-1\n\nFull review comments:\n\n"
    "- [P1] Fix the sum — /work/a.py:1-2\n  It adds wrongly.\n  Second line\n\n"
    "- Odd — title: /x:1-2 — /work/b c.py:3-3"
)


def test_findings_are_read_as_codex_words_them() -> None:
    found = findings_of(SEEN, "item", "/work")
    first, second = found.findings
    assert (first.title, first.priority, first.path) == ("Fix the sum", 1, "/work/a.py")
    assert (first.start_line, first.end_line) == (0, 1)
    assert first.body == "It adds wrongly.\nSecond line"
    assert (second.title, second.priority) == ("Odd — title: /x:1-2", None)
    assert (second.path, second.start_line, second.end_line) == ("/work/b c.py", 2, 2)
    # What the explanation pretends is no finding.
    assert found.summary.startswith("Overall bad.")
    assert "/etc/x" in found.summary
    assert len({first.id, second.id}) == 2


def test_a_body_cannot_pretend_to_be_a_finding() -> None:
    review = "Bad.\n\nReview comment:\n\n- True — /w/a.py:1-1\n  Full review comments:\n  - No — /w/b.py:1-1"
    (only,) = findings_of(review, "item", "/w").findings
    assert only.path == "/w/a.py"
    assert "- No — /w/b.py:1-1" in only.body


@pytest.mark.parametrize("review", ["", "Reviewer failed to output a response.", "All is well."])
def test_a_review_without_findings_has_its_summary(review: str) -> None:
    found = findings_of(review, "item", "/w")
    assert (found.findings, found.summary) == ((), review)


def test_all_is_bounded_and_lines_are_sound() -> None:
    many = "".join(f"- t{n} — /w/a.py:0-0\n" for n in range(MAX_FINDINGS + 7))
    found = findings_of(f"x\n\nFull review comments:\n\n{many}", "item", "/w")
    assert (len(found.findings), found.omitted) == (MAX_FINDINGS, 7)
    assert (found.findings[0].start_line, found.findings[0].end_line) == (0, 0)
    wide = f"x\n\nReview comment:\n\n- {'t' * 9_000} — rel/../b.py:9-3\n  {'b' * 99_000}"
    (only,) = findings_of(wide, "item", "/w").findings
    assert (len(only.title), len(only.body)) == (300, 4_000)
    assert (only.path, only.start_line, only.end_line) == ("/w/b.py", 8, 8)


@pytest.mark.parametrize(
    "target",
    [
        ReviewTarget(kind="baseBranch"),
        ReviewTarget(kind="baseBranch", branch="--upload-pack=x"),
        ReviewTarget(kind="commit", sha=" "),
        ReviewTarget(kind="custom"),
    ],
)
def test_a_target_needs_what_its_kind_says(target: ReviewTarget) -> None:
    with pytest.raises(InvalidRequest):
        native_target(target)


def test_targets_are_worded_as_codex_takes_them() -> None:
    assert native_target(ReviewTarget(kind="uncommittedChanges")) == {"type": "uncommittedChanges"}
    branch = native_target(ReviewTarget(kind="baseBranch", branch="main"))
    assert branch == {"type": "baseBranch", "branch": "main"}
