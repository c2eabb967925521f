"""Events: words with their moments, as text that people and programs read, and back.

An Event is what `speechnet detect` finds and what the labels of a recording say was there. Times
are seconds from the recording's start. Nothing is heard here.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from speechnet.clips.naming import word_of
from speechnet.errors import SpeechnetError

FORMATS = ("text", "json", "audacity", "webvtt")


@dataclass(frozen=True)
class Event:
    """A word that is spoken from `start` to `end` (seconds); probability: of what was heard."""

    start: float
    end: float
    word: str
    probability: float = 1.0

    @property
    def middle(self) -> float:
        """Half-way between start and end, seconds."""
        return (self.start + self.end) / 2


def header(form: str) -> str:
    """What stands before the events, with its line end; may be empty.

    >>> header("webvtt")
    'WEBVTT\\n\\n'
    """
    return "WEBVTT\n\n" if form == "webvtt" else ""


def line(event: Event, form: str, file: str = "") -> str:
    """An event in one of FORMATS, without the last line end. file: named in text and JSON.

    text is for eyes; json has `file`, `start`, `end`, `word`, `probability`; audacity is a line of
    a label track (https://manual.audacityteam.org/man/importing_and_exporting_labels.html);
    webvtt is a cue (https://www.w3.org/TR/webvtt1/).

    >>> line(Event(61.25, 61.9, "stop", 0.93), "audacity")
    '61.250\\t61.900\\tstop'
    >>> print(line(Event(61.25, 61.9, "stop", 0.93), "webvtt"))
    00:01:01.250 --> 00:01:01.900
    stop (93%)
    <BLANKLINE>
    >>> line(Event(61.25, 61.9, "stop", 0.93), "text", "kitchen.wav")
    'kitchen.wav:    61.25 -  61.90 s  stop 93%'
    """
    if form == "json":
        row = {"file": file, "start": event.start, "end": event.end, "word": event.word}
        return json.dumps({**row, "probability": event.probability})
    if form == "audacity":
        return f"{event.start:.3f}\t{event.end:.3f}\t{event.word}"
    if form == "webvtt":
        moment = f"{_clock(event.start)} --> {_clock(event.end)}"
        word = event.word.replace("&", "&amp;").replace("<", "&lt;")
        return f"{moment}\n{word} ({event.probability:.0%})\n"
    name = f"{file}: " if file else ""
    return f"{name}{event.start:8.2f} -{event.end:7.2f} s  {event.word} {event.probability:.0%}"


def read(path: Path) -> list[Event]:
    """The labels of a recording, in the order of their start.

    path: an Audacity label track (start, end and word, with tabs between), JSON lines with the keys
    `start`, `end`, `word`, or a table (CSV) with columns of these names. Words are written as in a
    network's labels. Raises SpeechnetError for anything else.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise SpeechnetError(f"cannot read the labels in {path}: {why}") from error
    try:
        found = [_event(*row) for row in _rows(text)]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise SpeechnetError(
            f"{path} holds no labels: give an Audacity label track, JSON lines, or a table with"
            " the columns start, end, word"
        ) from error
    return sorted(found, key=lambda one: (one.start, one.end))


def _rows(text: str) -> Iterator[tuple[object, object, object]]:
    lines = [row for row in text.splitlines() if row.strip()]
    if not lines:
        return  # a recording of nothing but noise has no words
    if lines[0].lstrip().startswith("{"):
        for row in map(json.loads, lines):
            yield row["start"], row["end"], row["word"]
    elif "\t" in lines[0] and _is_number(lines[0].split("\t")[0]):
        for row in lines:
            if row.startswith("\\"):  # Audacity's second line of a label: its frequencies
                continue
            start, end, word = row.split("\t", 2)
            yield start, end, word
    else:
        yield from _table(lines)


def _table(lines: Iterable[str]) -> Iterator[tuple[object, object, object]]:
    table = csv.DictReader(lines, skipinitialspace=True)
    if not {"start", "end", "word"} <= set(table.fieldnames or ()):
        raise ValueError("no table of labels")
    for row in table:
        yield row["start"], row["end"], row["word"]


def _event(start: object, end: object, word: object) -> Event:
    moments = float(str(start)), float(str(end))
    known = all(map(math.isfinite, moments)) and moments[0] <= moments[1]
    if not known or word is None or not str(word).strip():
        raise ValueError(f"no label: {start} {end} {word}")
    return Event(*moments, word_of(str(word)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"
