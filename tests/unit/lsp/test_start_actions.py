from __future__ import annotations

import pytest
from lsprotocol import types

from autopilot_ls.lsp import methods
from autopilot_ls.lsp.convert import split_lines
from autopilot_ls.lsp.documents import Document
from autopilot_ls.lsp.features.start_actions import offers, task_in


@pytest.mark.parametrize(
    "line",
    [
        "# autopilot: do it",
        "x = 1  # autopilot: do it",
        "#autopilot:do it",
        "// autopilot: do it",
        "/// Autopilot: do it",
        "//! AUTOPILOT : do it",
        "/* autopilot: do it */",
        " * autopilot: do it",
        "-- autopilot: do it",
        "--[[ autopilot: do it ]]",
        "{- autopilot: do it -}",
        "(* autopilot: do it *)",
        "; autopilot: do it",
        ";; autopilot: do it",
        "% autopilot: do it",
        '" autopilot: do it',
        "' autopilot: do it",
        "<!-- autopilot: do it -->",
        "  <p> <!-- autopilot: do it --> ",
        "{# autopilot: do it #}",
        "<%-- autopilot: do it --%>",
        '"""autopilot: do it"""',
        "REM autopilot: do it",
        "#| autopilot: do it |#",
        "! autopilot: do it",
        "# autopilot: do it\r\n",
    ],
)
def test_comments_of_all_languages_give_tasks(line: str) -> None:
    assert task_in(line) == "do it"


@pytest.mark.parametrize(
    "line",
    [
        "autopilot: do it",
        "x = 'autopilot: do it'",
        "# autopilot do it",
        "# autopilot:",
        "# autopilot:   ",
        "/* autopilot: */",
        "# my autopilot: do it",
        "http://autopilot: 80",
    ],
)
def test_other_lines_give_none(line: str) -> None:
    assert task_in(line) is None


def test_very_long_lines_cost_little() -> None:
    assert task_in("# " * 100_000) is None
    assert task_in("-" * 100_000 + "*" * 100_000) is None


def document(text: str) -> Document:
    return Document("file:///a.py", "/a.py", "/a.py", "python", 1, split_lines(text))


def at(first: int, start: int, last: int, end: int) -> types.Range:
    return types.Range(types.Position(first, start), types.Position(last, end))


def test_own_diagnostics_are_not_to_be_fixed() -> None:
    place = at(0, 0, 0, 1)
    ours = types.Diagnostic(place, "ours", source="autopilot")
    theirs = [types.Diagnostic(place, f"m{number}", source="lint") for number in range(9)]
    found = offers(document("x\n"), place, [ours, *theirs], "")
    assert [offer.title for offer in found] == [f"fix this: m{number}" for number in range(5)]
    assert found[0].argument["text"] == "Fix this problem (lint): m0"


def test_titles_show_what_a_linter_says_and_obey_none_of_it() -> None:
    place = at(0, 0, 0, 1)
    evil = types.Diagnostic(place, "a\x1b[2J\u202eb\nc")
    [offer] = offers(document("x\n"), place, [evil], "")
    assert "\x1b" not in offer.title
    assert "\u202e" not in offer.title
    assert "\n" not in offer.title


def test_selection_offers_work_and_nothing_selected_does_not() -> None:
    text = document("x = 1\n")
    assert offers(text, at(0, 0, 0, 0), [], "") == []
    assert offers(text, at(0, 0, 0, 2), [], "  ") == []
    found = offers(text, at(0, 0, 0, 5), [], "x = 1")
    assert [offer.title.split()[0] for offer in found] == ["explain", "add", "document", "improve"]
    assert {offer.command for offer in found} == {methods.TURN_START}
    reference = found[0].argument["references"]
    assert reference == [
        {
            "uri": "file:///a.py",
            "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 5}},
        }
    ]
