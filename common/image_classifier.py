"""Classifying pictures with a trained image CNN: onnxruntime, no torch.

Picture file -> `pictures` -> the network's input -> logits -> the classes by their probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from common import pictures
from common.errors import CommonError
from common.modelfile import named
from common.pictures import Floats
from common.runtime import Runtime

Prepare = Literal["fit", "digit"]
"""How a picture comes to the network's size: its middle, or the digit on it (see `digits`)."""

DIGITS = Path(__file__).parent / "weights" / "digits.onnx"


def prepare(image: Image.Image, how: Prepare, size: Sequence[int], channels: int) -> Floats:
    """A picture as a network takes it: [channel, row, column], 0 to 1."""
    if how == "digit":
        from common.digits import digit  # scipy: 0.1 s

        return digit(image).repeat(channels, 0)
    rows, columns = size
    return pictures.array(pictures.fitted(image, (rows, columns)), channels)


@dataclass(frozen=True)
class Answer:
    """What a picture shows. alternatives: the next best, (label, probability)."""

    label: str
    probability: float
    alternatives: tuple[tuple[str, float], ...]


class ImageClassifier:
    """A network that `ImageCNN.save` has written, ready to answer."""

    def __init__(self, runtime: Runtime) -> None:
        try:
            about = runtime.facts["network"]
            self.labels: tuple[str, ...] = tuple(about["labels"])
            self.how: Prepare = about["prepare"]
            self.size: tuple[int, int] = tuple(about["size"])
            self.channels: int = about["channels"]
        except (KeyError, TypeError) as error:
            raise CommonError("the model file does not hold an image CNN") from error
        self.runtime = runtime
        self.temperature = float(runtime.facts.get("temperature", 1.0))

    @classmethod
    def load(cls, path: Path | str = DIGITS) -> ImageClassifier:
        """Open PATH.onnx; the digits' network if none is named. Raises CommonError if it cannot."""
        return cls(Runtime.load(named(path, ".onnx")))

    @property
    def facts(self) -> dict[str, Any]:
        """What the model file says of itself."""
        return self.runtime.facts

    def classify(self, picture: Path | str | Image.Image, *, top: int = 3) -> Answer:
        """The best classes of a picture. Raises CommonError if it cannot be read."""
        make = partial(prepare, how=self.how, size=self.size, channels=self.channels)
        if isinstance(picture, Image.Image):
            shown = make(pictures.rgb(picture))
        else:
            shown = pictures.prepared(picture, make)
        chances = self.chances(shown[None])[0]
        best = np.argsort(-chances, kind="stable")[: max(1, top)]
        told = [(self.labels[index], float(chances[index])) for index in best]
        return Answer(*told[0], tuple(told[1:]))

    def chances(self, batch: Floats) -> Floats:
        """Prepared pictures [batch, channel, row, column] -> probabilities [batch, class]."""
        logits = self.runtime.run(batch).astype(np.float64) / self.temperature
        powers = np.exp(logits - logits.max(1, keepdims=True))
        found: Floats = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
        return found
