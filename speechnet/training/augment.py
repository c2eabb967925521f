"""Augment: how a clip might have sounded in another room, voice, telephone and at another level.

Pure functions of waves [sample] or [batch, sample] and of log-mel spectrograms [batch, band,
frame]; what is random comes from the generator that is passed. `Augment` says how much of each,
`sampling` in which order. What a microphone, a room and a coder do to the spectrum alone is done
to the log-mel spectrogram, where it costs next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError
from speechnet.sound.windows import WINDOW

Floats = NDArray[np.float32]
Rng = np.random.Generator
Range = tuple[float, float]

RATE = 16_000


@dataclass(frozen=True, kw_only=True)
class Augment:
    """How training clips are varied. A share is of all clips, 0..1; a pair is a range.

    unknown, silence: how often these classes come, beside 1 for each word.
    fragments: share of `unknown` that is made of pieces of words.

    speed: of playing: pitch, formants and tempo together. warp: of the frequency axis alone.
    spill: share of a word that may lie outside of the window.
    trim: share with digital silence up to somewhere before, and from somewhere after the speech.
    neighbours: share with another word before, and with another after it.

    noise: share with noise behind, by a ratio of `snr` dB: the word, while it lasts, to the noise.
    reverb: share in a room whose echo falls by 60 dB in `echo` seconds.
    level: dBFS of the word. hush: dBFS of the quietest noise that stands alone.
    overload: share that is driven into clipping, by up to 20 dB.

    tilt: dB, standard deviation of the random filter of microphone and loudspeaker.
    narrow: share without what lies above a frequency of `edge` Hz, as on a telephone.
    coder: share whose faint parts are lost, as in lossy coding; companded: through 8-bit mu-law.

    masks: how many bands and times are hidden; of up to `mask_bands` bands, `mask_seconds`.
    mixup: share mixed with another clip, by Beta(mixup_beta, mixup_beta).
    """

    unknown: float = 3.0
    silence: float = 3.0
    fragments: float = 0.25
    speed: Range = (0.87, 1.15)
    warp: Range = (0.87, 1.15)
    spill: float = 0.1
    trim: float = 0.25
    neighbours: float = 0.5
    noise: float = 0.7
    snr: Range = (0.0, 35.0)
    reverb: float = 0.2
    echo: Range = (0.1, 0.7)
    level: Range = (-48.0, -10.0)
    hush: float = -75.0
    overload: float = 0.05
    tilt: float = 4.0
    narrow: float = 0.25
    edge: Range = (3300.0, 7000.0)
    coder: float = 0.15
    companded: float = 0.05
    masks: int = 2
    mask_bands: int = 6
    mask_seconds: float = 0.12
    mixup: float = 0.2
    mixup_beta: float = 0.4

    def __post_init__(self) -> None:
        for name in _PAIRS:
            pair = tuple(float(number) for number in getattr(self, name))  # TOML knows lists
            if len(pair) != 2 or pair[0] > pair[1]:
                raise SpeechnetError(f"{name} is a range of two numbers, not {list(pair)}")
            object.__setattr__(self, name, pair)
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise SpeechnetError(f"{name} is a share of 0 to 1, not {getattr(self, name)}")
        for name in ("speed", "warp"):
            low, high = getattr(self, name)
            if low < 0.5 or high > 2:
                raise SpeechnetError(f"{name} lies within 0.5 and 2, not {[low, high]}")
        numbers = {one.name for one in fields(self)} - set(_PAIRS) - set(_SHARES) - {"hush"}
        negative = [name for name in sorted(numbers) if getattr(self, name) < 0]
        if negative or self.mixup_beta == 0 or self.echo[0] <= 0 or self.edge[0] <= 0:
            raise SpeechnetError(
                f"{negative[0] if negative else 'mixup_beta, echo or edge'} is too small"
            )


_PAIRS = ("speed", "warp", "snr", "echo", "level", "edge")
_SHARES = ("fragments", "spill", "trim", "neighbours", "noise", "reverb", "overload", "narrow",
           "coder", "companded", "mixup")  # fmt: skip


# Waves


@lru_cache(maxsize=1)
def _fast() -> NDArray[np.int64]:
    """Even lengths without a prime factor above 5: their Fourier transforms are quick."""
    # Up to twice the 60 seconds that a clip may have: it may be played at half its speed.
    powers = (2**a * 3**b * 5**c for a in range(1, 22) for b in range(13) for c in range(9))
    return np.array(sorted(number for number in powers if number <= 2**21))


def play(wave: Floats, speed: float) -> Floats:
    """Played `speed` times as fast, nothing folded back: [sample] -> [about sample / speed].

    The speed is rounded to a ratio of lengths whose Fourier transforms are quick, by 2% at most
    for half a second or more; 1 changes nothing.
    """
    if speed == 1:
        return wave
    fast = _fast()
    # Sound at the end must not come round to the start: quiet goes between them.
    before = int(fast[np.searchsorted(fast, len(wave) + 64)])
    after = int(fast[np.abs(fast - before / speed).argmin()])
    if before == after:
        return wave
    spectrum = np.fft.rfft(wave, before)
    played = np.fft.irfft(spectrum[: after // 2 + 1], after).astype(np.float32, copy=False)
    return (played * np.float32(after / before))[: max(1, round(len(wave) * after / before))]


def echoes(waves: Floats, seconds: NDArray[np.floating], rng: Rng) -> Floats:
    """In rooms: [batch, sample], and [room] seconds in which an echo falls by 60 dB.

    The echo is noise that dies away exponentially (Moorer 1979, "About this reverberation
    business"), after a short gap, together -12 to +6 dB of the direct sound. The waves are spread
    over the rooms in turn.
    """
    rooms = len(seconds)
    extent = fast_length(waves.shape[1] + WINDOW // 2)
    time = np.arange(extent - waves.shape[1], dtype=np.float32) / np.float32(RATE)
    echo = rng.standard_normal((rooms, len(time)), dtype=np.float32)
    echo *= np.exp(np.float32(-6.908) / seconds[:, None].astype(np.float32) * time)
    echo[time < rng.uniform(0.001, 0.02, (rooms, 1))] = 0
    strength = 10 ** (rng.uniform(-12, 6, (rooms, 1)) / 20)
    echo *= (strength / np.sqrt(np.square(echo).sum(axis=1, keepdims=True))).astype(np.float32)
    echo[:, 0] = 1
    answer = np.fft.rfft(echo, extent)
    heard = np.empty_like(waves)
    for row, wave in enumerate(waves):
        spectrum = np.fft.rfft(wave, extent)
        spectrum *= answer[row % rooms]
        heard[row] = np.fft.irfft(spectrum, extent)[: len(wave)]
    return heard


def fast_length(samples: int) -> int:
    """The next length from `samples` on whose Fourier transform is quick."""
    fast = _fast()
    return int(fast[np.searchsorted(fast, samples)])


def compand(waves: Floats) -> Floats:
    """Through 8-bit mu-law and back (ITU-T G.711, the smooth curve): -1..1, any shape."""
    steps = np.rint(np.log1p(255 * np.minimum(np.abs(waves), 1)) * np.float32(127 / np.log(256)))
    loud: Floats = np.expm1(steps * np.float32(np.log(256) / 127)) / np.float32(255)
    return np.copysign(loud, waves)


def record(waves: Floats) -> Floats:
    """As 16-bit samples hold it: clipped at full scale, and rounded."""
    stored: Floats = np.clip(np.rint(waves * np.float32(32768)), -32768, 32767)
    stored *= np.float32(1 / 32768)
    return stored


# Log-mel spectrograms


def warp(mel: Floats, factors: NDArray[np.floating], centres: NDArray[np.floating]) -> Floats:
    """Voices of other sizes: what was at frequency f comes to f times the clip's factor.

    mel: [batch, band, frame]. factors: [batch]. centres: [band] Hz. The upper end stays where it
    is (Lee and Rose 1998, "A frequency warping approach to speaker normalization").
    """
    top = centres[-1]
    knee = 0.6 * top * np.minimum(1, factors)[:, None]  # in what comes out; 0.6 top at most came in
    source = centres / factors[:, None]
    bend = knee / factors[:, None]
    above = bend + (centres - knee) * (top - bend) / (top - knee)
    source = np.where(centres <= knee, source, above)
    place = np.interp(source, centres, np.arange(len(centres)))
    low = np.minimum(place.astype(np.int64), len(centres) - 2)
    share = (place - low).astype(np.float32)[:, :, None]
    batch = np.arange(len(mel))[:, None]
    lower, upper = mel[batch, low], mel[batch, low + 1]
    warped: Floats = lower + share * (upper - lower)
    return warped


def curves(batch: int, bands: int, spread: float, rng: Rng, knots: int = 6) -> Floats:
    """Random smooth lines over the bands: [batch, band], of a standard deviation of `spread`."""
    heights = rng.standard_normal((batch, knots), dtype=np.float32) * np.float32(spread)
    at = np.linspace(0, knots - 1, bands)
    low = np.minimum(at.astype(np.int64), knots - 2)
    share = (at - low).astype(np.float32)
    lines: Floats = heights[:, low] * (1 - share) + heights[:, low + 1] * share
    return lines


def amplify(mel: Floats, decibels: Floats, floor: float) -> Floats:
    """Each band by so many dB, [batch, band]; what is at the log-power `floor` stays there."""
    louder = mel + (decibels * np.float32(np.log(10) / 10))[:, :, None]
    heard: Floats = np.where(mel > floor + 1e-4, np.maximum(louder, np.float32(floor)), mel)
    return heard


def low_pass(
    edges: NDArray[np.floating], slopes: NDArray[np.floating], centres: NDArray[np.floating]
) -> Floats:
    """Decibels by band, [batch, band]: none up to `edges` Hz, then down by `slopes` dB a kHz."""
    over = np.maximum(0, centres - edges[:, None]) / 1000
    return (-slopes[:, None] * over).astype(np.float32)


def forget(mel: Floats, depths: NDArray[np.floating], floor: float) -> Floats:
    """Coders drop what is masked: cells more than so many dB, [batch], under the loudest of their
    frame go down to the floor."""
    peak = mel.max(axis=1, keepdims=True)
    limit = peak - (depths * np.log(10) / 10).astype(np.float32)[:, None, None]
    return np.where(mel < limit, np.float32(floor), mel)


def mask(mel: Floats, augment: Augment, frames_a_second: float, rng: Rng) -> None:
    """Hide bands and times, in place, by the clip's mean (Park et al. 2019, SpecAugment)."""
    batch, bands, frames = mel.shape
    mean = mel.mean(axis=(1, 2))[:, None, None]
    widest = min(frames, round(augment.mask_seconds * frames_a_second))
    for _ in range(augment.masks):
        for axis, many, most in ((1, bands, min(bands, augment.mask_bands)), (2, frames, widest)):
            width = rng.integers(0, most + 1, batch)
            start = rng.integers(0, many - width + 1)
            place = np.arange(many)
            hidden = (place >= start[:, None]) & (place < (start + width)[:, None])
            hidden = hidden[:, :, None] if axis == 1 else hidden[:, None, :]
            np.copyto(mel, mean, where=hidden)


def mix(
    mel: Floats, target: Floats, augment: Augment, rng: Rng
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Mixup (Zhang et al. 2018): a share of the batch with other clips of it.

    Returns the clips, their targets, and which were mixed: [batch].
    """
    batch = len(mel)
    drawn = rng.beta(augment.mixup_beta, augment.mixup_beta, batch)
    drawn = np.minimum(drawn, 1 - drawn)  # the first stays the first
    part = np.where(rng.random(batch) < augment.mixup, drawn, 0)[:, None].astype(np.float32)
    other = rng.permutation(batch)
    # Differences leave what is not mixed as it is, to the last bit.
    mixed = mel + part[:, :, None] * (mel[other] - mel)
    return mixed, target + part * (target[other] - target), part[:, 0] > 0
