"""On people that the network has never heard: python -m pytest -m slow tests/speechnet -s

Needs the held-out clips, `../shared/data/speech`; skipped where they are not.
"""

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

import speechnet
from speechnet.clips.words import Clip, read_clips
from speechnet.hearing.classifier import Classifier
from speechnet.sound import audio
from speechnet.sound.audio import Floats

DATA = Path(__file__).parents[3] / "shared" / "data" / "speech" / "commands" / "test.tar"
COMMANDS = "yes no up down left right on off stop go".split()  # noqa: SIM905

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.exists(), reason="the held-out clips are not here"),
]


@cache
def commands() -> list[Clip]:
    return [clip for clip in read_clips(DATA).clips if clip.word in COMMANDS]


def balanced(classifier: Classifier, change: Callable[[Floats], Floats]) -> float:
    """Mean recall of the ten commands; the network may answer anything."""
    hits: dict[str, list[bool]] = {}
    for clip in commands():
        wave = change(clip.samples.astype(np.float32) / 32768)
        hits.setdefault(clip.word, []).append(classifier.classify(wave, top=1).word == clip.word)
    return float(np.mean([np.mean(found) for found in hits.values()]))


def coded(kind: str, subtype: str, rate: int = 16_000) -> Callable[[Floats], Floats]:
    def change(wave: Floats) -> Floats:
        out = io.BytesIO()
        sent = wave if rate == 16_000 else soxr.resample(wave, 16_000, rate)
        soundfile.write(out, sent, rate, format=kind, subtype=subtype)
        return audio.read(out.getvalue()).samples[:16_000]

    return change


def louder(decibels: float) -> Callable[[Floats], Floats]:
    return lambda wave: np.clip(wave * np.float32(10 ** (decibels / 20)), -1, 1)


CHANGES = {
    "mp3": coded("MP3", "MPEG_LAYER_III"),
    "vorbis": coded("OGG", "VORBIS"),
    "opus": coded("OGG", "OPUS"),
    "adpcm": coded("WAV", "IMA_ADPCM"),
    "mu-law": coded("WAV", "ULAW"),
    "-20 dB": louder(-20),
    "-10 dB": louder(-10),
    "+10 dB": louder(10),
}


@pytest.fixture(scope="module")
def plain() -> float:
    return balanced(speechnet.load(), lambda wave: wave)


@pytest.mark.parametrize("name", CHANGES)
def test_neither_code_nor_loudness_makes_the_word(plain: float, name: str) -> None:
    changed = balanced(speechnet.load(), CHANGES[name])
    print(f"{name}: {changed:.3f}, plain {plain:.3f}")  # noqa: T201
    assert abs(changed - plain) < 0.02


def test_a_telephone_costs_little(plain: float) -> None:
    changed = balanced(speechnet.load(), coded("WAV", "GSM610", 8_000))
    print(f"GSM at 8 kHz: {changed:.3f}, plain {plain:.3f}")  # noqa: T201
    assert plain - changed < 0.05


def test_the_ten_commands_are_heard_from_people_never_heard(plain: float) -> None:
    print(f"ten commands: {plain:.3f}")  # noqa: T201
    assert plain > 0.9
