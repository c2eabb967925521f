"""Thresholds: the points of a DET curve, and the one that gives few enough false alarms an hour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from speechnet.errors import SpeechnetError
from speechnet.intervals import poisson_bound


@dataclass(frozen=True)
class Point:
    """One threshold of a DET curve.

    words: keywords labelled, of which `hits` were hit. hours: of all recordings.
    """

    threshold: float
    hits: int
    false_alarms: int
    words: int
    hours: float

    @property
    def miss_rate(self) -> float:
        """Share of the words that were not hit; not a number if there are none."""
        return 1 - self.hits / self.words if self.words else math.nan

    @property
    def false_alarms_per_hour(self) -> float:
        """As counted."""
        return self.false_alarms / self.hours

    @property
    def bound(self) -> float:
        """False alarms an hour that the true rate stays below with 95%; of none, 3 / hours."""
        return poisson_bound(self.false_alarms) / self.hours


def choose(points: Sequence[Point], false_alarms_per_hour: float) -> Point:
    """The lowest threshold with at most so many false alarms an hour.

    points: from the highest threshold on. What can be promised of the one that is returned is its
    `bound`, which is more than was counted.
    Raises SpeechnetError if no threshold keeps to it, or if the recordings are too short to tell:
    none in so many hours shows no more than a rate below 3 / hours, at 95%.
    """
    if not points:
        raise SpeechnetError("no word was detected in the recordings, so there is no threshold")
    hours, asked = points[0].hours, false_alarms_per_hour
    least = poisson_bound(0) / hours
    if asked < least:
        raise SpeechnetError(
            f"{hours:.2g} hours of recordings are too short to choose a threshold for {asked:g}"
            f" false alarms an hour: none in that time shows no more than a rate below {least:.2g};"
            + (f" give {poisson_bound(0) / asked:.3g} hours" if asked > 0 else " ask for more")
        )
    within = [point for point in points if point.false_alarms_per_hour <= asked]
    if not within:
        raise SpeechnetError(
            f"no threshold keeps to {asked:g} false alarms an hour: at the highest,"
            f" {points[0].threshold:.3g}, there are {points[0].false_alarms_per_hour:.3g}"
        )
    return within[-1]
