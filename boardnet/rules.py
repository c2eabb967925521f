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
HEAD = 7 * MAX_POINTS  # from here on: `planes.find_chains`
CHAIN_SIZE = 8 * MAX_POINTS
CHAIN_FREE = 9 * MAX_POINTS
CHAIN_NEAR = 10 * MAX_POINTS  # four a chain
LADDER = 14 * MAX_POINTS  # a stack of nodes, see `is_caught`
NODE = 6
ROWS = LADDER + NODE * (LADDER_NODES + 2)
COLUMNS = ROWS + 1
STRIDE = ROWS + 2
BOARD_LENGTH = ROWS + 3

Ints = MutableSequence[int]


def empty_board(rows: int, columns: int) -> list[int]:
    """A board without stones, as a list.

    >>> empty_board(2, 3)[:16]
    [3, 3, 3, 3, 0, 0, 0, 3, 0, 0, 0, 3, 3, 3, 3, 3]
    """
    board = [0] * BOARD_LENGTH
    clear(board, rows, columns)
    return board


def clear(board: Ints, rows: int, columns: int) -> None:
    """Make any sequence of BOARD_LENGTH integers an empty board.

    Scratch space may hold what it likes: the marks of `fill` stay valid, its counter goes on.
    """
    stride = columns + 1
    board[ROWS], board[COLUMNS], board[STRIDE] = rows, columns, stride
    for point in range((rows + 2) * stride):
        board[point] = WALL
    for row in range(1, rows + 1):
        for point in range(row * stride, row * stride + columns):
            board[point] = EMPTY


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
    return size, free


def place(board: Ints, point: int, colour: int, top: int) -> int:
    """Put a stone on an empty point and take off what it captures; its own chain stays.

    The captured points are pushed on board[CAPTURED:] from `top`; returns the new top.
    """
    stride = board[STRIDE]
    other = BLACK + WHITE - colour
    board[point] = colour
    for step in (1, -1, stride, -stride):
        near = point + step
        if board[near] == other:
            size, free = fill(board, near, 1)
            if free == 0:
                for i in range(size):
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
        what = board[point + step]
        if what == EMPTY:
            return True
        if what != WALL:
            _, free = fill(board, point + step, 2)
            # A friend must have a liberty besides this point, an enemy must have no other.
            if (free > 1) == (what == colour):
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


def is_caught(board: Ints, point: int, attacking: bool, top: int) -> bool:
    """Whether the chain at `point` is captured in a ladder.

    attacking: whether its opponent is to move; if not, the chain is in atari. The attacker gives
    atari; the chain extends, or captures a chain around it that is in atari itself. What is not
    read to its end within LADDER_NODES counts as escaped. top: of board[CAPTURED:].

    Depth first over a stack of nodes in board[LADDER:], since numba cannot keep the machine code
    of functions that call themselves. A node: which of its moves comes next, up to three moves
    (0 ends them), the move on the board, and the top of board[CAPTURED:] before it.
    """
    colour = board[point]
    node = LADDER
    budget = LADDER_NODES
    finished, caught = open_node(board, point, attacking, node, top)
    while not (finished and node == LADDER):
        if finished:
            node -= NODE
            attacking = not attacking
            take_back(board, board[node + 4], board[node + 5], top)
            top = board[node + 5]
            finished = caught == attacking  # a move that brings what its player wants is enough
            continue
        following = board[node]
        move = board[node + following] if following < 4 else 0
        if move == 0:
            finished, caught = True, not attacking
            continue
        board[node] = following + 1
        player = BLACK + WHITE - colour if attacking else colour
        if is_legal(board, move, player, 0):
            board[node + 4], board[node + 5] = move, top
            top = place(board, move, player, top)
            node += NODE
            attacking = not attacking
            budget -= 1
            finished, caught = open_node(board, point, attacking, node, top)
            if budget <= 0 and not finished:
                finished, caught = True, False
    return caught


def open_node(board: Ints, point: int, attacking: bool, node: int, top: int) -> tuple[bool, bool]:
    """Look at a position of a ladder and list its moves. Returns (is it decided, caught)."""
    size, free = fill(board, point, 3)
    if attacking and free != 2:
        return True, free < 2
    board[node] = 1
    first, second = board[LIBERTIES], board[LIBERTIES + 1]
    board[node + 2] = board[node + 3] = 0
    if attacking:
        count = 0
        if not has_room(board, second, first):
            count += 1
            board[node + count] = first
        if not has_room(board, first, second):
            count += 1
            board[node + count] = second
        return count == 0, False
    board[node + 1] = first
    list_captures(board, point, size, node, top)
    return False, False


def has_room(board: Ints, point: int, attack: int) -> bool:
    """Whether extending to `point`, after the attack, brings three liberties: no ladder, then."""
    stride = board[STRIDE]
    room = 0
    for step in (1, -1, stride, -stride):
        if board[point + step] == EMPTY and point + step != attack:
            room += 1
    return room > 2


def list_captures(board: Ints, point: int, size: int, node: int, top: int) -> None:
    """Add to a node up to two moves that capture a chain beside the one that `fill` has left."""
    stride = board[STRIDE]
    other = BLACK + WHITE - board[point]
    for i in range(size):  # `fill` overwrites board[CHAIN:]; above `top` the stack is free
        board[CAPTURED + top + i] = board[CHAIN + i]
    count = 1
    for i in range(size):
        for step in (1, -1, stride, -stride):
            near = board[CAPTURED + top + i] + step
            if board[near] == other and fill(board, near, 2)[1] == 1:
                move = board[LIBERTIES]
                if count < 3 and move != board[node + 1] and move != board[node + 2]:
                    count += 1
                    board[node + count] = move


def extension_saves(board: Ints, point: int, extend: int) -> bool:
    """Whether extending gets the chain at `point`, in atari, out of a ladder."""
    colour = board[point]
    if not is_legal(board, extend, colour, 0):
        return False
    top = place(board, extend, colour, 0)
    caught = is_caught(board, point, True, top)
    take_back(board, extend, 0, top)
    return not caught


def is_ladder_move(board: Ints, point: int, attack: int, extend: int) -> bool:
    """Whether giving atari at `attack` captures the chain at `point` in a ladder.

    attack, extend: the chain's two liberties.
    """
    other = BLACK + WHITE - board[point]
    if has_room(board, extend, attack) or not is_legal(board, attack, other, 0):
        return False
    top = place(board, attack, other, 0)
    caught = is_caught(board, point, False, top)
    take_back(board, attack, 0, top)
    return caught
