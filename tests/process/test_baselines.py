"""Baselines with the real git: exactly what changed, in work trees that mean no good."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from anyio.abc import TaskGroup
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autopilot_ls.edits.baselines import damage, hunks
from autopilot_ls.edits.baselines.baselines import Baselines
from autopilot_ls.edits.baselines.values import Baseline, BaselineLimits, Change, ChangedFile
from autopilot_ls.edits.lines import splice, split
from autopilot_ls.model.errors import BaselineUnavailable

GIT = shutil.which("git") or "git"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def make(workspace: Path, home: Path, limits: BaselineLimits | None = None) -> Baselines:
    store = workspace.parent / "state" / "baselines"
    store.mkdir(parents=True, exist_ok=True)
    environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return Baselines(store, workspace, limits=limits, environ=environ)


@pytest.fixture
def baselines(workspace: Path, home: Path) -> Baselines:
    return make(workspace, home)


def git(folder: Path, *arguments: str) -> str:
    identity = [
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@example.org",
        "-c",
        "init.defaultBranch=main",
    ]
    return subprocess.run(
        [GIT, *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def by_path(files: tuple[ChangedFile, ...]) -> dict[str, Change]:
    return {one.path: one.change for one in files}


async def changed(baselines: Baselines, since: str) -> dict[str, Change]:
    return by_path((await baselines.changes(since)).files)


# -- the difference is exact

Tree = dict[bytes, tuple[str, bytes]]

PARTS = st.sampled_from(
    [b"a", b"b", b"c.txt", b"A", b"-x", b"with space", b"new\nline", b'quo"te', b"back\\slash", b"\xff\xfe",
     b"\xc3\xa9", b"e\xcc\x81", b":(top)x", b"*", b"tab\t", b"git~1", b"~", b" ", b"sub"]
)  # fmt: skip
PATHS = st.lists(PARTS, min_size=1, max_size=3).map(b"/".join)
DATA = st.one_of(
    st.sampled_from(
        [b"", b"\r\n", b"a\r\nb\n", b"\xef\xbb\xbfx", b"$Id$\n", b"\0bin\0", b"x" * 70_000, b"\n"]
    ),
    st.binary(max_size=40),
)
NODES = st.one_of(
    st.tuples(st.sampled_from(["file", "executable"]), DATA),
    st.tuples(st.just("link"), st.sampled_from([b"a", b"..", b"/etc/passwd", b"\xff", b"sub/a"])),
)
TREES = st.dictionaries(PATHS, NODES, max_size=8)


def build(root: Path, tree: Tree) -> Tree:
    """Make the folder exactly this tree; return what of it can exist at once."""
    for path in root.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    made: Tree = {}
    for path, (kind, data) in tree.items():
        parents = [path[:index] for index, one in enumerate(path) if one == ord("/")]
        if any(one in made for one in parents) or any(one.startswith(path + b"/") for one in made):
            continue
        full = root / os.fsdecode(path)
        full.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            full.symlink_to(os.fsdecode(data))
        else:
            full.write_bytes(data)
            full.chmod(0o755 if kind == "executable" else 0o644)
        made[path] = (kind, data)
    return made


def expected(old: Tree, new: Tree) -> dict[str, Change]:
    result: dict[str, Change] = {}
    for path in old.keys() | new.keys():
        before, after = old.get(path), new.get(path)
        if before == after:
            continue
        name = os.fsdecode(path)
        if before is None:
            result[name] = Change.ADD
        elif after is None:
            result[name] = Change.DELETE
        elif (before[0] == "link") != (after[0] == "link"):
            result[name] = Change.TYPE
        elif before[1] == after[1]:
            result[name] = Change.MODE
        else:
            result[name] = Change.UPDATE
    return result


@pytest.mark.timeout(300)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees=st.lists(TREES, min_size=2, max_size=4))
def test_any_two_moments_differ_by_exactly_what_was_done(trees: list[Tree]) -> None:
    async def story(folder: Path) -> None:
        workspace, home = folder / "workspace", folder / "home"
        workspace.mkdir()
        home.mkdir()
        baselines = make(workspace, home)
        moments: list[tuple[str, Tree]] = []
        for tree in trees:
            made = build(workspace, tree)
            baseline = await baselines.take()
            assert baseline.files == len(made)
            for path, (_, data) in made.items():
                assert await baselines.read(baseline.id, os.fsdecode(path)) == data
            moments.append((baseline.id, made))
            # Through the disk, and between any two that were taken.
            for earlier, before in moments:
                found = await baselines.changes(earlier)
                assert by_path(found.files) == expected(before, made)
                assert all(one.certain for one in found.files)
                assert by_path((await baselines.changes(earlier, baseline.id)).files) == expected(
                    before, made
                )

    with tempfile.TemporaryDirectory() as name:
        anyio.run(story, Path(name))


async def test_sides_tell_modes_sizes_and_contents(workspace: Path, baselines: Baselines) -> None:
    (workspace / "a").write_bytes(b"one\r\n")
    (workspace / "b").write_bytes(b"same")
    base = await baselines.take()
    (workspace / "a").write_bytes(b"two\n\0")
    (workspace / "b").chmod(0o755)
    found = {one.path: one for one in (await baselines.changes(base.id)).files}
    first = found["a"]
    assert first.before is not None
    assert first.after is not None
    assert (first.before.mode, first.before.size, first.after.size) == (0o100644, 5, 5)
    assert first.binary is True
    contents = await baselines.contents([first.before.blob, first.after.blob])
    assert contents == {first.before.blob: b"one\r\n", first.after.blob: b"two\n\0"}
    second = found["b"]
    assert second.change is Change.MODE
    assert second.after is not None
    assert second.after.mode == 0o100755


async def test_an_unchanged_workspace_has_the_same_baseline(
    workspace: Path, baselines: Baselines
) -> None:
    (workspace / "a").write_text("a")
    one = await baselines.take()
    assert (await baselines.take()).id == one.id
    assert (await baselines.changes(one.id)).files == ()


async def test_a_change_with_its_time_set_back_is_seen(workspace: Path, home: Path) -> None:
    # In the same second, of the same size, in the same inode: git alone would not see it.
    for number in range(5):
        baselines = make(workspace, home)
        file = workspace / f"f{number}"
        file.write_text("old")
        os.utime(file, (1e9, 1e9))
        base = await baselines.take()
        assert (await baselines.take()).id == base.id
        file.write_text("new")
        os.utime(file, (1e9, 1e9))
        assert await changed(baselines, base.id) == {f"f{number}": Change.UPDATE}


async def test_an_empty_workspace_can_be_taken(workspace: Path, baselines: Baselines) -> None:
    base = await baselines.take()
    (workspace / "a").write_text("a")
    assert await changed(baselines, base.id) == {"a": Change.ADD}
    (workspace / "a").unlink()
    assert await changed(baselines, base.id) == {}


async def test_a_rename_is_shown_as_one_but_stays_two_changes(
    workspace: Path, baselines: Baselines
) -> None:
    (workspace / "old.py").write_text("".join(f"line {one}\n" for one in range(50)))
    base = await baselines.take()
    (workspace / "old.py").rename(workspace / "new.py")
    with (workspace / "new.py").open("a") as file:
        file.write("more\n")
    files = (await baselines.changes(base.id)).files
    assert by_path(files) == {"old.py": Change.DELETE, "new.py": Change.ADD}
    assert next(one for one in files if one.path == "new.py").moved_from == "old.py"


# -- hunks

LINES = st.lists(
    st.sampled_from(
        [b"a", b"b", b"", b"@@ -1 +1 @@", b"\xf0\x9f\x98\x80", b"x\x0cy", b"\xe2\x80\xa8"]
    ).flatmap(lambda text: st.sampled_from([b"\n", b"\r\n", b"\r"]).map(lambda end: text + end)),
    max_size=30,
)
TEXTS = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf"]), LINES, st.sampled_from([b"", b"last"])
).map(lambda parts: parts[0] + b"".join(parts[1]) + parts[2])


@settings(max_examples=40)
@given(
    pairs=st.lists(st.tuples(TEXTS, TEXTS), min_size=5, max_size=5), few=st.sampled_from([0, 400])
)
def test_edits_make_exactly_the_new_text(pairs: list[tuple[bytes, bytes]], few: int) -> None:
    async def story(folder: Path) -> None:
        (folder / "workspace").mkdir()
        (folder / "home").mkdir()
        baselines = make(folder / "workspace", folder / "home")
        for old, new in pairs:
            edits = await baselines.edits_between(old, new)
            assert splice(split(old), [edit for edit, _ in edits]) == new
            after = split(new)
            for edit, at in edits:
                assert tuple(after[at : at + len(edit.new)]) == edit.new
            # Between two of them stands a line that did not change.
            ends = [edit.end for edit, _ in edits]
            assert all(edit.start > end for (edit, _), end in zip(edits[1:], ends, strict=False))

    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(hunks, "FEW", few)
        anyio.run(story, Path(name))


async def test_a_long_file_has_its_hunks_soon(workspace: Path, baselines: Baselines) -> None:
    lines = [b"line %d\r\n" % (one % 999) for one in range(50_000)]
    (workspace / "a").write_bytes(b"".join(lines))
    base = await baselines.take()
    lines[10] = b"\n"
    lines[25_000:25_000] = [b"new\r"]
    del lines[40_000:40_010]
    lines[-1] = b"no end"
    (workspace / "a").write_bytes(b"".join(lines))
    (changed_file,) = (await baselines.changes(base.id)).files
    change = await baselines.file_change(changed_file, name="r1")
    assert change.problem == ""
    assert [len(one.old_lines) for one in change.hunks] == [1, 0, 10, 1]
    assert [one.old_start for one in change.hunks] == [11, 25_001, 40_000, 50_000]
    assert change.hunks[0].id == "r1-h0"
    # All of it different is the worst case.
    other = b"".join(b"other %d\n" % one for one in range(50_000))
    with anyio.fail_after(30):
        edits = await baselines.edits_between(b"".join(lines), other)
    assert splice(split(b"".join(lines)), [edit for edit, _ in edits]) == other


async def test_what_cannot_be_shown_by_lines_says_why(
    workspace: Path, baselines: Baselines
) -> None:
    for name in ("binary", "latin", "link", "mode", "\udcff"):
        (workspace / name).write_text("x")
    base = await baselines.take()
    (workspace / "binary").write_bytes(b"\0")
    (workspace / "latin").write_bytes(b"\xe9")
    (workspace / "link").unlink()
    (workspace / "link").symlink_to("binary")
    (workspace / "mode").chmod(0o755)
    (workspace / "\udcff").write_text("y")
    (workspace / "empty").write_bytes(b"")
    problems: dict[str, str] = {}
    for one in (await baselines.changes(base.id)).files:
        change = await baselines.file_change(one, name="r")
        change.model_dump_json()
        assert change.hunks == ()
        problems[one.path] = change.problem
    assert problems == {
        "binary": "It is binary.",
        "latin": "It is not UTF-8.",
        "link": "It is a symbolic link.",
        "mode": "Only its executable bit changed.",
        "\udcff": "Its name is not UTF-8.",
        "empty": "",
    }


# -- what a repository could do


def marker(folder: Path, name: str) -> tuple[Path, str]:
    ran = folder / f"ran-{name}"
    program = folder / f"run-{name}"
    program.write_text(f"#!/bin/sh\necho ran >> '{ran}'\ncat\n")
    program.chmod(0o755)
    return ran, str(program)


async def test_nothing_of_the_repository_or_user_is_executed_or_obeyed(
    tmp_path: Path, workspace: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran, program = marker(tmp_path, "program")
    config = (
        f"[core]\n fsmonitor = {program}\n hooksPath = {tmp_path}/hooks\n autocrlf = true\n eol = crlf\n"
        f" attributesFile = {tmp_path}/attributes\n pager = {program}\n"
        f'[filter "evil"]\n clean = {program}\n smudge = {program}\n process = {program}\n required = true\n'
        f'[diff]\n external = {program}\n[diff "evil"]\n textconv = {program}\n command = {program}\n'
        f"[alias]\n status = !{program}\n cat-file = !{program}\n"
    )
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "reference-transaction", "pre-commit"):
        shutil.copy(program, hooks / name)
    (tmp_path / "attributes").write_text("* filter=evil\n")
    git(workspace, "init", "-q")
    with (workspace / ".git" / "config").open("a") as file:
        file.write(config)
    (home / ".gitconfig").write_text(config)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", program)
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere"))
    attributes = (
        "[attr]all text eol=crlf ident filter=evil diff=evil merge=evil working-tree-encoding=UTF-16\n"
        "* all\n* text=auto eol=lf filter=evil diff=evil ident working-tree-encoding=UTF-16\n"
    )
    (workspace / ".gitattributes").write_text(attributes)
    (workspace / "sub").mkdir()
    (workspace / "sub" / ".gitattributes").write_text(attributes.partition("\n")[2])
    (workspace / "sub" / "a").write_bytes(b"$Id$\na\r\nb\n")
    (workspace / "utf").write_bytes("x\n".encode("utf-16"))
    baselines = make(workspace, home)
    base = await baselines.take()
    assert await baselines.read(base.id, "sub/a") == b"$Id$\na\r\nb\n"
    assert await baselines.read(base.id, "utf") == "x\n".encode("utf-16")
    # A change of nothing but line ends, which normalising attributes would hide.
    (workspace / "sub" / "a").write_bytes(b"$Id$\na\nb\r\n")
    found = await baselines.changes(base.id)
    assert by_path(found.files) == {"sub/a": Change.UPDATE}
    (workspace / "sub" / "a").write_bytes(b"$Id: x $\na\r\nb\n")
    assert await changed(baselines, base.id) == {"sub/a": Change.UPDATE}
    assert not ran.exists()
    assert not (tmp_path / "elsewhere").exists()


async def test_what_was_put_into_the_store_is_not_obeyed(
    tmp_path: Path, workspace: Path, baselines: Baselines
) -> None:
    ran, program = marker(tmp_path, "program")
    (workspace / "a").write_text("a")
    base = await baselines.take()
    private = baselines.folder / "git"
    with (private / "config").open("a") as file:
        file.write(f"[core]\n fsmonitor = {program}\n[diff]\n external = {program}\n")
    (private / "hooks").mkdir()
    shutil.copy(program, private / "hooks" / "post-index-change")
    (private / "info" / "attributes").unlink()
    (private / "info" / "attributes").symlink_to(tmp_path / "nowhere")
    (private / "objects" / "info" / "alternates").write_text("/nonexistent\n")
    (private / "index.lock").write_text("")
    (workspace / "a").write_text("b")
    assert await changed(baselines, base.id) == {"a": Change.UPDATE}
    assert not ran.exists()
    assert not (tmp_path / "nowhere").exists()


async def test_the_users_repository_is_neither_read_nor_touched(
    workspace: Path, baselines: Baselines
) -> None:
    git(workspace, "init", "-q")
    (workspace / "tracked").write_text("1")
    git(workspace, "add", "-A")
    git(workspace, "commit", "-qm", "x")
    before = {
        str(path): path.read_bytes() for path in (workspace / ".git").rglob("*") if path.is_file()
    }
    base = await baselines.take()
    (workspace / "tracked").write_text("2")
    assert await changed(baselines, base.id) == {"tracked": Change.UPDATE}
    after = {
        str(path): path.read_bytes() for path in (workspace / ".git").rglob("*") if path.is_file()
    }
    assert after == before


async def test_files_of_nested_repositories_are_files_of_the_workspace(
    workspace: Path, baselines: Baselines
) -> None:
    inner = workspace / "vendor" / "inner"
    deep = inner / "deep"
    deep.mkdir(parents=True)
    for folder in (workspace, inner, deep):
        git(folder, "init", "-q")
        (folder / "file").write_text("1")
    git(inner, "add", "file")
    git(inner, "commit", "-qm", "x")
    (inner / ".gitignore").write_text("*.log\n")
    (inner / "x.log").write_text("")
    base = await baselines.take()
    assert await baselines.read(base.id, "vendor/inner/deep/file") == b"1"
    assert await baselines.read(base.id, "vendor/inner/x.log") is None
    (inner / "file").write_text("2")
    (deep / "more").write_text("2")
    (inner / ".git" / "description").write_text("not covered")
    assert await changed(baselines, base.id) == {
        "vendor/inner/file": Change.UPDATE,
        "vendor/inner/deep/more": Change.ADD,
    }
    # A commit there changes nothing here.
    git(inner, "add", "file", ".gitignore")
    git(inner, "commit", "-qm", "y")
    assert len(await changed(baselines, base.id)) == 2


async def test_a_folder_that_becomes_a_repository_stays_covered(
    workspace: Path, baselines: Baselines
) -> None:
    (workspace / "sub").mkdir()
    (workspace / "sub" / "a").write_text("1")
    (workspace / "was-file").write_text("1")
    base = await baselines.take()
    (workspace / "was-file").unlink()
    (workspace / "was-file").mkdir()
    for name in ("sub", "was-file", "fresh"):
        folder = workspace / name
        folder.mkdir(exist_ok=True)
        (folder / "b").write_text("2")
        git(folder, "init", "-q")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "x")
    (workspace / "sub" / "a").write_text("2")
    assert await changed(baselines, base.id) == {
        "sub/a": Change.UPDATE,
        "sub/b": Change.ADD,
        "was-file": Change.DELETE,
        "was-file/b": Change.ADD,
        "fresh/b": Change.ADD,
    }


# -- files that are none


async def test_queues_sockets_and_loops_do_not_block_or_break(
    workspace: Path, baselines: Baselines
) -> None:
    (workspace / "a").write_text("a")
    (workspace / "becomes-queue").write_text("a")
    base = await baselines.take()
    os.mkfifo(workspace / "queue")
    (workspace / "becomes-queue").unlink()
    os.mkfifo(workspace / "becomes-queue")
    (workspace / "loop").symlink_to("loop")
    (workspace / "up").symlink_to("..")
    with socket.socket(socket.AF_UNIX) as server:
        short = Path(tempfile.mkdtemp()) / "s"
        server.bind(str(short))
        shutil.move(short, workspace / "socket")
        with anyio.fail_after(20):
            found = await changed(baselines, base.id)
    assert found == {"becomes-queue": Change.DELETE, "loop": Change.ADD, "up": Change.ADD}


async def test_a_link_in_place_of_a_folder_leads_nowhere(
    tmp_path: Path, workspace: Path, baselines: Baselines
) -> None:
    (workspace / "sub").mkdir()
    (workspace / "sub" / "a").write_text("ours")
    base = await baselines.take()
    elsewhere = tmp_path / "elsewhere"
    (workspace / "sub").rename(elsewhere)
    (elsewhere / "a").write_text("secret")
    (workspace / "sub").symlink_to(elsewhere)
    found = await baselines.changes(base.id)
    assert by_path(found.files) == {"sub/a": Change.DELETE, "sub": Change.ADD}
    assert found.until is not None
    assert await baselines.read(found.until.id, "sub") == os.fsencode(elsewhere)


async def test_names_that_git_keeps_to_itself_break_nothing(
    workspace: Path, baselines: Baselines
) -> None:
    base = await baselines.take()
    (workspace / ".GIT").mkdir()
    (workspace / ".GIT" / "x").write_text("x")
    (workspace / "sub").mkdir()
    (workspace / "sub" / ".Git").write_text("x")
    (workspace / ".gitmodules").symlink_to("x")
    (workspace / "a").write_text("a")
    found = {one.path: one for one in (await baselines.changes(base.id)).files}
    assert found["a"].after is not None
    assert found["a"].after.blob
    for name in (".GIT/x", "sub/.Git", ".gitmodules"):
        after = found[name].after
        assert after is not None
        assert (after.blob, after.reason) == ("", "name")


# -- what is not covered


async def test_ignored_files_are_named_and_never_taken_for_new(
    workspace: Path, home: Path, baselines: Baselines
) -> None:
    git(workspace, "init", "-q")
    (workspace / ".gitignore").write_text(".env\nbuild/\n")
    (workspace / ".git" / "info" / "exclude").write_text("excluded\n")
    (home / ".config" / "git").mkdir(parents=True)
    (home / ".config" / "git" / "ignore").write_text("everywhere\n")
    (workspace / "build").mkdir()
    for name in (".env", "excluded", "everywhere", "build/out", "covered"):
        (workspace / name).write_text("the user's")
    base = await baselines.take()
    assert base.files == 2
    assert any(".env" in notice and "build/" in notice for notice in base.notices)
    # An agent that stops ignoring them makes no new files of them.
    (workspace / ".gitignore").unlink()
    found = {one.path: one for one in (await baselines.changes(base.id)).files}
    assert set(found) == {".gitignore", ".env", "build/out"}
    assert [found[name].certain for name in (".gitignore", ".env", "build/out")] == [
        True,
        False,
        False,
    ]


async def test_an_ignored_file_can_be_covered(workspace: Path, baselines: Baselines) -> None:
    (workspace / ".gitignore").write_text(".env\n")
    (workspace / ".env").write_text("1")
    base = await baselines.take(extra=[".env", "../outside", "/etc/passwd", "missing"])
    (workspace / ".env").write_text("2")
    files = (await baselines.changes(base.id)).files
    assert by_path(files) == {".env": Change.UPDATE}
    assert files[0].certain
    assert await baselines.read(base.id, ".env") == b"1"


async def test_a_large_file_is_watched_but_never_read(workspace: Path, home: Path) -> None:
    baselines = make(workspace, home, BaselineLimits(seconds=20))
    with (workspace / "huge").open("wb") as file:
        file.truncate(2 * 1024**3)
    (workspace / "a").write_text("a")
    base = await baselines.take()
    assert base.files == 1
    assert any("huge" in notice for notice in base.notices)
    assert await baselines.read(base.id, "huge") is None
    assert (await baselines.changes(base.id)).files == ()
    with (workspace / "huge").open("r+b") as file:
        file.write(b"x")
    files = (await baselines.changes(base.id)).files
    assert by_path(files) == {"huge": Change.UPDATE}
    assert files[0].after is not None
    assert files[0].after.reason == "large"
    assert await baselines.size() < 1_000_000


async def test_a_file_that_grows_too_large_keeps_its_old_content(
    workspace: Path, home: Path
) -> None:
    baselines = make(workspace, home, BaselineLimits(file_bytes=1000))
    (workspace / "a").write_text("small")
    base = await baselines.take()
    (workspace / "a").write_text("x" * 2000)
    files = (await baselines.changes(base.id)).files
    assert by_path(files) == {"a": Change.UPDATE}
    assert files[0].certain
    assert await baselines.read(base.id, "a") == b"small"
    (workspace / "a").write_text("small")
    assert (await baselines.changes(base.id)).files == ()


async def test_files_beyond_the_limits_are_watched_and_stay_so(workspace: Path, home: Path) -> None:
    baselines = make(workspace, home, BaselineLimits(files=3, watched=4))
    for number in range(6):
        (workspace / f"f{number}").write_text("1")
    base = await baselines.take()
    assert base.files == 3
    (workspace / "f0").unlink()
    (workspace / "f1").write_text("22")
    (workspace / "f5").write_text("22")
    assert await changed(baselines, base.id) == {
        "f0": Change.DELETE,
        "f1": Change.UPDATE,
        "f5": Change.UPDATE,
    }
    for number in range(10, 20):
        (workspace / f"f{number}").write_text("1")
    found = await baselines.changes(base.id)
    assert found.until is not None
    assert any("further files are not covered" in notice for notice in found.notices)
    # From then on nobody knows what was there.
    (workspace / "f30").write_text("1")
    (workspace / "f1").unlink()
    (workspace / "f2").unlink()
    later = (await baselines.changes(found.until.id)).files
    assert not any(one.certain for one in later if one.change is Change.ADD)


@pytest.mark.timeout(300)
async def test_120_000_untracked_files_do_not_hold_up_the_loop(workspace: Path, home: Path) -> None:
    def fill() -> None:
        for folder in range(300):
            (workspace / f"d{folder}").mkdir()
            for number in range(400):
                os.close(os.open(workspace / f"d{folder}" / f"f{number}", os.O_CREAT | os.O_WRONLY))

    await anyio.to_thread.run_sync(fill)
    baselines = make(workspace, home, BaselineLimits(seconds=250))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await anyio.sleep(0.005)
            ticks += 1

    async def take() -> Baseline:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tick)
            taken.append(await baselines.take())
            tasks.cancel_scope.cancel()
        return taken[0]

    taken: list[Baseline] = []
    base = await take()
    assert ticks > 20
    assert base.files == 100_000
    assert any("20,000 files beyond the 100,000" in notice for notice in base.notices)
    (workspace / "d0" / "f0").write_text("kept")
    (workspace / "d99" / "f399").write_text("watched")
    (workspace / "d99" / "more").write_text("new")
    files = (await baselines.changes(base.id)).files
    assert by_path(files) == {
        "d0/f0": Change.UPDATE,
        "d99/f399": Change.UPDATE,
        "d99/more": Change.ADD,
    }
    assert all(one.certain == (one.path != "d99/f399") for one in files)


async def test_a_take_that_is_cancelled_leaves_nothing_behind(workspace: Path, home: Path) -> None:
    for number in range(300):
        (workspace / f"f{number}").write_text(str(number))
    for pause in (0.0, 0.005, 0.01, 0.02, 0.04):
        baselines = make(workspace, home)
        with anyio.move_on_after(pause):
            await baselines.take()
    base = await make(workspace, home).take()
    assert base.files == 300
    assert not [one for one in (baselines.folder / "git").rglob("*") if "tmp_" in one.name]


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """A folder with a git whose imports end once `let_go` says so, with the exit code that it gives."""
    folder = tmp_path / "held"
    folder.mkdir()
    (folder / "git").write_text(
        f'#!/bin/sh\n{GIT} "$@" || exit\ncase " $* " in *" fast-import "*)\n'
        f"while ! read -r code 2>/dev/null < '{folder}/code'; do /bin/sleep 0.01; done\n"
        f"/bin/rm '{folder}/code'; exit $code;; esac\n"
    )
    (folder / "git").chmod(0o755)
    return folder


async def let_go(held: Path, *codes: int) -> None:
    """Have that many imports end, one after another."""
    for code in codes:
        written = held / "written"
        written.write_text(f"{code}\n")
        written.rename(held / "code")
        while (held / "code").exists():  # noqa: ASYNC110 - another process takes it
            await anyio.sleep(0.01)


def make_ahead(workspace: Path, home: Path, held: Path, tasks: TaskGroup) -> Baselines:
    store = workspace.parent / "state" / "baselines"
    store.mkdir(parents=True, exist_ok=True)
    environ = {"PATH": str(held), "HOME": str(home)}
    return Baselines(store, workspace, environ=environ, start=tasks.start_soon)


async def test_a_first_baseline_is_there_before_it_is_stored(
    workspace: Path, home: Path, held: Path
) -> None:
    (workspace / "a").write_text("before")
    order: list[str] = []
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            baselines = make_ahead(workspace, home, held, tasks)
            base = await baselines.take()
            (workspace / "a").write_text("after!")

            async def read() -> None:
                assert await baselines.read(base.id, "a") == b"before"
                order.append("read")

            async def compare() -> None:
                assert await changed(baselines, base.id) == {"a": Change.UPDATE}
                order.append("compared")

            for wait in (read, compare):
                tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            order.append("stored")
            # The first look and the one of the comparison.
            await let_go(held, 0, 0)
    assert order[0] == "stored"
    assert sorted(order[1:]) == ["compared", "read"]


async def test_who_compares_does_not_wait_for_a_look_that_waits_for_it(
    workspace: Path, home: Path, held: Path
) -> None:
    (workspace / "a").write_text("before")
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            baselines = make_ahead(workspace, home, held, tasks)
            tasks.start_soon(let_go, held, 0)
            base = await baselines.take()
            (workspace / "a").write_text("after!")

            async def compare() -> None:
                assert await changed(baselines, base.id) == {"a": Change.UPDATE}

            tasks.start_soon(compare)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(baselines.take)
            await anyio.wait_all_tasks_blocked()
            await let_go(held, 0)


async def test_a_baseline_that_could_not_be_stored_says_why(
    workspace: Path, home: Path, held: Path
) -> None:
    (workspace / "a").write_text("a")
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            baselines = make_ahead(workspace, home, held, tasks)
            base = await baselines.take()
            await let_go(held, 7)
            for ask in (baselines.read(base.id, "a"), baselines.changes(base.id, base.id)):
                with pytest.raises(BaselineUnavailable, match=r"not be stored: .* ended with 7"):
                    await ask


async def test_a_take_that_goes_on_in_a_task_can_be_cancelled(workspace: Path, home: Path) -> None:
    for number in range(300):
        (workspace / f"f{number}").write_text(str(number))
    async with anyio.create_task_group() as tasks:
        for pause in (0.0, 0.005, 0.01, 0.02, 0.04):
            baselines = make_ahead(workspace, home, Path(GIT).parent, tasks)
            with anyio.move_on_after(pause):
                await baselines.take()
    # The tasks have ended, and nobody holds the lock.
    after = make(workspace, home)
    assert (await after.take()).files == 300
    assert not [one for one in (after.folder / "git").rglob("*") if "tmp_" in one.name]


async def test_the_state_folder_in_the_workspace_is_not_looked_at(
    workspace: Path, home: Path
) -> None:
    store = workspace / "odd [name]*" / "baselines"
    store.mkdir(parents=True)
    (workspace / ".gitignore").write_text("!*\n!/odd*/\n!/odd*/**\n")
    baselines = Baselines(
        store, workspace, environ={**os.environ, "HOME": str(home)}, private=[store.parent]
    )
    base = await baselines.take()
    assert base.files == 1
    assert (await baselines.take()).id == base.id


async def test_a_workspace_in_the_state_folder_is_refused(tmp_path: Path, home: Path) -> None:
    state = tmp_path / "state"
    inner = state / "workspace"
    inner.mkdir(parents=True)
    environ = {**os.environ, "HOME": str(home)}
    with pytest.raises(BaselineUnavailable, match="own folder"):
        await Baselines(state / "baselines", inner, environ=environ, private=[state]).take()
    with pytest.raises(BaselineUnavailable, match="whole file system"):
        await Baselines(state / "baselines", Path("/"), environ=environ).take()
    with pytest.raises(BaselineUnavailable, match="no folder"):
        await Baselines(state / "baselines", tmp_path / "missing", environ=environ).take()


# -- git itself


async def test_without_git_there_is_a_clear_error(
    workspace: Path, home: Path, tmp_path: Path
) -> None:
    (workspace / "bin").mkdir()
    planted, program = marker(tmp_path, "git")
    shutil.copy(program, workspace / "bin" / "git")
    store = tmp_path / "state"
    store.mkdir()
    environ = {"PATH": f"bin:{workspace}/bin:/nonexistent", "HOME": str(home)}
    with pytest.raises(BaselineUnavailable, match="git was not found"):
        await Baselines(store, workspace, environ=environ).take()
    assert not planted.exists()


async def test_an_old_git_is_refused(workspace: Path, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "git").write_text("#!/bin/sh\necho git version 1.8.3\n")
    (folder / "git").chmod(0o755)
    store = tmp_path / "state"
    store.mkdir()
    with pytest.raises(BaselineUnavailable, match="too old"):
        await Baselines(store, workspace, environ={"PATH": str(folder), "HOME": str(home)}).take()


async def test_a_git_that_hangs_is_ended(workspace: Path, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "slow"
    folder.mkdir()
    pid_file = tmp_path / "pid"
    (folder / "git").write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec {GIT} --version\n[ "$1" = config ] && exit 1\n'
        f"/bin/sleep 300 &\necho $! > '{pid_file}'\nwait\n"
    )
    (folder / "git").chmod(0o755)
    store = tmp_path / "state"
    store.mkdir()
    limits = BaselineLimits(seconds=2)
    environ = {"PATH": str(folder), "HOME": str(home)}
    with anyio.fail_after(30), pytest.raises(BaselineUnavailable, match=r"too long|longer than"):
        await Baselines(store, workspace, limits=limits, environ=environ).take()
    with anyio.fail_after(20):
        while alive(int(pid_file.read_text())):  # noqa: ASYNC110 - another process's end
            await anyio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


async def test_damage_and_interruption_are_repaired(workspace: Path, baselines: Baselines) -> None:
    (workspace / "a").write_text("1")
    base = await baselines.take()
    private = baselines.folder / "git"
    (private / "index").write_bytes(b"DIRC nonsense")
    (workspace / "a").write_text("2")
    assert await changed(baselines, base.id) == {"a": Change.UPDATE}
    (private / "index").unlink()
    assert await changed(baselines, base.id) == {"a": Change.UPDATE}
    # The state was made, but the index was not brought to it.
    kept = (private / "index").read_bytes()
    (workspace / "b").write_text("new")
    await baselines.take()
    (private / "index").write_bytes(kept)
    (workspace / "b").unlink()
    assert await changed(baselines, base.id) == {"a": Change.UPDATE}


def last_pack(private: Path) -> Path:
    """Return the pack of the state that was stored last: it can be written to from now on."""
    packs = sorted(
        (private / "objects" / "pack").glob("*.pack"), key=lambda one: one.stat().st_mtime_ns
    )
    for one in (packs[-1], packs[-1].with_suffix(".idx")):
        one.chmod(0o600)
    return packs[-1]


def lose_contents(private: Path) -> None:
    last_pack(private).write_bytes(b"")


def lose_pack(private: Path) -> None:
    last_pack(private).unlink()


def lose_index_of_pack(private: Path) -> None:
    last_pack(private).with_suffix(".idx").unlink()


def flip_a_bit(private: Path) -> None:
    pack = last_pack(private)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)


def name_another(private: Path) -> None:
    (private / "refs" / "heads" / "disk").write_text("0123456789" * 4 + "\n")


@pytest.mark.parametrize("others", [(), ("other",)])
@pytest.mark.parametrize(
    "lose", [lose_contents, lose_pack, lose_index_of_pack, flip_a_bit, name_another]
)
async def test_a_damaged_store_is_begun_anew_and_it_is_said(
    workspace: Path, home: Path, lose: Callable[[Path], None], others: tuple[str, ...]
) -> None:
    for name in ("same", "changed"):
        (workspace / name).write_text(f"{name}\n" * 200)
    baselines = make(workspace, home)
    base = await baselines.take()
    for name in others:
        # With an index, nothing of the store is read to see that nothing has changed.
        (workspace / name).write_text("other\n" * 200)
        base = await baselines.take()
    lose(baselines.folder / "git")
    baselines = make(workspace, home)
    (workspace / "changed").write_text("new\n" * 200)
    told: list[str] = []
    for _ in range(2):
        told += (await baselines.take()).notices
        # It is found when something is asked of it; the look after that begins anew.
        for name in ("same", "changed"):
            with suppress(BaselineUnavailable):
                await baselines.read(base.id, name)
    after = await baselines.take()
    assert [one for one in (*told, *after.notices) if "begun anew" in one] == [damage.NOTICE]
    for name in ("same", "changed", *others):
        assert await baselines.read(after.id, name) == (workspace / name).read_bytes()
    with pytest.raises(BaselineUnavailable):
        await baselines.changes(base.id)
    # Nothing that could be read before is lost for somebody who looks for it.
    assert (baselines.folder / "damaged" / "objects").is_dir()
    await make(workspace, home, BaselineLimits(retention=0)).prune()
    assert not (baselines.folder / "damaged").exists()


async def test_names_that_were_lost_in_a_power_cut_stand_in_nobodys_way(
    workspace: Path, baselines: Baselines
) -> None:
    (workspace / "a").write_text("a")
    base = await baselines.take()
    refs = baselines.folder / "git" / "refs"
    (refs / "taken" / base.id).write_bytes(b"")
    with suppress(BaselineUnavailable):
        await baselines.prune()
    assert not (await baselines.take()).notices
    await baselines.prune()
    (refs / "heads" / "disk").write_bytes(b"")
    again = await baselines.take()
    assert await baselines.read(again.id, "a") == b"a"
    assert not again.notices


async def test_a_git_that_fails_once_costs_no_baseline(
    workspace: Path, home: Path, held: Path
) -> None:
    (workspace / "a").write_text("a")
    base = await make(workspace, home).take()
    (workspace / "a").write_text("b")
    async with anyio.create_task_group() as tasks:
        baselines = make_ahead(workspace, home, held, tasks)
        with anyio.fail_after(30):
            tasks.start_soon(let_go, held, 7)
            assert not (await baselines.take()).notices
            assert await baselines.read(base.id, "a") == b"a"


async def test_two_at_once_see_the_same(workspace: Path, home: Path) -> None:
    for number in range(50):
        (workspace / f"f{number}").write_text(str(number))
    several = [make(workspace, home) for _ in range(4)]
    ids: list[str] = []

    async def take(one: Baselines) -> None:
        ids.append((await one.take()).id)

    async with anyio.create_task_group() as tasks:
        for one in several:
            tasks.start_soon(take, one)
    assert len(set(ids)) == 1


# -- how long it is kept


async def test_what_is_kept_outlives_the_retention(workspace: Path, home: Path) -> None:
    baselines = make(workspace, home, BaselineLimits(retention=0))
    ids: list[str] = []
    for text in ("kept", "lost", "last"):
        (workspace / "a").write_text(text)
        ids.append((await baselines.take()).id)
        if text == "kept":
            await baselines.keep("review-1", ids[0])
    await baselines.prune()
    assert await baselines.read(ids[0], "a") == b"kept"
    assert by_path((await baselines.changes(ids[0])).files) == {"a": Change.UPDATE}
    with pytest.raises(BaselineUnavailable):
        await baselines.read(ids[1], "a")
    await baselines.drop("review-1")
    await baselines.prune()
    with pytest.raises(BaselineUnavailable):
        await baselines.read(ids[0], "a")
    assert (await baselines.take()).id == ids[2]


async def test_pruning_makes_small_what_the_first_look_stored_in_haste(
    workspace: Path, baselines: Baselines
) -> None:
    texts = {f"file{number}": f"line {number}\n".encode() * 20_000 for number in range(5)}
    for name, text in texts.items():
        (workspace / name).write_bytes(text)
    first = await baselines.take()
    stored = sum(len(one) for one in texts.values())
    assert await baselines.size() > stored
    for _ in range(2):
        # The second time there is nothing to make small any more.
        assert await baselines.prune() < stored / 10
    for name, text in texts.items():
        assert await baselines.read(first.id, name) == text
    assert not await changed(baselines, first.id)


async def test_pruning_gives_way_to_who_looks(workspace: Path, home: Path, tmp_path: Path) -> None:
    folder, begun = tmp_path / "slow", tmp_path / "begun"
    folder.mkdir()
    (folder / "git").write_text(
        f'#!/bin/sh\ncase " $* " in *" repack "*) echo $$ > "{begun}"; exec /bin/sleep 300;; esac\n'
        f'exec {GIT} "$@"\n'
    )
    (folder / "git").chmod(0o755)
    (workspace / "a").write_text("a")
    given_way = anyio.Event()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            baselines = make_ahead(workspace, home, folder, tasks)
            base = await baselines.take()

            async def prune() -> None:
                with pytest.raises(BaselineUnavailable, match="Somebody wanted to look"):
                    await baselines.prune()
                given_way.set()

            tasks.start_soon(prune)
            while not begun.exists() or not begun.read_text():  # noqa: ASYNC110 - another process
                await anyio.sleep(0.01)
            # What a git that is killed leaves.
            left = baselines.folder / "git" / "objects" / "pack" / ".tmp-1-pack-x.pack"
            left.write_bytes(b"")
            assert (await baselines.take()).id == base.id
            await given_way.wait()
            assert not left.exists()
    assert not alive(int(begun.read_text()))
    assert await make(workspace, home).prune() > 0


@pytest.fixture
def private_files(baselines: Baselines) -> Iterator[Baselines]:
    yield baselines
    for path in baselines.folder.rglob("*"):
        if path.is_dir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o700, path


async def test_the_store_is_private(workspace: Path, private_files: Baselines) -> None:
    (workspace / "a").write_text("a")
    await private_files.take()
    assert stat.S_IMODE(private_files.folder.stat().st_mode) == 0o700
