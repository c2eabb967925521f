"""Transfer: the HTTP conversation that brings the bytes of one file into a part file.

In: a Remote and an address. Out: a Part that is complete and verified, however often the connection
drops. Which address, which folder and what a full disk means is decided in download.
"""

import hashlib
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.filesize import decimal
from rich.progress import Progress

from common.errors import CommonError

if TYPE_CHECKING:
    import requests

_CHUNK = 64 * 1024  # bytes
_TIMEOUT = (10.0, 30.0)  # seconds, to connect and between two pieces of the answer
_TRIES = 4  # at one address, since the last time that anything new arrived
_WAIT = 1.0  # seconds before the second try; doubles with each further one
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # HTTP statuses that another try may cure


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A file that can be fetched: where it is and, as far as that is known, what it must be."""

    name: str  # what it is called on disk
    urls: tuple[str, ...]  # all give the same bytes; tried in order
    size: int | None = None  # bytes
    sha256: str | None = None
    md5: str | None = None

    @property
    def checksum(self) -> tuple[str, str] | None:
        """The best known checksum: (algorithm, hexadecimal digits)."""
        if self.sha256:
            return "sha256", self.sha256
        return ("md5", self.md5) if self.md5 else None


class _Again(Exception):
    """The connection failed in a way that may pass: another try at the same address is worth it."""


class Useless(Exception):
    """This address will not give the file."""


def digest(path: Path, algorithm: str = "sha256") -> str:
    """The checksum of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def mismatch(path: Path, file: Remote) -> str | None:
    """What is wrong with the bytes in `path`, or None if they are those of `file`.

    Without a known checksum only the size, if that is known, can tell.
    """
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"it has {size} bytes where {file.size} are expected"
    if file.checksum:
        algorithm, expected = file.checksum
        found = digest(path, algorithm)
        if found != expected.lower():
            return f"its {algorithm} is {found} where {expected} is expected"
    return None


class Part:
    """The bytes that have arrived so far, and which version of the file at which address they are.

    The version is what the server called it (ETag or Last-Modified), kept in a file beside.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self.total: int | None = None  # bytes that the whole file has, once a server has said it
        self._version = target.with_name(target.name + ".part.version")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self, url: str) -> str:
        """What `url` called the version that these bytes are of; "" if they are not from there."""
        try:
            address, _, version = self._version.read_text("utf-8").partition("\n")
        except (OSError, ValueError):
            return ""
        return version if address == url else ""

    def remember(self, url: str, version: str) -> None:
        self._version.write_text(f"{url}\n{version}", "utf-8")

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


class Transfer:
    """The requests that it takes to get one file."""

    def __init__(
        self, session: "requests.Session", file: Remote, part: Part, bar: Progress
    ) -> None:
        self._session, self._file, self._part, self._bar = session, file, part, bar
        self._task = bar.add_task(file.name, total=file.size)

    def verified(self, url: str) -> None:
        """Fill the part from one address and verify it. Raises Useless if that cannot be done."""
        inherited = self._part.size > 0
        self._complete(url)
        wrong = mismatch(self._part.path, self._file)
        if wrong and inherited:
            # What an earlier call left may be of another version: once more, from the start.
            self._part.drop()
            self._complete(url)
            wrong = mismatch(self._part.path, self._file)
        if wrong:
            self._part.drop()
            raise Useless(f"the file there is not the one that is expected, {wrong}")

    def _complete(self, url: str) -> None:
        """Ask until all bytes are there. The tries count anew whenever something new arrived."""
        most, tries = self._part.size, 0
        while self._file.size is None or self._part.size != self._file.size:
            try:
                return self._ask(url)
            except _Again as error:
                if self._part.size > most:
                    most, tries = self._part.size, 0
                tries += 1
                if tries == _TRIES:
                    raise Useless(f"{error} ({_TRIES} tries)") from error
                time.sleep(_WAIT * 2 ** (tries - 1))

    def _ask(self, url: str) -> None:
        """One request: ask for what is missing and append it.

        Raises _Again or Useless if that is not all that was missing.
        """
        import requests
        import urllib3

        headers = self._wish(url)
        try:
            with self._session.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
                start = self._judge(answer, asked="Range" in headers)
                if start is not None:
                    self._receive(answer, url, start)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _failure(error) from error
        if self._part.total is not None and self._part.size < self._part.total:
            raise _Again("the connection ends early")

    def _wish(self, url: str) -> dict[str, str]:
        """The request's headers. They ask for the rest alone where that is safe.

        It is if the server can tell whether the file is still the same (If-Range), or if a
        checksum will tell in the end.
        """
        headers = {"Accept-Encoding": "identity"}  # the file's own bytes
        version = self._part.version(url)
        if self._part.size and (version or self._file.checksum):
            headers["Range"] = f"bytes={self._part.size}-"
            if version:
                headers["If-Range"] = version
        return headers

    def _judge(self, answer: "requests.Response", *, asked: bool) -> int | None:
        """At which byte the answer begins; None if nothing was missing. Notes the file's size."""
        status, have = answer.status_code, self._part.size
        start, total = _piece(answer)
        if self._file.size is not None and total not in (None, self._file.size):
            raise Useless(f"the file there has {total} bytes, {self._file.size} are expected")
        if asked and status == 416 and total == have:
            return None
        if asked and (status == 416 or (status == 206 and start != have)):
            self._part.drop()
            raise _Again("the file there does not fit what had arrived of it")
        if status in _PASSING:
            raise _Again(f"HTTP {status} {answer.reason}")
        if status != 200 and not (asked and status == 206):
            raise Useless(f"HTTP {status} {answer.reason}")
        self._part.total = total if total is not None else self._file.size
        return start

    def _receive(self, answer: "requests.Response", url: str, start: int) -> None:
        """Write what the server sends behind the first `start` bytes."""
        total = self._part.total
        _check_room(self._file, self._part, start)
        self._bar.update(self._task, completed=start, total=total)
        with self._part.path.open("ab" if start else "wb") as out:
            if not start:
                self._part.remember(url, _version(answer))
            # Not iter_content: it would unpack what a server labels "Content-Encoding: gzip".
            for chunk in answer.raw.stream(_CHUNK, decode_content=False):
                out.write(chunk)
                self._bar.advance(self._task, len(chunk))


def _piece(answer: "requests.Response") -> tuple[int, int | None]:
    """From which byte on the answer gives the file, and how many bytes the whole file has."""
    if answer.status_code == 200:  # all of it: no ranges known there, or another version by now
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    said = answer.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", said)
    if not match:
        return -1, None
    start, total = match.groups()
    return int(start or -1), None if total == "*" else int(total)


def _version(answer: "requests.Response") -> str:
    """What the server calls this version of the file, to be quoted in If-Range; "" if nothing."""
    etag = answer.headers.get("ETag", "")
    # A weak ETag (W/) promises the same meaning, not the same bytes.
    if etag and not etag.startswith("W/"):
        return etag
    return answer.headers.get("Last-Modified", "")


def _check_room(file: Remote, part: Part, start: int) -> None:
    """Say that the disk is too small before it is full."""
    if part.total is None:
        return
    folder, need = part.path.parent, part.total - start
    # What had arrived makes room if the file starts anew.
    room = shutil.disk_usage(folder).free + part.size - start
    if need > room:
        raise CommonError(
            f"not enough room: {file.name} needs {decimal(need)} more in {folder}, where "
            f"{decimal(room)} are free; make room or choose a folder on another disk"
        )


def _failure(error: Exception) -> _Again | Useless:
    """What a failed request means, in a few words."""
    import requests
    import urllib3

    cause = getattr(error.args[0], "reason", error) if error.args else error
    if isinstance(cause, urllib3.exceptions.NameResolutionError):
        return Useless("the server's name is not known (is this machine online?)")
    if isinstance(error, requests.exceptions.SSLError):
        return Useless(f"the server's certificate is not accepted ({cause})")
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return _Again("the server does not answer in time")
    if isinstance(error, requests.ConnectionError | urllib3.exceptions.HTTPError):
        return _Again("the connection cannot be made or breaks off")
    return Useless(str(error))
