"""Walking the grammar's tree and adding a part for everything that it runs, reads or writes.

Folders are followed through `cd`, with what holds after success and after failure kept apart.
`compounds` and `commands` are the lower half of the walker, `parsing` stands above.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from autopilot_ls.policy.shell.commands import BLANKS_AND_LINES, REDIRECTS
from autopilot_ls.policy.shell.compounds import SEPARATORS, CompoundWalker
from autopilot_ls.policy.shell.flow import Flow, Folders, union
from autopilot_ls.policy.shell.parts import MAX_PARTS, NOWHERE
from autopilot_ls.policy.shell.redirections import Heredoc, read_heredoc
from autopilot_ls.policy.shell.words import Word

if TYPE_CHECKING:
    from tree_sitter import Node

_GROUP: Final = re.compile(r"\{[ \t\n]")


class Walker(CompoundWalker):
    """Walks the tree of one line."""

    def run(self, root: Node, folders: Folders) -> None:
        """Walk a whole line."""
        if root.has_error:
            self.unknown(root, "this is not read as a valid shell line")
        outside = self._data[: root.start_byte] + self._data[root.end_byte :]
        if not BLANKS_AND_LINES.fullmatch(outside):
            self.unknown(root, "a piece of the line is not understood")
        self._sequence(root, folders)

    def _sequence(self, node: Node, folders: Folders, skip: frozenset[str] = frozenset()) -> Flow:
        if not self._tight(node):
            self.unknown(node, "a piece between the commands is not understood")
        flow = Flow(folders, folders)
        children = node.children
        for index, child in enumerate(children):
            if child.type in SEPARATORS or child.type in skip or child.type == "comment":
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
        return self._data[operator.end_byte : operator.end_byte + 1] in {
            b";",
            b"&",
            b"|",
            b">",
            b"<",
        }

    def statement(self, node: Node, folders: Folders) -> Flow:
        """Walk one statement."""
        walk: dict[str, Callable[[Node, Folders], Flow]] = {
            "command": self._plain,
            "redirected_statement": self._redirected,
            "list": self._list,
            "pipeline": self._pipeline,
            "subshell": self._subshell,
            "compound_statement": self._group,
            "negated_command": self._negated,
            "if_statement": self._if,
            "elif_clause": self._if,
            "else_clause": self._if,
            "while_statement": self._while,
            "for_statement": self._for,
            "case_statement": self._case,
            "test_command": self._test,
            "variable_assignment": self._assignments,
            "variable_assignments": self._assignments,
            "declaration_command": self._declaration,
        }
        return walk.get(node.type, self._not_followed)(node, folders)

    def _plain(self, node: Node, folders: Folders) -> Flow:
        return self._command(node, folders, None)

    def _subshell(self, node: Node, folders: Folders) -> Flow:
        self._sequence(node, folders, frozenset({"(", ")"}))
        return Flow(folders, folders)

    def _group(self, node: Node, folders: Folders) -> Flow:
        if not _GROUP.match(self.text(node)):
            # (( … )), or braces that bash takes for words because no blank follows.
            self.unknown(node, "these braces are not followed")
            return Flow(folders, folders)
        return self._sequence(node, folders, frozenset({"{", "}"}))

    def _assignments(self, node: Node, folders: Folders) -> Flow:
        single = node.type == "variable_assignment"
        for child in [node] if single else node.named_children:
            self._assignment(child, folders)
        return Flow(folders, folders)

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
            elif child.type in REDIRECTS:
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
