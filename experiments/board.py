"""The board: positions, the loss and the scores that the experiments on Go share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from boardnet import corpus, records
from boardnet.corpus import Corpus
from boardnet.planes import LAST, NAMES
from boardnet.symmetry import inverse, turn
from common.axes import PICTURE
from common.conv import ResidualBlock, conv, dense

PLANES, SIZE, BATCH = len(NAMES), 19, 128
KINDS = ("tygem", "kgs")
VALIDATED = 3_000
"""Positions of each kind that are looked at: the error of a top-1 is about 0.006."""


@cache
def games(
    data: Path, part: str, count: int | None = None, kinds: tuple[str, ...] = KINDS
) -> Corpus:
    """The first games of each kind, of `train` or `val`, as many as are asked for."""
    found = []
    for kind in kinds:
        name = f"{kind}-000.sgf.xz" if part == "train" else f"{kind}.sgf.xz"
        for number, game in enumerate(records.iterate(data / "go" / part / name)):
            if number == count:
                break
            found.append(game)
    return corpus.from_games(found)[0]


class Tower(nn.Module):
    """A stem of 5x5, residual blocks with something between them, a head: planes -> logits.

    Made without the declaration of a board, since what stands between may break it.
    """

    def __init__(
        self,
        channels: int,
        blocks: int,
        rng: torch.Generator,
        between: Callable[[int], tuple[nn.Module, nn.Module]] | None = None,
        *,
        around: bool = False,
    ) -> None:
        super().__init__()
        half = blocks // 2
        self.around = around
        self.stem = conv(PICTURE, PLANES, channels, 5, bias=False, rng=rng)
        self.first = nn.Sequential(
            *(ResidualBlock(PICTURE, channels, rng=rng) for _ in range(half))
        )
        smaller, larger = between(channels) if between else (nn.Identity(), nn.Identity())
        self.smaller, self.larger = smaller, larger
        self.second = nn.Sequential(
            *(ResidualBlock(PICTURE, channels, rng=rng) for _ in range(blocks - half))
        )
        self.head = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(), conv(PICTURE, channels, channels, 3, rng=rng),
            nn.ReLU(),
        )  # fmt: skip
        self.point = conv(PICTURE, channels, 1, 1, rng=rng)
        self.no_point = dense(channels, 1, rng)

    def forward(self, planes: Tensor) -> Tensor:
        near = self.first(self.stem(planes.to(self.stem.weight.dtype)))
        far = self.larger(self.second(self.smaller(near)))
        maps = self.head(near + far if self.around else far)
        return torch.cat([self.point(maps).flatten(1), self.no_point(maps.mean((2, 3)))], dim=1)


@torch.no_grad()
def answers(network: nn.Module, planes: NDArray[np.uint8], symmetries: int = 1) -> Tensor:
    """Logarithms of the probabilities of each point and the pass, [position, cell]; of the mean
    over the turned and mirrored boards."""
    total = []
    for which in range(symmetries):
        turned = torch.from_numpy(np.ascontiguousarray(turn(planes, which)))
        chance = torch.cat([network(part).float() for part in torch.split(turned, 250)]).softmax(
            dim=1
        )
        board = turn(chance[:, :-1].reshape(-1, SIZE, SIZE).numpy(), inverse(which))
        total.append(np.concatenate([board.reshape(len(board), -1), chance[:, -1:]], axis=1))
    return torch.from_numpy(np.mean(total, axis=0)).clamp(min=1e-9).log()


def scores(chances: Tensor, moves: NDArray[np.int64]) -> tuple[float, float]:
    """Top-1 and nats of answers."""
    target = torch.from_numpy(moves)
    top1 = (chances.argmax(dim=1) == target).float().mean().item()
    return top1, functional.nll_loss(chances, target).item()


def validation(
    data: Path, kinds: tuple[str, ...] = KINDS
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Positions of later games, evenly through them: planes, and the moves played."""
    held = games(data, "val", 500, kinds)
    return held.examples(evenly(held, VALIDATED * len(kinds)))


def evenly(held: Corpus, count: int) -> NDArray[np.int64]:
    """So many positions, evenly through a corpus."""
    count = min(held.positions, count)
    return np.arange(count) * held.positions // count


def distances(planes: NDArray[np.uint8], moves: NDArray[np.int64]) -> NDArray[np.float64]:
    """From each move to the one before, in points as the crow flies; NaN where one is a pass."""
    found = np.full(len(moves), np.nan)
    for number, (board, move) in enumerate(zip(planes[:, LAST], moves, strict=True)):
        before = np.argwhere(board)
        if len(before) and move < SIZE**2:
            found[number] = float(np.hypot(*(np.array(divmod(int(move), SIZE)) - before[0])))
    return found


def batches(known: Corpus, seed: int, *, turned: bool = True) -> Callable[[int], Any]:
    """Training positions at random, turned and mirrored or as they were played."""

    def batch(number: int) -> dict[str, NDArray[Any]]:
        rng = np.random.default_rng((seed, number))
        places = rng.integers(known.positions, size=BATCH)
        return known.labelled(places, rng.integers(8, size=BATCH) if turned else None)

    return batch
