"""The command `speechnet evaluate`, for clips and for recordings. Thin like `cli`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import CommonError
from common.writing import make_folder
from speechnet.errors import SpeechnetError
from speechnet.terminal_cli import say, seen, tell

if TYPE_CHECKING:
    from PIL import Image

    from speechnet.hearing.thresholds import Point
    from speechnet.judging.detection import Counts, Judged
    from speechnet.judging.evaluate import Confusion, Heard, Score

THRESHOLDS = tuple(step / 50 for step in range(3, 50))
"""Of the detector, one point each of the DET curves: 0.06 to 0.98."""

RATES = (0.5, 1, 5, 60)
"""False alarms an hour at which the misses are told."""

ALL = ""
"""Instead of a word: the curve of all of them."""


def add_commands(commands: Any) -> None:
    """Put `evaluate` below an argparse parser's `add_subparsers`."""
    one = commands.add_parser("evaluate", help="how often the words are heard")
    one.add_argument("sources", nargs="+", type=Path, metavar="DATA", help="WORD/clip.wav in them")
    one.add_argument(
        "--recordings",
        action="store_true",
        help="DATA are sounds or folders of sounds, each with its labels beside it"
        " (SOUND.txt, .csv or .jsonl): judge the detector",
    )
    one.add_argument("--noise", type=Path, help="recordings without speech, judged by the second")
    one.add_argument("--draw", type=Path, metavar="FOLDER", help="put pictures of it there")
    one.add_argument("--json", action="store_true", help="one JSON object a line")
    one.add_argument("--model", type=Path, metavar="FOLDER", help="instead of the shipped one")
    one.set_defaults(run=evaluate)


def evaluate(args: argparse.Namespace) -> int:
    """How often the words are heard. A sound that cannot be read is told of and left out."""
    from speechnet.sound.files import sound_files

    if args.draw:  # before minutes are spent
        make_folder(args.draw)
    if args.noise and not args.noise.exists():
        raise SpeechnetError(f"there is no noise at {args.noise}")
    noise = sound_files(args.noise) if args.noise else []
    failed = 0
    if args.recordings:
        failed = _recordings(args)
    else:
        _clips(args)
    if noise:
        failed |= _noise(args, noise)
    return failed


def _clips(args: argparse.Namespace) -> None:
    from speechnet.hearing.classifier import Classifier
    from speechnet.judging.evaluate import answers, confusion, score

    _refuse_sounds(args.sources)
    classifier = Classifier.load(args.model)
    whole: list[Heard] = []
    for name, heard in answers(classifier, args.sources, say=say):
        found = score(name, heard)
        if args.json:
            print(json.dumps({**vars(found), **_details(heard, classifier.labels)}), flush=True)
        else:
            _print_score(found, head=not whole)
        if "/" not in name:  # no part of a source; the last one is all there is
            whole = heard
    matrix = confusion(whole, classifier.labels)
    if not args.json:
        print("\n".join(["", "rows: what was said, columns: what was heard", *_table(matrix)]))
        _print_speakers(whole)
    if args.draw:
        _draw_clips(args, whole, matrix)


def _refuse_sounds(sources: Sequence[Path]) -> None:
    from speechnet.sound.files import ENDINGS

    for source in sources:
        if source.suffix.lower() in ENDINGS and not source.is_dir():
            raise SpeechnetError(
                f"{source} is one sound: give folders of WORD/clip.wav, or --recordings for sounds"
                " that have labels beside them"
            )


def _details(heard: Sequence[Heard], labels: Sequence[str]) -> dict[str, Any]:
    """What JSON has beyond the scores."""
    from speechnet.judging.evaluate import confusion, reliability_of, worst_speakers

    matrix = confusion(heard, labels)
    return {
        "worst_speakers": [vars(one) for one in worst_speakers(heard)],
        "reliability": [vars(one) for one in reliability_of(heard)],
        "confusion": {"labels": matrix.labels, "counts": matrix.counts.tolist()},
    }


def _print_score(found: Score, *, head: bool) -> None:
    if head:
        print(f"{'file':36}  clips  accuracy  balanced    ece   nats  brier  worst speaker")
    shares = f"{found.accuracy:9.3f} {found.balanced:9.3f} {found.ece:6.3f}"
    more = f"{found.nats:6.3f} {found.brier:6.3f} {found.worst:14.3f}"
    print(f"{found.file[-36:]:36} {found.clips:6} {shares} {more}", flush=True)
    if "/" not in found.file:
        print(_recall(found.recall))


def _recall(recall: Mapping[str, float]) -> str:
    return "  " + "  ".join(f"{word} {share:.2f}" for word, share in recall.items())


def _table(matrix: Confusion) -> Iterator[str]:
    """The confusion matrix in lines; columns have the first letters of the rows' names."""
    import numpy as np

    said = matrix.counts.sum(axis=1)
    shown = np.flatnonzero(said + matrix.counts.sum(axis=0))
    names = [matrix.labels[at] for at in shown]
    widths = [max(3, len(str(matrix.counts[:, at].max()))) for at in shown]
    first = max(map(len, names))
    row = (f"{name[:width]:>{width}}" for name, width in zip(names, widths, strict=True))
    yield f"{'':{first}} " + " ".join(row)
    for name, at in zip(names, shown, strict=True):
        if said[at]:
            counts = zip(matrix.counts[at, shown], widths, strict=True)
            row = (f"{clips or '.':>{width}}" for clips, width in counts)
            yield f"{name:{first}} " + " ".join(row)


def _print_speakers(heard: Sequence[Heard]) -> None:
    from speechnet.judging.evaluate import worst_speakers

    if found := worst_speakers(heard):
        told = (f"{one.name} {one.accuracy:.0%} of {one.clips}" for one in found)
        print("worst speakers: " + ", ".join(told))


def _draw_clips(args: argparse.Namespace, heard: Sequence[Heard], matrix: Confusion) -> None:
    from speechnet.judging.evaluate import reliability_of, score
    from speechnet.judging.evaluate_drawing import confusion_picture, reliability_picture

    found = score(_title(args.sources), heard)
    title = f"{found.file}: {found.accuracy:.1%} of {found.clips:,} clips heard right"
    errors = f"ECE {found.ece:.3f}, {found.nats:.3f} nats, Brier score {found.brier:.3f}"
    _write(args, "confusion.png", confusion_picture(matrix, title))
    title = f"{found.file}: can a probability be trusted?"
    _write(
        args,
        "reliability.png",
        reliability_picture(reliability_of(heard), title, f"{found.clips:,} clips; {errors}"),
    )


def _recordings(args: argparse.Namespace) -> int:
    """Each recording at the model's own threshold, and at each of THRESHOLDS for the curves."""
    from speechnet.hearing.detector import Detector
    from speechnet.judging.detection import count
    from speechnet.judging.labelled import judged, recordings

    found = recordings(args.sources)
    detector = Detector.load(args.model)
    said = {label.word for recording in found for label in recording.labels}
    if args.draw and not said & set(detector.words):
        raise SpeechnetError("no keyword is labelled in the recordings: there is nothing to --draw")
    own: list[Judged] = []
    runs: dict[float, list[Judged]] = {threshold: [] for threshold in THRESHOLDS}
    thresholds = [detector.operating.threshold, *THRESHOLDS]
    failed = 0
    for recording in seen(found, "listening"):
        notes: list[str] = []
        try:
            first, *others = judged(recording, detector, thresholds, notes)
        except CommonError as error:
            failed = 1
            tell(recording.path, error, as_json=args.json)
            continue
        for note in notes:
            say(f"{recording.path}: {note}")
        for run, one in zip(runs.values(), others, strict=True):
            run.append(one)
        counts = count(first.file, [first])
        if args.json:
            print(json.dumps(vars(counts)), flush=True)
        else:
            _print_counts(counts, head=not own)
        own.append(first)
    if not own:
        return failed
    whole = count("all", own)
    curves = _curves(runs, whole.recall)
    if args.json:
        print(json.dumps({**vars(whole), "det": _det(curves, whole)}))
    else:
        _print_counts(whole, head=False)
        _print_whole(whole, curves[ALL])
    if args.draw:
        _draw_det(args, whole, curves)
    return failed


def _curves(runs: Mapping[float, Sequence[Judged]], words: Iterable[str]) -> dict[str, list[Point]]:
    """The DET curves of all keywords, as ALL, and of each of `words`."""
    from speechnet.judging.detection import at_thresholds, corners

    wanted = {ALL: None, **{word: word for word in words}}
    return {name: corners(at_thresholds(runs, word)) for name, word in wanted.items()}


def _print_counts(counts: Counts, *, head: bool) -> None:
    if head:
        print(
            f"{'file':36} seconds  words   hits misses  wrong  recall"
            "  false alarms  an hour (95% interval)"
        )
    recall = f"{counts.hits / counts.words:.3f}" if counts.words else "-"
    low, high = counts.false_alarms_per_hour_95
    rate = f"{counts.false_alarms_per_hour:.1f} ({low:.1f} to {high:.1f})"
    numbers = f"{counts.words:6} {counts.hits:6} {counts.misses:6} {counts.wrong:6} {recall:>7}"
    alarms = f"{counts.false_alarms:13}  {rate}"
    print(f"{counts.file[-36:]:36} {counts.seconds:7.0f} {numbers} {alarms}", flush=True)


def _print_whole(whole: Counts, points: Sequence[Point]) -> None:
    from speechnet.intervals import poisson_bound
    from speechnet.judging.detection import miss_rate_at

    if not whole.words:
        return
    print(_recall(whole.recall))
    told = ", ".join(f"{miss_rate_at(points, rate):.1%} at {rate:g}" for rate in RATES)
    print(f"missed at so many false alarms an hour: {told}")
    least = poisson_bound(0) / whole.seconds * 3600
    told = f"{least:,.0f}" if least >= 10 else f"{least:.2g}"
    print(f"(no false alarm in all that time would show no more than a rate below {told} an hour)")


def _det(curves: Mapping[str, Sequence[Point]], whole: Counts) -> dict[str, Any]:
    """The curves for JSON."""
    words = {word: _curve(curves[word], labelled=True) for word in whole.recall}
    return {**_curve(curves[ALL], labelled=bool(whole.words)), "by_word": words}


def _curve(points: Sequence[Point], *, labelled: bool) -> dict[str, Any]:
    """Where nothing is labelled there is nothing to miss: null."""
    from speechnet.judging.detection import miss_rate_at

    return {
        "points": [
            {
                "threshold": one.threshold,
                "false_alarms_per_hour": one.false_alarms_per_hour,
                "miss_rate": one.miss_rate if labelled else None,
            }
            for one in points
        ],
        "miss_rate_at": {
            f"{rate:g}": miss_rate_at(points, rate) if labelled else None for rate in RATES
        },
    }


def _draw_det(
    args: argparse.Namespace, whole: Counts, curves: Mapping[str, Sequence[Point]]
) -> None:
    from speechnet.judging.evaluate_drawing import det_picture

    title = f"{_title(args.sources)}: misses against false alarms"
    words = {word: curves[word] for word in whole.recall}
    _write(args, "det.png", det_picture(curves[ALL], words, whole, title))


def _noise(args: argparse.Namespace, paths: Sequence[Path]) -> int:
    """Seconds of noise that get a word."""
    from speechnet.hearing.classifier import Classifier
    from speechnet.judging.evaluate import false_words
    from speechnet.sound.files import absolute

    classifier = Classifier.load(args.model)
    failed = seconds = words = 0
    for path in paths:
        try:
            heard, taken = false_words(classifier, path)
        except CommonError as error:
            failed = 1
            tell(path, error, as_json=args.json)
            continue
        seconds, words = seconds + heard, words + taken
    name = absolute(args.noise).name
    if not seconds:
        say(f"{name} holds no whole second of noise")
        return 1
    if args.json:
        print(json.dumps({"file": name, "seconds": seconds, "false_words": words / seconds}))
    else:
        print(f"{name}: {words} of {seconds} seconds of noise got a word")
    return failed


def _title(sources: Sequence[Path]) -> str:
    from speechnet.sound.files import absolute

    names = [absolute(source).name for source in sources]
    return ", ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"


def _write(args: argparse.Namespace, name: str, picture: Image.Image) -> None:
    from common import pictures

    pictures.write(picture, args.draw / name)
    say(str(args.draw / name))
