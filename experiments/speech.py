"""Speech: clips, networks and scores that the experiments on words share."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from common.declaration import Declaration
from experiments.drawing import bars
from experiments.learning import learnt, size
from experiments.measuring import Table
from speechnet.clips.words import Clip, read_clips
from speechnet.network import Lesson, WordNetwork
from speechnet.sound.spectrogram import FrontEnd, log_mel
from speechnet.sound.windows import WINDOW, evaluation_window
from speechnet.training import train
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


@cache
def with_synthetic(data: Path) -> Data:
    """The same, and the synthetic clips that the network that ships learns from as well."""
    parts = [data / "speech" / "synthetic" / part for part in ("few", "words", "unknown")]
    return replace(learnt_from(data), synthetic=[read_clips(part).clips for part in parts])


TAUGHT = 128
"""Clips of a step, where a network is trained by the recipe of the one that ships."""


def by_recipe(
    network: WordNetwork, made: train.Recipe, known: train.Data, steps: int, seed: int
) -> WordNetwork:
    """The part of a network that reads clips, trained by a recipe in so many steps of
    TAUGHT."""
    batches = train.sampler(
        known, made.labels, FrontEnd.make(**made.front), augment=made.augment, batch=TAUGHT,
        seed=seed, smoothing=made.smoothing,
    )  # fmt: skip
    lesson = Lesson(network, teaches=("frames", "head"))
    settings = {"peak_rate": made.train.peak_rate, "compile": True, "seed": seed}
    taught: Any = learnt(lesson, train.loss, batches, steps, **settings)
    found: WordNetwork = taught.network
    return found


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
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

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
    """The width with which a network comes nearest to `target` weights; a wider one has more."""
    widths = range(4, 400)
    at = bisect_left(widths, target, key=lambda width: size(make(width)))
    return min(widths[max(at - 1, 0) : at + 1], key=lambda width: abs(size(make(width)) - target))


@torch.no_grad()
def logits(network: nn.Module, mel: NDArray[np.float32]) -> Tensor:
    """Of each spectrogram: [clip, class]."""
    parts = torch.split(torch.from_numpy(np.ascontiguousarray(mel)), 250)
    return torch.cat([network(part) for part in parts])


def answers(network: nn.Module, mel: NDArray[np.float32]) -> NDArray[np.int64]:
    """The likeliest class of each spectrogram."""
    found: NDArray[np.int64] = logits(network, mel).argmax(dim=1).numpy()
    return found


def balanced(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """The mean of the classes' recalls."""
    return float(np.mean([(found[truth == which] == which).mean() for which in np.unique(truth)]))


def classified(network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy of clips with one word each."""
    found = network(batch["mel"]).float()
    hit = (found.argmax(dim=1) == batch["word"]).float().mean()
    return functional.cross_entropy(found, batch["word"], label_smoothing=0.05), {"accuracy": hit}


RECALLS = ("ten commands", "at 10 dB", "unknown")
"""Of what `scores` gives: the columns that pictures show."""


def draw(table: Table) -> Any:
    """Bars of what `scores` gives: the commands' recall, clean and in noise, and of unknown."""
    return bars(table, "balanced recall", columns=RECALLS)


def scores(
    network: WordNetwork, data: Path, labels: Sequence[str], part: str = "val"
) -> dict[str, float]:
    """Recall of the ten commands, clean and at 10 dB, of what is unknown; noise taken for words."""
    truth, clean, noisy, noise = heard(data, tuple(labels), part, bands(network))
    unknown = len(labels) - 2
    found, loud = answers(network, clean), answers(network, noisy)
    ten = truth < 10
    return {
        "ten commands": balanced(found[ten], truth[ten]),
        "at 10 dB": balanced(loud[ten], truth[ten]),
        "unknown": float((found[truth == unknown] == unknown).mean()),
        "noise as a word": float((answers(network, noise) < unknown).mean()),
    }


def nats(network: WordNetwork, data: Path, labels: Sequence[str]) -> dict[str, float]:
    """Cross-entropy of the validation people's clips, clean and at 10 dB."""
    truth, clean, noisy, _ = heard(data, tuple(labels), "val", bands(network))
    target = torch.from_numpy(truth)
    return {
        name: functional.cross_entropy(logits(network, mel), target).item()
        for name, mel in (("nats", clean), ("nats at 10 dB", noisy))
    }


def bands(network: WordNetwork) -> int:
    """Of the spectrograms that a network reads."""
    return network.frames.level.num_features


@cache
def heard(
    data: Path, labels: tuple[str, ...], part: str, bands: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The classes of a part's clips, their spectrograms clean and at 10 dB, and those of noise."""
    front = FrontEnd.make(bands=bands)
    held = clips(data, part)
    waves = np.stack([evaluation_window(clip.samples) for clip in held])
    truth = np.array([labels.index(c.word) if c.word in labels else len(labels) - 2 for c in held])
    rng = np.random.default_rng(0)
    seconds = [wave[:WINDOW] for wave in learnt_from(data).validation_noise]
    behind = np.stack([wave for wave in seconds if len(wave) == WINDOW])
    drawn = behind[rng.integers(len(behind), size=len(waves))]
    # The word's level is that of its loudest tenth, in frames of 25 ms.
    power = np.sort((waves.reshape(len(waves), -1, 400) ** 2).mean(axis=2), axis=1)[:, -4:].mean(1)
    scale = np.sqrt(power / 10 / ((drawn**2).mean(axis=1) + 1e-12)).astype(np.float32)
    noisy = np.clip(waves + drawn * scale[:, None], -1, 1)
    return truth, log_mel(waves, front), log_mel(noisy, front), log_mel(behind, front)
