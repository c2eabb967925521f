"""Archives: the files of a folder, a zip or a tar, one after the other, as bytes in memory.

Nothing is ever unpacked, so a name inside an archive (`../../etc/passwd`, an absolute path, a
link) is only a string here. A file that cannot be read, or is larger than what is asked for should
be, comes as an Entry with its `problem`; the rest goes on. What the bytes mean is others' business.
"""

import hashlib
import os
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path

from common.errors import CommonError

# What zipfile, tarfile and the decompressors raise for bytes that are not as they have to be.
BROKEN: tuple[type[Exception], ...] = (
    OSError, EOFError, ValueError, RuntimeError, LZMAError, zlib.error,
    tarfile.TarError, zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One file of a source. name: its path inside, parts joined by "/". share: how far along."""

    name: str
    data: bytes
    problem: str  # why there is no data; empty if there is
    share: float  # of the source's bytes read when this entry came, 0..1


Wanted = Callable[[str], bool]


def entries(source: Path, wanted: Wanted, largest: int) -> Iterator[Entry]:
    """The files of `source`, without hidden ones; the data only of those that are `wanted`.

    `wanted` is asked once for each name, in order. largest: bytes that one file may have. An entry
    that is not wanted has neither data nor problem. Raises CommonError if `source` is not there or
    is neither a folder nor a zip nor a tar (plain, gz, bz2 or xz).
    """
    try:
        if source.is_dir():
            yield from _of_folder(source, wanted, largest)
        elif tarfile.is_tarfile(source):  # before zip: a tar may end with the bytes of a zip
            yield from _of_tar(source, wanted, largest)
        elif zipfile.is_zipfile(source):
            yield from _of_zip(source, wanted, largest)
        else:
            raise CommonError(f"{source} is neither a folder nor a zip or tar file: give one")
    except OSError as error:
        raise CommonError(f"cannot read {source}: {error.strerror or error}") from error


def fingerprint(source: Path, *beside: Path) -> str:
    """A digest that changes when `source`, or one of the files beside it, changes.

    It looks at sizes and times (for a folder at those of all its files), never at contents.
    Raises CommonError if `source` is not there.
    """
    try:
        looked = [file for file in beside if file.is_file()]
        looked += [file for file, _ in files(source)] if source.is_dir() else [source]
        known = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in looked]
    except OSError as error:
        raise CommonError(f"cannot read {source}: {error.strerror or error}") from error
    return hashlib.sha256(repr(known).encode("utf-8", "surrogateescape")).hexdigest()


def tidy(name: str) -> str:
    """A name for people and tables: composed unicode, "/" between parts, nothing unprintable.

    >>> tidy("..\\\\yes/./a\\x1b.wav") == "yes/a\\N{REPLACEMENT CHARACTER}.wav"
    True
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    text = unicodedata.normalize("NFC", text).replace("\\", "/")
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return "/".join(part for part in text.split("/") if part not in ("", ".", ".."))


def hidden(name: str) -> bool:
    """Is it one of the files that systems strew about, or inside such a folder?"""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def files(folder: Path) -> list[tuple[Path, str]]:
    """All plain files below a folder with their names, by name; links are followed once."""
    found: list[tuple[Path, str]] = []
    seen: set[str] = set()
    for where, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:  # a link to a folder above would go round for ever
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [each for each in folders if not hidden(each)]
        for each in names:
            path = Path(where, each)
            if not hidden(each) and path.is_file():  # no pipes, no devices: they could hang
                found.append((path, tidy(str(path.relative_to(folder)))))
    return sorted(found, key=lambda pair: pair[1])


def _of_folder(folder: Path, wanted: Wanted, largest: int) -> Iterator[Entry]:
    found = files(folder)
    for number, (path, name) in enumerate(found, 1):
        data, problem = b"", ""
        if wanted(name):
            try:
                with path.open("rb") as file:
                    data, problem = _within(file.read(largest + 1), largest)
            except OSError as error:
                problem = f"cannot be read: {error.strerror or error}"
        yield Entry(name, data, problem, number / len(found))


def _of_zip(source: Path, wanted: Wanted, largest: int) -> Iterator[Entry]:
    try:
        archive = zipfile.ZipFile(source)
    except BROKEN as error:
        raise CommonError(f"cannot read {source}: {error}") from error
    with archive:
        inside = sorted(archive.infolist(), key=lambda each: each.header_offset)
        for number, each in enumerate(inside, 1):
            name = tidy(_unicode(each))
            if each.is_dir() or hidden(name):
                continue
            data, problem = b"", ""
            if wanted(name):
                try:
                    with archive.open(each) as file:
                        data, problem = _within(file.read(largest + 1), largest)
                except BROKEN as error:
                    problem = f"cannot be taken from the archive: {error}"
            yield Entry(name, data, problem, number / len(inside))


def _unicode(each: zipfile.ZipInfo) -> str:
    """The name of a zip's file: many programs write UTF-8 without the flag that says so."""
    if each.flag_bits & 0x800:
        return each.filename
    try:
        return each.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return each.filename


def _of_tar(source: Path, wanted: Wanted, largest: int) -> Iterator[Entry]:
    size = source.stat().st_size
    with source.open("rb") as raw:
        try:
            # "|" would be a stream without seeking; "r:*" may seek forward over what is not wanted
            with tarfile.open(fileobj=raw, mode="r:*") as archive:
                for member in archive:
                    archive.members = []  # type: ignore[attr-defined]  # else tarfile keeps all of them, in no one's interest
                    name = tidy(member.name)
                    if not member.isreg() or hidden(name):
                        continue
                    data, problem = b"", ""
                    if wanted(name) and (file := archive.extractfile(member)):
                        data, problem = _within(file.read(largest + 1), largest)
                    yield Entry(name, data, problem, min(1.0, raw.tell() / size))
        except BROKEN as error:
            # A tar has no list of contents: what comes after a broken place cannot be found.
            problem = f"the archive breaks off here, what follows is lost: {error}"
            yield Entry(tidy(source.name), b"", problem, 1.0)


def _within(data: bytes, largest: int) -> tuple[bytes, str]:
    """The data, or why it is refused."""
    if len(data) > largest:
        return b"", f"is larger than {largest >> 20} MiB"
    return data, ""
