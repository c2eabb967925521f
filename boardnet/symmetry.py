"""Symmetry: the eight ways to turn and mirror a square board.

Symmetry `which` is three bits: 1 mirrors top and bottom, 2 mirrors left and right, and then 4
swaps rows and columns. Boards that are not square have the first four.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from boardnet.rules import MAX_POINTS


def count(rows: int, columns: int) -> int:
    """How many symmetries a board has."""
    return 8 if rows == columns else 4


def turn(boards: NDArray[Any], which: int) -> NDArray[Any]:
    """Apply a symmetry to the last two axes, [..., row, column]. Returns a view.

    >>> turn(np.array([[1, 2], [3, 4]]), 5)
    array([[3, 1],
           [4, 2]])
    """
    if which & 1:
        boards = boards[..., ::-1, :]
    if which & 2:
        boards = boards[..., ::-1]
    return boards.swapaxes(-1, -2) if which & 4 else boards


def inverse(which: int) -> int:
    """The symmetry that takes back `which`: only the two quarter turns are not their own."""
    return {5: 6, 6: 5}.get(which, which)


def cells(rows: int, columns: int, which: int) -> NDArray[np.int64]:
    """Where each cell goes: [cell] -> cell, both counted row by row."""
    source = np.arange(rows * columns).reshape(rows, columns)
    target = np.empty(rows * columns, np.int64)
    target[turn(source, which).ravel()] = np.arange(rows * columns)
    return target


def index_tables(rows: int, columns: int) -> NDArray[np.int64]:
    """Where each index of a board (see `rules`) goes: [symmetry, index] -> cell.

    Walls go to cell 0; nobody asks.
    """
    tables = np.zeros((count(rows, columns), MAX_POINTS), np.int64)
    row, column = np.divmod(np.arange(rows * columns), columns)
    for which in range(len(tables)):
        tables[which, (row + 1) * (columns + 1) + column] = cells(rows, columns, which)
    return tables
