"""Diagrams: boards as pictures, SVG or PNG. Plain data in, text or an image out; no files here.

A diagram is a list of simple shapes, drawn two ways, so that both pictures are the same. Lengths
are in points of the picture; the board's lines are STEP apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal
from xml.sax.saxutils import escape

from boardnet.drawing import is_hoshi
from boardnet.rules import BLACK, EMPTY
from boardnet.vertices import COLUMN_LETTERS, Point

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

STEP = 30.0
_STONE = 0.48 * STEP
_MARGIN = 1.35 * STEP  # from the outer line to the edge of the wood: coordinates stand there
_WOOD, _LINE, _INK = "#e9c583", "#5b4320", "#2a2118"
_FOR, _AGAINST = "#e0162f", "#2f6fe4"
_SCALE = 3  # the PNG is drawn so many times larger, then shrunk: smooth edges

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Rectangle:
    x: float
    y: float
    width: float
    height: float
    fill: str
    round: float = 0.0


@dataclass(frozen=True)
class Line:
    x1: float
    y1: float
    x2: float
    y2: float
    width: float
    colour: str


@dataclass(frozen=True)
class Disc:
    """A filled circle; opacity 0 to 1."""

    x: float
    y: float
    radius: float
    fill: str
    opacity: float = 1.0


@dataclass(frozen=True)
class Ring:
    x: float
    y: float
    radius: float
    width: float
    colour: str


@dataclass(frozen=True)
class Stone:
    """A stone with its light and its shadow."""

    x: float
    y: float
    radius: float
    black: bool


@dataclass(frozen=True)
class Text:
    """One line of text, its middle at height y."""

    x: float
    y: float
    text: str
    size: float
    colour: str = _INK
    anchor: Anchor = "middle"
    bold: bool = False


_At = Callable[[Point], tuple[float, float]]
Shape = Rectangle | Line | Disc | Ring | Stone | Text


@dataclass(frozen=True, kw_only=True)
class Board:
    """What is to be seen on one board.

    stones: [point], row by row from the top: EMPTY, BLACK or WHITE. last: the last move, ringed.
    heat: -1 to 1 by point: red for, blue against, the stronger the fuller. labels: a few letters
    or digits by point. marked: points that are ringed. title: above the board; caption: below.
    coordinates: whether they are drawn.
    """

    rows: int
    columns: int
    stones: Sequence[int]
    last: Point | None = None
    heat: Mapping[Point, float] = field(default_factory=dict)
    labels: Mapping[Point, str] = field(default_factory=dict)
    marked: Iterable[Point] = ()
    title: str = ""
    caption: str = ""
    coordinates: bool = True


@dataclass(frozen=True)
class Diagram:
    """A picture of one board or several. width, height: of the picture."""

    width: float
    height: float
    shapes: tuple[Shape, ...]

    def svg(self) -> str:
        """As SVG 1.1, by itself: no fonts, no files but this one."""
        body = "\n".join(_svg(shape) for shape in self.shapes)
        size = f'width="{self.width:g}" height="{self.height:g}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
            f'viewBox="0 0 {self.width:g} {self.height:g}" font-family="sans-serif">\n'
            f"{_GRADIENTS}\n{body}\n</svg>\n"
        )

    def png(self, zoom: float = 1.0) -> Image.Image:
        """As an image in RGB, `zoom` pixels a point of the picture."""
        from PIL import Image, ImageDraw

        scale = zoom * _SCALE
        size = (math.ceil(self.width * scale), math.ceil(self.height * scale))
        image = Image.new("RGB", size, "white")
        pen = ImageDraw.Draw(image)
        for shape in self.shapes:
            _paint(image, pen, shape, scale)
        final = (math.ceil(self.width * zoom), math.ceil(self.height * zoom))
        return image.resize(final, Image.Resampling.LANCZOS)


def diagram(
    boards: Sequence[Board], *, title: str = "", note: str = "", across: int | None = None
) -> Diagram:
    """Boards side by side, `across` in a row, below a title and above a note."""
    across = across or len(boards)
    gap, shapes = 18.0, list[Shape]()
    top = 46.0 if title else gap
    width = gap
    for start in range(0, len(boards), across):
        left, lowest = gap, top
        for board in boards[start : start + across]:
            wide, high, drawn = _board(board, left, top)
            shapes += drawn
            left += wide + gap
            lowest = max(lowest, top + high + gap)
        top, width = lowest, max(width, left)
    width = max(width, 9.5 * len(title) + 2 * gap, 6.4 * len(note) + 2 * gap)
    if title:
        shapes.append(Text(gap, 24, title, 20, anchor="start", bold=True))
    if note:
        shapes.append(Text(gap, top, note, 13, "#666666", "start"))
        top += gap
    background = Rectangle(0, 0, width, top, "#ffffff")
    return Diagram(width, top, (background, *shapes))


def _board(board: Board, left: float, top: float) -> tuple[float, float, list[Shape]]:
    """Its width, height and shapes, the upper left corner at (left, top)."""
    shapes: list[Shape] = []
    margin = _MARGIN if board.coordinates else 0.8 * STEP
    if board.title:
        shapes.append(Text(left + 2, top + 9, board.title, 15, anchor="start", bold=True))
        top += 24
    wide = (board.columns - 1) * STEP + 2 * margin
    high = (board.rows - 1) * STEP + 2 * margin
    shapes.append(Rectangle(left, top, wide, high, _WOOD, 4))

    def at(point: Point) -> tuple[float, float]:
        return left + margin + point[1] * STEP, top + margin + point[0] * STEP

    shapes += _grid(board, at)
    if board.coordinates:
        shapes += _coordinates(board, at)
    for point, value in board.heat.items():
        if board.stones[point[0] * board.columns + point[1]] == EMPTY and value:
            opacity = 0.15 + 0.8 * min(1.0, abs(value)) ** 0.7
            shapes.append(Disc(*at(point), 0.47 * STEP, _FOR if value > 0 else _AGAINST, opacity))
    shapes += _stones(board, at)
    for point, text in board.labels.items():
        stone = board.stones[point[0] * board.columns + point[1]]
        light = stone == BLACK or (stone == EMPTY and abs(board.heat.get(point, 0)) > 0.25)
        size = 15 if len(text) < 3 else 11.5
        shapes.append(Text(*at(point), text, size, "#ffffff" if light else _INK, bold=True))
    for point in board.marked:
        shapes.append(Ring(*at(point), 0.5 * STEP, 3, "#0b7a3b"))
    bottom = high + (24 if board.title else 0)
    if board.caption:
        shapes.append(Text(left + 2, top + high + 13, board.caption, 13, "#555555", "start"))
        bottom += 24
    return wide, bottom, shapes


def _grid(board: Board, at: _At) -> list[Shape]:
    shapes: list[Shape] = []
    last_row, last_column = board.rows - 1, board.columns - 1
    for row in range(board.rows):
        width = 1.6 if row in (0, last_row) else 0.9
        shapes.append(Line(*at((row, 0)), *at((row, last_column)), width, _LINE))
    for column in range(board.columns):
        width = 1.6 if column in (0, last_column) else 0.9
        shapes.append(Line(*at((0, column)), *at((last_row, column)), width, _LINE))
    shapes += [
        Disc(*at((row, column)), 3, _LINE)
        for row in range(board.rows)
        for column in range(board.columns)
        if board.coordinates and is_hoshi((row, column), (board.rows, board.columns))
    ]
    return shapes


def _coordinates(board: Board, at: _At) -> list[Shape]:
    shapes: list[Shape] = []
    out = 0.92 * STEP
    for column in range(board.columns):
        for row, by in ((0, -out), (board.rows - 1, out)):
            x, y = at((row, column))
            shapes.append(Text(x, y + by, COLUMN_LETTERS[column], 12, _LINE))
    for row in range(board.rows):
        for column, by in ((0, -out), (board.columns - 1, out)):
            x, y = at((row, column))
            shapes.append(Text(x + by, y, str(board.rows - row), 12, _LINE))
    return shapes


def _stones(board: Board, at: _At) -> list[Shape]:
    shapes: list[Shape] = []
    for cell, what in enumerate(board.stones):
        if what == EMPTY:
            continue
        point = divmod(cell, board.columns)
        x, y = at(point)
        shapes.append(Stone(x, y, _STONE, what == BLACK))
        if value := board.heat.get(point):
            strength = min(1.0, abs(value))
            colour = _FOR if value > 0 else _AGAINST
            radius = _STONE * (0.35 + 0.4 * strength)
            shapes.append(Disc(x, y, radius, colour, 0.4 + 0.55 * strength))
        if point == board.last and point not in board.labels:
            shapes.append(Ring(x, y, 0.24 * STEP, 2.2, "#ffffff" if what == BLACK else _INK))
    return shapes


def _svg(shape: Shape) -> str:
    match shape:
        case Rectangle(x, y, width, height, fill, corner):
            box = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
            return f'<rect {box} rx="{corner:g}" fill="{fill}"/>'
        case Line(x1, y1, x2, y2, width, colour):
            ends = f'x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"'
            return f'<line {ends} stroke="{colour}" stroke-width="{width:g}"/>'
        case Disc(x, y, radius, fill, opacity):
            round_ = f'cx="{x:g}" cy="{y:g}" r="{radius:g}"'
            return f'<circle {round_} fill="{fill}" fill-opacity="{opacity:.3g}"/>'
        case Ring(x, y, radius, width, colour):
            round_ = f'cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="none"'
            return f'<circle {round_} stroke="{colour}" stroke-width="{width:g}"/>'
        case Stone(x, y, radius, black):
            kind = "black" if black else "white"
            shadow = f'<circle cx="{x + 1:g}" cy="{y + 1.5:g}" r="{radius:g}" fill-opacity="0.3"/>'
            return (
                f'{shadow}<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{radius:g}"'
                f' fill="url(#{kind})"/>'
            )
        case Text(x, y, text, size, colour, anchor, bold):
            where = f'x="{x:g}" y="{y + 0.36 * size:g}" font-size="{size:g}"'
            weight = ' font-weight="bold"' if bold else ""
            where += f' fill="{colour}" text-anchor="{anchor}"{weight}'
            return f"<text {where}>{escape(text)}</text>"


# A stone is lit from the upper left: (share of the radius, grey) from there to the rim.
_LIGHT = {True: ((0.0, 120), (0.35, 62), (1.0, 14)), False: ((0.0, 255), (0.6, 243), (1.0, 196))}
_GRADIENTS = (
    "<defs>"
    + "".join(
        f'<radialGradient id="{name}" cx="0.36" cy="0.32" r="0.72">'
        + "".join(
            f'<stop offset="{share:g}" stop-color="rgb({grey},{grey},{grey})"/>'
            for share, grey in _LIGHT[black]
        )
        + "</radialGradient>"
        for name, black in (("black", True), ("white", False))
    )
    + "</defs>"
)


def _paint(image: Image.Image, pen: ImageDraw.ImageDraw, shape: Shape, scale: float) -> None:
    match shape:
        case Rectangle(x, y, width, height, fill, corner):
            box = (x * scale, y * scale, (x + width) * scale, (y + height) * scale)
            pen.rounded_rectangle(box, corner * scale, fill)
        case Line(x1, y1, x2, y2, width, colour):
            half = width * scale / 2
            pen.rectangle(
                (x1 * scale - half, y1 * scale - half, x2 * scale + half, y2 * scale + half), colour
            )
        case Disc(x, y, radius, fill, opacity):
            _blend(image, x * scale, y * scale, _disc(round(radius * scale), fill, opacity))
        case Ring(x, y, radius, width, colour):
            r = (radius + width / 2) * scale
            box = (x * scale - r, y * scale - r, x * scale + r, y * scale + r)
            pen.ellipse(box, outline=colour, width=round(width * scale))
        case Stone(x, y, radius, black):
            r = round(radius * scale)
            _blend(image, (x + 1) * scale, (y + 1.5) * scale, _disc(r, "#000000", 0.3))
            _blend(image, x * scale, y * scale, _ball(r, black))
        case Text(x, y, text, size, colour, anchor, bold):
            where = {"start": "lm", "middle": "mm", "end": "rm"}[anchor]
            stroke = 0.02 * size * scale if bold else 0
            pen.text(
                (x * scale, y * scale), text, colour, _font(size * scale), anchor=where,
                stroke_width=stroke, stroke_fill=colour,
            )  # fmt: skip


def _blend(image: Image.Image, x: float, y: float, sprite: Image.Image) -> None:
    corner = (round(x - sprite.width / 2), round(y - sprite.height / 2))
    image.paste(sprite, corner, sprite)


@lru_cache(maxsize=256)
def _disc(radius: int, fill: str, opacity: float) -> Image.Image:
    from PIL import Image, ImageColor, ImageDraw

    sprite = Image.new("RGBA", (2 * radius + 2, 2 * radius + 2))
    colour = (*ImageColor.getrgb(fill)[:3], round(255 * opacity))
    ImageDraw.Draw(sprite).ellipse((0, 0, 2 * radius + 1, 2 * radius + 1), colour)
    return sprite


@lru_cache(maxsize=8)
def _ball(radius: int, black: bool) -> Image.Image:
    """The stone that the gradients of the SVG draw, too."""
    import numpy as np
    from PIL import Image

    place = (np.arange(2 * radius + 2) - radius - 0.5) / radius
    far = np.hypot(place[None] + 0.28, place[:, None] + 0.36) / 1.44
    shares, greys = zip(*_LIGHT[black], strict=True)
    grey = np.interp(far, shares, greys)
    inside = np.hypot(place[None], place[:, None]) <= 1
    return Image.fromarray(
        np.stack([grey, grey, grey, 255.0 * inside], -1).round().astype(np.uint8), "RGBA"
    )


@lru_cache(maxsize=32)
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
