"""Game: what one record says, as plain values. `records` makes it, `rules` plays it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from boardnet.errors import BoardnetError
from boardnet.rules import BLACK, EMPTY, WHITE
from boardnet.vertices import Point

MOVE, SETUP = "move", "setup"


class Action(NamedTuple):
    """One thing that a record does to the board.

    kind: MOVE, where point None is a pass; or SETUP, which puts `colour` (also EMPTY) on the
    point whatever was there. point: (row, column), row 0 at the top.
    """

    kind: str
    colour: int
    point: Point | None


@dataclass(frozen=True, kw_only=True)
class Game:
    """The main line of one game record.

    actions: moves and set-up stones, in the order in which they happened.
    player: who plays next by PL, if that was said after the last move; else EMPTY.
    komi: points; None if the record does not say. handicap: what HA says, 0 without it.
    result, date, rules and the ranks are the record's own words.
    comments: what is said of the position after so many moves; the turns without are not there.
    notes: one sentence for each thing that was odd or repaired.
    """

    rows: int
    columns: int
    actions: tuple[Action, ...]
    player: int = EMPTY
    komi: float | None = None
    handicap: int = 0
    black: str = ""
    white: str = ""
    black_rank: str = ""
    white_rank: str = ""
    result: str = ""
    date: str = ""
    rules: str = ""
    event: str = ""
    name: str = ""
    comments: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def moves(self) -> tuple[Action, ...]:
        """The moves alone, passes included."""
        return tuple(action for action in self.actions if action.kind == MOVE)

    def actions_before(self, turn: int) -> tuple[Action, ...]:
        """What makes the position after `turn` moves, which is the one before the next move.

        Stones that are set up between two moves are there already. Raises BoardnetError if the
        game has fewer moves.
        """
        self._check(turn)
        seen = -1
        for place, action in enumerate(self.actions):
            seen += action.kind == MOVE
            if seen == turn:
                return self.actions[:place]
        return self.actions

    def player_to_move(self, turn: int) -> int:
        """Who plays after `turn` moves: BLACK or WHITE.

        The record's own next move says it; else PL; else it is the other side than the last
        mover's. Without any of these White starts a handicap game and Black every other.
        Raises BoardnetError if the game has fewer moves.
        """
        self._check(turn)
        if turn < len(self.moves):
            return self.moves[turn].colour
        if self.player != EMPTY:
            return self.player
        if turn > 0:
            return BLACK + WHITE - self.moves[-1].colour
        stones = {action.colour for action in self.actions} - {EMPTY}
        return WHITE if self.handicap >= 2 or stones == {BLACK} else BLACK

    def _check(self, turn: int) -> None:
        if not 0 <= turn <= len(self.moves):
            raise BoardnetError(f"turn must be 0 to {len(self.moves)} in this game, got {turn}")
