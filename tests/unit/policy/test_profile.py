"""The policy's paths as a sandbox holds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopilot_ls.model.approvals import Mode
from autopilot_ls.policy import profile as profile_module
from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.policy import Policy, builtin_policy, layer_of
from autopilot_ls.policy.profile import MAX_PATHS, Profile, compile_profile, compile_profiles

WRITING = [Mode.PROPOSE, Mode.AUTO, Mode.ESCALATE]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    return made


def _write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def _with(*rules: str) -> Policy:
    text = "version = 1\n" + "".join(
        f'[[rule]]\nname = "r{number}"\nreason = "Mine."\n{rule}\n'
        for number, rule in enumerate(rules)
    )
    content = read_policy(text, "mine")
    assert not content.problems
    return builtin_policy().with_layers(layer_of("user", content))


def _short(paths: tuple[str, ...], root: Path) -> list[str]:
    return [path.removeprefix(f"{root}/") for path in paths]


@pytest.mark.parametrize("mode", WRITING)
def test_what_is_protected_is_read_only_by_its_outermost_path(root: Path, mode: Mode) -> None:
    _write(
        root, ".git/hooks/x", ".github/workflows/ci.yml", "src/.vscode/a", "src/a.py", "sub/.env"
    )
    _write(root, ".env.example", "key.pem", "node_modules/x/.env", "GitHub/x", ".GITHUB2/x")
    found = compile_profile(builtin_policy(), mode, root)
    assert found.writable == (str(root),)
    assert _short(found.read_only, root) == [
        ".git",
        ".github",
        "key.pem",
        "src/.vscode",
        "sub/.env",
    ]
    # What only asks before reading is not held: a kernel cannot ask.
    assert found.denied == ()
    assert ".husky" in found.missing
    assert ".git" not in found.missing
    assert found.complete
    assert found.unheld == ()


def test_read_only_holds_only_what_may_not_be_read(root: Path) -> None:
    _write(root, ".github/x", "notes/private.txt", ".env")
    policy = _with('verdict = "deny"\nread = ["private.txt"]')
    quiet = compile_profile(policy, Mode.READ_ONLY, root)
    denied = (f"{root}/notes/private.txt",)
    assert quiet == Profile((), (), denied, quiet.missing)
    assert compile_profile(policy, Mode.AUTO, root).denied == denied


def test_only_deny_and_hard_rules_of_all_kinds_of_change_are_held(root: Path) -> None:
    _write(
        root,
        "asked.txt",
        "denied.txt",
        "only-deletes.txt",
        "auto.txt",
        "elsewhere.txt",
        "a/b/c.sql",
    )
    policy = _with(
        'verdict = "ask"\nedit = ["asked.txt"]',
        'verdict = "deny"\nedit = ["denied.txt", "a/b/*.sql"]',
        'verdict = "deny"\nedit = ["only-deletes.txt"]\nkinds = ["delete"]',
        'verdict = "deny"\nedit = ["auto.txt"]\nmodes = ["auto"]',
        'verdict = "deny"\nedit = ["elsewhere.txt"]\nworkspace = ["/nowhere"]',
        'verdict = "allow"\nedit = ["asked.txt"]',
    )
    found = compile_profiles(policy, list(Mode), root)
    assert _short(found[Mode.PROPOSE].read_only, root) == ["denied.txt", "a/b/c.sql"]
    assert _short(found[Mode.AUTO].read_only, root) == ["auto.txt", "denied.txt", "a/b/c.sql"]
    assert found[Mode.ESCALATE] is found[Mode.PROPOSE]


def test_a_path_that_may_not_be_read_may_lie_outside(root: Path, tmp_path: Path) -> None:
    _write(tmp_path, "secrets/key", "other/key")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    outside = [
        tmp_path / "secrets",
        tmp_path / "link",
        tmp_path / "missing",
        tmp_path,
        Path("/proc"),
    ]
    listed = ", ".join(f'"{path}"' for path in outside)
    found = compile_profile(_with(f'verdict = "deny"\nread = [{listed}]'), Mode.AUTO, root)
    # Neither what does not exist, nor what holds the workspace itself or keeps programs from running.
    assert found.denied == (str(tmp_path / "secrets"), str(tmp_path / "other"))


def test_what_no_sandbox_can_hold_is_told(root: Path, tmp_path: Path) -> None:
    _write(root, "pages/[id]/.env", ".github/x")
    _write(tmp_path, "real.pem")
    (root / "link.pem").symlink_to(tmp_path / "real.pem")
    (root / "away").symlink_to(tmp_path)
    found = compile_profile(builtin_policy(), Mode.AUTO, root)
    assert _short(found.read_only, root) == [".github"]
    assert set(_short(found.unheld, root)) == {"link.pem", "pages/[id]/.env"}


def test_an_empty_folder_holds_nothing_yet(root: Path) -> None:
    # Codex makes such folders while a command runs, and each would be a change.
    for name in (".codex", ".agents", ".git", ".aws"):
        (root / name).mkdir()
    assert compile_profile(builtin_policy(), Mode.AUTO, root).read_only == ()


def test_what_is_held_is_bounded_and_the_outer_paths_come_first(root: Path) -> None:
    _write(root, *(f"deep/er/{number}.pem" for number in range(MAX_PATHS)), "zz.pem", ".github/x")
    found = compile_profile(builtin_policy(), Mode.AUTO, root)
    assert len(found.read_only) == MAX_PATHS
    assert {f"{root}/zz.pem", f"{root}/.github"} <= set(found.read_only)
    assert len(found.unheld) == 2
    long = "p" * 200
    _write(root, *(f"{long}/{long}/{number}.pem" for number in range(MAX_PATHS)))
    found = compile_profile(_with('verdict = "deny"\nedit = ["deep"]'), Mode.AUTO, root)
    assert sum(map(len, found.read_only)) <= profile_module.MAX_TEXT
    assert len(found.unheld) > 2


def test_the_look_at_the_disk_is_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(root, "a/x.pem", "b/c/y.pem", "z.pem")
    monkeypatch.setattr(profile_module, "MAX_ENTRIES", 4)
    found = compile_profile(builtin_policy(), Mode.AUTO, root)
    assert not found.complete
    assert f"{root}/z.pem" in found.read_only
    monkeypatch.setattr(profile_module, "MAX_ENTRIES", 1000)
    monkeypatch.setattr(profile_module, "MAX_SECONDS", -1.0)
    assert not compile_profile(builtin_policy(), Mode.AUTO, root).complete


@pytest.mark.parametrize(
    "pattern",
    [
        "src/*.ini",
        "**/secret/**",
        "{src,lib}/x.ini",
        "src/[xy].ini",
        "SRC/x.INI",
        "src/",
        "./src/x.ini",
    ],
)
def test_the_quick_look_misses_no_pattern(root: Path, pattern: str) -> None:
    _write(root, "src/x.ini", "secret/a/b")
    policy = _with(f'verdict = "deny"\nedit = ["{pattern}"]')
    assert compile_profile(policy, Mode.AUTO, root).read_only
