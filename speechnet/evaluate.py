"""Evaluation: how often the words are heard, and how far a probability can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechnet import audio
from speechnet.classifier import Classifier
from speechnet.errors import SpeechnetError
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.words import Clip, read_clips

BINS = 15
"""Of the calibration error, equally wide (Guo et al. 2017, "On calibration ...")."""

ENOUGH = 5
"""Clips of a speaker from which on his share of right answers says something."""


@dataclass(frozen=True)
class Score:
    """What was found on some clips.

    A clip is right if its word was named, or `unknown` for a word that the network does not know.
    accuracy: share of right clips. balanced: mean of the recall of the words asked for, `unknown`
    left out. recall: share of right clips by word. ece: expected calibration error, the mean
    difference between a probability and the share of right answers given with it.
    speakers: how many. worst: the share of right clips of the worst speaker of ENOUGH clips.
    """

    file: str
    clips: int
    accuracy: float
    balanced: float
    recall: dict[str, float]
    ece: float
    speakers: int
    worst: float


@dataclass(frozen=True)
class Heard:
    """A clip's right answer and the network's."""

    clip: Clip
    truth: str
    word: str
    probability: float


def evaluate(
    classifier: Classifier,
    sources: Sequence[Path],
    *,
    by: str = "source",
    seen: Callable[[], object] = lambda: None,
) -> Iterator[Score]:
    """A score for each source, and one for all of them together if there are several.

    by: a column of the tables beside the sources; a source that has it gets a score for each of
    its values, too, called SOURCE/VALUE. seen: called after each clip.
    Raises SpeechnetError if a source holds no clips.
    """
    everything: list[Heard] = []
    for source in sources:
        heard = []
        for clip in read_clips(source).clips:
            heard.append(hear(classifier, clip))
            seen()
        everything += heard
        yield score(source.name, heard)
        values = sorted({one.clip.facts[by] for one in heard if by in one.clip.facts})
        for value in values if len(values) > 1 else ():
            part = [one for one in heard if one.clip.facts.get(by) == value]
            yield score(f"{source.name}/{value}", part)
    if len(sources) > 1:
        yield score("all", everything)


def hear(classifier: Classifier, clip: Clip) -> Heard:
    """The network's answer for a clip, beside the right one."""
    truth = clip.word if clip.word in classifier.labels else UNKNOWN
    answer = classifier.classify(clip.samples, top=1)
    return Heard(clip, truth, answer.word, answer.probability)


def score(name: str, heard: Sequence[Heard]) -> Score:
    """Sum up."""
    right = np.array([one.truth == one.word for one in heard])
    truth = np.array([one.truth for one in heard])
    recall = {str(word): float(right[truth == word].mean()) for word in np.unique(truth)}
    asked = [share for word, share in recall.items() if word not in (UNKNOWN, SILENCE)]
    speakers: dict[str, list[bool]] = {}
    for one, hit in zip(heard, right, strict=True):
        speakers.setdefault(one.clip.speaker, []).append(bool(hit))
    shares = [float(np.mean(hits)) for hits in speakers.values() if len(hits) >= ENOUGH]
    return Score(
        file=name,
        clips=len(heard),
        accuracy=float(right.mean()),
        balanced=float(np.mean(asked or list(recall.values()))),
        recall=recall,
        ece=calibration_error(np.array([one.probability for one in heard]), right),
        speakers=len(speakers),
        worst=min(shares, default=float(right.mean())),
    )


def calibration_error(probability: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """Expected calibration error over BINS bins of equal width.

    >>> calibration_error(np.array([0.9, 0.9, 0.6, 0.6]), np.array([True, True, True, False]))
    0.1
    """
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    total = 0.0
    for which in np.unique(bins):
        inside = bins == which
        total += abs(float(right[inside].sum() - probability[inside].sum()))
    return round(total / len(right), 9)


def false_words(classifier: Classifier, recordings: Iterable[Path]) -> tuple[int, int]:
    """Noise without speech, cut into seconds: how many there are, how many get a word.

    Every second stands for itself, as a clip would. `unknown` is no word.
    """
    seconds = words = 0
    for path in recordings:
        samples = audio.read(path).samples
        for start in range(0, len(samples) - audio.RATE + 1, audio.RATE):
            answer = classifier.classify(samples[start : start + audio.RATE], top=1)
            seconds += 1
            words += answer.word not in (UNKNOWN, SILENCE)
    if not seconds:
        raise SpeechnetError("the noise to evaluate on is shorter than a second")
    return seconds, words
