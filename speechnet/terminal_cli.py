"""What commands show on stderr while they work: sentences, and a bar where it takes a while."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def say(text: str) -> None:
    """One sentence on stderr; nobody may be there any more to read it."""
    with suppress(OSError):
        print(f"speechnet: {text}", file=sys.stderr, flush=True)


def tell(path: Path, error: Exception, *, as_json: bool) -> None:
    """Why a sound is left out: on stderr, and in JSON as its row."""
    say(str(error))
    if as_json:
        print(json.dumps({"file": str(path), "error": str(error)}), flush=True)


@contextmanager
def hushed() -> Iterator[None]:
    """Decoders of MP3 print what they find wrong by themselves, in lines of their own making.

    For commands alone: in somebody's program another thread may have something to say meanwhile.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(nowhere)
        os.close(stderr)


def seen(items: Sequence[T], what: str, *, least: int = 2) -> Iterable[T]:
    """The items, with a bar that says how many are left, where somebody looks on.

    least: items without which there is none.
    """
    if len(items) < least or not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, what, console=Console(stderr=True))


@contextmanager
def bar(what: str) -> Iterator[Callable[[float], None]]:
    """A function that shows a share of what is done, where somebody looks on."""
    if not sys.stderr.isatty():
        yield lambda share: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=1.0, visible=False)
        yield lambda share: progress.update(task, completed=share, visible=True)
