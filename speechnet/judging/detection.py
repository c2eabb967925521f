"""Detection: events against the labels of recordings. Hits, misses, false alarms, the DET curve.

Pure functions: nothing is heard here, and no files. Who calls brings the events of a detector and
what was said; `judge` matches the two, once a recording, and all else counts what came of it.

The rule. An event is near a label if they share a moment or their middles are at most TOLERANCE
apart. It can hit a label of a keyword if it is near and of the same word. An event hits one label
at most, and a label is hit by one event at most: of two events for one word one is a false alarm.
Under this as many labels are hit as can be, and by the surest events: events are taken in the order
of falling probability, each takes the nearest label that is free, and makes room by moving others
to other labels that they can hit if there is none. Then what is left over is matched once more, the
words ignored: these labels were heard as a wrong word. Each of them is a miss, and its event a
false alarm, as is every other event that hit nothing. Labels of words that are no keywords count
for nothing: an event there is a false alarm unless a keyword is labelled there, too.

Taken in that order, an event never changes whether a surer one hits something. So what the surer
events alone would have hit is known from the same matching (`curve`).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from speechnet.errors import SpeechnetError
from speechnet.hearing.events import Event
from speechnet.hearing.thresholds import Point
from speechnet.intervals import poisson

TOLERANCE = 0.3
"""Seconds between the middles of an event and of a label that do not overlap."""

Pairs = tuple[tuple[Event, Event], ...]


@dataclass(frozen=True)
class Judged:
    """What became of the labels and the events of a recording.

    hits, wrong: (label, event), in the order of the labels. missed: the labels of keywords that
    were not hit. false_alarms: the events that hit nothing. Those of `wrong` are in both.
    """

    file: str
    seconds: float
    hits: Pairs
    missed: tuple[Event, ...]
    wrong: Pairs
    false_alarms: tuple[Event, ...]


@dataclass(frozen=True)
class Counts:
    """Judged recordings summed up.

    words: keywords labelled, which are `hits` and `misses`. wrong: misses that were heard as
    another word; their events are among the false alarms. false_alarms_per_hour_95: the interval
    that holds the true rate with 95% (`poisson`). recall: share of hits by word.
    """

    file: str
    seconds: float
    words: int
    hits: int
    misses: int
    wrong: int
    false_alarms: int
    false_alarms_per_hour: float
    false_alarms_per_hour_95: tuple[float, float]
    recall: dict[str, float]


def judge(
    file: str,
    seconds: float,
    labels: Iterable[Event],
    events: Iterable[Event],
    keywords: Collection[str],
) -> Judged:
    """Match the events of a recording with its labels, by the rule at the top of this module.

    seconds: how long the recording is. Raises SpeechnetError if it has no length.
    """
    if seconds <= 0:
        raise SpeechnetError(f"{file} has no length, so nothing can be counted by the hour")
    asked = [label for label in labels if label.word in keywords]
    heard = sorted(events, key=lambda one: (-one.probability, one.start, one.end, one.word))
    hits = _match(asked, heard, same_word=True)
    missed = [label for at, label in enumerate(asked) if at not in hits]
    taken = set(hits.values())
    alarms = [event for at, event in enumerate(heard) if at not in taken]
    wrong = _match(missed, alarms, same_word=False)
    return Judged(
        file,
        seconds,
        hits=tuple((asked[at], heard[hits[at]]) for at in sorted(hits)),
        missed=tuple(missed),
        wrong=tuple((missed[at], alarms[wrong[at]]) for at in sorted(wrong)),
        false_alarms=tuple(sorted(alarms, key=lambda one: (one.start, one.end))),
    )


def near(event: Event, label: Event) -> bool:
    """Whether they share a moment, or their middles are at most TOLERANCE apart.

    >>> near(Event(1.0, 1.4, "yes"), Event(1.4, 2.0, "no"))
    True
    """
    overlap = max(event.start, label.start) <= min(event.end, label.end)
    # Times are decimals: two middles that are 0.3 apart on paper may be a bit more in floats.
    return overlap or abs(event.middle - label.middle) <= TOLERANCE + 1e-9


def count(file: str, judged: Sequence[Judged]) -> Counts:
    """Sum up. file: what to call it."""
    said = Counter(label.word for one in judged for label in one.missed)
    hit = Counter(label.word for one in judged for label, _ in one.hits)
    said.update(hit)
    alarms = sum(len(one.false_alarms) for one in judged)
    seconds = math.fsum(one.seconds for one in judged)
    low, high = poisson(alarms)
    return Counts(
        file=file,
        seconds=seconds,
        words=said.total(),
        hits=hit.total(),
        misses=said.total() - hit.total(),
        wrong=sum(len(one.wrong) for one in judged),
        false_alarms=alarms,
        false_alarms_per_hour=alarms / seconds * 3600,
        false_alarms_per_hour_95=(low / seconds * 3600, high / seconds * 3600),
        recall={word: hit[word] / said[word] for word in sorted(said)},
    )


def at_thresholds(runs: Mapping[float, Sequence[Judged]], word: str | None = None) -> list[Point]:
    """The DET curve of a detector that was run once for each threshold, the highest first.

    runs: the recordings, judged with the events that each threshold gave. word: only its labels and
    events, else those of all keywords together.
    Martin et al. 1997, "The DET curve in assessment of detection task performance", with false
    alarms by the hour instead of by the trial.
    """
    return [_point(threshold, runs[threshold], word) for threshold in sorted(runs, reverse=True)]


def _point(threshold: float, judged: Sequence[Judged], word: str | None) -> Point:
    hits = [event for one in judged for _, event in one.hits]
    alarms = [event for one in judged for event in one.false_alarms]
    missed = [label for one in judged for label in one.missed]
    hit, alarm, miss = (
        sum(word in (None, event.word) for event in events) for events in (hits, alarms, missed)
    )
    hours = math.fsum(one.seconds for one in judged) / 3600
    return Point(threshold, hit, alarm, hit + miss, hours)


def curve(judged: Sequence[Judged], word: str | None = None) -> list[Point]:
    """The DET curve from one run with a low threshold: at each probability that an event has.

    As `at_thresholds` on the events with at least that probability, and right for a detector whose
    events do not otherwise depend on its threshold. Below the lowest probability nothing is known.
    Along the curve neither hits nor false alarms fall.
    """

    def wanted(event: Event) -> bool:
        return word in (None, event.word)

    found = Counter(event.probability for one in judged for _, event in one.hits if wanted(event))
    false = Counter(
        event.probability for one in judged for event in one.false_alarms if wanted(event)
    )
    whole = _point(0.0, judged, word)
    points: list[Point] = []
    hit = alarm = 0
    for threshold in sorted({*found, *false}, reverse=True):
        hit += found[threshold]
        alarm += false[threshold]
        points.append(Point(threshold, hit, alarm, whole.words, whole.hours))
    return points


def corners(points: Sequence[Point]) -> list[Point]:
    """Of the points with the same number of false alarms the one with the lowest threshold.

    The others miss as much or more, for no fewer false alarms: a curve needs no more than these.
    """
    following = [*(point.false_alarms for point in points[1:]), -1]
    return [
        point for point, later in zip(points, following, strict=True) if point.false_alarms != later
    ]


def miss_rate_at(points: Sequence[Point], false_alarms_per_hour: float) -> float:
    """The miss rate of the lowest threshold with at most so many false alarms an hour.

    1 if even the surest event is one false alarm too many: who never says anything misses all.
    """
    within = [one for one in points if one.false_alarms_per_hour <= false_alarms_per_hour]
    return within[-1].miss_rate if within else 1.0


def _match(labels: Sequence[Event], events: Sequence[Event], *, same_word: bool) -> dict[int, int]:
    """As many pairs of near ones as can be, earlier events first: a label's number -> an event's.

    A maximum matching by augmenting paths: an event that has a label keeps one (Kuhn 1955).
    """
    places: dict[str, list[int]] = {}
    for at, label in enumerate(labels):
        places.setdefault(label.word if same_word else "", []).append(at)
    reach = [
        _nearest(event, labels, places.get(event.word if same_word else "", ())) for event in events
    ]
    holder: dict[int, int] = {}
    for number in range(len(events)):
        _make_room(number, reach, holder)
    return holder


def _nearest(event: Event, labels: Sequence[Event], places: Iterable[int]) -> list[int]:
    """Which of the labels at `places` are near an event, the nearest first."""
    found = [at for at in places if near(event, labels[at])]
    return sorted(found, key=lambda at: abs(event.middle - labels[at].middle))


def _make_room(event: int, reach: Sequence[Sequence[int]], holder: dict[int, int]) -> None:
    """Give an event a label, if need be by moving those who hold one; `holder` is changed."""
    came: dict[int, tuple[int, int | None]] = {}  # a label -> who would take it, what he holds now
    waiting: deque[tuple[int, int | None]] = deque([(event, None)])
    while waiting:
        taker, held = waiting.popleft()
        for at in reach[taker]:
            if at in came:
                continue
            came[at] = taker, held
            if at in holder:
                waiting.append((holder[at], at))
                continue
            free: int | None = at
            while free is not None:
                mover, before = came[free]
                holder[free] = mover
                free = before
            return
