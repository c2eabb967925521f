"""Records: game files -> Game.

The only module that opens game records. `charset` finds their encoding, `sgf` cuts them into
trees and nodes, `properties` says what a tree means.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import BinaryIO, cast

from boardnet import sgf
from boardnet.errors import BoardnetError
from boardnet.game import MOVE, SETUP, Action, Game
from boardnet.properties import Unusable, game_of

__all__ = [
    "MOVE",
    "SETUP",
    "Action",
    "Game",
    "contents",
    "iterate",
    "lines",
    "parse",
    "parse_tree",
    "read",
    "trees",
]


def read(path: str | PathLike[str], game: int = 1) -> Game:
    """One game of a file, counted from 1. A file ending in .xz, .gz or .bz2 is unpacked.

    Raises BoardnetError if the file cannot be read, has no such game, or it cannot be used.
    """
    if game < 1:
        raise BoardnetError(f"games are counted from 1, so there is no game {game}")
    for tree in trees(path):
        if tree.number == game:
            return parse_tree(tree, str(path))
    # There is a last tree: `trees` raises when there is none at all.
    has = "1 game" if tree.number == 1 else f"{tree.number} games"
    raise BoardnetError(f"{path} has only {has}, so there is no game {game} in it")


def lines(path: str | PathLike[str], game: int = 1) -> list[Game]:
    """The main line of a game, and every variation to its end, in the order of the file.

    Raises BoardnetError as `read` does, also if a variation cannot be used.
    """
    for tree in trees(path):
        if tree.number == game:
            return [parse_tree(line, str(path)) for line in sgf.lines(tree)]
    raise BoardnetError(f"there is no game {game} in {path}")


def iterate(
    path: str | PathLike[str], refused: Callable[[BoardnetError], object] | None = None
) -> Iterator[Game]:
    """All games of a file, in the memory that the longest takes.

    refused: is given the error of each game that cannot be used, and the next one follows;
    without it that error is raised. What is wrong with the file itself is always raised.
    """
    for tree in trees(path):
        try:
            game = parse_tree(tree, str(path))
        except BoardnetError as error:
            if refused is None:
                raise
            refused(error)
        else:
            yield game


def parse(data: bytes, name: str = "the record") -> list[Game]:
    """All games of a collection that is in memory. name: what errors call it.

    >>> [game] = parse(b"(;SZ[9]KM[5.5]PB[Ann];B[ee];W[])")
    >>> game.rows, game.komi, game.black, game.moves[0]
    (9, 5.5, 'Ann', Action(kind='move', colour=1, point=(4, 4)))
    """
    return [parse_tree(tree, name) for tree in _trees(BytesIO(data), name)]


def contents(path: str | PathLike[str]) -> bytes:
    """The bytes of a file, unpacked. Raises BoardnetError if it cannot be read."""
    try:
        stream, unpacking_error = _open(Path(path))
        with stream:
            return stream.read()
    except (EOFError, unpacking_error) as error:
        raise BoardnetError(f"cannot unpack {path}: {str(error).lower()}") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BoardnetError(f"cannot read {path}: {reason}") from error


def trees(path: str | PathLike[str]) -> Iterator[sgf.Tree]:
    """The game trees of a file, still as text: work for `parse_tree`, in another process too."""
    try:
        stream, unpacking_error = _open(Path(path))
        with stream:
            yield from _trees(stream, str(path), unpacking_error)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BoardnetError(f"cannot read {path}: {reason}") from error


def parse_tree(tree: sgf.Tree, name: str = "the record") -> Game:
    """The game that a tree records. name: what errors call its file.

    Raises BoardnetError: another game than Go, a size or a point that cannot be, no SGF.
    """
    try:
        return game_of(tree)
    except Unusable as error:
        which = f"{name}, game {tree.number}" if tree.number > 1 else name
        raise BoardnetError(f"{which}, {tree.place(error.offset)}: {error}") from None


def _open(path: Path) -> tuple[BinaryIO, type[Exception]]:
    """The file, unpacked by its ending, and what is raised when it cannot be unpacked."""
    ending = path.suffix.lower()  # each packer is imported only when it is needed
    if ending == ".xz":
        import lzma

        return cast(BinaryIO, lzma.open(path)), lzma.LZMAError
    if ending == ".gz":
        import gzip
        import zlib

        return cast(BinaryIO, gzip.open(path)), zlib.error
    if ending == ".bz2":
        import bz2

        return cast(BinaryIO, bz2.open(path)), EOFError
    return path.open("rb"), EOFError


def _trees(
    stream: BinaryIO, name: str, unpacking_error: type[Exception] = EOFError
) -> Iterator[sgf.Tree]:
    """sgf.trees, with a sentence for a stream that has none or ends where it must not."""
    try:
        size, number = yield from sgf.trees(stream)
    except (EOFError, unpacking_error) as error:
        raise BoardnetError(f"cannot unpack {name}: {str(error).lower()}") from error
    if size == 0:
        raise BoardnetError(f"{name} is empty")
    if number == 0:
        raise BoardnetError(f"{name} is not an SGF file: no game starts in it, as with '(;'")
