"""Labelled pictures: CLASS/picture.jpg folders, or one .npz file, as arrays of one size.

FOLDER/CLASS/*.jpg: a part of each class is held back to choose by. FOLDER/{train,val,test}/CLASS:
as they are, so none of the three is a class. An .npz has x_train and y_train, and x_test and y_test
if there are any (as Keras keeps MNIST and CIFAR-10), and `classes` for the names.
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
from common.archives import BROKEN
from common.errors import CommonError

log = logging.getLogger(__name__)

SHARE = 0.1  # of each class that is held back where no pictures to choose by are given
FEWEST = 5  # pictures a class
_PARTS = {"train": ("train", "training"), "validation": ("val", "valid", "validation"),
          "test": ("test", "testing")}  # fmt: skip

# What numpy raises for an .npz that is not as it has to be.
_DAMAGED: tuple[type[Exception], ...] = (TypeError, MemoryError, *BROKEN)

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
    A picture that cannot be read is left out, with a note in the log; so is a folder beside
    `train` that is none of its classes.
    Raises CommonError if there are not two classes with FEWEST pictures each to learn from, or
    none to choose by.
    """
    if place.suffix == ".npz":
        return _read_npz(place, size)
    if not place.is_dir():
        raise CommonError(f"{place} is no folder of CLASS/picture.jpg and no .npz file")
    parts = {"train": place}
    for part, names in _PARTS.items():
        found = [place / name for name in names if (place / name).is_dir()]
        parts |= {part: found[0]} if found else {}
    known = list(parts.values())
    labels = _labels(parts["train"], known)
    listed = {part: _listed(where, labels, known) for part, where in parts.items()}
    side = size or usual_size([path for path, _ in listed["train"]])
    total, done = sum(map(len, listed.values())), 0

    def told() -> None:
        nonlocal done
        done += 1
        if tell:
            tell(done, total)

    read = {part: _load(pairs, side, told) for part, pairs in listed.items()}
    test = read.get("test", _load([], side, told))
    return _collection(labels, read["train"], read.get("validation"), test, place)


def _collection(
    labels: tuple[str, ...],
    train: Labelled,
    validation: Labelled | None,
    test: Labelled,
    place: Path,
) -> Collection:
    """All parts, if there is enough in them; without a validation one is held back."""
    counts = np.bincount(train.classes, minlength=len(labels))
    few = [label for label, count in zip(labels, counts, strict=True) if count < FEWEST]
    if few:
        raise CommonError(
            f"{place} has too few pictures that can be read of {', '.join(few)}: "
            f"each class needs {FEWEST} at least"
        )
    if validation is None:
        train, validation = _split(train)
    if not len(validation):
        raise CommonError(
            f"{place} has no picture to choose by that can be read: below its folder for validation"
            f" there must be some in folders called {', '.join(labels)}"
        )
    return Collection(labels, train, validation, test)


def _split(train: Labelled) -> tuple[Labelled, Labelled]:
    """To learn from, and to choose by: by their names, so that it stays the same."""
    parts = [int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) for name in train.names]
    chance = np.array(parts, np.float64) / 2**32
    kept = np.zeros(len(train), bool)
    for number in np.unique(train.classes):
        own = np.flatnonzero(train.classes == number)
        # Of a class with few pictures chance alone would hold back none, or too many.
        count = np.clip((chance[own] < SHARE).sum(), 1, len(own) // FEWEST)
        kept[own[chance[own].argsort(kind="stable")[:count]]] = True
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


def _labels(top: Path, parts: list[Path]) -> tuple[str, ...]:
    found = [name for name in _folders(top) if top / name not in parts]
    if len(found) < 2:
        raise CommonError(
            f"{top} has {len(found)} folders of pictures; a classifier needs one for each class,"
            " two at least: CLASS/picture.jpg"
        )
    return tuple(found)


def _folders(top: Path) -> list[str]:
    return sorted(
        child.name for child in top.iterdir() if child.is_dir() and not child.name.startswith(".")
    )


def _listed(top: Path, labels: tuple[str, ...], parts: list[Path]) -> list[tuple[Path, int]]:
    found = []
    for name in _folders(top):
        here = top / name
        if name in labels:
            files = (path for path in here.rglob("*") if path.suffix.lower() in pictures.SUFFIXES)
            found += [(path, labels.index(name)) for path in sorted(files)]
        elif here not in parts:
            log.warning("left out: %s is none of the classes", here)
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
        with place.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        train = _from_arrays(arrays, "train", size)
        test = train.take(np.zeros(len(train), bool))
        if "x_test" in arrays:
            test = _from_arrays(arrays, "test", size)
        if test.pictures.shape[1:] != train.pictures.shape[1:]:
            raise ValueError("the pictures of x_test have another size than those of x_train")
        labels = _names(arrays.get("classes"), train, test)
    except _DAMAGED as error:
        raise CommonError(
            f"{place} is not an .npz file with x_train, y_train and perhaps x_test, y_test: {error}"
        ) from error
    return _collection(labels, train, None, test, place)


def _from_arrays(arrays: dict[str, NDArray[np.generic]], part: str, size: int | None) -> Labelled:
    for name in (f"x_{part}", f"y_{part}"):
        if name not in arrays:
            raise ValueError(f"there is no {name}")
    values, classes = arrays[f"x_{part}"], arrays[f"y_{part}"]
    if values.ndim == 3:
        values = values[..., None]
    if values.dtype != np.uint8 or values.ndim != 4 or values.shape[3] not in (1, 3):
        raise ValueError(f"x_{part} is not uint8 [picture, row, column, 1 or 3 channels]")
    if size and values.shape[1:3] != (size, size):
        raise ValueError(f"its pictures are {values.shape[1]} x {values.shape[2]}, not {size}")
    shapes = ((len(values),), (len(values), 1))
    if classes.dtype.kind not in "iu" or classes.shape not in shapes:
        raise ValueError(f"y_{part} is not one whole number for each of the {len(values)} pictures")
    if len(classes) and classes.min() < 0:
        raise ValueError(f"y_{part} has a class below 0")
    planes = np.broadcast_to(values, (*values.shape[:3], 3)).transpose(0, 3, 1, 2)
    return Labelled(
        np.ascontiguousarray(planes, np.uint8),
        classes.reshape(-1).astype(np.int64),
        tuple(str(number) for number in range(len(values))),
    )


def _names(classes: NDArray[np.generic] | None, train: Labelled, test: Labelled) -> tuple[str, ...]:
    """The labels: as the file names them, else the numbers."""
    count = int(max(train.classes.max(initial=0), test.classes.max(initial=0))) + 1
    if classes is None:
        if count > len(train):  # before as many names are made
            raise ValueError(f"there is a class {count - 1}, but they are numbered from 0 on")
        return tuple(str(number) for number in range(count))
    if classes.ndim != 1 or len(classes) < count:
        raise ValueError(f"`classes` does not name all of the {count} classes")
    return tuple(
        name.decode() if isinstance(name, bytes) else str(name) for name in classes.tolist()
    )
