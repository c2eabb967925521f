"""What every command of the suite does around its work: its streams, its errors, its status."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from common.errors import CommonError


def run(program: str, work: Callable[[], int | None]) -> int:
    """Do a command's work; returns the exit status: that of `work`, that of the error if something
    outside the program is not as it has to be, 130 if interrupted. What was wrong is one sentence
    on stderr."""
    _open_streams()
    try:
        status = work()
        sys.stdout.flush()  # here, where it can be said that the disk is full
    except CommonError as error:
        _say(program, str(error))
        return error.status
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return 1
    except OSError as error:
        what = error.filename or "the output"
        _say(program, f"cannot read or write {what}: {error.strerror or error}")
        if error.filename is None:
            with suppress(OSError):
                sys.stdout.close()  # or Python tries once more, and says so in its own way
        return 1
    except KeyboardInterrupt:
        _say(program, "interrupted")
        return 130
    return status or 0


def _open_streams() -> None:
    """Make all three streams usable, whoever started the command."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # it was closed
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it stays open
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no text


def _say(program: str, sentence: str) -> None:
    with suppress(OSError):  # nobody may be there any more to read it
        sys.stderr.write(f"{program}: {sentence}\n")
        sys.stderr.flush()
