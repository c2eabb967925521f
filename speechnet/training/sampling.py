"""Sampling: batch number -> log-mel and target, made on the fly and the same every time.

Here is the order in which a clip becomes an example: a clip of the class is drawn, played at
another speed, put into a window of a longer stretch, given neighbours, echoed, laid over noise,
recorded at some level, and seen through some microphone and coder. A network must not tell classes
by where their clips come from, so all of it is drawn alike for every class, noise included.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError
from speechnet.hearing.spotting import IGNORED, ended
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.sound.spectrogram import FrontEnd, log_mel
from speechnet.sound.windows import STRETCH, WINDOW
from speechnet.training import augment as change
from speechnet.training.augment import Augment
from speechnet.training.noise import Noise, lengthened
from speechnet.training.pieces import Piece, babble, beside, fragment, spoken

Floats = NDArray[np.float32]
Rng = np.random.Generator
Span = tuple[int, int, int]
"""Where speech starts and ends, in samples of a stretch, and of which class it is."""

A_ROOM = 4
"""Clips of a batch in the same room: making one takes as long as being in it."""

HUSHED = 0.12
"""Share of `silence` that is digital silence, or hiss as faint as the last bits of a sample."""

BURST = 0.4
"""Share of `silence` whose loudest moments, by up to 12 dB, are cut off."""

BABBLE = 0.08
"""Share of `silence` that is many people at once, backwards: no word can be made out."""


class Sampler:
    """Makes batches. Every word comes equally often, `unknown` and `silence` as `augment` says.

    clips: int16 [sample] each, of any length. classes: [clip] index of the label. weights: [clip]
    how often a clip comes within its class, beside the others. labels: the words, "unknown" and
    "silence"; the last has no clips. smoothing: share of a target that is spread over all classes.
    Batch `number` is a pure function of `seed` and the number; threads may ask at once.
    Raises SpeechnetError if a class but silence has no clips with any sound.
    """

    def __init__(
        self,
        *,
        clips: Sequence[NDArray[np.int16]],
        classes: NDArray[np.integer],
        weights: NDArray[np.floating],
        noise: Noise,
        augment: Augment,
        front: FrontEnd,
        labels: Sequence[str],
        batch: int,
        seed: int,
        smoothing: float = 0.0,
    ) -> None:
        if tuple(labels[-2:]) != (UNKNOWN, SILENCE):
            raise SpeechnetError(f"the last labels are {UNKNOWN} and {SILENCE}, not {labels[-2:]}")
        self.noise, self.augment, self.front = noise, augment, front
        self.labels, self.batch = tuple(labels), batch
        self.seed, self.smoothing = seed, smoothing
        self.unknown, self.silence = len(labels) - 2, len(labels) - 1
        self._pieces = [Piece.of(clip) for clip in clips]
        self._members = self._by_class(np.asarray(classes), np.asarray(weights, np.float64))
        chances = np.ones(len(labels))
        chances[self.unknown], chances[self.silence] = augment.unknown, augment.silence
        self._chances = chances / chances.sum()
        self._centres = band_centres(front)

    def _by_class(
        self, classes: NDArray[np.integer], weights: NDArray[np.float64]
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """The clips of each class that has any sound, and the running share of their weights."""
        audible = np.array([piece.level > 0 for piece in self._pieces], bool)
        found = []
        for which, label in enumerate(self.labels[:-1]):
            members = np.flatnonzero((classes == which) & audible & (weights > 0))
            if not len(members):
                raise SpeechnetError(f"there are no clips of {label} to learn from")
            running = np.cumsum(weights[members])
            found.append((members, running / running[-1]))
        return found

    def __call__(self, number: int) -> dict[str, NDArray[Any]]:
        """Batch `number`, of stretches that each have a window with a clip in it.

        "mel" [batch, band, frame] of the whole stretches; "window" [frame], which of their frames
        the windows are, the same in all of a batch; "target" [batch, class] of the windows, which
        sum to 1; "ended" [batch, frame], which class has just ended (see `spotting`).
        """
        rng = np.random.default_rng((self.seed, number))
        classes = rng.choice(len(self.labels), size=self.batch, p=self._chances)
        extent, whole = self.front.frames(WINDOW), self.front.frames(STRETCH)
        first = int(rng.integers(whole - extent + 1))
        waves, spans = self.waves(classes, rng, first * self.front.hop)
        mel = self._seen(log_mel(waves, self.front), rng)
        just = np.stack([ended(one, self.front, whole, self.silence) for one in spans])
        target = np.eye(len(self.labels), dtype=np.float32)[classes]
        mel, target, mixed = change.mix(mel, target, self.augment, rng)
        just[mixed] = IGNORED
        target = target * np.float32(1 - self.smoothing)
        return {
            "mel": mel,
            "window": first + np.arange(extent),
            "target": target + np.float32(self.smoothing / len(self.labels)),
            "ended": just,
        }

    def waves(
        self, classes: NDArray[np.int64], rng: Rng, window: int = 0
    ) -> tuple[Floats, list[list[Span]]]:
        """A stretch of sound for each class asked for, and what is said in it.

        window: where the window starts that is about the class, in samples. Returns float32
        [batch, STRETCH], as recorded, and for each the spans of speech.
        """
        how, batch = self.augment, len(classes)
        waves = np.zeros((batch, STRETCH), np.float32)
        spans = [
            self._sound(wave, int(which), rng, window)
            for wave, which in zip(waves, classes, strict=True)
        ]
        speech = classes != self.silence
        noisy = speech & (rng.random(batch) < how.noise)
        bare = ~speech & ~waves.any(axis=1) & (rng.random(batch) >= HUSHED)
        behind = self.noise.draw(rng, int((bare | noisy).sum()))
        # The first are new, the later ones may be heard twice: the silence comes first.
        behind = lengthened(behind, STRETCH, rng)
        waves[bare], behind = behind[: bare.sum()], behind[bare.sum() :]
        room = rng.random(batch) < how.reverb
        if room.any():
            seconds = rng.uniform(*how.echo, -(-int(room.sum()) // A_ROOM))
            waves[room] = change.echoes(waves[room], seconds, rng)
        ratio = 10 ** (-rng.uniform(*how.snr, (len(behind), 1)) / 20)
        waves[noisy] += ratio.astype(np.float32) * behind
        self._trim(waves, spans, rng)
        return self._recorded(waves, speech, rng), spans

    def _sound(self, stretch: Floats, which: int, rng: Rng, window: int) -> list[Span]:
        """Fill one stretch, at a level of 1. Returns what is said in it: the word comes first."""
        if which == self.silence:
            if rng.random() < BABBLE:
                many = [self._draw(rng) for _ in range(rng.integers(4, 9))]
                stretch[:] = np.resize(babble(many, rng), STRETCH)
            return []
        whole = which != self.unknown or rng.random() >= self.augment.fragments
        piece = self._draw(rng, which) if whole else self._fragment(rng)
        word = spoken(stretch, piece, self.augment, rng, window)
        spans = [(*word, which)]
        for after in (False, True):
            if rng.random() < self.augment.neighbours:
                other = int(rng.integers(self.silence))
                span = beside(stretch, self._draw(rng, other), word, window, rng, after=after)
                spans += [(*span, other)] if span[1] > span[0] else []
        return spans

    def _draw(self, rng: Rng, which: int | None = None) -> Piece:
        """A clip of a class, by the weights; of any class but silence if none is named."""
        which = int(rng.integers(self.silence)) if which is None else which
        members, running = self._members[which]
        return self._pieces[int(members[np.searchsorted(running, rng.random(), "right")])]

    def _fragment(self, rng: Rng) -> Piece:
        """Speech that is no word, of two clips of different classes."""
        first, second = int(rng.integers(self.silence)), int(rng.integers(self.silence - 1))
        second += int(second >= first)
        # Backwards, "on" is "no".
        mirrored = self.labels[first][::-1] in self.labels
        return fragment(self._draw(rng, first), self._draw(rng, second), rng, reverse=not mirrored)

    def _trim(self, waves: Floats, spans: Sequence[Sequence[Span]], rng: Rng) -> None:
        """Digital silence at both ends, in place, as where a clip has been padded or cut."""
        for row in np.flatnonzero(rng.random(len(waves)) < self.augment.trim).tolist():
            half = STRETCH // 2
            start = min((span[0] for span in spans[row]), default=int(rng.integers(half)))
            end = max((span[1] for span in spans[row]), default=half + int(rng.integers(half)))
            waves[row, : int(max(0, start) * rng.random())] = 0
            waves[row, STRETCH - int(max(0, STRETCH - end) * rng.random()) :] = 0

    def _recorded(self, waves: Floats, speech: NDArray[np.bool_], rng: Rng) -> Floats:
        """At the level of a recording, and as 16 bits hold it."""
        how, batch = self.augment, len(waves)
        low = np.where(speech, how.level[0], min(how.hush, how.level[0]))
        level = 10 ** ((low + rng.random(batch) * (how.level[1] - low)) / 20)
        # Clicks are far above their own mean, and most are not cut off for it; but a pan that falls
        # beside the microphone is, and what is left of it sounds like "up".
        peak = np.abs(waves).max(axis=1)
        cut_off = speech | (rng.random(batch) < BURST)
        level = np.minimum(level, np.where(cut_off, 4.0, 1.0) / np.maximum(peak, 1e-6))
        driven = rng.random(batch) < how.overload
        level = np.where(driven, 10 ** rng.uniform(0, 1, batch) / np.maximum(peak, 1e-6), level)
        waves *= level.astype(np.float32)[:, None]
        faint = ~speech & (peak == 0) & (rng.random(batch) < 0.6)
        hiss = rng.standard_normal((int(faint.sum()), STRETCH), dtype=np.float32)
        waves[faint] = hiss * 10 ** rng.uniform(-5, -3, (len(hiss), 1)).astype(np.float32)
        squeezed = rng.random(batch) < how.companded
        waves[squeezed] = change.compand(waves[squeezed])
        return change.record(waves)

    def _seen(self, mel: Floats, rng: Rng) -> Floats:
        """Another voice, microphone and coder, and things hidden: [batch, band, frame]."""
        how, batch, floor = self.augment, len(mel), float(np.log(self.front.floor))
        chosen = partial(_chosen, rng, batch)
        mel = change.warp(mel, _spread(how.warp, batch, rng), self._centres)
        line = change.curves(batch, mel.shape[1], how.tilt, rng)
        narrow = chosen(how.narrow)
        edges = np.where(narrow, rng.uniform(*how.edge, batch), np.inf)
        line += change.low_pass(edges, rng.uniform(20, 400, batch), self._centres)
        mel = change.amplify(mel, line, floor)
        depths = np.where(chosen(how.coder), rng.uniform(25, 50, batch), np.inf)
        mel = change.forget(mel, depths, floor)
        change.mask(mel, how, self.front.rate / self.front.hop, rng)
        return mel


def band_centres(front: FrontEnd) -> NDArray[np.float64]:
    """The middle of each band, [band] Hz."""
    frequencies = np.arange(front.filters.shape[1]) * front.rate / front.fft
    weights = front.filters.astype(np.float64)
    centres: NDArray[np.float64] = (weights @ frequencies) / weights.sum(axis=1)
    return centres


def _chosen(rng: Rng, batch: int, share: float) -> NDArray[np.bool_]:
    return rng.random(batch) < share


def _spread(limits: tuple[float, float], batch: int, rng: Rng) -> NDArray[np.float64]:
    """Factors within limits, as often a share up as down: [batch]."""
    low, high = limits
    return np.asarray(low * (high / low) ** rng.random(batch))
