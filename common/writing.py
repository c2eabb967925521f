"""Writing: bytes into a file that is there whole or as it was before, and folders for them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from common.errors import CommonError


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, before time is spent on what goes in.

    Raises CommonError if that cannot be.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommonError(f"cannot make the folder {path}: {error.strerror}") from error


def put(path: Path, data: bytes) -> None:
    """Write beside the path, then rename; folders above it are made.

    Raises CommonError if the disk does not take it.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")  # another process may do the same now
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):  # below a file there is nothing to remove either
            part.unlink(missing_ok=True)
        raise CommonError(f"cannot write {path}: {error.strerror}") from error
