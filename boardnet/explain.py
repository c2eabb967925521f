"""Explain: what a predicted move depends on, and which board patterns a filter waits for.

The tools are those of `common.explain`; here is what they mean on a board. Two ways to ask:
- a stone is taken off the board, and the planes are made anew by the rules (its chain's liberties,
  the ladders, all that follows; a ko stays forbidden, and moves stay remembered, but for those of
  the stone itself): by how many nats does the move become less likely?
- integrated gradients from an empty board to this position, added up over the planes of a point.
The first is what a player would ask; the second also knows of empty points. Torch is needed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from boardnet import records, symmetry
from boardnet.errors import BoardnetError
from boardnet.game import Game
from boardnet.moves import HISTORY
from boardnet.network import NetworkConfig, PolicyNetwork
from boardnet.planes import KO, LAST, NAMES, OPPONENT, OWN, write_planes
from boardnet.predictor import Prediction, Predictor, planes_of, playable
from boardnet.rules import BLACK, COLUMNS, EMPTY, ROWS, empty_board, index_of
from boardnet.vertices import Point, parse_vertex
from common import explain
from common.explain import hooks
from common.export import load_weights
from common.runtime import Runtime

Floats = NDArray[np.float32]
STEPS = 64  # of integrated gradients
POSITIONS = 2000  # that are looked through for what excites a filter
WINDOW = 4  # points on either side of where a filter answers


@dataclass(frozen=True)
class Dependence:
    """What a move depends on, at each point [row, column].

    move: None for a pass. prior: as in `prediction`. removal: nats that the move's log-probability
    falls when the stone there is taken off; 0 where there is none. gradients: integrated gradients
    of it, in nats; they add up to its rise from the empty board's, less `gap`.
    """

    prediction: Prediction
    move: Point | None
    prior: float
    removal: Floats
    gradients: Floats
    gap: float

    def ranked(self) -> list[tuple[Point, float]]:
        """Stones by how much the move depends on them, either way, the most first."""
        points = [divmod(cell, self.prediction.columns)
                  for cell, what in enumerate(self.prediction.stones) if what != EMPTY]  # fmt: skip
        rated = [(point, float(self.removal[point])) for point in points]
        return sorted(rated, key=lambda one: -abs(one[1]))


@dataclass(frozen=True)
class Example:
    """A real position that excites a filter, as its mover sees it, and where it does so.

    planes: uint8 [plane, row, column]. strength: of the filter's answer at `place`.
    """

    planes: NDArray[np.uint8]
    place: Point
    strength: float


@dataclass(frozen=True)
class Pattern:
    """What a filter waits for. examples: the strongest first. window: the mean share of own, less
    that of the opponent's stones around the place, [row, column], -1 to 1."""

    layer: str
    filter: int
    examples: tuple[Example, ...]
    window: Floats

    @property
    def dead(self) -> bool:
        """Whether nothing in the games excites it."""
        return not self.examples or self.examples[0].strength <= 0


def load_network(path: str | PathLike[str] | None = None) -> PolicyNetwork:
    """The shipped network, or that of a .safetensors file, in eval mode."""
    if path is None:
        shipped = resources.files("boardnet") / "weights" / "policy.safetensors"
        with resources.as_file(shipped) as file:
            return load_network(file)
    weights, facts = load_weights(Path(path))
    try:
        network = PolicyNetwork(NetworkConfig(**facts["recipe"]["network"]))
        network.load_state_dict(weights)
    except (KeyError, TypeError, RuntimeError) as error:
        raise BoardnetError(f"{path} does not hold a policy network") from error
    return network.eval()


def depends(
    game: Game | str | PathLike[str],
    turn: int | None = None,
    move: str | None = None,
    *,
    network: PolicyNetwork | None = None,
) -> Dependence:
    """What the next move after `turn` moves depends on; the likeliest if no `move` is named.

    network: instead of the shipped one, of which the prediction is that of `boardnet.load()`. Its
    numbers are rounded to 8 bits there, which leaves no gradients: the nats are those of the
    network before that.
    Raises BoardnetError if the game has no such turn, or the move is illegal.
    """
    if not isinstance(game, Game):
        game = records.read(game)
    predictor = _predictor(network) if network else Predictor.load()
    network = network or load_network()
    prediction = predictor.predict(game, turn)
    planes = planes_of(game, prediction.turn)  # uint8 [plane, row, column]
    likeliest = prediction.candidates[0].point
    chosen = parse_vertex(move, game.rows, game.columns) if move else likeliest
    cell = game.rows * game.columns if chosen is None else chosen[0] * game.columns + chosen[1]
    if prediction.policy[cell] < 0:
        raise BoardnetError(f"{move} is not a legal move there")

    def log_chance(answers: Tensor) -> Tensor:
        policy = answers[:, : game.rows * game.columns + 1]  # what a value head says comes after it
        return policy.float().log_softmax(1)[:, cell]

    removal = _removal(network, prediction, planes, log_chance)
    nothing = _without_stones(game)
    gradients = explain.integrated_gradients(
        network, planes[None], log_chance, baseline=nothing[None], steps=STEPS
    )
    gap = explain.completeness_gap(
        network, planes[None], gradients, log_chance, baseline=nothing[None]
    )
    return Dependence(
        prediction=prediction,
        move=chosen,
        prior=float(prediction.policy[cell]),
        removal=removal,
        gradients=gradients[0].sum(0),
        gap=float(gap[0]),
    )


def patterns(
    layer: str,
    filters: Sequence[int] | None = None,
    *,
    games: Iterable[Game],
    network: PolicyNetwork | None = None,
    positions: int = POSITIONS,
    count: int = 9,
    rng: np.random.Generator | None = None,
) -> list[Pattern]:
    """What filters of a layer wait for: the positions of games that excite them most.

    filters: all of the layer's if None. positions: so many of the games', at random (from `rng`,
    seeded with 0 if not given). count: examples of each filter.
    Raises CommonError for a layer or a filter that is not there.
    """
    network = network or load_network()
    planes, games_of = _sampled(games, positions, rng or np.random.default_rng(0))
    # More than are wanted: positions of one game, of which one is taken, are much alike.
    found = explain.top_examples(network, planes, filters, layer=layer, count=8 * count)
    if found.place.shape[-1] != 2:
        raise BoardnetError(f"layer {layer!r} has no maps of the board: name one before the heads")
    numbers = range(len(found.index)) if filters is None else filters
    made = []
    for row, number in enumerate(numbers):
        examples, seen = list[Example](), set[int]()
        for index, place, score in zip(
            found.index[row], found.place[row], found.score[row], strict=True
        ):
            if games_of[index] not in seen and len(examples) < count:
                seen.add(games_of[index])
                spot = int(place[0]), int(place[1])
                examples.append(Example(planes[index], spot, float(score)))
        made.append(Pattern(layer, number, tuple(examples), mean_window(examples)))
    return made


def mean_window(examples: Sequence[Example]) -> Floats:
    """Own less opponent's stones around the places where a filter answers: [row, column]."""
    size = 2 * WINDOW + 1
    total = np.zeros((size, size), np.float32)
    for example in examples:
        stones = example.planes[OWN].astype(np.float32) - example.planes[OPPONENT]
        padded = np.pad(stones, WINDOW)
        row, column = example.place
        total += padded[row : row + size, column : column + size]
    mean: Floats = (total / max(1, len(examples))).astype(np.float32)
    return mean


def _predictor(network: PolicyNetwork) -> Predictor:
    """The network itself behind the face of a model file."""

    def run(planes: NDArray[np.uint8]) -> Floats:
        with hooks.looking(network), torch.no_grad():
            return hooks.array(network(torch.from_numpy(planes)))

    return Predictor(Runtime(run, {"planes": list(NAMES), "board": [19, 19]}))


def _removal(
    network: PolicyNetwork,
    prediction: Prediction,
    planes: NDArray[np.uint8],
    log_chance: Callable[[Tensor], Tensor],
) -> Floats:
    """By how many nats the move becomes less likely without each of the stones."""
    cells = [cell for cell, what in enumerate(prediction.stones) if what != EMPTY]
    removal = np.zeros((prediction.rows, prediction.columns), np.float32)
    if not cells:
        return removal
    copies = np.stack([planes, *(planes_without(prediction, planes, cell) for cell in cells)])
    with hooks.looking(network), torch.no_grad():
        parts = torch.split(torch.from_numpy(copies), 64)
        chances = torch.cat([log_chance(network(part)) for part in parts]).cpu().numpy()
    for cell, left in zip(cells, chances[1:], strict=True):
        removal[divmod(cell, prediction.columns)] = chances[0] - left
    return removal


def planes_without(
    prediction: Prediction, planes: NDArray[np.uint8], cell: int | None
) -> NDArray[np.uint8]:
    """The planes of a position without the stone of a cell, made anew by the rules.

    planes: those of the position, which are what comes back if `cell` is None.
    """
    board = empty_board(prediction.rows, prediction.columns)
    for other, what in enumerate(prediction.stones):
        if other != cell:
            board[index_of(board, *divmod(other, prediction.columns))] = what

    def marked(plane: int) -> int:
        """The index of the one point on a plane; 0 if there is none, or the stone was there."""
        points = [int(point) for point in np.flatnonzero(planes[plane]) if point != cell]
        return index_of(board, *divmod(points[0], prediction.columns)) if points else 0

    recent = [marked(LAST + k) for k in range(HISTORY)]
    # A ban that a ko has left is no stone's but the last move's: without that stone there is
    # nothing to take back. To lift it with others would count the same freedom for each of them.
    ko = marked(KO) if recent[0] else 0
    return _made(board, prediction.player, ko, recent)


def _without_stones(game: Game) -> NDArray[np.uint8]:
    """The planes of the empty board, nobody having moved."""
    return _made(empty_board(game.rows, game.columns), BLACK, 0, [0] * HISTORY)


def _made(board: list[int], player: int, ko: int, recent: list[int]) -> NDArray[np.uint8]:
    """The planes of a board: uint8 [plane, row, column]."""
    rows, columns = board[ROWS], board[COLUMNS]
    where = symmetry.index_tables(rows, columns)[0].tolist()
    out = [0] * (len(NAMES) * rows * columns)
    write_planes(board, player, ko, recent, where, out)
    return np.array(out, np.uint8).reshape(len(NAMES), rows, columns)


def _sampled(
    games: Iterable[Game], positions: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], list[int]]:
    """Planes of positions at random, uint8 [position, plane, row, column], and their games."""
    square = [game for game in games if (game.rows, game.columns) == (19, 19)]
    turns = [(number, turn) for number, game in enumerate(square) for turn in range(playable(game))]
    if not turns:
        raise BoardnetError("there are no positions of 19x19 games to look through")
    chosen = [turns[place] for place in rng.permutation(len(turns))[:positions]]
    planes = [planes_of(square[number], turn) for number, turn in chosen]
    return np.stack(planes), [number for number, _ in chosen]
