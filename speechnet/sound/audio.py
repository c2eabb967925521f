"""Audio: a file, standard input, bytes or an array -> mono sound at 16 kHz.

libsndfile decodes (WAV, FLAC, Ogg, Opus, MP3, AIFF, AU, CAF and more), soxr resamples; both are
imported only when they are needed. What cannot be used is one sentence that says why; what can be
used, but not as it seems, is a note.
"""

from __future__ import annotations

import io
import os
import re
import select
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError
from speechnet.sound.foreign import refusal

RATE = 16_000
RATES = (1_000, 768_000)
"""Samples a second that sound may come with."""

CHANNELS = 1_024
"""At most, as libsndfile has it."""

PATIENCE = 5.0
"""Seconds to wait for somebody to write to a named pipe."""

BLOCK = 1 << 16
FINE = 1 << 9
"""Frames decoded at once; and in a damaged file, where the last block is lost. A header may promise
what it likes."""

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
    name, file = open_source(source)
    with file:
        notes: list[str] = []
        wave, rate, channels = _decode(name, whole(name, file), notes)
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
    if samples.ndim == 2 and samples.shape[1] > CHANNELS:
        raise SpeechnetError(
            f"{name} has {samples.shape[1]} channels: it must be [sample, channel], so transpose it"
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
    if channel := loudest(wave, levels, notes):
        wave = frames[:, channel - 1]
    return _sound(name, wave, rate, frames.shape[1], notes)


def sound_of(source: Source | NDArray[Any] | Sound, rate: int | None = None) -> Sound:
    """What `read` reads, or an array as of `from_array` (of RATE if no rate is given), or a Sound.

    Raises SpeechnetError if it cannot be used.
    """
    if isinstance(source, Sound):
        return source
    if isinstance(source, np.ndarray):
        return from_array(source, RATE if rate is None else rate)
    return read(source)


def open_source(source: Source) -> tuple[str, BinaryIO]:
    """What to call the source, and a file that libsndfile can read."""
    if isinstance(source, bytes):
        return "the sound", _Memory(source)
    if not isinstance(source, str | os.PathLike):
        if not hasattr(source, "read"):
            raise SpeechnetError(
                "a sound is a path, bytes, an open file, a numpy array or a Sound, not"
                f" {type(source).__name__}"
            )
        name = str(getattr(source, "name", None) or "the sound")
        if not isinstance(data := source.read(), bytes):
            raise SpeechnetError(f"{name} is open as text: open it as binary, with mode 'rb'")
        return name, _Memory(data)
    if str(source) == "-":
        return "standard input", _Memory(sys.stdin.buffer.read())
    path = Path(source)
    try:
        kind = path.stat().st_mode
        if stat.S_ISREG(kind):
            # io.open would give the file a name, and by that soundfile takes clip.raw for samples
            # without a header, and cannot open what is not in UTF-8.
            return str(path), _File(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))
        if stat.S_ISDIR(kind):
            raise SpeechnetError(f"{path} is a folder, not a sound")
        if stat.S_ISFIFO(kind):
            return str(path), _Memory(_pipe(path))
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        raise SpeechnetError(f"cannot read {path}: {_reason(error)}") from error
    raise SpeechnetError(f"{path} is a device, not a sound: give a file, or - for standard input")


class _Memory(io.BytesIO):
    """Bytes as a file. libsndfile, led by a broken header, goes to places before the first byte;
    the error that io raises then would be printed from inside of its callback."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except (OSError, ValueError):
            return super().seek(0)


class _File(io.FileIO):
    """The same for a file."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except OSError:
            return super().seek(0)


def _pipe(path: Path) -> bytes:
    # Without O_NONBLOCK the opening of a pipe that nobody writes to would never come back.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        if not select.select([handle], [], [], PATIENCE)[0]:
            raise SpeechnetError(f"nothing came through {path} in {PATIENCE:.0f} seconds")
        os.set_blocking(handle, True)
        return file.read()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def whole(name: str, file: BinaryIO) -> BinaryIO:
    """The file from its start, once its first bytes look like a sound.

    Where a program died before it wrote the length into a WAV file's header, it is all that
    follows, as libsndfile understands by the greatest length. Raises SpeechnetError for what is
    known to be something else.
    """
    try:
        head = file.read(64)
    except OSError as error:
        raise SpeechnetError(f"cannot read {name}: {_reason(error)}") from error
    if not head:
        raise SpeechnetError(f"{name} is empty")
    if told := refusal(name, head):
        raise SpeechnetError(told)
    file.seek(0)
    if head[:4] != b"RIFF" or head[36:44] != b"data\0\0\0\0" or head[44:48].strip().isalnum():
        return file
    data = bytearray(file.read())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    return _Memory(data)


def incomplete(log: str, count: int, frames: int, rate: int) -> str:
    """A note if not all of a file came: it ends before its header says, as libsndfile finds, or
    what follows cannot be decoded; else empty.

    count: frames that came. frames: that libsndfile expects.
    """
    for line in re.finditer(r": (\d+) \(should be (\d+)\)", log):
        promised, there = map(int, line.groups())
        # Programs that write to a pipe cannot know the length, and promise as much as there can be;
        # a single byte at the end is padding.
        if there + 1 < promised < 0x7FFF0000:
            return f"the file breaks off: {there} of {promised} bytes are there"
    if count < 0.95 * frames < 1 << 62:  # of MP3 a guess; the greatest: unknown
        return f"the file is damaged: only {count / rate:.2f} s can be read"
    return ""


def _decode(
    name: str, file: BinaryIO, notes: list[str], size: int = BLOCK
) -> tuple[Floats, int, int]:
    """The mean of the channels, or the loudest of them if they cancel each other."""
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            rate, channels = sound.samplerate, sound.channels
            pieces, energy, count = [], np.zeros(channels), 0
            for frames in blocks(sound, size):
                pieces.append(frames.mean(axis=1))
                energy += np.square(frames, dtype=np.float64).sum(axis=0)
                count += len(frames)
            if not count:
                raise SpeechnetError(f"{name} holds no sound: it has a header and no samples")
            if note := incomplete(sound.extra_info, count, sound.frames, rate):
                notes.append(note)
            wave = np.concatenate(pieces)
            if channel := loudest(wave, np.sqrt(energy / count), notes):
                sound.seek(0)
                again = blocks(sound, size)
                wave = np.concatenate([frames[:, channel - 1].copy() for frames in again])
    except soundfile.LibsndfileError as error:
        if size != FINE:
            file.seek(0)
            return _decode(name, file, notes, FINE)
        raise undecodable(name, error.error_string) from error
    return wave, rate, channels


def undecodable(name: str, told: str) -> SpeechnetError:
    """What to say of a file that libsndfile does not read, by what that says."""
    kinds = "WAV, FLAC, Ogg, Opus, MP3, AIFF, ..."
    return SpeechnetError(f"{name} is no sound that can be read ({kinds}): {_why(name, told)}")


def _why(name: str, told: str) -> str:
    if Path(name).suffix.lower() in (".raw", ".pcm"):
        wav = f"ffmpeg -f s16le -ar 16000 -ac 1 -i {Path(name).name} clip.wav"
        return f"bare samples need a header, for example by {wav}"
    if "not a regular file" in told:  # what it says of MP3 without a whole frame
        return "nothing in it can be decoded"
    return told.rstrip(".")


def blocks(sound: Any, size: int) -> Iterator[Floats]:
    """The frames of an open file, [frame, channel]; in FINE blocks up to where it can be decoded.

    Each is overwritten by the next one.
    """
    import soundfile

    # Not SoundFile.read, which believes the length in a header that a cut may have made wrong.
    block = np.empty((size, sound.channels), np.float32)
    done = False
    while True:
        try:
            count = sound.buffer_read_into(block, dtype="float32")
        except soundfile.LibsndfileError:
            if not done or size != FINE:
                raise
            return
        if not count:
            return
        done = True
        yield block[:count]


def loudest(wave: Floats, levels: NDArray[np.float64], notes: list[str]) -> int:
    """The channel to take, counted from 1, if the channels' mean is nothing; else 0."""
    if len(levels) == 1 or not np.isfinite(levels).all():
        return 0
    mean = float(np.sqrt(np.square(wave, dtype=np.float64).mean()))
    best = int(levels.argmax())
    if mean >= CANCELLED * levels[best]:
        return 0
    notes.append(f"the channels cancel each other: only channel {best + 1} is heard")
    return best + 1


def check_rate(name: str, rate: int, notes: list[str]) -> None:
    """Raise SpeechnetError if nobody records speech so; note what is missing at a low rate."""
    if not RATES[0] <= rate <= RATES[1]:
        raise SpeechnetError(
            f"{name} has {rate} samples a second: speech has between {RATES[0]} and {RATES[1]}"
        )
    if rate < RATE:
        notes.append(f"sampled at {rate} Hz: nothing above {rate // 2} Hz is in it")


def _sound(name: str, wave: Floats, rate: int, channels: int, notes: list[str]) -> Sound:
    check_rate(name, rate, notes)
    peak = float(np.abs(wave).max())  # not a number if one of them is none
    if not np.isfinite(peak):
        raise SpeechnetError(f"{name} holds samples that are no numbers (NaN or infinite)")
    if peak > 16:  # floats on the scale of integers
        wave = wave / np.float32(peak)
        notes.append(f"samples of up to {peak:.0f} were scaled to 1")
    if rate != RATE:
        import soxr

        wave = soxr.resample(wave, rate, RATE)
        if not len(wave):
            raise SpeechnetError(f"{name} holds no sound: it is too short")
    return Sound(np.ascontiguousarray(wave, np.float32), rate, channels, tuple(notes))
