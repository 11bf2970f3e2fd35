"""Whatever an agent writes, a real CommonMark renderer finds nothing active in what we show."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from autopilot_ls.presentation.markdown import code, fence, output, plain, said, shortened

RENDERER = MarkdownIt("commonmark", {"html": True}).enable("table")

PIECES = st.sampled_from(
    [
        "`", "``", "```", "~~~", "~~~ a`b", "```py", "\\", "<img src=x>", "<b>", "<!--", "-->", "<?",
        "<http://e.x>", "![a](http://e.x/i.png)", "[a](command:x)", "[a]: javascript:x", "[a]", "[a][a]",
        "](x)", "![", "&lt;b&gt;", "&#x202e;", "\n", "\n", "\n\n", "- ", "1. ", "> ", "    ", "\t", "# ",
        "---", "===", "| a | b |\n|---|---|\n| `x | <img> | y` |", "|", "text", " ", "\r", "\u2028", "\x1b[2J",
        "command:x", "file:///etc/passwd", "$$", "*", "_", "<script>", "]]>", "<![CDATA[",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=14).map("".join)


def tokens(markdown: str) -> list[Token]:
    found: list[Token] = []
    for token in RENDERER.parse(markdown):
        found.append(token)
        found.extend(token.children or ())
    return found


def assert_harmless(markdown: str) -> None:
    active = [
        (token.type, token.content)
        for token in tokens(markdown)
        if token.type in {"html_block", "html_inline", "image", "link_open"}
    ]
    assert active == [], markdown
    assert "\u202e" not in markdown
    assert "\x1b" not in markdown


# Each of these once led, or could have led, renderer and escaper to different ideas of what is code.
@example("~~~ a`b\n```\n~~~\n<img src=x>\n```")
@example("para\n    ```\n    <img src=x>\n\n    ```")
@example("- ~~~\n  ```\n<img src=x>\n  ```")
@example("| `a | <img src=x> | b` |\n|---|---|---|")
@given(TEXTS)
@settings(max_examples=1_500, deadline=None)
def test_nothing_that_is_said_is_active(text: str) -> None:
    lines = said(text)
    assert all(line == ">" or line.startswith("> ") for line in lines)
    document = "\n".join([*lines, "", "ours"])
    assert_harmless(document)
    # What follows the quote is outside of it: nothing said can swallow it.
    assert [token.content for token in RENDERER.parse(document) if token.level <= 1][-2:-1] == [
        "ours"
    ]


@given(TEXTS)
@settings(max_examples=500, deadline=None)
def test_nothing_in_one_line_is_active(text: str) -> None:
    assert "\n" not in plain(text)
    assert "\n" not in code(text)
    assert_harmless(f"### Ours: {plain(text)} {code(text)} end")
    assert_harmless(f"- {plain(text)}\n- **x** {code(text)}: end")


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_nothing_closes_a_fence(text: str) -> None:
    for lines in (fence(text, "text"), output(text)):
        parsed = RENDERER.parse("\n".join([*lines, "", "ours"]))
        assert [token.type for token in parsed] == [
            "fence", "paragraph_open", "inline", "paragraph_close",
        ]  # fmt: skip


def test_code_span_shows_the_text() -> None:
    for text in ("a", "`", "a`b", "``a``", "`a`"):
        (inline,) = (token for token in RENDERER.parse(code(text)) if token.type == "inline")
        assert [child.content for child in inline.children or ()] == [text]
    assert code("") == "(empty)"


def test_what_the_agent_writes_stays_readable() -> None:
    text = "# Done\n\nUse `a[0](x)` and *b*, see https://e.x/y:\n\n1. one\n   ```py\n   x = '<b>'\n   ```\n- two"
    assert said(text) == [
        "> # Done",
        ">",
        "> Use `a[0](x)` and *b*, see https://e.x/y:",
        ">",
        "> 1. one",
        "> ```py",
        "> x = '<b>'",
        "> ```",
        "> - two",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![x](http://e.x/i.png)", "![x\\](http://e.x/i.png)"),
        ("[x](javascript:y)", "[x\\](javascript\\:y)"),
        ("<b>&amp;", "\\<b>\\&amp;"),
        ("a & b < c", "a & b \\< c"),
        ("\\<b> \\\\<b>", "\\<b> \\\\\\<b>"),
        ("| `a | <b>` |", "| \\`a | \\<b>\\` |"),
    ],
)
def test_neutralised(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_output_of_programs() -> None:
    assert output("\x1b[32mok\x1b[0m\r\n10%\r20%\n\x07\x1b]0;title\x07") == [
        "```text",
        "ok",
        "10%",
        "20%",
        "\\x07\\x1b]0;title\\x07",
        "```",
    ]


def test_long_output_keeps_its_beginning_and_its_end() -> None:
    text = "".join(f"line {number}\n" for number in range(10_000))
    shown = shortened(text, 1_000)
    assert shown.startswith("line 0\n")
    assert shown.endswith("line 9999\n")
    found = re.search(r"\[… ([\d,]+) characters left out", shown)
    assert found is not None
    marker = next(line for line in shown.split("\n") if "left out" in line) + "\n"
    assert int(found[1].replace(",", "")) == len(text) - len(shown.replace(marker, ""))
    assert len(shortened("x" * 100_000, 1_000)) < 1_200


def test_a_very_long_message_is_bounded() -> None:
    lines = said("".join(f"word {number}\n" for number in range(50_000)))
    assert lines[0] == "> word 0"
    assert lines[-1] == "> word 49999"
    assert sum(map(len, lines)) < 80_000


def test_texts_made_to_be_slow_are_not() -> None:
    began = time.perf_counter()
    said("`" + " ``" * 80_000)
    said("".join("`" * number + " " for number in range(700)))
    said("[" * 200_000)
    said("\\" * 200_000)
    assert time.perf_counter() - began < 5
