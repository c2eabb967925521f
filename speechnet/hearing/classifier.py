"""Classifier: sound -> the word it holds, from onnxruntime and without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from common.runtime import Runtime
from speechnet.errors import SpeechnetError
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.sound import audio
from speechnet.sound.audio import Sound
from speechnet.sound.spectrogram import REACH, FrontEnd, log_mel
from speechnet.sound.windows import WINDOW, pad

FILES = ("frames.onnx", "words.onnx")
"""Of a model: the part that hears each frame, and the part that reads them in their order."""

STEP = 0.25
"""Seconds between the windows that a longer clip is looked through with: a word of the usual half
second lies whole in one of them."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Guess:
    """A word and its calibrated probability."""

    word: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """What a clip holds.

    guesses: the likeliest first. start, end: the moment that was judged, in seconds of the clip.
    seconds: the clip's length. notes: what a person should know about the answer.
    """

    guesses: tuple[Guess, ...]
    start: float
    end: float
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The likeliest word, "unknown" or "silence"."""
        return self.guesses[0].word

    @property
    def probability(self) -> float:
        """Of `word`."""
        return self.guesses[0].probability


class Classifier:
    """Answers for clips. Two networks: `frames` is run once over a clip, `words` over windows."""

    def __init__(self, frames: Runtime, words: Runtime) -> None:
        facts = words.facts
        if "labels" not in facts or "front" not in frames.facts:
            raise SpeechnetError("this is not a speech model: give a folder of speechnet export")
        if facts.get("run") != frames.facts.get("run"):
            raise SpeechnetError("the two files of the model are of two networks: export it again")
        self.frames, self.words = frames, words
        self.labels: tuple[str, ...] = tuple(facts["labels"])
        self.temperature = float(facts.get("temperature", 1.0))
        self.front = FrontEnd.from_facts(frames.facts["front"])

    @classmethod
    def load(cls, folder: str | PathLike[str] | None = None) -> Classifier:
        """The shipped network, or the one in a folder that `speechnet export` has written."""
        with model_folder(folder) as place:
            # A frame or a word is too little work to be shared out: threads wait for one another.
            return cls(*(Runtime.load(place / name, threads=1) for name in FILES))

    @property
    def facts(self) -> dict[str, Any]:
        """What the model file says of itself."""
        return self.words.facts

    def classify(
        self,
        source: str | PathLike[str] | bytes | BinaryIO | NDArray[Any] | Sound,
        rate: int | None = None,
        *,
        top: int = 3,
    ) -> Answer:
        """The word in a clip: a path, "-" for standard input, a file's bytes, or an array.

        An array is [sample] or [sample, channel] with its `rate` in samples a second.
        A clip that is longer than a second is answered by its best moment: the one where a word
        is surest, or else the one that is surest to be speech.
        Raises SpeechnetError if the clip cannot be used.
        """
        if top < 1:
            raise SpeechnetError(f"there is no answer without a word: top is at least 1, not {top}")
        sound = audio.sound_of(source, rate)
        chances = self.windows(sound.samples)
        best = self._best(chances)
        starts = self._starts(len(sound.samples))
        order = np.argsort(-chances[best], kind="stable")[:top]
        seconds = len(sound.samples) / audio.RATE
        return Answer(
            tuple(Guess(self.labels[which], float(chances[best, which])) for which in order),
            start=round(starts[best] / audio.RATE, 3),
            end=round(min(starts[best] + WINDOW, len(sound.samples)) / audio.RATE, 3),
            seconds=round(seconds, 3),
            notes=sound.notes,
        )

    def windows(self, samples: Floats) -> Floats:
        """Probabilities in windows of a second, every STEP: [sample] -> [window, class].

        A clip of at most a second has one window, with silence around it.
        """
        mel = log_mel(pad(samples), self.front)
        heard = self._heard(mel)
        extent = 1 + (WINDOW - self.front.fft) // self.front.hop
        firsts = [start // self.front.hop for start in self._starts(len(samples))]
        logits = [
            self.words.run(np.stack([heard[first : first + extent] for first in group]))
            for group in _groups(firsts)
        ]
        return softmax(np.concatenate(logits) / self.temperature)

    def _heard(self, mel: Floats, piece: int = 1024) -> Floats:
        """Features of a spectrogram [band, frame]: [frame, feature].

        A long one goes in by pieces, with the frames around that are looked at, so that it takes
        no more memory at once.
        """
        found = []
        for start in range(0, mel.shape[1], piece):
            before = min(start, REACH)
            part = mel[:, start - before : start + piece + REACH]
            found.append(self.frames.run(np.ascontiguousarray(part)[None])[0, before:][:piece])
        return np.concatenate(found)

    def _starts(self, length: int) -> list[int]:
        """Where windows start, in samples: on the grid of the frames, the last one at the end."""
        hop = self.front.hop
        last = max(0, length - WINDOW) // hop * hop
        step = max(1, round(STEP * audio.RATE / hop)) * hop
        return [*range(0, last, step), last]

    def _best(self, chances: Floats) -> int:
        """The window to answer by."""
        speech = [at for at, label in enumerate(self.labels) if label not in (UNKNOWN, SILENCE)]
        surest = int(chances[:, speech].max(axis=1).argmax())
        word = int(chances[surest].argmax())
        if word in speech:
            return _middle(chances[:, word])
        if UNKNOWN not in self.labels:
            return surest
        return _middle(chances[:, self.labels.index(UNKNOWN)])


@contextmanager
def model_folder(folder: str | PathLike[str] | None = None) -> Iterator[Path]:
    """Where the files of a model are: the shipped one's, if no other is named."""
    if folder is not None:
        yield Path(folder)
        return
    with resources.as_file(resources.files("speechnet") / "weights") as shipped:
        yield shipped


def _middle(chances: Floats, nearly: float = 0.95) -> int:
    """The middle of the windows in a row that are nearly as sure as the surest: there the word lies
    in the middle, not at an end."""
    sure = chances >= nearly * chances.max()
    first = last = int(chances.argmax())
    while first > 0 and sure[first - 1]:
        first -= 1
    while last + 1 < len(sure) and sure[last + 1]:
        last += 1
    return (first + last) // 2


def _groups(firsts: list[int], size: int = 64) -> Iterable[list[int]]:
    return (firsts[start : start + size] for start in range(0, len(firsts), size))


def softmax(logits: Floats) -> Floats:
    """[..., class] -> probabilities over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    chances: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return chances
