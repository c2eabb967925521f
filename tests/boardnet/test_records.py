"""Game records: what real files look like, and what broken ones do to a reader."""

import bz2
import gzip
import lzma
import random
import subprocess
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgfmill import sgf as sgfmill_sgf
from sgfmill import sgf_moves

from boardnet import records, sgf
from boardnet.charset import charset
from boardnet.errors import BoardnetError
from boardnet.records import MOVE, SETUP, Action, Game
from boardnet.rules import BLACK, EMPTY, WHITE
from boardnet.sgf_tree import Collection
from boardnet.vertices import parse_vertex, vertex
from boardnet.writing import sgf_text

GAMES = sorted((Path(__file__).parents[2] / "data" / "games").glob("*.sgf"))


def game(text: str | bytes) -> Game:
    """The one game that `text` records."""
    data = text.encode() if isinstance(text, str) else text
    [found] = records.parse(data)
    return found


def moves(text: str | bytes) -> str:
    """The main line in words: "B:pd W:pass AB:aa" with points as SGF has them."""
    letters = "abcdefghijklmnopqrstuvwxy"
    words = []
    for kind, colour, point in game(text).actions:
        name = ("A" if kind == SETUP else "") + "EBW"[colour]
        where = "pass" if point is None else letters[point[1]] + letters[point[0]]
        words.append(f"{name}:{where}")
    return " ".join(words)


def refused(text: str | bytes) -> str:
    """The one sentence with which a record is refused."""
    with pytest.raises(BoardnetError) as caught:
        game(text)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.isprintable()
    return sentence


# Against an independent reader


@pytest.mark.parametrize("path", GAMES, ids=lambda path: path.stem)
def test_shipped_games_have_the_moves_that_sgfmill_finds(path: Path) -> None:
    reference = sgfmill_sgf.Sgf_game.from_bytes(path.read_bytes())
    _, plays = sgf_moves.get_setup_and_moves(reference)
    size = reference.get_size()
    expected = [
        # sgfmill counts rows from the bottom.
        Action(MOVE, "ebw".index(colour), (size - 1 - move[0], move[1]) if move else None)
        for colour, move in plays
    ]
    found = records.read(path)
    assert list(found.moves) == expected
    assert found.rows == found.columns == size
    assert (found.komi or 0.0) == reference.get_komi()
    assert found.black == reference.get_player_name("b")
    assert found.notes == ()


def test_there_are_shipped_games() -> None:
    assert len(GAMES) >= 6


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_any_line_is_read_as_it_was_written(data: st.DataObject) -> None:
    columns, rows = data.draw(st.integers(1, 25)), data.draw(st.integers(1, 25))
    point = st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1))
    action = st.one_of(
        st.builds(Action, st.just(MOVE), st.sampled_from([BLACK, WHITE]), st.none() | point),
        st.builds(Action, st.just(SETUP), st.sampled_from([EMPTY, BLACK, WHITE]), point),
    )
    line = data.draw(st.lists(action, max_size=30))
    letters = "abcdefghijklmnopqrstuvwxy"
    filler = st.sampled_from(["", "", " ", "\r\n", "C[a \\] (;B[zz\\] \\\\]", "(", "\tN[]"])
    text, opened = f"(;SZ[{columns}:{rows}]", 1
    for kind, colour, where in line:
        name = ("A" if kind == SETUP else "") + "EBW"[colour]
        value = "" if where is None else letters[where[1]] + letters[where[0]]
        odd = data.draw(filler)
        opened += odd == "("
        before, after = (odd, "") if odd in ("(", " ") else ("", odd)
        text += f"{before};{name}[{value}]{after}"
    text += ")(;B[aa]W[bb])" * (opened - 1) + ")"  # other variations, never the first
    assert list(game(text).actions) == line


# What is read


def test_a_missing_size_means_19() -> None:
    assert (game("(;B[ss])").rows, game("(;B[ss])").columns) == (19, 19)


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [("9", 9, 9), ("19:19", 19, 19), ("13:9", 9, 13), (" 13 ", 13, 13), ("", 19, 19), ("1", 1, 1)],
)
def test_sizes_are_columns_then_rows(size: str, rows: int, columns: int) -> None:
    found = game(f"(;SZ[{size}])")
    assert (found.rows, found.columns) == (rows, columns)


def test_rows_count_from_the_top_and_columns_from_the_left() -> None:
    found = game("(;SZ[13:9];B[ma])")
    assert found.moves == (Action(MOVE, BLACK, (0, 12)),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(;SZ[19];B[tt];W[];B[ ];W[pass])", "B:pass W:pass B:pass W:pass"),
        ("(;SZ[9];B[tt])", "B:pass"),
        ("(;SZ[19];B[TT];W[pd])", "B:pass W:pd"),
        ("(;SZ[21];B[TT])", "B:tt"),
        ("(;SZ[21];B[tt];W[uu])", "B:tt W:uu"),  # a point there
        ("(;B[pd];B[dd];W[pp])", "B:pd B:dd W:pp"),  # one colour twice
        ("(;B[pd]W[dd];B[pp])", "B:pd W:dd B:pp"),  # both in one node
        ("(;B[pd]B[dd];W[pp])", "B:pd W:pp"),  # which of two is not known: the first
        ("(;GM[1]SZ[19]B[pd];W[dd])", "B:pd W:dd"),  # a move in the root
        ("(;B[dp]AB[dd]AW[pp])", "AB:dd AW:pp B:dp"),  # set-up first
        ("(;AB[dd];B[pp];AE[dd]AW[pd];W[dp])", "AB:dd B:pp AE:dd AW:pd W:dp"),
        ("(;AB[aa]AB[bb][cc])", "AB:aa AB:bb AB:cc"),
        ("(;AB[aa:bb])", "AB:aa AB:ba AB:ab AB:bb"),
        ("(;AB[bb:aa][cc:cc])", "AB:aa AB:ba AB:ab AB:bb AB:cc"),
        ("(;AB[])", ""),
        ("(;;;B[pd];;W[dd];)", "B:pd W:dd"),  # empty nodes
        ("(;)", ""),
        ("(;\n B [pd]\r\n;\rW\t[dd] )", "B:pd W:dd"),
        ("(;FF[3]Black[pd];White[dd];AddBlack[aa])", "B:pd W:dd AB:aa"),
        ("(;GaMe[1]SiZe[9]PlayerBlack[x];Black[ee])", "B:ee"),
        ("(;b[pd];B[dd])", "B:dd"),  # only capitals count
        ("(B[pd];W[dd])", "B:pd W:dd"),  # a first node without its semicolon
        ("( TE[x]SZ[19];B[pd])", "B:pd"),
        ("(;B[pd](;W[dd];B[pp])(;W[dp]))", "B:pd W:dd B:pp"),
        ("(;B[pd]((;W[dd])(;W[pp])))", "B:pd W:dd"),
        ("(;C[one \\] (;B[aa\\] two];B[pd]C[\\\\];W[dd])", "B:pd W:dd"),
        ("Some prose (of a mail),\n\n(;B[pd];W[dd])\x1a", "B:pd W:dd"),
        ("Hi (;-) see below\n(;GM[1]SZ[9];B[ee])", "B:ee"),
        ("(;^_^) and (;-P) (;GM[1]SZ[9];B[ee])", "B:ee"),
        ("(;B[pd] oops ;W[dd])", "B:pd W:dd"),
        ("(;B[pd]C[see [1] there];W[dd])", "B:pd W:dd"),
        ("(;B[pd];W[dd]KO[])", "B:pd W:dd"),
        ("(;GM[1]SZ[9](;SZ[9];B[ee])(;B[cc]))", "B:ee"),  # a variation, not a new game
        ("(;;B[dd];W[aa](;CA[UTF-8]B[bb])(;AE[aa]))", "B:dd W:aa B:bb"),
        ("(; (;SZ[9]W[aa])(;W[aa]))", "W:aa"),
        ("(;B[e\\e];W[c\\\nc];AB[a\\a][b\\b:cc])", "B:ee W:cc AB:aa AB:bb AB:cb AB:bc AB:cc"),
        ("(;SZ[1\\3]GM[\\1];B[ee])", "B:ee"),
        ("(;;B[aa]()(;W[bb]))", "B:aa W:bb"),  # brackets without a node
        ("(;B[aa]( \n )(text)(()(;W[bb])))", "B:aa W:bb"),
        ("(;B[aa]();W[bb])", "B:aa W:bb"),
        ("(;B[aa](;)(;W[bb]))", "B:aa"),  # a node without anything
        ("(;B[a a];W[b\nb])", "B:aa W:bb"),
        ("(;GM[1: Go];B[aa])", "B:aa"),
        ("(;B[PD];W[q3];AB[A1:b1])", "B:pd W:pq AB:as AB:bs"),  # can mean nothing else
    ],
)
def test_what_a_person_can_read_is_read(text: str, expected: str) -> None:
    assert moves(text) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("(;SZ[9];B[aa](text)(;W[bb]))", 1),
        ("(;SZ[9];B[aa]()(;W[bb]))", 1),
        ("(;SZ[9];B[aa]( \n )(text)(()(;W[bb])(;W[cc])))", 2),
        ("(;SZ[9];B[aa]();W[bb])", 1),
        ("(;SZ[9];B[aa];W[bb](", 1),
    ],
)
def test_brackets_without_a_node_are_no_line_of_play(text: str, count: int) -> None:
    [tree] = sgf.trees(BytesIO(text.encode()))
    found = [records.parse_tree(line).moves for line in sgf.lines(tree)]
    [collected] = Collection.parse(text.encode()).records
    assert len(found) == count
    assert found[0] == game(text).moves == collected.game().moves
    assert len(found[0]) == 2
    assert "(;)" not in f"{collected}"


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("(;B[pd];W[dd]", "line 1, column 14: the record breaks off; what is there was used"),
        ("(;B[pd];\nW[d", "line 2, column 4: the record breaks off; what is there was used"),
        ("(;B[pd]\n oops ;W[dd])", "line 2, column 2: something that is not SGF was skipped"),
        ("(;B[pd]W[dd])", "several moves"),
        ("(;B[pd]AB[dd])", "a move and set-up stones"),
        ("(;SZ[])", "SZ[] says no size"),
        ("(;AB[])", "AB[] names no point"),
        ("(;SZ[9.0])", "SZ[9.0] was read as 9"),
        ("(;SZ[+13 lines])", "SZ[+13 lines] was read as +13"),
        ("(;sz[9])", "a property without capitals"),
        ("(;B[aa]();W[bb])", "line 1, column 8: brackets without a node were skipped"),
        ("(;PL[x])", "PL[x] names no player"),
        ("(;B[TT];W[dd])", "line 1, column 3: points are written in another way than SGF's"),
        ("(;B[PD];W[dd])", "line 1, column 3: points are written in another way than SGF's"),
        ("(;HA[4];W[dd])", "no stones are placed"),
        ("(;HA[four])", "HA[four] is no number of stones"),
        ("(;KM[many])", "KM[many] cannot be a komi"),
        ("(;KM[375])", "KM[375] was read as a komi of 7.5"),
    ],
)
def test_what_was_odd_is_noted(text: str, note: str) -> None:
    assert any(note in said for said in game(text).notes)


@pytest.mark.parametrize(
    "text",
    ["(;B[pd];W[dd])", "(;HA[2]AB[dd][pp];W[pd])", "(;HA[2];B[dd];B[pp];W[pd])", "text (;KM[6.5])"],
)
def test_nothing_is_noted_where_nothing_is_odd(text: str) -> None:
    assert game(text).notes == ()


def test_what_happens_often_is_one_note() -> None:
    [note] = game("(;" + ";B[pd]W[dd]" * 50 + ")").notes
    assert note.startswith("line 1, column 4: ")
    assert "50 times" in note


def test_a_cut_record_keeps_the_moves_before_the_cut() -> None:
    assert moves("(;B[pd];W[dd](;B[pp]C[unfini") == "B:pd W:dd B:pp"


@pytest.mark.parametrize(
    ("value", "komi"),
    [
        ("6.5", 6.5),
        ("6,5", 6.5),
        (" -3.5 ", -3.5),
        ("7", 7.0),
        ("0", 0.0),
        ("6.5目", 6.5),
        ("", None),
        ("none", None),
        ("9" * 400, None),
        ("375", 7.5),  # Fox: hundredths of Chinese stones
        ("325", 6.5),
        ("650", 6.5),
        ("3.75", 7.5),
    ],
)
def test_komi(value: str, komi: float | None) -> None:
    assert game(f"(;KM[{value}])").komi == komi
    assert game("(;)").komi is None


def test_the_header_is_read() -> None:
    found = game(
        "(;PB[Ann \\] B\\: C]PW[x\ny]BR[4d]WR[1 p]RE[B+R]DT[2001-02-03]RU[AGA]"
        "EV[Cup]GN[Final]HA[3])"
    )
    assert (found.black, found.white) == ("Ann ] B: C", "x y")
    assert (found.black_rank, found.white_rank) == ("4d", "1 p")
    assert (found.result, found.date, found.rules) == ("B+R", "2001-02-03", "AGA")
    assert (found.event, found.name, found.handicap) == ("Cup", "Final", 3)


def test_boards_beyond_25_have_capital_letters() -> None:
    found = game("(;SZ[52];B[aZ];W[Aa])")
    assert [action.point for action in found.moves] == [(51, 0), (0, 26)]


def test_boards_beyond_26_are_written_with_them_too() -> None:
    found = game("(;SZ[40];B[DD];W[aA])")
    assert game(sgf_text(found)).moves == found.moves


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("(;SZ[9]AB[cc]AW[dd]PL[W])", "AB[cc]AW[dd]PL[W])"),
        ("(;SZ[9];B[cc];PL[B])", ";B[cc];PL[B])"),
        ("(;SZ[9];B[cc];PL[W])", ";B[cc])"),  # as it is anyway
        ("(;SZ[9]PL[W];B[cc])", "SZ[9];B[cc])"),
    ],
)
def test_who_is_to_play_is_written_where_no_move_says_it(text: str, written: str) -> None:
    assert sgf_text(game(text)).endswith(written)


def test_comments_are_those_of_the_position_that_they_are_about() -> None:
    found = game("(;C[before];B[pd]C[one\r\ntwo \\] x];W[dd];AB[pp]C[set up]C[and more];B[dp]C[ ])")
    assert found.comments == {0: "before", 1: "one\ntwo ] x", 2: "set up\nand more"}


def test_names_cannot_steer_a_terminal() -> None:
    assert game("(;PB[a\x1b\\]0;title\x07b])").black == "a ]0;title b"


# Who is to move


@pytest.mark.parametrize(
    ("text", "turn", "player"),
    [
        ("(;)", 0, BLACK),
        ("(;AB[dd][pp])", 0, WHITE),
        ("(;HA[2])", 0, WHITE),
        ("(;AB[dd]AW[pp])", 0, BLACK),
        ("(;AB[dd][ee]AE[dd])", 0, WHITE),
        ("(;AB[dd]PL[B])", 0, BLACK),
        ("(;PL[White])", 0, WHITE),
        ("(;PL[W];B[dd])", 0, BLACK),  # the record's own move says more than PL
        ("(;PL[W];B[dd])", 1, WHITE),
        ("(;B[dd];PL[B])", 1, BLACK),
        ("(;B[dd]PL[B])", 1, BLACK),
        ("(;B[dd];W[ee];AB[pp])", 2, BLACK),
        ("(;B[dd];B[ee])", 1, BLACK),
        ("(;B[dd];B[ee])", 2, WHITE),
        ("(;B[])", 1, WHITE),
    ],
)
def test_player_to_move(text: str, turn: int, player: int) -> None:
    assert game(text).player_to_move(turn) == player


@pytest.mark.parametrize("turn", [-1, 2])
def test_there_is_no_turn_outside_the_game(turn: int) -> None:
    with pytest.raises(BoardnetError, match="turn must be 0 to 1"):
        game("(;B[dd])").player_to_move(turn)
    with pytest.raises(BoardnetError, match="turn must be 0 to 1"):
        game("(;B[dd])").actions_before(turn)


def test_actions_before_a_turn_include_the_stones_set_up_for_it() -> None:
    found = game("(;AB[dd];B[pp];AW[pd];W[dp];AE[dd])")
    assert [len(found.actions_before(turn)) for turn in range(3)] == [1, 3, 5]


# What is refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is empty"),
        (b"hello", "not an SGF file"),
        (bytes(range(256)) * 50, "not an SGF file"),
        ("(;hello world)", "no SGF"),
        ("(;", "breaks off"),
        ("(;GM[2]SZ[8])", "line 1, column 3: this is another game than Go: GM[2] (Othello)"),
        ("(;GM[chess])", "another game than Go"),
        ("(;SZ[0])", "SZ[0]"),
        ("(;SZ[53])", "boards of 1 to 52 rows and columns"),
        ("(;SZ[19:99])", "boards of 1 to 52 rows and columns"),
        ("(;SZ[-9])", "SZ[-9] is no board size"),
        ("(;SZ[nine])", "no board size"),
        ("(;SZ[" + "9" * 5000 + "])", "no board size"),
        (
            "(;SZ[9]\n;B[ee]\n;W[jj])",
            "line 3, column 2: W[jj] is not on the 9x9 board, after move 1",
        ),
        ("(;SZ[13:9];B[aj])", "B[aj] is not on the 13x9 board"),
        ("(;SZ[9]B[PD])", "B[PD]"),
        ("(;B[I5])", "B[I5]"),
        ("(;B[p])", "B[p]"),
        ("(;B[pdd];W[dd])", "B[pdd]"),
        ("(;B[\x1b\\]0;x])", "B[]0;x]"),
        ("(;SZ[9]AB[aa:zz])", "AB[aa:zz]"),
        ("(;SZ[9]AB[tt])", "AB[tt]"),
        ("(;SZ[25]" + ";AB[aa:yy]" * 2000 + ")", "stones are set up"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(text: str | bytes, said: str) -> None:
    assert said in refused(text)


def test_errors_name_the_file_the_game_and_the_line(tmp_path: Path) -> None:
    path = tmp_path / "three.sgf"
    path.write_text("(;B[aa])\n(;SZ[9])\nprose (;SZ[9]\n;B[ee];W[ss])\n")
    with pytest.raises(BoardnetError, match=r"three\.sgf, game 3, line 4, column 8: W\[ss\]"):
        records.read(path, game=3)


@pytest.mark.parametrize("name", ["missing.sgf", "missing.sgf.xz", "missing/deep.sgf"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BoardnetError, match=r"cannot read .*missing.*: no such file or directory"):
        records.read(tmp_path / name)


def test_a_directory_is_no_game(tmp_path: Path) -> None:
    with pytest.raises(BoardnetError, match=r"cannot read .*: is a directory"):
        records.read(tmp_path)


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(*_: object) -> None:  # as root, who runs tests in containers, may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(BoardnetError, match=r"cannot read .*secret.*: permission denied"):
        records.read(tmp_path / "secret.sgf")


# Encodings


@pytest.mark.parametrize(
    ("encoding", "declared", "name"),
    [
        ("utf-8", "CA[UTF-8]", "古力"),
        ("utf-8", "", "古力"),
        ("utf-8", "CA[GB2312]", "古力"),  # a CA that lies
        ("utf-8-sig", "", "古力"),
        ("utf-16", "", "古力"),
        ("utf-16-le", "CA[UTF-16]", "古力"),
        ("utf-16-be", "", "古力"),
        ("gb2312", "CA[GB2312]", "古力"),
        ("gb18030", "CA[GB2312]", "古力㐀"),  # more than what it declares
        ("big5", "CA[Big5]", "許功蓋"),  # second bytes that are a backslash
        ("shift_jis", "CA[Shift_JIS]", "表ソ構"),
        ("shift_jis", "CA[shift-jis]", "ゼA"),  # a second byte that is an opening bracket
        ("iso2022_jp", "CA[ISO-2022-JP]", "日本棋院"),
        ("euc_kr", "CA[EUC-KR]", "이세돌"),
        ("latin-1", "", "Müller"),
        ("latin-1", "CA[ISO-8859]", "Müller"),  # no such encoding
        ("latin-1", "CA[rot13]", "Müller"),
        ("latin-1", "CA[]", "Müller"),
    ],
)
def test_names_are_read_in_any_encoding(encoding: str, declared: str, name: str) -> None:
    found = game(f"(;GM[1]{declared}PB[{name}]PW[x];B[pd];W[dd])".encode(encoding))
    assert (found.black, found.white) == (name, "x")
    assert len(found.moves) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb2312"])
def test_broken_characters_cost_no_moves(encoding: str) -> None:
    head = b"\xff\xfe" if encoding == "utf-16" else b""
    plain = "utf-16-le" if encoding == "utf-16" else encoding
    before, after = f"(;CA[{encoding}]PB[".encode(plain), "];B[pd];W[dd])".encode(plain)
    assert len(game(head + before + b"\xff\xdc" + after).moves) == 2
    assert len(game(head + before + b"ab" + after + b"\xdc").moves) == 2


@pytest.mark.parametrize(
    "declared", ["hex", "unicode_escape", "raw_unicode_escape", "utf-7", "idna", "undefined", "\0"]
)
def test_what_is_no_character_set_is_not_used_as_one(declared: str) -> None:
    assert charset(f"(;CA[{declared}]PB[\xe9])".encode("latin-1")) == "latin-1"


def test_nul_bytes_are_left_out() -> None:
    assert moves(b"(;SZ[1\x009];B[p\0d]\0;W[dd])\0\0\0") == "B:pd W:dd"


# Collections


def test_a_collection_has_all_its_games(tmp_path: Path) -> None:
    path = tmp_path / "many.sgf"
    path.write_text("(;SZ[9];B[aa])(;SZ[13])\n\n, )  (;B[bb](;W[cc])(;W[dd]))junk")
    assert [found.rows for found in records.iterate(path)] == [9, 13, 19]
    assert records.read(path, game=2).rows == 13
    assert len(records.read(path, game=3).moves) == 2


@pytest.mark.parametrize(("number", "said"), [(4, "has only 3 games"), (0, "counted from 1")])
def test_a_game_that_is_not_there(tmp_path: Path, number: int, said: str) -> None:
    path = tmp_path / "three.sgf"
    path.write_text("(;)(;)(;)")
    with pytest.raises(BoardnetError, match=said):
        records.read(path, game=number)


def test_bad_games_can_be_skipped(tmp_path: Path) -> None:
    path = tmp_path / "mixed.sgf"
    path.write_text("(;SZ[9])\n(;GM[3])\n(;SZ[13];B[zz])\n(;SZ[7])\n")
    errors: list[BoardnetError] = []
    assert [found.rows for found in records.iterate(path, refused=errors.append)] == [9, 7]
    assert [str(error).split(", ")[1] for error in errors] == ["game 2", "game 3"]
    with pytest.raises(BoardnetError, match="game 2"):
        list(records.iterate(path))


def test_an_unclosed_game_does_not_swallow_the_next_one() -> None:
    first, second = records.parse(b"(;GM[1]SZ[9];B[aa](;W[bb]\n(;GM[1]SZ[13];B[cc])")
    assert (first.rows, len(first.moves), second.rows, len(second.moves)) == (9, 2, 13, 1)
    assert "breaks off" in first.notes[0]


def test_a_file_of_unclosed_games_is_read_in_a_time_that_grows_with_it() -> None:
    one = "(;GM[1]SZ[9];B[aa](;W[bb]\n"
    assert len(records.parse((one * 20_000).encode())) == 20_000


@pytest.mark.parametrize(
    ("ending", "pack"), [(".xz", lzma.compress), (".gz", gzip.compress), (".bz2", bz2.compress)]
)
def test_packed_files_are_unpacked(tmp_path: Path, ending: str, pack: object) -> None:
    assert callable(pack)
    path = tmp_path / f"game.sgf{ending}"
    whole = pack(b"(;SZ[9];B[ee])\n" * 40)
    path.write_bytes(whole)
    assert [found.rows for found in records.iterate(path)] == [9] * 40
    path.write_bytes(whole[:-9])
    with pytest.raises(BoardnetError, match="cannot unpack"):
        list(records.iterate(path))
    path.write_bytes(b"(;SZ[9];B[ee])")
    with pytest.raises(BoardnetError, match=r"cannot (unpack|read)"):
        records.read(path)


def test_long_files_are_cut_into_games_wherever_the_reading_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boardnet.sgf.CHUNK", 7)
    path = tmp_path / "many.sgf"
    one = "prose ( ;CA[utf-8]SZ[9]PB[古\\]力 (;x)];B[ee](;W[aa])(;W[bb]) ) \n"
    path.write_text(one * 20 + "(;SZ[9]PB[古]力];B[ee]", encoding="utf-8")
    found = list(records.iterate(path))
    assert [len(each.moves) for each in found] == [2] * 20 + [1]
    assert {each.black for each in found[:20]} == {"古]力 (;x)"}
    assert found[20].notes[-1].startswith("line 21, ")


UTF_8 = "(;GM[1]CA[UTF-8]SZ[19]PB[古力]PW[李世石];B[pd]C[好];W[dd];B[pp])\n".encode()
GBK = UTF_8.decode().replace("UTF-8", "GB2312").encode("gbk")
ASCII = b"(;GM[1]CA[GB2312]SZ[19]PB[Ann]PW[Bob];B[pd];W[dd];B[pp])\n"
JIS = "(;GM[1]CA[Shift_JIS]SZ[19]PB[表ソ構]PW[井山裕太];B[pd];W[dd];B[pp])\n".encode("cp932")


@pytest.mark.parametrize("chunk", [50, 100, 1 << 20])
@pytest.mark.parametrize("data", [UTF_8 + GBK, GBK + UTF_8, (JIS + UTF_8 + GBK + ASCII) * 4])
def test_each_game_of_a_file_is_read_in_its_own_encoding(
    data: bytes, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boardnet.sgf.CHUNK", chunk)
    monkeypatch.setattr("boardnet.decoding.CHUNK", chunk)
    found = records.parse(data)
    assert len(found) == data.count(b"GM[1]")
    assert {len(each.moves) for each in found} == {3}
    assert {each.black for each in found} <= {"古力", "表ソ構", "Ann"}


@pytest.mark.parametrize(
    "after", [GBK, JIS, GBK + UTF_8, ASCII.replace(b"[Ann", b"[\xb9\xc5\xc1\xa6")]
)
def test_what_a_file_is_in_is_decided_where_it_first_goes_beyond_ascii(after: bytes) -> None:
    before = (1 << 20) // len(ASCII) + 10
    found = records.parse(ASCII * before + after)
    assert len(found) == before + after.count(b"GM[1]")
    assert {len(each.moves) for each in found} == {3}
    assert found[before].black in ("古力", "表ソ構")


def test_a_long_game_keeps_its_claim_until_it_is_needed() -> None:
    comment = "C[棋]".encode("gbk")  # one character: nothing to judge by but CA
    data = b"(;CA[GB2312]SZ[19]" + b";B[pd];W[dd]" * (1 << 17) + b";B[pp]" + comment + b";W[dp])"
    [found] = records.parse(data)
    assert len(found.moves) == (1 << 18) + 2
    assert list(found.comments.values()) == ["棋"]


# Size and damage


def test_a_hundred_thousand_variations_are_read() -> None:
    text = "(;SZ[19];B[pd]" + "(;W[dd]C[what if?];B[pp])" * 100_000 + ")"
    assert moves(text) == "B:pd W:dd B:pp"


def test_a_hundred_thousand_levels_are_read() -> None:
    depth = 100_000
    assert len(game("(;B[pd]N[x]" * depth + ")" * depth).moves) == depth
    assert len(game("(;B[pd]" * depth).moves) == depth


def test_a_long_line_is_read() -> None:
    assert len(game("(;" + ";B[pd]C[x];W[dd]" * 5_000 + ")").moves) == 10_000


def games_or_sentence(data: bytes) -> list[Game]:
    """What `data` records; none if it is refused as it should be."""
    try:
        return records.parse(data)
    except BoardnetError as error:
        sentence = str(error)
    assert sentence.isprintable()
    return []


PIECES = [b"(", b")", b";", b"[", b"]", b"\\", b":", b"\0", b"\xff", b"(;", b"SZ[", b"B[tt]", b"\n"]


@pytest.mark.parametrize("path", GAMES[:3], ids=lambda path: path.stem)
@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_damage_is_survived(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(
        path.read_bytes() + b"(;SZ[13:9]HA[2]AB[aa:bb]PL[W]KM[7.5]C[x];W[];B[aa]AE[bb])"
    )
    for _ in range(rng.randint(1, 12)):
        at, length = rng.randrange(len(data) + 1), rng.choice([0, 0, 1, 2, 20, 300])
        new = rng.choice([*PIECES, bytes([rng.randrange(256)]), bytes(data[at : at + length])])
        data[at : at + length] = new
    for each in games_or_sentence(bytes(data)):
        assert each.player_to_move(len(each.moves)) in (BLACK, WHITE)
        points = {action.point for action in each.actions if action.point is not None}
        assert all(0 <= row < each.rows and 0 <= column < each.columns for row, column in points)


@given(data=st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_survived(data: bytes) -> None:
    for text in (data, b"(;" + data + b")", b"\xff\xfe" + data):
        games_or_sentence(text)


# Names of points


@given(data=st.data(), rows=st.integers(1, 25), columns=st.integers(1, 25))
def test_vertices_name_every_point(data: st.DataObject, rows: int, columns: int) -> None:
    point = data.draw(st.none() | st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1)))
    name = vertex(point, rows)
    assert parse_vertex(name.lower(), rows, columns) == point


def test_vertices_skip_the_letter_i() -> None:
    assert [vertex((18, column), 19) for column in (0, 7, 8, 18)] == ["A1", "H1", "J1", "T1"]


@pytest.mark.parametrize(
    "name", ["", "I5", "A0", "A20", "U1", "5A", "A-1", "A1.5", "AA1", "A¹", "A" + "1" * 5000]
)
def test_what_is_no_vertex_is_refused(name: str) -> None:
    with pytest.raises(BoardnetError, match="is not a point of a 19x19 board"):
        parse_vertex(name, 19, 19)


def test_reading_records_loads_nothing_heavy() -> None:
    code = (
        "import sys, boardnet.records, boardnet.drawing;"
        "print(sorted({'numpy', 'torch', 'numba', 'rich', 'lzma'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# Archives


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:xz" if path.suffix == ".xz" else "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
    return path


INSIDE = {
    "a/one.sgf": b"(;SZ[9])(;SZ[13])",
    "a/._one.sgf": b"of a Mac",
    "b/two.SGF.gz": gzip.compress(b"(;SZ[19])"),
    "b/inner.zip": b"not looked into",
    "readme.txt": b"(;SZ[5])",
}


@pytest.mark.parametrize("name", ["games.zip", "games.tar", "games.tar.xz"])
def test_the_games_in_an_archive_are_read_one_after_the_other(tmp_path: Path, name: str) -> None:
    pack = zipped if name.endswith(".zip") else tarred
    path = pack(tmp_path / name, INSIDE)
    assert [found.rows for found in records.iterate(path)] == [9, 13, 19]
    assert records.read(path, game=3).rows == 19
    with pytest.raises(BoardnetError, match="has only 3 games"):
        records.read(path, game=4)
    assert records.files(tmp_path) == [path]


def test_what_is_broken_in_an_archive_is_named_and_the_rest_read(tmp_path: Path) -> None:
    files = {"1.sgf": b"", "2.sgf": b"(;SZ[9];B[zz])", "3.sgf.xz": b"no xz", "4.sgf": b"(;SZ[7])"}
    path = zipped(tmp_path / "mixed.zip", files)
    errors: list[str] = []
    found = list(records.iterate(path, refused=lambda error: errors.append(str(error))))
    assert [one.rows for one in found] == [7]
    assert [error.split("mixed.zip/")[1][:5] for error in errors] == ["1.sgf", "2.sgf", "3.sgf"]
    with pytest.raises(BoardnetError, match=r"mixed\.zip/1\.sgf is empty"):
        list(records.iterate(path))
    with pytest.raises(BoardnetError, match="holds no game files"):
        records.read(zipped(tmp_path / "none.zip", {"a.txt": b"x"}))
    (tmp_path / "no.zip").write_bytes(b"no archive")
    with pytest.raises(BoardnetError, match=r"no\.zip is neither"):
        records.read(tmp_path / "no.zip")


@pytest.mark.parametrize("blank", ["\x1c", "\x1f", "\x85", "\u3000"])
def test_any_blank_around_a_number_is_left_out(blank: str) -> None:
    found = game(f"(;SZ[{blank}9]HA[{blank}2]KM[{blank}6.5]AB[aa][bb])")
    assert (found.rows, found.handicap, found.komi) == (9, 2, 6.5)
