"""The notify command's placeholders: text that an agent chose never becomes code, an option or a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autopilot_ls.settings.loading import load
from autopilot_ls.settings.templates import check_template

FINE = [
    ("notify-send", "--", "{title}", "{text}"),
    ("notify-send", "-u", "critical", "{title} ({workspace})", "{text}"),
    ("notify-send", "-e", "{title}"),
    ("/usr/bin/mail", "-s", "{title}", "me@example.org"),
    ("~/bin/tell", "{kind}", "--text={text}"),
    ("sh", "-c", 'notify-send "$AUTOPILOT_TITLE" "$AUTOPILOT_TEXT"'),
    ("sh", "-c", 'notify-send -- "$1" "$2"', "sh", "{title}", "{text}"),
    ("python3", "/home/me/tell.py", "{text}", "--session", "{session}"),
    ("python3", "-m", "tell", "{text}"),
    ("osascript", "-e", "on run argv", "-e", "end run", "{title}", "{text}"),
    ("pwsh", "-File", "tell.ps1", "-Text", "{text}"),
    ("curl", "--data-urlencode", "text={text}", "https://example.org/hook"),
    ("curl", "--json", "@-", "https://example.org/hook"),
    ("tell", "{unknown}", "{", "}", '{"a": 1}'),
    (),
]
REFUSED = [
    ("sh", "-c", "notify-send {text}"),
    ("sh", "-c", "{text}"),
    ("bash", "-lc", "notify-send {title}"),
    ("/bin/bash", "-xc", "echo {text}"),
    ("env", "A=b", "sh", "-c", "echo {text}"),
    ("nice", "dash", "-c", "echo {workspace}"),
    ("env", "-S", "notify-send {text}"),
    ("python3.12", "-c", "print({text})"),
    ("python3", "{text}"),
    ("python3", "-u", "{text}"),
    ("perl", "-ne", "{text}"),
    ("perl", "-E{text}"),
    ("ruby", "-e", "puts {text}"),
    ("node", "--eval", "f({text})"),
    ("node", "--eval={text}"),
    ("osascript", "-e", "display notification {text}"),
    ("osascript", "-e", "x", "-e", "{text}"),
    ("powershell.exe", "-Command", "echo {text}"),
    ("cmd.exe", "/c", "echo {text}"),
    ("ssh", "host", "notify-send", "{text}"),
    ("tmux", "display-message", "{text}"),
    ("emacsclient", "-e", "{text}"),
    ("su", "me", "-c", "x {text}"),
    ("flock", "-c", "{text}"),
    ("gnome-terminal", "--command={text}"),
    ("awk", "-v", "t={text}", "x"),
    ("notify-send", "it's {text}"),
    ("curl", "-d", '{"text": "{text}"}', "https://example.org/hook"),
    ("tell", "$({text})"),
    ("curl", "-F", "text={text}", "https://example.org/hook"),
    ("{text}",),
    ("/bin/{text}",),
    ("./tell", "x"),
    ("tools/tell", "x"),
    ("", "x"),
]


@pytest.mark.parametrize("words", FINE)
def test_placeholders_in_plain_words_are_fine(words: tuple[str, ...]) -> None:
    assert check_template(words) == words


@pytest.mark.parametrize("words", REFUSED)
def test_a_placeholder_where_text_could_become_more_is_refused(words: tuple[str, ...]) -> None:
    settings, problems = load([("initializationOptions", {"notify": {"command": list(words)}})])
    assert settings.notify.command == ()
    assert [problem.path for problem in problems] == ["notify.command"]


def test_the_refusal_says_what_to_do_instead() -> None:
    with pytest.raises(ValueError, match=r"word 3 .*read as code.*AUTOPILOT_TEXT"):
        check_template(("sh", "-c", "echo {text}"))


@pytest.mark.parametrize("layer", ["didChangeConfiguration", "workspace/configuration"])
def test_an_editors_configuration_cannot_set_it(layer: str) -> None:
    command = {"notify": {"command": ["touch", "/tmp/x"], "on": ["approval"]}}
    settings, problems = load([(layer, {"autopilot": command})], environ={}, shared=(layer,))
    assert settings.notify.command == ()
    assert settings.notify.on == ("limit", "high-risk")
    assert "a repository's own settings could reach it here" in problems[0].message
    # Nor can it take away, or add to, what the person has set.
    settings, _ = load(
        [("initializationOptions", {"notify": {"command": ["mine"]}}), (layer, command)],
        environ={},
        shared=(layer,),
    )
    assert settings.notify.command == ("mine",)


def test_the_environment_gives_it_as_a_line_or_as_a_list() -> None:
    for text in ("notify-send -- '{title}' {text}", '["notify-send", "--", "{title}", "{text}"]'):
        settings, problems = load([], environ={"AUTOPILOT_NOTIFY_COMMAND": text})
        assert problems == []
        assert settings.notify.command == ("notify-send", "--", "{title}", "{text}")
    settings, problems = load([], environ={"AUTOPILOT_NOTIFY_ON": "approval turn-end"})
    assert (settings.notify.on, problems) == (("approval", "turn-end"), [])


def test_what_the_command_is_given_is_not_taken_for_a_setting_with_a_slip() -> None:
    names = ("TITLE", "TEXT", "SESSION", "WORKSPACE", "KIND")
    assert load([], environ={f"AUTOPILOT_{name}": "x" for name in names})[1] == []


def test_the_lines_of_the_readme_are_taken() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    chapter = readme.split("### Being told while you are away")[1]
    block = chapter.split("```jsonc")[1].split("```")[0]
    lines = [tuple(json.loads(line)) for line in block.splitlines() if line.startswith("[")]
    assert len(lines) == 6
    for words in lines:
        settings, problems = load([("initializationOptions", {"notify": {"command": list(words)}})])
        assert problems == []
        assert settings.notify.command == words
