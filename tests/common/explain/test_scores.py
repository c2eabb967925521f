"""Deletion, insertion and the sanity check on cases that can be counted by hand."""

import copy

import numpy as np
import pytest
import torch
from tiny_explained import Awkward, seeded
from torch import Tensor, nn

from common import explain
from common.errors import CommonError


class Share(nn.Module):
    """Its first answer is likely in proportion to what is left of the first two places."""

    def forward(self, inputs: Tensor) -> Tensor:
        left = inputs.flatten(1)[:, :2].sum(1) / 2
        return torch.stack([left, 1 - left], 1).clamp(1e-9).log()


class Left(nn.Module):
    """How much is left."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1).sum(1, keepdim=True)


INPUT = np.ones((1, 1, 2, 2), np.float32)
GOOD = np.array([[[4.0, 3.0], [1.0, 2.0]]])


def test_deletion_counted_by_hand() -> None:
    found = explain.deletion(Share(), INPUT, GOOD, 0, steps=4)
    np.testing.assert_allclose(found.share, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.chance, [[1, 0.5, 0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(found.area, [0.25], atol=1e-6)  # trapezoids: (.75 + .25) / 4


def test_insertion_counted_by_hand() -> None:
    found = explain.insertion(Share(), INPUT, -GOOD, 0, steps=4, start=np.zeros((1, 1, 2, 2)))
    np.testing.assert_allclose(found.chance, [[0, 0, 0, 0.5, 1]], atol=1e-6)
    np.testing.assert_allclose(found.area, [0.25], atol=1e-6)


@pytest.mark.parametrize("side", [3, 7, 21, 35])
def test_all_places_are_covered_at_the_end(side: int) -> None:
    whole = np.ones((1, 1, side, side), np.float32)
    found = explain.deletion(Left(), whole, whole[:, 0], 0, chance=lambda left: left)
    assert found.chance[0, -1] == 0


def test_a_good_map_scores_better_than_a_random_order_and_a_bad_one_worse() -> None:
    big = np.ones((1, 1, 8, 8), np.float32)
    good = np.zeros((1, 8, 8))
    good[0, 0, :2] = 1
    dark = np.zeros((1, 1, 8, 8), np.float32)
    rows = explain.judge(Share(), big, {"good": good, "bad": -good}, 0, steps=16, start=dark)
    assert rows["good"][0] < rows["random order"][0] < rows["bad"][0]
    assert rows["good"][1] > rows["random order"][1] > rows["bad"][1]


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(CommonError, match="does not fit"):
        explain.deletion(Share(), INPUT, np.zeros((1, 3, 3)), 0)


def test_the_sanity_check_tells_a_map_of_the_model_from_one_of_the_input() -> None:
    model = seeded(Awkward, 1)
    batch = np.random.default_rng(0).random((1, 1, 15, 15), np.float32)
    learnt = explain.sanity(
        model, batch, lambda other: explain.saliency(other, batch, 1, absolute=False)
    )
    assert list(learnt) == ["dense", "block.1", "block.0", "first"]
    assert abs(learnt["first"]) < 0.3
    shown = explain.sanity(model, batch, lambda other: batch)
    assert set(shown.values()) == {1.0}


class Heard(nn.Module):
    """A convolution, and a recurrence, which gives no tensor but a pair."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, 4, 3)
        self.recurrence = nn.GRU(4, 3, batch_first=True)

    def forward(self, sound: Tensor) -> Tensor:
        return self.recurrence(self.first(sound).transpose(1, 2))[0][:, -1]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("make", "axes", "names"),
    [(Heard, (9,), ["recurrence", "first"]), (lambda: nn.Conv2d(1, 2, 3), (5, 5), [""])],
)
def test_every_part_with_weights_is_made_random(
    make: type[nn.Module], axes: tuple[int, ...], names: list[str]
) -> None:
    model = seeded(make)
    batch = np.random.default_rng(0).random((1, 1, *axes), np.float32)
    spoilt: list[nn.Module] = []

    def method(other: nn.Module) -> np.ndarray:
        spoilt.append(copy.deepcopy(other))
        return batch

    assert list(explain.sanity(model, batch, method)) == names
    for before, after in zip(model.parameters(), spoilt[-1].parameters(), strict=True):
        assert not torch.equal(before, after)
    with pytest.raises(CommonError, match="nothing that runs in the model has weights"):
        explain.sanity(nn.ReLU(), batch, lambda other: batch)


def test_ranks_share_a_place_where_values_are_equal() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, 50), rng.integers(0, 5, 50)
    expected = stats.spearmanr(one, other).statistic
    assert explain.rank_correlation(one, other) == pytest.approx(expected, abs=1e-6)
