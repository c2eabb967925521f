"""What a move depends on, and what a filter waits for."""

import json
from pathlib import Path

import numpy as np
import pytest

from boardnet import explain, figures, records
from boardnet.cli import main
from boardnet.moves import HISTORY
from boardnet.planes import KO, LAST, LEGAL, OPPONENT, OWN
from boardnet.predictor import Predictor, planes_of
from boardnet.rules import EMPTY
from boardnet.vertices import parse_vertex
from common.errors import CommonError

ROOT = Path(__file__).parents[2]
GAMES = ROOT / "data" / "games"
GAME = GAMES / "ear-reddening-1846.sgf"

# White has one stone in atari, which Black can take at D3 (d is the fourth column).
ATARI = b"(;SZ[19]AB[cd][dc][ed][pp][qd]AW[dd][dq][pj]PL[B];)"


@pytest.fixture(scope="module")
def network() -> explain.PolicyNetwork:
    return explain.load_network()


def test_a_capture_depends_most_on_the_stones_that_make_it_one(
    network: explain.PolicyNetwork,
) -> None:
    [game] = records.parse(ATARI)
    found = explain.depends(game, 0, "D15", network=network)
    around = {parse_vertex(name, 19, 19) for name in ("D16", "C16", "D17", "E16")}
    assert {point for point, _ in found.ranked()[:4]} == around
    assert abs(found.ranked()[3][1]) > 0.5


def test_removal_is_what_the_network_says_without_the_stone(
    network: explain.PolicyNetwork,
) -> None:
    [game] = records.parse(ATARI)
    [without] = records.parse(ATARI.replace(b"AW[dd]", b"AW"))
    move = parse_vertex("D15", 19, 19)
    assert move is not None
    cell = move[0] * 19 + move[1]
    chances = []
    for one in (game, without):
        planes = explain.torch.from_numpy(planes_of(one, 0)[None])
        with explain.torch.no_grad():
            chances.append(float(network(planes)[:, :362].log_softmax(1)[0, cell]))
    found = explain.depends(game, 0, "D15", network=network)
    expected = chances[0] - chances[1]
    assert found.removal[parse_vertex("D16", 19, 19)] == pytest.approx(expected, abs=1e-4)


def test_planes_made_again_with_nothing_removed_are_the_same() -> None:
    predictor, game = Predictor.load(), records.read(GAME)
    bans = taken = 0
    for prediction in predictor.predict_all(game, list(range(326))):
        planes = planes_of(game, prediction.turn)
        assert (explain.planes_without(prediction, planes, None) == planes).all(), prediction.turn
        bans += planes[KO].any()
        stones = planes[OWN] | planes[OPPONENT]
        taken += bool((planes[LAST : LAST + HISTORY] & ~stones).any())
    assert bans > 3
    assert taken > 3  # moves that are remembered though their stones were taken


def test_a_ban_stays_whatever_stone_is_removed_but_for_the_one_that_took() -> None:
    game = records.read(GAME)
    planes, prediction = planes_of(game, 49), Predictor.load().predict(game, 49)
    took = int(np.flatnonzero(planes[LAST])[0])
    [banned] = np.flatnonzero(planes[KO])
    for cell in (cell for cell, what in enumerate(prediction.stones) if what != EMPTY):
        without = explain.planes_without(prediction, planes, cell)
        assert without[KO].any() == (cell != took)
        assert without[LEGAL].ravel()[banned] == (cell == took)
        remembered = planes[LAST : LAST + HISTORY].reshape(HISTORY, -1).copy()
        remembered[:, cell] = 0
        assert (without[LAST : LAST + HISTORY].reshape(HISTORY, -1) == remembered).all()


def test_most_stones_have_nothing_to_do_with_a_ko(network: explain.PolicyNetwork) -> None:
    found = explain.depends(GAME, 49, network=network)
    assert abs(np.median([nats for _, nats in found.ranked()])) < 0.5


def test_the_move_that_is_explained_is_the_one_that_predict_answers() -> None:
    """Where the network before its rounding would choose another."""
    predictor, game = Predictor.load(), records.read(GAME)
    floats = explain._predictor(explain.load_network())
    turns = list(range(0, 326, 3))
    both = zip(predictor.predict_all(game, turns), floats.predict_all(game, turns), strict=True)
    rounded = next(
        one for one, other in both if one.candidates[0].point != other.candidates[0].point
    )
    found = explain.depends(game, rounded.turn)
    assert (found.move, found.prior) == (
        rounded.candidates[0].point,
        pytest.approx(rounded.candidates[0].prior, abs=1e-5),
    )


def test_the_move_and_its_prior_are_those_of_the_network_that_is_asked() -> None:
    other = explain.PolicyNetwork(
        explain.NetworkConfig(channels=16, blocks=1, pooled=4, head=4, stem=3, value=4),
        explain.torch.Generator().manual_seed(1),
    ).eval()
    [game] = records.parse(ATARI)
    planes = explain.torch.from_numpy(planes_of(game, 0)[None])
    with explain.torch.no_grad():
        policy = other(planes)[0, :362]
    legal = np.append(planes_of(game, 0)[LEGAL].ravel(), 1) != 0
    chances = policy.masked_fill(~explain.torch.from_numpy(legal), -np.inf).softmax(0)
    found = explain.depends(game, 0, network=other)
    cell = int(chances.argmax())
    assert found.move == (None if cell == 361 else divmod(cell, 19))
    assert found.prior == pytest.approx(float(chances[cell]), rel=1e-4)


def test_integrated_gradients_add_up(network: explain.PolicyNetwork) -> None:
    found = explain.depends(GAME, 126, network=network)
    rise = found.gradients.sum() + found.gap
    planes = planes_of(records.read(GAME), 126)
    empty = np.zeros_like(planes)
    assert abs(found.gap) < 0.1 * abs(rise)
    assert found.gradients.shape == (19, 19)
    assert (found.removal[np.array(found.prediction.stones).reshape(19, 19) == EMPTY] == 0).all()
    assert empty.shape == planes.shape


def test_an_illegal_or_impossible_move_is_told() -> None:
    [game] = records.parse(ATARI)
    with pytest.raises(CommonError, match="not a legal move"):
        explain.depends(game, 0, "D16")
    with pytest.raises(CommonError, match="not a point"):
        explain.depends(game, 0, "Z99")
    with pytest.raises(CommonError, match="turn must be"):
        explain.depends(game, 7)


def test_a_filter_s_examples_are_those_with_the_strongest_answers(
    network: explain.PolicyNetwork,
) -> None:
    games = [records.read(path) for path in sorted(GAMES.glob("*.sgf"))[:3]]
    [found] = explain.patterns("trunk.0", [5], games=games, network=network, positions=40, count=3)
    assert len(found.examples) == 3  # each of another game
    strengths = [example.strength for example in found.examples]
    assert strengths == sorted(strengths, reverse=True)
    best = found.examples[0]
    with explain.torch.no_grad():
        maps = network.trunk[0](network.stem(explain.torch.from_numpy(best.planes[None]).float()))
    assert float(maps[0, 5].max()) == pytest.approx(best.strength, rel=1e-4)
    assert float(maps[0, 5][best.place]) == pytest.approx(best.strength, rel=1e-4)


def test_the_mean_pattern_counts_own_and_opponent_s_stones() -> None:
    planes = np.zeros((33, 19, 19), np.uint8)
    planes[OWN, 3, 4] = 1
    planes[OPPONENT, 0, 0] = 1
    one = explain.Example(planes, (3, 3), 1.0)
    other = explain.Example(np.zeros_like(planes), (9, 9), 1.0)
    window = explain.mean_window([one, other])
    middle = explain.WINDOW
    assert window[middle, middle + 1] == 0.5
    assert window[middle - 3, middle - 3] == -0.5
    assert np.abs(window).sum() == 1


def test_the_command_draws_and_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "why.svg"
    assert main(["explain", str(GAME), "--turn", "126", "-o", str(out), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["turnNumber"] == 126
    assert len(row["stones"]) == 10
    assert "why Black" in out.read_text("utf-8")


def test_the_command_lists_layers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--layers"]) == 0
    assert "stem                         96 x 19 x 19" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--filter", "trunk.99:0", str(GAME)], "no layer 'trunk.99'"),
        (["--filter", "trunk.0:4096", str(GAME)], "no unit 4096"),
        (["--filter", "trunk.0:x", str(GAME)], "LAYER:NUMBER"),
        ([str(GAME), "--move", "A1x"], f"{GAME}: 'A1x' is not a point"),
        ([str(GAME), "--turn", "999"], f"{GAME}: turn must be 0 to 325"),
    ],
)
def test_wrong_questions_get_a_sentence(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    assert main(["explain", *arguments, "-o", str(out)]) == 1
    assert told in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--filter", "trunk.0:1"], "name games"),
        ([str(GAME), str(GAME)], "name the one game"),
    ],
)
def test_arguments_that_do_not_go_together_are_wrong_usage(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *arguments, "-o", str(tmp_path / "out.png")]) == 2
    assert told in capsys.readouterr().err


def test_games_are_chosen_and_notes_said_as_by_predict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "three.sgf"
    path.write_text("(;SZ[9];B[ee];W[ee])(;GM[2])(;SZ[9];B[cc](;W[gg])(;W[gc];B[cg]))")
    for arguments, place in (([], (1, 2)), (["--game", "3", "--variation", "2"], (3, 3))):
        told = []
        for command in ("predict", "explain"):
            assert main([command, str(path), *arguments, "--json"]) == 0
            said = capsys.readouterr()
            row = json.loads(said.out)
            assert (row["file"], row["game"], row["turnNumber"]) == (str(path), *place)
            told.append([line for line in said.err.splitlines() if "other games" not in line])
            assert ("other games" in said.err) == (arguments == [])
        assert told[0] == told[1]
        assert "not trained on 9x9" in told[1][-1]
    assert main(["explain", str(path)]) == 0
    assert "there are other games in it (--game N takes one of them)\n" in capsys.readouterr().err


def test_a_dead_filter_is_said_and_not_drawn() -> None:
    planes = np.zeros((33, 19, 19), np.uint8)
    dead = explain.Pattern("trunk.0", 3, (explain.Example(planes, (0, 0), 0.0),), np.zeros((9, 9)))
    assert dead.dead
    assert "Dead" in figures.waiting(dead).svg()
