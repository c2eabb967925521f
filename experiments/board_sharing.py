"""The same pattern elsewhere, and turned: shared filters and the eight symmetries on the board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from boardnet.train import loss
from common.axes import BOARD
from common.conv import conv, dense
from experiments import board
from experiments.drawing import bars
from experiments.learning import learnt, size
from experiments.measuring import Experiment, Run, Table
from experiments.unshared import Unshared

SHARED, FEW = "shared, as many weights", "shared, as many filters"
UNSHARED = "own filters at each point"
AS_PLAYED = "; as played only"

STEPS, GAMES = 600, 400
FILTERS, WIDE = 4, 168


def measure(network: str, seed: int, data: Path) -> Run:
    """Train on few games; top-1 and nats on later ones, by one look and by the mean of eight."""
    made = build(network.removesuffix(AS_PLAYED), torch.Generator().manual_seed(seed))
    known = board.games(data, "train", GAMES)
    batches = board.batches(known, seed, turned=not network.endswith(AS_PLAYED))
    taught = learnt(made, loss, batches, STEPS, seed=seed, peak_rate=2e-3)
    planes, moves = board.validation(data)
    measured: dict[str, float] = {}
    for looks, told in ((1, "one look"), (8, "mean of eight")):
        top1, nats = board.scores(board.answers(taught, planes, looks), moves)
        measured |= {f"top-1, {told}": top1, f"nats, {told}": nats}
    return Run(network, seed, size(made), measured)


class _Plain(nn.Module):
    """Three layers of 3x3 and a head, all of one kind: planes -> logits."""

    def __init__(self, width: int, shared: bool, rng: torch.Generator) -> None:
        super().__init__()

        def layer(before: int, after: int) -> nn.Module:
            if shared:
                return conv(BOARD, before, after, rng=rng)
            return Unshared(before, after, (board.SIZE, board.SIZE), padding=1, rng=rng)

        self.maps = nn.Sequential(
            layer(board.PLANES, width), nn.ReLU(), layer(width, width), nn.ReLU(),
            layer(width, width), nn.ReLU(),
        )  # fmt: skip
        self.point = layer(width, 1)
        self.no_point = dense(width, 1, rng)

    def forward(self, planes: Tensor) -> Tensor:
        maps = self.maps(planes.to(self.no_point.weight.dtype))
        return torch.cat([self.point(maps).flatten(1), self.no_point(maps.mean((2, 3)))], dim=1)


def build(network: str, rng: torch.Generator) -> nn.Module:
    """A network by its name."""
    return _Plain(WIDE if network == SHARED else FILTERS, network != UNSHARED, rng)


def draw(table: Table) -> Any:
    """Bars of top-1, by one look and by eight."""
    columns = [name for name in table.columns if name.startswith("top-1")]
    return bars(table, "share of moves foreseen", columns=columns, from_zero=True)


EXPERIMENT = Experiment(
    name="board-sharing",
    title="The same pattern elsewhere, and turned: weights on the board",
    claim="One filter serves every point of the board, and every way to turn it.",
    setting=f"three layers of 3x3 filters, {STEPS:,} steps of {board.BATCH} positions of"
    f" {2 * GAMES:,} games (TYGEM, KGS); {2 * board.VALIDATED:,} positions of later games",
    networks=(SHARED, SHARED + AS_PLAYED, FEW, UNSHARED, UNSHARED + AS_PLAYED),
    measure=measure,
    draw=draw,
)
