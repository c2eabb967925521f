"""How fast speechnet is, each figure beside what it is a ratio of: python benchmarks/speech.py

Run it on an idle machine. Everything is measured on the clips of `data/clips`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: all figures are of one core

import numpy as np
from timing import ROOT, best, cold_start, show

CLIPS = ROOT / "data" / "clips"
CLIP = CLIPS / "yes.wav"


def main() -> None:
    cold_start("speechnet", "classify", str(CLIP), goal="<= 0.4")
    log_mel()
    clip()
    detect()
    parts()


def log_mel() -> None:
    """The log-mel spectrogram of a second beside the Fourier transforms of its frames alone."""
    from speechnet.hearing.classifier import Classifier
    from speechnet.sound import audio, spectrogram

    front = Classifier.load().front
    samples = audio.read(CLIP).samples
    cut = np.lib.stride_tricks.sliding_window_view(samples, front.fft)[:: front.hop]
    single = np.ascontiguousarray(cut)
    double = single.astype(np.float64)
    ours, theirs, exact = best(
        lambda: spectrogram.log_mel(samples, front),
        lambda: np.fft.rfft(single),
        lambda: np.fft.rfft(double),
        rounds=40,
        times=25,
    )
    show("log-mel of a clip / its FFTs (float32)", ours * 1e6, theirs * 1e6, "us", "<= 1.5")
    show("log-mel of a clip / its FFTs (float64)", ours * 1e6, exact * 1e6, "us", "")


def clip() -> None:
    """A clip's samples to its answer, beside the two networks' own time for the same input."""
    from speechnet.hearing.classifier import Classifier
    from speechnet.sound import audio
    from speechnet.sound.spectrogram import log_mel
    from speechnet.sound.windows import pad

    classifier = Classifier.load()
    samples = audio.read(CLIP).samples
    mel = log_mel(pad(samples), classifier.front)[None]
    heard = classifier.frames.run(mel)
    ours, theirs = best(
        lambda: classifier.classify(samples),
        lambda: (classifier.frames.run(mel), classifier.words.run(heard)),
        rounds=40,
        times=5,
    )
    show("a clip / onnxruntime alone", ours * 1e3, theirs * 1e3, "ms", "(ours <= 3 ms)")


def detect() -> None:
    """An hour of sound with a word every few seconds, as a file and as a stream of 10 ms chunks;
    and what memory it takes beside a minute."""
    code = """
import resource, sys, time
from speechnet.hearing.detector import Detector
detector = Detector.load()
start = time.process_time()
events = list(detector.detect(sys.argv[1]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(time.process_time() - start, peak, len(events))
"""
    import tempfile

    import soundfile

    from speechnet.hearing.detector import Detector
    from speechnet.sound import audio

    minute = _minute()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, times in (("minute", 1), ("hour", 60)):
            path = Path(folder) / f"{name}.flac"
            with soundfile.SoundFile(path, "w", audio.RATE, 1) as file:
                for _ in range(times):
                    file.write(minute)
            run = [sys.executable, "-c", code, str(path)]
            told = subprocess.run(run, check=True, capture_output=True, text=True, cwd=ROOT)
            found[name] = [float(number) for number in told.stdout.split()]
    show("an hour through detect, CPU seconds / 15 s", found["hour"][0], 15, "s", "<= 1")
    show("memory for an hour / for a minute", found["hour"][1], found["minute"][1], "MiB", "1")
    stream, start = Detector.load().stream(), time.process_time()
    for at in range(0, len(minute), 160):
        stream.push(minute[at : at + 160])
    show("listening, CPU seconds / seconds", time.process_time() - start, 60, "s", "<= 0.1")


def _minute() -> np.ndarray:
    """Words in hiss, half of the time."""
    from speechnet.sound import audio

    rng = np.random.default_rng(0)
    minute = 0.01 * rng.standard_normal(60 * audio.RATE)
    names = ("yes.wav", "stop.wav", "marvin.wav", "left.ogg", "no.flac")
    for second in range(0, 58, 2):
        wave = audio.read(CLIPS / names[second // 2 % len(names)]).samples
        minute[second * audio.RATE : second * audio.RATE + len(wave)] += wave
    return minute.astype(np.float32)


def parts() -> None:
    """What reading takes, format by format."""
    from speechnet.sound import audio

    print()
    for path in sorted(path for path in CLIPS.iterdir() if path.suffix != ".md"):
        (seconds,) = best(lambda: audio.read(path), rounds=8, times=5)  # noqa: B023
        print(f"reading {path.name:50} {seconds * 1e3:10.4g} ms")


if __name__ == "__main__":
    main()
