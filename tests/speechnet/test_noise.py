"""Noise: what is drawn, and that it never runs out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from speechnet.errors import SpeechnetError
from speechnet.sound.windows import WINDOW
from speechnet.training import sounds
from speechnet.training.noise import Noise, recordings, split


def hums(count: int = 3, seconds: float = 4) -> list[np.ndarray[tuple[int], np.dtype[np.int16]]]:
    time = np.arange(int(seconds * WINDOW)) / WINDOW
    return [
        (8000 * np.sin(2 * np.pi * 200 * (1 + which) * time)).astype(np.int16)
        for which in range(count)
    ]


@pytest.mark.parametrize("kind", dict.fromkeys(sounds._KINDS))
def test_each_kind_of_sound_is_a_second_of_something(
    kind: Callable[[np.random.Generator], sounds.Floats],
) -> None:
    for seed in range(60):
        wave = kind(np.random.default_rng(seed))
        assert wave.shape == (WINDOW,)
        assert wave.dtype == np.float32
        assert np.isfinite(wave).all()
        assert wave.any()


def test_ringing_is_the_sum_of_its_dying_tones() -> None:
    pitch, rate = np.array([440.0, 1234.5]), np.array([3.0, 60.0])
    size = np.array([1.0, 0.5j])
    time = np.arange(WINDOW) / 16_000
    expected = np.real(sum(
        s * np.exp((2j * np.pi * p - r) * time) for p, r, s in zip(pitch, rate, size, strict=True)
    ))  # fmt: skip
    np.testing.assert_allclose(sounds._ringing(pitch, rate, size), expected, atol=1e-4)


def test_drawn_noise_is_level_and_the_same_for_the_same_generator() -> None:
    noise = Noise(hums())
    first = noise.draw(np.random.default_rng(5), 40)
    assert first.shape == (40, WINDOW)
    assert first.dtype == np.float32
    np.testing.assert_allclose(np.sqrt(np.square(first).mean(axis=1)), 1, rtol=1e-3)
    np.testing.assert_array_equal(noise.draw(np.random.default_rng(5), 40), first)
    assert len(np.unique(first[:, 100])) > 35


def test_noise_is_all_recorded_or_all_made_as_asked_for() -> None:
    recorded = Noise(hums(1), share=1).draw(np.random.default_rng(0), 10)
    spectrum = np.square(np.abs(np.fft.rfft(recorded)))
    # A hum of 200 Hz, played 0.6 to 1.65 times as fast.
    assert (spectrum[:, 110:340].sum(axis=1) > 0.9 * spectrum.sum(axis=1)).all()
    assert len(Noise([]).draw(np.random.default_rng(0), 5)) == 5
    assert Noise(hums()).draw(np.random.default_rng(0), 0).shape == (0, WINDOW)


def test_a_silent_recording_stays_silent() -> None:
    quiet = Noise([np.zeros(WINDOW, np.int16)], share=1)
    assert not quiet.draw(np.random.default_rng(0), 4).any()


def test_what_is_kept_back_is_not_learnt() -> None:
    found = [np.arange(10 * WINDOW).astype(np.int16), np.ones(WINDOW // 2, np.int16)]
    learnt, kept = split(found)
    assert len(learnt) == 1
    assert len(learnt[0]) == 8 * WINDOW
    assert [len(one) for one in kept] == [WINDOW, WINDOW]
    np.testing.assert_allclose(kept[0] * 32768, found[0][8 * WINDOW : 9 * WINDOW], atol=0.5)


def test_a_folder_without_noise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechnetError, match="sound"):
        recordings(tmp_path)
