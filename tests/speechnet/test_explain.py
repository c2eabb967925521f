"""What decided a word: true to the network, by numbers that can be checked, and to be heard."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import speechnet
from common import explain
from common.errors import CommonError
from common.export import export_weights, load_weights
from speechnet.cli import main
from speechnet.errors import SpeechnetError
from speechnet.explain_cli import METHODS as OFFERED
from speechnet.explaining import prototypes
from speechnet.explaining.explain import (
    ENOUGH,
    METHODS,
    PATCH,
    SHARES,
    Explained,
    Explainer,
    band_edges,
    spans,
)
from speechnet.explaining.explain_drawing import CELL, explained_picture
from speechnet.explaining.masking import masked, sounded
from speechnet.sound import audio
from speechnet.sound.spectrogram import FrontEnd, log_mel
from speechnet.sound.windows import pad
from speechnet.training.sampling import band_centres

CLIPS = Path(__file__).parents[2] / "data" / "clips"
WEIGHTS = Path(speechnet.__file__).parent / "weights"
WORDS = ("left.ogg", "seven.wav")
SHAPE = (64, 61)


@pytest.fixture(scope="module")
def explainer() -> Iterator[Explainer]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Explainer.load()
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def explained(explainer: Explainer) -> dict[str, Explained]:
    return {name: explainer.explain(samples(name)) for name in WORDS}


def samples(name: str) -> np.ndarray:
    return audio.read(CLIPS / name).samples


def odds(explainer: Explainer, mel: np.ndarray, word: str) -> float:
    """Calibrated log-odds of a word by the exported model, without torch."""
    classifier = explainer.classifier
    logits = classifier.words.run(classifier.frames.run(mel[None]))[0].astype(np.float64)
    logits /= classifier.temperature
    own = explainer.labels.index(word)
    return float(logits[own] - np.log(np.exp(np.delete(logits, own)).sum()))


def loss(explainer: Explainer, found: Explained, bands: slice, frames: slice) -> float:
    """What is lost when a part is covered."""
    covered = found.mel.copy()
    covered[bands, frames] = found.mel.mean()
    return odds(explainer, found.mel, found.word) - odds(explainer, covered, found.word)


def gradient(explainer: Explainer, mel: np.ndarray, word: str) -> np.ndarray:
    """Of the log-odds, by torch's own chain rule."""
    input = torch.tensor(mel[None, None], requires_grad=True)
    explainer.heard(input)[0, explainer.labels.index(word)].backward()
    assert input.grad is not None
    explainer.heard.zero_grad()
    return input.grad[0, 0].numpy()


def seen(explainer: Explainer, name: str) -> np.ndarray:
    """The spectrogram of a clip of a second or less."""
    return np.ascontiguousarray(log_mel(pad(samples(name)), explainer.front))


# What a map says is what happens.


def test_what_is_explained_is_the_classifiers_answer(
    explainer: Explainer, explained: dict[str, Explained]
) -> None:
    for found in explained.values():
        chance = 1 / (1 + np.exp(-odds(explainer, found.mel, found.word)))
        assert found.word == found.answer.word
        assert found.probability == found.answer.probability == pytest.approx(chance, abs=1e-4)


def test_a_moment_and_a_band_cost_what_covering_them_costs(
    explainer: Explainer, explained: dict[str, Explained]
) -> None:
    found = explained["left.ogg"]
    for curve, size, axis in ((found.moments, PATCH[1], 1), (found.bands, PATCH[0], 0)):
        costs: dict[int, list[float]] = {}
        for start in range(len(curve) - size + 1):
            place = [slice(None), slice(None)]
            place[axis] = slice(start, start + size)
            lost = loss(explainer, found, *place)
            for at in range(start, start + size):
                costs.setdefault(at, []).append(lost)
        # A place's cost is the mean of those of the patches that cover it.
        expected = [np.mean(costs[at]) for at in range(len(curve))]
        np.testing.assert_allclose(curve, expected, atol=2e-3)


@pytest.mark.parametrize(("band", "frame"), [(0, 0), (9, 27), (31, 44), (63, 60)])
def test_a_cell_costs_what_the_patches_cost_that_cover_it(
    explainer: Explainer, explained: dict[str, Explained], band: int, frame: int
) -> None:
    found = explained["left.ogg"]
    lost = [
        loss(explainer, found, slice(low, low + PATCH[0]), slice(first, first + PATCH[1]))
        for low in range(0, SHAPE[0] - PATCH[0] + 3, 3)
        for first in range(0, SHAPE[1] - PATCH[1] + 2, 2)
        if low <= band < low + PATCH[0] and first <= frame < first + PATCH[1]
    ]
    assert found.map[band, frame] == pytest.approx(np.mean(lost), abs=2e-3)


def test_the_gradient_is_how_the_odds_change(explainer: Explainer) -> None:
    mel = seen(explainer, "left.ogg")
    found = explainer.map(mel, "left", method="gradient")
    expected = np.abs(gradient(explainer, mel, "left"))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for place in np.argsort(found.ravel())[-5:]:
        step = np.zeros(SHAPE, np.float32)
        step.ravel()[place] = 0.02
        rise = odds(explainer, mel + step, "left") - odds(explainer, mel - step, "left")
        assert found.ravel()[place] == pytest.approx(abs(rise) / 0.04, rel=0.1)


def test_smoothgrad_is_the_mean_gradient_over_noisy_copies(explainer: Explainer) -> None:
    mel = seen(explainer, "left.ogg")
    found = explainer.map(mel, "left", method="smoothgrad", seed=5)
    noise = torch.randn(50, 1, *SHAPE, generator=torch.Generator().manual_seed(5)).numpy()[:, 0]
    noise *= 0.15 * np.ptp(mel)
    expected = np.mean([np.abs(gradient(explainer, mel + one, "left")) for one in noise], axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_integrated_gradients_are_a_sum_over_the_way_from_the_mean(explainer: Explainer) -> None:
    mel = seen(explainer, "yes.wav")
    found = explainer.map(mel, "yes", method="integrated")
    start = np.full_like(mel, mel.mean())
    way = mel - start
    shares = (np.arange(25, dtype=np.float32) + 0.5) / 25
    expected = way * np.mean([gradient(explainer, start + t * way, "yes") for t in shares], axis=0)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.995
    assert np.abs(found - expected).mean() < 0.1 * np.abs(expected).mean()
    rise = odds(explainer, mel, "yes") - odds(explainer, start, "yes")
    assert found.sum() == pytest.approx(rise, rel=0.03)


@pytest.mark.parametrize(("method", "less"), [
    ("occlusion", 0.3), ("gradient", 0.01), ("smoothgrad", 0.1), ("integrated", 0.1),
])  # fmt: skip
def test_covering_what_decided_costs_more_than_covering_anything(
    explainer: Explainer, explained: dict[str, Explained], method: str, less: float
) -> None:
    rng = np.random.default_rng(0)
    chances: list[list[float]] = []
    for one in explained.values():
        map = one.map if method == "occlusion" else explainer.map(one.mel, one.word, method=method)
        many = map.size // 10
        chances.append([])
        for order in (np.argsort(-map.ravel()), *(rng.permutation(map.size) for _ in range(3))):
            covered = one.mel.ravel().copy()
            covered[order[:many]] = one.mel.mean()
            left = odds(explainer, covered.reshape(SHAPE), one.word)
            chances[-1].append(1 / (1 + np.exp(-left)))
    decided, *anything = np.mean(chances, axis=0)
    assert decided < np.mean(anything) - less


def test_the_network_stays_as_it_was(explainer: Explainer) -> None:
    before = {name: value.clone() for name, value in explainer.heard.state_dict().items()}
    explainer.explain(samples("up.flac"), method="gradient")
    after = explainer.heard.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(one.grad is None or not one.grad.any() for one in explainer.heard.parameters())


# Moments, bands and patches.


def test_of_a_long_clip_the_second_is_explained_that_it_is_answered_by(
    explainer: Explainer,
) -> None:
    wave = samples("right-in-four-seconds.ogg")
    found = explainer.explain(wave, method="gradient")
    assert found.word == "right"
    assert found.start == found.answer.start
    assert all(1.7 < first < last < 3 for first, last in found.seconds)
    whole, first = log_mel(wave, found.front), round(found.start * 16_000 / found.front.hop)
    np.testing.assert_allclose(found.mel, whole[:, first : first + SHAPE[1]], atol=1e-4)
    assert found.map.shape == found.mel.shape == (64, len(found.moments)) == SHAPE
    assert len(found.bands) == 64


def test_times_are_those_of_the_clip_also_where_quiet_was_put_around_it(
    explainer: Explainer,
) -> None:
    wave, before = samples("stop.wav")[4_000:13_000], 3_500 / 16_000
    found = explainer.explain(wave, method="gradient")
    whole = explainer.explain(np.pad(wave, 3_500), method="gradient")
    assert (found.start, whole.start) == (-before, 0)
    moved = np.clip(np.array(whole.seconds) - before, 0, len(wave) / 16_000)
    np.testing.assert_allclose(found.seconds, moved, atol=1e-6)


def test_an_instant_and_a_tone_are_found_where_they_are(explained: dict[str, Explained]) -> None:
    moments, bands = np.zeros(61, np.float32), np.zeros(64, np.float32)
    moments[30], bands[20:23] = 1, 1
    wave = np.zeros(16_000, np.float32)
    wave[30 * 256 + 256] = 1  # in the middle of frame 30
    assert log_mel(wave, explained["left.ogg"].front).mean(axis=0).argmax() == 30
    map = np.outer(bands, moments)
    found = replace(explained["left.ogg"], moments=moments, bands=bands, map=map)
    [(start, end)], [(low, high)] = found.seconds, found.hertz
    assert start < (30 * 256 + 256) / 16_000 < end
    assert end - start == pytest.approx(0.016)
    centres = band_centres(found.front)
    assert centres[19] < low < centres[20] < centres[22] < high < centres[23]
    [patch] = found.patches
    assert (patch.seconds, patch.hertz) == ((start, end), (low, high))


def test_the_edges_of_bands_lie_between_their_middles(explainer: Explainer) -> None:
    edges, centres = band_edges(explainer.front), band_centres(explainer.front)
    assert len(edges) == 65
    assert (edges[:-1] < centres).all()
    assert (centres < edges[1:]).all()


def test_spans_are_named_by_their_weight() -> None:
    assert spans(np.array([0, 3, 3, 0, 4, 0.1, 2], np.float32)) == [(1, 2), (4, 4), (6, 6)]


@pytest.mark.parametrize("cost", [-1.0, 0.0, 1e-6])
def test_where_nothing_speaks_for_a_word_nothing_decided(
    explained: dict[str, Explained], cost: float
) -> None:
    found = replace(explained["left.ogg"], map=np.full(SHAPE, cost, np.float32))
    assert not found.decided.any()
    assert found.patches == []
    assert spans(found.map[0]) == []


def test_what_decided_beside_a_short_clip_is_not_told_as_a_moment_of_it(
    explained: dict[str, Explained],
) -> None:
    one = explained["seven.wav"]
    map, moments = np.zeros(SHAPE, np.float32), np.zeros(61, np.float32)
    map[3:5, 2:4], moments[2:4] = 1, 1
    moments[30] = 1
    answer = replace(one.answer, seconds=0.5)
    found = replace(one, answer=answer, start=-0.25, map=map, moments=moments)
    assert len(found.seconds) == 1
    assert found.patches == []


def test_another_word_can_be_asked_for_and_a_wrong_one_is_named(explainer: Explainer) -> None:
    found = explainer.explain(samples("no.flac"), word="go", method="gradient")
    assert found.answer.word == "no"
    assert found.probability < 0.5
    with pytest.raises(SpeechnetError, match="does not know banana: it knows yes, no"):
        explainer.explain(samples("no.flac"), word="banana")
    with pytest.raises(SpeechnetError, match="no method guess"):
        explainer.explain(samples("no.flac"), method="guess")
    assert tuple(OFFERED) == METHODS


# To be heard.


@pytest.mark.parametrize("hop", [256, 200, 128])
def test_a_mask_of_ones_changes_nothing_and_one_of_zeros_leaves_nothing(
    explainer: Explainer, hop: int
) -> None:
    front = FrontEnd(explainer.front.filters, hop=hop)
    wave = samples("seven.wav")
    ones = np.ones((64, front.frames(len(wave))), np.float32)
    np.testing.assert_allclose(masked(wave, ones, front), wave, atol=1e-6)
    assert np.abs(masked(wave, 0 * ones, front)).max() < 1e-6
    np.testing.assert_allclose(masked(wave, ones / 2, front), wave / 2, atol=1e-6)


def test_a_mask_of_low_bands_takes_a_high_tone_out(explainer: Explainer) -> None:
    time = np.arange(16_000) / 16_000
    low, high = (np.sin(2 * np.pi * pitch * time).astype(np.float32) for pitch in (400, 5_000))
    gains = np.zeros(SHAPE, np.float32)
    gains[:30] = 1
    inside = slice(512, -512)
    heard = masked(low + high, gains, explainer.front)
    np.testing.assert_allclose(heard[inside], low[inside], atol=1e-3)


def test_a_mask_of_late_frames_takes_the_start_out(explainer: Explainer) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 16_000).astype(np.float32)
    gains = np.zeros(SHAPE, np.float32)
    gains[:, 30:] = 1
    heard = masked(noise, gains, explainer.front)
    assert np.abs(heard[: 30 * 256 - 256]).max() < 1e-6
    np.testing.assert_allclose(heard[31 * 256 :], noise[31 * 256 :], atol=1e-5)


def test_a_mask_of_another_sound_is_refused(explainer: Explainer) -> None:
    with pytest.raises(SpeechnetError, match=r"\[64, 60\] does not fit a spectrogram of \[64, 61"):
        masked(np.zeros(16_000, np.float32), np.ones((64, 60), np.float32), explainer.front)


def test_as_few_cells_as_are_enough_are_heard_as_the_word_by_themselves(
    explainer: Explainer, explained: dict[str, Explained]
) -> None:
    for clip in explained.values():
        alone = explainer.alone(clip)
        found = replace(clip, map=explainer.map(clip.mel, clip.word, method="smoothgrad"))
        assert np.abs(alone.samples).max() <= 1
        guesses = explainer.classifier.classify(alone.samples, top=99).guesses
        assert alone.probability in [one.probability for one in guesses if one.word == found.word]
        assert alone.probability >= ENOUGH
        assert alone.cells == pytest.approx(np.mean(found.mask(alone.cells) == 1), abs=0.01)
        fewer = [cells for cells in SHARES if cells < alone.cells]
        assert all(explainer.played(found, share).probability < ENOUGH for share in fewer)
        anything = [  # as much sound, from elsewhere
            explainer.played(replace(found, map=np.roll(found.map, by, (0, 1))), alone.cells)
            for by in ((20, 20), (40, 10), (10, 40))
        ]
        assert alone.probability > np.mean([other.probability for other in anything]) + 0.1


def test_a_map_of_smoothgrad_is_not_made_once_more(
    explainer: Explainer, explained: dict[str, Explained], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_smoothgrad = explainer.explain(samples("left.ogg"), method="smoothgrad")
    expected = explainer.alone(explained["left.ogg"])
    monkeypatch.setattr(explain, "smoothgrad", None)
    found = explainer.alone(by_smoothgrad)
    assert (found.probability, found.cells) == (expected.probability, expected.cells)


def test_a_sound_made_from_a_spectrogram_has_about_this_spectrogram(explainer: Explainer) -> None:
    wave = samples("seven.wav")
    mel = log_mel(wave, explainer.front)
    made = sounded(mel, explainer.front)
    again = log_mel(made, explainer.front)
    loud = mel > mel.max() - 9
    again -= np.median((again - mel)[loud])
    assert np.median(np.abs(again - mel)[loud]) < 0.5
    np.testing.assert_array_equal(made, sounded(mel, explainer.front))
    assert explainer.classifier.classify(made).word == "seven"


# What the network waits for.


def test_what_maximises_a_word_is_taken_for_it_seen_and_heard(explainer: Explainer) -> None:
    words, steps = ["yes", "stop"], []
    how = replace(prototypes.DRAWING, steps=40)
    mels = prototypes.maximize(explainer, words, how, progress=lambda *now: steps.append(now))
    assert mels.shape == (2, *SHAPE)
    assert steps[-1] == (40, 40)
    for word, mel in zip(words, mels, strict=True):
        assert odds(explainer, mel, word) > 3
        assert mel.min() >= np.log(explainer.front.floor) - 1e-3
        assert mel.max() < 6
        assert mel[:, [0, -1]].mean() < -13  # it begins and ends in quiet
        assert explainer.classifier.classify(sounded(mel, explainer.front)).word == word
    with pytest.raises(SpeechnetError, match="does not know banana"):
        prototypes.maximize(explainer, ["banana"])


def test_a_filter_is_what_the_first_layer_makes_of_one_louder_band(explainer: Explainer) -> None:
    quiet = np.zeros((1, 1, *SHAPE), np.float32)
    louder, band = quiet.copy(), 20
    louder[0, 0, band] = 1
    made = [
        explain.feature_maps(explainer.heard, one, "network.frames.stem")[0, :, :, 5]
        for one in (quiet, louder)
    ]
    level = explainer.heard.network.frames.level  # each band's deviation is brought to 1 before
    assert level.running_var is not None
    scale = float((level.weight.detach() / (level.running_var + level.eps).sqrt())[band])
    found = prototypes.filters(explainer)
    for one in found:
        # Place 10 looks at bands 18 to 22, place 9 at 16 to 20, place 11 at 20 to 24.
        change = (made[1] - made[0])[one.number, 9:12] / scale
        np.testing.assert_allclose(change, one.weights[0, [4, 2, 0]], atol=1e-4)
        assert np.isclose(one.hertz, band_centres(explainer.front)[band]).argmax() == 10
        assert one.levels.shape == one.hertz.shape == (32,)
    assert sorted(one.number for one in found) == list(range(24))


def test_alike_filters_stand_beside_each_other(explainer: Explainer) -> None:
    found = prototypes.filters(explainer)
    kinds = [one.kind for one in found]
    assert sum(one != other for one, other in pairwise(kinds)) == len(set(kinds)) - 1


@pytest.mark.parametrize(
    ("weights", "kind", "order"),
    [
        ([1, 1, 1, 1, 1], "loud", 0),
        ([-1, -1, -2, -1, -1], "quiet", 0),
        ([2, 1, 0, -1, -2], "louder below", 1),
        ([-2, -2, 0, 2, 2], "louder above", 1),
        ([-1, 0, 2, 0, -1], "peak", 2),
        ([1, 0, -2, 0, 1], "dip", 2),
        ([1, -1, 1, -1, 1], "stripes", 4),
    ],
)
def test_a_filters_pattern_has_a_name(weights: list[float], kind: str, order: int) -> None:
    level = np.array(weights, np.float32)
    found = prototypes.pattern(np.stack([level, 0.5 * level[::-1]]))
    assert found[:3] == (0, kind, order)
    assert 0.5 < found[3] <= 1 + 1e-9


@pytest.mark.parametrize(
    ("about", "weights", "kind"),
    [
        (1, [1, 1, 1, 1, 1], "rising"),
        (1, [-2, -2, 0, 2, 2], "rising above"),
        (1, [-1, 0, 2, 0, -1], "rising within"),
        (2, [1, 1, 1, 1, 1], "lull"),  # what bends upwards has been louder and will be
        (2, [-1, -1, -1, -1, -1], "burst"),
        (2, [1, 0, -2, 0, 1], "burst within"),
    ],
)
def test_a_filter_is_about_the_plane_with_most_of_its_power(
    about: int, weights: list[float], kind: str
) -> None:
    planes = np.ones((3, 5), np.float32) * 0.5
    planes[about] = weights
    assert prototypes.pattern(planes)[:2] == (about, kind)


# Drawn, and from the command.


def test_the_picture_shows_what_decided_where_it_is(explained: dict[str, Explained]) -> None:
    map = np.zeros(SHAPE, np.float32)
    map[40:48, 30:36] = 1
    found = replace(explained["left.ogg"], map=map)
    drawn = np.asarray(explained_picture(found, title="", note=""), np.int16)
    line = (drawn == (0, 0xD5, 255)).all(axis=2)
    rows, columns = np.nonzero(line[: 176 + 64 * CELL[1]])  # without the key below
    assert columns.max() - columns.min() == pytest.approx(6 * CELL[0], abs=2)
    assert rows.max() - rows.min() == pytest.approx(8 * CELL[1], abs=2)
    assert columns.min() == pytest.approx(84 + 30 * CELL[0], abs=2)
    assert rows.min() == pytest.approx(176 + (64 - 48) * CELL[1], abs=2)


def test_the_command_draws_plays_and_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, sound = tmp_path / "why.png", tmp_path / "why.wav"
    clip = str(CLIPS / "stop.wav")
    how = ["--method", "gradient"]
    assert main(["explain", clip, *how, "-o", str(picture), "--play", str(sound), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["file"], row["word"], row["answer"]) == (clip, "stop", "stop")
    assert all(0 <= start < end <= 1 for start, end in row["moments"])
    assert all(20 <= low < high <= 8_000 for low, high in row["hertz"])
    assert row["patches"][0].keys() == {"seconds", "hertz"}
    with Image.open(picture) as drawn:
        assert min(drawn.size) > 400
    info = soundfile.info(sound)
    assert (info.samplerate, info.frames, info.subtype) == (16_000, 16_000, "PCM_16")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["why.png", "why.wav"]
    assert main(["explain", clip, *how, "--word", "go"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{clip}: go 0%  (the answer is stop ")
    assert [line.split(":")[0].strip() for line in told[1:]] == [
        "moments that decided", "bands that decided", "patches that decided", "played alone",
    ]  # fmt: skip


def test_the_command_draws_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = partial(prototypes.maximize, how=replace(prototypes.DRAWING, steps=40))
    monkeypatch.setattr(prototypes, "maximize", quick)
    picture = tmp_path / "drawn.png"
    assert main(["explain", "--filters", "-o", str(picture), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 24
    assert rows[0].keys() == {"filter", "kind", "weights", "hertz"}
    assert picture.exists()
    sound = tmp_path / "yes.wav"
    assert main(["explain", "--maximize", "yes", "-o", str(picture), "--play", str(sound)]) == 0
    assert capsys.readouterr().out.startswith("yes: played, it is heard as yes ")
    assert soundfile.info(sound).frames == pytest.approx(20_000, abs=300)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ([], 2, "name a clip to explain"),
        (["yes.wav", "--filters"], 2, "about the network: name no clip or word"),
        (["--maximize", "--word", "yes"], 2, "about the network: name no clip or word"),
        (["--filters", "--play", "x.wav"], 2, "filters cannot be played"),
        (["yes.wav", "-o", "picture.txt"], 1, "end it in .png"),
        (["yes.wav", "--word", "banana"], 1, "does not know banana"),
        (["--maximize", "banana"], 1, "does not know banana"),
        (["yes.wav", "--play", "nowhere/x.wav"], 1, "there is no folder nowhere"),
        (["missing.wav"], 1, "cannot read missing.wav"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    arguments: list[str],
    status: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(CLIPS)
    assert main(["explain", *arguments]) == status
    seen = capsys.readouterr()
    assert not seen.out
    assert told in seen.err
    assert len(seen.err.splitlines()) == 1


def test_a_model_whose_files_are_of_two_networks_is_refused(tmp_path: Path) -> None:
    for name in ("frames.onnx", "words.onnx"):
        shutil.copy(WEIGHTS / name, tmp_path / name)
    with pytest.raises(CommonError, match=r"no words\.safetensors, which quantize leaves out"):
        Explainer.load(tmp_path)
    _, facts = load_weights(WEIGHTS / "words.safetensors")
    export_weights(torch.nn.Linear(2, 2), tmp_path / "words.safetensors", facts=facts | {"run": ""})
    with pytest.raises(SpeechnetError, match="of another network than the files beside it"):
        Explainer.load(tmp_path)
