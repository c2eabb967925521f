"""common: the building blocks of convolutional networks, their training, export and inference."""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from common.axes import BOARD, PICTURE, SPEECH, check
from common.declaration import Declaration
from common.errors import CommonError

if TYPE_CHECKING:
    from common import explain
    from common.config import TrainConfig
    from common.conv import NestedBottleneck, ResidualBlock
    from common.datasets import fetch
    from common.image_classifier import ImageClassifier
    from common.images import ImageCNN
    from common.pool import GlobalPoolingBias, global_pool
    from common.runtime import Runtime
    from common.trainer import Trainer

__all__ = [
    "BOARD",
    "PICTURE",
    "SPEECH",
    "CommonError",
    "Declaration",
    "GlobalPoolingBias",
    "ImageCNN",
    "ImageClassifier",
    "NestedBottleneck",
    "ResidualBlock",
    "Runtime",
    "TrainConfig",
    "Trainer",
    "check",
    "explain",
    "fetch",
    "global_pool",
]

# onnxruntime keeps and sends facts about its use unless it is told not to before it is imported.
# Only modules of this package import it, so nothing does so before this line.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_LATER = {
    "GlobalPoolingBias": "common.pool",
    "ImageCNN": "common.images",
    "ImageClassifier": "common.image_classifier",
    "NestedBottleneck": "common.conv",
    "ResidualBlock": "common.conv",
    "Runtime": "common.runtime",
    "TrainConfig": "common.config",
    "Trainer": "common.trainer",
    "fetch": "common.datasets",
    "global_pool": "common.pool",
}  # loaded on first use: most of them need torch


def __getattr__(name: str) -> object:
    if name == "explain":  # itself a package
        return import_module("common.explain")
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
