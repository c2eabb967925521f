"""Packing: game records by the thousand -> a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from boardnet import records
from boardnet.corpus import Corpus, Outcome, from_encoded, outcome
from boardnet.errors import BoardnetError
from boardnet.moves import encode


def pack(
    paths: Iterable[Path], *, size: int = 19, seen: Callable[[Path, int], object] | None = None
) -> Corpus:
    """A corpus, in memory, of all games in `paths` on boards of `size`.

    Games that cannot be used are left out and counted in the corpus's facts; a game with an
    illegal move ends before it. seen: is told each file and how many games were read so far.
    """
    encoded: list[list[int]] = []
    outcomes: list[Outcome] = []
    left_out = {"unreadable": 0, "other size": 0, "no moves": 0}
    sources = []

    def refused(error: BoardnetError) -> None:
        left_out["unreadable"] += 1

    for path in paths:
        for game in records.iterate(path, refused):
            if (game.rows, game.columns) == (size, size):
                encoded.append(encode(game))
                outcomes.append(outcome(game))
            else:
                left_out["other size"] += 1
        sources.append(path.name)
        if seen is not None:
            seen(path, len(encoded))
    corpus, left_out["no moves"] = from_encoded(encoded, outcomes, size, size)
    if corpus.games == 0:
        raise BoardnetError(f"there are no {size}x{size} games with moves in what was named")
    return replace(corpus, facts={"sources": sources, "left out": left_out})
