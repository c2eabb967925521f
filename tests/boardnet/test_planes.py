"""Planes beside a second, slow implementation: sgfmill's boards and plain Python, nothing of ours.

What is checked are the planes that training sees: the compiled functions, out of a corpus.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sgfmill import boards

from boardnet import corpus, predictor, records
from boardnet.game import MOVE, SETUP, Action, Game
from boardnet.planes import NAMES

ROOT = Path(__file__).parents[2]
GAMES = sorted((ROOT / "data" / "games").glob("*.sgf"))
VALIDATION = ROOT.parent / "shared" / "data" / "go" / "val"

MOST_STONES = 120  # tried in a ladder before it counts as not read
Spot = tuple[int, int]  # row and column from the top left


# The reference


class Unread(Exception):
    """A ladder that is too long, or goes round a ko."""


class Table:
    """Stones by their points, 1 Black and 2 White."""

    def __init__(self, rows: int, columns: int, stones: dict[Spot, int]) -> None:
        self.rows, self.columns, self.stones = rows, columns, stones

    def beside(self, spot: Spot) -> list[Spot]:
        """The neighbours: right, left, below, above."""
        row, column = spot
        found = [(row, column + 1), (row, column - 1), (row + 1, column), (row - 1, column)]
        return [(r, c) for r, c in found if 0 <= r < self.rows and 0 <= c < self.columns]

    def chain(self, spot: Spot) -> tuple[list[Spot], list[Spot]]:
        """The stones of the chain there and its liberties, both nearest first."""
        colour = self.stones[spot]
        chain, free = [spot], []
        for stone in chain:
            for near in self.beside(stone):
                if near not in self.stones:
                    if near not in free:
                        free.append(near)
                elif self.stones[near] == colour and near not in chain:
                    chain.append(near)
        return chain, free

    def played(self, spot: Spot, colour: int) -> tuple[Table, list[Spot]]:
        """The board after a move, and what it captured; a suicide stays on the board."""
        after = Table(self.rows, self.columns, {**self.stones, spot: colour})
        captured: list[Spot] = []
        for near in self.beside(spot):
            if after.stones.get(near) == 3 - colour:
                chain, free = after.chain(near)
                if not free:
                    captured += chain
                    for stone in chain:
                        del after.stones[stone]
        return after, captured

    def legal(self, spot: Spot, colour: int) -> bool:
        """But for ko."""
        return spot not in self.stones and bool(self.played(spot, colour)[0].chain(spot)[1])

    def chains(self) -> Iterator[tuple[list[Spot], list[Spot]]]:
        """Every chain, from its first stone in reading order on."""
        seen: set[Spot] = set()
        for spot in sorted(self.stones):
            if spot not in seen:
                chain, free = self.chain(spot)
                seen.update(chain)
                yield chain, free

    def roomy(self, extension: Spot, attack: Spot) -> bool:
        """Whether extending there brings three liberties at once, so that it is no ladder."""
        return (
            sum(near not in self.stones and near != attack for near in self.beside(extension)) > 2
        )


class Ladder:
    """One reading of a ladder: who is caught when only atari counts."""

    def __init__(self) -> None:
        self.tried = 0
        self.moves: list[tuple[Spot, list[Spot]]] = []  # that lead here, and what they captured

    def caught(self, table: Table, spot: Spot, attacking: bool) -> bool:
        try:
            return self._caught(table, spot, attacking)
        except Unread:
            return False

    def _caught(self, table: Table, spot: Spot, attacking: bool) -> bool:
        chain, free = table.chain(spot)
        colour = table.stones[spot]
        if attacking:
            if len(free) != 2:
                return len(free) < 2
            moves = [one for one, other in (free, free[::-1]) if not table.roomy(other, one)]
        else:
            moves = [free[0]]
            for stone in chain:
                for near in table.beside(stone):
                    if table.stones.get(near) == 3 - colour:
                        last = table.chain(near)[1]
                        if len(last) == 1 and last[0] not in moves and len(moves) < 3:
                            moves.append(last[0])
        if attacking and not moves:
            return False
        self._check(table, spot, attacking)
        player = 3 - colour if attacking else colour
        for move in moves:
            if not table.legal(move, player):
                continue
            after, captured = table.played(move, player)
            self.tried += 1
            self.moves.append((move, captured))
            caught = self._caught(after, spot, not attacking)
            self.moves.pop()
            if caught == attacking:
                return caught
        return not attacking

    def _check(self, table: Table, spot: Spot, attacking: bool) -> None:
        """Give up, unless this is where the reading began."""
        if not self.moves:
            return
        if self.tried >= MOST_STONES:
            raise Unread
        if len(self.moves) >= 2:
            (before, taken), (last, retaken) = self.moves[-2:]
            if taken == [last] and retaken == [before]:
                raise Unread


def planes_of(
    table: Table, player: int, ko: Spot | None, recent: list[Spot | None]
) -> NDArray[np.uint8]:
    """All planes, [plane, row, column]."""
    found = np.zeros((len(NAMES), table.rows, table.columns), np.uint8)

    def mark(name: str, *spots: Spot) -> None:
        for spot in spots:
            found[NAMES.index(name)][spot] = 1

    names = ("1", "2", "3", "4+")
    for row in range(table.rows):
        for column in range(table.columns):
            spot = row, column
            mark("on board", spot)
            if spot in table.stones:
                continue
            mark("empty", spot)
            if spot != ko and table.legal(spot, player):
                after, captured = table.played(spot, player)
                chain, free = after.chain(spot)
                mark("legal", spot)
                mark(f"{names[min(len(free), 4) - 1]} liberties after the move", spot)
                if captured:
                    mark(f"captures {names[min(len(captured), 4) - 1]}", spot)
                if len(free) == 1 and len(chain) > 1:
                    mark("self-atari of 2 or more", spot)
    for chain, free in table.chains():
        own = table.stones[chain[0]] == player
        side = "own" if own else "opponent"
        mark(side, *chain)
        mark(f"{side}, {names[min(len(free), 4) - 1]} liberties", *chain)
        mark_ladders(table, chain, free, own, mark)
    if ko is not None:
        mark("ko", ko)
    for ago, spot_or_none in enumerate(recent, 1):
        if spot_or_none is not None:
            mark(f"move {ago} ago", spot_or_none)
    return found


def mark_ladders(
    table: Table, chain: list[Spot], free: list[Spot], own: bool, mark: object
) -> None:
    """The planes of ladders, of one chain."""
    assert callable(mark)
    spot = chain[0]
    colour = table.stones[spot]
    if own and len(free) == 1:
        saved = table.legal(free[0], colour) and not Ladder().caught(
            table.played(free[0], colour)[0], spot, attacking=True
        )
        if saved:
            mark("extends out of a ladder", free[0])
        elif Ladder().caught(table, spot, attacking=False):
            mark("own, lost in a ladder", *chain)
    elif own and len(free) == 2:
        if Ladder().caught(table, spot, attacking=True):
            mark("own, lost in a ladder if ignored", *chain)
    elif len(free) == 2:
        for attack, extension in (free, free[::-1]):
            if table.roomy(extension, attack) or not table.legal(attack, 3 - colour):
                continue
            after, _ = table.played(attack, 3 - colour)
            if Ladder().caught(after, spot, attacking=False):
                mark("opponent, lost in a ladder", *chain)
                mark("captures in a ladder", attack)


def reference(game: Game, turn: int, hidden: bool) -> NDArray[np.uint8]:
    """The planes after so many moves; on square boards sgfmill plays them and says what ko forbids.
    It has no others."""
    if game.rows != game.columns:
        table, ko_there = replayed(game, turn)
    else:
        table, ko_there = replayed_by_sgfmill(game, turn)
    player = game.moves[turn].colour
    ko = ko_there[0] if ko_there and ko_there[1] == player and not hidden else None
    seen = [] if hidden else [one.point for one in game.moves[:turn]][::-1][:5]
    return planes_of(table, player, ko, seen)


def replayed(game: Game, turn: int) -> tuple[Table, tuple[Spot, int] | None]:
    """The board after so many legal moves, and what ko forbids to whom."""
    table = Table(game.rows, game.columns, {})
    ko: tuple[Spot, int] | None = None
    played = 0
    for kind, colour, spot in game.actions:
        if kind == SETUP:
            assert spot is not None
            table.stones.pop(spot, None)
            if colour:
                table.stones[spot] = colour
            ko = None
            continue
        if played == turn:
            break
        played += 1
        ko = None
        if spot is not None:
            table, captured = table.played(spot, colour)
            forbidden = ko_after(table, spot, captured)
            ko = (forbidden, 3 - colour) if forbidden else None
    return table, ko


def ko_after(table: Table, spot: Spot, captured: list[Spot]) -> Spot | None:
    """What a move that captured this has forbidden to the other side."""
    chain, free = table.chain(spot)
    return captured[0] if len(captured) == len(chain) == len(free) == 1 else None


def replayed_by_sgfmill(game: Game, turn: int) -> tuple[Table, tuple[Spot, int] | None]:
    """The same from sgfmill, whose rows count from the bottom."""
    board = boards.Board(game.rows)
    ko: tuple[Spot, int] | None = None
    played = 0
    for action in game.actions:
        if action.kind == SETUP:
            assert action.point is not None
            spot = [(game.rows - 1 - action.point[0], action.point[1])]
            which = [spot if action.colour == colour else [] for colour in (1, 2, 0)]
            board.apply_setup(*which)
            ko = None
            continue
        if played == turn:
            break
        played += 1
        ko = None
        if action.point is not None:
            row, column = action.point
            forbidden = board.play(game.rows - 1 - row, column, "bw"[action.colour - 1])
            if forbidden is not None:
                ko = (game.rows - 1 - forbidden[0], forbidden[1]), 3 - action.colour
    stones = {
        (game.rows - 1 - row, column): "bw".index(colour) + 1
        for colour, (row, column) in board.list_occupied_points()
    }
    return Table(game.rows, game.columns, stones), ko


# The comparison


def set_up(table: Table, rng: np.random.Generator) -> Iterator[Action]:
    """Up to five stones put or taken off at random; every chain keeps a liberty."""
    for _ in range(int(rng.integers(0, 6))):
        spot = (int(rng.integers(table.rows)), int(rng.integers(table.columns)))
        before, colour = dict(table.stones), int(rng.integers(0, 3))
        table.stones.pop(spot, None)
        if colour:
            table.stones[spot] = colour
        if all(free for _, free in table.chains()):
            yield Action(SETUP, colour, spot)
        else:
            table.stones = before


def random_game(rows: int, columns: int, rng: np.random.Generator) -> Game:
    """Legal moves at random, sometimes a pass, often two of a colour; set-up stones before and
    sometimes between."""
    table = Table(rows, columns, {})
    actions = list(set_up(table, rng))
    colour, ko = 1, None
    spots = [(row, column) for row in range(rows) for column in range(columns)]
    for _ in range(int(rng.integers(min(rows, columns), min(3 * rows * columns, 400)))):
        if rng.random() < 0.02 and (found := list(set_up(table, rng))):
            actions += found
            ko = None
        move: Spot | None = None
        if rng.random() > 0.02:
            order = (spots[index] for index in rng.permutation(len(spots)))
            move = next((spot for spot in order if spot != ko and table.legal(spot, colour)), None)
        ko = None
        if move is not None:
            table, captured = table.played(move, colour)
            ko = ko_after(table, move, captured)
        actions.append(Action(MOVE, colour, move))
        if rng.random() < 0.9:
            colour = 3 - colour
        else:
            ko = None
    return Game(rows=rows, columns=columns, actions=tuple(actions))


def turned(planes: NDArray[np.uint8], which: int) -> NDArray[np.uint8]:
    """1 mirrors top and bottom, 2 left and right, and then 4 swaps rows and columns."""
    planes = np.flip(planes, 1) if which & 1 else planes
    planes = np.flip(planes, 2) if which & 2 else planes
    return np.transpose(planes, (0, 2, 1)) if which & 4 else planes


def drawn(planes: NDArray[np.uint8]) -> str:
    """The stones: X to move, O the opponent."""
    stones = planes[NAMES.index("own")] + 2 * planes[NAMES.index("opponent")]
    return "\n".join(" ".join(".XO"[stone] for stone in row) for row in stones)


def compare(games: list[Game], count: int, seed: int) -> NDArray[np.bool_]:
    """So many random positions of games on boards of one size. Returns which planes had a 1."""
    rng = np.random.default_rng(seed)
    rows, columns = games[0].rows, games[0].columns
    packed, left_out = corpus.from_games(games, rows, columns)
    assert left_out == 0
    picked = rng.integers(packed.positions, size=count)
    which = rng.integers(8 if rows == columns else 4, size=count)
    hidden = rng.random(count) < 0.1
    planes, _ = packed.examples(picked, which, hidden)
    for index, (game, turn) in enumerate(zip(*packed.at(picked), strict=True)):
        expected = turned(reference(games[game], int(turn), bool(hidden[index])), int(which[index]))
        differs = np.argwhere(planes[index] != expected)
        where = [
            f"{NAMES[plane]} at {row}, {column}: {planes[index, plane, row, column]}"
            for plane, row, column in differs[:5]
        ]
        position = f"game {game}, turn {turn}, symmetry {which[index]}, hidden {hidden[index]}"
        assert not where, f"{position}: {where}\n{drawn(expected)}"
    shown: NDArray[np.bool_] = np.any(planes, (0, 2, 3))
    return shown


def test_a_chain_without_a_liberty_is_shown_as_in_atari() -> None:
    [game] = records.parse(b"(;SZ[5]AW[aa]AB[ba][ab];B[cc])")
    compiled, _ = corpus.from_games([game], 5, 5)[0].examples(np.array([0]))
    for planes in (compiled[0], predictor.planes_of(game, 0)):
        shown = [name for name, plane in zip(NAMES, planes, strict=True) if plane[0, 0]]
        assert shown == ["opponent", "on board", "opponent, 1 liberties"]


RANDOM = [(4, 4, 100), (5, 5, 150), (7, 7, 150), (9, 9, 120), (13, 9, 80), (6, 9, 80), (19, 19, 20)]


@pytest.mark.parametrize(("rows", "columns", "count"), RANDOM)
def test_random_games_have_the_planes_of_the_reference(rows: int, columns: int, count: int) -> None:
    rng = np.random.default_rng((rows, columns))
    games = [random_game(rows, columns, rng) for _ in range(3 if rows > 13 else 12)]
    shown = compare(games, count, seed=rows)
    missing = [name for name, there in zip(NAMES, shown, strict=True) if not there]
    if count >= 80:  # then all are there, so that they can differ, but for the rare ko
        assert set(missing) <= {"ko"}


def test_long_ladders_and_those_that_go_round_a_ko_are_among_the_random_positions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends = {"spent": 0, "round": 0}
    check = Ladder._check

    def counted(ladder: Ladder, table: Table, spot: Spot, attacking: bool) -> None:
        try:
            check(ladder, table, spot, attacking)
        except Unread:
            ends["spent" if ladder.tried >= MOST_STONES else "round"] += 1
            raise

    monkeypatch.setattr(Ladder, "_check", counted)
    rng = np.random.default_rng(0)
    compare([random_game(13, 13, rng) for _ in range(6)], 60, seed=0)
    assert min(ends.values()) > 0, ends


def test_real_games_have_the_planes_of_the_reference() -> None:
    compare([records.read(path) for path in GAMES], 300, seed=0)


@pytest.mark.slow
@pytest.mark.skipif(not VALIDATION.is_dir(), reason="the large corpus is not here")
@pytest.mark.parametrize("name", ["kgs", "pro", "tygem"])
def test_positions_of_many_real_games_have_them_too(name: str) -> None:
    games = list(records.iterate(VALIDATION / f"{name}.sgf.xz"))
    compare(games, 1000, seed=1)
