"""Subsampling changes nothing: the digit CNN with max-pools, average pools, strides and neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from common import mnist
from common.axes import PICTURE
from common.conv import conv, dense
from common.pool import pool
from experiments.digits_sharing import _Batches, digits
from experiments.drawing import bars
from experiments.learning import learnt, size
from experiments.measuring import Experiment, Run, Table

MAX, AVERAGE, STRIDE = "max-pools", "average pools", "strides"
NONE, WIDE = "none, as many weights", "none, as many filters"

STEPS = 1_500
MOVED, SMALL = (2, 4), (0.75, 0.5)
"""Pixels by which a digit is moved, in each of eight directions; what it is shrunk to."""


def measure(network: str, seed: int, data: Path) -> Run:
    """Train on digits as they are; the share read right as they are, shrunk and moved."""
    known, test = digits(data)
    rng = torch.Generator().manual_seed(seed)
    made = build(network, rng)
    taught = learnt(made, mnist.loss, _Batches(known, seed), STEPS, seed=seed)
    pictures, labels = test.inputs(), torch.from_numpy(test.labels)
    measured = {"as they are": _right(taught, pictures, labels)}
    for share in SMALL:
        measured[f"shrunk to {share:.0%}"] = _right(taught, shrunk(pictures, share), labels)
    for pixels in MOVED:
        steps = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]
        parts = [_right(taught, moved(pictures, r * pixels, c * pixels), labels) for r, c in steps]
        measured[f"moved by {pixels}"] = sum(parts) / len(parts)
    return Run(network, seed, size(made), measured)


def build(network: str, rng: torch.Generator) -> nn.Module:
    """The lecture's CNN, its 28 x 28 pixels made fewer as the name says."""
    # Steps of 2 leave 6 x 6 places where pools leave 5 x 5: with 35 filters as many weights follow.
    first, second = 25, {NONE: 2, STRIDE: 35}.get(network, 50)
    stride = 2 if network == STRIDE else 1
    smaller: list[nn.Module] = []
    if network in (MAX, AVERAGE):
        smaller = [pool(PICTURE, 2, "max" if network == MAX else "average")]
    places = {NONE: 24, WIDE: 24, STRIDE: 6}.get(network, 5)
    return nn.Sequential(
        conv(PICTURE, 1, first, stride=stride, padding=0, rng=rng), nn.ReLU(), *smaller,
        conv(PICTURE, first, second, stride=stride, padding=0, rng=rng), nn.ReLU(), *smaller,
        nn.Flatten(), dense(places**2 * second, 100, rng), nn.ReLU(),
        dense(100, 10, rng),
    )  # fmt: skip


def shrunk(pictures: Tensor, share: float) -> Tensor:
    """The pictures smaller, in the middle of black ones of the old size."""
    extent = round(28 * share)
    small = functional.interpolate(pictures, (extent, extent), mode="area")
    before = (28 - extent) // 2
    after = 28 - extent - before
    return functional.pad(small, (before, after, before, after))


def moved(pictures: Tensor, rows: int, columns: int) -> Tensor:
    """The pictures further down and to the right; what leaves them is lost."""
    wide = functional.pad(pictures, (4, 4, 4, 4))
    return wide[:, :, 4 - rows : 32 - rows, 4 - columns : 32 - columns]


@torch.no_grad()
def _right(network: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    answers = torch.cat([network(part).argmax(1) for part in torch.split(pictures, 1000)])
    return (answers == labels).float().mean().item()


def draw(table: Table) -> Any:
    """A group of bars for each change of the digits."""
    return bars(table, "share of the test digits read right")


EXPERIMENT = Experiment(
    name="digits-subsampling",
    title="Subsampling changes nothing: digits",
    claim="A picture may be made smaller on its way; what was learnt holds for digits that are"
    " smaller or elsewhere.",
    setting=f"MNIST's 60,000 digits as they are, {STEPS:,} steps of 64; 10,000 test digits",
    networks=(MAX, AVERAGE, STRIDE, NONE, WIDE),
    measure=measure,
    draw=draw,
)
