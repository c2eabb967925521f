"""What commands show on stderr while they work: sentences, and a bar where it takes a while."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


def say(text: str) -> None:
    """One sentence on stderr; nobody may be there any more to read it."""
    with suppress(BrokenPipeError):
        print(f"speechnet: {text}", file=sys.stderr, flush=True)


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
