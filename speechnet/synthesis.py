"""Synthesis: clips of words by speech engines, where real ones are few.

    python -m speechnet.synthesis -o FOLDER --clips 200 two three four
    python -m speechnet.synthesis -o FOLDER --clips 3 --list unknown

espeak-ng and flite are used where they are installed (Debian packages of the same names): many
voices, accents, pitches and paces. A voice is a speaker (`WORD/VOICE_nohash_N.flac`). Synthetic
clips help to learn; they are never for validation or a test: nobody talks like that.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from speechnet import audio
from speechnet.errors import SpeechnetError

ACCENTS = """en-us en-gb en-gb-scotland en-gb-x-rp en-gb-x-gbclan en-gb-x-gbcwmd en-029"""
TIMBRES = """m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 klatt klatt2 klatt3 klatt4
    adam linda steph grandma shelby"""
FLITE = ("kal", "kal16", "awb", "rms", "slt")

QUIET = 0.02
"""Of the loudest sample: what lies before and after the word is cut off."""


@dataclass(frozen=True)
class Voice:
    """engine: its command. name: of the voice, also of the speaker in file names."""

    engine: str
    name: str


def voices() -> list[Voice]:
    """All voices of the engines that are installed. Raises SpeechnetError if there is none."""
    found = []
    if shutil.which("espeak-ng"):
        both = itertools.product(ACCENTS.split(), TIMBRES.split())
        found += [Voice("espeak-ng", f"{accent}+{timbre}") for accent, timbre in both]
    if shutil.which("flite"):
        # Of two engines with very many and a few voices, both are to be heard.
        found += [Voice("flite", name) for name in FLITE for _ in range(8)]
    if not found:
        raise SpeechnetError("no speech engine is installed: install espeak-ng or flite")
    return found


def say(word: str, voice: Voice, rng: np.random.Generator) -> bytes:
    """A word by a voice, at some pitch and pace: the bytes of a WAV file."""
    pace = float(np.exp(rng.uniform(-0.3, 0.35)))
    if voice.engine == "flite":
        # The stretch is the inverse of a pace; the pitch is in Hz, a man's or a woman's.
        pitch = rng.uniform(140, 230) if voice.name == "slt" else rng.uniform(80, 150)
        command = ["flite", "-voice", voice.name, "--setf", f"duration_stretch={1 / pace:.3f}"]
        command += ["--setf", f"int_f0_target_mean={pitch:.1f}", "-t", word, "-o", "/dev/stdout"]
    else:
        pitch = int(rng.integers(15, 86))
        command = ["espeak-ng", "-v", voice.name, "-p", str(pitch), "-s", f"{150 * pace:.0f}"]
        command += ["--stdout", word]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode or not done.stdout:
        told = done.stderr.decode(errors="replace").strip() or "no sound came"
        raise SpeechnetError(f"{voice.engine} cannot say {word!r} as {voice.name}: {told}")
    return done.stdout


def synthesize(
    words: Sequence[str],
    folder: Path,
    *,
    clips: int,
    seed: int = 0,
    seen: Callable[[], object] = lambda: None,
) -> int:
    """Make `clips` clips of each word in FOLDER/WORD/; those that are there already stay.

    The same seed draws the same voices. seen: called after each word. Returns how many were made.
    Raises SpeechnetError if no engine is installed, one fails or the disk does not take them.
    """
    known = voices()

    def make(word: str) -> int:
        made = 0
        for number in range(clips):
            digits = [seed, number, *word.encode()]
            rng = np.random.default_rng(digits)
            voice = known[int(rng.integers(len(known)))]
            speaker = f"{voice.engine}-{voice.name}".replace("_", "-")
            path = folder / word / f"{speaker}_nohash_{number}.flac"
            if not path.exists():
                _write(path, say(word, voice, rng))
                made += 1
        seen()
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sum(pool.map(make, words))


def listed(name: str) -> list[str]:
    """The words of a list in speechnet/lists, in their order. Raises SpeechnetError if unknown."""
    try:
        text = (resources.files("speechnet") / "lists" / f"{name}.txt").read_text("utf-8")
    except FileNotFoundError as error:
        raise SpeechnetError(f"there is no list of words called {name}") from error
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return list(dict.fromkeys(word for line in lines for word in line.split()))


def _write(path: Path, data: bytes) -> None:
    import soundfile

    # Engines write to a pipe and cannot know the length that a WAV file begins with.
    wave = audio.read(data).samples
    loud = np.flatnonzero(np.abs(wave) > QUIET * np.abs(wave).max())
    if not len(loud):
        raise SpeechnetError(f"{path.parent.name} came out silent")
    wave = wave[loud[0] : loud[-1] + 1]
    out = io.BytesIO()
    soundfile.write(out, wave, audio.RATE, format="FLAC", subtype="PCM_16")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(out.getvalue())
        part.rename(path)
    except OSError as error:
        raise SpeechnetError(f"cannot write {path}: {error.strerror}") from error


def main(argv: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m speechnet.synthesis", description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--list", help="a list of the package: unknown")
    parser.add_argument("--clips", type=int, default=10, help="of each word (default: 10)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    args = parser.parse_args(argv)
    try:
        words = args.words + (listed(args.list) if args.list else [])
        if not words:
            raise SpeechnetError("no words were named")
        made = synthesize(words, args.output, clips=args.clips, seed=args.seed)
    except SpeechnetError as error:
        sys.stderr.write(f"speechnet: {error}\n")
        return 1
    sys.stderr.write(f"{args.output}: {made} clips made\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
