"""Redirections: a write redirection is an edit of that path, a heredoc is what its command reads.

`walker` stands above and hands itself in to add parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from autopilot_ls.policy.shell.expansions import is_expansion, is_plain, is_secret
from autopilot_ls.policy.shell.parts import Folder, PartKind
from autopilot_ls.policy.shell.words import Word, lex

if TYPE_CHECKING:
    from tree_sitter import Node

_OPERATOR: Final = re.compile(r"(\d+|\{\w+\}|&)?(>>|>\||>&|<&|<>|>|<|&>>|&>)")
_DUPLICATE: Final = re.compile(r"\d+|-|\d+-")
_NETWORK: Final = re.compile(r"/+dev/+(?:tcp|udp)/+([^/]*)")


class Sink(Protocol):
    """What takes the parts of a redirection."""

    def text(self, node: Node) -> str:
        """Return a node's text."""
        ...

    def unknown(self, node: Node, why: str) -> None:
        """Add a part that is not understood."""
        ...

    def word(self, node: Node, folders: tuple[Folder, ...]) -> tuple[Word, ...]:
        """Return the words of a node."""
        ...

    def add_path(self, kind: PartKind, word: Word, node: Node, folders: tuple[Folder, ...]) -> None:
        """Add a read or written path."""
        ...

    def add_network(self, host: str, node: Node) -> None:
        """Add a connection that the shell makes."""
        ...


def add_redirection(sink: Sink, node: Node, folders: tuple[Folder, ...]) -> None:
    """Add the parts of one redirection."""
    if node.type == "herestring_redirect":
        for child in node.named_children:
            if any(
                is_secret(name) for word in sink.word(child, folders) for name in word.variables
            ):
                sink.unknown(node, "it takes in a secret variable")
        return
    destinations = node.children_by_field_name("destination")
    if node.type != "file_redirect" or len(destinations) != 1 or node.has_error:
        sink.unknown(node, "this redirection is not followed")
        return
    destination = destinations[0]
    written = sink.text(node)
    operator_text = written[
        : len(written.encode()[: destination.start_byte - node.start_byte].decode())
    ]
    operator = _OPERATOR.fullmatch(operator_text.strip())
    words = sink.word(destination, folders)
    if operator is None or len(words) != 1:
        sink.unknown(node, "this redirection is not followed")
        return
    word, sign = words[0], operator[2]
    if sign in {">&", "<&"} and word.text is not None and _DUPLICATE.fullmatch(word.text):
        return
    if word.text is None:
        sink.unknown(node, "it depends on something else where this redirection goes")
        return
    network = _NETWORK.match(word.text)
    if network is not None:
        sink.add_network(network[1], node)
        return
    if sign in {"<", "<&", "<>"}:
        sink.add_path(PartKind.READ, word, node, folders)
    if sign not in {"<", "<&"}:
        sink.add_path(PartKind.WRITE, word, node, folders)


@dataclass(slots=True)
class Heredoc:
    """A heredoc and what the grammar hangs below it.

    Attributes:
        body: The exact text, or None when expansions make it uncertain.
        nested: Statements that stand on the same line after it.
        redirects: Redirections that stand on the same line after it.
        expansions: What is substituted in the body.
        problem: Why it is not understood, empty when it is.
    """

    body: str | None = None
    nested: list[Node] = field(default_factory=list["Node"])
    redirects: list[Node] = field(default_factory=list["Node"])
    expansions: list[Node] = field(default_factory=list["Node"])
    problem: str = ""


def read_heredoc(data: bytes, node: Node) -> Heredoc:
    """Read a heredoc, checking the grammar's idea of where it ends against the lines themselves."""
    heredoc = Heredoc()
    pieces = _pieces(node, heredoc)
    start, body, end = (pieces.get(f"heredoc_{name}") for name in ("start", "body", "end"))
    if start is None or body is None or end is None:
        heredoc.problem = "this heredoc has no clear end"
        return heredoc
    raw = data[start.start_byte : start.end_byte].decode()
    words = lex(raw, {})
    delimiter = words[0].text if words and len(words) == 1 else None
    text = data[body.start_byte : end.start_byte].decode()
    lines = text.split("\n")
    if not lines[-1].strip("\t"):
        lines.pop()
    tabs = "<<-" in pieces
    if tabs:
        lines = [line.lstrip("\t") for line in lines]
    newline = data.find(b"\n", start.end_byte)
    if (
        delimiter is None
        or data[end.start_byte : end.end_byte].decode() != delimiter
        or delimiter in lines
        or newline < 0
        or body.start_byte != newline + 1
        or data[end.end_byte : end.end_byte + 1] not in {b"", b"\n"}
        or (not tabs and data[end.start_byte - 1 : end.start_byte] != b"\n")
        or b"<<" in data[start.end_byte : newline].replace(b"<<<", b"")
    ):
        heredoc.problem = "this heredoc has no clear end"
    elif set(raw) & set("'\"\\") or set(text).isdisjoint("$`\\"):
        heredoc.body = "\n".join(lines) + "\n"
    else:
        _substituted(data, body, text, heredoc)
    return heredoc


def _pieces(node: Node, heredoc: Heredoc) -> dict[str, Node]:
    """Sort what the grammar hangs below a heredoc."""
    pieces: dict[str, Node] = {}
    for child in node.children:
        match child.type:
            case "heredoc_start" | "heredoc_body" | "heredoc_end" | "<<" | "<<-":
                pieces[child.type] = child
            case "file_redirect" | "herestring_redirect":
                heredoc.redirects.append(child)
            case "pipeline" | "command" | "list":
                heredoc.nested.append(child)
            case "|" | "|&" | "&&" | "||" | ";" | "file_descriptor":
                continue
            case _:
                heredoc.problem = "what follows this heredoc on its line is not followed"
    return pieces


def _substituted(data: bytes, body: Node, text: str, heredoc: Heredoc) -> None:
    """Find what the shell substitutes in a body without quotes."""
    pending = list(body.children)
    while pending:
        child = pending.pop()
        if is_expansion(child):
            heredoc.expansions.append(child)
        pending += child.children
    plain = [c for c in heredoc.expansions if c.type in {"simple_expansion", "expansion"}]
    if not all(is_plain(data[c.start_byte : c.end_byte].decode()) for c in plain):
        heredoc.problem = "this heredoc takes in more than plain variables"
    substituted = sum(c.type == "command_substitution" for c in heredoc.expansions)
    if text.count("$(") + text.count("`") > substituted:
        heredoc.problem = "not all that this heredoc substitutes is understood"
