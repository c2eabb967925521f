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
    from speechnet.detector import Detector
    from speechnet.events import Event
    from speechnet.listening import listen, listen_async
    from speechnet.microphone import Microphone

__all__ = [
    "Answer", "Classifier", "Detector", "Event", "Guess", "Microphone", "Sound", "SpeechnetError",
    "listen", "listen_async", "load", "load_detector", "read",
]  # fmt: skip

_LATER = {
    "Answer": "speechnet.classifier",
    "Classifier": "speechnet.classifier",
    "Detector": "speechnet.detector",
    "Event": "speechnet.events",
    "Guess": "speechnet.classifier",
    "Microphone": "speechnet.microphone",
    "Sound": "speechnet.audio",
    "listen": "speechnet.listening",
    "listen_async": "speechnet.listening",
    "read": "speechnet.audio",
}  # loaded on first use, so that `import speechnet` costs nothing


def load(folder: str | PathLike[str] | None = None) -> "Classifier":
    """The shipped network, or the one in a folder that `speechnet export` has written."""
    from speechnet.classifier import Classifier

    return Classifier.load(folder)


def load_detector(folder: str | PathLike[str] | None = None) -> "Detector":
    """The same network, to find the words in recordings and streams."""
    from speechnet.detector import Detector

    return Detector.load(folder)


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
