"""Datasets: the public data sets of `data/catalog.toml`, fetched, verified, or found in a folder.

Downloads go to the user's cache folder (the variable CONVSUITE_CACHE names another); a folder or
an archive that the user already has can be named instead, and then nothing is downloaded. What is
in the files is for their readers (`mnist`, `corpus`, `audio` ...).
"""

import os
import shutil
import tarfile
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, Any

import platformdirs

from common.download import Unreachable, download
from common.errors import CommonError
from common.transfer import Remote, mismatch

_CACHE_VARIABLE = "CONVSUITE_CACHE"
_DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError),
    RuntimeError,  # zipfile: the member is encrypted
    NotImplementedError,  # zipfile: an unknown compression
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A public data set: one table of the catalog."""

    name: str
    description: str  # one line
    licence: str
    homepage: str
    files: tuple[Remote, ...]

    @property
    def size(self) -> int | None:
        """Bytes of all files together; None unless every one is known."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None


@cache
def entries() -> dict[str, Entry]:
    """The catalog: every data set that `fetch` knows, by name.

    >>> [file.name for file in entries()["vgg19"].files]
    ['vgg19-dcbb9e9d.pth']
    """
    tables = tomllib.loads(_catalog().read_text("utf-8"))
    return {name: _entry(name, table) for name, table in tables.items()}


def _catalog() -> Path:
    """The catalog's file: installed with the package, or in the source tree beside it."""
    here = Path(__file__).parent
    # First the installed one: a folder "data" beside an installed package is somebody else's.
    installed = here / "data" / "catalog.toml"
    return installed if installed.exists() else here.parent / "data" / "catalog.toml"


def _entry(name: str, table: dict[str, Any]) -> Entry:
    mirrors, items = table.pop("mirrors"), table.pop("files")
    remotes = []
    for item in items:
        path = item.pop("path", item["name"])
        remotes.append(Remote(**item, urls=tuple(mirror + path for mirror in mirrors)))
    return Entry(name=name, files=tuple(remotes), **table)


def cache_folder() -> Path:
    """Where downloads are kept."""
    named = os.environ.get(_CACHE_VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_cache_path("convsuite", False)


def fetch(
    name: str, *, only: str = "*", folder: Path | str | None = None, progress: bool = True
) -> Path:
    """The folder that holds the files of a data set, downloaded first where they are missing.

    only: a pattern for file names, for a part of a set ("KGS-2018*").
    folder: where the user has the files, in it or below it, or an archive that has them inside;
    nothing is downloaded then, but known checksums are verified.
    progress: show progress and notes on stderr.
    Raises CommonError if there is no such set, or if its files cannot be had.
    """
    entry = entries().get(name)
    if entry is None:
        raise CommonError(f"there is no data set {name!r}; there are {', '.join(entries())}")
    wanted = [file for file in entry.files if fnmatch(file.name, only)]
    if not wanted:
        names = ", ".join(file.name for file in entry.files)
        raise CommonError(f"no file of {name} is called {only!r}; there are {names}")
    if folder is not None:
        return _find(entry, wanted, Path(folder).expanduser())
    target = cache_folder() / name
    try:
        for file in wanted:
            download(file, target, progress=progress)
    except Unreachable as error:
        raise CommonError(
            f"{error}. Any other way to get it will do ({entry.homepage}): name the folder then"
        ) from error
    except CommonError as error:
        raise CommonError(f"{error} (the variable {_CACHE_VARIABLE} names the folder)") from error
    return target


def _find(entry: Entry, wanted: list[Remote], place: Path) -> Path:
    """The folder at or below `place` that has the wanted files, verified."""
    names = {file.name for file in wanted}
    if place.is_file():
        if place.name not in names:
            return _take_out(wanted, place, cache_folder() / entry.name)
        place = place.parent
    if not place.is_dir():
        raise CommonError(f"there is no folder or archive {place}")
    seen: set[str] = set()
    for here, below, found in os.walk(place):
        below.sort()
        seen |= names.intersection(found)
        if names.issubset(found):
            for file in wanted:
                _require(Path(here, file.name), file)
            return Path(here)
    if missing := ", ".join(sorted(names - seen)):
        raise CommonError(f"{place} has not all files of {entry.name}; missing: {missing}")
    raise CommonError(
        f"{place} has the files of {entry.name} in several folders; put them into one"
    )


def _require(path: Path, file: Remote) -> None:
    if wrong := mismatch(path, file):
        raise CommonError(f"{path} is damaged or another file: {wrong}")


def _take_out(wanted: list[Remote], archive: Path, folder: Path) -> Path:
    """Bring the wanted files from a zip or tar archive into `folder`, verified.

    Only a member's last name counts and nothing else is written, so no path in the archive can
    lead out of the folder.
    """
    missing = {file.name: file for file in wanted}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in _members(archive):
            if file := missing.pop(name, None):
                _bring(content, file, folder)
    except _DAMAGED as error:
        raise CommonError(f"{archive} cannot be read as an archive: {error}") from error
    except OSError as error:
        raise CommonError(
            f"cannot unpack {archive} into {folder}: {error.strerror or error}"
        ) from error
    if missing:
        raise CommonError(f"{archive} has not all that is wanted; missing: {', '.join(missing)}")
    return folder


def _bring(content: IO[bytes], file: Remote, folder: Path) -> None:
    part = folder / f"{file.name}.{os.getpid()}.part"  # another process may do the same now
    try:
        with part.open("wb") as out:
            shutil.copyfileobj(content, out)
        _require(part, file)
        os.replace(part, folder / file.name)
    finally:
        part.unlink(missing_ok=True)


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The plain files in an archive: last part of the name, content."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                if not info.is_dir():
                    with zipped.open(info) as content:
                        yield PurePosixPath(info.filename).name, content
        return
    with tarfile.open(archive) as tarred:
        for member in tarred:
            if member.isfile() and (stream := tarred.extractfile(member)):
                with stream:
                    yield PurePosixPath(member.name).name, stream
