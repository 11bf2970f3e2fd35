"""What a verdict costs, and the loading of many remembered rules.

Beside them stands what they cannot do without: the shell parser alone, and the TOML parser of the
standard library on the same text.
"""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

from autopilot_ls.model.approvals import CommandAction, Mode, Outcome
from autopilot_ls.policy.language import read_policy
from autopilot_ls.policy.policy import Policy, builtin_layer, layer_of
from autopilot_ls.policy.remember import FOOTER, HEADER, read_remembered
from autopilot_ls.policy.shell import parse
from tests.bench.report import Figure, at_most, median, percentile, quartiles

RULES = 500
REMEMBERED = 10_000
VERDICT_AIM = 1.0
LOAD_AIM = 100.0

COMMANDS = (
    "ls -la src",
    "git status --short",
    "git diff HEAD~1 -- src/app.py",
    "rg -n 'def main' src tests",
    "pytest -q tests/unit",
    "cd src && make all 2>&1 | tail -20",
    "npm run build",
    "bash -lc 'python -m pytest -x -k smoke | head'",
    "sed -n 1,80p README.md",
    "find . -name '*.py' -not -path './.venv/*' | xargs wc -l",
    "cargo test --workspace",
    "rm -rf build && mkdir -p build/out",
    "cat > notes.txt <<'END'\nsome words\nEND",
    "env FOO=1 timeout 60 ./run.sh --fast",
)


def measure(cwd: Path, rounds: int, loads: int) -> list[Figure]:
    """Measure verdicts on ordinary commands, each so many times, and so many loads."""
    return [_verdicts(cwd, rounds), _loading(loads)]


def _verdicts(cwd: Path, rounds: int) -> Figure:
    text = "".join(
        f'[[rule]]\nname = "rule{number}"\nverdict = "{("allow", "ask", "deny")[number % 3]}"\n'
        f'command = ["program{number % 170} sub{number} …"]\n'
        for number in range(RULES)
    )
    policy = Policy([builtin_layer(), layer_of("user", read_policy(text, "policy.toml"))])
    taken: list[float] = []
    parsing: list[float] = []
    for round_ in range(rounds):
        for command in COMMANDS:
            # Never the same line twice, so that nothing can be remembered from before.
            line = f"{command} # {round_}" if "\n" not in command else f"{command}\n# {round_}"
            action = CommandAction(command=line, cwd=str(cwd))
            began = time.perf_counter()
            verdict = policy.judge(action, mode=Mode.AUTO, workspace=cwd)
            taken.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            parse(f"{line}, parsed alone")
            parsing.append((time.perf_counter() - began) * 1000)
            assert verdict.outcome in Outcome
    p99 = percentile(taken, 0.99)
    alone = percentile(parsing, 0.99)
    return Figure(
        f"verdict with {RULES} rules: p99",
        p99,
        "ms",
        f"parsing the line alone {alone:.2f} ms",
        p99 / alone,
        f"≤ {VERDICT_AIM:g} ms",
        at_most(p99, VERDICT_AIM),
        f"{len(COMMANDS)} ordinary commands, {len(taken):,} verdicts, median {median(taken):.2f} ms",
        tuple(taken),
    )


def _loading(loads: int) -> Figure:
    text = HEADER + "".join(
        f'  {{ name = "remembered-{number:08x}", verdict = "allow", command = "prog{number % 300} '
        f'sub{number} …", workspace = "/w{number % 20}", reason = "me" }},\n'
        for number in range(REMEMBERED)
    ) + FOOTER  # fmt: skip
    taken: list[float] = []
    parsing: list[float] = []
    for _ in range(loads):
        began = time.perf_counter()
        Policy([builtin_layer(), layer_of("remembered", read_remembered(text, "remembered.toml"))])
        taken.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        tomllib.loads(text)
        parsing.append((time.perf_counter() - began) * 1000)
    ratio = median(taken) / median(parsing)
    return Figure(
        f"loading {REMEMBERED:,} remembered rules",
        median(taken),
        "ms",
        f"tomllib on the same text {median(parsing):.0f} ms",
        ratio,
        f"≤ {LOAD_AIM:g} ms",
        at_most(median(taken), LOAD_AIM),
        quartiles(taken, "ms"),
        tuple(taken),
    )
