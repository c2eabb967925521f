"""Corpus: many games as training reads them, two bytes a move, mapped into memory.

A corpus is a folder: `corpus.json` (format, board size, counts, where the games came from, a
checksum of the rest), `moves.npy` (uint16, see `boardnet.moves`), `starts.npy` (int64, [game + 1]
where each game starts in it), `firsts.npy` (int64, [game + 1] moves in the games before), and
`labels.npy` (result, komi, ranks, date ... of each game, see `boardnet.labels`).
"""

import functools
import json
import shutil
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from boardnet.duplicates import OPENING
from boardnet.errors import BoardnetError
from boardnet.game import SETUP_BIT, Game
from boardnet.labels import DTYPE, FORFEIT, TIME, label
from boardnet.moves import HISTORY, codes
from boardnet.planes import NAMES
from boardnet.rules import BOARD_LENGTH, EMPTY, WHITE
from boardnet.symmetry import cells, count, index_tables

FORMAT = 4
ARRAYS: dict[str, np.dtype[Any]] = {
    "moves": np.dtype("<u2"),
    "starts": np.dtype("<i8"),
    "firsts": np.dtype("<i8"),
    "labels": DTYPE,
}


@dataclass(frozen=True)
class Corpus:
    """Games of one board size.

    moves: uint16 [number]. starts, firsts: int64 [game + 1]. labels: boardnet.labels.DTYPE [game].
    facts: what `corpus.json` says.
    """

    rows: int
    columns: int
    moves: NDArray[np.uint16]
    starts: NDArray[np.int64]
    firsts: NDArray[np.int64]
    labels: NDArray[Any]
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

    def part(self, first: int, last: int) -> "Corpus":
        """The games from `first` up to `last`, which is not among them; nothing is copied."""
        start, before = self.starts[first], self.firsts[first]
        return replace(
            self,
            moves=self.moves[start : self.starts[last]],
            starts=self.starts[first : last + 1] - start,
            firsts=self.firsts[first : last + 1] - before,
            labels=self.labels[first:last],
        )

    def pick(self, games: NDArray[np.int64]) -> "Corpus":
        """A corpus in memory of some of the games, in the order given."""
        pieces = [self.moves[self.starts[game] : self.starts[game + 1]] for game in games]
        moves = np.concatenate(pieces or [self.moves[:0]])
        starts = _sums([len(piece) for piece in pieces])
        firsts = _sums(np.diff(self.firsts)[games])
        return replace(self, moves=moves, starts=starts, firsts=firsts, labels=self.labels[games])

    def openings(self) -> NDArray[np.bytes_]:
        """By what games are known again, see `boardnet.duplicates`: the first OPENING actions of
        each, in the symmetry in which they come first in the order of bytes.

        Returns bytes [game], two an action, zeros behind a shorter game: the opening of a game that
        breaks off is the beginning of that of the whole game.
        """
        looks = range(count(self.rows, self.columns))
        tables = np.array([cells(self.rows, self.columns, which) for which in looks])
        found = np.zeros((self.games, OPENING), np.uint16)
        compiled()["write_openings"](
            np.asarray(self.moves), self.starts, tables, found, np.zeros(OPENING, np.uint16)
        )
        return np.ascontiguousarray(found.astype(">u2")).view(f"S{2 * OPENING}")[:, 0]

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
        move won the game, 0 if not, NaN if that or the komi is not known, or if the game was not
        decided on the board; "komi": float32 [example], the points that the player to move is given
        by it, below 0 for Black; "mover": int64 [example], who is to move.
        """
        size = len(positions)
        planes = np.empty((size, len(NAMES) * self.rows * self.columns), np.uint8)
        targets = np.zeros(size, np.int64)
        movers = np.zeros(size, np.int64)
        games, turns = self.at(positions)
        compiled()["write_batch"](
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
        labels = self.labels[games]
        winners, komi = labels["winner"], labels["komi"]
        unsaid = (winners == EMPTY) | np.isnan(komi) | np.isin(labels["ending"], (TIME, FORFEIT))
        won = np.where(unsaid, np.nan, winners == movers).astype(np.float32)
        komi = np.nan_to_num(np.where(movers == WHITE, komi, -komi)).astype(np.float32)
        boards = planes.reshape(size, len(NAMES), self.rows, self.columns)
        return {"planes": boards, "move": targets, "won": won, "komi": komi, "mover": movers}


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
    whole = from_encoded(
        [codes(game) for game in own], [label(game) for game in own], rows, columns
    )
    useful = np.flatnonzero(np.diff(whole.firsts))
    return whole.pick(useful), len(own) - len(useful)


def from_encoded(
    encoded: Sequence["array[int]"],
    labels: Sequence[tuple[float, ...]],
    rows: int,
    columns: int,
) -> Corpus:
    """The same from encoded games and their labels; a game that is not legal from its first move
    on stays, with nothing in it."""
    starts = _sums([len(game) for game in encoded])
    moves = np.frombuffer(bytearray().join(encoded), np.uint16)
    lengths = np.zeros(len(encoded), np.int64)
    compiled()["legal_lengths"](moves, starts, rows, columns, lengths, _board())
    if (lengths < np.diff(starts)).any():
        within = np.arange(len(moves)) - np.repeat(starts[:-1], np.diff(starts))
        moves = moves[within < np.repeat(lengths, np.diff(starts))]
        starts = _sums(lengths)
    firsts = _sums(moves & SETUP_BIT == 0)[starts]
    return Corpus(rows, columns, moves, starts, firsts, np.array(list(labels), DTYPE))


def _sums(numbers: NDArray[Any] | Sequence[int]) -> NDArray[np.int64]:
    """0, the first number, the first two together, and so on."""
    return np.concatenate([[0], np.cumsum(numbers, dtype=np.int64)]).astype(np.int64)


def save(corpus: Corpus, folder: Path) -> None:
    """Write a corpus beside its place and rename it into it.

    Raises BoardnetError if the folder exists or the disk does not take it.
    """
    if folder.exists():
        raise BoardnetError(f"{folder} exists already: name another folder, or remove it first")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        write(part, corpus, iter([corpus.moves]))
        part.rename(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise BoardnetError(f"cannot write {folder}: {error.strerror}") from error


def write(folder: Path, corpus: Corpus, moves: Iterator[NDArray[np.uint16]]) -> None:
    """Write the files of a corpus into a folder, its moves from pieces that need not fit in memory
    together; corpus.moves is not looked at. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    sums = {}
    with (folder / "moves.npy").open("wb") as file:
        sums["moves"] = _write_pieces(file, int(corpus.starts[-1]), moves)
    for name, dtype in ARRAYS.items():
        if name != "moves":
            array: NDArray[Any] = np.ascontiguousarray(getattr(corpus, name), dtype=dtype)
            np.save(folder / f"{name}.npy", array)
            sums[name] = zlib.crc32(array.tobytes())
    own = {
        "format": FORMAT,
        "rows": corpus.rows,
        "columns": corpus.columns,
        "games": corpus.games,
        "positions": corpus.positions,
        "crc32": sums,
    }
    facts = (
        own | corpus.facts | own
    )  # of a corpus that was loaded they may be those of a larger one
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    (folder / "corpus.json").write_text(text, encoding="utf-8")


def _write_pieces(file: BinaryIO, size: int, pieces: Iterator[NDArray[np.uint16]]) -> int:
    """An array of numpy's format, piece by piece. Returns the checksum of its numbers."""
    header = {"descr": "<u2", "fortran_order": False, "shape": (size,)}
    np.lib.format.write_array_header_1_0(file, header)
    checksum = 0
    for piece in pieces:
        data = np.ascontiguousarray(piece, "<u2").tobytes()
        file.write(data)
        checksum = zlib.crc32(data, checksum)
    return checksum


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
    for name, found in arrays.items():
        if found.dtype != ARRAYS[name] or zlib.crc32(memoryview(found).cast("B")) != sums.get(name):
            raise BoardnetError(f"{folder}/{name}.npy is damaged: pack the games again")
    return Corpus(rows, columns, **arrays, facts=facts)


@functools.cache
def compiled() -> dict[str, Any]:
    from boardnet import duplicates, ladders, moves, planes, rules, sampling
    from boardnet.compiled import compile_modules

    return compile_modules(rules, ladders, moves, planes, sampling, duplicates)


@functools.cache
def _tables(rows: int, columns: int) -> NDArray[np.int64]:
    return index_tables(rows, columns)


def _board() -> NDArray[np.int64]:
    return np.zeros(BOARD_LENGTH, np.int64)
