"""Masking: sound with some cells of its spectrogram made quiet, and sound made from a spectrogram.

A mask is [band, frame], from 0 to 1: what each band of each frame is multiplied by. Nothing of a
network is known here, and torch is not needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError
from speechnet.sound.spectrogram import FrontEnd

Floats = NDArray[np.float32]

ROUNDS = 64
"""Of Griffin and Lim's search for phases."""


def masked(samples: Floats, mask: Floats, front: FrontEnd) -> Floats:
    """Sound with each band of each frame made quieter, and its phases as they were.

    samples: [sample]. mask: [band, frame], of the front end's frames of these samples.
    Returns [sample]. A mask of ones changes nothing, one of zeros leaves nothing: the root of the
    front end's window is laid over each frame before and after, and what overlaps is added up and
    divided by what the windows add up to (Griffin and Lim 1984). Before the first frame and after
    the last the mask holds on. Raises SpeechnetError if the mask has another shape.
    """
    expected = front.bands, front.frames(len(samples))
    if mask.shape != expected:
        raise SpeechnetError(
            f"a mask of shape {list(mask.shape)} does not fit a spectrogram of {list(expected)}"
        )
    window = np.sqrt(front.window)
    over = -(-front.fft // front.hop) - 1  # frames at either end that reach into the sound
    gains = np.pad(of_bins(mask, front), ((0, 0), (over, over + 1)), mode="edge")
    before = over * front.hop
    after = (gains.shape[1] - 1) * front.hop + front.fft - before - len(samples)
    wave = np.pad(samples.astype(np.float64), (before, after))
    cut = np.lib.stride_tricks.sliding_window_view(wave, front.fft)[:: front.hop]
    spectra = np.fft.rfft(cut * window) * gains.T
    frames = np.fft.irfft(spectra, front.fft) * window
    total, weight = np.zeros_like(wave), np.zeros_like(wave)
    for number, frame in enumerate(frames):
        place = slice(number * front.hop, number * front.hop + front.fft)
        total[place] += frame
        weight[place] += front.window
    inside = slice(before, before + len(samples))
    result: Floats = (total[inside] / weight[inside]).astype(np.float32)
    return result


def of_bins(mask: Floats, front: FrontEnd) -> NDArray[np.float64]:
    """What each bin of the transform is multiplied by: [band, frame] -> [bin, frame].

    A bin gets the mean of the bands that hear it, by how well they do; one that none hears gets
    what the nearest one gets.
    """
    weights = front.filters.astype(np.float64)
    heard = np.flatnonzero(weights.any(axis=0))
    shares = weights[:, heard] / weights[:, heard].sum(axis=0)
    nearest = np.abs(heard[:, None] - np.arange(weights.shape[1])).argmin(axis=0)
    gains: NDArray[np.float64] = (shares.T @ mask.astype(np.float64))[nearest]
    return gains


def sounded(mel: Floats, front: FrontEnd, *, seed: int = 0) -> Floats:
    """A sound whose spectrogram is about this one: [band, frame], log-powers -> [sample].

    The bins' powers are the least squares that are not negative, the phases are looked for by
    Griffin and Lim's way from random ones (`seed`). Scaled so that it is not cut off at 1.
    """
    import librosa

    power = np.maximum(np.exp(mel.astype(np.float64)) - front.floor, 0)
    magnitude = np.sqrt(librosa.util.nnls(front.filters.astype(np.float64), power))
    wave = librosa.griffinlim(
        magnitude, n_iter=ROUNDS, hop_length=front.hop, n_fft=front.fft, center=False,
        random_state=seed,
    )  # fmt: skip
    result: Floats = (wave / max(1.0, float(np.abs(wave).max()))).astype(np.float32)
    return result
