"""The picture of a training run: its losses and its other metrics over the steps, from the log."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common import metrics

if TYPE_CHECKING:
    from PIL import ImageDraw

Curve = list[tuple[float, float]]  # (step, value)

SIZE = (1200, 460)  # pixels a panel
MARGIN = (90, 60, 45, 60)  # left, top, right, bottom
POINTS = 300  # of one curve; more are averaged in groups
NOT_DRAWN = {"step", "rate", "norm", "skipped", "examples/s"}
INK, GRID = "#222222", "#dddddd"
# Okabe and Ito's colours, told apart by colour-blind readers too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def draw(log: Path, picture: Path) -> bool:
    """Draw metrics.jsonl as a PNG: one panel of shares (0 to 1), one of losses and all else.

    Returns False, with nothing drawn, if Pillow is not installed, the log has nothing to draw or
    the picture cannot be written: a run does not end for its picture.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        return False
    curves = read_curves(log)
    shares = {name for name in curves if _is_share(name, curves)}
    panels = [
        (title, {name: curve for name, curve in curves.items() if (name in shares) == wanted})
        for title, wanted in (("loss", False), ("share", True))
    ]
    panels = [(title, group) for title, group in panels if group]
    if not panels:
        return False
    width, height = SIZE
    image = Image.new("RGB", (width, height * len(panels)), "white")
    pen = ImageDraw.Draw(image)
    last = max(curve[-1][0] for curve in curves.values())
    for number, (title, group) in enumerate(panels):
        _panel(pen, group, top=number * height, title=title, last=last)
    try:
        image.save(picture, "PNG")
    except OSError:
        return False
    return True


def read_curves(log: Path) -> dict[str, Curve]:
    """All curves of the log by name, steps rising, what was not finite left out."""
    curves: dict[str, Curve] = {}
    for row in metrics.read(log):
        for name, value in row.items():
            if name not in NOT_DRAWN and isinstance(value, int | float):
                curves.setdefault(name, []).append((row["step"], value))
    return {name: thin(curve, POINTS) for name, curve in sorted(curves.items())}


def thin(curve: Curve, points: int) -> Curve:
    """At most so many points, each the mean of its group: a noisy curve becomes readable.

    >>> thin([(1, 0.0), (2, 1.0), (3, 2.0), (4, 4.0)], 2)
    [(1.5, 0.5), (3.5, 3.0)]
    """
    if len(curve) <= points:
        return curve
    size = math.ceil(len(curve) / points)
    groups = [curve[at : at + size] for at in range(0, len(curve), size)]
    return [
        (sum(step for step, _ in group) / len(group), sum(v for _, v in group) / len(group))
        for group in groups
    ]


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round numbers within [low, high], about `count` of them.

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = max(high - low, 1e-9) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda one: abs(one - rough))
    first = math.ceil(low / step - 1e-6)
    return [round(index * step, 12) for index in range(first, math.floor(high / step + 1e-6) + 1)]


def _is_share(name: str, curves: dict[str, Curve]) -> bool:
    """Whether a metric is drawn from 0 to 1: neither it nor its twin ever leaves that range."""
    base = name.rpartition("/")[2]
    twins = [curve for other, curve in curves.items() if other.rpartition("/")[2] == base]
    return base != "loss" and all(0 <= value <= 1 for curve in twins for _, value in curve)


def _panel(
    pen: "ImageDraw.ImageDraw", group: dict[str, Curve], *, top: int, title: str, last: float
) -> None:
    """Axes, grid, names and curves of one panel."""
    left, above, right, below = MARGIN
    x0, x1 = left, SIZE[0] - right
    y0, y1 = top + SIZE[1] - below, top + above  # the lower and the upper edge
    low, high = _range([value for curve in group.values() for _, value in curve])

    def place(step: float, value: float) -> tuple[float, float]:
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return x0 + (x1 - x0) * step / last, y0 + (y1 - y0) * share

    for value in ticks(low, high):
        y = place(0, value)[1]
        pen.line([(x0, y), (x1, y)], fill=GRID)
        pen.text((x0 - 10, y), f"{value:g}", fill=INK, anchor="rm", font_size=18)
    for step in ticks(0, last, 8):
        x = place(step, low)[0]
        pen.line([(x, y0), (x, y0 + 6)], fill=INK)
        pen.text((x, y0 + 10), f"{step:,.0f}", fill=INK, anchor="mt", font_size=18)
    pen.line([(x0, y1), (x0, y0), (x1, y0)], fill=INK, width=2)
    pen.text((x0, y1 - 14), title, fill=INK, anchor="lb", font_size=22)
    pen.text((x1, y0 + 34), "step", fill=INK, anchor="rt", font_size=18)
    _curves(pen, {name: [place(*at) for at in curve] for name, curve in group.items()}, y1 - 14)


def _curves(pen: "ImageDraw.ImageDraw", lines: dict[str, Curve], legend: float) -> None:
    """The curves in pixels, and their names in their colours, from the right at height `legend`."""
    x: float = SIZE[0] - MARGIN[2]
    # From the last, so that the first name stands leftmost.
    for number, (name, line) in reversed(list(enumerate(lines.items()))):
        colour = COLOURS[number % len(COLOURS)]
        wide = 3 if name.startswith("validation/") else 2
        if len(line) > 1:
            pen.line(line, fill=colour, width=wide, joint="curve")
        for at in line if len(line) <= 60 else []:
            pen.circle(at, 4 if wide == 3 else 2, fill=colour)
        pen.text((x, legend), name, fill=colour, anchor="rb", font_size=20)
        x -= pen.textlength(name, font_size=20) + 24


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The values to show: up to the highest, but not for the sake of a few that stick out."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    usual = ordered[int(0.98 * (len(ordered) - 1))]
    high = min(high, usual + 0.5 * (usual - low)) if usual > low else high
    room = 0.05 * (high - low) or 0.5 * abs(high) or 0.5
    return low - room, high + room
