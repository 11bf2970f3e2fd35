"""What the editor at the other end is known to handle.

Decided once, from the name and the capabilities in `initialize`. Capabilities say what an editor accepts;
the name says what it does with it: Neovim takes the keys being typed into a message request, Helix may
crash on one. An editor that is not known gets only what cannot hurt. Light: read before `initialize` is
answered. Not aware of any feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from lsprotocol import types

from autopilot_ls.lsp.plain import member

UTF8: Final = "utf-8"
UTF16: Final = "utf-16"
UTF32: Final = "utf-32"


class Family(Enum):
    """Editors whose behaviour was tried or read."""

    VSCODE = "vscode"
    NEOVIM = "neovim"
    HELIX = "helix"
    EMACS = "emacs"
    ZED = "zed"
    KATE = "kate"
    SUBLIME = "sublime"
    OTHER = "other"


_NAMES: Final = (
    ("visual studio code", Family.VSCODE),
    ("vscod", Family.VSCODE),
    ("code-server", Family.VSCODE),
    ("code - oss", Family.VSCODE),
    ("cursor", Family.VSCODE),
    ("windsurf", Family.VSCODE),
    ("neovim", Family.NEOVIM),
    ("helix", Family.HELIX),
    ("eglot", Family.EMACS),
    ("emacs", Family.EMACS),
    ("zed", Family.ZED),
    ("kate", Family.KATE),
    ("sublime", Family.SUBLIME),
)


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """What may be sent to this client.

    Attributes:
        label: Who it is, for the record of decisions, for example `Neovim 0.11.4`.
        encoding: The unit of positions, one of `utf-8`, `utf-16`, `utf-32`.
        message_requests: Whether `window/showMessageRequest` is shown without taking the keyboard.
        error_width: Characters of an error message that are shown without a prompt; 0 for no limit.
        opted_in: Whether it asked for our custom notifications.
        wants_events: Whether it wants those that carry every event too.
        confirms_edits: Whether it shows an edit that needs confirmation before it applies it.
        applies_edits: Whether it makes versioned edits in open documents when it is asked to.
        fixed_percentage: Whether a progress that began without a percentage never shows one.
        literal_actions: Whether code actions may be more than plain commands.
        code_lenses: Whether it shows code lenses.
        refreshes_lenses: Whether it asks for them anew when it is told to.
        shows_contents: Whether it asks for documents that only the server has.
        llm_tag: Whether code actions may be tagged as made by a language model.
    """

    family: Family
    label: str
    encoding: str
    message_requests: bool = False
    error_width: int = 0
    opted_in: bool = False
    wants_events: bool = False
    progress: bool = False
    show_document: bool = False
    confirms_edits: bool = False
    applies_edits: bool = False
    fixed_percentage: bool = False
    literal_actions: bool = False
    llm_tag: bool = False
    preferred_actions: bool = False
    diagnostic_versions: bool = False
    diagnostic_data: bool = False
    markdown_hovers: bool = False
    code_lenses: bool = False
    refreshes_lenses: bool = False
    shows_contents: bool = False
    configuration: bool = False
    registers_configuration: bool = False


def _family(name: str) -> Family:
    lowered = name.lower()
    return next((family for part, family in _NAMES if part in lowered), Family.OTHER)


def _encoding(capabilities: types.ClientCapabilities) -> str:
    offered = (capabilities.general and capabilities.general.position_encodings) or ()
    for encoding in offered:
        value = encoding.value if isinstance(encoding, Enum) else str(encoding)
        if value in {UTF8, UTF16, UTF32}:
            return value
    return UTF16


def _opted_in(capabilities: types.ClientCapabilities) -> bool:
    wish = member(capabilities.experimental, "autopilot")
    return wish is True or isinstance(wish, dict)


def _wants_events(capabilities: types.ClientCapabilities) -> bool:
    wish = member(capabilities.experimental, "autopilot")
    return _opted_in(capabilities) and member(wish, "events") is not False


def _confirms_edits(family: Family, workspace: types.WorkspaceClientCapabilities | None) -> bool:
    # Sublime Text knows annotations and applies all of them at once, unasked: a preview would be an accept.
    if family is not Family.VSCODE:
        return False
    edit = workspace.workspace_edit if workspace and workspace.apply_edit else None
    return bool(edit and edit.document_changes and edit.change_annotation_support)


def _applies_edits(workspace: types.WorkspaceClientCapabilities | None) -> bool:
    edit = workspace.workspace_edit if workspace and workspace.apply_edit else None
    # Neovim takes versioned edits and does not say so; operations on files come in them only.
    return bool(edit and (edit.document_changes or edit.resource_operations))


def profile_of(params: types.InitializeParams) -> ClientProfile:
    """Return the profile of the client that sent this `initialize`."""
    info, capabilities = params.client_info, params.capabilities
    opted_in = _opted_in(capabilities)
    name = info.name if info else ""
    family = _family(name)
    text, window, workspace = (
        capabilities.text_document,
        capabilities.window,
        capabilities.workspace,
    )
    action = text.code_action if text else None
    diagnostics = text.publish_diagnostics if text else None
    tags = action.tag_support if action else None
    hover = text.hover if text else None
    lenses = workspace.code_lens if workspace else None
    configured = workspace.did_change_configuration if workspace else None
    return ClientProfile(
        family=family,
        label=" ".join(filter(None, (name or "editor", (info and info.version) or "")))[:80],
        encoding=_encoding(capabilities),
        message_requests=family is Family.VSCODE and bool(window and window.show_message),
        # Our client cuts a message to what is free on the screen, and keeps the whole.
        error_width=50 if family in {Family.NEOVIM, Family.HELIX} and not opted_in else 0,
        opted_in=opted_in,
        wants_events=_wants_events(capabilities),
        progress=bool(window and window.work_done_progress),
        show_document=bool(window and window.show_document and window.show_document.support),
        confirms_edits=_confirms_edits(family, workspace),
        applies_edits=_applies_edits(workspace),
        fixed_percentage=family is Family.VSCODE,
        literal_actions=bool(action and action.code_action_literal_support),
        llm_tag=bool(tags and types.CodeActionTag.LlmGenerated in tags.value_set),
        preferred_actions=bool(action and action.is_preferred_support),
        diagnostic_versions=bool(diagnostics and diagnostics.version_support),
        diagnostic_data=bool(diagnostics and diagnostics.data_support),
        markdown_hovers=types.MarkupKind.Markdown in ((hover and hover.content_format) or ()),
        code_lenses=bool(text and text.code_lens),
        shows_contents=bool(workspace and workspace.text_document_content),
        refreshes_lenses=bool(lenses and lenses.refresh_support),
        configuration=bool(workspace and workspace.configuration),
        registers_configuration=bool(configured and configured.dynamic_registration),
    )
