"""What Codex asks to be permitted: in words, and what nobody can permit."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopilot_ls.runtimes.codex.permissions import Reserved, in_words, never
from autopilot_ls.wire.messages import JsonObject


def entry(path: JsonObject | str, access: str = "write") -> JsonObject:
    place: JsonObject = {"type": "path", "path": path} if isinstance(path, str) else path
    return {"fileSystem": {"entries": [{"path": place, "access": access}]}}


def special(kind: str, **more: str) -> JsonObject:
    return {"type": "special", "value": {"kind": kind, **more}}


@pytest.mark.parametrize("path", ["/", special("root")])
def test_everything_is_called_everything(path: JsonObject | str) -> None:
    assert in_words(entry(path), "/work") == ["write every file on this computer (/)"]


def test_the_widest_comes_first_and_each_once() -> None:
    asked: JsonObject = {
        "fileSystem": {
            "read": ["/usr/share/a"],
            "write": ["/srv/x/y", "/srv"],
            "entries": [{"path": {"type": "path", "path": "/srv"}, "access": "write"}],
        },
        "network": {"enabled": True},
    }
    lines = ["use the network", "write /srv", "write /srv/x/y", "read /usr/share/a"]
    assert in_words(asked, "/work") == lines


def test_home_and_where_a_link_leads_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path.resolve() / "home"
    home.mkdir()
    (tmp_path / "link").symlink_to(home)
    monkeypatch.setenv("HOME", str(home))
    (said,) = in_words(entry(str(tmp_path / "link")), "/work")
    assert said == f"write {tmp_path}/link, which leads to {home}, with your whole home folder"


def test_what_is_not_understood_is_shown_as_it_is() -> None:
    assert in_words(entry(special("new", path="/x")), "/work") == [
        'write {"type":"special","value":{"kind":"new","path":"/x"}}'
    ]
    assert in_words(entry(special("project_roots", subpath="../..")), "/a/work") == [
        "write every file on this computer (/)"
    ]
    assert in_words(entry("/a\0b"), "/work") == ["write /a\0b"]


def test_records_and_the_configuration_of_codex_are_out_of_reach(tmp_path: Path) -> None:
    private, home, work = (tmp_path / name for name in ("state", "home/.codex", "work"))
    for folder in (private / "sessions", home, work):
        folder.mkdir(parents=True)
    (work / "link").symlink_to(private)
    reserved = Reserved(private, home)

    def refused(path: JsonObject | str, access: str) -> bool:
        return bool(never(entry(path, access), str(work), reserved))

    for access in ("read", "write"):
        assert refused(str(private), access)
        assert refused(str(private / "sessions"), access)
        assert refused(str(work / "link" / "sessions"), access)
        assert refused(special("project_roots", subpath="../state"), access)
    for path in (special("root"), "/", str(home), str(home.parent), str(home / "rules")):
        assert refused(path, "write")
    assert not refused(str(home), "read")
    assert not refused(str(work), "write")
    assert not refused(str(tmp_path / "elsewhere"), "write")
    assert not never(entry("/"), str(work), Reserved())
