"""What a window is concerned with, and that its faults stay its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.events import Event, SessionCreated
from autopilot_ls.runtimes.base import AccountInfo
from autopilot_ls.settings.tree import Settings
from autopilot_ls.shared.pool import shared_part
from autopilot_ls.shared.window import Scope, WindowView, backend_of
from autopilot_ls.supervisor.caller import CALLER, Caller, environment


class Sessions:
    """A supervisor as far as windows look at it."""

    def __init__(self, **folders: str) -> None:
        self.folders = folders

    def snapshot(self, session_id: str) -> Any:
        return SimpleNamespace(cwd=self.folders[session_id])

    def live_sessions(self) -> tuple[str, ...]:
        return tuple(self.folders)

    def approvals(self, session_id: str | None = None) -> tuple[Any, ...]:
        named = [session_id] if session_id else self.folders
        return tuple(SimpleNamespace(session_id=each) for each in named)

    def is_open(self, session_id: str) -> bool:
        return session_id in self.folders

    @property
    def review(self) -> Sessions:
        return self

    async def decide(self, begun: anyio.Event, go_on: anyio.Event, done: anyio.Event) -> str:
        begun.set()
        await go_on.wait()
        done.set()
        return environment()["WHO"]


class View:
    """A view that notes what it is told, or fails."""

    name = "view"

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.told: list[object] = []

    def _tell(self, what: object) -> None:
        self.told.append((what, environment().get("WHO")))
        if self.fails:
            raise RuntimeError("a fault")

    def events_applied(self, session_id: str, events: Sequence[Event]) -> None:
        del events
        self._tell(session_id)

    def files_written(self, paths: Sequence[Path]) -> None:
        self._tell(tuple(paths))

    def policy_changed(self) -> None:
        self._tell("policy")

    def account_changed(self, account: AccountInfo, login_id: str, error: str) -> None:
        self._tell((account, login_id, error))

    def review_changed(self, workspace: Path) -> None:
        self._tell(workspace)

    def open_documents(self) -> list[Any]:
        self._tell("open")
        return []


def scope_of(supervisor: Sessions, *folders: str, who: str = "me") -> Scope:
    caller = Caller({"WHO": who}, Path("/"))
    return Scope(cast("Any", supervisor), caller, lambda: folders)


def created(session_id: str) -> Event:
    body = SessionCreated(cwd="/far/away", runtime="codex", mode=Mode.PROPOSE, title="x")
    return Event(seq=1, time=0.0, session_id=session_id, body=body)


@pytest.mark.parametrize(
    ("folders", "concerned"),
    [
        ((), ("a", "b", "c")),
        (("/work/a",), ("a", "b")),
        (("/work/a/sub",), ("a", "b")),
        (("/work/a/other",), ("a",)),
        (("/work",), ("a", "b", "c")),
        (("/work/ab",), ("c",)),
        (("/elsewhere",), ()),
    ],
)
def test_a_window_has_the_sessions_in_and_around_its_folders(
    folders: tuple[str, ...], concerned: tuple[str, ...]
) -> None:
    supervisor = Sessions(a="/work/a", b="/work/a/sub", c="/work/ab")
    scope = scope_of(supervisor, *folders)
    backend = backend_of(cast("Any", supervisor), scope, Settings(), cast("Any", None))
    assert backend.live_sessions() == concerned
    assert tuple(a.session_id for a in backend.approvals()) == concerned
    assert len(backend.approvals("c")) == 1
    assert backend.is_open("c")


def test_what_was_begun_in_a_window_is_its_own_wherever_it_works() -> None:
    supervisor = Sessions(s="/far/away")
    mine, other = scope_of(supervisor, "/work"), scope_of(supervisor, "/work", who="other")
    views = [View(), View()]
    wrapped = [WindowView(v, s) for v, s in zip(views, (mine, other), strict=True)]
    token = CALLER.set(mine.caller)
    try:
        for view in wrapped:
            view.events_applied("s", [created("s")])
    finally:
        CALLER.reset(token)
    for view in wrapped:
        view.events_applied("s", [])
    assert len(views[0].told) == 2
    assert views[1].told == []


def test_a_window_is_told_on_its_own_behalf_and_its_faults_stay_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scope = scope_of(Sessions(s="/work"), "/work", who="mine")
    view = View(fails=True)
    token = CALLER.set(scope.caller)
    wrapped = WindowView(view, scope)
    CALLER.reset(token)
    token = CALLER.set(Caller({"WHO": "another"}, Path("/")))
    try:
        with caplog.at_level(logging.ERROR):
            wrapped.events_applied("s", [])
            wrapped.policy_changed()
            wrapped.review_changed(Path("/work"))
            wrapped.review_changed(Path("/other"))
            wrapped.files_written([Path("/work/a.py"), Path("/other/b.py")])
            assert list(wrapped.open_documents()) == []
    finally:
        CALLER.reset(token)
    assert view.told == [
        ("s", "mine"),
        ("policy", "mine"),
        (Path("/work"), "mine"),
        ((Path("/work/a.py"),), "mine"),
        ("open", "mine"),
    ]
    assert len(caplog.records) == 5


def test_only_what_a_supervisor_depends_on_tells_settings_apart() -> None:
    def part(**values: object) -> Settings:
        return shared_part(Settings.model_validate(values))

    plain = part()
    own = {"mode": Mode.AUTO, "logLevel": "debug", "codex": {"model": "m", "effort": "low"}}
    assert part(**own) == plain
    assert part(transcript={"followSeconds": 2.0}, shared={"idleSeconds": 1.0}) == plain
    for other in (
        {"stateDir": "/x"},
        {"policyFile": "/x"},
        {"codex": {"command": ["x"]}},
        {"codex": {"env": {"A": "b"}}},
        {"trace": {"maxAgeDays": 1}},
        {"review": {"enabled": False}},
        {"notify": {"command": ["x"]}},
    ):
        assert part(**other) != plain


@pytest.mark.parametrize("which", ["supervisor", "review"])
async def test_what_a_window_asked_for_is_done_though_the_window_is_gone(which: str) -> None:
    supervisor, scope = Sessions(), scope_of(Sessions())
    begun, go_on, done = anyio.Event(), anyio.Event(), anyio.Event()
    CALLER.set(scope.caller)
    async with anyio.create_task_group() as lasting:
        backend: Any = backend_of(cast("Any", supervisor), scope, Settings(), lasting)
        asked = backend if which == "supervisor" else backend.review
        async with anyio.create_task_group() as window:
            window.start_soon(asked.decide, begun, go_on, done)
            await begun.wait()
            window.cancel_scope.cancel()
        assert not done.is_set()
        go_on.set()
        with anyio.fail_after(20):
            await done.wait()
        assert await asked.decide(begun, go_on, done) == "me"
