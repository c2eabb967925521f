"""What each part of the recipe brings: the network that ships, trained with one part left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from experiments import speech
from experiments.learning import size
from experiments.measuring import Experiment, Run
from speechnet.network import NetworkConfig, WordNetwork
from speechnet.sound.spectrogram import FrontEnd
from speechnet.training import train

WHOLE, HALF, LEVELS = "all of it", "half as wide", "without slopes"
STEPS = 700

WITHOUT: dict[str, dict[str, Any]] = {
    "without other voices (speed, warp)": {"speed": (1.0, 1.0), "warp": (1.0, 1.0)},
    "without noise": {"noise": 0.0},
    "without rooms, microphones, coders": {
        "reverb": 0.0, "tilt": 0.0, "narrow": 0.0, "coder": 0.0, "companded": 0.0,
    },
    "without masks and mixing": {"masks": 0, "mixup": 0.0},
    "without neighbours and fragments": {"neighbours": 0.0, "fragments": 0.0},
}  # fmt: skip


def measure(network: str, seed: int, data: Path) -> Run:
    """Train by what is left; the validation people's clips, clean and in noise, by recall and by
    nats, which tell small differences sooner."""
    base = train.recipe("base")
    front = FrontEnd.make(**base.front)
    left = replace(base, augment=replace(base.augment, **WITHOUT.get(network, {})))
    rng = torch.Generator().manual_seed(seed)
    made = WordNetwork(shape(network, base.network), bands=front.bands, labels=base.labels, rng=rng)
    taught = speech.by_recipe(made, left, speech.learnt_from(data), STEPS, seed)
    measured = speech.scores(taught, data, base.labels) | speech.nats(taught, data, base.labels)
    return Run(network, seed, size(made.frames) + size(made.head), measured)


def shape(network: str, config: NetworkConfig) -> NetworkConfig:
    """Of a network by its name."""
    if network == LEVELS:
        return replace(config, slopes=False)
    if network == HALF:
        narrow = tuple(width // 2 for width in config.channels)
        return replace(config, channels=narrow, hidden=config.hidden // 2)
    return config


EXPERIMENT = Experiment(
    name="speech-recipe",
    title="What each part of the recipe brings",
    claim="Every part of the recipe earns its place.",
    setting=f"the recipe of the network that ships, without synthetic clips, {STEPS:,} steps of"
    f" {speech.TAUGHT}; the validation people's 1,194 clips",
    networks=(WHOLE, HALF, LEVELS, *WITHOUT),
    measure=measure,
    draw=speech.draw,
    seeds=1,
)
