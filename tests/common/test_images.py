"""A person's own pictures: folders and arrays in, a network that answers out."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

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


def test_a_network_is_the_same_each_time_and_touches_nobody_s_random_numbers() -> None:
    before = torch.get_rng_state()
    one, other = (common.ImageCNN().state_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], other[name]) for name in one)


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


def test_a_dot_in_a_network_s_name_is_part_of_it(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    rng = torch.Generator().manual_seed(0)
    for version in ("v1.2", "v1.3.onnx"):
        common.ImageCNN(rng=rng).save(tmp_path / version)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["v1.2.onnx", "v1.2.safetensors", "v1.3.onnx", "v1.3.safetensors"]
    common.ImageCNN.load(tmp_path / "v1.2")
    common.ImageClassifier.load(tmp_path / "v1.3")
    assert torch.equal(torch.get_rng_state(), before)


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


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_part_beside_the_classes_is_none_of_them(tmp_path: Path, part: str) -> None:
    write_pictures(write_pictures(tmp_path / "own", 10) / part, 3)
    found = labelled.read(tmp_path / "own")
    assert found.labels == ("blue", "green", "red")
    assert len(getattr(found, part)) == 9


def test_of_few_pictures_few_are_held_back(tmp_path: Path) -> None:
    for count in range(5, 12):
        found = labelled.read(write_pictures(tmp_path / str(count), count))
        assert min(np.bincount(found.train.classes)) >= count - count // 5
        assert set(found.validation.classes) == {0, 1, 2}


def test_folders_that_are_no_class_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_pictures(tmp_path / "own", 6)
    write_pictures(tmp_path / "own" / "validation", 3)
    (tmp_path / "own" / "validation" / "red").rename(tmp_path / "own" / "validation" / "Red")
    assert len(labelled.read(tmp_path / "own").validation) == 6
    assert "validation/Red is none of the classes" in caplog.text
    for name in ("blue", "green"):
        shutil.rmtree(tmp_path / "own" / "validation" / name)
    with pytest.raises(CommonError, match=r"no picture to choose by .* called blue, green, red"):
        labelled.read(tmp_path / "own")


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


SHOWN, CLASSES = np.zeros((20, 8, 8, 3), np.uint8), np.arange(20) % 2
TOLD = {
    "there is no y_train": {"x_train": SHOWN},
    "y_train is not one whole number": {"x_train": SHOWN, "y_train": CLASSES[:9]},
    "one whole number for each of the 20": {"x_train": SHOWN, "y_train": np.eye(2)[CLASSES]},
    "a class below 0": {"x_train": SHOWN, "y_train": CLASSES - 1},
    "there is a class 999": {"x_train": SHOWN, "y_train": CLASSES * 999},
    "does not name all": {"x_train": SHOWN, "y_train": CLASSES, "classes": np.array(["cat"])},
    "1 or 3 channels": {"x_train": SHOWN[..., [0, 1, 2, 0]], "y_train": CLASSES},
    "another size": {
        "x_train": SHOWN, "y_train": CLASSES, "x_test": SHOWN[:, :4], "y_test": CLASSES,
    },
}  # fmt: skip


@pytest.mark.parametrize(("told", "arrays"), TOLD.items(), ids=TOLD.keys())
def test_arrays_that_do_not_fit_together_are_told(
    tmp_path: Path, told: str, arrays: dict[str, Any]
) -> None:
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(CommonError, match=told):
        labelled.read(tmp_path / "own.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_npz_is_told(tmp_path: Path, save: Any) -> None:
    path = tmp_path / "own.npz"
    save(path, x_train=SHOWN, y_train=CLASSES)
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:60] + bytes(40) + whole[100:]):
        path.write_bytes(data)
        with pytest.raises(CommonError, match=r"not an \.npz"):
            labelled.read(path)


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
    assert main([*command, "--not-mirrored"]) == 1
    assert "(not the same: mirrored)" in capsys.readouterr().err
    (tmp_path / "own" / "red").rename(tmp_path / "own" / "orange")
    assert main(command) == 1
    assert "(not the same: labels, pictures," in capsys.readouterr().err
    (tmp_path / "own" / "orange").rename(tmp_path / "own" / "red")
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


def test_a_device_that_is_not_there_is_told_before_pictures_are_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", "nowhere", "--device", "gpu"]) == 1
    assert "no device 'gpu'" in capsys.readouterr().err


def test_a_model_that_is_no_image_cnn_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    policy = ROOT / "boardnet" / "weights" / "policy.onnx"
    digit = ROOT / "data" / "digits" / "five.png"
    assert main(["classify", str(policy), str(digit)]) == 1
    assert "does not hold an image CNN" in capsys.readouterr().err
