"""Operating point: the threshold of a detector, chosen by false alarms an hour, and what it means.

The threshold and the patience are chosen on validation recordings (`scenes`), and travel in the
model file with the curve that they were chosen from, so that whoever wants fewer alarms can say so
without any recording at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np

from speechnet.errors import SpeechnetError
from speechnet.hearing.thresholds import Point, choose


@dataclass(frozen=True)
class Operating:
    """How a detector decides.

    threshold, patience: see `Detector.stream`. curve: the highest threshold first, at that
    patience. slope, offset: of the logistic line from a score's log-odds to those of its being
    right (Platt 1999). about: the recordings that it was chosen on.
    """

    threshold: float = 0.5
    patience: int = 2
    curve: tuple[Point, ...] = ()
    slope: float = 1.0
    offset: float = 0.0
    about: str = ""

    def probability(self, score: float) -> float:
        """That an event with such a score is right: 0..1."""
        score = min(max(score, 1e-6), 1 - 1e-6)
        odds = self.slope * np.log(score / (1 - score)) + self.offset
        return float(1 / (1 + np.exp(-odds)))

    def at(self, false_alarms_per_hour: float) -> float:
        """The lowest threshold with at most so many false alarms an hour.

        Raises SpeechnetError if none is that quiet, or the recordings were too few to tell.
        """
        return choose(self.curve, false_alarms_per_hour).threshold

    def to_facts(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**asdict(self), "curve": [list(astuple(point)) for point in self.curve]}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Operating:
        """What `to_facts` gave. Raises SpeechnetError for anything else."""
        try:
            curve = tuple(Point(*row) for row in facts["curve"])
            return cls(**{**facts, "curve": curve})
        except (KeyError, TypeError, ValueError) as error:
            raise SpeechnetError(
                "the model does not say how it detects: export it again"
            ) from error


def logistic(scores: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """The slope and the offset of `Operating`, by Newton's method: what is likeliest, with Platt's
    prior of one more event of each kind."""
    score = np.clip(np.asarray(scores, np.float64), 1e-6, 1 - 1e-6)
    good = np.asarray(right, bool)
    many, few = good.sum(), (~good).sum()
    target = np.where(good, (many + 1) / (many + 2), 1 / (few + 2))
    inputs = np.stack([np.log(score / (1 - score)), np.ones(len(score))], axis=1)
    line = np.array([1.0, 0.0])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-inputs @ line))
        hessian = (inputs.T * (chance * (1 - chance))) @ inputs + 1e-3 * np.eye(2)
        step = np.linalg.solve(hessian, inputs.T @ (target - chance) - 1e-3 * (line - [1, 0]))
        line = line + np.clip(step, -2, 2)
    return float(line[0]), float(line[1])
