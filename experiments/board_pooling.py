"""No pooling on the board: the same network with its board made smaller in the middle, and not.

Every network answers for each point, so the smaller board is made large again, each of its points
four times; a 3x3 convolution follows. `around` gives that one the full board as well.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from boardnet.train import loss
from common.axes import PICTURE
from common.conv import conv
from common.pool import pool
from experiments import board
from experiments.drawing import bars
from experiments.learning import learnt, size
from experiments.measuring import Experiment, Run, Table

NONE, MAX, AVERAGE, STRIDE = "no pooling", "max-pool", "average pool", "stride"
AROUND = "max-pool, and a way around it"

STEPS, GAMES, CHANNELS, BLOCKS = 1_200, 3_000, 32, 4
NEAR = (0, 2, 5, 10, 30)
"""Points between a move and the one before: the edges of the groups."""


def measure(network: str, seed: int, data: Path) -> Run:
    """Train on the same positions; top-1 and nats on later games, also by distance."""
    made = build(network, torch.Generator().manual_seed(seed))
    known = board.games(data, "train", GAMES)
    taught = learnt(made, loss, board.batches(known, seed), STEPS, seed=seed, peak_rate=2e-3)
    planes, moves = board.validation(data)
    chances = board.answers(taught, planes)
    measured = dict(zip(("top-1", "nats"), board.scores(chances, moves), strict=True))
    away = board.distances(planes, moves)
    for low, high in pairwise(NEAR):
        some = (away > low) & (away <= high)
        name = f"top-1, {low} to {high} away" if low else f"top-1, up to {high} away"
        measured[name] = board.scores(chances[torch.from_numpy(some)], moves[some])[0]
    return Run(network, seed, size(made), measured)


def build(network: str, rng: torch.Generator) -> nn.Module:
    """A network by its name. All have the same weights but that with strides, whose convolution
    takes the place of the pool."""

    def between(channels: int) -> tuple[nn.Module, nn.Module]:
        if network == STRIDE:
            return _Smaller(conv(PICTURE, channels, channels, stride=2, rng=rng)), _Larger()
        return _Smaller(pool(PICTURE, 2, "average" if network == AVERAGE else "max")), _Larger()

    return board.Tower(
        CHANNELS, BLOCKS, rng, None if network == NONE else between, around=network == AROUND
    )


class _Smaller(nn.Module):
    """19 x 19 -> 10 x 10; a line of nothing is put below and to the right, or it would be lost."""

    def __init__(self, by: nn.Module) -> None:
        super().__init__()
        self.by = by

    def forward(self, maps: Tensor) -> Tensor:
        smaller: Tensor = self.by(nn.functional.pad(maps, (0, 1, 0, 1)))
        return smaller


class _Larger(nn.Module):
    """10 x 10 -> 19 x 19, each point four times."""

    def forward(self, maps: Tensor) -> Tensor:
        larger = nn.functional.interpolate(maps, scale_factor=2, mode="nearest")
        return larger[:, :, : board.SIZE, : board.SIZE]


def draw(table: Table) -> Any:
    """A group of bars for each distance."""
    columns = [name for name in table.columns if name != "nats"]
    return bars(table, "share of moves foreseen", columns=columns, from_zero=True)


EXPERIMENT = Experiment(
    name="board-pooling",
    title="Half a board is another game: pooling in Go",
    claim="On a board subsampling does change what there is: pooling makes a network worse.",
    setting=f"{BLOCKS} residual blocks of {CHANNELS} channels, {STEPS:,} steps of {board.BATCH}"
    f" positions of {2 * GAMES:,} games (TYGEM, KGS); {2 * board.VALIDATED:,} positions of later"
    " games",
    networks=(NONE, MAX, AVERAGE, STRIDE, AROUND),
    measure=measure,
    draw=draw,
)
