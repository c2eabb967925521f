"""Deciding: scores of words, tick by tick -> which word has just ended, each once.

No sound and no network here: a state machine on numbers, the same for every threshold, so that a
threshold can be chosen without hearing a recording once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError

Floats = NDArray[np.float32]

PATIENT = 1000
"""Ticks of patience at most, a minute: no word lasts as long."""

APART = 0.25
"""Seconds at least between two events: nobody speaks faster."""

AGAIN = 0.5
"""Share of the threshold below which a word's score has to fall before the word is said again."""


@dataclass(frozen=True, eq=False)
class Tick:
    """now: second of the recording up to which it is heard. scores: [word], 0..1. moments: start
    and end in seconds of the words whose score counts, by their number."""

    now: float
    scores: Floats
    moments: Mapping[int, tuple[float, float]]


class Decider:
    """Decides for one recording. words: how many there are.

    threshold: score that a word needs. patience: ticks in a row for which it needs it.
    Raises SpeechnetError for values that cannot be.
    """

    def __init__(self, words: int, threshold: float, patience: int) -> None:
        if not 0 < threshold <= 1 or not 1 <= patience <= PATIENT:
            raise SpeechnetError(
                f"a threshold is above 0 and at most 1, and patience 1 to {PATIENT} ticks, not"
                f" {threshold} and {patience}"
            )
        self.threshold, self.patience = threshold, patience
        self._scores = np.zeros((patience, words), np.float32)  # of the last ticks, going round
        self._ticks = 0
        self._last = -np.inf  # second of the last event
        self._said: int | None = None  # the word whose score has not fallen since its event

    def step(self, scores: Floats, now: float) -> int | None:
        """The scores of the next tick, [word] -> the number of the word that has just ended."""
        self._scores[self._ticks % self.patience] = scores
        self._ticks += 1
        if self._said is not None and scores[self._said] < AGAIN * self.threshold:
            self._said = None
        steady = self._scores.min(axis=0)
        if self._said is not None:
            steady[self._said] = 0
        best = int(steady.argmax())
        if steady[best] < self.threshold or now - self._last < APART:
            return None
        self._said, self._last = best, now
        return best
