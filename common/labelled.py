"""Labelled pictures: CLASS/picture.jpg folders, or one .npz file, as arrays of one size.

FOLDER/CLASS/*.jpg: a part of each class is held back to choose by. FOLDER/{train,val,test}/CLASS:
as they are. An .npz has x_train and y_train, and x_test and y_test if there are any (as Keras keeps
MNIST and CIFAR-10), and `classes` for the names.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common import pictures
from common.errors import CommonError

log = logging.getLogger(__name__)

SHARE = 0.1  # of each class that is held back where no pictures to choose by are given
FEWEST = 5  # pictures a class
_PARTS = {"train": ("train", "training"), "validation": ("val", "valid", "validation"),
          "test": ("test", "testing")}  # fmt: skip

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Labelled:
    """pictures: uint8 [picture, channel, row, column]. classes: int64 [picture]. names: theirs."""

    pictures: NDArray[np.uint8]
    classes: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, some: NDArray[np.bool_]) -> Labelled:
        names = tuple(name for name, taken in zip(self.names, some, strict=True) if taken)
        return Labelled(self.pictures[some], self.classes[some], names)


@dataclass(frozen=True)
class Collection:
    """What there is to learn from, to choose by and to test with; the last may be empty."""

    labels: tuple[str, ...]
    train: Labelled
    validation: Labelled
    test: Labelled


def read(place: Path, *, size: int | None = None, tell: Tell | None = None) -> Collection:
    """All pictures of a folder or an .npz file, RGB, their middles size x size.

    size: what fits most of them, 32 to 96, if not said. tell: called with pictures read, and all.
    A picture that cannot be read is left out, with a note in the log.
    Raises CommonError if there are not two classes with FEWEST pictures each.
    """
    if place.suffix == ".npz":
        return _read_npz(place, size)
    if not place.is_dir():
        raise CommonError(f"{place} is no folder of CLASS/picture.jpg and no .npz file")
    parts = {part: _folder(place, names) for part, names in _PARTS.items()}
    top = parts["train"] or place
    labels = _labels(top)
    listed = {part: _listed(where, labels) for part, where in parts.items() if where}
    if not parts["train"]:
        listed["train"] = _listed(place, labels)
    side = size or usual_size([path for path, _ in listed["train"]])
    total, done = sum(map(len, listed.values())), 0

    def told() -> None:
        nonlocal done
        done += 1
        if tell:
            tell(done, total)

    read = {part: _load(pairs, side, told) for part, pairs in listed.items()}
    none = _load([], side, told)
    train, validation = read["train"], read.get("validation", none)
    if "validation" not in read:
        train, validation = _split(train)
    return _checked(labels, train, validation, read.get("test", none), place)


def _split(train: Labelled) -> tuple[Labelled, Labelled]:
    """To learn from, and to choose by: by their names, so that it stays the same."""
    parts = [int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) for name in train.names]
    kept = np.array(parts, np.float64) < SHARE * 2**32
    for number in np.unique(train.classes):
        own = np.flatnonzero(train.classes == number)
        if not kept[own].any():  # chance holds none back of a class with few pictures
            kept[own[0]] = True
    return train.take(~kept), train.take(kept)


def usual_size(paths: list[Path]) -> int:
    """The side of a square that suits most of the pictures: 32, 48, 64 or 96."""
    sides = []
    for path in paths[:: max(1, len(paths) // 50)]:
        try:
            sides.append(min(pictures.read(path).size))
        except CommonError:
            continue
    middle = float(np.median(sides)) if sides else 32.0
    return next((side for side in (32, 48, 64) if middle <= side * 1.2), 96)


def _folder(place: Path, names: tuple[str, ...]) -> Path | None:
    return next((place / name for name in names if (place / name).is_dir()), None)


def _labels(top: Path) -> tuple[str, ...]:
    found = sorted(
        child.name for child in top.iterdir() if child.is_dir() and not child.name.startswith(".")
    )
    if len(found) < 2:
        raise CommonError(
            f"{top} has {len(found)} folders of pictures; a classifier needs one for each class,"
            " two at least: CLASS/picture.jpg"
        )
    return tuple(found)


def _listed(top: Path, labels: tuple[str, ...]) -> list[tuple[Path, int]]:
    found = []
    for number, label in enumerate(labels):
        here = top / label
        if here.is_dir():
            files = (path for path in here.rglob("*") if path.suffix.lower() in pictures.SUFFIXES)
            found += [(path, number) for path in sorted(files)]
    return found


def _load(pairs: list[tuple[Path, int]], side: int, told: Callable[[], None]) -> Labelled:
    shown, classes, names = [], [], []
    for path, number in pairs:
        try:
            image = pictures.fitted(pictures.read(path), (side, side))
        except CommonError as error:
            log.warning("left out: %s", error)
        else:
            shown.append(np.asarray(image, np.uint8).transpose(2, 0, 1))
            classes.append(number)
            names.append(f"{path.parent.name}/{path.name}")
        told()
    stack = np.stack(shown) if shown else np.zeros((0, 3, side, side), np.uint8)
    return Labelled(stack, np.array(classes, np.int64), tuple(names))


def _read_npz(place: Path, size: int | None) -> Collection:
    try:
        with np.load(place, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        parts = [_from_arrays(arrays, part, size) for part in ("train", "test")]
        names = arrays.get("classes")
    except (OSError, ValueError, KeyError) as error:
        raise CommonError(
            f"{place} is not an .npz file with x_train, y_train and perhaps x_test, y_test: {error}"
        ) from error
    train, test = parts
    count = int(max(train.classes.max(initial=0), test.classes.max(initial=0))) + 1
    given = [name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist()] \
        if names is not None else [str(number) for number in range(count)]  # fmt: skip
    return _checked(tuple(given), *_split(train), test, place)


def _from_arrays(arrays: dict[str, NDArray[np.generic]], part: str, size: int | None) -> Labelled:
    if part == "test" and "x_test" not in arrays:
        like = _from_arrays(arrays, "train", size)
        return Labelled(like.pictures[:0], like.classes[:0], ())
    values, classes = arrays[f"x_{part}"], arrays[f"y_{part}"]
    if values.dtype != np.uint8 or values.ndim not in (3, 4):
        raise ValueError(f"x_{part} is not uint8 [picture, row, column, channel]")
    if values.ndim == 3 or values.shape[3] == 1:
        values = np.repeat(values.reshape(*values.shape[:3], 1), 3, 3)
    if size and values.shape[1:3] != (size, size):
        raise ValueError(f"its pictures are {values.shape[1]} x {values.shape[2]}, not {size}")
    return Labelled(
        np.ascontiguousarray(values.transpose(0, 3, 1, 2)).astype(np.uint8),
        classes.reshape(-1).astype(np.int64),
        tuple(str(number) for number in range(len(values))),
    )


def _checked(
    labels: tuple[str, ...], train: Labelled, validation: Labelled, test: Labelled, place: Path
) -> Collection:
    counts = np.bincount(train.classes, minlength=len(labels))
    few = [label for label, count in zip(labels, counts, strict=True) if count < FEWEST - 1]
    if few:
        raise CommonError(
            f"{place} has too few pictures that can be read of {', '.join(few)}: "
            f"each class needs {FEWEST} at least"
        )
    return Collection(labels, train, validation, test)
