"""Pretrained: networks that were trained on photographs, for `explain`.

Their definitions are made from this package's blocks and named as torchvision names them; their
weights come from a file, the cache, or torchvision's server, and none of them ships with this
package. Each takes RGB from 0 to 1, [batch, 3, row, column], and brings it itself to what it was
trained on, so that no caller has to know.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from common import datasets
from common.archives import BROKEN
from common.axes import PICTURE
from common.conv import conv
from common.errors import CommonError
from common.pool import pool

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pictures, RGB
_CAFFE = (104.007, 116.669, 122.679)  # the same mean as Caffe has it: BGR, 0 to 255

# What torch and numpy raise for bytes that are not as they have to be.
_DAMAGED: tuple[type[Exception], ...] = (
    *(TypeError, AttributeError, LookupError, pickle.UnpicklingError),
    *BROKEN,
)

Weights = Mapping[str, Tensor]
Network = TypeVar("Network", bound=nn.Module)


class Preprocess(nn.Module):
    """RGB 0 to 1 -> what a network was trained on, by a 1x1 change of colours; nothing to learn.

    weight: [3, 3], bias: [3].
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        # Not saved: torchvision's files do not have it.
        self.register_buffer("weight", weight.reshape(3, 3, 1, 1), persistent=False)
        self.register_buffer("bias", bias.reshape(3), persistent=False)
        self.weight: Tensor
        self.bias: Tensor

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: [batch, 3, row, column] -> the same shape."""
        return nn.functional.conv2d(pictures, self.weight, self.bias)

    @classmethod
    def torchvision(cls) -> Preprocess:
        """(x - mean) / deviation, channel by channel."""
        mean, deviation = torch.tensor(_MEAN), torch.tensor(_DEVIATION)
        return cls(torch.diag(1 / deviation), -mean / deviation)

    @classmethod
    def caffe(cls) -> Preprocess:
        """BGR, 0 to 255, less the mean."""
        return cls(torch.eye(3).flip(0) * 255, -torch.tensor(_CAFFE))


class Fire(nn.Module):
    """SqueezeNet's block: few 1x1 filters, then 1x1 and 3x3 filters side by side."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = conv(PICTURE, channels, squeeze, 1)
        self.expand1x1 = conv(PICTURE, squeeze, expand, 1)
        self.expand3x3 = conv(PICTURE, squeeze, expand, 3)

    def forward(self, maps: Tensor) -> Tensor:
        """maps: [batch, channel, row, column] -> [batch, 2 * expand, row, column]."""
        few = self.squeeze(maps).relu()
        return torch.cat([self.expand1x1(few).relu(), self.expand3x3(few).relu()], 1)


class SqueezeNet(nn.Module):
    """SqueezeNet 1.1 (Iandola et al. 2016): 1.2 million weights, 1000 classes of photographs.

    Its last filters answer with one map a class, whose mean is the class's score.
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.preprocess = Preprocess.torchvision()
        self.features = nn.Sequential(
            conv(PICTURE, 3, 64, 3, stride=2, padding=0),
            nn.ReLU(inplace=True),
            _pool(),
            *(Fire(64, 16, 64), Fire(128, 16, 64), _pool()),
            *(Fire(128, 32, 128), Fire(256, 32, 128), _pool()),
            *(Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(), conv(PICTURE, 512, classes, 1), nn.ReLU(inplace=True)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: [batch, 3, row, column], RGB 0 to 1 -> scores [batch, class], 0 or more."""
        maps = self.classifier(self.features(self.preprocess(pictures)))
        score: Tensor = maps.mean((2, 3))
        return score


def _pool() -> nn.Module:
    """3x3, every second place, the last window reaching over the edge."""
    layer = pool(PICTURE, 3)
    layer.stride, layer.ceil_mode = 2, True
    return layer


class Vgg(nn.Module):
    """VGG (Simonyan and Zisserman 2014): 3x3 filters and 2x2 pools, up to a layer of the trunk.

    widths: filters of each convolution, and 0 for a pool. classes: if not 0, the dense layers too.
    reflect: the picture goes on mirrored at its edge, rather than black. ceil: pools keep a last
    odd row.
    """

    def __init__(
        self,
        widths: Iterable[int],
        preprocess: Preprocess,
        *,
        classes: int = 0,
        reflect: bool = False,
        ceil: bool = False,
    ) -> None:
        super().__init__()
        self.preprocess = preprocess
        parts: list[nn.Module] = []
        channels = 3
        for width in widths:
            if width:
                filters = conv(PICTURE, channels, width, 3)
                filters.padding_mode = "reflect" if reflect else "zeros"
                parts += [filters, nn.ReLU(inplace=True)]
                channels = width
            else:
                shrink = pool(PICTURE, 2)
                shrink.ceil_mode = ceil
                parts.append(shrink)
        self.features = nn.Sequential(*parts)
        self.classifier = _dense(channels, classes) if classes else None

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: [batch, 3, row, column], RGB 0 to 1 -> scores [batch, class], or maps."""
        maps: Tensor = self.features(self.preprocess(pictures))
        if self.classifier is None:
            return maps
        seen = nn.functional.adaptive_avg_pool2d(maps, 7)
        score: Tensor = self.classifier(seen.flatten(1))
        return score


def _dense(channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Linear(channels * 49, 4096), nn.ReLU(inplace=True), nn.Dropout()),
        *(nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout()),
        nn.Linear(4096, classes),
    )


def squeezenet(file: Path | str | None = None, *, progress: bool = True) -> SqueezeNet:
    """SqueezeNet 1.1, ready to answer.

    file: its weights, torchvision's .pth or an .npz with the same names; torchvision's from the
    cache if none is named, downloaded first if need be, with its checksum verified.
    Raises CommonError if they cannot be had or are not SqueezeNet's.
    """
    path = Path(file) if file else _cached("squeezenet", progress)
    return _load(SqueezeNet(), weights(path), path)


def vgg19(file: Path | str | None = None, *, progress: bool = True) -> Vgg:
    """VGG-19, or what a file has of a VGG: a narrower one, or only its first layers.

    file: as for `squeezenet` (torchvision's file has 548 MiB). An .npz may have a `preprocess`;
    without one the pictures are normalised as torchvision does, or as Caffe does for `caffe_vgg`.
    """
    path = Path(file) if file else _cached("vgg19", progress)
    found = weights(path)
    own = "preprocess.weight" in found
    if own:
        preprocess = Preprocess(found["preprocess.weight"], found["preprocess.bias"])
    else:
        preprocess = Preprocess.torchvision()
    return _vgg(found, preprocess, path, reflect=own)


def caffe_vgg(file: Path | str) -> Vgg:
    """A VGG that was trained in Caffe, on BGR from 0 to 255 (the HED edge detector's VGG-16)."""
    return _vgg(weights(Path(file)), Preprocess.caffe(), Path(file), ceil=True)


def _vgg(
    found: Weights, preprocess: Preprocess, path: Path, *, reflect: bool = False, ceil: bool = False
) -> Vgg:
    """The network that the names of the weights tell: a step of 3 over a number is a pool."""
    prefix, suffix = "features.", ".weight"
    names = [name for name in found if name.startswith(prefix) and name.endswith(suffix)]
    try:
        places = sorted(int(name[len(prefix) : -len(suffix)]) for name in names)
    except ValueError:
        places = []
    widths: list[int] = []
    for number, place in enumerate(places):
        if number and place - places[number - 1] == 3:
            widths.append(0)
        widths.append(len(found[f"{prefix}{place}{suffix}"]))
    if not widths or any(found[name].ndim != 4 for name in names):
        raise CommonError(f"{path} has not the weights of a VGG")
    last = found.get("classifier.6.bias")
    classes = 0 if last is None else len(last)
    if classes:
        widths.append(0)
    network = Vgg(widths, preprocess, classes=classes, reflect=reflect, ceil=ceil)
    return _load(network, found, path)


def weights(path: Path) -> dict[str, Tensor]:
    """The arrays of a .pth or .npz file, by name, in fp32. Nothing in the file can run.

    Raises CommonError if the file cannot be read as either.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".npz":
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]).float() for name in arrays.files}
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return {name: values.float() for name, values in found.items()}
    except OSError as error:
        raise CommonError(f"cannot read {path}: {error.strerror or error}") from error
    except _DAMAGED as error:
        raise CommonError(f"{path} has no weights that can be read: {error}") from error


def _cached(name: str, progress: bool) -> Path:
    folder = datasets.fetch(name, progress=progress)
    return folder / datasets.entries()[name].files[0].name


def _load(network: Network, found: Weights, path: Path) -> Network:
    """Weights into their network, which is then set to answer. Others in the file are left out."""
    wanted = network.state_dict()
    for name, values in wanted.items():
        if name not in found:
            raise CommonError(f"{path} has not all weights: {name} is missing")
        if found[name].shape != values.shape:
            shapes = f"{list(found[name].shape)}, not {list(values.shape)}"
            raise CommonError(f"{path} has weights of another network: {name} is {shapes}")
    network.load_state_dict({name: found[name] for name in wanted})
    return network.eval()
