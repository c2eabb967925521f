"""The rules against other programs at length: python -m pytest -m slow tests/boardnet"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sgfmill import boards

from boardnet import records
from boardnet.rules import BLACK, EMPTY, WHITE, empty_board, index_of, is_legal, play
from boardnet.vertices import COLUMN_LETTERS, vertex

ROOT = Path(__file__).parents[2]
VALIDATION = ROOT.parent / "shared" / "data" / "go" / "val"
GNUGO = shutil.which("gnugo") or shutil.which("/usr/games/gnugo")

pytestmark = pytest.mark.slow


def same(ours: list[int], theirs: boards.Board) -> bool:
    """Whether both boards hold the same stones."""
    side = theirs.side
    stones = [EMPTY] * (side * side)
    for colour, (row, column) in theirs.list_occupied_points():
        stones[(side - 1 - row) * side + column] = BLACK if colour == "b" else WHITE
    rows = [(row + 1) * (side + 1) for row in range(side)]
    return [stone for row in rows for stone in ours[row : row + side]] == stones


def count(ours: list[int], side: int) -> int:
    """How many stones there are."""
    points = ours[: (side + 2) * (side + 1)]
    return points.count(BLACK) + points.count(WHITE)


@pytest.mark.skipif(not VALIDATION.is_dir(), reason="needs the validation games")
@pytest.mark.parametrize("name", ["tygem", "kgs", "pro"])
def test_every_validation_game_agrees_with_sgfmill_after_every_move(name: str) -> None:
    games = 0
    for game in records.iterate(VALIDATION / f"{name}.sgf.xz"):
        ours, theirs = empty_board(19, 19), boards.Board(19)
        for kind, colour, point in game.actions:
            if point is None:
                continue
            where = 18 - point[0], point[1]
            if kind == records.SETUP:
                ours[index_of(ours, *point)] = colour
                theirs.apply_setup([where] if colour == 1 else [], [where] if colour == 2 else [],
                                   [where] if colour == 0 else [])  # fmt: skip
            else:
                play(ours, index_of(ours, *point), colour)
                theirs.play(*where, "bw"[colour - 1])
            assert same(ours, theirs)
        games += 1
    assert games >= 600


def test_ten_thousand_random_games_agree_with_sgfmill_after_every_move() -> None:
    rng = np.random.default_rng(0)
    suicides = kos = snapbacks = 0
    for number in range(10_000):
        side = (4, 5, 7, 9)[number % 4]
        ours, theirs = empty_board(side, side), boards.Board(side)
        before = 0
        for turn in range(2 * side * side):
            cell = int(rng.integers(side * side))
            row, column = divmod(cell, side)
            point = index_of(ours, row, column)
            if ours[point] != EMPTY:
                continue
            colour = 1 + turn % 2
            legal = is_legal(ours, point, colour, 0)
            stones = count(ours, side)
            ko = play(ours, point, colour)
            taken = stones + 1 - count(ours, side)
            expected = theirs.play(side - 1 - row, column, "bw"[colour - 1])
            assert same(ours, theirs)
            assert legal == (ours[point] == colour)
            found = divmod(ko, side + 1) if ko else None
            assert expected == (found and (side - found[0], found[1]))
            suicides += not legal
            kos += ko != 0
            snapbacks += legal and before == 1 and taken > 1
            before = taken
    assert min(suicides, kos, snapbacks) > 100


@pytest.mark.skipif(GNUGO is None, reason="needs gnugo")
@pytest.mark.skipif(not VALIDATION.is_dir(), reason="needs the validation games")
def test_a_sample_of_games_agrees_with_gnu_go() -> None:
    checked = 0
    for name in ("tygem", "kgs", "pro"):
        for number, game in enumerate(records.iterate(VALIDATION / f"{name}.sgf.xz")):
            if number % 100:
                continue
            board = empty_board(19, 19)
            lines = ["boardsize 19", "clear_board"]
            expected = []
            for step, (kind, colour, point) in enumerate(game.actions):
                if point is None:
                    continue
                if kind == records.SETUP:
                    board[index_of(board, *point)] = colour
                else:
                    play(board, index_of(board, *point), colour)
                lines.append(f"play {'bw'[colour - 1]} {vertex(point, 19)}")
                if step % 40 == 39 or step == len(game.actions) - 1:
                    for other in (BLACK, WHITE):
                        lines.append(f"list_stones {'bw'[other - 1]}")
                        expected.append(
                            {
                                COLUMN_LETTERS[column] + str(19 - row)
                                for row in range(19)
                                for column in range(19)
                                if board[index_of(board, row, column)] == other
                            }
                        )
            run = subprocess.run(
                [str(GNUGO), "--mode", "gtp"],
                input="\n".join([*lines, "quit", ""]),
                capture_output=True,
                text=True,
                check=True,
            )
            answers = run.stdout.split("\n\n")
            found = [
                set(answer.removeprefix("=").split())
                for line, answer in zip(lines, answers, strict=False)
                if line.startswith("list_stones")
            ]
            assert found == expected
            checked += 1
    assert checked == 26
