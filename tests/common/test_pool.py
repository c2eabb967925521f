"""Pools, and pooling over the whole input."""

import pytest
import torch
from torch import nn

from common.axes import BOARD, PICTURE, SPEECH
from common.errors import CommonError
from common.pool import GlobalPoolingBias, global_pool, pool

SQUARE = torch.tensor(
    [[1.0, 2, 5, 6], [3, 4, 7, 8], [-1, -2, 0, 0], [-3, -4, 0, 1]],
)[None, None]


def test_the_largest_of_each_window_stays() -> None:
    assert pool(PICTURE)(SQUARE)[0, 0].tolist() == [[4, 8], [-1, 1]]


def test_the_mean_of_each_window_stays() -> None:
    assert pool(PICTURE, kind="average")(SQUARE)[0, 0].tolist() == [[2.5, 6.5], [-2.5, 0.25]]


def test_what_does_not_fill_a_window_is_left_out() -> None:
    assert pool(PICTURE)(torch.zeros(1, 1, 11, 11)).shape == (1, 1, 5, 5)


def test_a_word_is_pooled_along_frequency_alone() -> None:
    assert pool(SPEECH, 4)(torch.zeros(1, 1, 40, 98)).shape == (1, 1, 10, 98)
    assert pool(SPEECH)(SQUARE)[0, 0].tolist() == [[3, 4, 7, 8], [-1, -2, 0, 1]]


def test_only_the_named_axes_are_pooled() -> None:
    assert pool(PICTURE, 3, axes=("column",))(torch.zeros(1, 1, 6, 6)).shape == (1, 1, 6, 2)


def test_a_board_is_not_pooled() -> None:
    with pytest.raises(
        CommonError, match=r'a pool merges windows of 2 .* row, .* "subsampling changes nothing"'
    ):
        pool(BOARD)


def test_a_words_time_is_not_pooled() -> None:
    with pytest.raises(CommonError, match='along time, which breaks "subsampling changes nothing"'):
        pool(SPEECH, axes=("frequency", "time"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 0}, "at least 1, got 0"),
        ({"kind": "median"}, "got 'median'"),
        ({"axes": ("depth",)}, "no axis 'depth'|along depth"),
    ],
)
def test_a_strange_pool_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(CommonError, match=sentence):
        pool(PICTURE, **options)  # type: ignore[arg-type]


def test_global_pooling_gives_means_then_maxima() -> None:
    maps = torch.cat([SQUARE, SQUARE * -1], dim=1)
    assert global_pool(maps).tolist() == [[27 / 16, -27 / 16, 8, 4]]


@pytest.mark.parametrize(("size", "scale"), [(9, -0.5), (14, 0), (19, 0.5)])
def test_pooled_channels_bias_the_others_alike_everywhere(size: int, scale: float) -> None:
    layer = GlobalPoolingBias(3, 1)
    with torch.no_grad():  # one row a biased channel; columns: mean, scaled mean, maximum
        layer.linear.weight.copy_(torch.tensor([[1.0, 10, 0], [0, 0, 100]]))
    maps = torch.zeros(1, 3, size, size)
    maps[:, 0] = -1  # a ReLU comes before the pooling
    maps[:, 0, : size - 1] = 2
    maps[:, 1], maps[:, 2] = 7, 8
    mean = 2 * (size - 1) / size
    expected = torch.empty(1, 2, size, size)
    expected[:, 0], expected[:, 1] = 7 + mean + 10 * scale * mean, 8 + 200
    torch.testing.assert_close(layer(maps), expected)


def test_global_pooling_does_not_see_where() -> None:
    layer = GlobalPoolingBias(4, 3)
    maps = torch.randn(2, 4, 5, 7)
    order = torch.randperm(35)
    shuffled = maps.flatten(2)[..., order].unflatten(2, (5, 7))
    torch.testing.assert_close(
        layer(shuffled), layer(maps).flatten(2)[..., order].unflatten(2, (5, 7))
    )


def test_the_pooled_channels_are_not_changed() -> None:
    maps = torch.randn(2, 4, 5, 7)
    kept = maps.clone()
    nn.Sequential(GlobalPoolingBias(4, 3))(maps)
    assert maps.equal(kept)
