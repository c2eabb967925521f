"""The board in the terminal."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardnet.drawing import PLAIN, Style, board_text, style_of
from boardnet.rules import BLACK, EMPTY, WHITE

RICH = Style(colour=True, unicode=True)
STYLES = [PLAIN, RICH, Style(colour=True), Style(unicode=True)]
_CODE = re.compile(r"\x1b\[[\d;]*m")


def bare(text: str) -> str:
    """The text as it looks, without what colours it."""
    return _CODE.sub("", text)


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True


def test_a_plain_board_is_letters_and_numbers() -> None:
    stones = [EMPTY] * 81
    stones[2 * 9 + 6], stones[6 * 9 + 2] = BLACK, WHITE
    drawn = board_text(9, 9, stones, last=(6, 2), candidates=[((4, 4), 0.625), (None, 0.125)])
    assert drawn.splitlines() == [
        "   A B C D E F G H J",
        " 9 . . . . . . . . .  9  X Black  O White",
        " 8 . . . . . . . . .  8   1  E5    62.5%  ############",
        " 7 . . + . . . X . .  7   2  pass  12.5%  ##",
        " 6 . . . . . . . . .  6",
        " 5 . . . . 1 . . . .  5",
        " 4 . . . . . . . . .  4",
        " 3 . .(O). . . + . .  3",
        " 2 . . . . . . . . .  2",
        " 1 . . . . . . . . .  1",
        "   A B C D E F G H J",
    ]


def test_a_coloured_board_has_lines_and_discs() -> None:
    drawn = board_text(3, 4, [BLACK] + [EMPTY] * 10 + [WHITE], last=(0, 0), style=RICH)
    assert [line.rstrip() for line in bare(drawn).splitlines()] == [
        "   A B C D",
        " 3(●)┬─┬─┐  3",
        " 2 ├─┼─┼─┤  2",
        " 1 └─┴─┴─●  1",
        "   A B C D",
    ]


def test_black_and_white_discs_have_their_own_colours_on_a_painted_board() -> None:
    drawn = board_text(1, 2, [BLACK, WHITE], style=RICH)
    black, white = re.findall(r"\x1b\[([\d;]*)m●", drawn)
    assert black == "48;5;179;1;38;5;16"
    assert white == "48;5;179;1;38;5;231"


@pytest.mark.parametrize(
    ("size", "dots"),
    [
        (19, "D4 D10 D16 K4 K10 K16 Q4 Q10 Q16"),
        (13, "D4 D10 G7 K4 K10"),
        (9, "C3 C7 E5 G3 G7"),
        (8, "C3 C6 F3 F6"),
        (5, "C3"),
        (4, ""),
    ],
)
def test_dots_are_where_boards_have_them(size: int, dots: str) -> None:
    rows = board_text(size, size, [EMPTY] * size * size).splitlines()[1:-1]
    found = [
        "ABCDEFGHJKLMNOPQRST"[(at - 3) // 2] + str(size - row)
        for row, line in enumerate(rows)
        for at, sign in enumerate(line)
        if sign == "+"
    ]
    assert sorted(found) == sorted(dots.split())


def test_a_candidate_never_hides_a_stone() -> None:
    drawn = board_text(1, 2, [BLACK, EMPTY], candidates=[((0, 0), 0.5), ((0, 1), 0.5)])
    assert drawn.splitlines()[1].startswith(" 1 X 2  1")


def test_brackets_of_the_last_move_stay_beside_a_candidate() -> None:
    for style in STYLES:
        drawn = board_text(
            1, 2, [WHITE, EMPTY], last=(0, 0), candidates=[((0, 1), 1.0)], style=style
        )
        assert re.match(r" 1\([O●]\)1  1", bare(drawn).splitlines()[1])


def test_two_digit_numbers_fit_on_the_board() -> None:
    candidates = [((0, column), 0.05) for column in range(12)]
    row = board_text(2, 12, [EMPTY] * 24, candidates=candidates).splitlines()[1]
    assert row.startswith(" 2 1 2 3 4 5 6 7 8 9101112  2")


def test_more_candidates_than_rows_go_on_below_the_board() -> None:
    lines = board_text(1, 1, [EMPTY], candidates=[((0, 0), 0.9), (None, 0.1)] * 3).splitlines()
    assert len(lines) == 8
    assert lines[-1].split() == ["6", "pass", "10.0%", "##"]


@given(
    rows=st.integers(1, 25),
    columns=st.integers(1, 25),
    style=st.sampled_from(STYLES),
    data=st.data(),
)
def test_any_board_fits_in_80_columns(
    rows: int, columns: int, style: Style, data: st.DataObject
) -> None:
    point = st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1))
    candidates = data.draw(st.lists(st.tuples(st.none() | point, st.floats(0, 1)), max_size=120))
    drawn = board_text(
        rows,
        columns,
        [data.draw(st.integers(0, 2))] * (rows * columns),
        last=data.draw(st.none() | point),
        candidates=candidates,
        style=style,
    )
    lines = drawn.split("\n")
    assert max(len(bare(line)) for line in lines) <= 80
    assert len(lines) >= rows + 2
    assert drawn.isascii() or style.unicode
    assert ("\x1b" in drawn) == style.colour


@pytest.mark.parametrize(
    ("encoding", "unicode"), [("utf-8", True), ("ascii", False), ("latin-1", False)]
)
def test_the_style_is_what_the_terminal_can_show(
    monkeypatch: pytest.MonkeyPatch, encoding: str, unicode: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert style_of(Terminal(encoding)) == Style(colour=True, unicode=unicode)


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_that_are_not_wanted_are_left_out(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert style_of(Terminal("utf-8")) == Style(colour=False, unicode=True)


def test_what_is_no_terminal_gets_no_colours() -> None:
    assert style_of(io.StringIO()) == PLAIN
    assert style_of(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) == Style(unicode=True)
