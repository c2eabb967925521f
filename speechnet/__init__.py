"""speechnet: which word does a clip hold?

>>> import numpy as np
>>> import speechnet
>>> speechnet.load().classify(np.zeros(16_000, np.float32)).word
'silence'
"""

from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING

from speechnet.errors import SpeechnetError

if TYPE_CHECKING:
    from speechnet.audio import Sound, read
    from speechnet.classifier import Answer, Classifier, Guess

__all__ = ["Answer", "Classifier", "Guess", "Sound", "SpeechnetError", "load", "read"]

_LATER = {
    "Answer": "speechnet.classifier",
    "Classifier": "speechnet.classifier",
    "Guess": "speechnet.classifier",
    "Sound": "speechnet.audio",
    "read": "speechnet.audio",
}  # loaded on first use, so that `import speechnet` costs nothing


def load(folder: str | PathLike[str] | None = None) -> "Classifier":
    """The shipped network, or the one in a folder that `speechnet export` has written."""
    from speechnet.classifier import Classifier

    return Classifier.load(folder)


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
