"""The command `python -m common`. Thin: it parses, calls, prints; what is slow waits its turn."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from common import command, explain_cli, paint_cli
from common.arguments import positive, seed
from common.errors import CommonError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 1 unusable input, 2 wrong usage."""
    args = _parser().parse_args(argv)
    logging.basicConfig(format="common: %(message)s", level=logging.WARNING)
    return command.run("common", lambda: args.run(args))


def mnist_train(args: argparse.Namespace) -> None:
    """Learn MNIST's digits."""
    from common import mnist

    known, test = mnist.read(args.data)
    recipe = mnist.Recipe.default(args.steps, seed=args.seed)
    result = mnist.train(recipe, known, args.output)
    facts = mnist.finish(result, known, test, recipe, args.output)
    print(json.dumps({"step": facts["step"], **facts["measured"]}))
    _say(f"the network is in {args.output}/digits.onnx and .safetensors")


def mnist_summary(args: argparse.Namespace) -> None:
    """The table of the lecture's network, or of a trained one."""
    from rich.console import Console
    from rich.table import Table

    from common.images import ImageCNN, summary

    network = ImageCNN.load(args.model) if args.model else ImageCNN(channels=args.channels)
    rows = summary(network)
    if args.json:
        for row in rows:
            print(json.dumps(row.as_dict()))
        return
    table = Table()
    table.add_column("layer")
    for title in ("gives", "weights a filter", "parameters"):
        table.add_column(title, justify="right")
    table.add_row("input", _times((network.channels, *network.size)), "", "")
    for row in rows:
        weights = str(row.weights) if row.weights else ""
        table.add_row(row.kind, _times(row.shape), weights, f"{row.parameters:,}")
    table.add_section()
    table.add_row("together", "", "", f"{sum(row.parameters for row in rows):,}")
    Console(highlight=False).print(table)


def classify(args: argparse.Namespace) -> int:
    """What each picture shows."""
    from common.image_classifier import DIGITS, ImageClassifier
    from common.pictures import files

    classifier = ImageClassifier.load(args.model or DIGITS)
    name = "digit" if classifier.how == "digit" else "label"
    failed = 0
    for place in args.pictures:
        try:
            paths = list(files(place))
        except CommonError as error:
            failed = _fail(place, error, args.json)
            continue
        for path in paths:
            try:
                answer = classifier.classify(path, top=args.top)
            except CommonError as error:
                failed = _fail(path, error, args.json)
                continue
            if args.json:
                others = [{name: label, "probability": p} for label, p in answer.alternatives]
                row = {"file": str(path), name: answer.label, "probability": answer.probability,
                       "alternatives": others}  # fmt: skip
                print(json.dumps(row), flush=True)
            else:
                others_told = "  ".join(f"{label} {p:.3f}" for label, p in answer.alternatives)
                told = f"{answer.label}  {answer.probability:.3f}"
                print(f"{path}  {told}   ({others_told})", flush=True)
    return failed


def train(args: argparse.Namespace) -> None:
    """Learn a person's own pictures."""
    from common import device, image_training, labelled
    from common.progress import Display

    device.find(args.device)  # before thousands of pictures are read
    with Display(start=0, steps=1, unit="picture") as display:
        collection = labelled.read(args.folder, size=args.size, tell=display.count)
        sizes = "x".join(map(str, collection.train.pictures.shape[2:]))
        display.note(
            f"{len(collection.labels)} classes; pictures of {sizes}: {len(collection.train)} to"
            f" learn from, {len(collection.validation)} to choose by,"
            f" {len(collection.test)} to test with"
        )
    recipe = image_training.Recipe.default(
        args.steps, mirrored=not args.not_mirrored, seed=args.seed
    )
    result = image_training.train(recipe, collection, args.output, device=args.device)
    facts = image_training.finish(result, collection, recipe, args.output)
    print(json.dumps({"step": facts["step"], **facts["measured"]}))
    _say(f"the network is in {args.output}/model.onnx and .safetensors")


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _fail(path: Path, error: CommonError, as_json: bool) -> int:
    _say(str(error))
    if as_json:
        print(json.dumps({"file": str(path), "error": str(error)}), flush=True)
    return 1


def _say(sentence: str) -> None:
    print(f"common: {sentence}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m common", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_mnist(commands.add_parser("mnist", help="the lecture's CNN, and its digits"))
    own = commands.add_parser("train", help="learn your own pictures: FOLDER/CLASS/picture.jpg")
    own.add_argument("folder", type=Path, metavar="FOLDER", help="or an .npz with x_train, y_train")
    own.add_argument("-o", "--output", type=Path, default=Path("runs/pictures"), metavar="RUN")
    own.add_argument("--size", type=positive, help="side of the pictures; else what fits them")
    own.add_argument("--steps", type=positive, default=3000)
    own.add_argument("--not-mirrored", action="store_true", help="left and right are different")
    own.add_argument("--seed", type=seed, default=0)
    own.add_argument("--device", default="cpu", help="cpu or cuda")
    own.set_defaults(run=train)
    explain = commands.add_parser("explain", help="see what a network has learnt")
    tools = explain.add_subparsers(required=True, metavar="TOOL")
    explain_cli.add_commands(tools)
    paint_cli.add_commands(tools)
    which = commands.add_parser("classify", help="what pictures show, by a network of your own")
    which.add_argument("model", type=Path, metavar="MODEL.onnx")
    _add_pictures(which)
    return parser


def _add_mnist(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    learn = commands.add_parser("train", help="learn the digits, from a download or a folder")
    learn.add_argument("--data", type=Path, metavar="FOLDER", help="MNIST's four IDX files")
    learn.add_argument("-o", "--output", type=Path, default=Path("runs/digits"), metavar="RUN")
    learn.add_argument("--steps", type=positive, default=20_000)
    learn.add_argument("--seed", type=seed, default=0)
    learn.set_defaults(run=mnist_train)
    read = commands.add_parser("classify", help="which digit a picture shows")
    read.add_argument("--model", type=Path, metavar="MODEL.onnx", help="else the one that ships")
    _add_pictures(read)
    table = commands.add_parser("summary", help="the network's layers, shapes and parameters")
    table.add_argument("model", type=Path, nargs="?", metavar="MODEL.safetensors")
    table.add_argument("--channels", type=int, default=1, help="1, or 3 for colour")
    table.add_argument("--json", action="store_true", help="one object a line")
    table.set_defaults(run=mnist_summary)


def _add_pictures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", type=Path, nargs="+", metavar="PICTURE", help="or folder")
    parser.add_argument("--top", type=positive, default=3, help="how many answers")
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.set_defaults(run=classify)
