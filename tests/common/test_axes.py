"""The declarations, and `check`, which holds what really runs against them."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.axes import BOARD, PICTURE, SPEECH, check
from common.conv import NestedBottleneck, ResidualBlock, Whole, conv
from common.declaration import Declaration
from common.errors import CommonError
from common.operators import Window
from common.pool import GlobalPoolingBias, global_pool, pool


class Runs(nn.Module):
    """A foreign network: a function, and nothing that `modules()` would show."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, maps: Tensor) -> Tensor:
        return self.function(maps)


def example(rows: int = 8, columns: int = 12) -> Tensor:
    return torch.randn(2, 4, rows, columns, generator=torch.Generator().manual_seed(0))


def weight(*shape: int) -> Tensor:
    return torch.ones(shape)


def test_the_three_inputs_are_declared_as_the_lecture_says() -> None:
    assert PICTURE.slides == PICTURE.pools == PICTURE.axes == ("row", "column")
    assert (BOARD.slides, BOARD.pools) == (("row", "column"), ())
    assert SPEECH.axes == ("frequency", "time")
    assert SPEECH.slides == SPEECH.pools == ("frequency",)


def test_a_declaration_knows_only_its_own_axes() -> None:
    with pytest.raises(CommonError, match="word has no axis 'depth', only time"):
        Declaration("word", ("time",), slides=("depth",), pools=())


def test_declarations_are_light() -> None:
    code = "import sys, common.axes; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


SUBSAMPLES = {
    "conv2d with a stride": lambda x: F.conv2d(x, weight(3, 4, 3, 3), stride=2, padding=1),
    "1x1 convolution with a stride": lambda x: F.conv2d(x, weight(3, 4, 1, 1), stride=(1, 2)),
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "max_pool2d that keeps the size": lambda x: F.max_pool2d(x, 3, stride=1, padding=1),
    "max_pool1d along columns": lambda x: F.max_pool1d(x[:, 0], 2),
    "avg_pool2d": lambda x: F.avg_pool2d(x, (1, 3)),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 4),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, (8, 6)),
    "lp_pool2d": lambda x: F.lp_pool2d(x, 2, 2),
    "a strided slice": lambda x: x[..., ::2],
    "a strided slice of the flattened board": lambda x: x.flatten(1).unflatten(1, (4, 8, 12))[
        ..., ::2
    ],
    "a crop": lambda x: x[:, :, :4],
    "narrow": lambda x: x.narrow(3, 2, 5),
    "single rows": lambda x: x[:, :, 3],
    "index lists": lambda x: x[..., [0, 2, 4]],
    "index_select": lambda x: x.index_select(2, torch.arange(0, 8, 2)),
    "every second row twice": lambda x: x[:, :, torch.arange(8) // 2 * 2],
    "every second column twice": lambda x: x.index_select(3, torch.arange(12) // 2 * 2),
    "chunk": lambda x: x.chunk(2, dim=3)[0],
    "unbind": lambda x: torch.stack(x.unbind(2)[::2], dim=2),
    "nearest interpolation": lambda x: F.interpolate(x, scale_factor=0.5),
    "bilinear interpolation": lambda x: F.interpolate(x, size=(4, 4), mode="bilinear"),
    "area interpolation": lambda x: F.interpolate(x, size=(4, 4), mode="area"),
    "unfold with a step": lambda x: x.unfold(2, 2, 2),
    "nn.functional.unfold with a stride": lambda x: F.unfold(x, 2, stride=2),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 2),
    "blocks by reshape": lambda x: x.reshape(2, 4, 4, 2, 12).mean(3),
    "blocks by einsum": lambda x: torch.einsum("bcrid->bcrd", x.unflatten(2, (4, 2))),
    "negative padding": lambda x: F.pad(x, (-1, -1)),
    "after a permutation": lambda x: F.max_pool2d(x.permute(0, 3, 1, 2), (1, 2)),
    "after adding channels up": lambda x: F.avg_pool2d(F.relu(x.sum(1, keepdim=True) + 1), 2),
}


@pytest.mark.parametrize("function", SUBSAMPLES.values(), ids=SUBSAMPLES.keys())
def test_a_board_is_not_subsampled_by_whatever_function(
    function: Callable[[Tensor], Tensor],
) -> None:
    with pytest.raises(
        CommonError, match=r'layer function .* breaks "subsampling changes nothing"'
    ):
        check(_named(function), BOARD, example())


@pytest.mark.parametrize("function", SUBSAMPLES.values(), ids=SUBSAMPLES.keys())
def test_a_picture_may_be_subsampled(function: Callable[[Tensor], Tensor]) -> None:
    check(_named(function), PICTURE, example())


def _named(function: Callable[[Tensor], Tensor]) -> nn.Module:
    network = nn.Module()
    network.function = Runs(function)
    network.forward = lambda x: network.function(x)  # type: ignore[method-assign]
    return network


SLIDES_OVER_TIME = {
    "conv2d": lambda x: F.conv2d(x, weight(3, 4, 3, 3), padding=1),
    "conv2d over time alone": lambda x: F.conv2d(x, weight(3, 4, 1, 5)),
    "one frame less than the whole": lambda x: F.conv2d(x, weight(3, 4, 1, 11)),
    "the whole with padding": lambda x: F.conv2d(x, weight(3, 4, 1, 12), padding=(0, 1)),
    "transposed convolution": lambda x: F.conv_transpose2d(x, weight(4, 3, 1, 2)),
    "conv1d over time": lambda x: F.conv1d(x.flatten(1, 2), weight(3, 32, 3)),
    "conv2d of the turned input": lambda x: F.conv2d(x.mT, weight(3, 4, 3, 1)),
    "unfold": lambda x: x.unfold(3, 3, 1),
    "nn.functional.unfold": lambda x: F.unfold(x, (1, 3)),
}


@pytest.mark.parametrize("function", SLIDES_OVER_TIME.values(), ids=SLIDES_OVER_TIME.keys())
def test_nothing_slides_over_the_time_of_a_word(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(CommonError, match='along time, which breaks "the same pattern elsewhere"'):
        check(Runs(function), SPEECH, example())


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.conv2d(x, weight(3, 4, 3, 1), padding=(1, 0)),
        lambda x: F.conv2d(x, weight(3, 4, 3, 12)),  # all of the time at once
        lambda x: F.conv1d(x.permute(0, 1, 3, 2).flatten(1, 2), weight(3, 48, 3), stride=2),
        lambda x: F.linear(x, weight(5, 12)),
        lambda x: F.max_pool2d(x, (2, 1)),
        lambda x: F.max_pool2d(x, (2, 12)),
        lambda x: x[:, :, ::2],
        lambda x: F.linear(x.flatten(1), weight(10, 384)).softmax(1),
        lambda x: x.std((2, 3)),
    ],
)
def test_a_word_may_be_seen_whole_in_time_and_slid_over_in_frequency(
    function: Callable[[Tensor], Tensor],
) -> None:
    check(Runs(function), SPEECH, example())


def test_time_is_not_subsampled() -> None:
    with pytest.raises(CommonError, match='along time, which breaks "subsampling changes nothing"'):
        check(nn.MaxPool2d(2), SPEECH, example())


def test_a_filter_larger_than_the_board_is_not_a_small_pattern() -> None:
    with pytest.raises(CommonError, match=r'extent 9 along row.* 8 .*breaks "small patterns"'):
        check(nn.Conv2d(4, 1, 9, padding=4), BOARD, example())


def test_the_layer_is_named() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)))
    with pytest.raises(CommonError, match=r"layer 1\.1 \(max_pool2d_with_indices\)"):
        check(network, BOARD, example())


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.roll(1, 3) + x,
        lambda x: x.cumsum(3),
        lambda x: x.as_strided((2, 2), (1, 2)),
        lambda x: x[:, :, [1, 0, *range(2, 8)]],
        lambda x: x.index_select(3, torch.arange(24) // 2),
        lambda x: F.grid_sample(x, torch.zeros(2, 3, 3, 2), align_corners=False),
        lambda x: (
            x.flatten(2).conv1d(weight(1, 4, 3))
            if hasattr(x, "conv1d")
            else F.conv1d(x.flatten(2), weight(1, 4, 3))
        ),
        lambda x: torch.zeros(2, 4, 8, 12).copy_(x),
    ],
)
def test_what_cannot_be_followed_proves_nothing(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(CommonError, match="nothing is proved: row and column cannot be followed"):
        check(Runs(function), BOARD, example())


def test_positions_named_in_their_order_or_backwards_lose_nothing() -> None:
    check(
        Runs(lambda x: x[:, :, torch.arange(8)][..., torch.arange(-1, -13, -1)]), BOARD, example()
    )
    check(Runs(lambda x: x.index_select(1, torch.tensor([3, 0]))), BOARD, example())  # channels


def test_an_answer_from_elsewhere_proves_nothing() -> None:
    with pytest.raises(CommonError, match="does not come from its input"):
        check(Runs(lambda x: torch.from_numpy(x.numpy()[..., ::2].copy())), BOARD, example())


def test_an_example_without_the_axes_is_refused() -> None:
    with pytest.raises(CommonError, match="no tensor of the example"):
        check(nn.Linear(3, 3), BOARD, torch.zeros(2, 3))


def test_the_evidence_lists_kernels_strides_and_dilations() -> None:
    network = nn.Sequential(
        nn.Conv2d(4, 2, (3, 1), stride=(2, 1), dilation=(2, 1)), nn.AvgPool2d((2, 1))
    )
    assert check(network, SPEECH, torch.zeros(1, 4, 20, 5)) == [
        Window("0", "convolution", "frequency", 3, 2, 2),
        Window("0", "convolution", "time", 1, 1, 1),
        Window("1", "avg_pool2d", "frequency", 2, 2),
        Window("1", "avg_pool2d", "time", 1, 1),
    ]


def test_networks_of_our_blocks_keep_the_rule() -> None:
    trunk = [conv(BOARD, 4, 8), ResidualBlock(BOARD, 8, pooled=4), NestedBottleneck(BOARD, 8)]
    check(nn.Sequential(*trunk, Runs(global_pool), nn.Linear(16, 1)), BOARD, example())
    check(nn.Sequential(conv(SPEECH, 4, 2, (3, Whole(12))), pool(SPEECH)), SPEECH, example())
    check(nn.Sequential(conv(PICTURE, 4, 2, stride=2), pool(PICTURE)), PICTURE, example())


def test_global_pooling_is_allowed_on_the_board() -> None:
    check(GlobalPoolingBias(4, 2), BOARD, example())
    check(nn.AdaptiveAvgPool2d(1), BOARD, example())
    check(nn.AvgPool2d((8, 12)), BOARD, example())


def test_foreign_blocks_are_followed() -> None:
    attention = nn.MultiheadAttention(4, 2, batch_first=True)

    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = attention

        def forward(self, maps: Tensor) -> Tensor:
            points = maps.flatten(2).mT
            mixed: Tensor = self.attention(points, points, points)[0]
            return F.conv2d(mixed.mT.unflatten(2, maps.shape[2:]), weight(4, 4, 3, 3), padding=1)

    check(nn.Sequential(Attends(), nn.GroupNorm(2, 4), nn.Mish(), nn.PReLU()), BOARD, example())


def test_facts_without_axes_may_come_in_beside_the_board() -> None:
    class WithKomi(nn.Module):
        def forward(self, board: Tensor, komi: Tensor) -> Tensor:
            return board + komi[:, :, None, None]

    check(WithKomi(), BOARD, example(), torch.zeros(2, 1))


def test_the_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(2))
    network[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for _ in range(2):
        with pytest.raises(CommonError):
            check(network, BOARD, example())
    assert [part.training for part in network] == [True, False, True]
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network)


def test_a_pass_may_stand_behind_the_flattened_board_and_stays_there() -> None:
    def joined(maps: Tensor) -> Tensor:
        return torch.cat([maps.flatten(2), maps.mean((2, 3))[:, :, None]], dim=2)

    check(Runs(lambda x: joined(x).softmax(2)), BOARD, example())
    with pytest.raises(CommonError, match='along row and column, which breaks "subsampling'):
        check(Runs(lambda x: joined(x)[..., ::2]), BOARD, example())


class Reads(nn.Module):
    """Frames in their order, by a recurrence; then what is asked of its answers."""

    def __init__(self, kind: type[nn.RNNBase], after: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.recurrence = kind(4 * 8, 6, batch_first=True, bidirectional=True)
        self.after = after

    def forward(self, maps: Tensor) -> Tensor:
        states, _ = self.recurrence(maps.flatten(1, 2).transpose(1, 2))
        return self.after(states)


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_a_recurrence_reads_every_frame_and_slides_no_filter(kind: type[nn.RNNBase]) -> None:
    assert check(Reads(kind, lambda states: states.mean(1)), SPEECH, example()) == []


@pytest.mark.parametrize("after", [lambda states: states[:, ::2], lambda states: states[:, -1]])
def test_time_is_still_followed_behind_a_recurrence(after: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(CommonError, match="time"):
        check(Reads(nn.GRU, after), SPEECH, example())
