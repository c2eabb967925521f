"""Evaluation: how often the network expects the move that was played."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boardnet import corpus, records
from boardnet.errors import BoardnetError
from boardnet.predictor import BATCH, Predictor
from boardnet.value import winrate


@dataclass(frozen=True)
class Score:
    """What was found in `positions` positions.

    top1, top5: share in which the move played was the first, or one of the first five.
    nats: mean of -log(probability of the move played).
    """

    file: str
    positions: int
    symmetries: int
    top1: float
    top5: float
    nats: float


def evaluate(
    predictor: Predictor, paths: Sequence[Path], *, positions: int, seed: int, symmetries: int = 1
) -> Iterator[Score]:
    """A score for each file, and one for all of them together if there are several.

    Each file's positions are drawn at random, without repetition, from all moves of its 19x19
    games, passes and handicap games included; illegal moves count as impossible.
    """
    scores = []
    for path in paths:
        games, _ = corpus.from_games(records.iterate(path, refused=lambda error: None))
        if games.positions == 0:
            raise BoardnetError(f"{path} holds no 19x19 games with moves")
        rng = np.random.default_rng(seed)
        count = min(positions, games.positions)
        picked = np.sort(rng.choice(games.positions, size=count, replace=False))
        score = _score(predictor, games, picked, symmetries, str(path))
        scores.append(score)
        yield score
    if len(scores) > 1:
        weights = np.array([score.positions for score in scores], float)
        means = {
            name: float(np.average([getattr(score, name) for score in scores], weights=weights))
            for name in ("top1", "top5", "nats")
        }
        yield Score("all", int(weights.sum()), symmetries, **means)


def calibrated(predictor: Predictor, paths: Sequence[Path], *, positions: int, seed: int) -> float:
    """The temperature with which the model's chances to win fit these games best (Guo et al. 2017).

    Raises BoardnetError if nobody is known to have won.
    """
    said, komi, won = _outcomes(predictor, paths, positions, seed)
    temperatures = np.geomspace(0.25, 4, 161)
    losses = [_log_loss(winrate(said, komi, float(one)), won) for one in temperatures]
    return float(temperatures[int(np.argmin(losses))])


def value(
    predictor: Predictor, paths: Sequence[Path], temperature: float, *, positions: int, seed: int
) -> dict[str, Any]:
    """How good the chances to win are: Brier score (0.25 is a coin's), loss in nats, accuracy, the
    mean distance of a chance from what came of it, and that curve: (chance, share won, positions).
    """
    said, komi, won = _outcomes(predictor, paths, positions, seed)
    chance = winrate(said, komi, temperature)
    # Both sides of each position, so that the curve is symmetric.
    chance, won = np.concatenate([chance, 1 - chance]), np.concatenate([won, 1 - won])
    bins = np.minimum((chance * 10).astype(int), 9)
    curve = [
        (float(chance[bins == k].mean()), float(won[bins == k].mean()), int((bins == k).sum()))
        for k in range(10)
        if (bins == k).any()
    ]
    gap = sum(abs(mean - share) * count for mean, share, count in curve) / len(won)
    return {
        "positions": len(won) // 2,
        "brier": round(float(((chance - won) ** 2).mean()), 4),
        "nats": round(_log_loss(chance, won), 4),
        "accuracy": round(float(((chance > 0.5) == (won > 0.5)).mean()), 4),
        "calibration_error": round(gap, 4),
        "curve": [[round(mean, 3), round(share, 3), count] for mean, share, count in curve],
    }


def _log_loss(chance: NDArray[np.floating], won: NDArray[np.floating]) -> float:
    right = np.where(won > 0.5, chance, 1 - chance)
    return float(-np.log(np.maximum(right, 1e-9)).mean())


def _outcomes(
    predictor: Predictor, paths: Sequence[Path], positions: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Of positions at random of each file whose winner is known: what the network says, [position,
    2]; the komi of the player to move; and whether that player won."""
    said, komi, won = [], [], []
    for path in paths:
        games, _ = corpus.from_games(records.iterate(path, refused=lambda error: None))
        rng = np.random.default_rng(seed)
        count = min(positions, games.positions)
        picked = np.sort(rng.choice(games.positions, size=count, replace=False))
        for start in range(0, len(picked), BATCH):
            batch = games.labelled(picked[start : start + BATCH])
            known = ~np.isnan(batch["won"])
            said.append(predictor.answers(batch["planes"])[1][known])
            komi.append(batch["komi"][known])
            won.append(batch["won"][known])
    if not sum(map(len, won)):
        raise BoardnetError("of none of these games it is known who won, and with which komi")
    return np.concatenate(said), np.concatenate(komi), np.concatenate(won)


def _score(
    predictor: Predictor,
    games: corpus.Corpus,
    picked: NDArray[np.int64],
    symmetries: int,
    file: str,
) -> Score:
    ranks, chances = [], []
    for start in range(0, len(picked), BATCH):
        planes, moves = games.examples(picked[start : start + BATCH])
        policy = predictor.policies(planes, symmetries)
        # A record may hold a suicide, which the network is never asked about.
        chance = np.maximum(policy[np.arange(len(moves)), moves], 1e-9)
        chances.append(chance)
        ranks.append((policy > chance[:, None]).sum(axis=1))
    rank = np.concatenate(ranks)
    return Score(
        file,
        len(picked),
        symmetries,
        top1=float((rank < 1).mean()),
        top5=float((rank < 5).mean()),
        nats=float(-np.log(np.concatenate(chances)).mean()),
    )
