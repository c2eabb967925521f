"""What decided a word: true to the network, by numbers that can be checked, and to be heard."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from common import explain
from speechnet import audio
from speechnet.cli import main
from speechnet.errors import SpeechnetError
from speechnet.explain import METHODS, PATCH, Explainer, kept, masked, spans
from speechnet.spectrogram import log_mel

CLIPS = Path(__file__).parents[2] / "data" / "clips"


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    torch.set_num_threads(2)
    return Explainer.load()


def samples(name: str) -> np.ndarray:
    return audio.read(CLIPS / name).samples


def odds(explainer: Explainer, mel: np.ndarray, word: str) -> float:
    """Calibrated log-odds of a word by the exported model, without torch."""
    classifier = explainer.classifier
    logits = classifier.words.run(classifier.frames.run(mel[None]))[0].astype(np.float64)
    logits /= classifier.temperature
    own = explainer.labels.index(word)
    return float(logits[own] - np.log(np.exp(np.delete(logits, own)).sum()))


def test_a_band_and_a_moment_cost_what_covering_them_costs(explainer: Explainer) -> None:
    found = explainer.explain(samples("stop.wav"))
    assert found.word == found.answer.word == "stop"
    whole = odds(explainer, found.mel, "stop")
    frames = found.mel.shape[1]
    # Every third place is where a patch starts; a band's cost is the mean of those that cover it.
    costs: dict[int, list[float]] = {}
    step = max(1, PATCH[1] // 3)
    for start in range(0, frames - PATCH[1] + step, step):
        covered = found.mel.copy()
        covered[:, start : start + PATCH[1]] = found.mel.mean()
        for frame in range(start, min(frames, start + PATCH[1])):
            costs.setdefault(frame, []).append(whole - odds(explainer, covered, "stop"))
    expected = np.array([np.mean(costs[frame]) for frame in range(frames)])
    np.testing.assert_allclose(found.moments, expected, atol=2e-3)


def test_integrated_gradients_add_up_to_the_odds(explainer: Explainer) -> None:
    found = explainer.explain(samples("yes.wav"), method="integrated")
    nothing = np.full_like(found.mel, found.mel.mean())
    expected = odds(explainer, found.mel, "yes") - odds(explainer, nothing, "yes")
    gap = explain.completeness_gap(
        explainer.heard, found.mel[None, None], found.map[None, None],
        explainer.labels.index("yes"), baseline=float(found.mel.mean()),
    )  # fmt: skip
    assert found.map.sum() + float(gap[0]) == pytest.approx(expected, abs=0.02)
    assert abs(float(gap[0])) < 0.25 * abs(expected)


@pytest.mark.parametrize("method", ["occlusion", "integrated"])
def test_covering_what_decided_costs_more_than_covering_anything(
    explainer: Explainer, method: str
) -> None:
    rng, worse = np.random.default_rng(0), []
    for name in ("yes.wav", "stop.wav", "left.ogg", "no.flac"):
        found = explainer.explain(samples(name), method=method)
        many = found.map.size // 10
        order = np.argsort(-found.map.ravel())
        losses = []
        for chosen in (order[:many], rng.permutation(found.map.size)[:many]):
            covered = found.mel.ravel().copy()
            covered[chosen] = found.mel.mean()
            losses.append(-odds(explainer, covered.reshape(found.mel.shape), found.word))
        worse.append(losses[0] - losses[1])
    assert np.mean(worse) > 1


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_map_of_the_spectrogram_the_same_each_time(
    explainer: Explainer, method: str
) -> None:
    one, other = (explainer.explain(samples("up.flac"), method=method) for _ in range(2))
    assert one.map.shape == one.mel.shape == (64, 61)
    np.testing.assert_array_equal(one.map, other.map)


def test_of_a_long_clip_the_second_is_explained_that_it_is_answered_by(
    explainer: Explainer,
) -> None:
    found = explainer.explain(samples("right-in-four-seconds.ogg"))
    assert found.word == "right"
    assert found.start == found.answer.start
    assert all(2 < first < last < 3.5 for first, last in found.seconds)
    short = samples("stop.wav")[4_000:12_000]
    found = explainer.explain(short)
    assert found.start == pytest.approx(-0.25)


def test_another_word_can_be_asked_for_and_a_wrong_one_is_named(explainer: Explainer) -> None:
    found = explainer.explain(samples("no.flac"), word="go")
    assert found.answer.word == "no"
    assert found.probability < 0.5
    with pytest.raises(SpeechnetError, match="no word banana"):
        explainer.explain(samples("no.flac"), word="banana")


def test_spans_are_named_by_their_weight() -> None:
    assert spans(np.array([0, 3, 3, 0, 4, 0.1, 2], np.float32)) == [(1, 2), (4, 4), (6, 6)]
    assert spans(np.zeros(4, np.float32)) == []


def test_a_mask_of_ones_changes_nothing_and_one_of_zeros_leaves_nothing(
    explainer: Explainer,
) -> None:
    wave = samples("seven.wav")[:16_000]
    ones = np.ones((64, 61), np.float32)
    np.testing.assert_allclose(masked(wave, ones, explainer.front), wave, atol=1e-5)
    assert np.abs(masked(wave, 0 * ones, explainer.front)).max() < 1e-6


def test_a_mask_of_low_bands_takes_a_high_tone_out(explainer: Explainer) -> None:
    time = np.arange(16_000) / 16_000
    low, high = (np.sin(2 * np.pi * pitch * time).astype(np.float32) for pitch in (400, 5_000))
    gains = np.zeros((64, 61), np.float32)
    gains[:30] = 1
    left = masked(low + high, gains, explainer.front)
    np.testing.assert_allclose(left[600:-600], low[600:-600], atol=0.05)


def test_what_is_played_is_mostly_what_decided(explainer: Explainer) -> None:
    found = explainer.explain(samples("stop.wav"))
    gains = kept(found)
    assert gains.min() < 0.05
    assert gains.max() == 1
    wave = masked(found.samples, gains, found.front)
    change = log_mel(wave, found.front) - found.mel
    loud = found.mel > found.mel.max() - 6
    assert change[loud & (gains > 0.9)].mean() > change[loud & (gains < 0.1)].mean() + 2


def test_the_command_draws_plays_and_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, sound = tmp_path / "why.png", tmp_path / "why.wav"
    clip = str(CLIPS / "stop.wav")
    assert main(["explain", clip, "-o", str(picture), "--play", str(sound), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["word"] == "stop"
    assert row["moments"]
    assert row["hertz"]
    with Image.open(picture) as drawn:
        assert min(drawn.size) > 400
    info = soundfile.info(sound)
    assert (info.samplerate, info.frames, info.subtype) == (16_000, 16_000, "PCM_16")
    assert main(["explain", "--filters", "-o", str(picture)]) == 0
    assert main(["explain"]) == 1
    assert main(["explain", clip, "--filters", "-o", str(picture)]) == 1
    assert "and no clip" in capsys.readouterr().err


@pytest.mark.slow
def test_what_maximises_a_word_is_taken_for_it(explainer: Explainer) -> None:
    words = ["yes", "stop"]
    for word, mel in zip(words, explainer.maximize(words), strict=True):
        assert odds(explainer, mel, word) > 2
