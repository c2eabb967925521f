"""The commands `speechnet detect` and `speechnet listen`: words with their moments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.arguments import positive, share
from common.errors import CommonError, UsageError
from speechnet.clips.naming import words_of
from speechnet.errors import SpeechnetError
from speechnet.hearing.events import FORMATS, Event, header, line
from speechnet.terminal_cli import hushed, say

if TYPE_CHECKING:
    from speechnet.hearing.detector import Detector, EventStream
    from speechnet.hearing.listening import Load

SUFFIXES = {"text": ".txt", "json": ".jsonl", "audacity": ".txt", "webvtt": ".vtt"}


def add_commands(commands: Any) -> None:
    """Put both below an argparse parser's `add_subparsers`."""
    one = commands.add_parser("detect", help="the words in recordings of any length, with times")
    one.add_argument("recordings", nargs="+", type=Path, metavar="FILE", help="folders, or -")
    _add_common(one)
    one.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="a file a recording")
    one.set_defaults(run=detect)

    one = commands.add_parser("listen", help="the words that the microphone or a pipe brings")
    one.add_argument("source", nargs="?", choices=["-"], help="standard input, bare samples")
    _add_common(one)
    one.add_argument("--run", dest="commands", action="append", default=[], metavar="[WORD=]CMD",
                     help="start a command for a word, with SPEECHNET_WORD set")  # fmt: skip
    one.add_argument("--rate", type=positive, default=16_000, help="of -: samples a second")
    one.add_argument("--channels", type=positive, default=1, help="of -")
    one.add_argument("--encoding", choices=["s16le", "s32le", "f32le"], default="s16le",
                     help="of - (default: s16le)")  # fmt: skip
    one.add_argument("--device", help="the microphone's name or number")
    one.set_defaults(run=listen)


def _add_common(one: argparse.ArgumentParser) -> None:
    one.add_argument("--format", choices=FORMATS, help="default: text")
    one.add_argument("--json", action="store_const", dest="format", const="json",
                     help="one JSON object a line")  # fmt: skip
    one.add_argument("--words", help="only these: WORD,WORD,...")
    one.add_argument("--false-alarms-per-hour", type=float, metavar="N",
                     help="choose the threshold by what was measured in validation")  # fmt: skip
    one.add_argument("--threshold", type=share, help="instead: a score, above 0 to 1")
    one.add_argument("--patience", type=positive, help="ticks of 64 ms that it has to last")
    one.add_argument("--model", type=Path, metavar="FOLDER", help="instead of the shipped one")


def detect(args: argparse.Namespace) -> int:
    """The events of each recording."""
    from speechnet.sound.files import gathered

    detector, threshold, chosen = _ready(args)
    form = args.format or "text"
    paths, missed = gathered(args.recordings)
    if form in ("audacity", "webvtt") and len(paths) > 1 and args.output is None:
        raise UsageError(f"{form} is of one recording: name a folder for several with -o")
    if args.output is not None:
        _refuse_losses(paths, form, args.output)
    for _, error in missed:
        say(str(error))
    failed = bool(missed)
    for path in paths:
        notes: list[str] = []
        try:
            events = detector.detect(path, threshold=threshold, patience=args.patience, notes=notes)
            with hushed():
                _write(_chosen(events, chosen), form, path, args.output, several=len(paths) > 1)
        except CommonError as error:
            failed = True
            say(str(error))
        for note in notes:
            say(f"{path}: {note}")
    return int(failed)


def listen(args: argparse.Namespace) -> None:
    """Events until the stream ends or somebody stops it."""
    from speechnet.hearing import listening

    detector, threshold, chosen = _ready(args)
    commands = listening.Commands(args.commands, chosen)
    form, load = args.format or "text", listening.Load()
    print(header(form), end="", flush=True)
    told = Told(load)
    with listening.stopping(told.summary):
        events = listening.listen(
            _sound(args), detector, threshold=threshold, patience=args.patience, heard=told.heard
        )
        for event in _chosen(events, chosen):
            print(line(event, form, "-" if args.source else "microphone"), flush=True)
            told.events += 1
            commands.start(event)
            for sentence in commands.failed():
                say(sentence)
    for sentence in commands.failed():
        say(sentence)
    say(told.summary())


class Told:
    """What is said of listening: live where somebody looks on, and at its end."""

    def __init__(self, load: Load) -> None:
        self.load, self.events, self.seconds, self._next = load, 0, 0.0, 1.0

    def heard(self, stream: EventStream) -> None:
        """After each chunk."""
        self.seconds = stream.seconds
        if self.seconds >= self._next and sys.stderr.isatty():
            self._next = self.seconds + 1
            told = f"{self.seconds:8.0f} s heard, {self.load.lately():4.0%} of one core"
            print(f"\r{told} ", end="", file=sys.stderr, flush=True)

    def summary(self) -> str:
        """All of it."""
        words = f"{self.events} event" + "s" * (self.events != 1)
        return f"{self.seconds:.1f} s heard, {words}, {self.load.altogether():.0%} of one core"


def _ready(args: argparse.Namespace) -> tuple[Detector, float | None, tuple[str, ...]]:
    """The detector, and the threshold and the words that were asked for."""
    from speechnet.hearing.detector import Detector

    detector = Detector.load(args.model)
    chosen = words_of(args.words or "") or detector.words
    if unknown := set(chosen) - set(detector.words):
        raise SpeechnetError(
            f"the network does not know {', '.join(sorted(unknown))}: it knows"
            f" {', '.join(detector.words)}"
        )
    threshold: float | None = args.threshold
    if args.false_alarms_per_hour is not None:
        if threshold is not None:
            raise UsageError("name --threshold or --false-alarms-per-hour, not both")
        threshold = detector.operating.at(args.false_alarms_per_hour)
    detector.stream(threshold=threshold, patience=args.patience)  # refuses what cannot be, once
    return detector, threshold, chosen


def _sound(args: argparse.Namespace) -> Iterable[Any]:
    if args.source == "-":
        from speechnet.sound.pcm import pcm

        return pcm(sys.stdin.buffer, rate=args.rate, channels=args.channels, encoding=args.encoding)
    from speechnet.sound.microphone import Microphone

    return _opened(Microphone(args.device))


def _opened(microphone: Any) -> Iterator[Any]:
    with microphone:
        yield from microphone


def _chosen(events: Iterator[Event], words: Sequence[str]) -> Iterator[Event]:
    return (event for event in events if event.word in words)


def _write(
    events: Iterator[Event], form: str, path: Path, folder: Path | None, *, several: bool
) -> None:
    """To standard output as they are found, or to a file that is whole or not there."""
    from common.writing import put

    name = str(path) if several or form == "json" else ""
    if folder is None:
        before = header(form)  # with the first event: a recording that cannot be read has none
        for event in events:
            print(before + line(event, form, name), flush=True)
            before = ""
        print(before, end="", flush=True)
        return
    text = header(form) + "".join(line(event, form, name) + "\n" for event in events)
    target = _target(path, form, folder)
    put(target, text.encode("utf-8", "backslashreplace"))
    print(target, flush=True)


def _target(path: Path, form: str, folder: Path) -> Path:
    """The file for what is found in a recording."""
    return folder / (path.stem + SUFFIXES[form])


def _refuse_losses(paths: Sequence[Path], form: str, folder: Path) -> None:
    """Raise SpeechnetError if one file would be written for two recordings, or over what
    `speechnet evaluate` takes for a recording's labels."""
    found: dict[Path, Path] = {}
    for path in paths:
        target = _target(path, form, folder)
        other = found.setdefault(target, path)
        if other != path:
            raise SpeechnetError(
                f"the words of {other} and of {path} would both go into {target}: write them into"
                " two folders"
            )
        beside = target.parent.resolve() == path.parent.resolve()
        if beside and target.exists():
            raise SpeechnetError(
                f"{target} is there already, and may be the labels of {path}: name another folder"
                " with -o"
            )
