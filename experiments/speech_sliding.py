"""Where filters slide in speech: along frequency, along time, both or neither.

What the frames come to is read by the same recurrence, but for the dense network, which has none.
Training clips are moved in time by up to a tenth of a second and not changed otherwise: what holds
for other voices and paces has to come from the network.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from common.axes import SPEECH
from experiments import speech
from experiments.drawing import bars
from experiments.learning import learnt, size
from experiments.measuring import Experiment, Run, Table
from speechnet.network import FrameNetwork, NetworkConfig
from speechnet.sound.spectrogram import FrontEnd, log_mel
from speechnet.sound.windows import WINDOW, evaluation_window

FREQUENCY, TIME, BOTH = "along frequency", "along time", "along both"
SLOPES = "along frequency, slopes shown"
FRAME, WINDOWED = "neither: dense, a frame", "neither: dense, the whole second"

WORDS = (
    "yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "zero", "one", "five",
    "eight", "bed", "cat", "happy",
)  # fmt: skip
STEPS, BATCH = 1_000, 64
WEIGHTS, FEATURES = 100_000, 64
"""Of the part that slides, about; numbers that it makes of a frame."""

SPARE = 6
"""Frames by which a training clip is moved at most, to either side: 96 ms."""

FRONT = FrontEnd.make(bands=64)
FRAMES = FRONT.frames(WINDOW)


def measure(network: str, seed: int, data: Path) -> Run:
    """Train, and ask about clips of other people as they are, and changed."""
    rng = torch.Generator().manual_seed(seed)
    made = build(network, rng)
    mel, word = training(data)

    def batch(number: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((seed, number))
        chosen = rng.integers(len(WORDS), size=BATCH)
        clip = [rng.choice(np.flatnonzero(word == which)) for which in chosen]
        first = rng.integers(2 * SPARE + 1, size=BATCH)
        cut = [mel[at, :, start : start + FRAMES] for at, start in zip(clip, first, strict=True)]
        return {"mel": torch.from_numpy(np.stack(cut)), "word": torch.from_numpy(chosen)}

    taught = learnt(made, speech.classified, batch, STEPS, seed=seed, peak_rate=2e-3)
    truth, changed = test(data)
    measured = {
        name: speech.balanced(speech.answers(taught, one), truth) for name, one in changed.items()
    }
    return Run(network, seed, size(made), measured)


class Reader(nn.Module):
    """Features of frames, read both ways in their order: -> logits of the words."""

    def __init__(self, frames: nn.Module, features: int) -> None:
        super().__init__()
        self.frames = frames
        self.drop = nn.Dropout(0.2)
        self.recurrence = nn.GRU(features, 64, batch_first=True, bidirectional=True)
        self.word = nn.Linear(128, len(WORDS))

    def forward(self, mel: Tensor) -> Tensor:
        features = self.drop(self.frames(mel)).float()
        with torch.autocast("cpu", enabled=False):
            states, _ = self.recurrence(features)
            logits: Tensor = self.word(self.drop(states.mean(dim=1)))
        return logits


def build(network: str, rng: torch.Generator) -> nn.Module:
    """A network by its name, its width such that about WEIGHTS come before the recurrence."""
    bands = FRONT.bands
    torch.manual_seed(int(torch.randint(2**31, (), generator=rng)))  # torch's GRU knows no other

    def dense(width: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten(), nn.BatchNorm1d(bands * FRAMES)]
        layers += [nn.Linear(bands * FRAMES, width), nn.ReLU(), nn.Dropout(0.2)]
        return nn.Sequential(*layers, nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, len(WORDS)))

    def frames(width: int) -> nn.Module:
        if network in (FREQUENCY, SLOPES, BOTH):
            channels = (width, 2 * width, 3 * width)
            shape = NetworkConfig(channels=channels, features=FEATURES, slopes=network == SLOPES)
            return FrameNetwork(
                shape, bands, rng, speech.PICTURE_LIKE if network == BOTH else SPEECH
            )
        kernel = 1 if network == FRAME else 3
        return speech.Temporal(bands, width, FEATURES, kernel=kernel, rng=rng)

    if network == WINDOWED:
        # As many as the others have with their recurrence.
        return dense(speech.matched(dense, WEIGHTS + size(Reader(nn.Identity(), FEATURES))))
    return Reader(frames(speech.matched(frames, WEIGHTS)), FEATURES)


@cache
def training(data: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Spectrograms with SPARE frames at either side, and which word each is of."""
    known = [clip for clip in speech.clips(data, "train") if clip.word in WORDS]
    spare = SPARE * FRONT.hop
    waves = np.stack([np.pad(evaluation_window(clip.samples), spare) for clip in known])
    return log_mel(waves, FRONT), np.array([WORDS.index(clip.word) for clip in known])


@cache
def test(data: Path) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float32]]]:
    """Clips of people who were not trained on: the word of each; the spectrograms by what was done
    to the sound."""
    held = [
        clip for part in ("val", "test") for clip in speech.clips(data, part) if clip.word in WORDS
    ]
    waves = [evaluation_window(clip.samples) for clip in held]
    changes = {
        "as they are": waves,
        "voice 3 semitones up": [_pitched(wave, 3) for wave in waves],
        "3 down": [_pitched(wave, -3) for wave in waves],
        "a quarter faster": [_paced(wave, 1.25) for wave in waves],
        "a fifth slower": [_paced(wave, 0.8) for wave in waves],
        "0.2 s earlier": [_moved(wave, -0.2) for wave in waves],
        "0.2 s later": [_moved(wave, 0.2) for wave in waves],
    }
    truth = np.array([WORDS.index(clip.word) for clip in held])
    return truth, {name: log_mel(np.stack(sounds), FRONT) for name, sounds in changes.items()}


def _pitched(wave: NDArray[np.float32], semitones: float) -> NDArray[np.float32]:
    """Pitch and formants moved, the pace kept."""
    moved = librosa.effects.pitch_shift(wave, sr=FRONT.rate, n_steps=semitones)
    return np.asarray(np.clip(moved, -1, 1), np.float32)


def _paced(wave: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """The pace changed, pitch and formants kept; the loudest second of it."""
    paced = librosa.effects.time_stretch(wave, rate=rate)
    return evaluation_window(np.clip(paced, -1, 1).astype(np.float32))


def _moved(wave: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    """Later, or earlier; quiet comes in and what leaves the second is lost."""
    by = round(seconds * FRONT.rate)
    spare = np.zeros(abs(by), np.float32)
    return np.concatenate([spare, wave[:-by]]) if by > 0 else np.concatenate([wave[-by:], spare])


def draw(table: Table) -> Any:
    """A group of bars for each change of the clips."""
    return bars(table, "balanced accuracy")


EXPERIMENT = Experiment(
    name="speech-sliding",
    title="The same pattern elsewhere: where filters slide in speech",
    claim="A higher voice says the same word with the same pattern further up, so filters should"
    " slide along frequency; the order of sounds in time makes the word.",
    setting=f"{len(WORDS)} words of Speech Commands, about {WEIGHTS:,} weights before the"
    f" recurrence, {STEPS:,} steps of {BATCH} clips; clips of 292 other people",
    networks=(FREQUENCY, SLOPES, TIME, BOTH, FRAME, WINDOWED),
    measure=measure,
    draw=draw,
)
