"""Microphone: sound as it is spoken, through PortAudio (the extra `mic`).

PortAudio calls back on a thread of its own, which must never wait: what comes goes into a queue,
and whoever reads takes it from there. What gets lost all the same is counted and told.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechnet.errors import SpeechnetError
from speechnet.sound.audio import RATE

Floats = NDArray[np.float32]

CHUNK = 0.03
"""Seconds that come at once: short beside the 0.3 s in which an event has to follow its word."""

LONGEST = 60.0
"""Seconds that may wait to be read."""

SILENT = 5.0
"""Seconds without a sample after which the device is taken to be gone."""


class Microphone:
    """Chunks of float32 [sample], mono, at 16 kHz, for as long as one iterates.

    device: its name, or part of it, or its number; None is the system's own choice.
    Use it in a `with` block; iterating alone opens it, too, and closes it at the end.
    lost: how often sound got lost before the chunk that came last.
    Raises SpeechnetError if there is no such device, or it goes away.
    """

    def __init__(self, device: str | int | None = None) -> None:
        number = isinstance(device, str) and device.isdecimal()
        self.device = int(device) if number and device is not None else device
        self.lost = 0
        self._queue: queue.Queue[tuple[Floats, int] | None] = queue.Queue()
        self._missed = 0  # since a chunk came through; PortAudio's thread alone touches it
        self._stream: Any = None
        self._resampler: Any = None

    def __enter__(self) -> Microphone:
        if self._stream is None:
            self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the device go."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.stop()
            stream.close()

    def __iter__(self) -> Iterator[Floats]:
        with self:
            while self._stream is not None:
                try:
                    came = self._queue.get(timeout=SILENT)
                except queue.Empty:
                    told = f"nothing came from the microphone for {SILENT:.0f} seconds"
                    raise SpeechnetError(f"{told}: is it plugged in?") from None
                if came is None:
                    if self._stream is None:  # it was closed here
                        return
                    raise SpeechnetError("the microphone went away: is it plugged in?")
                wave, missed = came
                self.lost += missed
                if not np.isfinite(wave).all():
                    raise SpeechnetError("the microphone gives no sound but NaN or infinite values")
                if self._resampler is not None:
                    wave = self._resampler.resample_chunk(wave)
                if len(wave):
                    yield wave

    def _open(self) -> None:
        sounddevice = _sounddevice()
        self._queue = queue.Queue(int(LONGEST / CHUNK))
        try:
            rate, channels = _form(sounddevice, self.device)
            self._stream = sounddevice.InputStream(
                samplerate=rate, blocksize=int(CHUNK * rate), device=self.device,
                channels=channels, dtype="float32", callback=self._take,
                finished_callback=self._finished,
            )  # fmt: skip
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError, OSError) as error:
            self.close()
            raise SpeechnetError(_refusal(sounddevice, self.device, error)) from error
        self._resampler = None
        if rate != RATE:
            import soxr

            self._resampler = soxr.ResampleStream(rate, RATE, 1, dtype="float32")

    def _take(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """Called by PortAudio, on its thread: [frame, channel], overwritten afterwards."""
        self._missed += bool(status)
        try:
            self._queue.put_nowait((np.asarray(data, np.float32).mean(axis=1), self._missed))
            self._missed = 0
        except queue.Full:
            self._missed += 1

    def _finished(self) -> None:
        """Called by PortAudio when the stream ends, also when the device is gone."""
        with suppress(queue.Full):  # who reads that late finds out by SILENT
            self._queue.put_nowait(None)


def _form(sounddevice: Any, device: str | int | None) -> tuple[int, int]:
    """Samples a second and channels to ask for: 16 kHz mono, or as the device has it.

    Of a device with several channels two are mixed: on one alone there may be nothing.
    """
    facts = sounddevice.query_devices(device, "input")
    own, most = int(facts["default_samplerate"]), int(facts["max_input_channels"])
    forms = [(RATE, 1), (own, min(2, most)), (own, most), (own, 1)]
    for rate, channels in forms[:-1]:
        try:
            sounddevice.check_input_settings(device, channels, "float32", samplerate=rate)
        except sounddevice.PortAudioError:
            continue
        return rate, channels
    return forms[-1]


def _refusal(sounddevice: Any, device: str | int | None, error: Exception) -> str:
    """The sentence for a device that cannot be opened, with those that there are."""
    told = " ".join(str(error).split())
    try:
        known = [
            f"{number} {one['name']}"
            for number, one in enumerate(sounddevice.query_devices())
            if one["max_input_channels"] > 0
        ]
    except sounddevice.PortAudioError:
        known = []
    if not known:
        return f"there is no microphone to listen to ({told}): plug one in"
    which = "the microphone" if device is None else f"the microphone {device}"
    return f"{which} cannot be opened ({told}): name one with --device, {'; '.join(known)}"


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise SpeechnetError(
            "listening to a microphone needs sounddevice: pip install 'convsuite[mic]'"
        ) from error
    except OSError as error:  # sounddevice without the library that it calls
        raise SpeechnetError(
            "listening to a microphone needs the library PortAudio: install libportaudio2 or the"
            " package that is called so on your system"
        ) from error
    return sounddevice
