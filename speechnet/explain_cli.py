"""The command `speechnet explain`: why a clip got its word, and what the network waits for."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechnet.errors import SpeechnetError

if TYPE_CHECKING:
    from speechnet.explain import Explained

METHODS = ("occlusion", "gradient", "smoothgrad", "integrated")


def add_commands(commands: Any) -> None:
    """Put it below an argparse parser's `add_subparsers`."""
    one = commands.add_parser("explain", help="which bands and moments decided a clip's word")
    one.add_argument("clip", nargs="?", help="a sound file, or - for standard input")
    one.add_argument("-o", "--output", type=Path, metavar="PICTURE.png")
    one.add_argument("--word", help="what speaks for this word (default: the answer)")
    one.add_argument("--method", choices=METHODS, default="occlusion")
    one.add_argument("--play", type=Path, metavar="SOUND.wav", help="what decided, to be heard")
    one.add_argument("--filters", action="store_true", help="draw the first layer instead")
    one.add_argument("--maximize", nargs="*", metavar="WORD",
                     help="draw what maximises each word instead")  # fmt: skip
    one.add_argument("--json", action="store_true", help="a JSON object")
    one.add_argument("--model", type=Path, metavar="FOLDER", help="instead of the shipped one")
    one.set_defaults(run=explain)


def explain(args: argparse.Namespace) -> None:
    """A clip's word, or the network itself."""
    from common import pictures

    if args.filters or args.maximize is not None:
        if args.output is None or args.clip is not None:
            raise SpeechnetError("name a picture to draw with -o, and no clip")
        pictures.check_writable(args.output)
        _network(args)
        return
    if args.clip is None:
        raise SpeechnetError("name a clip to explain, or --filters or --maximize")
    if args.output is not None:
        pictures.check_writable(args.output)
    _clip(args)


def _clip(args: argparse.Namespace) -> None:
    from common import pictures
    from speechnet import audio
    from speechnet.explain import Explainer
    from speechnet.explain_drawing import explained_picture

    sound = audio.read(args.clip)
    for note in sound.notes:
        print(f"speechnet: {args.clip}: {note}", file=sys.stderr)
    found = Explainer.load(args.model).explain(sound.samples, word=args.word, method=args.method)
    if args.output is not None:
        clip, chance = Path(args.clip).name, f"{found.probability:.0%}"
        drawn = explained_picture(
            found.mel, found.map, found.moments, found.bands, found.front, start=found.start,
            title=f"{clip}: what decided for {found.word} ({chance})",
            note=f"colours: {_TITLES[args.method]}",
        )  # fmt: skip
        pictures.write(drawn, args.output)
    if args.play is not None:
        _play(found, args.play)
    print(json.dumps(_row(args, found)) if args.json else _text(args, found))


def _network(args: argparse.Namespace) -> None:
    from common import pictures
    from speechnet import explain_drawing
    from speechnet.explain import Explainer

    explainer = Explainer.load(args.model)
    if args.filters:
        title = "The first layer: patterns that are looked for anywhere along the frequencies"
        drawn = explain_drawing.filters_sheet(*explainer.filters(), explainer.front, title)
    else:
        words = args.maximize or list(explainer.labels[:-2])
        title = "What the network waits for, word by word"
        drawn = explain_drawing.words_sheet(
            explainer.maximize(words), words, explainer.front, title
        )
    pictures.write(drawn, args.output)
    print(args.output)


def _play(found: Explained, path: Path) -> None:
    """What decided, as a WAV file."""
    import numpy as np
    import soundfile

    from speechnet.audio import RATE
    from speechnet.explain import kept, masked

    wave = masked(found.samples, kept(found), found.front)
    peak = float(np.abs(wave).max())
    out = io.BytesIO()
    soundfile.write(out, wave / max(1.0, peak), RATE, format="WAV", subtype="PCM_16")
    try:
        path.write_bytes(out.getvalue())
    except OSError as error:
        raise SpeechnetError(f"cannot write {path}: {error.strerror}") from error


_TITLES = {
    "occlusion": "nats lost when a patch is covered by the clip's mean",
    "gradient": "how much the score changes with each cell",
    "smoothgrad": "the same, averaged over noisy copies (SmoothGrad)",
    "integrated": "integrated gradients from the clip's mean, in nats",
}


def _row(args: argparse.Namespace, found: Explained) -> dict[str, Any]:
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
    }


def _text(args: argparse.Namespace, found: Explained) -> str:
    moments = ", ".join(f"{first:.2f}-{last:.2f} s" for first, last in found.seconds[:3])
    bands = ", ".join(f"{first:.0f}-{last:.0f} Hz" for first, last in found.hertz[:3])
    lines = [f"{args.clip}: {found.word} {found.probability:.0%}"]
    if found.word != found.answer.word:
        lines[0] += f" (the answer is {found.answer.word} {found.answer.probability:.0%})"
    lines.append(f"  moments that decided: {moments or 'none'}")
    lines.append(f"  bands that decided:   {bands or 'none'}")
    return "\n".join(lines)
