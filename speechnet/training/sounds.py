"""Sounds: a second of something that is no speech, made from numbers.

Recordings are few, and what a keyword network has never heard it takes for a word. Here are kinds
of sounds whose every number is drawn anew: what kitchens, streets, workshops and machines do is
near some of them. Pure functions of the generator; float32 [WINDOW] of any level.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from speechnet.sound.windows import WINDOW

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Rng = np.random.Generator

RATE = 16_000
TURN = np.float32(2 * np.pi)


def made(rng: Rng) -> Floats:
    """A sound of some kind, at times over another one. Not all 0."""
    wave = _KINDS[int(rng.integers(len(_KINDS)))](rng)
    if rng.random() < 0.4:
        other = _KINDS[int(rng.integers(len(_KINDS)))](rng)
        wave = _even(wave) + np.float32(rng.uniform(0.05, 1)) * _even(other)
    if rng.random() < 0.5:
        # Nowhere is it quite still: a hum or a hiss lies under everything.
        wave = _even(wave) + np.float32(10 ** rng.uniform(-2.5, -0.5)) * _even(_colour(rng, 25))
    return wave


def filtered(wave: Floats, rng: Rng, depth: float = 20.0) -> Floats:
    """Through a random filter, of up to `depth` dB up and down and with a few resonances."""
    bins = len(wave) // 2 + 1
    return _inverse(np.fft.rfft(wave) * _response(bins, rng, depth), len(wave))


def hiss(rng: Rng) -> Floats:
    """Water, wind, frying, traffic, applause, sawing, sweeping: noise that swells and fades."""
    return _colour(rng, 30) * _envelope(rng)


def strikes(rng: Rng) -> Floats:
    """Cutlery, glasses, pans, doors, keys, steps, hammers: bodies that are struck and ring.

    Each is a sum of dying tones (modal synthesis: Cook 2002, "Real sound synthesis").
    """
    bodies = [_body(rng) for _ in range(int(rng.integers(1, 4)))]
    wave = np.zeros(WINDOW, np.float32)
    for start in _moments(rng, 25):
        dull, bright = bodies[int(rng.integers(len(bodies)))]
        share = np.float32(rng.random())
        force = np.float32(np.exp(rng.normal(0, 0.8)))
        wave[start:] += force * (share * dull + (1 - share) * bright)[: WINDOW - start]
    return wave


def crackle(rng: Rng) -> Floats:
    """Fire, frying, rain, paper, typing, a bad contact: many small clicks."""
    many = int(_between(rng, 3, 3000))
    clicks = np.zeros(WINDOW, np.float32)
    clicks[rng.integers(WINDOW, size=many)] = rng.standard_normal(many) ** 3
    return filtered(clicks, rng, 25) * _envelope(rng)


def tones(rng: Rng) -> Floats:
    """Hums, beeps, chords, sirens, whistles, alarms: tones that glide, tremble and pulse."""
    wave = np.zeros(WINDOW, np.float32)
    for _ in range(int(rng.integers(1, 5))):
        turns = _turns(rng, _between(rng, 40, 3500), spread=rng.choice([0.0, 0.0, 0.1, 0.8]))
        fall = rng.uniform(0, 2)
        for harmonic in {1, *rng.integers(2, 9, int(rng.integers(0, 5))).tolist()}:
            size = np.float32(rng.uniform(0.2, 1) / harmonic**fall)
            wave += size * np.sin(TURN * np.float32(harmonic) * turns)
    return wave * _envelope(rng)


def buzz(rng: Rng) -> Floats:
    """Motors, horns, squeaks, strings, beasts: pulses of some pitch in a body that resounds."""
    turns = _turns(rng, _between(rng, 15, 1200), spread=rng.choice([0.0, 0.1, 0.3, 1.0]))
    shape = rng.random()
    if shape < 0.4:
        pulses = np.exp(np.float32(-rng.uniform(3, 40)) * turns)
    elif shape < 0.7:
        pulses = turns
    else:
        pulses = (turns < rng.uniform(0.05, 0.5)).astype(np.float32)
    pulses = pulses - pulses.mean()
    breath = np.float32(rng.choice([0.0, 0.1, 0.5])) * rng.standard_normal(WINDOW, dtype=np.float32)
    return filtered(pulses * (1 + breath), rng, 25) * _envelope(rng)


def whistles(rng: Rng) -> Floats:
    """Birds, squeaking shoes and hinges, games: short sweeps, often one over and over."""
    wave = np.zeros(WINDOW, np.float32)
    motifs = [_sweep(rng) for _ in range(int(rng.integers(1, 4)))]
    for start in _moments(rng, 14):
        motif = motifs[int(rng.integers(len(motifs)))][: WINDOW - start]
        wave[start : start + len(motif)] += motif * np.float32(rng.uniform(0.3, 1))
    return wave


def drops(rng: Rng) -> Floats:
    """Dripping, pouring, boiling, swallowing: bubbles, whose tone rises as it dies.

    (van den Doel 2005, "Physically based models for liquid sounds".)
    """
    base = _between(rng, 250, 2500)
    bubbles = []
    for _ in range(6):
        time = np.arange(int(_between(rng, 300, 3000)), dtype=np.float32) / np.float32(RATE)
        pitch = base * np.exp(rng.normal(0, 0.4))
        turns = np.float32(pitch) * (time + np.float32(rng.uniform(0, 15)) * time**2)
        bubbles.append(np.sin(TURN * turns) * np.exp(np.float32(-7 * RATE / len(time)) * time))
    wave = np.zeros(WINDOW, np.float32)
    for start in _moments(rng, 120):
        bubble = bubbles[int(rng.integers(6))][: WINDOW - start]
        wave[start : start + len(bubble)] += bubble * np.float32(np.exp(rng.normal(0, 1)))
    return wave


def scrapes(rng: Rng) -> Floats:
    """Scraping, brushing, breath, gusts, whispering without words: bands of noise that wander."""
    wave = np.zeros(WINDOW, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        width = int(_between(rng, 20, 600))  # Hz, for there is a second
        slow = np.zeros(WINDOW // 2 + 1, np.complex64)
        slow[:width] = rng.standard_normal((width, 2), dtype=np.float32).view(np.complex64)[:, 0]
        turns = _turns(rng, _between(rng, 200, 5000), spread=rng.choice([0.1, 0.5, 1.0]))
        wave += _even(_inverse(slow, WINDOW)) * np.sin(TURN * turns) * _envelope(rng)
    return wave


def hum(rng: Rng) -> Floats:
    """Mains, transformers, fridges, fans: low harmonics that do not change."""
    turns = _turns(rng, float(rng.choice([50, 60, 100, 120, rng.uniform(20, 200)])), spread=0.0)
    many = int(rng.integers(3, 12))
    sizes = rng.random(many) / np.arange(1, many + 1) ** rng.uniform(0, 2)
    wave = np.zeros(WINDOW, np.float32)
    for harmonic, size in enumerate(sizes, start=1):
        wave += np.float32(size) * np.sin(TURN * np.float32(harmonic) * turns)
    return wave + np.float32(rng.uniform(0, 0.5)) * _even(_colour(rng, 20))


_KINDS: tuple[Callable[[Rng], Floats], ...] = (
    hiss, hiss, strikes, strikes, strikes, crackle, crackle, tones, buzz, buzz, whistles, drops,
    scrapes, hum,
)  # fmt: skip


def _between(rng: Rng, low: float, high: float) -> float:
    """As often near the one as near the other, by ratio."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _even(wave: Floats) -> Floats:
    """At a root mean square of 1."""
    return wave / np.float32(np.sqrt(np.square(wave).mean()) + 1e-9)


def _inverse(spectrum: NDArray[np.complexfloating], samples: int) -> Floats:
    """From a spectrum back to a wave."""
    return np.fft.irfft(spectrum, samples).astype(np.float32, copy=False)


def _line(rng: Rng, knots: int, *, spread: float) -> Doubles:
    """A wandering line of straight pieces, [WINDOW], normally distributed around 0."""
    heights = rng.normal(0, spread, max(2, knots))
    return np.interp(np.linspace(0, len(heights) - 1, WINDOW), np.arange(len(heights)), heights)


def _response(bins: int, rng: Rng, depth: float) -> Floats:
    """A random filter's amplitude, [bin]: smooth, finer where ears are, and up to 4 resonances."""
    knots = rng.uniform(-depth, depth, int(rng.integers(3, 9)))
    place = np.linspace(0, 1, bins)
    line = np.interp(np.sqrt(place), np.linspace(0, 1, len(knots)), knots)
    response = 10 ** (line / 20)
    for _ in range(int(rng.integers(0, 5))):
        middle, width = rng.uniform(0.02, 0.8), _between(rng, 0.003, 0.05)
        response *= 1 + rng.uniform(0, 8) / (1 + ((place - middle) / width) ** 2)
    return response.astype(np.float32)


def _colour(rng: Rng, depth: float) -> Floats:
    """Steady noise of a random colour."""
    bins = WINDOW // 2 + 1
    spectrum = rng.standard_normal((bins, 2), dtype=np.float32).view(np.complex64)[:, 0]
    return _inverse(spectrum * _response(bins, rng, depth), WINDOW)


def _envelope(rng: Rng) -> Floats:
    """How loud it is when, [WINDOW], 0..1: always alike, wandering, to and fro, or now and then."""
    kind = rng.random()
    if kind < 0.25:
        return np.ones(WINDOW, np.float32)
    if kind < 0.5:
        line = _line(rng, int(_between(rng, 3, 60)), spread=rng.uniform(2, 12))
        level: Floats = (10 ** ((line - line.max()) / 20)).astype(np.float32)
        return level
    if kind < 0.7:
        swing = np.sin(TURN * _turns(rng, _between(rng, 0.7, 40), spread=0.05)) * 0.5 + 0.5
        pulse: Floats = np.maximum(swing, np.float32(1e-3)) ** np.float32(
            rng.choice([0.2, 1, 3, 8])
        )
        return pulse
    # One to four events, which may last as long as words do.
    envelope = np.full(WINDOW, rng.choice([0.0, 0.01, 0.1]), np.float32)
    for start in _moments(rng, 4):
        rise, last, fall = (int(_between(rng, *limits)) for limits in _EVENT)
        corners = np.cumsum([0, rise, last, fall])
        event = np.interp(np.arange(min(corners[-1], WINDOW - start)), corners, [0, 1, 1, 0]) ** 2
        part = envelope[start : start + len(event)]
        np.maximum(part, (event * rng.uniform(0.2, 1)).astype(np.float32), out=part)
    return envelope


_EVENT = ((16, 3000), (100, 8000), (200, 8000))
"""Samples: of the rise, the height and the fall of an event."""


def _moments(rng: Rng, most: int) -> list[int]:
    """When things happen, in samples: by chance, or regularly; 1 to `most` of them."""
    many = int(_between(rng, 1, most + 0.99))
    if rng.random() < 0.6:
        return [int(start) for start in rng.integers(0, WINDOW - 400, many)]
    step = WINDOW / (many + 1)
    grid = (np.arange(many) + rng.random()) * step + rng.normal(0, 0.05 * step, many)
    return [int(start) for start in np.clip(grid, 0, WINDOW - 400)]


def _turns(rng: Rng, frequency: float, *, spread: float) -> Floats:
    """The phase of a tone, 0..1, [WINDOW]. spread: by what ratio (its logarithm) it wanders."""
    if spread == 0:
        turns = np.arange(WINDOW) * (frequency / RATE) + rng.random()
    else:
        bend = _line(rng, int(_between(rng, 2, 20)), spread=float(spread))
        pitch = np.minimum(frequency * np.exp(bend), 0.48 * RATE)
        turns = np.cumsum(pitch / RATE) + rng.random()
    return (turns % 1).astype(np.float32)


def _sweep(rng: Rng) -> Floats:
    """A short tone that glides: [sample]."""
    extent = int(_between(rng, 200, 5000))
    heights = np.minimum(_between(rng, 500, 6500) * np.exp(rng.normal(0, 0.3, 3)), 0.48 * RATE)
    pitch = np.interp(np.linspace(0, 2, extent), [0, 1, 2], heights)
    turns = (np.cumsum(pitch / RATE) % 1).astype(np.float32)
    wave: Floats = np.sin(TURN * turns) * np.hanning(extent).astype(np.float32)
    return wave


def _body(rng: Rng) -> tuple[Floats, Floats]:
    """What a body answers to a soft and to a hard stroke: [WINDOW] each."""
    many = int(rng.integers(2, 16))
    base = _between(rng, 70, 4000)
    pitch = base * np.cumsum(np.append(1, rng.uniform(0.2, 1.5, many - 1)))
    pitch = pitch[pitch < 0.48 * RATE]
    # High modes die sooner; wood does at once, glass and bells do not.
    rate = _between(rng, 6, 300) * (pitch / base) ** rng.uniform(0, 1)
    size = rng.uniform(0.2, 1, (2, len(pitch))) * np.exp(TURN * 1j * rng.random((2, len(pitch))))
    size *= (pitch / base) ** np.array([[-1.0], [0.3]])
    blow = int(_between(rng, 10, 800))
    knock = rng.standard_normal(blow, dtype=np.float32) * np.float32(rng.uniform(0, 2))
    answers = []
    for sizes in size:
        answer = _ringing(pitch, rate, sizes)
        answer[:blow] += knock * np.linspace(1, 0, blow, dtype=np.float32) ** 2
        answers.append(answer)
    return answers[0], answers[1]


def _ringing(pitch: Doubles, rate: Doubles, size: NDArray[np.complexfloating]) -> Floats:
    """Dying tones together, [WINDOW]: of `pitch` Hz, falling by e in 1 / `rate` seconds.

    Sample 64a + b of a tone is its step to the power 64a times its step to the power b: for all
    samples and tones together that is one small matrix product.
    """
    step = (2j * np.pi * pitch - rate) / RATE
    coarse = (size * np.exp(np.outer(64 * np.arange(WINDOW // 64), step))).astype(np.complex64)
    fine = np.exp(np.outer(step, np.arange(64))).astype(np.complex64)
    # In small parts: BLAS spreads a larger product over threads, and these wait for one another.
    parts = coarse.reshape(5, -1, len(pitch)) @ fine
    return np.array(parts.real.ravel(), np.float32)
