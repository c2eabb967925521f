"""Rules: stones, captures, ko and ladders on a board of any size.

Plain functions over flat sequences. One prediction runs them as they are, over lists, without
numba's start-up time; the training sampler runs the very same functions compiled, over arrays
(`boardnet.compiled`). So the two cannot disagree. Hence the style: no classes with methods, no
allocation, integers only, and scratch space that travels with the board.

A board is one flat sequence of integers: first the stones, then scratch space that any function
may overwrite, in regions of MAX_POINTS each (one array is what compiled code passes on fastest).

The stones have a rim: a wall column right of every row, a wall row above and below, so that a
neighbour is always an index away and never has to be checked against the edge. Point (row,
column), row 0 at the top, has the index `(row + 1) * stride + column` with `stride = columns + 1`;
the wall to the left of a row is the one at the end of the row above. Index 0 is a wall, so that 0
also says "no point" (no ko, a pass).
"""

from collections.abc import MutableSequence

from boardnet.errors import BoardnetError

EMPTY, BLACK, WHITE, WALL = 0, 1, 2, 3

MAX_SIZE = 25
"""Rows or columns at most."""

LADDER_NODES = 120
"""Stones tried before a ladder is called unread. A ladder across the whole board takes about 80."""

MAX_POINTS = (MAX_SIZE + 2) * (MAX_SIZE + 1) + 1
SEEN = MAX_POINTS  # marks of `fill`; SEEN itself counts its calls, so nothing has to be wiped
CHAIN = 2 * MAX_POINTS  # the stones that `fill` found last
LIBERTIES = 3 * MAX_POINTS  # the liberties that it found
CAPTURED = 4 * MAX_POINTS  # a stack of what `place` took off, three regions long
HEAD = 7 * MAX_POINTS  # from here on the table of chains, see `planes.find_chains`; 0: none
CHAIN_SIZE = 8 * MAX_POINTS
CHAIN_FREE = 9 * MAX_POINTS
CHAIN_NEAR = 10 * MAX_POINTS  # four liberties a chain, 0 where it has fewer
STONES = 14 * MAX_POINTS  # the stones of all chains, one chain after the other
ROOM = 15 * MAX_POINTS  # what a point gives to a move beside it, see `planes.rate_points`
LADDER = 16 * MAX_POINTS  # a stack of nodes, see `ladders.is_caught`
NODE = 9
ROWS = LADDER + NODE * (LADDER_NODES + 2)
COLUMNS = ROWS + 1
STRIDE = ROWS + 2
CHAIN_FOUND = ROWS + 3  # stones of the chain that `fill` last found whole
TAKEN = ROWS + 4  # stones that `play` took off last, but for suicide
STONES_FOUND = ROWS + 5  # how many stones there are in board[STONES:]
POINT_OF_CELL = ROWS + 6  # [cell, row by row] its index; 0 for NO_CELL
NO_CELL = 4095
BOARD_LENGTH = POINT_OF_CELL + NO_CELL + 1

Ints = MutableSequence[int]


def empty_board(rows: int, columns: int) -> list[int]:
    """A board without stones, as a list. Raises BoardnetError if it would be too large.

    >>> empty_board(2, 3)[:16]
    [3, 3, 3, 3, 0, 0, 0, 3, 0, 0, 0, 3, 3, 3, 3, 3]
    """
    if max(rows, columns) > MAX_SIZE:
        size = f"{columns}x{rows}"
        raise BoardnetError(f"a {size} board is too large to play on: at most {MAX_SIZE} a side")
    board = [0] * BOARD_LENGTH
    clear(board, rows, columns)
    return board


def clear(board: Ints, rows: int, columns: int) -> None:
    """Make any sequence of BOARD_LENGTH integers an empty board.

    Scratch space may hold what it likes: the marks of `fill` stay valid, its counter goes on.
    The table of chains is emptied.
    """
    stride = columns + 1
    board[ROWS], board[COLUMNS], board[STRIDE] = rows, columns, stride
    for point in range((rows + 2) * stride):
        board[point] = WALL
        board[HEAD + point] = 0
    board[POINT_OF_CELL + NO_CELL] = 0
    for row in range(1, rows + 1):
        for column in range(columns):
            board[row * stride + column] = EMPTY
            board[POINT_OF_CELL + (row - 1) * columns + column] = row * stride + column


def index_of(board: Ints, row: int, column: int) -> int:
    """The index of a point."""
    return (row + 1) * board[STRIDE] + column


def fill(board: Ints, point: int, limit: int) -> tuple[int, int]:
    """Walk the chain at `point`, until `limit` liberties are found.

    Leaves the stones in board[CHAIN:], the liberties in board[LIBERTIES:].
    Returns (stones found, liberties found); both complete if fewer than `limit` liberties.
    """
    stride = board[STRIDE]
    mark = board[SEEN] + 1
    board[SEEN] = mark
    colour = board[point]
    board[SEEN + point] = mark
    board[CHAIN] = point
    size = 1
    free = 0
    at = 0
    while at < size:
        here = board[CHAIN + at]
        at += 1
        for step in (1, -1, stride, -stride):
            near = here + step
            if board[SEEN + near] == mark:
                continue
            what = board[near]
            if what == EMPTY:
                board[SEEN + near] = mark
                board[LIBERTIES + free] = near
                free += 1
                if free == limit:
                    return size, free
            elif what == colour:
                board[SEEN + near] = mark
                board[CHAIN + size] = near
                size += 1
    board[CHAIN_FOUND] = size
    return size, free


def has_liberties(board: Ints, point: int, wanted: int) -> bool:
    """Whether the chain at `point` has `wanted` liberties, one or two.

    Those that are quickly seen are counted first: what the table of chains lists, as far as it is
    still empty, else the stone's own. If the answer is no, `fill` has left the whole chain.
    """
    head = board[HEAD + point]
    if head != 0:
        known = CHAIN_NEAR + 4 * head
        a, b, c, d = board[known], board[known + 1], board[known + 2], board[known + 3]
    else:
        stride = board[STRIDE]
        a, b, c, d = point + 1, point - 1, point + stride, point - stride
    left = (board[a] == EMPTY) + (board[b] == EMPTY) + (board[c] == EMPTY) + (board[d] == EMPTY)
    if left >= wanted:
        return True
    return fill(board, point, wanted)[1] >= wanted


def place(board: Ints, point: int, colour: int, top: int) -> int:
    """Put a stone on an empty point and take off what it captures; its own chain stays.

    The captured points are pushed on board[CAPTURED:] from `top`; returns the new top.
    """
    stride = board[STRIDE]
    other = BLACK + WHITE - colour
    board[point] = colour
    for step in (1, -1, stride, -stride):
        near = point + step
        if board[near] == other and not has_liberties(board, near, 1):
            for i in range(board[CHAIN_FOUND]):
                board[board[CHAIN + i]] = EMPTY
                board[CAPTURED + top] = board[CHAIN + i]
                top += 1
    return top


def take_back(board: Ints, point: int, bottom: int, top: int) -> None:
    """Undo `place`: the stone goes, board[CAPTURED + bottom:top] come back."""
    other = BLACK + WHITE - board[point]
    for i in range(bottom, top):
        board[board[CAPTURED + i]] = other
    board[point] = EMPTY


def play(board: Ints, point: int, colour: int) -> int:
    """Play a move on an empty point; a suicide takes off its own chain.

    Returns the point that simple ko now forbids to the opponent, or 0.
    """
    top = place(board, point, colour, 0)
    board[TAKEN] = top
    size, free = fill(board, point, 2)
    if free == 0:
        for i in range(size):
            board[board[CHAIN + i]] = EMPTY
    if top == 1 and size == 1 and free == 1:
        return int(board[CAPTURED])
    return 0


def is_legal(board: Ints, point: int, colour: int, ko: int) -> bool:
    """Whether the point is empty, not forbidden by simple ko, and not suicide.

    Superko is not looked at: which form holds depends on the rule set, and records seldom say.
    """
    if board[point] != EMPTY or point == ko:
        return False
    stride = board[STRIDE]
    for step in (1, -1, stride, -stride):
        if board[point + step] == EMPTY:
            return True
    for step in (1, -1, stride, -stride):
        what = board[point + step]
        # A friend must have a liberty besides this point, an enemy must have no other.
        if what != WALL and has_liberties(board, point + step, 2) == (what == colour):
            return True
    return False


def liberties_after(board: Ints, point: int, colour: int) -> tuple[int, int]:
    """What a legal move leaves: (stones of its chain, its liberties up to 4)."""
    top = place(board, point, colour, 0)
    size, free = fill(board, point, 4)
    if free > 3:
        size = 0
    take_back(board, point, 0, top)
    return size, free
