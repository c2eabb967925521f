"""Audio: a file, standard input, bytes or an array -> mono sound at 16 kHz.

libsndfile decodes (WAV, FLAC, Ogg, Opus, MP3, AIFF, AU, CAF and more), soxr resamples; both are
imported only when they are needed. What cannot be used is one sentence that says why; what can be
used, but not as it seems, is a note.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError

RATE = 16_000
RATES = (1_000, 768_000)
"""Samples a second that sound may come with."""

BLOCK = 512
"""Frames decoded at once: what is lost where a file is damaged, at most. A header may promise what it
likes."""
CANCELLED = 0.1
"""Channels whose mean has less than this share of the loudest one's level are in opposite phase."""

Floats = NDArray[np.float32]
Source = str | os.PathLike[str] | bytes | BinaryIO


@dataclass(frozen=True, eq=False)
class Sound:
    """samples: float32 [sample], mono, at RATE, -1..1. rate, channels: as it came.

    notes: what a person should know about it, one sentence each.
    """

    samples: Floats
    rate: int
    channels: int
    notes: tuple[str, ...] = ()


def read(source: Source) -> Sound:
    """Decode a sound: a path, "-" for standard input, a file's bytes, or an open binary file.

    Raises SpeechnetError if there is no sound in it that can be used.
    """
    name, data = _fetch(source)
    head = data[:64] if isinstance(data, bytes) else _head(data)
    if not head:
        raise SpeechnetError(f"{name} is empty")
    if other := _foreign(head):
        raise SpeechnetError(
            f"{name} is {other}, which cannot be read: convert it first, for example with"
            f" ffmpeg -i {'FILE' if isinstance(data, bytes) else data.name} clip.wav"
        )
    size = len(data) if isinstance(data, bytes) else data.stat().st_size
    notes = [note] if (note := _cut_off(head, size)) else []
    wave, rate, channels = _decode(name, data, notes)
    return _sound(name, wave, rate, channels, notes)


def from_array(samples: NDArray[Any], rate: int) -> Sound:
    """Sound from an array: [sample] or [sample, channel]; integers are scaled to -1..1.

    rate: samples a second. Raises SpeechnetError if it cannot be used.
    """
    name = "the array"
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fiu":
        raise SpeechnetError(
            f"{name} must be numbers [sample] or [sample, channel], not {samples.dtype} of shape"
            f" {samples.shape}"
        )
    if samples.dtype.kind in "iu":
        info = np.iinfo(samples.dtype)
        middle = 0 if samples.dtype.kind == "i" else info.max // 2 + 1
        full = -info.min if samples.dtype.kind == "i" else middle
        samples = (samples.astype(np.float32) - middle) / np.float32(full)
    if not samples.size:
        raise SpeechnetError(f"{name} holds no sound: it has no samples")
    frames = np.asarray(samples, np.float32).reshape(len(samples), -1)
    notes: list[str] = []
    wave, levels = frames.mean(axis=1), np.sqrt(np.square(frames, dtype=np.float64).mean(axis=0))
    if channel := _loudest(wave, levels, notes):
        wave = frames[:, channel - 1]
    return _sound(name, wave, rate, frames.shape[1], notes)


def _fetch(source: Source) -> tuple[str, bytes | Path]:
    """What to call the source, and its bytes, or its path if it is a plain file."""
    if isinstance(source, bytes):
        return "the sound", source
    if not isinstance(source, str | os.PathLike):
        return getattr(source, "name", None) or "the sound", source.read()
    if str(source) == "-":
        return "standard input", sys.stdin.buffer.read()
    path = Path(source)
    try:
        kind = path.stat().st_mode
        if stat.S_ISREG(kind):
            return str(path), path
        if stat.S_ISDIR(kind):
            raise SpeechnetError(f"{path} is a folder, not a sound")
        if stat.S_ISFIFO(kind):
            return str(path), _pipe(path)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        raise SpeechnetError(f"cannot read {path}: {_reason(error)}") from error
    raise SpeechnetError(f"{path} is a device, not a sound: give a file, or - for standard input")


def _pipe(path: Path) -> bytes:
    # Without O_NONBLOCK the opening of a pipe that nobody writes to would never come back.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(handle, True)
    with os.fdopen(handle, "rb") as file:
        return file.read()


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise SpeechnetError(f"cannot read {path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _foreign(head: bytes) -> str:
    """What a file is that libsndfile does not read, by its first bytes; empty if not known."""
    if head[4:8] == b"ftyp":
        return "MPEG-4 sound or video (M4A, AAC, MP4)"
    if head[:2] in (b"\xff\xf1", b"\xff\xf9"):
        return "raw AAC sound"
    for start, what in _FOREIGN.items():
        if head.startswith(start):
            return what
    return ""


_FOREIGN = {
    b"\x1aE\xdf\xa3": "a WebM or Matroska file",
    b"0&\xb2u\x8ef\xcf\x11": "Windows Media sound (WMA)",
    b"#!AMR": "AMR sound",
    b"MAC ": "Monkey's Audio",
    b"wvpk": "WavPack sound",
    b"FLV": "Flash video",
    b"MThd": "a MIDI file, notes and no sound",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
}


def _cut_off(head: bytes, size: int) -> str:
    """A note if a WAV file ends before its header says."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return ""
    promised = int.from_bytes(head[4:8], "little") + 8
    # Programs that write to a pipe cannot know the length, and promise as much as there can be.
    if size >= promised or promised > 0x7FFF0000:
        return ""
    return f"the file breaks off: {size} of {promised} bytes are there"


def _decode(name: str, data: bytes | Path, notes: list[str]) -> tuple[Floats, int, int]:
    """The mean of the channels, or the loudest of them if they cancel each other."""
    import soundfile

    file = _Memory(data) if isinstance(data, bytes) else str(data)
    try:
        with soundfile.SoundFile(file) as sound:
            rate, channels = sound.samplerate, sound.channels
            pieces, energy, count = [], np.zeros(channels), 0
            for frames in _blocks(sound, notes):
                pieces.append(frames.mean(axis=1))
                energy += np.square(frames, dtype=np.float64).sum(axis=0)
                count += len(frames)
            if not count:
                raise SpeechnetError(f"{name} holds no sound: it has a header and no samples")
            wave = np.concatenate(pieces)
            if channel := _loudest(wave, np.sqrt(energy / count), notes):
                sound.seek(0)
                again = [frames[:, channel - 1].copy() for frames in _blocks(sound, [])]
                wave = np.concatenate(again)
    except soundfile.LibsndfileError as error:
        raise SpeechnetError(
            f"{name} is no sound that can be read (WAV, FLAC, Ogg, Opus, MP3, AIFF, ...):"
            f" {error.error_string.rstrip('.')}"
        ) from error
    return wave, rate, channels


class _Memory(io.BytesIO):
    """Bytes as a file. libsndfile, led by a broken header, goes to places before the first byte;
    the error that io raises then would be printed from inside of its callback."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: len(self.getbuffer())}
        return super().seek(max(0, base[whence] + offset))


def _blocks(sound: Any, notes: list[str]) -> Iterator[Floats]:
    """The frames of an open file, [frame, channel]; up to where it can be decoded.

    Each is overwritten by the next one.
    """
    import soundfile

    # Not SoundFile.read, which believes the length in a header that a cut may have made wrong.
    block = np.zeros((BLOCK, sound.channels), np.float32)
    done = 0
    while True:
        try:
            count = sound.buffer_read_into(block, dtype="float32")
        except soundfile.LibsndfileError:
            if not done:
                raise
            notes.append(f"the file is damaged: only {done / sound.samplerate:.2f} s can be read")
            return
        if not count:
            return
        done += count
        yield block[:count]


def _loudest(wave: Floats, levels: NDArray[np.float64], notes: list[str]) -> int:
    """The channel to take, counted from 1, if the channels' mean is nothing; else 0."""
    if len(levels) == 1 or not np.isfinite(levels).all():
        return 0
    mean = float(np.sqrt(np.square(wave, dtype=np.float64).mean()))
    best = int(levels.argmax())
    if mean >= CANCELLED * levels[best]:
        return 0
    notes.append(f"the channels cancel each other: only channel {best + 1} is heard")
    return best + 1


def _sound(name: str, wave: Floats, rate: int, channels: int, notes: list[str]) -> Sound:
    if not RATES[0] <= rate <= RATES[1]:
        raise SpeechnetError(
            f"{name} has {rate} samples a second: speech has between {RATES[0]} and {RATES[1]}"
        )
    peak = float(np.abs(wave).max())  # not a number if one of them is none
    if not np.isfinite(peak):
        raise SpeechnetError(f"{name} holds samples that are no numbers (NaN or infinite)")
    if peak > 16:  # floats on the scale of integers
        wave = wave / np.float32(peak)
        notes.append(f"samples of up to {peak:.0f} were scaled to 1")
    if rate < RATE:
        notes.append(f"sampled at {rate} Hz: nothing above {rate // 2} Hz is in it")
    if rate != RATE:
        import soxr

        wave = soxr.resample(wave, rate, RATE)
        if not len(wave):
            raise SpeechnetError(f"{name} holds no sound: it is too short")
    return Sound(np.ascontiguousarray(wave, np.float32), rate, channels, tuple(notes))
