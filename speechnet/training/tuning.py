"""Tuning: the shipped network -> one that knows somebody's own words, from a few clips of each.

First the heads learn with the per-frame part as it is, which has heard more voices than anybody
can record; then all of it goes on together, slowly. Before that the clips are cross-validated: the
head that reads clips is tuned on some of the speakers and asked about the others, in turn.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from common import checkpoint
from common.config import TrainConfig
from common.trainer import Trainer
from speechnet.clips.words import Clip
from speechnet.errors import SpeechnetError
from speechnet.hearing.classifier import model_folder
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.network import PARTS, Lesson, NetworkConfig, WordNetwork
from speechnet.sound.spectrogram import FrontEnd, log_mel
from speechnet.sound.windows import evaluation_window
from speechnet.training.augment import Augment
from speechnet.training.export import read_weights
from speechnet.training.noise import Noise
from speechnet.training.train import Data, loss, recipe_text, sampler

Floats = NDArray[np.float32]
Say = Callable[[str], object]

STAGES = ("check", "heads", "all")

USUAL = 5
"""Words for which the recipe's steps are."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How it is done; see `recipes/own.toml`."""

    augment: Augment
    check: TrainConfig
    heads: TrainConfig
    all: TrainConfig
    batch: int
    smoothing: float
    folds: int
    longest: float
    false_alarms_per_hour: float
    scenes: float

    @classmethod
    def load(cls, name: str = "own", steps: int | None = None) -> Tuning:
        """A recipe, named as for `recipe_text`; steps: of each stage, instead of what it says.

        Raises SpeechnetError for an unknown name, and for a setting that is none.
        """
        try:
            values = tomllib.loads(recipe_text(name))
            stages: Any = {name: TrainConfig(**values.pop(name)) for name in STAGES}
            if steps is not None:
                few = {"steps": steps, "warm_up": min(steps // 4, 20)}
                stages = {name: replace(stage, **few) for name, stage in stages.items()}
                values["longest"] = 0.0
            return cls(augment=Augment(**values.pop("augment", {})), **stages, **values)
        except KeyError as error:
            raise SpeechnetError(f"recipe {name} does not say {error.args[0]}") from error
        except (TypeError, ValueError) as error:
            raise SpeechnetError(f"recipe {name}: {error}") from error

    def steps(self, stage: TrainConfig, words: int) -> TrainConfig:
        """A stage for so many words: more of them take longer."""
        share = min(self.longest, max(1.0, (words + 3) / (USUAL + 3))) or 1.0
        return replace(stage, steps=round(stage.steps * share))


@dataclass(frozen=True, eq=False)
class Base:
    """The network to start from."""

    weights: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    front: FrontEnd

    @classmethod
    def load(cls, folder: Path | None = None) -> Base:
        """The shipped one, or that of another model. Raises CommonError if it is damaged."""
        with model_folder(folder) as place:
            found, facts = read_weights(place)
        return cls(found, facts, FrontEnd.from_facts(facts["front"]))

    def network(self, labels: Sequence[str], seed: int = 0) -> WordNetwork:
        """One for other words, which knows all that does not hang on the words."""
        rng = torch.Generator().manual_seed(seed)
        config = NetworkConfig(**self.facts["recipe"]["network"])
        network = WordNetwork(config, bands=self.front.bands, labels=labels, rng=rng)
        network.take(self.weights, self.facts)
        return network


@dataclass(frozen=True, eq=False)
class Checked:
    """What the cross-validation gave: for each clip the logits of a network that had not learnt
    from its speaker, [clip, class], and its class."""

    clips: Sequence[Clip]
    labels: tuple[str, ...]
    logits: Floats
    truth: NDArray[np.int64]

    @property
    def answers(self) -> NDArray[np.int64]:
        """The likeliest class of each clip."""
        return np.asarray(self.logits.argmax(axis=1))

    @property
    def recall(self) -> dict[str, float]:
        """Share of right answers by class, for those that have clips."""
        right = self.answers == self.truth
        return {
            label: float(right[self.truth == which].mean())
            for which, label in enumerate(self.labels)
            if (self.truth == which).any()
        }

    @property
    def balanced(self) -> float:
        """The mean of the recalls, of `unknown` too."""
        return float(np.mean(list(self.recall.values())))


def labels_of(clips: Sequence[Clip]) -> tuple[str, ...]:
    """The classes that folders of clips ask for. Raises SpeechnetError if they are too few."""
    many = Counter(clip.word for clip in clips)
    words = sorted(set(many) - {UNKNOWN, SILENCE})
    if not words:
        raise SpeechnetError("there are no words to learn: put clips into folders called like them")
    few = [word for word in words if many[word] < FEWEST]
    if few:
        raise SpeechnetError(
            f"{few[0]} has {many[few[0]]} clips: record at least {FEWEST} of each word, better 20"
        )
    return (*words, UNKNOWN, SILENCE)


FEWEST = 4
"""Clips without which a word cannot be learnt and tried."""


def folds_of(clips: Sequence[Clip], folds: int) -> NDArray[np.int64]:
    """A fold for each clip: no speaker in two of them, and of every word some clips in each.

    Speakers with many clips are dealt out first, each to the fold that has least of his words.
    Where there are fewer speakers than folds, every clip stands for itself.
    """
    alone = len({clip.speaker for clip in clips}) < folds
    who = [clip.name if alone else clip.speaker for clip in clips]
    index = {word: at for at, word in enumerate(sorted({clip.word for clip in clips}))}
    of: dict[str, NDArray[np.float64]] = {}
    for clip, name in zip(clips, who, strict=True):
        of.setdefault(name, np.zeros(len(index)))[index[clip.word]] += 1
    total = sum(of.values(), np.zeros(len(index)))
    held = np.zeros((folds, len(index)))
    chosen: dict[str, int] = {}
    for speaker in sorted(of, key=lambda one: (-of[one].sum(), one)):
        after = (held + of[speaker]) / total
        cost = np.square(after).sum(axis=1) - np.square(held / total).sum(axis=1)
        chosen[speaker] = int(cost.argmin())
        held[chosen[speaker]] += of[speaker]
    return np.array([chosen[name] for name in who])


def check(
    base: Base, own: Sequence[Clip], others: Sequence[Clip], noise: Noise, how: Tuning,
    folder: Path, say: Say,
) -> Checked:  # fmt: skip
    """Cross-validate. own: the user's clips; others: of the bank, which are `unknown`."""
    labels = labels_of(own)
    clips = [*own, *others]
    fold = np.concatenate([folds_of(own, how.folds), folds_of(others, how.folds)])
    truth = np.array([labels.index(c.word) if c.word in labels else len(labels) - 2 for c in clips])
    mel = log_mel(np.stack([evaluation_window(clip.samples) for clip in clips]), base.front)
    logits = np.zeros((len(clips), len(labels)), np.float32)
    stage = how.steps(how.check, len(labels) - 2)
    for number in range(how.folds):
        say(f"cross-validation {number + 1} of {how.folds}")
        held = fold == number
        network = base.network(labels)
        part = [[c for c, out in zip(clips, held, strict=True) if not out]]
        _stage(network, base, Data(part, [], [], noise, []), how, stage,
               folder / f"check-{number + 1}", teaches=("head",))  # fmt: skip
        logits[held] = _answers(network, mel[held])
    return Checked(clips, labels, logits, truth)


def tune(
    base: Base, own: Sequence[Clip], others: Sequence[Clip], noise: Noise, how: Tuning,
    folder: Path, say: Say,
) -> WordNetwork:  # fmt: skip
    """The network for the user's words. Raises Stopped when interrupted; the same goes on."""
    labels = labels_of(own)
    network = base.network(labels)
    data = Data([own, others], [], [], noise, [])
    for name, stage in (("heads", how.heads), ("all", how.all)):
        say("learning: " + ("the heads" if name == "heads" else "all of the network"))
        stage = how.steps(stage, len(labels) - 2)
        _stage(
            network,
            base,
            data,
            how,
            stage,
            folder / name,
            teaches=PARTS if name == "all" else PARTS[1:],
        )
    return network


def _stage(
    network: WordNetwork, base: Base, data: Data, how: Tuning, stage: TrainConfig, folder: Path,
    *, teaches: Sequence[str],
) -> None:  # fmt: skip
    """Train, or go on; the network then has the averaged weights."""
    batches = sampler(
        data, network.labels, base.front, augment=how.augment, batch=how.batch, seed=stage.seed,
        smoothing=how.smoothing,
    )  # fmt: skip
    taught = Lesson(network, teaches=teaches, settled=True)
    Trainer(taught, loss, batches, stage, folder).run()
    found = checkpoint.latest(folder)
    if found is None:
        raise SpeechnetError(f"{folder} holds no checkpoint although it was trained: try again")
    taught.load_state_dict(found.ema or found.weights)
    network.requires_grad_(True).eval()


@torch.no_grad()
def _answers(network: WordNetwork, mel: Floats) -> Floats:
    parts = torch.split(torch.from_numpy(mel), 128)
    logits: Floats = torch.cat([network(part) for part in parts]).numpy()
    return logits
