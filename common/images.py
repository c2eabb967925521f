"""The image CNN of the lecture: convolution, max-pool, again, then flatten and dense layers.

`ImageCNN()` is the lecture's network for 28x28 digits; other sizes, colours, depths and widths make
it one for anybody's pictures. It is made from this package's own blocks, so that it keeps to what a
picture allows (`axes.PICTURE`): filters slide along both axes, and both may be subsampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from common.axes import PICTURE
from common.conv import conv, dense
from common.errors import CommonError
from common.export import export_onnx, export_weights, load_weights
from common.image_classifier import Prepare, prepare
from common.modelfile import named
from common.pictures import Floats
from common.pool import pool

DIGITS = tuple("0123456789")


class ImageCNN(nn.Module):
    """A CNN over pictures [batch, channel, row, column], 0 to 1 -> logits [batch, class].

    labels: the classes' names. channels: 1 or 3. size: rows and columns (one number for both).
    filters: for each stage, closed by a 2x2 max-pool, the filters of its 3x3 convolutions: a number
    for one convolution, or several. hidden: units of the dense layer, 0 for none.
    norm: batch normalisation after each convolution; filters then also see the edge, over padding.
    dropout: share of the last features left out in training.
    average: the last maps are averaged over their places rather than flattened.
    prepare: how `prepare` brings a picture to the network's size.
    Raises CommonError if the pools would leave nothing of the picture.

    >>> sum(p.numel() for p in ImageCNN().parameters())
    137660
    """

    def __init__(
        self,
        labels: Sequence[str] = DIGITS,
        *,
        channels: int = 1,
        size: int | Sequence[int] = 28,
        filters: Sequence[int | Sequence[int]] = (25, 50),
        hidden: int = 100,
        norm: bool = False,
        dropout: float = 0.0,
        average: bool = False,
        prepare: Prepare = "fit",
        rng: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        rng = rng or torch.Generator().manual_seed(0)
        rows, columns = (size, size) if isinstance(size, int) else size
        stages = [(stage,) if isinstance(stage, int) else tuple(stage) for stage in filters]
        if len(labels) < 2 or len(set(labels)) != len(labels):
            raise CommonError(f"a classifier needs two classes or more, all different: {labels}")
        if channels not in (1, 3):
            raise CommonError(f"a picture has 1 or 3 channels, not {channels}")
        self.labels, self.channels, self.size = tuple(labels), channels, (rows, columns)
        self.filters, self.hidden, self.norm = stages, hidden, norm
        self.dropout, self.average, self.how = dropout, average, prepare
        self.features, maps = _stages(channels, stages, norm, (rows, columns), rng)
        count = stages[-1][-1] * (1 if average else maps[0] * maps[1])
        gather = nn.AdaptiveAvgPool2d(1) if average else nn.Identity()
        between = [dense(count, hidden, rng), nn.ReLU()] if hidden else []
        self.classifier = nn.Sequential(
            *([gather] if average else []),
            nn.Flatten(),
            *([nn.Dropout(dropout)] if dropout else []),
            *between,
            dense(hidden or count, len(labels), rng),
        )

    def forward(self, batch: Tensor) -> Tensor:
        """batch: [batch, channel, row, column], 0 to 1 -> logits [batch, class]."""
        logits: Tensor = self.classifier(self.features(batch))
        return logits

    def prepare(self, image: Image.Image) -> Floats:
        """One picture as the network takes it: [channel, row, column], 0 to 1."""
        return prepare(image, self.how, self.size, self.channels)

    def settings(self) -> dict[str, Any]:
        """What `ImageCNN(**settings)` makes the same network of, as JSON can hold it."""
        return {
            "labels": list(self.labels), "channels": self.channels, "size": list(self.size),
            "filters": [list(stage) for stage in self.filters], "hidden": self.hidden,
            "norm": self.norm, "dropout": self.dropout, "average": self.average,
            "prepare": self.how,
        }  # fmt: skip

    def save(self, path: Path | str, facts: Mapping[str, Any] | None = None) -> None:
        """Write PATH.onnx, for answers, and PATH.safetensors, to train on and to explain.

        facts: what else the files say of the network. Raises CommonError if that cannot be done.
        """
        said = {**(facts or {}), "network": self.settings()}
        export_weights(self, named(path, ".safetensors"), facts=said)
        rng = torch.Generator().manual_seed(0)
        examples = [torch.rand(n, self.channels, *self.size, generator=rng) for n in (1, 3)]
        export_onnx(self, examples, named(path, ".onnx"), facts=said)

    @classmethod
    def load(cls, path: Path | str) -> ImageCNN:
        """A network that `save` has written, in eval mode.

        path: as for `save`, or its .safetensors file. Raises CommonError if it is another, or
        damaged.
        """
        path = named(path, ".safetensors")
        weights, facts = load_weights(path)
        try:
            network = cls(**facts["network"], rng=torch.Generator())  # soon overwritten
            network.load_state_dict(weights)
        except (KeyError, TypeError, RuntimeError) as error:
            raise CommonError(f"{path} does not hold an image CNN") from error
        return network.eval()


def _stages(
    channels: int,
    stages: Sequence[tuple[int, ...]],
    norm: bool,
    size: tuple[int, int],
    rng: torch.Generator,
) -> tuple[nn.Sequential, tuple[int, int]]:
    """The convolutional part, and the size of its last maps."""
    parts: list[nn.Module] = []
    rows, columns = size
    for stage in stages:
        for width in stage:
            # The lecture's filters stay inside the picture: 28 places become 26.
            padding = 1 if norm else 0
            parts.append(conv(PICTURE, channels, width, 3, padding=padding, bias=not norm, rng=rng))
            if norm:
                parts.append(nn.BatchNorm2d(width))
            parts.append(nn.ReLU())
            rows, columns = (extent - 2 + 2 * padding for extent in (rows, columns))
            channels = width
        parts.append(pool(PICTURE, 2))
        rows, columns = rows // 2, columns // 2
        if min(rows, columns) < 1:
            raise CommonError(
                f"{len(stages)} stages leave nothing of a picture of {size[0]} x {size[1]}: "
                "take larger pictures or fewer stages"
            )
    return nn.Sequential(*parts), (rows, columns)


@dataclass(frozen=True)
class Layer:
    """One line of `summary`. shape: of what the layer gives, without the batch.

    weights: of one filter or one neuron, without its bias; parameters: of the whole layer.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    weights: int
    parameters: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def summary(network: ImageCNN) -> list[Layer]:
    """The layers in the order in which they run, with the shapes that they give.

    >>> [layer.shape for layer in summary(ImageCNN()) if layer.kind == "MaxPool2d"]
    [(25, 13, 13), (50, 5, 5)]
    """
    rows = []
    like = next(network.parameters())
    shown = torch.zeros(1, network.channels, *network.size, device=like.device, dtype=like.dtype)
    modes = [(part, part.training) for part in network.modules()]
    network.eval()
    with torch.no_grad():
        for group in ("features", "classifier"):
            for number, part in getattr(network, group).named_children():
                shown = part(shown)
                weight = getattr(part, "weight", None)
                own = weight[0].numel() if weight is not None and weight.ndim > 1 else 0
                count = sum(p.numel() for p in part.parameters())
                name, kind = f"{group}.{number}", type(part).__name__
                rows.append(Layer(name, kind, tuple(shown.shape[1:]), own, count))
    for part, mode in modes:
        part.training = mode
    return rows
