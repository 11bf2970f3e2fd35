"""Code actions as values, and how one looks to an editor.

Every action carries its command with its arguments, since some editors never resolve one. Not aware of
what is offered; `approval_actions` and `start_actions` make these, `code_actions` sends them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lsprotocol import types
from pydantic import JsonValue

from autopilot_ls.lsp.client_profile import ClientProfile
from autopilot_ls.model.text import one_line

QUICK_FIX = types.CodeActionKind.QuickFix
REFACTOR = types.CodeActionKind.Refactor
REWRITE = types.CodeActionKind.RefactorRewrite

_MAX_TITLE = 160


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that a person may do here.

    Attributes:
        title: One visible line; `Autopilot:` is put before it.
        command: One of ours.
        argument: Its one argument.
        diagnostics: What it is about.
    """

    title: str
    command: str
    argument: Mapping[str, JsonValue]
    kind: types.CodeActionKind = QUICK_FIX
    preferred: bool = False
    diagnostics: tuple[types.Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class UnsavedText:
    """Files that a patch changes have unsaved changes, and what this editor can do about it.

    Attributes:
        saves: Whether it saves when it is asked to; otherwise the person has to.
        merges: Whether it makes edits in the unsaved text.
    """

    saves: bool
    merges: bool


def saving(offer: Offer, unsaved: UnsavedText) -> Offer:
    """Return the offer as one that is carried out on what is saved first."""
    prefix = "save and" if unsaved.saves else "as soon as you save:"
    argument = {**offer.argument, "unsaved": "save"}
    return replace(offer, title=f"{prefix} {offer.title}", argument=argument)


def accepting(offer: Offer, unsaved: UnsavedText | None, merged: str = "") -> Iterable[Offer]:
    """Yield the ways to carry out an accepting offer, the safest first; it alone if all is saved.

    Args:
        offer: What is done when all is saved.
        unsaved: What can be done where it is not.
        merged: The title of doing it without saving.
    """
    if unsaved is None:
        yield offer
        return
    yield saving(offer, unsaved)
    if unsaved.merges:
        argument = {**offer.argument, "unsaved": "merge"}
        merged = merged or f"without saving, into the unsaved text: {offer.title}"
        yield replace(offer, title=merged, argument=argument, preferred=False)


def wanted(kind: types.CodeActionKind, only: Sequence[types.CodeActionKind | str] | None) -> bool:
    """Tell whether the editor asked for this kind."""
    if not only:
        return True
    name = kind.value
    asked = [o.value if isinstance(o, types.CodeActionKind) else o for o in only]
    return any(not o or name == o or name.startswith(o + ".") for o in asked)


def present(offer: Offer, profile: ClientProfile) -> types.Command | types.CodeAction:
    """Return the offer in the form that this editor takes."""
    title = one_line(f"Autopilot: {offer.title}", _MAX_TITLE)
    command = types.Command(title=title, command=offer.command, arguments=[dict(offer.argument)])
    if not profile.literal_actions:
        return command
    return types.CodeAction(
        title=title,
        kind=offer.kind,
        command=command,
        diagnostics=list(offer.diagnostics) or None,
        is_preferred=True if offer.preferred and profile.preferred_actions else None,
        tags=[types.CodeActionTag.LlmGenerated] if profile.llm_tag else None,
    )
