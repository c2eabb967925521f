"""Training an image CNN on a person's own pictures: the recipe, the batches, what is measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from common import warp
from common.images import ImageCNN
from common.labelled import Collection, Labelled
from common.trainer import Result, TrainConfig, Trainer, best_network
from common.warp import Warp

FILTERS = ((48, 48), (96, 96), (192, 192))
BENT = Warp(rotate=10, scale=0.15, stretch=0.1, shift=0.1, shear=0.1)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How pictures are learnt, chosen on 370 of CIFAR-10's small set that were held back.

    batch: pictures a step. filters: see `ImageCNN`. mirrored: a picture seen in a mirror is as
    good. bend: how far pictures are warped; light: how far their light changes; erase: the side of
    the square that is hidden, as a share.
    """

    batch: int = 128
    filters: Sequence[Sequence[int]]
    dropout: float = 0.3
    mirrored: bool = True
    bend: Warp = BENT
    light: float = 0.3
    erase: float = 0.5
    train: TrainConfig

    @classmethod
    def default(cls, steps: int = 4000, *, mirrored: bool = True, seed: int = 0) -> Recipe:
        return cls(
            filters=FILTERS,
            mirrored=mirrored,
            train=TrainConfig(
                steps=steps, peak_rate=4e-3, optimizer="muon", weight_decay=0.02,
                schedule="trapezoid", warm_up=50, decay_share=0.5, ema=0.995, validate_every=200,
                log_every=20, checkpoint_every=60, best="accuracy", seed=seed,
            ),
        )  # fmt: skip

    def beside(self) -> dict[str, Any]:
        """All but what the trainer is told."""
        return {name: value for name, value in asdict(self).items() if name != "train"}


def train(recipe: Recipe, collection: Collection, folder: Path, *, device: str = "cpu") -> Result:
    """Learn, or go on learning in `folder`. Raises as `Trainer.run` does."""
    rng = torch.Generator().manual_seed(recipe.train.seed)
    network = ImageCNN(
        collection.labels, channels=3, size=collection.train.pictures.shape[2:],
        filters=recipe.filters, hidden=0, norm=True, dropout=recipe.dropout, average=True, rng=rng,
    )  # fmt: skip
    make = partial(batch, collection.train, recipe)
    validate = partial(measure, labelled=collection.validation)
    identity = {
        "labels": collection.labels, "size": network.size, **recipe.beside(),
        "pictures": collection.train.pictures, "classes": collection.train.classes,
        "validation": collection.validation.pictures,
    }  # fmt: skip
    return Trainer(
        network, loss, make, recipe.train, folder, validate=validate, device=device,
        identity=identity,
    ).run()  # fmt: skip


def batch(labelled: Labelled, recipe: Recipe, index: int) -> dict[str, Tensor]:
    """Micro-batch `index`: pictures at random, each as it might have been taken otherwise."""
    rng = torch.Generator().manual_seed(recipe.train.seed * 1_000_003 + index)
    chosen = torch.randint(len(labelled), (recipe.batch,), generator=rng).numpy()
    shown = torch.from_numpy(labelled.pictures[chosen]).float() / 255
    if recipe.mirrored:
        shown = warp.flipped(shown, rng)
    shown = warp.warped(shown, recipe.bend, rng, outside="reflection")
    shown = warp.erased(warp.lit(shown, recipe.light, rng), recipe.erase, rng)
    return {"pictures": shown, "classes": torch.from_numpy(labelled.classes[chosen])}


def loss(network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy, and the share of pictures in their right class."""
    logits = network(batch["pictures"]).float()
    hits = (logits.argmax(1) == batch["classes"]).float().mean()
    return functional.cross_entropy(logits, batch["classes"], label_smoothing=0.1), {
        "accuracy": hits
    }


def measure(network: nn.Module, labelled: Labelled) -> dict[str, float]:
    """accuracy: the share in the right class; nats: the mean surprise at the right one."""
    like = next(network.parameters())
    right, surprise = 0.0, 0.0
    for start in range(0, len(labelled), 250):
        some = slice(start, start + 250)
        shown = torch.from_numpy(labelled.pictures[some]).to(like.device).float() / 255
        classes = torch.from_numpy(labelled.classes[some]).to(like.device)
        with torch.no_grad():
            logits = network(shown).float()
        right += float((logits.argmax(1) == classes).sum())
        surprise += float(functional.cross_entropy(logits, classes, reduction="sum"))
    return {"accuracy": right / len(labelled), "nats": surprise / len(labelled)}


def finish(result: Result, collection: Collection, recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Write the best weights as FOLDER/model.onnx and .safetensors; returns what they say."""
    network = best_network(result, folder)
    assert isinstance(network, ImageCNN)
    measured = {"validation": measure(network, collection.validation)}
    if len(collection.test):
        measured["test"] = measure(network, collection.test)
    facts = {
        "pictures": {
            "train": len(collection.train),
            "validation": len(collection.validation),
            "test": len(collection.test),
        },
        "recipe": recipe.train.as_dict(),
        "measured": measured,
        "step": int(result.best.get("step", result.step)),
        "hours": round(result.seconds / 3600, 3),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    network.save(folder / "model", facts)
    return facts
