"""One position, one answer: in the shell, by GTP, from Python, on the page, from the bare model."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from boardnet import cli, records
from boardnet.engine import Engine
from boardnet.gtp import Session
from boardnet.page import page_data
from boardnet.planes import LEGAL
from boardnet.predictor import Predictor, planes_of
from boardnet.review import review
from boardnet.vertices import parse_vertex

GAMES = Path(__file__).parents[2] / "data" / "games"
POSITIONS = [("ear-reddening-1846", 126), ("lee-sedol-broken-ladder-2003", 40)]


@pytest.mark.parametrize(("name", "turn"), POSITIONS)
def test_every_way_to_ask_gets_the_same_priors(
    name: str, turn: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = GAMES / f"{name}.sgf"
    game, predictor = records.read(path), Predictor.load()
    policy = predictor.predict(game, turn=turn).policy
    assert float(policy[policy >= 0].sum()) == pytest.approx(1, abs=1e-5)

    def same(found: NDArray[np.floating]) -> None:
        np.testing.assert_allclose(found, policy, atol=1e-4)

    assert cli.main(["predict", str(path), "--turn", str(turn), "--json"]) == 0
    same(np.array(json.loads(capsys.readouterr().out)["policy"]))

    session = Session(Engine(predictor), "0")
    session.answer(f"loadsgf {path} {turn + 1}")
    answered = session.answer("kata-raw-nn 0")
    assert answered is not None
    lines = answered[0].partition("policy\n")[2].split("\n")
    shown = [float(word) for line in lines[:19] for word in line.split()]
    same(np.nan_to_num(np.array([*shown, float(lines[19].split()[1])]), nan=-1))

    priors = page_data(name, review(predictor, game))["priors"][turn]
    for vertex, prior in priors.items():
        point = parse_vertex(vertex, 19, 19)
        cell = 361 if point is None else point[0] * 19 + point[1]
        assert prior == pytest.approx(float(policy[cell]), abs=1e-4)
    assert sum(priors.values()) > 0.9

    model = resources.files("boardnet") / "weights" / "policy.onnx"
    bare = onnxruntime.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    planes = planes_of(game, turn)
    [logits] = bare.run(None, {bare.get_inputs()[0].name: planes[None]})
    legal = np.append(planes[LEGAL].ravel() != 0, True)
    moves = logits[0, :362]  # a value may follow
    chances = np.where(legal, np.exp(moves - moves[legal].max()), 0)
    same(np.where(legal, chances / chances.sum(), -1))
