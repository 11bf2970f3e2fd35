"""What a person saved from an editor, taken into the history of its file as theirs.

Not aware of looks or of the disk; `workspace` stands above, `edits.late` and `edits.history` below.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from autopilot_ls.edits.check import is_clean
from autopilot_ls.edits.history import Content, History
from autopilot_ls.edits.late import Save, claim, insert
from autopilot_ls.edits.lines import is_terminated, split
from autopilot_ls.supervisor.review.attribution import OTHERS


@dataclass(frozen=True, slots=True)
class Saved:
    """What a person saved from an editor.

    Attributes:
        loaded: The text that the editor had loaded or saved before; None when it is not known.
        text: The text that it saved; None when it is not known.
        now: What the disk holds right after that.
    """

    loaded: str | None
    text: str | None
    now: Content


def saved_since(content: Content, saves: Sequence[Saved]) -> Sequence[Saved]:
    """Return those of some saves, told in their order, that came after the file was this."""
    was = [saved.text is not None and is_clean(saved.text, content.data) for saved in saves]
    if content.kind != "file" or True not in was:
        return saves
    return saves[len(was) - was[::-1].index(True) :]


def take_saved(history: History, saved: Saved, advance: Callable[[Content], None]) -> None:
    """Take what was typed as the person's, also where a look was quicker to see it.

    Args:
        history: Of the file.
        saved: What was saved.
        advance: Takes a content as whoever's change it is by what is known of the time.
    """
    now, loaded, text = saved.now, saved.loaded, saved.text
    # What somebody has made a link or binary since is not what was saved.
    is_other = (
        text is not None
        and not now.is_text
        and (now.kind == "link" or not is_clean(text, now.data))
    )
    if loaded is None or not (now.is_text or is_other):
        history.advance(now, OTHERS)
        return
    current = history.current()
    if is_clean(loaded, now.data) or (is_other and not current.is_text):
        return  # Nothing was typed, or it is gone again.
    if current != now and replace(current, executable=now.executable) == now:
        advance(now)  # Somebody has changed its mode since; the lines are to be taken as they are.
        current = now
    mine = now
    if text is not None:
        seen = _found(text, chain(() if is_other else (now.data,), history.texts()))
        if is_other or seen != now.data:
            executable = current.executable if now.kind != "file" else now.executable
            mine = Content("file", seen or _like(text, now.data or current.data), executable)

    def is_loaded(data: bytes) -> bool:
        return is_clean(loaded, data)

    save = Save(_like(loaded, now.data), mine, is_loaded)
    if current == now or (mine != now and any(save.shows_in(data) for data in history.texts())):
        if not insert(history, save):
            claim(history, save)
    else:
        if not _was_before(save, history):
            # The editor had read what nobody had looked at yet.
            advance(Content("file", save.loaded, now.executable))
        history.advance(mine, OTHERS)


def _was_before(save: Save, history: History) -> bool:
    """Tell whether an editor had loaded what the file was before it became what it is by its history."""
    if any(map(save.is_loaded, history.texts())):
        return True
    # It may be from between two looks: then some of its lines are gone by now.
    lines = set(split(save.loaded))
    known = {line for data in history.texts() for line in split(data)}
    return lines <= known and not lines <= set(split(history.current().data))


def _found(text: str, contents: Iterable[bytes]) -> bytes | None:
    """Return which of these an editor's text is; one whose last line ends as the text's does, if there is."""
    is_ended = text.endswith(("\n", "\r"))
    other: bytes | None = None
    for data in contents:  # A history gives them one by one, since each takes its time.
        if is_clean(text, data):
            if data.endswith((b"\n", b"\r")) == is_ended:
                return data
            other = data if other is None else other
    return other


def _like(text: str, data: bytes) -> bytes:
    """Return an editor's text as bytes, with the line ends and the mark that the file has."""
    if b"\r\n" in data and "\r" not in text:
        text = text.replace("\n", "\r\n")
    elif b"\r" not in data:
        text = text.replace("\r\n", "\n")
    is_marked = data.startswith(codecs.BOM_UTF8) or text.startswith("\ufeff")
    mark = codecs.BOM_UTF8 if is_marked else b""
    made = mark + text.removeprefix("\ufeff").encode(errors="surrogatepass")
    lines = split(made)
    if lines and not is_terminated(lines[-1]):
        # Where the file has this line with an end, the editor has added it.
        ends = (b"\n", b"\r\n", b"\r")
        made += next((end for end in ends if lines[-1] + end in split(data)), b"")
    return made
