"""Duplicates: which games of a corpus are the same game, turned, mirrored or ended otherwise.

Two games are the same if their first OPENING actions are, in one of the board's symmetries, or if
one of them goes on where the other breaks off. (Among 145,000 games of strong players no two others
share 50 moves; their first 35 some do.) The longest is kept, the first of equally long ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from boardnet.game import PASS, QUIET_BIT, SETUP_BIT
from boardnet.rules import Ints

OPENING = 50
SEEN_BITS = QUIET_BIT - 1  # of a move: what it is, and not what `first_illegal` has noted of it


def write_openings(
    moves: Ints, starts: Ints, tables: list[Ints], found: list[Ints], scratch: Ints
) -> None:
    """The first actions of each game, [game, action], in the symmetry in which they come first in
    their order; compiled, for `Corpus.openings`. tables: [symmetry, cell] -> cell."""
    for game in range(len(found)):
        begin = starts[game]
        size = min(starts[game + 1] - begin, len(scratch))
        best: Any = found[game]
        for which in range(len(tables)):
            table = tables[which]
            placed = 0  # stones that were set up first; their order says nothing
            for k in range(size):
                move = moves[begin + k] & SEEN_BITS
                cell = move & PASS
                if cell != PASS:
                    move = move - cell + table[cell]
                at = k
                if placed == k and move & SETUP_BIT:
                    placed += 1
                    while at > 0 and scratch[at - 1] > move:
                        scratch[at] = scratch[at - 1]
                        at -= 1
                scratch[at] = move
            k = 0
            while which > 0 and k < size and scratch[k] == best[k]:
                k += 1
            if which == 0 or (k < size and scratch[k] < best[k]):
                best[:size] = scratch[:size]


def keepers(found: NDArray[np.bytes_], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each game the one that is kept of it: itself, or that of which it is a duplicate.

    found: what `Corpus.openings` gives. lengths: actions of each game.

    >>> found = np.array([b"aabb", b"ccdd", b"aabb", b"cc"], "S100")
    >>> keepers(found, np.array([2, 2, 3, 1])).tolist()
    [2, 1, 2, 1]
    """
    groups, group_of = np.unique(found, return_inverse=True)
    best = np.full(len(groups), -1, np.int64)
    # Longest first, then the first; the last to be written down wins, so the other way round.
    order = np.lexsort((-np.arange(len(found)), lengths))
    best[group_of[order]] = order
    # A game that breaks off comes right before those that go on, and all of these are together.
    for group in np.flatnonzero(lengths[best] < OPENING)[::-1]:
        opening = groups[group].ljust(2 * lengths[best[group]], b"\0")  # numpy strips zeros
        if group + 1 < len(groups) and groups[group + 1].ljust(len(opening), b"\0").startswith(
            opening
        ):
            best[group] = best[group + 1]
    result: NDArray[np.int64] = best[group_of]
    return result
