"""Ladders: whether a chain that can only run is caught in the end.

Plain functions over a board as in `boardnet.rules`, and compiled the same way. The table of chains
in board[HEAD:] (`planes.find_chains`) is either that of the board or all zero; while stones are
tried it stays true, so that most questions about liberties are answered from it.
"""

from boardnet.rules import (
    BLACK,
    CAPTURED,
    CHAIN,
    EMPTY,
    HEAD,
    LADDER,
    LADDER_NODES,
    LIBERTIES,
    NODE,
    STRIDE,
    WHITE,
    Ints,
    fill,
    has_liberties,
    is_legal,
    place,
    take_back,
)


def is_caught(board: Ints, point: int, attacking: bool, top: int) -> bool:
    """Whether the chain at `point` is captured in a ladder.

    attacking: whether its opponent is to move; if not, the chain is in atari. The attacker gives
    atari; the chain extends, or captures a chain around it that is in atari itself. What is not
    read to its end within LADDER_NODES counts as escaped. top: of board[CAPTURED:].

    Depth first over a stack of nodes in board[LADDER:], since numba cannot keep the machine code
    of functions that call themselves. A node: which of its moves comes next, up to three moves
    (0 ends them), what `push` notes of the move on the board, and for an attacker the sum of the
    chain's two liberties and whether it just extended, see `count_extended`.
    """
    colour = board[point]
    node = LADDER
    budget = LADDER_NODES
    finished, caught = open_node(board, point, attacking, node, top)
    while not (finished and node == LADDER):
        if finished:
            node -= NODE
            attacking = not attacking
            top = pop(board, node, top)
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
            top = push(board, node, move, player, top)
            node += NODE
            attacking = not attacking
            budget -= 1
            finished, caught = open_node(board, point, attacking, node, top)
            # With the budget spent nothing can become caught, and a ko would go on until it is.
            if not finished and (budget <= 0 or repeats(board, node, top)):
                while node > LADDER:
                    node -= NODE
                    top = pop(board, node, top)
                return False
    return caught


def push(board: Ints, node: int, move: int, player: int, top: int) -> int:
    """Play a move of a node; returns the new top of board[CAPTURED:].

    Noted in the node: the move, the top before it, its entry in the table of chains before it.
    """
    board[node + 4], board[node + 5], board[node + 6] = move, top, board[HEAD + move]
    board[HEAD + move] = joined_head(board, move, player)
    return place(board, move, player, top)


def pop(board: Ints, node: int, top: int) -> int:
    """Undo `push`; returns the top of board[CAPTURED:] before it."""
    move, bottom = board[node + 4], board[node + 5]
    take_back(board, move, bottom, top)
    board[HEAD + move] = board[node + 6]
    return bottom


def joined_head(board: Ints, point: int, colour: int) -> int:
    """The chain in the table that a stone joins, or 0: what its liberties were still counts."""
    stride = board[STRIDE]
    for step in (1, -1, stride, -stride):
        if board[point + step] == colour and board[HEAD + point + step] != 0:
            return board[HEAD + point + step]
    return 0


def repeats(board: Ints, node: int, top: int) -> bool:
    """Whether the last move took back the ko that the move before took.

    The position is then the one of two moves ago, and to read on would go round in circles.
    """
    if node < LADDER + 2 * NODE:
        return False
    last, before = node - NODE, node - 2 * NODE
    return (
        board[last + 5] == top - 1
        and board[before + 5] == top - 2
        and board[CAPTURED + top - 1] == board[before + 4]
        and board[CAPTURED + top - 2] == board[last + 4]
    )


def open_node(board: Ints, point: int, attacking: bool, node: int, top: int) -> tuple[bool, bool]:
    """Look at a position of a ladder and list its moves. Returns (is it decided, caught)."""
    if attacking:
        return open_attack(board, point, node, top)
    board[node] = 1
    board[node + 2] = board[node + 3] = 0
    if node == LADDER:
        fill(board, point, 2)
        board[node + 1] = board[LIBERTIES]
    else:  # of the chain's two liberties the attack took one
        before = node - NODE
        board[node + 1] = board[before + 7] - board[before + 4]
    if not keep_captures(board, node, top):
        size, _ = fill(board, point, 2)
        list_captures(board, point, size, node, top)
    return False, False


def open_attack(board: Ints, point: int, node: int, top: int) -> tuple[bool, bool]:
    """The same for a position with the attacker to move."""
    free = count_extended(board, point, node, top)
    board[node + 8] = free >= 0
    if free < 0:
        free = fill(board, point, 3)[1]
    if free != 2:
        return True, free < 2
    first, second = board[LIBERTIES], board[LIBERTIES + 1]
    board[node] = 1
    board[node + 1] = board[node + 2] = board[node + 3] = 0
    board[node + 7] = first + second
    count = 0
    if not has_room(board, second, first):
        count += 1
        board[node + count] = first
    if not has_room(board, first, second):
        count += 1
        board[node + count] = second
    return count == 0, False


def count_extended(board: Ints, point: int, node: int, top: int) -> int:
    """The liberties of the chain at `point` after it extended, left in board[LIBERTIES:].

    They are the empty points beside the new stone, and in the order in which `fill` finds them,
    as the chain had no other liberty before. Returns -1 if it did more than extend: if it
    captured, or joined a chain that the table does not know as its own.
    """
    before = node - NODE
    if node == LADDER or board[before + 5] != top or board[before + 4] != board[before + 1]:
        return -1
    stone, stride = board[before + 4], board[STRIDE]
    colour, head = board[point], board[HEAD + point]
    free = 0
    for step in (1, -1, stride, -stride):
        near = stone + step
        what = board[near]
        if what == EMPTY:
            board[LIBERTIES + free] = near
            free += 1
        elif what == colour and (board[HEAD + near] != head or head == 0):
            return -1
    return free


def keep_captures(board: Ints, node: int, top: int) -> bool:
    """List a defender's captures from those of two moves ago, if that is enough to know them.

    It is if the chain did nothing but extend, the attack captured nothing, and neither move
    left a chain in atari: only what stands beside the extension lost liberties, and only the
    attacking stone's chain is new. With two captures their order may have changed.
    """
    attack, extension = node - NODE, node - 2 * NODE
    if node < LADDER + 2 * NODE or not board[attack + 8]:
        return False
    if board[extension + 3] != 0 or board[attack + 5] != top:
        return False
    stone, stride = board[extension + 4], board[STRIDE]
    other = board[board[attack + 4]]
    if not has_liberties(board, board[attack + 4], 2):
        return False
    for step in (1, -1, stride, -stride):
        if board[stone + step] == other and not has_liberties(board, stone + step, 2):
            return False
    known = board[extension + 2]
    if known != board[attack + 4] and known != board[node + 1]:
        board[node + 2] = known
    return True


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
            if board[near] == other and not has_liberties(board, near, 2):
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
