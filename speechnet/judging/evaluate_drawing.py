"""Pictures of an evaluation: the confusion matrix, the reliability diagram, the DET curve.

In: what `evaluate` and `detection` counted. Out: pictures to save; nothing is counted or written
here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from PIL import Image, ImageDraw, ImageFont

from common.curves import COLOURS, GRID, INK
from speechnet.errors import SpeechnetError
from speechnet.hearing.thresholds import Point
from speechnet.intervals import wilson
from speechnet.judging.detection import Counts, miss_rate_at
from speechnet.judging.evaluate import Bin, Confusion

CELL = 42
"""Pixels of a square of the confusion matrix."""

RIGHT, WRONG = (0, 114, 178), (213, 94, 0)
"""Of the matrix: what colour a share of 1 has. Blue and vermilion of Okabe and Ito."""

GREY, OTHER = "#777777", "#c4c4c4"
MISSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98)
"""Marked on the axis of misses, as in Martin et al. 1997."""

NAMED = 5
"""Words whose own DET curves get a colour and a name: the ones missed most."""

NAMED_AT = 5.0
"""False alarms an hour, of the word, at which that is judged."""

Place = tuple[float, float]


def confusion_picture(confusion: Confusion, title: str) -> Image.Image:
    """The matrix, a row for each label that clips had: how many were taken for what.

    A square is the darker the larger its share of the row; wrong answers much sooner, for there are
    few of them. At the end of a row is the share of right ones.
    """
    counts = confusion.counts
    shown = [at for at in range(len(counts)) if counts[at].any() or counts[:, at].any()]
    rows = [at for at in shown if counts[at].any()]
    names = max(_length(name, 16) for name in confusion.labels)
    left, top = math.ceil(names) + 50, math.ceil(names) + 104
    size = (left + CELL * len(shown) + 90, top + CELL * len(rows) + 60)
    note = "rows: what was said; columns: what was heard; the numbers are clips"
    image, pen = _page(size, title, note)
    for column, at in enumerate(shown):
        _upright(image, confusion.labels[at], left + CELL * (column + 0.5), top - 8)
    for row, at in enumerate(rows):
        y = top + CELL * (row + 0.5)
        pen.text((left - 10, y), confusion.labels[at], fill=INK, anchor="rm", font_size=16)
        total = int(counts[at].sum())
        for column, other in enumerate(shown):
            corner = (left + CELL * column, top + CELL * row)
            _cell(pen, corner, int(counts[at, other]), total, other == at)
        share = counts[at, at] / total
        end = left + CELL * len(shown) + 10
        pen.text((end, y), f"{share:.1%}", fill=INK, anchor="lm", font_size=16)
    bottom = top + CELL * len(rows)
    pen.rectangle((left, top, left + CELL * len(shown), bottom), outline=GREY)
    _key(pen, left, bottom + 18)
    return image


def _cell(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], clips: int, total: int, right: bool
) -> None:
    x, y = corner
    # The root lets one error in a hundred be seen beside a row that is nearly all right.
    strength = clips / total if right else math.sqrt(clips / total)
    colour = _mixed(RIGHT if right else WRONG, strength)
    pen.rectangle((x, y, x + CELL, y + CELL), fill=colour, outline=GRID)
    if clips or right:
        size = 16 if clips < 1000 else 14 if clips < 10_000 else 11
        ink = "white" if strength > 0.55 else INK
        pen.text((x + CELL / 2, y + CELL / 2), f"{clips}", fill=ink, anchor="mm", font_size=size)


def _key(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
    """What the colours mean."""
    for name, colour in (("right", RIGHT), ("wrong", WRONG)):
        pen.rectangle((x, y, x + 18, y + 18), fill=_mixed(colour, 0.8))
        pen.text((x + 26, y + 9), name, fill=INK, anchor="lm", font_size=15)
        x += 100


def reliability_picture(bins: Sequence[Bin], title: str, note: str = "") -> Image.Image:
    """Bars: the share of right answers in each bin; dots: its mean probability; below: its clips.

    On the dotted line a probability says how often the answer is right. A thin line is the 95%
    interval of the share (Wilson 1927).
    """
    image, pen = _page((760, 860), title, note)
    plot = _Plot(pen, (90, 110, 720, 610), (0, 1), (0, 1))
    shares = {tenth / 10: f"{tenth * 10}%" for tenth in range(0, 11, 2)}
    plot.grid(dict.fromkeys(shares, ""), shares)
    drawn = [one for one in bins if one.clips]
    for one in drawn:
        _bar(plot, one)
    for step in range(0, 100, 2):
        pen.line([plot.at(end / 100, end / 100) for end in (step, step + 1)], fill=INK, width=2)
    for one in drawn:
        pen.circle(plot.at((one.low + one.high) / 2, one.probability), 5, fill=WRONG)
    plot.names("", "share of right answers, with its 95% interval; dots: mean probability")
    most = max(one.clips for one in bins)
    few = _Plot(pen, (90, 670, 720, 790), (0, 1), (0, 1.2 * most))
    few.grid(shares, {})
    for one in drawn:
        (x0, y1), (x1, y0) = few.at(one.low, one.clips), few.at(one.high, 0)
        pen.rectangle((x0 + 2, min(y1, y0 - 1), x1 - 2, y0), fill="#bbbbbb")
        spot = ((x0 + x1) / 2, y1 - 3)
        pen.text(spot, f"{one.clips}", fill=INK, anchor="mb", font_size=13)
    few.names("probability of the answer", "clips")
    return image


def _bar(plot: _Plot, one: Bin) -> None:
    (x0, y1), (x1, y0) = plot.at(one.low, one.right), plot.at(one.high, 0)
    plot.pen.rectangle((x0 + 2, min(y1, y0 - 1), x1 - 2, y0), fill=_mixed(RIGHT, 0.55))
    low, high = wilson(one.right, one.clips)
    middle = (one.low + one.high) / 2
    plot.pen.line([plot.at(middle, low), plot.at(middle, high)], fill=_mixed(RIGHT, 1), width=2)


def det_picture(
    points: Sequence[Point], by_word: Mapping[str, Sequence[Point]], own: Counts, title: str
) -> Image.Image:
    """The DET curve: false alarms an hour (logarithmic), misses (normal deviate, Martin et al.).

    points: of all keywords. by_word: of each; those missed most are named. What is 0 is drawn on
    the axis. own: what the model's own threshold gave on the same recordings: a circle, with the
    95% interval of its false alarms.
    Raises SpeechnetError if no keyword is labelled.
    """
    if not own.words:
        raise SpeechnetError("no keyword is labelled in the recordings: there is no DET curve")
    note = f"{own.words:,} keywords labelled in {_duration(own.seconds)}"
    image, pen = _page((1040, 740), title, note)
    few = 1800 / own.seconds  # false alarms an hour, where none is drawn
    rates = [own.false_alarms_per_hour, *(one.false_alarms_per_hour for one in points)]
    most = max(20 * few, *rates)
    least = min([one.miss_rate for one in points if one.miss_rate > 0] or [0.1])
    low, high = _deviate(0.4 * least), _deviate(0.995)
    plot = _Plot(pen, (100, 100, 790, 650), (math.log10(few), math.log10(most) + 0.05), (low, high))
    misses = [tick for tick in MISSES if _deviate(tick) > low + 0.12]
    plot.grid(
        {math.log10(few): "0"}
        | {math.log10(tick): f"{tick:,g}" for tick in _decades(2.5 * few, most)},
        {low: "0", high: "100%"} | {_deviate(tick): f"{100 * tick:g}%" for tick in misses},
    )
    named = sorted(by_word, key=lambda word: -miss_rate_at(by_word[word], NAMED_AT))[:NAMED]
    colours = {word: COLOURS[at] for at, word in enumerate(sorted(named))}
    for word in sorted(by_word.keys() - colours.keys()):
        pen.line(_line(plot, by_word[word]), fill=OTHER, width=2)
    plot.names("false alarms an hour", "keywords missed")
    for word, colour in colours.items():
        pen.line(_line(plot, by_word[word]), fill=colour, width=3)
    pen.line(_line(plot, points), fill=INK, width=4)
    others = {"other words": OTHER} if len(by_word) > len(named) else {}
    _legend(pen, {"all keywords": INK, **colours, **others})
    _own(plot, own, 112 + 26 * (1 + len(colours) + len(others)))
    return image


def _legend(pen: ImageDraw.ImageDraw, colours: Mapping[str, str]) -> None:
    for row, (name, colour) in enumerate(colours.items()):
        y = 112 + 26 * row
        pen.line([(810, y), (838, y)], fill=colour, width=3 if row else 4)
        pen.text((848, y), name, fill=INK, anchor="lm", font_size=16)


def _line(plot: _Plot, points: Sequence[Point]) -> list[Place]:
    """Where the points of a curve are."""
    return [plot.at(_log(one.false_alarms_per_hour), _deviate(one.miss_rate)) for one in points]


def _log(rate: float) -> float:
    return math.log10(rate) if rate else -math.inf


def _own(plot: _Plot, counts: Counts, y: float) -> None:
    """Where the model's own threshold is, and its line of the legend."""
    rate, (low, high) = counts.false_alarms_per_hour, counts.false_alarms_per_hour_95
    miss = _deviate(counts.misses / counts.words)
    ends = [plot.at(_log(end), miss) for end in (low, high)]
    spot = plot.at(_log(rate), miss)
    plot.pen.line(ends, fill=INK, width=2)
    for place in (spot, (824.0, y)):
        plot.pen.circle(place, 7, fill="white", outline=INK, width=3)
    plot.pen.text((848, y), "the model's threshold", fill=INK, anchor="lm", font_size=16)
    plot.pen.text((848, y + 18), "and 95% interval", fill=INK, anchor="lm", font_size=16)


@dataclass(frozen=True)
class _Plot:
    """Axes. box: left, top, right, bottom, in pixels. x, y: the values at their ends."""

    pen: ImageDraw.ImageDraw
    box: tuple[float, float, float, float]
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> Place:
        """The pixel of a pair of values, or of the nearest pair that is on the plot."""
        left, top, right, bottom = self.box
        across = (min(max(x, self.x[0]), self.x[1]) - self.x[0]) / (self.x[1] - self.x[0])
        up = (min(max(y, self.y[0]), self.y[1]) - self.y[0]) / (self.y[1] - self.y[0])
        return left + (right - left) * across, bottom - (bottom - top) * up

    def grid(self, columns: Mapping[float, str], rows: Mapping[float, str]) -> None:
        """Lines at these values, with what is written beside them."""
        left, top, right, bottom = self.box
        for value, text in columns.items():
            x = self.at(value, self.y[0])[0]
            self.pen.line([(x, top), (x, bottom)], fill=GRID)
            self.pen.text((x, bottom + 8), text, fill=INK, anchor="mt", font_size=16)
        for value, text in rows.items():
            y = self.at(self.x[0], value)[1]
            self.pen.line([(left, y), (right, y)], fill=GRID)
            self.pen.text((left - 14, y), text, fill=INK, anchor="rm", font_size=16)

    def names(self, x: str, y: str) -> None:
        """The axes, over what is drawn, and what they are."""
        left, top, right, bottom = self.box
        self.pen.line([(left, top), (left, bottom), (right, bottom)], fill=INK, width=2)
        self.pen.text(((left + right) / 2, bottom + 34), x, fill=INK, anchor="mt", font_size=18)
        self.pen.text((left, top - 8), y, fill=INK, anchor="lb", font_size=18)


def _page(size: tuple[int, int], title: str, note: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A white page, as wide as its title at least."""
    width = max(size[0], *(math.ceil(_length(t, s)) + 40 for t, s in ((title, 24), (note, 15))))
    image = Image.new("RGB", (width, size[1]), "white")
    pen = ImageDraw.Draw(image)
    pen.text((20, 14), title, fill=INK, font_size=24)
    pen.text((20, 46), note, fill=GREY, font_size=15)
    return image, pen


def _upright(image: Image.Image, text: str, x: float, y: float) -> None:
    """A text that is read from below, whose start is at (x, y)."""
    long = math.ceil(_length(text, 16)) + 2
    strip = Image.new("RGB", (long, 22), "white")
    ImageDraw.Draw(strip).text((0, 11), text, fill=INK, anchor="lm", font_size=16)
    image.paste(strip.transpose(Image.Transpose.ROTATE_90), (round(x) - 11, round(y) - long))


def _length(text: str, size: float) -> float:
    return ImageFont.load_default(size).getlength(text)


def _mixed(colour: tuple[int, int, int], strength: float) -> tuple[int, int, int]:
    """A colour over white."""
    red, green, blue = (round(255 + (part - 255) * strength) for part in colour)
    return red, green, blue


def _deviate(share: float) -> float:
    """How many standard deviations of the normal distribution have this share below them."""
    return NormalDist().inv_cdf(min(max(share, 1e-9), 1 - 1e-9))


def _decades(low: float, high: float) -> list[float]:
    """Round numbers of a logarithmic axis: powers of ten, with 2 and 5 where there is room."""
    steps = (1, 2, 5) if math.log10(high / low) < 3 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [round(step * 10.0**power, 12) for power in powers for step in steps]
    return [tick for tick in found if low <= tick <= high]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
