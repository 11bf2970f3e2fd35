from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from pydantic import JsonValue

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import AgentNotSafe
from autopilot_ls.runtimes.base import HeldPaths
from autopilot_ls.runtimes.codex.guard import (
    Guard,
    check_again,
    inspect,
    thread_config,
)
from autopilot_ls.runtimes.codex.profiles import Profiles
from autopilot_ls.runtimes.codex.rules import judge, read_rules
from autopilot_ls.wire.messages import JsonObject

CAREFUL = b"""# comment
"a docstring"
prefix_rule(pattern=["rm", ["-r", "-f"]], decision="forbidden", justification="no")
prefix_rule(["git", "push"], "prompt")
"""


def test_careful_rules_pass() -> None:
    assert judge(CAREFUL) == []
    assert judge(CAREFUL.replace(b"\n", b"\r\n")) == []
    assert judge(b"") == []


@pytest.mark.parametrize(
    "rule",
    [
        b'prefix_rule(["touch"])',
        b'prefix_rule(["touch"], "allow")',
        b'prefix_rule(["touch"], decision="allow")',
        b'prefix_rule(["touch"], decision="al" + "low")',
        b'prefix_rule(["touch"], decision=X)',
        b'prefix_rule(["touch"], "prompt", decision="allow")',
        b'prefix_rule(*[["touch"], "prompt"])',
        b'prefix_rule(["touch"], **{"decision": "prompt"})',
        b'prefix_rule(["touch"], decision=f"prompt")',
        b'network_rule(host="x", protocol="https", decision="prompt")',
        b'X = "allow"',
        b'def prompt(): prefix_rule(["touch"])',
        b'prefix_rule(["a"], "prompt") if True else prefix_rule(["b"])',
        b'[prefix_rule(["a"], "prompt")]',
        b'prefix_rule(["a"], "prompt"); prefix_rule(["b"])',
        b'# x\rprefix_rule(["b"], "prompt")',
        b'# x\x0cprefix_rule(["b"], "prompt")',
        b"\xff",
        b"prefix_rule(",
        b"(" * 10_000,
    ],
)
def test_whatever_might_allow_does_not_pass(rule: bytes) -> None:
    assert judge(CAREFUL + rule + b"\n")


def test_rule_files_are_found_as_codex_finds_them_and_more(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    assert read_rules([tmp_path]).findings == ()
    rules.mkdir()
    (rules / "notes.txt").write_text("prefix_rule(['a'])")
    (rules / "good.rules").write_bytes(CAREFUL)
    before = read_rules([tmp_path])
    assert before.findings == ()
    (rules / "good.rules").write_bytes(CAREFUL + b"\n")
    assert read_rules([tmp_path]).fingerprint != before.fingerprint
    (tmp_path / "elsewhere").write_text("prefix_rule(['a'])")
    (rules / "link.rules").symlink_to(tmp_path / "elsewhere")
    (rules / "dangling.rules").symlink_to(tmp_path / "nowhere")
    os.mkfifo(rules / "pipe.rules")
    found = {(each.path.name, each.line) for each in read_rules([tmp_path]).findings}
    assert found == {("link.rules", 1), ("dangling.rules", None), ("pipe.rules", None)}


def test_rules_that_change_while_codex_reads_them_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    guard = Guard({}, read_rules([tmp_path]), (tmp_path,))
    check_again(guard)
    (tmp_path / "rules" / "new.rules").write_bytes(CAREFUL)
    with pytest.raises(AgentNotSafe, match="changed"):
        check_again(guard)
    (tmp_path / "rules" / "new.rules").write_text("prefix_rule(['a'])")
    with pytest.raises(AgentNotSafe, match=r"new\.rules, line 1"):
        check_again(guard)


def test_wishes_are_kept_where_they_do_not_loosen(tmp_path: Path) -> None:
    wished: JsonObject = {
        "model": "m",
        "web_search": "live",
        "features": {"hooks": True, "view_image": True, "other": True},
        "projects": {str(tmp_path): {"trust_level": "trusted"}},
        "notify": ["evil"],
    }
    effective: JsonObject = {
        "mcp_servers": {"s": {"command": "x", "tools": {"t": {"approval_mode": "approve"}}}}
    }
    made = thread_config(wished, {"config": effective}, tmp_path)
    features = made["features"]
    projects = made["projects"]
    assert isinstance(features, dict)
    assert isinstance(projects, dict)
    assert (features["hooks"], features["view_image"], features["other"]) == (False, True, True)
    assert (made["model"], made["web_search"], made["notify"]) == ("m", "live", [])
    assert projects[str(tmp_path)] == {"trust_level": "untrusted"}
    assert made["mcp_servers"] == {
        "s": {
            "default_tools_approval_mode": "prompt",
            "tools": {"t": {"approval_mode": "prompt"}},
        }
    }


def test_what_acts_unasked_by_nature_is_off_unless_it_is_wished(tmp_path: Path) -> None:
    unasked = {"view_image", "unified_exec_tty"}
    features = thread_config({}, {}, tmp_path)["features"]
    assert isinstance(features, dict)
    assert {name: features[name] for name in unasked} == dict.fromkeys(unasked, False)
    wished: JsonObject = {"features": dict.fromkeys(unasked, True)}
    features = thread_config(wished, {}, tmp_path)["features"]
    assert isinstance(features, dict)
    assert {name: features[name] for name in unasked} == dict.fromkeys(unasked, True)


def test_a_shell_that_decides_by_itself_is_off_where_it_is_on(tmp_path: Path) -> None:
    def features(**said: bool) -> JsonValue:
        layer: JsonObject = {"name": {"type": "user"}, "config": {"features": {**said}}}
        # The repository's word for it hides the user's.
        read: JsonObject = {"config": {"features": {"shell_zsh_fork": False}}, "layers": [layer]}
        return thread_config({}, read, tmp_path)["features"]

    before, after = features(), features(shell_zsh_fork=True)
    assert isinstance(before, dict)
    assert after == {**before, "shell_zsh_fork": False}
    assert "shell_zsh_fork" not in before


def test_only_servers_that_will_be_there_are_told_to_ask(tmp_path: Path) -> None:
    def layer(kind: str, servers: JsonObject) -> JsonObject:
        return {"name": {"type": kind}, "config": {"mcp_servers": servers}}

    approved: JsonObject = {"tools": {"t": {"approval_mode": "approve"}}}
    read: JsonObject = {
        # What the repository says is in effect here, but not in our thread.
        "config": {"mcp_servers": {"theirs": {}, "both": {"tools": {"x": {}}}, "built-in": {}}},
        "layers": [
            layer("project", {"theirs": {}, "both": {"tools": {"x": {}}}}),
            layer("user", {"both": approved}),
            layer("sessionFlags", {"flag": {}}),
        ],
    }
    servers = thread_config({}, read, tmp_path)["mcp_servers"]
    prompt: JsonObject = {"approval_mode": "prompt"}
    plain: JsonObject = {"default_tools_approval_mode": "prompt"}
    assert servers == {
        "both": {**plain, "tools": {"t": prompt, "x": prompt}},
        "built-in": plain,
        "flag": plain,
    }


def test_every_folder_codex_could_take_for_the_project_is_untrusted(tmp_path: Path) -> None:
    main, linked = tmp_path / "main", tmp_path / "linked"
    (main / ".git" / "worktrees" / "linked").mkdir(parents=True)
    (linked / "deep").mkdir(parents=True)
    (linked / ".git").write_text(f"gitdir: {main}/.git/worktrees/linked\n")
    (tmp_path / "alias").symlink_to(linked)
    made = thread_config({}, {}, tmp_path / "alias" / "deep")
    projects = made["projects"]
    assert isinstance(projects, dict)
    expected = {main, linked, linked / "deep", tmp_path / "alias" / "deep", tmp_path}
    assert {str(each) for each in expected} <= set(projects)


@pytest.mark.parametrize("mode", [Mode.PROPOSE, Mode.AUTO, Mode.ESCALATE])
def test_what_is_not_read_only_may_write_but_only_when_everything_asks(
    tmp_path: Path, mode: Mode
) -> None:
    made = Profiles.named_anew(tmp_path)
    assert made.for_turn(mode, asks_everything=True) == made.write(mode)
    assert made.for_turn(mode, asks_everything=False) == made.read
    assert made.for_turn(Mode.READ_ONLY, asks_everything=True) == made.read


def test_each_mode_has_a_profile_with_what_it_holds() -> None:
    held = {
        Mode.READ_ONLY: HeldPaths((), ("/w/k",)),
        Mode.AUTO: HeldPaths(('/w/a"b', "/w/x[1]", "/w/*"), ("/w/k",)),
    }
    made = Profiles.named_anew(Path("/private"), Path("/home"), held)
    read = tomllib.loads("\n".join(leaf for leaf in made.arguments() if leaf != "-c"))[
        "permissions"
    ]
    ours = {"/private": "deny", "/home": "read"}
    assert read[made.read] == {"extends": ":read-only", "filesystem": {**ours, "/w/k": "deny"}}
    # What Codex would take for a pattern is not given to it: no thread would start.
    acting = {**ours, "/w/k": "deny", '/w/a"b': "read"}
    assert read[made.write(Mode.AUTO)] == {"extends": ":workspace", "filesystem": acting}
    assert read[made.write(Mode.PROPOSE)] == {"extends": ":workspace", "filesystem": ours}
    many = {Mode.AUTO: HeldPaths(tuple(f"/w/{'x' * 100}{n}" for n in range(5000)))}
    assert max(map(len, Profiles("p", Path("/private"), None, many).arguments())) < 20_000


def test_a_sandbox_that_lacks_anything_is_looser(tmp_path: Path) -> None:
    held = {
        Mode.PROPOSE: HeldPaths(("/w/a",)),
        Mode.AUTO: HeldPaths((), ("/w/a",)),
        Mode.ESCALATE: HeldPaths(("/w/a", "/w/b")),
    }
    made = Profiles.named_anew(tmp_path, None, held)
    propose, auto, escalate = (made.write(mode) for mode in held)
    assert made.fit(propose, made.read) == "looser"
    assert made.fit(made.read, propose) == "stricter"
    assert made.fit(made.read, made.read) == made.fit(auto, auto) == "same"
    assert made.fit(auto, propose) == "stricter"
    assert made.fit(propose, auto) == "looser"
    assert made.fit(escalate, propose) == "stricter"
    # Stricter in one point and looser in another.
    assert made.fit(escalate, auto) == made.fit(auto, escalate) == "looser"


def test_the_denied_folder_may_have_any_name(tmp_path: Path) -> None:
    made = Profiles.named_anew(tmp_path / 'a"b\\c=d\x7f')
    leaves = [leaf for leaf in made.arguments() if leaf != "-c"]
    read = tomllib.loads("\n".join(leaves))
    for name in (made.read, made.write(Mode.AUTO)):
        assert read["permissions"][name]["filesystem"] == {str(made.private): "deny"}
    assert read["default_permissions"] == made.read


async def test_a_managed_hook_that_decides_is_refused(tmp_path: Path) -> None:
    async def ask(method: str, params: JsonObject) -> JsonValue:
        assert params
        hook: JsonObject = {
            "eventName": "permissionRequest",
            "isManaged": True,
            "sourcePath": "/etc/codex/hooks.json",
        }
        return {"data": [{"hooks": [hook]}]} if method == "hooks/list" else {"config": {}}

    with pytest.raises(AgentNotSafe, match="managed hook"):
        await inspect(ask, tmp_path, home=str(tmp_path), wished={})
