"""The commands `python -m common explain ...`: each writes a picture that one wants to look at.

Thin: they parse, ask `explain`, draw and write. Kept out of the package `explain`, which imports
torch; here torch waits until there is something to compute.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import pictures
from common.arguments import positive, seed
from common.errors import CommonError, UsageError

if TYPE_CHECKING:
    import torch

    from common.explain.models import Subject
    from common.pictures import Floats

    Map = Callable[[torch.nn.Module], Floats]

METHODS = ("gradient", "smoothgrad", "integrated", "gradcam")
_TITLES = {
    "gradient": "gradient",
    "smoothgrad": "SmoothGrad",
    "integrated": "integrated gradients",
    "gradcam": "Grad-CAM",
    "occlusion": "occlusion",
}


def add_commands(commands: Any) -> None:
    """Put the tools below an argparse parser's `add_subparsers`."""
    layers = _command(commands, "layers", layers_command, "the layers' names and shapes")
    layers.add_argument("picture", type=Path, nargs="?", help="else an empty one")
    filters = _command(commands, "filters", filters_command, "the first layer's filters", out=True)
    filters.add_argument("--layer", help="the first convolution if not said")
    maps = _command(commands, "maps", maps_command, "what a layer sees of a picture", out=True)
    maps.add_argument("picture", type=Path)
    maps.add_argument("--layer", required=True)
    best = _command(
        commands, "maximize", maximize_command, "what filters, neurons or classes wait for",
        out=True,
    )  # fmt: skip
    best.add_argument("--layer", help="the classes if not said")
    best.add_argument("--target", action="append", help="a unit; several times; else all of them")
    best.add_argument("--steps", type=positive, help="of the ascent")
    _add_seed(best)
    best.add_argument(
        "--examples",
        type=Path,
        metavar="FOLDER",
        help="pictures: those that excite it most",
    )
    for name, run, told in (
        ("saliency", saliency_command, "which values an answer hangs on"),
        ("occlusion", occlusion_command, "what is lost when a place is covered"),
        ("scores", scores_command, "whether the maps are any good: deletion and insertion"),
        ("sanity", sanity_command, "whether a map shows the model: with weights made random"),
    ):
        tool = _command(commands, name, run, told, out=True)
        tool.add_argument("picture", type=Path)
        tool.add_argument("--target", help="a class or its number; the likeliest if not said")
        if name in ("saliency", "sanity"):
            tool.add_argument("--method", choices=METHODS, default="smoothgrad")
        if name != "occlusion":
            tool.add_argument("--layer", help="for Grad-CAM; the last convolution if not said")
            _add_seed(tool)
        else:
            tool.add_argument("--patch", type=positive, help="places; a seventh of the picture")
            tool.add_argument("--stride", type=positive, help="places; half of the patch")


def layers_command(args: argparse.Namespace) -> None:
    from common import explain
    from common.explain.models import grey

    subject = _subject(args)
    shown = subject.read(args.picture) if args.picture else grey(subject)
    for name, shape in explain.layers(subject.network, shown).items():
        kind = type(subject.network.get_submodule(name)).__name__
        print(f"{name:24} {kind:18} {' x '.join(map(str, shape[1:]))}")


def filters_command(args: argparse.Namespace) -> None:
    from common import explain

    subject = _subject(args)
    found = explain.filters(subject.network, args.layer)
    note = "each from its lowest weight, black, to its highest, white"
    if found.shape[1] not in (1, 3):
        note = f"of each the mean over its {found.shape[1]} channels, lowest black, highest white"
        found = found.mean(1, keepdims=True)
    title = f"The filters of {args.layer or 'the first convolution'} of {subject.name}"
    sheet = explain.sheet(found, columns=_columns(len(found)), zoom=max(1, 24 // found.shape[-1]))
    _save(explain.figure([(f"{len(found)} filters", sheet)], title, note=note), args)


def maps_command(args: argparse.Namespace) -> None:
    from common import explain

    subject = _subject(args)
    shown = subject.read(args.picture)
    found = explain.feature_maps(subject.network, shown, args.layer)[0]
    if found.ndim == 1:
        raise CommonError(f"layer {args.layer!r} gives {len(found)} numbers, no maps")
    sheet = explain.sheet(found, columns=_columns(len(found)), zoom=max(1, 48 // found.shape[-1]))
    title = f"What {args.layer} of {subject.name} sees"
    panels = [("the picture", _shown(shown)), (f"{len(found)} maps", sheet)]
    note = "each map from its lowest value, black, to its highest, white"
    _save(explain.figure(panels, title, note=note), args)


def maximize_command(args: argparse.Namespace) -> None:
    from dataclasses import replace

    import numpy as np

    from common import explain
    from common.explain.models import grey

    subject = _subject(args)
    known = _examples(subject, args.examples) if args.examples else None
    units = None if args.target is None else [_unit(subject, t, args.layer) for t in args.target]
    how = explain.PHOTOGRAPHS if subject.photographs else explain.DIGITS
    if args.steps is not None:
        how = replace(how, steps=args.steps)
    with _Progress() as progress:
        found = explain.maximize(
            subject.network, grey(subject), units, layer=args.layer, how=how,
            rng=_generator(args), progress=progress,
        )  # fmt: skip
    names = range(len(found)) if units is None else units
    zoom = max(1, 84 // found.shape[-1])
    columns = 1 if known is not None else _columns(len(found))
    panels = [("maximised", explain.sheet(found, columns=columns, span=(0, 1), zoom=zoom))]
    if known is not None:
        panels.append(("real pictures", _strongest(subject, known, args.layer, names, zoom)))
    where = args.layer or "the classes"
    told = ", ".join(subject.label(n) if args.layer is None else str(n) for n in names)
    title = f"What {where} of {subject.name} wait for"
    height = 960 if known is not None else 480
    note = told if len(told) < 90 else f"{len(found)} units"
    if np.isnan(found).any():
        note += "; pink: a unit that nothing moves"
    _save(explain.figure(panels, title, note=note, height=height), args)


def saliency_command(args: argparse.Namespace) -> None:
    _draw_map(args, args.method, _method(args.method, args))


def occlusion_command(args: argparse.Namespace) -> None:
    _draw_map(args, "occlusion", _method("occlusion", args))


def scores_command(args: argparse.Namespace) -> None:
    """A table of how good the maps of all methods are for this picture, and the maps."""
    from rich.console import Console
    from rich.table import Table

    from common import explain

    subject, shown, target = _asked(args)
    maps = {
        _TITLES[name]: _method(name, args)(subject, shown, target)[0]
        for name in (*METHODS, "occlusion")
    }
    fill = _nothing(subject, shown)
    scores = explain.judge(subject.network, shown, maps, target, fill=fill, rng=_generator(args))
    table = Table(title=f"{args.picture.name}: {subject.label(target)}")
    table.add_column("map")
    table.add_column("deletion, less is better", justify="right")
    table.add_column("insertion, more is better", justify="right")
    for name, (out, back) in scores.items():
        table.add_row(name, f"{out:.3f}", f"{back:.3f}")
    Console(highlight=False).print(table)
    panels = [("the picture", _shown(shown))]
    for name, found in maps.items():
        panels.append((f"{name}  {scores[name][1]:.2f}", explain.overlay(shown[0], found[0])))
    title = f"What speaks for {subject.label(target)!r}, by five methods"
    note = f"with each its insertion score; in random order {scores['random order'][1]:.2f}"
    note += f"; deletion covers with {fill:.2f}"
    _save(explain.figure(panels, title, note=note, scale=explain.Scale("little", "much")), args)


def sanity_command(args: argparse.Namespace) -> None:
    """How alike a map stays while the model's weights are made random, from the last layer on."""
    from common import explain
    from common.explain.models import Subject

    subject, shown, target = _asked(args)

    def method(model: torch.nn.Module) -> Floats:
        other = Subject(subject.name, model, subject.labels, subject.prepare, subject.photographs)
        return _method(args.method, args)(other, shown, target)[0]

    maps: list[tuple[str, Floats]] = []

    def watched(model: torch.nn.Module) -> Floats:
        found = method(model)
        maps.append(("", explain.overlay(shown[0], found[0])))
        return found

    found = explain.sanity(subject.network, shown, watched, rng=_generator(args))
    for name, likeness in found.items():
        print(f"{name:24} {likeness:6.3f}")
    named = [("as trained", maps[0][1])]
    named += [(f"{name} {found[name]:.2f}", drawn) for name, (_, drawn) in zip(
        found, maps[1:], strict=True)]  # fmt: skip
    step = max(1, len(named) // 6)
    title = f"{_TITLES[args.method]} while layers are made random, the last one first"
    note = "numbers: rank correlation with the first map; it should fall towards 0"
    picture = [("the picture", _shown(shown))]
    _save(explain.figure([*picture, *named[::step]], title, note=note, height=220), args)


def _draw_map(
    args: argparse.Namespace,
    name: str,
    method: Callable[[Subject, Floats, int], tuple[Floats, str]],
) -> None:
    from common import explain

    subject, shown, target = _asked(args)
    found, note = method(subject, shown, target)
    signed = bool((found < 0).any())
    panels = [
        ("the picture", _shown(shown)),
        (_TITLES[name], explain.heat(found[0])),
        ("both", explain.overlay(shown[0], found[0])),
    ]
    title = f"What {subject.name} takes for {subject.label(target)!r}"
    ends = ("against it", "for it") if signed else ("little", "much")
    _save(explain.figure(panels, title, note=note, scale=explain.Scale(*ends, signed)), args)


def _method(
    name: str, args: argparse.Namespace
) -> Callable[[Subject, Floats, int], tuple[Floats, str]]:
    """A map [1, row, column], or [1, channel, row, column], and how it was made."""

    def gradient(subject: Subject, shown: Floats, target: int) -> tuple[Floats, str]:
        from common import explain

        return explain.saliency(subject.network, shown, target), "|dy/dx|"

    def smoothgrad(subject: Subject, shown: Floats, target: int) -> tuple[Floats, str]:
        from common import explain

        found = explain.smoothgrad(subject.network, shown, target, rng=_generator(args))
        return found, "the mean of |dy/dx| over 50 noisy copies, sigma 15% of the range"

    def integrated(subject: Subject, shown: Floats, target: int) -> tuple[Floats, str]:
        from common import explain

        found = explain.integrated_gradients(subject.network, shown, target)
        gap = float(explain.completeness_gap(subject.network, shown, found, target)[0])
        return found, f"50 steps from black; the sum misses the score's rise by {gap:.2g}"

    def gradcam(subject: Subject, shown: Floats, target: int) -> tuple[Floats, str]:
        from common import explain
        from common.explain.saliency import last_convolution

        layer = args.layer or last_convolution(subject.network)
        return explain.grad_cam(subject.network, shown, target, layer=layer), f"layer {layer}"

    def occlusion(subject: Subject, shown: Floats, target: int) -> tuple[Floats, str]:
        from common import explain

        patch = getattr(args, "patch", None) or max(1, round(max(shown.shape[2:]) / 7))
        stride = getattr(args, "stride", None) or max(1, patch // 2)
        fill = _nothing(subject, shown)
        with _Progress() as progress:
            found = explain.occlusion(
                subject.network, shown, target, patch=patch, stride=stride, fill=fill,
                progress=progress,
            )  # fmt: skip
        return found, f"a patch of {patch} every {stride} places, filled with {fill:.2f}"

    return {"gradient": gradient, "smoothgrad": smoothgrad, "integrated": integrated,
            "gradcam": gradcam, "occlusion": occlusion}[name]  # fmt: skip


def _nothing(subject: Subject, shown: Floats) -> float:
    """What covers a place as if nothing were there: paper of a digit, the mean of a photograph."""
    return float(shown.mean()) if subject.photographs else 0.0


def _examples(subject: Subject, folder: Path) -> Floats:
    """The pictures of a folder as the network takes them; of MNIST's files 10,000 digits."""
    import numpy as np

    from common import mnist

    if not subject.photographs and mnist.lies_in(folder):
        known, _ = mnist.read(folder)
        return known[:10_000].inputs().numpy()
    return np.concatenate(_readable(subject, folder))


def _strongest(
    subject: Subject, known: Floats, layer: str | None, units: Sequence[int], zoom: int
) -> Floats:
    """Those of the pictures that excite each unit most: a row of five for each."""
    from common import explain

    with _Progress() as progress:
        found = explain.top_examples(
            subject.network, known, units, layer=layer, count=5, progress=progress
        )
    chosen = known[found.index.reshape(-1)]
    return explain.sheet(chosen, columns=found.index.shape[1], zoom=zoom)


def _readable(subject: Subject, folder: Path) -> list[Floats]:
    """The pictures of a folder that can be read, each a batch of one; the others are told."""
    found = []
    for path in pictures.files(folder):
        try:
            found.append(subject.read(path))
        except CommonError as error:
            print(f"common: left out: {error}", file=sys.stderr)
    if not found:
        raise CommonError(f"no picture in {folder} can be read: name another folder")
    return found


def _asked(args: argparse.Namespace) -> tuple[Subject, Floats, int]:
    """The model, the picture as it takes it, and the answer in question."""
    import torch

    from common.explain import hooks

    method = getattr(args, "method", "gradcam")  # all of them are scored
    if getattr(args, "layer", None) is not None and method != "gradcam":
        raise UsageError("--layer is for Grad-CAM: leave it out, or ask for --method gradcam")
    subject = _subject(args)
    shown = subject.read(args.picture)
    if args.target is not None:
        return subject, shown, subject.target(args.target)
    with hooks.looking(subject.network), torch.no_grad():
        output = hooks.run(subject.network, hooks.tensor(subject.network, shown))
    return subject, shown, int(hooks.flattened(output)[0].argmax())


def _subject(args: argparse.Namespace) -> Subject:
    from common.explain.models import open_model

    if getattr(args, "output", None) is not None:
        pictures.check_writable(args.output)  # before minutes are spent
    return open_model(args.model, args.weights, args.labels)


def _unit(subject: Subject, text: str, layer: str | None) -> int:
    if layer is None:
        return subject.target(text)
    if not text.isdecimal():
        raise CommonError(f"{text!r} is no unit of layer {layer!r}: give its number")
    return int(text)


def _generator(args: argparse.Namespace) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(args.seed)


def _shown(shown: Floats) -> Floats:
    from common.explain.drawing import picture

    return picture(shown[0], span=(0, 1))


def _columns(count: int) -> int:
    return next((n for n in (10, 8, 5) if count % n == 0 and n < count), 8) if count > 8 else count


def _save(drawn: Any, args: argparse.Namespace) -> None:
    about = {name: str(value) for name, value in vars(args).items() if name != "run" and value}
    pictures.write(drawn, args.output, json.dumps(about))
    print(f"common: {args.output}", file=sys.stderr)


class _Progress:
    """Steps done, all of them, and the time left; only of what takes over a second."""

    def __enter__(self) -> Callable[[int, int], None]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        self.bar = Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                            console=Console(stderr=True), transient=True)  # fmt: skip
        self.task = self.bar.add_task("")
        self.began, self.shown = time.monotonic(), False
        return self._tell

    def _tell(self, done: int, total: int) -> None:
        if not self.shown and time.monotonic() - self.began > 1 and sys.stderr.isatty():
            self.bar.start()
            self.shown = True
        self.bar.update(self.task, completed=done, total=total)

    def __exit__(self, *error: object) -> None:
        if self.shown:
            self.bar.stop()


def _add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=seed, default=0, help="of what is drawn at random")


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], Any], told: str, out: bool = False
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=told)
    parser.add_argument("--model", default="digits", help="or squeezenet, vgg19, MODEL.safetensors")
    parser.add_argument("--weights", type=Path, help="of a network of photographs: .pth or .npz")
    parser.add_argument("--labels", type=Path, help="a text file: the name of an answer a line")
    if out:
        parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.png")
    parser.set_defaults(run=run)
    return parser
