"""Game: what one record says, as plain values. `records` makes it, `rules` plays it."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, overload

from boardnet.errors import BoardnetError
from boardnet.rules import BLACK, EMPTY, NO_CELL, WHITE
from boardnet.vertices import Point

MOVE, SETUP = "move", "setup"

# An action in 16 bits: bits 0 to 11 the cell (row * columns + column, row 0 at the top; PASS for a
# pass), bits 12 and 13 the colour, bit 14 set for a stone that is set up (EMPTY takes one off).
PASS = NO_CELL
COLOUR_SHIFT = 12
SETUP_BIT = 1 << 14
QUIET_BIT = 1 << 15
"""Set for a move that is known to take nothing off, see `moves.first_illegal`."""


class Action(NamedTuple):
    """One thing that a record does to the board.

    kind: MOVE, where point None is a pass; or SETUP, which puts `colour` (also EMPTY) on the
    point whatever was there. point: (row, column), row 0 at the top.
    """

    kind: str
    colour: int
    point: Point | None


def packed(action: Action, columns: int) -> int:
    """An action in 16 bits.

    >>> hex(packed(Action(SETUP, BLACK, (0, 0)), 9)), hex(packed(Action(MOVE, WHITE, None), 9))
    ('0x5000', '0x2fff')
    """
    kind, colour, point = action
    cell = PASS if point is None else point[0] * columns + point[1]
    return cell | colour << COLOUR_SHIFT | (SETUP_BIT if kind == SETUP else 0)


class Actions(Sequence[Action]):
    """Actions in two bytes each: what `records` reads by the thousand becomes an Action only when
    somebody looks at it.

    >>> Actions(array("H", [0x5000, 0x2FFF]), columns=9)[1]
    Action(kind='move', colour=2, point=None)
    """

    __slots__ = ("codes", "columns")

    def __init__(self, codes: "array[int]", columns: int) -> None:
        self.codes, self.columns = codes, columns

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, at: int) -> Action: ...
    @overload
    def __getitem__(self, at: slice) -> "Actions": ...
    def __getitem__(self, at: int | slice) -> "Action | Actions":
        if isinstance(at, slice):
            return Actions(self.codes[at], self.columns)
        return self._action(self.codes[at])

    def __iter__(self) -> Iterator[Action]:
        return map(self._action, self.codes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # as any sequence that can be changed

    def _action(self, code: int) -> Action:
        cell = code & PASS
        point = None if cell == PASS else divmod(cell, self.columns)
        return Action(SETUP if code & SETUP_BIT else MOVE, code >> COLOUR_SHIFT & 3, point)


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
    actions: Sequence[Action]
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

    @property
    def length(self) -> int:
        """How many moves there are, passes included."""
        if isinstance(self.actions, Actions):
            codes = self.actions.codes
            if max(codes, default=0) < SETUP_BIT:  # nearly always
                return len(codes)
            return len(codes) - sum(map(SETUP_BIT.__and__, codes)) // SETUP_BIT
        return len(self.moves)

    def actions_before(self, turn: int) -> Sequence[Action]:
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
