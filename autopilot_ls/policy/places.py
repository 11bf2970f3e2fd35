"""The layer that protects the files we go by where they really are, whatever the settings say.

The built-in rules name the standard folders; here stand the places of this process, also by the names
that links give them. Written in the language of policy files, so that a person can read what holds.
Looks at the disk only to follow links. `load` puts the layer into each policy; `language` reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Final

from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.policy import Layer, layer_of

PLACES: Final = "places in use"
"""How the layer is called to people."""

_HEAD: Final = """\
# Made by Autopilot from its settings: where its policy and its records are on this computer.

version = 1
"""
_REASON: Final = "An agent does not change the policy or the records that it is judged by."
_WILD: Final = frozenset("*?[{")


def places_text(places: Iterable[Path]) -> str:
    """Return the rules that protect files and folders, as the text of a policy file.

    Args:
        places: Absolute paths, which need not exist.
    """
    given = [os.path.normpath(place) for place in places]
    names = dict.fromkeys(name for place in given for name in (place, _real(place)))
    rules = [
        _HEAD,
        _rule("own-files", "edit", map(_pattern, names)),
        _rule("access-to-own-files", "permission", _permissions(names)),
    ]
    links = dict.fromkeys(link for name in given for link in _links(name))
    if links:
        # What lies below a link is reached by it, and is not what is protected here.
        patterns = [text for link in links for text in (_pattern(link), f"!{_pattern(link)}/*")]
        rules.append(_rule("way-to-own-files", "edit", patterns))
    return "\n".join(rules)


def places_layer(places: Iterable[Path]) -> Layer:
    """Return the layer that protects files and folders; arguments are those of `places_text`."""
    # They name the links on the way and what these lead to, each as such.
    content = read_policy(places_text(places), PLACES, follow_links=False)
    # Whatever went wrong here, the layer counts as broken then, and nothing is allowed by rule.
    return layer_of("builtin", content)


def linked_layers(workspace: Path, file: Path) -> list[Layer]:
    """Return the layer that protects a workspace's policy where a link leads to it; none without one.

    Args:
        workspace: The session's folder.
        file: Its policy, below it, as it is named.
    """
    real = _real(str(file))
    if real == os.path.join(_real(str(workspace)), os.path.relpath(file, workspace)):  # noqa: PTH118 - as text
        return []
    text = (
        f'{_HEAD}\n[[rule]]\nname = "linked-policy"\nverdict = "ask"\nhard = true\n'
        f"edit = [{json.dumps(_pattern(real), ensure_ascii=False)}]\n"
        'risk = "high"\nreason = "This is the workspace\'s policy: a link leads to it."\n'
    )
    return [layer_of("builtin", read_policy(text, PLACES, follow_links=False))]


def _rule(name: str, key: str, patterns: Iterable[str]) -> str:
    listed = "".join(f"  {json.dumps(text, ensure_ascii=False)},\n" for text in patterns)
    return (
        f'[[rule]]\nname = "{name}"\nverdict = "deny"\nhard = true\n{key} = [\n{listed}]\n'
        f'risk = "high"\nreason = "{_REASON}"\n'
    )


def _pattern(path: str) -> str:
    """Return a pattern for exactly this path and what is below it."""
    return "".join(map(_one, path))


def _one(char: str) -> str:
    if char in _WILD:
        return f"[{char}]"
    # What a text cannot hold (a byte that is no UTF-8, a control character) may be anything here: some
    # of it is left out before paths are compared.
    return char if char.isprintable() else "*"


def _permissions(names: Iterable[str]) -> Iterator[str]:
    """Yield patterns for the lines that ask for more than to read one of the places.

    A folder above is as good as the place itself. The lines are those of a runtime: the access, the
    path, and behind it, after a comma, where it leads.
    """
    yield "!read *"
    above: dict[str, None] = {}
    for name in names:
        path = _pattern(name)
        for end in ("", ", *", "/*"):
            yield f"* {path}{end}"
        above.update(dict.fromkeys(map(str, PurePath(name).parents)))
    for folder in above:
        path = _pattern(folder)
        for end in ("", ", *"):
            yield f"* {path}{end}"
    yield "* every file on this computer*"


def _links(path: str) -> Iterator[str]:
    """Yield the links that a path leads through, itself among them, in the names that they have."""
    seen: set[str] = set()
    waiting = [path]
    while waiting:
        path = waiting.pop()
        steps = [*reversed(PurePath(path).parents), PurePath(path)]
        for step in map(str, steps):
            if step in seen:
                continue
            seen.add(step)
            try:
                target = os.readlink(step)  # noqa: PTH115 - the text is wanted, not a Path
            except (OSError, ValueError):
                continue
            yield step
            rest = os.path.relpath(path, step)
            waiting.append(os.path.normpath(PurePath(step).parent / target / rest))


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path
