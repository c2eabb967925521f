"""What is done to waves and spectrograms, each against what it is said to do."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from speechnet.clips.words import LONGEST
from speechnet.errors import SpeechnetError
from speechnet.sound.windows import WINDOW
from speechnet.training import augment as change
from speechnet.training.augment import Augment
from speechnet.training.pieces import Piece, fragment, spoken

Floats = NDArray[np.float32]
RATE = 16_000
CENTRES = np.linspace(100, 7900, 64)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def tone(frequency: float, samples: int = WINDOW) -> Floats:
    return np.sin(2 * np.pi * frequency * np.arange(samples) / RATE).astype(np.float32)


def loudest_frequency(wave: Floats) -> float:
    return float(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))).argmax() * RATE / len(wave))


def word(before: int = 4000, extent: int = 6000, after: int = 6000) -> NDArray[np.int16]:
    """A tone with quiet around it."""
    sound = np.concatenate([np.zeros(before), 0.3 * tone(700, extent), np.zeros(after)])
    return (sound * 32767).astype(np.int16)


def neutral() -> Augment:
    """Nothing is changed but the place."""
    return Augment(speed=(1, 1), spill=0)


@pytest.mark.parametrize(
    "wrong",
    [{"noise": 1.5}, {"snr": (3, 1)}, {"speed": (0.1, 1)}, {"level": (1, 2, 3)}, {"masks": -1},
     {"mixup_beta": 0}, {"unknown": -1}],
)  # fmt: skip
def test_a_setting_out_of_range_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpeechnetError, match=next(iter(wrong))):
        Augment(**wrong)


def test_settings_from_a_text_file_are_the_same_settings() -> None:
    plain: dict[str, Any] = {
        name: list(v) if isinstance(v, tuple) else v for name, v in asdict(Augment()).items()
    }
    assert Augment(**plain) == Augment()


@pytest.mark.parametrize("speed", [0.85, 0.93, 1.1, 1.15])
def test_playing_faster_raises_the_pitch_and_shortens_by_the_same_ratio(speed: float) -> None:
    wave = tone(1000)
    played = change.play(wave, speed)
    ratio = len(wave) / len(played)
    assert ratio == pytest.approx(speed, rel=0.02)
    assert loudest_frequency(played) == pytest.approx(1000 * ratio, abs=2)
    middle = played[2000:-2000]
    assert np.abs(middle).max() == pytest.approx(1, abs=0.02)


def test_the_longest_clip_can_be_played_at_any_speed() -> None:
    wave = tone(1000, int(LONGEST) * RATE)
    for speed in (0.5, 2.0):
        assert len(change.play(wave, speed)) == pytest.approx(len(wave) / speed, rel=0.02)


def test_playing_faster_folds_nothing_back() -> None:
    assert np.abs(change.play(tone(7500), 1.15)[500:-500]).max() < 0.02


def test_playing_at_its_own_speed_changes_nothing(rng: np.random.Generator) -> None:
    wave = rng.standard_normal(5000, np.float32)
    assert change.play(wave, 1) is wave


def test_an_echo_comes_after_its_sound_and_dies_away(rng: np.random.Generator) -> None:
    clicks = np.zeros((3, WINDOW), np.float32)
    clicks[:, 4000] = 1
    heard = change.echoes(clicks, np.array([0.2, 0.2]), rng)
    assert heard.dtype == np.float32
    assert np.abs(heard[:, :4000]).max() < 1e-5
    np.testing.assert_allclose(heard[:, 4000], 1, atol=1e-5)
    tail = np.square(heard[:, 4001:])
    assert (tail.sum(axis=1) > 0.05).all()  # at least -12 dB
    # In 0.2 s it falls by 60 dB.
    assert (tail[:, 3200:3400].mean(axis=1) < 1e-4 * tail[:, :800].mean(axis=1)).all()


def test_companding_is_coarse_but_true(rng: np.random.Generator) -> None:
    waves = rng.uniform(-1, 1, (2, 4000)).astype(np.float32)
    coded = change.compand(waves)
    assert len(np.unique(np.abs(coded))) <= 128
    assert np.abs(coded - waves).max() < 0.025
    np.testing.assert_allclose(change.compand(coded), coded, atol=1e-6)


def test_recording_clips_at_full_scale_and_rounds_to_16_bits() -> None:
    stored = change.record(np.array([[2.0, -2.0, 0.25, 1e-6, 0.1]], np.float32))
    np.testing.assert_array_equal(stored[0, :4], np.array([32767 / 32768, -1, 0.25, 0], np.float32))
    assert stored[0, 4] * 32768 == round(0.1 * 32768)


def test_a_warp_of_one_changes_nothing(rng: np.random.Generator) -> None:
    mel = rng.standard_normal((2, 64, 5), np.float32)
    np.testing.assert_allclose(change.warp(mel, np.ones(2), CENTRES), mel, atol=1e-5)


def test_a_warp_moves_each_frequency_by_its_factor_and_keeps_the_top() -> None:
    factors = np.array([0.85, 1.18])
    mel = np.tile(CENTRES[:, None], (2, 1, 3)).astype(np.float32)  # each band says its frequency
    warped = change.warp(mel, factors, CENTRES)
    for row, factor in enumerate(factors):
        low = (CENTRES > 200) & (0.6 * 7900 * min(1, factor) > CENTRES)
        np.testing.assert_allclose(warped[row, low, 0], CENTRES[low] / factor, rtol=1e-3)
    np.testing.assert_allclose(warped[:, -1], 7900)
    assert (np.diff(warped[:, :, 0], axis=1) >= 0).all()


def test_no_decibels_change_nothing_and_the_floor_stays(rng: np.random.Generator) -> None:
    mel = np.maximum(rng.normal(-14, 3, (2, 64, 5)), -16).astype(np.float32)
    np.testing.assert_array_equal(change.amplify(mel, np.zeros((2, 64), np.float32), -16), mel)
    louder = change.amplify(mel, np.full((2, 64), 10, np.float32), -16)
    assert (louder[mel == -16] == -16).all()
    np.testing.assert_allclose(louder[mel > -15], mel[mel > -15] + np.log(10), rtol=1e-5)
    quieter = change.amplify(mel, np.full((2, 64), -40, np.float32), -16)
    assert quieter.min() == -16


def test_a_low_pass_leaves_what_is_below_and_takes_what_is_above() -> None:
    decibels = change.low_pass(np.array([4000, np.inf]), np.array([100.0, 100.0]), CENTRES)
    assert (decibels[0, CENTRES <= 4000] == 0).all()
    assert (decibels[0, CENTRES > 4600] < -50).all()
    assert (decibels[1] == 0).all()


def test_coders_forget_what_is_far_under_the_loudest_of_a_frame(rng: np.random.Generator) -> None:
    mel = rng.uniform(-16, 2, (2, 64, 5)).astype(np.float32)
    kept = change.forget(mel, np.array([30.0, np.inf]), -16.5)
    faint = mel[0] < mel[0].max(axis=0) - 3 * np.log(10)
    assert (kept[0][faint] == -16.5).all()
    np.testing.assert_array_equal(kept[0][~faint], mel[0][~faint])
    np.testing.assert_array_equal(kept[1], mel[1])


def test_masks_are_no_wider_and_no_more_than_asked_for(rng: np.random.Generator) -> None:
    how = Augment(masks=2, mask_bands=8, mask_seconds=0.2)
    mel = rng.standard_normal((200, 64, 61), np.float32)
    masked = mel.copy()
    change.mask(masked, how, 62.5, rng)
    hidden = masked != mel
    bands, frames = hidden.all(axis=2).sum(axis=1), hidden.all(axis=1).sum(axis=1)
    assert 8 < bands.max() <= 16
    assert 12 < frames.max() <= 24
    assert bands.min() == 0 or frames.min() == 0
    cross = hidden.all(axis=2)[:, :, None] | hidden.all(axis=1)[:, None, :]
    np.testing.assert_array_equal(hidden, cross)


def test_mixing_is_of_sounds_and_targets_alike(rng: np.random.Generator) -> None:
    target = np.eye(200, 5, dtype=np.float32)
    target[5:, 4] = 1
    mel = np.tile(np.arange(200, dtype=np.float32)[:, None, None], (1, 4, 4))
    same, kept, which = change.mix(mel, target, Augment(mixup=0), rng)
    assert not which.any()
    np.testing.assert_array_equal(same, mel)
    np.testing.assert_array_equal(kept, target)
    mixed, shares, which = change.mix(mel, target, Augment(mixup=1), rng)
    assert which.all()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert (np.take_along_axis(shares, target.argmax(axis=1)[:, None], 1) >= 0.4999).all()
    assert ((mixed != mel).any(axis=(1, 2))).mean() > 0.8


@pytest.mark.parametrize("extent", [2000, 8000, 16_000, 30_000])
def test_the_word_lies_inside_the_window_wherever_it_was(
    extent: int, rng: np.random.Generator
) -> None:
    for before in (0, 6000, 20_000):
        piece = Piece.of(word(before, extent, 3000))
        places = []
        for _ in range(40):
            window = np.zeros(WINDOW, np.float32)
            start, end = spoken(window, piece, neutral(), rng)
            loud = np.flatnonzero(np.abs(window) > 1e-3)
            assert start <= loud[0]
            assert loud[-1] < end
            assert loud[-1] - loud[0] > min(extent, WINDOW - 1000) - 10
            assert np.sqrt(np.square(window[loud[0] : loud[-1]]).mean()) == pytest.approx(
                1, abs=0.2
            )
            places.append(start)
        if extent <= 8000:
            assert np.ptp(places) > 0.6 * (WINDOW - extent)  # well past 100 ms


def test_no_more_of_a_word_is_lost_than_may_be_spilt(rng: np.random.Generator) -> None:
    how = Augment(speed=(1, 1), spill=0.2)
    piece = Piece.of(word(4000, 6000))
    lost = []
    for _ in range(100):
        window = np.zeros(WINDOW, np.float32)
        spoken(window, piece, how, rng)
        lost.append(1 - (np.abs(window) > 1e-6).sum() / 6000)
    assert 0.02 < max(lost) < 0.22


def test_the_word_of_a_noisy_clip_is_found(rng: np.random.Generator) -> None:
    noise = (rng.standard_normal(16_000) * 100).astype(np.int16)
    piece = Piece.of(word(4000, 6000) + noise)
    assert abs(piece.start - 4000) < 1000
    assert abs(piece.end - 10_000) < 1000


@pytest.mark.parametrize("samples", [1, 100, 161, 16_000])
def test_a_clip_without_any_sound_has_no_level(samples: int) -> None:
    assert Piece.of(np.zeros(samples, np.int16)).level == 0


def test_fragments_are_short_or_other_than_the_word(rng: np.random.Generator) -> None:
    rising = rng.standard_normal(8000, np.float32) * np.linspace(0.1, 1, 8000, dtype=np.float32)
    one, other = Piece.of(rising), Piece.of(0.5 * tone(2000, 8000))
    whole = one.word()
    for _ in range(60):
        made = fragment(one, other, rng)
        wave = made.samples
        assert np.isfinite(wave).all()
        assert made.level > 0
        if len(wave) > len(whole) / 3:
            near = min(len(wave), len(whole))
            assert np.corrcoef(wave[:near], whole[:near])[0, 1] < 0.8
