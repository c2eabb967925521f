"""A person's own pictures: folders and arrays in, a network that answers out."""

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

import common
from common import PICTURE, check, image_training, labelled
from common.cli import main
from common.errors import CommonError

ROOT = Path(__file__).parents[2]
COLOURS = {"blue": (40, 60, 200), "green": (40, 180, 60), "red": (210, 50, 40)}


def write_pictures(top: Path, count: int = 30, size: tuple[int, int] = (40, 36)) -> Path:
    """Coloured noise, by the class's colour."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (top / name).mkdir(parents=True)
        for number in range(count):
            noise = rng.normal(0, 25, (size[1], size[0], 3)) + colour
            image = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
            image.save(top / name / f"{number:03d}.jpg")
    return top


def test_an_own_network_keeps_to_what_a_picture_allows() -> None:
    network = common.ImageCNN(
        ("a", "b"), channels=3, size=32, filters=((8, 8), (16,)), norm=True, average=True, hidden=0
    )
    assert check(network, PICTURE, torch.zeros(2, 3, 32, 32))
    assert network.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 2)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"size": 8}, "stages leave nothing"),
        ({"channels": 2}, "1 or 3 channels"),
        ({"labels": ("one",)}, "two classes"),
        ({"labels": ("one", "one")}, "all different"),
    ],
)
def test_networks_that_cannot_be_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(CommonError, match=told):
        common.ImageCNN(**options)  # type: ignore[arg-type]


def test_a_network_saved_is_the_same_when_loaded(tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    network = common.ImageCNN(("a", "b"), channels=3, size=(20, 30), rng=rng).eval()
    network.save(tmp_path / "own", {"hours": 1})
    again = common.ImageCNN.load(tmp_path / "own.safetensors")
    shown = torch.rand(2, 3, 20, 30, generator=rng)
    with torch.no_grad():
        assert torch.equal(again(shown), network(shown))
        expected = network(shown).softmax(1).numpy()
    classifier = common.ImageClassifier.load(tmp_path / "own.onnx")
    np.testing.assert_allclose(classifier.chances(shown.numpy()), expected, atol=1e-5)
    assert classifier.facts["hours"] == 1


def test_a_folder_is_split_the_same_way_every_time(tmp_path: Path) -> None:
    top = write_pictures(tmp_path / "own")
    one, again = (labelled.read(top) for _ in range(2))
    assert one.labels == ("blue", "green", "red")
    assert one.train.pictures.shape[1:] == (3, 32, 32)
    assert len(one.train) + len(one.validation) == 90
    assert set(one.validation.classes) == {0, 1, 2}
    assert not set(one.train.names) & set(one.validation.names)
    assert one.validation.names == again.validation.names
    assert len(one.test) == 0


def test_folders_that_are_split_already_stay_so(tmp_path: Path) -> None:
    for part, count in (("train", 10), ("val", 4), ("test", 3)):
        write_pictures(tmp_path / "own" / part, count)
    found = labelled.read(tmp_path / "own", size=48)
    assert [len(part) for part in (found.train, found.validation, found.test)] == [30, 12, 9]
    assert found.test.pictures.shape[1:] == (3, 48, 48)


def test_an_npz_is_read_as_keras_writes_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (40, 28, 28), np.uint8)
    path = tmp_path / "own.npz"
    classes = np.arange(40) % 4
    np.savez(path, x_train=grey, y_train=classes, x_test=grey[:8], y_test=classes[:8])
    found = labelled.read(path)
    assert found.labels == ("0", "1", "2", "3")
    assert found.train.pictures.shape[1:] == (3, 28, 28)
    assert len(found.test) == 8


def test_pictures_that_cannot_be_read_are_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    top = write_pictures(tmp_path / "own", 8)
    (top / "red" / "bad.jpg").write_text("no picture")
    found = labelled.read(top)
    assert len(found.train) + len(found.validation) == 24
    assert "bad.jpg" in caplog.text


def test_what_cannot_be_learnt_from_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommonError, match="no folder of CLASS"):
        labelled.read(tmp_path / "missing")
    (tmp_path / "own" / "one").mkdir(parents=True)
    with pytest.raises(CommonError, match="needs one for each class"):
        labelled.read(tmp_path / "own")
    write_pictures(tmp_path / "few", 2)
    with pytest.raises(CommonError, match="too few pictures"):
        labelled.read(tmp_path / "few")
    (tmp_path / "bad.npz").write_text("text")
    with pytest.raises(CommonError, match=r"not an \.npz"):
        labelled.read(tmp_path / "bad.npz")


def test_a_folder_is_learnt_exported_and_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image_training, "FILTERS", ((8,), (16,)))
    write_pictures(tmp_path / "own")
    command = ["train", "own", "-o", "run", "--steps", "30"]
    assert main(command) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["validation"]["accuracy"] > 0.8
    assert main(command) == 0  # goes on at its end
    assert json.loads(capsys.readouterr().out) == row
    assert main(["classify", "run/model.onnx", "own/red", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 30
    assert sum(row["label"] == "red" for row in rows) > 25


def test_training_stopped_by_ctrl_c_goes_on(tmp_path: Path) -> None:
    write_pictures(tmp_path / "own", 6)
    command = [sys.executable, "-m", "common", "train", str(tmp_path / "own"),
               "-o", str(tmp_path / "run"), "--steps", "100000"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in said


def test_a_model_that_is_no_image_cnn_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    policy = ROOT / "boardnet" / "weights" / "policy.onnx"
    digit = ROOT / "data" / "digits" / "five.png"
    assert main(["classify", str(policy), str(digit)]) == 1
    assert "does not hold an image CNN" in capsys.readouterr().err
