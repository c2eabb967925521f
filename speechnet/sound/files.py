"""Files: which sounds a path that a person gave stands for."""

from __future__ import annotations

import os
from pathlib import Path

from speechnet.errors import SpeechnetError

READ = """wav wave flac ogg oga opus mp3 aif aiff aifc au snd caf w64 rf64 voc sph nist"""
"""Endings of the sounds that libsndfile reads."""

ENDINGS = frozenset(f".{name}" for name in READ.split())


def absolute(path: Path) -> Path:
    """The same place by a path that has a name, which `.` has not; links are not followed.

    >>> absolute(Path("words/..")) == absolute(Path.cwd())
    True
    """
    return Path(os.path.abspath(path))


def sound_files(path: Path) -> list[Path]:
    """The sounds in a folder and the folders in it, in the order of their names; or the one file.

    Raises SpeechnetError if a folder holds none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.rglob("*") if one.suffix.lower() in ENDINGS)
    found = [one for one in found if not one.name.startswith(".")]
    if not found:
        raise SpeechnetError(f"{path} holds no sounds ({', '.join(sorted(ENDINGS))})")
    return found
