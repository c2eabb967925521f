"""The catalog is well formed; its data sets are fetched, or found where the user says they are."""

import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from common import datasets
from common.datasets import Entry, cache_folder, entries, fetch
from common.errors import CommonError
from common.transfer import Remote, digest

LETTERS = {"a.gz": b"first", "b.gz": b"second"}  # the files of the set that the tests use


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Entry:
    """A data set of two files whose only address does not exist, and an empty cache."""
    files = tuple(
        Remote(
            name=name,
            urls=(f"http://127.0.0.1:1/{name}",),
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        for name, content in LETTERS.items()
    )
    entry = Entry(
        name="letters", description="d", licence="l", homepage="https://home", files=files
    )
    monkeypatch.setattr(datasets, "entries", lambda: {"letters": entry})
    monkeypatch.setattr("common.transfer._WAIT", 0.0)
    monkeypatch.setenv("CONVSUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return entry


def put(folder: Path, **changes: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (LETTERS | changes).items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("entry", entries().values(), ids=lambda entry: entry.name)
def test_every_entry_is_well_formed(entry: Entry) -> None:
    assert entry.description
    assert "\n" not in entry.description
    assert entry.licence
    assert urlsplit(entry.homepage).netloc
    assert entry.files
    assert len({file.name for file in entry.files}) == len(entry.files)


@pytest.mark.parametrize("entry", entries().values(), ids=lambda entry: entry.name)
def test_every_file_has_a_safe_address_and_checksums_of_the_right_form(entry: Entry) -> None:
    for file in entry.files:
        assert file.name == Path(file.name).name
        assert file.urls
        assert all(url.startswith("https://") and not url.endswith("/") for url in file.urls)
        assert file.size is None or file.size > 0
        assert re.fullmatch("[0-9a-f]{64}", file.sha256 or "0" * 64)
        assert re.fullmatch("[0-9a-f]{32}", file.md5 or "0" * 32)


def test_the_weights_checksums_begin_as_their_official_names_say() -> None:
    for name in ("vgg19", "squeezenet"):
        (file,) = entries()[name].files
        assert file.sha256 is not None
        assert file.name.removesuffix(".pth").endswith("-" + file.sha256[:8])


SHARED = Path(__file__).parents[3] / "shared" / "data" / "images"


@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data beside the checkout")
def test_the_catalog_s_checksums_are_those_of_the_real_files() -> None:
    assert fetch("mnist", folder=SHARED) == SHARED / "mnist"
    for file in entries()["mnist"].files:
        assert digest(SHARED / "mnist" / file.name, "md5") == file.md5


def test_the_catalog_knows_the_sets_that_the_programs_use() -> None:
    names = {"mnist", "cifar10", "speech-commands", "fsdd", "kgs", "computer-go"}
    assert names | {"vgg19", "squeezenet"} <= set(entries())
    assert entries()["mnist"].size == 11_594_722
    assert entries()["kgs"].size is None


def test_the_cache_is_the_user_s_or_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CONVSUITE_CACHE", raising=False)
    assert cache_folder().name == "convsuite"
    monkeypatch.setenv("CONVSUITE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


def test_what_is_in_the_cache_is_not_downloaded(letters: Entry) -> None:
    folder = put(cache_folder() / "letters")
    assert fetch("letters") == folder


def test_what_cannot_be_downloaded_says_what_else_to_do(letters: Entry) -> None:
    with pytest.raises(CommonError, match=r"download a\.gz.*https://home\): name the folder"):
        fetch("letters", progress=False)


def test_a_cache_that_cannot_be_written_names_the_way_to_another(
    letters: Entry, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(CommonError, match=r"cannot write .*CONVSUITE_CACHE names the folder\)$"):
        fetch("letters", progress=False)


def test_an_unknown_set_or_file_is_answered_with_those_that_there_are(letters: Entry) -> None:
    with pytest.raises(CommonError, match="no data set 'numbers'; there are letters"):
        fetch("numbers")
    with pytest.raises(CommonError, match=r"called 'c\*'; there are a\.gz, b\.gz"):
        fetch("letters", only="c*")


@pytest.mark.parametrize("below", [".", "raw", "deep/er"])
def test_a_folder_of_the_user_s_is_taken(letters: Entry, tmp_path: Path, below: str) -> None:
    put(tmp_path / "own" / below)
    assert fetch("letters", folder=tmp_path / "own") == tmp_path / "own" / below


def test_one_file_s_own_path_is_its_folder(letters: Entry, tmp_path: Path) -> None:
    put(tmp_path / "own")
    assert fetch("letters", folder=str(tmp_path / "own" / "a.gz")) == tmp_path / "own"


def test_what_a_folder_lacks_is_named(letters: Entry, tmp_path: Path) -> None:
    (put(tmp_path / "own") / "b.gz").unlink()
    with pytest.raises(CommonError, match=r"own has not all files of letters; missing: b\.gz$"):
        fetch("letters", folder=tmp_path / "own")
    assert fetch("letters", only="a*", folder=tmp_path / "own") == tmp_path / "own"


def test_a_damaged_file_in_a_folder_is_named(letters: Entry, tmp_path: Path) -> None:
    put(tmp_path / "own", **{"b.gz": b"sekond"})
    with pytest.raises(CommonError, match=r"b\.gz is damaged or another file: its sha256 is"):
        fetch("letters", folder=tmp_path / "own")


def test_files_in_different_folders_are_not_enough(letters: Entry, tmp_path: Path) -> None:
    (put(tmp_path / "own" / "one") / "b.gz").unlink()
    (put(tmp_path / "own" / "two") / "a.gz").unlink()
    with pytest.raises(CommonError, match="in several folders; put them into one"):
        fetch("letters", folder=tmp_path / "own")


def test_a_folder_that_is_not_there_is_said(letters: Entry, tmp_path: Path) -> None:
    with pytest.raises(CommonError, match=r"no folder or archive .*nowhere"):
        fetch("letters", folder=tmp_path / "nowhere")


def zipped(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def tarred(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


Packer = Callable[[Path, dict[str, bytes]], None]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_of_the_user_s_is_taken(letters: Entry, tmp_path: Path, pack: Packer) -> None:
    pack(tmp_path / "own", {"data/a.gz": b"first", "x.txt": b"no", "data/b.gz": b"second"})
    folder = fetch("letters", folder=tmp_path / "own")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == LETTERS


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_nothing_in_an_archive_can_lead_out_of_the_folder(
    letters: Entry, tmp_path: Path, pack: Packer
) -> None:
    pack(tmp_path / "own", {"../../a.gz": b"first", "/b.gz": b"second", "../evil": b"evil"})
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    folder = fetch("letters", folder=tmp_path / "own")
    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert after - before == {folder / "a.gz", folder / "b.gz"}


def test_a_link_in_an_archive_is_not_followed(letters: Entry, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "own.tar", "w") as archive:
        link = tarfile.TarInfo("a.gz")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(CommonError, match=r"own\.tar has not all .*missing: a\.gz, b\.gz"):
        fetch("letters", folder=tmp_path / "own.tar")


def test_a_damaged_file_in_an_archive_does_not_reach_the_cache(
    letters: Entry, tmp_path: Path
) -> None:
    zipped(tmp_path / "own.zip", LETTERS | {"b.gz": b"sekond"})
    with pytest.raises(CommonError, match="damaged or another file"):
        fetch("letters", folder=tmp_path / "own.zip")
    assert {path.name for path in (cache_folder() / "letters").iterdir()} == {"a.gz"}


@pytest.mark.parametrize("cut", [0, 1, 50, 100])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_broken_archive_is_said(letters: Entry, tmp_path: Path, pack: Packer, cut: int) -> None:
    path = tmp_path / "own"
    pack(path, LETTERS)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CommonError, match=r"own (cannot be read|has not all)"):
        fetch("letters", folder=path)
