"""Spotting: at which frames a word has just ended, as a network learns to say it.

In a recording a word is over before it can be named: "for" may become "four" or "forty". So what is
learnt for each frame is which word ended a moment ago. It is `silence` where none did: before a
word, in the midst of it, and long after.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from speechnet.sound.spectrogram import FrontEnd

Ints = NDArray[np.int64]

IGNORED = -1
"""The target of a frame at which either answer would be right."""

AFTER = (0.05, 0.25)
"""Seconds from the end of a word in which it has just ended."""

EITHER = 0.1
"""Seconds before and after that in which nothing is asked."""


def ended(
    spans: Iterable[tuple[int, int, int]], front: FrontEnd, frames: int, nothing: int
) -> Ints:
    """Which class ended just before each frame: [frame], IGNORED where it is not asked.

    spans: (start, end, class) of what is said, in samples and in any order. nothing: the class of
    frames after which no word ended.
    """
    heard = np.arange(frames) * front.hop + front.fft  # where each frame ends
    target = np.full(frames, nothing, np.int64)
    moments = sorted((end, which) for _, end, which in spans)
    first, last = (int(seconds * front.rate) for seconds in AFTER)
    margin = int(EITHER * front.rate)
    for end, _ in moments:
        target[(heard >= end + first - margin) & (heard <= end + last + margin)] = IGNORED
    for end, which in moments:
        target[(heard >= end + first) & (heard <= end + last)] = which
    return target
