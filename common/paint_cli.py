"""The commands `python -m common explain dream` and `style`: minutes of work on one picture.

They show the time left, write the picture as it grows, and keep the last one when interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import pictures
from common.arguments import positive, seed
from common.errors import CommonError
from common.interrupt import Stopped
from common.writing import make_folder

if TYPE_CHECKING:
    from PIL import Image

    from common.pictures import Floats
    from common.progress import Display

_FILMS = (".gif", ".webp")


def add_commands(commands: Any) -> None:
    """Put the two below an argparse parser's `add_subparsers`."""
    dreaming = commands.add_parser("dream", help="Deep Dream: more of whatever a layer sees")
    dreaming.add_argument("picture", type=Path)
    _common(dreaming, "squeezenet")
    dreaming.add_argument("--layer", help="a late one if not said")
    what = dreaming.add_mutually_exclusive_group()
    what.add_argument("--channel", type=int, help="one of the layer's, rather than all")
    what.add_argument("--guide", type=Path, metavar="PICTURE", help="dream of what is in this one")
    dreaming.add_argument("--octaves", type=int, default=4)
    dreaming.add_argument("--steps", type=int, default=10, help="in each octave")
    dreaming.add_argument("--rate", type=float, default=0.012, help="how far a step goes")
    dreaming.add_argument("--frames", type=positive, default=1, help="a film that zooms in, to a"
                          " folder, or to OUT.gif or OUT.webp")  # fmt: skip
    dreaming.add_argument("--seed", type=seed, default=0)
    dreaming.set_defaults(run=dream_command)
    styling = commands.add_parser("style", help="one picture's things in another's manner")
    styling.add_argument("picture", type=Path)
    styling.add_argument("styles", type=Path, nargs="+", metavar="STYLE", help="a painting, say")
    _common(styling, "vgg19")
    styling.add_argument("--shares", type=float, nargs="+", help="how much of each style")
    styling.add_argument("--steps", type=int, default=200, help="at the smallest size")
    styling.add_argument("--content", type=float, default=0.04, help="how much the things count")
    styling.add_argument("--keep-colours", action="store_true", help="those of the picture")
    styling.add_argument("--optimizer", choices=("adam", "lbfgs"), default="adam")
    styling.set_defaults(run=style_command)


def dream_command(args: argparse.Namespace) -> None:
    import torch

    from common import explain

    film = args.frames > 1
    if film and args.output.suffix and args.output.suffix.lower() not in _FILMS:
        raise CommonError(f"a film is a folder, or ends in .gif or .webp, not {args.output.name}")
    if args.output.suffix or not film:
        pictures.check_writable(args.output)
    subject, shown = _network(args), _read(args.picture, args.size)
    layer = args.layer or _late(subject)
    how = explain.Dreaming(octaves=args.octaves, steps=args.steps, rate=args.rate)
    guide = _read(args.guide, args.size) if args.guide else None
    options: dict[str, Any] = {
        "layer": layer, "guide": guide, "how": how, "rng": torch.Generator().manual_seed(args.seed),
    }  # fmt: skip
    if film:
        _film(args, lambda tell: explain.zoom(
            subject, shown, args.channel, frames=args.frames, progress=tell, **options
        ))  # fmt: skip
        return
    with _canvas(args, layer=layer) as (paint, display):
        found = explain.dream(
            subject, shown, args.channel, watch=paint, progress=display.count, **options
        )
        paint(found)


def style_command(args: argparse.Namespace) -> None:
    from common import explain

    pictures.check_writable(args.output)
    network, shown = _network(args), _read(args.picture, args.size)
    how = explain.Styling(
        steps=args.steps, content=args.content, optimizer=args.optimizer,
        colours="content" if args.keep_colours else "style",
    )  # fmt: skip
    with _canvas(args) as (paint, display):

        def watch(done: int, total: int, loss: float, draw: Callable[[], Floats]) -> None:
            display.count(done, total, loss=loss)
            if done % 20 == 0:
                paint(draw())

        styles = [_read(path, args.size) for path in args.styles]
        found = explain.style(network, shown, styles, weights=args.shares, how=how, watch=watch)
        paint(found)


@contextmanager
def _canvas(
    args: argparse.Namespace, **about: Any
) -> Iterator[tuple[Callable[[Floats], None], Display]]:
    """What takes the picture as it grows, into the file, and a bar; keeps the last on Ctrl-C."""
    from common.progress import Display

    written = False
    said = json.dumps({**{k: str(v) for k, v in vars(args).items() if k != "run"}, **about})

    def paint(batch: Floats) -> None:
        nonlocal written
        pictures.write(pictures.image(batch[0]), args.output, said)
        written = True

    with Display(start=0, steps=1) as display:
        try:
            yield paint, display
        except KeyboardInterrupt:
            kept = f"{args.output} has the picture as it was" if written else "nothing is written"
            raise Stopped(f"interrupted; {kept}", 2) from None
    print(f"common: {args.output}", file=sys.stderr)


def _film(
    args: argparse.Namespace, frames: Callable[[Callable[[int, int], None]], Iterator[Floats]]
) -> None:
    """Frames into a folder as they come, or all of them into a film at the end."""
    from common.progress import Display

    film: list[Image.Image] = []
    count = 0
    if not args.output.suffix:
        make_folder(args.output)
    with Display(start=0, steps=1) as display:
        try:
            for batch in frames(display.count):
                image = pictures.image(batch[0])
                if args.output.suffix:
                    film.append(image)
                else:
                    pictures.write(image, args.output / f"frame-{count:04d}.png")
                count += 1
        except KeyboardInterrupt:
            display.note(f"interrupted: the film has {count} frames")
    if film:
        pictures.write(
            film[0], args.output, save_all=True, append_images=film[1:], duration=80, loop=0
        )
    print(f"common: {args.output}, {count} frames", file=sys.stderr)
    if count < args.frames:
        raise Stopped(f"{count} of {args.frames} frames are in {args.output}", 2)


def _network(args: argparse.Namespace) -> Any:
    from common.explain.models import open_model

    return open_model(args.model, args.weights).network


def _read(path: Path, size: int) -> Floats:
    """A picture, at most `size` a side: [1, 3, row, column]."""
    image = pictures.read(path)
    image.thumbnail((size, size))
    return pictures.array(image)[None]


def _late(network: Any) -> str:
    """A layer that dreams well: three quarters of the way through the convolutional part."""
    names = [name for name, _ in network.named_children() if name == "features"]
    if not names:
        raise CommonError("name the layer to dream with")
    return f"features.{round(0.75 * (len(network.features) - 1))}"


def _common(parser: argparse.ArgumentParser, model: str) -> None:
    parser.add_argument("--model", default=model, help=f"{model}, or MODEL.safetensors")
    parser.add_argument("--weights", type=Path, help=".pth or .npz; else the official file")
    parser.add_argument("--size", type=positive, default=512, help="of the longer side at most")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.png")
