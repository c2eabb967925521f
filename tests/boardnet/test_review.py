"""Review: numbers against a plain count, and that the record loses nothing by being annotated."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sgfmill import sgf as sgfmill

from boardnet import cli, records
from boardnet.annotate import annotated
from boardnet.drawing import Style
from boardnet.engine import Engine
from boardnet.errors import BoardnetError
from boardnet.game import Game
from boardnet.gtp import Session
from boardnet.page import page, page_data, variations
from boardnet.planes import OPPONENT, OWN
from boardnet.predictor import Predictor
from boardnet.reporting import review_json, review_text, summary_lines
from boardnet.review import ALL, FEWEST, Review, phase, reference, review
from boardnet.rules import BLACK, WHITE
from boardnet.vertices import vertex
from boardnet.writing import sgf_point
from common.runtime import Runtime

GAMES = Path(__file__).parents[2] / "data" / "games"
EAR = GAMES / "ear-reddening-1846.sgf"
PLAIN = Style(colour=False, unicode=True)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load()


@pytest.fixture(scope="module")
def ear(predictor: Predictor) -> Review:
    return review(predictor, records.read(EAR))


def test_every_move_is_judged_by_the_prediction_before_it(
    predictor: Predictor, ear: Review
) -> None:
    game = records.read(EAR)
    assert [one.point for one in ear.played] == [action.point for action in game.moves]
    for number in (1, 60, 127, 325):
        one = ear.played[number - 1]
        before = predictor.predict(game, turn=number - 1)
        prior = before.policy[one.point[0] * 19 + one.point[1]] if one.point else before.policy[-1]
        assert one.prior == pytest.approx(float(prior), abs=1e-5)
        assert one.surprise == pytest.approx(-math.log(prior), abs=1e-3)
        assert one.rank == int((before.policy > prior).sum())
        assert one.player == game.moves[number - 1].colour


def test_scores_are_means_over_a_player_s_moves(ear: Review) -> None:
    for player in (BLACK, WHITE):
        whole = ear.score(player)
        assert whole is not None
        own = [one for one in ear.played if one.player == player and one.point is not None]
        assert whole.moves == len(own)
        assert whole.nats == pytest.approx(np.mean([one.surprise for one in own]))
        assert whole.top5 == pytest.approx(np.mean([one.rank < 5 for one in own]))
        parts = [ear.score(player, name) for name in ("opening", "middle", "end")]
        counted = [part for part in parts if part is not None]
        assert sum(part.moves for part in counted) == whole.moves
        assert sum(part.nats * part.moves for part in counted) / whole.moves == pytest.approx(
            whole.nats
        )


def test_the_ear_reddening_move_is_the_most_surprising(ear: Review) -> None:
    assert ear.surprising()[0].number == 127
    numbers = [one.surprise for one in ear.surprising(50)]
    assert numbers == sorted(numbers, reverse=True)


def test_phases_scale_with_the_board() -> None:
    assert [phase(number, 361) for number in (1, 50, 51, 150, 151)] == [
        "opening", "opening", "middle", "middle", "end",
    ]  # fmt: skip
    assert phase(11, 81) == "opening"
    assert phase(12, 81) == "middle"


def test_a_percentile_is_the_share_of_games_that_were_more_surprising(
    predictor: Predictor, ear: Review
) -> None:
    games = [records.read(path) for path in sorted(GAMES.glob("alphago*.sgf"))]
    usual = reference(predictor, games)
    assert usual["games"] == 4
    found = [
        score.nats
        for game in games
        for score in review(predictor, game, top=1).scores
        if score.phase == ALL and score.moves >= FEWEST
    ]
    assert usual["nats"][ALL][0] == pytest.approx(min(found), abs=1e-4)
    assert usual["nats"][ALL][20] == pytest.approx(max(found), abs=1e-4)
    for score in ear.scores:
        if score.phase == ALL:
            assert score.percentile is not None
            assert 0 <= score.percentile <= 1
    shipped = predictor.facts["surprise"]
    assert isinstance(shipped, dict)
    for values in shipped["nats"].values():
        assert values == sorted(values)


def test_a_short_game_and_a_small_board_are_not_compared(predictor: Predictor) -> None:
    [short] = records.parse(b"(;SZ[19];B[pd];W[dp];B[pp])")
    assert all(score.percentile is None for score in review(predictor, short).scores)
    moves = ";".join(f"{'BW'[k % 2]}[{'abcdefghi'[k // 9]}{'abcdefghi'[k % 9]}]" for k in range(40))
    [small] = records.parse(f"(;SZ[9];{moves})".encode())
    assert all(score.percentile is None for score in review(predictor, small).scores)


def test_an_empty_game_and_an_illegal_one_can_be_reviewed(predictor: Predictor) -> None:
    [empty] = records.parse(b"(;SZ[19]PB[A])")
    found = review(predictor, empty)
    assert (found.played, found.scores) == ((), ())
    assert "0 moves" in review_text("x.sgf", found, PLAIN)
    assert json.loads(json.dumps(review_json("x.sgf", found)))["moves"] == []
    [illegal] = records.parse(b"(;SZ[19];B[pd];W[pd];B[pp])")
    found = review(predictor, illegal)
    assert len(found.played) == 1
    assert "illegal" in found.notes[0]
    page("x.sgf", found)


def valued(predictor: Predictor, *, calibrated: bool = True) -> Predictor:
    """A model that also says of each position how the stones on it compare: the lead in tens."""

    def run(planes: NDArray[np.uint8]) -> NDArray[np.float32]:
        answers = predictor.runtime.run(planes)[:, : planes.shape[2] * planes.shape[3] + 1]
        own, opponent = (
            planes[:, which].sum((1, 2)).astype(np.float32) for which in (OWN, OPPONENT)
        )
        said = np.stack([(own - opponent) / 10, np.zeros(len(planes), np.float32)], 1)
        return np.concatenate([answers, said], 1)

    facts = {name: what for name, what in predictor.facts.items() if name != "value"}
    return Predictor(Runtime(run, facts | ({"value": {"temperature": 2.0}} if calibrated else {})))


def test_without_a_calibrated_value_none_is_made_up(predictor: Predictor) -> None:
    found = review(valued(predictor, calibrated=False), records.read(EAR))
    for text in (json.dumps(review_json("x", found)), annotated_text(found, EAR)):
        assert "winrate" not in text
        assert "SBKV" not in text
    assert set(page_data("x", found)["black_wins"]) == {None}


def test_a_calibrated_value_is_told_from_the_side_that_each_form_wants(
    predictor: Predictor,
) -> None:
    [game] = records.parse(b"(;SZ[19]KM[6.5]AB[pd][dp][pp][dd];W[cj];B[qj])")
    found = review(valued(predictor), game)
    # White to move, four stones behind, 6.5 points given: a logit of 2.5 / width / temperature.
    chance = 1 / (1 + math.exp(-(6.5 - 4) / (1 + 10 * math.log(2)) / 2))
    assert found.boards[0].winrate == pytest.approx(chance, abs=1e-5)
    assert found.black_wins(0) == pytest.approx(1 - chance, abs=1e-5)
    assert review_json("x", found)["moves"][0]["winrate"] == pytest.approx(chance, abs=1e-4)
    assert page_data("x", found)["black_wins"][0] == pytest.approx(1 - chance, abs=1e-5)
    text = annotated(b"(;SZ[19]KM[6.5]AB[pd][dp][pp][dd];W[cj];B[qj])", found).decode()
    wins = found.black_wins(1)
    assert wins is not None
    assert f"SBKV[{wins * 100:.2f}]" in text
    assert text.count("SBKV") == 2


def test_what_is_expected_next_stands_where_the_stones_are_set_up_for_it(
    predictor: Predictor,
) -> None:
    data = b"(;SZ[19]KM[6.5];B[pd];W[dd];B[pp];W[dp];AE[pd][dd];C[well];B[cq])"
    [game] = records.parse(data)
    found = review(valued(predictor), game)
    _, *moves, set_up, comment, last = nodes(annotated(data, found))
    assert [sorted({"LB", "SBKV"} & set(node)) for node in moves] == [["LB", "SBKV"]] * 3 + [[]]
    assert not {"LB", "SBKV"} & set(set_up)
    expected = found.played[4].expected[0].point
    assert expected is not None
    assert comment["LB"][0] == f"{sgf_point(expected)}:A".encode()
    wins = [found.black_wins(turn) for turn in (4, 5)]
    shown = [float(node["SBKV"][0]) for node in (comment, last)]
    assert shown == pytest.approx([100 * one for one in wins if one is not None], abs=0.01)


def test_labels_of_a_file_in_several_encodings_are_refused(predictor: Predictor) -> None:
    text = "(;CA[{}]SZ[9]PB[古力];B[ee])"
    data = text.format("UTF-8").encode() + text.format("GBK").encode("gbk")
    with pytest.raises(BoardnetError, match="in several encodings: save it as UTF-8"):
        annotated(data, review(predictor, records.parse(data)[0]))


@pytest.mark.parametrize("root", ["SZ[19]", "SZ[9]KM[6.5]"])
def test_no_value_without_a_komi_nor_on_a_board_that_was_not_learnt(
    predictor: Predictor, root: str
) -> None:
    [game] = records.parse(f"(;{root};B[cc];W[ee])".encode())
    assert valued(predictor).predict(game).winrate is None


def test_an_analysis_tells_the_winrate_of_each_move_that_it_lists(predictor: Predictor) -> None:
    engine = Engine(valued(predictor))
    engine.komi = 0.0
    session = Session(engine, "0")
    for line, pattern in (
        ("kata-analyze b", r"winrate (0\.\d+)"),
        ("lz-analyze b", r"winrate (\d+) "),
    ):
        answered = session.answer(line)
        assert answered is not None
        assert answered[1] is not None
        told = answered[1].line
        chances = [float(one) for one in re.findall(pattern, told)]
        assert len(chances) == told.count("info move") == 20
        # After Black's stone White is one behind: the same for every move on an empty board.
        chance = 1 / (1 + math.exp(-1 / (1 + 10 * math.log(2)) / 2))
        scale = 10_000 if line.startswith("lz") else 1
        assert chances == pytest.approx([chance * scale] * 20, abs=1e-4 * scale)


def annotated_text(found: Review, path: Path) -> str:
    return annotated(path.read_bytes(), found).decode()


def nodes(data: bytes) -> list[dict[str, list[bytes]]]:
    """Every node of a game, its variations too, as sgfmill reads it."""
    root = sgfmill.Sgf_game.from_bytes(data).get_root()
    found, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        found.append({name: node.get_raw_list(name) for name in node.properties()})
        waiting.extend(node)
    return found


COMPOSED = Path(__file__).parents[3] / "shared" / "data" / "go" / "samples"
RECORDS = sorted(GAMES.glob("*.sgf")) + sorted(COMPOSED.glob("*.sgf"))


def uncommented(game: Game) -> Game:
    return replace(game, comments={})


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_an_annotated_record_loses_nothing(predictor: Predictor, path: Path) -> None:
    data = path.read_bytes()
    found = review(predictor, records.read(path))
    written = annotated(data, found)
    before, after = nodes(data), nodes(written)
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        for name, values in old.items():
            if name == "C":
                assert new[name][0].startswith(values[0])
            elif name == "LB":
                assert new[name][: len(values)] == values
            else:
                assert new[name] == values
        assert set(new) - set(old) <= {"C", "LB", "SBKV"}
        marked = [
            value[:2] for name in ("LB", "TR", "SQ", "CR", "MA") for value in new.get(name, [])
        ]
        if not any(
            b":" in value for name in ("TR", "SQ", "CR", "MA") for value in new.get(name, [])
        ):
            assert len(set(marked)) == len(marked)
    assert uncommented(records.read(path)) == uncommented(records.parse(written)[0])
    added = sum(b"surprise" in value for node in after for value in node.get("C", []))
    assert added >= len(found.played) - 1 or len(found.played) < 2
    removed = bytearray(written)  # bytes are inserted only: the old ones are there, in order
    at = 0
    for byte in data:
        at = removed.index(byte, at) + 1


@pytest.mark.parametrize(
    ("codec", "declared", "name"),
    [
        ("utf-8", "UTF-8", "古力"), ("utf-8-sig", "UTF-8", "古力"), ("gb18030", "GB2312", "古力"),
        ("cp932", "Shift_JIS", "本因坊表"), ("big5", "Big5", "許功蓋"),
        ("euc_kr", "EUC-KR", "이세돌"),
        ("iso2022_jp", "ISO-2022-JP", "本因坊"), ("latin-1", "ISO-8859-1", "Müller"),
        ("utf-16", "UTF-16", "古力"), ("utf-16-le", "UTF-16", "古力"),
        ("utf-16-be", "UTF-16", "古力"),
    ],
)  # fmt: skip
def test_every_encoding_is_kept(predictor: Predictor, codec: str, declared: str, name: str) -> None:
    text = f"(;GM[1]SZ[19]CA[{declared}]PB[{name}]C[{name}];B[pd]C[{name}];W[dp])"
    data = text.encode(codec)
    [game] = records.parse(data)
    assert game.black == name
    written = annotated(data, review(predictor, game))
    [again] = records.parse(written)
    assert uncommented(again) == uncommented(game)
    assert f"PB[{name}]C[{name}\n\nboardnet:" in written.decode(codec)


def test_other_games_of_the_file_stay_as_they_are(predictor: Predictor) -> None:
    data = b"Prose (;SZ[9];B[ee];W[cc])\n(;SZ[9];B[ee](;W[gg])(;W[cg]))\n(;SZ[9];B[aa])rest"
    games = records.parse(data)
    written = annotated(data, review(predictor, games[1]), 2)
    assert written.startswith(data[:27])
    assert written.endswith(b"(;W[cg]))\n(;SZ[9];B[aa])rest")
    assert list(map(uncommented, records.parse(written))) == games


def test_a_broken_encoding_is_refused(predictor: Predictor) -> None:
    data = b"(;SZ[9]CA[GB2312]C[\x81\x20];B[ee]\0;W[cc])"
    [game] = records.parse(data)
    with pytest.raises(BoardnetError, match="save it as UTF-8"):
        annotated(data, review(predictor, game))


def test_sabaki_s_parser_reads_the_comments_and_labels(ear: Review, tmp_path: Path) -> None:
    """With @sabaki/sgf from npm, where node finds it: npm install -g @sabaki/sgf, and
    NODE_PATH=$(npm root -g) for the tests."""
    node = shutil.which("node")
    script = """const sgf = require('@sabaki/sgf'); const [root] = sgf.parseFile(process.argv[1]);
    const found = []; for (let n = root; n; n = n.children[0]) found.push(n.data);
    console.log(JSON.stringify(found));"""
    path = tmp_path / "ear.sgf"
    path.write_bytes(annotated(EAR.read_bytes(), ear))
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run([node, "-e", script, str(path)], capture_output=True, text=True)
    if "Cannot find module" in done.stderr:
        pytest.skip("@sabaki/sgf is not installed")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    moves = [one for one in found if "B" in one or "W" in one]
    assert len(moves) == 325
    assert "surprise" in moves[126]["C"][0]
    assert moves[125]["LB"][0] == "in:A"  # J6


def test_a_folder_is_a_line_a_game_and_a_line_a_player(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for path in sorted(GAMES.glob("alphago-lee*.sgf")):
        shutil.copy(path, tmp_path)
    (tmp_path / "bad.sgf").write_bytes(b"(;GM[1]SZ[19];B[zz])")
    assert cli.main(["review", str(tmp_path)]) == 1  # the bad one is told, the others are there
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert len(lines) == 2 + 1 + 1 + 2
    assert re.search(r"^AlphaGo +2 ", lines[-2])
    assert "bad.sgf" in told.err


def test_of_a_file_with_several_games_one_or_all_are_reviewed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path, other = tmp_path / "three.sgf", tmp_path / "other.sgf"
    path.write_text("(;SZ[9]PB[A];B[ee])(;SZ[37])(;SZ[9]PB[C];B[ee];W[ee])(;SZ[9]PB[D];B[ee])")
    other.write_text("(;SZ[9];B[ee])")
    assert cli.main(["review", str(path)]) == 0
    said = capsys.readouterr()
    assert "A (Black)" in said.out
    assert "there are other games in it" in said.err
    assert cli.main(["review", str(path), "--game", "4"]) == 0
    said = capsys.readouterr()
    assert "D (Black)" in said.out
    assert "not reviewed" not in said.err
    assert cli.main(["review", str(path), "--game", "all"]) == 1
    said = capsys.readouterr()
    assert re.findall(r"^three\.sgf\S*( game \d)?", said.out, re.M) == ["", " game 3", " game 4"]
    assert "game 2: a 37x37 board is too large" in said.err
    assert "game 3: move 2 of the record is illegal" in said.err  # as when it is alone
    for wrong, says in (
        ([str(path), str(other), "--game", "2"], "--game N is one of a file"),
        ([str(path), "--game", "all", "-o", f"{tmp_path}/x.html"], "-o writes one review"),
    ):
        assert cli.main(["review", *wrong]) == 2
        assert says in capsys.readouterr().err


def test_answers_go_to_a_file_whole_though_a_bar_is_drawn_on_the_terminal(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    reader, terminal = pty.openpty()
    paths = [str(path) for path in sorted(GAMES.glob("alphago-lee*.sgf"))]
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-m", "boardnet", "predict", *paths, "--json"],
                       stdout=out, stderr=terminal, check=True, cwd=GAMES.parents[1])  # fmt: skip
    os.close(terminal)
    os.close(reader)
    rows = [json.loads(line) for line in (tmp_path / "out").read_text("utf-8").splitlines()]
    assert [row["file"] for row in rows] == paths


def test_a_summary_is_weighted_by_moves(ear: Review) -> None:
    scores = [ear.score(BLACK, "opening"), ear.score(BLACK, "end")]
    line = summary_lines([("A", score) for score in scores if score])[1]
    first, last = (score for score in scores if score)
    mean = (first.nats * first.moves + last.nats * last.moves) / (first.moves + last.moves)
    assert f"{mean:.2f} nats" in line


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("x.txt", "ends in .sgf or .html"),
        ("nowhere/x.sgf", "there is no folder"),
        ("folder.sgf", "is a folder"),
    ],
)
def test_where_a_review_cannot_be_written_it_says_so_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, output: str, says: str
) -> None:
    (tmp_path / "folder.sgf").mkdir()
    assert cli.main(["review", str(EAR), "-o", str(tmp_path / output)]) == 1
    assert says in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["folder.sgf"]


@pytest.mark.parametrize(
    ("source", "says"), [("missing.sgf", "cannot read"), ("games.zip", "is an archive")]
)
def test_a_record_that_cannot_get_comments_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str, says: str
) -> None:
    output = tmp_path / "x.sgf"
    output.write_text("(;SZ[9])")
    with zipfile.ZipFile(tmp_path / "games.zip", "w") as archive:
        archive.write(output)
    assert cli.main(["review", str(tmp_path / source), "-o", str(output)]) == 1
    assert says in capsys.readouterr().err
    assert output.read_text() == "(;SZ[9])"


def test_a_full_disk_leaves_no_half_of_a_review(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert cli.main(["review", str(EAR), "-o", str(tmp_path / "x.sgf")]) == 1
    assert "x.sgf: No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_record_is_not_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "game.sgf"
    shutil.copy(EAR, path)
    assert cli.main(["review", str(path), "-o", str(path)]) == 1
    assert "the record itself" in capsys.readouterr().err
    assert path.read_bytes() == EAR.read_bytes()


def test_the_page_has_the_priors_and_boards_of_predict(predictor: Predictor, ear: Review) -> None:
    data = page_data("ear", ear)
    for turn in (0, 126, 325):
        prediction = predictor.predict(EAR, turn=turn, top=8)
        for one in prediction.candidates:
            if one.prior > 0.005:
                shown = data["priors"][turn][vertex(one.point, 19)]
                assert shown == pytest.approx(one.prior, abs=1e-4)
        assert data["boards"][turn] == "".join(".XO"[stone] for stone in prediction.stones)


def test_the_page_stands_alone_and_a_name_cannot_break_it(predictor: Predictor) -> None:
    name = "</script><!--<script><b>{{title}}/*review*/null&"
    [game] = records.parse(f"(;SZ[19]PB[{name}];B[pd])".encode())
    text = page("x.sgf", review(predictor, game))
    assert (text.count("<script"), text.count("</script>"), text.count("<!--")) == (1, 1, 0)
    assert "/*review*/null&amp; (Black)" in text.partition("</title>")[0]
    [data] = re.findall(r"const review = (.*);\n", text)
    assert json.loads(data)["black"] == name
    assert "<b>" not in text.partition("<script>")[0]
    assert not re.search(r"""(src|href)=|@import|url\(\s*["']?http|fetch\(""", text)


FORKED = b"(;SZ[9]KM[6.5];B[ee];W[gc](;B[dg];W[cc];B[gg])(;B[cg];W[dg];B[dh](;W[eg])(;W[ch])))"


def test_variations_are_lines_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "forked.sgf"
    path.write_bytes(FORKED)
    found = records.lines(path)
    assert found[0] == records.read(path)
    names = [" ".join(vertex(move.point, 9) for move in game.moves) for game in found]
    assert names == ["E5 G7 D3 C7 G3", "E5 G7 C3 D3 D2 E3", "E5 G7 C3 D3 D2 C2"]
    with pytest.raises(BoardnetError, match="no game 2"):
        records.lines(path, 2)


def test_a_variation_that_cannot_be_used_does_not_spoil_the_others(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path, output = tmp_path / "bad.sgf", tmp_path / "bad.html"
    path.write_text("(;SZ[9];B[cc];W[gg](;B[ee])(;B[zz])(;B[dd]))")
    refused: list[BoardnetError] = []
    last = [game.moves[-1].point for game in records.lines(path, refused=refused.append)]
    assert last == [(4, 4), (3, 3)]
    assert [str(error).partition("bad.sgf")[2] for error in refused] == [
        ", variation 2: B[zz] is not on the 9x9 board, after move 2"
    ]
    with pytest.raises(BoardnetError, match="variation 2"):
        records.lines(path)
    assert cli.main(["predict", str(path), "--variation", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["turnNumber"] == 3
    assert cli.main(["predict", str(path), "--variation", "2"]) == 1
    assert "variation 2" in capsys.readouterr().err
    assert cli.main(["review", str(path), "-o", str(output)]) == 1
    assert "variation 2" in capsys.readouterr().err
    assert '"currentPlayer":"B","move":"D6"' in output.read_text("utf-8")


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_the_first_line_is_the_main_line(path: Path) -> None:
    main = records.read(path)
    first = records.lines(path)[0]
    assert (first.actions, first.komi, first.black) == (main.actions, main.komi, main.black)


def test_a_variation_can_be_asked_about(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "forked.sgf"
    path.write_bytes(FORKED)
    assert cli.main(["predict", str(path), "--variation", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["turnNumber"] == 6
    assert cli.main(["predict", str(path), "--variation", "4"]) == 1
    assert "3 lines of play" in capsys.readouterr().err


def test_a_page_has_the_variations_with_their_boards(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "forked.sgf"
    path.write_bytes(FORKED)
    lines = records.lines(path)
    found = review(predictor, lines[0])
    beside = variations(predictor, found, lines)
    data = page_data("x", found, beside)["variations"]
    assert [one["after"] for one in data] == [2, 2]
    assert [move["move"] for move in data[1]["moves"]] == ["C3", "D3", "D2", "C2"]
    for one, game in zip(data, lines[1:], strict=True):
        assert len(one["boards"]) == len(one["moves"]) + 1
        last = predictor.predict(game)
        assert one["boards"][-1] == "".join(".XO"[stone] for stone in last.stones)


DRIVE = """<script>
const out = {};
const stones = () => [...document.querySelectorAll('.stone')]
  .map(one => one.dataset.cell + one.dataset.stone).join(' ');
const press = key => document.body.dispatchEvent(
  new KeyboardEvent('keydown', {key, bubbles: true}));
out.start = document.getElementById('slider').value;
out.first = stones();
press('ArrowLeft'); out.back = document.getElementById('slider').value; out.backstones = stones();
press('End'); out.end = document.getElementById('slider').value; out.last = stones();
press('Home'); press('PageDown'); out.ten = document.getElementById('slider').value;
const chart = document.getElementById('chart'), box = chart.getBoundingClientRect();
chart.dispatchEvent(new MouseEvent('click',
  {clientX: box.left + box.width * 0.5, clientY: box.top + 5, bubbles: true}));
out.chart = document.getElementById('slider').value; out.middle = stones();
document.querySelector('#surprising tr[tabindex]').click();
out.table = document.getElementById('slider').value;
out.candidate = document.querySelector('.candidate').dataset.vertex;
const beside = document.querySelectorAll('#variations button');
out.variations = beside.length;
beside[0].click(); press('ArrowRight');
out.varied = stones();
press('ArrowLeft'); press('ArrowLeft');
out.again = stones();
out.fits = document.documentElement.scrollWidth <= innerWidth;
document.body.innerHTML = '<pre>' + JSON.stringify(out) + '</pre>';
</script>"""


@pytest.mark.parametrize("size", ["1280,900", "500,900"])
def test_the_page_works_in_a_browser(ear: Review, tmp_path: Path, size: str) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed")
    path = tmp_path / "ear.html"
    [other] = records.parse(b"(;SZ[19];B[aa];W[ss];B[ba])")
    own = records.read(EAR)
    line = replace(own, actions=(*own.actions_before(126), *other.actions))
    beside = variations(Predictor.load(), ear, [own, line])
    text = page("ear", ear, beside)
    path.write_text(text.replace("</body>", f"{DRIVE}</body>"), encoding="utf-8")
    run = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={size}",
           f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
           f"{path.as_uri()}#126"]  # fmt: skip
    done = subprocess.run(run, capture_output=True, text=True, timeout=120)
    found = re.search(r"<pre>(.*)</pre>", done.stdout)
    assert found is not None, done.stderr[-2000:]
    out = json.loads(found[1])

    def stones(turn: int) -> str:
        cells = enumerate(ear.boards[turn].stones)
        return " ".join(f"{cell}{'.XO'[stone]}" for cell, stone in cells if stone)

    assert (out["start"], out["back"], out["end"], out["ten"]) == ("126", "125", "325", "10")
    assert out["first"] == stones(126)
    assert out["backstones"] == stones(125)
    assert out["last"] == stones(325)
    assert abs(int(out["chart"]) - 162) <= 1
    assert out["middle"] == stones(int(out["chart"]))
    assert (out["table"], out["candidate"]) == ("126", "J6")
    assert out["variations"] == 1
    after_two = "".join(".XO"[stone] for stone in beside[0].boards[2].stones)
    assert out["varied"] == " ".join(f"{k}{one}" for k, one in enumerate(after_two) if one != ".")
    assert out["again"] == stones(126)
    assert out["fits"]
