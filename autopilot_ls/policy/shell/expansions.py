"""Expansions inside words: where they stand, what they read, and which of them can do more.

A parameter expansion can run code (arithmetic in it evaluates subscripts) or set variables, so only
the plain forms are taken as reading. `walker` stands above.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from autopilot_ls.policy.shell.words import Span, Word, literal

if TYPE_CHECKING:
    from tree_sitter import Node

_TYPES: Final = frozenset(
    {
        "simple_expansion",
        "expansion",
        "command_substitution",
        "process_substitution",
        "arithmetic_expansion",
    }
)
_SIMPLE: Final = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\}|[0-9?#@*$!-]|\{[0-9#@*?]\})")
_MODIFIED: Final = re.compile(
    r"\$\{#?([A-Za-z_]\w*|[0-9@*])(?:(?::?[-+]|%%?|##?)[^`$\[\]]*|:\d+(?::\d+)?|\[[@*0-9]\])?\}"
)
_NUMBERS: Final = re.compile(r"\$\(\([\s0-9+*/%()<>=!&|^~?:-]*\)\)")


def is_expansion(node: Node) -> bool:
    """Tell whether a node is an expansion."""
    return node.type in _TYPES


def expansion_spans(
    node: Node, raw: str, data: bytes, values: Mapping[str, Word]
) -> tuple[dict[int, Span], list[tuple[Node, str]]]:
    """Find the outermost expansions of a word.

    Args:
        node: The word.
        raw: Its text.
        data: The whole line.
        values: Variables whose value is known for sure.

    Returns:
        The spans by offset in characters, and each expansion that is to be walked with what is wrong
        with it (empty: nothing).
    """
    spans: dict[int, Span] = {}
    found: list[tuple[Node, str]] = []
    plain = raw.isascii()
    pending = [node] if node.type in _TYPES else list(node.children)
    while pending:
        child = pending.pop()
        if child.type not in _TYPES:
            pending += child.children
            continue
        start = child.start_byte - node.start_byte
        end = child.end_byte - node.start_byte
        if not plain:
            whole = data[node.start_byte : node.end_byte]
            start, end = len(whole[:start].decode()), len(whole[:end].decode())
        text = raw[start:end]
        spans[start], problem = _span(child, text, end, values)
        found.append((child, problem))
        if child.type in {"expansion", "arithmetic_expansion", "simple_expansion"}:
            # What is substituted inside ${…} or $((…)) is run as well.
            found += [(inner, "") for inner in _substitutions(child)]
    found.reverse()
    return spans, found


def _span(node: Node, text: str, end: int, values: Mapping[str, Word]) -> tuple[Span, str]:
    if node.type == "process_substitution":
        # The program gets the name of a pipe; what stands at its other end is judged by itself.
        return Span(end, literal("/dev/fd/63")), ""
    if node.type == "command_substitution":
        return Span(end), ""
    simple = _SIMPLE.fullmatch(text)
    if simple is not None:
        name = simple[1] or simple[2] or ""
        return Span(end, values.get(name), (name,) if name else ()), ""
    if _NUMBERS.fullmatch(text):
        return Span(end), ""
    modified = _MODIFIED.fullmatch(text)
    if modified is not None:
        return Span(end, None, (modified[1],)), ""
    return Span(end), "this expansion can do more than read a variable"


def _substitutions(node: Node) -> list[Node]:
    found: list[Node] = []
    pending = list(node.children)
    while pending:
        child = pending.pop()
        if child.type in {"command_substitution", "process_substitution"}:
            found.append(child)
        else:
            pending += child.children
    return found


_SECRET: Final = re.compile(
    r"key|token|secret|passw|pwd$|credential|auth|private|session|cookie|dsn|connection",
    re.IGNORECASE,
)


def is_secret(name: str) -> bool:
    """Tell whether a variable of this name may hold a secret."""
    return name not in {"PWD", "OLDPWD"} and _SECRET.search(name) is not None


def is_plain(text: str) -> bool:
    """Tell whether an expansion only takes in a variable that holds no secret."""
    match = _SIMPLE.fullmatch(text)
    return match is not None and not is_secret(match[1] or match[2] or "")
