"""PCM: bare samples from a pipe -> mono sound at 16 kHz, as they come.

There is no header that could be wrong or missing, so what is no sound at all has to be told by its
first bytes: a file with a header, text, or data as random as compressed ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError
from speechnet.sound.audio import CHANNELS, RATE, check_rate
from speechnet.sound.foreign import certainly

Floats = NDArray[np.float32]

ENCODINGS = {"s16le": "<i2", "s32le": "<i4", "f32le": "<f4"}
"""Names as ffmpeg has them."""

AT_ONCE = 1 << 16
"""Bytes read at most at once: two seconds, so that a slow reader catches up in large steps."""

LOOKED_AT = 8192
"""Bytes from the start by which it is told what this is."""

FRAMES = 4
"""Of MP3 or AAC that lie one behind the other, as no samples do by chance. Those of MP3 have at
most 1440 bytes, of AAC hardly ever more than 1024."""

HEAD = 7
"""Bytes by which a frame's size is told: four for MP3, seven for AAC."""

_FIRST = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LATER = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Kilobits a second of MPEG 1 (ISO 11172-3), and of MPEG 2 and 2.5, by their number in a header."""

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Samples a second by the numbers of the version and of the rate."""


def pcm(
    file: BinaryIO, *, rate: int = RATE, channels: int = 1, encoding: str = "s16le"
) -> Iterator[Floats]:
    """float32 [sample] at RATE, as soon as the samples are there.

    file: unbuffered or buffered, of interleaved samples. Raises SpeechnetError if what comes is no
    sound, or nothing comes at all.
    """
    check_rate("the stream", rate, [])
    if not 1 <= channels <= CHANNELS:
        raise SpeechnetError(f"a stream has 1 to {CHANNELS} channels, not {channels}")
    kind = np.dtype(ENCODINGS[encoding])
    whole = kind.itemsize * channels
    read = getattr(file, "read1", file.read)
    data, resampler = b"", _resampler(rate)
    looked = False
    while True:
        new = read(AT_ONCE)
        data += new
        if not looked and (len(data) >= LOOKED_AT or not new):
            _look(data, kind, rate)
            looked = True
        if looked:
            count = len(data) // whole * whole
            wave = _mono(data[:count], kind, channels)
            data = data[count:]
            if resampler is not None:
                wave = resampler.resample_chunk(wave, last=not new)
            if len(wave):
                yield wave
        if not new:
            return


def _mono(data: bytes, kind: np.dtype[Any], channels: int) -> Floats:
    samples = np.frombuffer(data, kind).astype(np.float32)
    if kind.kind == "i":
        samples *= np.float32(1 / 2 ** (8 * kind.itemsize - 1))
    elif not np.isfinite(samples).all():
        raise SpeechnetError("the stream holds samples that are no numbers (NaN or infinite)")
    return np.asarray(samples.reshape(-1, channels).mean(axis=1), np.float32)


def _resampler(rate: int) -> Any:
    if rate == RATE:
        return None
    import soxr

    return soxr.ResampleStream(rate, RATE, 1, dtype="float32")


def _look(data: bytes, kind: np.dtype[Any], rate: int) -> None:
    """Raise SpeechnetError for what is no bare samples."""
    told = "give bare samples, for example from ffmpeg -i FILE -f s16le -ar 16000 -ac 1 -"
    if not data:
        raise SpeechnetError("nothing came through the stream")
    if what := certainly(data):
        raise SpeechnetError(f"the stream is {what}, not bare samples: {told}")
    for what, size in (("MP3", _frame), ("raw AAC sound", _adts)):
        if _in_frames(data, size):
            raise SpeechnetError(f"the stream is {what}, not bare samples: {told}")
    if data[:4] in (b"RIFF", b"fLaC", b"OggS", b"FORM", b"caff") or data[:3] == b"ID3":
        raise SpeechnetError(f"the stream is a file with a header, not bare samples: {told}")
    if len(data) > 16 and _is_text(data):
        raise SpeechnetError(f"the stream is text, not sound: {told}")
    if len(data) >= LOOKED_AT and _is_random(data, kind):
        raise SpeechnetError(
            f"the stream is as random as compressed or encrypted data, not samples of"
            f" {kind.itemsize * 8} bits: {told}"
        )


def _in_frames(data: bytes, size: Callable[[bytes], int]) -> bool:
    """Whether it begins with FRAMES frames. (What begins with a tag is known by that.)

    size: bytes of the frame that begins with these HEAD bytes, 0 if none does.
    """
    place = 0
    for _ in range(FRAMES):
        length = size(data[place : place + HEAD])
        if not length:
            return False
        place += length
    return True


def _frame(head: bytes) -> int:
    """Bytes of the frame of MP3 (layer III) that begins with these; 0 if none does.

    >>> _frame(b"\\xff\\xfb\\x90\\xc4"), _frame(b"\\xff\\xfb\\xff\\xfb")
    (417, 0)
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, rate, speed = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or rate == 3 or speed in (0, 15):  # there are none, or nobody knows how long
        return 0
    eighths, kilobits = (144, _FIRST) if version == 3 else (72, _LATER)  # of a frame's samples
    return eighths * 1000 * kilobits[speed] // _RATES[version][rate] + (head[2] >> 1 & 1)


def _adts(head: bytes) -> int:
    """Bytes of the frame of AAC (ADTS, ISO 13818-7) that begins with these; 0 if none does.

    >>> _adts(b"\\xff\\xf1\\x50\\x80\\x2e\\x7f\\xfc"), _adts(b"\\xff\\xf1\\0\\0\\0\\0\\0")
    (371, 0)
    """
    if len(head) < HEAD or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > HEAD else 0


def _is_text(data: bytes) -> bool:
    """Whether it is UTF-8, or UTF-16 with its mark, without anything that is not printed; the last
    letter may be cut."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data[: len(data) // 2 * 2].decode("utf-16", "replace")
        return all(letter.isprintable() or letter in "\t\r\n" for letter in text[:-1])
    try:
        text = data[: len(data) - 3].decode("utf-8", "strict" if data.isascii() else "ignore")
    except UnicodeDecodeError:
        return False
    lost = len(data) - 3 - len(text.encode())
    return lost <= 3 and all(letter.isprintable() or letter in "\t\r\n" for letter in text)


def _is_random(data: bytes, kind: np.dtype[Any]) -> bool:
    """Whether all bytes are equally likely, which those of samples are not: the chi-square of
    their counts has a mean of 255 and a standard deviation of 23."""
    if kind.kind == "f":
        samples = np.frombuffer(data[: len(data) // 4 * 4], kind)
        return bool((~(np.abs(samples.astype(np.float64)) < 1e4)).mean() > 0.01)
    counts = np.bincount(np.frombuffer(data, np.uint8), minlength=256)
    expected = len(data) / 256
    return bool((np.square(counts - expected) / expected).sum() < 400)
