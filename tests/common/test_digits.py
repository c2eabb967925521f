"""Digits are found on any picture, and come out as MNIST's makers would have drawn them."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from common.digits import digit
from common.errors import CommonError

Floats = NDArray[np.float32]


def four(*, ink: object = "black", paper: object = "white", size: int = 140, pen: int = 14,
         at: tuple[int, int] = (0, 0), margin: int = 20) -> Image.Image:  # fmt: skip
    """A 4 drawn with three strokes in a square of `size`, with paper around it."""
    side = size + 2 * margin
    image = Image.new("RGB", (side, side), paper)  # type: ignore[arg-type]
    draw = ImageDraw.Draw(image)
    left, top = margin + at[0], margin + at[1]
    for start, end in (((0.3, 0.05), (0.1, 0.6)), ((0.1, 0.6), (0.8, 0.6)), ((0.6, 0.05), (0.6, 0.95))):  # fmt: skip  # noqa: E501
        places = [(left + x * size, top + y * size) for x, y in (start, end)]
        draw.line(places, fill=ink, width=pen)  # type: ignore[arg-type]
    return image


def alike(one: Floats, other: Floats) -> float:
    """Correlation of two pictures."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


PLAIN = digit(four())


def test_the_digit_fits_twenty_pixels_and_its_mass_lies_in_the_middle() -> None:
    assert PLAIN.shape == (1, 28, 28)
    assert PLAIN.dtype == np.float32
    assert PLAIN.min() == 0
    assert PLAIN.max() == 1
    rows = np.flatnonzero(PLAIN[0].max(1) > 0.1)
    assert rows[-1] - rows[0] + 1 == 20
    for axis in (1, 2):
        other = PLAIN[0].sum(2 - axis)
        middle = float(other @ np.arange(28) / other.sum())
        assert middle == pytest.approx(13.5, abs=0.51)


@pytest.mark.parametrize(
    ("ink", "paper"),
    [("white", "black"), ("red", "green"), ("#3050c0", "#e8e0d0"), ("#808080", "#a8a8a8"),
     ("yellow", "navy"), ("#00a000", "#c00000")],
)  # fmt: skip
def test_colours_do_not_matter(ink: str, paper: str) -> None:
    assert alike(digit(four(ink=ink, paper=paper)), PLAIN) > 0.97


@pytest.mark.parametrize("size", [40, 90, 600])
def test_size_does_not_matter(size: int) -> None:
    assert alike(digit(four(size=size, pen=size // 10, margin=size // 7)), PLAIN) > 0.93


def test_place_and_margin_do_not_matter() -> None:
    assert alike(digit(four(at=(180, -150), margin=200)), PLAIN) > 0.93


def test_a_digit_may_touch_the_edge() -> None:
    assert alike(digit(four(at=(-7, -3), margin=0)), PLAIN) > 0.9


def test_light_from_one_side_and_grain_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    values = np.asarray(four(ink="#404040"), np.float32)
    slope = np.linspace(1, 0.35, values.shape[1])[None, :, None]
    lit = values * slope + rng.normal(0, 4, values.shape)
    assert alike(digit(Image.fromarray(lit.clip(0, 255).astype(np.uint8))), PLAIN) > 0.93


def test_a_shadow_with_a_sharp_edge_does_not_matter() -> None:
    values = np.asarray(four(ink="#303030", pen=8), np.float32).copy()
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]]
    values[rows + columns > 200] *= 0.55
    assert alike(digit(Image.fromarray(values.astype(np.uint8))), digit(four(pen=8))) > 0.9


def test_specks_are_not_part_of_the_digit() -> None:
    image = four()
    draw = ImageDraw.Draw(image)
    for x, y in ((5, 170), (170, 8), (12, 12)):
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill="black")
    assert alike(digit(image), PLAIN) > 0.99


def test_a_stroke_apart_is_part_of_the_digit() -> None:
    image = Image.new("L", (100, 120), 255)
    draw = ImageDraw.Draw(image)
    draw.line((30, 10, 75, 10), fill=0, width=9)  # the roof of a 5
    draw.line((28, 24, 26, 60), fill=0, width=9)
    draw.arc((20, 50, 75, 110), 210, 480, fill=0, width=9)
    found = digit(image)[0]
    assert found[4:6].max() > 0.9


def test_hair_strokes_become_as_wide_as_a_pen() -> None:
    thin = digit(four(size=600, pen=5, margin=80))
    assert alike(thin, digit(four(size=600, pen=50, margin=80))) > 0.7
    assert thin.sum() > 0.5 * PLAIN.sum()


def test_mnist_like_pictures_stay_as_they_are() -> None:
    image = Image.fromarray((PLAIN[0] * 255).astype(np.uint8)).convert("RGB")
    assert alike(digit(image), PLAIN) > 0.97


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (64, 64), (28, 28)])
def test_an_empty_page_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(CommonError, match="no digit"):
        digit(Image.new("RGB", size, "#f0f0e0"))


def test_grain_alone_is_refused() -> None:
    rng = np.random.default_rng(0)
    page = (240 + rng.normal(0, 2, (120, 120))).clip(0, 255).astype(np.uint8)
    with pytest.raises(CommonError, match="no digit"):
        digit(Image.fromarray(page).convert("RGB"))
