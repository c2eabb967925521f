"""boardnet: what would a strong human play here?

>>> import boardnet
>>> game = boardnet.parse(b"(;SZ[19];B[pd];W[dp];B[pp])")[0]
>>> prediction = boardnet.load().predict(game, top=3)
>>> prediction.turn, len(prediction.candidates)
(3, 3)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from boardnet.errors import BoardnetError

if TYPE_CHECKING:
    from boardnet.game import Game
    from boardnet.predictor import Prediction, Predictor
    from boardnet.records import iterate, parse, read

__all__ = [
    "BoardnetError",
    "Game",
    "Prediction",
    "Predictor",
    "iterate",
    "load",
    "parse",
    "read",
]

_LATER = {
    "Game": "boardnet.game",
    "Prediction": "boardnet.predictor",
    "Predictor": "boardnet.predictor",
    "iterate": "boardnet.records",
    "parse": "boardnet.records",
    "read": "boardnet.records",
}  # loaded on first use, so that `import boardnet` costs nothing


def load(path: str | None = None) -> "Predictor":
    """The shipped network, or the one in an ONNX file, ready to predict."""
    from boardnet.predictor import Predictor

    return Predictor.load(path)


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
