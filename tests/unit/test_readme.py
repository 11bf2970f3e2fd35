"""The README stays true: it names every command, setting, mode and error code that there is, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from autopilot_ls.lsp.methods import COMMANDS, NOTIFICATIONS, REQUESTS
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.settings.loading import environment_variables
from autopilot_ls.settings.tree import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def _settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, f"{path}.")
        else:
            yield path, field.description or ""


def _errors(base: type[AutopilotError]) -> Iterator[type[AutopilotError]]:
    yield base
    for below in base.__subclasses__():
        if below.__module__ == "autopilot_ls.model.errors":
            yield from _errors(below)


def _rows(pattern: str) -> set[str]:
    return set(re.findall(rf"^\| `({pattern})` \|", README, re.MULTILINE))


def test_every_setting_stands_in_the_readme_with_its_variable_and_meaning() -> None:
    variables = {".".join(path): name for name, path in environment_variables().items()}
    for path, description in _settings(Settings):
        assert f"| `{path}` | `{variables[path]}` | {description} |" in README


def test_every_command_and_notification_stands_in_the_readme() -> None:
    for method in COMMANDS:
        members = (
            f"{field.alias or name}{'' if field.is_required() else '?'}"
            for name, field in method.params_model().model_fields.items()
        )
        argument = ", ".join(members)
        shown = f"`{{{argument}}}`" if argument else "—"
        assert f"| `{method.name}` | {shown} | {method.title} |" in README
    for method in NOTIFICATIONS:
        assert f"| `{method.name}` | {method.title} |" in README
    assert _rows(r"autopilot\.[a-zA-Z.]+") == {method.name for method in COMMANDS}
    for method in REQUESTS:
        assert f"| `{method.name}` | {method.title} |" in README
    assert _rows(r"autopilot/[a-z]+") == {method.name for method in (*NOTIFICATIONS, *REQUESTS)}


def test_every_error_code_stands_in_the_readme() -> None:
    section = README.split("## When something goes wrong")[1].split("## For developers")[0]
    named = set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE))
    assert named == {error.code for error in _errors(AutopilotError)}


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_into_the_repository_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_headings_that_are_linked_exist() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= headings
