"""What the benchmarks measure with: two figures of one run, and their ratio."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def show(what: str, ours: float, other: float, unit: str, goal: str) -> None:
    """Print a line: ours, what it is compared with, the ratio, and where that should be."""
    print(
        f"{what:58} {ours:10.4g} / {other:10.4g} {unit:10} = {ours / other:7.3f}  {goal}",
        flush=True,
    )


def best(*works: Callable[[], object], rounds: int = 20, times: int = 1) -> list[float]:
    """The shortest time of each, in seconds: what the work takes when nothing disturbs it.

    They take turns, `times` runs of one at a time, so that none has the machine at its best alone.
    """
    found = [float("inf")] * len(works)
    for _ in range(rounds):
        for which, work in enumerate(works):
            for _ in range(times):
                start = time.perf_counter()
                work()
                found[which] = min(found[which], time.perf_counter() - start)
    return found


def cold_start(package: str, command: str, *arguments: str, goal: str) -> None:
    """A whole command beside the import of torch alone: medians of seven, taking turns."""
    both = (["-m", package, command, *arguments], ["-c", "import torch"])
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(7):
        for seconds, what in zip(times, both, strict=True):
            start = time.perf_counter()
            subprocess.run([sys.executable, *what], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
            seconds.append(time.perf_counter() - start)
    ours, torch = map(statistics.median, times)
    show(f"cold start of {command} / import torch", ours, torch, "s", goal)
