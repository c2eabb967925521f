"""What the commands that ask about games share: which of a file, what it is called, the notes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from boardnet.errors import BoardnetError
from common.arguments import positive
from common.errors import CommonError

ALL_GAMES = 0
"""Instead of a game's number, which are counted from 1."""


def game_or_all(text: str) -> int:
    """A game's number, or `all`."""
    return ALL_GAMES if text == "all" else positive(text)


def add_choice(
    parser: argparse.ArgumentParser, kind: Callable[[str], int], metavar: str = "N"
) -> None:
    """Which game, and which line of play of it."""
    parser.add_argument("--game", type=kind, metavar=metavar,
                        help="which game of a collection (default: 1)")  # fmt: skip
    parser.add_argument("--variation", type=positive, default=1, metavar="N",
                        help="the N-th line of play in the file; 1 is the main line")  # fmt: skip


def told(name: str, number: int) -> str:
    """What a game is called to a person: its file, and which of it."""
    return f"{name}, game {number}" if number > 1 else name


def place(path: Path, name: str, number: int) -> dict[str, Any]:
    """The same in JSON. name: of the game's file, in `path` if that is an archive."""
    entry = {} if name == str(path) else {"entry": name.removeprefix(f"{path}/")}
    return {"file": str(path), **entry, "game": number}


@contextmanager
def naming(game: str) -> Iterator[None]:
    """Errors in here say which game they are about; what a game is asked does not know its file."""
    try:
        yield
    except BoardnetError as error:
        raise BoardnetError(f"{game}: {error}") from error


def say_notes(game: str, notes: Sequence[str]) -> None:
    """What a person should know of a game."""
    for note in notes:
        print(f"boardnet: {game}: {note}", file=sys.stderr)


def say_others(path: Path, *, every: bool = True) -> None:
    """Say so where nobody chose and the first game is not all that a file holds. every: whether
    all can be asked about at once."""
    if path.is_file() and _holds_another(path):  # a pipe can be read once only
        how = "--game N takes one of them" + (", --game all every one" if every else "")
        say_notes(str(path), [f"there are other games in it ({how})"])


def _holds_another(path: Path) -> bool:
    """Whether a game that can be used follows the first. What is damaged behind, nobody asked."""
    from boardnet import records

    with suppress(CommonError):
        trees = records.trees(path, lambda error: None)
        next(trees)
        for name, tree in trees:
            with suppress(BoardnetError):
                records.parse_tree(tree, name)
                return True
    return False
