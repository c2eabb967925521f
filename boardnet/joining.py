"""Joining: pieces of a corpus -> one corpus, or several, without duplicates, in constant memory.

The pieces' labels and openings are held together (some 150 bytes a game); their moves pass through
one piece at a time. What comes out depends on the pieces and their order alone.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boardnet import corpus
from boardnet.corpus import Corpus
from boardnet.duplicates import keepers
from boardnet.errors import BoardnetError

Refusals = list[dict[str, Any]]
REPORT = "left-out.jsonl"


@dataclass
class Piece:
    """A part of what is joined, opened when it is needed.

    load: its games. openings: theirs, see `duplicates`. name: says which game of it something is,
    for the report. refusals: what was left out of it already.
    """

    load: Callable[[], Corpus]
    openings: Callable[[], NDArray[np.bytes_]]
    name: Callable[[int], dict[str, Any]]
    refusals: Refusals = field(default_factory=list)


def join(
    pieces: Sequence[Piece], folder: Path, facts: dict[str, Any], shares: Mapping[str, float]
) -> dict[str, Corpus]:
    """Write FOLDER, a corpus; or with `shares`, {name: share of the games}, FOLDER/NAME for each.

    In which part a game comes depends on its opening alone, so that it stays there when more games
    are packed. Beside the corpora, left-out.jsonl names each game that is in none, and why.
    Returns what was written by name, "" without shares, the moves left on disk.
    Raises BoardnetError if FOLDER exists, nothing is left, for a part or at all, or the disk does
    not take it.
    """
    check(folder, shares)
    table = _Table.of(pieces)
    kept = keepers(table.openings, table.lengths)
    alone = kept == np.arange(len(kept))
    if not alone.any():
        raise BoardnetError("there are no games with moves in what was named: nothing is left")
    part_of = _parts(table.openings, shares)
    names = list(shares) or [""]
    for number, name in enumerate(names):
        if not (alone & (part_of == number)).any():
            raise BoardnetError(f"no game comes in the part {name!r}: give it a larger share")
    work = folder.with_name(folder.name + ".joining")
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        left_out = _report(work / REPORT, pieces, table, kept)
        for number, name in enumerate(names):
            chosen = alone & (part_of == number)
            shape = table.shape(chosen, {**facts, "left out": left_out})
            corpus.write(work / name, shape, _moves(pieces, table, chosen))
        work.rename(folder)
    except OSError as error:
        shutil.rmtree(work, ignore_errors=True)
        raise BoardnetError(f"cannot write {folder}: {error.strerror}") from error
    return {name: corpus.load(folder / name) for name in names}


def check(folder: Path, shares: Mapping[str, float]) -> None:
    """What can be said before the work. Raises BoardnetError if FOLDER exists or the shares are
    none."""
    if folder.exists():
        raise BoardnetError(f"{folder} exists already: name another folder, or remove it first")
    check_shares(shares)


def check_shares(shares: Mapping[str, float]) -> None:
    """Raises BoardnetError if the games cannot be dealt out so."""
    above = all(share > 0 for share in shares.values())  # NaN is not
    if shares and not (above and abs(sum(shares.values()) - 1) <= 1e-6):
        raise BoardnetError("the shares of a split must be above 0 and together 1")


def merge(
    folders: Sequence[Path], folder: Path, shares: Mapping[str, float] | None = None
) -> dict[str, Corpus]:
    """Join corpora; arguments, result and errors as for `join`."""
    opened = [corpus.load(one) for one in folders]
    sources: list[str] = []
    pieces = []
    for path, one in zip(folders, opened, strict=True):
        labels = np.array(one.labels)
        labels["source"] += len(sources)
        sources += one.facts.get("sources", [path.name])
        pieces.append(_piece(path, replace(one, labels=labels)))
    return join(pieces, folder, {"sources": sources}, shares or {})


def _piece(path: Path, games: Corpus) -> Piece:
    return Piece(
        lambda: games, games.openings, lambda game: {"corpus": str(path), "game": game + 1}
    )


@dataclass(frozen=True)
class _Table:
    """All games of all pieces: which piece, actions, moves, openings and labels of each."""

    rows: int
    columns: int
    piece_of: NDArray[np.int64]
    firsts: NDArray[np.int64]  # [piece] its first game
    lengths: NDArray[np.int64]
    played: NDArray[np.int64]
    openings: NDArray[np.bytes_]
    labels: NDArray[Any]

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> _Table:
        lengths, played, found, labels = [], [], [], []
        sizes: list[int] = []
        shape = (0, 0)
        for piece in pieces:
            games = piece.load()
            if sizes and (games.rows, games.columns) != shape:
                raise BoardnetError("corpora of different board sizes cannot be one")
            shape = games.rows, games.columns
            lengths.append(np.diff(games.starts))
            played.append(np.diff(games.firsts))
            found.append(piece.openings())
            labels.append(np.asarray(games.labels))
            sizes.append(games.games)
        return cls(
            *shape,
            np.repeat(np.arange(len(sizes)), sizes),
            np.concatenate([[0], np.cumsum(sizes)]),
            np.concatenate(lengths),
            np.concatenate(played),
            np.concatenate(found),
            np.concatenate(labels),
        )

    def shape(self, chosen: NDArray[np.bool_], facts: dict[str, Any]) -> Corpus:
        """The corpus of the chosen games, its moves left out."""
        return Corpus(
            self.rows,
            self.columns,
            np.zeros(0, np.uint16),
            np.concatenate([[0], np.cumsum(self.lengths[chosen])]),
            np.concatenate([[0], np.cumsum(self.played[chosen])]),
            self.labels[chosen],
            facts,
        )


def _moves(
    pieces: Sequence[Piece], table: _Table, chosen: NDArray[np.bool_]
) -> Iterator[NDArray[np.uint16]]:
    """The moves of the chosen games, piece by piece."""
    for number, piece in enumerate(pieces):
        own = chosen[table.firsts[number] : table.firsts[number + 1]]
        if own.any():
            games = piece.load()
            yield games.moves[np.repeat(own, np.diff(games.starts))]


def _parts(found: NDArray[np.bytes_], shares: Mapping[str, float]) -> NDArray[np.int64]:
    """In which part each game comes, [game], by its opening."""
    if not shares:
        return np.zeros(len(found), np.int64)
    edges = np.cumsum(list(shares.values()))
    digests = b"".join(hashlib.blake2b(one, digest_size=8).digest() for one in found.tolist())
    chance = np.frombuffer(digests, "<u8") / 2.0**64
    return np.minimum(np.searchsorted(edges, chance, side="right"), len(edges) - 1)


def _report(
    path: Path, pieces: Sequence[Piece], table: _Table, kept: NDArray[np.int64]
) -> dict[str, int]:
    """Write a line for each game that was left out; returns how many for which reason."""
    counts: dict[str, int] = {}
    said: set[str] = set()  # what is wrong with an archive is found in each of its slices

    def name(game: int) -> dict[str, Any]:
        piece = int(table.piece_of[game])
        return pieces[piece].name(game - int(table.firsts[piece]))

    with path.open("w", encoding="utf-8") as file:
        for number, piece in enumerate(pieces):
            rows = list(piece.refusals)
            first, last = table.firsts[number], table.firsts[number + 1]
            for game in first + np.flatnonzero(kept[first:last] != np.arange(first, last)):
                other = name(int(kept[game]))
                rows.append({**name(int(game)), "reason": "duplicate", "of": other})
            for row in rows:
                line = json.dumps(row, ensure_ascii=False)
                if row["reason"] == "unreadable":
                    if line in said:
                        continue
                    said.add(line)
                counts[row["reason"]] = counts.get(row["reason"], 0) + 1
                file.write(f"{line}\n")
    return dict(sorted(counts.items()))
