"""Digits: any picture of one digit -> what MNIST's makers would have made of it. No torch here.

They put white ink on black, fitted it into 20x20 pixels without distortion, and moved it so that
its centre of mass lies in the middle of 28x28 (LeCun et al. 1998). Before that the ink has to be
found: on paper that is lit from one side, in any colours, with specks and margins, or in a drawing
program's white on black.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from common.errors import CommonError

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

SIZE, BOX = 28, 20  # pixels: of the picture, and of the digit in it
_COARSE = 48  # pixels: a smaller picture is taken as it is, without looking for its light
_WORK = 192  # pixels along the longer side, in which the ink is looked for
_EVERYWHERE = np.ones((3, 3), bool)  # ink is connected through corners, too
_FAINT = 0.04  # of the full range of brightness: less contrast is no ink
_PEN = (1.7, 3.6)  # pixels of the box: MNIST's strokes, nearly all, are no thinner and no thicker


def digit(image: Image.Image) -> Floats:
    """A picture of one digit, RGB -> [1, 28, 28], 0 for paper to 1 for ink.

    Raises CommonError if there is nothing on it.
    """
    shade = ink(image)
    mask = _main(shade > 0.5)
    if not mask.any():
        raise CommonError("there is no digit in the picture, or too faint a one")
    # Around the digit belongs the rim of half-tones, and to it nothing that was left out.
    shade = np.where(ndimage.binary_dilation(mask, _EVERYWHERE, iterations=2), shade, 0)
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    shade = shade[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return centred(_fit(_as_by_a_pen(shade)))


def ink(image: Image.Image) -> Floats:
    """How much ink is where: [row, column], 0 to 1, at most _WORK pixels a side."""
    image = image.convert("RGB")
    image.thumbnail((_WORK, _WORK), Image.Resampling.BOX)
    shade = _contrast((np.asarray(image) / 255).astype(np.float32))
    shade = _evenly_lit(shade, dark=_dark_on_light(shade))
    cut = _otsu(shade)
    paper, full = _levels(shade)
    if full - paper < _FAINT:
        return np.zeros_like(shade)
    # A little above the paper's own grain ink begins; at its usual darkness it is full.
    low = min(paper + 0.15 * (full - paper), cut)
    scaled: Floats = ((shade - low) / (full - low)).clip(0, 1).astype(np.float32)
    return scaled


def centred(box: Floats) -> Floats:
    """A digit [row, column] -> [1, 28, 28], its centre of mass in the middle where it fits."""
    high, wide = box.shape
    mass = max(float(box.sum()), 1e-9)
    row = float(box.sum(1) @ np.arange(high)) / mass
    column = float(box.sum(0) @ np.arange(wide)) / mass
    middle = (SIZE - 1) / 2
    top = min(max(round(middle - row), 0), SIZE - high)
    left = min(max(round(middle - column), 0), SIZE - wide)
    whole = np.zeros((1, SIZE, SIZE), np.float32)
    whole[0, top : top + high, left : left + wide] = box
    return whole


def _contrast(colours: Floats) -> Floats:
    """Colours to one number, along the direction in which they differ most: [row, column], 0 to 1.

    Red on green of the same brightness is a digit, too. Of greys it is the brightness.
    """
    flat = colours.reshape(-1, 3).astype(np.float64)
    spread = flat - flat.mean(0)
    _, _, directions = np.linalg.svd(spread.T @ spread)
    along = directions[0] * (np.sign(directions[0].sum()) or 1.0)
    values = flat @ along - along.clip(max=0).sum()  # black is 0, or what would be darker
    shade: Floats = (values / np.abs(along).sum()).reshape(colours.shape[:2]).astype(np.float32)
    return shade


def _dark_on_light(shade: Floats) -> bool:
    """Whether the ink is darker than the paper.

    Paper lies along the edge of the picture, more than elsewhere. Where the edge is partly dark and
    partly light, by a shadow or a lamp, the ink is whatever has the finer strokes.
    """
    dark = shade <= _otsu(shade)
    edge = float(np.concatenate([dark[0], dark[-1], dark[:, 0], dark[:, -1]]).mean())
    if min(shade.shape) >= _COARSE and 0.1 < edge < 0.9:
        fine = max(shade.shape) // 14 | 1
        # The fourth power: few strong strokes say more than much weak grain.
        return bool((_strokes(1 - shade, fine) ** 4).sum() > (_strokes(shade, fine) ** 4).sum())
    # The weights are those of a logistic regression over MNIST's digits in nine looks.
    return edge - 0.45 * float(dark.mean()) < 0.275


def _evenly_lit(shade: Floats, *, dark: bool) -> Floats:
    """Light ink on a paper that is equally dark everywhere, whatever light fell on it.

    dark: whether the ink is. What is narrower than a window stays. The narrowest window is best
    against the edge of a shadow, but it has to be wider than the strokes.
    """
    light = 1 - shade if dark else shade
    if min(shade.shape) < _COARSE:
        return light
    windows = [max(shade.shape) // part | 1 for part in (16, 10, 5, 3)]
    widths = [_width(lit > _otsu(lit)) for lit in (_strokes(light, each) for each in windows)]
    paper, full = _levels(light)
    for window, width, wider in zip(windows, widths, [*widths[1:], widths[-1]], strict=True):
        # Of strokes wider than the window only a rim is left: through a wider one they grow.
        if width > 0.45 * window or wider > 1.5 * width + 1:
            continue
        low, high = _levels(_strokes(light, window))
        if high - low > 0.15 * (full - paper):
            under = _paper(light, window)
            # In half the light ink differs from its paper half as much.
            bright = (1 - under).clip(0.1) if dark else 1.0
            found: Floats = ((light - under).clip(0) / bright).astype(np.float32)
            return found
    return light


def _paper(light: Floats, window: int) -> Floats:
    """What is left where everything light and narrower than a window is taken off."""
    smooth = ndimage.gaussian_filter(light, 1)
    opened: Floats = ndimage.grey_opening(smooth, (window, window), mode="nearest")
    return opened


def _strokes(light: Floats, window: int) -> Floats:
    """What is light and narrower than a window: the white top-hat of a smoothed picture."""
    smooth = ndimage.gaussian_filter(light, 1)
    found: Floats = smooth - ndimage.grey_opening(smooth, (window, window), mode="nearest")
    return found


def _levels(shade: Floats) -> tuple[float, float]:
    """The usual brightness of paper and of ink, light on dark."""
    cut = _otsu(shade)
    return _middle(shade[shade <= cut]), _middle(shade[shade > cut])


def _otsu(values: Floats) -> float:
    """The cut between dark and light that leaves the least variance within both (Otsu 1979)."""
    counts, edges = np.histogram(values, 128)
    places = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * places)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = sums / below - (sums[-1] - sums) / above
        between = np.nan_to_num(below * above * apart**2)
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[1:][best].mean())


def _middle(values: Floats) -> float:
    return float(np.median(values)) if values.size else 0.0


def _main(mask: Mask) -> Mask:
    """The digit, of everything that is as dark as ink.

    The largest piece, one that is not cut off by the edge of the picture where there is a choice,
    and with it what is large enough to be a part: the stroke on top of a 5.
    """
    pieces, count = ndimage.label(mask, _EVERYWHERE)
    if not count:
        return mask
    area = np.bincount(pieces.ravel(), minlength=count + 1).astype(float)
    area[0] = 0
    edge = np.zeros(count + 1)
    for line in (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]):
        edge += np.bincount(line, minlength=count + 1)
    inside = edge == 0
    inside[0] = False
    best = int(area.argmax())
    if not inside[best] and inside.any():
        other = int(np.where(inside, area, 0).argmax())
        if area[other] > 0.12 * area[best]:
            best = other
    part = area >= 0.06 * area[best]
    if inside[best]:
        part &= inside
    part[0] = False
    kept: Mask = part[pieces]
    return kept


def _as_by_a_pen(shade: Floats) -> Floats:
    """Strokes as wide, for the digit's size, as MNIST's, where they are much thinner or thicker."""
    mask = shade > 0.5
    width = _width(mask)
    scale = BOX / max(shade.shape)
    thin, thick = (limit / scale for limit in _PEN)
    if width < thin:
        grow = (thin - width) / 2
        room = int(np.ceil(grow)) + 1
        return _grown(np.pad(shade, room), grow)
    if width > thick and scale < 1:
        # Fat strokes are thinned, but never so much that one breaks.
        return 1 - _grown(1 - shade, min((width - thick) / 2, width / 4))
    return shade


def _width(mask: Mask) -> float:
    """The usual width of strokes, pixels."""
    padded = np.pad(mask, 1)
    if not mask.any():
        return 0.0
    # Over a stroke of even width the mean distance to the nearest edge is a quarter of it.
    return 4 * float(ndimage.distance_transform_edt(padded)[padded].mean()) - 1


def _grown(shade: Floats, by: float) -> Floats:
    """Ink spread by so many pixels, also by parts of one."""
    whole = int(by)
    grown = shade
    if whole:
        disc = np.hypot(*np.mgrid[-whole : whole + 1, -whole : whole + 1]) <= whole + 0.3
        grown = ndimage.grey_dilation(shade, footprint=disc, mode="nearest")
    further = ndimage.grey_dilation(grown, footprint=_EVERYWHERE, mode="nearest")
    blend: Floats = (grown + (by - whole) * (further - grown)).astype(np.float32)
    return blend


def _fit(shade: Floats) -> Floats:
    """The digit's box, its longer side BOX pixels."""
    high, wide = shade.shape
    scale = BOX / max(high, wide)
    size = (max(1, round(wide * scale)), max(1, round(high * scale)))
    image = Image.fromarray((shade * 255).round().astype(np.uint8))
    drawn = image.resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX)
    box: Floats = (np.asarray(drawn) / 255).astype(np.float32)
    top = float(box.max())
    return box / top if top else box
