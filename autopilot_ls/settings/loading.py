"""Putting the settings together from the layers they come from, each value judged on its own.

Later layers win over earlier ones: the defaults, the environment, then what the caller hands over
(an editor's `initializationOptions`, its configuration). A name that does not exist or a value that
is wrong becomes a problem that names its path, and that one value stays what the layers before said;
everything else applies. What was entered is never quoted, since it may be a secret.

Not aware of the Language Server Protocol nor of who shows the problems. `tree` stands beside it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Final, cast, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from autopilot_ls.model.text import one_line
from autopilot_ls.settings.tree import OWN, Group, Settings

SECTION: Final = "autopilot"
"""The name under which editors keep our settings."""

PREFIX: Final = "AUTOPILOT_"
"""What the names of our environment variables begin with."""

MAX_PROBLEMS: Final = 50
"""Problems beyond this many are counted, not listed."""

_WRONG_TYPE: Final = {
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "is_instance_of": "must be a path, as text",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}
_NOT_HERE: Final = (
    "can only be set in the environment or in initializationOptions, because a repository's own settings "
    "could reach it here"
)
_MEMBER: Final = re.compile(r"<[\w.]+: ('[^']*')>")
_SWITCHES: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """One setting that does not apply.

    Attributes:
        path: Where it stands, such as `codex.comand`; empty for the layer as a whole.
        source: Where it was said, such as `initializationOptions`.
        message: What is wrong and what to do; safe to show.
    """

    path: str
    source: str
    message: str

    def __str__(self) -> str:
        where = f"{SECTION}.{self.path}" if self.path else SECTION
        return f"{where} ({self.source}): {self.message}"


def load(
    layers: Sequence[tuple[str, object]],
    *,
    environ: Mapping[str, str] | None = None,
    shared: Collection[str] = (),
) -> tuple[Settings, list[SettingsProblem]]:
    """Merge the environment and the layers into settings.

    Args:
        layers: Name and content of each, the weakest first: plain JSON values, either the settings
            themselves or an object that has them under `autopilot`. None is an empty layer, and a
            setting that is None is not set in that layer.
        environ: The environment variables, weaker than all layers; the process's own when omitted.
        shared: Names of the layers in which a repository may have a say, as in an editor's configuration
            that it merges with a file of the workspace. What decides what is run, where is written or how
            autonomous an agent is (`scope: machine`) is not taken from there; to repeat it is no problem.

    Returns:
        The settings, and what did not apply. Wrong content never raises.
    """
    merged: dict[str, object] = {}
    problems: list[SettingsProblem] = []
    for source, content in _from_environment(os.environ if environ is None else environ, problems):
        _Layer(source, merged, problems).apply(content)
    for source, content in layers:
        _Layer(source, merged, problems, shared=source in shared).apply(content)
    if len(problems) > MAX_PROBLEMS:
        more = len(problems) - MAX_PROBLEMS
        problems[MAX_PROBLEMS:] = [SettingsProblem("", "settings", f"and {more} further problems")]
    settings = Settings.model_validate(merged)
    return settings, [_with_mode(each, settings.mode) for each in problems]


def _with_mode(problem: SettingsProblem, mode: str) -> SettingsProblem:
    """Say which mode it is where another one was wanted: that one may have been stricter."""
    if problem.path != "mode":
        return problem
    return replace(problem, message=f"{problem.message}; the mode is {mode}")


def environment_variables() -> dict[str, tuple[str, ...]]:
    """Return the name of each environment variable with the path of the setting that it sets."""
    return {name: path for name, path, _ in _leaves(Settings, ())}


def _leaves(
    group: type[Group], above: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...], FieldInfo]]:
    """Yield environment name, path and field of each setting that is not a group."""
    for name, info in group.model_fields.items():
        path = (*above, info.alias or name)
        nested = _group_of(info)
        if nested is not None:
            yield from _leaves(nested, path)
        else:
            # The groups' names are single words, so only the last part has underscores.
            yield PREFIX + "_".join((*above, name)).upper(), path, info


def _group_of(info: FieldInfo) -> type[Group] | None:
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Group) else None


def _from_environment(
    environ: Mapping[str, str], problems: list[SettingsProblem]
) -> Iterator[tuple[str, object]]:
    """Yield one layer for each of our variables that is set; an empty one counts as not set."""
    known = {name: (path, info) for name, path, info in _leaves(Settings, ())}
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        text = environ[name].strip()
        source = f"environment variable {one_line(name, 80)}"
        if name not in known:
            # Other programs may use the same prefix: only what resembles a name of ours is a slip.
            near = _near(name.removeprefix(PREFIX), [key.removeprefix(PREFIX) for key in known])
            if near:
                hint = f"there is no such variable; did you mean {PREFIX}{near}?"
                problems.append(SettingsProblem("", source, hint))
            continue
        if not text:
            continue
        path, info = known[name]
        try:
            value = _from_text(text, info)
        except ValueError as error:
            problems.append(SettingsProblem(".".join(path), source, str(error)))
            continue
        for key in reversed(path):
            value = {key: value}
        yield source, value


def _from_text(text: str, info: FieldInfo) -> object:
    """Read the text of an environment variable as the JSON value that the setting takes."""
    kind = get_origin(info.annotation) or info.annotation
    if kind is bool:
        if text.lower() not in _SWITCHES:
            raise ValueError("must be true or false")
        return _SWITCHES[text.lower()]
    if kind is dict or (kind is tuple and text.startswith("[")):
        try:
            return cast("object", json.loads(text))
        except (ValueError, RecursionError):
            raise ValueError("must be JSON, and is not") from None
    if kind is tuple:
        try:
            return shlex.split(text)
        except ValueError:
            raise ValueError("has a quotation mark without its partner") from None
    if kind in (int, float):
        try:
            return int(text) if kind is int else float(text)
        except ValueError:
            raise ValueError(
                "must be a whole number" if kind is int else "must be a number"
            ) from None
    return text


def _near(name: str, names: Iterable[str]) -> str:
    """Return the name that was probably meant, or nothing."""
    return next(iter(get_close_matches(name[:100], list(names), n=1, cutoff=0.75)), "")


@dataclass(frozen=True, slots=True)
class _Layer:
    """Applies the content of one layer to what has been merged so far, value by value."""

    source: str
    merged: dict[str, object]
    problems: list[SettingsProblem] = field(repr=False)
    shared: bool = False

    def apply(self, content: object) -> None:
        """Apply a layer as it came, with or without `autopilot` around the settings."""
        if isinstance(content, Mapping) and SECTION in content:
            # All settings of the editor: those of others are not ours to judge.
            editor = cast("Mapping[object, object]", content)
            for key in _by_alias(Settings).keys() & editor.keys():
                self._report((key,), f"belongs inside `{SECTION}`, which is given too")
            content = editor[SECTION]
        if isinstance(content, Mapping):
            self._apply_group(Settings, self.merged, cast("Mapping[object, object]", content), ())
        elif content is not None:
            self._report((), "must be an object")

    def _apply_group(
        self,
        group: type[Group],
        target: dict[str, object],
        content: Mapping[object, object],
        above: tuple[str, ...],
    ) -> None:
        fields = _by_alias(group)
        for key, value in content.items():
            path = (*above, str(key))
            info = fields.get(str(key))
            if info is None:
                self._report(path, _unknown(str(key), fields))
            elif self.shared and value is not None and _is_own(info):
                if value != target.get(path[-1], _default_of(info)):
                    self._report(path, _NOT_HERE)
            elif value is not None:
                self._apply_value(group, info, target, value, path)

    def _apply_value(
        self,
        group: type[Group],
        info: FieldInfo,
        target: dict[str, object],
        value: object,
        path: tuple[str, ...],
    ) -> None:
        key = path[-1]
        nested = _group_of(info)
        if nested is None and get_origin(info.annotation) is not dict:
            if self._holds(group, {key: value}, path):
                target[key] = value
        elif not isinstance(value, Mapping):
            self._report(path, "must be an object")
        elif nested is not None:
            inner = cast("dict[str, object]", target.setdefault(key, {}))
            self._apply_group(nested, inner, cast("Mapping[object, object]", value), path)
        else:
            entries = cast("dict[str, object]", target.setdefault(key, {}))
            for name, entry in cast("Mapping[object, object]", value).items():
                # One wrong entry does not take the others with it.
                if entry is not None and self._holds(group, {key: {name: entry}}, path):
                    _merge(entries, str(name), entry)

    def _holds(
        self, group: type[Group], candidate: dict[str, object], path: tuple[str, ...]
    ) -> bool:
        try:
            group.model_validate(candidate)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            inside = tuple(str(part) for part in first["loc"][1:] if part != "[key]")
            context = first.get("ctx", {})
            self._report(path + inside, _wording(first["type"], first["msg"], context))
            return False
        except RecursionError:
            self._report(path, "is nested too deeply")
            return False
        return True

    def _report(self, path: tuple[str, ...], message: str) -> None:
        shown = ".".join(one_line(part, 60) for part in path[:8])
        self.problems.append(SettingsProblem(shown, self.source, message))


def _merge(target: dict[str, object], key: str, value: object) -> None:
    """Set the entry; an object is merged into an object that is there, anything else replaces."""
    there = target.get(key)
    if isinstance(there, dict) and isinstance(value, Mapping):
        merged = dict(cast("dict[str, object]", there))
        for name, entry in cast("Mapping[str, object]", value).items():
            _merge(merged, name, entry)
        target[key] = merged
    else:
        target[key] = value


def _is_own(info: FieldInfo) -> bool:
    return info.json_schema_extra == OWN


def _default_of(info: FieldInfo) -> object:
    """Return the default in its plain JSON form, as an editor that knows the schema gives it."""
    default: object = info.get_default(call_default_factory=True)
    return list(cast("tuple[object, ...]", default)) if isinstance(default, tuple) else default


def _by_alias(group: type[Group]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in group.model_fields.items()}


def _unknown(key: str, fields: Mapping[str, FieldInfo]) -> str:
    if "." in key and key.split(".", 1)[0] in (*fields, SECTION):
        return "must be written as nested objects, without dots in the names"
    # A name in snake case is as near as one with a slip in it.
    near = _near(key.replace("_", ""), fields)
    meant = f"did you mean `{near}`?" if near else f"there are: {', '.join(fields)}."
    return f"there is no such setting; {meant}"


def _wording(kind: str, message: str, context: Mapping[str, object]) -> str:
    """Word an error of pydantic's as a sentence about a setting, without what was entered."""
    if kind == "literal_error":
        # Members of an enumeration are worded as such; a person writes their values.
        expected = str(context.get("expected", ""))
        return "must be " + _MEMBER.sub(r"\1", expected)
    if kind in _WRONG_TYPE:
        return _WRONG_TYPE[kind]
    return message.removeprefix("Value error, ").replace("Input should", "should", 1)
