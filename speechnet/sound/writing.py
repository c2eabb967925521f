"""Writing: clips into the files WORD/SPEAKER_nohash_N that `naming` reads.

A file is there whole or not at all, and never takes another one's place.
"""

from __future__ import annotations

import io
import re
import unicodedata
from pathlib import Path

from speechnet.errors import SpeechnetError
from speechnet.sound.audio import RATE, Floats


def name(text: str, what: str) -> str:
    """A word or a speaker as a part of a path on any system.

    what: which of the two. Raises SpeechnetError if it cannot be one.

    >>> name(" turn on ", "word")
    'turn on'
    """
    # One letter can be written in two ways; they would be two folders of the same name.
    found = unicodedata.normalize("NFC", text.strip())
    odd = [one for one in found if one in '/\\:*?"<>|' or unicodedata.category(one) in ("Cc", "Cs")]
    if not found or odd or found[0] in "._-" or found[-1] == ".":
        raise SpeechnetError(f"{text!r} is no name of a {what}: use letters and digits")
    return found


def following(folder: Path, speaker: str) -> int:
    """The number of a speaker's next clip in a folder: after all that are there."""
    pattern = re.compile(re.escape(speaker) + r"_nohash_(\d+)\..+")
    found = [pattern.fullmatch(path.name) for path in folder.glob("*_nohash_*")]
    return max((int(one[1]) + 1 for one in found if one), default=0)


def write(path: Path, samples: Floats) -> None:
    """samples: float32 [sample] at 16 kHz -> a file of 16 bits in the format of its ending.

    Raises SpeechnetError if it is there already or the disk does not take it.
    """
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, RATE, format=path.suffix[1:].upper(), subtype="PCM_16")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
        try:
            with file:
                file.write(out.getvalue())
        except BaseException:  # Ctrl-C, too
            path.unlink()
            raise
    except OSError as error:
        raise SpeechnetError(f"cannot write {path}: {error.strerror}") from error
