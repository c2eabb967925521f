"""PCM: bare samples from a pipe -> mono sound at 16 kHz, as they come.

There is no header that could be wrong or missing, so what is no sound at all has to be told by its
first bytes: a file with a header, text, or data as random as compressed ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError
from speechnet.sound.audio import CHANNELS, RATE, check_rate
from speechnet.sound.foreign import refusal

Floats = NDArray[np.float32]

ENCODINGS = {"s16le": "<i2", "s32le": "<i4", "f32le": "<f4"}
"""Names as ffmpeg has them."""

AT_ONCE = 1 << 16
"""Bytes read at most at once: two seconds, so that a slow reader catches up in large steps."""

LOOKED_AT = 8192
"""Bytes from the start by which it is told what this is."""


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
    if sentence := refusal("the stream", data.ljust(64, b"\0")):
        raise SpeechnetError(f"{sentence}: {told}")
    if data[:4] in (b"RIFF", b"fLaC", b"OggS", b"FORM", b"caff") or data[:3] == b"ID3":
        raise SpeechnetError(f"the stream is a file with a header, not bare samples: {told}")
    if len(data) > 16 and _is_text(data):
        raise SpeechnetError(f"the stream is text, not sound: {told}")
    if len(data) >= LOOKED_AT and _is_random(data, kind):
        raise SpeechnetError(
            f"the stream is as random as compressed or encrypted data, not samples of"
            f" {kind.itemsize * 8} bits: {told}"
        )


def _is_text(data: bytes) -> bool:
    """Whether it is UTF-8 without anything that is not printed; the last letter may be cut."""
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
