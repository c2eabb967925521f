"""How well the detector finds words in recordings put together from clips and noise:

    python benchmarks/detection.py CLIPS NOISE [--model FOLDER]

CLIPS: WORD/clip.wav of people that the network has not heard, a folder or an archive. NOISE: a
folder of recordings without speech; only the last fifth of each is used, which training keeps back.
Words are drawn as often as their clips are; half of what is said is none of the words asked for.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from speechnet.clips.words import read_clips
from speechnet.hearing.detector import Detector
from speechnet.judging.detection import count, judge, near
from speechnet.training.noise import Noise, recordings, split
from speechnet.training.scenes import RATIOS, Stage, scenes

CHUNK = 160


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("noise", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--words", help="only these count: WORD,WORD,...")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=123)
    args = parser.parse_args()
    detector = Detector.load(args.model)
    words = args.words.split(",") if args.words else detector.words
    behind = [(wave * 32767).astype(np.int16) for wave in split(recordings(args.noise))[1]]
    stage = Stage(read_clips(args.clips).clips, words, Noise(behind, share=1.0))
    made = list(scenes(stage, args.minutes, args.seed))
    judged = []
    for number, scene in enumerate(made):
        events = [one for one in detector.detect(scene.samples) if one.word in words]
        judged.append(judge(f"scene {number}", scene.seconds, scene.labels, events, words))
    kinds = ["clean", *(f"{ratio:g} dB" for ratio in RATIOS[1:-1] if ratio is not None), "noise"]
    print("words to noise   words  found  share  false alarms a minute")
    for which, kind in enumerate(kinds):
        show(kind, judged[which :: len(kinds)])
    show("10 dB or better", [one for at, one in enumerate(judged) if at % len(kinds) < 3])
    show("all", judged)
    off = [abs(event.middle - label.middle) for one in judged for label, event in one.hits]
    print(f"middle of an event within 0.3 s of its word's: {np.mean(np.array(off) <= 0.3):.1%}")
    late = latencies(detector, made[:12])
    print(
        f"s after the word: median {np.median(late):.2f}, 95% within {np.quantile(late, 0.95):.2f}"
    )


def show(kind: str, judged: list) -> None:  # type: ignore[type-arg]
    found = count(kind, judged)
    share = f"{found.hits / found.words:.3f}" if found.words else "    -"
    rate = found.false_alarms_per_hour / 60
    print(f"{kind:16} {found.words:5} {found.hits:6}  {share} {rate:8.2f}")


def latencies(detector: Detector, made: list) -> list[float]:  # type: ignore[type-arg]
    """Seconds of sound from the end of each word to its event, in chunks of 10 ms."""
    late = []
    for scene in made:
        stream = detector.stream()
        for at in range(0, len(scene.samples), CHUNK):
            for event in stream.push(scene.samples[at : at + CHUNK]):
                ends = [x.end for x in scene.labels if x.word == event.word and near(event, x)]
                if ends:
                    late.append(stream.seconds - min(ends, key=lambda end: abs(end - event.end)))
    return late


if __name__ == "__main__":
    main()
