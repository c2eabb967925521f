"""Training: clips of words, noise and a recipe -> a word network.

`common.trainer` runs the loop; here is what is speech about it: which clip is asked for how often,
the loss, the validation.
"""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from common import runs
from common.config import TrainConfig
from common.device import join
from common.export import load_weights
from common.trainer import Trainer
from speechnet.clips.words import Clip
from speechnet.errors import SpeechnetError
from speechnet.hearing.spotting import IGNORED
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.network import Lesson, NetworkConfig, WordNetwork
from speechnet.sound.spectrogram import FrontEnd, log_mel
from speechnet.sound.windows import evaluation_window
from speechnet.training.augment import Augment
from speechnet.training.noise import Noise
from speechnet.training.sampling import Sampler

NOTHING = 4
"""How many times less a frame counts after which no word has ended."""

STAGES = ("words", "spotter")
"""Of a run, by the names of their folders."""

SYNTHETIC = 0.25
"""Share of a class that is synthetic where it has such clips: it helps, but nobody talks so."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is made: its words, its shape, its batches, its training. One TOML file."""

    name: str
    words: tuple[str, ...]
    network: NetworkConfig
    augment: Augment
    train: TrainConfig
    spotter: TrainConfig
    front: Mapping[str, int]
    batch: int = 128
    smoothing: float = 0.05  # share of the target that is spread over all classes

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes: the words, then what is none of them, then no speech at all."""
        return (*self.words, UNKNOWN, SILENCE)


def recipe(name: str) -> Recipe:
    """A recipe for training from nothing, named as for `recipe_text`.

    Raises SpeechnetError for an unknown name, and for a setting that there is not.
    """
    try:
        values = tomllib.loads(recipe_text(name))
        return Recipe(
            name=Path(name).stem,
            words=tuple(values.pop("words")),
            network=NetworkConfig(**values.pop("network", {})),
            augment=Augment(**values.pop("augment", {})),
            train=TrainConfig(**values.pop("train")),
            spotter=TrainConfig(**values.pop("spotter")),
            front=values.pop("front", {}),
            **values,
        )
    except KeyError as error:
        raise SpeechnetError(f"recipe {name} does not say {error.args[0]}") from error
    except (TypeError, ValueError) as error:
        raise SpeechnetError(f"recipe {name}: {error}") from error


def recipe_text(name: str) -> str:
    """Of a recipe of the package by its name, or of one of the user's by the path of its file.

    Raises SpeechnetError if it cannot be read.
    """
    path = Path(name)
    shipped = resources.files("speechnet") / "recipes" / f"{name}.toml"
    try:
        return path.read_text("utf-8") if path.suffix == ".toml" else shipped.read_text("utf-8")
    except FileNotFoundError as error:
        told = f"there is no recipe {name}: name base, own or a .toml file"
        raise SpeechnetError(told) from error
    except OSError as error:
        raise SpeechnetError(f"cannot read the recipe {name}: {error.strerror}") from error


@dataclass(frozen=True)
class Data:
    """What there is to learn from, and to choose by.

    clips, synthetic, validation: of real people, of machines, and of people not among `clips`.
    noise, validation_noise: without speech; other recordings, or other parts of them.
    """

    clips: Sequence[Sequence[Clip]]
    synthetic: Sequence[Sequence[Clip]]
    validation: Sequence[Clip]
    noise: Noise
    validation_noise: Sequence[NDArray[np.float32]]


def loss(lesson: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy in nats of the heads that are taught, and what it is made of.

    The clips' targets may be mixed; "accuracy" is how often the likeliest word is the right one. Of
    the frames, most of which come after no word's end, those that do count NOTHING times less.
    """
    clips, frames = lesson(batch["mel"], batch["window"])
    parts: list[Tensor] = []
    seen: dict[str, Tensor] = {}
    if clips is not None:
        target = batch["target"]
        parts.append(functional.cross_entropy(clips.float(), target))
        seen["accuracy"] = (clips.argmax(dim=1) == target.argmax(dim=1)).float().mean()
    if frames is not None:
        count = frames.new_ones(frames.shape[-1], dtype=torch.float32)
        count[-1] = 1 / NOTHING
        seen["spotted"] = functional.cross_entropy(
            frames.float().flatten(0, 1), batch["ended"].flatten(), count, ignore_index=IGNORED
        )
        parts.append(seen["spotted"])
    return torch.stack(parts).sum(), seen


def weights(data: Data, labels: Sequence[str]) -> tuple[list[Clip], NDArray[Any], NDArray[Any]]:
    """All clips, the class of each, and how often it is asked for within its class.

    Every source counts by the square root of its clips of a word, so that a word's few real clips
    are not lost among many others, and a rare word not among the common ones that are `unknown`.
    Raises SpeechnetError if there is a word without clips.
    """
    index = {label: number for number, label in enumerate(labels)}
    clips: list[Clip] = []
    parts = []
    for kind in (data.clips, data.synthetic):
        share: list[float] = []
        for source in kind:
            many = Counter(clip.word for clip in source)
            clips += source
            share += [1 / math.sqrt(many[clip.word]) for clip in source]
        parts.append(np.array(share))
    classes = np.array([index.get(clip.word, index[UNKNOWN]) for clip in clips])
    missing = [label for label in labels[:-2] if index[label] not in classes]
    if missing:
        raise SpeechnetError(f"there are no clips of {', '.join(missing)} to learn from")
    real, synthetic = (
        part / np.bincount(of, part, len(labels))[of]
        for part, of in zip(parts, np.split(classes, [len(parts[0])]), strict=True)
    )
    return clips, classes, np.concatenate([real * (1 - SYNTHETIC), synthetic * SYNTHETIC])


def sampler(
    data: Data,
    labels: Sequence[str],
    front: FrontEnd,
    *,
    augment: Augment,
    batch: int,
    seed: int,
    smoothing: float,
) -> Sampler:
    """The batches of a data set. Raises SpeechnetError if there is a word without clips."""
    clips, classes, share = weights(data, labels)
    return Sampler(
        clips=[clip.samples for clip in clips],
        classes=classes,
        weights=share,
        noise=data.noise,
        augment=augment,
        front=front,
        labels=labels,
        batch=batch,
        seed=seed,
        smoothing=smoothing,
    )


def validator(data: Data, labels: Sequence[str], front: FrontEnd) -> Any:
    """A function of the network: how well it hears the validation clips."""
    index = {label: number for number, label in enumerate(labels)}
    windows = [evaluation_window(clip.samples) for clip in data.validation]
    truth = [index.get(clip.word, index[UNKNOWN]) for clip in data.validation]
    windows += list(data.validation_noise)
    truth += [index[SILENCE]] * len(data.validation_noise)
    mel = torch.from_numpy(log_mel(np.stack(windows), front))
    target = torch.tensor(truth)
    classes = sorted(set(truth))

    @torch.no_grad()
    def validate(lesson: nn.Module) -> dict[str, float]:
        network: nn.Module = lesson.network  # type: ignore[assignment]
        device = next(network.parameters()).device
        logits = torch.cat(
            [network(part.to(device)).float().cpu() for part in torch.split(mel, 256)]
        )
        right = logits.argmax(dim=1) == target
        recall = {which: right[target == which].float().mean().item() for which in classes}
        noise = logits[target == index[SILENCE]].argmax(dim=1) < index[UNKNOWN]
        nats = functional.cross_entropy(logits, target, reduction="none")
        return {
            "balanced": sum(recall.values()) / len(recall),
            "words": float(np.mean([recall[w] for w in classes if w < index[UNKNOWN]])),
            "unknown": recall.get(index[UNKNOWN], 0.0),
            "noise as word": noise.float().mean().item() if len(noise) else 0.0,
            "nats": sum(nats[target == which].mean().item() for which in classes) / len(classes),
        }

    return validate


def train(
    made: Recipe, data: Data, folder: Path, *, device: str = "cpu", initial: Path | None = None
) -> dict[str, float]:
    """Train by a recipe, or go on with what is in `folder`: first what reads clips, then the
    spotter. Returns the steps done, and how well the validation clips are heard.

    initial: weights of another network to start from, as far as they fit: a word that both have
    keeps its weights. Raises Stopped when interrupted.
    """
    labels = made.labels
    front = FrontEnd.make(**made.front)
    batches = sampler(
        data, labels, front, augment=made.augment, batch=made.batch, seed=made.train.seed,
        smoothing=made.smoothing,
    )  # fmt: skip
    rng = torch.Generator().manual_seed(made.train.seed)
    network = WordNetwork(made.network, bands=front.bands, labels=labels, rng=rng)
    if initial is not None:
        network.take(*load_weights(initial))
    describe(made, data, front, folder)
    validate = validator(data, labels, front)
    with join(device):  # once for both: the processes of torchrun do not find each other again
        words = Trainer(
            Lesson(network, teaches=("frames", "head")),
            loss, batches, made.train, folder / STAGES[0], validate=validate, device=device,
        ).run()  # fmt: skip
        # The averaged weights go on. The frames stay as they are: the spotter then costs a third,
        # and takes nothing from how clips are heard.
        taught: WordNetwork = words.network.network  # type: ignore[assignment]
        spotter = Trainer(
            Lesson(taught, teaches=("spotter",)),
            loss, batches, made.spotter, folder / STAGES[1], device=device,
        ).run()  # fmt: skip
    return {"step": words.step + spotter.step, **words.validation}


def describe(made: Recipe, data: Data, front: FrontEnd, folder: Path) -> None:
    """Write FOLDER/run.json: what `speechnet export` says in the model files. Raises CommonError as
    `runs.describe`."""
    real = [clip for source in data.clips for clip in source]
    facts = {
        "recipe": settings(made),
        "labels": list(made.labels),
        "front": front.to_facts(),
        "data": {
            "clips": len(real),
            "speakers": len({clip.speaker for clip in real}),
            "words": dict(sorted(Counter(clip.word for clip in real).items())),
            "synthetic": sum(len(source) for source in data.synthetic),
        },
    }
    runs.describe(folder, facts, free=("recipe.name", "recipe.train", "recipe.spotter"))


def settings(made: Recipe) -> dict[str, Any]:
    """A recipe as JSON can hold it, for the facts of a model file."""
    return {
        "name": made.name,
        "words": list(made.words),
        "batch": made.batch,
        "smoothing": made.smoothing,
        "network": {**asdict(made.network), "channels": list(made.network.channels)},
        "augment": asdict(made.augment),
        "train": made.train.as_dict(),
        "spotter": made.spotter.as_dict(),
        "front": dict(made.front),
    }
