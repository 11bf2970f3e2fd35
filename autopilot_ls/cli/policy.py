"""`autopilot-ls policy`: reading the rules, asking them, mending them, trusting a workspace's.

Not aware of sessions: it judges by the same files and the same code as they do. What stands in a file
is others' text and only ever shown with what is invisible spelled out. `main` stands above; `policy`
and the supervisor's places of the files stand below.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import anyio

from autopilot_ls.cli.commands import (
    CheckPolicy,
    Exit,
    ForgetRules,
    LintPolicy,
    ListRules,
    ShowPolicy,
    TrustPolicy,
)
from autopilot_ls.cli.remembered import forget_rules, list_rules
from autopilot_ls.cli.setup import load_settings
from autopilot_ls.model.approvals import CommandAction, Mode, Outcome
from autopilot_ls.model.errors import InvalidRequest
from autopilot_ls.model.text import count, one_line, visible
from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.lint import lint
from autopilot_ls.policy.load import WORKSPACE_FILE, Loader, PolicyFiles, read_file
from autopilot_ls.policy.places import PLACES, places_text
from autopilot_ls.policy.policy import (
    BUILTIN,
    Layer,
    Policy,
    builtin_layer,
    builtin_text,
    layer_of,
)
from autopilot_ls.policy.trust import TrustStore, content_hash
from autopilot_ls.supervisor.policies import policy_files

PolicyCommand = ShowPolicy | CheckPolicy | LintPolicy | TrustPolicy | ListRules | ForgetRules

_PART_WIDTH: Final = 70
_TRUSTING: Final = """
Trusting it lets the rules above allow things in {folder}, without asking you.
What is protected by the built-in rules stays so, and your own rules still outweigh these.
Any change of the file, by whomever, ends the trust.
"""


def run_policy(command: PolicyCommand) -> int:
    """Run one of the commands about the policy.

    Raises:
        InvalidRequest: A folder, file or rule that was named is not there.
        PolicyNotWritten: The file of remembered rules cannot be read or changed.
    """
    settings = load_settings()
    files = policy_files(settings)
    match command:
        case ShowPolicy():
            return _show(files)
        case CheckPolicy():
            return _check(command, files, Mode(command.mode or settings.mode))
        case LintPolicy():
            return _lint(command, files)
        case TrustPolicy():
            return _trust(command, files)
        case ListRules():
            return list_rules(command, files)
        case ForgetRules():
            return forget_rules(command, files)


def policy_of_file(path: Path) -> Policy:
    """Return the policy that the built-in rules make with one file as the user's own.

    Raises:
        InvalidRequest: There is no file, or it cannot be read.
    """
    return Policy([builtin_layer(), layer_of("user", read_policy(_text(path), str(path)))])


def _text(path: Path) -> str:
    found = read_file(path)
    if found.missing or found.problem:
        what = "there is no such file" if found.missing else found.problem
        raise InvalidRequest(f"{path}: {what}.")
    return found.text


def _folder(given: Path | None) -> Path:
    folder = (given or Path.cwd()).expanduser().resolve()
    if not folder.is_dir():
        raise InvalidRequest(f"There is no folder {folder}.")
    return folder


# Showing ----------------------------------------------------------------------------------------


def _show(files: PolicyFiles) -> int:
    workspace = Path.cwd()
    print(f"# ==== {BUILTIN} ====\n")
    print(builtin_text().rstrip("\n"))
    print(f"\n# ==== {PLACES} ====\n")
    print(visible(places_text(files.places()).rstrip("\n")))
    own = workspace / WORKSPACE_FILE
    for what, path in (
        ("your rules", files.user),
        ("what you always allow", files.remembered),
        ("this workspace's rules", own),
    ):
        found = read_file(path)
        if found.missing and path != files.user:
            continue
        state = found.problem or ("there is no such file" if found.missing else "")
        if path == own and not state:
            trusted = TrustStore(files.trust).trusts(workspace, content_hash(found.text))
            state = "trusted" if trusted else "not trusted: only its ask and deny rules count"
        print(visible(f"\n# ==== {what}: {path}{state and f' ({state})'} ===="))
        if found.text:
            print(visible("\n" + found.text.rstrip("\n")))
    return Exit.OK


# Asking -----------------------------------------------------------------------------------------


def _check(command: CheckPolicy, files: PolicyFiles, mode: Mode) -> int:
    folder = _folder(command.cwd)
    policy = Loader(files).load(folder)
    for problem in policy.problems:
        print(visible(f"autopilot-ls: {problem}"), file=sys.stderr)
    action = CommandAction(command=command.command, cwd=str(folder))
    verdict = policy.judge(action, mode=mode, workspace=folder)
    parts = policy.explain(action, mode=mode, workspace=folder) if command.parts else ()
    if command.json:
        given = {"command": command.command, "mode": mode.value, "workspace": str(folder)}
        shown: dict[str, object] = {**given, **verdict.model_dump(mode="json")}
        if command.parts:
            shown["parts"] = [
                {
                    "part": part.part,
                    "outcome": part.outcome.value,
                    "rule": part.rule,
                    "source": part.source,
                    "reason": part.reason,
                    "risk": part.risk,
                    "hard": part.hard,
                }
                for part in parts
            ]
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        for part in parts:
            print(f"{part.outcome.value:<6} {one_line(part.part, _PART_WIDTH)}")
            print(f"       {one_line(part.rule)} ({one_line(part.source, 400)})")
            print(f"       {one_line(part.reason, 1_000)}")
        if parts:
            print()
        risk = ", high risk" if verdict.risk == "high" else ""
        print(f"{verdict.outcome.value} (in {mode.value}{risk})")
        print(f"  rule    {one_line(verdict.rule)}")
        print(f"  source  {one_line(verdict.source, 400)}")
        print(f"  part    {one_line(verdict.part)}")
        print(f"  reason  {one_line(verdict.reason, 1_000)}")
    # What explains is asked by a person, who wants to know and not to branch.
    allowed = command.parts or verdict.outcome is Outcome.ALLOW
    return Exit.OK if allowed else Exit.FAILED


# Mending ----------------------------------------------------------------------------------------


def _lint(command: LintPolicy, files: PolicyFiles) -> int:
    if command.file is not None:
        policy = policy_of_file(command.file)
    else:
        policy = Loader(files).load(Path.cwd())
    findings = lint(policy.layers)
    for line in (*policy.problems, *findings):
        print(visible(str(line)))
    looked = [layer for layer in policy.layers if layer.kind != "builtin"]
    rules = sum(1 for layer in looked for _ in layer.all_rules())
    counted = f"{count(len(policy.problems), 'problem')}, {count(len(findings), 'hint')}"
    print(f"{count(len(looked), 'file')}, {count(rules, 'rule')}: {counted}.", file=sys.stderr)
    if not looked:
        print(f"Your own policy would be {visible(str(files.user))}.", file=sys.stderr)
    return Exit.FAILED if policy.problems else Exit.OK


# Trusting ---------------------------------------------------------------------------------------


def _trust(command: TrustPolicy, files: PolicyFiles) -> int:
    folder = _folder(command.folder)
    shown_folder = visible(str(folder))
    store = TrustStore(files.trust)
    if command.remove:
        known = store.distrust(folder)
        print(f"{shown_folder} is no longer trusted." if known else "It was not trusted.")
        return Exit.OK
    # It is read once: what is shown is what is trusted, whatever happens to the file meanwhile.
    path = folder / WORKSPACE_FILE
    text = _text(path)
    layer = layer_of("workspace", read_policy(text, str(path)))
    if layer.problems:
        for problem in layer.problems:
            print(f"autopilot-ls: {visible(str(problem))}", file=sys.stderr)
        return Exit.FAILED
    if store.trusts(folder, content_hash(text)):
        print(f"{visible(str(path))} is trusted already.")
        return Exit.OK
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(
            "autopilot-ls: Only a person at a terminal can trust a policy; nothing was changed.",
            file=sys.stderr,
        )
        return Exit.FAILED
    _present(layer, text, shown_folder)
    if not anyio.run(_agreed):
        print("It is not trusted; nothing was changed.")
        return Exit.FAILED
    store.trust(folder, content_hash(text))
    print("It is trusted.")
    return Exit.OK


def _present(layer: Layer, text: str, folder: str) -> None:
    """Show a file, and at the end, where it cannot have scrolled away, what it would allow."""
    print(visible(text))
    allowing = [rule for rule in layer.rules if rule.allows]
    hints = [finding for finding in lint([builtin_layer(), layer]) if finding.code == "too-broad"]
    names = ", ".join(f"{one_line(rule.name, 60)} (line {rule.line})" for rule in allowing)
    print(f"Of {count(len(layer.rules), 'rule')}, {len(allowing)} allow: {names or 'none'}.")
    for hint in hints:
        print(visible(f"Mind: {hint}"))
    print(_TRUSTING.format(folder=folder))


async def _agreed() -> bool:
    from autopilot_ls.cli.keyboard import Keyboard

    keyboard = Keyboard()
    keyboard.forget()
    print("Trust exactly this content? Type yes: ", end="", flush=True)
    answer = await keyboard.line()
    if answer is None:
        print()
        return False
    return answer.strip().lower() == "yes"
