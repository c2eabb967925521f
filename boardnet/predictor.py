"""Predictor: a position -> how likely each move is, from onnxruntime and without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boardnet import records, symmetry
from boardnet.errors import BoardnetError
from boardnet.game import Game
from boardnet.moves import HISTORY, encode, first_illegal, replay
from boardnet.planes import LEGAL, NAMES, write_planes
from boardnet.rules import WHITE, clear, empty_board
from boardnet.value import winrate
from boardnet.vertices import Point
from common.runtime import Runtime

BATCH = 64
"""Positions at once: enough to keep the cores busy, few enough to stay in their caches."""


@dataclass(frozen=True)
class Candidate:
    """A move and how likely it is. point: None for a pass."""

    point: Point | None
    prior: float


@dataclass(frozen=True)
class Prediction:
    """What the network expects after `turn` moves.

    player: BLACK or WHITE, who is to move. stones: [cell] EMPTY, BLACK or WHITE, row by row from
    the top. last: the last move's point, None for a pass or none. candidates: the most likely
    moves, best first. policy: float [cell, then the pass], -1 where a move is illegal; the rest
    adds up to 1. winrate: the chance of `player` to win, 0 to 1; None if the model has no
    calibrated value, the record no komi, or the board another size than was trained on.
    """

    rows: int
    columns: int
    turn: int
    player: int
    stones: tuple[int, ...]
    last: Point | None
    candidates: tuple[Candidate, ...]
    policy: NDArray[np.float32]
    winrate: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Position:
    turn: int
    player: int
    stones: tuple[int, ...]
    last: Point | None
    planes: NDArray[np.uint8]  # [plane, row, column]


@dataclass(frozen=True)
class _Asked:
    """Positions of one game."""

    game: Game
    positions: tuple[_Position, ...]
    notes: tuple[str, ...]


class Predictor:
    """Answers for positions of games."""

    def __init__(self, runtime: Runtime) -> None:
        if tuple(runtime.facts.get("planes", ())) != NAMES:
            raise BoardnetError("the model sees other planes than this boardnet makes")
        self.runtime = runtime

    @classmethod
    def load(cls, path: str | PathLike[str] | None = None) -> Predictor:
        """The shipped network, or the one in an ONNX file that `boardnet export` has written."""
        if path is not None:
            return cls(Runtime.load(Path(path)))
        with resources.as_file(resources.files("boardnet") / "weights" / "policy.onnx") as shipped:
            return cls(Runtime.load(shipped))

    @property
    def facts(self) -> dict[str, object]:
        """What the model file says of itself."""
        return self.runtime.facts

    def predict(
        self,
        game: Game | str | PathLike[str],
        turn: int | None = None,
        *,
        top: int = 5,
        symmetries: int = 1,
    ) -> Prediction:
        """The next move after `turn` moves, by default after the whole game.

        Raises BoardnetError if the file cannot be used or the game has no such turn.
        """
        if not isinstance(game, Game):
            game = records.read(game)
        turns = None if turn is None else [turn]
        return self.predict_all(game, turns, top=top, symmetries=symmetries)[0]

    def predict_all(
        self,
        game: Game,
        turns: Sequence[int] | None = None,
        *,
        top: int = 5,
        symmetries: int = 1,
    ) -> list[Prediction]:
        """Several turns of a game, by default the one after its last move.

        An illegal move is played as it stands, as SGF has it, and the predictions' notes say so.
        symmetries: 8 averages over the board's turned and mirrored forms (4 if it is not
        square): a little better, and exactly alike for a turned game.
        """
        return self._predict([_asked(game, turns)], top, symmetries)

    def predict_each(
        self, games: Sequence[Game], *, top: int = 5, symmetries: int = 1
    ) -> list[Prediction]:
        """The moves after the last of several games on boards of the same size, at once."""
        return self._predict([_asked(game, None) for game in games], top, symmetries)

    def _predict(self, asked: Sequence[_Asked], top: int, symmetries: int) -> list[Prediction]:
        positions = [(one, position) for one in asked for position in one.positions]
        policies, said = self._answers([position for _, position in positions], symmetries)
        found = []
        for (one, position), policy, value in zip(positions, policies, said, strict=True):
            game = one.game
            found.append(
                Prediction(
                    rows=game.rows,
                    columns=game.columns,
                    turn=position.turn,
                    player=position.player,
                    stones=position.stones,
                    last=position.last,
                    candidates=_candidates(policy, game.columns, top),
                    policy=policy,
                    winrate=self._winrate(game, position.player, value),
                    notes=(*one.notes, *_size_notes(game.rows, game.columns, self.runtime.facts)),
                )
            )
        return found

    def _answers(
        self, positions: list[_Position], symmetries: int
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
        """`answers` to any number of positions."""
        policies: list[NDArray[np.float32]] = []
        said = []
        for start in range(0, len(positions), BATCH):
            planes = np.stack([one.planes for one in positions[start : start + BATCH]])
            found, values = self.answers(planes, symmetries)
            policies.extend(found)
            said.append(values)
        return policies, np.concatenate(said or [np.zeros((0, 0), np.float32)])

    def _winrate(self, game: Game, player: int, said: NDArray[np.float32]) -> float | None:
        calibrated = self.facts.get("value")
        if not isinstance(calibrated, dict) or not len(said) or game.komi is None:
            return None
        if [game.rows, game.columns] != self.facts.get("board"):
            return None
        komi = np.array([game.komi if player == WHITE else -game.komi])
        return float(winrate(said[None], komi, calibrated["temperature"])[0])

    def policies(self, planes: NDArray[np.uint8], symmetries: int = 1) -> NDArray[np.float32]:
        """Probabilities from planes, uint8 [batch, plane, row, column].

        Returns float32 [batch, cell, then the pass]; -1 where a move is illegal.
        """
        return self.answers(planes, symmetries)[0]

    def answers(
        self, planes: NDArray[np.uint8], symmetries: int = 1
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What `policies` gives, and what the value head says, float32 [batch, 2] (see `value`), or
        [batch, 0] if the model has none.
        """
        if symmetries not in (1, 8):
            raise BoardnetError(f"symmetries must be 1 or 8, got {symmetries}")
        rows, columns = planes.shape[2:]
        logits = np.zeros((len(planes), rows * columns + 1), np.float32)
        several = symmetry.count(rows, columns) if symmetries == 8 else 1
        said = np.zeros((len(planes), 0), np.float32)
        for which in range(several):
            turned = np.ascontiguousarray(symmetry.turn(planes, which))
            answers = self.runtime.run(turned)
            answer, value = (
                _log_softmax(answers[:, : logits.shape[1]]),
                answers[:, logits.shape[1] :],
            )
            said = (value / several if which == 0 else said + value / several).astype(np.float32)
            back = symmetry.cells(rows, columns, which)  # where each cell went
            logits[:, :-1] += answer[:, :-1][:, back]
            logits[:, -1] += answer[:, -1]
        legal = np.ones(logits.shape, bool)  # a pass always is
        legal[:, :-1] = planes[:, LEGAL].reshape(len(planes), -1) != 0
        logits = np.where(legal, logits / several, -np.inf)
        chances = np.exp(_log_softmax(logits))
        return np.where(legal, chances, np.float32(-1)).astype(np.float32), said


def _asked(game: Game, turns: Sequence[int] | None) -> _Asked:
    """Positions after so many moves; after the last one if it is not said."""
    moves = encode(game)
    notes = []
    board = empty_board(game.rows, game.columns)
    legal = first_illegal(board, moves, 0, len(moves))
    if legal < len(moves):
        played = sum(action.kind == records.MOVE for action in game.actions[:legal])
        notes.append(f"move {played + 1} of the record is illegal: it was played all the same")
    turns = [len(game.moves)] if turns is None else turns
    for turn in turns:
        if not 0 <= turn <= len(game.moves):
            raise BoardnetError(f"turn must be 0 to {len(game.moves)} in this game, got {turn}")
    positions = tuple(_position(board, game, moves, turn) for turn in turns)
    return _Asked(game, positions, tuple(notes))


def playable(game: Game) -> int:
    """How many moves of a game are legal, up to the first that is not."""
    moves = encode(game)
    legal = first_illegal(empty_board(game.rows, game.columns), moves, 0, len(moves))
    return sum(action.kind == records.MOVE for action in game.actions[:legal])


def planes_of(game: Game, turn: int) -> NDArray[np.uint8]:
    """What the network sees after `turn` moves: uint8 [plane, row, column]."""
    return _position(empty_board(game.rows, game.columns), game, encode(game), turn).planes


def _position(board: list[int], game: Game, moves: list[int], turn: int) -> _Position:
    clear(board, game.rows, game.columns)
    recent = [0] * HISTORY
    _, ko, ko_for = replay(board, moves, 0, len(moves), turn, recent)
    player = game.player_to_move(turn)
    where = _where(game.rows, game.columns)
    cells = game.rows * game.columns
    out = [0] * (len(NAMES) * cells)
    write_planes(board, player, ko if ko_for == player else 0, recent, where, out)
    stride = game.columns + 1
    stones = tuple(
        board[(row + 1) * stride + column]
        for row in range(game.rows)
        for column in range(game.columns)
    )
    last = divmod(recent[0], stride) if recent[0] else None
    planes = np.array(out, np.uint8).reshape(len(NAMES), game.rows, game.columns)
    return _Position(turn, player, stones, (last[0] - 1, last[1]) if last else None, planes)


@lru_cache(maxsize=8)
def _where(rows: int, columns: int) -> list[int]:
    table: list[int] = symmetry.index_tables(rows, columns)[0].tolist()
    return table


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def _candidates(policy: NDArray[np.float32], columns: int, top: int) -> tuple[Candidate, ...]:
    order = np.argsort(-policy, kind="stable")[:top]
    return tuple(
        Candidate(
            None if cell == len(policy) - 1 else divmod(int(cell), columns), float(policy[cell])
        )
        for cell in order
        if policy[cell] >= 0
    )


def _size_notes(rows: int, columns: int, facts: dict[str, object]) -> list[str]:
    if [rows, columns] == facts.get("board"):
        return []
    return [f"the network was not trained on {columns}x{rows} boards: take its answer as a guess"]
