"""Cache: many recordings as one memory-mapped array, with what is known about them beside it.

A cache is a folder of two files: `samples.npy`, int16 [sample], all recordings one after the other,
and `index.json`, any JSON value. It is written beside and renamed into place, so one that is there
is whole; one that is damaged all the same is made again. What the samples mean is not known here.
"""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from speechnet.errors import SpeechnetError

Int16s = npt.NDArray[np.int16]
Append = Callable[[Int16s], None]

_FORMAT = 1  # raise it when what is written changes: older caches are then made again


def cached(
    folder: Path | None, source: Path, fingerprint: str, make: Callable[[Append], Any]
) -> tuple[Any, Int16s]:
    """What `make` returns and appends for `source`, from the cache if it was made before.

    folder: of all caches; None is the user's cache folder. fingerprint: of the source's contents;
    caches of the same source with another one are removed. make: is given a function that takes
    the next samples, int16 [sample]; returns the index, any JSON value.
    Returns (index, samples: int16 [sample], read-only, a memory map).
    Raises SpeechnetError if the cache cannot be written.
    """
    folder = _default() if folder is None else folder
    stem = hashlib.sha256(str(source.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    place = folder / f"{stem}-{_FORMAT}-{fingerprint[:16]}"
    found = _load(place)
    if found is None:
        try:
            found = _make_alone(place, stem, make)
        except OSError as error:
            raise SpeechnetError(
                f"cannot keep the decoded sound in {folder}: {error.strerror or error}; "
                "make room there, or set XDG_CACHE_HOME to another folder"
            ) from error
    return found


def _default() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("speechnet", appauthor=False) / "words"


def _make_alone(place: Path, stem: str, make: Callable[[Append], Any]) -> tuple[Any, Int16s]:
    """Make the cache while no other process makes one of the same source; drop older ones."""
    from filelock import FileLock

    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(f"{stem}.lock")):
        found = _load(place)
        if found is not None:
            return found  # another process made it while this one waited
        part = place.with_name(f"{stem}.part")
        shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
        try:
            part.mkdir()
            _write(part, make)
            for old in place.parent.glob(f"{stem}-*"):
                shutil.rmtree(old, ignore_errors=True)  # on Windows one in use stays
            part.rename(place)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    found = _load(place)
    if found is None:
        raise OSError(f"{place.name} does not read as it was written")
    return found


def _write(part: Path, make: Callable[[Append], Any]) -> None:
    total = 0
    with (part / "samples.npy").open("wb") as file:
        _header(file, 0)

        def append(samples: Int16s) -> None:
            nonlocal total
            total += len(samples)
            file.write(np.ascontiguousarray(samples, "<i2").data)

        index = make(append)
        file.seek(0)
        _header(file, total)
        _sync(file)
    text = json.dumps(index).encode()
    with (part / "index.json").open("wb") as file:
        file.write(b"%d %d\n" % (zlib.crc32(text), total) + text)
        _sync(file)


def _header(file: BinaryIO, total: int) -> None:
    """numpy leaves room in its header for the first axis to grow: all totals take as many bytes."""
    facts = {"descr": "<i2", "fortran_order": False, "shape": (total,)}
    np.lib.format.write_array_header_1_0(file, facts)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())  # the rename must never come to the disk before the contents


def _load(place: Path) -> tuple[Any, Int16s] | None:
    """The cache at `place`; None if there is none or it is damaged."""
    try:
        first, text = (place / "index.json").read_bytes().split(b"\n", 1)
        checksum, total = map(int, first.split())
        if zlib.crc32(text) != checksum:
            return None
        # An empty file cannot be memory-mapped.
        samples = np.load(place / "samples.npy", mmap_mode="r" if total else None)
        if samples.shape != (total,) or samples.dtype != np.int16:
            return None
        # Slices of a plain view are made several times faster than slices of a memmap.
        return json.loads(text), samples.view(np.ndarray)
    except (OSError, ValueError, EOFError):
        return None
