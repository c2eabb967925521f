"""Drawing: arrays to pictures that a person wants to look at. No torch here, and no files.

A picture is [row, column, 3], 0 to 1, in fp32; `figure` makes of several one with titles, to save.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from common.errors import CommonError

Array = NDArray[np.float32]
_DEAD = (0.93, 0.80, 0.80)  # a unit that nothing moves has no picture: said by a colour
_BLUE, _WHITE, _RED = (0.02, 0.24, 0.58), (1.0, 1.0, 1.0), (0.70, 0.02, 0.10)
_HEAT = ((0.0, 0.0, 0.02), (0.34, 0.06, 0.43), (0.73, 0.21, 0.33), (0.98, 0.55, 0.04),
         (0.99, 1.0, 0.64))  # fmt: skip


def picture(values: ArrayLike, *, span: tuple[float, float] | None = None) -> Array:
    """One picture [channel, row, column], or [row, column], as [row, column, 3], 0 to 1.

    span: the values that are black and white; the lowest and the highest if not said.
    Raises CommonError unless it has 1 or 3 channels.
    """
    array = np.asarray(values, np.float32)
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[0] not in (1, 3):
        raise CommonError(
            "a picture to draw is [1 or 3 channels, row, column] or [row, column]; got the shape"
            f" {list(array.shape)}"
        )
    if np.isnan(array).all():
        return np.broadcast_to(np.array(_DEAD, np.float32), (*array.shape[1:], 3)).copy()
    low, high = span or (float(np.nanmin(array)), float(np.nanmax(array)))
    scaled = np.nan_to_num((array - low) / ((high - low) or 1)).clip(0, 1)
    drawn: Array = np.broadcast_to(np.moveaxis(scaled, 0, -1), (*array.shape[1:], 3)).copy()
    return drawn


def sheet(
    values: ArrayLike,
    *,
    columns: int | None = None,
    span: tuple[float, float] | None = None,
    zoom: int = 1,
) -> Array:
    """Many pictures [count, channel, row, column] on one, in reading order, each scaled by itself.

    A picture of NaN (a dead unit) is pink. zoom: how often each point is repeated.
    """
    many = np.asarray(values, np.float32)
    if many.ndim == 3:
        many = many[:, None]
    if many.ndim != 4 or not len(many):
        raise CommonError(f"a sheet is drawn of [count, channel, row, column]: {list(many.shape)}")
    columns = columns or math.ceil(math.sqrt(len(many)))
    rows = math.ceil(len(many) / columns)
    high, wide = (size * zoom + 2 for size in many.shape[2:])
    whole = np.ones((rows * high, columns * wide, 3), np.float32)
    for number, one in enumerate(many):
        drawn = picture(one, span=span).repeat(zoom, 0).repeat(zoom, 1)
        top, left = number // columns * high + 1, number % columns * wide + 1
        whole[top : top + high - 2, left : left + wide - 2] = drawn
    return whole


def heat(map: ArrayLike, *, outliers: float = 0.01) -> Array:
    """A map [row, column] or [channel, row, column] in colours: [row, column, 3].

    Without values below 0: black, purple, orange, yellow. Else blue, white, red, white being 0.
    The largest share `outliers` of the values gets the last colour, or few would outshine all.
    """
    return colour(*_scaled(map, outliers))


def _scaled(map: ArrayLike, outliers: float) -> tuple[Array, bool]:
    """-1 to 1 or 0 to 1, and whether it has a sign."""
    values = np.nan_to_num(np.asarray(map, np.float32))
    if values.ndim == 3:
        signed = bool((values < 0).any())
        values = values.sum(0) if signed else values.max(0)
    if values.ndim != 2:
        raise CommonError(f"a map to draw has rows and columns, got the shape {list(values.shape)}")
    most = float(np.quantile(np.abs(values), 1 - outliers)) or float(np.abs(values).max()) or 1.0
    return (values / most).clip(-1, 1), bool((values < 0).any())


def colour(scaled: Array, signed: bool) -> Array:
    """Values from 0 (or -1, if signed) to 1 as colours: [..., 3]."""
    table = np.array((_BLUE, _WHITE, _RED) if signed else _HEAT, np.float32)
    place = np.linspace(-1 if signed else 0, 1, len(table))
    return np.stack([np.interp(scaled, place, table[:, c]) for c in range(3)], -1).astype(
        np.float32
    )


def overlay(values: ArrayLike, map: ArrayLike, *, strength: float = 0.6) -> Array:
    """A map over the picture that it is about, greyed: [row, column, 3]. Large is opaque."""
    scaled, signed = _scaled(map, 0.01)
    under = picture(values).mean(-1, keepdims=True) * 0.7 + 0.15
    cover = strength * np.abs(scaled)[..., None] ** 0.7
    drawn: Array = (under * (1 - cover) + colour(scaled, signed) * cover).astype(np.float32)
    return drawn


@dataclass(frozen=True)
class Scale:
    """What the colours of a map mean: the words at its ends, and whether it goes below 0."""

    low: str
    high: str
    signed: bool = False


def figure(
    panels: Sequence[tuple[str, Array]],
    title: str,
    *,
    note: str = "",
    scale: Scale | None = None,
    height: int = 320,
) -> Image.Image:
    """Pictures side by side, each under its name, with a title above and a note below.

    panels: (name, [row, column, 3], 0 to 1). scale: of the maps among them, drawn at the right.
    height: of each, in pixels.
    """
    if not panels:
        raise CommonError("a figure needs at least one picture")
    drawn = [(name, _fitted(values, height)) for name, values in panels]
    if scale is not None:
        drawn.append(("", _bar(scale, height)))
    big, plain = ImageFont.load_default(18), ImageFont.load_default(13)
    gap, top = 12, 44
    width = sum(max(image.width, plain.getlength(name)) + gap for name, image in drawn) + gap
    width = math.ceil(max(width, big.getlength(title) + 2 * gap, plain.getlength(note) + 2 * gap))
    page = Image.new("RGB", (width, top + height + 26 + (22 if note else 0)), "white")
    pen = ImageDraw.Draw(page)
    pen.text((gap, 12), title, "black", big)
    left = gap
    for name, image in drawn:
        page.paste(image, (left, top))
        pen.text((left, top + height + 5), name, "black", plain)
        left += math.ceil(max(image.width, plain.getlength(name))) + gap
    if note:
        pen.text((gap, top + height + 26), note, (90, 90, 90), plain)
    return page


def _fitted(values: Array, height: int) -> Image.Image:
    image = Image.fromarray((values * 255).round().clip(0, 255).astype(np.uint8))
    wide = max(1, round(image.width * height / image.height))
    small = image.height < height
    how = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return image.resize((wide, height), how)


def _bar(scale: Scale, height: int) -> Image.Image:
    """The colours from low, at the bottom, to high."""
    plain = ImageFont.load_default(13)
    words = max(plain.getlength(scale.low), plain.getlength(scale.high))
    bar = Image.new("RGB", (math.ceil(words) + 24, height), "white")
    values = np.linspace(1, -1 if scale.signed else 0, height, dtype=np.float32)
    column = colour(values[:, None], scale.signed).repeat(14, 1)
    bar.paste(Image.fromarray((column * 255).round().astype(np.uint8)), (0, 0))
    pen = ImageDraw.Draw(bar)
    pen.text((20, 0), scale.high, "black", plain)
    pen.text((20, height - 16), scale.low, "black", plain)
    return bar
