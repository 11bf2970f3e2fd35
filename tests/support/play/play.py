"""A play: a person, an agent, other programs and the supervisor, all doing things to the same files.

A script is a list of steps, each a name and some numbers; numbers choose among what there is, so that any part
of a script is a script, and what cannot be done is let pass. After each step all that must hold is checked.
Not aware of pytest; `script` makes scripts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from autopilot_ls.model.errors import AutopilotError
from tests.support.play.scene import Script, Step, Violation
from tests.support.play.serving import Serving

STEP_LIMIT: Final = 60.0
LOOKING: Final = frozenset(
    ("turn", "end", "interrupt", "die", "look", "undo", "undo_turn", "redo", "restart", "finish")
)
"""Steps at which the workspace is looked at."""

TAKING_BACK: Final = frozenset(("undo", "undo_turn", "redo"))


class Play(Serving):
    """One play; `run` plays a script to its end."""

    async def run(self, script: Script) -> None:
        """Play a script and its end.

        Raises:
            Violation: Something that must hold does not, or an error came that nobody expects.
        """
        self.disk.folder.mkdir(parents=True)
        self.disk.fill()
        self.stage.before_thread = self.interloper
        with self.stage.set_up():
            await self.open()
            try:
                for number, step in enumerate([*script, ("finish",)]):
                    try:
                        await self.step(step)
                    except Violation as error:
                        raise Violation(f"step {number} {step}: {error}") from error
                    except Exception as error:
                        raise Violation(f"step {number} {step}: {error!r}") from error
            finally:
                await self.close()

    async def step(self, step: Step) -> None:
        name, *numbers = step
        self.ledger.begin()
        self.editor.told.clear()
        self.fired = False
        self.now = str(name)
        async with asyncio.timeout(STEP_LIMIT):
            try:
                if self.saves and name in LOOKING and (self.saw_unsaid or name in TAKING_BACK):
                    await self.do_notify()  # It comes late, but not for ever.
                await getattr(self, f"do_{name}")(*numbers)
                self.done[str(name)] += 1
            except AutopilotError as error:
                if "Internal error" in str(error):
                    raise Violation(f"internal error: {error}") from error
                self.done[f"{name}: {type(error).__name__}"] += 1
            await self.stage.quiet()
            if self.killed is not None:
                await self.revive()
        self.saw_unsaid = bool(self.saves) and (self.saw_unsaid or name in LOOKING)
        if name not in ("during", "kill"):
            self.armed = None
        self.check(name)

    def check(self, name: str | int) -> None:
        lost = self.ledger.end(self.role.turn)
        if not lost and name in TAKING_BACK and not self.fired:
            lost = self.ledger.overwritten
        faults = [fault for fault in (lost, *self.faults, *self.stage.problems) if fault]
        if faults:
            raise Violation(faults[0])
        twice = [key for key, times in self.decided.items() if times > 1]
        answers = Counter(key for runtime in self.factory.runtimes for key, _ in runtime.answers)
        twice += [key for key, times in answers.items() if times > 1]
        if twice:
            raise Violation(f"decided more than once: {twice}")
        if self.ledger.step % 4:
            return
        for role in self.roles:
            live = role.id in self.supervisor.live_sessions()
            if live and role.state.snapshot() != self.supervisor.snapshot(role.id):
                raise Violation("the events do not give the live state")

    def interloper(self) -> None:
        """Have what was armed happen now, if it is time."""
        if self.armed is None:
            return
        left, step = self.armed
        self.armed = (left - 1, step)
        if left > 0:
            return
        self.armed, self.fired = None, True
        name, *numbers = step
        getattr(self, f"quick_{name}")(*numbers)

    async def do_during(self, left: int, which: int, *numbers: int) -> None:
        """Have something happen in the middle of the next step."""
        quick = ("type", "type", "save", "outside")[which % 4]
        given = numbers[:2] if quick == "save" else numbers
        self.armed = (left % 8, (quick, *given))
