"""Review: what is wrong with somebody's clips, before a network is tuned to them.

Each fault is one sentence that names the clips. Nothing is left out because of it: who recorded
them decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from speechnet.clips.words import NEAR_SILENT, Clip
from speechnet.hearing.classifier import softmax
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.sound.windows import WINDOW, as_floats
from speechnet.training.augment import fast_length
from speechnet.training.tuning import Checked

ENOUGH = 15
"""Clips of a word; fewer make a poor network."""

VOICES = 3
"""Speakers; with fewer a network knows these alone."""

CLIPPED = 0.002
"""Share of samples at the highest level, or nearly, from which on a clip is clipped."""

ALIKE = 0.95
"""Correlation of two clips that are the same recording. Of 25 takes of a digit by one speaker of
FSDD no two come above 0.89."""

LONG = 2.5
"""Seconds that no word takes."""

SURE = 0.8
"""Probability of another word with which a clip is said to be it."""

NAMED = 4
"""Clips named in a sentence."""


def faults(clips: Sequence[Clip]) -> Iterator[str]:
    """What the clips alone tell."""
    spoken = [clip for clip in clips if clip.word not in (UNKNOWN, SILENCE)]
    for word, many in sorted(Counter(clip.word for clip in spoken).items()):
        if many < ENOUGH:
            yield f"{word} has {many} clips, which are few: 20 or more are better"
    speakers = {clip.speaker for clip in spoken}
    if len(speakers) < VOICES:
        yield (
            f"the clips are of {len(speakers)} speaker{'s' * (len(speakers) > 1)}: other voices"
            " will be heard less well"
        )
    for clip in spoken:
        if clip.loud_db == -np.inf:
            yield f"{clip.name} is silent"
    yield from _named("nearly silent: record it louder", [
        clip for clip in spoken if -np.inf < clip.loud_db < NEAR_SILENT])  # fmt: skip
    yield from _named("clipped: turn the microphone down", [
        clip for clip in spoken if clipped(clip.samples) > CLIPPED])  # fmt: skip
    yield from _named(f"longer than {LONG} s: cut it to the word", [
        clip for clip in spoken if len(clip.samples) > LONG * WINDOW])  # fmt: skip
    # With a minute among them all transforms would take a minute's samples; it is to be cut anyway.
    for one, other in alike([clip for clip in spoken if len(clip.samples) <= LONG * WINDOW]):
        yield f"{one.name} and {other.name} are the same recording: one of them says nothing new"


def mislabelled(checked: Checked) -> list[tuple[Clip, str, float]]:
    """Clips that are heard as another of the words by networks that did not learn from them: the
    clip, that word and its probability, the surest first.

    Leave-out outliers, as in Northcutt et al. 2021, "Confident learning".
    """
    chances = softmax(checked.logits)
    found = []
    for at, clip in enumerate(checked.clips):
        answer = int(chances[at].argmax())
        words = len(checked.labels) - 2
        if max(answer, int(checked.truth[at])) >= words or answer == checked.truth[at]:
            continue
        if chances[at, answer] >= SURE:
            found.append((clip, checked.labels[answer], float(chances[at, answer])))
    return sorted(found, key=lambda one: -one[2])


def clipped(samples: NDArray[np.int16]) -> float:
    """Share of the samples that are in a run of three or more at the clip's highest level, if that
    is near full scale."""
    level = np.abs(samples.astype(np.int32))
    top = level.max(initial=0)
    if top < 0.7 * 32768:
        return 0.0
    high = level >= top - max(2, top // 500)
    runs = high[:-2] & high[1:-1] & high[2:]
    return float(runs.sum() / len(level)) if len(level) > 2 else 0.0


def alike(clips: Sequence[Clip]) -> list[tuple[Clip, Clip]]:
    """Pairs of the same word that are one recording, perhaps louder, moved or cut otherwise."""
    found = []
    for word in sorted({clip.word for clip in clips}):
        group = [clip for clip in clips if clip.word == word and clip.loud_db > -np.inf]
        length = fast_length(2 * max((len(clip.samples) for clip in group), default=1))
        spectra = [_unit(np.fft.rfft(as_floats(clip.samples), length)) for clip in group]
        for at, spectrum in enumerate(spectra):
            for other in range(at + 1, len(spectra)):
                match = np.fft.irfft(spectrum * spectra[other].conj(), length)
                if np.abs(match).max() > ALIKE:
                    found.append((group[at], group[other]))
    return found


def _unit(spectrum: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
    """Scaled so that a recording's correlation with itself is 1."""
    power = 2 * np.square(np.abs(spectrum)).sum() - np.square(np.abs(spectrum[[0, -1]])).sum()
    length = 2 * (len(spectrum) - 1)
    return np.asarray(spectrum / np.sqrt(power / length + 1e-12))


def _named(fault: str, clips: Sequence[Clip]) -> Iterator[str]:
    if clips:
        names = ", ".join(clip.name for clip in clips[:NAMED])
        more = f" and {len(clips) - NAMED} more" if len(clips) > NAMED else ""
        yield f"{names}{more}: {fault}"
