"""What each part of the recipe brings: the network that ships, trained with one part left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from experiments import speech
from experiments.drawing import dots
from experiments.learning import size
from experiments.measuring import Experiment, Run, Table
from speechnet.network import WordNetwork
from speechnet.sound.spectrogram import FrontEnd
from speechnet.training import train

WHOLE, HALF, LEVELS = "all of it", "half as wide", "without slopes"
BANDS = "40 bands instead of 64"
UNORDERED = "a dense layer instead of the recurrence"
EVENLY = "the mean over time instead of attention"
MASKS = "without masks and mixing"
STEPS = 700

WITHOUT: dict[str, dict[str, Any]] = {
    "without other voices (speed, warp)": {"speed": (1.0, 1.0), "warp": (1.0, 1.0)},
    "without noise": {"noise": 0.0},
    "without rooms, microphones, coders": {
        "reverb": 0.0, "tilt": 0.0, "narrow": 0.0, "coder": 0.0, "companded": 0.0,
    },
    MASKS: {"masks": 0, "mixup": 0.0},
    "without neighbours and fragments": {"neighbours": 0.0, "fragments": 0.0},
}  # fmt: skip


def measure(network: str, seed: int, data: Path) -> Run:
    """Train by what is left; the validation people's clips, clean and in noise, by recall and by
    nats, which tell small differences sooner."""
    left = without(network, train.recipe("base"))
    made = build(network, left, torch.Generator().manual_seed(seed))
    taught = speech.by_recipe(made, left, speech.learnt_from(data), STEPS, seed)
    measured = speech.scores(taught, data, left.labels) | speech.nats(taught, data, left.labels)
    return Run(network, seed, size(made.frames) + size(made.head), measured)


def without(network: str, whole: train.Recipe) -> train.Recipe:
    """What is left of a recipe, by the name of a row."""
    left = replace(whole, augment=replace(whole.augment, **WITHOUT.get(network, {})))
    if network == BANDS:
        return replace(left, front={"bands": 40})
    if network == LEVELS:
        return replace(left, network=replace(left.network, slopes=False))
    if network == HALF:
        narrow = tuple(width // 2 for width in left.network.channels)
        shape = replace(left.network, channels=narrow, hidden=left.network.hidden // 2)
        return replace(left, network=shape)
    return left


def build(network: str, recipe: train.Recipe, rng: torch.Generator) -> WordNetwork:
    """The network of a recipe; two rows read its frames otherwise."""
    bands = FrontEnd.make(**recipe.front).bands
    made = WordNetwork(recipe.network, bands=bands, labels=recipe.labels, rng=rng)
    if network == UNORDERED:
        made.head.recurrence = Unordered(made.head.recurrence, rng)  # type: ignore[assignment]
    elif network == EVENLY:
        made.head.weigh = Evenly(recipe.network.heads)  # type: ignore[assignment]
    return made


class Unordered(nn.Module):
    """Two dense layers, the same for each frame, of as many weights as a recurrence, whose place
    they take: what they make of a frame does not depend on when it is."""

    def __init__(self, instead: nn.GRU, rng: torch.Generator) -> None:
        super().__init__()
        features, states = instead.input_size, 2 * instead.hidden_size
        width = size(instead) // (features + states)
        self.wide = nn.Linear(features, width)
        self.states = nn.Linear(width, states)
        for layer in (self.wide, self.states):
            nn.init.xavier_uniform_(layer.weight, generator=rng)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, None]:
        """features: [batch, frame, feature] -> states: [batch, frame, state], and none to carry."""
        return self.states(self.wide(features).relu()).tanh(), None


class Evenly(nn.Module):
    """Every frame weighs as much as any other, by each of the heads."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, states: Tensor) -> Tensor:
        """states: [batch, frame, state] -> weights before the softmax: [batch, frame, head]."""
        return states.new_zeros(*states.shape[:2], self.heads)


def draw(table: Table) -> Any:
    """Dots of the recalls, for there are many rows."""
    return dots(table, "balanced recall", columns=speech.RECALLS)


EXPERIMENT = Experiment(
    name="speech-recipe",
    title="What each part of the recipe brings",
    claim="Every part of the recipe earns its place.",
    setting=f"the recipe of the network that ships, without synthetic clips, {STEPS:,} steps of"
    f" {speech.TAUGHT}; the validation people's 1,194 clips",
    networks=(WHOLE, HALF, BANDS, LEVELS, UNORDERED, EVENLY, *WITHOUT),
    measure=measure,
    draw=draw,
    seeds=1,
)
