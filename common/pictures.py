"""Pictures: files to upright RGB, whatever is in them, and back. No torch here.

The only place where `common` opens a picture. Pillow knows the formats; here is what people forget:
the camera's turn, transparency, CMYK, 16 bits, films, and files that are no picture at all.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from common.errors import CommonError

Floats = NDArray[np.float32]

MOST_PIXELS = 100_000_000
"""A larger picture is refused before it is decoded: 100 megapixels take 300 MB as RGB."""

SUFFIXES = frozenset(
    {
        ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png",
        ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
    }
)  # fmt: skip


def read(path: Path | str) -> Image.Image:
    """A picture as a person sees it: RGB, upright, on white where it is transparent.

    Of a film or a document of several pages the first. 16 bits and floating point are scaled to 8.
    Raises CommonError if it cannot be read, or not safely.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata; what cannot be read raises
            with Image.open(path) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise CommonError(
                        f"{path} has {opened.width} x {opened.height} pixels; make it smaller,"
                        f" to {MOST_PIXELS // 1_000_000} megapixels at most"
                    )
                return rgb(ImageOps.exif_transpose(opened))
    except Image.DecompressionBombError as error:
        raise CommonError(f"{path} has too many pixels: make it smaller") from error
    except UnidentifiedImageError as error:
        raise CommonError(f"{path} is not a picture that can be read") from error
    except OSError as error:  # Pillow's word for a damaged file, too
        raise CommonError(f"cannot read {path}: {error.strerror or error}") from error
    except (
        *(SyntaxError, ValueError, EOFError, OverflowError, MemoryError),
        RuntimeError,  # libavif's word for it
    ) as error:
        raise CommonError(f"{path} is a damaged picture: {error}") from error


def prepared(path: Path | str, prepare: Callable[[Image.Image], Floats]) -> Floats:
    """A picture file as a network takes it. Raises CommonError, naming the file, if it cannot."""
    shown = read(path)
    try:
        return prepare(shown)
    except CommonError as error:
        raise CommonError(f"{path}: {error}") from error


def rgb(image: Image.Image) -> Image.Image:
    """Any of Pillow's pictures in RGB, 8 bits a channel."""
    if image.mode.startswith(("I", "F")):
        return _stretched(image).convert("RGB")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _stretched(image: Image.Image) -> Image.Image:
    """16 or 32 bits, or floats, to 8: by the format's own range, or by what is there."""
    values = np.nan_to_num(np.asarray(image, np.float64))
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    elif values.min() >= 0 and values.max() <= 255:
        low, high = 0.0, 1.0 if values.max() <= 1 else 255.0
    elif values.min() >= 0 and values.max() <= 65535:  # how Pillow opens some 16-bit files
        low, high = 0.0, 65535.0
    else:
        low, high = float(values.min()), float(values.max())
    scaled = (values - low) / (high - low) * 255
    return Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8))


def fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of a picture at another size, [rows, columns], undistorted."""
    rows, columns = size
    return ImageOps.fit(image, (columns, rows), Image.Resampling.BICUBIC)


def array(image: Image.Image, channels: int = 3) -> Floats:
    """[channel, row, column], 0 to 1. channels: 3, or 1 for the brightness."""
    if channels not in (1, 3):
        raise CommonError(f"a picture has 1 or 3 channels, not {channels}")
    values = np.asarray(image.convert("L" if channels == 1 else "RGB"), np.float32) / 255
    planes: Floats = np.ascontiguousarray(np.atleast_3d(values).transpose(2, 0, 1))
    return planes


def image(values: ArrayLike) -> Image.Image:
    """[1 or 3 channels, row, column], 0 to 1 -> RGB."""
    planes = np.asarray(values, np.float32)
    whole = np.broadcast_to(planes, (3, *planes.shape[1:])).transpose(1, 2, 0)
    return Image.fromarray((whole * 255).round().clip(0, 255).astype(np.uint8))


def check_writable(path: Path) -> None:
    """Raise CommonError if no picture can be written under this name; before the work is done."""
    if path.suffix.lower() not in SUFFIXES:
        raise CommonError(f"{path} is not the name of a picture: end it in .png or .jpg")
    if not path.parent.is_dir():
        raise CommonError(f"there is no folder {path.parent}")
    if path.is_dir():
        raise CommonError(f"{path} is a folder: name a picture in it")


def write(drawn: Image.Image, path: Path, about: str = "", **options: Any) -> None:
    """Write a picture under a name that nobody has, then rename; by the suffix's format.

    about: how it was made, kept inside a PNG. options: Pillow's, such as a film's frames.
    Raises CommonError if that cannot be done.
    """
    check_writable(path)
    part = path.with_name(f".{uuid4().hex}{path.suffix}")
    if about and path.suffix.lower() == ".png":
        text = PngInfo()
        text.add_itxt("Description", about)
        options = {"pnginfo": text, **options}
    if path.suffix.lower() in (".jpg", ".jpeg"):
        options = {"quality": 92, **options}
    try:
        drawn.save(part, **options)
        os.replace(part, path)
    except (OSError, KeyError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise CommonError(f"cannot write {path}: {told}") from error
    finally:
        part.unlink(missing_ok=True)


def files(place: Path) -> Iterator[Path]:
    """A picture, or all pictures in and below a folder, by name.

    Raises CommonError if there is nothing there.
    """
    if not place.is_dir():
        yield place
        return
    found = sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise CommonError(f"there is no picture in {place}")
    yield from found
