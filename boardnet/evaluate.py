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
from boardnet.labels import NO_RANK
from boardnet.predictor import BATCH, Predictor
from boardnet.records import Refused
from boardnet.review import PHASES, phase
from boardnet.rules import BLACK
from boardnet.value import winrate

RANKS = ("kyu", *(f"{number}d" for number in range(1, 10)), "pro", "?")

GROUPS: dict[str, tuple[str, ...]] = {"": (), "phase": PHASES, "rank": RANKS}
"""What scores can be told apart by: how far the game is, and how strong the one to move."""


@dataclass(frozen=True)
class Score:
    """What was found in `positions` positions.

    top1, top5: share in which the move played was the first, or one of the first five.
    nats: mean of -log(probability of the move played). group: the phase or rank of these
    positions, "" for all of a file.
    """

    file: str
    positions: int
    symmetries: int
    top1: float
    top5: float
    nats: float
    group: str = ""


@dataclass(frozen=True)
class _Looks:
    """By position: how many moves were thought likelier than the one played, its probability, and
    the group that the position is of, as its place in `names`."""

    before: NDArray[np.int64]
    chance: NDArray[np.floating]
    group: NDArray[np.int64]

    @classmethod
    def of_all(cls, parts: Sequence[_Looks]) -> _Looks:
        """Those of several files together."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*map(_arrays, parts), strict=True)))

    def scores(self, file: str, symmetries: int, names: Sequence[str]) -> Iterator[Score]:
        """The score of all, and of each group that has positions."""
        yield self._score(file, symmetries, np.ones(len(self.before), bool), "")
        for place, name in enumerate(names):
            if (self.group == place).any():
                yield self._score(file, symmetries, self.group == place, name)

    def _score(self, file: str, symmetries: int, some: NDArray[np.bool_], group: str) -> Score:
        before = self.before[some]
        return Score(
            file,
            len(before),
            symmetries,
            top1=float((before < 1).mean()),
            top5=float((before < 5).mean()),
            nats=float(-np.log(self.chance[some]).mean()),
            group=group,
        )


def _arrays(looks: _Looks) -> tuple[NDArray[Any], ...]:
    return looks.before, looks.chance, looks.group


def evaluate(
    predictor: Predictor,
    paths: Sequence[Path],
    *,
    positions: int,
    seed: int,
    symmetries: int = 1,
    by: str = "",
    refused: Refused | None = None,
) -> Iterator[Score]:
    """A score for each file, and one for all of them together if there are several.

    Each file's positions are drawn at random, without repetition, from all moves of its 19x19
    games, passes and handicap games included; illegal moves count as impossible.
    by: of GROUPS; the score of each group follows that of the whole.
    refused: is given the error of each file and each game that cannot be used, and the next one
    follows; without it that of a file is raised, and a game is passed over.
    """
    names = GROUPS[by]
    found = []
    for path in paths:
        try:
            games, picked = drawn(path, positions, seed, refused)
        except BoardnetError as error:
            if refused is None:
                raise
            refused(error)
            continue
        found.append(_look(predictor, games, picked, symmetries, by))
        yield from found[-1].scores(str(path), symmetries, names)
    if len(found) > 1:
        yield from _Looks.of_all(found).scores("all", symmetries, names)


def drawn(
    path: Path, positions: int, seed: int, refused: Refused | None = None
) -> tuple[corpus.Corpus, NDArray[np.int64]]:
    """A file's 19x19 games, and so many of their positions at random, in order.

    refused: is given the error of each game that cannot be used. Raises BoardnetError if there are
    none.
    """
    games, _ = corpus.from_games(records.iterate(path, refused or (lambda error: None)))
    if games.positions == 0:
        raise BoardnetError(f"{path} holds no 19x19 games with moves")
    rng = np.random.default_rng(seed)
    count = min(positions, games.positions)
    return games, np.sort(rng.choice(games.positions, size=count, replace=False))


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
        games, picked = drawn(path, positions, seed)
        for start in range(0, len(picked), BATCH):
            batch = games.labelled(picked[start : start + BATCH])
            known = ~np.isnan(batch["won"])
            said.append(predictor.answers(batch["planes"])[1][known])
            komi.append(batch["komi"][known])
            won.append(batch["won"][known])
    if not sum(map(len, won)):
        raise BoardnetError("of none of these games it is known who won, and with which komi")
    return np.concatenate(said), np.concatenate(komi), np.concatenate(won)


def _look(
    predictor: Predictor,
    games: corpus.Corpus,
    picked: NDArray[np.int64],
    symmetries: int,
    by: str,
) -> _Looks:
    parts = []
    for start in range(0, len(picked), BATCH):
        places = picked[start : start + BATCH]
        batch = games.labelled(places)
        moves = batch["move"]
        policy = predictor.policies(batch["planes"], symmetries)
        # A record may hold a suicide, which the network is never asked about.
        chance = np.maximum(policy[np.arange(len(moves)), moves], 1e-9)
        before = (policy > chance[:, None]).sum(axis=1)
        parts.append(_Looks(before, chance, _groups(games, places, batch["mover"], by)))
    return _Looks.of_all(parts)


def _groups(
    games: corpus.Corpus, places: NDArray[np.int64], mover: NDArray[np.int64], by: str
) -> NDArray[np.int64]:
    which, turns = games.at(places)
    if by == "phase":
        points = games.rows * games.columns
        found = [PHASES.index(phase(turn + 1, points)) for turn in turns.tolist()]
    elif by == "rank":
        labels = games.labels[which]
        ranks = np.where(mover == BLACK, labels["black_rank"], labels["white_rank"])
        found = [RANKS.index(_rank(int(number))) for number in ranks]
    else:
        found = [0] * len(places)
    return np.array(found, np.int64)


def _rank(number: int) -> str:
    """The group of a rank: kyu and professional players are one each."""
    if number == NO_RANK:
        return "?"
    return "pro" if number > 9 else "kyu" if number < 1 else f"{number}d"
