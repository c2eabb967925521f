"""What whole trainings decide: the network that ships against a two-dimensional one of its size by
the same recipe from the same clips, and against itself by the recipe without one of its parts.

The first seed of what ships is trained already: it is read from the package. All others are trained
in runs/speech-whole, and go on from there if they were stopped.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.trainer import Trainer
from experiments import speech
from experiments.drawing import bars
from experiments.learning import size
from experiments.measuring import Experiment, Run, Table
from experiments.speech_recipe import MASKS, without
from experiments.speech_twins import BOTH, OURS, build
from speechnet.network import Lesson, WordNetwork
from speechnet.sound.spectrogram import FrontEnd
from speechnet.training import train, tuning

FOLDER = Path("runs") / "speech-whole"


def measure(network: str, seed: int, data: Path) -> Run:
    """Validation and test people's clips, clean and in noise; how far ahead of what ships."""
    base = train.recipe("base")
    shipped = tuning.Base.load().network(base.labels).eval()
    ships = network == OURS and seed == 0
    made = shipped if ships else taught(network, seed, base, data)
    measured = {
        f"{told}{column}": value
        for part, told in (("val", ""), ("test", "test: "))
        for column, value in speech.scores(made, data, base.labels, part).items()
        if column != "noise as a word" or part == "val"  # one noise for both
    }
    measured |= speech.nats(made, data, base.labels)
    measured["ahead, all people"], measured["error of that"] = ahead(made, shipped, data)
    return Run(network, seed, size(made.frames) + size(made.head), measured)


def ahead(network: WordNetwork, other: WordNetwork, data: Path) -> tuple[float, float]:
    """By how much more of the ten commands a network hears than another, balanced, of the clips of
    validation and test people together; and its standard error over the people."""
    parts = ("val", "test")
    bands = speech.bands(network)
    truth, mel = zip(
        *(speech.heard(data, network.labels, part, bands)[:2] for part in parts), strict=True
    )
    clips = [clip for part in parts for clip in speech.clips(data, part)]
    word, speaker = np.concatenate(truth), np.array([clip.speaker for clip in clips])
    first, second = (
        (speech.answers(one, np.concatenate(mel)) == word).astype(float) for one in (network, other)
    )
    ten = word < 10
    people = np.unique(speaker[ten], return_inverse=True)[1]
    return over_people((first - second)[ten], word[ten], people)


def over_people(
    value: NDArray[np.float64], word: NDArray[np.int64], speaker: NDArray[np.int64]
) -> tuple[float, float]:
    """The mean over the words of the mean value of their clips, and its standard error.

    People, not clips, are drawn: who is misheard once is misheard again. So what the clips of each
    person add is one number (the variance of clusters, Liang and Zeger 1986).
    """
    many = np.bincount(word)
    by_word = np.bincount(word, value) / many
    adds = np.bincount(speaker, (value - by_word[word]) / many[word] / len(many))
    return float(by_word.mean()), float(np.sqrt((adds**2).sum()))


def taught(network: str, seed: int, base: train.Recipe, data: Path) -> WordNetwork:
    """A network by its name after the first stage of its recipe, as `speechnet train` does it."""
    left = without(network, base)
    folder = FOLDER / network.replace(" ", "-") / f"seed-{seed}"
    front = FrontEnd.make(**base.front)
    known = speech.with_synthetic(data)
    made = build(network, base.network, front, base.labels, seed)
    batches = train.sampler(
        known, base.labels, front, augment=left.augment, batch=base.batch, seed=seed,
        smoothing=base.smoothing,
    )  # fmt: skip
    result = Trainer(
        Lesson(made, teaches=("frames", "head")), train.loss, batches,
        replace(base.train, seed=seed), folder,
        validate=train.validator(known, base.labels, front),
    ).run()  # fmt: skip
    averaged: WordNetwork = result.network.network  # type: ignore[assignment]
    return averaged


def draw(table: Table) -> Any:
    """Bars of all recalls, validation people's first."""
    columns = [*speech.RECALLS, *(f"test: {name}" for name in speech.RECALLS)]
    return bars(table, "balanced recall", columns=columns)


EXPERIMENT = Experiment(
    name="speech-whole",
    title="After a whole training",
    claim="Filters along frequency alone hear words as well as two-dimensional ones, and the parts"
    " of the recipe that cost something in short trainings earn their place in long ones.",
    setting="the whole recipe of the network that ships, its synthetic clips too; the"
    " validation people's 1,194 clips and the test people's 1,378",
    networks=(OURS, BOTH, MASKS),
    measure=measure,
    draw=draw,
    seeds=3,
)
