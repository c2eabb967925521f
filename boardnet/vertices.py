"""Vertices: the names of points, "Q16" as Go players and GTP say it.

Columns are letters from the left without I, rows are numbers from the bottom; inside the program
a point is (row, column), row 0 at the top.
"""

from boardnet.errors import BoardnetError

COLUMN_LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
Point = tuple[int, int]


def vertex(point: Point | None, rows: int) -> str:
    """The name of a point; None is a pass.

    >>> vertex((3, 15), rows=19), vertex(None, rows=19)
    ('Q16', 'pass')
    """
    if point is None:
        return "pass"
    row, column = point
    return f"{COLUMN_LETTERS[column]}{rows - row}"


def parse_vertex(name: str, rows: int, columns: int) -> Point | None:
    """The point that `name` says, in either case; None for "pass".

    Raises BoardnetError if there is no such point on the board.

    >>> parse_vertex("q16", rows=19, columns=19)
    (3, 15)
    """
    if name.lower() == "pass":
        return None
    letter, number = name[:1].upper(), name[1:]
    if letter and letter in COLUMN_LETTERS and number.isascii() and number.isdigit():
        point = rows - int(number[:4]), COLUMN_LETTERS.index(letter)
        if 0 <= point[0] < rows and point[1] < columns:
            return point
    size = f"{columns}x{rows}"
    raise BoardnetError(f"{name[:20]!r} is not a point of a {size} board (nor pass)")
