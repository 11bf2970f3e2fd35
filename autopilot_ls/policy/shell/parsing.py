"""From text to parts: bounds first, then the grammar, then the walk.

Total: whatever the text, parts come back, and what was not understood is a part that says so. Results
are kept for lines that come again. `walker` does the work, tree-sitter-bash (MIT) the grammar.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from autopilot_ls.policy.shell.parts import (
    MAX_DEPTH,
    MAX_LENGTH,
    START,
    Collector,
    Folder,
    Part,
    PartKind,
    shorten,
)

if TYPE_CHECKING:
    from tree_sitter import Parser

# The grammar's time grows with the square of these, so their number is bounded, not only the length.
_COSTLY: Final = {
    "|": 600,
    "&": 600,
    ";": 1200,
    "(": 1500,
    "{": 1500,
    "`": 600,
    "<": 600,
    "$": 2000,
}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HIDING: Final = frozenset({"Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_KEPT: Final = 1024
_KEPT_LENGTH: Final = 4_096
_local = threading.local()


def _parser() -> Parser:
    parser: Parser | None = getattr(_local, "parser", None)
    if parser is None:
        import tree_sitter_bash
        from tree_sitter import Language, Parser

        parser = Parser(Language(tree_sitter_bash.language()))
        _local.parser = parser
    return parser


def parse(text: str) -> tuple[Part, ...]:
    """Return the parts of a command line, at least one.

    Args:
        text: What a shell would be given with `-c`. Any text is accepted.
    """
    return _kept(text) if len(text) <= _KEPT_LENGTH else _parse(text)


@lru_cache(maxsize=_KEPT)
def _kept(text: str) -> tuple[Part, ...]:
    return _parse(text)


def _parse(text: str) -> tuple[Part, ...]:
    collector = Collector()
    parse_into(text, collector, depth=0, folders=START, via=())
    if not collector.parts:
        collector.unknown(text, "there is nothing that is run")
    return tuple(collector.parts)


def problem_of(text: str) -> str:
    """Return why a line is not even given to the grammar, empty when it is."""
    if len(text) > MAX_LENGTH:
        return "the line is too long"
    if _CONTROL.search(text):
        return "the line has control characters"
    if any(text.count(char) > limit for char, limit in _COSTLY.items()):
        return "the line is too complex"
    if not text.isascii():
        for char in set(text):
            if unicodedata.category(char) in _HIDING:
                return "the line has invisible characters"
    return ""


def parse_into(
    text: str,
    collector: Collector,
    *,
    depth: int,
    folders: tuple[Folder, ...],
    via: tuple[str, ...],
) -> None:
    """Add the parts of a line, or one that says why there are none.

    Args:
        text: The line.
        collector: Where the parts go.
        depth: How many shells stand around it.
        folders: Where it may run.
        via: The wrappers around it.
    """
    from autopilot_ls.policy.shell.walker import Walker

    why = problem_of(text)
    if not why and depth > MAX_DEPTH:
        why = "shells are nested too deep"
    if why:
        collector.add(Part(PartKind.UNKNOWN, shorten(text), note=why, via=via, folders=folders))
        return
    data = text.encode()
    tree = _parser().parse(data)
    try:
        Walker(data, collector, depth=depth, via=via).run(tree.root_node, folders)
    except RecursionError:
        collector.unknown(text, "the line is nested too deep", via)
