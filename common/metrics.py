"""Metrics: sums that stay on the device while training, and the file of all that was measured.

metrics.jsonl has one JSON object a line: {"step": 40, "loss": 2.1, "accuracy": 0.3, "rate": ...}
for training, averaged since the line before, and {"step": 40, "validation/loss": 1.9, ...}.
`step` counts the steps done. What is not finite is null.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from common.device import World
from common.errors import CommonError

Row = dict[str, Any]


class Meter:
    """Sums over steps, kept on the device so that no step waits for the device.

    A step whose gradients were not finite counts as skipped and adds nothing else.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.names: list[str] = []
        self.sums = torch.zeros(0, dtype=torch.float64, device=device)
        # Steps summed, skipped in all, skipped in a row until now, and most ever in a row.
        self.counts = torch.zeros(4, dtype=torch.float64, device=device)

    def add(self, values: Mapping[str, Tensor], skipped: Tensor) -> None:
        """values: scalars of one step, the same names every time. skipped: 0 or 1, a scalar."""
        if not self.names:
            self.names = sorted(values)
            self.sums = self.sums.new_zeros(len(self.names))
        now = torch.stack([values[name] for name in self.names]).double()
        self.sums += torch.where(skipped.bool(), 0.0, now)
        counted, before, row, worst = self.counts.unbind()
        row = (row + 1) * skipped
        self.counts = torch.stack([counted + 1 - skipped, before + skipped, row, worst.max(row)])

    def read(self, world: World) -> tuple[dict[str, float | None], int, int]:
        """The means since the last reading, over all processes (None if all steps were skipped),
        the steps skipped in all, and most of them in a row. Waits for the device."""
        counts = self.counts.tolist()
        sums = world.total(self.sums).tolist()
        count = counts[0] * world.size
        means = {
            name: total / count if count else None
            for name, total in zip(self.names, sums, strict=True)
        }
        self.sums = torch.zeros_like(self.sums)
        self.counts = torch.cat([self.counts.new_zeros(1), self.counts[1:]])
        return means, int(counts[1]), int(counts[3])

    def state(self) -> Row:
        """As JSON can hold it, exactly."""
        sums = dict(zip(self.names, self.sums.tolist(), strict=True))
        return {"sums": sums, "counts": self.counts.tolist()}

    def set_state(self, state: Row) -> None:
        self.names = list(state["sums"])
        self.sums = self.sums.new_tensor(list(state["sums"].values()))
        self.counts = self.counts.new_tensor(state["counts"])


class Log:
    """metrics.jsonl in `folder`, and TensorBoard's files if asked; written from step `done` on.

    Raises CommonError if the folder cannot be written or TensorBoard is not installed.
    """

    def __init__(self, folder: Path, *, done: int, tensorboard: bool = False) -> None:
        self.path = folder / "metrics.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            truncate(self.path, done)
        except OSError as error:
            raise CommonError(f"cannot write to {folder}: {error.strerror}") from error
        self.board: Any = _tensorboard(folder, done) if tensorboard else None

    def write(self, row: Mapping[str, Any]) -> None:
        """Add one row. Raises OSError (a full disk, say)."""
        if self.board is not None:
            for name, value in row.items():
                if name != "step" and value is not None:
                    self.board.add_scalar(name, value, row["step"])
        append(self.path, row)

    def close(self) -> None:
        """Write out what TensorBoard still holds."""
        if self.board is not None:
            self.board.close()


def _tensorboard(folder: Path, done: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise CommonError(
            "tensorboard is not installed: pip install convsuite[tensorboard]"
        ) from error
    return SummaryWriter(folder / "tensorboard", purge_step=done + 1)


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Add one line. Raises OSError."""
    clean = {name: _finite(value) for name, value in row.items()}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(clean) + "\n")


def read(path: Path) -> list[Row]:
    """All lines; a torn one (the process was killed while it wrote) ends the file."""
    rows, _ = _read(path)
    return rows


def truncate(path: Path, step: int) -> None:
    """Remove the lines of steps after `step`, which a resumed run is going to write again."""
    rows, ends = _read(path)
    kept = 0
    for row, end in zip(rows, ends, strict=True):
        if row["step"] > step:
            break
        kept = end
    if path.exists():
        os.truncate(path, kept)


def _read(path: Path) -> tuple[list[Row], list[int]]:
    """The rows, and the byte at which each ends."""
    rows: list[Row] = []
    ends: list[int] = []
    if not path.exists():
        return rows, ends
    position = 0
    for line in path.read_bytes().splitlines(keepends=True):
        position += len(line)
        try:
            row = json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n") or not isinstance(row, dict) or "step" not in row:
            break
        rows.append(row)
        ends.append(position)
    return rows, ends


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
