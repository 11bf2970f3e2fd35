"""A stand-in for `codex app-server` that says whatever comes to its mind once a turn has begun.

What it says hangs only on `--seed`: frames of the right form with wrong values, frames out of order or twice,
requests with ids that are taken, text that is no JSON and no text, lines of megabytes; and it ends as it likes.
What it is answered is appended to `--answers`, a frame a line. Standard library only, started as a script.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.bench import flood_agent

STEPS = 120
THREADS = (flood_agent.THREAD, "another thread", "", None, 7)
NOTIFICATIONS = (
    *("turn/started", "turn/completed", "turn/diff/updated", "turn/plan/updated"),
    *("item/started", "item/completed", "item/agentMessage/delta", "item/plan/delta"),
    *("item/commandExecution/outputDelta", "item/fileChange/patchUpdated"),
    *("item/reasoning/summaryPartAdded", "item/reasoning/summaryTextDelta"),
    *("item/reasoning/textDelta", "item/mcpToolCall/progress", "item/fileChange/outputDelta"),
    *("item/autoApprovalReview/started", "item/autoApprovalReview/completed"),
    *("item/commandExecution/terminalInteraction", "serverRequest/resolved"),
    *("thread/started", "thread/closed", "thread/tokenUsage/updated", "thread/compacted"),
    *("thread/deleted", "thread/reverted", "thread/settings/updated", "model/rerouted"),
    *("account/updated", "account/rateLimits/updated", "account/login/completed"),
    *("error", "warning", "guardianWarning", "hook/started", "hook/completed", "no/such/thing"),
)
REQUESTS = (
    *("item/commandExecution/requestApproval", "item/fileChange/requestApproval"),
    *("item/permissions/requestApproval", "item/tool/requestUserInput", "item/tool/call"),
    *("mcpServer/elicitation/request", "account/chatgptAuthTokens/refresh"),
    *("execCommandApproval", "applyPatchApproval", "no/such/request"),
)
ITEM_TYPES = (
    *("agentMessage", "reasoning", "commandExecution", "fileChange", "mcpToolCall", "plan"),
    *("webSearch", "userMessage", "collabAgentToolCall", "contextCompaction", "enteredReviewMode"),
    *("exitedReviewMode", "imageView", "dynamicToolCall", "nonsense"),
)


class Hostile(flood_agent.Agent):
    """One connection; see the module's docstring."""

    def __init__(self, seed: int, answers: Path) -> None:
        super().__init__(None)
        self.random = random.Random(seed)
        self.heard = answers
        self.next_id = 0

    def take(self, message: dict[str, object]) -> None:
        if message.get("method") is None:
            with self.heard.open("a", encoding="utf-8") as file:
                file.write(json.dumps(message) + "\n")
        super().take(message)

    def play(self, plan: flood_agent.Plan) -> None:
        del plan
        self.notify(
            "turn/started",
            threadId=flood_agent.THREAD,
            turn=flood_agent.turn_state(self.turn, "inProgress"),
        )
        for _ in range(STEPS):
            self.write(self.line())
            for message in self.poll(0):
                self.take(message)
        self.end()

    def end(self) -> None:
        match self.random.randrange(6):
            case 0:
                self.write(b'{"method":"turn/comp')
                os._exit(0)
            case 1:
                os.kill(os.getpid(), signal.SIGKILL)
            case 2:
                os._exit(3)
            case 3:
                # It closes its output and goes on for as long as it may.
                os.close(1)
                while not self.closed:
                    self.poll(None)
            case _:
                self.notify(
                    "turn/completed",
                    threadId=flood_agent.THREAD,
                    turn=flood_agent.turn_state(self.turn, "completed"),
                )

    # -- what it says

    def line(self) -> bytes:
        choice = self.random.random()
        if choice < 0.03:
            return self.random.choice(
                [
                    b"\xff\xfe\x00 no text\n",
                    b"{\n",
                    b"[]\n",
                    b"null\n",
                    b'{"method":5}\n',
                    b'{"id":1e400,"result":{}}\n',
                    b'{"method":"item/started","params":' + b"[" * 5_000 + b"]" * 5_000 + b"}\n",
                    b'{"method":"warning","params":'
                    + b'{"a":' * 5_000
                    + b"1"
                    + b"}" * 5_000
                    + b"}\n",
                    b'{"method":"warning","params":{"message":NaN}}\n',
                    b'{"method":"warning","params":{"message":"\\ud800"}}\n',
                    b'{"method":"warning","params":{"message":' + b"9" * 5_000 + b"}}\n",
                    b'{"method":"warning","params":{"message":"' + b"x" * 3_000_000 + b'"}}\n',
                    b"\0" * 100 + b"\n",
                    b"\n\r\n\n",
                ]
            )
        if choice < 0.08:
            # Replies that nobody waits for, and some that somebody may.
            reply = {"id": self.odd_id(), self.random.choice(["result", "error"]): self.value()}
            return self.encoded(reply)
        if choice < 0.35:
            frame = {"method": self.random.choice(REQUESTS), "params": self.params()}
            return self.encoded({**frame, "id": self.odd_id()})
        method = self.random.choice(NOTIFICATIONS)
        if method in ("turn/completed", "thread/closed") and self.random.random() < 0.8:
            method = "item/started"
        frame = {"method": method, "params": self.params()}
        line = self.encoded(frame)
        return line * self.random.choice([1, 1, 1, 2, 5])

    def encoded(self, frame: dict[str, Any]) -> bytes:
        return (
            json.dumps(frame, ensure_ascii=self.random.random() < 0.5).encode(
                "utf-8", "surrogatepass"
            )
            + b"\n"
        )

    def odd_id(self) -> object:
        self.next_id += self.random.choice([0, 1, 1])
        return self.random.choice(
            [self.next_id] * 6 + [str(self.next_id), -1, 2**70, True, 1.5, ""]
        )

    def params(self) -> object:
        if self.random.random() < 0.02:
            return self.value()
        chance = self.random
        params: dict[str, object] = {
            "threadId": flood_agent.THREAD if chance.random() < 0.7 else chance.choice(THREADS),
            "turnId": self.turn if chance.random() < 0.7 else "another turn",
            "itemId": self.item_id(),
            "item": self.item(),
            "turn": flood_agent.turn_state(
                self.turn, chance.choice(["inProgress", "completed", "odd"])
            ),
            "delta": chance.choice(["text", "\n" * 1_000, "\x1b[2J", "\u202e", "a" * 50_000]),
            "thread": {"id": chance.choice(THREADS), "agentNickname": "\x1b]0;x\x07"},
            "requestId": chance.randrange(self.next_id + 1),
            "command": chance.choice(
                ["ls", "rm -rf /", "curl x | sh", "'", "echo \x00", "$(" * 500]
            ),
            "cwd": chance.choice([self.cwd, "/", "relative", ""]),
            "fileChanges": {"a.txt": {"type": "delete", "content": "x"}},
            "questions": [{"id": "q", "header": "h", "question": "?", "options": []}],
            "message": chance.choice(["hello", "\x1b[31m", ""]),
            "tokenUsage": {"total": self.tokens(), "last": self.tokens()},
            "plan": [{"step": "s", "status": chance.choice(["pending", "odd"])}]
            * chance.choice([1, 500]),
            "diff": "diff --git a/x b/x\n",
            "permissions": {"network": {"enabled": True}, "fileSystem": {"write": ["/"]}},
            "requestedSchema": {"type": "object", "properties": {}},
            "mode": chance.choice(["form", "url"]),
            "startedAtMs": chance.choice([0, -1, 2**63, 1e308, True]),
            "completedAtMs": chance.choice([0, -1, 2**63]),
        }
        for name in chance.sample(sorted(params), chance.choice([0, 0, 0, 1, 2])):
            params[name] = self.value()
        for name in chance.sample(sorted(params), chance.choice([0, 0, 0, 1])):
            del params[name]
        return params

    def tokens(self) -> dict[str, object]:
        number = self.random.choice([1, -5, 2**70, 1.5, "7", None, 1e308])
        return {"totalTokens": number, "inputTokens": number, "outputTokens": 2}

    def item_id(self) -> object:
        return self.random.choice([f"i{self.random.randrange(6)}"] * 12 + ["", None, 5])

    def item(self) -> object:
        chance = self.random
        item: dict[str, object] = {
            "type": chance.choice(ITEM_TYPES),
            "id": self.item_id(),
            "text": chance.choice(["hi", "![x](http://x)", "x" * 100_000]),
            "command": chance.choice(["ls", "make", "'", "echo hi > ../x"]),
            "cwd": self.cwd,
            "status": chance.choice(["inProgress", "completed", "failed", "declined", "odd"]),
            "aggregatedOutput": chance.choice([None, "out", "\x00\xff", "o" * 200_000]),
            "exitCode": chance.choice([0, 1, None, 2**70, "1"]),
            "durationMs": chance.choice([0, 10, -1, 1e308]),
            "changes": [self.change() for _ in range(chance.choice([0, 1, 3]))],
            "summary": chance.choice([[], ["**a**"], "odd"]),
            "content": [],
            "server": "s",
            "tool": "t",
            "arguments": self.value(),
        }
        for name in chance.sample(sorted(item), chance.choice([0, 0, 0, 1])):
            item[name] = self.value()
        return item

    def change(self) -> object:
        chance = self.random
        return {
            "path": chance.choice(
                [f"{self.cwd}/a.txt", "a.txt", "../../x", "/etc/passwd", "", "a\x00b", "."]
            ),
            "kind": chance.choice(
                [
                    {"type": "update", "move_path": None},
                    {"type": "add"},
                    {"type": "delete"},
                    {"type": "update", "move_path": "../y"},
                    {"type": "odd"},
                ]
            ),
            "diff": chance.choice(
                ["@@ -1 +1 @@\n-a\n+b\n", "@@ -9 +9 @@\n-q\n", "", "rubbish", "@@ @@"]
            ),
        }

    def value(self, depth: int = 0) -> object:
        chance = self.random
        simple = [None, True, 0, -1, 2**70, 1.5, 1e308, "", "text", "\x00", "a" * 5_000]
        if depth > 3 or chance.random() < 0.7:
            return chance.choice(simple)
        if chance.random() < 0.5:
            return [self.value(depth + 1) for _ in range(3)]
        return {chance.choice(["a", "type", "id"]): self.value(depth + 1) for _ in range(3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answers", type=Path, required=False)
    options, rest = parser.parse_known_args()
    if "--version" in rest or "-V" in rest:
        print(f"codex-cli {flood_agent.VERSION}")
        return
    Hostile(options.seed, options.answers).serve()


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)
