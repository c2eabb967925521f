"""Naming: which word a file holds and who says it, from its path or from a table.

Paths: `WORD/clip.wav`, with the speaker in `WORD/SPEAKER_nohash_N.wav` (Speech Commands) or
`.../DIGIT_SPEAKER_N.wav` (FSDD, AudioMNIST: their folders are named after the speaker). A table
(CSV or TSV with the columns file, word, speaker; only file must be there) has the last word.
Pure functions of strings: no files are opened here.
"""

import csv
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from speechnet.errors import SpeechnetError

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_NOHASH = re.compile(r"(.+)_nohash_\d+")
_DIGIT = re.compile(r"([0-9])_([^_]+)_\d+")


@dataclass(frozen=True)
class Label:
    """word: empty if nothing tells it. speaker: empty if nothing tells who speaks."""

    word: str
    speaker: str
    facts: Mapping[str, str] = field(default_factory=dict)


def word_of(text: str) -> str:
    r"""How a word is written in labels: small letters, digits as words, letters in one piece (NFC).

    >>> word_of("Yes"), word_of("7"), word_of("fu\N{COMBINING DIAERESIS}r") == "f\xfcr"
    ('yes', 'seven', True)
    """
    text = unicodedata.normalize("NFC", text).strip().lower()
    return DIGITS[int(text)] if text in set("0123456789") else text


def words_of(text: str) -> tuple[str, ...]:
    """The words of a list with commas, each as it is written in labels.

    >>> words_of("Yes, no,")
    ('yes', 'no')
    """
    return tuple(word for one in text.split(",") if (word := word_of(one)))


def from_path(name: str) -> Label:
    """What the path alone tells.

    >>> from_path("set/yes/0a7c2a8d_nohash_0.wav")
    Label(word='yes', speaker='0a7c2a8d', facts={})
    >>> from_path("george/7_george_12.flac")
    Label(word='seven', speaker='george', facts={})
    >>> from_path("yes/monday.wav")
    Label(word='yes', speaker='', facts={})
    """
    *folders, file = name.split("/")
    folder = folders[-1] if folders else ""
    stem = file.rpartition(".")[0] or file
    # `_background_noise_`, `_silence_`: what the makers of such sets do not call a word.
    word = "" if folder.startswith("_") else word_of(folder)
    if match := _NOHASH.fullmatch(stem):
        return Label(word, match[1])
    if match := _DIGIT.fullmatch(stem):
        # Only where the folder is no word of its own: yes/1_anna_3.wav holds "yes".
        if folder in ("", "recordings", match[2]):
            word = word_of(match[1])
        return Label(word, match[2])
    return Label(word, "")


class Table:
    """The rows of the tables of one source, found by file name."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, str]] = {}
        self._taken: dict[str, str] = {}

    def add(self, text: str) -> bool:
        """Take the rows of a table; False if it has no column `file`.

        text: comma-, tab- or semicolon-separated, the first line names the columns.
        Raises SpeechnetError if it cannot be told where its fields end.
        """
        first = text.partition("\n")[0].rstrip("\r")
        for mark in ("\t", ",", ";"):
            columns = [each.strip().strip('"').lower() for each in first.split(mark)]
            if "file" not in columns:
                continue
            try:
                rows = list(csv.reader(text.splitlines()[1:], delimiter=mark))
            except csv.Error as error:
                raise SpeechnetError(f"the table below {first!r} is damaged: {error}") from error
            for row in rows:
                values = dict(zip(columns, (each.strip() for each in row), strict=False))
                if values.get("file"):
                    self._rows[values.pop("file").replace("\\", "/").removeprefix("./")] = values
            return True
        return False

    def label(self, name: str) -> Label:
        """What the path and the table tell about a file; the table goes first.

        A row's `file` may leave out folders at the front of the path, if only one file fits.
        Raises SpeechnetError if a row fits several files.
        """
        told = from_path(name)
        parts = name.split("/")
        for start in range(len(parts)):
            file = "/".join(parts[start:])
            row = self._rows.get(file)
            if row is None:
                continue
            other = self._taken.setdefault(file, name)
            if other != name:
                raise SpeechnetError(
                    f"the table's row for {file} fits both {other} and {name}; "
                    "write the whole path in its column file"
                )
            facts = {column: text for column, text in row.items() if column not in _OWN}
            word = word_of(row.get("word", "")) or told.word
            return Label(word, row.get("speaker") or told.speaker, facts)
        return told


_OWN = ("word", "speaker")
