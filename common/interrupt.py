"""Being asked to stop: SIGINT (Ctrl-C) and SIGTERM, noted now and obeyed between two steps."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from common.errors import CommonError

# A launcher passes on the signal that the terminal has sent already; a person needs longer.
SAME_REQUEST = 1.0  # seconds


class Stopped(CommonError):
    """The run was asked to stop, and has saved its state; `status` is the command's exit status.

    130 after Ctrl-C and 143 after SIGTERM, as in a shell.
    """

    def __init__(self, sentence: str, number: int) -> None:
        super().__init__(sentence)
        self.status = 128 + number


class Interrupt:
    """signal: the number of the signal that has come, 0 while none has."""

    def __init__(self) -> None:
        self.signal = 0
        self.came = 0.0


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Note SIGINT and SIGTERM instead of dying of them; a second request does what it always did.

    Outside the main thread, where Python allows no handlers, nothing is noted.
    """
    noted = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        if noted.signal and time.monotonic() - noted.came > SAME_REQUEST:
            restore()
            signal.raise_signal(number)
        elif not noted.signal:
            noted.signal, noted.came = number, time.monotonic()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        restore()
