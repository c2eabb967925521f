"""Drawing: a position as text for a terminal.

Plain data in, one string out. With colours the board is painted on wood of its own: on nothing
but the terminal's background, a filled disc looks black to one user and white to the next.
Without colours the stones are X (Black) and O (White), as in the JSON answers.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TextIO

from boardnet.rules import BLACK, EMPTY, WHITE
from boardnet.vertices import COLUMN_LETTERS, Point, vertex

WIDTH = 80  # characters in the longest line
_MOST_BAR = 20
_MOST_NUMBERS = 99  # a point has room for two digits

# Colours of the 256-colour palette, as the codes that follow "ESC [".
_WOOD = "48;5;179"
_LINES = f"{_WOOD};38;5;94"
_LAST = f"{_WOOD};1;38;5;124"
_STONES = {BLACK: f"{_WOOD};1;38;5;16", WHITE: f"{_WOOD};1;38;5;231"}
_LETTERS = {BLACK: "X", WHITE: "O"}
_GRID = ("┌┬┐", "├┼┤", "└┴┘")
# Candidates at least half as likely as the first; a tenth; less.
_FIELDS = ((0.5, 28), (0.1, 25), (0.0, 60))


@dataclass(frozen=True)
class Style:
    """What can be shown: 256 colours; characters beyond ASCII."""

    colour: bool = False
    unicode: bool = False


PLAIN = Style()


def style_of(stream: TextIO) -> Style:
    """The style for text on `stream`: colours on a terminal only, and not against NO_COLOR.

    See https://no-color.org; TERM=dumb means the same.
    """
    unwanted = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    try:
        "●┼█▏".encode(stream.encoding or "ascii")
        unicode = True
    except (LookupError, UnicodeEncodeError):
        unicode = False
    return Style(colour=stream.isatty() and not unwanted, unicode=unicode)


def board_text(
    rows: int,
    columns: int,
    stones: Sequence[int],
    *,
    last: Point | None = None,
    candidates: Sequence[tuple[Point | None, float]] = (),
    style: Style = PLAIN,
) -> str:
    """The board with its coordinates, the candidates numbered on it and listed beside it.

    stones: [point], row by row from the top: EMPTY, BLACK or WHITE. last: the point of the last
    move, which is put in brackets. candidates: (point or None for a pass, probability 0 to 1),
    the best first. No line is longer than 80 characters on boards up to 25x25, nor does the last
    one end in a newline.

    >>> stones = [0, 0, 2, 0, 1, 0, 0, 0, 0]
    >>> print(board_text(3, 3, stones, last=(0, 2), candidates=[((2, 1), 0.45), (None, 0.1)]))
       A B C
     3 . .(O) 3  X Black  O White
     2 . X .  2   1  B1    45.0%  #########
     1 . 1 .  1   2  pass  10.0%  ##
       A B C
    """
    letters = "   " + " ".join(COLUMN_LETTERS[:columns]) + "   "
    points = [point for point, _ in candidates]
    marks = dict(zip(points, _marks(candidates), strict=False))
    board = [_paint(letters, _LINES, style)]
    for row in range(rows):
        cells = (
            _cell((row, column), (rows, columns), stones[row * columns + column], marks, style)
            for column in range(columns)
        )
        board.append(_row(row, rows, list(cells), last, style))
    board.append(_paint(letters, _LINES, style))
    legend = [] if style.colour else ["X Black  O White"]
    beside = ["", *legend, *_list(rows, candidates, WIDTH - len(letters) - 2, style)]
    board += [" " * len(letters)] * (len(beside) - len(board))
    beside += [""] * (len(board) - len(beside))
    return "\n".join(f"{left}  {right}".rstrip() for left, right in zip(board, beside, strict=True))


def _paint(text: str, codes: str, style: Style) -> str:
    return f"\x1b[{codes}m{text}\x1b[0m" if style.colour else text


class _Mark(NamedTuple):
    """A candidate's number, and the colour that it has on the board and in the list."""

    number: int
    colour: int

    @property
    def codes(self) -> str:
        return f"48;5;{self.colour};1;38;5;231"


class _Cell(NamedTuple):
    """What is drawn at a point: one character, or two with the gap to its left."""

    text: str
    codes: str


def _marks(candidates: Sequence[tuple[Point | None, float]]) -> list[_Mark]:
    """One mark a candidate, as long as there are numbers that fit on a point."""
    best = max((probability for _, probability in candidates), default=0.0)
    return [
        _Mark(number, next(colour for share, colour in _FIELDS if probability >= share * best))
        for number, (_, probability) in enumerate(candidates[:_MOST_NUMBERS], 1)
    ]


def _cell(
    point: Point,
    size: tuple[int, int],
    stone: int,
    marks: dict[Point | None, _Mark],
    style: Style,
) -> _Cell:
    if stone != EMPTY:
        disc = style.colour and style.unicode
        return _Cell("●" if disc else _LETTERS[stone], _STONES[stone])
    if point in marks:
        return _Cell(str(marks[point].number), marks[point].codes)
    if is_hoshi(point, size):
        return _Cell("╋" if style.colour and style.unicode else "+", _LINES)
    if style.colour and style.unicode:
        down, across = (
            0 if at == 0 else 2 if at == length - 1 else 1
            for at, length in zip(point, size, strict=True)
        )
        return _Cell(_GRID[down][across], _LINES)
    return _Cell(".", _LINES)


def is_hoshi(point: Point, size: tuple[int, int]) -> bool:
    """Whether a point has a dot: near the corners, in the middle, and on large boards between.

    >>> [is_hoshi((at, at), (9, 9)) for at in range(9)].count(True)
    3
    """
    near, middle = [], []
    for at, length in zip(point, size, strict=True):
        edge = 3 if length >= 13 else 2
        near.append(length >= 7 and at in (edge, length - 1 - edge))
        middle.append(length % 2 == 1 and length >= 5 and at == length // 2)
    between = min(size) >= 15 and any(near) and any(middle)
    return all(near) or all(middle) or between


def _row(row: int, rows: int, cells: list[_Cell], last: Point | None, style: Style) -> str:
    """One row of the board: every point is a character with a gap to its left."""
    line = "─" if style.colour and style.unicode else " "
    parts = [_paint(f"{rows - row:2d}", _LINES, style)]
    for column, cell in enumerate(cells):
        if len(cell.text) == 1:
            gap = " " if column == 0 else line
            parts.append(_gap(row, column, gap, last, style))
        parts.append(_paint(cell.text, cell.codes, style))
    parts.append(_gap(row, len(cells), " ", last, style))
    parts.append(_paint(f"{rows - row:2d}", _LINES, style))
    return "".join(parts)


def _gap(row: int, column: int, gap: str, last: Point | None, style: Style) -> str:
    """What stands to the left of a point: the brackets around the last move are there."""
    if last == (row, column):
        return _paint("(", _LAST, style)
    if last == (row, column - 1):
        return _paint(")", _LAST, style)
    return _paint(gap, _LINES, style)


def _list(
    rows: int, candidates: Sequence[tuple[Point | None, float]], width: int, style: Style
) -> list[str]:
    """One line a candidate: number, vertex, probability, and a bar of which 100% is the width."""
    lines = []
    for mark, (point, probability) in zip(_marks(candidates), candidates, strict=False):
        text = f"  {vertex(point, rows):<4} {probability:6.1%}  "
        drawn = bar(probability, min(_MOST_BAR, width - len(text) - 2), style)
        number = _paint(f"{mark.number:2d}", mark.codes, style)
        lines.append(number + text + _paint(drawn, f"38;5;{mark.colour}", style))
    return lines


def bar(share: float, width: int, style: Style) -> str:
    """A bar of at most `width` characters; in eighths of one where there are characters for it.

    >>> bar(0.3, 10, Style(unicode=True)), bar(0.3, 10, PLAIN)
    ('███', '###')
    """
    if not style.unicode:
        return "#" * round(share * width)
    whole, eighths = divmod(round(share * width * 8), 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[eighths].strip()
