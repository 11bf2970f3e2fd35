"""Simple commands: their words, assignments, redirections and what is substituted in them.

The tree is not trusted blindly: between the pieces that it names there may be nothing but blanks, and
every word must be one word to our own lexer too; else the part is unknown. `compounds` and `walker`
build on this; `words`, `expansions`, `redirections` and `unwrap` stand below.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from autopilot_ls.policy.shell.expansions import expansion_spans, is_expansion
from autopilot_ls.policy.shell.flow import Flow, Folders, union
from autopilot_ls.policy.shell.parts import NOWHERE, Collector, Part, PartKind, shorten
from autopilot_ls.policy.shell.redirections import Heredoc, add_redirection
from autopilot_ls.policy.shell.unwrap import Unwrapper
from autopilot_ls.policy.shell.words import Word, lex, name_set

if TYPE_CHECKING:
    from tree_sitter import Node

_BLANKS: Final = re.compile(rb"(?:[ \t]|\\\n)*")
BLANKS_AND_LINES: Final = re.compile(rb"(?:[ \t\n]|\\\n)*")
# A number or name in braces right before a redirection is its descriptor, not a word.
_DESCRIPTOR: Final = re.compile(rb"(?:^|[\s;&|()<>])(?:\d+|\{\w+\})\Z")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED: Final = name_set(
    "{ } ! if then else elif fi for in do done while until case esac select function coproc [[ ]]"
    " repeat foreach end nocorrect noglob"
)
REDIRECTS: Final = frozenset({"file_redirect", "heredoc_redirect", "herestring_redirect"})


class CommandWalker(ABC):
    """Adds the parts of simple commands."""

    def __init__(
        self, data: bytes, collector: Collector, *, depth: int, via: tuple[str, ...]
    ) -> None:
        self._data = data
        self._collector = collector
        self._depth = depth
        self._via = via
        self._values: dict[str, Word] = {}

    def text(self, node: Node) -> str:
        """Return a node's text."""
        return self._data[node.start_byte : node.end_byte].decode()

    def unknown(self, node: Node, why: str) -> None:
        """Add a part that is not understood."""
        self._collector.unknown(self.text(node), why, self._via)

    def _tight(self, node: Node, *, lines: bool = True) -> bool:
        """Tell whether between a node's children there are only blanks."""
        blanks = BLANKS_AND_LINES if lines else _BLANKS
        at = node.start_byte
        for child in node.children:
            if child.start_byte != at and not self._blank(at, child.start_byte, blanks):
                return False
            at = child.end_byte
        return at == node.end_byte or self._blank(at, node.end_byte, blanks)

    def _blank(self, start: int, end: int, blanks: re.Pattern[bytes]) -> bool:
        """Tell whether there are only blanks, which also keep apart what stands around them.

        A backslash before a line's end is taken away with it, so alone it joins two words into one.
        """
        gap = self._data[start:end]
        return bool(blanks.fullmatch(gap)) and gap.replace(b"\\\n", b"") != b""

    def _redirect(self, node: Node, folders: Folders) -> None:
        before = self._data[max(0, node.start_byte - 20) : node.start_byte]
        if _DESCRIPTOR.search(before):
            self.unknown(node, "the number before this redirection belongs to it")
        add_redirection(self, node, folders)

    def _expand(self, node: Node, folders: Folders) -> None:
        """Walk what an expansion runs."""
        if node.type in {"command_substitution", "process_substitution"}:
            skip = frozenset({"$(", "`", ")", "<(", ">("})
            redirects = [child for child in node.children if child.type in REDIRECTS]
            if redirects and all(c.type in REDIRECTS or c.type in skip for c in node.children):
                for child in redirects:
                    self._redirect(child, folders)
            elif self.text(node).startswith("`") and "\\" in self.text(node):
                self.unknown(node, "escapes inside backquotes are not followed")
            else:
                self._sequence(node, folders, skip)

    def word(self, node: Node, folders: Folders) -> tuple[Word, ...]:
        """Return the words of a node; a single unknown one when it is not a word to our lexer."""
        words = self._word(node, folders)
        if words is None:
            self.unknown(node, "a word is not understood")
            return (Word(self.text(node)),)
        return words

    def _word(self, node: Node, folders: Folders) -> tuple[Word, ...] | None:
        raw = self.text(node)
        if node.child_count == 0 and "$" not in raw:
            return lex(raw, {})
        spans, found = expansion_spans(node, raw, self._data, self._values)
        for inner, problem in found:
            if problem:
                self.unknown(inner, problem)
            self._expand(inner, folders)
        return lex(raw, spans)

    def _command(
        self,
        node: Node,
        folders: Folders,
        heredoc: Heredoc | None,
        *,
        piped: bool = False,
        source: tuple[Word, ...] = (),
    ) -> Flow:
        words: list[Word] = []
        end = -1
        tight = self._tight(node, lines=False)
        for child in node.children:
            if child.type == "variable_assignment":
                self._assignment(child, folders)
                end = child.end_byte
                continue
            if child.type in REDIRECTS:
                self._redirect(child, folders)
                piped = piped or not self.text(child).lstrip("0123456789").startswith(">")
                end = child.end_byte
                continue
            if child.start_byte == end:
                tight = False
            words += self.word(child, folders)
            end = child.end_byte
        if not tight:
            self.unknown(node, "a piece of the command is not understood")
        if not words:
            return Flow(folders, folders)
        if words[0].text in _RESERVED and words[0].raw == words[0].text:
            self.unknown(node, "this shell construct is not followed")
            words = words[1:]
        unwrapper = Unwrapper(self._collector, self._depth)
        cd = unwrapper.run(
            tuple(words),
            source=shorten(self.text(node)),
            folders=folders,
            via=self._via,
            stdin=None if heredoc is None else heredoc.body,
            has_stdin=piped or heredoc is not None,
            feeder=source,
        )
        return (
            Flow(folders, folders)
            if cd is None
            else Flow(cd, union(cd, folders) if cd == NOWHERE else folders)
        )

    def _declaration(self, node: Node, folders: Folders) -> Flow:
        if not self._tight(node):
            self.unknown(node, "a piece of the command is not understood")
        for child in node.children[1:]:
            if child.type == "variable_assignment":
                self._assignment(child, folders)
            elif child.type == "variable_name":
                self._environment(self.text(child), None, child, folders)
            else:
                self.unknown(node, "this declaration is not followed")
        if self.text(node.children[0]) not in {"export", "local", "readonly"}:
            self.unknown(node, "this declaration is not followed")
        return Flow(folders, folders)

    def _assignment(self, node: Node, folders: Folders) -> None:
        name = node.child_by_field_name("name")
        value = node.child_by_field_name("value")
        text = self.text(node)
        if node.type != "variable_assignment" or name is None or name.type != "variable_name":
            self.unknown(node, "this assignment is not followed")
            for inner in outermost_expansions(node):
                self._expand(inner, folders)
            return
        words: tuple[Word, ...] | None = (Word("", ""),)
        # Whatever stands apart from the sign is a command to the shell, not a value.
        apart = value is None and not text.endswith("=")
        if value is not None:
            start = len(text[: text.find("=") + 1].encode())
            apart = node.start_byte + start != value.start_byte
            if value.type == "array":
                known = [self._word(child, folders) for child in value.named_children]
                apart = apart or None in known or not self._tight(value)
                words = ()
            else:
                words = self._word(value, folders)
        if apart or words is None:
            self.unknown(node, "this assignment is not followed")
            return
        self._environment(self.text(name), words, node, folders)

    def _environment(
        self, name: str, words: tuple[Word, ...] | None, node: Node, folders: Folders
    ) -> None:
        if not _NAME.fullmatch(name):
            self.unknown(node, "this assignment is not followed")
            return
        source = shorten(self.text(node))
        self._add(
            Part(
                PartKind.ENVIRONMENT,
                source if words is not None else name,
                words or (),
                note=name,
                folders=folders,
                via=self._via,
            )
        )

    def add_path(self, kind: PartKind, word: Word, node: Node, folders: Folders) -> None:
        """Add the part of a redirection."""
        self._add(Part(kind, shorten(self.text(node)), (word,), folders=folders, via=self._via))

    def add_network(self, host: str, node: Node) -> None:
        """Add the part of a connection that the shell itself makes."""
        self._add(Part(PartKind.NETWORK, shorten(self.text(node)), note=host, via=self._via))

    @abstractmethod
    def _sequence(self, node: Node, folders: Folders, skip: frozenset[str] = frozenset()) -> Flow:
        """Walk statements one after another."""

    @abstractmethod
    def statement(self, node: Node, folders: Folders) -> Flow:
        """Walk one statement."""

    def _add(self, part: Part) -> None:
        self._collector.add(part)


def outermost_expansions(node: Node) -> Iterable[Node]:
    """Yield the outermost expansions below a node."""
    pending = list(node.children)
    while pending:
        child = pending.pop(0)
        if is_expansion(child):
            yield child
        else:
            pending += child.children
