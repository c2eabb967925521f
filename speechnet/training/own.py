"""Own words: somebody's clips -> a model that knows them, and what may be expected of it.

Here is the order of it: look the clips over, cross-validate, tune, calibrate, choose the threshold.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speechnet.clips import bank
from speechnet.clips.synthesis import is_synthetic
from speechnet.clips.words import Clip
from speechnet.clips.words import split as split_speakers
from speechnet.hearing.detector import Detector
from speechnet.judging.detection import Counts
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.sound.windows import WINDOW
from speechnet.training import choosing, export, review, tuning
from speechnet.training.noise import Noise, recordings, split
from speechnet.training.scenes import Stage

WORK = ".speechnet-training"
"""Folder in the model's for what is only there while it is made. Nobody's clips lie in it: hidden
files are never read as such."""

KEPT = 0.25
"""Share of the bank's speakers that the network never hears: the threshold is chosen by them."""


@dataclass(frozen=True)
class Made:
    """What came out. recall: by word, cross-validated; balanced: their mean, unknown too, with the
    interval of 95% around it. by: who the networks that were asked had not heard. counts: of the
    detector on recordings put together from the clips. suspicious: clip, what it sounds like."""

    folder: Path
    words: tuple[str, ...]
    clips: int
    by: str
    balanced: float
    interval: tuple[float, float]
    recall: dict[str, float]
    suspicious: tuple[tuple[str, str], ...]
    threshold: float
    counts: Counts
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "folder": str(self.folder),
            "words": list(self.words),
            "clips": self.clips,
            "held_out": self.by,
            "balanced": round(self.balanced, 4),
            "interval": [round(one, 4) for one in self.interval],
            "recall": {word: round(share, 4) for word, share in self.recall.items()},
            "suspicious": [list(one) for one in self.suspicious],
            "threshold": self.threshold,
            "false_alarms_per_hour": round(self.counts.false_alarms_per_hour, 2),
            "misses": round(self.counts.misses / max(1, self.counts.words), 4),
            "seconds": round(self.seconds, 1),
        }

    def text(self) -> str:
        """For people."""
        low, high = self.interval
        lines = [
            f"{self.folder}: {len(self.words)} words from {self.clips} clips in"
            f" {self.seconds:.0f} s",
            f"Cross-validated on {self.by} that the network had not heard:"
            f" {self.balanced:.0%} right (95%: {low:.0%} to {high:.0%})",
            *(f"  {word:12} {share:4.0%}" for word, share in self.recall.items()),
            "In recordings put together from these clips, others and noise, of which words miss"
            f" {self.counts.misses / max(1, self.counts.words):.0%}, false alarms an hour"
            f" {self.counts.false_alarms_per_hour:.0f}, at the threshold {self.threshold:.2f}",
        ]
        return "\n".join(lines)


def teach(
    clips: Sequence[Clip],
    folder: Path,
    *,
    noise: Path | None = None,
    synthetic: Sequence[Clip] = (),
    recipe: str = "own",
    base: Path | None = None,
    steps: int | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> Made:
    """Tune a network to the words of the clips and write its model into `folder`.

    clips: of words; those of `unknown` are other words, those of `silence` the room. noise: a
    folder of recordings without speech. synthetic: clips by speech engines, to learn from alone.
    recipe: its name, or a .toml file. base: another model's folder to start from. steps: of each
    stage, instead of the recipe's. say: is told what is wrong with the clips and what goes on.
    Stopped and called again, it goes on where it was.
    Raises SpeechnetError if the clips cannot be learnt from.
    """
    start = time.monotonic()
    how, network = tuning.Tuning.load(recipe, steps), tuning.Base.load(base)
    # What a machine has said is learnt from, and counted nowhere.
    synthetic = [*synthetic, *filter(is_synthetic, clips)]
    own = [clip for clip in clips if clip.word != SILENCE and not is_synthetic(clip)]
    labels = tuning.labels_of(own)
    for sentence in review.faults(own):
        say(sentence)
    learnt, kept = split_speakers(bank.others(labels), KEPT)
    background = _noise(clips, noise)
    known = [*own, *synthetic, *learnt]
    work = folder / WORK / _digest((how, network.facts.get("run")), known, background)
    checked = tuning.check(network, own, learnt, background, how, work, say)
    suspicious = review.mislabelled(checked)
    for clip, word, chance in suspicious:
        say(f"{clip.name} sounds like {word} ({chance:.0%}): listen to it")
    made = tuning.tune(network, [*own, *synthetic], learnt, background, how, work, say)
    say("choosing the threshold")
    facts = _facts(made, network, own, checked, how)
    draft = work / "model"  # what lies in `folder` stays as it is until all is known
    export.write(made, network.front, draft, facts)
    stage = Stage([*own, *kept], labels[:-2], background)
    about = f"{how.scenes:g} minutes put together from the clips, other words and noise"
    facts["detection"], counts = _detection(draft, stage, how, about)
    export.write(made, network.front, folder, facts)
    shutil.rmtree(folder / WORK)
    low, high = interval(checked)
    return Made(
        folder=folder, words=labels[:-2], clips=len(own), by=_by(own, how.folds),
        balanced=checked.balanced, interval=(low, high), recall=checked.recall,
        suspicious=tuple((clip.name, word) for clip, word, _ in suspicious),
        threshold=facts["detection"]["threshold"], counts=counts,
        seconds=time.monotonic() - start,
    )  # fmt: skip


def interval(checked: tuning.Checked, draws: int = 1000) -> tuple[float, float]:
    """95% around the balanced accuracy, by drawing the speakers anew (bootstrap, Efron 1979)."""
    right = checked.answers == checked.truth
    speakers: dict[str, list[int]] = {}
    for at, clip in enumerate(checked.clips):
        speakers.setdefault(clip.speaker, []).append(at)
    groups = [np.array(one) for one in speakers.values()]
    hits = np.array([np.bincount(checked.truth[g], right[g], len(checked.labels)) for g in groups])
    many = np.array([np.bincount(checked.truth[g], minlength=len(checked.labels)) for g in groups])
    rng = np.random.default_rng(0)
    times = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), size=draws)
    with np.errstate(invalid="ignore"):
        recall = (times @ hits) / (times @ many)
    balanced = np.nanmean(recall[:, many.sum(axis=0) > 0], axis=1)
    low, high = np.quantile(balanced, [0.025, 0.975])
    return float(low), float(high)


def _digest(how: object, clips: Sequence[Clip], noise: Noise) -> str:
    """A name for what is learnt from and how: training goes on only where nothing has changed."""
    digest = hashlib.sha256(repr(how).encode())
    for clip in clips:
        digest.update(f"{clip.word}/{clip.name}/{clip.speaker}".encode("utf-8", "surrogateescape"))
        digest.update(clip.samples.tobytes())
    for recording in noise.recorded:
        digest.update(recording.tobytes())
    return digest.hexdigest()[:16]


def _noise(clips: Sequence[Clip], folder: Path | None) -> Noise:
    """What is laid behind the words: recordings, clips of `silence`, and made sounds."""
    rooms = [clip.samples for clip in clips if clip.word == SILENCE]
    # Short ones are heard over and over: a recorder that cuts at a second often cuts before.
    recorded = [one if len(one) >= WINDOW else np.resize(one, WINDOW) for one in rooms]
    recorded += split(recordings(folder))[0] if folder else []
    return Noise(recorded)


def _facts(
    made: Any, base: tuning.Base, own: Sequence[Clip], checked: tuning.Checked, how: tuning.Tuning
) -> dict[str, Any]:
    """What the model files say of themselves."""
    known = [clip for clip in own if clip.word != UNKNOWN]
    return {
        "labels": list(made.labels),
        "front": base.front.to_facts(),
        "recipe": {"name": "own", "network": base.facts["recipe"]["network"]},
        "parameters": sum(parameter.numel() for parameter in made.parameters()),
        "licence": "of whoever made the clips; the network it comes from is Apache-2.0",
        "from": base.facts.get("run", ""),
        "run": export.digest(made.state_dict()),
        "data": {
            "clips": len(own),
            "speakers": len({clip.speaker for clip in known}),
            "words": {w: sum(clip.word == w for clip in known) for w in made.labels[:-2]},
        },
        "cross-validation": {"balanced": round(checked.balanced, 4), "recall": checked.recall},
        **export.calibrated(checked.logits, checked.truth, len(checked.labels)),
    }


def _detection(
    folder: Path, stage: Stage, how: tuning.Tuning, about: str
) -> tuple[dict[str, Any], Counts]:
    found, counts = choosing.on_scenes(
        Detector.load(folder), stage, minutes=how.scenes, about=about,
        false_alarms_per_hour=how.false_alarms_per_hour,
    )  # fmt: skip
    return found.to_facts(), counts


def _by(own: Sequence[Clip], folds: int) -> str:
    """Whom the cross-validation held out."""
    speakers = len({clip.speaker for clip in own})
    return f"speakers ({speakers} in all)" if folds <= speakers < len(own) else "clips"
