"""Activation maximisation: where the answer is known, that is what comes out."""

import logging

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from common import explain
from common.errors import CommonError
from common.explain import Ascent

GREY = np.full((1, 1, 12, 12), 0.5, np.float32)


@pytest.fixture
def edges() -> nn.Module:
    """Three filters: light above dark, left of dark, and one that never answers."""
    model = nn.Sequential(nn.Conv2d(1, 3, 2, stride=2), nn.ReLU())
    with torch.no_grad():
        model[0].weight[:, 0] = torch.tensor(
            [[[1.0, 1.0], [-1.0, -1.0]], [[1.0, -1.0], [1.0, -1.0]], [[0.0, 0.0], [0.0, 0.0]]]
        )
        model[0].bias[:] = torch.tensor([0.1, 0.1, -1.0])
    return model


def test_a_filter_s_best_input_is_its_pattern_everywhere(edges: nn.Module) -> None:
    found = explain.maximize(edges, GREY, [0, 1], layer="1", how=Ascent(steps=60))
    rows, columns = np.mgrid[:12, :12]
    np.testing.assert_allclose(found[0, 0], rows % 2 == 0, atol=0.02)
    np.testing.assert_allclose(found[1, 0], columns % 2 == 0, atol=0.02)


def test_a_dead_unit_is_said_and_not_drawn(
    edges: nn.Module, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = explain.maximize(edges, GREY, layer="1", how=Ascent(steps=5))
    assert np.isnan(found[2]).all()
    assert not np.isnan(found[:2]).any()
    assert "dead in 1: 2" in caplog.text
    drawn = explain.sheet(found)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 2


def test_all_filters_in_one_batch_are_as_one_by_one(edges: nn.Module) -> None:
    how = Ascent(steps=8, noise=0.0)
    together = explain.maximize(edges, GREY, layer="0", how=how)
    for unit in range(2):
        alone = explain.maximize(edges, GREY, [unit], layer="0", how=how)
        np.testing.assert_allclose(together[unit], alone[0], atol=1e-6)


def test_a_class_wins_at_its_own_picture() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(144, 4))
    with torch.no_grad():
        weight = torch.randn(4, 144, generator=torch.Generator().manual_seed(0))
        model[1].weight[:] = weight
        model[1].bias.zero_()
    found = explain.maximize(model, GREY, how=Ascent(steps=40))
    with torch.no_grad():
        assert model(torch.from_numpy(found)).argmax(1).tolist() == [0, 1, 2, 3]
    expected = (weight.reshape(4, 1, 12, 12) > 0).numpy()
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_l1_leaves_out_what_does_not_matter() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(144, 1))
    with torch.no_grad():
        model[1].weight[:] = 0.01
        model[1].weight[0, :12] = 1.0
    found = explain.maximize(model, GREY, [0], how=Ascent(steps=60, l1=0.5))
    assert found[0, 0, 0].min() > 0.95
    assert found[0, 0, 1:].max() < 0.05


def roughness(picture: NDArray[np.float32]) -> float:
    return float(np.abs(np.diff(picture, axis=-1)).mean())


def test_total_variation_makes_smooth_pictures_and_all_stay_in_range() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 5), nn.Tanh())
    rng = torch.Generator().manual_seed(1)
    nn.init.normal_(model[0].weight, std=0.3, generator=rng)
    nn.init.zeros_(model[0].bias)
    start = np.full((1, 3, 24, 24), 0.5, np.float32)
    rough = explain.maximize(model, start, [0], layer="1", how=Ascent(steps=40))
    smooth = explain.maximize(model, start, [0], layer="1", how=Ascent(steps=40, tv=1.0))
    waves = explain.maximize(
        model, start, [0], layer="1", how=Ascent(steps=40, fourier=True, colours=True)
    )
    assert roughness(smooth) < 0.7 * roughness(rough)
    for picture in (rough, smooth, waves):
        assert picture.min() >= 0
        assert picture.max() <= 1


def test_the_same_seed_gives_the_same_picture(edges: nn.Module) -> None:
    how = Ascent(steps=5, jitter=2, fourier=True)

    def made(seed: int) -> NDArray[np.float32]:
        rng = torch.Generator().manual_seed(seed)
        return explain.maximize(edges, GREY, [0], layer="1", how=how, rng=rng)

    np.testing.assert_array_equal(made(1), made(1))
    assert not np.array_equal(made(1), made(2))


def test_a_missing_unit_is_told(edges: nn.Module) -> None:
    with pytest.raises(CommonError, match="has no unit 7: they go from 0 to 2"):
        explain.maximize(edges, GREY, [7], layer="1")
    with pytest.raises(CommonError, match="has no unit 99999999999999999999"):
        explain.maximize(edges, GREY, 99999999999999999999, layer="1")
    with pytest.raises(CommonError, match="at least one unit"):
        explain.maximize(edges, GREY, [], layer="1")


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("how", [Ascent(steps=20, pen=0.9), Ascent(steps=20, fourier=True)])
def test_a_model_of_another_precision_is_climbed_as_well(
    edges: nn.Module, how: Ascent, kind: torch.dtype
) -> None:
    expected = explain.maximize(edges, GREY, [0, 1], layer="1", how=how)
    found = explain.maximize(edges.to(kind), GREY, [0, 1], layer="1", how=how)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.95


def test_progress_ends_at_the_end(edges: nn.Module) -> None:
    told: list[tuple[int, int]] = []
    explain.maximize(
        edges, GREY, layer="0", how=Ascent(steps=3), batch=2,
        progress=lambda done, whole: told.append((done, whole)),
    )  # fmt: skip
    assert told == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]


def test_the_examples_that_excite_a_unit_most_are_found() -> None:
    rng = np.random.default_rng(0)
    examples = rng.random((53, 1, 6, 6), np.float32)

    class Brightest(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return torch.cat([inputs, -inputs], 1)

    model = nn.Sequential(Brightest())
    found = explain.top_examples(model, examples, layer="0", count=4, batch=10)
    strongest = examples[:, 0].reshape(53, -1).max(1)
    np.testing.assert_array_equal(found.index[0], np.argsort(-strongest)[:4])
    np.testing.assert_allclose(found.score[0], np.sort(strongest)[::-1][:4])
    darkest = examples[:, 0].reshape(53, -1).min(1)
    np.testing.assert_array_equal(found.index[1], np.argsort(darkest)[:4])
    for number, (row, column) in zip(found.index[0], found.place[0], strict=True):
        assert examples[number, 0, row, column] == strongest[number]
