"""A voice that nobody has heard: each speaker of the Free Spoken Digit Dataset left out in turn."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments import speech
from experiments.drawing import bars
from experiments.learning import size
from experiments.measuring import Experiment, Run, Table
from speechnet.clips.words import Clip
from speechnet.network import WordNetwork
from speechnet.sound.spectrogram import FrontEnd, log_mel
from speechnet.sound.windows import evaluation_window
from speechnet.training import train

SPEAKERS = ("george", "jackson", "nicolas", "theo", "yweweler")
STEPS = 800
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def measure(speaker: str, seed: int, data: Path) -> Run:
    """Train without a speaker; the share of all that he says that is heard right, of 22 labels."""
    base = train.recipe("base")
    front = FrontEnd.make(**base.front)
    known = speech.learnt_from(data)
    others = [[clip for clip in part if clip.speaker != speaker] for part in known.clips]
    held = _clips(data, speaker)
    mel = log_mel(np.stack([evaluation_window(clip.samples) for clip in held]), front)
    truth = np.array([base.labels.index(clip.word) for clip in held])
    rng = torch.Generator().manual_seed(seed)
    made = WordNetwork(base.network, bands=front.bands, labels=base.labels, rng=rng)
    taught = speech.by_recipe(made, base, replace(known, clips=others), STEPS, seed)
    right = float((speech.answers(taught, mel) == truth).mean())
    return Run(speaker, seed, size(made.frames) + size(made.head), {"heard right": right})


@cache
def _clips(data: Path, speaker: str) -> tuple[Clip, ...]:
    every = speech.learnt_from(data).clips[1]
    return tuple(clip for clip in every if clip.speaker == speaker and clip.word in DIGITS)


def draw(table: Table) -> Any:
    """A bar a speaker."""
    return bars(table, "share of the speaker's clips heard right")


EXPERIMENT = Experiment(
    name="speech-speakers",
    title="A voice that nobody has heard",
    claim="What is learnt from other voices holds for one that is new.",
    setting=f"the recipe of the network that ships, {STEPS:,} steps of {speech.TAUGHT},"
    " one of the five speakers of the Free Spoken Digit Dataset left out; his 500 clips of"
    " ten digits",
    networks=SPEAKERS,
    measure=measure,
    draw=draw,
    seeds=1,
)
