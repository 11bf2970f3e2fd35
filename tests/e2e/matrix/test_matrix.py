"""No action of Codex goes unjudged, whatever the user or the repository configured in it.

For each configuration a scripted model tries everything it can, in each mode, by itself and through a
sub-agent; the disk is the witness of what happened. With the real Codex, in two versions.
"""

from __future__ import annotations

import re
from typing import Final

import pytest

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import AgentNotSafe
from autopilot_ls.model.events import Notice
from autopilot_ls.policy.trust import TrustStore, content_hash
from autopilot_ls.scripted_model import (
    JsonObject,
    Output,
    ScriptedModel,
    call_outputs,
    command,
    compute,
    message,
    tool_call,
)
from tests.e2e.matrix.configurations import (
    ALLOW_TOUCH,
    CONFIGURATIONS,
    PLAIN,
    Configuration,
)
from tests.e2e.matrix.lab import TOOLS, Lab, accept, decline, lab, never
from tests.e2e.matrix.witness import Witness, asked_calls
from tests.support.staged import supervised
from tests.support.world import World, world

pytestmark = [pytest.mark.core, pytest.mark.timeout(240)]

POLICY: Final = """
version = 1

[[rule]]
name = "touching"
verdict = "allow"
command = ["touch …"]
modes = ["auto", "escalate"]

[[rule]]
name = "looking"
verdict = "allow"
tool = ["tools/looks"]
modes = ["auto", "escalate"]
"""

EVERYTHING: Final = """
version = 1

[[rule]]
name = "every-command"
verdict = "allow"
command = ["{touch,git,rm,echo,curl} …"]
modes = ["read-only", "propose", "auto", "escalate"]

[[rule]]
name = "every-file"
verdict = "allow"
edit = ["*", "/*", "~/"]
modes = ["propose", "auto", "escalate"]

[[rule]]
name = "every-tool"
verdict = "allow"
tool = ["*"]
modes = ["read-only", "propose", "auto", "escalate"]
"""


def kinds(names: set[str]) -> set[str]:
    """Return which kinds of calls these are, whoever made them."""
    return {name.split("-", 1)[1] for name in names}


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda each: each.name)
async def test_nothing_happens_that_was_not_judged(configuration: Configuration) -> None:
    async with lab(configuration, POLICY) as here:
        view, witness = here.stage.view, here.witness
        # What is declined does not happen.
        tried = await here.play(Mode.PROPOSE, decline)
        assert asked_calls(view.events) == tried
        assert witness.names() == set()
        # In read-only nobody is even asked.
        await here.play(Mode.READ_ONLY, never)
        assert witness.names() == set()
        # What is accepted happens, and only after it is accepted.
        tried = await here.play(Mode.PROPOSE, accept)
        here.check()
        assert witness.names() <= tried
        wanted = {"touch", "patch", "heredoc", *(f"tools-{tool}" for tool in TOOLS)}
        assert kinds(witness.names()) >= wanted
        # Where rules decide, they decide before it happens.
        before = witness.names()
        await here.play(Mode.AUTO, decline)
        await here.play(Mode.ESCALATE, decline, sub_agent=False)
        here.check()
        assert kinds(witness.names() - before) >= {"touch", "tools-looks"}
        assert not kinds(witness.names() - before) & {"escalated", "elsewhere", "tools-plain"}


def _plant_rule(here: World) -> None:
    rules = here.codex_home / "rules"
    rules.mkdir(exist_ok=True)
    (rules / "default.rules").write_text(ALLOW_TOUCH)


async def test_a_rule_that_appears_in_a_session_gives_nothing_and_ends_its_going_on() -> None:
    """As when a person answers another Codex with "always" while ours works."""
    async with lab(PLAIN) as here:
        await here.play(Mode.PROPOSE, decline, sub_agent=False)
        _plant_rule(here.here)
        tried = await here.play(Mode.PROPOSE, decline)
        assert tried <= asked_calls(here.stage.view.events)
        assert here.witness.names() == set()
        requests = len(here.stage.model.requests)
        await here.stage.supervisor.close_session(here.stage.session_id)
        with pytest.raises(AgentNotSafe, match=r"default\.rules, line 1"):
            await here.stage.start("MAIN go", session_id=here.stage.session_id)
        assert len(here.stage.model.requests) == requests


async def test_rules_in_a_folder_that_is_a_link_are_seen() -> None:
    with ScriptedModel() as model, world(model) as here:
        (here.root / "elsewhere").mkdir()
        (here.root / "elsewhere" / "my.rules").write_text(ALLOW_TOUCH)
        (here.codex_home / "rules").symlink_to(here.root / "elsewhere")
        async with supervised(here, model) as stage:
            with pytest.raises(AgentNotSafe, match=r"my\.rules, line 1"):
                await stage.start()
            assert model.requests == []


@pytest.mark.parametrize("terminal", [True, False])
async def test_nothing_can_be_typed_into_a_program_that_was_accepted(terminal: bool) -> None:  # noqa: FBT001 reason: a table of cases
    """What is typed into `cat` is a file's content, into `bash` any command; Codex asks about neither."""

    def type_into(body: JsonObject) -> Output:
        found = re.search(r"session ID (\d+)", call_outputs(body)[-1])
        if found is None:
            return message("end")  # There is nothing to type into.
        return tool_call("write_stdin", {"session_id": int(found[1]), "chars": "typed\n"})

    async with lab(PLAIN) as here:
        line = "cat > typed; sleep 2"
        here.model(
            "MAIN",
            command(line, call_id="typed", tty=terminal, yield_time_ms=500),
            compute(type_into),
            message("end"),
            message("end"),
        )
        here.played = 1
        await here.run(Mode.PROPOSE, accept, "end")
        written = here.here.workspace / "typed"
        assert not written.exists() or written.read_text() == ""
        codes = {notice.code for notice in here.stage.view.all(Notice)}
        assert "unasked-input" not in codes


async def _done(here: Lab) -> dict[Mode, set[str]]:
    """Return what the policy lets happen by itself in each mode."""
    found: dict[Mode, set[str]] = {}
    for mode in (Mode.READ_ONLY, Mode.PROPOSE, Mode.AUTO):
        before = here.witness.names()
        await here.play(mode, decline, sub_agent=False)
        here.check()
        found[mode] = kinds(here.witness.names() - before)
    return found


async def test_a_workspace_policy_that_allows_everything_changes_nothing_before_it_is_trusted() -> (
    None
):
    async with lab(PLAIN) as here:
        without = await _done(here)
        here.here.write(".autopilot/policy.toml", EVERYTHING)
        here.witness = Witness.of(here.witness.places)
        assert await _done(here) == without
        store = TrustStore(here.here.state / "trusted-policies.json")
        store.trust(here.here.workspace, content_hash(EVERYTHING))
        trusted = await _done(here)
        # It is read, and what it may allow it does, but not what no file may.
        assert trusted[Mode.PROPOSE] > without[Mode.PROPOSE]
        assert not any(found & {"escalated", "elsewhere"} for found in trusted.values())
        assert not trusted[Mode.READ_ONLY] & {"touch", "patch", "heredoc"}
        # Trust is in that very content.
        here.here.write(".autopilot/policy.toml", EVERYTHING + "# more\n")
        assert await _done(here) == without
