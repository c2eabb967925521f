"""Planes, corpus, predictions and the command, on real games."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from boardnet import cli, corpus, records, symmetry
from boardnet.errors import BoardnetError
from boardnet.game import COLOUR_SHIFT
from boardnet.moves import HISTORY, encode, replay
from boardnet.planes import NAMES, write_planes
from boardnet.predictor import Predictor, planes_of
from boardnet.rules import empty_board

ROOT = Path(__file__).parents[2]
GAMES = ROOT / "data" / "games"
EAR = GAMES / "ear-reddening-1846.sgf"


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load()


@pytest.fixture(scope="module")
def packed() -> corpus.Corpus:
    made, left_out = corpus.from_games(records.read(path) for path in sorted(GAMES.glob("*.sgf")))
    assert left_out == 0
    return made


def test_compiled_planes_equal_those_of_plain_python(packed: corpus.Corpus) -> None:
    positions = np.arange(0, packed.positions, 37)
    planes, moves = packed.examples(positions)
    where = symmetry.index_tables(19, 19)[0].tolist()
    encoded = [encode(records.read(path)) for path in sorted(GAMES.glob("*.sgf"))]
    for example, (game, turn) in enumerate(zip(*packed.at(positions), strict=True)):
        board, recent = empty_board(19, 19), [0] * HISTORY
        at, ko, _ = replay(board, encoded[game], 0, len(encoded[game]), turn, recent)
        out = [0] * (len(NAMES) * 361)
        colour = encoded[game][at] >> COLOUR_SHIFT & 3
        write_planes(board, colour, ko, recent, where, out)
        assert (planes[example].ravel() == out).all()
        assert moves[example] == encoded[game][at] & 1023


@pytest.mark.parametrize("which", range(8))
def test_planes_turn_with_the_board(packed: corpus.Corpus, which: int) -> None:
    positions = np.arange(0, packed.positions, 61)
    plain, moves = packed.examples(positions)
    turned, turned_moves = packed.examples(positions, np.full(len(positions), which))
    assert (symmetry.turn(plain, which) == turned).all()
    assert (symmetry.cells(19, 19, which)[moves] == turned_moves).all()


@pytest.mark.parametrize("which", range(8))
def test_turning_there_and_back_changes_nothing(which: int) -> None:
    board = np.arange(361).reshape(19, 19)
    assert (symmetry.turn(symmetry.turn(board, which), symmetry.inverse(which)) == board).all()


def test_eight_symmetries_make_the_answer_turn_with_the_board(
    predictor: Predictor, packed: corpus.Corpus
) -> None:
    planes, _ = packed.examples(np.array([100, 700]))
    plain = predictor.policies(planes, symmetries=8)
    for which in range(8):
        turned = predictor.policies(np.ascontiguousarray(symmetry.turn(planes, which)), 8)
        cells = symmetry.cells(19, 19, which)
        np.testing.assert_allclose(turned[:, cells], plain[:, :-1], atol=1e-5)
        np.testing.assert_allclose(turned[:, -1], plain[:, -1], atol=1e-5)


def test_a_corpus_is_the_same_after_saving_and_loading(
    packed: corpus.Corpus, tmp_path: Path
) -> None:
    corpus.save(packed, tmp_path / "games")
    loaded = corpus.load(tmp_path / "games")
    assert (loaded.moves == packed.moves).all()
    one, other = corpus.Sampler(packed, 16, 3)(5), corpus.Sampler(loaded, 16, 3)(5)
    assert (one["planes"] == other["planes"]).all()
    assert (one["move"] == other["move"]).all()


def test_a_damaged_or_foreign_corpus_is_named_as_such(
    packed: corpus.Corpus, tmp_path: Path
) -> None:
    with pytest.raises(BoardnetError, match="not a corpus"):
        corpus.load(tmp_path)
    corpus.save(packed, tmp_path / "games")
    with (tmp_path / "games" / "moves.npy").open("r+b") as file:
        file.seek(500)
        file.write(b"\xff\xff")
    with pytest.raises(BoardnetError, match="damaged"):
        corpus.load(tmp_path / "games")


@pytest.mark.parametrize("path", sorted(GAMES.glob("*.sgf")), ids=lambda path: path.stem)
def test_every_game_gets_legal_moves_that_add_up(predictor: Predictor, path: Path) -> None:
    prediction = predictor.predict(path, top=5)
    legal = prediction.policy >= 0
    assert prediction.policy[legal].sum() == pytest.approx(1, abs=1e-4)
    for candidate in prediction.candidates:
        if candidate.point is not None:
            row, column = candidate.point
            assert prediction.stones[row * 19 + column] == 0


def test_an_illegal_move_is_played_as_it_stands(predictor: Predictor) -> None:
    game = records.parse(b"(;SZ[19];B[pd];W[dp];B[pd];W[dd])")[0]
    prediction = predictor.predict(game)
    assert (prediction.turn, prediction.player) == (4, 1)
    assert prediction.stones.count(1) == 1
    assert "move 3 of the record is illegal" in prediction.notes[0]


@pytest.mark.parametrize("size", ["5", "9", "13", "25", "13:9"])
def test_other_sizes_are_answered_with_a_note(predictor: Predictor, size: str) -> None:
    game = records.parse(f"(;SZ[{size}];B[cc])".encode())[0]
    prediction = predictor.predict(game, symmetries=8)
    assert len(prediction.policy) == game.rows * game.columns + 1
    assert "not trained" in prediction.notes[0]


def test_all_games_of_a_file_are_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "three.sgf"
    path.write_text("(;SZ[9];B[ee])(;SZ[9];B[zz])(;SZ[37];B[aa])(;SZ[13])")
    assert cli.main(["predict", str(path), "--game", "all", "--json"]) == 1
    said = capsys.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [len(row["board"].split("/")) for row in rows] == [9, 13]
    assert [(row["file"], row["game"]) for row in rows] == [(str(path), 1), (str(path), 4)]
    assert "game 2, line 1" in said.err
    assert "37x37 board is too large" in said.err
    assert cli.main(["predict", str(path), "--game", "all", "--variation", "2"]) == 2
    assert "name that game" in capsys.readouterr().err


def test_games_that_nobody_chose_are_told_of_if_they_can_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, archive, lone = (tmp_path / name for name in ("many.sgf", "many.zip", "lone.sgf"))
    path.write_text("(;SZ[9];B[ee])(;GM[2])(;SZ[9];B[zz])(;SZ[9];B[cc])(;SZ[9])")
    lone.write_text("(;SZ[9];B[ee])(;GM[2])(;SZ[9];B[zz])(;B[")
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("one.sgf", "(;SZ[9];B[ee])")
        packed.writestr("two.sgf", path.read_text())
        packed.writestr("none.sgf", "")
    told = "there are other games in it (--game N takes one of them, --game all every one)"
    for command in ("predict", "review"):
        assert cli.main([command, str(lone)]) == 0
        assert "other games" not in capsys.readouterr().err
        for source in (path, archive):
            assert cli.main([command, str(source)]) == 0
            assert f"{source}: {told}\n" in capsys.readouterr().err
            for chosen in ("1", "all"):
                cli.main([command, str(source), "--game", chosen])
                assert "other games" not in capsys.readouterr().err
    assert cli.main(["predict", str(EAR), str(path), "--json"]) == 0
    assert capsys.readouterr().err.count("other games") == 1


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="needs a name for the input")
@pytest.mark.parametrize("command", ["predict", "review"])
def test_a_record_may_come_through_a_pipe_which_is_read_once(command: str) -> None:
    run = [sys.executable, "-m", "boardnet", command, "/dev/stdin", "--json"]
    done = subprocess.run(run, input=b"(;B[pd])(;)", capture_output=True, cwd=ROOT, check=True)
    assert done.stderr == b""
    assert json.loads(done.stdout)["game"] == 1


@pytest.mark.parametrize("command", ["predict", "review"])
def test_what_cannot_be_asked_names_the_file(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sz26.sgf"
    path.write_text("(;SZ[26];B[aa])")
    assert cli.main([command, str(path)]) == 1
    assert f"boardnet: {path}: a 26x26 board is too large" in capsys.readouterr().err


def test_the_answers_for_an_archive_name_the_file_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/one.sgf", "(;SZ[9];B[ee])")
        archive.writestr("two.sgf", "(;SZ[9])(;SZ[13])")
    for command in ("predict", "review"):
        assert cli.main([command, str(path), "--game", "all", "--json"]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        where = [("x/one.sgf", 1), ("two.sgf", 1), ("two.sgf", 2)]
        assert [(row["entry"], row["game"]) for row in rows] == where
        assert {row["file"] for row in rows} == {str(path)}
        for number, row in enumerate(rows, 1):  # counted through all files, told as above
            assert cli.main([command, str(path), "--game", str(number), "--json"]) == 0
            assert json.loads(capsys.readouterr().out) == row


def test_a_folder_without_games_does_not_keep_the_others_from_an_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("predict", "review"):
        assert cli.main([command, str(EAR), str(tmp_path), "--json"]) == 1
        said = capsys.readouterr()
        assert json.loads(said.out)["file"] == str(EAR)
        assert "holds no game files" in said.err
        assert cli.main([command, str(tmp_path)]) == 1


def test_a_name_that_the_terminal_cannot_write_is_spelt_out(tmp_path: Path) -> None:
    path = tmp_path / "古力.sgf"
    path.write_text("(;SZ[9]PB[古力];B[ee])", encoding="utf-8")
    for command in ("predict", "review"):
        run = subprocess.run(
            [sys.executable, "-m", "boardnet", command, str(path)], capture_output=True,
            cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=True,
        )  # fmt: skip
        assert rb"\u53e4\u529b" in run.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_is_one_sentence() -> None:
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "boardnet", "predict", str(EAR)],
            stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False,
        )  # fmt: skip
    told = "boardnet: cannot read or write the output: No space left on device\n"
    assert (run.returncode, run.stderr) == (1, told)


def test_json_has_katagos_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", str(EAR), "--turn", "126", "--json", "--top", "3"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["turnNumber"], answer["currentPlayer"], answer["file"]) == (126, "B", str(EAR))
    assert [info["order"] for info in answer["moveInfos"]] == [0, 1, 2]
    assert len(answer["policy"]) == 362
    assert [len(row) for row in answer["board"].split("/")] == [19] * 19


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\xff" * 100, b"hello", b"(;GM[2]SZ[8])", b"(;SZ[99];B[aa])"]
)
def test_bad_files_get_one_line_and_status_1(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "game.sgf"
    path.write_bytes(content)
    assert cli.main(["predict", str(path), str(tmp_path), str(tmp_path / "none.sgf")]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) == 3


def test_predicting_imports_neither_torch_nor_numba() -> None:
    code = (
        "import sys, boardnet.cli as c; status = c.main(sys.argv[1:]); "
        "sys.exit(status or bool({'torch', 'numba', 'onnx', 'rich'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code, "predict", str(EAR)], check=False)
    assert run.returncode == 0


def test_the_shipped_network_keeps_to_the_board_s_declaration() -> None:
    import torch
    from safetensors.torch import load_file

    from boardnet.network import Heads, NetworkConfig, PolicyNetwork
    from common.axes import BOARD, check

    facts = Predictor.load().facts
    network = PolicyNetwork(NetworkConfig(**facts["recipe"]["network"]))  # type: ignore[index]
    weights = Path(cli.__file__).parent / "weights" / "policy.safetensors"
    network.load_state_dict(load_file(weights))
    windows = check(Heads(network.eval()), BOARD, torch.zeros(2, len(NAMES), 19, 19))
    assert {window.stride for window in windows} == {1}


def test_the_shipped_integers_answer_as_the_shipped_weights_do() -> None:
    import torch
    from safetensors.torch import load_file

    from boardnet.network import NetworkConfig, PolicyNetwork

    predictor = Predictor.load()
    network = PolicyNetwork(NetworkConfig(**predictor.facts["recipe"]["network"]))  # type: ignore[index]
    network.load_state_dict(load_file(Path(cli.__file__).parent / "weights" / "policy.safetensors"))
    game = records.read(EAR)
    planes = np.stack([planes_of(game, turn) for turn in range(0, len(game.moves), 3)])
    with torch.no_grad():
        floats = network.eval()(torch.from_numpy(planes)).numpy()
    integers = predictor.runtime.run(planes)
    same = floats[:, :362].argmax(axis=1) == integers[:, :362].argmax(axis=1)
    assert same.mean() > 0.9
    assert np.abs(floats[:, 362] - integers[:, 362]).mean() < 0.3  # tens of points of lead


OBVIOUS = [
    *records.iterate(GAMES.parent / "positions" / "obvious.sgf"),
    records.read(GAMES / "ear-reddening-1846.sgf"),  # its end: the last dame
]


@pytest.mark.parametrize("game", OBVIOUS, ids=lambda game: game.name or "The last dame")
def test_what_every_strong_player_would_play_is_first_or_second(
    predictor: Predictor, game: records.Game
) -> None:
    before = predictor.predict(game, turn=len(game.moves) - 1, top=2)
    assert game.moves[-1].point in [one.point for one in before.candidates]
