"""The price of the rule: the network that ships against two of its size, by its own recipe.

One is two-dimensional, one slides along time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from experiments import speech
from experiments.learning import size
from experiments.measuring import Experiment, Run
from speechnet.network import FrameNetwork, NetworkConfig, WordNetwork
from speechnet.sound.spectrogram import FrontEnd
from speechnet.training import train

OURS, BOTH, TIME = "along frequency, as shipped", "along both (2-D)", "along time"
STEPS = 700


def measure(network: str, seed: int, data: Path) -> Run:
    """Train by the recipe, in fewer steps; the validation people's clips, clean and in noise."""
    base = train.recipe("base")
    made = build(network, base.network, FrontEnd.make(**base.front), base.labels, seed)
    taught = speech.by_recipe(made, base, speech.learnt_from(data), STEPS, seed)
    count = size(made.frames) + size(made.head)
    return Run(network, seed, count, speech.scores(taught, data, base.labels))


def build(
    network: str, config: NetworkConfig, front: FrontEnd, labels: Sequence[str], seed: int
) -> WordNetwork:
    """A network by its name; those that slide otherwise have as many weights in that part."""
    rng = torch.Generator().manual_seed(seed)
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


EXPERIMENT = Experiment(
    name="speech-twins",
    title="The price of the rule",
    claim="Filters along frequency alone hear words as well as two-dimensional ones.",
    setting=f"the recipe of the network that ships, without synthetic clips, {STEPS:,} steps of"
    f" {speech.TAUGHT}; the validation people's 1,194 clips",
    networks=(OURS, BOTH, TIME),
    measure=measure,
    draw=speech.draw,
)
