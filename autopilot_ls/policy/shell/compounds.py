"""Conditions, loops, cases and tests: every branch is walked, whichever would run.

What is not followed becomes an unknown part, but is looked into, so that a *deny* is still found.
`walker` builds on this, `commands` stands below.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from autopilot_ls.policy.shell.commands import CommandWalker, outermost_expansions
from autopilot_ls.policy.shell.flow import Flow, Folders, union
from autopilot_ls.policy.shell.parts import NOWHERE, Part, PartKind, shorten
from autopilot_ls.policy.shell.words import Word

if TYPE_CHECKING:
    from tree_sitter import Node

SEPARATORS: Final = frozenset({";", "&", "\n", ";;"})
_SAFE_VALUE: Final = re.compile(r"[A-Za-z0-9_./@:+,=%-]*")
_MAX_LOOP: Final = 8
_SETS_VARIABLES: Final = re.compile(
    r"\b(?:eval|source|read|mapfile|readarray|getopts|printf|let|declare|typeset|local|export"
    r"|readonly|unset|trap|IFS)\b|\(\(|(?:^|[\s;])\.\s"
)
_ARITHMETIC_TEST: Final = re.compile(r"\s-(?:eq|ne|lt|le|gt|ge|v|R)\s")
# Without blanks around it, a bracket is part of a word.
_TEST: Final = re.compile(r"\[\s.*\s\]|\[\[\s.*\s\]\]", re.DOTALL)
_PLAIN_TEST: Final = re.compile(
    r"\[{1,2}\s+\"?(?:\d+|\$[?#]|\$\{#\w+\})\"?\s+-\w\w\s+\"?(?:\d+|\$[?#])\"?\s+\]{1,2}"
)


class CompoundWalker(CommandWalker):
    """Adds the parts of conditions, loops, cases and tests."""

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
            if child.type in {
                "function_definition",
                "compound_statement",
                "do_group",
                "command",
            } or (child.type.endswith(("statement", "list", "pipeline"))):
                self.statement(child, NOWHERE)
        return Flow(NOWHERE, NOWHERE) if node.type != "unset_command" else Flow(folders, folders)

    def _if(self, node: Node, folders: Folders) -> Flow:
        keywords = frozenset({"if", "then", "else", "elif", "fi"})
        flow = Flow(folders, folders)
        results: list[Folders] = []
        for child in node.children:
            if child.type in keywords or child.type in SEPARATORS or child.type == "comment":
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
            elif child.type not in {"while", "until", "comment"} | SEPARATORS:
                flow = self.statement(child, folders)
        after = union(folders, flow.success, flow.failure)
        return Flow(after, after)

    def _for(self, node: Node, folders: Folders) -> Flow:
        children = [c for c in node.children if c.type not in SEPARATORS and c.type != "comment"]
        if not self._tight(node) or [c.type for c in children[:3]] != [
            "for",
            "variable_name",
            "in",
        ]:
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
        if _SETS_VARIABLES.search(line):
            return False
        if len(re.findall(rf"\bfor\s+{name}\b", line)) != 1 or re.search(
            rf"(?<![\w$]){name}\+?=|\$\{{{name}[:?+=-]", line
        ):
            return False
        return all(
            not word.tilde
            and _SAFE_VALUE.fullmatch((word.text or word.glob or "\n").replace("*", ""))
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
        for inner in outermost_expansions(node):
            self._expand(inner, folders)
        # -eq and its like evaluate their operands, subscripts and all, so names may not stand there.
        arithmetic = _ARITHMETIC_TEST.search(text)
        if not _TEST.fullmatch(text) or (arithmetic and not _PLAIN_TEST.fullmatch(text)):
            self.unknown(node, "this test is not followed")
        else:
            words = (Word("test", "test"),)
            self._add(Part(PartKind.COMMAND, shorten(text), words, folders=folders, via=self._via))
        return Flow(folders, folders)
