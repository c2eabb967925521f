"""The lecture's CNN, its files, and the network that ships."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

import common
from common import PICTURE, TrainConfig, check, checkpoint, mnist, warp
from common.cli import main
from common.conv import conv
from common.errors import CommonError
from common.images import summary
from common.warp import Warp

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data" / "images" / "mnist"
SAMPLES = ROOT / "data" / "digits"


def write_mnist(folder: Path, count: int = 6000, *, packed: bool = True) -> Path:
    """Four IDX files of made digits: as many bright rows as the label says."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for part, amount in (("train", count), ("t10k", 100)):
        labels = rng.integers(0, 10, amount).astype(np.uint8)
        shown = np.zeros((amount, 28, 28), np.uint8)
        for picture, label in zip(shown, labels, strict=True):
            picture[4 : 4 + 2 * (label + 1), 6:22] = 255
        head = (2051).to_bytes(4, "big") + b"".join(n.to_bytes(4, "big") for n in shown.shape)
        files = {
            f"{part}-images-idx3-ubyte": head + shown.tobytes(),
            f"{part}-labels-idx1-ubyte": (2049).to_bytes(4, "big")
            + amount.to_bytes(4, "big")
            + labels.tobytes(),
        }
        for name, data in files.items():
            path = folder / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(data) if packed else data)
    return folder


def test_the_lecture_s_network_has_its_shapes_and_parameters() -> None:
    rows = [row for row in summary(common.ImageCNN()) if row.parameters or row.kind == "MaxPool2d"]
    assert [row.shape for row in rows] == [
        (25, 26, 26), (25, 13, 13), (50, 11, 11), (50, 5, 5), (100,), (10,),
    ]  # fmt: skip
    assert [row.weights for row in rows] == [9, 0, 225, 0, 1250, 100]
    assert sum(row.parameters for row in rows) == 137_660


def test_a_colour_network_has_filters_of_27_weights() -> None:
    rows = summary(common.ImageCNN(channels=3))
    assert rows[0].weights == 27
    assert sum(row.parameters for row in rows) == 137_660 + 25 * 18


@pytest.mark.parametrize("channels", [1, 3])
def test_it_keeps_to_what_a_picture_allows(channels: int) -> None:
    network = common.ImageCNN(channels=channels)
    evidence = check(network, PICTURE, torch.zeros(1, channels, 28, 28))
    assert len(evidence) == 8  # two convolutions and two pools, along two axes


@pytest.mark.parametrize(
    ("stride", "expected"),
    [
        # 1a + 2b + 3c + 4d over each 2x2 window of 0 .. 15 in rows of four
        (1, [[34, 44, 54], [74, 84, 94], [114, 124, 134]]),
        (2, [[34, 54], [114, 134]]),
    ],
)
def test_a_filter_by_hand_with_stride(stride: int, expected: list[list[int]]) -> None:
    layer = conv(PICTURE, 1, 1, 2, stride=stride, padding=0, bias=False)
    with torch.no_grad():
        layer.weight[0, 0] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    picture = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert layer(picture)[0, 0].tolist() == expected


def test_a_padded_filter_by_hand_with_stride_2() -> None:
    layer = conv(PICTURE, 1, 1, 3, stride=2, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1)
    picture = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert layer(picture)[0, 0].tolist() == [[10, 24], [51, 90]]


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_are_read(tmp_path: Path, packed: bool) -> None:
    known, test = mnist.read(write_mnist(tmp_path, 50, packed=packed))
    assert known.pictures.shape == (50, 28, 28)
    assert len(test) == 100
    assert known.pictures[0].sum() == 255 * 16 * 2 * (known.labels[0] + 1)


def test_damaged_and_missing_idx_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(CommonError, match="no train-images-idx3-ubyte"):
        mnist.read(tmp_path)
    write_mnist(tmp_path, 50, packed=False)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CommonError, match="damaged"):
        mnist.read(tmp_path)
    path.write_bytes(b"\x1f\x8b damaged gzip")
    with pytest.raises(CommonError, match="cannot read"):
        mnist.read(tmp_path)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_the_network_that_ships_reads_mnist_s_test_digits() -> None:
    _, test = mnist.read(SHARED)
    network = mnist.load()
    assert mnist.accuracy(network, test)["accuracy"] > 0.993


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.png")), ids=lambda path: path.stem)
def test_the_samples_are_read(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mnist", "classify", str(path), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    assert names[int(row["digit"])] == path.stem.split("-")[0]
    assert 0.5 < row["probability"] <= 1


def test_a_batch_goes_on_after_a_bad_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "a.png"
    bad.write_text("no picture")
    empty = tmp_path / "b.png"
    Image.new("RGB", (50, 50), "white").save(empty)
    good = sorted(SAMPLES.glob("*.png"))[0]
    assert main(["mnist", "classify", str(tmp_path), str(good), "--json"]) == 1
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert ["error" in row for row in rows] == [True, True, False]
    assert "is not a picture" in rows[0]["error"]
    assert rows[1]["error"].startswith(f"{empty}: there is no digit")
    assert len(captured.err.splitlines()) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_answer_that_cannot_be_written_is_one_sentence() -> None:
    good = sorted(SAMPLES.glob("*.png"))[0]
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "common", "mnist", "classify", good], stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert run.returncode == 1
    assert run.stderr == "common: cannot read or write the output: No space left on device\n"


def test_classifying_does_not_import_torch() -> None:
    code = "import sys, common.cli as c; sys.exit(c.main(sys.argv[1:]) or 'torch' in sys.modules)"
    good = sorted(SAMPLES.glob("*.png"))[0]
    run = subprocess.run([sys.executable, "-c", code, "mnist", "classify", good], check=False)
    assert run.returncode == 0


def test_training_learns_saves_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_mnist(tmp_path / "data")
    command = ["mnist", "train", "--data", str(data), "-o", str(tmp_path / "run"), "--steps", "60"]
    assert main(command) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["test"] > 0.8
    assert main(command) == 0  # it goes on where it was: at its end
    assert json.loads(capsys.readouterr().out) == row
    network = common.ImageCNN.load(tmp_path / "run" / "digits.safetensors")
    assert network.labels == tuple("0123456789")
    other = write_mnist(tmp_path / "other", 6001)
    assert main([*command[:3], str(other), *command[4:]]) == 1
    assert "(not the same: digits, labels)" in capsys.readouterr().err


def test_digits_that_leave_nothing_to_learn_from_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_mnist(tmp_path / "data", 3000)
    assert main(["mnist", "train", "--data", str(data), "-o", str(tmp_path / "run")]) == 1
    assert "5,000 digits are for validation: give more than those, not" in capsys.readouterr().err


def test_of_all_states_the_best_is_exported(tmp_path: Path) -> None:
    known, test = mnist.read(write_mnist(tmp_path, 5200))
    recipe = mnist.Recipe(
        train=TrainConfig(steps=4, peak_rate=1e-3, ema=0.0, validate_every=1, best="accuracy")
    )
    result = mnist.train(recipe, known, tmp_path / "run")
    found = checkpoint.latest(tmp_path / "run" / "best")
    assert found is not None
    found.weights["classifier.3.bias"] += 1
    checkpoint.save(tmp_path / "run" / "best", found)
    facts = mnist.finish(result, known, test, recipe, tmp_path / "run")
    network = common.ImageCNN.load(tmp_path / "run" / "digits.safetensors")
    assert torch.equal(network.classifier[3].bias, found.weights["classifier.3.bias"])
    assert facts["step"] == found.step


def test_training_stopped_by_ctrl_c_goes_on(tmp_path: Path) -> None:
    data = write_mnist(tmp_path / "data")
    command = [sys.executable, "-m", "common", "mnist", "train", "--data", str(data), "-o",
               str(tmp_path / "run"), "--steps", "100000"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in said
    assert list((tmp_path / "run").glob("step-*"))


def test_batches_are_a_function_of_their_number(tmp_path: Path) -> None:
    known, _ = mnist.read(write_mnist(tmp_path, 50))
    recipe = mnist.Recipe.default(100)
    one, again = (mnist.batch(known, recipe, 2000) for _ in range(2))
    assert torch.equal(one["pictures"], again["pictures"])
    assert not torch.equal(one["pictures"], mnist.batch(known, recipe, 2001)["pictures"])
    assert one["pictures"].min() >= 0
    assert one["pictures"].max() <= 1


def test_a_warp_of_nothing_changes_nothing() -> None:
    rng = torch.Generator().manual_seed(0)
    pictures = torch.rand(3, 1, 28, 28, generator=rng)
    torch.testing.assert_close(warp.warped(pictures, Warp(), rng), pictures, atol=1e-5, rtol=0)


def test_a_shift_moves_by_what_it_says() -> None:
    picture = torch.zeros(200, 1, 20, 20)
    picture[:, :, 10, 10] = 1
    moved = warp.warped(picture, Warp(shift=0.1), torch.Generator().manual_seed(0))
    heavy = moved.sum((1, 2)) @ torch.arange(20.0) / moved.sum((1, 2, 3))
    assert 1.5 < (heavy - 10).abs().max() <= 2.01


def test_a_brush_makes_strokes_wider_and_thinner() -> None:
    rng = torch.Generator().manual_seed(0)
    stroke = functional.pad(torch.ones(100, 1, 28, 4), (12, 12))
    ink = warp.brushed(stroke, rng).sum((1, 2, 3)) / stroke[0].sum()
    assert ink.min() < 0.7
    assert ink.max() > 1.3
