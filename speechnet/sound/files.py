"""Files: which sounds a path that a person gave stands for."""

from __future__ import annotations

import os
from collections.abc import Iterable
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

    Of a folder it takes what `common.archives` does: no hidden files, linked folders once.
    Raises SpeechnetError if a folder holds none.
    """
    if not path.is_dir():
        return [path]
    from common.archives import files

    found = [one for one, _ in files(path) if one.suffix.lower() in ENDINGS]
    if not found:
        raise SpeechnetError(f"{path} holds no sounds ({', '.join(sorted(ENDINGS))})")
    return found


def gathered(places: Iterable[Path]) -> tuple[list[Path], list[tuple[Path, SpeechnetError]]]:
    """The sounds at several places, and the places where there are none, with the reason."""
    found: list[Path] = []
    missed = []
    for place in places:
        try:
            found += sound_files(place)
        except SpeechnetError as error:
            missed.append((place, error))
    return found, missed
