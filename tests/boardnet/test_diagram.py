"""A board as a picture: what is on the board is in the SVG and in the PNG."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from boardnet.cli import main
from boardnet.diagram import STEP, Board, Disc, Stone, Text, diagram
from boardnet.predictor import Predictor
from boardnet.rules import BLACK, EMPTY, WHITE

ROOT = Path(__file__).parents[2]
GAME = ROOT / "data" / "games" / "ear-reddening-1846.sgf"
SVG = "{http://www.w3.org/2000/svg}"


def stones(rows: int, columns: int, **placed: str) -> list[int]:
    cells = [EMPTY] * (rows * columns)
    for colour, points in placed.items():
        for point in points.split():
            row, column = map(int, point.split(","))
            cells[row * columns + column] = BLACK if colour == "black" else WHITE
    return cells


@pytest.mark.parametrize(("rows", "columns"), [(19, 19), (9, 9), (5, 13), (2, 2)])
def test_the_svg_is_well_formed_and_has_every_stone(rows: int, columns: int) -> None:
    board = Board(rows=rows, columns=columns,
                  stones=stones(rows, columns, black="0,0 1,1", white="0,1"),
                  title="<5 & more>")  # fmt: skip
    root = ElementTree.fromstring(diagram([board]).svg())
    kinds = [circle.get("class") for circle in root.iter(f"{SVG}circle")]
    assert kinds.count("black") == 2
    assert kinds.count("white") == 1
    assert "<5 & more>" in [text.text for text in root.iter(f"{SVG}text")]


def test_the_png_has_the_stones_where_they_are() -> None:
    board = Board(rows=9, columns=9, stones=stones(9, 9, black="0,0 4,4", white="8,3"))
    drawn = diagram([board])
    image = np.asarray(drawn.png(2)).astype(int)
    spots = {(s.x, s.y): s.black for s in drawn.shapes if isinstance(s, Stone)}
    assert len(spots) == 3
    for (x, y), black in spots.items():
        brightness = image[round(2 * y), round(2 * x)].mean()
        assert brightness < 90 if black else brightness > 200
    (x, y), (x2, y2) = (spot for spot, black in spots.items() if black)
    assert (x2 - x, y2 - y) == pytest.approx((4 * STEP, 4 * STEP))


def test_columns_are_lettered_without_i_and_rows_are_numbered_from_below() -> None:
    drawn = diagram([Board(rows=10, columns=10, stones=[EMPTY] * 100)])
    texts = [(shape.text, shape.y) for shape in drawn.shapes if isinstance(shape, Text)]
    assert {text for text, _ in texts} == {*"ABCDEFGHJK", *map(str, range(1, 11))}
    heights = {text: y for text, y in texts if text.isdigit()}
    assert heights["10"] < heights["1"]


def test_heat_is_red_for_blue_against_and_fuller_the_stronger() -> None:
    heat = {(0, 0): 1.0, (0, 1): 0.3, (0, 2): -1.0}
    drawn = diagram([Board(rows=3, columns=3, stones=[EMPTY] * 9, heat=heat, coordinates=False)])
    strong, weak, against = (shape for shape in drawn.shapes if isinstance(shape, Disc))
    assert strong.fill == weak.fill != against.fill
    assert strong.opacity > weak.opacity


def test_both_pictures_of_a_prediction_are_written(tmp_path: Path) -> None:
    for name in ("out.svg", "out.png"):
        assert main(["predict", str(GAME), "--turn", "126", "--draw", str(tmp_path / name)]) == 0
    root = ElementTree.parse(tmp_path / "out.svg").getroot()
    kinds = [circle.get("class") for circle in root.iter(f"{SVG}circle")]
    stones = Predictor.load().predict(GAME, 126).stones
    assert kinds.count("black") == stones.count(BLACK)
    assert kinds.count("white") == stones.count(WHITE)
    assert [child.name for child in sorted(tmp_path.iterdir())] == ["out.png", "out.svg"]


@pytest.mark.parametrize(
    ("output", "told"), [("out.gif", "end it in .svg or .png"), ("no/out.png", "no folder")]
)
def test_a_picture_that_cannot_be_written_is_told_before_the_work(
    output: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(GAME), "--draw", str(tmp_path / output)]) == 1
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.out == ""
