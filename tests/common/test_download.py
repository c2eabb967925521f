"""Downloads against a real HTTP server on loopback that can misbehave in every way we know of."""

import errno
import gzip
import hashlib
import io
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import common.transfer
from common.download import download
from common.errors import CommonError
from common.transfer import Part, Remote, mismatch

BYTES = bytes(range(251)) * 4000  # about 1 MB, and no two blocks alike
OTHER = BYTES[::-1]


@dataclass
class Site:
    """What the server gives, how it behaves, and what it was asked."""

    content: bytes = BYTES
    etag: str | None = '"one"'
    ranges: bool = True
    length: bool = True  # says Content-Length
    encoding: str | None = None  # says Content-Encoding
    status: list[int] = field(default_factory=list)  # of the next answers, before normal ones
    breaks: list[int] = field(default_factory=list)  # the next answers stop after so many bytes
    pause: float = 0.0  # seconds of silence before the body
    asked: list[dict[str, str]] = field(default_factory=list)  # headers of every request
    port: int = 0

    def url(self, path: str = "file.bin") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def remote(self, *, known: bool = True, **changes: Any) -> Remote:
        facts: dict[str, Any] = {"name": "file.bin", "urls": (self.url(),)}
        if known:
            facts |= {"size": len(BYTES), "sha256": hashlib.sha256(BYTES).hexdigest()}
        return Remote(**facts | changes)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        site = self.site
        site.asked.append(dict(self.headers))
        self.close_connection = True
        if self.path == "/missing":
            return self.send_error(404)
        if site.status:
            return self.send_error(site.status.pop(0))
        self._send(site, self._start(site))

    def _start(self, site: Site) -> int:
        asked = self.headers.get("Range")
        if not (site.ranges and asked) or self.headers.get("If-Range", site.etag) != site.etag:
            return 0
        return int(asked.removeprefix("bytes=").rstrip("-"))

    def _send(self, site: Site, start: int) -> None:
        total = len(site.content)
        if start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if site.length:
            self.send_header("Content-Length", str(total - start))
        if site.encoding:
            self.send_header("Content-Encoding", site.encoding)
        if site.etag:
            self.send_header("ETag", site.etag)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.flush()
        if site.pause:
            time.sleep(site.pause)
        body = site.content[start:]
        self.wfile.write(body[: site.breaks.pop(0)] if site.breaks else body)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(common.transfer, "_WAIT", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    site = Site()
    handler = type("ThisHandler", (Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients may hang up
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def left_over(folder: Path, content: bytes, version: str = "") -> None:
    """What an earlier call left when it was interrupted."""
    (folder / "file.bin.part").write_bytes(content)
    if version:
        (folder / "file.bin.part.version").write_text(version)


def only_the_file_is_there(folder: Path, content: bytes = BYTES) -> bool:
    names = {path.name for path in folder.iterdir()} - {"file.bin.lock"}
    return names == {"file.bin"} and (folder / "file.bin").read_bytes() == content


def test_a_file_is_fetched_once(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    for _ in range(2):
        assert download(site.remote(), folder, progress=False) == folder / "file.bin"
    assert only_the_file_is_there(folder)
    assert len(site.asked) == 1


def test_a_dropped_connection_is_taken_up_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.breaks = [300_000, 200_000]
    download(site.remote(known=False), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)
    starts = [request.get("Range") for request in site.asked]
    assert starts[0] is None
    assert 0 < int(starts[1][6:-1]) <= 300_000 < int(starts[2][6:-1]) <= 500_000  # type: ignore[index]
    assert [request.get("If-Range") for request in site.asked] == [None, '"one"', '"one"']


def test_the_next_call_goes_on_where_the_last_one_ended(site: Site, tmp_path: Path) -> None:
    left_over(tmp_path, BYTES[:700_000], f'{site.url()}\n"one"')
    download(site.remote(known=False), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)
    assert site.asked[0]["Range"] == "bytes=700000-"


def test_a_file_that_changed_meanwhile_starts_anew(site: Site, tmp_path: Path) -> None:
    site.content, site.etag = OTHER, '"two"'
    left_over(tmp_path, BYTES[:700_000], f'{site.url()}\n"one"')
    download(site.remote(known=False), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path, OTHER)


def test_what_cannot_be_told_to_be_the_same_file_starts_anew(site: Site, tmp_path: Path) -> None:
    site.content, site.etag = OTHER, None
    left_over(tmp_path, BYTES[:700_000])
    download(site.remote(known=False), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path, OTHER)
    assert "Range" not in site.asked[0]


def test_a_weak_version_does_not_vouch_for_bytes(site: Site, tmp_path: Path) -> None:
    site.etag, site.breaks = 'W/"one"', [300_000]
    download(site.remote(known=False), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)
    assert all("Range" not in request for request in site.asked)


def test_a_server_that_knows_no_ranges_starts_anew(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    left_over(tmp_path, BYTES[:700_000], f'{site.url()}\n"one"')
    download(site.remote(), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)


def test_a_server_that_knows_no_ranges_and_always_breaks_off_is_given_up(
    site: Site, tmp_path: Path
) -> None:
    site.ranges, site.breaks = False, [300_000] * 100
    with pytest.raises(CommonError, match=r"file\.bin.*ends early|breaks off"):
        download(site.remote(), tmp_path, progress=False)
    assert len(site.asked) < 10


def test_a_whole_part_is_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    left_over(tmp_path, BYTES, f'{site.url()}\n"one"')
    download(site.remote(), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)
    assert not site.asked


def test_a_whole_part_of_unknown_size_needs_nothing_more(site: Site, tmp_path: Path) -> None:
    left_over(tmp_path, BYTES, f'{site.url()}\n"one"')
    download(site.remote(known=False), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)
    assert len(site.asked) == 1


@pytest.mark.parametrize("known", [True, False])
def test_a_part_longer_than_the_file_is_thrown_away(
    site: Site, tmp_path: Path, known: bool
) -> None:
    left_over(tmp_path, BYTES + b"more", f'{site.url()}\n"one"')
    download(site.remote(known=known), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)


def test_a_part_of_another_file_is_found_out_by_the_checksum(site: Site, tmp_path: Path) -> None:
    left_over(tmp_path, OTHER[:700_000])
    download(site.remote(), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)
    assert [request.get("Range") for request in site.asked] == ["bytes=700000-", None]


def test_a_wrong_checksum_is_said_and_the_bytes_are_gone(site: Site, tmp_path: Path) -> None:
    site.content = OTHER
    with pytest.raises(CommonError) as caught:
        download(site.remote(), tmp_path, progress=False)
    found, expected = hashlib.sha256(OTHER).hexdigest(), hashlib.sha256(BYTES).hexdigest()
    assert f"its sha256 is {found} where {expected} is expected" in str(caught.value)
    assert not list(tmp_path.glob("file.bin*[!k]"))


def test_a_wrong_md5_is_said(site: Site, tmp_path: Path) -> None:
    with pytest.raises(CommonError, match=f"md5 is .* where {'0' * 32} is expected"):
        download(site.remote(sha256=None, md5="0" * 32), tmp_path, progress=False)


def test_a_page_instead_of_the_file_is_refused_before_it_is_written(
    site: Site, tmp_path: Path
) -> None:
    site.content = b"<html>Please log in to this network</html>"
    with pytest.raises(CommonError, match=f"has 42 bytes, {len(BYTES)} are expected"):
        download(site.remote(), tmp_path, progress=False)


def test_an_archive_that_is_labelled_as_an_encoding_stays_packed(
    site: Site, tmp_path: Path
) -> None:
    site.content, site.encoding = gzip.compress(BYTES), "gzip"
    download(site.remote(known=False), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path, site.content)


def test_a_short_file_without_a_declared_length_is_refused(site: Site, tmp_path: Path) -> None:
    site.length, site.content = False, BYTES[:-1]
    with pytest.raises(CommonError, match=f"has {len(BYTES) - 1} bytes, {len(BYTES)} are"):
        download(site.remote(), tmp_path, progress=False)


def test_the_sha256_is_shown_where_none_is_known(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download(site.remote(known=False), tmp_path)
    out, err = capsys.readouterr()
    assert hashlib.sha256(BYTES).hexdigest() in err
    assert out == ""


def test_progress_goes_to_stderr_and_can_be_silenced(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download(site.remote(), tmp_path / "loud")
    out, err = capsys.readouterr()
    assert (out, "file.bin" in err) == ("", True)
    download(site.remote(), tmp_path / "quiet", progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.status = [503, 429]
    download(site.remote(), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)


def test_a_missing_file_is_not_asked_for_twice(site: Site, tmp_path: Path) -> None:
    with pytest.raises(CommonError, match=r"cannot download file\.bin: .*/missing: HTTP 404"):
        download(site.remote(urls=(site.url("missing"),)), tmp_path, progress=False)
    assert len(site.asked) == 1


def test_the_next_mirror_goes_on_where_the_first_one_died(site: Site, tmp_path: Path) -> None:
    left_over(tmp_path, BYTES[:700_000], 'http://elsewhere/file.bin\n"zero"')
    urls = (site.url("missing"), site.url())
    download(site.remote(urls=urls), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)
    assert site.asked[1]["Range"] == "bytes=700000-"
    assert "If-Range" not in site.asked[1]  # the other server's version means nothing here


def test_every_mirror_s_failure_is_named(site: Site, tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{closed.getsockname()[1]}/file.bin"
        urls = (site.url("missing"), refused)
        with pytest.raises(CommonError) as caught:
            download(site.remote(urls=urls), tmp_path, progress=False)
    assert "HTTP 404" in str(caught.value)
    assert f"{refused}: the connection cannot be made" in str(caught.value)


def test_an_unknown_server_name_is_said(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(CommonError, match="name is not known"):
        download(site.remote(urls=("http://no.invalid/x",)), tmp_path, progress=False)


def test_a_silent_server_is_not_waited_for_for_ever(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common.transfer, "_TIMEOUT", (0.1, 0.1))
    monkeypatch.setattr(common.transfer, "_TRIES", 1)
    site.pause = 0.5
    with pytest.raises(CommonError, match="does not answer in time"):
        download(site.remote(), tmp_path, progress=False)


def test_what_does_not_fit_on_the_disk_is_not_begun(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(CommonError) as caught:
        download(site.remote(), tmp_path, progress=False)
    assert f"file.bin needs 1.0 MB more in {tmp_path}, where 1.0 kB are free" in str(caught.value)
    assert not (tmp_path / "file.bin.part").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_is_said(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").symlink_to("/dev/full")
    with pytest.raises(CommonError, match=r"the disk is full: file\.bin needs 1\.0 MB more in"):
        download(site.remote(), tmp_path, progress=False)


def test_a_disk_that_fills_up_on_the_way_keeps_what_has_arrived(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, chunk: Any) -> int:
            if self.tell() > 500_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(chunk)

    plain: Callable[..., Any] = Path.open
    with monkeypatch.context() as patch:
        patch.setattr(
            Path,
            "open",
            lambda path, mode="r", **more: (
                Full(str(path), mode) if path.suffix == ".part" else plain(path, mode, **more)
            ),
        )
        with pytest.raises(CommonError, match=r"the disk is full: file\.bin needs .* kB more in"):
            download(site.remote(), tmp_path, progress=False)
    size = (tmp_path / "file.bin.part").stat().st_size
    download(site.remote(), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)
    assert site.asked[-1]["Range"] == f"bytes={size}-"


def test_a_folder_that_cannot_be_made_is_said(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CommonError, match=r"cannot write .*file"):
        download(site.remote(), tmp_path / "file" / "folder", progress=False)


def test_ctrl_c_keeps_what_has_arrived(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    site.breaks = [300_000]
    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", pressed)  # between two tries
        with pytest.raises(KeyboardInterrupt):
            download(site.remote(), tmp_path, progress=False)
    assert 0 < Part(tmp_path / "file.bin").size <= 300_000
    download(site.remote(), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)


def test_a_download_that_was_killed_is_taken_up(site: Site, tmp_path: Path) -> None:
    site.breaks = [300_000]
    first = child(site, tmp_path, wait=60)  # it sleeps between two tries
    while Part(tmp_path / "file.bin").size < 200_000:
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.wait()
    download(site.remote(), tmp_path, progress=False)
    assert only_the_file_is_there(tmp_path)
    assert "Range" in site.asked[-1]


def test_two_processes_at_once_download_once(site: Site, tmp_path: Path) -> None:
    site.pause = 0.3
    both = [child(site, tmp_path) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert only_the_file_is_there(tmp_path)
    assert len(site.asked) == 1


def child(site: Site, folder: Path, wait: float = 0) -> "subprocess.Popen[bytes]":
    code = (
        "from pathlib import Path; import common.transfer as t, common.download as d; "
        f"t._WAIT = {wait}; d.download(t.{site.remote()!r}, Path({str(folder)!r}), progress=False)"
    )
    return subprocess.Popen([sys.executable, "-c", code])


def test_a_mismatch_is_told_by_size_and_then_by_checksum(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    md5 = hashlib.md5(b"abc").hexdigest()
    assert mismatch(path, Remote(name="file", urls=())) is None
    assert mismatch(path, Remote(name="file", urls=(), size=3, md5=md5.upper())) is None
    assert "3 bytes where 4" in str(mismatch(path, Remote(name="file", urls=(), size=4, md5=md5)))
    assert "md5 is" in str(mismatch(path, Remote(name="file", urls=(), md5="0" * 32)))
