"""Events against labels: cases counted by hand, and a recount that shares no code."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from speechnet.errors import SpeechnetError
from speechnet.hearing.events import Event
from speechnet.hearing.thresholds import Point, choose
from speechnet.intervals import poisson, poisson_bound
from speechnet.judging.detection import (
    Counts,
    Judged,
    at_thresholds,
    corners,
    count,
    curve,
    judge,
    miss_rate_at,
)

KEYWORDS = ("yes", "no", "stop")


def at(middle: float, word: str = "yes", probability: float = 0.9, length: float = 0.2) -> Event:
    return Event(middle - length / 2, middle + length / 2, word, probability)


def counted(
    labels: Sequence[Event], events: Sequence[Event], seconds: float = 60.0
) -> tuple[int, int, int, int]:
    """Hits, misses, wrong words and false alarms."""
    found = count("a", [judge("a.wav", seconds, labels, events, KEYWORDS)])
    assert found.words == found.hits + found.misses
    return found.hits, found.misses, found.wrong, found.false_alarms


def test_the_second_event_for_one_word_is_a_false_alarm() -> None:
    assert counted([at(5)], [at(5)]) == (1, 0, 0, 0)
    assert counted([at(5)], [at(4.95), at(5.05)]) == (1, 0, 0, 1)


def test_of_two_events_for_one_word_the_surer_one_is_the_hit() -> None:
    first, second = at(5.0, probability=0.6), at(5.1, probability=0.7)
    judged = judge("a.wav", 60, [at(5)], [first, second], KEYWORDS)
    assert judged.hits == ((at(5), second),)
    assert judged.false_alarms == (first,)


def test_a_wrong_word_is_a_miss_and_a_false_alarm() -> None:
    assert counted([at(5, "yes")], [at(5, "no")]) == (0, 1, 1, 1)


def test_a_wrong_word_beside_the_right_one_is_only_a_false_alarm() -> None:
    assert counted([at(5, "yes")], [at(5, "no"), at(5, "yes")]) == (1, 0, 0, 1)


def test_one_event_is_not_wrong_for_two_words() -> None:
    assert counted([at(5, "yes"), at(5.25, "stop")], [at(5.1, "no")]) == (0, 2, 1, 1)


@pytest.mark.parametrize(
    ("away", "hit"), [(0.29, True), (0.3, True), (0.31, False), (-0.3, True), (-0.31, False)]
)
def test_a_middle_is_near_up_to_the_tolerance(away: float, hit: bool) -> None:
    # 8.3 - 8 is more than 0.3 in floats.
    assert counted([at(8)], [at(8 + away)]) == ((1, 0, 0, 0) if hit else (0, 1, 0, 1))


def test_what_overlaps_is_near_however_far_the_middles_are_apart() -> None:
    long = Event(1.0, 4.0, "yes")  # middle 2.5
    assert counted([at(3.95)], [long]) == (1, 0, 0, 0)
    assert counted([at(4.2)], [long]) == (0, 1, 0, 1)


def test_a_label_that_is_a_point_is_hit_by_what_is_around_it() -> None:
    assert counted([Event(2.9, 2.9, "yes")], [Event(2.0, 3.0, "yes")]) == (1, 0, 0, 0)


def test_an_event_on_speech_that_is_no_keyword_is_a_false_alarm() -> None:
    assert counted([at(5, "tree")], [at(5, "yes")]) == (0, 0, 0, 1)
    assert counted([at(5, "tree")], []) == (0, 0, 0, 0)


def test_an_event_on_other_speech_hits_a_keyword_that_is_labelled_there_too() -> None:
    assert counted([at(5, "tree"), at(5.1, "yes")], [at(5, "yes")]) == (1, 0, 0, 0)


def test_of_two_labels_the_nearer_one_is_hit() -> None:
    labels = [at(5.0), at(5.25)]
    for middle, which in ((5.1, 0), (5.15, 1)):
        judged = judge("a.wav", 60, labels, [at(middle)], KEYWORDS)
        assert judged.hits == ((labels[which], at(middle)),)
        assert judged.missed == (labels[1 - which],)


def test_two_labels_close_together_are_both_hit_whichever_event_is_surer() -> None:
    # The second event reaches the second label only; the first one reaches both, and is nearer to
    # the second: it has to make room for the other.
    labels = [at(5.0), at(5.25)]
    early, late = at(5.2), at(5.5)
    for first, second in ((0.9, 0.4), (0.4, 0.9)):
        events = [
            Event(early.start, early.end, "yes", first),
            Event(late.start, late.end, "yes", second),
        ]
        assert counted(labels, events) == (2, 0, 0, 0)


def test_a_row_of_events_moves_up_for_one_more() -> None:
    # Each event is nearest to the label after its own; the last one has only that label.
    labels = [at(1 + 0.4 * n, length=0.02) for n in range(6)]
    events = [at(1.21 + 0.4 * n, probability=0.9 - 0.1 * n, length=0.02) for n in range(6)]
    assert counted(labels, events) == (6, 0, 0, 0)


def test_without_labels_every_event_is_a_false_alarm() -> None:
    assert counted([], [at(5), at(9, "no")]) == (0, 0, 0, 2)
    assert counted([], []) == (0, 0, 0, 0)


def test_without_events_every_keyword_is_missed() -> None:
    assert counted([at(1), at(2, "no"), at(3, "tree")], []) == (0, 2, 0, 0)


def test_recordings_are_summed_up_by_word_and_by_the_hour() -> None:
    kitchen = judge(
        "kitchen.wav",
        1200,
        [at(1, "yes"), at(2, "no"), at(3, "no")],
        [at(1, "yes"), at(2, "stop"), at(3, "no"), at(100, "stop")],
        KEYWORDS,
    )
    rain = judge("rain.wav", 600, [], [at(7, "yes")], KEYWORDS)
    found = count("all", [kitchen, rain])
    assert found == Counts(
        file="all",
        seconds=1800,
        words=3,
        hits=2,
        misses=1,
        wrong=1,
        false_alarms=3,
        false_alarms_per_hour=6.0,
        false_alarms_per_hour_95=tuple(2 * end for end in poisson(3)),  # type: ignore[arg-type]
        recall={"no": 0.5, "yes": 1.0},
    )


@pytest.mark.parametrize(
    ("events", "low", "high"),
    # Garwood's limits as in the tables, e.g. of Pearson and Hartley, "Biometrika tables", table 40.
    [(0, 0, 3.69), (1, 0.03, 5.57), (2, 0.24, 7.22), (3, 0.62, 8.77), (10, 4.80, 18.39)],
)
def test_the_interval_of_a_count_is_that_of_the_tables(
    events: int, low: float, high: float
) -> None:
    assert poisson(events) == pytest.approx((low, high), abs=0.006)


def test_none_in_a_time_bounds_the_rate_by_three_by_that_time() -> None:
    assert poisson_bound(0) == pytest.approx(-math.log(0.05))
    point = Point(0.5, hits=1, false_alarms=0, words=2, hours=6)
    assert point.bound == pytest.approx(0.5, abs=0.001)


# A curve counted by hand. Half an hour; yes at 10, 20 and 30 s, no at 40 s.
LABELS = [at(10), at(20), at(30), at(40, "no")]
EVENTS = [
    at(10, probability=0.9),  # a hit
    at(50, probability=0.8),  # a false alarm
    at(20, probability=0.7),  # a hit
    at(40, "stop", probability=0.7),  # a wrong word
    at(40, "no", probability=0.3),  # a hit
    at(10, probability=0.2),  # a second one for the first word
]


def test_the_curve_is_that_of_a_case_counted_by_hand() -> None:
    judged = [judge("a.wav", 1800, LABELS, EVENTS, KEYWORDS)]
    found = [(one.threshold, one.miss_rate, one.false_alarms_per_hour) for one in curve(judged)]
    assert found == [(0.9, 0.75, 0), (0.8, 0.75, 2), (0.7, 0.5, 4), (0.3, 0.25, 4), (0.2, 0.25, 6)]
    assert [one.threshold for one in corners(curve(judged))] == [0.9, 0.8, 0.3, 0.2]
    no = [(one.threshold, one.miss_rate, one.false_alarms) for one in curve(judged, "no")]
    assert no == [(0.3, 0, 0)]


def test_the_miss_rate_at_a_rate_of_false_alarms_is_read_off_the_curve() -> None:
    points = curve([judge("a.wav", 1800, LABELS, EVENTS, KEYWORDS)])
    assert [miss_rate_at(points, rate) for rate in (0, 1.9, 2, 4, 100)] == [
        0.75, 0.75, 0.75, 0.25, 0.25,
    ]  # fmt: skip


def test_who_says_nothing_misses_all() -> None:
    points = curve([judge("a.wav", 1800, LABELS, [at(50, probability=0.99)], KEYWORDS)])
    assert miss_rate_at(points, 1) == 1
    assert curve([judge("a.wav", 1800, LABELS, [], KEYWORDS)]) == []
    assert miss_rate_at([], 1) == 1


def test_nobody_misses_anything_where_nothing_is_said() -> None:
    points = curve([judge("rain.wav", 3600, [], [at(3)], KEYWORDS)])
    assert math.isnan(points[0].miss_rate)
    assert points[0].false_alarms_per_hour == 1


def recount(
    recordings: Sequence[tuple[Sequence[Event], Sequence[Event]]], threshold: float
) -> tuple[int, int]:
    """Hits and false alarms of one threshold: for each recording and word, scipy's assignment."""
    hits = alarms = 0
    for labels, events in recordings:
        counting = [one for one in events if one.probability >= threshold]
        alarms += len(counting)
        for word in KEYWORDS:
            possible = np.array(
                [
                    [
                        (e.start <= b.end and b.start <= e.end)
                        or abs((e.start + e.end) - (b.start + b.end)) <= 0.6
                        for b in labels
                        if b.word == word
                    ]
                    for e in counting
                    if e.word == word
                ]
            )
            if possible.size:
                pairs = linear_sum_assignment(possible, maximize=True)
                hits += int(possible[pairs].sum())
    return hits, alarms - hits


@pytest.mark.parametrize("seed", range(12))
def test_the_curve_is_that_of_counting_anew_at_every_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def some(most: int, words: Sequence[str]) -> list[Event]:
        starts = rng.uniform(0, 12, int(rng.integers(most)))  # crowded: much overlaps
        return [
            Event(
                float(start),
                float(start + rng.uniform(0.1, 0.8)),
                str(rng.choice(words)),
                float(rng.integers(1, 20)) / 20,  # some are equal
            )
            for start in starts
        ]

    recordings = [(some(40, (*KEYWORDS, "tree")), some(70, KEYWORDS)) for _ in range(3)]
    judged = [judge("a", 12, *one, KEYWORDS) for one in recordings]
    points = curve(judged)
    for point in points:
        assert (point.hits, point.false_alarms) == recount(recordings, point.threshold)
        again = [
            judge(
                "a", 12, labels, [e for e in events if e.probability >= point.threshold], KEYWORDS
            )
            for labels, events in recordings
        ]
        whole = count("all", again)
        assert (whole.hits, whole.false_alarms) == (point.hits, point.false_alarms)
    assert {one.threshold for one in points} == {
        one.probability for _, events in recordings for one in events
    }
    by_word = [curve(judged, word)[-1] for word in KEYWORDS]
    assert sum(one.hits for one in by_word) == points[-1].hits
    assert sum(one.false_alarms for one in by_word) == points[-1].false_alarms


def test_a_detector_may_be_run_once_for_each_threshold() -> None:
    # With the lower threshold it finds the second word, and names the first one too early.
    runs = {
        0.2: [judge("a.wav", 1800, LABELS, [at(9), at(20), at(40, "no")], KEYWORDS)],
        0.7: [judge("a.wav", 1800, LABELS, [at(10, probability=0.1)], KEYWORDS)],
    }
    points = at_thresholds(runs)
    assert points == [Point(0.7, 1, 0, 4, 0.5), Point(0.2, 2, 1, 4, 0.5)]
    assert at_thresholds(runs, "yes") == [Point(0.7, 1, 0, 3, 0.5), Point(0.2, 1, 1, 3, 0.5)]
    assert at_thresholds(runs, "stop") == [Point(0.7, 0, 0, 0, 0.5), Point(0.2, 0, 0, 0, 0.5)]


def sure(hours: float, alarms: Sequence[float], hits: Sequence[float]) -> list[Judged]:
    """Recordings in which each probability of `alarms` and `hits` is one event."""
    labels = [at(10 + 2 * n) for n in range(len(hits))]
    events = [at(10 + 2 * n, probability=one) for n, one in enumerate(hits)]
    events += [at(2000 + 2 * n, probability=one) for n, one in enumerate(alarms)]
    return [judge("a", hours * 3600, labels, events, KEYWORDS)]


def test_the_lowest_threshold_that_keeps_to_a_rate_is_chosen() -> None:
    points = curve(sure(4, alarms=[0.8, 0.6, 0.4, 0.2], hits=[0.9, 0.7, 0.5, 0.3]))
    chosen = choose(points, 0.75)  # three in four hours
    assert (chosen.threshold, chosen.hits, chosen.false_alarms) == (0.3, 4, 3)
    assert chosen.bound == pytest.approx(7.754 / 4, abs=0.001)  # Poisson, three counted, one-sided
    assert choose(points, 0.749).threshold == 0.5
    assert choose(points, 100).threshold == 0.2


def test_recordings_that_are_too_short_to_tell_are_refused() -> None:
    points = curve(sure(2.9, alarms=[], hits=[0.9]))
    with pytest.raises(SpeechnetError, match=r"2\.9 hours .* too short .* give 3 hours"):
        choose(points, 1)
    assert choose(curve(sure(3.1, alarms=[], hits=[0.9])), 1).bound < 1


def test_a_rate_that_no_threshold_keeps_to_is_refused() -> None:
    points = curve(sure(4, alarms=[0.95] * 8, hits=[0.9]))
    with pytest.raises(SpeechnetError, match=r"no threshold keeps to 1 .* 0\.95, there are 2"):
        choose(points, 1)
    with pytest.raises(SpeechnetError, match="no word was detected"):
        choose([], 1)


def test_a_recording_without_length_is_refused() -> None:
    with pytest.raises(SpeechnetError, match="has no length"):
        judge("empty.wav", 0, [], [], KEYWORDS)
