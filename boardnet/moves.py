"""Moves in two bytes each, and the replay of a game from them.

A game is a row of the 16-bit numbers that `boardnet.game` defines, in the order of its record. The
corpus stores exactly this, and one prediction replays exactly this. A move that is marked with
QUIET_BIT takes nothing off, so that a replay need not look (`first_illegal` marks them; without
marks a replay finds the same).

Plain functions over flat sequences, compiled like `boardnet.rules`.
"""

from array import array

from boardnet.game import COLOUR_SHIFT, PASS, QUIET_BIT, SETUP_BIT, Actions, Game, packed
from boardnet.rules import (
    EMPTY,
    POINT_OF_CELL,
    STRIDE,
    TAKEN,
    Ints,
    is_legal,
    play,
)

HISTORY = 5
"""Last moves that a position remembers."""


def codes(game: Game) -> "array[int]":
    """The actions of a game as 16-bit numbers, not to be changed.

    >>> from boardnet.records import parse
    >>> [hex(move) for move in codes(parse(b"(;SZ[9]AB[aa];W[bb];B[])")[0])]
    ['0x5000', '0x200a', '0x1fff']
    """
    if isinstance(game.actions, Actions):
        return game.actions.codes
    return array("H", [packed(action, game.columns) for action in game.actions])


def encode(game: Game) -> list[int]:
    """The same as a list of one's own."""
    return codes(game).tolist()


def replay(
    board: Ints, moves: Ints, begin: int, end: int, turn: int, recent: Ints
) -> tuple[int, int, int]:
    """Play moves[begin:end] on an empty board, up to the move that comes after `turn` moves.

    Set-up stones are placed as they come, those before that move included. recent: [k] gets the
    index of the move k + 1 ago, 0 for a pass or none. Moves are not checked.
    Returns (where in `moves` it stopped, the index that simple ko forbids or 0, whom to).
    """
    ko = ko_for = played = 0
    at = begin
    while at < end:
        move = moves[at]
        colour = move >> COLOUR_SHIFT & 3
        point = board[POINT_OF_CELL + (move & PASS)]
        if move & SETUP_BIT:
            board[point] = colour
            ko = 0
        elif played == turn:
            break
        else:
            played += 1
            ko = 0
            if move & QUIET_BIT:
                board[point] = colour
            elif point != 0:
                ko = play(board, point, colour)
            ko_for = 3 - colour
        at += 1
    list_recent(board, moves, begin, at, recent)
    return at, ko, ko_for


def list_recent(board: Ints, moves: Ints, begin: int, at: int, recent: Ints) -> None:
    """Note where the last moves before moves[at] went: see `replay`."""
    for k in range(HISTORY):
        at -= 1
        while at >= begin and moves[at] & SETUP_BIT:
            at -= 1
        recent[k] = board[POINT_OF_CELL + (moves[at] & PASS)] if at >= begin else 0


def first_illegal(board: Ints, moves: Ints, begin: int, end: int) -> int:
    """The first of moves[begin:end] that cannot be played, or `end`.

    On an occupied point, against simple ko, or suicide of a single stone. Suicide of more stones
    is a move under some rules, so a record may hold it. Sets QUIET_BIT in `moves` where it applies.
    """
    ko = ko_for = 0
    for at in range(begin, end):
        move = moves[at]
        colour = move >> COLOUR_SHIFT & 3
        point = board[POINT_OF_CELL + (move & PASS)]
        if move & SETUP_BIT:
            board[point] = colour
            ko = 0
        elif point == 0:
            ko = 0
        else:
            against = ko if colour == ko_for else 0
            legal = is_legal(board, point, colour, against)
            if not legal:
                own = has_neighbour(board, point, colour)
                if board[point] != EMPTY or point == against or not own:
                    return at
            ko = play(board, point, colour)
            ko_for = 3 - colour
            if legal and board[TAKEN] == 0:
                moves[at] = move | QUIET_BIT
    return end


def has_neighbour(board: Ints, point: int, colour: int) -> bool:
    """Whether a stone of that colour is beside the point."""
    stride = board[STRIDE]
    return (
        board[point + 1] == colour
        or board[point - 1] == colour
        or board[point + stride] == colour
        or board[point - stride] == colour
    )
