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

REACH = 2
"""Frames to either side of one from which a network reads how its bands rise and bend."""

BLOCK = 64
"""Frames that meet the filters together. A matrix product rounds by its shape and by the place in
it, so a frame always has the same place in a block of the same shape: then its numbers are the
same to the last bit however the sound was cut."""

GROUPS = 4
"""Of neighbouring bands, each of which meets only the bins that it hears: a quarter of the work,
and products too small for BLAS to spread over threads, which would wait for one another."""


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
    def window(self) -> NDArray[np.float64]:
        """Hann's, periodic: [sample]."""
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.fft) / self.fft)

    @cached_property
    def _windows(self) -> NDArray[np.float64]:
        return np.tile(self.window, (BLOCK, 1))  # a product with equals is twice as fast

    @cached_property
    def _groups(self) -> list[tuple[slice, slice, Floats]]:
        """For each group: its bands, the bins that they hear, and the weights [bin, band]."""
        found = []
        for bands in np.array_split(np.arange(self.bands), min(GROUPS, self.bands)):
            heard = np.flatnonzero(self.filters[bands].any(axis=0))
            bins = slice(*(heard[[0, -1]] + (0, 1))) if len(heard) else slice(0)
            weights = np.ascontiguousarray(self.filters[bands, bins].T)
            found.append((slice(bands[0], bands[-1] + 1), bins, weights))
        return found

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
    Returns the natural logarithm of the power, [band, frame] or [batch, band, frame]; in memory,
    the bands of a frame may be neighbours.
    Raises SpeechnetError if there is not one whole frame.
    """
    if front.frames(samples.shape[-1]) == 0:
        raise SpeechnetError(
            f"{samples.shape[-1]} samples are less than a frame of {front.fft}: pad them"
        )
    if samples.ndim == 2:
        return np.stack([log_mel(one, front) for one in samples])
    cut = _cut(np.ascontiguousarray(samples, np.float32), front)
    blocks = [_bands(cut[start : start + BLOCK], 0, front) for start in range(0, len(cut), BLOCK)]
    return (blocks[0] if len(blocks) == 1 else np.concatenate(blocks)).T


class Stream:
    """The same, piece by piece: what is pushed in gives the frames that it completes."""

    def __init__(self, front: FrontEnd) -> None:
        self.front = front
        self._rest = np.zeros(0, np.float32)
        self._place = 0  # in a block, of the next frame

    def push(self, samples: Floats) -> Floats:
        """The next samples, any number -> the next frames: [band, frame], maybe none."""
        wave = np.concatenate([self._rest, samples], dtype=np.float32)
        cut = _cut(wave, self.front)
        # A copy, for a view would keep all of the sound alive.
        self._rest = wave[len(cut) * self.front.hop :].copy()
        blocks = [np.zeros((0, self.front.bands), np.float32)]
        while len(cut):
            taken = min(len(cut), BLOCK - self._place)
            blocks.append(_bands(cut[:taken], self._place, self.front))
            self._place = (self._place + taken) % BLOCK
            cut = cut[taken:]
        return np.concatenate(blocks).T


def _cut(samples: Floats, front: FrontEnd) -> Floats:
    """[sample], contiguous -> [frame, sample], a view; sliding_window_view takes 20 times as long,
    which for a clip of a second is an eighth of the whole."""
    shape = front.frames(len(samples)), front.fft
    step = samples.itemsize
    return np.ndarray(shape, np.float32, samples, strides=(front.hop * step, step))


def _bands(cut: Floats, place: int, front: FrontEnd) -> Floats:
    """[frame, sample] -> [frame, band]; frames of one block, the first of them at `place` in it."""
    count = len(cut)
    # In double precision, as librosa does it: where a tone is loud, the quiet bands beside it would
    # drown in the rounding of single precision. It costs nothing, for numpy transforms in double.
    frames = cut.astype(np.float64)
    frames *= front._windows[:count]
    bins = front.fft // 2 + 1
    spectrum = np.fft.rfft(frames, out=np.empty((count, bins), np.complex64))
    power = np.zeros((BLOCK, bins), np.float32)
    np.abs(spectrum, out=power[place : place + count])
    power *= power
    mel = np.empty((BLOCK, front.bands), np.float32)
    for bands, heard, weights in front._groups:
        np.matmul(power[:, heard], weights, out=mel[:, bands])
    mel = mel[place : place + count]
    np.maximum(mel, np.float32(front.floor), out=mel)
    return np.log(mel, out=mel)
