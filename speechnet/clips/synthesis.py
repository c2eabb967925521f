"""Synthesis: clips of words by speech engines, where real ones are few.

    speechnet say -o FOLDER --clips 200 two three four
    speechnet say -o FOLDER --clips 3 --list unknown

espeak-ng, flite and festival are used where they are installed (Debian packages of the same names):
many voices, accents, pitches and paces; espeak-ng speaks a hundred languages, the others English. A
voice is a speaker (`WORD/VOICE_nohash_N.flac`), by which such clips are known. They help to learn;
they are never for validation or a test: nobody talks like that.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from speechnet.clips.naming import word_of
from speechnet.clips.words import Clip
from speechnet.errors import SpeechnetError
from speechnet.labels import SILENCE
from speechnet.sound import audio, writing

ACCENTS = """en-us en-gb en-gb-scotland en-gb-x-rp en-gb-x-gbclan en-gb-x-gbcwmd en-029"""
TIMBRES = """m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 klatt klatt2 klatt3 klatt4
    adam linda steph grandma shelby"""
FLITE = ("kal", "kal16", "awb", "rms", "slt")
ENGINES = {"espeak-ng": "espeak-ng", "flite": "flite", "festival": "text2wave"}
"""Each with its command."""

MARK = "SYNTHETIC.txt"
"""Of a folder of such clips: what they are, for people."""

QUIET = 0.02
"""Of the loudest sample: what lies before and after the word is cut off."""

PATIENCE = 60
"""Seconds within which an engine has to have said a word."""

Rng = np.random.Generator


@dataclass(frozen=True)
class Voice:
    """engine: one of ENGINES. name: of the voice, also of the speaker in file names."""

    engine: str
    name: str


def is_synthetic(clip: Clip | str) -> bool:
    """Whether a clip was made here, as its speaker's name says; also of that name alone.

    >>> is_synthetic("flite-slt"), is_synthetic("anna")
    (True, False)
    """
    speaker = clip if isinstance(clip, str) else clip.speaker
    return speaker.startswith(tuple(f"{engine}-" for engine in ENGINES))


def refuse(clips: Iterable[Clip]) -> None:
    """Raise SpeechnetError if one of the clips was made here: these are to choose or to test by."""
    for clip in filter(is_synthetic, clips):
        raise SpeechnetError(
            f"{clip.name} was made by a speech engine: such clips are to learn from, not to choose"
            " or to test by"
        )


def voices(language: str = "en", engines: Collection[str] = tuple(ENGINES)) -> list[Voice]:
    """All voices for a language of those engines that are installed.

    Raises SpeechnetError if there is none.
    """
    there = [engine for engine in engines if shutil.which(ENGINES[engine])]
    if not there:
        raise SpeechnetError(
            f"no speech engine is installed: install {' or '.join(engines)} (Debian packages of"
            " the same names)"
        )
    found = []
    if "espeak-ng" in there:
        accents = ACCENTS.split() if language == "en" else _accents(language)
        both = itertools.product(accents, TIMBRES.split())
        found += [Voice("espeak-ng", f"{accent}+{timbre}") for accent, timbre in both]
    # Of an engine with very many voices and two with a few, all are to be heard.
    if "flite" in there and language == "en":
        found += [Voice("flite", name) for name in FLITE for _ in range(8)]
    if "festival" in there and language == "en":
        found += [Voice("festival", name) for name in _festival_voices() for _ in range(16)]
    if not found:
        told = "see `espeak-ng --voices`" if "espeak-ng" in there else "install espeak-ng"
        raise SpeechnetError(f"no voice of {', '.join(there)} speaks {language!r}: {told}")
    return found


def _accents(language: str) -> list[str]:
    """espeak-ng's own voices of a language.

    It lists the closest ones first, among them variants, and those of MBROLA, whose data may not be
    there. For `fr` there are fr-fr and fr-be; for `zh`, which none is called, the first is meant.
    """
    lines = _run(["espeak-ng", f"--voices={language}"]).decode(errors="replace").splitlines()[1:]
    rows = [line.split() for line in lines]
    own = [row[1] for row in rows if len(row) > 4 and not row[4].startswith(("mb/", "!v/"))]
    named = {name for name in own if name == language or name.startswith(f"{language}-")}
    return sorted(named or own[:1])


def _festival_voices() -> list[str]:
    """The voices that festival has."""
    listed = _run(["festival", "-b", "(print (voice.list))"]).decode(errors="replace")
    return sorted(listed.strip().strip("()").split())


def say(word: str, voice: Voice, rng: Rng) -> bytes:
    """A word by a voice, at some pitch and pace: the bytes of a WAV file.

    Raises SpeechnetError if the engine cannot say it.
    """
    pace = float(np.exp(rng.uniform(-0.3, 0.35)))
    speak = {"espeak-ng": _espeak, "flite": _flite, "festival": _festival}[voice.engine]
    try:
        return speak(word, voice.name, pace, rng)
    except SpeechnetError as error:
        raise SpeechnetError(
            f"{voice.engine} cannot say {word!r} as {voice.name}: {error}"
        ) from error


def _espeak(word: str, name: str, pace: float, rng: Rng) -> bytes:
    pitch = int(rng.integers(15, 86))  # of 0 to 99
    how = ["-v", name, "-p", str(pitch), "-s", f"{150 * pace:.0f}"]
    return _run(["espeak-ng", *how, "--stdout", "--", word])


def _flite(word: str, name: str, pace: float, rng: Rng) -> bytes:
    # The stretch is the inverse of a pace; the pitch is in Hz, a man's or a woman's.
    pitch = rng.uniform(140, 230) if name == "slt" else rng.uniform(80, 150)
    how = ["-voice", name, "--setf", f"duration_stretch={1 / pace:.3f}"]
    how += ["--setf", f"int_f0_target_mean={pitch:.1f}"]
    return _run(["flite", *how, "-t", word, "-o", "/dev/stdout"])


def _festival(word: str, name: str, pace: float, rng: Rng) -> bytes:
    # The melody is a linear regression, made for a voice of the mean and deviation called model,
    # and moved to ours: Hz, a man's, as all of Debian's English voices are.
    pitch = rng.uniform(80, 160)
    melody = f"(target_f0_mean {pitch:.0f}) (target_f0_std {pitch / 8:.0f})"
    melody += " (model_f0_mean 170) (model_f0_std 34)"
    how = ["-eval", f"(voice_{name})", "-eval", f"(Parameter.set 'Duration_Stretch {1 / pace:.3f})"]
    how += ["-eval", f"(set! int_lr_params '({melody}))"]
    return _run(["text2wave", *how], word.encode())


def _run(command: list[str], given: bytes = b"") -> bytes:
    """What an engine writes. Raises SpeechnetError with what it says if that is nothing."""
    try:
        # In a session of its own, for Ctrl-C is for us: the clip at work gets whole.
        done = subprocess.run(
            command, input=given, capture_output=True, timeout=PATIENCE, start_new_session=True
        )
    except subprocess.TimeoutExpired:
        raise SpeechnetError(f"nothing came in {PATIENCE} seconds") from None
    except OSError as error:
        raise SpeechnetError(f"it does not start: {error.strerror}") from error
    if done.returncode or not done.stdout:
        told = " ".join(done.stderr.decode(errors="replace").split())
        raise SpeechnetError(told or "no sound came")
    return done.stdout


def synthesize(
    words: Sequence[str],
    folder: Path,
    *,
    clips: int,
    language: str = "en",
    engines: Collection[str] = tuple(ENGINES),
    seed: int = 0,
    progress: Callable[[float], object] = lambda share: None,
) -> int:
    """Make `clips` clips of each word in FOLDER/WORD/; those that are there already stay.

    The same seed draws the same voices of the same engines. progress: is told the share that is
    done. Returns how many were made. Raises SpeechnetError if no engine is installed, one cannot
    say a word or the disk does not take it; what was made until then is whole and stays.
    """
    known = voices(language, engines)
    folders = {word_of(writing.name(word, "word")): word for word in words}
    if SILENCE in folders:
        raise SpeechnetError("clips of silence hold no speech: no engine can say them")
    _mark(folder, {voice.engine for voice in known})

    def make(job: tuple[str, int]) -> bool:
        place, number = job
        word = folders[place]
        rng = np.random.default_rng([seed, number, *word.encode()])
        voice = _voice(word, known, rng)
        speaker = f"{voice.engine}-{voice.name}".replace("_", "-")
        path = folder / place / f"{speaker}_nohash_{number}.flac"
        if path.exists():
            return False
        writing.write(path, _cut(word, voice, say(word, voice, rng)))
        return True

    jobs = list(itertools.product(folders, range(clips)))
    made = 0
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for at, new in enumerate(pool.map(make, jobs), 1):
            made += new
            progress(at / len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)
    return made


def _voice(word: str, known: Sequence[Voice], rng: Rng) -> Voice:
    """One of those that can say it: the English engines leave letters out or crash if not ASCII."""
    able = known if word.isascii() else [one for one in known if one.engine == "espeak-ng"]
    if not able:
        raise SpeechnetError(f"only espeak-ng can say {word!r}: install it")
    return able[int(rng.integers(len(able)))]


def _mark(folder: Path, engines: Iterable[str]) -> None:
    """Say in the folder what is in it, by these engines and by those of calls before."""
    mark = folder / MARK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = mark.read_text("utf-8", "replace") if mark.exists() else ""
        names = ", ".join(sorted({*engines, *(name for name in ENGINES if name in before)}))
        mark.write_text(
            f"Clips whose names begin with that of a speech engine ({names}) were made by it, with"
            "\nspeechnet say. They are to learn from, never for a test: nobody talks like that.\n",
            "utf-8",
        )
    except OSError as error:
        raise SpeechnetError(f"cannot write into {folder}: {error.strerror}") from error


def listed(name: str) -> list[str]:
    """The words of a list in speechnet/lists, in their order. Raises SpeechnetError if unknown."""
    try:
        text = (resources.files("speechnet") / "lists" / f"{name}.txt").read_text("utf-8")
    except FileNotFoundError as error:
        raise SpeechnetError(f"there is no list of words called {name}") from error
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return list(dict.fromkeys(word for line in lines for word in line.split()))


def _cut(word: str, voice: Voice, data: bytes) -> audio.Floats:
    """The sound of a WAV file without the quiet around the word."""
    # Engines write to a pipe and cannot know the length that a WAV file begins with.
    try:
        wave = audio.read(data).samples
    except SpeechnetError:  # a header alone
        wave = np.zeros(1, np.float32)
    loud = np.flatnonzero(np.abs(wave) > QUIET * np.abs(wave).max())
    if not len(loud):
        raise SpeechnetError(
            f"{voice.engine} cannot say {word!r} as {voice.name}: nothing is to be heard"
        )
    return wave[loud[0] : loud[-1] + 1]
