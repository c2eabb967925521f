"""Evaluation: how often the network expects the move that was played."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boardnet import corpus, records
from boardnet.errors import BoardnetError
from boardnet.predictor import BATCH, Predictor

ENDINGS = (".sgf", ".sgf.xz", ".sgf.gz", ".sgf.bz2")


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


def files(path: Path) -> list[Path]:
    """The game files in a folder and the folders in it, or the one file, in order of their names.

    Raises BoardnetError if there are none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.rglob("*") if one.name.lower().endswith(ENDINGS))
    if not found:
        raise BoardnetError(f"{path} holds no game files ({', '.join(ENDINGS)})")
    return found


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
