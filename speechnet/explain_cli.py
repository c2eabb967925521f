"""The command `speechnet explain`: why a clip got its word, and what the network waits for."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import UsageError
from speechnet.clips.naming import word_of
from speechnet.errors import SpeechnetError
from speechnet.terminal_cli import hushed, say

if TYPE_CHECKING:
    from speechnet.explaining.explain import Alone, Explained, Explainer, Span
    from speechnet.sound.audio import Floats

METHODS = {
    "occlusion": "nats lost when a patch is covered",
    "gradient": "how fast the score changes with each cell",
    "smoothgrad": "how fast the score changes with each cell, the mean over noisy copies",
    "integrated": "nats that each cell adds, by integrated gradients",
}

SHOWN = 3
"""Moments, bands and patches that are named in text."""

PAUSE = 0.25
"""Seconds between words that are played."""


def add_commands(commands: Any) -> None:
    """Put it below an argparse parser's `add_subparsers`."""
    one = commands.add_parser("explain", help="which bands and moments decided a clip's word")
    one.add_argument("clip", nargs="?", metavar="CLIP", help="a sound file, or -")
    one.add_argument("-o", "--output", type=Path, metavar="OUT.png", help="draw it")
    one.add_argument("--play", type=Path, metavar="OUT.wav", help="what decided, to be heard")
    one.add_argument("--word", help="what speaks for this word (default: the answer)")
    one.add_argument("--method", choices=METHODS, default="occlusion",
                     help="by which the patches are found (default: occlusion)")  # fmt: skip
    network = one.add_mutually_exclusive_group()
    network.add_argument("--filters", action="store_true", help="no clip: the first layer")
    network.add_argument("--maximize", nargs="*", metavar="WORD",
                         help="no clip: what maximises these words, or all")  # fmt: skip
    one.add_argument("--json", action="store_true", help="one JSON object a line")
    one.add_argument("--model", type=Path, metavar="FOLDER", help="instead of the shipped one")
    one.set_defaults(run=explain)


def explain(args: argparse.Namespace) -> None:
    """A clip's word, or the network itself."""
    from common import pictures

    network = args.filters or args.maximize is not None
    if network and (args.clip is not None or args.word is not None):
        raise UsageError("--filters and --maximize are about the network: name no clip or word")
    if not network and args.clip is None:
        raise UsageError("name a clip to explain, or ask for --filters or --maximize")
    if args.filters and args.play is not None:
        raise UsageError("filters cannot be played: leave out --play")
    if args.output is not None:
        pictures.check_writable(args.output)  # before time is spent
    if args.play is not None and not args.play.parent.is_dir():
        raise SpeechnetError(f"there is no folder {args.play.parent}")
    run = _filters if args.filters else _clip if args.maximize is None else _maximize
    run(args)


def _clip(args: argparse.Namespace) -> None:
    from common import pictures
    from speechnet.explaining.explain_drawing import explained_picture
    from speechnet.sound import audio

    with hushed():
        sound = audio.read(args.clip)
    for note in sound.notes:
        say(f"{args.clip}: {note}")
    explainer = _explainer(args)
    found = explainer.explain(
        sound.samples, word=args.word and word_of(args.word), method=args.method
    )
    alone = explainer.alone(found)
    if args.output is not None:
        title = f"{Path(args.clip).name}: what decided for {found.word} ({found.probability:.0%})"
        note = f"colours: {METHODS[args.method]}; one nat less: the odds fall to 37%"
        pictures.write(explained_picture(found, title=title, note=note), args.output)
    if args.play is not None:
        _write(args.play, alone.samples)
    row = _row(args, found, alone)
    print(json.dumps(row) if args.json else _text(args, found, alone))


def _maximize(args: argparse.Namespace) -> None:
    import numpy as np

    from common import pictures
    from speechnet.explaining import prototypes
    from speechnet.explaining.explain_drawing import words_sheet
    from speechnet.explaining.masking import sounded
    from speechnet.labels import SILENCE, UNKNOWN
    from speechnet.sound.audio import RATE

    explainer = _explainer(args)
    known = [word for word in explainer.labels if word not in (UNKNOWN, SILENCE)]
    words = [word_of(word) for word in args.maximize] or known
    with _progress() as progress:
        mels = prototypes.maximize(explainer, words, progress=progress)
    if args.output is not None:
        title = "What the network waits for, word by word"
        note = "spectrograms drawn from nothing until the network is sure; the brighter the louder"
        pictures.write(words_sheet(mels, words, explainer.front, title, note), args.output)
    waves = [sounded(mel, explainer.front) for mel in mels]
    if args.play is not None:
        pause = round(PAUSE * RATE)
        _write(args.play, np.concatenate([np.pad(wave, (0, pause)) for wave in waves]))
    for word, wave in zip(words, waves, strict=True):
        answer = explainer.classifier.classify(wave)
        row = {"word": word, "heard": answer.word, "probability": round(answer.probability, 6)}
        told = f"{word}: played, it is heard as {answer.word} {answer.probability:.0%}"
        print(json.dumps(row) if args.json else told)


def _filters(args: argparse.Namespace) -> None:
    from common import pictures
    from speechnet.explaining import prototypes
    from speechnet.explaining.explain_drawing import filters_sheet

    found = prototypes.filters(_explainer(args))
    if args.output is not None:
        title = "The first layer: patterns over neighbouring bands, looked for at every frequency"
        note = (
            "bars: what a filter adds (pale: takes off) for each band, the lowest at the left, by"
            " how loud it is, how it rises and bends; line: what its channel starts from"
        )
        pictures.write(filters_sheet(found, title, note), args.output)
    for one in found:
        row = {
            "filter": one.number,
            "kind": one.kind,
            "weights": one.weights.astype(float).round(4).tolist(),
            "hertz": round(one.strongest),
        }
        told = f"filter {one.number:2}: {one.kind:14}  strongest at {one.strongest:4.0f} Hz"
        print(json.dumps(row) if args.json else told)


def _explainer(args: argparse.Namespace) -> Explainer:
    import torch

    from speechnet.explaining.explain import Explainer

    # Steps of the recurrence are too small to be shared out: where another program runs, too,
    # threads that wait for one another take fifty times as long (measured, two cores).
    torch.set_num_threads(1)
    return Explainer.load(args.model)


def _write(path: Path, wave: Floats) -> None:
    """Sound as a WAV file of 16 bits at 16 kHz."""
    import soundfile

    from common.writing import put
    from speechnet.sound.audio import RATE

    out = io.BytesIO()
    soundfile.write(out, wave, RATE, format="WAV", subtype="PCM_16")
    put(path, out.getvalue())


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar of steps, on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("drawing")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _row(args: argparse.Namespace, found: Explained, alone: Alone) -> dict[str, Any]:
    return {
        "file": args.clip,
        "word": found.word,
        "probability": round(found.probability, 6),
        "answer": found.answer.word,
        "moments": [[round(one, 3) for one in span] for span in found.seconds],
        "hertz": [[round(one) for one in span] for span in found.hertz],
        "nats": {
            "moments": round(float(found.moments.max()), 3),
            "hertz": round(float(found.bands.max()), 3),
        },
        "method": args.method,
        "patches": [
            {
                "seconds": [round(one, 3) for one in patch.seconds],
                "hertz": [round(one) for one in patch.hertz],
            }
            for patch in found.patches
        ],
        "alone": round(alone.probability, 6),
        "cells": alone.cells,
    }


def _text(args: argparse.Namespace, found: Explained, alone: Alone) -> str:
    """Every moment, every band and every patch by its cost, the dearest first."""
    title = f"{args.clip}: {found.word} {found.probability:.0%}"
    if found.word != found.answer.word:
        title += f"  (the answer is {found.answer.word} {found.answer.probability:.0%})"
    patches = [f"{_seconds(one.seconds)} at {_hertz(one.hertz)}" for one in found.patches]
    lines = (
        ("moments that decided:", _listed([_seconds(one) for one in found.seconds])),
        ("bands that decided:", _listed([_hertz(one) for one in found.hertz])),
        ("patches that decided:", _listed(patches)),
        (
            "played alone:",
            f"{found.word} {alone.probability:.0%}, by {alone.cells:.0%} of the cells",
        ),
    )
    return "\n".join([title, *(f"  {name:22} {told}" for name, told in lines)])


def _seconds(span: Span) -> str:
    return f"{span[0]:.2f}-{span[1]:.2f} s"


def _hertz(span: Span) -> str:
    return f"{span[0]:.0f}-{span[1]:.0f} Hz"


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + rest
