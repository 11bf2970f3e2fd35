"""What a process costs, what the machine is, and how steady it is.

Linux tells through /proc; elsewhere `ps` tells, more coarsely.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Memory:
    """Bytes of a process: resident, and resident without what is shared (0 where unknown)."""

    rss: int
    pss: int


def processor_time(pid: int) -> float:
    """Return the seconds that all threads of a process have computed so far."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    shown = subprocess.run(
        ["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True
    ).stdout.strip()
    seconds = 0.0
    for part in shown.replace("-", ":").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def waiting_time(pid: int) -> float | None:
    """Return the seconds that all threads of a process could have computed, but others did.

    None where the system does not tell.
    """
    tasks = Path(f"/proc/{pid}/task")
    try:
        lines = [(task / "schedstat").read_text() for task in tasks.iterdir()]
    except OSError:
        return None
    return sum(int(line.split()[1]) for line in lines) / 1e9


def memory(pid: int) -> Memory:
    """Return the memory of a process."""
    rollup = Path(f"/proc/{pid}/smaps_rollup")
    if rollup.exists():
        sizes = {
            words[0]: int(words[1]) * 1024
            for words in (line.split() for line in rollup.read_text().splitlines()[1:])
        }
        return Memory(sizes["Rss:"], sizes["Pss:"])
    shown = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True
    ).stdout
    return Memory(int(shown) * 1024, 0)


def spin() -> float:
    """Return the seconds that a fixed piece of work takes: on a quiet machine always the same."""
    start = time.perf_counter()
    total = 0
    for number in range(300_000):
        total += number & 7
    return time.perf_counter() - start


def load() -> str:
    """Return how busy the machine is, as far as it tells."""
    try:
        return f"{os.getloadavg()[0]:.2f}"
    except OSError:
        return "unknown"


def describe() -> str:
    """Return in one line what machine this is."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} × {model}, "
        f"Python {platform.python_version()}"
    )
