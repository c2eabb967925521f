"""What a person sees while a network trains: a bar on a terminal, else a line now and then.

All of it goes to stderr.
"""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY = 30.0  # seconds between lines where there is no terminal


class Display:
    """Shows the steps of a run from `start` to `steps`; as a context manager.

    silent: shows nothing (all processes but the leading one). unit: what is counted.
    """

    def __init__(self, *, start: int, steps: int, silent: bool = False, unit: str = "step") -> None:
        self.steps = steps
        self.silent, self.unit = silent, unit
        self.console = Console(stderr=True, highlight=False)
        self.began = time.monotonic()
        self.start = start
        self.spoke = float("-inf")
        self.bar: Progress | None = None
        if self.console.is_terminal and not silent:
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            self.bar = Progress(*columns, TimeRemainingColumn(), TextColumn("left"),
                                console=self.console)  # fmt: skip
            self.task = self.bar.add_task("", total=steps, completed=start)

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def update(self, step: int, shown: Mapping[str, float | None]) -> None:
        """Show the numbers of the last few steps; step: steps done."""
        text = "  ".join(f"{name} {_short(value)}" for name, value in shown.items())
        if self.bar is not None:
            self.bar.update(self.task, completed=step, description=text)
            return
        now = time.monotonic()
        if now - self.spoke >= LINE_EVERY or step == self.steps:
            self.spoke = now
            left = (now - self.began) / max(1, step - self.start) * (self.steps - step)
            parts = (f"{self.unit} {step} of {self.steps}", text, f"{_duration(left)} left")
            self.note("  ".join(part for part in parts if part))

    def count(self, done: int, total: int, **shown: float) -> None:
        """The same where it was not known at first how many there are."""
        self.steps = total
        if self.bar is not None:
            self.bar.update(self.task, total=total)
        self.update(done, shown)

    def note(self, text: str) -> None:
        """One sentence, kept above the bar."""
        if not self.silent:
            self.console.print(text, markup=False, soft_wrap=True)


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.4g}"


def _duration(seconds: float) -> str:
    """
    >>> _duration(4000)
    '1:06:40'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
