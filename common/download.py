"""Download: one file over HTTP, from the first of its addresses that has it, into a folder.

What arrives is written to `NAME.part`, which outlives a dropped connection, Ctrl-C, `kill -9` and a
full disk: the next call asks only for the rest. The file gets its name once it is whole and its
checksum is right, so a file that is there is one to trust. pooch, which verifies and caches, does
not serve here: it throws away what has arrived when a download breaks off.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from common.errors import CommonError
from common.transfer import Part, Remote, Transfer, Useless, digest


class Unreachable(CommonError):
    """No address gives the file."""


def download(file: Remote, folder: Path, *, progress: bool = True) -> Path:
    """Bring `file` into `folder`, unless it is there already. Returns its path.

    progress: show a bar and notes on stderr. Two processes may ask for the same file at once: one
    downloads it, the other waits. Ctrl-C leaves what has arrived for the next call.
    Raises Unreachable if no address gives the right file, CommonError if it cannot be written.
    """
    target = folder / file.name
    if _there(target, file):
        return target
    console = Console(stderr=True, quiet=not progress, highlight=False)
    part = Part(target)
    with _disk_sentences(file, part):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(target, console):
            if not _there(target, file):
                _fetch(file, part, console)
                os.replace(part.path, target)
                part.drop()
    return target


def _there(target: Path, file: Remote) -> bool:
    """Is the file there, whole? It was verified before it got its name: the size is enough."""
    return target.is_file() and file.size in (None, target.stat().st_size)


@contextmanager
def _alone(target: Path, console: Console) -> Iterator[None]:
    """Let one process at a time work on `target`. The lock dies with its holder."""
    lock = FileLock(target.with_name(target.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.out(f"Another process is downloading {target.name}; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _disk_sentences(file: Remote, part: Part) -> Iterator[None]:
    """Turn what the file system refuses into a sentence."""
    folder = part.path.parent
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            where = error.filename or folder
            raise CommonError(f"cannot write {where}: {error.strerror or error}") from error
        total = part.total or file.size
        need = f"{decimal(total - part.size)} more" if total else "more room than there is"
        raise CommonError(
            f"the disk is full: {file.name} needs {need} in {folder}, where "
            f"{decimal(shutil.disk_usage(folder).free)} are free; make room and start again "
            "(what has arrived is kept), or choose a folder on another disk"
        ) from error


def _fetch(file: Remote, part: Part, console: Console) -> None:
    """Fill `part` with the whole, verified file from the first address that gives it."""
    import requests  # 0.1 s, and not needed for a file that is there

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    failures = []
    with (
        requests.Session() as session,
        Progress(*columns, TimeRemainingColumn(), console=console, disable=console.quiet) as bar,
    ):
        transfer = Transfer(session, file, part, bar)
        for url in file.urls:
            try:
                transfer.verified(url)
                break
            except Useless as error:
                failures.append(f"{url}: {error}")
            except KeyboardInterrupt:
                console.out(f"Stopped. {part.path} stays; the next call goes on from there.")
                raise
        else:
            raise Unreachable(f"cannot download {file.name}: {'; '.join(failures)}")
    if file.checksum is None:
        console.out(f"{file.name}: no checksum is known; its sha256 is {digest(part.path)}")
