"""`autopilot-ls daemon`: being the process that editors share, looking at those that run, ending them.

Not aware of sessions but as they are told. `main` stands above, `shared` below.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict

from autopilot_ls.cli.commands import Daemon, Exit
from autopilot_ls.model.errors import AutopilotError
from autopilot_ls.model.text import count, one_line
from autopilot_ls.shared.places import NotShared


def run_daemon(command: Daemon) -> int:
    """Run the command.

    Raises:
        AutopilotError: There can be no shared process, or it does not answer.
    """
    if sys.platform == "win32":
        raise AutopilotError("There is no shared process on this system.")
    try:
        return _serve() if command.action == "serve" else _ask(command)
    except NotShared as error:
        raise AutopilotError(f"That cannot be done, because {error}.") from error


def _serve() -> int:
    """Be the shared process, until it is ended."""
    from autopilot_ls.shared.daemon import serve_here

    print("autopilot-ls: serving the editors of this user; Ctrl-C ends it.", file=sys.stderr)
    return serve_here(os.environ)


def _ask(command: Daemon) -> int:
    from autopilot_ls.shared.control import ask_all

    found = ask_all(os.environ, "stop" if command.action == "stop" else "status")
    if command.json:
        print(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
    elif not found:
        print("No shared process runs.")
    for one in () if command.json else found:
        retired = " (takes no more editors)" if one.retired else ""
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.started))
        print(
            f"autopilot-ls {one_line(one.version, 40)}, process {one.pid}, since {since}{retired}"
        )
        for label in one.editors:
            print(f"  editor   {one_line(label, 200)}")
        for session in one.sessions:
            waits = f", {count(session.waiting, 'approval')} waiting" if session.waiting else ""
            state = f"{'running' if session.running else 'idle'}{waits}"
            title, cwd = one_line(session.title, 60), one_line(session.cwd, 200)
            print(f"  session  {session.id} {state}: {title} (in {cwd})")
        if command.action == "stop":
            print("  It has ended." if one.ended else "  It is still ending.")
    if command.action == "stop":
        return Exit.OK if all(one.ended for one in found) else Exit.FAILED
    return Exit.OK if found else Exit.FAILED
