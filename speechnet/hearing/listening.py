"""Listening: events as they are spoken, as an iterator and as one of asyncio.

    for event in listen(Microphone()):
        print(event.word)

Chunks of sound may have any length, from a microphone (`microphone`), a pipe (`pcm`) or anywhere.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.interrupt import Stopped
from speechnet.clips.naming import word_of
from speechnet.errors import SpeechnetError
from speechnet.hearing.detector import Detector, EventStream
from speechnet.hearing.events import Event

Floats = NDArray[np.float32]


def listen(
    chunks: Iterable[Floats],
    detector: Detector | None = None,
    *,
    threshold: float | None = None,
    patience: int | None = None,
    heard: Callable[[EventStream], object] = lambda stream: None,
) -> Iterator[Event]:
    """The words in sound that goes on: each event comes as soon as its word is over.

    chunks: float32 [sample], mono, at 16 kHz. detector: the shipped one if none is given.
    threshold, patience: see `Detector.stream`. heard: called after each chunk.
    """
    stream = (detector or Detector.load()).stream(threshold=threshold, patience=patience)
    for chunk in chunks:
        yield from stream.push(chunk)
        heard(stream)
    yield from stream.finish()


async def listen_async(
    chunks: AsyncIterable[Floats] | Iterable[Floats],
    detector: Detector | None = None,
    *,
    threshold: float | None = None,
    patience: int | None = None,
) -> AsyncIterator[Event]:
    """The same for asyncio: what is slow, hearing and waiting for sound, is done in threads."""
    ready = detector if detector is not None else await asyncio.to_thread(Detector.load)
    stream = ready.stream(threshold=threshold, patience=patience)
    async for chunk in _each(chunks):
        for event in await asyncio.to_thread(stream.push, chunk):
            yield event
    for event in await asyncio.to_thread(stream.finish):
        yield event


async def _each(chunks: AsyncIterable[Floats] | Iterable[Floats]) -> AsyncIterator[Floats]:
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
        return
    source, end = iter(chunks), object()
    # Any: the end is an object of its own, for a chunk may be anything.
    while (piece := await asyncio.to_thread(next, source, end)) is not end:
        chunk_: Any = piece
        yield chunk_


class Load:
    """What listening costs: the share of one core, since the last time it was asked."""

    def __init__(self) -> None:
        self._start = self._before = (time.perf_counter(), time.process_time())

    def lately(self) -> float:
        """Since the last call."""
        now = (time.perf_counter(), time.process_time())
        before, self._before = self._before, now
        return _share(before, now)

    def altogether(self) -> float:
        """Since the start."""
        return _share(self._start, (time.perf_counter(), time.process_time()))


def _share(before: tuple[float, float], now: tuple[float, float]) -> float:
    return (now[1] - before[1]) / max(1e-9, now[0] - before[0])


class Commands:
    """Starts a command for each event of a word, and waits for none of them.

    commands: command lines for a shell, or WORD=COMMAND for one word alone. words: that are
    listened for. The event is in the environment: SPEECHNET_WORD, SPEECHNET_PROBABILITY,
    SPEECHNET_START, SPEECHNET_END. Raises SpeechnetError for a command of another word.
    """

    def __init__(self, commands: Iterable[str], words: Iterable[str]) -> None:
        self._commands = [_of_word(command, tuple(words)) for command in commands]
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, event: Event) -> None:
        """Start what belongs to the word. Raises SpeechnetError if there is no shell."""
        facts = {
            "SPEECHNET_WORD": event.word,
            "SPEECHNET_PROBABILITY": f"{event.probability:.4f}",
            "SPEECHNET_START": f"{event.start:.3f}",
            "SPEECHNET_END": f"{event.end:.3f}",
        }
        for word, command in self._commands:
            if word in ("", event.word):
                try:
                    process = subprocess.Popen(
                        command, shell=True, stdin=subprocess.DEVNULL, env={**os.environ, **facts}
                    )
                except OSError as error:
                    raise SpeechnetError(
                        f"cannot start {shlex.quote(command)}: {error.strerror}"
                    ) from error
                self._running.append((command, process))

    def failed(self) -> Iterator[str]:
        """A sentence for each command that has ended with an error since the last call."""
        going = []
        for command, process in self._running:
            status = process.poll()
            if status is None:
                going.append((command, process))
            elif status:
                yield f"the command {shlex.quote(command)} ended with status {status}"
        self._running = going


def _of_word(command: str, words: tuple[str, ...]) -> tuple[str, str]:
    """(word, command line); the word is empty if the command is for all."""
    name, equals, line = command.partition("=")
    if equals and (word := word_of(name)) in words:
        return word, line
    if not equals or not re.fullmatch(r"[\w-]+", name):
        return "", command
    # A shell would take it for a variable, and start the rest for every word.
    raise SpeechnetError(
        f"the command {shlex.quote(command)} waits for {name}, which is not listened for: name one"
        f" of {', '.join(words)}, or set a variable with env {name}=..."
    )


@contextmanager
def stopping(told: Callable[[], str]) -> Iterator[None]:
    """Raise Stopped with a sentence at SIGINT and SIGTERM, also while a read waits for sound."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(f"{signal.Signals(number).name}: {told()}", number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
