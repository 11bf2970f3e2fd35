"""Review after the fact of what is not plain text in a plain place: exact bytes, and bounded, over real stdio."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from autopilot_ls.scripted_model import command, message
from tests.protocol.client import FULL

pytestmark = pytest.mark.timeout(180)

OPTED_IN = {**FULL, "experimental": {"autopilot": True}}

SCRIPT = r"""
printf '\000\377binary 2' > data.bin
chmod +x tool.sh
rm link && ln -s other link
ln -s data.bin fresh-link
printf 'caf\351 2\nline\n' > latin.txt
printf 'one\r\nTWO\r\nthree\r\n' > dos.txt
printf '\357\273\277marked 2\n' > bom.txt
printf 'no end 2' > no-end.txt
mv Readme.md README.md
rm gone.txt
mkdir -p new/deep && printf 'new\n' > 'new/deep/a file.txt'
"""

FILES: Mapping[str, bytes] = {
    "data.bin": b"\x00\xffbinary",
    "tool.sh": b"#!/bin/sh\n",
    "latin.txt": b"caf\xe9\nline\n",
    "dos.txt": b"one\r\ntwo\r\nthree\r\n",
    "bom.txt": b"\xef\xbb\xbfmarked\n",
    "no-end.txt": b"no end",
    "Readme.md": b"# read\nme\n",
    "gone.txt": b"gone\n",
    "change.sh": SCRIPT.encode(),
}

KINDS = {
    ("data.bin", "whole"),
    ("tool.sh", "mode"),
    ("link", "whole"),
    ("fresh-link", "add"),
    ("latin.txt", "whole"),
    ("dos.txt", "hunk"),
    ("bom.txt", "hunk"),
    ("no-end.txt", "hunk"),
    ("Readme.md", "delete"),
    ("README.md", "add"),
    ("gone.txt", "delete"),
    ("new/deep/a file.txt", "add"),
}


def contents(folder: Path) -> dict[str, tuple[str, bytes, bool]]:
    """Return exactly what is in a folder, but for git's own."""
    found: dict[str, tuple[str, bytes, bool]] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", os.fsencode(path.readlink()), False)
        elif path.is_file() and ".git" not in path.parts:
            found[name] = ("file", path.read_bytes(), os.access(path, os.X_OK))
    return found


async def run(client: Any, line: str) -> None:
    """Have the agent run a command, accepted by the person, until its turn has ended."""
    await client.execute("autopilot.turn.start", {"text": line, "mode": "auto"})
    asked = await client.wait_method("autopilot/approval")
    if asked.get("decision") is None:
        argument = {"approvalId": asked["approvalId"], "decision": "accept"}
        await client.execute("autopilot.approval.decide", argument)
    await client.wait_method("$/progress", lambda p: p["value"]["kind"] == "end")


async def listed(client: Any, wanted: int) -> list[Any]:
    """Return the changes, when as many as are wanted have been found."""
    await client.wait_for(
        lambda _: sum(m.get("method") == "textDocument/publishDiagnostics" for m in client.received)
    )
    found = (await client.execute("autopilot.changes.list", {}))["changes"]
    assert len(found) == wanted, [(each["path"], each["kind"]) for each in found]
    return found


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("place", ["repository", "subfolder"])
async def test_odd_files_are_reviewed_and_come_back_exactly(world: Any, place: str) -> None:
    here = world([command("sh change.sh"), message("Done.")])
    repository = here.project
    if place == "subfolder":
        (repository / "outside.txt").write_text("not ours\n")
        here.project = repository / "packages" / "one"
        here.project.mkdir(parents=True)
        (here.project.parent / "codex").mkdir()
    for name, data in FILES.items():
        (here.project / name).write_bytes(data)
    (here.project / "link").symlink_to("data.bin")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "all")
    before = contents(here.project)
    async with here.editor(capabilities=OPTED_IN) as client:
        client.open(here.project / "change.sh")
        await run(client, "Change it")
        changes = await listed(client, len(KINDS))
        assert {(each["path"], each["kind"]) for each in changes} == KINDS
        after = contents(here.project)
        assert after != before
        # What is committed is kept, also from a folder within the repository.
        git(repository, "add", "-A")
        git(repository, "commit", "-qm", "dos only", str(here.project / "dos.txt"))
        changes = await listed(client, len(KINDS) - 1)
        assert "dos.txt" not in {each["path"] for each in changes}
        done = await client.execute("autopilot.changes.undo", {"paths": ["data.bin", "link"]})
        assert sorted(done["written"]) == ["data.bin", "link"]
        assert (here.project / "data.bin").read_bytes() == FILES["data.bin"]
        assert (here.project / "link").readlink() == Path("data.bin")
        session = (await client.execute("autopilot.session.list", {}))["sessions"][0]["id"]
        done = await client.execute("autopilot.turn.undo", {"sessionId": session})
        assert done["left"] == []
        assert contents(here.project) == before
        await client.execute("autopilot.turn.redo", {})
        again = contents(here.project)
        for name in ("data.bin", "link"):
            again[name] = after[name]
        assert again == after
        assert not list(repository.rglob(".autopilot-*"))


async def test_a_home_folder_as_workspace_stays_bounded(world: Any) -> None:
    here = world([command("sh change.sh"), message("Done.")])
    home = here.project
    here.env["HOME"] = str(home)
    here.state = home / ".local" / "state" / "autopilot-ls"
    (home / "change.sh").write_text("printf 'two\\n' > notes.txt\n")
    (home / "notes.txt").write_text("one\n")
    for folder in range(40):
        cache = home / ".cache" / f"{folder}"
        cache.mkdir(parents=True)
        for number in range(100):
            (cache / f"{number}").write_bytes(b"x" * 100)
    with (home / "large.iso").open("wb") as file:
        file.truncate(3 * 1024**3)
    os.mkfifo(home / "fifo")
    (home / "secret").mkdir(mode=0o000)
    nested = home / "src" / "nested"
    nested.mkdir(parents=True)
    (nested / "a.txt").write_text("a\n")
    git(nested, "init", "-q")
    (home / "loop").symlink_to(home)
    try:
        async with here.editor(capabilities=OPTED_IN) as client:
            client.open(home / "change.sh")
            await run(client, "Change it")
            (change,) = await listed(client, 1)
            assert change["path"] == "notes.txt"
            await client.execute("autopilot.changes.undo", {"all": True})
        assert (home / "notes.txt").read_text() == "one\n"
        stored = sum(p.lstat().st_blocks * 512 for p in (here.state / "reviews").rglob("*"))
        assert stored < 64 * 1024**2
    finally:
        (home / "secret").chmod(0o700)
