"""The log-mel spectrogram: librosa's numbers, the same however the sound is cut."""

import json
import subprocess
import sys

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechnet.errors import SpeechnetError
from speechnet.sound.spectrogram import BLOCK, Floats, FrontEnd, Stream, log_mel

FRONT = FrontEnd.make()


def sound(samples: int = 16_000, seed: int = 0) -> Floats:
    """Noise with a chirp in it, fading away to nothing."""
    time = np.arange(samples) / 16_000
    chirp = np.sin(2 * np.pi * (100 + 3000 * time) * time)
    noise = np.random.default_rng(seed).standard_normal(samples)
    return ((0.3 * chirp + 0.05 * noise) * np.exp(-6 * time)).astype(np.float32)


@pytest.mark.parametrize(
    "settings", [{}, {"bands": 40, "hop": 160}, {"fmin": 60.0, "fmax": 7600.0}]
)
def test_values_are_those_of_librosa(settings: dict[str, float]) -> None:
    front = FrontEnd.make(**settings)  # type: ignore[arg-type]
    power = librosa.feature.melspectrogram(
        y=sound(), sr=16_000, n_fft=front.fft, hop_length=front.hop, n_mels=front.bands,
        fmin=front.fmin, fmax=front.fmax, center=False, power=2.0,
    )  # fmt: skip
    expected = np.log(np.maximum(power, front.floor))
    np.testing.assert_allclose(log_mel(sound(), front), expected, atol=1e-4)


@pytest.mark.parametrize("level", [1e-5, 1e-4, 1e-3])
def test_quiet_bands_beside_a_loud_tone_are_those_of_librosa(level: float) -> None:
    time = np.arange(16_000) / 16_000
    hiss = level * np.random.default_rng(0).standard_normal(16_000)
    wave = (0.99 * np.sin(2 * np.pi * 3000.3 * time) + hiss).astype(np.float32)
    power = librosa.feature.melspectrogram(
        y=wave.astype(np.float64), sr=16_000, n_fft=FRONT.fft, hop_length=FRONT.hop,
        n_mels=FRONT.bands, fmin=FRONT.fmin, fmax=FRONT.fmax, center=False,
    )  # fmt: skip
    expected = np.log(np.maximum(power, FRONT.floor))
    np.testing.assert_allclose(log_mel(wave, FRONT), expected, atol=1e-5)


@pytest.mark.parametrize("bands", [1, 3, 7, 80])
def test_any_number_of_bands_is_possible(bands: int) -> None:
    front = FrontEnd.make(bands=bands)
    power = np.abs(np.fft.rfft(sound()[:512] * front.window)) ** 2
    expected = np.log(np.maximum(front.filters @ power, front.floor))
    np.testing.assert_allclose(log_mel(sound()[:512], front)[:, 0], expected, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 8_000), max_size=12))
def test_frames_are_the_same_to_the_last_bit_however_the_sound_is_cut(cuts: list[int]) -> None:
    stream, whole = Stream(FRONT), sound()
    pieces = np.split(whole, np.minimum(np.cumsum(cuts, dtype=int), len(whole)))
    found = np.concatenate([stream.push(piece) for piece in pieces], axis=1)
    assert (found == log_mel(whole, FRONT)).all()


def test_a_long_recording_is_the_same_as_its_start() -> None:
    long = sound(FRONT.hop * (5 * BLOCK + 40) + FRONT.fft)
    assert (log_mel(long, FRONT)[:, :61] == log_mel(long[:16_000], FRONT)).all()


def test_a_batch_is_its_clips() -> None:
    batch = np.stack([sound(seed=0), sound(seed=1)])
    assert (log_mel(batch, FRONT)[1] == log_mel(batch[1], FRONT)).all()


def test_silence_is_the_floor() -> None:
    assert (log_mel(np.zeros(16_000, np.float32), FRONT) == np.log(np.float32(FRONT.floor))).all()


def test_the_front_end_travels_as_json() -> None:
    travelled = FrontEnd.from_facts(json.loads(json.dumps(FRONT.to_facts())))
    assert (log_mel(sound(), travelled) == log_mel(sound(), FRONT)).all()


@pytest.mark.parametrize("facts", [{}, {**FRONT.to_facts(), "filters": 3}])
def test_a_model_without_a_front_end_is_refused(facts: dict[str, object]) -> None:
    with pytest.raises(SpeechnetError, match="export again"):
        FrontEnd.from_facts(facts)


def test_less_than_a_frame_is_refused() -> None:
    with pytest.raises(SpeechnetError, match="pad them"):
        log_mel(np.zeros(511, np.float32), FRONT)


def test_too_many_bands_are_refused() -> None:
    with (
        pytest.warns(UserWarning, match="Empty filters"),
        pytest.raises(SpeechnetError, match="empty"),
    ):
        FrontEnd.make(bands=200)


def test_hearing_needs_none_of_the_slow_libraries() -> None:
    code = (
        "import sys, numpy; from speechnet.sound.spectrogram import FrontEnd, log_mel\n"
        "front = FrontEnd(numpy.ones((4, 257), numpy.float32))\n"
        "log_mel(numpy.zeros(16000, numpy.float32), front)\n"
        "sys.exit(bool({'librosa', 'torch', 'numba', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
