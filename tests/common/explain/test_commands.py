"""The commands `python -m common explain ...`, each on the digits' network that ships."""

import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from common import explain, mnist
from common.cli import main
from common.errors import CommonError
from common.explain.models import grey, open_model

ROOT = Path(__file__).parents[3]
FIVE = str(ROOT / "data" / "digits" / "five.png")


@pytest.mark.parametrize(
    "arguments",
    [
        ["filters"],
        ["maps", FIVE, "--layer", "features.4"],
        ["maximize", "--layer", "features.3", "--target", "0", "--target", "7", "--steps", "5"],
        ["maximize", "--steps", "5", "--examples", str(ROOT / "data" / "digits")],
        ["saliency", FIVE, "--method", "integrated"],
        ["saliency", FIVE, "--method", "gradcam", "--target", "5"],
        ["occlusion", FIVE, "--patch", "5"],
        ["scores", FIVE],
        ["sanity", FIVE, "--method", "gradient"],
    ],
    ids=lambda arguments: " ".join(arguments[:1] + arguments[-2:]).replace(str(ROOT), ""),
)
def test_a_command_draws_a_picture_that_says_how_it_was_made(
    arguments: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    assert main(["explain", *arguments, "-o", str(out)]) == 0
    with Image.open(out) as image:
        assert min(image.size) > 200
        assert len(np.unique(np.asarray(image.convert("L")))) > 10
        about = json.loads(image.text["Description"])  # type: ignore[attr-defined]
    assert about["model"] == "digits"


def test_layers_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "layers"]) == 0
    assert "features.3               Conv2d             50 x 11 x 11" in capsys.readouterr().out


def test_scores_always_show_a_random_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "scores", FIVE, "-o", str(tmp_path / "out.png")]) == 0
    assert "random order" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["saliency", FIVE, "--target", "banana"], "no answer 'banana'"),
        (["saliency", FIVE, "--target", "10"], "they go from 0 to 9"),
        (["saliency", "missing.png"], "No such file"),
        (["maps", FIVE, "--layer", "classifier.1"], "no maps"),
        (["maps", FIVE, "--layer", "feature.4"], "did you mean 'features.4'"),
        (["filters", "--layer", "features.1"], "has no filters"),
        (["maximize", "--layer", "features.3", "--target", "50"], "no unit 50"),
        (["filters", "--model", "missing.safetensors"], "cannot read"),
        (["filters", "--labels", "names.txt"], "digits has its labels already"),
        (["maximize", "--layer", "features.3", "--target", "²"], "'²' is no unit"),
        (["saliency", FIVE, "--target", "²"], "no answer '²'"),
        (["saliency", FIVE, "--target=--5"], "no answer '--5'"),
    ],
)
def test_wrong_questions_get_a_sentence(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    assert main(["explain", *arguments, "-o", str(out)]) == 1
    assert told in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("tool", ["saliency", "sanity"])
def test_a_layer_that_a_method_has_no_use_for_is_wrong_usage(
    tool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["explain", tool, FIVE, "-o", str(tmp_path / "out.png")]
    assert main([*command, "--method", "gradient", "--layer", "features.3"]) == 2
    assert "--layer is for Grad-CAM" in capsys.readouterr().err
    assert main([*command, "--method", "gradcam", "--layer", "features.3"]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["occlusion", FIVE, "--layer", "features.3"],
        ["maximize", "--steps", "0"],
        ["occlusion", FIVE, "--patch", "0"],
        ["occlusion", FIVE, "--stride", "0"],
        ["saliency", FIVE, "--seed", "99999999999999999999"],
        ["dream", FIVE, "--size", "0"],
        ["style", FIVE, FIVE, "--size", "-4"],
    ],
)
def test_numbers_that_make_no_sense_are_wrong_usage(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["explain", *arguments, "-o", str(tmp_path / "out.png")])


def test_a_patch_of_nothing_is_refused() -> None:
    with pytest.raises(CommonError, match="patch is a number from 1"):
        explain.occlusion(mnist.load(), np.zeros((1, 1, 28, 28)), patch=0)


def test_examples_without_a_digit_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (50, 50), "white").save(tmp_path / "empty.png")
    never = Mock(side_effect=AssertionError("nothing is climbed for examples that there are not"))
    command = ["explain", "maximize", "--target", "5", "--steps", "2", "--examples", str(tmp_path),
               "-o", str(tmp_path / "out.jpg")]  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(explain, "maximize", never)
        assert main(command) == 1
    assert "no picture in" in capsys.readouterr().err
    shutil.copy(FIVE, tmp_path)
    assert main(command) == 0
    assert "left out: " + str(tmp_path / "empty.png") in capsys.readouterr().err


def test_help_does_not_import_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys, common.cli as c\n"
        "try: c.main(['explain', 'saliency', '--help'])\n"
        "except SystemExit: sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_maximised_digits_are_read_as_such() -> None:
    subject = open_model("digits")
    found = explain.maximize(subject.network, grey(subject), how=explain.DIGITS)
    with torch.no_grad():
        chances = mnist.load()(torch.from_numpy(found)).softmax(1)
    assert chances.argmax(1).tolist() == list(range(10))
    assert float(chances.diagonal().min()) > 0.99
