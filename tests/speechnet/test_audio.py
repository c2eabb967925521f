"""Sound of every kind becomes mono at 16 kHz; what is none is one sentence."""

import io
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechnet.errors import SpeechnetError
from speechnet.sound import audio
from speechnet.sound.audio import Floats

RNG = np.random.default_rng(0)


def tone(seconds: float = 0.5, rate: int = 16_000, frequency: float = 440.0) -> Floats:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(
        "f4"
    )


def wav(samples: np.ndarray, rate: int = 16_000, **settings: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=settings.pop("format", "WAV"), **settings)
    return out.getvalue()


def loudest_frequency(samples: Floats) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / 16_000)[spectrum.argmax()])


@pytest.mark.parametrize(
    "kind", sorted(set(soundfile.available_formats()) - {"RAW", "SD2", "SDS", "XI"})
)
def test_every_format_of_libsndfile_is_read(kind: str, tmp_path: Path) -> None:
    path, rate = tmp_path / "clip", 8_000 if kind == "WVE" else 16_000  # Psion knows one rate
    subtypes = soundfile.available_subtypes(kind)
    subtype = "PCM_16" if "PCM_16" in subtypes else soundfile.default_subtype(kind)
    try:
        soundfile.write(path, tone(1, rate), rate, format=kind, subtype=subtype)
    except soundfile.LibsndfileError:
        pytest.skip(f"{kind} cannot be written at this rate")
    found = audio.read(path)
    assert abs(len(found.samples) - 16_000) < 1_500  # some pad to whole blocks
    assert loudest_frequency(found.samples) == pytest.approx(440, abs=5)


@pytest.mark.parametrize("rate", [1_000, 8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 384_000])
def test_every_rate_becomes_16_khz_of_the_same_length_and_pitch(rate: int) -> None:
    found = audio.read(wav(tone(1, rate, 300), rate))
    assert found.rate == rate
    assert len(found.samples) == pytest.approx(16_000, abs=2)
    assert loudest_frequency(found.samples) == pytest.approx(300, abs=3)
    assert np.abs(found.samples[4000:12_000]).max() == pytest.approx(0.5, abs=0.02)


def test_what_a_low_rate_cannot_hold_is_said() -> None:
    assert "above 4000 Hz" in audio.read(wav(tone(1, 8_000), 8_000)).notes[0]
    assert audio.read(wav(tone())).notes == ()


def test_16_bit_wav_is_exact() -> None:
    samples = RNG.integers(-32768, 32768, 2_000).astype(np.int16)
    assert (audio.read(wav(samples)).samples == samples / np.float32(32768)).all()


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint8", "float64", "float32"])
def test_an_array_is_the_same_as_a_file(dtype: str) -> None:
    full = {"int16": 32767.0, "int32": 2.0**31 - 1, "uint8": 127.0}.get(dtype, 1.0)
    given = tone() * full + (128 if dtype == "uint8" else 0)
    found = audio.from_array(given.astype(dtype), 16_000).samples
    np.testing.assert_allclose(found, tone(), atol=1 / 60)


def test_channels_are_averaged() -> None:
    frames = np.stack([tone(frequency=300), tone(frequency=900), 0 * tone()], axis=1)
    found = audio.read(wav(frames, subtype="FLOAT"))
    assert found.channels == 3
    np.testing.assert_allclose(found.samples, frames.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("as_file", [True, False])
def test_channels_in_opposite_phase_are_not_lost(as_file: bool) -> None:
    frames = np.stack([tone(), -0.9 * tone()], axis=1)
    found = audio.read(wav(frames)) if as_file else audio.from_array(frames, 16_000)
    assert np.abs(found.samples).max() > 0.4 or len(found.notes) == 0
    frames[:, 1] = -frames[:, 0]
    found = audio.read(wav(frames)) if as_file else audio.from_array(frames, 16_000)
    assert "cancel" in found.notes[0]
    np.testing.assert_allclose(found.samples, frames[:, 0], atol=1e-4)


def test_floats_on_the_scale_of_integers_are_scaled() -> None:
    found = audio.read(wav(tone() * 30_000, subtype="FLOAT"))
    assert np.abs(found.samples).max() == pytest.approx(1)
    assert "scaled" in found.notes[0]


def test_standard_input_pipes_and_open_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = wav(tone())
    expected = audio.read(data).samples
    fake = io.TextIOWrapper(io.BytesIO(data))
    monkeypatch.setattr("sys.stdin", fake)
    assert (audio.read("-").samples == expected).all()
    assert (audio.read(io.BytesIO(data)).samples == expected).all()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Opening it to write waits for the reader.
    thread = threading.Thread(target=lambda: pipe.write_bytes(data))
    thread.start()
    assert (audio.read(pipe).samples == expected).all()
    thread.join()


def test_a_header_of_a_program_that_writes_to_a_pipe_is_no_fault() -> None:
    data = bytearray(wav(tone()))
    data[4:8] = data[40:44] = struct.pack("<I", 0xFFFFFFFF)
    found = audio.read(bytes(data))
    assert len(found.samples) == 8_000
    assert found.notes == ()


def test_a_file_that_breaks_off_is_read_as_far_as_it_goes() -> None:
    found = audio.read(wav(tone())[:9_000])
    assert len(found.samples) == pytest.approx(4_478, abs=2)
    assert "breaks off" in found.notes[0]


GOOD = wav(tone())
BROKEN = {
    "empty": (b"", "empty"),
    "header only": (wav(np.zeros(0, "f4")), "no samples"),
    "text": (b"this is no sound, it is text\n" * 20, "no sound that can be read"),
    "junk": (RNG.bytes(5_000), "no sound that can be read"),
    "half a header": (GOOD[:20], "no sound that can be read"),
    "no number": (wav(np.full(100, np.nan), subtype="FLOAT"), "NaN"),
    "infinite": (wav(np.full(100, np.inf), subtype="DOUBLE"), "NaN or infinite"),
    "m4a": (b"\0\0\0\x20ftypM4A " + bytes(100), "ffmpeg"),
    "webm": (b"\x1aE\xdf\xa3" + bytes(100), "WebM"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "picture"),
    "avi": (b"RIFF\0\0\0\0AVI " + bytes(100), "AVI video"),
    "utf-16": ("no sound".encode("utf-16") * 50, "text, not a sound"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "midi": (b"MThd" + bytes(100), "MIDI"),
    "slow": (wav(tone(), 200), "200 samples a second"),
    "cut flac": (wav(tone(), format="FLAC")[:60], "sound"),
    "cut ogg": (wav(tone(), format="OGG")[:200], "sound"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_sound_is_one_sentence(kind: str, tmp_path: Path) -> None:
    data, told = BROKEN[kind]
    path = tmp_path / "broken.wav"
    path.write_bytes(data)
    for source in (path, data):
        with pytest.raises(SpeechnetError, match=told) as caught:
            audio.read(source)
        assert "\n" not in str(caught.value)
        assert source is data or str(path) in str(caught.value)


def test_a_header_that_promises_gigabytes_costs_nothing() -> None:
    data = bytearray(GOOD[:144])
    data[40:44] = struct.pack("<I", 0xF0000000)
    assert len(audio.read(bytes(data)).samples) <= 50


@pytest.mark.parametrize("kind", ["AIFF", "AU", "W64", "RF64", "FLAC", "MP3"])
def test_of_every_format_it_is_said_that_it_breaks_off(kind: str) -> None:
    data = wav(tone(2), format=kind)
    assert audio.read(data).notes == ()
    found = audio.read(data[: len(data) // 2])
    assert 8_000 < len(found.samples) < 24_000
    assert "breaks off" in found.notes[0] or "damaged" in found.notes[0]


def test_a_file_whose_program_died_before_the_length_was_known_is_read() -> None:
    data = bytearray(GOOD)
    data[4:8], data[40:44] = struct.pack("<I", 36), bytes(4)
    assert (audio.read(bytes(data)).samples == audio.read(GOOD).samples).all()


@pytest.mark.parametrize("name", [b"clip.raw", b"clip", b"\xff.wav", "dürüm 好.wav".encode()])
def test_the_name_does_not_matter(name: bytes, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    try:
        path.write_bytes(GOOD)
    except OSError:
        pytest.skip("the file system refuses this name")
    assert (audio.read(path).samples == audio.read(GOOD).samples).all()


def test_samples_without_a_header_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "clip.raw"
    path.write_bytes(GOOD[44:])
    with pytest.raises(SpeechnetError, match="need a header, for example by ffmpeg"):
        audio.read(path)


def test_a_named_pipe_is_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Timer(0.2, pipe.write_bytes, [GOOD])
    writer.start()
    assert (audio.read(pipe).samples == audio.read(GOOD).samples).all()
    writer.join()


def test_every_place_where_a_file_may_break_is_survived() -> None:
    for format_, subtype in (
        ("WAV", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("AIFF", "PCM_16"),
    ):
        data = bytearray(wav(tone(0.2), format=format_, subtype=subtype))
        for place in range(0, min(len(data), 400), 7):
            harmed = bytes(data[:place]) + bytes([data[place] ^ 0xFF]) + bytes(data[place + 1 :])
            for one in (harmed, bytes(data[:place])):
                try:
                    assert np.isfinite(audio.read(one).samples).all()
                except SpeechnetError as error:
                    assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("make", ["missing", "folder", "zero", "pipe without a writer"])
def test_what_is_no_file_is_said_at_once(
    make: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "PATIENCE", 0.1)
    path = {"missing": tmp_path / "none.wav", "folder": tmp_path, "zero": Path("/dev/zero")}.get(
        make, tmp_path / "pipe"
    )
    if make == "pipe without a writer":
        os.mkfifo(path)
    with pytest.raises(SpeechnetError):
        audio.read(path)


@pytest.mark.parametrize("wrong", [np.zeros(0), np.zeros((2, 2, 2)), np.array(["a"])])
def test_an_array_that_is_no_sound_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(SpeechnetError, match="array"):
        audio.from_array(wrong, 16_000)


def test_an_array_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(SpeechnetError, match="transpose"):
        audio.from_array(np.zeros((2, 16_000)), 16_000)


def test_a_file_that_is_open_as_text_is_refused() -> None:
    with pytest.raises(SpeechnetError, match="'rb'"):
        audio.read(io.StringIO("text"))  # type: ignore[arg-type]
