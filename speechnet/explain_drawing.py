"""Pictures of an explanation: spectrograms with time and frequency written beside them.

In: arrays. Out: pictures to save. Nothing is computed about a network here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from common.explain.drawing import colour, overlay
from speechnet.sampling import band_centres
from speechnet.spectrogram import FrontEnd

Floats = NDArray[np.float32]
Array = NDArray[np.float32]
Box = tuple[int, int, int, int]

CELL = (12, 6)
"""Pixels of a frame across and of a band upwards."""

INK, GREY, COST = "#222222", "#888888", "#b2182b"

HERTZ = (100, 250, 500, 1000, 2000, 4000, 7000)
"""Marked on the axis of frequencies."""

LOUD = 9.0
"""Log-power from the darkest shade of a spectrogram to its loudest, about 40 dB."""


def explained_picture(
    mel: Floats, map: Floats, moments: Floats, bands: Floats, front: FrontEnd,
    *, start: float, title: str, note: str,
) -> Image.Image:  # fmt: skip
    """The spectrogram with what decided over it; above it what covering each moment costs, and at
    its right what covering each band costs. start: of the spectrogram, in seconds."""
    across, up = mel.shape[1] * CELL[0], mel.shape[0] * CELL[1]
    left, top, side = 80, 150, 130
    page = Image.new("RGB", (left + across + side + 60, top + up + 84), "white")
    pen = ImageDraw.Draw(page)
    pen.text((16, 12), title, INK, _font(20))
    shown = overlay(shades(mel)[::-1], np.maximum(map, 0)[::-1], strength=0.75)
    page.paste(_image(shown, (across, up)), (left, top))
    box = (left, top, left + across, top + up)
    _axes(pen, box, front, mel.shape[1], start)
    _moments(pen, (left, 62, left + across, top - 12), moments)
    _bands(pen, (left + across + 14, top, left + across + side, top + up), bands)
    pen.text((left, 44), "nats lost when a moment is covered", COST, _font(13))
    pen.text((left + across + 14, top - 34), "nats lost when\na band is covered", COST, _font(13))
    pen.text((16, top + up + 56), note, GREY, _font(13))
    return page


def words_sheet(drawn: Floats, words: Sequence[str], front: FrontEnd, title: str) -> Image.Image:
    """What each word's class waits for: [word, band, frame], each titled."""
    columns = min(5, len(words))
    rows = -(-len(words) // columns)
    wide, high = 4 * drawn.shape[2], 3 * drawn.shape[1]
    left, top, gap = 66, 56, 34
    size = (left + columns * (wide + 16), top + rows * (high + gap) + 40)
    page = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(page)
    pen.text((16, 12), title, INK, _font(20))
    for number, (word, one) in enumerate(zip(words, drawn, strict=True)):
        x = left + number % columns * (wide + 16)
        y = top + number // columns * (high + gap) + 20
        pen.text((x, y - 19), word, INK, _font(16))
        # How loud a word is drawn says nothing: each has its own scale.
        shown = (one - one.min()) / max(1e-6, float(np.ptp(one)))
        page.paste(_image(colour(shown[::-1], False), (wide, high)), (x, y))
        if number % columns == 0:
            _hertz(pen, (x, y, x + wide, y + high), front, (250, 1000, 4000))
    pen.text((left, size[1] - 30), "a second across; frequency in Hz upwards", GREY, _font(13))
    return page


def filters_sheet(filters: Floats, place: Floats, front: FrontEnd, title: str) -> Image.Image:
    """The first layer: each filter as bars over its neighbouring bands, the lowest at the left, and
    under it where in the spectrum the channel starts from a higher level and where from a lower."""
    order = np.lexsort((filters.argmax(axis=1), filters.argmin(axis=1)))
    columns, wide, high = 6, 140, 96
    rows = -(-len(filters) // columns)
    left, top = 24, 84
    page = Image.new("RGB", (left + columns * (wide + 14) + 10, top + rows * (high + 50)), "white")
    pen = ImageDraw.Draw(page)
    pen.text((16, 12), title, INK, _font(20))
    told = ("bars: how much a filter adds for each of five neighbouring bands (red: less); strip:"
            " where in the spectrum it starts high (red) or low (blue)")  # fmt: skip
    pen.text((16, 42), told, GREY, _font(13))
    most = float(np.abs(filters).max())
    for number, which in enumerate(order.tolist()):
        x = left + number % columns * (wide + 14)
        y = top + number // columns * (high + 50)
        _bars(pen, (x, y, x + wide, y + high), filters[which] / most)
        level = place[which] - place[which].mean()
        strip = colour(level[None] / max(1e-6, float(np.abs(level).max())), True)
        page.paste(_image(strip, (wide, 10)), (x, y + high + 4))
        pen.text((x, y + high + 16), "low", GREY, _font(11))
        pen.text((x + wide, y + high + 16), "high", GREY, _font(11), anchor="ra")
    return page


def shades(mel: Floats) -> Floats:
    """Log-powers as 0 to 1, from LOUD under the loudest up."""
    peak = float(np.quantile(mel, 0.995))
    shown: Floats = np.clip((mel - (peak - LOUD)) / LOUD, 0, 1)
    return shown


def _axes(pen: ImageDraw.ImageDraw, box: Box, front: FrontEnd, frames: int, start: float) -> None:
    _hertz(pen, box, front, HERTZ)
    pen.rectangle(box, outline=INK)
    first = np.ceil(start * 10) / 10
    for second in np.arange(first, start + frames * front.hop / front.rate, 0.1):
        x = box[0] + (second - start) * front.rate / front.hop * CELL[0]
        pen.line([(x, box[3]), (x, box[3] + 6)], fill=INK)
        pen.text((x, box[3] + 9), f"{second:.1f}", INK, _font(13), anchor="ma")
    pen.text((box[2], box[3] + 28), "seconds", INK, _font(13), anchor="ra")


def _hertz(pen: ImageDraw.ImageDraw, box: Box, front: FrontEnd, marked: Sequence[int]) -> None:
    centres = band_centres(front)
    for hertz in marked:
        share = np.interp(hertz, centres, np.arange(len(centres)) + 0.5) / len(centres)
        y = box[3] - share * (box[3] - box[1])
        pen.line([(box[0] - 6, y), (box[0], y)], fill=INK)
        name = f"{hertz / 1000:g} kHz" if hertz >= 1000 else f"{hertz} Hz"
        pen.text((box[0] - 9, y), name, INK, _font(12), anchor="rm")


def _moments(pen: ImageDraw.ImageDraw, box: Box, cost: Floats) -> None:
    """A curve over the frames."""
    low, high = min(0.0, float(cost.min())), max(0.01, float(cost.max()))
    y = box[3] - (cost - low) / (high - low) * (box[3] - box[1])
    x = box[0] + (np.arange(len(cost)) + 0.5) * CELL[0]
    zero = box[3] + low / (high - low) * (box[3] - box[1])
    pen.line([(box[0], zero), (box[2], zero)], fill=GREY)
    pen.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=COST, width=3, joint="curve")
    pen.text((box[0] - 9, box[1]), f"{high:.1f}", COST, _font(12), anchor="rm")
    pen.text((box[0] - 9, zero), "0", GREY, _font(12), anchor="rm")


def _bands(pen: ImageDraw.ImageDraw, box: Box, cost: Floats) -> None:
    """A curve over the bands, upwards."""
    low, high = min(0.0, float(cost.min())), max(0.01, float(cost.max()))
    x = box[0] + (cost - low) / (high - low) * (box[2] - box[0])
    y = box[3] - (np.arange(len(cost)) + 0.5) * CELL[1]
    zero = box[0] - low / (high - low) * (box[2] - box[0])
    pen.line([(zero, box[1]), (zero, box[3])], fill=GREY)
    pen.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=COST, width=3, joint="curve")
    pen.text((box[2], box[3] + 6), f"{high:.1f}", COST, _font(12), anchor="ma")
    pen.text((zero, box[3] + 6), "0", GREY, _font(12), anchor="ma")


def _bars(pen: ImageDraw.ImageDraw, box: Box, values: Floats) -> None:
    """Bars up and down from the middle, -1 to 1."""
    middle, half = (box[1] + box[3]) / 2, (box[3] - box[1]) / 2
    width = (box[2] - box[0]) / len(values)
    pen.line([(box[0], middle), (box[2], middle)], fill=GREY)
    for number, value in enumerate(values.tolist()):
        ends = sorted((middle, middle - value * half))
        x = box[0] + number * width
        shade = "#0072b2" if value > 0 else COST
        pen.rectangle((x + 3, ends[0], x + width - 3, ends[1]), fill=shade)


def _image(values: Array, size: tuple[int, int]) -> Image.Image:
    drawn = Image.fromarray((np.clip(values, 0, 1) * 255).round().astype(np.uint8))
    return drawn.resize(size, Image.Resampling.NEAREST)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
