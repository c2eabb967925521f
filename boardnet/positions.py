"""Positions: what stands on the board in the course of a game, as arrays.

For people who want the boards themselves; the network's view of them is in `planes`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boardnet.game import COLOUR_SHIFT, PASS, SETUP_BIT, Game
from boardnet.moves import codes
from boardnet.rules import POINT_OF_CELL, STRIDE, empty_board, play


def positions(game: Game) -> NDArray[np.uint8]:
    """The boards of a game: uint8 [turn, row, column], from the one before the first move to the
    one after the last; 0 empty, 1 Black, 2 White, row 0 at the top.

    Moves are played as they stand, as SGF has it: also on a stone, against ko, or as suicide.
    Stones that are set up between two moves are there before the later one.
    Raises BoardnetError if the board is larger than 25x25.

    >>> from boardnet.records import parse
    >>> positions(parse(b"(;SZ[2]AB[aa];W[ba];B[bb])")[0]).tolist()
    [[[1, 0], [0, 0]], [[1, 2], [0, 0]], [[1, 0], [0, 1]]]
    """
    board = empty_board(game.rows, game.columns)
    moves = codes(game)
    boards = np.zeros((len(game.moves) + 1, game.rows, game.columns), np.uint8)
    turn = 0
    for move in moves:
        point = board[POINT_OF_CELL + (move & PASS)]
        colour = move >> COLOUR_SHIFT & 3
        if move & SETUP_BIT:
            board[point] = colour
            continue
        boards[turn] = _stones(board, game)
        turn += 1
        if point != 0:
            play(board, point, colour)
    boards[turn] = _stones(board, game)
    return boards


def _stones(board: list[int], game: Game) -> NDArray[np.uint8]:
    stride = board[STRIDE]
    rows = np.array(board[stride : (game.rows + 1) * stride], np.uint8).reshape(game.rows, stride)
    return rows[:, : game.columns]
