from __future__ import annotations

from typing import Any

import pytest
from lsprotocol import types
from pygls.protocol import default_converter

from autopilot_ls.lsp.client_profile import ClientProfile, Family, profile_of
from tests.protocol.client import FULL

CONVERTER = default_converter()


def profile(name: str | None, capabilities: Any, version: str | None = "1.0") -> ClientProfile:
    params = {"processId": None, "rootUri": None, "capabilities": capabilities}
    if name is not None:
        params["clientInfo"] = {"name": name, "version": version}
    return profile_of(CONVERTER.structure(params, types.InitializeParams))


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Visual Studio Code", Family.VSCODE),
        ("Visual Studio Code - Insiders", Family.VSCODE),
        ("code-server", Family.VSCODE),
        ("VSCodium", Family.VSCODE),
        ("Cursor", Family.VSCODE),
        ("Neovim", Family.NEOVIM),
        ("helix", Family.HELIX),
        ("Eglot", Family.EMACS),
        ("Zed", Family.ZED),
        ("Kate", Family.KATE),
        ("Sublime Text LSP", Family.SUBLIME),
        ("something", Family.OTHER),
        (None, Family.OTHER),
    ],
)
def test_only_editors_that_are_known_to_handle_it_get_message_requests(
    name: str | None, family: Family
) -> None:
    found = profile(name, FULL)
    assert found.family is family
    assert found.message_requests is (family is Family.VSCODE)


def test_only_an_editor_that_asks_before_it_applies_gets_edits_to_be_confirmed() -> None:
    # Sublime Text announces annotations too, and applies everything at once.
    assert profile("Visual Studio Code", FULL).confirms_edits
    assert not profile("Sublime Text LSP", FULL).confirms_edits
    assert not profile(None, FULL).confirms_edits


def test_errors_are_cut_only_where_nothing_else_keeps_them_from_stopping_the_keyboard() -> None:
    assert profile("Neovim", FULL).error_width == 50
    # Our client knows how much room there is.
    ours = {**FULL, "experimental": {"autopilot": {"events": False}}}
    assert profile("Neovim", ours).error_width == 0
    assert profile("Visual Studio Code", FULL).error_width == 0


def test_client_without_capabilities_gets_nothing_it_did_not_ask_for() -> None:
    found = profile("Visual Studio Code", {})
    assert found.encoding == "utf-16"
    assert not any(
        (
            found.message_requests,
            found.opted_in,
            found.progress,
            found.show_document,
            found.confirms_edits,
            found.literal_actions,
            found.llm_tag,
            found.preferred_actions,
            found.diagnostic_versions,
            found.configuration,
        )
    )


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["utf-8", "utf-16", "utf-32"], "utf-8"),
        (["utf-32", "utf-8"], "utf-32"),
        (["utf-7", "utf-16"], "utf-16"),
        ([], "utf-16"),
        (None, "utf-16"),
    ],
)
def test_first_known_encoding_is_taken(offered: list[str] | None, chosen: str) -> None:
    assert profile("x", {"general": {"positionEncodings": offered}}).encoding == chosen


@pytest.mark.parametrize(
    ("wish", "opted_in"), [(True, True), ({}, True), (False, False), ("yes", False), (None, False)]
)
def test_opting_in_is_explicit(wish: Any, *, opted_in: bool) -> None:
    assert profile("x", {"experimental": {"autopilot": wish}}).opted_in is opted_in
    assert profile("x", {"experimental": wish}).opted_in is False


@pytest.mark.parametrize(
    ("wish", "events"),
    [
        (True, True),
        ({}, True),
        ({"events": True}, True),
        ({"events": False}, False),
        (False, False),
    ],
)
def test_events_can_be_left_out(wish: Any, *, events: bool) -> None:
    assert profile("x", {"experimental": {"autopilot": wish}}).wants_events is events


def test_label_is_for_the_record() -> None:
    assert profile("Neovim", {}, "0.11.4").label == "Neovim 0.11.4"
    assert profile("Neovim", {}, None).label == "Neovim"
    assert profile(None, {}).label == "editor"
    assert len(profile("x" * 500, {}).label) <= 80
