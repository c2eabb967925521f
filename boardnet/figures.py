"""Figures: answers as diagrams - a prediction, what a move depends on, what a filter waits for.

Answers in, `diagram.Diagram`s out; `write` is the only function that touches a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boardnet.diagram import Board, Diagram, diagram
from boardnet.errors import BoardnetError
from boardnet.planes import OPPONENT, OWN
from boardnet.predictor import Prediction
from boardnet.rules import BLACK, EMPTY, WHITE
from boardnet.vertices import Point, vertex
from common import writing

if TYPE_CHECKING:
    from boardnet.explain import Dependence, Example, Pattern

Floats = NDArray[np.float32]
_PLAYERS = {BLACK: "Black", WHITE: "White"}


def predicted(name: str, prediction: Prediction) -> Diagram:
    """The board with the candidates and how likely each is."""
    board = _candidates(prediction)
    first = prediction.candidates[0]
    told = f"{vertex(first.point, prediction.rows)} {first.prior:.0%}"
    title = f"{name}, move {prediction.turn + 1}: {_PLAYERS[prediction.player]} to play, {told}"
    note = "red: the network's candidates, with their probability in percent; ring: the last move"
    return diagram([board], title=title, note=note)


def depending(name: str, found: Dependence) -> Diagram:
    """The position, what goes with each stone, and what speaks for the move at each point."""
    prediction = found.prediction
    rows, columns, stones = prediction.rows, prediction.columns, prediction.stones
    move = vertex(found.move, rows)
    marked = () if found.move is None else (found.move,)
    strongest = found.ranked()[:8]
    by_stone = Board(
        rows=rows,
        columns=columns,
        stones=stones,
        heat=_scaled(found.removal),
        marked=marked,
        title="What if a stone were not there?",
        caption="red: the move needs this stone; blue: it speaks against it; "
        + ", ".join(f"{vertex(point, rows)} {value:+.1f}" for point, value in strongest[:4]),
    )
    by_gradient = Board(
        rows=rows,
        columns=columns,
        stones=stones,
        heat=_scaled(found.gradients),
        marked=marked,
        title="What speaks for it, from an empty board on",
        caption="integrated gradients, red for and blue against; "
        f"all points together {float(found.gradients.sum()):+.1f} nats",
    )
    title = (
        f"{name}, move {prediction.turn + 1}: why {_PLAYERS[prediction.player]} {move}"
        f" ({found.prior:.0%})?"
    )
    note = (
        "Numbers are nats: how much the logarithm of the move's probability falls without the"
        " stone. Green ring: the move in question."
    )
    return diagram([_candidates(prediction), by_stone, by_gradient], title=title, note=note)


def waiting(pattern: Pattern) -> Diagram:
    """What a filter waits for: the mean of its best places, and the places themselves."""
    boards = [_window(pattern)]
    boards += [_example(example) for example in pattern.examples[:9]]
    title = f"What filter {pattern.filter} of {pattern.layer} waits for"
    note = (
        "As the player to move sees it: own stones black, the opponent's white. Green ring: the"
        " point at which the filter answers."
    )
    return diagram(boards, title=title, note=note, across=5)


def all_waiting(patterns: Sequence[Pattern]) -> Diagram:
    """The mean patterns of all filters of a layer."""
    boards = [_window(pattern, short=True) for pattern in patterns]
    title = f"What the {len(patterns)} filters of {patterns[0].layer} wait for"
    note = "red: own stones are there more often than the opponent's; blue: less often; at the ring"
    return diagram(boards, title=title, note=note, across=8)


def check_writable(path: Path) -> None:
    """Raise BoardnetError if no diagram can be written under this name; before the work is done."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise BoardnetError(f"{path} is not the name of a picture: end it in .svg or .png")
    if not path.parent.is_dir():
        raise BoardnetError(f"there is no folder {path.parent}")


def write(drawn: Diagram, path: Path, *, zoom: float = 1.0, about: str = "") -> None:
    """Write a diagram as .svg or .png. Raises CommonError if it cannot.

    about: how it was made, kept inside a PNG.
    """
    check_writable(path)
    if path.suffix.lower() == ".svg":
        writing.put(path, drawn.svg().encode())
        return
    from PIL.PngImagePlugin import PngInfo

    text, made = PngInfo(), BytesIO()
    text.add_itxt("Description", about)
    drawn.png(zoom).save(made, "PNG", pnginfo=text, optimize=True)
    writing.put(path, made.getvalue())


def _candidates(prediction: Prediction) -> Board:
    best = max(prediction.candidates[0].prior, 1e-9)
    shown = [one for one in prediction.candidates if one.point is not None and one.prior >= 0.005]
    others = [one for one in prediction.candidates if one.point is None]
    caption = "candidates, in percent"
    if others:
        caption += f"; pass {others[0].prior:.0%}"
    return Board(
        rows=prediction.rows,
        columns=prediction.columns,
        stones=prediction.stones,
        last=prediction.last,
        heat={one.point: one.prior / best for one in shown if one.point},
        labels={one.point: f"{100 * one.prior:.0f}" for one in shown if one.point},
        title=f"{_PLAYERS[prediction.player]} to play",
        caption=caption,
    )


def _scaled(values: Floats) -> dict[Point, float]:
    """A map as heat: by the root, or one stone in atari would outshine all; the largest is full."""
    most = float(np.abs(values).max()) or 1.0
    heat = np.sign(values) * np.sqrt(np.abs(values) / most)
    return {
        (int(row), int(column)): float(heat[row, column])
        for row, column in np.argwhere(np.abs(heat) > 0.1)
    }


def _window(pattern: Pattern, *, short: bool = False) -> Board:
    if pattern.dead:
        title = f"{pattern.filter}: dead" if short else "Dead: nothing here excites it"
        return _shares(np.zeros_like(pattern.window), title, "", ring=False)
    title = str(pattern.filter) if short else f"The mean of its {len(pattern.examples)} best"
    caption = "" if short else "red: own stones, blue: the opponent's"
    return _shares(pattern.window, title, caption)


def _shares(values: Floats, title: str, caption: str, *, ring: bool = True) -> Board:
    """Own less opponent's stones as heat on an empty board."""
    rows, columns = values.shape
    middle = ((rows // 2, columns // 2),) if ring and rows < 19 else ()
    return Board(
        rows=rows,
        columns=columns,
        stones=(EMPTY,) * (rows * columns),
        heat=_scaled(values),
        marked=middle,
        title=title,
        caption=caption,
        coordinates=False,
    )


def _example(example: Example) -> Board:
    """A real position around the place, as its mover sees it."""
    from boardnet.explain import WINDOW

    stones = np.where(example.planes[OWN] != 0, BLACK, EMPTY)
    stones = np.where(example.planes[OPPONENT] != 0, WHITE, stones)
    row, column = example.place
    rows, columns = stones.shape
    top, left = (max(0, at - WINDOW) for at in (row, column))
    part = stones[top : min(rows, row + WINDOW + 1), left : min(columns, column + WINDOW + 1)]
    return Board(
        rows=part.shape[0],
        columns=part.shape[1],
        stones=tuple(part.ravel().tolist()),
        marked=((row - top, column - left),),
        title=f"{vertex(example.place, rows)}: {example.strength:.1f}",
        coordinates=False,
    )
