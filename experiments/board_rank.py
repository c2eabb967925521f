"""Does it pay to tell the network who plays? The shipped policy, taught on with ranks and without.

The rank of the player to move comes in as a level for each channel of the first layer, which is
zero at first. Measured is how often each kind's moves are foreseen, told the right rank, and what
is lost when it is told another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

import boardnet
from boardnet.corpus import Corpus
from boardnet.network import NetworkConfig, PolicyNetwork
from boardnet.rules import BLACK
from common.export import load_weights
from experiments import board
from experiments.drawing import bars
from experiments.learning import learnt, size
from experiments.measuring import Experiment, Run, Table

TOLD, ALONE, SHIPPED = "told the rank", "not told", "as it ships"
KINDS = ("kgs", "tygem", "pro")
STEPS, GAMES = 800, 2_000

EDGES = (7, 8, 9, 10)
"""Ranks at which a new group begins: up to 6 dan, 7, 8, 9 dan, professional."""


class Ranked(nn.Module):
    """A policy whose first layer also hears who is to move."""

    def __init__(self, policy: PolicyNetwork, told: bool) -> None:
        super().__init__()
        self.policy, self.told = policy, told
        self.level = nn.Embedding(len(EDGES) + 1, policy.config.channels)
        nn.init.zeros_(self.level.weight)
        self.level.requires_grad_(told)

    def forward(self, planes: Tensor, group: Tensor) -> Tensor:
        """planes: [batch, plane, row, column]; group: [batch] -> logits [batch, cell]."""
        policy = self.policy
        level = self.level(group)[:, :, None, None] if self.told else 0
        maps = policy.stem(planes.to(policy.stem.weight.dtype)) + level
        trunk = policy.relu(policy.norm(policy.trunk(maps)))
        points, no_point, *_ = policy.answers(trunk)
        return torch.cat([points.flatten(1), no_point], dim=1)


def measure(network: str, seed: int, data: Path) -> Run:
    """Teach on; top-1 and nats of each kind of games."""
    made: nn.Module = build(network)
    if network != SHIPPED:
        known = board.games(data, "train", GAMES, KINDS)
        made = learnt(made, _loss, _batches(known, seed), STEPS, seed=seed, peak_rate=1e-3)
    measured: dict[str, float] = {}
    for kind in KINDS:
        held = board.games(data, "val", 500, (kind,))
        places = board.evenly(held, board.VALIDATED)
        batch = held.labelled(places)
        group = groups(held, places, batch["mover"])
        for told, which in (("", group), (", told another", (group + 2) % (len(EDGES) + 1))):
            top1, nats = board.scores(_answers(made.eval(), batch["planes"], which), batch["move"])
            measured |= {f"top-1 {kind}{told}": top1} | ({} if told else {f"nats {kind}": nats})
    return Run(network, seed, size(made), measured)


def build(network: str) -> Ranked:
    """The shipped policy, with an ear for the rank."""
    weights, facts = load_weights(Path(boardnet.__file__).parent / "weights" / "policy.safetensors")
    policy = PolicyNetwork(NetworkConfig(**facts["recipe"]["network"]))
    policy.load_state_dict(weights)
    return Ranked(policy, network == TOLD)


def groups(games: Corpus, places: NDArray[np.int64], mover: NDArray[np.int64]) -> NDArray[np.int64]:
    """How strong the one to move is, as the place among EDGES; who has no rank is in the first."""
    labels = games.labels[games.at(places)[0]]
    ranks = np.where(mover == BLACK, labels["black_rank"], labels["white_rank"])
    return np.searchsorted(EDGES, ranks, side="right").astype(np.int64)


def _batches(known: Corpus, seed: int) -> Any:
    def batch(number: int) -> dict[str, NDArray[Any]]:
        rng = np.random.default_rng((seed, number))
        places = rng.integers(known.positions, size=board.BATCH)
        found = known.labelled(places, rng.integers(8, size=board.BATCH))
        return {**found, "group": groups(known, places, found["mover"])}

    return batch


def _loss(network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    logits = network(batch["planes"], batch["group"]).float()
    hit = (logits.argmax(dim=1) == batch["move"]).float().mean()
    return functional.cross_entropy(logits, batch["move"]), {"top1": hit}


@torch.no_grad()
def _answers(network: nn.Module, planes: NDArray[np.uint8], group: NDArray[np.int64]) -> Tensor:
    parts = zip(
        torch.split(torch.from_numpy(planes), 250),
        torch.split(torch.from_numpy(group), 250),
        strict=True,
    )
    return torch.cat([network(board, who).float() for board, who in parts]).log_softmax(dim=1)


def draw(table: Table) -> Any:
    """Bars of top-1 by kind of games."""
    columns = [f"top-1 {kind}" for kind in KINDS]
    return bars(table, "share of moves foreseen", columns=columns, from_zero=True)


EXPERIMENT = Experiment(
    name="board-rank",
    title="Who plays? A network that is told the rank",
    claim="Players of different strength play differently enough that a network should be told.",
    setting=f"the shipped policy, {STEPS:,} steps more of {board.BATCH} positions of up to"
    f" {GAMES:,} games each of KGS, TYGEM and professionals; {board.VALIDATED:,} positions of later"
    " games of each",
    networks=(TOLD, ALONE, SHIPPED),
    measure=measure,
    draw=draw,
    seeds=1,
)
