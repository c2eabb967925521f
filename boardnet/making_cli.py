"""The commands that make networks: pack, corpus, train, evaluate, export. Thin like `cli`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boardnet.errors import BoardnetError
from common.arguments import natural, positive
from common.errors import CommonError

if TYPE_CHECKING:
    from boardnet.corpus import Corpus


class Refusal:
    """Says on stderr what cannot be used. status: of the command, 1 if there was anything."""

    status = 0

    def __call__(self, error: CommonError) -> None:
        self.status = 1
        print(f"boardnet: {error}", file=sys.stderr)


def pack(args: argparse.Namespace) -> None:
    """Games to a corpus."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from boardnet.packing import pack as packed
    from boardnet.wanted import Wanted

    wanted = Wanted(**{field.name: getattr(args, field.name) for field in fields(Wanted)})
    columns = (
        TextColumn("packing"), BarColumn(), TextColumn("{task.percentage:3.0f}%"),
        TextColumn("{task.fields[games]:,} games"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("packing", total=None, games=0)
        made = packed(
            args.games,
            args.output,
            wanted=wanted,
            shares=args.split,
            jobs=args.jobs,
            seen=lambda done, total, games: progress.update(
                task, completed=done, total=total, games=games
            ),
        )
    _told(args.output, made)


def _told(folder: Path, made: dict[str, Corpus]) -> None:
    from boardnet.joining import REPORT

    for name, corpus in made.items():
        print(f"{folder / name}: {corpus.games} games, {corpus.positions} positions")
    left_out = next(iter(made.values())).facts["left out"]
    if left_out:
        counts = ", ".join(f"{count} {why}" for why, count in left_out.items())
        print(f"left out: {counts}; each is named in {folder / REPORT}")


def inspect(args: argparse.Namespace) -> None:
    """What is in corpora."""
    from boardnet import corpus, corpus_report
    from boardnet.drawing import style_of

    if args.draw:
        from boardnet.figures import check_writable, write

        check_writable(args.draw)
        if len(args.corpora) > 1:
            raise BoardnetError("--draw makes one picture: name one corpus")
    for folder in args.corpora:
        opened = corpus.load(folder)
        found = corpus_report.summary(opened)
        if args.json:
            print(json.dumps({"corpus": str(folder), **found}))
        else:
            print(corpus_report.text(str(folder), found, opened.facts, style_of(sys.stdout)))
        if args.draw:
            write(corpus_report.picture(folder.name, found), args.draw)


def merge(args: argparse.Namespace) -> None:
    """Corpora to one."""
    from boardnet.joining import merge as merged

    _told(args.output, merged(args.corpora, args.output, args.split))


def train(args: argparse.Namespace) -> None:
    """Train, or go on training."""
    from boardnet import corpus
    from boardnet import train as training
    from common.device import leads

    recipe = training.recipe(args.recipe)
    if args.steps:
        from dataclasses import replace

        recipe = replace(recipe, train=replace(recipe.train, steps=args.steps))
    names = [path.name for path in args.validation]
    if len(set(names)) < len(names):
        names = list(map(str, args.validation))
    validation = {
        name: corpus.load(path) for name, path in zip(names, args.validation, strict=True)
    }
    result = training.train(
        recipe,
        corpus.load(args.corpus),
        args.output or Path("runs") / recipe.name,
        validation=validation,
        device=args.device,
        initial=args.initial,
    )
    if leads():
        print(json.dumps({"step": result.step, **result.validation}))


def evaluate(args: argparse.Namespace) -> int:
    """Accuracy on games."""
    from boardnet.evaluate import evaluate as scores
    from boardnet.predictor import Predictor
    from boardnet.records import files

    refused = Refusal()
    if not args.json:
        print(f"{'file':40} positions  top-1  top-5   nats")
    for score in scores(
        Predictor.load(args.weights),
        files(args.games),
        positions=args.positions,
        seed=args.seed,
        symmetries=args.symmetries,
        by=args.by,
        refused=refused,
    ):
        if args.json:
            print(json.dumps(vars(score)), flush=True)
        else:
            shares = f"{score.top1:6.3f} {score.top5:6.3f} {score.nats:6.3f}"
            told = f"  {score.group}" if score.group else score.file[-40:]
            print(f"{told:40} {score.positions:9} {shares}", flush=True)
    return refused.status


def export(args: argparse.Namespace) -> None:
    """A training run's network to model files."""
    from boardnet.export import export as exported
    from common.modelfile import read_facts

    which = {"calibrate": args.calibrate, "test": args.test, "usual": args.usual}
    paths = exported(args.run_folder, args.output, **which)
    for path in paths:
        print(path)
    facts = read_facts(paths[0])
    if facts["recipe"]["network"].get("value") and "value" not in facts:
        how = "without --usual GAMES nothing calibrates it"
        print(f"boardnet: this model will tell no chance to win: {how}", file=sys.stderr)


def add_commands(commands: Any) -> None:
    """Add the commands to those of an ArgumentParser."""
    one = commands.add_parser("pack", help="make a corpus of games to train on")
    one.add_argument("games", nargs="+", type=Path, metavar="GAMES",
                     help="files (.sgf, packed or not), folders, zips, tars of them")  # fmt: skip
    one.add_argument("-o", "--output", type=Path, required=True, metavar="CORPUS")
    one.add_argument("--jobs", type=positive, metavar="N", help="processes (default: one a core)")
    _split(one)
    _wanted(one)
    one.set_defaults(run=pack)

    one = commands.add_parser("corpus", help="look into corpora, or merge them")
    inner = one.add_subparsers(required=True, metavar="COMMAND")
    one = inner.add_parser("info", help="games by year, rank, length, result ...")
    one.add_argument("corpora", nargs="+", type=Path, metavar="CORPUS")
    one.add_argument("--json", action="store_true", help="one JSON object a corpus")
    one.add_argument("--draw", type=Path, metavar="OUT.svg|png", help="the same as a picture")
    one.set_defaults(run=inspect)
    one = inner.add_parser("merge", help="make one of several, without duplicates")
    one.add_argument("corpora", nargs="+", type=Path, metavar="CORPUS")
    one.add_argument("-o", "--output", type=Path, required=True, metavar="CORPUS")
    _split(one)
    one.set_defaults(run=merge)

    one = commands.add_parser("train", help="train a network on a corpus")
    one.add_argument("corpus", type=Path, metavar="CORPUS")
    one.add_argument("--recipe", default="small", help="its name, or a .toml file")
    one.add_argument("-o", "--output", type=Path, metavar="RUN", help="default: runs/RECIPE")
    one.add_argument("--validation", type=Path, nargs="+", default=[], metavar="CORPUS")
    one.add_argument("--steps", type=positive, help="instead of the recipe's")
    one.add_argument("--device", default="cpu", help="cpu or cuda")
    one.add_argument("--from", dest="initial", type=Path, metavar="WEIGHTS.safetensors")
    one.set_defaults(run=train)

    one = commands.add_parser("evaluate", help="how often the network expects what was played")
    one.add_argument("games", type=Path, metavar="GAMES", help="a file, or a folder of them")
    one.add_argument("--positions", type=positive, default=2000, help="of each file")
    one.add_argument("--seed", type=natural, default=0, help="of the choice of positions")
    one.add_argument("--by", choices=("phase", "rank"), default="", help="scores of these, too")
    one.add_argument("--json", action="store_true", help="one JSON object a line")
    add_answering(one)
    one.set_defaults(run=evaluate)

    one = commands.add_parser("export", help="make model files of a training run")
    one.add_argument("run_folder", type=Path, metavar="RUN",
                     help="a folder of train, or a policy.safetensors to measure anew")  # fmt: skip
    one.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    one.add_argument("--calibrate", type=Path, metavar="GAMES",
                     help="compute in 8 bits, scaled on these: twice as fast")  # fmt: skip
    one.add_argument("--test", type=Path, metavar="GAMES", help="measure the accuracy on these")
    one.add_argument("--usual", type=Path, metavar="GAMES",
                     help="strong players' games: calibrate the chance to win, without which none "
                     "is told; review compares with them")  # fmt: skip
    one.set_defaults(run=export)


def add_answering(parser: argparse.ArgumentParser) -> None:
    """What all commands have that ask the network."""
    parser.add_argument("--symmetries", type=int, choices=(1, 8), default=1)
    parser.add_argument("--weights", type=Path, metavar="MODEL.onnx", help="instead of the shipped")


def _split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split", type=_shares, default={}, metavar="train=0.9,val=0.1",
                        help="several corpora in one folder, each game in one of them")  # fmt: skip


def _shares(text: str) -> dict[str, float]:
    from boardnet.joining import check_shares

    try:
        named = (part.partition("=") for part in text.split(","))
        shares = {name.strip(): float(share) for name, _, share in named}
        check_shares(shares)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like train=0.9,val=0.1") from None
    except BoardnetError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not all(name.isidentifier() for name in shares):
        raise argparse.ArgumentTypeError("each part of a split needs a name: train=0.9,val=0.1")
    return shares


def _wanted(parser: argparse.ArgumentParser) -> None:
    """The settings of boardnet.wanted.Wanted."""
    which = parser.add_argument_group("which games (a game that does not say is left out)")
    which.add_argument("--size", type=int, choices=range(5, 26), default=19, metavar="5..25")
    which.add_argument(
        "--min-rank", default="", metavar="6d", help="of both players; 1p is above 9d"
    )
    which.add_argument("--max-rank", default="", metavar="9d")
    which.add_argument("--since", default="", metavar="2010-05", help="this year, month or day on")
    which.add_argument("--until", default="", metavar="2017", help="up to its end")
    which.add_argument("--max-handicap", type=natural, metavar="STONES", help="0: even games only")
    which.add_argument("--min-moves", type=positive, default=1, metavar="N")
    which.add_argument("--max-moves", type=positive, metavar="N")
    which.add_argument("--player", default="", metavar="NAME", help="a part of either one's name")
