"""The commands `speechnet train` and `speechnet export`: from clips to a network of your own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.arguments import positive
from common.errors import UsageError
from speechnet.clips.naming import words_of
from speechnet.terminal_cli import bar, say

if TYPE_CHECKING:
    from speechnet.clips.words import Clip


def add_commands(commands: Any) -> None:
    """Put both below an argparse parser's `add_subparsers`."""
    one = commands.add_parser(
        "train",
        help="teach the network your own words, or train one from nothing",
        description="With clips alone, some 20 of each word in folders called like it, the network"
        " that ships is tuned to them. With --validation a network is trained from nothing.",
    )
    one.add_argument("sources", nargs="+", type=Path, metavar="DATA", help="WORD/clip.wav in them")
    one.add_argument("-o", "--output", type=Path, metavar="FOLDER",
                     help="of the model (default: DATA-model), or of the run")  # fmt: skip
    one.add_argument("--noise", type=Path, help="recordings without speech, like where you are")
    one.add_argument("--synthetic", type=Path, nargs="+", default=[], metavar="DATA",
                     help="clips made by speechnet say")  # fmt: skip
    one.add_argument("--recipe", help="its name, or a .toml file (default: own, or base)")
    one.add_argument("--from", dest="initial", type=Path, metavar="MODEL",
                     help="start from another network than the shipped one")  # fmt: skip
    one.add_argument(
        "--steps", type=positive, help="instead of the recipe's; few show that it works"
    )
    one.add_argument("--json", action="store_true", help="what was found as a JSON object")
    more = one.add_argument_group("from nothing")
    more.add_argument("--validation", type=Path, nargs="+", default=[], metavar="DATA")
    more.add_argument("--words", help="instead of the recipe's: WORD,WORD,...")
    more.add_argument("--device", default="cpu", help="cpu or cuda")
    one.set_defaults(run=train)

    one = commands.add_parser("export", help="make model files of a training run")
    one.add_argument("run_folder", type=Path, metavar="RUN")
    one.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    one.add_argument("--validation", type=Path, nargs="+", default=[], metavar="DATA",
                     help="to calibrate the probabilities on")  # fmt: skip
    one.add_argument(
        "--noise", type=Path, help="as in training: the detector's threshold is chosen with it, too"
    )
    one.add_argument("--test", type=Path, nargs="+", default=[], metavar="DATA")
    one.set_defaults(run=export)

    one = commands.add_parser("quantize", help="a model to hear with, a quarter as large")
    one.add_argument("model", type=Path, metavar="MODEL", help="a folder of train or export")
    one.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    one.set_defaults(run=quantize)


def train(args: argparse.Namespace) -> None:
    """Tune the shipped network, or train one."""
    if args.validation:
        _from_nothing(args)
    elif args.words or args.device != "cpu":
        raise UsageError(
            "--words and --device are for training from nothing: name clips to choose by with"
            " --validation"
        )
    else:
        _own(args)


def _own(args: argparse.Namespace) -> None:
    from speechnet.sound.files import absolute
    from speechnet.training import own

    clips = [clip for source in args.sources for clip in _clips(source)]
    first = absolute(args.sources[0])
    made = own.teach(
        clips,
        args.output or first.with_name(f"{first.name}-model"),
        noise=args.noise,
        synthetic=[clip for source in args.synthetic for clip in _clips(source)],
        recipe=args.recipe or "own",
        base=args.initial,
        steps=args.steps,
        say=say,
    )
    if args.json:
        print(json.dumps(made.as_dict()))
    else:
        print(made.text())


def _from_nothing(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from common.device import leads
    from speechnet.training import train as training
    from speechnet.training.noise import Noise, recordings, split

    if args.noise is None:
        raise UsageError("training from nothing needs recordings without speech: --noise")
    recipe = training.recipe(args.recipe or "base")
    if args.words:
        recipe = replace(recipe, words=words_of(args.words))
    if args.steps:
        few = {"steps": args.steps, "warm_up": 0}
        recipe = replace(
            recipe, train=replace(recipe.train, **few), spotter=replace(recipe.spotter, **few)
        )
    validation = _real(args.validation)
    learnt, kept_back = split(recordings(args.noise))
    data = training.Data(
        clips=[_clips(source) for source in args.sources],
        synthetic=[_clips(source) for source in args.synthetic],
        validation=validation,
        noise=Noise(learnt),
        validation_noise=kept_back,
    )
    result = training.train(
        recipe,
        data,
        args.output or Path("runs") / f"speech-{recipe.name}",
        device=args.device,
        initial=args.initial / "words.safetensors" if args.initial else None,
    )
    if leads():
        print(json.dumps(result))


def export(args: argparse.Namespace) -> None:
    """A training run's network to model files."""
    from speechnet.training.export import export as exported
    from speechnet.training.noise import recordings, split

    if args.noise and not args.validation:
        raise UsageError(
            "--noise is to choose the detector's threshold on clips: name them with --validation"
        )
    kept_back = split(recordings(args.noise))[1] if args.noise else []
    for path in exported(
        args.run_folder,
        args.output,
        validation=_real(args.validation),
        noise=kept_back,
        test=args.test,
        say=say,
    ):
        print(path)


def quantize(args: argparse.Namespace) -> None:
    """A model's ONNX files once more, with weights of 8 bits: all that hearing takes."""
    from common.quantize import quantize as quantized
    from speechnet.hearing.classifier import FILES
    from speechnet.hearing.detector import FILE

    for name in (*FILES, FILE):
        share = quantized(args.model / name, args.output / name)
        print(f"{args.output / name}: {share:.0%} of the size")


def _real(sources: Sequence[Path]) -> list[Clip]:
    """Clips to choose by or to test on."""
    from speechnet.clips.synthesis import refuse

    clips = [clip for source in sources for clip in _clips(source)]
    refuse(clips)
    return clips


def _clips(source: Path) -> Sequence[Clip]:
    """A source's clips; what is wrong with it is said."""
    from speechnet.clips.words import read_clips

    with bar(f"reading {source}") as progress:
        found = read_clips(source, progress=progress)
    for fault in found.report.faults():
        say(f"{source}: {fault}")
    return found.clips
