"""Recording: a stream of sound -> clips that are each cut to one word.

Whoever records says the word again and again with pauses. The quiet is followed as it changes, a
word is what rises out of it, and it ends when it has been quiet again for longer than a stop inside
of a word lasts. Pure: chunks in, takes out, the same however the sound is cut; no device here.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from speechnet.clips.words import loudness
from speechnet.sound.audio import RATE

Floats = NDArray[np.float32]

FRAME = 160
"""Samples whose level is looked at together: 10 ms."""

RISE, FALL = 12.0, 6.0
"""dB over the quiet from which on it is a word, and under which it is over."""

FAINTEST = -60.0
"""dBFS under which nothing is a word, however quiet it is otherwise."""

HANG = 25
"""Frames of quiet after which a word is over: "eight" has a gap of a fifth of a second."""

SHORTEST, LONGEST = 10, 150
"""Frames of a word: of those that are loud, fewer are a click or two; and from its start to its
end, more are talking or a noise that stays."""

STEADY, EVEN = 50, 3.0
"""Frames whose levels differ by less than so many dB are no voice, but hiss or a hum. Of 400 words
of Speech Commands none is taken for that; with 30 frames nine are."""

AROUND = 20
"""Frames that are kept on both sides."""

PAST = 100
"""Frames of whose levels a low quantile is the quiet, and whose peak the meter shows."""

FULL = 0.99
"""Samples from there on are at full scale; as many as SPOILT of them say that a take is clipped."""

SPOILT = 3

SOFT = -40.0
"""dBFS of `words.loudness` under which a take is too quiet: 5 dB over what is hardly heard."""

ROOM = 2 * RATE
"""Samples of a clip of the room: as much as is learnt from at once, and some to choose from."""


@dataclass(frozen=True, eq=False)
class Take:
    """Something that was said. samples: float32 [sample], quiet around it. fault: what is wrong
    with it, to be said to a person; empty if it is good."""

    samples: Floats
    fault: str = ""


@dataclass(frozen=True)
class Level:
    """For a meter, in dBFS: the mean of the last 0.1 s and the highest sample of the last second;
    and whether it is a word. muted: seconds of nothing but zeros up to now."""

    mean: float = -120.0
    peak: float = -120.0
    speaking: bool = False
    muted: float = 0.0


@dataclass
class _Word:
    """A word that is not over yet. quiet: the level out of which it rose, dBFS. length, loud,
    since: frames from its start, those over the quiet, and those of quiet at its end. given_up: it
    is too long for a word. torn: sound got lost in it."""

    quiet: float
    frames: deque[Floats]
    length: int = 1
    loud: int = 1
    since: int = 0
    given_up: bool = False
    torn: bool = False


class Cutter:
    """Cuts a stream into takes."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._levels: deque[float] = deque(maxlen=PAST)  # dBFS of the last frames
        self._peaks: deque[float] = deque(maxlen=PAST)  # their highest samples
        self._before: deque[Floats] = deque(maxlen=AROUND + 1)  # frames that may precede a word
        self._word: _Word | None = None
        self._zeros = 0  # frames of nothing else up to now

    @property
    def level(self) -> Level:
        """Of what was pushed last."""
        if not self._levels:
            return Level()
        last = [10 ** (one / 10) for one in islice(reversed(self._levels), 10)]
        mean = decibels(math.sqrt(sum(last) / len(last)))
        muted = self._zeros * FRAME / RATE
        return Level(mean, decibels(max(self._peaks)), self._word is not None, muted)

    def push(self, samples: Floats, *, torn: bool = False) -> list[Take]:
        """The next samples, any number -> the takes that they complete.

        torn: whether sound got lost before them.
        """
        if torn and self._word is not None:
            self._word.torn = True
        wave = np.concatenate([self._rest, samples], dtype=np.float32)
        whole = len(wave) // FRAME * FRAME
        self._rest = wave[whole:]
        frames = wave[:whole].reshape(-1, FRAME)
        # Not the power but the variance: many a sound card adds a constant, which nobody hears.
        levels = np.sqrt(frames.var(axis=1, dtype=np.float64))
        peaks = np.abs(frames).max(axis=1)
        found = []
        for frame, level, peak in zip(frames, levels, peaks, strict=True):
            self._levels.append(decibels(float(level)))
            self._peaks.append(float(peak))
            self._zeros = 0 if peak else self._zeros + 1
            found.append(self._frame(frame.copy(), self._levels[-1]))
        return [take for take in found if take is not None]

    def finish(self) -> list[Take]:
        """Nothing more will come: the take that this completes, if a word was going on."""
        take = self._over(self._word) if self._word is not None else None
        return [take] if take is not None else []

    def _frame(self, frame: Floats, loud: float) -> Take | None:
        word = self._word
        if word is None:
            self._before.append(frame)
            quiet = _quantile(self._levels, 0.2)
            # At first nothing is known of the quiet.
            if len(self._levels) > AROUND and loud > max(quiet + RISE, FAINTEST):
                self._word = _Word(quiet, deque(self._before))
            return None
        word.frames.append(frame)
        word.length += 1
        over = loud > max(word.quiet + FALL, FAINTEST)
        word.loud += over
        word.since = 0 if over else word.since + 1
        if not word.since and word.length >= STEADY and self._is_steady():
            self._settle(word)
            return None
        if word.since == HANG:
            return self._over(word)
        if word.length - word.since >= LONGEST:
            return self._too_long(word)
        return None

    def _over(self, word: _Word) -> Take | None:
        """A word that is over, or what seemed to be one."""
        frames = list(word.frames)
        self._word = None
        self._before.clear()
        self._before.extend(frames[-AROUND:])
        if word.given_up or word.loud < SHORTEST:
            return None
        wave = np.concatenate(frames[: len(frames) - max(0, word.since - AROUND)])
        return Take(wave, "sound got lost in it" if word.torn else fault(wave))

    def _is_steady(self) -> bool:
        """Whether the level of the last frames hardly changes, as that of no voice."""
        last = list(islice(reversed(self._levels), STEADY))
        return _quantile(last, 0.9) - _quantile(last, 0.1) < EVEN

    def _settle(self, word: _Word) -> None:
        """What rose is no word: a fan that was switched on, or a microphone that woke up."""
        last = list(self._levels)[-STEADY:]
        self._levels.clear()
        self._levels.extend(last)
        self._before.clear()
        self._before.extend(list(word.frames)[-AROUND:])
        self._word = None

    def _too_long(self, word: _Word) -> Take | None:
        """From here on the quiet is looked for anew: it may be louder than it was."""
        word.quiet = _quantile(self._levels, 0.2)
        if word.given_up:
            return None
        wave = np.concatenate(word.frames)
        word.given_up = True
        word.frames = deque(word.frames, maxlen=AROUND)
        # A fan that was switched on is no fault of who speaks.
        if _quantile(self._levels, 0.9) - _quantile(self._levels, 0.1) < FALL:
            return None
        seconds = LONGEST * FRAME / RATE
        return Take(wave, f"longer than {seconds:.1f} s: say one word, then pause")


def fault(wave: Floats) -> str:
    """What is wrong with a take, float32 [sample]; empty if nothing is."""
    if (np.abs(wave) >= FULL).sum() >= SPOILT:
        return "clipped: speak softer, or turn the microphone down"
    if (loud := loudness(wave)) < SOFT:
        return f"too quiet ({max(-120.0, loud):.0f} dBFS): come closer, or turn the microphone up"
    return ""


def takes(chunks: Iterable[Floats]) -> Iterator[Take]:
    """All takes of a stream of float32 [sample] at 16 kHz, as soon as each is over."""
    cutter = Cutter()
    for chunk in chunks:
        yield from cutter.push(chunk)
    yield from cutter.finish()


def rooms(chunks: Iterable[Floats]) -> Iterator[Floats]:
    """The stream in clips of ROOM samples, whatever is in it; what is left at its end is not."""
    wave = np.zeros(0, np.float32)
    for chunk in chunks:
        wave = np.concatenate([wave, chunk], dtype=np.float32)
        while len(wave) >= ROOM:
            yield wave[:ROOM]
            wave = wave[ROOM:]


def decibels(amplitude: float) -> float:
    """dBFS of an amplitude of 0..1, -120 at least.

    >>> decibels(0.1)
    -20.0
    """
    return max(-120.0, round(20 * math.log10(max(amplitude, 1e-12)), 6))


def meter(level: Level, width: int = 30) -> str:
    """A level as a bar from -60 to 0 dBFS with a mark at the peak, both in numbers, and `*` while
    it is a word.

    >>> meter(Level(-30.0, -12.0, True), 20)
    '[##########------|---]  -30 dBFS, peak  -12 *'
    """
    filled, mark = (round(width * min(1, max(0, 1 + one / 60))) for one in (level.mean, level.peak))
    cells = ["#" if place < filled else "-" for place in range(width)]
    if mark > 0:
        cells[min(mark, width - 1)] = "|"
    numbers = f"{level.mean:4.0f} dBFS, peak {level.peak:4.0f}"
    return f"[{''.join(cells)}] {numbers} {'*' if level.speaking else ' '}"


def _quantile(levels: Iterable[float], share: float) -> float:
    """The level that this share of them does not reach; np.quantile takes ten times as long."""
    ordered = sorted(levels)
    return ordered[int(share * (len(ordered) - 1))]
