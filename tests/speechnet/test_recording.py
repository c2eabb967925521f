"""Clips from a microphone: each cut to its word, bad takes told, whatever the device does."""

import errno
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

import speechnet
from speechnet.cli import main
from speechnet.clips.naming import from_path
from speechnet.clips.recording import Cutter, Level, Take, meter, rooms, takes
from speechnet.clips.words import read_clips
from speechnet.errors import SpeechnetError
from speechnet.sound import audio, microphone, writing
from speechnet.sound.microphone import Microphone

CLIPS = Path(__file__).parents[2] / "data" / "clips"
SAID = ("yes.wav", "stop.wav", "left.ogg", "up.flac", "seven.wav")


def said(name: str, level: float = 0.3) -> np.ndarray:
    """A sample's word alone, at a peak level."""
    wave = audio.read(CLIPS / name).samples
    loud = np.flatnonzero(np.abs(wave) > 0.03 * np.abs(wave).max())
    wave = wave[loud[0] : loud[-1]]
    return wave * np.float32(level / np.abs(wave).max())


def hiss(seconds: float, level: float) -> np.ndarray:
    """White noise of a root mean square."""
    rng = np.random.default_rng(0)
    return (level * rng.standard_normal(int(seconds * 16_000))).astype(np.float32)


def tone(seconds: float, hertz: float, level: float) -> np.ndarray:
    moments = np.arange(int(seconds * 16_000)) / 16_000
    return (level * np.sin(2 * np.pi * hertz * moments)).astype(np.float32)


def session(pause: float = 0.6, noise: float = 1e-3, level: float = 0.3) -> np.ndarray:
    """The words one after the other, in the hiss of a room."""
    quiet = np.zeros(int(pause * 16_000), np.float32)
    parts = [part for name in SAID for part in (quiet, said(name, level))]
    wave = np.concatenate([quiet, *parts, quiet])
    return wave + hiss(len(wave) / 16_000 + 1, noise)[: len(wave)]


def cut(wave: np.ndarray, size: int = 480) -> list[Take]:
    return list(takes(wave[at : at + size] for at in range(0, len(wave), size)))


@pytest.mark.parametrize(("noise", "level"), [(1e-4, 0.1), (1e-3, 0.3), (5e-3, 0.5), (0.01, 0.9)])
def test_words_become_clips_that_are_heard_right_over_any_room(noise: float, level: float) -> None:
    found = cut(session(noise=noise, level=level))
    assert [take.fault for take in found] == [""] * 5
    classifier = speechnet.load()
    words = [classifier.classify(take.samples).word for take in found]
    assert words == [name.partition(".")[0] for name in SAID]
    assert all(len(take.samples) < 1.2 * 16_000 for take in found)


@pytest.mark.parametrize("size", [160, 1024, 777, 10_000_000])
@pytest.mark.parametrize("noise", [1e-4, 5e-3])
def test_the_clips_do_not_depend_on_the_chunks(size: int, noise: float) -> None:
    wave = session(noise=noise)
    expected, found = cut(wave), cut(wave, size)
    assert len(found) == 5
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)


def test_a_fifth_of_a_second_is_kept_on_both_sides() -> None:
    rng = np.random.default_rng(0)
    wave = hiss(3, 1e-4)
    swell = np.sin(np.linspace(0.2, 3, 8_000))
    wave[16_000:24_000] += (0.2 * swell * rng.standard_normal(8_000)).astype(np.float32)
    [take] = cut(wave)
    [start] = np.flatnonzero(wave == take.samples[0])
    assert start == pytest.approx(16_000 - 3_200, abs=160)
    assert start + len(take.samples) == pytest.approx(24_000 + 3_200, abs=160)


def test_a_word_at_the_end_of_the_stream_is_a_take() -> None:
    wave = np.concatenate([hiss(1, 1e-3), said("seven.wav")])
    assert len(cut(wave)) == 1


def clicks(*starts: float) -> np.ndarray:
    wave = hiss(4, 1e-4)
    for start in starts:
        wave[int(start * 16_000) :][:400] = 0.5
    return wave


@pytest.mark.parametrize(
    "wave",
    [
        np.zeros(80_000, np.float32),
        hiss(5, 0.02),
        clicks(1.5),
        clicks(1.5, 1.65),
        *(tone(5, hertz, 0.2) + hiss(5, 1e-3) for hertz in (50, 60, 100, 120)),
        np.concatenate([hiss(2, 1e-4), hiss(4, 0.02), hiss(2, 1e-4)]),
        np.concatenate([np.zeros(16_000, np.float32), hiss(4, 3e-3)]),
        np.concatenate([hiss(2, 1e-4), tone(4, 60, 0.1) + hiss(4, 1e-3)]),
        hiss(3, 1e-3) + np.float32(0.3),
    ],
    ids=(
        *("zeros", "hiss", "click", "clicks", "hum50", "hum60", "hum100", "hum120"),
        *("fan", "waking", "hum starts", "constant"),
    ),
)
def test_what_is_no_word_is_no_take(wave: np.ndarray) -> None:
    assert cut(wave) == []


@pytest.mark.parametrize(
    "room",
    [
        tone(20, 50, 0.02) + hiss(20, 1e-3),
        hiss(20, 1e-3) + np.float32(0.2),
        np.concatenate([np.zeros(8_000, np.float32), hiss(20, 3e-3)]),
    ],
    ids=["hum", "constant", "waking"],
)
def test_words_are_found_over_what_is_no_word(room: np.ndarray) -> None:
    wave = session(pause=1.2, noise=0)
    assert len(cut(wave + room[: len(wave)])) == 5


def test_a_stop_inside_of_a_word_does_not_end_it() -> None:
    wave = np.concatenate([said("up.flac"), np.zeros(3_000, np.float32), said("up.flac")])
    quiet = np.zeros(12_000, np.float32)
    assert len(cut(np.concatenate([quiet, wave, quiet]))) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda wave: np.clip(wave * 20, -1, 1), "clipped"),
        (lambda wave: wave * 0.05, "too quiet"),
        (lambda wave: np.tile(wave, 6), "longer than"),
    ],
)
def test_a_bad_take_says_what_to_do(change: Any, told: str) -> None:
    quiet = np.zeros(16_000, np.float32)
    [take] = cut(np.concatenate([quiet, change(said("seven.wav")).astype(np.float32), quiet]))
    assert told in take.fault


def test_somebody_who_talks_is_told_once_and_heard_again_after_a_pause() -> None:
    talk = np.tile(np.concatenate([said("seven.wav"), said("left.ogg")]), 8)
    quiet = np.zeros(12_000, np.float32)
    wave = np.concatenate([quiet, talk, quiet, said("yes.wav"), quiet])
    found = cut(wave + hiss(20, 1e-3)[: len(wave)])
    assert [bool(take.fault) for take in found] == [True, False]
    assert speechnet.load().classify(found[1].samples).word == "yes"


def test_a_word_in_which_sound_got_lost_is_not_kept() -> None:
    wave = session()[:52_000]
    for torn, good in ((False, 2), (True, 1)):
        cutter = Cutter()
        found = cutter.push(wave[:22_000]) + cutter.push(wave[22_000:], torn=torn)
        assert sum(not take.fault for take in found) == good
    assert found[0].fault == "sound got lost in it"


def test_the_level_follows_the_sound_and_the_peak_stays_for_a_second() -> None:
    cutter = Cutter()
    assert cutter.level == Level(-120, -120, False, 0)
    cutter.push(np.zeros(8_000, np.float32))
    assert cutter.level == Level(-120, -120, False, 0.5)
    cutter.push(tone(0.25, 200, 0.5))
    assert cutter.level.mean == pytest.approx(-9, abs=0.1)
    assert cutter.level.peak == pytest.approx(-6, abs=0.1)
    assert cutter.level.speaking
    cutter.push(hiss(0.5, 1e-3))
    assert cutter.level.mean == pytest.approx(-60, abs=1)
    assert cutter.level.peak == pytest.approx(-6, abs=0.1)
    assert not cutter.level.speaking
    cutter.push(hiss(0.6, 1e-3))
    assert cutter.level.peak < -40


def test_the_meter_stays_in_its_frame() -> None:
    assert meter(Level(3.0, 6.0), 10).startswith("[#########|] ")
    assert meter(Level(), 10).startswith("[----------] ")
    assert len(meter(Level())) == len(meter(Level(-3.2, -1.0, True)))


def test_clips_of_the_room_are_two_seconds_however_it_comes() -> None:
    wave = hiss(5, 1e-3)
    for size in (160, 777, 100_000):
        found = list(rooms(wave[at : at + size] for at in range(0, len(wave), size)))
        np.testing.assert_array_equal(np.concatenate(found), wave[:64_000])
        assert [len(one) for one in found] == [32_000, 32_000]


class Device:
    """A fake of the module sounddevice: gives `wave` at `rate` through the callback."""

    class PortAudioError(Exception):
        pass

    def __init__(self, wave: np.ndarray, rate: int = 16_000, channels: int = 1) -> None:
        self.wave, self.rate, self.channels = wave, rate, channels
        self.closed = 0
        self.goes_away = False

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:
        facts = {"default_samplerate": float(self.rate), "max_input_channels": self.channels}
        if kind is None:
            return [{"name": "Loud", "max_input_channels": 0}, {"name": "Desk mic", **facts}]
        if device == "none" or not self.channels:
            raise ValueError("No input device\nmatching 'none'")
        return facts

    def check_input_settings(self, device: Any, channels: int, dtype: str, samplerate: int) -> None:
        if samplerate != self.rate:
            raise self.PortAudioError("Invalid sample rate")

    def InputStream(self, **how: Any) -> Any:  # its name in the module
        assert how["samplerate"] == self.rate

        def start() -> None:
            size = how["blocksize"]
            for at in range(0, len(self.wave), size):
                part = self.wave[at : at + size]
                data = np.repeat(part[:, None], how["channels"], axis=1)
                how["callback"](data, len(data), None, "overflow" if at == 0 else "")
                data[:] = np.nan  # PortAudio takes its buffer back
            if self.goes_away:
                how["finished_callback"]()

        def close() -> None:
            self.closed += 1

        return SimpleNamespace(start=start, stop=how["finished_callback"], close=close)


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Any:
    def plug(*arguments: Any) -> Device:
        device = Device(*arguments)
        monkeypatch.setitem(sys.modules, "sounddevice", device)  # type: ignore[arg-type]
        monkeypatch.setattr("speechnet.sound.microphone.SILENT", 0.05)
        return device

    return plug


def heard(microphone: Microphone) -> Iterator[np.ndarray]:
    """Until nothing comes any more."""
    with pytest.raises(SpeechnetError, match=r"nothing came .* plugged in"):
        yield from microphone


def test_a_microphone_gives_its_sound_in_order_and_counts_what_got_lost(plugged: Any) -> None:
    wave = np.arange(5_000, dtype=np.float32) / 5_000
    device = plugged(wave)
    microphone = Microphone()
    np.testing.assert_array_equal(np.concatenate(list(heard(microphone))), wave)
    assert microphone.lost == 1
    assert device.closed == 1


def test_who_reads_too_late_is_told_how_much_got_lost(
    plugged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone, "LONGEST", 0.3)
    plugged(np.zeros(16_000, np.float32))
    late = Microphone()
    with late:
        chunks = heard(late)
        assert len(next(chunks)) == 480
        assert late.lost == 1  # as the device says of its first chunk
        late._take(np.zeros((480, 1)), 480, None, "")  # there is room again
        assert sum(map(len, chunks)) == 10 * 480
        assert late.lost == 1 + 24


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_another_rate_is_resampled_and_channels_are_mixed(plugged: Any, rate: int) -> None:
    wave = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    plugged(wave, rate, 2)
    found = np.concatenate(list(heard(Microphone())))
    expected = np.sin(2 * np.pi * 440 * np.arange(len(found)) / 16_000)
    assert len(found) > 15_000
    np.testing.assert_allclose(found[200:-200], expected[200:-200], atol=0.01)


def test_a_device_that_is_not_there_is_one_sentence_with_those_that_are(plugged: Any) -> None:
    plugged(np.zeros(10))
    with pytest.raises(SpeechnetError, match="microphone none cannot be opened") as error:
        list(Microphone("none"))
    assert "with --device, 1 Desk mic" in str(error.value)
    assert "\n" not in str(error.value)


def test_without_any_device_it_is_said_to_plug_one_in(plugged: Any) -> None:
    plugged(np.zeros(10), 16_000, 0)
    with pytest.raises(SpeechnetError, match=r"there is no microphone .* plug one in"):
        list(Microphone())


def test_a_device_that_goes_away_is_told_after_what_it_gave(plugged: Any) -> None:
    plugged(np.zeros(1_000, np.float32)).goes_away = True
    found = []
    with pytest.raises(SpeechnetError, match="the microphone went away"):
        found.extend(len(chunk) for chunk in Microphone())
    assert found == [480, 480, 40]


def test_what_is_no_number_is_no_sound(plugged: Any) -> None:
    plugged(np.full(1_000, np.nan, np.float32))
    with pytest.raises(SpeechnetError, match="NaN"):
        list(Microphone())


def test_a_microphone_that_is_closed_ends_and_opens_again(plugged: Any) -> None:
    device = plugged(np.zeros(1_000, np.float32))
    once = Microphone(device="1")
    assert once.device == 1
    for closed in (1, 2):
        for _ in once:
            once.close()
        assert device.closed == closed


def test_without_sounddevice_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(SpeechnetError, match=r"pip install 'convsuite\[mic\]'"):
        list(Microphone())


def test_without_portaudio_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(SpeechnetError, match="libportaudio2"):
        list(Microphone())


def test_record_writes_clips_beside_those_that_are_there(
    plugged: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugged(session(pause=1.0))
    command = ["record", "Yes", "-o", str(tmp_path), "--clips", "3", "--speaker", "ann_a"]
    assert main(command) == 0
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'yes'}: 3 clips\n"
    assert "3 of 3" in told.err
    assert "sound got lost 1 time:" in told.err
    (tmp_path / "yes" / "ann_a_nohash_1.wav").unlink()
    (tmp_path / "yes" / "ann_a_nohash_7.flac").touch()
    (tmp_path / "yes" / "joann_a_nohash_9.wav").touch()
    assert main(command) == 0
    (tmp_path / "yes" / "ann_a_nohash_7.flac").unlink()
    (tmp_path / "yes" / "joann_a_nohash_9.wav").unlink()
    names = sorted(path.name for path in (tmp_path / "yes").iterdir())
    assert names == [f"ann_a_nohash_{number}.wav" for number in (0, 10, 2, 8, 9)]
    assert from_path(f"yes/{names[0]}").speaker == "ann_a"
    info = soundfile.info(tmp_path / "yes" / names[0])
    assert (info.samplerate, info.subtype) == (16_000, "PCM_16")


@pytest.mark.parametrize(
    ("word", "folder", "told"),
    [
        ("7", "seven", 'say "seven"'),
        ("unknown", "unknown", "other words"),
        ("turn on", "turn on", ""),
    ],
)
def test_what_is_said_goes_into_the_folder_of_its_label(
    plugged: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    word: str, folder: str, told: str,
) -> None:  # fmt: skip
    plugged(session())
    assert main(["record", word, "-o", str(tmp_path), "--clips", "5"]) == 0
    assert told in capsys.readouterr().err
    clips = read_clips(tmp_path, cache=tmp_path / "cache").clips
    assert {(clip.word, clip.speaker) for clip in clips} == {(folder, "me")}
    assert len(clips) == 5


def test_silence_is_recorded_whole(plugged: Any, tmp_path: Path) -> None:
    plugged(np.concatenate([np.zeros(40_000, np.float32), session()]))
    assert main(["record", "Silence", "-o", str(tmp_path), "--clips", "2"]) == 0
    seconds = [soundfile.info(path).duration for path in (tmp_path / "silence").iterdir()]
    assert seconds == [2, 2]


def test_ctrl_c_ends_it_and_what_there_is_stays(
    plugged: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    device, write = plugged(session()), writing.write

    def interrupted(path: Path, samples: np.ndarray) -> None:
        if path.name == "me_nohash_2.wav":
            raise KeyboardInterrupt
        write(path, samples)

    monkeypatch.setattr(writing, "write", interrupted)
    assert main(["record", "yes", "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'yes'}: 2 clips\n"
    assert len(list((tmp_path / "yes").iterdir())) == 2
    assert device.closed == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_meter_count_and_what_is_wrong(
    plugged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loud = np.clip(20 * said("seven.wav"), -1, 1).astype(np.float32)
    zeros = np.zeros(60_000, np.float32)
    plugged(np.concatenate([session(), loud, zeros]))
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert main(["record", "yes", "-o", str(tmp_path)]) == 1  # the device gives no more
    shown = terminal.getvalue()
    assert "5 of 20: " in shown
    assert shown.count("not kept, clipped") == 1
    assert shown.count("is the microphone muted") == 1
    meters = [one for one in shown.replace("\n", "\r").split("\r") if one.startswith("[")]
    assert meters[-1].endswith("5 of 20\x1b[K")
    assert max(map(len, meters)) < 80


def test_a_file_is_whole_or_not_there_and_takes_no_others_place(
    tmp_path: Path,
) -> None:
    path = tmp_path / "yes" / "me_nohash_0.wav"
    writing.write(path, hiss(1, 0.1))
    before = path.read_bytes()
    with pytest.raises(SpeechnetError, match=r"cannot write .*: File exists"):
        writing.write(path, hiss(1, 0.2))
    assert path.read_bytes() == before


def test_a_file_that_the_disk_does_not_take_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda path, mode: Full(path, mode.replace("b", "")))
    with pytest.raises(SpeechnetError, match="No space left"):
        writing.write(tmp_path / "me_nohash_0.wav", hiss(1, 0.1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["../up", "", " ", ".hidden", "_x", "-x", "a/b", "a\\b", "a\nb"])
def test_a_word_that_is_no_name_of_a_folder_is_refused(
    word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", "-o", str(tmp_path), "--", word]) == 1
    assert "is no name of a word" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_words_of_any_script_are_names() -> None:
    for word in ("größe", "हाँ", "开灯", "می‌خواهم", "don't"):
        assert writing.name(word, "word") == word
    assert writing.name("gro\u0308\u00dfe", "word") == "größe"
