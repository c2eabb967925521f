"""Pictures of an explanation: spectrograms with time and frequency written beside them.

In: what `explain` and `prototypes` found. Out: pictures to save. Nothing is computed about a
network here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from common.curves import COLOURS, GRID, INK
from common.explain.drawing import colour, overlay
from speechnet.sound.spectrogram import FrontEnd
from speechnet.training.sampling import band_centres

if TYPE_CHECKING:  # these import torch, of which no picture needs anything
    from speechnet.explaining.explain import Explained
    from speechnet.explaining.prototypes import Filter

Floats = NDArray[np.float32]
Box = tuple[int, int, int, int]
"""left, top, right, bottom, in pixels."""

CELL = (12, 6)
"""Pixels of a frame across and of a band upwards."""

GREY, COST, DECIDED, SHADE = "#777777", "#b2182b", "#00d5ff", "#f7dcd7"

HERTZ = (100, 250, 500, 1000, 2000, 4000, 7000)
"""Marked on the axis of frequencies."""

LOUD = 13.8
"""Log-power from the darkest shade of a spectrogram to its loudest: 60 dB."""

COLUMNS = 5
"""Of words on a sheet."""

BARS = 42
"""Pixels of a row of bars, upwards."""

GROUPS = ("how loud it is", "how it rises and falls", "lulls and bursts")
"""What the first layer's filters are about."""

PLANES = ("loud", "rise", "bend")


def explained_picture(found: Explained, *, title: str, note: str) -> Image.Image:
    """The spectrogram with what decided over it: the colours are the map, the lines are drawn
    around what decided by it. Above: what covering each moment costs; at the right: each band."""
    bands, frames = found.mel.shape
    left, top, side = 84, 176, 138
    across, up = frames * CELL[0], bands * CELL[1]
    page, pen = _page((left + across + side + 50, top + up + 92), title, note)
    box = (left, top, left + across, top + up)
    page.paste(_spectrogram(found, (across, up)), box[:2])
    _outlines(pen, box, found.decided)
    _hertz(pen, box, found.front, HERTZ)
    _seconds(pen, box, found)
    pen.rectangle(box, outline=INK)
    over, right = (left, 96, left + across, top - 12), (box[2] + 14, top, box[2] + side, top + up)
    _curve(pen, over, found.moments, found.decisive_moments)
    _curve(pen, right, found.bands, found.decisive_bands, upright=True)
    pen.text((left, 88), "nats lost when a moment is covered", COST, anchor="lb", font_size=14)
    told = "nats lost when\na band is covered"
    pen.text((right[0], top - 46), told, COST, font_size=14)
    _key(page, (left, top + up + 62), found)
    return page


def words_sheet(
    mels: Floats, words: Sequence[str], front: FrontEnd, title: str, note: str
) -> Image.Image:
    """A spectrogram for each word, [word, band, frame], on its own scale of loudness."""
    columns = min(COLUMNS, len(words))
    rows = -(-len(words) // columns)
    wide, high = 4 * mels.shape[2], 3 * mels.shape[1]
    left, top, gap = 72, 92, 56
    page, pen = _page((left + columns * (wide + 22), top + rows * (high + gap) + 4), title, note)
    for number, (word, mel) in enumerate(zip(words, mels, strict=True)):
        x = left + number % columns * (wide + 22)
        y = top + number // columns * (high + gap)
        box = (x, y, x + wide, y + high)
        pen.text((x, y - 7), word, INK, anchor="ls", font_size=18)
        # The root lets the hiss be seen, which in any voice is quieter than the vowels.
        shown = np.sqrt((mel - mel.min()) / max(1e-6, float(np.ptp(mel))))
        page.paste(_image(colour(shown[::-1], False), (wide, high)), (x, y))
        if number % columns == 0:
            _hertz(pen, box, front, (250, 1000, 4000))
        for second in (0.25, 0.5, 0.75):
            place = x + (second * front.rate - (front.fft - front.hop) / 2) / front.hop * 4
            pen.line([(place, box[3]), (place, box[3] + 5)], fill=INK)
            pen.text((place, box[3] + 7), f"{second:g} s", INK, anchor="ma", font_size=12)
    return page


def filters_sheet(filters: Sequence[Filter], title: str, note: str) -> Image.Image:
    """The first layer, alike filters beside each other: each as a row of bars over its
    neighbouring bands, the lowest at the left, for how loud they are and how they rise and bend,
    and under them the level that its channel starts from at each frequency."""
    columns, wide, left, top = 6, 150, 24, 92
    high = 76 + len(filters[0].weights) * BARS
    groups = [(GROUPS[about], list(some)) for about, some in groupby(filters, lambda f: f.about)]
    rows = sum(-(-len(some) // columns) for _, some in groups)
    size = (left + columns * (wide + 18) + 6, top + rows * (high + 34) + 34 * len(groups) + 8)
    page, pen = _page(size, title, note)
    most = max(float(np.abs(one.weights).max()) for one in filters)
    levels = np.concatenate([np.abs(one.levels - one.levels.mean()) for one in filters])
    steep = max(1e-9, float(np.quantile(levels, 0.98)))
    y = top
    for name, some in groups:
        pen.text((left, y), name, COLOURS[0], font_size=18)
        y += 34
        for number, one in enumerate(some):
            x = left + number % columns * (wide + 18)
            if number and number % columns == 0:
                y += high + 34
            _filter(pen, (x, y, x + wide, y + high), one, most, steep)
        y += high + 34
    return page


def _filter(pen: ImageDraw.ImageDraw, box: Box, one: Filter, most: float, steep: float) -> None:
    left, top, right, bottom = box
    pen.text((left, top + 6), f"{one.number}: {one.kind}", INK, anchor="lm", font_size=14)
    for row, (name, weights) in enumerate(zip(PLANES, one.weights / most, strict=False)):
        y = top + 18 + row * BARS
        _bars(pen, (left + 26, y, right, y + BARS - 4), weights)
        pen.text((left, y + BARS / 2 - 2), name, GREY, anchor="lm", font_size=11)
    low, high = math.log(one.hertz[0] + 200), math.log(one.hertz[-1] + 200)

    def place(hertz: float) -> float:
        return left + (math.log(hertz + 200) - low) / (high - low) * (right - left)

    middle = bottom - 32
    pen.line([(left, middle), (right, middle)], fill=GRID)
    level = np.clip((one.levels - one.levels.mean()) / steep, -1.2, 1.2)
    line = [
        (place(hertz), middle - 18 * value)
        for hertz, value in zip(one.hertz.tolist(), level.tolist(), strict=True)
    ]
    pen.line(line, fill=COLOURS[1], width=2, joint="curve")
    for hertz, name in ((250, "250"), (1000, "1k"), (4000, "4k Hz")):
        pen.line([(place(hertz), middle + 20), (place(hertz), middle + 24)], fill=GREY)
        pen.text((place(hertz), middle + 26), name, GREY, anchor="ma", font_size=11)


def _bars(pen: ImageDraw.ImageDraw, box: Box, values: Floats) -> None:
    """Bars up and down from the middle, -1 to 1."""
    left, top, right, bottom = box
    middle, half, width = (top + bottom) / 2, (bottom - top) / 2, (right - left) / len(values)
    for number, value in enumerate(values.tolist()):
        ends = sorted((middle, middle - value * half))
        x = left + number * width
        shade = COLOURS[0] if value > 0 else "#9ecae1"
        pen.rectangle((x + 3, ends[0], x + width - 3, ends[1]), fill=shade)
    pen.line([(left, middle), (right, middle)], fill=GREY)


def shades(mel: Floats) -> Floats:
    """Log-powers as 0 to 1, from LOUD under the loudest up."""
    peak = float(np.quantile(mel, 0.995))
    shown: Floats = np.clip((mel - (peak - LOUD)) / LOUD, 0, 1)
    return shown


def _spectrogram(found: Explained, size: tuple[int, int]) -> Image.Image:
    """In greys, with the map in colours as far as it speaks for the word."""
    shown = overlay(shades(found.mel)[::-1], np.maximum(found.map, 0)[::-1], strength=0.65)
    return _image(shown, size)


def _outlines(pen: ImageDraw.ImageDraw, box: Box, cells: NDArray[np.bool_]) -> None:
    """Lines around groups of cells [band, frame]."""
    whole = np.pad(cells[::-1], 1)
    for row, column in zip(*np.nonzero(whole[1:] != whole[:-1]), strict=True):
        x, y = box[0] + (column - 1) * CELL[0], box[1] + row * CELL[1]
        pen.line([(x, y), (x + CELL[0], y)], fill=DECIDED, width=2)
    for row, column in zip(*np.nonzero(whole[:, 1:] != whole[:, :-1]), strict=True):
        x, y = box[0] + column * CELL[0], box[1] + (row - 1) * CELL[1]
        pen.line([(x, y), (x, y + CELL[1])], fill=DECIDED, width=2)


def _hertz(pen: ImageDraw.ImageDraw, box: Box, front: FrontEnd, marked: Sequence[int]) -> None:
    """The axis of frequencies, at the left of a box."""
    centres = band_centres(front)
    for hertz in marked:
        share = np.interp(hertz, centres, np.arange(len(centres)) + 0.5) / len(centres)
        y = box[3] - share * (box[3] - box[1])
        pen.line([(box[0] - 6, y), (box[0], y)], fill=INK)
        name = f"{hertz / 1000:g} kHz" if hertz >= 1000 else f"{hertz} Hz"
        pen.text((box[0] - 9, y), name, INK, anchor="rm", font_size=13)


def _seconds(pen: ImageDraw.ImageDraw, box: Box, found: Explained) -> None:
    """The axis of time under the spectrogram, as far as the clip goes."""
    first, last = found.edges[0], found.edges[-1]

    def place(second: float) -> float:
        return box[0] + float((second - first) / (last - first)) * (box[2] - box[0])

    tenths = np.arange(math.ceil(max(0, first) * 10), math.floor(last * 10) + 1)
    for tenth in tenths.tolist():
        x = place(tenth / 10)
        if tenth / 10 > found.answer.seconds:
            break
        pen.line([(x, box[3]), (x, box[3] + 6)], fill=INK)
        pen.text((x, box[3] + 9), f"{tenth / 10:.1f}", INK, anchor="ma", font_size=13)
    pen.text((box[2], box[3] + 30), "seconds", INK, anchor="ra", font_size=14)
    ends = ((0.0, 6, "la"), (found.answer.seconds, -6, "ra"))
    for (second, room, anchor), name in zip(ends, ("clip starts", "clip ends"), strict=True):
        if first + 0.05 < second < last - 0.05:
            x = place(second)
            pen.line([(x, box[1]), (x, box[3])], fill="white", width=2)
            pen.text((x + room, box[1] + 4), name, "white", anchor=anchor, font_size=13)


def _curve(
    pen: ImageDraw.ImageDraw,
    box: Box,
    cost: Floats,
    decisive: Sequence[tuple[int, int]],
    *,
    upright: bool = False,
) -> None:
    """A curve over the frames from left to right, or over the bands upwards; shaded behind it is
    what decided."""
    left, top, right, bottom = box
    low, high = min(0.0, float(cost.min())), max(0.01, float(cost.max()))

    def at(place: float, value: float) -> tuple[float, float]:
        share = (value - low) / (high - low)
        if upright:
            return left + share * (right - left), bottom - place * CELL[1]
        return left + place * CELL[0], bottom - share * (bottom - top)

    for first, last in decisive:
        corners = np.array([at(first, low), at(last + 1, high)])
        pen.rectangle((*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()), fill=SHADE)
    pen.line([at(0, 0), at(len(cost), 0)], fill=GREY)
    line = [at(place + 0.5, value) for place, value in enumerate(cost.tolist())]
    pen.line(line, fill=COST, width=3, joint="curve")
    for value, name, ink in ((high, f"{high:.1f}", COST), (0.0, "0", GREY)):
        x, y = at(0, value)
        spot, anchor = ((x, y + 8), "ma") if upright else ((x - 9, y), "rm")
        pen.text(spot, name, ink, anchor=anchor, font_size=13)


def _key(page: Image.Image, corner: tuple[int, int], found: Explained) -> None:
    """What the colours and the lines mean."""
    pen = ImageDraw.Draw(page)
    x, y = corner
    bar = colour(np.linspace(0, 1, 90, dtype=np.float32)[None].repeat(12, 0), False)
    pen.text((x, y + 6), "0", INK, anchor="lm", font_size=13)
    page.paste(_image(bar, (90, 12)), (x + 14, y))
    most = float(np.quantile(found.map, 0.99))
    pen.text((x + 110, y + 6), f"{most:.2g} for the word", INK, anchor="lm", font_size=13)
    x += 110 + math.ceil(_length(f"{most:.2g} for the word", 13)) + 36
    pen.rectangle((x, y, x + 22, y + 12), fill="#222222", outline=DECIDED, width=2)
    told = "at least half of the most: what decided"
    pen.text((x + 30, y + 6), told, INK, anchor="lm", font_size=13)


def _page(size: tuple[int, int], title: str, note: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A white page, as wide as its title at least."""
    width = max(size[0], *(math.ceil(_length(t, s)) + 40 for t, s in ((title, 22), (note, 14))))
    page = Image.new("RGB", (width, size[1]), "white")
    pen = ImageDraw.Draw(page)
    pen.text((20, 12), title, INK, font_size=22)
    pen.text((20, 44), note, GREY, font_size=14)
    return page, pen


def _image(values: Floats, size: tuple[int, int]) -> Image.Image:
    drawn = Image.fromarray((np.clip(values, 0, 1) * 255).round().astype(np.uint8))
    return drawn.resize(size, Image.Resampling.NEAREST)


def _length(text: str, size: float) -> float:
    return ImageFont.load_default(size).getlength(text)
