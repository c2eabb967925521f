"""Corpus: many games as training reads them, two bytes a move, mapped into memory.

A corpus is a folder: `corpus.json` (format, board size, counts, where the games came from, a
checksum of the rest), `moves.npy` (uint16, see `boardnet.moves`), `starts.npy` (int64, [game + 1]
where each game starts in it), `firsts.npy` (int64, [game + 1] moves in the games before), and of
each game `winners.npy` (int8, EMPTY where it is not known) and `komi.npy` (float32).
"""

import functools
import json
import shutil
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boardnet.errors import BoardnetError
from boardnet.game import Game
from boardnet.moves import HISTORY, SETUP_BIT, encode
from boardnet.planes import NAMES
from boardnet.rules import BLACK, BOARD_LENGTH, EMPTY, WHITE
from boardnet.symmetry import count, index_tables

FORMAT = 2
ARRAYS = {
    "moves": np.uint16,
    "starts": np.int64,
    "firsts": np.int64,
    "winners": np.int8,
    "komi": np.float32,
}


@dataclass(frozen=True)
class Corpus:
    """Games of one board size.

    moves: uint16 [number]. starts, firsts: int64 [game + 1]. winners: int8 [game], BLACK, WHITE or
    EMPTY if it is not known. komi: float32 [game]. facts: what `corpus.json` says.
    """

    rows: int
    columns: int
    moves: NDArray[np.uint16]
    starts: NDArray[np.int64]
    firsts: NDArray[np.int64]
    winners: NDArray[np.int8]
    komi: NDArray[np.float32]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def games(self) -> int:
        """How many games there are."""
        return len(self.starts) - 1

    @property
    def positions(self) -> int:
        """How many positions with a move played in them there are."""
        return int(self.firsts[-1])

    def at(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The game and the turn of each position, counted through the corpus."""
        games = np.searchsorted(self.firsts, positions, side="right") - 1
        return games, positions - self.firsts[games]

    def examples(
        self,
        positions: NDArray[np.int64],
        symmetries: NDArray[np.int64] | None = None,
        hidden: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Planes of positions, and the moves played in them.

        positions: int64 [example]. symmetries: int64 [example], by default none is applied.
        hidden: bool [example], where the network shall not see the last moves.
        Returns uint8 [example, plane, row, column], and int64 [example] the cell played,
        row by row, rows * columns for a pass.
        """
        found = self.labelled(positions, symmetries, hidden)
        return found["planes"], found["move"]

    def labelled(
        self,
        positions: NDArray[np.int64],
        symmetries: NDArray[np.int64] | None = None,
        hidden: NDArray[np.bool_] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """The same, and who won.

        Returns "planes" and "move" as `examples` does; "won": float32 [example], 1 if the player to
        move won the game, 0 if not, NaN if that is not known; "komi": float32 [example], the points
        that the player to move is given by it, below 0 for Black.
        """
        size = len(positions)
        planes = np.empty((size, len(NAMES) * self.rows * self.columns), np.uint8)
        targets = np.zeros(size, np.int64)
        movers = np.zeros(size, np.int64)
        games, turns = self.at(positions)
        _compiled()["write_batch"](
            self.moves,
            self.starts,
            games,
            turns,
            np.zeros(size, np.int64) if symmetries is None else symmetries,
            np.zeros(size, np.bool_) if hidden is None else hidden,
            _tables(self.rows, self.columns),
            self.rows,
            self.columns,
            planes,
            targets,
            movers,
            _board(),
            np.zeros(HISTORY, np.int64),
        )
        winners = self.winners[games]
        won = np.where(winners == EMPTY, np.nan, winners == movers).astype(np.float32)
        komi = np.where(movers == WHITE, self.komi[games], -self.komi[games]).astype(np.float32)
        boards = planes.reshape(size, len(NAMES), self.rows, self.columns)
        return {"planes": boards, "move": targets, "won": won, "komi": komi}


@dataclass(frozen=True)
class Sampler:
    """Random training batches; which ones depends on nothing but the seed and the number.

    batch: examples. hide: share of the examples that do not show the last moves, so that the
    network also learns to answer for a position without a history.
    """

    corpus: Corpus
    batch: int
    seed: int
    hide: float = 0.07

    def __call__(self, number: int) -> dict[str, NDArray[Any]]:
        """Batch `number`, as Corpus.labelled gives it."""
        rng = np.random.default_rng((self.seed, number))
        corpus = self.corpus
        return corpus.labelled(
            rng.integers(corpus.positions, size=self.batch),
            rng.integers(count(corpus.rows, corpus.columns), size=self.batch),
            rng.random(self.batch) < self.hide,
        )


def from_games(games: Iterable[Game], rows: int = 19, columns: int = 19) -> tuple[Corpus, int]:
    """A corpus in memory. Games of other sizes, or without a legal move, are left out.

    A game with an illegal move ends before it.
    Returns the corpus and how many games were left out.
    """
    own = [game for game in games if (game.rows, game.columns) == (rows, columns)]
    return from_encoded(
        [encode(game) for game in own], [outcome(game) for game in own], rows, columns
    )


Outcome = tuple[int, float]


def outcome(game: Game) -> Outcome:
    """Who won a game, EMPTY if that or the komi is not known; and the komi.

    >>> from boardnet.records import parse
    >>> outcome(parse(b"(;SZ[9]KM[6.5]RE[W+R];B[ee])")[0])
    (2, 6.5)
    """
    winner = {"B+": BLACK, "W+": WHITE}.get(game.result.strip().upper()[:2], EMPTY)
    if game.komi is None or not abs(game.komi) < 100:
        return EMPTY, 0.0
    return winner, game.komi


def from_encoded(
    encoded: list[list[int]], outcomes: list[Outcome], rows: int, columns: int
) -> tuple[Corpus, int]:
    """The same from encoded games and their outcomes."""
    sizes = [len(game) for game in encoded]
    moves = np.fromiter((move for game in encoded for move in game), np.uint16, sum(sizes))
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    lengths = np.zeros(len(sizes), np.int64)
    _compiled()["legal_lengths"](moves, starts, rows, columns, lengths, _board())
    kept = np.concatenate(
        [moves[start : start + length] for start, length in zip(starts, lengths, strict=False)]
        or [moves]
    )
    is_move = np.concatenate([[0], np.cumsum(kept & SETUP_BIT == 0)])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    firsts = is_move[starts]
    useful = np.flatnonzero(np.diff(firsts))
    if len(useful) < len(sizes):  # a game without moves has no numbers that anybody would read
        pieces = [kept[starts[game] : starts[game + 1]] for game in useful]
        kept = np.concatenate(pieces or [kept[:0]])
        starts = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces], dtype=np.int64)])
        firsts = np.concatenate([[0], np.cumsum(kept & SETUP_BIT == 0)])[starts]
    winners = np.array([outcomes[game][0] for game in useful], np.int8)
    komi = np.array([outcomes[game][1] for game in useful], np.float32)
    corpus = Corpus(
        rows, columns, kept, starts.astype(np.int64), firsts.astype(np.int64), winners, komi
    )
    return corpus, len(sizes) - len(useful)


def save(corpus: Corpus, folder: Path) -> None:
    """Write a corpus beside its place and rename it into it.

    Raises BoardnetError if the folder exists or the disk does not take it.
    """
    if folder.exists():
        raise BoardnetError(f"{folder} exists already: name another folder, or remove it first")
    part = folder.with_name(folder.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        arrays = {name: getattr(corpus, name) for name in ARRAYS}
        for name, array in arrays.items():
            np.save(part / f"{name}.npy", array)
        facts = {
            "format": FORMAT,
            "rows": corpus.rows,
            "columns": corpus.columns,
            "games": corpus.games,
            "positions": corpus.positions,
            "crc32": {name: zlib.crc32(array) for name, array in arrays.items()},
            **corpus.facts,
        }
        (part / "corpus.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        part.rename(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise BoardnetError(f"cannot write {folder}: {error.strerror}") from error


def load(folder: Path) -> Corpus:
    """Open a corpus; its moves stay on disk and are read as they are needed.

    Raises BoardnetError for anything but a whole corpus of this format.
    """
    try:
        facts = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            raise BoardnetError(
                f"{folder} has corpus format {facts['format']}, this boardnet reads {FORMAT}: "
                "pack the games again"
            )
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ARRAYS
        }
        rows, columns, sums = int(facts["rows"]), int(facts["columns"]), facts["crc32"]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BoardnetError(
            f"{folder} is not a corpus (no {Path(str(error.filename)).name} in it): "
            "make one with boardnet pack"
        ) from error
    except OSError as error:
        raise BoardnetError(f"cannot read {folder}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise BoardnetError(f"{folder} is damaged or no corpus: pack the games again") from error
    for name, array in arrays.items():
        if array.dtype != ARRAYS[name] or zlib.crc32(array) != sums.get(name):
            raise BoardnetError(f"{folder}/{name}.npy is damaged: pack the games again")
    return Corpus(rows, columns, **arrays, facts=facts)


@functools.cache
def _compiled() -> dict[str, Any]:
    from boardnet import ladders, moves, planes, rules, sampling
    from boardnet.compiled import compile_modules

    return compile_modules(rules, ladders, moves, planes, sampling)


@functools.cache
def _tables(rows: int, columns: int) -> NDArray[np.int64]:
    return index_tables(rows, columns)


def _board() -> NDArray[np.int64]:
    return np.zeros(BOARD_LENGTH, np.int64)
