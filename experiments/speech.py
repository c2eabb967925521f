"""Speech: clips, networks and scores that the experiments on words share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from common.axes import Declaration
from experiments.learning import size
from speechnet.clips.words import Clip, read_clips
from speechnet.training.noise import Noise, recordings, split
from speechnet.training.train import Data

PICTURE_LIKE = Declaration(
    "spectrogram taken for a picture", ("frequency", "time"), ("frequency", "time"), ("frequency",)
)
"""What a two-dimensional network says of its input. Time is not made shorter: what follows reads
every frame, as in the network that ships."""


@cache
def clips(data: Path, part: str) -> tuple[Clip, ...]:
    """Speech Commands' clips of `train`, `val` or `test`: no speaker is in two of them."""
    return read_clips(data / "speech" / "commands" / f"{part}.tar").clips


@cache
def learnt_from(data: Path) -> Data:
    """All real clips to train on, and noise; what is kept back of that is `validation_noise`."""
    known, kept_back = split(recordings(data / "speech" / "noise"))
    digits = read_clips(data / "speech" / "fsdd" / "fsdd.tar").clips
    return Data([clips(data, "train"), digits], [], clips(data, "val"), Noise(known), kept_back)


class Temporal(nn.Module):
    """Filters that cover all bands and slide along time: levels -> features, [batch, frame,
    feature]. Residual blocks of two, as TC-ResNet has them (Choi et al. 2019)."""

    def __init__(
        self, bands: int, width: int, features: int, blocks: int = 3, kernel: int = 3,
        rng: torch.Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.level = nn.BatchNorm1d(bands)
        self.stem = nn.Conv1d(bands, width, kernel, padding=kernel // 2)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(width), nn.ReLU(),
                nn.Conv1d(width, width, kernel, padding=kernel // 2, bias=False),
                nn.BatchNorm1d(width), nn.ReLU(),
                nn.Conv1d(width, width, kernel, padding=kernel // 2, bias=False),
            )
            for _ in range(blocks)
        )  # fmt: skip
        self.last = nn.Sequential(
            nn.BatchNorm1d(width), nn.ReLU(), nn.Conv1d(width, features, 1), nn.ReLU()
        )
        for part in self.modules():
            if isinstance(part, nn.Conv1d):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu", generator=rng)

    def forward(self, mel: Tensor) -> Tensor:
        """mel: [batch, band, frame], or its `planes`."""
        level = self.planes(mel) if mel.ndim == 3 else mel
        maps = self.stem(level.squeeze(1))
        for block in self.blocks:
            maps = maps + block(maps)
        heard: Tensor = self.last(maps)
        return heard.transpose(1, 2)

    def planes(self, mel: Tensor) -> Tensor:
        """As of the network that ships, but levels alone: slopes are filters along time."""
        level: Tensor = self.level(mel)
        return level.unsqueeze(1)


def matched(make: Callable[[int], nn.Module], target: int) -> int:
    """The width with which a network comes nearest to `target` weights."""
    widths = range(4, 400)
    return min(widths, key=lambda width: abs(size(make(width)) - target))


@torch.no_grad()
def answers(network: nn.Module, mel: NDArray[np.float32]) -> NDArray[np.int64]:
    """The likeliest class of each spectrogram."""
    parts = torch.split(torch.from_numpy(np.ascontiguousarray(mel)), 250)
    return torch.cat([network(part).argmax(dim=1) for part in parts]).numpy()


def balanced(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """The mean of the classes' recalls."""
    return float(np.mean([(found[truth == which] == which).mean() for which in np.unique(truth)]))


def classified(network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy of clips with one word each."""
    logits = network(batch["mel"]).float()
    hit = (logits.argmax(dim=1) == batch["word"]).float().mean()
    return functional.cross_entropy(logits, batch["word"], label_smoothing=0.05), {"accuracy": hit}
