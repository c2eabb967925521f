"""Listening to pipes: nothing is lost, what is no sound is told, and stopping has its status."""

import asyncio
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from speechnet.cli import main
from speechnet.errors import SpeechnetError
from speechnet.hearing.detector import Detector
from speechnet.hearing.events import Event
from speechnet.hearing.listening import Commands, listen, listen_async
from speechnet.sound import audio
from speechnet.sound.pcm import pcm

CLIPS = Path(__file__).parents[2] / "data" / "clips"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load()


def words() -> np.ndarray:
    names = ("yes.wav", "stop.wav", "left.ogg")
    quiet = np.zeros(12_000, np.float32)
    parts = [part for name in names for part in (quiet, audio.read(CLIPS / name).samples)]
    return np.concatenate([*parts, quiet])


def as_bytes(samples: np.ndarray) -> bytes:
    return np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2").tobytes()


class Dribble(io.RawIOBase):
    """A pipe that gives few bytes at a time, odd numbers of them, too."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = data, size

    def read1(self, most: int = -1) -> bytes:
        part, self.data = self.data[: self.size], self.data[self.size :]
        return part


def chunks(samples: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


@pytest.mark.parametrize("size", [1, 333, 8191, 100_000])
def test_samples_come_through_a_pipe_whole_whatever_its_pieces(size: int) -> None:
    sound = np.random.default_rng(0).integers(-9000, 9000, 6_000).astype("<i2")
    found = np.concatenate(list(pcm(Dribble(sound.tobytes() + b"x", size))))  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, sound.astype(np.float32) / 32768)


@pytest.mark.parametrize(
    ("encoding", "kind"), [("s16le", "<i2"), ("s32le", "<i4"), ("f32le", "<f4")]
)
def test_encodings_rates_and_channels_come_to_the_same_sound(encoding: str, kind: str) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 500 * np.arange(48_000) / 48_000)
    both = np.stack([tone, 0 * tone], axis=1)
    scale = 1 if kind == "<f4" else 2 ** (8 * np.dtype(kind).itemsize - 1) - 1
    data = (both * scale).astype(kind).tobytes()
    found = np.concatenate(list(pcm(io.BytesIO(data), rate=48_000, channels=2, encoding=encoding)))
    assert len(found) == pytest.approx(16_000, abs=2)
    expected = 0.25 * np.sin(2 * np.pi * 500 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(found[400:15_600], expected[400:15_600], atol=1e-3)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "nothing came"),
        ((CLIPS / "yes.wav").read_bytes(), "file with a header"),
        ((CLIPS / "no.flac").read_bytes(), "file with a header"),
        ("Guten Morgen, schöne Welt! ".encode() * 900, "is text"),
        (np.random.default_rng(0).bytes(20_000), "as random as"),
        (b"\x89PNG" + bytes(200), "a picture"),
        ((CLIPS / "go.mp3").read_bytes(), "is MP3"),
        ((b"\xff\xf1\x50\x80\x2e\x7f\xfc" + bytes(364)) * 5, "is raw AAC"),
        ("Guten Morgen".encode("utf-16"), "is text"),
    ],
)
def test_what_is_no_bare_sound_is_told(data: bytes, told: str) -> None:
    with pytest.raises(SpeechnetError, match=told):
        list(pcm(io.BytesIO(data)))


@pytest.mark.parametrize("first", [b"\xff\xfb", b"\xff\xf3", b"\xff\xfb\x90\xc4"])
def test_what_begins_like_mp3_may_be_a_sound(first: bytes) -> None:
    assert sum(map(len, pcm(io.BytesIO(first * (20_000 // len(first)))))) == 10_000


@pytest.mark.parametrize("first", [b"\xff\xfe", b"\xff\xf1", b"\xff\xf9", b"\x1f\x8b"])
def test_two_bytes_that_other_files_begin_with_are_a_sample_like_any(first: bytes) -> None:
    hiss = as_bytes(0.03 * np.random.default_rng(0).standard_normal(16_000))
    assert sum(map(len, pcm(io.BytesIO(first + hiss[2:])))) == 16_000


def test_loud_noise_is_a_sound_all_the_same() -> None:
    hiss = as_bytes(0.3 * np.random.default_rng(0).standard_normal(16_000))
    assert sum(map(len, pcm(io.BytesIO(hiss)))) == 16_000


def test_a_stream_gives_the_events_of_the_file(detector: Detector) -> None:
    sound = words()
    expected = list(detector.detect(sound))
    assert [event.word for event in expected] == ["yes", "stop", "left"]
    assert list(listen(chunks(sound, 480), detector)) == expected


def test_asyncio_gets_the_same_events_from_either_kind_of_iterator(detector: Detector) -> None:
    sound = words()

    async def slowly() -> AsyncIterator[np.ndarray]:
        for chunk in chunks(sound, 4_000):
            await asyncio.sleep(0)
            yield chunk

    async def both() -> list[list[Event]]:
        return [
            [event async for event in listen_async(source, detector)]
            for source in (slowly(), chunks(sound, 4_000))
        ]

    expected = list(detector.detect(sound))
    assert asyncio.run(both()) == [expected, expected]


def test_commands_are_started_for_their_word_and_told_of_when_they_fail(tmp_path: Path) -> None:
    out = tmp_path / "out"
    commands = Commands(
        [f'echo "all $SPEECHNET_WORD $SPEECHNET_END" >> {out}', f"yes=echo one >> {out}",
         "stop=exit 3"],
        ("yes", "stop"),
    )  # fmt: skip
    commands.start(Event(0.5, 1.25, "yes", 0.9))
    assert ended(commands) == []
    assert sorted(out.read_text().splitlines()) == ["all yes 1.250", "one"]
    commands.start(Event(2, 2.5, "stop", 0.9))
    assert ended(commands) == ["the command 'exit 3' ended with status 3"]
    assert ended(commands) == []


def test_a_command_of_a_word_that_is_not_listened_for_is_refused() -> None:
    with pytest.raises(SpeechnetError, match="waits for stopp, which is not listened for"):
        Commands(["stopp=lamp off"], ("stop", "go"))
    with pytest.raises(SpeechnetError, match="env LAMP="):
        Commands(["LAMP=1 switch"], ("stop", "go"))
    Commands(["Stop=lamp off", "env LAMP=1 switch", "publish -m value=1"], ("stop", "go"))


def ended(commands: Commands) -> list[str]:
    """What is told when all have ended."""
    for _, process in commands._running:
        process.wait()
    return list(commands.failed())


def command(*arguments: str) -> subprocess.Popen[bytes]:
    run = [sys.executable, "-m", "speechnet", "listen", "-", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(run, stdin=pipe, stdout=pipe, stderr=pipe)


def test_listen_prints_each_event_as_it_comes_and_sums_up_at_the_end() -> None:
    process = command("--json", "--run", "stop=echo halt")
    assert process.stdin is not None
    assert process.stdout is not None
    sound = as_bytes(words())
    half = 2 * 48_000
    process.stdin.write(sound[:half])
    process.stdin.flush()
    first = json.loads(process.stdout.readline())  # before the rest is there
    assert first["word"] == "yes"
    assert set(first) == {"file", "start", "end", "word", "probability"}
    rest, told = process.communicate(sound[half:])
    assert process.returncode == 0
    lines = rest.decode().splitlines()
    assert "halt" in lines
    assert [json.loads(one)["word"] for one in lines if one.startswith("{")] == ["stop", "left"]
    assert b"3 events" in told
    assert b"of one core" in told


def test_nobody_waits_for_a_command_that_goes_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with command("--run", f"stop=cat {tmp_path / 'fifo'}") as process:
        assert process.stdin is not None
        process.stdin.write(as_bytes(words()))
        process.stdin.close()
        try:
            assert process.wait(60) == 0
        finally:
            (tmp_path / "fifo").write_text("")  # lets the command end


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_it_says_so_and_has_the_signals_status(number: int, status: int) -> None:
    process = command()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(as_bytes(words()))
    process.stdin.flush()
    assert b"yes" in process.stdout.readline()
    time.sleep(0.2)
    os.kill(process.pid, number)
    _, told = process.communicate()
    assert process.returncode == status
    assert signal.Signals(number).name.encode() in told
    assert b"Traceback" not in told


def test_garbage_ends_with_one_sentence_and_status_1() -> None:
    process = command()
    _, told = process.communicate(np.random.default_rng(1).bytes(100_000))
    assert process.returncode == 1
    assert told.decode().count("\n") == 1
    assert "as random as" in told.decode()


def test_detect_writes_each_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = str(CLIPS / "right-in-four-seconds.ogg")
    assert main(["detect", clip]) == 0
    assert "right" in capsys.readouterr().out
    assert main(["detect", clip, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["word"] == "right"
    assert row["file"] == clip
    assert 2 < row["start"] < row["end"] < 3.2
    assert main(["detect", clip, "--format", "webvtt"]) == 0
    assert capsys.readouterr().out.startswith("WEBVTT\n\n00:00:02.")
    folder = tmp_path / "labels"
    assert main(["detect", str(CLIPS), "--format", "audacity", "-o", str(folder)]) == 0
    told = (folder / "right-in-four-seconds.txt").read_text().split("\t")
    assert float(told[0]) == row["start"]
    assert told[2] == "right\n"
    assert (folder / "water.txt").read_text() == ""


def test_what_cannot_be_read_has_no_header(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["detect", str(tmp_path / "none.wav"), "--format", "webvtt"]) == 1
    assert capsys.readouterr().out == ""
    assert main(["detect", str(CLIPS / "water.ogg"), "--format", "webvtt"]) == 0
    assert capsys.readouterr().out == "WEBVTT\n\n"


def test_a_threshold_that_cannot_be_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(CLIPS / "yes.wav"), str(CLIPS / "no.flac")]
    assert main(["detect", *files, "--patience", "5000"]) == 1
    assert capsys.readouterr().err.count("a threshold is") == 1
    with pytest.raises(SystemExit) as caught:
        main(["detect", *files, "--threshold", "2"])
    assert caught.value.code == 2
    assert "2 is not above 0 and at most 1" in capsys.readouterr().err
    assert main(["detect", *files, "--threshold", "0.3", "--false-alarms-per-hour", "9"]) == 2
    assert main(["detect", *files, "--format", "webvtt"]) == 2


def test_labels_beside_a_recording_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(CLIPS / "yes.wav", tmp_path)
    labels = tmp_path / "yes.txt"
    labels.write_text("0.2\t0.7\tno\n")
    beside = ["detect", str(tmp_path), "--format", "audacity", "-o", str(tmp_path / "x" / "..")]
    (tmp_path / "x").mkdir()
    assert main(beside) == 1
    assert "may be the labels of" in capsys.readouterr().err
    assert labels.read_text() == "0.2\t0.7\tno\n"
    labels.unlink()
    assert main(beside) == 0
    assert labels.read_text().endswith("\tyes\n")


def test_two_recordings_of_one_name_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(CLIPS / "yes.wav", tmp_path / folder)
    files = [str(tmp_path / folder / "yes.wav") for folder in ("a", "b")]
    assert main(["detect", *files, "-o", str(tmp_path / "out")]) == 1
    assert "{} and of {} would both go into".format(*files) in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "yes.txt").mkdir()
    assert main(["detect", str(CLIPS / "yes.wav"), "-o", str(tmp_path)]) == 1
    assert "cannot write" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "yes.txt"]


def test_detect_goes_on_after_a_bad_file_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    (tmp_path / "empty").mkdir()
    files = [str(tmp_path / name) for name in ("bad.wav", "empty")] + [str(CLIPS / "yes.wav")]
    assert main(["detect", *files, "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["word"] == "yes"
    assert "bad.wav is no sound" in told.err
    assert "empty holds no sounds" in told.err


def test_detect_finds_only_the_words_asked_for_and_names_those_it_cannot(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["detect", str(CLIPS / "yes.wav"), "--words", "no"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["detect", str(CLIPS / "yes.wav"), "--words", "No, Yes"]) == 0
    assert "yes" in capsys.readouterr().out
    assert main(["detect", str(CLIPS / "yes.wav"), "--words", "banana"]) == 1
    assert "does not know banana" in capsys.readouterr().err


def test_a_rate_of_false_alarms_chooses_the_threshold(
    detector: Detector, capsys: pytest.CaptureFixture[str]
) -> None:
    assert detector.operating.at(10) >= detector.operating.at(100)
    assert main(["detect", str(CLIPS / "yes.wav"), "--false-alarms-per-hour", "20"]) == 0
    assert "yes" in capsys.readouterr().out
    assert main(["detect", str(CLIPS / "yes.wav"), "--false-alarms-per-hour", "0.001"]) == 1
    assert "too short" in capsys.readouterr().err
