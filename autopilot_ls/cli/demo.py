"""`autopilot-ls demo`: the main job from an editor's side, in a throw-away repository.

The language server runs as a child over standard input and output, it runs the real Codex, and only the
model is scripted, on this machine: no login and no network is needed. What is printed is what an editor
would show. `main` stands above; `demo_world`, `demo_client`, `demo_story` and `demo_screen` below.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio

from autopilot_ls import __version__
from autopilot_ls.cli import demo_story as story
from autopilot_ls.cli.commands import Demo, Exit
from autopilot_ls.cli.demo_client import DemoClient, path_of
from autopilot_ls.cli.demo_screen import Screen, approval_of, decision_of
from autopilot_ls.cli.demo_wire import DemoFailed, JsonObject, member, number, objects
from autopilot_ls.cli.demo_world import World, language_server, leave_world, make_world
from autopilot_ls.cli.keyboard import Keyboard
from autopilot_ls.cli.terminal import Style, Terminal
from autopilot_ls.model.errors import AutopilotError, InvalidRequest
from autopilot_ls.scripted_model import ScriptedModel, codex_config

_START: Final = 60.0
_STEP: Final = 90.0
_TRANSCRIPT_LINES: Final = 12
_WAITS: Final = "Waits for you"
_PREVIEW: Final = "autopilot.approval.preview"


def run_demo(command: Demo) -> int:
    """Run the demo; returns 0 when the story was told to its end.

    Raises:
        AutopilotError: Something went wrong; the message says what and what to do.
    """
    if command.interactive and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidRequest(
            "--interactive needs a terminal.", advice="Run it in one, or leave --interactive out."
        )
    anyio.run(_run, command)
    return Exit.OK


async def _run(command: Demo) -> None:
    screen = Screen(Terminal())
    world = await make_world()
    failure: BaseException | None = None
    try:
        with story.scripted_model() as model:
            failure = await _play(_Play(command, world, model, screen))
    finally:
        # What was told so far belongs before the message that says what went wrong.
        screen.flush_now()
        leave_world(world, keep=command.keep)
    if failure is not None:
        raise failure


async def _play(play: _Play) -> BaseException | None:
    """Tell the story; returns what went wrong, since task groups would wrap it."""
    failure: BaseException | None = None
    try:
        async with language_server(play.world, extra={}) as process:
            client = DemoClient(process, settings=play.settings())
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.run)
                try:
                    await play.tell(client)
                except (AutopilotError, OSError) as error:
                    failure = await _explained(error, client)
                tasks.cancel_scope.cancel()
    except* DemoFailed as group:
        failure = failure or group.exceptions[0]
    return failure


async def _explained(error: AutopilotError | OSError, client: DemoClient) -> BaseException:
    """Return the error with what the server wrote last, which may come a moment later."""
    if not isinstance(error, DemoFailed) or error.advice:
        return error
    with anyio.move_on_after(1.0):
        await client.ended()
    return DemoFailed(error.message, advice=client.last_words())


class _Play:
    """The story, scene by scene."""

    def __init__(self, command: Demo, world: World, model: ScriptedModel, screen: Screen) -> None:
        self.world = world
        self._command = command
        self._model = model
        self._screen = screen
        self._decided: set[str] = set()
        self._code = world.repository / story.CODE

    def settings(self) -> JsonObject:
        """Return the settings that the editor gives to the language server."""
        return {
            "stateDir": str(self.world.state),
            "codex": {
                "home": str(self.world.codex_home),
                "config": {
                    **codex_config(self._model),
                    "suppress_unstable_features_warning": True,
                },
            },
        }

    async def tell(self, client: DemoClient) -> None:
        """Play all scenes."""
        before = self._code.read_text(encoding="utf-8")
        await self._begin(client)
        uri = await client.open(self._code, "python")
        session = await self._start_turn(client, uri)
        await self._follow_turn(client, uri)
        self._screen.heading(f"{story.CODE}, before and after")
        after = self._code.read_text(encoding="utf-8")
        self._screen.difference(story.CODE, before, after)
        await self._show_transcript(client, session)
        await self._end(client, session)
        self._require_changes(before, after)

    def _require_changes(self, before: str, after: str) -> None:
        if not self._command.interactive and before == after:
            raise DemoFailed("The patch was accepted, and yet the file is unchanged.")

    # Scenes -------------------------------------------------------------------------------------

    async def _begin(self, client: DemoClient) -> None:
        screen = self._screen
        screen.say(
            f"autopilot-ls {__version__}: what an editor without any plugin shows", Style.BOLD
        )
        screen.say("The language server and Codex are real; the model is scripted, on 127.0.0.1.")
        screen.say(f"Everything happens in {self.world.root}", Style.DIM)
        await screen.flush()
        capabilities = await client.initialize(self.world.repository, limit=_START)
        commands = member(capabilities, "executeCommandProvider", "commands")
        if not isinstance(commands, list) or not commands:
            raise DemoFailed("The language server offers no commands.")

    async def _start_turn(self, client: DemoClient, uri: str) -> str:
        screen = self._screen
        screen.heading("The editor has a file open; the cursor is on a comment with a task")
        screen.code(client.files[uri].text, story.TASK_LINE, story.TASK_LINE)
        actions = await client.code_actions(uri, story.TASK_LINE)
        if not actions:
            raise DemoFailed("No code action was offered on the comment.")
        chosen = await self._choose("on this line", actions, 0)
        result = await client.execute(actions[chosen].get("command"), limit=_STEP)
        session = member(result, "sessionId")
        if not isinstance(session, str):
            raise DemoFailed(f"The turn was not started: {result!r}.")
        screen.heading("The turn: one progress, with what happens now")
        return session

    async def _follow_turn(self, client: DemoClient, uri: str) -> None:
        seen = client.seen
        while not seen.ended:
            known = seen.changes
            waits = seen.progress[-1:] and _WAITS in seen.progress[-1]
            if waits and await self._decide(client, uri):
                continue
            await client.until(
                lambda known=known: seen.ended or seen.changes > known, limit=_STEP, what="progress"
            )
            self._screen.progress(seen.title, seen.progress, ended=seen.ended)
            await self._screen.flush()
        for message in seen.messages:
            self._screen.say(f"  message: {message}", Style.WARNING)

    async def _decide(self, client: DemoClient, uri: str) -> bool:
        """Have the oldest approval decided; returns whether there was one."""
        self._screen.progress(client.seen.title, client.seen.progress, ended=False)
        diagnostics = [d for d in client.seen.diagnostics.get(uri, []) if "approvalId" in _data(d)]
        line = number(member(diagnostics[0], "range", "start", "line")) if diagnostics else 0
        offered = await client.code_actions(uri, line)
        actions = [a for a in offered if approval_of(a) and approval_of(a) not in self._decided]
        if not actions:
            return False
        if diagnostics:
            self._screen.heading("A patch waits: diagnostics stand at its hunks")
            for diagnostic in diagnostics:
                self._screen.diagnostic(self._code, client.files[uri].text, diagnostic)
        else:
            self._screen.heading("A command waits: it can be decided on in any file of the folder")
        await self._act(client, uri, actions, "at the hunk" if diagnostics else "on any line")
        return True

    async def _act(
        self, client: DemoClient, uri: str, actions: list[JsonObject], where: str
    ) -> None:
        """Have the person, or the story, choose; a preview is followed by another choice."""
        previews = [a for a in actions if member(a, "command", "command") == _PREVIEW]
        if previews and not self._command.interactive:
            await self._choose(where, actions, actions.index(previews[0]))
            await self._preview(client, previews[0])
        while True:
            chosen = actions[await self._choose(where, actions, _preferred(actions))]
            if member(chosen, "command", "command") != _PREVIEW:
                break
            await self._preview(client, chosen)
        approval = approval_of(chosen)
        result = await client.execute(chosen.get("command"))
        if decision_of(chosen):
            self._decided.add(approval)
        told = member(result, "decision", "kind") or decision_of(chosen)
        self._screen.say(f"  Decided: {told}", Style.GOOD)
        await self._screen.flush()
        await self._wait_decided(client, approval)
        if self._code.exists():
            await client.reload(uri, "python")

    async def _wait_decided(self, client: DemoClient, approval: str) -> None:
        """Wait until the editor no longer shows the approval."""

        def gone() -> bool:
            shown = [d for there in client.seen.diagnostics.values() for d in there]
            return all(member(_data(d), "approvalId") != approval for d in shown)

        await client.until(
            lambda: client.seen.ended or gone(), limit=_STEP, what="end of the hunks"
        )

    async def _preview(self, client: DemoClient, action: JsonObject) -> None:
        shown = len(client.seen.shown)
        await client.execute(action.get("command"))
        with suppress(DemoFailed):
            await client.until(lambda: len(client.seen.shown) > shown, limit=10.0, what="preview")
        for uri in client.seen.shown[shown:]:
            path = path_of(uri)
            self._screen.say(f"  The editor was asked to show {path.name}:", Style.INFO)
            self._screen.text(path.read_text(encoding="utf-8").rstrip("\n").split("\n"))

    async def _show_transcript(self, client: DemoClient, session: str) -> None:
        shown = len(client.seen.shown)
        command: JsonObject = {
            "command": "autopilot.transcript.open",
            "arguments": [{"sessionId": session}],
        }
        await client.execute(command)
        await client.until(lambda: len(client.seen.shown) > shown, limit=_STEP, what="transcript")
        path = path_of(client.seen.shown[-1])
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        self._screen.heading("The transcript, a document that the editor was asked to show")
        self._screen.say(f"  {path}, {len(lines)} lines; its end:")
        for line in lines[-_TRANSCRIPT_LINES:]:
            self._screen.say(f"  │ {line}", Style.DIM)

    async def _end(self, client: DemoClient, session: str) -> None:
        await client.request("shutdown", None)
        await client.notify("exit", None)
        trace = self.world.state / "sessions" / session
        frames, events = _lines(trace / "raw.jsonl"), _lines(trace / "events.jsonl")
        screen = self._screen
        screen.heading("The record")
        screen.say(f"  {trace}")
        screen.say(f"  raw.jsonl has {frames} frames, both ways; events.jsonl has {events} events.")
        screen.say(
            f"  Read it: AUTOPILOT_STATE_DIR={self.world.state} autopilot-ls sessions show last"
        )
        if self._command.keep:
            screen.say(f"  The repository: {self.world.repository}")
        await screen.flush()

    async def _choose(self, where: str, actions: list[JsonObject], preferred: int) -> int:
        """Return the place of the chosen action in the list."""
        if not self._command.interactive:
            self._screen.offers(where, actions, chosen=preferred)
            await self._screen.flush()
            return preferred
        self._screen.offers(where, actions, chosen=None)
        keyboard = Keyboard()
        while True:
            self._screen.say(f"  Your choice, 1 to {len(actions)}:", Style.BOLD)
            keyboard.forget()
            await self._screen.flush()
            typed = await keyboard.line()
            if typed is None:
                raise DemoFailed("You ended the demo.")
            if typed.strip().isdecimal() and 1 <= int(typed) <= len(actions):
                return int(typed) - 1


def _data(diagnostic: JsonObject) -> JsonObject:
    found = objects([diagnostic.get("data")])
    return found[0] if found else {}


def _preferred(actions: list[JsonObject]) -> int:
    """Return the action of the story: a command is allowed for the session, a patch once."""
    kinds = [decision_of(action) for action in actions]
    patch = any(member(action, "command", "command") == _PREVIEW for action in actions)
    wanted = "accept" if patch or "acceptForSession" not in kinds else "acceptForSession"
    if wanted not in kinds:
        raise DemoFailed("There is no code action that accepts.")
    return kinds.index(wanted)


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)
