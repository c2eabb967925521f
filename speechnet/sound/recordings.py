"""Recordings: a sound file of any length -> the same samples as `audio.read` gives, chunk by chunk.

Memory does not grow with the recording. What has to be known of all of it beforehand, whether its
channels cancel each other and on what scale its numbers are, takes another look at the file, and
only files that can have such a fault get it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError
from speechnet.sound import audio
from speechnet.sound.audio import BLOCK, FINE, RATE, Source

Floats = NDArray[np.float32]

FULL = 16.0
"""A peak above this is on the scale of integers."""


def chunks(source: Source, notes: list[str] | None = None) -> Iterator[Floats]:
    """Mono sound at RATE, float32 [sample], some seconds at a time.

    source: as for `audio.read`; standard input and pipes are read whole first. notes: a list that
    takes what a person should know of the recording; some of it is known only at the end.
    Raises SpeechnetError if there is no sound that can be used.
    """
    import soundfile

    notes = [] if notes is None else notes
    name, file = audio.open_source(source)
    with file:
        file = audio.whole(name, file)
        try:
            with soundfile.SoundFile(file) as sound:
                rate, channels = sound.samplerate, sound.channels
                log, frames = sound.extra_info, sound.frames
                floats = sound.subtype in ("FLOAT", "DOUBLE")
            audio.check_rate(name, rate, notes)
            mix = Mix(0, 1.0)
            if channels > 1 or floats:
                mix = Mix.of(name, _frames(file), notes)
            done = 0
            for chunk in _at_rate(mix.apply(_frames(file)), rate):
                done += len(chunk)
                yield chunk
        except soundfile.LibsndfileError as error:
            raise audio.undecodable(name, error.error_string) from error
        if not done:
            raise SpeechnetError(f"{name} holds no sound: it has a header and no samples")
        if note := audio.incomplete(log, mix.count, frames, rate):
            notes.append(note)


class Mix:
    """How the channels of a recording become one."""

    def __init__(self, channel: int, peak: float) -> None:
        self.channel = channel  # counted from 1; 0 is the mean of all
        self.scale = np.float32(1 / peak if peak > FULL else 1)
        self.count = 0  # frames that came through

    @classmethod
    def of(cls, name: str, frames: Iterator[Floats], notes: list[str]) -> Mix:
        """From all of the recording."""
        energy, mean, count, peak, peaks = np.zeros(1), 0.0, 0, 0.0, np.zeros(1)
        for block in frames:
            mixed = block.mean(axis=1)
            energy = energy + np.square(block, dtype=np.float64).sum(axis=0)
            mean += float(np.square(mixed, dtype=np.float64).sum())
            peak = max(peak, float(np.abs(mixed).max()))
            peaks = np.maximum(peaks, np.abs(block).max(axis=0))
            count += len(block)
            if not np.isfinite(mean):
                raise SpeechnetError(f"{name} holds samples that are no numbers (NaN or infinite)")
        levels = np.sqrt(energy / max(1, count))
        level = np.full(1, np.sqrt(mean / max(1, count)), np.float32)
        channel = audio.loudest(level, levels, notes)
        if channel:
            peak = float(peaks[channel - 1])
        if peak > FULL:
            notes.append(f"samples of up to {peak:.0f} were scaled to 1")
        return cls(channel, peak)

    def apply(self, frames: Iterator[Floats]) -> Iterator[Floats]:
        """[frame, channel] -> [frame]."""
        for block in frames:
            self.count += len(block)
            one = block[:, self.channel - 1].copy() if self.channel else block.mean(axis=1)
            yield one * self.scale if self.scale != 1 else one


def _frames(file: BinaryIO, size: int = BLOCK, done: int = 0) -> Iterator[Floats]:
    """The frames of a file from number `done` on, [frame, channel], as far as they can be decoded.

    Each is overwritten by the next one. Raises soundfile.LibsndfileError if there is nothing.
    """
    import soundfile

    file.seek(0)
    seen = 0
    try:
        with soundfile.SoundFile(file) as sound:
            for frames in audio.blocks(sound, size):
                new = frames[max(0, done - seen) :]
                seen += len(frames)
                if len(new):
                    yield new
            return
    except soundfile.LibsndfileError:
        if size == FINE:
            raise
    # A block is lost where it is damaged, so that from there on they have to be small.
    yield from _frames(file, FINE, max(done, seen))


def _at_rate(waves: Iterator[Floats], rate: int) -> Iterator[Floats]:
    """[sample] at `rate` -> [sample] at RATE."""
    if rate == RATE:
        yield from waves
        return
    import soxr

    resampler: Any = soxr.ResampleStream(rate, RATE, 1, dtype="float32")
    for wave in waves:
        yield resampler.resample_chunk(np.ascontiguousarray(wave))
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
