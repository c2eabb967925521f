"""Batches: the same for the same number, even in their classes, and telling nothing else."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError
from speechnet.hearing.spotting import IGNORED
from speechnet.sound.spectrogram import FrontEnd
from speechnet.sound.windows import STRETCH, WINDOW, evaluation_window, pad
from speechnet.training.augment import Augment
from speechnet.training.noise import Noise
from speechnet.training.sampling import Sampler, band_centres

Floats = NDArray[np.float32]
LABELS = ("low", "high", "unknown", "silence")
PLAIN = Augment(speed=(1, 1), warp=(1, 1), spill=0, trim=0, neighbours=0, noise=0, reverb=0,
                overload=0, tilt=0, narrow=0,
                coder=0, companded=0, masks=0, mixup=0, fragments=0)  # fmt: skip


def tone(frequency: float, samples: int, loud: float = 0.2) -> NDArray[np.int16]:
    wave = loud * np.sin(2 * np.pi * frequency * np.arange(samples) / 16_000)
    return (32767 * wave * np.hanning(samples)).astype(np.int16)


def front() -> FrontEnd:
    """Triangles, 200 Hz apart: made without the library that defines the true ones."""
    frequencies = np.arange(257) * 31.25
    middles = np.linspace(200, 7800, 39)
    filters = np.maximum(0, 1 - np.abs(frequencies - middles[:, None]) / 200)
    return FrontEnd((filters / 200).astype(np.float32))


def sampler(augment: Augment = PLAIN, **changed: Any) -> Sampler:
    """Words are tones of 500 and 2000 Hz; unknown are 3900 Hz."""
    clips = [tone(500, 8000), tone(500, 16_000, 0.01), tone(2000, 5000), tone(3900, 12_000)]
    settings: dict[str, Any] = {
        "clips": clips, "classes": np.array([0, 0, 1, 2]), "weights": np.array([1.0, 3, 1, 1]),
        "noise": Noise([]), "front": front(), "labels": LABELS, "batch": 64, "seed": 7,
    }  # fmt: skip
    return Sampler(augment=augment, **{**settings, **changed})


def waves_of(one: Sampler, which: int, count: int = 64, seed: int = 0) -> Floats:
    """The windows of stretches of one class."""
    return one.waves(np.full(count, which), np.random.default_rng(seed))[0][:, :WINDOW]


def loudness(waves: Floats) -> Floats:
    """The level of the loudest 25 ms, dBFS: [batch]."""
    power = np.square(waves.reshape(len(waves), -1, 400)).mean(axis=2).max(axis=1)
    return np.asarray(10 * np.log10(power + 1e-12))


def test_a_batch_depends_on_its_number_and_the_seed_alone() -> None:
    first, second = sampler(Augment()), sampler(Augment())
    expected = first(3)
    second(9)
    again = second(3)
    for name in ("mel", "target"):
        np.testing.assert_array_equal(again[name], expected[name])
    assert (first(4)["mel"] != expected["mel"]).any()
    assert (sampler(Augment(), seed=8)(3)["mel"] != expected["mel"]).any()


def test_many_threads_get_the_same_batches_as_one() -> None:
    one = sampler(Augment(), batch=24)
    expected = [one(number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for batch, other in zip(pool.map(one, range(8)), expected, strict=True):
            np.testing.assert_array_equal(batch["mel"], other["mel"])
            np.testing.assert_array_equal(batch["target"], other["target"])


def test_shapes_types_and_targets_that_sum_to_one() -> None:
    batch = sampler(Augment(mixup=1), smoothing=0.1)(0)
    assert batch["mel"].shape == (64, 39, 101)
    assert batch["target"].shape == (64, 4)
    assert batch["ended"].shape == (64, 101)
    assert len(batch["window"]) == 61
    assert set(np.diff(batch["window"])) == {1}
    assert batch["mel"].dtype == batch["target"].dtype == np.float32
    assert np.isfinite(batch["mel"]).all()
    np.testing.assert_allclose(batch["target"].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(batch["target"].min(axis=1), 0.025, atol=1e-4)


def test_words_come_equally_often_and_the_others_as_asked_for() -> None:
    one = sampler(replace(PLAIN, unknown=2, silence=4), batch=4000)
    rng = np.random.default_rng(0)
    # Without the sound, which the shares do not depend on.
    counts = np.bincount(rng.choice(4, size=4000, p=one._chances), minlength=4) / 4000
    np.testing.assert_allclose(counts, [1 / 8, 1 / 8, 2 / 8, 4 / 8], atol=0.03)
    seen = sum(sampler(replace(PLAIN, silence=2))(n)["target"].sum(axis=0) for n in range(6))
    np.testing.assert_allclose(seen / seen.sum(), [1 / 7, 1 / 7, 3 / 7, 2 / 7], atol=0.06)


def test_within_a_class_clips_come_by_their_weight() -> None:
    one = sampler()
    rng = np.random.default_rng(0)
    longer = [len(one._draw(rng, 0).samples) == 16_000 for _ in range(1000)]
    assert np.mean(longer) == pytest.approx(0.75, abs=0.05)


def test_a_class_without_clips_or_with_silent_ones_alone_is_refused() -> None:
    with pytest.raises(SpeechnetError, match="high"):
        sampler(classes=np.array([0, 0, 0, 2]))
    quiet = [tone(500, 8000), tone(500, 8000), np.zeros(8000, np.int16), tone(4000, 8000)]
    with pytest.raises(SpeechnetError, match="high"):
        sampler(clips=quiet)


def test_labels_in_another_order_are_refused() -> None:
    with pytest.raises(SpeechnetError, match="unknown and silence"):
        sampler(labels=("unknown", "silence", "low", "high"))


def test_unchanged_clips_keep_their_sound() -> None:
    batch = sampler()(1)
    words = batch["target"].argmax(axis=1)
    middles = band_centres(front())
    for which, frequency in enumerate((500, 2000, 3900)):
        heard = batch["mel"][words == which][:, :, batch["window"]]
        loudest = middles[heard.max(axis=2).argmax(axis=1)]
        np.testing.assert_allclose(loudest, frequency, atol=200)


def test_loudness_tells_nothing() -> None:
    """The quiet recording of `low` and the loud one come at the same levels, over 30 dB."""
    one = sampler(replace(PLAIN, level=(-45, -10)))
    levels = {which: loudness(waves_of(one, which, 200)) for which in (0, 1, 2)}
    for found in levels.values():
        assert np.ptp(found) > 30
        assert found.mean() == pytest.approx(levels[0].mean(), abs=4)
    assert max(np.abs(waves_of(one, 0)).max(), 1.0) == 1.0


def test_noise_lies_under_the_word_by_the_ratio_asked_for() -> None:
    quiet = replace(PLAIN, level=(-30, -30))
    word = (3000 * np.sin(np.arange(8000) / 3)).astype(np.int16)
    hum = (9000 * np.sin(2 * np.pi * 50 * np.arange(40_000) / 16_000)).astype(np.int16)
    clips, noise = [word] * 3, Noise([hum], share=1)
    for ratio in (-5, 10):
        how = replace(quiet, noise=1, snr=(ratio, ratio))
        one = sampler(how, clips=clips, classes=np.arange(3), weights=np.ones(3), noise=noise)
        waves = waves_of(one, 0)
        spectrum = np.square(np.abs(np.fft.rfft(waves)))
        # The word is a tone of 849 Hz for half of the window; the noise is far below in frequency.
        speech, below = spectrum[:, 600:1100].sum(axis=1) * 2, spectrum[:, 1:300].sum(axis=1)
        measured = 10 * np.log10(speech / below)
        assert np.median(measured) == pytest.approx(ratio, abs=1.5)


def test_silence_has_no_words_in_it() -> None:
    heard = waves_of(sampler(replace(PLAIN, silence=1), noise=Noise([], share=0)), 3, 400)
    assert heard.shape == (400, WINDOW)
    levels = loudness(heard)
    assert (~heard.any(axis=1)).mean() > 0.01  # digital silence
    assert (levels < -60).mean() > 0.1  # and what is as good as
    assert (levels > -25).mean() > 0.15  # and loud noise
    quiet = Noise([np.zeros(WINDOW, np.int16)], share=1)
    others = waves_of(sampler(noise=quiet), 3, 120)
    # With silent noise only people talking at once are left, who are few.
    assert (loudness(others) > -50).mean() < 0.2


def test_digital_silence_around_a_sound_is_in_all_classes() -> None:
    always = sampler(replace(Augment(), trim=1.0, companded=0))
    never = sampler(replace(Augment(), trim=0.0, noise=1.0, companded=0, level=(-20, -20)))
    for which in range(4):
        edges = waves_of(always, which)[:, :400]
        assert (~edges.any(axis=1)).mean() > 0.3
    assert (~waves_of(never, 0)[:, :400].any(axis=1)).mean() < 0.5


def test_a_telephone_comes_to_all_classes_alike() -> None:
    hiss = (3000 * np.random.default_rng(0).standard_normal(16_000)).astype(np.int16)
    noise = Noise([hiss], share=1)
    one = sampler(
        replace(PLAIN, narrow=0.5, edge=(3400, 3400), noise=1, snr=(0, 0), level=(-20, -20)),
        clips=[hiss] * 3, classes=np.arange(3), weights=np.ones(3), noise=noise, batch=400,
    )  # fmt: skip
    batch = one(0)
    above = band_centres(front()) > 5000
    narrow = batch["mel"][:, above].max(axis=(1, 2)) < batch["mel"][:, ~above].max(axis=(1, 2)) - 3
    for which in range(3):
        assert narrow[batch["target"][:, which] == 1].mean() == pytest.approx(0.5, abs=0.2)


def test_unknown_is_made_of_pieces_of_all_words_as_often_as_asked_for() -> None:
    for share in (0, 0.5):
        waves = waves_of(sampler(replace(PLAIN, fragments=share)), 2, 100)
        spectrum = np.square(np.abs(np.fft.rfft(waves)))
        whole = spectrum[:, 3800:4000].sum(axis=1) > 0.9 * spectrum.sum(axis=1)
        # A third of the pieces is of unknown words themselves.
        assert whole.mean() == pytest.approx(1 - share * 2 / 3, abs=0.12)


def test_the_window_holds_the_word_wherever_in_the_stretch_it_lies() -> None:
    one, rng = sampler(), np.random.default_rng(0)
    for window in (0, 5000, STRETCH - WINDOW):
        waves, spans = one.waves(np.zeros(40, np.int64), rng, window)
        outside = np.delete(waves, np.s_[window : window + WINDOW], axis=1)
        assert np.square(outside).sum() < 0.05 * np.square(waves).sum()
        for (start, end, which), *others in spans:
            assert which == 0
            assert window <= start < end <= window + WINDOW
            assert not others


def test_neighbours_never_fill_the_window() -> None:
    one, rng = sampler(replace(PLAIN, neighbours=1)), np.random.default_rng(0)
    window = (STRETCH - WINDOW) // 2
    _, spans = one.waves(np.ones(200, np.int64), rng, window)
    others = [span for row in spans for span in row[1:]]
    assert len(others) > 200
    assert {which for _, _, which in others} == {0, 1, 2}
    for row in spans:
        start, end, _ = row[0]
        for first, last, _ in row[1:]:
            assert last <= start or first >= end
            inside = min(last, window + WINDOW) - max(first, window)
            assert inside <= 0.5 * (last - first) + 1


def test_what_has_ended_is_told_a_moment_after_the_word_and_not_of_mixed_clips() -> None:
    batch = sampler(replace(PLAIN, mixup=0.5))(2)
    words, told = batch["target"].argmax(axis=1), batch["ended"]
    mixed = (batch["target"].max(axis=1) < 1) | (told == IGNORED).all(axis=1)
    assert 0.2 < mixed.mean() < 0.8
    for row in np.flatnonzero(~mixed):
        said = set(told[row]) - {IGNORED, 3}
        # The word may lie so late that nothing comes after it.
        assert said <= {words[row]}
    assert np.mean([words[row] in told[row] for row in np.flatnonzero(~mixed)]) > 0.8


def test_the_window_of_a_short_clip_has_quiet_on_both_sides() -> None:
    clip = np.full(6000, 16_384, np.int16)
    window = evaluation_window(clip)
    assert window.dtype == np.float32
    assert window.shape == (WINDOW,)
    np.testing.assert_array_equal(window[5000:11_000], 0.5)
    assert not window[:5000].any()
    assert not window[11_000:].any()


def test_the_window_of_an_exact_clip_is_the_clip() -> None:
    clip = np.random.default_rng(0).uniform(-1, 1, WINDOW).astype(np.float32)
    np.testing.assert_array_equal(evaluation_window(clip), clip)
    np.testing.assert_array_equal(pad(clip), clip)


@pytest.mark.parametrize("place", [0, 9_999, 24_000])
def test_the_window_of_a_long_clip_is_its_loudest_second(place: int) -> None:
    clip = (100 * np.random.default_rng(0).standard_normal(40_000)).astype(np.int16)
    clip[place : place + 8000] += (8000 * np.sin(np.arange(8000))).astype(np.int16)
    window = evaluation_window(clip)
    assert window.shape == (WINDOW,)
    assert np.square(window).sum() > 0.97 * np.square(clip / 32768).sum()
