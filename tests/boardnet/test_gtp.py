"""GTP 2: what is said to what, in the specification's form, and what the engine will not do."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from boardnet import area, records
from boardnet.engine import Engine
from boardnet.errors import BoardnetError
from boardnet.gtp import VALUED, Session, serve
from boardnet.handicap import fixed
from boardnet.predictor import Predictor
from boardnet.rules import BLACK, WHITE

ROOT = Path(__file__).parents[2]
EAR = ROOT / "data" / "games" / "ear-reddening-1846.sgf"
FORM = re.compile(r"[=?](\d+)?( [^\n]*)?\n([^\n]+\n)*\n")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load()


@pytest.fixture
def engine(predictor: Predictor) -> Engine:
    return Engine(predictor)


@pytest.fixture
def session(engine: Engine) -> Session:
    return Session(engine, "1.2")


def said(session: Session, line: str) -> str:
    answered = session.answer(line)
    assert answered is not None
    return answered[0]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("protocol_version", "= 2\n\n"),
        ("3 name", "=3 boardnet\n\n"),
        ("version", "= 1.2\n\n"),
        ("known_command genmove", "= true\n\n"),
        ("known_command dance", "= false\n\n"),
        ("8 dance", "?8 unknown command\n\n"),
        ("boardsize 40", "? unacceptable size\n\n"),
        ("boardsize one", "? boardsize not an integer\n\n"),
        ("komi x", "? komi not a float\n\n"),
        ("komi nan", "? komi not a float\n\n"),
        ("play b I5", "? invalid color or coordinate\n\n"),
        ("play green D4", "? invalid color\n\n"),
        ("play b", "? syntax error\n\n"),
        ("genmove", "? syntax error\n\n"),
        ("undo", "? cannot undo\n\n"),
        ("fixed_handicap 1", "? invalid number of stones\n\n"),
        ("fixed_handicap 3", "= D4 Q16 D16\n\n"),
        ("place_free_handicap 20", "= D4 Q16 D16 Q4 D10 Q10 K4 K16 K10\n\n"),
        ("set_free_handicap D4 D4", "? invalid vertex list\n\n"),
        ("set_free_handicap D4 pass", "? invalid vertex list\n\n"),
        ("time_settings 60 10 5", "= \n\n"),
        ("time_left b 10 3", "= \n\n"),
        ("time_settings 60", "? syntax error\n\n"),
        ("  12  PLAY", "?12 unknown command\n\n"),
        ("p\x01la\ty b D4 # a comment", "? unknown command\n\n"),
        ("pl\x01ay\tb\td4 # a comment\r", "= \n\n"),
        ("5", "?5 syntax error\n\n"),
        ("2147483647 name", "=2147483647 boardnet\n\n"),
        ("2147483648 name", "? unknown command\n\n"),
        ("lz-analyze b interval 10 maxmoves -3", "? syntax error\n\n"),
        ("kata-analyze minmoves -1", "? syntax error\n\n"),
        ("printsgf .", "? . is a folder: name a file\n\n"),
    ],
)
def test_a_line_is_answered_as_the_specification_says(
    session: Session, line: str, answer: str
) -> None:
    assert said(session, line) == answer


@pytest.mark.parametrize("line", ["", "\n", "   \t", "# only a comment", "\r\n"])
def test_a_line_that_says_nothing_gets_no_answer(session: Session, line: str) -> None:
    assert session.answer(line) is None


def test_occupied_suicide_and_ko_are_illegal_and_change_nothing(session: Session) -> None:
    said(session, "boardsize 5")
    for move in ("b B1", "b A2", "w B3", "w A4", "b D2", "w C1", "b C2", "w D1", "w E2"):
        assert said(session, f"play {move}") == "= \n\n", move
    before = session.engine.stones
    assert said(session, "play b B1") == "? illegal move\n\n"
    assert said(session, "play w A1") == "? illegal move\n\n"  # suicide
    assert session.engine.stones == before

    said(session, "clear_board")
    for move in ("b B2", "b A3", "b B4", "w C2", "w D3", "w C4", "w B3", "b C3"):
        assert said(session, f"play {move}") == "= \n\n", move
    assert said(session, "play w B3") == "? illegal move\n\n"  # the ko
    said(session, "play w A1")
    said(session, "play b E5")
    assert said(session, "play w B3") == "= \n\n"


def test_undo_takes_back_captures_too(session: Session) -> None:
    said(session, "boardsize 5")
    for move in ("w A1", "b A2"):
        said(session, f"play {move}")
    before = session.engine.stones
    said(session, "play b B1")
    assert session.engine.stones != before
    assert said(session, "undo") == "= \n\n"
    assert session.engine.stones == before


def test_handicap_stones_are_no_moves(session: Session) -> None:
    said(session, "set_free_handicap D4 Q16")
    assert session.engine.to_move == WHITE
    assert said(session, "undo") == "? cannot undo\n\n"
    assert said(session, "fixed_handicap 2") == "? board not empty\n\n"


@pytest.mark.parametrize(("size", "most"), [(19, 9), (13, 9), (9, 9), (8, 4), (7, 4)])
def test_fixed_handicap_is_symmetric_and_ends_where_the_specification_says(
    size: int, most: int
) -> None:
    points = fixed(most, size, size)
    assert len(set(points)) == most
    assert {(size - 1 - row, size - 1 - column) for row, column in points} == set(points)
    with pytest.raises(BoardnetError, match="invalid number of stones"):
        fixed(most + 1, size, size)


def test_the_raw_policy_is_that_of_predict(session: Session, predictor: Predictor) -> None:
    assert said(session, f"loadsgf {EAR} 127") == "= black\n\n"
    head, _, tail = said(session, "kata-raw-nn 0").partition("policy\n")
    assert head.startswith("= symmetry 0\n")
    lines = tail.split("\n")
    shown = np.array([float(word) for line in lines[:19] for word in line.split()])
    policy = predictor.predict(EAR, turn=126).policy
    assert (np.isnan(shown) == (policy[:-1] < 0)).all()
    np.testing.assert_allclose(shown[policy[:-1] >= 0], policy[:-1][policy[:-1] >= 0], atol=1e-6)
    assert abs(float(lines[19].split()[1]) - policy[-1]) < 1e-6


def test_genmove_plays_the_likeliest_move(session: Session) -> None:
    said(session, f"loadsgf {EAR} 127")
    assert said(session, "reg_genmove b") == "= J6\n\n"
    assert len(session.engine.moves) == 126
    assert said(session, "4 genmove b") == "=4 J6\n\n"
    assert session.engine.moves[-1].point == (13, 8)
    assert session.engine.to_move == WHITE


def two_eyes(engine: Engine) -> None:
    """A 5x5 board full of Black's stones, but for eyes at A1 and C1."""
    engine.resize(5, 5)
    empty = {(4, 0), (4, 2)}
    engine.set_up(
        [(BLACK, (row, column)) for row in range(5) for column in range(5)
         if (row, column) not in empty]
    )  # fmt: skip


def test_it_never_fills_its_own_eyes(engine: Engine) -> None:
    two_eyes(engine)
    assert engine.choose(BLACK) is None


def test_a_finished_game_ends_against_a_passing_opponent(engine: Engine) -> None:
    """However much is empty: it plays until nothing is left to be taken, then passes."""
    engine.resize(7, 7)
    for turn in range(400):
        colour = BLACK if turn % 2 == 0 else WHITE
        point = engine.choose(colour) if colour == BLACK else None
        engine.play(colour, point)
        if [move.point for move in engine.moves[-2:]] == [None, None]:
            break
    else:
        pytest.fail("it did not end")
    assert engine.score() > 0


def test_games_of_its_own_end_on_small_boards(predictor: Predictor) -> None:
    for seed in range(3):
        engine = Engine(predictor, temperature=1.0, rng=np.random.default_rng(seed))
        engine.resize(5, 5)
        seen = set()
        while [move.point for move in engine.moves[-2:]] != [None, None]:
            point = engine.choose(engine.to_move)
            engine.play(engine.to_move, point)
            assert point is None or engine.stones not in seen  # no position twice
            seen.add(engine.stones)
            assert len(engine.moves) < 500


def test_the_same_seed_draws_the_same_moves(predictor: Predictor) -> None:
    def drawn(seed: int) -> list[object]:
        engine = Engine(predictor, temperature=1.0, rng=np.random.default_rng(seed))
        return [engine.choose(BLACK) for _ in range(5)]

    assert drawn(1) == drawn(1)
    assert len(set(drawn(1)) | set(drawn(2))) > 1


def test_next_to_no_temperature_plays_the_likeliest_move(predictor: Predictor) -> None:
    for temperature in (1e-310, 5e-324, 1e-3):
        engine = Engine(predictor, temperature=temperature)
        assert engine.choose(BLACK) == Engine(predictor).choose(BLACK)


def test_a_position_that_was_set_up_is_not_repeated(session: Session, tmp_path: Path) -> None:
    """The ko was there from the start: after two passes nothing but superko forbids to retake."""
    path = tmp_path / "ko.sgf"
    for setup in (
        "AB[ba][ab][bc]AW[ca][db][cc][bb]",
        ";B[ee];AE[ee]AB[ba][ab][bc]AW[ca][db][cc][bb]",
    ):
        path.write_text(f"(;SZ[5]{setup}PL[B])")
        said(session, f"loadsgf {path}")
        for move in ("b C4", "w pass", "b pass"):
            assert said(session, f"play {move}") == "= \n\n"
        engine = session.engine
        assert (1, 1) in [one.point for one in engine.predict(WHITE).candidates]  # simple ko allows
        assert (1, 1) not in [point for point, _ in engine.sensible(engine.predict(WHITE))]


def test_area_is_counted_with_komi(session: Session) -> None:
    said(session, "boardsize 5")
    for move in ("b A3", "b B3", "b C3", "b D3", "b E3", "w A2", "w B2", "w C2", "w D2", "w E2"):
        said(session, f"play {move}")
    said(session, "komi 0.5")
    assert said(session, "final_score") == "= B+4.5\n\n"
    assert not area.is_settled([0] * 25, 5, 5)


def test_a_bad_command_leaves_the_game_as_it_was(session: Session) -> None:
    said(session, f"loadsgf {EAR} 20")
    before = session.engine.game()
    for line in (
        "loadsgf /nowhere.sgf", "boardsize 1", "play b Z1", "fixed_handicap 2", "komi",
        "kata-raw-nn 9", "lz-analyze b interval", "lz-genmove_analyze b avoid b D4",
        "set_position b D4 w D4", "place_free_handicap 4",
    ):  # fmt: skip
        assert said(session, line).startswith("?"), line
        assert session.engine.game() == before, line


def test_a_record_comes_back_from_what_is_printed(session: Session) -> None:
    said(session, f"loadsgf {EAR}")
    text = said(session, "printsgf")[2:-2]
    [game] = records.parse(text.encode())
    assert game.actions == records.read(EAR).actions


def test_a_record_is_printed_into_a_file_where_one_is_named(
    session: Session, tmp_path: Path
) -> None:
    said(session, f"loadsgf {EAR}")
    path = tmp_path / "my game.sgf"
    assert said(session, f"3 printsgf {path}") == "=3 \n\n"
    assert records.read(path).actions == records.read(EAR).actions
    assert said(session, "printsgf -") == said(session, "printsgf")
    assert said(session, f"printsgf {path}/x.sgf").startswith("? cannot write ")


@pytest.mark.parametrize(
    ("record", "before", "player"),
    [
        ("(;SZ[9]AB[cc]AW[dd]PL[W])", "", "white"),
        ("(;SZ[9]HA[3];B[cc];B[gg];B[cg];W[ee])", "2", "black"),
        ("(;SZ[9];B[cc];W[ee];PL[W])", "", "white"),
        ("(;SZ[9];B[cc];W[ee])", "", "black"),
    ],
)
def test_who_is_to_play_in_a_loaded_record_is_kept_and_printed(
    session: Session, tmp_path: Path, record: str, before: str, player: str
) -> None:
    path = tmp_path / "loaded.sgf"
    path.write_text(record)
    assert said(session, f"loadsgf {path} {before}") == f"= {player}\n\n"
    assert f"{player.title()} to play" in said(session, "showboard")
    path.write_text(said(session, "printsgf")[2:-2])
    assert said(session, f"loadsgf {path}") == f"= {player}\n\n"
    said(session, f"play {player} a1")
    other = BLACK + WHITE - (BLACK if player == "black" else WHITE)
    assert session.engine.to_move == other
    said(session, "undo")
    assert session.engine.to_move != other
    said(session, "loadsgf /nowhere.sgf")
    assert session.engine.to_move != other
    said(session, "clear_board")
    assert session.engine.to_move == BLACK


def talk(lines: str, seconds: float = 60) -> str:
    run = [sys.executable, "-m", "boardnet", "gtp"]
    done = subprocess.run(
        run, input=lines, capture_output=True, text=True, cwd=ROOT, timeout=seconds
    )
    assert done.returncode == 0
    assert done.stderr == ""
    return done.stdout


def test_the_end_of_the_input_ends_it_quietly() -> None:
    assert talk("1 name\n\n2 protocol_version\nplay b d4") == "=1 boardnet\n\n=2 2\n\n= \n\n"


def test_nothing_is_said_after_quit() -> None:
    assert talk("quit\nname\n") == "= \n\n"


@pytest.mark.parametrize("command", ["analyze", "kata-analyze", "lz-analyze"])
def test_an_analysis_streams_until_the_next_line(command: str) -> None:
    run = [sys.executable, "-m", "boardnet", "gtp"]
    with subprocess.Popen(
        run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"7 {command} B 5\n")
        process.stdin.flush()
        assert process.stdout.readline() == "=7\n"
        lines = [process.stdout.readline() for _ in range(3)]
        assert len(set(lines)) == 1
        assert lines[0].startswith("info move ")
        order = re.findall(r"order (\d+) pv (\S+)", lines[0])
        assert [int(number) for number, _ in order] == list(range(VALUED))
        chances = re.findall(r"winrate (\S+)", lines[0])
        assert len(chances) == VALUED
        whole = command == "lz-analyze"
        assert all(0 < float(chance) < (10_000 if whole else 1) for chance in chances)
        assert all((chance.isdigit()) == whole for chance in chances)
        process.stdin.write("8 name\n")
        process.stdin.flush()
        rest = "\n"
        while rest.startswith(("info", "\n")) and rest != "=8 boardnet\n":
            rest = process.stdout.readline()
        assert rest == "=8 boardnet\n"
        process.stdin.close()
        process.wait(20)


def test_an_analysis_answers_once_and_plays(session: Session) -> None:
    output = io.StringIO()
    serve(session, io.BytesIO(b"lz-genmove_analyze b 100\nshowboard\n"), output.write)
    head, info, played, empty = output.getvalue().split("\n")[:4]
    assert head == "="
    assert info.startswith("info move ")
    assert re.fullmatch(r"play [A-T]\d+", played)
    assert empty == ""
    assert len(session.engine.moves) == 1


def analysed(session: Session, line: str) -> list[str]:
    """The moves that an analysis lists."""
    answered = session.answer(line)
    assert answered is not None
    assert answered[1] is not None, answered
    return re.findall(r"pv (\S+)", answered[1].line)


def test_an_analysis_leaves_out_what_is_to_be_avoided(session: Session) -> None:
    said(session, "boardsize 9")
    first, second, third, *_ = analysed(session, "lz-analyze b")
    assert analysed(session, f"lz-analyze b avoid b {first},{third} 1 maxmoves 1") == [second]
    assert analysed(session, f"kata-analyze b avoid w {first} 9")[0] == first
    assert set(analysed(session, "lz-analyze b allow b A1,pass,B9 5")) == {"A1", "pass", "B9"}
    assert said(session, "lz-analyze b allow b A1 1 avoid b a1 1").startswith("? every move")
    for wrong in ("avoid", "avoid b D4", "avoid b D4 x", "avoid b Z9 1", "allow green D4 1"):
        assert said(session, f"lz-analyze b {wrong}").startswith("?"), wrong
    session.answer("lz-genmove_analyze b allow b A1 1")
    assert [move.point for move in session.engine.moves] == [(8, 0)]


def test_mangled_lines_are_all_answered_in_form(session: Session) -> None:
    rng = np.random.default_rng(0)
    for number in range(1500):
        line = mangled(rng, list(session.commands))
        answered = session.answer(line)
        if answered is None:
            continue
        text, analysis = answered
        if analysis is None:
            assert FORM.fullmatch(text), (line, text)
        if session.engine.rows * session.engine.columns > 49 and number % 40 == 0:
            session.answer("boardsize 7")


def mangled(rng: np.random.Generator, commands: list[str]) -> str:
    """A command with arguments of all kinds, then some of its characters changed."""
    words = "b W black white D4 a1 T19 pass 7 9 -1 0 1e9 nan interval maxmoves all é ] \\ # \t \0"
    quick = [one for one in commands if one not in ("quit", "loadsgf", "printsgf")]
    line = " ".join(
        [str(rng.choice(quick)), *rng.choice([*words.split(" "), "9" * 20], rng.integers(0, 5))]
    )
    if rng.random() < 0.3:
        line = f"{rng.integers(0, 100)} {line}"
    characters = list(line)
    for _ in range(int(rng.integers(0, 3)) if rng.random() < 0.4 else 0):
        at = int(rng.integers(0, len(characters)))
        characters[at] = chr(int(rng.integers(0, 300)))
    return "".join(characters)


def test_it_resigns_only_below_the_chance_it_was_told(predictor: Predictor) -> None:
    for resign, gives_up in ((0.0, False), (0.001, False), (0.999, True)):
        session = Session(Engine(predictor, resign=resign), "1")
        assert said(session, "genmove b") != "= resign\n\n"  # nothing was played yet
        assert said(session, "genmove w") != "= resign\n\n"
        before = session.engine.stones
        assert (said(session, "genmove b") == "= resign\n\n") == gives_up
        assert (session.engine.stones == before) == gives_up
    told: list[str] = []
    serve(session, io.BytesIO(b"kata-genmove_analyze b\n"), told.append)
    assert "".join(told).endswith("\nplay resign\n\n")


def test_it_cannot_resign_without_a_value(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(predictor.facts, "value")
    with pytest.raises(BoardnetError, match=r"no calibrated value.*--usual GAMES"):
        Engine(predictor, resign=0.1)
    with pytest.raises(BoardnetError, match="resign must be a chance"):
        Engine(predictor, resign=5)
