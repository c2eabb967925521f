"""Batches made ahead of time by threads, and handed out in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(
    make: Callable[[int], T], indices: Iterable[int], *, workers: int
) -> Generator[T, None, None]:
    """`make(index)` for each index, in order, computed by `workers` threads ahead of its use.

    At most twice as many batches as threads wait. What `make` raises is raised here, in its turn.
    Closing the generator ends the threads. Threads, not processes: samplers are compiled code
    that runs without the interpreter's lock, and nothing has to be copied between processes.

    >>> list(prefetch(lambda index: index * index, range(5), workers=2))
    [0, 1, 4, 9, 16]
    """
    waiting: deque[Future[T]] = deque()
    remaining = iter(indices)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="batches")
    try:
        for index in remaining:
            waiting.append(pool.submit(make, index))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
