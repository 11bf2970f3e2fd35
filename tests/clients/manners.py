"""What a server may send to an editor, given what the editor said that it is capable of.

From the protocol's text, section by section; nothing of our server is known here. `objections` takes the
messages of the server and returns a sentence for each that the editor did not ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.clients.profiles import Profile

Message = Mapping[str, Any]

ALWAYS = {"window/logMessage", "window/showMessage"}

# What a request or notification of the server needs.
NEEDS: dict[str, tuple[str, ...]] = {
    "textDocument/publishDiagnostics": ("textDocument", "publishDiagnostics"),
    "window/workDoneProgress/create": ("window", "workDoneProgress"),
    "$/progress": ("window", "workDoneProgress"),
    "window/showDocument": ("window", "showDocument", "support"),
    "window/showMessageRequest": ("window", "showMessage"),
    "workspace/applyEdit": ("workspace", "applyEdit"),
    "workspace/configuration": ("workspace", "configuration"),
    "workspace/codeLens/refresh": ("workspace", "codeLens", "refreshSupport"),
    "workspace/textDocumentContent/refresh": ("workspace", "textDocumentContent"),
}

# Where the capability of a method that is registered later stands.
REGISTERED = {
    "workspace/didChangeConfiguration": ("workspace", "didChangeConfiguration"),
    "workspace/didChangeWatchedFiles": ("workspace", "didChangeWatchedFiles"),
}

# Editors that are known to make versioned edits without saying so (see FACTS in the client's README).
UNSAID_VERSIONED_EDITS = {"neovim"}


def objections(profile: Profile, messages: Iterable[Message]) -> list[str]:
    """Return what the editor could say against these messages of the server."""
    found: list[str] = []
    tokens: set[Any] = set()
    for message in messages:
        method = message.get("method")
        if method is None:
            continue
        params = message.get("params") or {}
        if method == "window/workDoneProgress/create":
            tokens.add(params["token"])
        elif method == "$/progress" and params["token"] not in tokens:
            found.append(f"progress with a token that nobody made: {params['token']}")
        if method.startswith("autopilot/"):
            if not profile.can("experimental", "autopilot"):
                found.append(f"{method}, which it did not opt in to")
        elif method == "client/registerCapability":
            found += _registrations(profile, params)
        elif method not in ALWAYS and not _announced(profile, NEEDS.get(method)):
            found.append(f"{method}, which it did not announce")
        found += _CHECKS.get(method, _nothing)(profile, params)
    return found


def _announced(profile: Profile, needs: tuple[str, ...] | None) -> bool:
    # An empty object announces as well as one that says more.
    return needs is not None and profile.can(*needs) not in (None, False)


def _nothing(profile: Profile, params: Message) -> list[str]:
    del profile, params
    return []


def _registrations(profile: Profile, params: Message) -> list[str]:
    return [
        f"registers {each['method']} without leave"
        for each in params["registrations"]
        if not profile.can(*REGISTERED.get(each["method"], ()), "dynamicRegistration")
    ]


def _diagnostics(profile: Profile, params: Message) -> list[str]:
    def can(name: str) -> Any:
        return profile.can("textDocument", "publishDiagnostics", name)

    found: list[str] = []
    if params.get("version") is not None and not can("versionSupport"):
        found.append("a version of diagnostics")
    # `dataSupport` says that `data` comes back with code actions, which some editors do that do not say so.
    for each in params["diagnostics"]:
        for member, needed in (
            ("relatedInformation", "relatedInformation"),
            ("codeDescription", "codeDescriptionSupport"),
        ):
            if each.get(member) is not None and not can(needed):
                found.append(f"{member} in a diagnostic")
        tags = (can("tagSupport") or {}).get("valueSet", [])
        found += [
            f"a tag {tag} of a diagnostic" for tag in each.get("tags") or () if tag not in tags
        ]
        if not isinstance(each["message"], str) and not can("markupMessageSupport"):
            found.append("markup in a diagnostic")
    return found


def _edit(profile: Profile, params: Message) -> list[str]:
    def can(*names: str) -> Any:
        return profile.can("workspace", "workspaceEdit", *names)

    edit, found = params["edit"], list[str]()
    changes = edit.get("documentChanges") or []
    if changes and not can("documentChanges") and profile.name not in UNSAID_VERSIONED_EDITS:
        found.append("versioned edits")
    kinds = {change["kind"] for change in changes if "kind" in change}
    found += [f"{kind} of a file" for kind in kinds - set(can("resourceOperations") or ())]
    annotated = edit.get("changeAnnotations") or any(
        "annotationId" in change or any("annotationId" in one for one in change.get("edits", ()))
        for change in changes
    )
    if annotated and not can("changeAnnotationSupport"):
        found.append("annotated edits")
    if params.get("metadata") is not None and not can("metadataSupport"):
        found.append("metadata of an edit")
    return found


def _one_line(profile: Profile, params: Message) -> list[str]:
    del profile
    return ["a message of several lines"] if "\n" in params["message"] else []


_CHECKS: dict[str, Callable[[Profile, Message], list[str]]] = {
    "textDocument/publishDiagnostics": _diagnostics,
    "workspace/applyEdit": _edit,
    "window/showMessage": _one_line,
    "window/showMessageRequest": _one_line,
}


def about_greeting(profile: Profile, capabilities: Message) -> list[str]:
    """Return what the editor could say against the server's capabilities."""
    found: list[str] = []
    offered = profile.can("general", "positionEncodings") or ["utf-16"]
    if capabilities.get("positionEncoding", "utf-16") not in offered:
        found.append("positions in a unit that it did not offer")
    if (
        capabilities.get("codeLensProvider") is not None
        and profile.can("textDocument", "codeLens") is None
    ):
        found.append("code lenses")
    workspace = capabilities.get("workspace") or {}
    content = profile.can("workspace", "textDocumentContent")
    if workspace.get("textDocumentContent") and content is None:
        found.append("documents of the server")
    return found


def about_actions(profile: Profile, actions: Iterable[Message]) -> list[str]:
    """Return what the editor could say against these code actions."""

    def can(*names: str) -> Any:
        return profile.can("textDocument", "codeAction", *names)

    kinds = can("codeActionLiteralSupport", "codeActionKind", "valueSet")
    tags = can("tagSupport", "valueSet") or []
    found: list[str] = []
    for action in actions:
        if isinstance(action.get("command"), str):
            continue  # A plain command, which every editor takes.
        if kinds is None:
            found.append("more than plain commands")
            continue
        kind = action.get("kind", "")
        if not any(not known or f"{kind}.".startswith(f"{known}.") for known in kinds):
            found.append(f"the kind {kind}")
        for member, needed in (
            ("isPreferred", "isPreferredSupport"),
            ("disabled", "disabledSupport"),
            ("data", "dataSupport"),
        ):
            if action.get(member) is not None and not can(needed):
                found.append(f"{member} of an action")
        found += [f"the tag {tag}" for tag in action.get("tags") or () if tag not in tags]
        if "command" not in action and not can("resolveSupport"):
            found.append("an action that must be resolved")
    return found


def about_hover(profile: Profile, hover: Message | None) -> list[str]:
    """Return what the editor could say against a hover."""
    if hover is None:
        return []
    formats = profile.can("textDocument", "hover", "contentFormat") or ["plaintext"]
    kind = hover["contents"]["kind"] if isinstance(hover["contents"], dict) else "plaintext"
    return [] if kind in formats else [f"a hover in {kind}"]
