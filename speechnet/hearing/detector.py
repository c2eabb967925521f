"""Detector: sound of any length -> events, the words in it with their moments.

Two readers have to agree. The spotter reads the frames once, forwards, and says at each which word
has just ended; where it names one, the word head, which classifies clips, reads the second before
that moment, both ways. An event is a word whose score, a weighted mean of both probabilities,
stays above a threshold for some ticks of 64 ms.

Everything is computed in blocks of one shape at fixed places, because a matrix product rounds by
its shape: a file and a stream give the same events to the last bit, however the sound is cut, and
memory does not grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from os import PathLike
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from common.runtime import Runtime
from speechnet.errors import SpeechnetError
from speechnet.hearing.classifier import Classifier, model_folder, softmax
from speechnet.hearing.deciding import Decider, Tick
from speechnet.hearing.events import Event
from speechnet.hearing.operating import Operating
from speechnet.hearing.spotting import AFTER
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.sound import audio, recordings
from speechnet.sound.audio import Sound
from speechnet.sound.spectrogram import REACH, FrontEnd, Stream
from speechnet.sound.windows import WINDOW

FILE = "spotter.onnx"
"""Of a model, beside those of the classifier: the part that says which word has just ended."""

BLOCK = 128
"""Frames that are heard together."""

CONTEXT = 64
"""Frames before a block from which on the spotter reads it."""

TICK = 4
"""Frames from one decision to the next: 64 ms."""

SMOOTH = 12
"""Frames over which the spotter's probabilities are averaged: 192 ms."""

READ = 3
"""Ticks over which the word head's are."""

SPOTTED = 0.25
"""Weight of the spotter in the geometric mean of both: the word head hears a word both ways, and on
validation recordings is the one to trust."""

NAMED = 0.15
"""Probability at which the spotter names a word, so that the word head reads, too."""

LEAST = 0.05
"""Score from which on a threshold can be chosen."""

TAIL = 0.5
"""Seconds of quiet after the end, in which the last word can end."""

LARGE = 8
"""Blocks of a recording that go in together, 16 seconds: one that is begun would have to be heard
once more when the rest of it comes."""

Floats = NDArray[np.float32]


class Detector:
    """Finds words in recordings and streams. One may serve many streams at once."""

    def __init__(self, classifier: Classifier, spotter: Runtime) -> None:
        if spotter.facts.get("run") != classifier.frames.facts.get("run"):
            raise SpeechnetError("the files of the model are of two networks: export it again")
        self.classifier, self.spotter = classifier, spotter
        self.operating = Operating.from_facts(spotter.facts["detection"])

    @classmethod
    def load(cls, folder: str | PathLike[str] | None = None) -> Detector:
        """The shipped network, or the one in a folder that `speechnet export` has written.

        Raises CommonError if a file of it is missing or damaged.
        """
        with model_folder(folder) as place:
            return cls(Classifier.load(place), Runtime.load(place / FILE, threads=1))

    @property
    def words(self) -> tuple[str, ...]:
        """What it finds."""
        return tuple(w for w in self.classifier.labels if w not in (UNKNOWN, SILENCE))

    def detect(
        self,
        source: str | PathLike[str] | bytes | BinaryIO | NDArray[Any] | Sound,
        rate: int | None = None,
        *,
        threshold: float | None = None,
        patience: int | None = None,
        notes: list[str] | None = None,
    ) -> Iterator[Event]:
        """The events of a recording, in their order, as it is read.

        source: a path, "-" for standard input, a file's bytes, an array [sample] or [sample,
        channel] with its `rate`, or a Sound. threshold, patience: see `stream`. notes: a list that
        takes what a person should know of the recording.
        Raises SpeechnetError if the recording cannot be used.
        """
        heard = self.stream(threshold=threshold, patience=patience)
        if isinstance(source, np.ndarray | Sound):
            sound = audio.sound_of(source, rate)
            chunks: Iterable[Floats] = [sound.samples]
            if notes is not None:
                notes += sound.notes
        else:
            chunks = recordings.chunks(source, notes)
        for chunk in _gathered(chunks, self.classifier.front):
            yield from heard.push(chunk)
        yield from heard.finish()

    def stream(self, *, threshold: float | None = None, patience: int | None = None) -> EventStream:
        """For sound that comes piece by piece.

        threshold: score of a word, 0..1. patience: ticks for which it has to be reached. Where
        they are not given they are those that were chosen on validation recordings.
        Raises SpeechnetError for values that cannot be.
        """
        chosen = self.operating
        threshold = chosen.threshold if threshold is None else threshold
        patience = chosen.patience if patience is None else patience
        return EventStream(self, threshold, patience)

    def ticks(self, chunks: Iterable[Floats]) -> tuple[list[Tick], float]:
        """All that is known of a recording before a threshold decides, and its length in seconds.

        chunks: float32 [sample] at 16 kHz.
        """
        stream = self.stream()
        stream.noted = []
        for chunk in _gathered(chunks, self.classifier.front):
            stream.push(chunk)
        stream.finish()
        return stream.noted, stream.seconds

    def decide(self, ticks: Iterable[Tick], threshold: float, patience: int) -> list[Event]:
        """The events of a recording's ticks at any threshold: those that `detect` gives there."""
        decider = Decider(len(self.words), threshold, patience)
        found = []
        for tick in ticks:
            word = decider.step(tick.scores, tick.now)
            if word is not None:
                found.append(self.event(word, float(tick.scores[word]), tick.moments[word]))
        return found

    def event(self, word: int, score: float, moment: tuple[float, float]) -> Event:
        """A word by its number, at a moment in seconds, with a calibrated probability."""
        chance = round(self.operating.probability(score), 4)
        return Event(round(moment[0], 3), round(moment[1], 3), self.words[word], chance)


class EventStream:
    """One stream of sound on its way through a detector."""

    def __init__(self, detector: Detector, threshold: float, patience: int) -> None:
        self._detector = detector
        front = detector.classifier.front
        self._front, self._mel = front, Stream(front)
        labels = detector.classifier.labels
        self._classes = [labels.index(word) for word in detector.words]
        # What was before the start: digital silence. Each pair of blocks is the last and this one.
        quiet = np.full((BLOCK + 2 * REACH, front.bands), np.log(front.floor), np.float32)
        features = self._block(quiet)
        self._pending = np.zeros((0, front.bands), np.float32)
        # After this block come the first frames of the next: a frame is heard beside its REACH.
        self._sound = np.concatenate([quiet[:BLOCK], np.zeros_like(quiet[REACH:])])
        self._features = np.concatenate([features, np.zeros_like(features)])
        self._ended = np.zeros((2 * BLOCK, len(self._classes)), np.float32)
        self._nothing = np.zeros(len(self._classes), np.float32)
        self._read = [self._nothing] * READ  # of the last ticks
        self._fresh = False  # whether the last of them was read at its own tick
        self._filled = 0  # frames of this block
        self._blocks = 0  # before this one
        self._samples = 0
        self._finished = False
        self._decider = Decider(len(self._classes), threshold, patience)
        self.noted: list[Tick] | None = None

    def push(self, samples: Floats) -> list[Event]:
        """The next samples, float32 [sample] at 16 kHz, any number -> the events they complete.

        Raises SpeechnetError for other numbers, and after the end.
        """
        if self._finished:
            raise SpeechnetError("the stream is finished: begin another one with Detector.stream")
        if np.ndim(samples) != 1 or samples.dtype.kind != "f":
            raise SpeechnetError(
                "a stream takes floats [sample] of -1..1 at 16 kHz: make them of other arrays with"
                " speechnet.sound.audio.from_array"
            )
        self._samples += len(samples)
        return self._heard(samples)

    def finish(self) -> list[Event]:
        """The events that the end of the sound completes. Nothing can be pushed any more."""
        self._finished = True
        return self._heard(np.zeros(int(TAIL * audio.RATE), np.float32))

    @property
    def seconds(self) -> float:
        """How much has been pushed."""
        return self._samples / audio.RATE

    def _heard(self, samples: Floats) -> list[Event]:
        found: list[Event] = []
        # A long piece goes in by parts: its spectrogram is never there as a whole.
        large = LARGE * BLOCK * self._front.hop
        for start in range(0, len(samples), large):
            mel = self._mel.push(samples[start : start + large]).T
            self._pending = np.concatenate([self._pending, mel])
            while len(self._pending) >= TICK + REACH:
                whole = (len(self._pending) - REACH) // TICK * TICK
                count = min(BLOCK - self._filled, whole)
                found += self._frames(self._pending[: count + REACH])
                self._pending = self._pending[count:]
        return found

    def _block(self, mel: Floats) -> Floats:
        """Features of a block from its frames and REACH more at either end: [frame, feature]."""
        seen = np.ascontiguousarray(mel.T)[None]
        features: Floats = self._detector.classifier.frames.run(seen)[0, REACH:-REACH]
        return features

    def _frames(self, mel: Floats) -> list[Event]:
        """The next frames of this block: [frame, band], whole ticks and the REACH after them."""
        first, last = BLOCK + self._filled, BLOCK + self._filled + len(mel) - REACH
        self._sound[first : last + REACH] = mel
        features = self._block(self._sound[BLOCK - REACH :])
        self._features[first:last] = features[first - BLOCK : last - BLOCK]
        begin = BLOCK - CONTEXT
        logits = self._detector.spotter.run(self._features[None, begin:])[0]
        self._ended[first:last] = softmax(logits[first - begin : last - begin])[:, self._classes]
        spotted = smoothed(self._ended[first + TICK - SMOOTH : last])
        ticks = range(first + TICK, last + 1, TICK)
        found = [
            event
            for tick, chances in zip(ticks, spotted, strict=True)
            for event in self._tick(tick, chances)
        ]
        self._filled = last - BLOCK
        if self._filled == BLOCK:
            for pair in (self._sound, self._features, self._ended):
                rest = pair[BLOCK:].copy()
                pair[: len(rest)] = rest
                pair[len(rest) :] = 0
            self._filled, self._blocks = 0, self._blocks + 1
        return found

    def _tick(self, tick: int, spotted: Floats) -> Iterator[Event]:
        """What is said about frame `tick` of the two blocks: maybe that a word has just ended."""
        scores, now = self._score(tick, spotted), self._second(tick - 1 + REACH)
        if self.noted is not None:
            spoken = np.flatnonzero(scores >= LEAST).tolist()
            moments = {word: self._moment(tick, word) for word in spoken}
            self.noted.append(Tick(now, scores, moments))
        word = self._decider.step(scores, now)
        if word is not None:
            yield self._detector.event(word, float(scores[word]), self._moment(tick, word))

    def _score(self, tick: int, spotted: Floats) -> Floats:
        """How sure both readers are of each word, of which the first gives `spotted`: [word]."""
        named = spotted.max() >= NAMED
        # What was read a tick ago still holds for one more: reading is what takes long.
        again = named and self._fresh
        self._fresh = named and not again
        last = self._read[-1] if again else self._reading(tick) if named else self._nothing
        self._read = [*self._read[1:], last]
        if all(chances is self._nothing for chances in self._read):
            return self._nothing
        read = reduce(np.add, self._read) / np.float32(READ)
        score: Floats = spotted**SPOTTED * read ** (1 - SPOTTED)
        return score

    def _reading(self, tick: int) -> Floats:
        """What the word head makes of the second before frame `tick`: [word]."""
        classifier = self._detector.classifier
        extent = self._front.frames(WINDOW)
        logits = classifier.words.run(self._features[None, tick - extent : tick])
        chances: Floats = softmax(logits / np.float32(classifier.temperature))[0, self._classes]
        return chances

    def _second(self, frame: int) -> float:
        """When a frame of the two blocks ends."""
        place = (self._blocks - 1) * BLOCK + frame
        return (place * self._front.hop + self._front.fft) / self._front.rate

    def _moment(self, tick: int, word: int) -> tuple[float, float]:
        """Where the word that has just ended starts and ends, in seconds.

        It ended before the first of the frames that say so. It starts where the sound rises.
        """
        said = self._ended[:tick, word] >= 0.5 * self._ended[tick - SMOOTH : tick, word].max()
        quiet = np.flatnonzero(~said[: tick - 1])
        first = int(quiet[-1]) + 1 if len(quiet) else tick - 1
        frame = self._front.hop / self._front.rate
        last = max(1, first - round(AFTER[0] / frame))
        end = min(max(0.0, self._second(last)), self.seconds)
        start = self._second(onset(self._sound[:last]))
        return max(0.0, min(start, end - 0.1)), end


def smoothed(ended: Floats) -> Floats:
    """Means over SMOOTH frames, one for each tick that ends with such: [frame, word], whole ticks
    -> [tick, word]. They are added up in the same order however many there are."""
    ticks: Floats = reduce(np.add, [ended[frame::TICK] for frame in range(TICK)])
    span = SMOOTH // TICK
    count = len(ticks) - span + 1
    means: Floats = reduce(np.add, [ticks[at : at + count] for at in range(span)])
    return means / np.float32(SMOOTH)


def _gathered(chunks: Iterable[Floats], front: FrontEnd) -> Iterator[Floats]:
    """The same samples in chunks that each complete LARGE blocks of frames."""
    wanted = LARGE * BLOCK * front.hop
    # The first frame is longer than a hop, and REACH more are looked at.
    size = wanted + front.fft - front.hop + REACH * front.hop
    rest = np.zeros(0, np.float32)
    for chunk in chunks:
        rest = np.concatenate([rest, chunk])
        while len(rest) >= size:
            yield rest[:size]
            rest, size = rest[size:], wanted
    yield rest


def onset(mel: Floats) -> int:
    """The frame at which the last word of a spectrogram starts: [frame, band] -> its place.

    It is the first of the frames before the end that are loud, with gaps of at most GAP.
    """
    level = np.log(np.exp(mel.astype(np.float64)).sum(axis=1))[-LONGEST:]
    level = np.convolve(np.pad(level, 1, mode="edge"), np.full(3, 1 / 3), "valid")
    peak, floor = level[-SHORTEST:].max(), np.quantile(level, 0.1)
    limit = max(peak - DEEP, floor + 0.35 * (peak - floor))
    loud = np.flatnonzero(level >= limit)
    first = int(loud[-1])
    for place in loud[::-1]:
        if first - place > GAP:
            break
        first = int(place)
    return len(mel) - len(level) + first


LONGEST, SHORTEST, GAP = 60, 20, 8
"""Frames: of the longest word, of the shortest and its end, and of a stop inside of a word."""

DEEP = np.log(10) * 2.5
"""How far under its loudest a word may begin: 25 dB."""
