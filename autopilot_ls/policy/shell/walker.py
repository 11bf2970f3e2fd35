"""Walking the grammar's tree and adding a part for everything that it runs, reads or writes.

The tree is not trusted blindly: between the pieces that it names there may be nothing but blanks, and
every word must be one word to our own lexer too; else the part is unknown. Folders are followed
through `cd`, with what holds after success and after failure kept apart. `words` and `unwrap` stand
beside, `parsing` above.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from autopilot_ls.policy.shell.expansions import expansion_spans, is_expansion
from autopilot_ls.policy.shell.parts import (
    MAX_PARTS,
    NOWHERE,
    Collector,
    Folder,
    Part,
    PartKind,
    shorten,
)
from autopilot_ls.policy.shell.redirections import Heredoc, add_redirection, read_heredoc
from autopilot_ls.policy.shell.unwrap import Unwrapper
from autopilot_ls.policy.shell.words import Word, lex

if TYPE_CHECKING:
    from tree_sitter import Node

_BLANKS: Final = re.compile(rb"(?:[ \t]|\\\n)*")
_BLANKS_AND_LINES: Final = re.compile(rb"(?:[ \t\n]|\\\n)*")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED: Final = frozenset(
    "{ } ! if then else elif fi for in do done while until case esac select function coproc [[ ]]"
    " repeat foreach end nocorrect noglob".split()
)
_REDIRECTS: Final = frozenset({"file_redirect", "heredoc_redirect", "herestring_redirect"})
_SEPARATORS: Final = frozenset({";", "&", "\n", ";;"})
_SAFE_VALUE: Final = re.compile(r"[A-Za-z0-9_./@:+,=%-]*")
_MAX_LOOP: Final = 8
_ARITHMETIC_TEST: Final = re.compile(r"\s-(?:eq|ne|lt|le|gt|ge|v|R)\s")
_PLAIN_TEST: Final = re.compile(
    r"\[{1,2}\s+\"?(?:\d+|\$[?#]|\$\{#\w+\})\"?\s+-\w\w\s+\"?(?:\d+|\$[?#])\"?\s+\]{1,2}"
)

Folders = tuple[Folder, ...]


class Flow(NamedTuple):
    """The folders that hold after a statement succeeded, and after it failed."""

    success: Folders
    failure: Folders


def union(*many: Folders) -> Folders:
    """Return all folders, each once; too many are as good as unknown."""
    merged = tuple(dict.fromkeys(folder for folders in many for folder in folders))
    return merged if len(merged) <= 6 else NOWHERE  # noqa: PLR2004 - more is no ordinary line


class Walker:
    """Walks the tree of one line."""

    def __init__(
        self, data: bytes, collector: Collector, *, depth: int, via: tuple[str, ...]
    ) -> None:
        self._data = data
        self._collector = collector
        self._depth = depth
        self._via = via
        self._values: dict[str, Word] = {}

    # --- text ------------------------------------------------------------------------------

    def text(self, node: Node) -> str:
        """Return a node's text."""
        return self._data[node.start_byte : node.end_byte].decode()

    def unknown(self, node: Node, why: str) -> None:
        """Add a part that is not understood."""
        self._collector.unknown(self.text(node), why, self._via)

    def _tight(self, node: Node, *, lines: bool = True) -> bool:
        """Tell whether between a node's children there are only blanks."""
        blanks = _BLANKS_AND_LINES if lines else _BLANKS
        at = node.start_byte
        for child in node.children:
            if not blanks.fullmatch(self._data, at, child.start_byte):
                return False
            at = child.end_byte
        return bool(blanks.fullmatch(self._data, at, node.end_byte))

    # --- statements ------------------------------------------------------------------------

    def run(self, root: Node, folders: Folders) -> None:
        """Walk a whole line."""
        if root.has_error:
            self.unknown(root, "this is not read as a valid shell line")
        outside = self._data[: root.start_byte] + self._data[root.end_byte :]
        if not _BLANKS_AND_LINES.fullmatch(outside):
            self.unknown(root, "a piece of the line is not understood")
        self._sequence(root, folders)

    def _sequence(self, node: Node, folders: Folders, skip: frozenset[str] = frozenset()) -> Flow:
        if not self._tight(node):
            self.unknown(node, "a piece between the commands is not understood")
        flow = Flow(folders, folders)
        children = node.children
        for index, child in enumerate(children):
            if child.type in _SEPARATORS or child.type in skip or child.type == "comment":
                if child.type in {";", "&"} and self._continues(child):
                    self.unknown(child, "an operator is not understood")
                continue
            if len(self._collector.parts) > MAX_PARTS:
                return Flow(NOWHERE, NOWHERE)
            before = union(flow.success, flow.failure)
            flow = self.statement(child, before)
            following = children[index + 1].type if index + 1 < len(children) else ""
            if following == "&":
                flow = Flow(before, before)
        return flow

    def _continues(self, operator: Node) -> bool:
        return self._data[operator.end_byte : operator.end_byte + 1] in {b";", b"&", b"|", b">", b"<"}

    def statement(self, node: Node, folders: Folders) -> Flow:
        """Walk one statement."""
        same = Flow(folders, folders)
        match node.type:
            case "command":
                return self._command(node, folders, None)
            case "redirected_statement":
                return self._redirected(node, folders)
            case "list":
                return self._list(node, folders)
            case "pipeline":
                return self._pipeline(node, folders)
            case "subshell":
                self._sequence(node, folders, frozenset({"(", ")"}))
                return same
            case "compound_statement":
                if not self.text(node).startswith("{"):
                    self.unknown(node, "arithmetic is not followed")
                    return same
                return self._sequence(node, folders, frozenset({"{", "}"}))
            case "negated_command":
                flow = self._negated(node, folders)
                return Flow(flow.failure, flow.success)
            case "if_statement" | "elif_clause" | "else_clause":
                return self._if(node, folders)
            case "while_statement":
                return self._while(node, folders)
            case "for_statement":
                return self._for(node, folders)
            case "case_statement":
                return self._case(node, folders)
            case "test_command":
                return self._test(node, folders)
            case "variable_assignment":
                self._assignment(node, folders)
                return same
            case "variable_assignments":
                for child in node.named_children:
                    self._assignment(child, folders)
                return same
            case "declaration_command":
                return self._declaration(node, folders)
            case _:
                return self._not_followed(node, folders)

    def _not_followed(self, node: Node, folders: Folders) -> Flow:
        """Ask for what is not followed, but look inside so that a deny is still found."""
        why = {
            "function_definition": "a function is defined in the line",
            "ERROR": "this is not valid",
            "c_style_for_statement": "arithmetic is not followed",
            "unset_command": "variables or functions are removed",
        }.get(node.type, "this shell construct is not followed")
        self.unknown(node, why)
        for child in node.named_children:
            if child.type in {"function_definition", "compound_statement", "do_group", "command"} or (
                child.type.endswith(("statement", "list", "pipeline"))
            ):
                self.statement(child, NOWHERE)
        return Flow(NOWHERE, NOWHERE) if node.type != "unset_command" else Flow(folders, folders)

    def _list(self, node: Node, folders: Folders, heredoc: Heredoc | None = None) -> Flow:
        children = [child for child in node.children if child.type != "comment"]
        shape = [child.type for child in children]
        if len(children) != 3 or shape[1] not in {"&&", "||"} or not self._tight(node):  # noqa: PLR2004 - left, operator, right
            return self._not_followed(node, folders)
        if self._continues(children[1]) and self._data[
            children[1].end_byte : children[1].end_byte + 1
        ] not in {b"<", b">"}:
            self.unknown(node, "an operator is not understood")
        left = self.statement(children[0], folders)
        if shape[1] == "&&":
            right = self._fed(children[2], left.success, heredoc)
            return Flow(right.success, union(left.failure, right.failure))
        right = self._fed(children[2], left.failure, heredoc)
        return Flow(union(left.success, right.success), right.failure)

    def _pipeline(self, node: Node, folders: Folders, heredoc: Heredoc | None = None) -> Flow:
        if not self._tight(node):
            self.unknown(node, "a piece between the commands is not understood")
        after = folders
        previous: tuple[Word, ...] = ()
        commands = [c for c in node.children if c.type not in {"|", "|&", "comment", "\n"}]
        for number, child in enumerate(commands):
            before = len(self._collector.parts)
            last = child is commands[-1]
            if child.type == "command":
                flow = self._command(
                    child, folders, heredoc if last else None, piped=number > 0, source=previous
                )
            else:
                flow = self._fed(child, folders, heredoc if last else None)
            made = self._collector.parts[before:]
            previous = made[0].words if len(made) == 1 else ()
            after = union(after, flow.success, flow.failure)
        # zsh runs the last command of a pipe in the shell itself, so its `cd` may count.
        return Flow(after, after)

    def _negated(self, node: Node, folders: Folders) -> Flow:
        flow = Flow(folders, folders)
        if not self._tight(node):
            self.unknown(node, "a piece of the command is not understood")
        for child in node.children:
            if child.type == "!":
                if self._data[child.end_byte : child.end_byte + 1] not in {b" ", b"\t", b"\n"}:
                    self.unknown(node, "a word begins with !")
                continue
            flow = self.statement(child, folders)
        return flow

    def _if(self, node: Node, folders: Folders) -> Flow:
        keywords = frozenset({"if", "then", "else", "elif", "fi"})
        flow = Flow(folders, folders)
        results: list[Folders] = []
        for child in node.children:
            if child.type in keywords or child.type in _SEPARATORS or child.type == "comment":
                continue
            flow = self.statement(child, union(folders, flow.success, flow.failure))
            results += [flow.success, flow.failure]
        if not self._tight(node):
            self.unknown(node, "a piece of the condition is not understood")
        after = union(folders, *results)
        return Flow(after, after)

    def _body(self, node: Node, folders: Folders) -> Flow:
        flow = self._sequence(node, folders, frozenset({"do", "done", "{", "}"}))
        after = union(folders, flow.success, flow.failure)
        if after != folders:
            self.unknown(node, "the folder changes inside a loop")
        return Flow(after, after)

    def _while(self, node: Node, folders: Folders) -> Flow:
        if not self._tight(node):
            self.unknown(node, "a piece of the loop is not understood")
        flow = Flow(folders, folders)
        for child in node.children:
            if child.type == "do_group":
                flow = self._body(child, union(folders, flow.success, flow.failure))
            elif child.type not in {"while", "until", "comment"} | _SEPARATORS:
                flow = self.statement(child, folders)
        after = union(folders, flow.success, flow.failure)
        return Flow(after, after)

    def _for(self, node: Node, folders: Folders) -> Flow:
        children = [c for c in node.children if c.type not in _SEPARATORS and c.type != "comment"]
        if not self._tight(node) or [c.type for c in children[:3]] != ["for", "variable_name", "in"]:
            return self._not_followed(node, folders)
        name = self.text(children[1])
        self._environment(name, None, node, folders)
        words: list[Word] = []
        for child in children[3:]:
            if child.type != "do_group":
                words += self._word(child, folders) or (Word(self.text(child)),)
        body = children[-1]
        if body.type != "do_group":
            return self._not_followed(node, folders)
        if self._can_follow(name, words):
            for value in words:
                self._values[name] = value
                flow = self._body(body, folders)
                folders = union(flow.success, flow.failure)
            del self._values[name]
        else:
            flow = self._body(body, folders)
            folders = union(folders, flow.success, flow.failure)
        return Flow(folders, folders)

    def _can_follow(self, name: str, words: Sequence[Word]) -> bool:
        """Tell whether a loop's variable holds just these words wherever it is used in the line."""
        line = self._data.decode()
        if not words or len(words) > _MAX_LOOP or name in self._values or name in {"IFS", "PATH"}:
            return False
        if re.search(r"\b(?:eval|source|read|mapfile|readarray|getopts|printf|let|declare|typeset|local|export|readonly|unset|trap|IFS)\b|\(\(|(?:^|[\s;])\.\s", line):
            return False
        if len(re.findall(rf"\bfor\s+{name}\b", line)) != 1 or re.search(
            rf"(?<![\w$]){name}\+?=|\$\{{{name}[:?+=-]", line
        ):
            return False
        return all(
            not word.tilde and _SAFE_VALUE.fullmatch((word.text or word.glob or "\n").replace("*", ""))
            for word in words
        )

    def _case(self, node: Node, folders: Folders) -> Flow:
        if not self._tight(node):
            self.unknown(node, "a piece of the case is not understood")
        results: list[Folders] = []
        for child in node.children:
            if child.type == "case_item":
                flow = self._case_item(child, folders)
                results += [flow.success, flow.failure]
            elif child.is_named and child.type != "comment":
                self._word(child, folders)
        after = union(folders, *results)
        if after != folders:
            self.unknown(node, "the folder changes inside a case")
        return Flow(after, after)

    def _case_item(self, node: Node, folders: Folders) -> Flow:
        flow = Flow(folders, folders)
        in_pattern = True
        if not self._tight(node):
            self.unknown(node, "a piece of the case is not understood")
        for child in node.children:
            if child.type == ")":
                in_pattern = False
            elif in_pattern and child.is_named:
                self._word(child, folders)
            elif child.is_named and child.type != "comment":
                flow = self.statement(child, union(folders, flow.success, flow.failure))
        return flow

    def _test(self, node: Node, folders: Folders) -> Flow:
        text = self.text(node)
        for inner in _expansions(node):
            self._expand(inner, folders)
        # -eq and its like evaluate their operands, subscripts and all, so names may not stand there.
        arithmetic = _ARITHMETIC_TEST.search(text)
        if not text.startswith("[") or (arithmetic and not _PLAIN_TEST.fullmatch(text)):
            self.unknown(node, "arithmetic is not followed")
        else:
            words = (Word("test", "test"),)
            self._add(Part(PartKind.COMMAND, shorten(text), words, folders=folders, via=self._via))
        return Flow(folders, folders)

    # --- commands --------------------------------------------------------------------------

    def _redirected(self, node: Node, folders: Folders) -> Flow:
        if not self._tight(node):
            self.unknown(node, "a piece of the redirection is not understood")
        body = node.child_by_field_name("body")
        heredoc: Heredoc | None = None
        nested: list[Node] = []
        redirects: list[Node] = []
        for child in node.children:
            if child.type == "heredoc_redirect":
                if heredoc is not None:
                    self.unknown(child, "several heredocs are not followed")
                heredoc = read_heredoc(self._data, child)
                if heredoc.problem:
                    self.unknown(child, heredoc.problem)
                for inner in heredoc.expansions:
                    self._expand(inner, folders)
                redirects += heredoc.redirects
                nested += heredoc.nested
            elif child.type in _REDIRECTS:
                redirects.append(child)
        flow = Flow(folders, folders)
        if body is not None:
            flow = self._fed(body, folders, heredoc)
            if body.type == "list":
                # The grammar hangs the redirection at the whole list, the shell at its last command.
                folders = union(folders, flow.success, flow.failure)
        for child in redirects:
            self._redirect(child, folders)
        for inner in nested:
            after = self.statement(inner, union(flow.success, flow.failure))
            flow = Flow(union(flow.success, after.success), union(flow.failure, after.failure))
        return flow

    def _fed(self, node: Node, folders: Folders, heredoc: Heredoc | None) -> Flow:
        """Walk a statement whose last command reads a heredoc."""
        if heredoc is None:
            return self.statement(node, folders)
        match node.type:
            case "command":
                return self._command(node, folders, heredoc)
            case "list":
                return self._list(node, folders, heredoc)
            case "pipeline":
                return self._pipeline(node, folders, heredoc)
            case _:
                self.unknown(node, "a heredoc feeds more than one command")
                return self.statement(node, folders)

    def _redirect(self, node: Node, folders: Folders) -> None:
        add_redirection(self, node, folders)

    def _expand(self, node: Node, folders: Folders) -> None:
        """Walk what an expansion runs."""
        if node.type in {"command_substitution", "process_substitution"}:
            skip = frozenset({"$(", "`", ")", "<(", ">("})
            redirects = [child for child in node.children if child.type in _REDIRECTS]
            if redirects and all(c.type in _REDIRECTS or c.type in skip for c in node.children):
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
            if child.type in _REDIRECTS:
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
        return Flow(folders, folders) if cd is None else Flow(cd, union(cd, folders) if cd == NOWHERE else folders)

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
            for inner in _expansions(node):
                self._expand(inner, folders)
            return
        words: tuple[Word, ...] | None = (Word("", ""),)
        if value is not None and value.type == "array":
            words = None
            for child in value.named_children:
                self._word(child, folders)
        elif value is not None:
            words = self._word(value, folders)
            start = text.find("=") + 1
            if node.start_byte + len(text[:start].encode()) != value.start_byte:
                words = None
        elif not text.endswith("="):
            words = None
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

    def _add(self, part: Part) -> None:
        self._collector.add(part)


def _expansions(node: Node) -> Iterable[Node]:
    """Yield the outermost expansions below a node."""
    pending = list(node.children)
    while pending:
        child = pending.pop(0)
        if is_expansion(child):
            yield child
        else:
            pending += child.children
