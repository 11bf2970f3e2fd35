"""Sessions on disk: private, owned by one process, listed fast, read exactly, pruned with care."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Self

import anyio
import pytest

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import (
    SessionBusy,
    SessionNotFound,
    TraceError,
    TraceUnreadable,
)
from autopilot_ls.model.events import (
    Body,
    Event,
    FindingsDismissed,
    FindingsReported,
    ModeChanged,
    Notice,
    SessionCreated,
    SessionTitled,
    TextDelta,
    ThreadOpened,
    TurnCompleted,
    TurnStarted,
    TurnStatus,
)
from autopilot_ls.model.findings import Finding
from autopilot_ls.model.ids import new_session_id
from autopilot_ls.settings.tree import TraceSettings
from autopilot_ls.trace import locks
from autopilot_ls.trace.lines import EVENTS_NAME, RAW_NAME
from autopilot_ls.trace.locks import LOCK_NAME, is_locked
from autopilot_ls.trace.reader import Follower
from autopilot_ls.trace.store import Pruned, TraceLimits, TraceStore
from autopilot_ls.trace.summary import SUMMARY_NAME, SessionSummary
from autopilot_ls.trace.writer import SessionTrace

DAY = 86_400.0
NOW = 1_800_000_000.0


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(state: Path) -> TraceStore:
    return TraceStore(state)


def append(trace: SessionTrace, *bodies: Body, at: float = NOW, thread: str | None = None) -> None:
    trace.append(
        [
            Event(seq=seq, time=at, session_id=trace.session_id, thread_id=thread, body=body)
            for seq, body in enumerate(bodies, trace.last_seq + 1)
        ]
    )


def created(title: str = "task") -> SessionCreated:
    return SessionCreated(cwd="/w", runtime="codex", mode=Mode.PROPOSE, title=title)


def note(text: str = "x") -> Notice:
    return Notice(severity="info", code="c", message=text)


def make(store: TraceStore, at: float = NOW, size: int = 0) -> str:
    """Make a closed session that was last used at a time."""
    session_id = new_session_id(at)
    with store.create(session_id) as trace:
        append(trace, created(), note("x" * size), at=at)
    old = (at, at)
    os.utime(trace.directory, old)
    return session_id


def summary_of(session_id: str, **changes: object) -> SessionSummary:
    summary = SessionSummary(
        id=session_id,
        cwd="/w",
        runtime="codex",
        title="kept",
        created_at=NOW,
        updated_at=NOW,
        turns=1,
        state="completed",
        mode=Mode.PROPOSE,
    )
    return summary.model_copy(update=changes)


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


# --- safety of folders and files ------------------------------------------------------------------


def mode_of(path: Path) -> int:
    return path.lstat().st_mode & 0o777


def test_everything_is_private_whatever_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = TraceStore(tmp_path / "deep" / "er" / "state")
        with store.create(new_session_id()) as trace:
            append(trace, created())
            trace.update_summary(summary_of(trace.session_id))
    finally:
        os.umask(before)
    inside = sorted(path.name for path in trace.directory.iterdir())
    assert inside == sorted([EVENTS_NAME, LOCK_NAME, RAW_NAME, SUMMARY_NAME])
    assert {mode_of(path) for path in trace.directory.iterdir()} == {0o600}
    for folder in (trace.directory, *trace.directory.parents):
        if folder == tmp_path:
            break
        assert mode_of(folder) == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777, 0o707])
def test_a_state_folder_that_others_can_write_to_is_refused(
    state: Path, store: TraceStore, mode: int
) -> None:
    state.mkdir()
    state.chmod(mode)
    for use in (lambda: store.create(new_session_id()), store.list, store.prune):
        with pytest.raises(TraceError, match="Other users may write") as caught:
            use()
    assert "chmod go-w" in caught.value.advice
    assert mode_of(state) == mode & 0o777, "a folder that may be shared on purpose is not changed"


def test_open_permissions_below_are_repaired(state: Path, store: TraceStore) -> None:
    session_id = make(store)
    folder = state / "sessions" / session_id
    state.chmod(0o755)
    for path in (state / "sessions", folder, *folder.iterdir()):
        path.chmod(0o777)
    store.open(session_id).close()
    assert mode_of(state / "sessions") == mode_of(folder) == 0o700
    names = (RAW_NAME, EVENTS_NAME, LOCK_NAME)
    assert {mode_of(folder / name) for name in names} == {0o600}


def test_a_state_folder_that_is_a_link_of_the_user_is_followed(
    tmp_path: Path, store: TraceStore, state: Path
) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    state.symlink_to("elsewhere")
    session_id = make(store)
    assert (tmp_path / "elsewhere" / "sessions" / session_id).is_dir()


def test_a_state_folder_that_is_a_file_is_refused(state: Path, store: TraceStore) -> None:
    state.write_text("")
    with pytest.raises(TraceError, match="not a folder"):
        store.create(new_session_id())


def test_sessions_behind_a_link_are_refused(tmp_path: Path, state: Path, store: TraceStore) -> None:
    (tmp_path / "theirs").mkdir()
    state.mkdir(mode=0o700)
    (state / "sessions").symlink_to(tmp_path / "theirs")
    for use in (lambda: store.create(new_session_id()), store.list, store.prune):
        with pytest.raises(TraceError, match="is a link"):
            use()


def test_a_session_that_is_a_link_is_neither_opened_listed_nor_deleted(
    tmp_path: Path, state: Path, store: TraceStore
) -> None:
    make(store)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / EVENTS_NAME).write_text("mine")
    session_id = new_session_id(NOW - 1000 * DAY)
    (state / "sessions" / session_id).symlink_to(precious)
    for use in (store.open, store.delete, store.summary):
        with pytest.raises(TraceError, match="is a link"):
            use(session_id)
    assert len(store.list()) == 1
    store.prune(NOW + 1000 * DAY)
    assert (precious / EVENTS_NAME).read_text() == "mine"


def plant_link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def plant_hard_link(path: Path, target: Path) -> None:
    os.link(target, path)


def plant_queue(path: Path, _: Path) -> None:
    os.mkfifo(path)


def plant_folder(path: Path, _: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("plant", [plant_link, plant_hard_link, plant_queue, plant_folder])
@pytest.mark.parametrize("name", [RAW_NAME, EVENTS_NAME, LOCK_NAME])
def test_planted_files_are_neither_written_nor_waited_for(
    tmp_path: Path, store: TraceStore, plant: Callable[[Path, Path], None], name: str
) -> None:
    precious = tmp_path / "bashrc"
    precious.write_text("mine\n")
    session_id = make(store)
    planted = store._folder(session_id) / name
    planted.unlink()
    plant(planted, precious)
    with pytest.raises(TraceError, match=r"link or not a regular file|second name"):
        store.open(session_id)
    if name == EVENTS_NAME:
        with pytest.raises(TraceUnreadable):
            list(store.read_events(session_id))
    assert len(store.list()) == 1
    assert precious.read_text() == "mine\n"


def test_a_planted_summary_is_not_followed(tmp_path: Path, store: TraceStore) -> None:
    precious = tmp_path / "bashrc"
    precious.write_text("mine\n")
    session_id = make(store)
    (store._folder(session_id) / SUMMARY_NAME).symlink_to(precious)
    assert store.list()[0].title == "task"
    assert precious.read_text() == "mine\n"


@pytest.mark.parametrize(
    "session_id", ["..", "../../etc", "", "x", ".", "a/b", "20261122-101500-abcdeG"]
)
def test_what_is_no_session_id_never_becomes_a_path(store: TraceStore, session_id: str) -> None:
    make(store)
    for use in (store.open, store.delete, store.summary, store.read_events, store.read_frames):
        with pytest.raises(SessionNotFound):
            use(session_id)
    with pytest.raises(TraceError, match="not a session id"):
        store.create(session_id)


def test_a_missing_state_folder_is_empty_and_stays_missing(state: Path, store: TraceStore) -> None:
    assert store.list() == []
    assert store.prune() == ()
    with pytest.raises(SessionNotFound):
        store.open(new_session_id())
    assert not state.exists()


def test_a_session_is_made_once(store: TraceStore) -> None:
    session_id = make(store)
    with pytest.raises(TraceError, match="exists already"):
        store.create(session_id)


# --- ownership ------------------------------------------------------------------------------------

OWNER = """
import sys
from pathlib import Path
from autopilot_ls.model.errors import SessionBusy
from autopilot_ls.trace.store import TraceStore
store = TraceStore(Path(sys.argv[1]))
for line in sys.stdin:
    try:
        if line == "open\\n":
            trace = store.open(sys.argv[2])
        else:
            trace.close()
        print("done", flush=True)
    except SessionBusy as error:
        print(error, flush=True)
"""


class Other:
    """Another process that opens and closes a session when it is told to."""

    def __init__(self, state: Path, session_id: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(state), session_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)

    def tell(self, what: str) -> str:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{what}\n")
        stdin.flush()
        return stdout.readline().strip()


def test_two_processes_never_own_one_session(state: Path, store: TraceStore) -> None:
    session_id = make(store)
    with Other(state, session_id) as other:
        assert other.tell("open") == "done"
        with pytest.raises(SessionBusy, match=f"process {other.process.pid}"):
            store.open(session_id)
        with pytest.raises(SessionBusy):
            store.delete(session_id)
        assert store.summary(session_id).in_use
        assert other.tell("close") == "done"
        with store.open(session_id):
            assert f"process {os.getpid()}" in other.tell("open")
        assert other.tell("open") == "done"
        other.process.kill()
        other.process.wait(20)
        assert not store.summary(session_id).in_use, "the system frees a dead owner's lock"
        store.open(session_id).close()


def test_one_process_does_not_own_a_session_twice(store: TraceStore) -> None:
    session_id = make(store)
    with store.open(session_id):
        with pytest.raises(SessionBusy):
            store.open(session_id)
        assert is_locked(store._folder(session_id))
    assert not is_locked(store._folder(session_id))
    store.open(session_id).close()


CONTENDER = """
import sys
from pathlib import Path
from autopilot_ls.model.errors import SessionBusy
from autopilot_ls.model.events import Event, Notice
from autopilot_ls.trace.store import TraceStore
store, won = TraceStore(Path(sys.argv[1])), 0
print("ready", flush=True)
sys.stdin.readline()
while won < 50:
    try:
        with store.open(sys.argv[2]) as trace:
            trace.record("in", [b"{}"])
            trace.append([Event(seq=trace.last_seq + 1, time=1.0, session_id=sys.argv[2],
                body=Notice(severity="info", code="c", message=sys.argv[3]))])
            won += 1
    except SessionBusy:
        store.list()
"""


def test_processes_that_contend_write_one_after_the_other(state: Path, store: TraceStore) -> None:
    session_id = make(store)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CONTENDER, str(state), session_id, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for number in range(2)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write(b"go\n")
            child.stdin.flush()
        for child in children:
            assert child.wait(60) == 0
    finally:
        for child in children:
            child.kill()
            child.communicate(timeout=20)
    bodies = [event.body for event in store.read_events(session_id)]
    texts = [body.message for body in bodies if isinstance(body, Notice)]
    assert (texts.count("0"), texts.count("1")) == (50, 50)
    assert [frame.number for frame in store.read_frames(session_id)] == list(range(1, 101))


def test_a_session_that_is_deleted_while_it_is_opened_is_not_there(
    store: TraceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = make(store)
    acquire = locks._acquire

    def delete_first(descriptor: int, name: str) -> None:
        monkeypatch.undo()
        store.delete(session_id)
        acquire(descriptor, name)

    monkeypatch.setattr(locks, "_acquire", delete_first)
    with pytest.raises(SessionNotFound, match="was deleted"):
        store.open(session_id)


# --- lists ----------------------------------------------------------------------------------------


def test_a_list_shows_what_was_kept_the_newest_first(store: TraceStore) -> None:
    first, second = make(store, NOW - 10), make(store, NOW)
    with store.open(first) as trace:
        trace.record("in", [b"{}"])
        append(trace, note(), at=NOW + 5)
        trace.update_summary(summary_of(first, updated_at=NOW + 5, size_bytes=7, in_use=True))
        size = trace.size_bytes
        assert [s.in_use for s in store.list()] == [True, False]
    listed = store.list()
    assert [s.id for s in listed] == [first, second]
    assert (listed[0].title, listed[1].title) == ("kept", "task")
    assert (listed[0].size_bytes, listed[0].in_use) == (size, False)
    assert store.summary(first) == listed[0]


def test_a_list_is_made_again_from_the_events(store: TraceStore) -> None:
    session_id = new_session_id()
    trace = store.create(session_id)
    assert store.list() == [], "a session without an event is none yet"
    with pytest.raises(SessionNotFound, match="no events"):
        store.summary(session_id)
    trap = '"body":{"type":"turnStarted"'
    append(trace, created(trap), ThreadOpened(how="started"), thread="thread-1")
    append(trace, TurnStarted(), TextDelta(item_id="i", field="text", text=trap))
    append(trace, TurnCompleted(status=TurnStatus.COMPLETED), SessionTitled(title="new title"))
    found = tuple(Finding(id=number, title="Odd") for number in "abc")
    append(trace, FindingsReported(findings=found), FindingsDismissed(finding_ids=("a",)))
    append(trace, ModeChanged(mode=Mode.READ_ONLY, changed_by="me"), TurnStarted(), at=NOW + 7)
    trace.close()
    expected = summary_of(
        session_id,
        title="new title",
        updated_at=NOW + 7,
        turns=2,
        state="unknown",
        mode=Mode.READ_ONLY,
        thread_id="thread-1",
        findings=2,
        size_bytes=trace.size_bytes,
    )
    assert store.list() == [expected]
    assert (trace.directory / SUMMARY_NAME).exists(), "made again once, then kept"
    assert store.list() == [expected]


@pytest.mark.parametrize(
    "content", ["", "{", "null", '{"version":2}', "x" * 300_000, '{"summary":{}}', "\0" * 50]
)
def test_a_damaged_summary_is_made_again(store: TraceStore, content: str) -> None:
    session_id = make(store)
    path = store._folder(session_id) / SUMMARY_NAME
    path.write_text(content)
    assert store.list()[0].title == "task"
    assert "task" in path.read_text()


def test_a_summary_of_another_session_is_not_believed(store: TraceStore) -> None:
    one, two = make(store), make(store)
    with store.open(one) as trace:
        trace.update_summary(summary_of(two))
    assert {s.id for s in store.list()} == {one, two}


def test_a_stale_summary_is_made_again_when_its_owner_died(store: TraceStore) -> None:
    session_id = new_session_id()
    trace = store.create(session_id)
    append(trace, created())
    trace.update_summary(summary_of(session_id, state="inProgress"))
    append(trace, SessionTitled(title="later"))
    assert store.summary(session_id).title == "kept", "the owner's word counts while it lives"
    assert store.summary(session_id).state == "inProgress"
    trace._summary = None  # As when the process is killed.
    trace.close()
    assert store.summary(session_id).title == "later"


def test_a_session_that_died_in_a_turn_is_unknown(store: TraceStore) -> None:
    session_id = new_session_id()
    with store.create(session_id) as trace:
        append(trace, created())
        trace.update_summary(summary_of(session_id, state="waiting"))
    assert store.summary(session_id).state == "unknown"


@pytest.mark.parametrize(
    "content", [b'{"a":1}\n', b'{"version":1,"seq":1,"body":{"type":"sessionCreated"}}\n']
)
def test_a_list_shows_unreadable_sessions_too(store: TraceStore, content: bytes) -> None:
    bad, good = make(store), make(store)
    (store._folder(bad) / EVENTS_NAME).write_bytes(content)
    states = {s.id: s.state for s in store.list()}
    assert states == {bad: "unreadable", good: "idle"}


def test_a_list_of_a_thousand_sessions_is_fast(store: TraceStore) -> None:
    for number in range(1_000):
        session_id = new_session_id(NOW - number * 60)
        with store.create(session_id) as trace:
            append(trace, created())
            trace.update_summary(summary_of(session_id, title="t" * 80))
    best = 60.0
    for _ in range(5):
        started = time.process_time()
        assert len(store.list()) == 1_000
        best = min(best, time.process_time() - started)
    # 0.03 s on the machine it was written on; slower ones are allowed for.
    assert best < 0.15


# --- reading --------------------------------------------------------------------------------------


def break_line(path: Path, number: int, content: bytes | None) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number - 1 : number] = [] if content is None else [content]
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    "content", [None, b"\n", b"\0\0\0\n", b'{"version":1,"seq":2,\n', b"{}\n", b"x" * 100 + b"\n"]
)
def test_events_that_are_broken_in_the_middle_are_never_skipped(
    store: TraceStore, content: bytes | None
) -> None:
    session_id = new_session_id()
    with store.create(session_id) as trace:
        append(trace, created(), note("2"), note("3"))
    break_line(trace.directory / EVENTS_NAME, 2, content)
    events = store.read_events(session_id)
    assert next(events).seq == 1
    with pytest.raises(TraceUnreadable, match=f"Line 2 of .*{session_id}"):
        next(events)


def test_a_file_without_one_sound_line_is_unreadable_not_empty(store: TraceStore) -> None:
    session_id = make(store)
    for name in (EVENTS_NAME, RAW_NAME):
        (store._folder(session_id) / name).write_bytes(b"not\nours\n")
    for read in (store.read_events, store.read_frames):
        with pytest.raises(TraceUnreadable, match="Line 1"):
            list(read(session_id))


def test_events_of_another_session_are_not_believed(store: TraceStore) -> None:
    one, two = make(store), make(store)
    content = (store._folder(one) / EVENTS_NAME).read_bytes()
    (store._folder(two) / EVENTS_NAME).write_bytes(content)
    with pytest.raises(TraceUnreadable, match=r"Line 1 .* of session"):
        list(store.read_events(two))


def test_a_broken_raw_line_is_shown_as_it_is(store: TraceStore) -> None:
    session_id = new_session_id()
    with store.create(session_id) as trace:
        trace.record("in", [b'{"a":1}', b'{"b":2}', b'{"c":3}'])
    break_line(trace.directory / RAW_NAME, 2, b'{"n":2,"t":1.0,\xff\0\n')
    frames = list(store.read_frames(session_id))
    assert [frame.direction for frame in frames] == ["in", "unknown", "in"]
    assert [frame.number for frame in frames] == [1, 2, 3]
    assert frames[1].text == '{"n":2,"t":1.0,\\xff\x00'


# --- deleting -------------------------------------------------------------------------------------


def test_deleting_takes_everything_and_refuses_what_is_in_use(store: TraceStore) -> None:
    session_id = make(store)
    folder = store._folder(session_id)
    (folder / "snapshots").mkdir()
    (folder / "snapshots" / "file").write_text("x")
    with store.open(session_id), pytest.raises(SessionBusy):
        store.delete(session_id)
    store.delete(session_id)
    assert list(folder.parent.iterdir()) == []
    with pytest.raises(SessionNotFound):
        store.delete(session_id)


def test_pruning_by_age(store: TraceStore) -> None:
    store = TraceStore(store._state_dir, limits=TraceLimits(max_age=10 * DAY))
    old, young = make(store, NOW - 11 * DAY), make(store, NOW - 9 * DAY)
    used = make(store, NOW - 12 * DAY)
    with store.open(used):
        removed = store.prune(NOW)
        assert [(p.session_id, p.reason) for p in removed] == [(old, "age")]
        assert removed[0].size_bytes > 0
    assert {s.id for s in store.list()} == {young, used}
    assert [p.session_id for p in store.prune(NOW)] == [used]


def test_pruning_by_size_takes_the_oldest_and_spares_what_is_in_use(store: TraceStore) -> None:
    limits = TraceLimits(max_age=0, max_total_bytes=35_000)
    store = TraceStore(store._state_dir, limits=limits)
    ids = [make(store, NOW - days * DAY, size=10_000) for days in (5, 4, 3, 2, 1)]
    with store.open(ids[0]):
        removed = store.prune(NOW)
    assert [(p.session_id, p.reason) for p in removed] == [(ids[1], "size"), (ids[2], "size")]
    assert [s.id for s in store.list()] == [ids[4], ids[3], ids[0]]
    assert store.prune(NOW) == ()


def test_pruning_by_size_spares_what_was_just_made(store: TraceStore) -> None:
    store = TraceStore(store._state_dir, limits=TraceLimits(max_total_bytes=1))
    young, old = make(store, NOW - 60), make(store, NOW - 7200)
    assert [p.session_id for p in store.prune(NOW)] == [old]
    assert [s.id for s in store.list()] == [young]


def test_pruning_without_limits_deletes_nothing(store: TraceStore) -> None:
    store = TraceStore(store._state_dir, limits=TraceLimits(0, 0, 0))
    session_id = make(store, 1_000_000.0, size=10_000)
    assert store.prune(NOW) == ()
    assert store.list()[0].id == session_id


def test_pruning_finishes_deletions_and_takes_what_never_began(store: TraceStore) -> None:
    session_id = make(store, NOW - DAY)
    root = store._folder(session_id).parent
    (root / ".deleted-20260101-000000-abcdef-77").mkdir()
    never = new_session_id()
    store.create(never).close()
    os.utime(root / never, (NOW - DAY, NOW - DAY))
    fresh = new_session_id()
    store.create(fresh).close()
    os.utime(root / fresh, (NOW - 60, NOW - 60))
    (root / "notes.txt").write_text("not ours")
    [removed] = store.prune(NOW)
    assert isinstance(removed, Pruned)
    assert (removed.session_id, removed.reason) == (never, "empty")
    assert {path.name for path in root.iterdir()} == {session_id, fresh, "notes.txt"}


def test_limits_come_from_the_settings() -> None:
    limits = TraceLimits.from_settings(
        TraceSettings(max_age_days=2, max_size_megabytes=3, max_session_megabytes=0)
    )
    assert limits == TraceLimits(2 * DAY, 3_000_000, 0)
    assert TraceLimits.from_settings(TraceSettings()) == TraceLimits()


# --- following ------------------------------------------------------------------------------------


async def test_following_shows_what_is_there_and_what_comes(store: TraceStore) -> None:
    session_id = new_session_id()
    trace = store.create(session_id)
    append(trace, created(), *(note(str(n)) for n in range(2_500)))
    seen: list[int] = []
    with anyio.fail_after(20):
        async with aclosing(store.follow(session_id, after=1, interval=0.01)) as events:
            async for event in events:
                seen.append(event.seq)
                if event.seq == 2_501:
                    append(trace, note("new"))
                elif event.seq == 2_502:
                    break
    trace.close()
    assert seen == list(range(2, 2_503))


def test_following_waits_for_the_whole_line(store: TraceStore) -> None:
    path = store._folder(make(store)) / EVENTS_NAME
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first)
    follower = Follower(path)
    seen: list[list[int]] = []
    for part in (b"", second[:1], second[1:-1], second[-1:], b""):
        with path.open("ab") as file:
            file.write(part)
        seen.append([event.seq for event in follower.step()])
    follower.close()
    assert seen == [[1], [], [], [2], []]


async def test_following_ends_when_the_owner_goes_or_the_session_is_deleted(
    store: TraceStore,
) -> None:
    session_id = make(store)
    trace = store.open(session_id)
    seen: list[int] = []
    with anyio.fail_after(20):
        async for event in store.follow(session_id, interval=0.01, stop_when_closed=True):
            seen.append(event.seq)
            if event.seq == 2:
                append(trace, note("last"))
                trace.close()
        assert seen == [1, 2, 3]
        async for event in store.follow(session_id, interval=0.01):
            if event.seq == 3:
                store.delete(session_id)
    with pytest.raises(SessionNotFound):
        store.follow(session_id)


async def test_following_can_be_cancelled_and_gives_its_file_back(store: TraceStore) -> None:
    session_id = make(store)
    before = open_files()
    with anyio.fail_after(20), anyio.CancelScope() as scope:
        async with aclosing(store.follow(session_id, interval=30)) as events:
            async for event in events:
                if event.seq == 2:
                    scope.cancel()
    assert scope.cancelled_caught
    assert open_files() == before


async def test_following_notices_damage_and_cuts(store: TraceStore) -> None:
    session_id = make(store)
    path = store._folder(session_id) / EVENTS_NAME
    with anyio.fail_after(20):
        async with aclosing(store.follow(session_id, interval=0.01)) as events:
            assert [(await anext(events)).seq, (await anext(events)).seq] == [1, 2]
            os.truncate(path, 10)
            with pytest.raises(TraceUnreadable, match="shortened"):
                await anext(events)
        path.write_bytes(b"garbage\n")
        async with aclosing(store.follow(session_id, interval=0.01)) as events:
            with pytest.raises(TraceUnreadable, match="Line 1"):
                await anext(events)


def test_reading_leaves_no_file_open(store: TraceStore) -> None:
    session_id = make(store)
    before = open_files()
    events = store.read_events(session_id)
    next(events)
    del events
    with suppress(StopIteration):
        next(store.read_frames(session_id))
    for _ in range(3):
        with pytest.raises(SessionNotFound):
            store.open(new_session_id())
        store.open(session_id).close()
        store.list()
    assert open_files() == before
