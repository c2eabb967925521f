"""Which frames say that a word has just ended, and how ticks become one event a word."""

from pathlib import Path

import numpy as np
import pytest

from speechnet.errors import SpeechnetError
from speechnet.hearing import events
from speechnet.hearing.deciding import AGAIN, APART, Decider
from speechnet.hearing.events import Event
from speechnet.hearing.operating import Operating, logistic
from speechnet.hearing.spotting import IGNORED, ended
from speechnet.hearing.thresholds import Point
from speechnet.sound.spectrogram import FrontEnd

FRONT = FrontEnd(np.zeros((4, 257), np.float32))
NOTHING = 9


def seconds(target: np.ndarray, which: int) -> np.ndarray:
    """When the frames with such a target end."""
    return (np.flatnonzero(target == which) * 256 + 512) / 16_000


def test_a_word_has_ended_from_50_to_250_ms_after_its_end() -> None:
    target = ended([(4_000, 16_000, 2)], FRONT, 120, NOTHING)
    told = seconds(target, 2)
    assert told.min() == pytest.approx(1.05, abs=0.016)
    assert told.max() == pytest.approx(1.25, abs=0.016)
    assert seconds(target, NOTHING).min() == pytest.approx(0.032)
    ignored = seconds(target, IGNORED)
    assert ignored.min() == pytest.approx(0.95, abs=0.016)
    assert ignored.max() == pytest.approx(1.35, abs=0.016)


def test_in_the_midst_of_a_word_and_long_after_it_nothing_has_ended() -> None:
    target = ended([(4_000, 16_000, 2)], FRONT, 120, NOTHING)
    assert set(target[:55]) == {NOTHING}
    assert set(target[90:]) == {NOTHING}


def test_of_two_words_close_together_the_later_one_counts_where_both_have_ended() -> None:
    spans = [(8_000, 16_000, 1), (16_100, 18_400, 2)]
    for order in (spans, spans[::-1]):
        target = ended(order, FRONT, 120, NOTHING)
        assert seconds(target, 1).max() < 1.2 <= seconds(target, 2).min()


def decided(rows: list[list[float]], threshold: float = 0.5, patience: int = 1) -> list[tuple]:
    """(tick, word) of the events, at 64 ms a tick."""
    decider = Decider(len(rows[0]), threshold, patience)
    steps = [decider.step(np.array(row, np.float32), at * 0.064) for at, row in enumerate(rows)]
    return [(at, word) for at, word in enumerate(steps) if word is not None]


def test_a_word_that_stays_above_the_threshold_is_one_event() -> None:
    assert decided([[0, 0], [0.6, 0], [0.9, 0], [0.8, 0], [0.6, 0], [0.3, 0]]) == [(1, 0)]


def test_patience_waits_for_ticks_in_a_row() -> None:
    rows = [[0.6], [0.1], [0.6], [0.7], [0.8], [0.0]]
    assert decided(rows, patience=2) == [(3, 0)]
    assert decided(rows, patience=3) == [(4, 0)]
    assert decided(rows, patience=4) == []


def test_a_word_said_again_is_another_event_once_its_score_has_fallen() -> None:
    gap = [[0.5 * AGAIN - 0.01]] * 4
    assert decided([[0.7], *gap, [0.7]]) == [(0, 0), (5, 0)]
    hardly = [[0.5 * AGAIN + 0.01]] * 4
    assert decided([[0.7], *hardly, [0.7]]) == [(0, 0)]


def test_two_words_at_once_are_the_surer_one_and_events_stay_apart() -> None:
    assert decided([[0.6, 0.7], [0.0, 0.0]]) == [(0, 1)]
    apart = int(np.ceil(APART / 0.064))
    rows = [[0.9, 0.0], *([[0.0, 0.9]] * (apart + 1))]
    assert decided(rows) == [(0, 0), (apart, 1)]


@pytest.mark.parametrize(("threshold", "patience"), [(0, 1), (1.1, 1), (0.5, 0)])
def test_a_threshold_that_cannot_be_is_refused(threshold: float, patience: int) -> None:
    with pytest.raises(SpeechnetError, match="above 0 and at most 1"):
        Decider(2, threshold, patience)


def test_an_operating_point_travels_as_json_and_answers_for_a_rate() -> None:
    curve = (Point(0.9, 5, 0, 10, 10.0), Point(0.5, 8, 5, 10, 10.0), Point(0.3, 9, 50, 10, 10.0))
    one = Operating(0.5, 2, curve, 1.5, 0.2, "ten hours")
    assert Operating.from_facts(one.to_facts()) == one
    assert [one.at(rate) for rate in (0.4, 0.5, 4.9, 5, 100)] == [0.9, 0.5, 0.5, 0.3, 0.3]
    with pytest.raises(SpeechnetError, match="too short"):
        one.at(0.01)
    with pytest.raises(SpeechnetError, match="does not say how it detects"):
        Operating.from_facts({"threshold": 1})


def test_probabilities_of_events_are_the_shares_of_right_ones() -> None:
    rng = np.random.default_rng(0)
    score = rng.uniform(0.2, 0.99, 20_000)
    odds = 2.0 * np.log(score / (1 - score)) - 0.7
    right = rng.random(len(score)) < 1 / (1 + np.exp(-odds))
    slope, offset = logistic(score.tolist(), right.tolist())
    assert slope == pytest.approx(2.0, abs=0.08)
    assert offset == pytest.approx(-0.7, abs=0.08)
    told = Operating(slope=slope, offset=offset).probability(0.5)
    assert told == pytest.approx(1 / (1 + np.exp(0.7)), abs=0.02)


def test_events_that_are_all_right_have_a_probability_below_one() -> None:
    slope, offset = logistic([0.7, 0.8, 0.9], [True] * 3)
    assert 0.7 < Operating(slope=slope, offset=offset).probability(0.9) < 1


LABELS = [Event(0.5, 1.0, "yes"), Event(2.25, 2.5, "seven")]


@pytest.mark.parametrize(
    "text",
    [
        "0.5\t1.0\tyes\n2.25\t2.5\t7\n",
        "2.25\t2.5\tseven\n\\\t100\t200\n0.5\t1.0\tYes\n",
        '{"file": "a", "start": 0.5, "end": 1, "word": "yes"}\n'
        '{"start": 2.25, "end": 2.5, "word": "seven"}\n',
        "start, end, word\n0.5, 1.0, yes\n2.25, 2.5, seven\n",
        "\ufeffword,end,start,who\nyes,1,0.5,me\nseven,2.5,2.25,me\n",
    ],
)
def test_labels_are_read_in_every_form(text: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(text, "utf-8")
    assert events.read(tmp_path / "labels.txt") == LABELS


def test_an_empty_file_of_labels_says_that_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n")
    assert events.read(tmp_path / "labels.txt") == []


@pytest.mark.parametrize(
    "text",
    ["yes at two", "1\tb\tyes", "2\t1\tyes", "nan\t1\tyes", "1\t2\t ",
     "start,end,word\n1,2\n", '{"start": 1, "end": 2, "word": null}',
     'start,end,word\n1,2,"yes\n' + 140_000 * "3"],
    ids=range(8),
)  # fmt: skip
def test_what_is_no_label_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(SpeechnetError, match="holds no labels"):
        events.read(tmp_path / "labels.txt")


@pytest.mark.parametrize("form", ["json", "audacity"])
def test_events_that_are_written_are_read_again(form: str, tmp_path: Path) -> None:
    text = "".join(events.line(one, form, "a.wav") + "\n" for one in LABELS)
    (tmp_path / "labels.txt").write_text(text)
    assert events.read(tmp_path / "labels.txt") == LABELS
