"""Models: the network that a command of `explain` asks about, by name or by file.

What every kind of network needs to be asked: how a picture comes to it, and what its answers are
called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from common import pictures, pretrained
from common.errors import CommonError
from common.images import ImageCNN
from common.pictures import Floats

NAMES = ("digits", "squeezenet", "vgg19")


@dataclass(frozen=True)
class Subject:
    """A network to be explained.

    labels: of its answers, empty where they are numbers. prepare: a picture -> [channel, row,
    column], 0 to 1. photographs: whether it was trained on such.
    """

    name: str
    network: nn.Module
    labels: tuple[str, ...]
    prepare: Callable[[Image.Image], Floats]
    photographs: bool

    def read(self, path: Path) -> Floats:
        """A picture file as a batch of one: [1, channel, row, column]."""
        return pictures.prepared(path, self.prepare)[None]

    def target(self, name: str) -> int:
        """The number of an answer, by its label or by the number itself.

        Raises CommonError if there is none of that name, or several.
        """
        if name.removeprefix("-").isdecimal() and name not in self.labels:
            return int(name)
        low = name.lower()
        exact = [n for n, label in enumerate(self.labels) if low in _synonyms(label)]
        found = exact or [n for n, label in enumerate(self.labels) if low in label.lower()]
        if len(found) == 1:
            return found[0]
        if not found:
            raise CommonError(f"{self.name} has no answer {name!r}; give its number")
        several = ", ".join(f"{n} {self.labels[n]}" for n in found[:8])
        raise CommonError(f"{name!r} may be {several}: give the number")

    def label(self, number: int) -> str:
        return self.labels[number] if number < len(self.labels) else str(number)


def _synonyms(label: str) -> list[str]:
    return [part.strip().lower() for part in label.split(",")]


def open_model(
    name: str, weights: Path | None = None, labels: Path | None = None, *, size: int = 224
) -> Subject:
    """A network by its name, "digits", "squeezenet" or "vgg19", or a person's own ImageCNN.

    name: else a .safetensors file. weights: of a network of photographs; torchvision's if not
    said, from the cache or by download. labels: a text file, the name of an answer a line. size: to
    which the middle of a picture is brought for a network of photographs.
    Raises CommonError if it cannot be had.
    """
    if name == "digits" or name.endswith(".safetensors"):
        for own, given in (("weights", weights), ("labels", labels)):
            if given is not None:
                raise CommonError(f"{name} has its {own} already; leave out {given}")
        from common import mnist

        network = mnist.load() if name == "digits" else ImageCNN.load(Path(name))
        photographs = network.channels == 3
        return Subject(name, network, network.labels, network.prepare, photographs)
    if name not in NAMES:
        raise CommonError(f"there is no model {name!r}: {', '.join(NAMES)} or a .safetensors file")
    found: nn.Module = (
        pretrained.squeezenet(weights) if name == "squeezenet" else pretrained.vgg19(weights)
    )

    def prepare(image: Image.Image) -> Floats:
        return pictures.array(pictures.fitted(image, (size, size)))

    return Subject(name, found, _labels(labels), prepare, True)


def _labels(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        return tuple(path.read_text("utf-8").splitlines())
    except (OSError, ValueError) as error:
        raise CommonError(f"cannot read the labels in {path}: {error}") from error


def grey(subject: Subject) -> Floats:
    """An input that shows nothing, to start from: [1, channel, row, column]."""
    network = subject.network
    if isinstance(network, ImageCNN):
        shape: tuple[int, ...] = (network.channels, *network.size)
        return np.full((1, *shape), 0.5 if subject.photographs else 0.0, np.float32)
    return np.full((1, 3, 128, 128), 0.5, np.float32)
