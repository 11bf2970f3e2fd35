"""A command's title leaves out the shell it is wrapped in, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.presentation.commands import unwrapped


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("/bin/bash -lc 'touch made'", "touch made"),
        ("bash -c ls", "ls"),
        ("zsh -lc 'a && b'", "a && b"),
        ("bash -lc ls extra", "bash -lc ls extra"),
        ("bash -xc ls", "bash -xc ls"),
        ("evil -c ls", "evil -c ls"),
        ("./bash -c ls", "./bash -c ls"),
        ("/work/bash -lc ls", "/work/bash -lc ls"),
        ("bash -c ''", "bash -c ''"),
        ("bash -c 'unclosed", "bash -c 'unclosed"),
        ("ls", "ls"),
    ],
)
def test_titles_of_commands(command: str, shown: str) -> None:
    assert unwrapped(command) == shown


@given(st.text())
def test_any_text_has_a_title(command: str) -> None:
    assert isinstance(unwrapped(command), str)
