"""What is recorded is on disk, whole batches only, and a crash at any byte leaves a prefix."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import TraceError, TraceFull, TraceUnreadable
from autopilot_ls.model.events import Event, Notice, SessionCreated, TextDelta
from autopilot_ls.model.ids import new_session_id
from autopilot_ls.trace.lines import EVENTS_NAME, RAW_NAME, Frame
from autopilot_ls.trace.store import TraceLimits, TraceStore
from autopilot_ls.trace.writer import CLOSING_RESERVE

SESSION = "20261122-101500-abcdef"
NO_LIMIT = TraceLimits(max_session_bytes=0)


@pytest.fixture
def store(tmp_path: Path) -> TraceStore:
    return TraceStore(tmp_path / "state", limits=NO_LIMIT)


def event(seq: int, text: str = "x", frames: tuple[int, int] | None = None) -> Event:
    body = TextDelta(item_id="item", field="text", text=text)
    return Event(seq=seq, time=1.5, session_id=SESSION, frames=frames, body=body)


def written(store: TraceStore) -> tuple[list[Event], list[Frame]]:
    return list(store.read_events(SESSION)), list(store.read_frames(SESSION))


FRAMES = [
    b'{"method":"x","params":{"delta":"caf\xc3\xa9"}}',
    b"{}",
    b"not json",
    b"",
    b"two\nlines",
    b'{"two":\n1}',
    b"\xff\xfe\x00",
    b'{"bad utf-8":"\xff"}',
    b'{"nul":"\x00"}',
    b'{},"d":"out","n":99,"f":{}',
    b'"quoted" \\ "s":',
    "\ud83d\ude00 \U0001f600".encode("utf-8", "surrogatepass"),
    b"{",
    b"}",
    b"}\n{",
    b"[1]",
]


def test_every_frame_comes_back_byte_by_byte(store: TraceStore) -> None:
    with store.create(SESSION) as trace:
        assert trace.record("in", FRAMES) == 1
        assert trace.record("out", FRAMES[:2]) == len(FRAMES) + 1
        for number, frame in enumerate(FRAMES, len(FRAMES) + 3):
            assert trace.record("in", [frame]) == number
        assert trace.record("in", []) == 2 * len(FRAMES) + 3
    frames = list(store.read_frames(SESSION))
    assert [frame.data for frame in frames] == [*FRAMES, *FRAMES[:2], *FRAMES]
    assert [frame.number for frame in frames] == list(range(1, len(frames) + 1))
    outgoing = [frame.number for frame in frames if frame.direction == "out"]
    assert outgoing == [len(FRAMES) + 1, len(FRAMES) + 2]
    assert all(frame.time > 1_700_000_000 for frame in frames)
    assert frames[6].text == "\\xff\\xfe\x00"


def test_plain_frames_make_lines_of_json(store: TraceStore) -> None:
    with store.create(SESSION) as trace:
        trace.record("in", [b'{"id":1}', b"broken\n"])
        trace.record("in", [b'{"id":1}', b"broken", b'{"id":1}'])
        text = (trace.directory / RAW_NAME).read_text()
    first, second, *others = map(json.loads, text.splitlines())
    assert [other.get("s") for other in others] == [None, "broken", None]
    assert first["f"] == {"id": 1}
    assert (second["n"], second["d"], second["s"]) == (2, "in", "broken\n")


def test_events_come_back_and_must_follow_one_another(store: TraceStore) -> None:
    events = [event(1, "line\nend\u2028\x00"), event(2, "😀", (1, 3)), event(3)]
    with store.create(SESSION) as trace:
        trace.append(events[:1])
        trace.append([])
        trace.append(events[1:])
        assert trace.last_seq == 3
        for wrong in ([event(3)], [event(5)], [event(4), event(6)]):
            with pytest.raises(ValueError, match="does not follow"):
                trace.append(wrong)
        with pytest.raises(ValueError, match="does not follow"):
            trace.append([event(4).model_copy(update={"session_id": new_session_id()})])
        assert trace.last_seq == 3
    assert list(store.read_events(SESSION)) == events


@pytest.mark.parametrize("text", ["/caf\udce9", "a\udc80 \ud83d", "\ud800\ue000\\ud800"])
def test_text_that_is_no_unicode_is_recorded_too(store: TraceStore, text: str) -> None:
    created = SessionCreated(cwd=text, runtime="codex", mode=Mode.PROPOSE, title="t")
    events = [Event(seq=1, time=1.0, session_id=SESSION, body=created), event(2, text)]
    with store.create(SESSION) as trace:
        trace.append(events)
    with store.open(SESSION) as trace:
        assert (trace.repairs, trace.last_seq) == ((), 2)
    assert list(store.read_events(SESSION)) == events
    assert store.summary(SESSION).cwd == text
    assert store.summary(SESSION).cwd == text, "made again, then kept"


def test_numbers_go_on_after_reopening(store: TraceStore) -> None:
    with store.create(SESSION) as trace:
        trace.record("in", [b"{}", b"x"])
        trace.append([event(1)])
    with store.open(SESSION) as trace:
        assert (trace.last_seq, trace.repairs) == (1, ())
        assert trace.record("out", [b"{}"]) == 3
        trace.append([event(2)])
    assert [e.seq for e in written(store)[0]] == [1, 2]


def test_every_batch_is_one_system_call(store: TraceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = os.write

    def counting(descriptor: int, data: bytes) -> int:
        sizes.append(len(data))
        return write(descriptor, data)

    with store.create(SESSION) as trace:
        monkeypatch.setattr(os, "write", counting)
        trace.record("in", [b"{}"] * 300)
        trace.append([event(n) for n in range(1, 101)])
        monkeypatch.undo()
    assert len(sizes) == 2


def test_short_writes_are_continued(store: TraceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with store.create(SESSION) as trace:
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:7])))
        trace.record("in", FRAMES)
        trace.append([event(1)])
        monkeypatch.undo()
    events, frames = written(store)
    assert events == [event(1)]
    assert [frame.data for frame in frames] == FRAMES


def run_limited(code: str, *arguments: object) -> str:
    """Run code in a child, since a limit on the size of files holds for a whole process."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


DISK_FULL = """
import resource, sys
from pathlib import Path
from autopilot_ls.model.approvals import Mode
from autopilot_ls.model.errors import TraceFull
from autopilot_ls.model.events import Event, Notice
from autopilot_ls.trace.store import TraceStore
trace = TraceStore(Path(sys.argv[1])).create(sys.argv[2])
event = lambda seq, text="x": Event(seq=seq, time=1.0, session_id=sys.argv[2],
    body=Notice(severity="info", code="c", message=text))
trace.record("in", [b"{}"] * 3)
trace.append([event(1)])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
for write in (lambda: trace.record("in", [b'{"x":"' + b"y" * 50 + b'"}'] * 100),
              lambda: trace.append([event(2), event(3, "z" * 5000)])):
    try:
        write()
    except TraceFull as error:
        print(error)
    else:
        sys.exit("was not refused")
assert trace.last_seq == 1
print(trace.record("out", [b'{"declined":1}']))
trace.append([event(2)])
trace.close()
"""


def test_a_file_that_can_grow_no_more_keeps_whole_batches_only(tmp_path: Path) -> None:
    said = run_limited(DISK_FULL, tmp_path / "state", SESSION)
    assert said.count("File too large") == 2
    assert "Make room" in said
    assert said.splitlines()[-1] == "4"
    store = TraceStore(tmp_path / "state")
    events, frames = written(store)
    assert [e.seq for e in events] == [1, 2]
    assert [f.data for f in frames] == [b"{}"] * 3 + [b'{"declined":1}']
    with store.open(SESSION) as trace:
        assert trace.repairs == ()


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, *names: str) -> Generator[None]:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        for name in names:
            patched.setattr(os, name, fail)
        yield


if sys.platform == "linux":
    # The only system with a device that is always full.

    def test_a_full_device_is_reported_as_full(store: TraceStore) -> None:
        with store.create(SESSION) as trace:
            full = os.open("/dev/full", os.O_WRONLY)
            kept = os.dup(trace._raw.descriptor)
            os.dup2(full, trace._raw.descriptor)
            with pytest.raises(TraceFull, match="No space left on device"):
                trace.record("in", [b"{}"])
            # A device cannot be cut to its former size, so what it holds is unknown from now on.
            os.dup2(kept, trace._raw.descriptor)
            with pytest.raises(TraceFull):
                trace.record("in", [b"{}"])
            os.close(full)
            os.close(kept)


def test_after_an_unknown_end_nothing_more_is_taken(
    store: TraceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.create(SESSION) as trace:
        with failing(monkeypatch, "write", "ftruncate"), pytest.raises(TraceFull):
            trace.append([event(1)])
        with pytest.raises(TraceFull):
            trace.append([event(1)])
        assert trace.record("in", [b"{}"]) == 1


def test_after_a_failed_sync_nothing_more_is_taken(
    store: TraceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.create(SESSION) as trace:
        trace.record("in", [b"{}"])
        with failing(monkeypatch, "fsync"), pytest.raises(TraceFull):
            trace.sync()
        with pytest.raises(TraceFull):
            trace.sync()
        with pytest.raises(TraceFull):
            trace.record("out", [b"{}"])


def test_only_what_is_new_is_synced_and_both_files_are(
    store: TraceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(Path(f"/dev/fd/{descriptor}").resolve().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    with store.create(SESSION) as trace:
        trace.record("in", [b"{}"])
        trace.append([event(1)])
        trace.sync()
        assert synced == [RAW_NAME, EVENTS_NAME, SESSION, "sessions"]
        trace.sync()
        trace.append([event(2)])
        trace.sync()
        assert synced[4:] == [EVENTS_NAME]
        trace.append([event(3)])
    with pytest.raises(TraceFull, match="closed before it was synced"):
        trace.sync()


def test_sync_runs_beside_writing_and_closing(store: TraceStore) -> None:
    trace = store.create(SESSION)
    failures: list[BaseException] = []
    stop = threading.Event()

    def sync() -> None:
        try:
            while not stop.is_set():
                trace.sync()
        except BaseException as error:  # noqa: BLE001
            if "closed before" not in str(error):
                failures.append(error)

    thread = threading.Thread(target=sync)
    thread.start()
    for number in range(1, 200):
        trace.record("in", [b"{}"])
        trace.append([event(number)])
    trace.close()
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    assert failures == []
    assert len(written(store)[0]) == 199


def test_a_closed_record_takes_nothing(store: TraceStore) -> None:
    trace = store.create(SESSION)
    trace.close()
    trace.close()
    trace.sync()
    with pytest.raises(TraceFull):
        trace.record("in", [b"{}"])
    with pytest.raises(TraceFull):
        trace.append([event(1)])


def test_at_the_limit_the_agent_is_not_heard_but_can_be_declined(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "state", limits=TraceLimits(max_session_bytes=10_000))
    frame = b'{"x":"' + b"y" * 1_000 + b'"}'
    with store.create(SESSION) as trace:
        for _ in range(9):
            trace.record("in", [frame])
        with pytest.raises(TraceFull, match="limit of 0 megabytes") as caught:
            trace.record("in", [frame])
        assert "maxSessionMegabytes" in caught.value.advice
        number = trace.record("out", [frame])
        assert number == 10
        trace.append([event(1, "declined" * 100)])
        with pytest.raises(TraceFull):
            trace.append([event(2, "z" * CLOSING_RESERVE)])
        assert trace.size_bytes < 10_000 + CLOSING_RESERVE
    with store.open(SESSION) as trace, pytest.raises(TraceFull):
        trace.record("in", [frame])


# --- crashes --------------------------------------------------------------------------------------


def files(store: TraceStore) -> tuple[Path, Path]:
    folder = store._folder(SESSION)
    return folder / RAW_NAME, folder / EVENTS_NAME


@pytest.mark.parametrize(
    "torn",
    [
        b'{"version":1,"seq":3,"ti',
        b"\0" * 200_000,
        b'{"version":1,"se\0\0\0\0}\n\0\0\n\n',
        b"\n",
        b'{"n":3,"t":1.000000,"d":"in","f":{\0\0}}\n',
        b"garbage\n" * 20_000,
        b"{" + b"x" * 300_000,
    ],
)
def test_what_a_crash_tore_is_taken_out_and_kept(store: TraceStore, torn: bytes) -> None:
    with store.create(SESSION) as trace:
        trace.record("in", [b"{}", b"x" * 100_000])
        trace.append([event(1), event(2, "y" * 100_000)])
    for path in files(store):
        with path.open("ab") as file:
            file.write(torn)
    assert [e.seq for e in written(store)[0]] == [1, 2], "reading needs no repair"
    assert [f.number for f in written(store)[1]] == [1, 2]
    with store.open(SESSION) as trace:
        assert [repair.size for repair in trace.repairs] == [len(torn)] * 2
        assert "unfinished record" in str(trace.repairs[0])
        assert trace.last_seq == 2
        assert trace.record("in", [b"{}"]) == 3
        trace.append([event(3)])
    for path in files(store):
        kept = path.with_name(path.name + ".torn")
        assert kept.read_bytes() == torn + b"\n"
        assert kept.stat().st_mode & 0o777 == 0o600
    with store.open(SESSION) as trace:
        assert trace.repairs == ()
    assert [e.seq for e in written(store)[0]] == [1, 2, 3]


def test_a_record_that_is_nothing_but_torn_begins_again(store: TraceStore) -> None:
    store.create(SESSION).close()
    for path in files(store):
        path.write_bytes(b'{"half')
    with store.open(SESSION) as trace:
        assert len(trace.repairs) == 2
        assert trace.record("in", [b"{}"]) == 1
        trace.append([event(1)])
    assert len(written(store)[0]) == 1


def test_when_the_torn_bytes_cannot_be_kept_nothing_is_taken_out(store: TraceStore) -> None:
    with store.create(SESSION) as trace:
        trace.append([event(1)])
    _, events = files(store)
    with events.open("ab") as file:
        file.write(b"torn")
    before = events.read_bytes()
    events.with_name(EVENTS_NAME + ".torn").symlink_to("elsewhere")
    with pytest.raises(TraceError):
        store.open(SESSION)
    assert events.read_bytes() == before
    events.with_name(EVENTS_NAME + ".torn").unlink()
    store.open(SESSION).close()


def test_an_event_of_a_newer_version_is_no_damage(store: TraceStore) -> None:
    with store.create(SESSION) as trace:
        trace.append([event(1)])
    _, events = files(store)
    newer = b'{"version":1,"seq":2,"time":1.0,"sessionId":"x","body":{"type":"fromTheFuture"}}\n'
    with events.open("ab") as file:
        file.write(newer)
    with store.open(SESSION) as trace:
        assert (trace.repairs, trace.last_seq) == ((), 2)
    with pytest.raises(TraceUnreadable, match=r"Line 2 .* does not know"):
        list(store.read_events(SESSION))
    with events.open("ab") as file:
        file.write(b'{"some":"thing"}\n')
    with pytest.raises(TraceUnreadable, match="not an event"):
        store.open(SESSION)
    # A refused record is given back.
    with pytest.raises(TraceUnreadable, match="not an event"):
        store.open(SESSION)


def test_numbers_of_frames_that_a_power_cut_took_are_not_given_again(store: TraceStore) -> None:
    with store.create(SESSION) as trace:
        trace.record("in", [b"{}"] * 9)
        trace.append([event(1, '"frames":[1,77]', (1, 9)), event(2)])
    raw, _ = files(store)
    os.truncate(raw, raw.stat().st_size // 2)
    with store.open(SESSION) as trace:
        assert trace.record("in", [b"{}"]) == 10


def test_frames_without_events_are_kept(store: TraceStore) -> None:
    with store.create(SESSION) as trace:
        trace.record("in", [b"{}"])
        trace.append([event(1, frames=(1, 1))])
        trace.record("in", [b"{}", b"{}"])
    with store.open(SESSION) as trace:
        assert trace.repairs == ()
        assert trace.record("in", [b"{}"]) == 4


BATCHES = st.lists(
    st.one_of(
        st.tuples(
            st.just("in"),
            st.lists(st.one_of(st.binary(max_size=30), st.sampled_from(FRAMES)), max_size=4),
        ),
        st.tuples(st.just("events"), st.lists(st.text(max_size=30), max_size=4)),
    ),
    max_size=6,
)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=BATCHES, raw_cut=st.floats(0, 1), events_cut=st.floats(0, 1))
def test_killed_at_any_byte_the_record_is_a_prefix(
    tmp_path: Path,
    batches: list[tuple[str, list[bytes] | list[str]]],
    raw_cut: float,
    events_cut: float,
) -> None:
    shutil.rmtree(tmp_path / "state", ignore_errors=True)
    store = TraceStore(tmp_path / "state", limits=NO_LIMIT)
    sent: list[bytes] = []
    facts: list[Event] = []
    with store.create(SESSION) as trace:
        for kind, values in batches:
            if kind == "in":
                frames = [value for value in values if isinstance(value, bytes)]
                trace.record("in", frames)
                sent += frames
            else:
                texts = [value for value in values if isinstance(value, str)]
                events = [event(len(facts) + n, text) for n, text in enumerate(texts, 1)]
                trace.append(events)
                facts += events
    ends: list[int] = []
    contents: list[bytes] = []
    for path, cut in zip(files(store), (raw_cut, events_cut), strict=True):
        content = path.read_bytes()
        end = round(len(content) * cut)
        os.truncate(path, end)
        ends.append(content.count(b"\n", 0, end))
        contents.append(content[:end])
    for _ in range(2):
        events_read, frames_read = written(store)
        assert [frame.data for frame in frames_read] == sent[: ends[0]]
        assert events_read == facts[: ends[1]]
        with store.open(SESSION) as trace:
            assert trace.last_seq == ends[1]
            assert trace.record("in", []) == ends[0] + 1
    for path, content in zip(files(store), contents, strict=True):
        torn = path.with_name(path.name + ".torn")
        aside = torn.read_bytes()[:-1] if torn.exists() else b""
        assert path.read_bytes() + aside == content, "nothing was lost silently"


KILLED = """
import sys
from pathlib import Path
from autopilot_ls.model.events import Event, Notice
from autopilot_ls.trace.store import TraceStore
trace = TraceStore(Path(sys.argv[1])).create(sys.argv[2])
seq = 0
while True:
    number = trace.record("in", [b'{"n":1}'] * 50)
    trace.append([Event(seq=(seq := seq + 1), time=1.0, session_id=sys.argv[2],
        frames=(number, number + 49), body=Notice(severity="info", code="c", message="m" * 300))])
    print(seq, flush=True)
"""


def test_what_a_killed_process_said_it_recorded_is_there(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(state), SESSION],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as child:
        assert child.stdout is not None
        for _ in range(200):
            child.stdout.readline()
        child.kill()
        told = 200 + child.stdout.read().count(b"\n")
    store = TraceStore(state)
    with store.open(SESSION) as trace:
        assert trace.last_seq >= told
    events, frames = written(store)
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1].body, Notice)
    assert len(frames) >= 50 * len(events)


def test_opening_reads_only_the_end(store: TraceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.create(SESSION) as trace:
        for start in range(1, 20_001, 1_000):
            trace.record("in", [b'{"x":"' + b"y" * 500 + b'"}'] * 1_000)
            trace.append([event(n, "z" * 500) for n in range(start, start + 1_000)])
    size = trace.size_bytes
    got: list[int] = []
    read = os.read

    def counting(descriptor: int, length: int) -> bytes:
        data = read(descriptor, length)
        got.append(len(data))
        return data

    monkeypatch.setattr(os, "read", counting)
    store.open(SESSION).close()
    assert size > 10_000_000
    assert sum(got) < 1_000_000


def test_recording_a_flood_costs_little(store: TraceStore) -> None:
    frames = [b'{"method":"item/agentMessage/delta","params":{"delta":"' + b"x" * 93 + b'"}}'] * 300
    best = 60.0
    with store.create(SESSION) as trace:
        for _ in range(5):
            started = time.process_time()
            for _ in range(100):
                trace.record("in", frames)
            best = min(best, time.process_time() - started)
    # 2.4 million on the machine it was written on; the floor leaves room for slow and busy ones.
    assert 300 * 100 / best > 300_000
