"""Choosing: a detector and labelled recordings -> the threshold and the patience to work with.

The recordings are heard once; then every threshold is tried on what was heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError
from speechnet.hearing.deciding import Tick
from speechnet.hearing.detector import Detector
from speechnet.hearing.events import Event
from speechnet.hearing.operating import Operating, logistic
from speechnet.hearing.thresholds import choose
from speechnet.judging.detection import Counts, Judged, at_thresholds, corners, count, judge
from speechnet.training.scenes import Stage, scenes

THRESHOLDS = tuple(round(float(one), 3) for one in np.arange(0.1, 0.99, 0.02))
"""Tried."""

PATIENCE = (1, 2)
"""Ticks tried. More find more, but too late: an event has to follow its word within 0.3 s."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Heard:
    """A labelled recording, heard: enough to tell its events at any threshold."""

    name: str
    seconds: float
    labels: Sequence[Event]
    ticks: Sequence[Tick]


def hear(detector: Detector, name: str, samples: Floats, labels: Sequence[Event]) -> Heard:
    """Hear a recording: float32 [sample] at 16 kHz."""
    ticks, seconds = detector.ticks([samples])
    return Heard(name, seconds, labels, ticks)


def judged(
    detector: Detector, heard: Sequence[Heard], threshold: float, patience: int
) -> list[Judged]:
    """What a threshold makes of the recordings."""
    return [
        judge(one.name, one.seconds, one.labels,
              detector.decide(one.ticks, threshold, patience), detector.words)
        for one in heard
    ]  # fmt: skip


def operating(
    detector: Detector, heard: Sequence[Heard], *, false_alarms_per_hour: float, about: str
) -> Operating:
    """The threshold and patience that miss least with at most so many false alarms an hour.

    If no threshold is that quiet, the quietest.
    """
    found = []
    for patience in PATIENCE:
        runs = {at: judged(detector, heard, at, patience) for at in THRESHOLDS}
        points = corners(at_thresholds(runs))
        try:
            point = choose(points, false_alarms_per_hour)
        except SpeechnetError:
            point = points[0]
        excess = max(0.0, point.false_alarms_per_hour - false_alarms_per_hour)
        found.append(((excess, point.miss_rate, patience), point, patience, points, runs))
    _, point, patience, points, runs = min(found, key=lambda one: one[0])
    line = _calibrated(detector, runs[point.threshold])
    return Operating(point.threshold, patience, tuple(points), *line, about=about)


def on_scenes(
    detector: Detector,
    stage: Stage,
    *,
    minutes: float,
    false_alarms_per_hour: float,
    about: str,
    seed: int = 0,
) -> tuple[Operating, Counts]:
    """The same on recordings that are put together, and what came of them at that threshold."""
    heard = [
        hear(detector, f"scene {number}", scene.samples, scene.labels)
        for number, scene in enumerate(scenes(stage, minutes, seed))
    ]
    found = operating(detector, heard, false_alarms_per_hour=false_alarms_per_hour, about=about)
    return found, count("all", judged(detector, heard, found.threshold, found.patience))


def _calibrated(detector: Detector, judged: Sequence[Judged]) -> tuple[float, float]:
    """The line from scores to probabilities, by the events at the threshold."""
    slope, offset = detector.operating.slope, detector.operating.offset
    right = [event.probability for one in judged for _, event in one.hits]
    wrong = [event.probability for one in judged for event in one.false_alarms]
    chances = np.clip(np.array([*right, *wrong]), 1e-4, 1 - 1e-4)
    odds = (np.log(chances / (1 - chances)) - offset) / slope  # back to the scores
    return logistic(1 / (1 + np.exp(-odds)), [True] * len(right) + [False] * len(wrong))
