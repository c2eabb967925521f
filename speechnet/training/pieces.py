"""Pieces: clips as they are laid into a window, and pieces of words that are no words.

A piece knows where its word is and how loud, which is found once. Waves are [sample] at 16 kHz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechnet.sound.windows import WINDOW, as_floats
from speechnet.training.augment import Augment, play

Floats = NDArray[np.float32]
Rng = np.random.Generator

HOP = 160
MARGIN = 3 * HOP
"""Kept on both sides of a word: consonants begin and end softly."""

GAP = (0.02, 0.7)
"""Seconds between a word and its neighbour."""

INSIDE = 0.5
"""Share of a neighbour that may lie in the window."""

RATE = 16_000

FADE = 80
"""Samples in which a cut is faded, so that it does not click."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Some speech.

    samples: int16 or float32 [sample]. start, end: of its word. level: root mean square of what is
    loud, of -1..1; 0 if there is no sound at all.
    """

    samples: NDArray[Any]
    start: int
    end: int
    level: float

    @classmethod
    def of(cls, samples: NDArray[Any]) -> Piece:
        """Find the word: within 30 dB of the loudest, and well above the quiet of the clip."""
        wave = as_floats(samples)
        whole = np.pad(wave, (0, max(-len(wave) % HOP, 3 * HOP - len(wave))))
        power = np.square(whole.reshape(-1, HOP)).mean(axis=1)
        smooth = np.convolve(power, np.full(3, 1 / 3), "same")
        limit = max(smooth.max() * 1e-3, min(smooth.max() * 0.1, 4 * np.quantile(smooth, 0.1)))
        loud = np.flatnonzero(smooth >= limit)
        start = max(0, int(loud[0]) * HOP - MARGIN)
        end = min(len(wave), int(loud[-1] + 1) * HOP + MARGIN)
        return cls(samples, start, end, float(np.sqrt(power[loud].mean())))

    def word(self) -> Floats:
        """What is loud in it, at a level of 1, faded at both ends."""
        return faded(as_floats(self.samples[self.start : self.end]) / np.float32(self.level))


def spoken(
    stretch: Floats, piece: Piece, how: Augment, rng: Rng, window: int = 0
) -> tuple[int, int]:
    """Lay a clip into an empty stretch, in place, at a level of 1 and some speed.

    The word comes to lie anywhere inside of the window that starts at `window`, or outside by a
    share of `how.spill`; the clip's own background comes with it. Returns where the word starts
    and ends in the stretch.
    """
    slow, fast = how.speed
    speed = slow * (fast / slow) ** rng.random()
    wave = play(as_floats(piece.samples), speed)
    ratio = len(wave) / len(piece.samples)
    start, end = int(piece.start * ratio), int(piece.end * ratio)
    spill = int(how.spill * rng.random() * (end - start))
    first, last = -spill, WINDOW - (end - start) + spill
    place = window + int(rng.integers(min(first, last), max(first, last) + 1)) - start
    low, high = max(0, place), min(len(stretch), place + len(wave))
    stretch[low:high] = wave[low - place : high - place] / np.float32(piece.level)
    return max(0, place + start), min(len(stretch), place + end)


def beside(
    stretch: Floats, piece: Piece, word: tuple[int, int], window: int, rng: Rng, *, after: bool
) -> tuple[int, int]:
    """Add another word before the one that is there, or after it, in place, at a level near 1.

    word: where the one that is there starts and ends. Of the other at most INSIDE comes to lie in
    the window, so that it is never what the window is about. Returns where it starts and ends in
    the stretch; nothing is added, and both are the same, where there is no room for any of it.
    """
    wave = piece.word() * np.float32(10 ** (rng.uniform(-6, 6) / 20))
    gap = int(rng.uniform(*GAP) * RATE)
    inside = int(INSIDE * len(wave))
    if after:
        place = max(word[1] + gap, window + WINDOW - inside)
    else:
        place = min(word[0] - gap, window + inside) - len(wave)
    low, high = max(0, place), min(len(stretch), place + len(wave))
    if high <= low:
        return 0, 0
    stretch[low:high] += wave[low - place : high - place]
    return place, place + len(wave)


def fragment(one: Piece, other: Piece, rng: Rng, *, reverse: bool = True) -> Piece:
    """Speech that is no word: backwards, less than a third, halves of two words, or shuffled.

    reverse: whether the first may be played backwards.
    """
    kind = rng.random()
    if kind < 0.3 and reverse:
        wave = one.word()[::-1]
    elif kind < 0.55:
        wave = _part(one.word(), rng)
    elif kind < 0.85:
        first, second = np.array_split(one.word(), 2)[0], np.array_split(other.word(), 2)[1]
        wave = np.concatenate([faded(first), faded(second)])
    else:
        wave = _shuffled(one.word(), rng)
    return Piece(wave, 0, len(wave), max(1e-6, float(np.sqrt(np.square(wave).mean()))))


def _part(word: Floats, rng: Rng) -> Floats:
    """The first or the last third, or less: there is no telling what it will be or was."""
    extent = max(2, int(len(word) * rng.uniform(0.12, 0.33)))
    return faded(word[:extent] if rng.random() < 0.6 else word[-extent:])


def _shuffled(word: Floats, rng: Rng) -> Floats:
    """Cut into 3 to 5 parts, in another order."""
    parts = np.array_split(word, int(rng.integers(3, 6)))
    order = rng.permutation(len(parts))
    if (np.diff(order) == 1).all():
        order = order[::-1]
    return np.concatenate([faded(parts[which]) for which in order])


def babble(pieces: Sequence[Piece], rng: Rng) -> Floats:
    """Many people at once, each backwards from somewhere and round: [WINDOW], at a level of 1."""
    total = np.zeros(WINDOW, np.float32)
    for piece in pieces:
        wave = np.resize(piece.word()[::-1], WINDOW)
        total += np.roll(wave, int(rng.integers(WINDOW))) * np.float32(rng.uniform(0.5, 1))
    total /= np.sqrt(np.square(total).mean() + np.float32(1e-12))
    return total


def faded(wave: Floats) -> Floats:
    """A copy without a click at either end."""
    ramp = np.linspace(0, 1, min(FADE, len(wave) // 2), dtype=np.float32)
    soft = wave.copy()
    soft[: len(ramp)] *= ramp
    soft[len(soft) - len(ramp) :] *= ramp[::-1]
    return soft
