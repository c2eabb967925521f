"""Spectrogram: sound -> log-mel, the same in training, for whole clips and piece by piece.

The mel filters are librosa's (Slaney's scale, each of area 1); they are made once, when a network
is trained, and travel in its model file, so that hearing a clip needs numpy alone. A frame starts
at each multiple of the hop and looks at nothing before it, so that a stream has no delay but its
own frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError

Floats = NDArray[np.float32]

BLOCK = 16
"""Frames that meet the filters together. A matrix product rounds by its shape and by the place in
it, so a frame always has the same place in a block of the same shape: then its numbers are the
same to the last bit however the sound was cut."""

PIECE = 64 * BLOCK
"""Frames that are worked on at once: a recording of an hour takes no more memory."""


@dataclass(frozen=True, eq=False)
class FrontEnd:
    """How sound is seen.

    rate: samples a second. fft, hop: samples of a frame, and from one frame to the next; the
    window is Hann's, periodic, as long as the frame. fmin, fmax: Hz. filters: float32 [band, bin].
    floor: power below which nothing is heard, about that of white noise at -78 dBFS: under the
    hiss of any microphone, above the rounding of 16 bits, so that digital silence and a quiet
    room's last bits look alike.
    """

    filters: Floats
    rate: int = 16_000
    fft: int = 512
    hop: int = 256
    fmin: float = 20.0
    fmax: float = 8_000.0
    floor: float = 1e-7

    @classmethod
    def make(cls, *, bands: int = 64, **settings: Any) -> FrontEnd:
        """With `bands` filters from librosa; settings: any of the other fields.

        Raises SpeechnetError if a band would be empty.
        """
        import librosa

        bare = cls(np.zeros((bands, 0), np.float32), **settings)
        filters = librosa.filters.mel(
            sr=bare.rate, n_fft=bare.fft, n_mels=bands, fmin=bare.fmin, fmax=bare.fmax
        )
        if not filters.any(axis=1).all():
            raise SpeechnetError(
                f"{bands} bands are too many for frames of {bare.fft} samples: some would be empty"
            )
        return cls(filters.astype(np.float32), **settings)

    @property
    def bands(self) -> int:
        """How many."""
        return len(self.filters)

    def frames(self, samples: int) -> int:
        """How many frames so many samples have."""
        return max(0, 1 + (samples - self.fft) // self.hop)

    @cached_property
    def window(self) -> Floats:
        """Hann's, periodic: [sample]."""
        phase = 2 * np.pi * np.arange(self.fft) / self.fft
        return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)

    @cached_property
    def _weights(self) -> Floats:
        return np.ascontiguousarray(self.filters.T)  # [bin, band]

    def to_facts(self) -> dict[str, Any]:
        """As JSON can hold it; the filters by their first bin and their weights from there on."""
        filters = []
        for row in self.filters:
            bins = np.flatnonzero(row)
            first, last = int(bins[0]), int(bins[-1])
            # float32 -> repr of the float64 of the same value and back is exact.
            filters.append([first, *(float(weight) for weight in row[first : last + 1])])
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        return {**numbers, "filters": filters}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> FrontEnd:
        """What `to_facts` gave. Raises SpeechnetError for anything else."""
        try:
            numbers = {name: facts[name] for name in _NUMBERS}
            filters = np.zeros((len(facts["filters"]), numbers["fft"] // 2 + 1), np.float32)
            for row, (first, *weights) in zip(filters, facts["filters"], strict=True):
                row[first : first + len(weights)] = weights
        except (KeyError, TypeError, ValueError) as error:
            raise SpeechnetError(
                "the model does not say how it sees sound: export again"
            ) from error
        return cls(filters, **numbers)


_NUMBERS = ("rate", "fft", "hop", "fmin", "fmax", "floor")


def log_mel(samples: Floats, front: FrontEnd) -> Floats:
    """The log-mel spectrogram of sound.

    samples: [sample] or [batch, sample], -1..1, at the front end's rate.
    Returns the natural logarithm of the power, [band, frame] or [batch, band, frame].
    Raises SpeechnetError if there is not one whole frame.
    """
    if front.frames(samples.shape[-1]) == 0:
        raise SpeechnetError(
            f"{samples.shape[-1]} samples are less than a frame of {front.fft}: pad them"
        )
    if samples.ndim == 2:
        return np.stack([log_mel(one, front) for one in samples])
    cut = _cut(np.ascontiguousarray(samples, np.float32), front)
    pieces = [_bands(cut[start : start + PIECE], 0, front) for start in range(0, len(cut), PIECE)]
    return np.ascontiguousarray(np.concatenate(pieces).T)


class Stream:
    """The same, piece by piece: what is pushed in gives the frames that it completes."""

    def __init__(self, front: FrontEnd) -> None:
        self.front = front
        self._rest = np.zeros(0, np.float32)
        self._done = 0

    def push(self, samples: Floats) -> Floats:
        """The next samples, any number -> the next frames: [band, frame], maybe none."""
        front = self.front
        wave = np.concatenate([self._rest, samples])
        count = front.frames(len(wave))
        self._rest = wave[count * front.hop :]
        if count == 0:
            return np.zeros((front.bands, 0), np.float32)
        mel = _bands(_cut(wave, front), self._done % BLOCK, front)
        self._done += count
        return np.ascontiguousarray(mel.T)


def _cut(samples: Floats, front: FrontEnd) -> Floats:
    """[sample], contiguous -> [frame, sample], a view; sliding_window_view takes 20 times as long,
    which for a clip of a second is an eighth of the whole."""
    shape = front.frames(len(samples)), front.fft
    step = samples.itemsize
    return np.ndarray(shape, np.float32, samples, strides=(front.hop * step, step))


def _bands(cut: Floats, place: int, front: FrontEnd) -> Floats:
    """[frame, sample] -> [frame, band]. place: of the first frame in its block."""
    spectrum = np.fft.rfft(cut * front.window)  # complex64 [frame, bin]
    total = -(-(place + len(cut)) // BLOCK) * BLOCK
    power = np.zeros((total, spectrum.shape[1]), np.float32)
    inside = power[place : place + len(cut)]
    np.abs(spectrum, out=inside)
    inside *= inside
    mel = power.reshape(-1, BLOCK, spectrum.shape[1]) @ front._weights
    mel = mel.reshape(total, -1)[place : place + len(cut)]
    heard: Floats = np.log(np.maximum(mel, np.float32(front.floor)))
    return heard
