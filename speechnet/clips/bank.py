"""The bank: a few hundred clips of other words by other people, for what is `unknown`.

Who trains a network on his own five words has no clips of all the others that will be said. So some
come with the package, out of the training part of Speech Commands (Pete Warden, Google, CC BY 4.0),
as they are there: `bank.tar.xz`, WORD/SPEAKER_nohash_N.opus.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Collection
from importlib import resources
from pathlib import Path

from speechnet.clips.words import Clip, read_clips

EACH = 20
"""Clips of a word at most, each by another speaker."""

LOUD = -40.0
"""dBFS of a clip that holds a word for certain."""


def others(words: Collection[str]) -> list[Clip]:
    """The clips of the bank, but for those of `words`: what these are is the user's affair."""
    with resources.as_file(resources.files("speechnet") / "weights" / "bank.tar.xz") as path:
        return [clip for clip in read_clips(path).clips if clip.word not in words]


def make(source: Path, target: Path) -> int:
    """Put a bank together from a tar of clips; returns how many it holds.

    Which ones depends on their names alone.
    """
    chosen: dict[tuple[str, str], Clip] = {}
    for clip in sorted(read_clips(source).clips, key=lambda one: _draw(one.name)):
        if clip.loud_db > LOUD and sum(word == clip.word for word, _ in chosen) < EACH:
            chosen.setdefault((clip.word, clip.speaker), clip)
    names = {clip.name for clip in chosen.values()}
    with tarfile.open(source) as whole, tarfile.open(target, "w:xz") as part:
        for name in sorted(names):
            file = whole.extractfile(name)
            data = b"" if file is None else file.read()
            about = tarfile.TarInfo(name)
            about.size = len(data)
            part.addfile(about, io.BytesIO(data))
    return len(names)


def _draw(name: str) -> str:
    return hashlib.sha1(f"bank:{name}".encode()).hexdigest()
