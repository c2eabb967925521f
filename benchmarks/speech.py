"""How fast speechnet is, each figure beside what it is a ratio of: python benchmarks/speech.py

Run it on an idle machine. Everything is measured on the clips of `data/clips`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: all figures are of one core

import numpy as np

ROOT = Path(__file__).parents[1]
CLIPS = ROOT / "data" / "clips"
CLIP = CLIPS / "yes.wav"


def main() -> None:
    cold_start()
    log_mel()
    clip()
    parts()


def show(what: str, ours: float, other: float, unit: str, goal: str) -> None:
    print(f"{what:58} {ours:10.4g} / {other:10.4g} {unit:10} = {ours / other:7.3f}  {goal}")


def best(*works: Callable[[], object], rounds: int = 40, times: int = 25) -> list[float]:
    """The shortest time of each, in seconds, in turns: what the work takes when undisturbed."""
    found = [float("inf")] * len(works)
    for _ in range(rounds):
        for which, work in enumerate(works):
            for _ in range(times):
                start = time.perf_counter()
                work()
                found[which] = min(found[which], time.perf_counter() - start)
    return found


def cold_start() -> None:
    """Whole commands, interleaved."""
    ours = [sys.executable, "-m", "speechnet", "classify", str(CLIP)]
    theirs = [sys.executable, "-c", "import torch"]
    times: dict[str, list[float]] = {"ours": [], "torch": []}
    for _ in range(7):
        for name, command in (("ours", ours), ("torch", theirs)):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
            times[name].append(time.perf_counter() - start)
    medians = [statistics.median(times[name]) for name in ("ours", "torch")]
    show("cold start of classify / import torch", *medians, "s", "<= 0.4")


def log_mel() -> None:
    """The log-mel spectrogram of a second beside the Fourier transforms of its frames alone."""
    from speechnet import audio, spectrogram
    from speechnet.classifier import Classifier

    front = Classifier.load().front
    samples = audio.read(CLIP).samples
    cut = np.lib.stride_tricks.sliding_window_view(samples, front.fft)[:: front.hop]
    single = np.ascontiguousarray(cut)
    double = single.astype(np.float64)
    ours, theirs, exact = best(
        lambda: spectrogram.log_mel(samples, front),
        lambda: np.fft.rfft(single),
        lambda: np.fft.rfft(double),
    )
    show("log-mel of a clip / its FFTs (float32)", ours * 1e6, theirs * 1e6, "us", "<= 1.5")
    show("log-mel of a clip / its FFTs (float64)", ours * 1e6, exact * 1e6, "us", "")


def clip() -> None:
    """A clip's samples to its answer, beside the two networks' own time for the same input."""
    from speechnet import audio
    from speechnet.classifier import Classifier
    from speechnet.spectrogram import log_mel
    from speechnet.windows import pad

    classifier = Classifier.load()
    samples = audio.read(CLIP).samples
    mel = log_mel(pad(samples), classifier.front)[None]
    heard = classifier.frames.run(mel)
    ours, theirs = best(
        lambda: classifier.classify(samples),
        lambda: (classifier.frames.run(mel), classifier.words.run(heard)),
        times=5,
    )
    show("a clip / onnxruntime alone", ours * 1e3, theirs * 1e3, "ms", "(ours <= 3 ms)")


def parts() -> None:
    """What reading takes, format by format."""
    from speechnet import audio

    print()
    for path in sorted(path for path in CLIPS.iterdir() if path.suffix != ".md"):
        (seconds,) = best(lambda: audio.read(path), rounds=8, times=5)  # noqa: B023
        print(f"reading {path.name:50} {seconds * 1e3:10.4g} ms")


if __name__ == "__main__":
    main()
