"""Labelled recordings: sounds with a file beside that says what is said in them when.

Opens the files; `events` reads the labels, `detection` judges.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from speechnet.errors import SpeechnetError
from speechnet.hearing import events
from speechnet.hearing.detector import Detector
from speechnet.hearing.events import Event
from speechnet.judging.detection import Judged, judge
from speechnet.sound.files import sound_files
from speechnet.sound.recordings import chunks

SUFFIXES = (".txt", ".csv", ".jsonl")
"""Of the labels of a recording, which are called like it."""


@dataclass(frozen=True)
class Recording:
    """A sound and all that is said in it: the keywords at least, in the order of their start."""

    path: Path
    labels: tuple[Event, ...]


def recordings(places: Iterable[Path]) -> list[Recording]:
    """The recordings at these places: sounds, or folders with sounds in them.

    Raises SpeechnetError if one has no labels, or more than one file of them. Where nothing is
    said, there is a file of labels with nothing in it.
    """
    return [
        Recording(path, tuple(events.read(labels_of(path))))
        for place in places
        for path in sound_files(place)
    ]


def labels_of(path: Path) -> Path:
    """The file of a recording's labels."""
    found = [path.with_suffix(suffix) for suffix in SUFFIXES]
    found = [one for one in found if one.is_file()]
    if not found:
        raise SpeechnetError(
            f"{path} has no labels: put {path.stem}.txt beside it, an Audacity label track, which"
            " is empty if none of the words is said"
        )
    if len(found) > 1:
        raise SpeechnetError(f"{path} has two files of labels: keep {found[0]} or {found[1]}")
    return found[0]


def judged(
    recording: Recording,
    detector: Detector,
    thresholds: Iterable[float],
    notes: list[str] | None = None,
) -> list[Judged]:
    """What a detector makes of a recording at each of the thresholds; it is heard once.

    notes: a list that takes what a person should know of the sound.
    Raises SpeechnetError if the sound cannot be read.
    """
    ticks, seconds = detector.ticks(chunks(recording.path, notes))
    patience = detector.operating.patience
    return [
        judge(
            str(recording.path),
            seconds,
            recording.labels,
            detector.decide(ticks, threshold, patience),
            detector.words,
        )
        for threshold in thresholds
    ]
