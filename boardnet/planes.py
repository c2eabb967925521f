"""Planes: what the network sees of a position, from the side to move.

Plain functions over flat sequences, like `boardnet.rules`, and compiled the same way. No files
and no torch here: `corpus` makes batches of it, `predictor` single positions.
"""

from boardnet.ladders import extension_saves, is_caught, is_ladder_move
from boardnet.moves import HISTORY
from boardnet.rules import (
    CHAIN,
    CHAIN_FREE,
    CHAIN_NEAR,
    CHAIN_SIZE,
    COLUMNS,
    EMPTY,
    HEAD,
    LIBERTIES,
    MAX_POINTS,
    ROOM,
    ROWS,
    SEEN,
    STONES,
    STONES_FOUND,
    STRIDE,
    WALL,
    Ints,
    fill,
    liberties_after,
)

NAMES = (
    "own",
    "opponent",
    "empty",
    "on board",
    *(f"own, {n} liberties" for n in ("1", "2", "3", "4+")),
    *(f"opponent, {n} liberties" for n in ("1", "2", "3", "4+")),
    *(f"{n} liberties after the move" for n in ("1", "2", "3", "4+")),
    *(f"captures {n}" for n in ("1", "2", "3", "4+")),
    "ko",
    *(f"move {n} ago" for n in range(1, HISTORY + 1)),
    "legal",
    "self-atari of 2 or more",
    "own, lost in a ladder",
    "own, lost in a ladder if ignored",
    "opponent, lost in a ladder",
    "captures in a ladder",
    "extends out of a ladder",
)
"""One name a plane, in order. Stored in a model file: a network is fed by these names."""

# Indices into NAMES, as constants because compiled code reads them.
OWN, OPPONENT, FREE, ON_BOARD = 0, 1, 2, 3
OWN_LIBERTIES, OPPONENT_LIBERTIES, LIBERTIES_AFTER, CAPTURES = 4, 8, 12, 16
KO, LAST, LEGAL, SELF_ATARI = 20, 21, 26, 27
LADDER_OWN, LADDER_OWN_NEXT, LADDER_OPPONENT, LADDER_CAPTURE, LADDER_ESCAPE = 28, 29, 30, 31, 32

LOOK_CLOSER = 64  # see `rate_points`


def find_chains(board: Ints) -> None:
    """Note every chain in board[HEAD:]: its head (first stone), size, liberties, four of these.

    And all stones in board[STONES:].
    """
    stride = board[STRIDE]
    end = (board[ROWS] + 1) * stride
    for point in range(end):
        board[HEAD + point] = 0
    stones = 0
    for point in range(stride, end):
        what = board[point]
        if (what == EMPTY) | (what == WALL) | (board[HEAD + point] != 0):
            continue
        size, free = fill(board, point, end)
        for i in range(size):
            stone = board[CHAIN + i]
            board[HEAD + stone] = point
            board[STONES + stones] = stone
            stones += 1
        board[CHAIN_SIZE + point] = size
        board[CHAIN_FREE + point] = free
        for k in range(4):
            board[LIBERTIES + free + k] = 0
        for k in range(4):
            board[CHAIN_NEAR + 4 * point + k] = board[LIBERTIES + k]
    board[STONES_FOUND] = stones


def after_move(board: Ints, point: int, colour: int) -> tuple[int, int, int]:
    """What a move on an empty point would do.

    Returns (its chain's liberties up to 4, its chain's stones up to 2, stones captured).
    (0, _, 0) is suicide.
    """
    stride = board[STRIDE]
    room = (
        (board[point + 1] == EMPTY)
        + (board[point - 1] == EMPTY)
        + (board[point + stride] == EMPTY)
        + (board[point - stride] == EMPTY)
    )
    friends = captured = taken = taken_too = 0
    if room == 4:
        return 4, 1, 0
    for step in (1, -1, stride, -stride):
        near = point + step
        what = board[near]
        if what == colour:
            friends += 1
            if board[CHAIN_FREE + board[HEAD + near]] > 4:  # four or more besides this point
                room += 4
        elif what != WALL and what != EMPTY:
            first = board[HEAD + near]
            if board[CHAIN_FREE + first] == 1 and first != taken and first != taken_too:
                captured += board[CHAIN_SIZE + first]
                taken, taken_too = first, taken
    if room < 4 and captured > 0:
        # Captured stones become liberties of the whole chain: played out, since it is rare.
        size, free = liberties_after(board, point, colour)
        return free, size, captured
    if room < 4 and friends > 0:
        room = shared_liberties(board, point, colour)
    return min(room, 4), 1 + min(friends, 1), captured


def shared_liberties(board: Ints, point: int, colour: int) -> int:
    """The distinct liberties of a stone joined to chains of up to 4 liberties each."""
    stride = board[STRIDE]
    mark = board[SEEN] + 1
    board[SEEN] = mark
    board[SEEN + point] = mark
    found = 0
    for step in (1, -1, stride, -stride):
        near = point + step
        if board[near] == EMPTY:
            found += board[SEEN + near] != mark
            board[SEEN + near] = mark
        elif board[near] == colour:
            known = CHAIN_NEAR + 4 * board[HEAD + near]
            for k in range(known, known + 4):
                liberty = board[k]
                if liberty != 0:
                    found += board[SEEN + liberty] != mark
                    board[SEEN + liberty] = mark
    return found


def write_planes(board: Ints, colour: int, ko: int, recent: Ints, where: Ints, out: Ints) -> None:
    """Write every plane of a position.

    colour: to move. ko: the forbidden index or 0. recent: [k] index of the move k + 1 ago, 0 for
    a pass or none. where: [index] the cell, row by row, that a point is written to: this is how a
    symmetry is applied. out: [plane * cells + cell], all zero before.
    """
    find_chains(board)
    write_stones(board, colour, where, out)
    write_moves(board, colour, ko, where, out)
    write_ladders(board, colour, where, out)
    cells = board[ROWS] * board[COLUMNS]
    if ko != 0:
        out[KO * cells + where[ko]] = 1
    for k in range(HISTORY):
        if recent[k] != 0:
            out[(LAST + k) * cells + where[recent[k]]] = 1


def write_stones(board: Ints, colour: int, where: Ints, out: Ints) -> None:
    """Planes of what is there: stones and their chains' liberties."""
    cells = board[ROWS] * board[COLUMNS]
    for cell in range(FREE * cells, (ON_BOARD + 1) * cells):
        out[cell] = 1
    for i in range(board[STONES_FOUND]):
        point = board[STONES + i]
        # No branches on what is there: a processor cannot guess it.
        side = int(board[point] != colour)
        # A record may set up a chain that has no liberty: it is shown as if it had one.
        free = max(1, min(board[CHAIN_FREE + board[HEAD + point]], 4))
        cell = where[point]
        out[FREE * cells + cell] = 0
        out[side * cells + cell] = 1
        out[(OWN_LIBERTIES - 1 + 4 * side + free) * cells + cell] = 1


def rate_points(board: Ints, colour: int) -> None:
    """Note in board[ROOM:] how many liberties each point gives to a move of `colour` beside it.

    4 stands for more than can be counted; LOOK_CLOSER, beyond any sum, for a chain of few
    liberties, which a move may share with it or take.
    """
    for point in range((board[ROWS] + 2) * board[STRIDE]):
        board[ROOM + point] = board[point] == EMPTY
    for i in range(board[STONES_FOUND]):
        point = board[STONES + i]
        free = board[CHAIN_FREE + board[HEAD + point]]
        own = board[point] == colour
        board[ROOM + point] = 4 * (own & (free > 4)) + LOOK_CLOSER * (
            (own & (free < 5)) | (free == 1)
        )


def write_moves(board: Ints, colour: int, ko: int, where: Ints, out: Ints) -> None:
    """Planes of what each legal move would do."""
    rate_points(board, colour)
    stride = board[STRIDE]
    cells = board[ROWS] * board[COLUMNS]
    for point in range(stride, (board[ROWS] + 1) * stride):
        if board[point] != EMPTY or point == ko:
            continue
        around = ROOM + point
        free = board[around + 1] + board[around - 1]
        free += board[around + stride] + board[around - stride]
        if free >= LOOK_CLOSER:
            write_close_move(board, point, colour, where, out)
        elif free > 0:
            cell = where[point]
            out[LEGAL * cells + cell] = 1
            out[(LIBERTIES_AFTER - 1 + min(free, 4)) * cells + cell] = 1


def write_close_move(board: Ints, point: int, colour: int, where: Ints, out: Ints) -> None:
    """The same for a move beside chains of few liberties."""
    free, size, captured = after_move(board, point, colour)
    if free == 0:
        return
    cells = board[ROWS] * board[COLUMNS]
    cell = where[point]
    out[LEGAL * cells + cell] = 1
    out[(LIBERTIES_AFTER + free - 1) * cells + cell] = 1
    if captured > 0:
        out[(CAPTURES + min(captured, 4) - 1) * cells + cell] = 1
    if free == 1 and size > 1:
        out[SELF_ATARI * cells + cell] = 1


def write_ladders(board: Ints, colour: int, where: Ints, out: Ints) -> None:
    """Planes of ladders: who is caught, and which moves catch or save."""
    stride = board[STRIDE]
    cells = board[ROWS] * board[COLUMNS]
    for point in range(stride, (board[ROWS] + 1) * stride):
        free = board[CHAIN_FREE + point]
        if board[HEAD + point] != point or free == 0 or free > 2:
            continue
        first, second = board[CHAIN_NEAR + 4 * point], board[CHAIN_NEAR + 4 * point + 1]
        plane = -1
        if free == 1:
            if board[point] == colour:
                if extension_saves(board, point, first):
                    out[LADDER_ESCAPE * cells + where[first]] = 1
                elif is_caught(board, point, False, 0):
                    plane = LADDER_OWN
        elif board[point] == colour:
            if (may_catch(board, point, second) or may_catch(board, point, first)) and is_caught(
                board, point, True, 0
            ):
                plane = LADDER_OWN_NEXT
        else:
            if may_catch(board, point, second) and is_ladder_move(board, point, first, second):
                plane = LADDER_OPPONENT
                out[LADDER_CAPTURE * cells + where[first]] = 1
            if may_catch(board, point, first) and is_ladder_move(board, point, second, first):
                plane = LADDER_OPPONENT
                out[LADDER_CAPTURE * cells + where[second]] = 1
        if plane >= 0:
            for i in range(fill(board, point, MAX_POINTS)[0]):
                out[plane * cells + where[board[CHAIN + i]]] = 1


def may_catch(board: Ints, point: int, extend: int) -> bool:
    """Whether a ladder is possible at all in which the chain at `point` extends to `extend`.

    It is not if that leads to four liberties: the attack takes one of them, three are left. Seen
    from the table of chains, this spares most of the reading.
    """
    stride = board[STRIDE]
    colour = board[point]
    for step in (1, -1, stride, -stride):
        near = extend + step
        if board[near] == colour and board[CHAIN_FREE + board[HEAD + near]] > 4:
            return False
    return shared_liberties(board, extend, colour) < 4
