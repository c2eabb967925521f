"""The price of the rule after a whole training: the network that ships against a two-dimensional
one of its size, both by the whole recipe, from the same clips.

The one that ships is trained already: it is read from the package. The other is trained in
runs/speech-whole, and goes on from there if it was stopped.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from common.trainer import Trainer
from experiments import speech
from experiments.learning import size
from experiments.measuring import Experiment, Run
from experiments.speech_twins import BOTH, OURS, build
from speechnet.clips.words import read_clips
from speechnet.network import Lesson, WordNetwork
from speechnet.sound.spectrogram import FrontEnd
from speechnet.training import train, tuning

FOLDER = Path("runs") / "speech-whole"
SYNTHETIC = ("few", "words", "unknown")


def measure(network: str, seed: int, data: Path) -> Run:
    """Validation and test people's clips, clean and in noise."""
    base = train.recipe("base")
    if network == OURS:
        made = tuning.Base.load().network(base.labels).eval()
    else:
        made = taught(network, seed, base, data)
    measured = {
        f"{told}{column}": value
        for part, told in (("val", ""), ("test", "test: "))
        for column, value in speech.scores(made, data, base.labels, part).items()
        if column != "noise as a word" or part == "val"  # one noise for both
    }
    return Run(network, seed, size(made.frames) + size(made.head), measured)


def taught(network: str, seed: int, base: train.Recipe, data: Path) -> WordNetwork:
    """A network by its name after the first stage of the recipe, as `speechnet train` does it."""
    front = FrontEnd.make(**base.front)
    known = speech.learnt_from(data)
    spoken = data / "speech" / "synthetic"
    known = replace(known, synthetic=[read_clips(spoken / part).clips for part in SYNTHETIC])
    made = build(network, base.network, front, base.labels, seed)
    batches = train.sampler(
        known, base.labels, front, augment=base.augment, batch=base.batch, seed=seed,
        smoothing=base.smoothing,
    )  # fmt: skip
    result = Trainer(
        Lesson(made, teaches=("frames", "head")), train.loss, batches,
        replace(base.train, seed=seed), FOLDER / f"seed-{seed}",
        validate=train.validator(known, base.labels, front),
    ).run()  # fmt: skip
    averaged: WordNetwork = result.network.network  # type: ignore[assignment]
    return averaged


EXPERIMENT = Experiment(
    name="speech-whole",
    title="The price of the rule, after a whole training",
    claim="Filters along frequency alone hear words as well as two-dimensional ones.",
    setting="the whole recipe of the network that ships, its synthetic clips too; the"
    " validation people's 1,194 clips and the test people's 1,378",
    networks=(OURS, BOTH),
    measure=measure,
    draw=speech.draw,
    seeds=1,
)
