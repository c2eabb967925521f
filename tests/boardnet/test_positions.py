"""Positions as arrays, beside sgfmill's boards."""

from pathlib import Path

import numpy as np
import pytest
from sgfmill import boards

from boardnet import records
from boardnet.errors import BoardnetError
from boardnet.positions import positions
from boardnet.records import MOVE, parse, read

GAMES = sorted((Path(__file__).parents[2] / "data" / "games").glob("*.sgf"))


@pytest.mark.parametrize("path", GAMES, ids=lambda path: path.stem)
def test_boards_are_those_of_sgfmill(path: Path) -> None:
    game = read(path)
    found = positions(game)
    board = boards.Board(game.rows)
    turn = 0
    for action in game.actions:
        assert action.kind == MOVE  # the shipped games have no set-up stones
        if action.point is not None:
            row, column = action.point
            board.play(game.rows - 1 - row, column, "bw"[action.colour - 1])
        turn += 1
        expected = np.zeros((game.rows, game.columns), int)
        for colour, (row, column) in board.list_occupied_points():
            expected[game.rows - 1 - row, column] = "ebw".index(colour)
        assert (found[turn] == expected).all()
    assert turn == len(found) - 1 >= 150


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("(;SZ[3]AB[aa:bb]AE[ab];W[cc])", "XX. .X. ..O"),
        ("(;SZ[3];B[aa];AW[ba]AE[aa];B[cc])", ".O. ... ..X"),
        ("(;SZ[3:2];B[ba];W[ba])", ".O. ..."),  # on a stone: the new one stays
        ("(;SZ[2];B[aa];W[ba];W[ab];B[aa])", ".O O."),  # suicide
        ("(;SZ[2];B[];W[tt])", ".. .."),
    ],
)
def test_set_up_and_illegal_moves_are_done_as_they_stand(text: str, last: str) -> None:
    [game] = parse(text.encode())
    board = positions(game)[-1]
    assert " ".join("".join(".XO"[stone] for stone in row) for row in board) == last


def test_boards_too_large_to_play_on_are_refused() -> None:
    [game] = parse(b"(;SZ[37];B[aK])")
    with pytest.raises(BoardnetError, match="37x37 board is too large"):
        positions(game)
    assert len(records.parse(b"(;SZ[37];B[aK])")[0].moves) == 1
