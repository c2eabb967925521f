"""Sampling: places in a corpus -> planes and the moves that were played, in compiled code.

Plain functions over flat sequences as in `boardnet.rules`, but only ever run compiled.
"""

from typing import Any

from boardnet.compiled import pointer
from boardnet.game import COLOUR_SHIFT, PASS
from boardnet.moves import first_illegal, replay
from boardnet.planes import write_planes
from boardnet.rules import POINT_OF_CELL, Ints, clear


def write_batch(
    moves: Ints,
    starts: Ints,
    games: Ints,
    turns: Ints,
    turned: Ints,
    hidden: Ints,
    tables: list[Ints],
    rows: int,
    columns: int,
    planes: list[Ints],
    targets: Ints,
    movers: Ints,
    scratch: Ints,
    recent: Any,
) -> None:
    """Write the position of each example and the move played there.

    moves: the corpus's 16-bit numbers. starts: [game] its first one. games, turns, turned,
    hidden: [example] which game, after how many moves, under which symmetry, and whether the
    last moves and the ko are kept from the network, as if the position had been set up.
    tables: [symmetry, index] -> cell. planes: [example, plane * cells].
    targets: [example] the cell played, or rows * columns for a pass. movers: [example] who played
    it. scratch: BOARD_LENGTH zeros.
    recent: HISTORY numbers.
    """
    board, last, numbers = pointer(scratch), pointer(recent), pointer(moves)
    for example in range(len(games)):
        game = games[example]
        clear(board, rows, columns)
        end = starts[game + 1]
        at, ko, ko_for = replay(board, numbers, starts[game], end, turns[example], last)
        colour = moves[at] >> COLOUR_SHIFT & 3
        if ko_for != colour or hidden[example]:
            ko = 0
        if hidden[example]:
            recent[:] = 0
        where = pointer(tables[turned[example]])
        out: Any = planes[example]
        out[:] = 0  # only now, so that it is in the processor's cache when it is written
        write_planes(board, colour, ko, last, where, pointer(out))
        movers[example] = colour
        cell = moves[at] & PASS
        targets[example] = rows * columns if cell == PASS else where[board[POINT_OF_CELL + cell]]


def legal_lengths(
    moves: Ints, starts: Ints, rows: int, columns: int, lengths: Ints, scratch: Ints
) -> None:
    """For each game, how many of its numbers can be played one after the other."""
    board, numbers = pointer(scratch), pointer(moves)
    for game in range(len(lengths)):
        clear(board, rows, columns)
        lengths[game] = first_illegal(board, numbers, starts[game], starts[game + 1]) - starts[game]
