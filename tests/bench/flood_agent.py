"""A stand-in for `codex app-server` that sends as much as it is told to, as fast as it is told to.

The text of `turn/start` holds a plan as a JSON object (see `Plan`). What was sent, and when, is appended
as one line of JSON to the file of `--report`. Standard library only, and started as a script, so that it
starts fast and costs little beside what is measured. The frames are those of Codex 0.163 on the wire.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

VERSION = "0.163.0"
THREAD = "01a203b6-129a-7b71-a5bf-82d1ab66b30a"
ITEM = "item_7d6903975ccd3333"
TICK = 0.004
"""Seconds between two bursts of a flood with a rate."""
BLOCK_LINES = 8192
FULL_SPEED_BYTES = 65_536
"""Bytes of one write at full speed: what a pipe holds."""
PATIENCE = 60.0
"""Seconds after which a turn ends whatever is still open."""


@dataclass
class Plan:
    """What a turn does.

    Attributes:
        rate: Deltas per second; 0 is as fast as they are taken.
        seconds: How long they are sent at the rate.
        count: How many are sent at full speed.
        approvals: How many patches are proposed, one after the other, while the deltas flow.
        interval: Seconds between the proposals, on the average.
        together: Deltas of one write, 0 for as many as a pipe holds; Codex writes each by itself.
        hunks: Hunks of each patch; 0 for one in a file of three lines.
        lines: Lines of the file that many hunks are in, see `large_text`.
        mixed: Whether other events come between the deltas: items, plans, tokens, warnings.
    """

    rate: int = 0
    seconds: float = 0.0
    count: int = 0
    approvals: int = 0
    interval: float = 0.04
    together: int = 1
    hunks: int = 0
    lines: int = 0
    mixed: bool = False


@dataclass
class Report:
    """What a turn did; times are of the monotonic clock, in nanoseconds."""

    sent: int = 0
    began: int = 0
    emitted: int = 0
    longest_burst: int = 0
    most_behind: int = 0
    approvals: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])


class Deltas:
    """Many delta lines, encoded beforehand, all of the same length."""

    def __init__(self, turn: str, *, mixed: bool = False) -> None:
        lines: list[bytes] = []
        for number in range(BLOCK_LINES):
            # A line end is two characters in JSON, so that all lines are of one length.
            word = f"w{number % 1000:03}\n" if number % 12 == 11 else f"w{number % 10_000:04} "
            params = {"threadId": THREAD, "turnId": turn, "itemId": ITEM, "delta": word}
            lines.append(encode({"method": "item/agentMessage/delta", "params": params}))
        self.size = len(lines[0])
        self._singles = mixture(turn, lines) if mixed else lines
        self.block = memoryview(b"".join(lines))
        if len(self.block) != self.size * BLOCK_LINES:
            raise AssertionError("delta lines differ in length")

    def singles(self, number: int, count: int) -> list[bytes]:
        """Return that many lines, each shorter than what a pipe takes whole."""
        place = number % (BLOCK_LINES - count + 1) if count > 0 else 0
        return self._singles[place : place + count] if count > 0 else []

    def lines(self, number: int, count: int) -> memoryview:
        """Return that many lines together, others for another number."""
        place = number % (BLOCK_LINES - count + 1) * self.size
        return self.block[place : place + count * self.size]


def mixture(turn: str, deltas: list[bytes]) -> list[bytes]:
    """Return as many lines as there are deltas, half of which are others: items, plans, tokens, warnings."""
    placed: dict[str, object] = {"threadId": THREAD, "turnId": turn}
    lines: list[bytes] = []
    for number in range(len(deltas) // 16):
        item = {"type": "reasoning", "id": f"rs_{number}", "summary": [], "content": []}
        done = {**item, "summary": [f"**Thought {number}**"]}
        said = {
            **placed,
            "itemId": item["id"],
            "delta": f"**Thinks of {number}**",
            "summaryIndex": 0,
        }
        tokens = {"totalTokens": number, "inputTokens": number}
        steps = [{"step": f"step {number}", "status": "inProgress"}]
        others: list[tuple[str, dict[str, object]]] = [
            ("item/started", {**placed, "item": item, "startedAtMs": 0}),
            ("item/reasoning/summaryTextDelta", said),
            ("turn/plan/updated", {**placed, "explanation": None, "plan": steps}),
            (
                "thread/tokenUsage/updated",
                {**placed, "tokenUsage": {"total": tokens, "last": tokens}},
            ),
            ("turn/diff/updated", {**placed, "diff": f"diff --git a/f{number} b/f{number}\n"}),
            (
                "guardianWarning",
                {"threadId": THREAD, "message": f"Something odd, number {number}."},
            ),
            ("item/completed", {**placed, "item": done, "completedAtMs": 0}),
            ("some/newThing", {"threadId": THREAD}),
        ]
        encoded = [encode({"method": method, "params": params}) for method, params in others]
        for place, line in enumerate(encoded):
            lines += [deltas[number * 16 + place], line]
    return lines + deltas[len(lines) :]


class Agent:
    """One connection."""

    def __init__(self, report: Path | None) -> None:
        self.report_file = report
        self.cwd = str(Path.cwd())
        self.pending = b""
        self.turns = 0
        self.turn = ""
        self.requests = 0
        self.answers: set[int] = set()
        self.interrupted = False
        self.closed = False

    # -- the pipes

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]

    def send(self, *frames: dict[str, object]) -> None:
        self.write(b"".join(encode(frame) for frame in frames))

    def notify(self, method: str, **params: object) -> None:
        self.send({"method": method, "params": params, "emittedAtMs": int(time.time() * 1000)})

    def poll(self, timeout: float | None) -> list[dict[str, object]]:
        """Return the messages that came within the time; None waits for as long as it takes."""
        ready, _, _ = select.select([0], [], [], timeout)
        if not ready:
            return []
        chunk = os.read(0, 1 << 20)
        if not chunk:
            self.closed = True
            return []
        *lines, self.pending = (self.pending + chunk).split(b"\n")
        return [json.loads(line) for line in lines if line.strip()]

    # -- the protocol

    def serve(self) -> None:
        while not self.closed:
            for message in self.poll(None):
                self.take(message)

    def take(self, message: dict[str, object]) -> None:
        method, number = message.get("method"), message.get("id")
        params = message.get("params")
        if method is None:
            if isinstance(number, int):
                self.answers.add(number)
        elif number is not None:
            self.reply(str(method), number, params if isinstance(params, dict) else {})

    def reply(self, method: str, number: object, params: dict[str, object]) -> None:
        plan: Plan | None = None
        result: dict[str, object] = {}
        match method:
            case "initialize":
                result = initialized(params)
            case "account/read":
                result = {"account": None, "requiresOpenaiAuth": False, "workspaceRouting": None}
            case "config/read":
                result = {"config": {}, "origins": {}, "layers": []}
            case "configRequirements/read":
                result = {"requirements": None}
            case "model/list" | "mcpServerStatus/list" | "hooks/list" | "skills/list":
                result = {"data": [], "nextCursor": None}
            case "thread/start" | "thread/resume" | "thread/fork":
                self.cwd = str(params.get("cwd") or self.cwd)
                result = thread_reply(self.cwd, params)
            case "turn/start":
                self.turns += 1
                self.turn = f"01a203b6-12cf-7e11-9e5d-{self.turns:012x}"
                plan = read_plan(params)
                result = {"turn": turn_state(self.turn, "inProgress")}
            case "turn/interrupt":
                self.interrupted = True
            case "turn/steer":
                result = {"turnId": self.turn}
            case _:
                error = {"code": -32601, "message": f"the stand-in does not know {method}"}
                self.send({"id": number, "error": error})
                return
        self.send({"id": number, "result": result})
        if method == "thread/start":
            self.notify("thread/started", thread=result["thread"])
        if plan is not None:
            self.play(plan)

    def placed(self, **params: object) -> dict[str, object]:
        return {"threadId": THREAD, "turnId": self.turn, **params}

    # -- a turn

    def play(self, plan: Plan) -> None:
        self.interrupted = False
        self.notify("turn/started", threadId=THREAD, turn=turn_state(self.turn, "inProgress"))
        item = message_item("")
        self.notify("item/started", **self.placed(item=item, startedAtMs=now_ms()))
        deltas = Deltas(self.turn, mixed=plan.mixed)
        report = Report(began=time.monotonic_ns())
        self.flood(plan, report, deltas)
        report.emitted = time.monotonic_ns()
        # The whole text would be one line of megabytes: Codex sends it, but it is another measurement.
        item = message_item("done")
        self.notify("item/completed", **self.placed(item=item, completedAtMs=now_ms()))
        self.write_report(report)
        how = "interrupted" if self.interrupted else "completed"
        self.notify("turn/completed", threadId=THREAD, turn=turn_state(self.turn, how))

    def flood(self, plan: Plan, report: Report, deltas: Deltas) -> None:
        approvals = Approvals(self, plan, report)
        start = time.monotonic()
        over = start + max(plan.seconds, PATIENCE)
        total = int(plan.rate * plan.seconds) if plan.rate else plan.count
        while not (self.closed or self.interrupted):
            now = time.monotonic()
            sending = report.sent < total
            if now > over or not (sending or approvals.open):
                return
            approvals.step(now)
            due = total - report.sent
            if plan.rate:
                behind = int(plan.rate * (now - start)) - report.sent
                report.most_behind = max(report.most_behind, behind)
                # As long as patches wait their turn the flood goes on, whatever was planned.
                due = behind if approvals.open else min(due, behind)
            self.emit(report, min(due, BLOCK_LINES), deltas, plan.together)
            pause = 0.0
            if plan.rate or not sending:  # Nothing to do before the next beat, or an answer.
                pause = max(0.0, TICK - (time.monotonic() - now))
            for message in self.poll(pause):
                self.take(message)

    def emit(self, report: Report, due: int, deltas: Deltas, together: int) -> None:
        before = time.monotonic_ns()
        if together == 1:
            # As cheap as can be: what this stand-in computes is taken from what is measured.
            write = os.write
            for line in deltas.singles(report.sent, due):
                write(1, line)
            report.sent += max(0, due)
        while together != 1 and due > 0:
            lines = min(due, together or FULL_SPEED_BYTES // deltas.size)
            self.write(deltas.lines(report.sent, lines))
            report.sent += lines
            due -= lines
        report.longest_burst = max(report.longest_burst, time.monotonic_ns() - before)

    def write_report(self, report: Report) -> None:
        if self.report_file is not None:
            with self.report_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(vars(report)) + "\n")


class Approvals:
    """The patches of a turn: each waits for its answer before the next is proposed, as in Codex."""

    def __init__(self, agent: Agent, plan: Plan, report: Report) -> None:
        self.agent = agent
        self.plan = plan
        self.report = report
        self.left = plan.approvals
        self.waiting: tuple[int, str, str, int] | None = None
        self.next_at = time.monotonic() + plan.interval
        # Proposals at a fixed beat could fall in step with whatever the server does at a beat.
        self.random = random.Random(plan.approvals)

    @property
    def open(self) -> bool:
        return self.left > 0 or self.waiting is not None

    def step(self, now: float) -> None:
        if self.waiting is not None:
            number, path, item, sent = self.waiting
            if number in self.agent.answers:
                self.report.approvals.append((path, sent, time.monotonic_ns()))
                self.finish(number, path, item)
                self.waiting = None
                self.next_at = now + self.plan.interval * self.random.uniform(0.5, 1.5)
        elif self.left and now >= self.next_at:
            self.left -= 1
            self.propose()

    def propose(self) -> None:
        agent = self.agent
        number = agent.requests
        agent.requests += 1
        item = f"call_{number:016x}"
        path = str(Path(agent.cwd) / patched_name(number))
        change = file_change(item, path, "inProgress", large_diff(self.plan))
        started = agent.placed(item=change, startedAtMs=now_ms())
        asked = agent.placed(itemId=item, startedAtMs=now_ms(), reason=None, grantRoot=None)
        frames = encode({"method": "item/started", "params": started}) + encode(
            {
                "method": "item/fileChange/requestApproval",
                "id": number,
                "params": asked,
            }
        )
        self.waiting = (number, path, item, time.monotonic_ns())
        agent.write(frames)

    def finish(self, number: int, path: str, item: str) -> None:
        self.agent.notify("serverRequest/resolved", threadId=THREAD, requestId=number)
        change = file_change(item, path, "declined")
        params = self.agent.placed(item=change, completedAtMs=now_ms())
        self.agent.notify("item/completed", **params)


# -- frames ------------------------------------------------------------------------------------------


def encode(frame: dict[str, object]) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode() + b"\n"


def now_ms() -> int:
    return int(time.time() * 1000)


def patched_name(number: int) -> str:
    """Name of the file that a proposal is about; `bench` makes these files beforehand."""
    return f"patched-{number:04}.txt"


def message_item(text: str) -> dict[str, object]:
    return {
        "type": "agentMessage",
        "id": ITEM,
        "text": text,
        "phase": None,
        "memoryCitation": None,
        "delivery": None,
        "questions": None,
    }


def large_text(lines: int) -> str:
    """Text of the file that many hunks are in."""
    return "".join(f"line {number} of the file\n" for number in range(1, lines + 1))


def large_diff(plan: Plan) -> str:
    """Return the diff of a patch with many hunks, spread over the whole file."""
    apart = plan.lines // plan.hunks if plan.hunks else 0
    return "".join(
        f"@@ -{number} +{number} @@\n-line {number} of the file\n+changed {number}\n"
        for number in range(apart // 2, apart * plan.hunks, apart or 1)
    )


def file_change(item: str, path: str, status: str, diff: str = "") -> dict[str, object]:
    change = {
        "path": path,
        "kind": {"type": "update", "move_path": None},
        "diff": diff or "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n",
    }
    return {"type": "fileChange", "id": item, "changes": [change], "status": status}


def turn_state(turn: str, status: str) -> dict[str, object]:
    return {
        "id": turn,
        "rootTurnId": turn,
        "items": [],
        "itemsView": "notLoaded",
        "status": status,
        "error": None,
        "startedAt": int(time.time()),
        "completedAt": None if status == "inProgress" else int(time.time()),
        "durationMs": None,
    }


def initialized(params: dict[str, object]) -> dict[str, object]:
    info = params.get("clientInfo")
    name = info.get("name") if isinstance(info, dict) else "client"
    return {
        "userAgent": f"{name}/{VERSION} (stand-in)",
        "codexHome": os.environ.get("CODEX_HOME", str(Path.cwd())),
        "platformFamily": "unix",
        "platformOs": sys.platform,
    }


def thread_reply(cwd: str, params: dict[str, object]) -> dict[str, object]:
    sandbox = "workspaceWrite" if params.get("sandbox") == "workspace-write" else "readOnly"
    profile = params.get("permissions")
    thread: dict[str, object] = {
        "id": THREAD,
        "environments": [],
        "extra": None,
        "sessionId": THREAD,
        "forkedFromId": None,
        "parentThreadId": None,
        "preview": "",
        "ephemeral": False,
        "section": None,
        "sectionEnteredAt": None,
        "projectId": None,
        "historyMode": "paginated",
        "modelProvider": "stand-in",
        "model": "gpt-5.5",
        "reasoningEffort": None,
        "createdAt": int(time.time()),
        "updatedAt": int(time.time()),
        "recencyAt": int(time.time()),
        "status": {"type": "idle"},
        "path": None,
        "cwd": cwd,
        "cliVersion": VERSION,
        "originator": "bench",
        "source": "vscode",
        "canAcceptDirectInput": True,
        "threadSource": None,
        "agentNickname": None,
        "agentRole": None,
        "gitInfo": None,
        "name": None,
        "daybreakEnabled": None,
        "turns": [],
    }
    return {
        "thread": thread,
        "model": "gpt-5.5",
        "modelProvider": "stand-in",
        "serviceTier": None,
        "disabledPluginIds": [],
        "cwd": cwd,
        "runtimeWorkspaceRoots": [cwd],
        "instructionSources": [],
        "approvalPolicy": params.get("approvalPolicy") or "untrusted",
        "approvalsReviewer": params.get("approvalsReviewer") or "user",
        "sandbox": {"type": sandbox, "networkAccess": False},
        "activePermissionProfile": None if profile is None else {"id": profile},
        "reasoningEffort": None,
        "multiAgentMode": "explicitRequestOnly",
    }


def read_plan(params: dict[str, object]) -> Plan:
    """Find the plan in the text of the turn; whatever stands around it is left alone."""
    pieces = params.get("input")
    for piece in pieces if isinstance(pieces, list) else []:
        text = piece.get("text", "") if isinstance(piece, dict) else ""
        start = text.find("{")
        if start >= 0:
            values, _ = json.JSONDecoder().raw_decode(text[start:])
            return Plan(**values)
    return Plan()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path)
    options, rest = parser.parse_known_args()
    if "--version" in rest or "-V" in rest:
        print(f"codex-cli {VERSION}")
        return
    Agent(options.report).serve()


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)
