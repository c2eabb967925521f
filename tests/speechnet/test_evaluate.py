"""Evaluation: numbers against cases counted by hand, and the command as a person uses it."""

import json
import math
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from speechnet.cli import main
from speechnet.clips.words import Clip
from speechnet.errors import SpeechnetError
from speechnet.hearing.classifier import Answer, Guess
from speechnet.hearing.detector import Detector
from speechnet.hearing.events import Event
from speechnet.hearing.operating import Operating
from speechnet.hearing.thresholds import Point
from speechnet.intervals import wilson
from speechnet.judging.detection import Counts, at_thresholds, count, judge
from speechnet.judging.evaluate import (
    Bin,
    Heard,
    Speaker,
    calibration_error,
    confusion,
    reliability,
    score,
    worst_speakers,
)
from speechnet.judging.evaluate_drawing import (
    CELL,
    RIGHT,
    confusion_picture,
    det_picture,
    reliability_picture,
)
from speechnet.judging.labelled import recordings

CLIPS = Path(__file__).parents[2] / "data" / "clips"
LABELS = ("yes", "no", "unknown", "silence")


def heard(truth: str, *chances: float, speaker: str = "anna") -> Heard:
    """A clip, and the probabilities of LABELS."""
    clip = Clip(f"{truth}/1.wav", truth, speaker, np.zeros(10, np.int16), -20.0)
    guesses = sorted(map(Guess, LABELS, chances), key=lambda one: -one.probability)
    return Heard(clip, truth, Answer(tuple(guesses), 0.0, 1.0, 1.0))


FOUR = [
    heard("yes", 0.8, 0.1, 0.1, 0.0),
    heard("yes", 0.3, 0.6, 0.1, 0.0),  # taken for no
    heard("no", 0.0, 0.9, 0.1, 0.0),
    heard("unknown", 0.5, 0.0, 0.25, 0.25),  # taken for yes
]


def test_the_scores_are_those_of_a_case_counted_by_hand() -> None:
    found = score("four", FOUR)
    assert (found.file, found.clips, found.accuracy) == ("four", 4, 0.5)
    assert found.recall == {"no": 1.0, "unknown": 0.0, "yes": 0.5}
    assert found.balanced == pytest.approx((1 + 0.5) / 2)  # unknown is no word
    assert found.nats == pytest.approx(-math.log(0.8 * 0.3 * 0.9 * 0.25) / 4)
    squares = [
        0.2**2 + 0.1**2 + 0.1**2,
        0.7**2 + 0.6**2 + 0.1**2,
        0.1**2 + 0.1**2,
        0.5**2 + 0.75**2 + 0.25**2,
    ]
    assert found.brier == pytest.approx(sum(squares) / 4)
    # Each in a bin of its own: 0.8 and 0.9 right, 0.6 and 0.5 wrong.
    assert found.ece == pytest.approx((0.2 + 0.1 + 0.6 + 0.5) / 4)


def test_a_truth_that_was_held_for_impossible_costs_much_but_not_all() -> None:
    assert 80 < score("one", [heard("yes", 0.0, 1.0, 0.0, 0.0)]).nats < 90


def test_the_confusion_matrix_is_that_of_a_case_counted_by_hand() -> None:
    found = confusion(FOUR, LABELS)
    assert found.labels == LABELS
    assert found.counts.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_a_network_without_unknown_has_a_row_for_it() -> None:
    found = confusion([heard("unknown", 0.9, 0.1)], ("yes", "no"))
    assert found.labels == ("yes", "no", "unknown")
    assert found.counts.tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_the_reliability_diagram_is_that_of_a_case_counted_by_hand() -> None:
    probability = np.array([0.95, 1.0, 0.94, 0.34, 0.39])
    right = np.array([True, True, False, True, False])
    bins = reliability(probability, right)
    assert len(bins) == 15
    assert [one.clips for one in bins] == [0] * 5 + [2] + [0] * 8 + [3]
    assert bins[5].probability == pytest.approx(0.365)
    assert bins[5].right == 0.5
    assert bins[14].probability == pytest.approx((0.95 + 1.0 + 0.94) / 3)
    assert bins[14].right == pytest.approx(2 / 3)
    assert (bins[14].low, bins[14].high) == (14 / 15, 1)
    assert bins[0] == Bin(0, 1 / 15, 0, 0, 0)
    by_hand = (2 * abs(0.365 - 0.5) + 3 * abs(2.89 / 3 - 2 / 3)) / 5
    assert calibration_error(probability, right) == pytest.approx(by_hand)


def test_the_worst_speakers_have_clips_enough() -> None:
    good, bad = (0.8, 0.1, 0.1, 0.0), (0.1, 0.8, 0.1, 0.0)
    clips = [heard("yes", *bad, speaker="four clips")] * 4
    clips += [heard("yes", *bad, speaker="bob")] * 2 + [heard("yes", *good, speaker="bob")] * 3
    clips += [heard("yes", *good, speaker="anna")] * 9
    assert worst_speakers(clips) == [Speaker("bob", 5, 0.6), Speaker("anna", 9, 1.0)]
    assert worst_speakers(clips, 1) == [Speaker("bob", 5, 0.6)]
    assert score("all", clips).worst == 0.6
    assert score("all", clips[:4]).worst == 0.0  # nobody has enough: the share of all


def test_the_interval_of_a_share_is_that_of_the_tables() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0 / 20, 20) == pytest.approx((0, 0.1611), abs=1e-4)


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Clips in folders; one of them in the wrong one, one of a word that is not asked for."""
    for name, word in (
        ("yes.wav", "yes"), ("stop.wav", "stop"), ("left.ogg", "yes"), ("marvin.wav", "marvin"),
        ("seven.wav", "seven"),
    ):  # fmt: skip
        (tmp_path / "mine" / word).mkdir(parents=True, exist_ok=True)
        shutil.copy(CLIPS / name, tmp_path / "mine" / word / name)
    return tmp_path / "mine"


def test_json_of_clips_has_the_fields_of_the_contract(
    words: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(words), str(words / "yes"), "--json"]) == 1
    assert "holds no clips" in capsys.readouterr().err  # for their words are no folders in it
    assert main(["evaluate", str(words), "--json"]) == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (row["file"], row["clips"]) == ("mine", 5)
    assert row["accuracy"] == pytest.approx(0.8)
    assert row["recall"] == {"seven": 1, "stop": 1, "unknown": 1, "yes": 0.5}
    assert row["balanced"] == pytest.approx(2.5 / 3)
    labels, counts = row["confusion"]["labels"], np.array(row["confusion"]["counts"])
    assert counts.sum() == 5
    assert counts[labels.index("yes"), labels.index("left")] == 1
    assert sum(one["clips"] for one in row["reliability"]) == 5
    assert 0 <= row["ece"] <= 1
    assert row["worst_speakers"] == []


def test_clips_that_are_left_out_are_told(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (words / "yes" / "bad.wav").write_bytes(b"no sound")
    shutil.copy(CLIPS / "no.flac", words / "loose.flac")
    assert main(["evaluate", str(words), "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["clips"] == 5
    assert f"{words}: 1 damaged (yes/bad.wav: " in told.err
    assert f"{words}: 1 wordless (loose.flac)" in told.err


def test_the_folder_that_one_is_in_has_its_name(
    words: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, name in ((words, "."), (words / "yes", "..")):
        monkeypatch.chdir(folder)
        assert main(["evaluate", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["file"] == "mine"


def test_the_table_shows_what_was_taken_for_what(
    words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures" / "new"
    assert main(["evaluate", str(words), "--draw", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("rows: "))
    assert [line.split() for line in lines[first + 1 : first + 6]] == [
        ["yes", "lef", "sto", "sev", "unk"],
        ["yes", "1", "1", ".", ".", "."],
        ["stop", ".", ".", "1", ".", "."],
        ["seven", ".", ".", ".", "1", "."],
        ["unknown", ".", ".", ".", ".", "1"],
    ]
    for name in ("confusion.png", "reliability.png"):
        with Image.open(folder / name) as picture:
            assert picture.width > 400


def test_a_sound_alone_is_no_clip_with_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(CLIPS / "yes.wav")]) == 1
    assert "--recordings" in capsys.readouterr().err


# Recordings, judged with a detector that finds what the test says.

SAID = "0.2\t0.7\tyes\n1.0\t1.5\tNo\n2.0\t2.5\ttree\n"  # as in Audacity
FOUND = [
    Event(0.2, 0.7, "yes", 0.9),
    Event(1.0, 1.5, "stop", 0.6),  # a wrong word
    Event(2.0, 2.5, "yes", 0.3),  # on other speech
]


class Scripted:
    """A detector with a threshold of 0.5, which hears nothing in less than three seconds."""

    words = ("yes", "no", "stop")
    operating = Operating(threshold=0.5, patience=1)

    def ticks(self, chunks: Iterable[np.ndarray]) -> tuple[list[Event], float]:
        seconds = sum(map(len, chunks)) / 16_000
        return FOUND if seconds > 3 else [], seconds

    def decide(self, ticks: list[Event], threshold: float, patience: int) -> list[Event]:
        return [one for one in ticks if one.probability >= threshold]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Detector, "load", lambda folder=None: Scripted())


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Four seconds in which words are labelled, and a second of water with none."""
    folder = tmp_path / "talk"
    folder.mkdir()
    shutil.copy(CLIPS / "right-in-four-seconds.ogg", folder / "kitchen.ogg")
    (folder / "kitchen.txt").write_text(SAID)
    shutil.copy(CLIPS / "water.ogg", folder / "hiss.ogg")
    (folder / "hiss.txt").write_text("")
    return folder


@pytest.mark.usefixtures("scripted")
def test_json_of_recordings_is_that_of_a_case_counted_by_hand(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--recordings", str(labelled), "--json"]) == 0
    hiss, kitchen, whole = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert hiss["file"] == str(labelled / "hiss.ogg")
    assert (hiss["words"], hiss["false_alarms"], hiss["recall"]) == (0, 0, {})
    assert kitchen["seconds"] == pytest.approx(4, abs=0.01)
    assert (kitchen["words"], kitchen["hits"], kitchen["misses"], kitchen["wrong"]) == (2, 1, 1, 1)
    assert kitchen["recall"] == {"no": 0, "yes": 1}
    assert whole["file"] == "all"
    assert whole["false_alarms"] == 1
    hours = (hiss["seconds"] + kitchen["seconds"]) / 3600
    assert whole["false_alarms_per_hour"] == pytest.approx(1 / hours)
    low, high = whole["false_alarms_per_hour_95"]
    assert (low * hours, high * hours) == pytest.approx((0.0253, 5.572), abs=1e-3)
    points = {
        one["threshold"]: (round(one["false_alarms_per_hour"] * hours), one["miss_rate"])
        for one in whole["det"]["points"]
    }
    # At 0.06 all three events count, from 0.32 on two, from 0.62 on one: for each number of false
    # alarms the lowest threshold.
    assert points == {0.62: (0, 0.5), 0.32: (1, 0.5), 0.06: (2, 0.5)}
    assert whole["det"]["miss_rate_at"] == {"0.5": 0.5, "1": 0.5, "5": 0.5, "60": 0.5}
    assert whole["det"]["by_word"]["no"]["miss_rate_at"]["60"] == 1


@pytest.mark.usefixtures("scripted")
def test_a_recording_that_cannot_be_read_costs_no_other(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (labelled / "bad.wav").write_bytes(b"no sound")
    (labelled / "bad.txt").write_text("")
    assert main(["evaluate", "--recordings", str(labelled), "--json"]) == 1
    told = capsys.readouterr()
    bad, *others, whole = [json.loads(line) for line in told.out.splitlines()]
    assert bad.keys() == {"file", "error"}
    assert "bad.wav is no sound" in told.err
    assert (len(others), whole["words"]) == (2, 2)
    for name in ("kitchen", "hiss"):
        for path in labelled.glob(f"{name}.*"):
            path.unlink()
    assert main(["evaluate", "--recordings", str(labelled)]) == 1
    assert capsys.readouterr().out == ""


def test_noise_is_looked_for_first_and_what_is_unreadable_in_it_is_left_out(
    words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(words), "--noise", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().out == ""
    noise = tmp_path / "noise"
    noise.mkdir()
    shutil.copy(CLIPS / "water.ogg", noise)
    (noise / "bad.wav").write_bytes(b"")
    assert main(["evaluate", str(words), "--noise", str(noise)]) == 1
    told = capsys.readouterr()
    assert "noise: 0 of 2 seconds of noise got a word" in told.out
    assert "bad.wav is empty" in told.err


@pytest.mark.usefixtures("scripted")
def test_recordings_are_told_and_drawn_for_people(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--recordings", str(labelled), "--draw", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "missed at so many false alarms an hour: 50.0% at 0.5" in out
    assert "no 0.00  yes 1.00" in out
    with Image.open(tmp_path / "det.png") as picture:
        assert picture.size == (1040, 740)


@pytest.mark.usefixtures("scripted")
def test_noise_alone_has_false_alarms_and_nothing_to_miss(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (labelled / "kitchen.txt").write_text("")
    assert main(["evaluate", "--recordings", str(labelled), "--json"]) == 0
    whole = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (whole["words"], whole["false_alarms"]) == (0, 2)
    assert set(whole["det"]["miss_rate_at"].values()) == {None}
    draw = ["--draw", str(tmp_path / "new")]
    assert main(["evaluate", "--recordings", str(labelled), *draw]) == 1
    assert "no keyword is labelled" in capsys.readouterr().err


def test_labels_are_found_beside_a_recording(labelled: Path) -> None:
    (labelled / "kitchen.txt").rename(labelled / "kitchen.csv")
    (labelled / "kitchen.csv").write_text("start,end,word\n0.2,0.7,yes\n")
    hiss, kitchen = recordings([labelled])
    assert kitchen.labels == (Event(0.2, 0.7, "yes"),)
    assert hiss.labels == ()


def test_labels_that_are_missing_or_double_are_refused(labelled: Path) -> None:
    (labelled / "hiss.csv").write_text("start,end,word\n")
    with pytest.raises(SpeechnetError, match="two files of labels"):
        recordings([labelled / "hiss.ogg"])
    (labelled / "kitchen.txt").unlink()
    with pytest.raises(SpeechnetError, match=r"no labels: put kitchen\.txt beside it"):
        recordings([labelled / "kitchen.ogg"])


# Pictures: what is where.


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    return {tuple(map(int, one)) for one in np.asarray(picture).reshape(-1, 3)}


def test_a_square_of_the_matrix_has_the_colour_of_its_share() -> None:
    sure = [heard("yes", 1, 0, 0, 0)] * 3 + [heard("no", 0, 1, 0, 0)]
    assert RIGHT in colours(confusion_picture(confusion(sure, LABELS), "all right"))
    half = [heard("yes", 1, 0, 0, 0), heard("yes", 0, 1, 0, 0)]
    drawn = confusion_picture(confusion(half, LABELS), "half right")
    assert RIGHT not in colours(drawn)
    one, two = (confusion_picture(confusion(some, LABELS), "") for some in (sure[:3], sure))
    assert two.height - one.height == CELL


def test_a_diagram_of_one_bin_has_one_bar() -> None:
    bins = reliability(np.array([0.5] * 4), np.array([True, True, False, True]))
    drawn = np.asarray(reliability_picture(bins, "half"))
    blue = (drawn == drawn[500, 400]).all(axis=2)
    assert tuple(drawn[500, 400]) != (255, 255, 255)
    across = np.flatnonzero(blue[500])
    assert across.max() - across.min() == pytest.approx(630 / 15, abs=6)


def own(words: int) -> Counts:
    labels = [Event(n, n + 0.5, "yes") for n in range(words)]
    return count("all", [judge("a", 3600, labels, [], ("yes",))])


@pytest.mark.parametrize("alarms", [0, 5, 500])
@pytest.mark.parametrize("hits", [0, 10])
def test_a_curve_at_the_ends_of_the_axes_can_be_drawn(hits: int, alarms: int) -> None:
    points: Sequence[Point] = [Point(0.9, 0, 0, 10, 1.0), Point(0.1, hits, alarms, 10, 1.0)]
    assert det_picture(points, {"yes": points}, own(10), "ends").size == (1040, 740)


def test_without_a_keyword_there_is_no_curve() -> None:
    points = at_thresholds({0.5: [judge("a", 3600, [], [], ("yes",))]})
    with pytest.raises(SpeechnetError, match="no keyword is labelled"):
        det_picture(points, {}, own(0), "nothing")
