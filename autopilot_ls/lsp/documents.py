"""The documents that an editor has open, kept in step with it.

Tolerant: repeated opens, changes of and closes of what is not open, and positions outside the text do no
harm. Changes are spliced into a list of lines, so that typing in a large file stays cheap. Not aware of
the protocol's classes beyond the change events, nor of any feature. Light: used before `initialize` is
answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsprotocol import types

from autopilot_ls.edits.line_edits import LineEdit
from autopilot_ls.lsp.convert import (
    canonical,
    content,
    is_inside,
    place,
    split_lines,
    to_path,
    to_units,
)


@dataclass(slots=True)
class Document:
    """A document as the editor shows it.

    Attributes:
        uri: Exactly as the editor writes it.
        path: The file, or None for what is none (an unsaved buffer, another scheme).
        key: The canonical path, or the URI, by which documents are compared.
        lines: With their ends; there is always one, and the last has no end.
        loaded: The text it was opened or saved with last; None when that is not known.
        saved: The text it was saved with last; None when it was not since it was opened.
    """

    uri: str
    path: str | None
    key: str
    language: str
    version: int
    lines: list[str]
    loaded: str | None = None
    saved: str | None = None
    _text: str | None = None

    @property
    def text(self) -> str:
        """The whole text."""
        if self._text is None:
            self._text = "".join(self.lines)
        return self._text

    def replace(self, text: str) -> LineEdit:
        """Set the whole text; returns what that did to the lines."""
        before = self.lines
        self.lines = split_lines(text)
        self._text = None
        return LineEdit(0, before, self.lines)

    def splice(self, change: types.Range, text: str, encoding: str) -> LineEdit:
        """Replace a range of the text; returns what that did to the lines."""
        lines = self.lines
        first, start = place(lines, change.start.line, change.start.character, encoding)
        last, end = place(lines, change.end.line, change.end.character, encoding)
        last, end = max((last, end), (first, start))
        middle = lines[first][:start] + text + lines[last][end:]
        if first and lines[first - 1].endswith("\r") and middle.startswith("\n"):
            first -= 1
            middle = lines[first] + middle
        fresh = split_lines(middle)
        if last + 1 < len(lines):
            # What was replaced kept its line end, so an empty piece is left that is no line.
            fresh.pop()
        removed = lines[first : last + 1]
        lines[first : last + 1] = fresh
        self._text = None
        return LineEdit(first, removed, fresh)

    def selected(self, place_: types.Range, encoding: str) -> str:
        """Return the text in a range."""
        first, start = place(self.lines, place_.start.line, place_.start.character, encoding)
        last, end = place(self.lines, place_.end.line, place_.end.character, encoding)
        if first == last:
            return self.lines[first][start:end]
        middle = self.lines[first + 1 : last]
        return self.lines[first][start:] + "".join(middle) + self.lines[last][:end]

    def range_of(self, first: int, last: int, encoding: str) -> types.Range:
        """Return the range from the start of one line to the end of another, moved into the text."""
        bottom = len(self.lines) - 1
        first, last = min(first, bottom), min(max(first, last), bottom)
        end = to_units(content(self.lines[last]), encoding)
        return types.Range(types.Position(first, 0), types.Position(last, end))


class Documents:
    """All open documents of one client."""

    def __init__(self) -> None:
        """Create an empty collection that counts in UTF-16 units until told otherwise."""
        self.encoding = "utf-16"
        self._by_uri: dict[str, Document] = {}

    def __iter__(self) -> Iterator[Document]:
        return iter(tuple(self._by_uri.values()))

    def open(self, item: types.TextDocumentItem) -> Document:
        """Take a document that was opened, again or for the first time."""
        path = to_path(item.uri)
        document = Document(
            uri=item.uri,
            path=path,
            key=canonical(path) if path is not None else item.uri,
            language=item.language_id,
            version=item.version,
            lines=split_lines(item.text),
            loaded=item.text,
        )
        self._by_uri[item.uri] = document
        return document

    def change(
        self,
        identifier: types.VersionedTextDocumentIdentifier,
        changes: Sequence[types.TextDocumentContentChangeEvent],
    ) -> tuple[Document, list[LineEdit] | None] | None:
        """Apply changes.

        Returns:
            The document and what was done to its lines one after the other, which is None when it was
            not open before; None when it is not open and its text cannot be known.
        """
        document = self._by_uri.get(identifier.uri)
        known = document is not None
        edits: list[LineEdit] = []
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                if document is not None:
                    edits.append(document.splice(change.range, change.text, self.encoding))
            elif document is not None:
                edits.append(document.replace(change.text))
            else:
                item = types.TextDocumentItem(identifier.uri, "", identifier.version, change.text)
                document = self.open(item)
                document.loaded = None
        if document is None:
            return None
        document.version = identifier.version
        return document, edits if known else None

    def close(self, uri: str) -> Document | None:
        """Forget a document; returns it if it was open."""
        return self._by_uri.pop(uri, None)

    def get(self, uri: str) -> Document | None:
        """Return the document with exactly this URI, or else with an equal one."""
        found = self._by_uri.get(uri)
        if found is None and (path := to_path(uri)) is not None:
            found = self.by_key(canonical(path))
        return found

    def by_key(self, key: str) -> Document | None:
        """Return the open document of a canonical path."""
        return next((d for d in self._by_uri.values() if d.key == key), None)

    def inside(self, folder: str) -> list[Document]:
        """Return the open documents in a canonical folder."""
        return [d for d in self._by_uri.values() if d.path and is_inside(d.key, folder)]
