"""Noise: an endless supply of sound that is no speech, for silence and behind words.

A few recordings teach a network those recordings: the next kitchen is called a word again. So
recordings are played faster, slower, backwards, filtered and over one another, and a part of the
noise is made (`sounds`). Everything is a function of the generator that is passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError
from speechnet.sound.windows import WINDOW, as_floats
from speechnet.training.sounds import filtered, made

Floats = NDArray[np.float32]
Int16s = NDArray[np.int16]
Rng = np.random.Generator

KEPT_BACK = 0.2
"""Share of each recording, its end, that nobody trains on."""

FADE = 400
"""Samples in which one second of noise goes over into the next."""

REUSE = 4
"""How often a sound that was made is heard in a batch, each time moved: making one takes longer
than all else that is done to a clip."""


def recordings(folder: Path) -> list[Int16s]:
    """All sounds in a folder, in the order of their names. Raises SpeechnetError if none."""
    from speechnet.sound import audio
    from speechnet.sound.files import sound_files

    found = []
    for path in sound_files(folder):
        samples = audio.read(path).samples
        found.append((np.clip(samples, -1, 1) * 32767).astype(np.int16))
    if not any(len(one) >= 2 * WINDOW for one in found):
        raise SpeechnetError(f"{folder} holds no noise of two seconds or more")
    return found


def split(found: Sequence[Int16s]) -> tuple[list[Int16s], list[Floats]]:
    """Recordings to learn from, and windows [sample] of the end of each to choose by."""
    learnt, kept = [], []
    for one in found:
        end = int(len(one) * (1 - KEPT_BACK))
        learnt.append(one[:end])
        kept += [
            as_floats(one[start : start + WINDOW])
            for start in range(end, len(one) - WINDOW + 1, WINDOW)
        ]
    return [one for one in learnt if len(one) >= WINDOW], kept


class Noise:
    """Draws noise. recorded: int16 [sample] each, none may be shorter than a window.

    share: of the noise that is recorded; the rest is made, all of it where nothing is recorded.
    """

    def __init__(self, recorded: Sequence[Int16s], share: float = 0.5) -> None:
        self.recorded = [one for one in recorded if len(one) >= WINDOW]
        self.share = share if self.recorded else 0.0

    def draw(self, rng: Rng, count: int) -> Floats:
        """Seconds of noise, [count, WINDOW], each with a root mean square of 1 (or all 0)."""
        waves = np.empty((count, WINDOW), np.float32)
        recorded = rng.random(count) < self.share
        for row in np.flatnonzero(recorded):
            waves[row] = self._recording(rng)
        sounds: list[Floats] = []
        others = np.flatnonzero(~recorded)
        for place, row in enumerate(others):
            if place < -(-len(others) // REUSE):
                sounds.append(unit(made(rng)))
            sound = sounds[place % len(sounds)]
            # The first time as it is: what begins in the middle may have no beginning.
            waves[row] = sound if place < len(sounds) else np.roll(sound, rng.integers(WINDOW))
        return waves

    def _recording(self, rng: Rng) -> Floats:
        wave = self._cut(rng)
        if rng.random() < 0.25:
            wave = wave + np.float32(rng.uniform(0.2, 1)) * self._cut(rng)
        return unit(wave)

    def _cut(self, rng: Rng) -> Floats:
        """A second of a recording, at another speed, backwards, filtered, or as it is."""
        one = self.recorded[int(rng.integers(len(self.recorded)))]
        speed = float(np.exp(rng.uniform(-0.5, 0.5))) if rng.random() < 0.5 else 1.0
        extent = min(len(one), int(WINDOW * speed) + 1) if speed != 1 else WINDOW
        start = int(rng.integers(len(one) - extent + 1))
        wave = as_floats(one[start : start + extent])
        if extent != WINDOW:
            # Straight lines between samples: what that does to the highest notes is noise, too.
            places = np.linspace(0, extent - 1, WINDOW)
            wave = np.interp(places, np.arange(extent), wave).astype(np.float32)
        if rng.random() < 0.3:
            wave = wave[::-1]
        return unit(filtered(wave, rng) if rng.random() < 0.4 else wave)


def lengthened(waves: Floats, samples: int, rng: Rng) -> Floats:
    """Noise that goes on: [count, WINDOW] -> [count, samples].

    What follows is half of the time the same once more, and half of the time another of the waves;
    each goes over into the next.
    """
    ramp = np.sin(np.linspace(0, np.pi / 2, FADE, dtype=np.float32))
    step = WINDOW - FADE
    long = np.zeros((len(waves), -(-samples // step) * step + FADE), np.float32)
    for at in range(0, samples, step):
        order = np.arange(len(waves))
        if at:
            changed = rng.random(len(waves)) < 0.5
            order[changed] = rng.integers(len(waves), size=int(changed.sum()))
        part = waves[order]
        part[:, :FADE] *= ramp if at else 1
        part[:, -FADE:] *= ramp[::-1]
        long[:, at : at + WINDOW] += part
    return long[:, :samples]


def unit(wave: Floats) -> Floats:
    """With a root mean square of 1; silence stays silence."""
    level = np.sqrt(np.square(wave).mean())
    return wave / level if level > 1e-6 else np.zeros_like(wave)
