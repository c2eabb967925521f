"""Windows: the second of a clip that the network looks at, however long the clip is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW = 16_000
"""Samples: one second, what a word takes with some quiet around it."""

STRETCH = 26_112
"""Samples of what is trained on: a window, and what was said before it or after."""

HOP = 160


def pad(samples: NDArray[Any]) -> NDArray[np.float32]:
    """A clip of at least a window: quiet is put on both sides of a shorter one.

    samples: [sample], floats of -1..1 or int16. Returns float32 [sample].
    """
    wave = as_floats(samples)
    missing = max(0, WINDOW - len(wave))
    return np.pad(wave, (missing // 2, missing - missing // 2))


def evaluation_window(samples: NDArray[Any]) -> NDArray[np.float32]:
    """The loudest second of a clip, or all of a shorter one with quiet around it: [16000]."""
    wave = pad(samples)
    power = np.concatenate([[0.0], np.cumsum(wave.astype(np.float64) ** 2)])
    starts = np.append(np.arange(0, len(wave) - WINDOW, HOP), len(wave) - WINDOW)
    start = starts[int((power[starts + WINDOW] - power[starts]).argmax())]
    return wave[start : start + WINDOW]


def as_floats(samples: NDArray[Any]) -> NDArray[np.float32]:
    """int16 to -1..1; floats as they are."""
    scale = np.float32(1 / 32768 if samples.dtype == np.int16 else 1)
    return samples.astype(np.float32) * scale
