"""Engine: a game in progress, and the moves that the network plays in it.

There is no search: a move is what strong players would most likely play. What the rules and common
sense add to that: no move into an own eye, none that repeats a position, and a pass when the game
is over. `gtp` speaks for it.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace

import numpy as np

from boardnet import area
from boardnet.errors import BoardnetError
from boardnet.game import MOVE, SETUP, Action, Game
from boardnet.predictor import Prediction, Predictor
from boardnet.rules import BLACK, EMPTY, MAX_SIZE, WHITE, empty_board, index_of, is_legal, play
from boardnet.vertices import Point

LIKELY = 2  # a pass among so many of the likeliest moves answers a pass
KOMI = 7.5
_NOTHING = 0, EMPTY


class Engine:
    """One game. A call that raises BoardnetError has changed nothing."""

    def __init__(
        self,
        predictor: Predictor,
        *,
        temperature: float = 0.0,
        symmetries: int = 1,
        resign: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        """temperature: 0 plays the likeliest move; 1 plays moves as often as they are likely; above
        that more evenly. resign: the chance to win below which it gives up, twice in a row; 0 for
        never. rng: for what a temperature leaves to chance; seeded with 0 if not given.
        Raises BoardnetError if the model cannot know when to resign.
        """
        if not 0 <= temperature < float("inf"):
            raise BoardnetError(f"temperature must be 0 or more, got {temperature}")
        if not 0 <= resign < 1:
            raise BoardnetError(f"resign must be a chance from 0 to 1, got {resign}")
        if resign and "value" not in predictor.facts:
            raise BoardnetError(
                "this model has no calibrated value, so it cannot know when to resign: export one"
                " that was trained with a value with --usual GAMES"
            )
        self.predictor = predictor
        self.resign = resign
        self.temperature = temperature
        self.symmetries = symmetries
        self.rng = rng or np.random.default_rng(0)
        self.komi = KOMI
        self._actions: list[Action] = []
        self._loaded = _NOTHING
        self._board: list[int] = []  # see `rules`
        self._seen: set[tuple[int, ...]] = set()  # positions before and after moves
        self._ko = self._ko_for = 0
        self.resize(19, 19)

    def resize(self, rows: int, columns: int) -> None:
        """An empty board of another size."""
        if not (2 <= rows <= MAX_SIZE and 2 <= columns <= MAX_SIZE):
            raise BoardnetError("unacceptable size")
        self.rows, self.columns = rows, columns
        self._restart([])

    def clear(self) -> None:
        """An empty board of this size."""
        self._restart([])

    def load(self, game: Game, turn: int | None = None) -> None:
        """A record's position after `turn` moves, by default after its last.

        Raises BoardnetError if it has no such turn or a move before it is illegal.
        """
        turn = len(game.moves) if turn is None else turn
        player = game.player_to_move(turn)
        actions = game.actions_before(turn)
        before = self.rows, self.columns, self._actions, self._loaded
        self.rows, self.columns = game.rows, game.columns
        try:
            self._restart(list(actions), (len(actions), player))
        except BoardnetError:
            self.rows, self.columns = before[:2]
            self._restart(*before[2:])
            raise
        self.komi = KOMI if game.komi is None else game.komi

    def set_up(self, stones: Sequence[tuple[int, Point]]) -> None:
        """Put stones on the board, before any move: (colour, point)."""
        if self._actions:
            raise BoardnetError("board not empty")
        points = [point for _, point in stones]
        if len(set(points)) != len(points):
            raise BoardnetError("invalid vertex list")
        self._restart([Action(SETUP, colour, point) for colour, point in stones])

    def play(self, colour: int, point: Point | None) -> None:
        """A move; None is a pass. Raises BoardnetError("illegal move"), see `rules.is_legal`."""
        before = self.stones  # with the stones that were set up since the last move
        self._do(Action(MOVE, colour, point))
        self._actions.append(Action(MOVE, colour, point))
        self._seen |= {before, self.stones}

    def undo(self) -> None:
        """Take the last move back."""
        if not self._actions or self._actions[-1].kind != MOVE:
            raise BoardnetError("cannot undo")
        kept = self._loaded if len(self._actions) > self._loaded[0] else _NOTHING
        self._restart(self._actions[:-1], kept)

    @property
    def stones(self) -> tuple[int, ...]:
        """[cell] EMPTY, BLACK or WHITE, row by row from the top."""
        stride = self.columns + 1
        starts = (row * stride for row in range(1, self.rows + 1))
        return tuple(stone for at in starts for stone in self._board[at : at + self.columns])

    @property
    def moves(self) -> list[Action]:
        """The moves so far, passes included."""
        return [action for action in self._actions if action.kind == MOVE]

    @property
    def to_move(self) -> int:
        """Who plays next when nobody says so."""
        return self.game().player_to_move(len(self.moves))

    def game(self, colour: int = EMPTY) -> Game:
        """The game so far. colour: who is to play next, by default as the record says that was
        loaded, if it was and no move followed."""
        count, player = self._loaded
        player = colour or (player if len(self._actions) == count else EMPTY)
        return Game(rows=self.rows, columns=self.columns, actions=tuple(self._actions),
                    player=player, komi=self.komi)  # fmt: skip

    def predict(self, colour: int, *, symmetries: int | None = None, top: int = 0) -> Prediction:
        """What is likely to be played by `colour`: all moves, or the `top` likeliest."""
        top = top or self.rows * self.columns + 1
        several = symmetries or self.symmetries
        return self.predictor.predict(self.game(colour), top=top, symmetries=several)

    def winrates(self, prediction: Prediction, top: int) -> list[float | None]:
        """The mover's chance to win after each of the likeliest moves; None without a value."""
        if prediction.winrate is None:
            return [None] * min(top, len(prediction.candidates))
        other = BLACK + WHITE - prediction.player
        games = [
            replace(
                self.game(other),
                actions=(*self._actions, Action(MOVE, prediction.player, one.point)),
            )
            for one in prediction.candidates[:top]
        ]
        after = self.predictor.predict_each(games, symmetries=self.symmetries)
        return [None if one.winrate is None else 1 - one.winrate for one in after]

    def choose(self, colour: int, avoid: Container[Point | None] = ()) -> Point | None:
        """The network's move, without playing it. None is a pass. avoid: moves not to be chosen.

        Raises BoardnetError if there is no other.
        """
        found = [one for one in self.sensible(self.predict(colour)) if one[0] not in avoid]
        if not found:
            raise BoardnetError("every move is to be avoided")
        points, chances = zip(*found, strict=True)
        may_pass = None in points and self._answers_pass(colour)
        if may_pass and (
            None in points[:LIKELY] or area.is_settled(self.stones, self.rows, self.columns)
        ):
            return None
        if self.temperature == 0:
            best: Point | None = points[0]
            return best
        logs = np.log(np.maximum(chances, 1e-12))
        with np.errstate(over="ignore"):  # by next to nothing
            weights = np.exp((logs - logs.max()) / self.temperature)
        drawn: Point | None = points[self.rng.choice(len(points), p=weights / weights.sum())]
        return drawn

    def gives_up(self, colour: int) -> bool:
        """Whether `colour` resigns: its chance to win is too small, as before its last move."""
        games = [self.game(colour)]
        if self.resign == 0 or len(self._actions) < 2:
            return False
        games.append(replace(games[0], actions=tuple(self._actions[:-2])))
        chances = [self.predictor.predict(one, symmetries=self.symmetries).winrate for one in games]
        return all(chance is not None and chance < self.resign for chance in chances)

    def sensible(self, prediction: Prediction) -> list[tuple[Point | None, float]]:
        """Candidates and their priors, the likeliest first, without moves into an own eye and such
        as repeat a position. A pass is always among them."""
        stones, colour = prediction.stones, prediction.player
        found: list[tuple[Point | None, float]] = []
        for one in prediction.candidates:
            if one.point is None:
                found.append((None, one.prior))
                continue
            cell = one.point[0] * self.columns + one.point[1]
            if area.is_eye(stones, self.rows, self.columns, cell, colour):
                continue
            if self._repeats(colour, one.point):
                continue
            found.append((one.point, one.prior))
        return found

    def score(self) -> float:
        """Black's area less White's and komi, all stones alive."""
        return area.score(self.stones, self.rows, self.columns, self.komi)

    def _answers_pass(self, colour: int) -> bool:
        last = self._actions[-1] if self._actions else None
        return (
            last is not None and last.kind == MOVE and last.point is None and last.colour != colour
        )

    def _repeats(self, colour: int, point: Point) -> bool:
        """Whether a move makes a position that was there before (positional superko)."""
        at = index_of(self._board, *point)
        before = self._board[:]
        play(self._board, at, colour)
        after = self.stones
        self._board = before
        return after in self._seen

    def _restart(self, actions: list[Action], loaded: tuple[int, int] = _NOTHING) -> None:
        """Play from an empty board on. loaded: how many of the actions a record gave, and who it
        says is to play after them."""
        self._loaded = loaded
        self._board = empty_board(self.rows, self.columns)
        self._ko = self._ko_for = 0
        self._actions, self._seen = [], set()
        for action in actions:
            if action.kind == MOVE:
                self.play(action.colour, action.point)
            else:
                assert action.point is not None  # only a move passes
                self._board[index_of(self._board, *action.point)] = action.colour
                self._actions.append(action)
                self._ko = 0

    def _do(self, action: Action) -> None:
        """Change the board, or raise before anything is changed."""
        if action.point is None:
            self._ko = 0
        else:
            at = index_of(self._board, *action.point)
            ko = self._ko if self._ko_for == action.colour else 0
            if not is_legal(self._board, at, action.colour, ko):
                raise BoardnetError("illegal move")
            self._ko = play(self._board, at, action.colour)
        self._ko_for = BLACK + WHITE - action.colour
