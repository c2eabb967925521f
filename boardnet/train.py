"""Training: a corpus and a recipe -> a policy network.

`common.trainer` runs the loop; here is what is Go about it: the batches, the loss, the validation.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from boardnet.corpus import Corpus, Sampler
from boardnet.errors import BoardnetError
from boardnet.network import NetworkConfig, PolicyNetwork
from boardnet.value import win_logit
from common import checkpoint, runs
from common.config import TrainConfig
from common.device import find as find_device
from common.errors import CommonError
from common.export import load_weights
from common.trainer import Result, Trainer

VALIDATION_POSITIONS = 4096
"""Positions of each validation corpus that are looked at: the error of top-1 is about 0.008."""

VALUE_SHARE = 0.5
"""Of the loss of who won beside that of the move: the trunk is there for the moves."""

HELD_BACK = 200
"""Of so many games one is held back to validate on, where no other games are given for it."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is made: its shape, its batches, its training. One TOML file."""

    name: str
    network: NetworkConfig
    train: TrainConfig
    batch: int = 128
    hide: float = 0.07


def recipe(name: str) -> Recipe:
    """A recipe of the package by its name, or one of the user's by the path of its file.

    Raises BoardnetError for an unknown name, and for a setting that there is not.
    """
    path = Path(name)
    shipped = resources.files("boardnet") / "recipes" / f"{name}.toml"
    try:
        text = path.read_text("utf-8") if path.suffix == ".toml" else shipped.read_text("utf-8")
        values = tomllib.loads(text)
        return Recipe(
            name=path.stem,
            network=NetworkConfig(**values.pop("network", {})),
            train=TrainConfig(**values.pop("train", {})),
            **values,
        )
    except FileNotFoundError as error:
        raise BoardnetError(f"there is no recipe {name}: name small, or a .toml file") from error
    except OSError as error:
        raise BoardnetError(f"cannot read the recipe {name}: {error.strerror}") from error
    except (TypeError, ValueError) as error:
        raise BoardnetError(f"recipe {name}: {error}") from error


def loss(network: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy to the move played, in nats, and how often the first choice was it.

    With a value head, VALUE_SHARE of the cross-entropy to who won is added, where that is known.
    """
    logits, said = split(network(batch["planes"]).float(), batch["planes"])
    move = batch["move"]
    told = {"top1": (logits.argmax(dim=1) == move).float().mean()}
    total = functional.cross_entropy(logits, move)
    if said is not None:
        known = ~batch["won"].isnan()
        won = batch["won"].nan_to_num()
        logit = win_logit(said, batch["komi"])
        each = functional.binary_cross_entropy_with_logits(logit, won, reduction="none")
        share = known.float().mean().clamp(min=1e-6)
        told["brier"] = (((logit.sigmoid() - won) ** 2) * known).mean() / share
        total = total + VALUE_SHARE * (each * known).mean()
    return total, told


def split(answers: Tensor, planes: Tensor) -> tuple[Tensor, Tensor | None]:
    """The policy's logits, and what a value head says."""
    policy = planes.shape[2] * planes.shape[3] + 1
    rest = answers[:, policy:]
    return answers[:, :policy], rest if rest.shape[1] else None


@torch.no_grad()
def validate(network: nn.Module, corpora: Mapping[str, Corpus]) -> dict[str, float]:
    """Top-1 and nats on evenly spaced positions of each corpus, and the mean of both; with a value
    head the Brier score of who wins.

    Over all logits, as in training: not even illegal points are left out.
    """
    device = next(network.parameters()).device
    found: dict[str, float] = {}
    sums = {"top1": 0.0, "nats": 0.0}
    misses: list[Tensor] = []
    for name, corpus in corpora.items():
        count = min(VALIDATION_POSITIONS, corpus.positions)
        positions = np.arange(count) * corpus.positions // count
        hits = nats = 0.0
        for part in np.array_split(positions, -(-count // 256)):
            batch = {
                name: torch.from_numpy(values).to(device)
                for name, values in corpus.labelled(part).items()
            }
            logits, said = split(network(batch["planes"]).float(), batch["planes"])
            target = batch["move"]
            if said is not None:
                chance = win_logit(said, batch["komi"]).sigmoid()
                misses.append((chance - batch["won"]) ** 2)
            nats += functional.cross_entropy(logits, target, reduction="sum").item()
            hits += (logits.argmax(dim=1) == target).sum().item()
        found[f"top1 {name}"], found[f"nats {name}"] = hits / count, nats / count
        sums["top1"] += hits / count / len(corpora)
        sums["nats"] += nats / count / len(corpora)
    if misses:
        sums["brier"] = float(torch.cat(misses).nanmean())
    return {**sums, **(found if len(corpora) > 1 else {})}


def hold_back(corpus: Corpus) -> tuple[Corpus, Corpus]:
    """A corpus to train on and one to validate on: the last games, in the corpus' order.

    Raises BoardnetError if it has only one game.
    """
    held = max(1, corpus.games // HELD_BACK)
    if corpus.games < 2:
        raise BoardnetError("one game is too few to train on and to validate with: pack more")
    edge = corpus.games - held
    return corpus.part(0, edge), corpus.part(edge, corpus.games)


def train(
    made: Recipe,
    corpus: Corpus,
    folder: Path,
    *,
    validation: Mapping[str, Corpus] | None = None,
    device: str = "cpu",
    initial: Path | None = None,
) -> Result:
    """Train by a recipe, or go on with what is in `folder`.

    validation: corpora by name, of games that are not in `corpus`; without any, games of the
    corpus are held back for it.
    initial: weights to start from; a value head that they have not starts anew. Raises Stopped when
    interrupted.
    """
    if not validation:
        corpus, kept = hold_back(corpus)
        validation = {"held back": kept}
    sizes = {(one.rows, one.columns) for one in [corpus, *validation.values()]}
    if len(sizes) > 1:
        raise BoardnetError(f"the corpora are of different board sizes: {sorted(sizes)}")
    if corpus.positions == 0:
        raise BoardnetError("the corpus holds no positions: pack games of the size to train on")
    for name, one in validation.items():
        if one.positions == 0:
            raise BoardnetError(f"the corpus {name} holds no positions to validate on")
    find_device(device)  # before anything is written
    rng = torch.Generator().manual_seed(made.train.seed)
    network = PolicyNetwork(made.network, rng)
    if initial is not None:
        start_from(network, initial)
    trainer = Trainer(
        network,
        loss,
        Sampler(corpus, made.batch, made.train.seed, made.hide),
        made.train,
        folder,
        validate=lambda network: validate(network, validation),
        device=device,
    )
    describe(made, corpus, folder, initial)
    return trainer.run()


def start_from(network: PolicyNetwork, path: Path) -> None:
    """Take over weights. Raises BoardnetError if they are another network's."""
    weights = checkpoint.load_weights(path)
    try:
        missing, _ = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise BoardnetError(f"{path} has the weights of another network") from error
    if any(not name.startswith(("judged.", "verdict.")) for name in missing):
        raise BoardnetError(f"{path} has the weights of another network")


def describe(made: Recipe, corpus: Corpus, folder: Path, initial: Path | None = None) -> None:
    """Write FOLDER/run.json: what `boardnet export` says in the model files, and of the weights
    that the training started from what their file says. Raises CommonError as `runs.describe`."""
    facts: dict[str, Any] = {"recipe": settings(made), "data": corpus.facts}
    if initial is not None:
        facts["from"] = _said_of(initial)
    runs.describe(folder, facts, free=("recipe.name", "recipe.train"))


def _said_of(weights: Path) -> dict[str, Any]:
    """How weights came about, as their file says; a checkpoint says nothing."""
    try:
        facts = load_weights(weights)[1]
    except CommonError:
        return {"file": weights.name}
    known = ("recipe", "step", "hours", "hardware", "from")
    return {name: facts[name] for name in known if name in facts}


def settings(made: Recipe) -> dict[str, Any]:
    """A recipe as JSON can hold it, for the facts of a model file."""
    return {
        "name": made.name,
        "batch": made.batch,
        "hide": made.hide,
        "network": {
            field.name: getattr(made.network, field.name) for field in fields(made.network)
        },
        "train": made.train.as_dict(),
    }
