"""The commands `speechnet record` and `speechnet say`: clips to learn from."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.arguments import natural, positive
from common.errors import UsageError
from speechnet.clips.naming import word_of
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.terminal_cli import bar

if TYPE_CHECKING:
    from speechnet.clips.recording import Take
    from speechnet.sound.microphone import Floats, Microphone

MUTED = 3.0
"""Seconds of nothing but zeros, which no microphone that is on gives."""


def add_commands(commands: Any) -> None:
    """Put both below an argparse parser's `add_subparsers`."""
    one = commands.add_parser("record", help="clips of a word from the microphone")
    one.add_argument("word", help="or unknown, for other words, or silence, for the room")
    one.add_argument("-o", "--output", type=Path, default=Path("my-words"), metavar="FOLDER")
    one.add_argument("--clips", type=positive, default=20, help="how many more (default: 20)")
    one.add_argument("--speaker", default="me", help="who speaks (default: me)")
    one.add_argument("--device", help="the microphone's name or number")
    one.set_defaults(run=record)

    one = commands.add_parser("say", help="clips of words by speech engines")
    one.add_argument("words", nargs="*", metavar="WORD")
    one.add_argument("--list", help="a list of the package: unknown")
    one.add_argument("-o", "--output", type=Path, default=Path("synthetic"), metavar="FOLDER")
    one.add_argument("--clips", type=positive, default=40, help="of each word (default: 40)")
    one.add_argument("--language", default="en", help="of espeak-ng: de, fr, ... (default: en)")
    one.add_argument(
        "--engine", action="append", choices=("espeak-ng", "flite", "festival"),
        help="only this one; several times; else all that are installed",
    )  # fmt: skip
    one.add_argument("--seed", type=natural, default=0)
    one.set_defaults(run=say)


def record(args: argparse.Namespace) -> None:
    """Until there are enough clips, or Ctrl-C."""
    from speechnet.sound import writing
    from speechnet.sound.microphone import Microphone

    word = word_of(writing.name(args.word, "word"))
    speaker = writing.name(args.speaker, "speaker")
    folder = args.output / word
    number = writing.following(folder, speaker)
    microphone, screen = Microphone(args.device), _Screen(args.clips)
    asked = f"{_asked(word)}; {args.clips} clips go into {folder}, Ctrl-C ends"
    try:
        with microphone:
            screen.line(f"speechnet: {asked}")
            listen = _rooms if word == SILENCE else _words
            for samples in listen(microphone, screen):
                path = folder / f"{speaker}_nohash_{number + screen.made}.wav"
                writing.write(path, samples)
                screen.made += 1
                seconds = len(samples) / 16_000
                screen.line(f"{screen.made:3} of {args.clips}: {path} ({seconds:.2f} s)")
                if screen.made == args.clips:
                    break
    except KeyboardInterrupt:
        pass  # a usual way to end
    finally:
        screen.clear()
    if microphone.lost:
        often = f"{microphone.lost} time" + "s" * (microphone.lost > 1)
        screen.line(f"speechnet: sound got lost {often}: is the machine too busy?")
    print(f"{folder}: {screen.made} clips")


def _asked(word: str) -> str:
    """What to do in front of the microphone."""
    if word == SILENCE:
        return "be quiet, this is the room"
    if word == UNKNOWN:
        return "say other words, whatever comes to mind, one at a time with pauses"
    return f'say "{word}", pause, and say it again'


def say(args: argparse.Namespace) -> None:
    """Clips by all voices that there are."""
    from speechnet.clips import synthesis

    words = args.words + (synthesis.listed(args.list) if args.list else [])
    if not words:
        raise UsageError("name the words to say, or a list of them with --list")
    with bar("speaking") as progress:
        made = synthesis.synthesize(
            words, args.output, clips=args.clips, language=args.language,
            engines=args.engine or synthesis.ENGINES, seed=args.seed, progress=progress,
        )  # fmt: skip
    print(f"{args.output}: {made} clips made")


class _Screen:
    """What somebody who records sees on stderr: lines, and below them the meter."""

    def __init__(self, clips: int) -> None:
        self.clips, self.made = clips, 0
        self._live = sys.stderr.isatty()

    def meter(self, text: str) -> None:
        """In place of the last one."""
        if self._live:
            told = f"{text} {self.made} of {self.clips}"
            print(f"\r{told}\x1b[K", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the meter away."""
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def line(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        print(text, file=sys.stderr, flush=True)


def _words(microphone: Microphone, screen: _Screen) -> Iterator[Floats]:
    """The good takes, one after the other; what is wrong with the others is said."""
    for _, takes in _heard(microphone, screen):
        for take in takes:
            if take.fault:
                screen.line(f"not kept, {take.fault}")
            else:
                yield take.samples


def _rooms(microphone: Microphone, screen: _Screen) -> Iterator[Floats]:
    """The room, in clips of two seconds."""
    from speechnet.clips.recording import rooms

    found = rooms(chunk for chunk, _ in _heard(microphone, screen))
    return (samples for samples in found if samples.any())


def _heard(microphone: Microphone, screen: _Screen) -> Iterator[tuple[Floats, list[Take]]]:
    """Each chunk, and the takes that it completes; the meter shows it."""
    from speechnet.clips.recording import Cutter, meter

    cutter, lost, told = Cutter(), 0, False
    for chunk in microphone:
        takes = cutter.push(chunk, torn=microphone.lost > lost)
        lost = microphone.lost
        screen.meter(meter(cutter.level))
        if cutter.level.muted >= MUTED and not told:
            told = True
            screen.line("nothing but zeros comes: is the microphone muted, or not allowed?")
        yield chunk, takes
