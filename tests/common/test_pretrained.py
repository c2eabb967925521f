"""Networks of photographs: their shapes, their files, and what they say of real photographs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from common import PICTURE, check, datasets, pictures, pretrained
from common.errors import CommonError

SHARED = Path(__file__).parents[3] / "shared" / "data" / "images"
WEIGHTS = SHARED / "weights"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")


def saved(folder: Path, network: torch.nn.Module, suffix: str) -> Path:
    path = folder / f"weights{suffix}"
    if suffix == ".npz":
        np.savez(path, **{name: value.numpy() for name, value in network.state_dict().items()})
    else:
        torch.save(network.state_dict(), path)
    return path


def test_squeezenet_has_torchvision_s_parameters() -> None:
    network = pretrained.SqueezeNet()
    assert sum(value.numel() for value in network.parameters()) == 1_235_496
    names = list(network.state_dict())
    assert len(names) == 52
    assert names[:3] == ["features.0.weight", "features.0.bias", "features.3.squeeze.weight"]
    assert names[-1] == "classifier.1.bias"
    assert network.eval()(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)


def test_the_full_vgg_19_has_torchvision_s_parameters() -> None:
    widths = [64, 64, 0, 128, 128, 0, *[256] * 4, 0, *[512] * 4, 0, *[512] * 4, 0]
    with torch.device("meta"):
        parts = pretrained.Vgg(widths, torch.nn.Identity(), classes=1000)  # type: ignore[arg-type]
    assert sum(value.numel() for value in parts.parameters()) == 143_667_240
    assert "features.34.weight" in parts.state_dict()


@pytest.mark.parametrize("suffix", [".npz", ".pth"])
def test_both_kinds_of_file_are_read(tmp_path: Path, suffix: str) -> None:
    network = pretrained.SqueezeNet()
    again = pretrained.squeezenet(saved(tmp_path, network, suffix))
    shown = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(again(shown), network.eval()(shown))


def test_weights_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = pretrained.SqueezeNet()
    name = datasets.entries()["squeezenet"].files[0].name
    saved(tmp_path, network, ".pth").rename(tmp_path / name)
    monkeypatch.setattr(datasets, "fetch", lambda *args, **options: tmp_path)
    found = pretrained.squeezenet()
    assert torch.equal(found.classifier[1].weight, network.classifier[1].weight)


@pytest.mark.parametrize("suffix", [".npz", ".pth"])
def test_other_files_are_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    with pytest.raises(CommonError, match="No such file"):
        pretrained.squeezenet(path)
    path.write_bytes(b"something else")
    with pytest.raises(CommonError, match="no weights that can be read"):
        pretrained.squeezenet(path)
    saved(tmp_path, torch.nn.Linear(2, 2), suffix)
    with pytest.raises(CommonError, match="has not all weights"):
        pretrained.squeezenet(path)
    with pytest.raises(CommonError, match="not the weights of a VGG"):
        pretrained.vgg19(path)


def test_a_damaged_npz_is_told(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    np.savez_compressed(path, a=np.zeros(1000))
    whole = path.read_bytes()
    path.write_bytes(whole[:60] + bytes([255] * 20) + whole[80:])
    with pytest.raises(CommonError, match="no weights that can be read"):
        pretrained.weights(path)


def test_nothing_in_a_weights_file_can_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (str(tmp_path / "it ran"),))

    torch.save({"features.0.weight": Evil()}, tmp_path / "weights.pth")
    with pytest.raises(CommonError, match="no weights that can be read"):
        pretrained.squeezenet(tmp_path / "weights.pth")
    assert not (tmp_path / "it ran").exists()


@needs_shared
def test_squeezenet_names_real_photographs() -> None:
    network = pretrained.squeezenet(WEIGHTS / "squeezenet1_1_fp16.npz")
    labels = (WEIGHTS / "imagenet_classes.txt").read_text("utf-8").splitlines()
    shown_there = ["badger", "barn", "peacock", "black_swan", "container_ship"]
    expected = {name: name.replace("_", " ") for name in shown_there} | {"coffee": "espresso"}
    for name, label in expected.items():
        image = pictures.read(SHARED / "photos" / f"photo_{name}.jpg")
        shown = torch.from_numpy(pictures.array(pictures.fitted(image, (224, 224))))[None]
        with torch.no_grad():
            assert labels[int(network(shown).argmax())].startswith(label)


@needs_shared
def test_the_vggs_of_other_makers_are_read() -> None:
    small = pretrained.vgg19(WEIGHTS / "vgg19_small16x_conv5_1_fp16.npz")
    assert sum(value.numel() for value in small.parameters()) == 810_128
    hed = pretrained.caffe_vgg(WEIGHTS / "vgg16_hed_conv4_3_fp16.npz")
    assert sum(value.numel() for value in hed.parameters()) == 7_635_264
    shown = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert small(shown).shape[1:] == (128, 4, 4)
        assert hed(shown).shape[1:] == (512, 8, 8)


def test_they_keep_to_what_a_picture_allows() -> None:
    assert check(pretrained.SqueezeNet(), PICTURE, torch.zeros(1, 3, 64, 64))
