"""The shipped network answers, from the command and from Python."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile

import speechnet
from common.axes import SPEECH, check
from common.export import load_weights
from speechnet.cli import main
from speechnet.errors import SpeechnetError
from speechnet.hearing.classifier import Classifier
from speechnet.network import NetworkConfig, WordNetwork
from speechnet.sound import audio
from speechnet.sound.files import sound_files

CLIPS = Path(__file__).parents[2] / "data" / "clips"
WEIGHTS = Path(speechnet.__file__).parent / "weights"
EXPECTED = {
    "yes.wav": "yes",
    "no.flac": "no",
    "stop.wav": "stop",
    "left.ogg": "left",
    "go.mp3": "go",
    "up.flac": "up",
    "marvin.wav": "unknown",
    "right-in-four-seconds.ogg": "right",
    "seven.wav": "seven",
    "three.flac": "three",
    "water.ogg": "silence",
}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return speechnet.load()


@pytest.mark.parametrize("name", EXPECTED)
def test_the_samples_are_heard_right(classifier: Classifier, name: str) -> None:
    assert classifier.classify(CLIPS / name).word == EXPECTED[name]


def test_every_sample_is_among_them() -> None:
    assert {path.name for path in CLIPS.iterdir()} - {"README.md"} == set(EXPECTED)


def test_the_best_moment_of_a_longer_clip_is_answered_and_named(classifier: Classifier) -> None:
    answer = classifier.classify(CLIPS / "right-in-four-seconds.ogg")
    assert answer.start < 2.4 < answer.end
    assert answer.end - answer.start == pytest.approx(1)


def test_a_word_is_found_wherever_it_is_in_a_long_recording(classifier: Classifier) -> None:
    word = audio.read(CLIPS / "yes.wav").samples
    for start in (0, 20_000, 123_456):
        long = np.zeros(160_000, np.float32)
        long[start : start + len(word)] += word
        answer = classifier.classify(long)
        assert answer.word == "yes"
        assert answer.start * 16_000 == pytest.approx(start, abs=6_000)


def test_a_short_clip_is_the_word_with_quiet_around_it(classifier: Classifier) -> None:
    word = audio.read(CLIPS / "stop.wav").samples
    loud = np.flatnonzero(np.abs(word) > 0.05 * np.abs(word).max())
    answer = classifier.classify(word[max(0, loud[0] - 800) : loud[-1] + 800])
    assert answer.word == "stop"
    assert answer.end == answer.seconds < 1


@pytest.mark.parametrize("samples", [1, 100, 16_000, 100_000])
def test_silence_is_silence(classifier: Classifier, samples: int) -> None:
    assert classifier.classify(np.zeros(samples, np.float32)).word == "silence"


@pytest.mark.parametrize("level", [0.03, 0.3, 3.0])
def test_loudness_does_not_make_the_word(classifier: Classifier, level: float) -> None:
    word = np.clip(audio.read(CLIPS / "left.ogg").samples * level, -1, 1)
    assert classifier.classify(word.astype(np.float32)).word == "left"


@pytest.mark.parametrize(
    ("kind", "subtype", "rate"),
    [("WAV", "ULAW", 8_000), ("WAV", "GSM610", 8_000), ("MP3", "MPEG_LAYER_III", 16_000),
     ("OGG", "VORBIS", 44_100), ("WAV", "IMA_ADPCM", 16_000), ("WAV", "PCM_U8", 16_000)],
)  # fmt: skip
def test_the_code_does_not_make_the_word(
    classifier: Classifier, kind: str, subtype: str, rate: int
) -> None:
    import soxr

    for name in ("yes.wav", "left.ogg", "up.flac", "seven.wav"):
        wave = soxr.resample(audio.read(CLIPS / name).samples, 16_000, rate)
        out = io.BytesIO()
        soundfile.write(out, wave, rate, format=kind, subtype=subtype)
        assert classifier.classify(out.getvalue()).word == EXPECTED[name]


def test_probabilities_add_up_and_come_in_order(classifier: Classifier) -> None:
    answer = classifier.classify(CLIPS / "marvin.wav", top=22)
    chances = [guess.probability for guess in answer.guesses]
    assert sum(chances) == pytest.approx(1, abs=1e-5)
    assert chances == sorted(chances, reverse=True)
    assert {guess.word for guess in answer.guesses} == set(classifier.labels)


def test_the_same_clip_gets_the_same_answer(classifier: Classifier) -> None:
    one, other = (Classifier.load().classify(CLIPS / "go.mp3") for _ in range(2))
    assert one == other


def test_the_rule_holds_in_the_shipped_torch_network() -> None:
    weights, facts = load_weights(WEIGHTS / "words.safetensors")
    front = speechnet.load().front
    config = NetworkConfig(**facts["recipe"]["network"])
    network = WordNetwork(config, bands=front.bands, labels=facts["labels"])
    network.load_state_dict(weights)
    import torch

    planes = network.eval().frames.planes(torch.zeros(1, front.bands, 61))
    seen = check(network, SPEECH, planes)
    assert {window.kernel for window in seen if window.axis == "time"} == {1}


def test_the_rule_holds_in_the_shipped_onnx_files() -> None:
    """Every convolution's weight is [out, in, band, frame]: one frame, no step along time."""
    convolutions = 0
    for name in ("frames.onnx", "words.onnx"):
        graph = onnx.load(WEIGHTS / name).graph
        sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        for node in graph.node:
            assert "Pool" not in node.op_type or node.op_type.startswith("Global")
            if "Conv" not in node.op_type:
                continue
            convolutions += 1
            settings = {one.name: list(one.ints) for one in node.attribute}
            assert sizes[node.input[1]][3:] == (1,)
            assert settings["strides"][1] == settings["dilations"][1] == 1
            assert settings["pads"][1] == settings["pads"][3] == 0
    assert convolutions > 5


def test_the_model_says_how_it_was_made(classifier: Classifier) -> None:
    for fact in ("recipe", "data", "step", "hours", "labels", "calibration", "licence", "accuracy"):
        assert fact in classifier.facts
    assert {"yes", "nine", "unknown", "silence"} <= set(classifier.labels)


def test_the_command_prints_the_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", str(CLIPS / "yes.wav"), str(CLIPS / "left.ogg")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "yes.wav: yes" in lines[0]
    assert "left.ogg: left" in lines[1]


def test_json_has_the_fields_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "--json", str(CLIPS)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {Path(row["file"]).name: row["word"] for row in rows} == EXPECTED
    assert all(0 < row["probability"] <= 1 for row in rows)
    assert set(rows[0]["alternatives"][0]) == {"word", "probability"}


def test_a_batch_goes_on_after_a_bad_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    good = str(CLIPS / "yes.wav")
    (tmp_path / "empty").mkdir()
    missing = [str(tmp_path / name) for name in ("none.wav", "empty")]
    assert main(["classify", "--json", str(bad), *missing, good]) == 1
    told = capsys.readouterr()
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert ["error" in row for row in rows] == [True, True, True, False]
    assert len(told.err.splitlines()) == 3
    assert all(line.startswith("speechnet: ") for line in told.err.splitlines())


def test_a_folder_is_its_plain_sounds_hidden_ones_left_out_and_linked_folders_followed(
    tmp_path: Path,
) -> None:
    for name in ("in/yes/a.wav", "in/.Trash/b.wav", "out/c.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(CLIPS / "yes.wav", tmp_path / name)
    (tmp_path / "in" / "stop").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "d.wav").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in sound_files(tmp_path / "in")]
    assert found == ["in/stop/c.wav", "in/yes/a.wav"]


@pytest.mark.parametrize(
    ("source", "top", "told"),
    [([0.0] * 16_000, 3, "not list"), (None, 3, "not NoneType"), (np.zeros(9), 0, "at least 1")],
)
def test_what_is_no_sound_or_no_question_is_one_sentence(
    classifier: Classifier, source: Any, top: int, told: str
) -> None:
    with pytest.raises(SpeechnetError, match=told):
        classifier.classify(source, top=top)


def test_standard_input_is_a_clip() -> None:
    data = (CLIPS / "stop.wav").read_bytes()
    command = [sys.executable, "-m", "speechnet", "classify", "-"]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    assert b"stop" in done.stdout


def test_wrong_usage_is_status_2() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["classify"])
    assert caught.value.code == 2


def test_classifying_imports_none_of_the_slow_libraries() -> None:
    code = (
        "import sys, speechnet.cli as c\n"
        "status = c.main(['classify', sys.argv[1]])\n"
        "slow = {'torch', 'librosa', 'numba', 'scipy', 'onnx'} & set(sys.modules)\n"
        "sys.exit(status or bool(slow))"
    )
    run = [sys.executable, "-c", code, str(CLIPS / "yes.wav")]
    assert subprocess.run(run, capture_output=True, check=False).returncode == 0


def test_files_of_two_networks_are_not_mixed(classifier: Classifier) -> None:
    other = type(classifier.words)(classifier.words.run, {**classifier.words.facts, "run": "other"})
    with pytest.raises(speechnet.SpeechnetError, match="two networks"):
        Classifier(classifier.frames, other)


@pytest.mark.parametrize("what", ["classify", "detect"])
def test_a_full_disk_is_one_sentence(what: str) -> None:
    command = [sys.executable, "-m", "speechnet", what, str(CLIPS / "yes.wav")]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == "speechnet: cannot read or write the output: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize("closed", ["<&-", "2>&-"])
def test_a_stream_that_is_closed_is_an_empty_one(closed: str) -> None:
    command = f"{sys.executable} -m speechnet classify - {CLIPS / 'yes.wav'} {closed}"
    done = subprocess.run(
        command, shell=True, capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False
    )
    assert "yes.wav: yes" in done.stdout
    told = "" if closed == "2>&-" else "speechnet: standard input is empty\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.parametrize("what", ["classify", "detect", "explain"])
def test_a_decoder_that_speaks_for_itself_is_not_heard(what: str, tmp_path: Path) -> None:
    data = bytearray((CLIPS / "go.mp3").read_bytes())
    for place in range(1_500, len(data), 500):
        data[place] ^= 0x5A
    harmed = tmp_path / "harmed.mp3"
    harmed.write_bytes(data)
    command = [sys.executable, "-m", "speechnet", what, str(harmed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert all(line.startswith("speechnet: ") for line in done.stderr.splitlines())
