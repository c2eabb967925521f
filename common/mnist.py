"""MNIST: the lecture's digits and its CNN, trained so that it also reads other people's digits.

Files here are the four of IDX format (LeCun's site): images magic 2051, count, rows, columns and
then a byte a pixel; labels magic 2049, count, a byte a label; numbers big-endian, gzip or not.
"""

from __future__ import annotations

import gzip
import os
import platform
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from common import datasets, warp
from common.errors import CommonError
from common.images import ImageCNN
from common.trainer import Result, TrainConfig, Trainer, best_network
from common.warp import Warp

Bytes = NDArray[np.uint8]

WEIGHTS = Path(__file__).parent / "weights" / "digits.safetensors"
HELD_BACK = 5_000  # of the training digits, the last: to choose by
_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte",
          "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")  # fmt: skip

# Other hands, pens and scanners than those of MNIST: chosen on its own validation digits, drawn
# again in other looks.
OTHER_HANDS = Warp(rotate=15, scale=0.15, stretch=0.35, shear=0.35, shift=0.05, elastic=0.06)


@dataclass(frozen=True)
class Digits:
    """pictures: uint8 [digit, 28, 28], white on black. labels: int64 [digit]."""

    pictures: Bytes
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, some: slice) -> Digits:
        return Digits(self.pictures[some], self.labels[some])

    def inputs(self) -> Tensor:
        """As the network takes them: fp32 [digit, 1, 28, 28], 0 to 1."""
        return torch.from_numpy(self.pictures[:, None].astype(np.float32) / 255)


def read(folder: Path | str | None = None) -> tuple[Digits, Digits]:
    """MNIST's 60,000 digits to learn from and its 10,000 to test with.

    folder: where the four IDX files are, packed by gzip or not; if None, they come from the cache,
    and into it first by download. Raises CommonError if they cannot be had or are damaged.
    """
    place = datasets.fetch("mnist") if folder is None else Path(folder)
    pictures, labels, test_pictures, test_labels = (
        read_idx(_find(place, name), axes) for name, axes in zip(_FILES, (3, 1, 3, 1), strict=True)
    )
    return _digits(pictures, labels, place), _digits(test_pictures, test_labels, place)


def lies_in(folder: Path) -> bool:
    """Whether MNIST's digits are in a folder, under any of the names that they come with."""
    return _called(folder, _FILES[0]) is not None


def _find(place: Path, name: str) -> Path:
    if (found := _called(place, name)) is None:
        raise CommonError(
            f"there is no {name}.gz in {place}: name the folder of MNIST's four files"
        )
    return found


def _called(place: Path, name: str) -> Path | None:
    names = (f"{name}.gz", name, name.replace("-idx", ".idx"))
    return next((place / called for called in names if (place / called).is_file()), None)


def _digits(pictures: Bytes, labels: Bytes, place: Path) -> Digits:
    if len(pictures) != len(labels) or pictures.shape[1:] != (28, 28) or labels.max(initial=0) > 9:
        raise CommonError(f"the files in {place} do not belong together: fetch them again")
    return Digits(pictures, labels.astype(np.int64))


def read_idx(path: Path, axes: int) -> Bytes:
    """An array of bytes in IDX format. Raises CommonError if the file is something else."""
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise CommonError(f"cannot read {path}: {error}") from error
    start = 4 + 4 * axes
    shape = tuple(np.frombuffer(data[4:start], ">u4")) if len(data) >= start else ()
    if data[:4] != bytes([0, 0, 8, axes]) or len(data) - start != int(np.prod(shape)):
        raise CommonError(f"{path} is not an IDX file of bytes with {axes} axes, or a damaged one")
    return np.frombuffer(data, np.uint8, offset=start).reshape([int(size) for size in shape])


def network(*, channels: int = 1, rng: torch.Generator | None = None) -> ImageCNN:
    """The lecture's CNN: 25 filters, max-pool, 50 filters, max-pool, 100 dense, 10 digits."""
    return ImageCNN(channels=channels, prepare="digit", rng=rng)


def load() -> ImageCNN:
    """The trained network that ships with this package."""
    return ImageCNN.load(WEIGHTS)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the digits are learnt. batch: digits a step. easy: steps with MNIST's digits as they
    are, until which the other hands come in by and by."""

    batch: int = 128
    easy: int = 1000
    train: TrainConfig

    @classmethod
    def default(cls, steps: int = 20_000, seed: int = 0) -> Recipe:
        """That of the network which ships."""
        return cls(
            train=TrainConfig(
                steps=steps, peak_rate=3e-3, optimizer="muon", schedule="trapezoid", warm_up=100,
                decay_share=0.5, ema=0.998, validate_every=250, log_every=50,
                checkpoint_every=60, best="accuracy", seed=seed,
            )
        )  # fmt: skip


def train(recipe: Recipe, digits: Digits, folder: Path) -> Result:
    """Learn, or go on learning in `folder`; the last HELD_BACK digits are for validation only.

    Raises as `Trainer.run` does, and CommonError if there are no others.
    """
    if len(digits) <= HELD_BACK:
        raise CommonError(
            f"the last {HELD_BACK:,} digits are for validation: give more than those, not"
            f" {len(digits):,}"
        )
    known, held_back = digits[:-HELD_BACK], digits[-HELD_BACK:]
    seed = recipe.train.seed
    begin = network(rng=torch.Generator().manual_seed(seed))
    make = partial(batch, known, recipe)
    validate = partial(accuracy, digits=held_back)
    identity = {
        "digits": digits.pictures, "labels": digits.labels,
        "batch": recipe.batch, "easy": recipe.easy,
    }  # fmt: skip
    return Trainer(
        begin, loss, make, recipe.train, folder, validate=validate, identity=identity
    ).run()


def batch(digits: Digits, recipe: Recipe, index: int) -> dict[str, Tensor]:
    """Micro-batch `index`: digits at random, as other people might have written them."""
    rng = torch.Generator().manual_seed(recipe.train.seed * 1_000_003 + index)
    chosen = torch.randint(len(digits), (recipe.batch,), generator=rng)
    pictures = torch.from_numpy(digits.pictures[chosen.numpy()]).float()[:, None] / 255
    share = min(1.0, index / recipe.easy) if recipe.easy else 1.0
    if changed := round(0.9 * share * len(pictures)):  # the digits are in random order anyway
        pictures[:changed] = otherwise(pictures[:changed], rng)
    return {"pictures": pictures, "labels": torch.from_numpy(digits.labels[chosen.numpy()])}


def otherwise(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """The same digits by other hands, pens and scanners: [batch, 1, 28, 28], 0 to 1."""
    changed = warp.some(pictures, warp.brushed(pictures, rng), 0.5, rng)
    changed = warp.warped(changed, OTHER_HANDS, rng)
    size = int(torch.randint(7, 20, (1,), generator=rng))
    changed = warp.some(changed, warp.coarsened(changed, size), 0.3, rng)
    # From soft edges to those of a scan in black and white.
    hard = 1 + 7 * torch.rand(len(changed), 1, 1, 1, generator=rng) ** 3
    cut = 0.35 + 0.3 * torch.rand(len(changed), 1, 1, 1, generator=rng)
    return warp.some(changed, ((changed - cut) * hard + cut).clamp(0, 1), 0.6, rng)


def loss(network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy, and the share of digits that were read rightly."""
    logits = network(batch["pictures"]).float()
    hits = (logits.argmax(1) == batch["labels"]).float().mean()
    return functional.cross_entropy(logits, batch["labels"]), {"accuracy": hits}


def finish(
    result: Result, known: Digits, test: Digits, recipe: Recipe, folder: Path
) -> dict[str, Any]:
    """Write the best weights as FOLDER/digits.onnx and .safetensors; returns what they say."""
    network = best_network(result, folder)
    assert isinstance(network, ImageCNN)
    facts = {
        "data": "MNIST (LeCun, Cortes), CC BY-SA 3.0: 55,000 digits to learn from, warped",
        "recipe": recipe.train.as_dict(),
        "step": int(result.best.get("step", result.step)),
        "hours": round(result.seconds / 3600, 3),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "measured": {
            "validation": accuracy(network, known[-HELD_BACK:])["accuracy"],
            "test": accuracy(network, test)["accuracy"],
        },
        "licence": "Apache-2.0",
    }
    network.save(folder / "digits", facts)
    return facts


def accuracy(network: nn.Module, digits: Digits) -> dict[str, float]:
    """The share of digits that a network reads rightly."""
    with torch.no_grad():
        parts = torch.split(digits.inputs(), 1000)
        answers = torch.cat([network(part).argmax(1) for part in parts])
    right = answers.cpu() == torch.from_numpy(digits.labels)
    return {"accuracy": float(right.float().mean())}
