"""Scenes: recordings put together from clips and noise, with the labels of what is said when.

A threshold cannot be chosen on clips: most of what a detector hears is no word at all, and words
follow one another. Nobody has labelled hours at hand, so they are made, as for the streaming test
of TensorFlow's speech commands: clips laid one after the other over noise of some level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechnet.clips.words import Clip
from speechnet.hearing.events import Event
from speechnet.sound.windows import as_floats
from speechnet.training.augment import record
from speechnet.training.noise import Noise, lengthened
from speechnet.training.pieces import Piece

RATIOS = (None, 20.0, 10.0, 5.0, 0.0, 0.0)
"""dB of words to noise in one scene after another, None is no noise; nobody speaks in the last."""

SECONDS = 40.0

Floats = NDArray[np.float32]
Rng = np.random.Generator

RATE = 16_000

FADE = 400
"""Samples over which a clip's background begins and ends."""

KIND = 4
"""Seconds of one kind of noise."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a scene is made.

    seconds: how long it is. pause: seconds from the end of a word to the start of the next.
    keywords: share of the words said that are asked for. snr: dB, words to noise; None: no noise.
    level: dBFS of the words. empty: nothing is said.
    """

    seconds: float = 40.0
    pause: tuple[float, float] = (0.3, 2.5)
    keywords: float = 0.5
    snr: float | None = None
    level: float = -26.0
    empty: bool = False


@dataclass(frozen=True, eq=False)
class Scene:
    """samples: float32 [sample] at 16 kHz. labels: every word said, other words too."""

    samples: Floats
    labels: tuple[Event, ...]
    setting: Setting

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / RATE


class Stage:
    """Makes scenes from clips of words and noise. keywords: the words asked for."""

    def __init__(self, clips: Sequence[Clip], keywords: Sequence[str], noise: Noise) -> None:
        self.noise = noise
        pieces = [(clip.word, Piece.of(clip.samples)) for clip in clips]
        audible = [one for one in pieces if one[1].level > 0]
        # Each clip as often as any other: few clips of a word, said over and over, are no sample.
        self._words = [one for one in audible if one[0] in keywords]
        self._others = [one for one in audible if one[0] not in keywords]

    def scene(self, setting: Setting, rng: Rng) -> Scene:
        """One scene."""
        samples = np.zeros(int(setting.seconds * RATE), np.float32)
        labels = [] if setting.empty else self._speak(samples, setting, rng)
        if setting.snr is not None:
            samples += np.float32(10 ** (-setting.snr / 20)) * self._behind(len(samples), rng)
        samples *= np.float32(10 ** (setting.level / 20))
        return Scene(record(samples), tuple(labels), setting)

    def _speak(self, samples: Floats, setting: Setting, rng: Rng) -> list[Event]:
        """Lay words into the samples, in place, at a level of 1."""
        labels: list[Event] = []
        at = int(rng.uniform(*setting.pause) * RATE)
        while True:
            asked = bool(self._words) and (rng.random() < setting.keywords or not self._others)
            kinds = self._words if asked else self._others
            word, piece = kinds[int(rng.integers(len(kinds)))]
            extent = piece.end - piece.start
            if at + extent > len(samples):
                return labels
            _lay(samples, piece, at)
            labels.append(Event(at / RATE, (at + extent) / RATE, word))
            at += extent + int(rng.uniform(*setting.pause) * RATE)

    def _behind(self, length: int, rng: Rng) -> Floats:
        """Noise, at a level of 1: a few seconds of each kind."""
        kinds = -(-length // (KIND * RATE))
        parts = lengthened(self.noise.draw(rng, kinds), KIND * RATE, rng)
        return parts.ravel()[:length]


def scenes(stage: Stage, minutes: float, seed: int) -> Iterator[Scene]:
    """So many minutes of scenes: words clean and over noise from 20 down to 0 dB, and noise alone.

    The same seed gives the same ones.
    """
    rng = np.random.default_rng(seed)
    for number in range(round(minutes * 60 / SECONDS)):
        snr = RATIOS[number % len(RATIOS)]
        level = float(rng.uniform(-40, -15))
        empty = number % len(RATIOS) == len(RATIOS) - 1
        yield stage.scene(Setting(seconds=SECONDS, snr=snr, level=level, empty=empty), rng)


def _lay(samples: Floats, piece: Piece, at: int) -> None:
    """A clip with its own background, whose word starts at `at`; faded where it ends."""
    wave = as_floats(piece.samples) / np.float32(piece.level)
    ramp = np.linspace(0, 1, min(FADE, len(wave) // 4), dtype=np.float32)
    wave[: len(ramp)] *= ramp
    wave[len(wave) - len(ramp) :] *= ramp[::-1]
    first = at - piece.start
    low, high = max(0, first), min(len(samples), first + len(wave))
    samples[low:high] += wave[low - first : high - first]
