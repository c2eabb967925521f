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
    from speechnet.hearing.classifier import Answer, Classifier, Guess
    from speechnet.hearing.detector import Detector
    from speechnet.hearing.events import Event
    from speechnet.hearing.listening import listen, listen_async
    from speechnet.sound.audio import Sound, read
    from speechnet.sound.microphone import Microphone

__all__ = [
    "Answer", "Classifier", "Detector", "Event", "Guess", "Microphone", "Sound", "SpeechnetError",
    "listen", "listen_async", "load", "load_detector", "read",
]  # fmt: skip

_LATER = {
    "Answer": "speechnet.hearing.classifier",
    "Classifier": "speechnet.hearing.classifier",
    "Detector": "speechnet.hearing.detector",
    "Event": "speechnet.hearing.events",
    "Guess": "speechnet.hearing.classifier",
    "Microphone": "speechnet.sound.microphone",
    "Sound": "speechnet.sound.audio",
    "listen": "speechnet.hearing.listening",
    "listen_async": "speechnet.hearing.listening",
    "read": "speechnet.sound.audio",
}  # loaded on first use, so that `import speechnet` costs nothing


def load(folder: str | PathLike[str] | None = None) -> "Classifier":
    """The shipped network, or the one in a folder that `speechnet export` has written."""
    from speechnet.hearing.classifier import Classifier

    return Classifier.load(folder)


def load_detector(folder: str | PathLike[str] | None = None) -> "Detector":
    """The same network, to find the words in recordings and streams."""
    from speechnet.hearing.detector import Detector

    return Detector.load(folder)


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
