"""The command `speechnet`. Thin: it parses, calls, prints; what is slow waits its turn."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.arguments import positive
from common.errors import CommonError
from speechnet import detect_cli, evaluate_cli, explain_cli, record_cli, train_cli
from speechnet.terminal_cli import say

if TYPE_CHECKING:
    from speechnet.hearing.classifier import Answer


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 1 unusable input, 2 wrong usage."""
    args = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):  # a file's name may be no text that can be printed
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status: int | None = args.run(args)
    except CommonError as error:
        say(str(error))
        return getattr(error, "status", 1)  # training that was stopped knows by which signal
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return status or 0


def classify(args: argparse.Namespace) -> int:
    """The word of each clip."""
    from speechnet.hearing.classifier import Classifier
    from speechnet.sound.files import sound_files

    classifier = Classifier.load(args.model)
    paths = [path for clip in args.clips for path in sound_files(clip)]
    failed = 0
    for path in _seen(paths, "classifying", shown=len(paths) > 20):
        try:
            with _decoders_hushed():
                answer = classifier.classify(path, top=args.top)
        except CommonError as error:
            failed = 1
            say(str(error))
            if args.json:
                print(json.dumps({"file": str(path), "error": str(error)}), flush=True)
            continue
        for note in answer.notes:
            say(f"{path}: {note}")
        print(_json(path, answer) if args.json else _line(path, answer), flush=True)
    return failed


def _json(path: Path, answer: Answer) -> str:
    best, *others = answer.guesses
    row: dict[str, Any] = {
        "file": str(path),
        "word": best.word,
        "probability": round(best.probability, 6),
        "alternatives": [
            {"word": one.word, "probability": round(one.probability, 6)} for one in others
        ],
        "start": answer.start,
        "end": answer.end,
        "seconds": answer.seconds,
    }
    return json.dumps(row)


def _line(path: Path, answer: Answer) -> str:
    best, *others = answer.guesses
    when = f"  at {answer.start:.2f}-{answer.end:.2f} s" if answer.seconds > 1 else ""
    rest = ", ".join(f"{one.word} {one.probability:.0%}" for one in others)
    return f"{path}: {best.word} {best.probability:.0%}  ({rest}){when}"


def _seen(items: Sequence[Path], what: str, *, shown: bool) -> Iterable[Path]:
    if not shown or not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, what, console=Console(stderr=True))


@contextmanager
def _decoders_hushed() -> Iterator[None]:
    """Decoders of MP3 print what they find wrong by themselves, in lines of their own making."""
    sys.stderr.flush()
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(nowhere)
        os.close(stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="speechnet", description="Which word does a clip hold?")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("classify", help="the word of a clip")
    one.add_argument("clips", nargs="+", type=Path, metavar="CLIP", help="files, folders, or -")
    one.add_argument("--top", type=positive, default=3, help="how many words (default: 3)")
    one.add_argument("--json", action="store_true", help="one JSON object a line")
    one.add_argument("--model", type=Path, metavar="FOLDER", help="instead of the shipped one")
    one.set_defaults(run=classify)

    evaluate_cli.add_commands(commands)

    detect_cli.add_commands(commands)
    train_cli.add_commands(commands)
    explain_cli.add_commands(commands)
    record_cli.add_commands(commands)
    return parser
