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

if TYPE_CHECKING:
    from speechnet.classifier import Answer
    from speechnet.words import Clip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 1 unusable input, 2 wrong usage."""
    args = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):  # a file's name may be no text that can be printed
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status: int | None = args.run(args)
    except CommonError as error:
        _say(str(error))
        return getattr(error, "status", 1)  # training that was stopped knows by which signal
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    return status or 0


def classify(args: argparse.Namespace) -> int:
    """The word of each clip."""
    from speechnet.classifier import Classifier
    from speechnet.files import sound_files

    classifier = Classifier.load(args.model)
    paths = [path for clip in args.clips for path in sound_files(clip)]
    failed = 0
    for path in _seen(paths, "classifying", shown=len(paths) > 20):
        try:
            with _decoders_hushed():
                answer = classifier.classify(path, top=args.top)
        except CommonError as error:
            failed = 1
            _say(str(error))
            if args.json:
                print(json.dumps({"file": str(path), "error": str(error)}), flush=True)
            continue
        for note in answer.notes:
            _say(f"{path}: {note}")
        print(_json(path, answer) if args.json else _line(path, answer), flush=True)
    return failed


def evaluate(args: argparse.Namespace) -> None:
    """How often the words are heard."""
    from speechnet.classifier import Classifier
    from speechnet.evaluate import evaluate as scores
    from speechnet.evaluate import false_words
    from speechnet.files import sound_files

    classifier = Classifier.load(args.model)
    if not args.json:
        print(f"{'file':36}  clips  accuracy  balanced    ece  worst speaker")
    for score in scores(classifier, args.sources):
        if args.json:
            print(json.dumps(vars(score)), flush=True)
            continue
        shares = f"{score.accuracy:9.3f} {score.balanced:9.3f} {score.ece:6.3f}"
        print(f"{score.file[-36:]:36} {score.clips:6} {shares} {score.worst:14.3f}", flush=True)
        if score.file.count("/") == 0:
            print("  " + "  ".join(f"{word} {share:.2f}" for word, share in score.recall.items()))
    if args.noise:
        seconds, words = false_words(classifier, sound_files(args.noise))
        if args.json:
            row = {"file": args.noise.name, "seconds": seconds, "false_words": words / seconds}
            print(json.dumps(row))
        else:
            print(f"{args.noise.name}: {words} of {seconds} seconds of noise got a word")


def train(args: argparse.Namespace) -> None:
    """Train, or go on training."""
    from dataclasses import replace

    from speechnet import train as training
    from speechnet.noise import Noise, recordings, split

    recipe = training.recipe(args.recipe)
    if args.words:
        recipe = replace(recipe, words=tuple(args.words.split(",")))
    if args.steps:
        recipe = replace(recipe, train=replace(recipe.train, steps=args.steps))
    learnt, kept_back = split(recordings(args.noise))
    data = training.Data(
        clips=[_clips(source) for source in args.sources],
        synthetic=[_clips(source) for source in args.synthetic],
        validation=[clip for source in args.validation for clip in _clips(source)],
        noise=Noise(learnt),
        validation_noise=kept_back,
    )
    result = training.train(
        recipe,
        data,
        args.output or Path("runs") / f"speech-{recipe.name}",
        device=args.device,
        initial=args.initial,
    )
    print(json.dumps({"step": result.step, **result.validation}))


def export(args: argparse.Namespace) -> None:
    """A training run's network to model files."""
    from speechnet.export import export as exported

    validation = [clip for source in args.validation for clip in _clips(source)]
    for path in exported(args.run_folder, args.output, validation=validation, test=args.test):
        print(path)


def _clips(source: Path) -> Sequence[Clip]:
    """A source's clips; what is wrong with it is said, in one line."""
    from speechnet.words import read_clips

    with _bar(f"reading {source.name}") as progress:
        found = read_clips(source, progress=progress)
    for kind, names in vars(found.report).items():
        if names and kind in ("damaged", "contradictory", "wordless"):
            first = names[0] if isinstance(names[0], str) else ": ".join(names[0])
            _say(f"{source}: {len(names)} {kind} ({first})")
    return found.clips


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


def _say(text: str) -> None:
    print(f"speechnet: {text}", file=sys.stderr)


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


@contextmanager
def _bar(what: str) -> Iterator[Any]:
    """A function that shows a share of what is done, once there is something to wait for."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=1.0, visible=False)
        yield lambda share: progress.update(task, completed=share, visible=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="speechnet", description="Which word does a clip hold?")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("classify", help="the word of a clip")
    one.add_argument("clips", nargs="+", type=Path, metavar="CLIP", help="files, folders, or -")
    one.add_argument("--top", type=positive, default=3, help="how many words (default: 3)")
    one.add_argument("--json", action="store_true", help="one JSON object a line")
    one.add_argument("--model", type=Path, metavar="FOLDER", help="instead of the shipped one")
    one.set_defaults(run=classify)

    one = commands.add_parser("evaluate", help="how often the words are heard")
    one.add_argument("sources", nargs="+", type=Path, metavar="DATA", help="WORD/clip.wav in them")
    one.add_argument("--noise", type=Path, help="recordings without speech, judged by the second")
    one.add_argument("--json", action="store_true", help="one JSON object a line")
    one.add_argument("--model", type=Path, metavar="FOLDER", help="instead of the shipped one")
    one.set_defaults(run=evaluate)

    one = commands.add_parser("train", help="train a network on clips of words")
    one.add_argument("sources", nargs="+", type=Path, metavar="DATA", help="WORD/clip.wav in them")
    one.add_argument("--validation", type=Path, nargs="+", required=True, metavar="DATA")
    one.add_argument("--noise", type=Path, required=True, help="recordings without speech")
    one.add_argument("--synthetic", type=Path, nargs="+", default=[], metavar="DATA")
    one.add_argument("--recipe", default="base", help="its name, or a .toml file")
    one.add_argument("--words", help="instead of the recipe's: WORD,WORD,...")
    one.add_argument("-o", "--output", type=Path, metavar="RUN", help="default: runs/speech-RECIPE")
    one.add_argument("--steps", type=positive, help="instead of the recipe's")
    one.add_argument("--device", default="cpu", help="cpu or cuda")
    one.add_argument("--from", dest="initial", type=Path, metavar="WEIGHTS.safetensors")
    one.set_defaults(run=train)

    one = commands.add_parser("export", help="make model files of a training run")
    one.add_argument("run_folder", type=Path, metavar="RUN")
    one.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    one.add_argument("--validation", type=Path, nargs="+", default=[], metavar="DATA")
    one.add_argument("--test", type=Path, nargs="+", default=[], metavar="DATA")
    one.set_defaults(run=export)
    return parser
