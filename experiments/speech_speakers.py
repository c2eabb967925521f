"""A voice that nobody has heard: each speaker of the Free Spoken Digit Dataset left out in turn.

A whole training for each would take a night. So one network learns from everything but the five,
and goes on with four of them for each that is left out.
"""

from __future__ import annotations

from copy import deepcopy
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
from experiments.speech_recipe import WHOLE, build
from speechnet.network import WordNetwork
from speechnet.sound.spectrogram import FrontEnd, log_mel
from speechnet.sound.windows import evaluation_window
from speechnet.training import train

SPEAKERS = ("george", "jackson", "nicolas", "theo", "yweweler")
BEFORE, STEPS = 3_000, 500


def measure(speaker: str, seed: int, data: Path) -> Run:
    """Teach a network that has heard none of the five the voices of four; the share of all that
    the fifth says that it hears right, of 22 labels, and before it was taught those four."""
    base = train.recipe("base")
    known = speech.with_synthetic(data)
    others = [[clip for clip in part if clip.speaker != speaker] for part in known.clips]
    before = _having_heard_none(seed, data)
    taught = speech.by_recipe(deepcopy(before), base, replace(known, clips=others), STEPS, seed)
    held = [clip for clip in known.clips[1] if clip.speaker == speaker]
    windows = np.stack([evaluation_window(clip.samples) for clip in held])
    mel = log_mel(windows, FrontEnd.make(**base.front))
    truth = np.array([base.labels.index(clip.word) for clip in held])
    measured = {
        column: float((speech.answers(network, mel) == truth).mean())
        for column, network in (("heard right", taught), ("before", before))
    }
    return Run(speaker, seed, size(taught.frames) + size(taught.head), measured)


@cache
def _having_heard_none(seed: int, data: Path) -> WordNetwork:
    base = train.recipe("base")
    known = speech.with_synthetic(data)
    made = build(WHOLE, base, torch.Generator().manual_seed(seed))
    commands = replace(known, clips=known.clips[:1])
    return speech.by_recipe(made, base, commands, BEFORE, seed)


def draw(table: Table) -> Any:
    """A bar a speaker, before and after the others' voices were taught."""
    columns = ["before", "heard right"]
    return bars(table, "share of the speaker's clips heard right", columns=columns)


EXPERIMENT = Experiment(
    name="speech-speakers",
    title="A voice that nobody has heard",
    claim="What is learnt from other voices holds for one that is new.",
    setting=f"the recipe of the network that ships, {BEFORE:,} steps of {speech.TAUGHT} without the"
    f" five speakers of the Free Spoken Digit Dataset, then {STEPS:,} with four of them; the 500"
    " clips of the fifth",
    networks=SPEAKERS,
    measure=measure,
    draw=draw,
    seeds=1,
)
