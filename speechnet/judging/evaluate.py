"""Evaluation of clips: how often the words are heard, and how far a probability can be trusted.

`answers` asks the network; all else is arithmetic on what it answered. Recordings with several
words in them are judged in `detection`, pictures are made in `evaluate_drawing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechnet.clips.synthesis import refuse
from speechnet.clips.words import Clip, read_clips
from speechnet.hearing.classifier import Answer, Classifier
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.sound import audio
from speechnet.sound.files import absolute

BINS = 15
"""Of the calibration error, equally wide (Guo et al. 2017, "On calibration ...")."""

ENOUGH = 5
"""Clips of a speaker from which on his share of right answers says something."""

LEAST = float(np.finfo(np.float32).tiny)
"""Probability that a truth has at least, so that its logarithm is a number: 87 nats."""


@dataclass(frozen=True)
class Score:
    """What was found on some clips.

    A clip is right if its word was named, or `unknown` for a word that the network does not know.
    accuracy: share of right clips. balanced: mean of the recall of the words asked for, `unknown`
    left out. recall: share of right clips by word. ece: expected calibration error, the mean
    difference between a probability and the share of right answers given with it. nats: mean
    negative logarithm of the truth's probability. brier: mean squared distance of the probabilities
    of all answers to 1 for the truth and 0 for the others, from 0 to 2 (Brier 1950).
    speakers: how many. worst: the share of right clips of the worst speaker of ENOUGH clips.
    """

    file: str
    clips: int
    accuracy: float
    balanced: float
    recall: dict[str, float]
    ece: float
    nats: float
    brier: float
    speakers: int
    worst: float


@dataclass(frozen=True)
class Heard:
    """A clip, its right answer (a label of the network), and the network's with all its guesses."""

    clip: Clip
    truth: str
    answer: Answer

    @property
    def right(self) -> bool:
        """Whether the likeliest word is the right one."""
        return self.answer.word == self.truth


@dataclass(frozen=True)
class Speaker:
    """accuracy: the share of his clips that were heard right."""

    name: str
    clips: int
    accuracy: float


@dataclass(frozen=True, eq=False)
class Confusion:
    """counts: int64 [truth, answer], clips; both axes are `labels`."""

    labels: tuple[str, ...]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Bin:
    """The answers with a probability from `low` to `high`: their mean, and the share of right ones.

    Both are 0 where there are no clips.
    """

    low: float
    high: float
    clips: int
    probability: float
    right: float


def evaluate(
    classifier: Classifier,
    sources: Sequence[Path],
    *,
    by: str = "source",
    say: Callable[[str], object] = lambda text: None,
) -> Iterator[Score]:
    """A score for each group of `answers`."""
    return (score(*group) for group in answers(classifier, sources, by=by, say=say))


def answers(
    classifier: Classifier,
    sources: Sequence[Path],
    *,
    by: str = "source",
    say: Callable[[str], object] = lambda text: None,
) -> Iterator[tuple[str, list[Heard]]]:
    """(name, what was heard) for each source, and as `all` for all of them if there are several.

    by: a column of the tables beside the sources; a source that has it gets a group for each of
    its values, too, called SOURCE/VALUE. say: is told what is wrong with a source.
    Raises SpeechnetError if a source holds no clips, or some that no person has said.
    """
    everything: list[Heard] = []
    for source in sources:
        name = absolute(source).name
        found = read_clips(source)
        for fault in found.report.faults():
            say(f"{source}: {fault}")
        refuse(found.clips)
        heard = [hear(classifier, clip) for clip in found.clips]
        everything += heard
        yield name, heard
        values = sorted({one.clip.facts[by] for one in heard if by in one.clip.facts})
        for value in values if len(values) > 1 else ():
            part = [one for one in heard if one.clip.facts.get(by) == value]
            yield f"{name}/{value}", part
    if len(sources) > 1:
        yield "all", everything


def hear(classifier: Classifier, clip: Clip) -> Heard:
    """The network's answer for a clip, beside the right one."""
    truth = clip.word if clip.word in classifier.labels else UNKNOWN
    return Heard(clip, truth, classifier.classify(clip.samples, top=len(classifier.labels)))


def score(name: str, heard: Sequence[Heard]) -> Score:
    """Sum up. heard: at least one."""
    right = np.array([one.right for one in heard])
    truth = np.array([one.truth for one in heard])
    recall = {str(word): float(right[truth == word].mean()) for word in np.unique(truth)}
    asked = [share for word, share in recall.items() if word not in (UNKNOWN, SILENCE)]
    chances = [{guess.word: guess.probability for guess in one.answer.guesses} for one in heard]
    given = np.array([one.get(word, 0.0) for one, word in zip(chances, truth, strict=True)])
    squares = np.array([sum(chance**2 for chance in one.values()) for one in chances])
    speakers = {one.clip.speaker for one in heard}
    worst = worst_speakers(heard, 1)
    return Score(
        file=name,
        clips=len(heard),
        accuracy=float(right.mean()),
        balanced=float(np.mean(asked or list(recall.values()))),
        recall=recall,
        ece=calibration_error(np.array([one.answer.probability for one in heard]), right),
        nats=float(-np.log(given.clip(LEAST)).mean()),
        brier=float((squares - 2 * given + 1).mean()),  # sum of p^2, but (p - 1)^2 for the truth
        speakers=len(speakers),
        worst=worst[0].accuracy if worst else float(right.mean()),
    )


def worst_speakers(heard: Iterable[Heard], count: int = 5) -> list[Speaker]:
    """Those of ENOUGH clips who are heard right most seldom, the worst first."""
    clips: dict[str, list[bool]] = {}
    for one in heard:
        clips.setdefault(one.clip.speaker, []).append(one.right)
    found = [
        Speaker(name, len(hits), float(np.mean(hits)))
        for name, hits in clips.items()
        if len(hits) >= ENOUGH
    ]
    return sorted(found, key=lambda one: (one.accuracy, -one.clips, one.name))[:count]


def confusion(heard: Sequence[Heard], labels: Sequence[str]) -> Confusion:
    """How often each label was taken for each. labels: of the network, in the order to show.

    A word that the network does not know is `unknown` in truth; that label is added if it is
    missing.
    """
    missing = {one.truth for one in heard} - set(labels)
    names = (*labels, *sorted(missing))
    place = {name: index for index, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    for one in heard:
        counts[place[one.truth], place[one.answer.word]] += 1
    return Confusion(names, counts)


def reliability(probability: NDArray[np.floating], right: NDArray[np.bool_]) -> list[Bin]:
    """The reliability diagram: BINS bins of equal width from 0 to 1, empty ones too.

    probability: [clip], of the answer. right: [clip], whether it was the truth.
    DeGroot and Fienberg 1983, "The comparison and evaluation of forecasters".
    """
    which = np.minimum((probability * BINS).astype(int), BINS - 1)
    found = []
    for number in range(BINS):
        inside = which == number
        clips = int(inside.sum())
        means = (float(values[inside].mean()) if clips else 0.0 for values in (probability, right))
        found.append(Bin(number / BINS, (number + 1) / BINS, clips, *means))
    return found


def reliability_of(heard: Sequence[Heard]) -> list[Bin]:
    """The reliability diagram of what was heard."""
    return reliability(
        np.array([one.answer.probability for one in heard]), np.array([one.right for one in heard])
    )


def calibration_error(probability: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """Expected calibration error over BINS bins of equal width.

    >>> calibration_error(np.array([0.9, 0.9, 0.6, 0.6]), np.array([True, True, True, False]))
    0.1
    """
    bins = reliability(np.asarray(probability, np.float64), right)
    return round(sum(one.clips * abs(one.right - one.probability) for one in bins) / len(right), 9)


def false_words(classifier: Classifier, path: Path) -> tuple[int, int]:
    """A recording of noise without speech, cut into whole seconds: how many, and how many of them
    get a word.

    Every second stands for itself, as a clip would. `unknown` is no word.
    Raises SpeechnetError if it cannot be read.
    """
    samples = audio.read(path).samples
    starts = range(0, len(samples) - audio.RATE + 1, audio.RATE)
    words = [classifier.classify(samples[at : at + audio.RATE], top=1).word for at in starts]
    return len(starts), sum(word not in (UNKNOWN, SILENCE) for word in words)
