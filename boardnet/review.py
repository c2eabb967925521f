"""Review: how expected the moves of a game were, by player and phase, and which were not.

The measure is surprise: -log of the probability that a strong player chooses the move, in nats. It
does not say that a move is bad; it says that few would have played it. What is usual is in the
model file: the mean surprise of strong players' own games (`reference`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boardnet.game import Game
from boardnet.predictor import Candidate, Prediction, Predictor, playable
from boardnet.rules import BLACK, WHITE
from boardnet.vertices import Point

PHASES = ("opening", "middle", "end")
ALL = "game"
_UNTIL = (50 / 361, 150 / 361)  # of the board's points, in moves: 50 and 150 on 19x19
_LEAST = 1e-9  # a suicide is legal in some rules, and the network is never asked about it
FEWEST = 10  # moves of a player in a phase without which nothing is compared


@dataclass(frozen=True)
class Played:
    """A move of the game. number: from 1. rank: 0 if it was the likeliest. surprise: in nats.

    before: what was expected, and the position in which it was.
    """

    number: int
    player: int
    point: Point | None
    prior: float
    rank: int
    surprise: float
    before: Prediction

    @property
    def expected(self) -> tuple[Candidate, ...]:
        return self.before.candidates


@dataclass(frozen=True)
class Score:
    """A player's moves in one phase, or in the whole game; passes are left out.

    top1, top5: share that was the likeliest, or among the five likeliest. nats: mean surprise.
    percentile: the share of strong players' games that were more surprising, 0 to 1; None if there
    are too few moves or the model file does not tell.
    """

    player: int
    phase: str
    moves: int
    top1: float
    top5: float
    nats: float
    percentile: float | None


@dataclass(frozen=True)
class Review:
    """What is to be said of a game. boards: the predictions after each number of moves, from 0 on,
    one more than there are moves. notes: what was odd about the record."""

    game: Game
    played: tuple[Played, ...]
    boards: tuple[Prediction, ...]
    scores: tuple[Score, ...]
    notes: tuple[str, ...]

    def surprising(self, count: int = 10) -> list[Played]:
        """The least expected moves, the most surprising first."""
        moves = [one for one in self.played if one.point is not None]
        return sorted(moves, key=lambda one: (-one.surprise, one.number))[:count]

    def black_wins(self, turn: int) -> float | None:
        """Black's chance to win after so many moves; None without a calibrated value."""
        board = self.boards[turn]
        if board.winrate is None:
            return None
        return board.winrate if board.player == BLACK else 1 - board.winrate

    def score(self, player: int, phase: str = ALL) -> Score | None:
        """That of a player, None if there are no moves."""
        found = (one for one in self.scores if (one.player, one.phase) == (player, phase))
        return next(found, None)


def review(predictor: Predictor, game: Game, *, symmetries: int = 1, top: int = 10) -> Review:
    """The moves of a game, up to an illegal one. top: how many candidates are kept for each.

    Raises BoardnetError if the game cannot be asked about.
    """
    legal = playable(game)
    found = predictor.predict_all(game, list(range(legal + 1)), top=top, symmetries=symmetries)
    played = tuple(
        _played(number, action.point, before)
        for number, (action, before) in enumerate(zip(game.moves, found, strict=False), 1)
        if number < len(found)
    )
    reference = predictor.facts.get("surprise")
    scores = _scores(played, reference if isinstance(reference, dict) else {})
    notes = found[0].notes
    if legal < len(game.moves):
        notes = (*notes, f"the review ends before it, after move {legal}")
    return Review(game, played, tuple(found), scores, notes)


def reference(predictor: Predictor, games: Iterable[Game]) -> dict[str, Any]:
    """What is usual: quantiles of the mean surprise of one player in one game, by phase.

    Goes into the model file as `surprise`. Each list has 21 values, for shares of 0 to 1 in steps
    of 0.05. Games of other boards than 19x19 are left out.
    """
    means: dict[str, list[float]] = {phase: [] for phase in (*PHASES, ALL)}
    count = 0
    for game in games:
        if (game.rows, game.columns) != (19, 19):
            continue
        count += 1
        for score in review(predictor, game, top=1).scores:
            if score.moves >= FEWEST:
                means[score.phase].append(score.nats)
    shares = np.linspace(0, 1, 21)
    quantiles = {
        phase: [round(float(value), 4) for value in np.quantile(found, shares)]
        for phase, found in means.items()
        if found
    }
    return {"games": count, "nats": quantiles}


def phase(number: int, points: int) -> str:
    """Of a move, counted from 1, on a board with so many points.

    >>> phase(50, 361), phase(51, 361), phase(151, 361)
    ('opening', 'middle', 'end')
    """
    return PHASES[sum(number > until * points for until in _UNTIL)]


def _played(number: int, point: Point | None, before: Prediction) -> Played:
    cell = len(before.policy) - 1 if point is None else point[0] * before.columns + point[1]
    prior = max(float(before.policy[cell]), 0.0)
    rank = int((before.policy > before.policy[cell]).sum())
    surprise = -math.log(max(prior, _LEAST))
    return Played(number, before.player, point, prior, rank, surprise, before)


def _scores(played: Sequence[Played], reference: dict[str, Any]) -> tuple[Score, ...]:
    usual = reference.get("nats", {})
    found = []
    for player in (BLACK, WHITE):
        own = [one for one in played if one.player == player and one.point is not None]
        for name in (*PHASES, ALL):
            some = [one for one in own if name in (ALL, _phase_of(one))]
            if not some:
                continue
            nats = float(np.mean([one.surprise for one in some]))
            percentile = None
            if name in usual and len(some) >= FEWEST and _is_19(some[0]):
                percentile = 1 - float(np.interp(nats, usual[name], np.linspace(0, 1, 21)))
            top1, top5 = (float(np.mean([one.rank < k for one in some])) for k in (1, 5))
            found.append(Score(player, name, len(some), top1, top5, nats, percentile))
    return tuple(found)


def _phase_of(one: Played) -> str:
    return phase(one.number, one.before.rows * one.before.columns)


def _is_19(one: Played) -> bool:
    return (one.before.rows, one.before.columns) == (19, 19)
