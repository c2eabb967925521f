"""Records: game files -> Game.

The only module that opens game records. `charset` finds their encoding, `sgf` cuts them into
trees and nodes, `properties` says what a tree means.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from boardnet import sgf
from boardnet.errors import BoardnetError
from boardnet.game import MOVE, SETUP, Action, Game
from boardnet.properties import Unusable, game_of
from common.errors import CommonError

if TYPE_CHECKING:
    from boardnet.sgf_tree import Collection

__all__ = [
    "MOVE",
    "SETUP",
    "Action",
    "BoardnetError",
    "Game",
    "collection",
    "contents",
    "files",
    "iterate",
    "lines",
    "numbered",
    "one",
    "parse",
    "parse_tree",
    "read",
    "trees",
    "variation",
]

_PACKED = (".xz", ".gz", ".bz2")
ARCHIVES = (".zip", ".tar", *(f".tar{ending}" for ending in _PACKED), ".tgz", ".txz", ".tbz2")
ENDINGS = (".sgf", *(f".sgf{ending}" for ending in _PACKED), *ARCHIVES)
LARGEST = 1 << 30  # bytes of one file inside an archive

Refused = Callable[[BoardnetError], object]
Wanted = Callable[[str], bool]


def read(path: str | PathLike[str], game: int = 1) -> Game:
    """One game of a file, counted from 1.

    A file ending in .xz, .gz or .bz2 is unpacked; those inside a zip or tar count one after the
    other. Raises BoardnetError if the file cannot be read, has no such game, or that cannot be
    used.
    """
    return one(path, game)[2]


def lines(path: str | PathLike[str], game: int = 1, refused: Refused | None = None) -> list[Game]:
    """The main line of a game, and every variation to its end, in the order of the file.

    refused: is given the error of each line that cannot be used, which is then left out; without it
    that error is raised. Raises BoardnetError as `read` does.
    """
    name, tree = _find(path, game)
    found = []
    for number, line in enumerate(sgf.lines(tree), 1):
        try:
            found.append(_line(line, name, number))
        except BoardnetError as error:
            if refused is None:
                raise
            refused(error)
    return found


def variation(path: str | PathLike[str], number: int, game: int = 1) -> Game:
    """One of a game's `lines`, counted from 1, whether the others can be used or not.

    Raises BoardnetError as `read` does, and if there are not so many.
    """
    return one(path, game, number)[2]


def one(path: str | PathLike[str], game: int = 1, variation: int = 1) -> tuple[int, str, Game]:
    """The same, or its main line, as `numbered` gives it: in an archive `game` counts through all
    its files, the number that comes back is that in the game's own.

    Raises BoardnetError as `variation` does.
    """
    name, tree = _find(path, game)
    if variation == 1:
        return tree.number, name, parse_tree(tree, name)
    count = 0
    for count, line in enumerate(sgf.lines(tree), 1):
        if count == variation:
            return tree.number, name, _line(line, name, variation)
    which = _which(tree, name)
    raise BoardnetError(f"{which} has {count} lines of play, the main line counted as 1")


def iterate(path: str | PathLike[str], refused: Refused | None = None) -> Iterator[Game]:
    """All games of a file, in the memory that the longest takes.

    refused: is given the error of each game, and of each file in an archive, that cannot be used,
    and the next one follows; without it that error is raised. What is wrong with the file itself
    is always raised.
    """
    for _, _, game in numbered(path, refused):
        yield game


def numbered(
    path: str | PathLike[str], refused: Refused | None = None
) -> Iterator[tuple[int, str, Game]]:
    """The same, each after its number in its file, and that file's name: ARCHIVE/NAME of one in an
    archive."""
    for name, tree in trees(path, refused):
        try:
            game = parse_tree(tree, name)
        except BoardnetError as error:
            if refused is None:
                raise
            refused(error)
        else:
            yield tree.number, name, game


def parse(data: bytes, name: str = "the record") -> list[Game]:
    """All games of a collection that is in memory. name: what errors call it.

    >>> [game] = parse(b"(;SZ[9]KM[5.5]PB[Ann];B[ee];W[])")
    >>> game.rows, game.komi, game.black, game.moves[0]
    (9, 5.5, 'Ann', Action(kind='move', colour=1, point=(4, 4)))
    """
    return [parse_tree(tree, name) for tree in _trees(BytesIO(data), name)]


def collection(path: str | PathLike[str]) -> "Collection":
    """All that is in a file: every game with its variations and properties, to be changed and
    written back without loss, see `boardnet.sgf_tree`.

    Raises BoardnetError if it cannot be read or holds no game.
    """
    from boardnet.sgf_tree import Collection

    return Collection.parse(contents(path), str(path))


def files(path: Path) -> list[Path]:
    """The game files in a folder and the folders in it, or the one file, in order of their names.

    Raises BoardnetError if there are none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.rglob("*") if is_game_file(one.name) and one.is_file())
    if not found:
        raise BoardnetError(f"{path} holds no game files ({', '.join(ENDINGS)})")
    return found


def is_game_file(name: str) -> bool:
    """Whether a file of this name, in a folder or an archive, is taken for game records.

    >>> is_game_file("a/game.SGF"), is_game_file("games.tar.xz"), is_game_file("._game.sgf")
    (True, True, False)
    """
    last = name.rpartition("/")[2]
    return last.lower().endswith(ENDINGS) and not last.startswith(".")


def is_archive(name: str) -> bool:
    """Whether a file of this name is a zip or tar."""
    return name.lower().endswith(ARCHIVES)


def contents(path: str | PathLike[str]) -> bytes:
    """The bytes of a file, unpacked. Raises BoardnetError if it cannot be read."""
    try:
        stream, unpacking_error = _open(Path(path))
        with stream:
            return stream.read()
    except (EOFError, unpacking_error) as error:
        raise BoardnetError(f"cannot unpack {path}: {str(error).lower()}") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def trees(
    path: str | PathLike[str], refused: Refused | None = None, wanted: Wanted | None = None
) -> Iterator[tuple[str, sgf.Tree]]:
    """The game trees of a file, still as text, each with the name of the file that it is in.

    Work for `parse_tree`, in another process too. refused: see `iterate`. wanted: is asked for
    each game file of an archive, in order, whether to read it.
    """
    path = Path(path)
    if is_archive(path.name):
        yield from _archived(path, refused, wanted)
        return
    try:
        stream, unpacking_error = _open(path)
        with stream:
            for tree in _trees(stream, str(path), unpacking_error):
                yield str(path), tree
    except OSError as error:
        raise _unreadable(path, error) from error


def parse_tree(tree: sgf.Tree, name: str = "the record") -> Game:
    """The game that a tree records. name: what errors call its file.

    Raises BoardnetError: another game than Go, a size or a point that cannot be, no SGF.
    """
    try:
        return game_of(tree)
    except Unusable as error:
        raise BoardnetError(f"{_which(tree, name)}, {tree.place(error.offset)}: {error}") from None


def _line(line: sgf.Tree, name: str, number: int) -> Game:
    """The game of one line of play; where in the file something stands is no longer known."""
    try:
        return game_of(line)
    except Unusable as error:
        raise BoardnetError(f"{_which(line, name)}, variation {number}: {error}") from None


def _which(tree: sgf.Tree, name: str) -> str:
    return f"{name}, game {tree.number}" if tree.number > 1 else name


def _find(path: str | PathLike[str], game: int) -> tuple[str, sgf.Tree]:
    """The game of that number, counted from 1, and the name of its file."""
    if game < 1:
        raise BoardnetError(f"games are counted from 1, so there is no game {game}")
    number = 0
    for number, found in enumerate(trees(path), 1):
        if number == game:
            return found
    # A file without any has raised already.
    has = "1 game" if number == 1 else f"{number} games"
    raise BoardnetError(f"{path} has only {has}, so there is no game {game} in it")


def _archived(
    path: Path, refused: Refused | None, wanted: Wanted | None
) -> Iterator[tuple[str, sgf.Tree]]:
    """The trees of all game files in a zip or tar."""
    from common.archives import entries

    seen, taken = 0, False

    def take(name: str) -> bool:
        nonlocal seen, taken
        seen += (is_one := is_game_file(name) and not is_archive(name))
        taken = is_one and (wanted is None or wanted(name))
        return taken

    try:
        for entry in entries(path, take, LARGEST):
            name = f"{path}/{entry.name}"
            try:
                if entry.problem:
                    raise BoardnetError(f"{name}: {entry.problem}")
                if taken:
                    data = BytesIO(_unpacked(name, entry.data))
                    yield from ((name, tree) for tree in _trees(data, name))
            except BoardnetError as error:
                if refused is None:
                    raise
                refused(error)
    except BoardnetError:
        raise
    except CommonError as error:
        raise BoardnetError(str(error)) from error
    if seen == 0:
        raise BoardnetError(f"{path} holds no game files ({', '.join(ENDINGS[:4])})")


def _unpacked(name: str, data: bytes) -> bytes:
    """A file of an archive, unpacked by its ending."""
    packers = {".xz": "lzma", ".gz": "gzip", ".bz2": "bz2"}
    packer = packers.get(Path(name).suffix.lower())
    if packer is None:
        return data
    try:
        unpacked: bytes = import_module(packer).decompress(data)
    except Exception as error:  # each has errors of its own; damaged bytes are all there can be
        raise BoardnetError(f"cannot unpack {name}: {str(error).lower()}") from error
    return unpacked


def _unreadable(path: str | PathLike[str], error: OSError) -> BoardnetError:
    return BoardnetError(f"cannot read {path}: {(error.strerror or str(error)).lower()}")


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
