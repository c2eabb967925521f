"""From clips to a network of one's own, by the commands that the README names."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from common import checkpoint
from speechnet.cli import main
from speechnet.clips.words import Clip
from speechnet.errors import SpeechnetError
from speechnet.judging.evaluate import calibration_error
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.training.noise import Noise
from speechnet.training.train import STAGES, SYNTHETIC, Data, recipe, weights

TINY = """
words = ["high", "low"]
batch = 12
[front]
bands = 16
[network]
channels = [4, 6]
features = 8
hidden = 12
heads = 1
[augment]
speed = [0.98, 1.02]
warp = [0.99, 1.01]
mixup = 0.0
noise = 0.2
reverb = 0.0
tilt = 1.0
masks = 0
fragments = 0.0
[train]
steps = {steps}
peak_rate = 1e-2
ema = 0.9
precision = "fp32"
validate_every = 1000000
best = "balanced"
[spotter]
steps = 5
peak_rate = 1e-2
ema = 0.9
precision = "fp32"
"""


def tone(frequency: float, seed: int) -> np.ndarray:
    """A "word" of 0.4 s: harmonics that fade in and out."""
    rng = np.random.default_rng(seed)
    time = np.arange(6_400) / 16_000
    pitch = frequency * rng.uniform(0.95, 1.05)
    wave = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in (1, 2, 3))
    return 0.2 * wave * np.sin(np.pi * np.arange(6_400) / 6_400)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words that can be told apart by their pitch, by many speakers, and noise."""
    folder = tmp_path_factory.mktemp("sounds")
    for part, seeds in (("train", range(12)), ("val", range(50, 56))):
        for word, frequency in (("high", 900.0), ("low", 150.0), ("middle", 400.0)):
            (folder / part / word).mkdir(parents=True)
            for seed in seeds:
                path = folder / part / word / f"speaker{seed}_nohash_0.flac"
                soundfile.write(path, tone(frequency, seed), 16_000)
    (folder / "noise").mkdir()
    hiss = 0.05 * np.random.default_rng(0).standard_normal(16_000 * 12)
    soundfile.write(folder / "noise" / "hiss.flac", hiss, 16_000)
    return folder


def command(sounds: Path, tmp_path: Path, steps: int) -> list[str]:
    (tmp_path / "tiny.toml").write_text(TINY.format(steps=steps), encoding="utf-8")
    return [
        "train", str(sounds / "train"), "--validation", str(sounds / "val"),
        "--noise", str(sounds / "noise"), "--recipe", str(tmp_path / "tiny.toml"),
        "-o", str(tmp_path / "run"),
    ]  # fmt: skip


def test_clips_become_a_network_that_answers(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(sounds, tmp_path, 200)) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 205
    model = str(tmp_path / "model")
    export = ["export", str(tmp_path / "run"), "-o", model]
    assert main([*export, "--validation", str(sounds / "val"), "--test", str(sounds / "val")]) == 0
    capsys.readouterr()
    noise = ["--noise", str(sounds / "noise")]
    assert main(["evaluate", str(sounds / "val"), *noise, "--json", "--model", model]) == 0
    score, hiss = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert score["clips"] == 18
    assert score["balanced"] > 0.7
    assert set(score["recall"]) == {"high", "low", "unknown"}
    assert hiss["seconds"] == 12
    clip = next((sounds / "val" / "high").iterdir())
    assert main(["classify", str(clip), "--json", "--model", model]) == 0
    assert json.loads(capsys.readouterr().out)["word"] == "high"


def test_training_goes_on_where_it_was(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(sounds, tmp_path, 3)) == 0
    assert main(command(sounds, tmp_path, 3)) == 0  # nothing is left to do
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["step"] == 8


def test_the_spotter_learns_from_frames_that_stay_as_the_words_left_them(
    sounds: Path, tmp_path: Path
) -> None:
    assert main(command(sounds, tmp_path, 3)) == 0
    words, spotter = (checkpoint.latest(tmp_path / "run" / stage) for stage in STAGES)
    assert words is not None
    assert spotter is not None
    for name, value in words.ema.items():
        same = torch.equal(value, spotter.ema[name])
        assert same == (not name.startswith("network.spotter.")), name


def test_two_processes_go_through_both_stages(sounds: Path, tmp_path: Path) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    done = subprocess.run(
        [sys.executable, *launcher, "speechnet", *command(sounds, tmp_path, 2)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [checkpoint.latest(tmp_path / "run" / stage).step for stage in STAGES] == [2, 5]
    assert json.loads(done.stdout)["step"] == 7  # said once, by one of them


def test_a_word_without_clips_is_named(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command(sounds, tmp_path, 3), "--words", "high,banana"]) == 1
    assert "no clips of banana" in capsys.readouterr().err


def test_what_export_leaves_out_is_told(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = ["export", str(tmp_path / "run"), "-o", str(tmp_path / "model")]
    assert main([*export, "--noise", str(sounds / "noise")]) == 2
    assert "name them with --validation" in capsys.readouterr().err
    assert main(command(sounds, tmp_path, 2)) == 0
    shutil.copytree(sounds / "val", tmp_path / "test")
    (tmp_path / "test" / "high" / "bad.wav").write_bytes(b"no sound")
    assert main([*export, "--test", str(tmp_path / "test")]) == 0
    assert "test: 1 damaged (high/bad.wav: " in capsys.readouterr().err


def test_a_damaged_run_is_named(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(sounds, tmp_path, 2)) == 0
    (tmp_path / "run" / "run.json").write_text("{}")
    assert main(["export", str(tmp_path / "run"), "-o", str(tmp_path / "model")]) == 1
    assert "run.json is missing or damaged" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "run")
    assert main(["export", str(tmp_path / "run"), "-o", str(tmp_path / "model")]) == 1
    assert "no checkpoint" in capsys.readouterr().err


def clip(word: str, number: int) -> Clip:
    return Clip(f"{word}/{number}", word, str(number), np.zeros(10, np.int16), -20.0)


def test_a_class_is_shared_out_among_its_sources() -> None:
    one = [clip("yes", n) for n in range(4)] + [clip("other", 0)]
    two = [clip("yes", n) for n in range(100)]
    made = [clip("yes", n) for n in range(30)]
    data = Data([one, two], [made], [], Noise([]), [])
    clips, classes, share = weights(data, ("yes", UNKNOWN, SILENCE))
    assert len(clips) == 135
    yes = share * (classes == 0)
    assert yes[:5].sum() / yes[5:105].sum() == pytest.approx(2 / 10)
    assert yes[105:].sum() / yes.sum() == pytest.approx(SYNTHETIC)
    assert classes[4] == 1


def test_the_shipped_recipe_is_one() -> None:
    made = recipe("base")
    assert len(made.words) == 20
    assert made.labels[-2:] == (UNKNOWN, SILENCE)
    with pytest.raises(SpeechnetError, match="there is no recipe huge"):
        recipe("huge")


def test_the_calibration_error_is_that_of_a_case_counted_by_hand() -> None:
    # Two bins: 0.9 is right 3 of 4 times, 0.5 is right 1 of 2 times.
    probability = np.array([0.9, 0.9, 0.9, 0.9, 0.5, 0.5])
    right = np.array([True, True, True, False, True, False])
    assert calibration_error(probability, right) == pytest.approx((4 * 0.15 + 2 * 0.0) / 6)
