"""A file is there whole, or as it was before."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from common import writing
from common.errors import CommonError


def test_folders_above_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    writing.put(tmp_path / "new" / "file", b"first")
    writing.put(tmp_path / "new" / "file", b"second")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "new").iterdir()] == [
        ("file", b"second")
    ]


def test_what_cannot_be_written_is_told_and_leaves_what_was(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CommonError, match="cannot write"):
        writing.put(tmp_path / "folder", b"a file cannot take the place of a folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def again(path: Path, byte: int) -> None:
    for _ in range(100):
        writing.put(path, bytes([byte]) * 10_000)


def test_several_processes_may_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with ProcessPoolExecutor(3, get_context("spawn")) as pool:
        for done in [pool.submit(again, path, byte) for byte in range(3)]:
            done.result()
    assert path.read_bytes() in [bytes([byte]) * 10_000 for byte in range(3)]
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
