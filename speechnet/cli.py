"""The command `speechnet`. Thin: it parses, calls, prints; what is slow waits its turn."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import command
from common.arguments import positive
from common.errors import CommonError
from speechnet import detect_cli, evaluate_cli, explain_cli, record_cli, train_cli
from speechnet.terminal_cli import hushed, say, seen, tell

if TYPE_CHECKING:
    from speechnet.hearing.classifier import Answer


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 1 unusable input, 2 wrong usage."""
    args = _parser().parse_args(argv)
    return command.run("speechnet", lambda: args.run(args))


def classify(args: argparse.Namespace) -> int:
    """The word of each clip."""
    from speechnet.hearing.classifier import Classifier
    from speechnet.sound import audio
    from speechnet.sound.files import gathered

    classifier = Classifier.load(args.model)
    paths, missed = gathered(args.clips)
    for place, error in missed:
        tell(place, error, as_json=args.json)
    failed = bool(missed)
    for path in seen(paths, "classifying", least=21):
        try:
            with hushed():
                sound = audio.read(path)
            answer = classifier.classify(sound, top=args.top)
        except CommonError as error:
            failed = True
            tell(path, error, as_json=args.json)
            continue
        for note in answer.notes:
            say(f"{path}: {note}")
        print(_json(path, answer) if args.json else _line(path, answer), flush=True)
    return int(failed)


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
