"""Handicap: where the stones of a fixed handicap lie (GTP 2, section 4.1.1)."""

from boardnet.errors import BoardnetError
from boardnet.vertices import Point


def fixed(stones: int, rows: int, columns: int) -> list[Point]:
    """The points of so many stones, in their usual order.

    Up to nine on odd boards from 9x9 on, up to four on even ones and on 7x7, none below that.
    Raises BoardnetError for another number, and on boards that are not square.

    >>> fixed(2, 19, 19)
    [(15, 3), (3, 15)]
    """
    size = rows
    most = 9 if size % 2 and size >= 9 else 4 if size >= 7 else 0
    if rows != columns or not 2 <= stones <= most:
        raise BoardnetError("invalid number of stones")
    near = 3 if size >= 13 else 2
    far, middle = size - 1 - near, size // 2
    corners = [(far, near), (near, far), (near, near), (far, far)]
    sides = [(middle, near), (middle, far), (far, middle), (near, middle)]
    if stones <= 4:
        return corners[:stones]
    return corners + sides[: (stones - 4) // 2 * 2] + [(middle, middle)] * (stones % 2)
