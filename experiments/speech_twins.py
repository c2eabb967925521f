"""The price of the rule: the network that ships against others of its size, by its own recipe.

One is two-dimensional, one slides along time. The rest are the same network with one part of the
recipe left out, which says whether the part earns its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments import speech
from experiments.drawing import bars
from experiments.learning import learnt, size
from experiments.measuring import Experiment, Run, Table
from speechnet.network import FrameNetwork, Lesson, NetworkConfig, WordNetwork
from speechnet.sound.spectrogram import FrontEnd, log_mel
from speechnet.sound.windows import WINDOW, evaluation_window
from speechnet.training import train

OURS, BOTH, TIME = "along frequency, as shipped", "along both (2-D)", "along time"
STEPS, BATCH = 1_500, 128

WITHOUT: dict[str, dict[str, Any]] = {
    "without other voices (speed, warp)": {"speed": (1.0, 1.0), "warp": (1.0, 1.0)},
    "without noise": {"noise": 0.0},
    "without rooms, microphones, coders": {
        "reverb": 0.0, "tilt": 0.0, "narrow": 0.0, "coder": 0.0, "companded": 0.0,
    },
    "without masks and mixing": {"masks": 0, "mixup": 0.0},
    "without neighbours and fragments": {"neighbours": 0.0, "fragments": 0.0},
}  # fmt: skip
HALF, LEVELS = "half as wide", "without slopes"


def measure(network: str, seed: int, data: Path) -> Run:
    """Train by the recipe, in fewer steps; the validation people's clips, clean and in noise."""
    base = train.recipe("base")
    changed = replace(base, augment=replace(base.augment, **WITHOUT.get(network, {})))
    made = build(network, base.network, FrontEnd.make(**base.front), base.labels, seed)
    taught = by_recipe(made, changed, speech.learnt_from(data), STEPS, seed)
    return Run(
        network, seed, size(made.frames) + size(made.head), scores(taught, data, base.labels)
    )


def by_recipe(
    network: WordNetwork, made: train.Recipe, known: train.Data, steps: int, seed: int
) -> WordNetwork:
    """The part of a network that reads clips, trained by a recipe in so many steps of BATCH."""
    batches = train.sampler(
        known, made.labels, FrontEnd.make(**made.front), augment=made.augment, batch=BATCH,
        seed=seed, smoothing=made.smoothing,
    )  # fmt: skip
    lesson = Lesson(network, teaches=("frames", "head"))
    settings = {"peak_rate": made.train.peak_rate, "compile": True, "seed": seed}
    taught: Any = learnt(lesson, train.loss, batches, steps, **settings)
    found: WordNetwork = taught.network
    return found


def build(
    network: str, config: NetworkConfig, front: FrontEnd, labels: Sequence[str], seed: int
) -> WordNetwork:
    """A network by its name; those that slide otherwise have as many weights in that part."""
    rng = torch.Generator().manual_seed(seed)
    if network == LEVELS:
        config = replace(config, slopes=False)
    if network == HALF:
        narrow = tuple(width // 2 for width in config.channels)
        config = replace(config, channels=narrow, hidden=config.hidden // 2)
    made = WordNetwork(config, bands=front.bands, labels=labels, rng=rng)
    target = size(made.frames)
    if network == BOTH:

        def flat(width: int) -> FrameNetwork:
            shape = replace(config, channels=(width, 2 * width, round(3.3 * width)))
            return FrameNetwork(shape, front.bands, rng, speech.PICTURE_LIKE)

        made.frames = flat(speech.matched(flat, target))
    elif network == TIME:

        def temporal(width: int) -> speech.Temporal:
            return speech.Temporal(front.bands, width, config.features, rng=rng)

        made.frames = temporal(speech.matched(temporal, target))  # type: ignore[assignment]
    return made


def scores(network: WordNetwork, data: Path, labels: Sequence[str]) -> dict[str, float]:
    """Recall of the ten commands, clean and at 10 dB, of what is unknown; noise taken for words."""
    truth, clean, noisy, noise = _heard(data, tuple(labels))
    unknown = len(labels) - 2
    found, loud = speech.answers(network, clean), speech.answers(network, noisy)
    ten = truth < 10
    return {
        "ten commands": speech.balanced(found[ten], truth[ten]),
        "at 10 dB": speech.balanced(loud[ten], truth[ten]),
        "unknown": float((found[truth == unknown] == unknown).mean()),
        "noise as a word": float((speech.answers(network, noise) < unknown).mean()),
    }


@cache
def _heard(
    data: Path, labels: tuple[str, ...]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    front = FrontEnd.make(**train.recipe("base").front)
    held = speech.clips(data, "val")
    waves = np.stack([evaluation_window(clip.samples) for clip in held])
    truth = np.array([labels.index(c.word) if c.word in labels else len(labels) - 2 for c in held])
    rng = np.random.default_rng(0)
    seconds = [wave[:WINDOW] for wave in speech.learnt_from(data).validation_noise]
    behind = np.stack([wave for wave in seconds if len(wave) == WINDOW])
    drawn = behind[rng.integers(len(behind), size=len(waves))]
    # The word's level is that of its loudest tenth, in frames of 25 ms.
    power = np.sort((waves.reshape(len(waves), -1, 400) ** 2).mean(axis=2), axis=1)[:, -4:].mean(1)
    scale = np.sqrt(power / 10 / ((drawn**2).mean(axis=1) + 1e-12)).astype(np.float32)
    noisy = np.clip(waves + drawn * scale[:, None], -1, 1)
    return truth, log_mel(waves, front), log_mel(noisy, front), log_mel(behind, front)


def draw(table: Table) -> Any:
    """Bars of the commands' recall, clean and in noise."""
    return bars(table, "balanced recall", columns=["ten commands", "at 10 dB", "unknown"])


EXPERIMENT = Experiment(
    name="speech-twins",
    title="The price of the rule, and what each part of the recipe brings",
    claim="Filters along frequency alone hear words as well as two-dimensional ones.",
    setting=f"the recipe of the network that ships, without synthetic clips, {STEPS:,} steps of"
    f" {BATCH}; the validation people's 1,194 clips",
    networks=(OURS, BOTH, TIME, LEVELS, HALF, *WITHOUT),
    measure=measure,
    draw=draw,
)
