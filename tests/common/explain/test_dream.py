"""Deep Dream and style transfer: they climb, they end where they should, they repeat."""

import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from common import ImageCNN, explain, pictures, pretrained
from common.cli import main
from common.errors import CommonError
from common.explain import Ascent, Dreaming, Styling, hooks
from common.explain.style import gram, vgg_layers

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data" / "images"
SQUEEZENET = SHARED / "weights" / "squeezenet1_1_fp16.npz"
VGG = SHARED / "weights" / "vgg19_small16x_conv5_1_fp16.npz"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")

Floats = NDArray[np.float32]
RNG = np.random.default_rng(0)
PHOTO = RNG.random((1, 3, 24, 20), np.float32)


@pytest.fixture
def trunk() -> nn.Module:
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU()
    )
    rng = torch.Generator().manual_seed(0)
    for values in model.parameters():
        nn.init.normal_(values, std=0.3, generator=rng)
    return model


def power(model: nn.Module, picture: Floats, layer: str, channel: int | None = None) -> float:
    maps = explain.feature_maps(model, picture, layer)
    return float((maps**2).mean() if channel is None else maps[:, channel].mean())


def test_a_dream_makes_more_of_what_the_layer_sees(trunk: nn.Module) -> None:
    found = explain.dream(trunk, PHOTO, layer="4", how=Dreaming(octaves=2, steps=5))
    assert found.shape == PHOTO.shape
    assert found.min() >= 0
    assert found.max() <= 1
    assert power(trunk, found, "4") > 1.2 * power(trunk, PHOTO, "4")


def test_a_dream_of_one_channel_makes_more_of_it(trunk: nn.Module) -> None:
    found = explain.dream(trunk, PHOTO, 2, layer="3", how=Dreaming(octaves=1, steps=5))
    assert power(trunk, found, "3", 2) > power(trunk, PHOTO, "3", 2) + 0.1


def test_a_guided_dream_becomes_like_its_guide(trunk: nn.Module) -> None:
    guide = np.zeros((1, 3, 16, 16), np.float32)
    guide[:, 0, ::2] = 1
    found = explain.dream(trunk, PHOTO, layer="4", guide=guide, how=Dreaming(octaves=1, steps=8))
    wanted = explain.feature_maps(trunk, guide, "4")[0].reshape(8, -1)

    def likeness(picture: Floats) -> float:
        own = explain.feature_maps(trunk, picture, "4")[0].reshape(8, -1)
        return float((own.T @ wanted).max(1).mean())

    assert likeness(found) > likeness(PHOTO)


def test_the_same_seed_dreams_the_same(trunk: nn.Module) -> None:
    def made(seed: int) -> Floats:
        rng = torch.Generator().manual_seed(seed)
        return explain.dream(trunk, PHOTO, layer="4", how=Dreaming(octaves=2, steps=2), rng=rng)

    np.testing.assert_array_equal(made(1), made(1))
    assert not np.array_equal(made(1), made(2))


def test_octaves_too_small_for_the_network_are_left_out(
    trunk: nn.Module, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[int, int]] = []
    with caplog.at_level(logging.WARNING):
        explain.dream(
            trunk, PHOTO, layer="4", how=Dreaming(octaves=9, scale=2, steps=1),
            progress=lambda done, total: told.append((done, total)),
        )  # fmt: skip
    assert "too small for the network" in caplog.text
    assert told[-1] == (len(told), len(told))
    assert len(told) < 9


def test_a_film_comes_nearer(trunk: nn.Module) -> None:
    how = Dreaming(octaves=1, steps=1, rate=1e-6, jitter=0)
    spot = np.zeros((1, 3, 21, 21), np.float32)
    spot[:, :, 8:13, 8:13] = 1
    frames = list(explain.zoom(trunk, spot, layer="4", frames=3, closer=1.5, how=how))
    assert [frame.shape for frame in frames] == [spot.shape] * 3
    sizes = [float((frame > 0.5).mean()) for frame in frames]
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"layer": "9"}, "no layer '9'"),
        ({"layer": "3", "target": 8}, "they go from 0 to 7"),
        ({"layer": "3", "target": 1, "guide": PHOTO}, "not both"),
    ],
)
def test_what_cannot_be_dreamt_is_told(
    options: dict[str, object], told: str, trunk: nn.Module
) -> None:
    with pytest.raises(CommonError, match=told):
        explain.dream(trunk, PHOTO, **options)  # type: ignore[arg-type]


def test_a_gram_matrix_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0]], [[0.0, 4.0]]]])  # two filters over two places
    assert gram(maps).tolist() == [[[2.5, 4.0], [4.0, 8.0]]]


def test_layers_of_a_vgg_are_found_by_its_blocks(trunk: nn.Module) -> None:
    assert vgg_layers(trunk) == (["1", "4"], "4")


def manner(model: nn.Module, picture: Floats) -> dict[str, torch.Tensor]:
    with torch.no_grad(), hooks.recording(model, ["1", "4"]) as outputs:
        model(torch.from_numpy(picture))
    return {name: gram(maps) for name, maps in outputs.items()}


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_manner_comes_nearer_to_the_style_s(optimizer: str, trunk: nn.Module) -> None:
    painting = np.zeros((1, 3, 18, 30), np.float32)
    painting[:, 0, :, ::3] = 1
    how = Styling(scales=2, steps=40, optimizer=optimizer, smooth=0.0)  # type: ignore[arg-type]
    losses: list[float] = []
    found = explain.style(
        trunk, PHOTO, painting, how=how, watch=lambda done, total, loss, draw: losses.append(loss)
    )
    assert found.shape == PHOTO.shape
    wanted, before, after = (manner(trunk, one) for one in (painting, PHOTO, found))
    for name in wanted:
        gap = [float((one[name] - wanted[name]).pow(2).sum()) for one in (before, after)]
        assert gap[1] < 0.5 * gap[0]
    assert len(losses) == sum(how.plan())


def test_colours_can_be_kept(trunk: nn.Module) -> None:
    how = Styling(scales=1, steps=10, colours="content")
    found = explain.style(trunk, PHOTO * 0.4 + 0.3, RNG.random((1, 3, 9, 9)), how=how)
    colours = np.array([[-0.14713, -0.28886, 0.436], [0.615, -0.51499, -0.10001]])
    own, made = (np.einsum("dc,bcxy->bdxy", colours, one) for one in (PHOTO * 0.4 + 0.3, found))
    inside = ((found > 0) & (found < 1)).all(1)[0]
    assert inside.mean() > 0.5
    np.testing.assert_allclose(made[0][:, inside], own[0][:, inside], atol=1e-4)


@pytest.mark.parametrize(("content", "painting"), [(20, 40), (40, 20)])
def test_scales_too_small_for_the_network_are_left_out(
    content: int, painting: int, trunk: nn.Module, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = [RNG.random((1, 3, side, side), np.float32) for side in (content, painting)]
    steps: list[int] = []
    with caplog.at_level(logging.WARNING):
        found = explain.style(
            trunk, *pictures, how=Styling(scales=9, steps=3),
            watch=lambda done, total, loss, draw: steps.append(total),
        )  # fmt: skip
    assert found.shape == pictures[0].shape
    assert "too small for the network" in caplog.text
    assert set(steps) == {len(steps)}


@pytest.mark.parametrize(
    "make",
    [
        lambda x: Dreaming(rate=x), lambda x: Dreaming(scale=x), lambda x: Styling(rate=x),
        lambda x: Styling(content=x), lambda x: Styling(smooth=x), lambda x: Ascent(rate=x),
        lambda x: Ascent(l1=x), lambda x: Ascent(span=(0, x)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_finite_number_is_refused(make: Callable[[float], object], value: float) -> None:
    with pytest.raises(CommonError):
        make(value)


def test_styles_without_fitting_weights_are_refused(trunk: nn.Module) -> None:
    with pytest.raises(CommonError, match="each of the 2 styles needs a weight"):
        explain.style(trunk, PHOTO, [PHOTO, PHOTO], weights=[1])
    with pytest.raises(CommonError, match="each of the 2 styles needs a weight"):
        explain.style(trunk, PHOTO, [PHOTO, PHOTO], weights=[1, math.inf])
    with pytest.raises(CommonError, match="one colour picture each"):
        explain.style(trunk, PHOTO[:, :1], PHOTO)


@needs_shared
def test_squeezenet_dreams() -> None:
    model = pretrained.squeezenet(SQUEEZENET)
    image = pictures.fitted(pictures.read(SHARED / "photos" / "photo_barn.jpg"), (96, 96))
    shown = pictures.array(image)[None]
    found = explain.dream(model, shown, layer="features.9", how=Dreaming(octaves=2, steps=4))
    assert power(model, found, "features.9") > 1.5 * power(model, shown, "features.9")


@needs_shared
def test_a_small_vgg_paints() -> None:
    model = pretrained.vgg19(VGG)
    photo, painting = (
        pictures.array(pictures.fitted(pictures.read(SHARED / "photos" / name), (96, 96)))[None]
        for name in ("photo_barn.jpg", "painting_starry_night_vangogh_1889.jpg")
    )
    losses: list[float] = []
    found = explain.style(
        model, photo, painting, how=Styling(scales=1, steps=40),
        watch=lambda done, total, loss, draw: losses.append(loss),
    )  # fmt: skip
    assert losses[-1] < losses[0] / 5
    assert np.abs(found - photo).mean() < np.abs(found - painting).mean()


@needs_shared
def test_ctrl_c_keeps_the_last_picture_and_says_so(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray((PHOTO[0].transpose(1, 2, 0) * 255).astype(np.uint8)).resize((96, 96)).save(
        photo
    )
    out = tmp_path / "out.png"
    command = [sys.executable, "-m", "common", "explain", "style", str(photo), str(photo),
               "--weights", str(VGG), "--steps", "100000", "-o", str(out)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 60
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"interrupted; {out} has the picture as it was" in said
    assert pictures.read(out).size == (96, 96)


@needs_shared
def test_a_film_is_a_folder_or_a_gif(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64), "orange").save(photo)
    command = ["explain", "dream", str(photo), "--weights", str(SQUEEZENET), "--steps", "1",
               "--octaves", "1", "--frames", "3"]  # fmt: skip
    assert main([*command, "-o", str(tmp_path / "film.gif")]) == 0
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 3  # type: ignore[attr-defined]
    assert main([*command, "-o", str(tmp_path / "frames")]) == 0
    assert len(list((tmp_path / "frames").iterdir())) == 3


def test_a_file_in_the_place_of_a_film_s_folder_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = ImageCNN(channels=3, size=32, rng=torch.Generator())
    network.save(tmp_path / "own")
    Image.new("RGB", (32, 32)).save(tmp_path / "photo.png")
    command = ["explain", "dream", str(tmp_path / "photo.png"), "--frames", "2",
               "--model", str(tmp_path / "own.safetensors"), "-o"]  # fmt: skip
    (tmp_path / "film").write_text("")
    assert main([*command, str(tmp_path / "film")]) == 1
    assert "cannot make the folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-o", "out.txt"], "end it in .png"),
        (["-o", "out.png", "--weights", "missing.npz"], "No such file"),
        (["-o", "out.png", "--model", "alexnet"], "there is no model 'alexnet'"),
    ],
)
def test_wrong_questions_get_a_sentence(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (32, 32)).save("photo.png")
    assert main(["explain", "dream", "photo.png", *arguments]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("size", [(1, 1), (1, 300)])
def test_a_picture_too_small_for_the_network_is_one_sentence(size: tuple[int, int]) -> None:
    network = pretrained.SqueezeNet().eval()
    small = np.zeros((1, 3, *size), np.float32)
    with pytest.raises(CommonError, match=r"cannot take an input of shape \[1, 3, 1, \d+\]: .+"):
        explain.dream(network, small, layer="features.12")
    with pytest.raises(CommonError, match=r"cannot take an input of shape \[1, 3, 1, \d+\]: .+"):
        explain.style(
            network, small, [small], style_layers=["features.3"], content_layer="features.4"
        )
