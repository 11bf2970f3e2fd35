"""What others make of the same flood: a bare loop, and the official SDK. Each runs in a process of its own.

`python -m tests.bench.peers loop|sdk PLAN AGENT...` prints one line of JSON: deltas, seconds from the first to the
end of the turn, and the processor time of this process, in seconds.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

DELTA = "item/agentMessage/delta"


def loop(plan: str, agent: list[str]) -> tuple[int, float, float]:
    """Read lines and parse them, with nothing else: the most that plain Python can do."""
    with subprocess.Popen(agent, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        requests = (
            ("initialize", {"clientInfo": {"name": "loop", "title": "loop", "version": "0"}}),
            ("thread/start", {}),
            ("turn/start", {"input": [{"type": "text", "text": plan}]}),
        )
        for number, (method, params) in enumerate(requests):
            message = {"id": number, "method": method, "params": params}
            process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()
        readline = process.stdout.readline
        deltas, began, busy = 0, 0.0, 0.0
        while line := readline():
            method = json.loads(line).get("method")
            if method == DELTA:
                if not deltas:
                    began, busy = time.perf_counter(), time.process_time()
                deltas += 1
            elif method == "turn/completed":
                break
        ended, worked = time.perf_counter(), time.process_time()
        process.stdin.close()
    return deltas, ended - began, worked - busy


async def sdk(plan: str, agent: list[str]) -> tuple[int, float, float]:
    """Follow a turn with the official SDK, as its documentation shows it."""
    from openai_codex import AsyncCodex, CodexConfig

    deltas, began, busy = 0, 0.0, 0.0
    async with AsyncCodex(CodexConfig(launch_args_override=tuple(agent))) as codex:
        thread = await codex.thread_start()
        turn = await thread.turn(plan)
        async for event in turn.stream():
            if event.method == DELTA:
                if not deltas:
                    began, busy = time.perf_counter(), time.process_time()
                deltas += 1
        ended, worked = time.perf_counter(), time.process_time()
    return deltas, ended - began, worked - busy


def main() -> None:
    which, plan, *agent = sys.argv[1:]
    deltas, seconds, processor = (
        asyncio.run(sdk(plan, agent)) if which == "sdk" else loop(plan, agent)
    )
    print(json.dumps({"deltas": deltas, "seconds": seconds, "processor": processor}))


if __name__ == "__main__":
    main()
