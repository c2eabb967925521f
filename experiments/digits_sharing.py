"""Small patterns, the same elsewhere: the lecture's CNN against networks without one or the other.

A dense layer knows neither property; an unshared one knows that patterns are small, but learns them
anew at every place; a CNN whose pictures have had their pixels shuffled, all in the same way, looks
for small patterns where there are none.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from common import mnist
from common.conv import dense
from experiments.drawing import lines
from experiments.learning import learnt, size
from experiments.measuring import Experiment, Run, Table
from experiments.unshared import Unshared

CNN, SHUFFLED = "the lecture's CNN", "the same, pixels shuffled"
DENSE = "dense"
UNSHARED, WIDE = "unshared, as many weights", "unshared, as many filters"

MANY = (100, 1_000, 10_000)
STEPS, BATCH = 1_000, 64


def measure(network: str, seed: int, data: Path) -> Run:
    """Train with each number of digits; the share of the 10,000 test digits that is read right."""
    known, test = (_shuffled(part) if network == SHUFFLED else part for part in digits(data))
    measured = {}
    for count in MANY:
        rng = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(known), generator=rng)[:count].numpy()
        few = mnist.Digits(known.pictures[chosen], known.labels[chosen])
        made = build(network, rng)
        taught = learnt(made, mnist.loss, _Batches(few, seed), STEPS, seed=seed)
        measured[f"{count:,} digits"] = mnist.accuracy(taught, test)["accuracy"]
    return Run(network, seed, size(made), measured)


def build(network: str, rng: torch.Generator) -> nn.Module:
    """A network by its name."""
    if network in (CNN, SHUFFLED):
        return mnist.network(rng=rng)
    if network == DENSE:
        return nn.Sequential(
            nn.Flatten(), dense(28 * 28, 155, rng), nn.ReLU(), dense(155, 100, rng),
            nn.ReLU(), dense(100, 10, rng),
        )  # fmt: skip
    first, second = (6, 10) if network == UNSHARED else (25, 50)
    return nn.Sequential(
        Unshared(1, first, (28, 28), rng=rng), nn.ReLU(), nn.MaxPool2d(2),
        Unshared(first, second, (13, 13), rng=rng), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), dense(25 * second, 100, rng), nn.ReLU(), dense(100, 10, rng),
    )  # fmt: skip


@cache
def digits(data: Path) -> tuple[mnist.Digits, mnist.Digits]:
    """Those to learn from and those to test with."""
    return mnist.read(data / "images" / "mnist")


class _Batches:
    """Digits at random, as they are: batch number -> pictures and labels."""

    def __init__(self, known: mnist.Digits, seed: int) -> None:
        self.pictures, self.labels = known.inputs(), torch.from_numpy(known.labels)
        self.seed = seed

    def __call__(self, number: int) -> dict[str, Tensor]:
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        chosen = torch.randint(len(self.labels), (BATCH,), generator=rng)
        return {"pictures": self.pictures[chosen], "labels": self.labels[chosen]}


def _shuffled(part: mnist.Digits) -> mnist.Digits:
    order = torch.randperm(28 * 28, generator=torch.Generator().manual_seed(7)).numpy()
    pictures = part.pictures.reshape(len(part), -1)[:, order].reshape(part.pictures.shape)
    return mnist.Digits(pictures, part.labels)


def draw(table: Table) -> Any:
    """Accuracy over the number of digits, a line a network."""
    return lines(table, list(MANY), "digits to learn from", "share of the test digits read right")


EXPERIMENT = Experiment(
    name="digits-sharing",
    title="Small patterns, the same elsewhere: digits",
    claim="A network that knows that patterns are small and the same elsewhere needs fewer digits.",
    setting=f"MNIST, {STEPS:,} steps of {BATCH} digits as they are, 10,000 test digits",
    networks=(CNN, UNSHARED, WIDE, DENSE, SHUFFLED),
    measure=measure,
    draw=draw,
)
