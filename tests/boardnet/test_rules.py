"""The rules against sgfmill's boards, and what they mean."""

import numpy as np
import pytest
from sgfmill import boards

from boardnet import ladders
from boardnet.game import COLOUR_SHIFT, PASS, QUIET_BIT, SETUP_BIT
from boardnet.ladders import is_caught, is_ladder_move
from boardnet.moves import first_illegal, replay
from boardnet.planes import NAMES as PLANES
from boardnet.planes import write_planes
from boardnet.rules import (
    BLACK,
    COLUMNS,
    EMPTY,
    ROWS,
    WHITE,
    empty_board,
    index_of,
    is_legal,
    play,
)
from boardnet.symmetry import index_tables

NAMES = {None: EMPTY, "b": BLACK, "w": WHITE}


def drawn(*rows: str) -> list[int]:
    """A board from rows of ". X O"."""
    cells = [row.split() for row in rows]
    board = empty_board(len(cells), len(cells[0]))
    for row, line in enumerate(cells):
        for column, cell in enumerate(line):
            board[index_of(board, row, column)] = ".XO".index(cell)
    return board


def stones(board: list[int]) -> list[list[int]]:
    return [
        [board[index_of(board, row, column)] for column in range(board[COLUMNS])]
        for row in range(board[ROWS])
    ]


def reference(board: boards.Board) -> list[list[int]]:
    side = board.side
    return [
        [NAMES[board.get(side - 1 - row, column)] for column in range(side)] for row in range(side)
    ]


@pytest.mark.parametrize("side", [2, 3, 5, 9])
def test_random_games_with_suicide_agree_with_sgfmill_after_every_move(side: int) -> None:
    rng = np.random.default_rng(side)
    suicides = kos = 0
    for _ in range(60):
        ours, theirs = empty_board(side, side), boards.Board(side)
        for number in range(3 * side * side):
            free = [
                (row, column)
                for row, line in enumerate(stones(ours))
                for column, stone in enumerate(line)
                if stone == EMPTY
            ]
            if not free:
                break
            row, column = free[rng.integers(len(free))]
            colour = number % 2 + 1
            point = index_of(ours, row, column)
            legal = is_legal(ours, point, colour, 0)
            ko = play(ours, point, colour)
            expected_ko = theirs.play(side - 1 - row, column, "bw"[colour - 1])
            assert stones(ours) == reference(theirs)
            assert legal == (ours[point] == colour)  # a suicide leaves nothing
            found = divmod(ko, side + 1) if ko else None
            assert expected_ko == (found and (side - found[0], found[1]))
            suicides += not legal
            kos += ko != 0
    assert suicides > 0
    assert kos > 0 or side == 2


def test_taking_the_last_liberty_removes_the_chain() -> None:
    board = drawn(". X .", "X O .", ". X .")
    play(board, index_of(board, 1, 2), BLACK)
    assert stones(board) == stones(drawn(". X .", "X . X", ". X ."))


def test_taking_back_a_ko_at_once_is_illegal_and_elsewhere_it_is_not() -> None:
    board = drawn(". X O .", "X . X O", ". X O .")
    ko = play(board, index_of(board, 1, 1), WHITE)
    assert ko == index_of(board, 1, 2)
    assert not is_legal(board, ko, BLACK, ko)
    assert is_legal(board, ko, BLACK, 0)


def test_giving_atari_on_the_right_side_starts_a_ladder() -> None:
    board = drawn(
        ". . . . . . .",
        ". X O . . . .",
        ". X . . . . .",
        ". . . . . . .",
        ". . . . . . .",
        ". . . . . . .",
        ". . . . . . .",
    )
    board[index_of(board, 0, 2)] = BLACK
    chain = index_of(board, 1, 2)
    right, below = index_of(board, 1, 3), index_of(board, 2, 2)
    before = list(board[: board[ROWS] * board[COLUMNS]])
    assert is_ladder_move(board, chain, right, below)
    assert list(board[: board[ROWS] * board[COLUMNS]]) == before
    board[index_of(board, 4, 3)] = WHITE  # a breaker in its path
    assert not is_ladder_move(board, chain, right, below)


def random_moves(rng: np.random.Generator, side: int, number: int) -> list[int]:
    """Encoded moves that are mostly legal, with passes and set-up stones among them."""
    kinds = rng.choice([0, SETUP_BIT], p=[0.95, 0.05], size=number)
    cells = rng.integers(side * side, size=number)
    cells[(rng.random(number) < 0.03) & (kinds == 0)] = PASS
    colours = 1 + np.arange(number) % 2
    return [int(move) for move in cells | colours << COLOUR_SHIFT | kinds]


def legal_moves(rng: np.random.Generator, side: int) -> list[int]:
    """The same without what is illegal."""
    moves = random_moves(rng, side, 6 * side * side)
    while (at := first_illegal(empty_board(side, side), moves, 0, len(moves))) < len(moves):
        del moves[at]
    return moves


@pytest.mark.parametrize("side", [2, 4, 7])
def test_marks_of_quiet_moves_change_no_position(side: int) -> None:
    rng = np.random.default_rng(side)
    loud = 0
    for _ in range(8):
        marked = legal_moves(rng, side)
        plain = [move & ~QUIET_BIT for move in marked]
        for turn in range(len(marked)):
            ours, theirs = empty_board(side, side), empty_board(side, side)
            recent, other = [0] * 5, [0] * 5
            found = replay(ours, marked, 0, len(marked), turn, recent)
            assert found == replay(theirs, plain, 0, len(plain), turn, other)
            assert (stones(ours), recent) == (stones(theirs), other)
        loud += sum(not move & (QUIET_BIT | SETUP_BIT) and move & PASS != PASS for move in marked)
    assert loud > 10


@pytest.mark.parametrize("side", [5, 9, 13])
def test_ladders_read_step_by_step_equal_those_that_look_at_every_chain_afresh(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(side)
    where = index_tables(side, side)[0].tolist()

    def planes(board: list[int]) -> list[int]:
        out = [0] * (len(PLANES) * side * side)
        write_planes(board, BLACK, 0, [0] * 5, where, out)
        return out

    positions = []
    for _ in range(12):
        moves = legal_moves(rng, side)
        for turn in range(side, len(moves), side):
            board = empty_board(side, side)
            replay(board, moves, 0, len(moves), turn, [0] * 5)
            positions.append((board, planes(board)))
    monkeypatch.setattr(ladders, "keep_captures", lambda *_: False)
    monkeypatch.setattr(ladders, "count_extended", lambda *_: -1)
    for board, found in positions:
        assert planes(board) == found
    ladder = np.array([found for _, found in positions]).reshape(len(positions), len(PLANES), -1)
    assert ladder[:, -5:].any((0, 2)).all()  # all five kinds were there


def test_a_ladder_that_goes_round_in_a_ko_is_not_caught_and_leaves_the_board() -> None:
    board = drawn(
        ". X O . .",
        "X O . O .",
        ". X O . .",
        ". . . . .",
    )
    before = board[: (4 + 2) * (5 + 1)]
    assert not is_caught(board, index_of(board, 0, 1), False, 0)
    assert board[: len(before)] == before
