"""Convolutions and blocks made from a declaration."""

import re
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from common.axes import BOARD, PICTURE, SPEECH
from common.conv import NestedBottleneck, ResidualBlock, Whole, conv, dense
from common.declaration import Declaration
from common.errors import CommonError


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unsettled(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network for inference, no branch at zero and no norm without an effect."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.normal_(part.weight, std=0.2, generator=rng(seed))
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(generator=rng(seed + 1))  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 2, generator=rng(seed + 2))  # type: ignore[union-attr]
    return network.eval()


def filled(layer: nn.Conv2d, numbers: list[list[float]], bias: float = 0) -> nn.Conv2d:
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(numbers)[None, None])
        if layer.bias is not None:
            layer.bias.fill_(bias)
    return layer


# The lecture's 6x6 picture and its first filter, which waits for a diagonal line.
PICTURE_6X6 = torch.tensor(
    [
        [1, 0, 0, 0, 0, 1],
        [0, 1, 0, 0, 1, 0],
        [0, 0, 1, 1, 0, 0],
        [1, 0, 0, 0, 1, 0],
        [0, 1, 0, 0, 1, 0],
        [0, 0, 1, 0, 1, 0],
    ],
    dtype=torch.float32,
)[None, None]
DIAGONAL: list[list[float]] = [[1, -1, -1], [-1, 1, -1], [-1, -1, 1]]


def test_a_diagonal_is_found_with_stride_1() -> None:
    layer = filled(conv(PICTURE, 1, 1, padding=0), DIAGONAL)
    assert layer(PICTURE_6X6)[0, 0].tolist() == [
        [3, -1, -3, -1],
        [-3, 1, 0, -3],
        [-3, -3, 0, 1],
        [3, -2, -2, -1],
    ]


def test_a_diagonal_is_found_with_stride_2() -> None:
    layer = filled(conv(PICTURE, 1, 1, stride=2, padding=0), DIAGONAL, bias=0.5)
    assert layer(PICTURE_6X6)[0, 0].tolist() == [[3.5, -2.5], [-2.5, 0.5]]


def test_zeros_lie_around_the_input_so_that_it_keeps_its_size() -> None:
    layer = filled(conv(PICTURE, 1, 1), [[1.0] * 3] * 3)
    assert layer(torch.ones(1, 1, 3, 4))[0, 0].tolist() == [
        [4, 6, 6, 4],
        [6, 9, 9, 6],
        [4, 6, 6, 4],
    ]


def test_the_lectures_sizes_come_out() -> None:
    first, second = conv(PICTURE, 1, 25, padding=0), conv(PICTURE, 25, 50, padding=0)
    halve = nn.MaxPool2d(2)
    sizes, maps = [28], torch.zeros(1, 1, 28, 28)
    for layer in (first, halve, second, halve):
        maps = layer(maps)
        sizes.append(maps.shape[-1])
    assert sizes == [28, 26, 13, 11, 5]
    assert (first.weight[0].numel(), second.weight[0].numel()) == (9, 225)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: conv(BOARD, 1, 1, stride=2),
            'a convolution takes steps of 2 along row, which breaks "subsampling changes nothing"',
        ),
        (
            lambda: conv(SPEECH, 1, 1, stride={"time": 2}),
            'steps of 2 along time, which breaks "subsampling changes nothing"',
        ),
        (
            lambda: conv(SPEECH, 1, 1, (3, 5)),
            'a filter of extent 5 along time, which breaks "the same pattern elsewhere"',
        ),
        (
            lambda: conv(SPEECH, 1, 1, {"time": 3}),
            'extent 3 along time, which breaks "the same pattern elsewhere"',
        ),
        (lambda: conv(SPEECH, 1, 1, {"row": 3}), "a spectrogram has no axis 'row', only frequency"),
        (lambda: conv(BOARD, 1, 1, (3, 3, 3)), "one number for each of row and column"),
        (lambda: conv(BOARD, 1, 1, 4), "a kernel of (4, 4) has no middle"),
        (lambda: conv(BOARD, 1, 1, 0), "at least 1"),
        (lambda: ResidualBlock(BOARD, 4, pooled=4), "of 4 channels, 1 to 3 may be pooled: 4"),
    ],
)
def test_a_layer_that_breaks_its_declaration_cannot_be_made(
    make: Callable[[], nn.Module], sentence: str
) -> None:
    with pytest.raises(CommonError, match=re.escape(sentence)):
        make()


@settings(deadline=None, max_examples=30)
@given(shift=st.integers(1, 6), seed=st.integers(0, 2**31))
def test_a_spectrograms_filter_moves_with_the_pitch(shift: int, seed: int) -> None:
    layer = conv(SPEECH, 1, 2, rng=rng(seed))
    sound = torch.zeros(1, 1, 20, 7)
    sound[:, :, 5:8] = torch.randn(1, 1, 3, 7, generator=rng(seed))
    torch.testing.assert_close(layer(sound.roll(shift, 2)), layer(sound).roll(shift, 2))


def test_a_spectrograms_filter_mixes_nothing_across_time() -> None:
    block = unsettled(nn.Sequential(conv(SPEECH, 1, 4), ResidualBlock(SPEECH, 4)))
    sound = torch.randn(1, 1, 20, 7, generator=rng())
    changed = sound.clone()
    changed[..., 3] += 1
    differs = (block(sound) != block(changed)).any(dim=2).any(dim=1)[0]
    assert differs.tolist() == [time == 3 for time in range(7)]


def test_a_whole_filter_sees_all_of_the_time_at_once() -> None:
    layer = conv(SPEECH, 1, 3, (5, Whole(98)))
    assert layer(torch.zeros(2, 1, 40, 98)).shape == (2, 3, 40, 1)


@pytest.mark.parametrize("make", [ResidualBlock, NestedBottleneck])
@pytest.mark.parametrize("pooled", [0, 2])
@pytest.mark.parametrize("symmetry", [lambda x: x.flip(2), lambda x: x.flip(3), lambda x: x.mT])
def test_blocks_with_symmetric_filters_turn_with_the_board(
    make: Callable[..., nn.Module], pooled: int, symmetry: Callable[[Tensor], Tensor]
) -> None:
    block = unsettled(make(BOARD, 8, pooled=pooled)).double()
    with torch.no_grad():
        for part in block.modules():
            if isinstance(part, nn.Conv2d):
                weight = part.weight + part.weight.mT
                weight = weight + weight.flip(2)
                part.weight.copy_(weight + weight.flip(3))
    board = torch.randn(2, 8, 9, 13, generator=rng(), dtype=torch.float64)
    torch.testing.assert_close(block(symmetry(board)), symmetry(block(board)))


@pytest.mark.parametrize("make", [ResidualBlock, NestedBottleneck])
@pytest.mark.parametrize("shape", [(9, 9), (19, 19), (13, 19), (5, 25)])
def test_a_block_takes_any_board(make: Callable[..., nn.Module], shape: tuple[int, int]) -> None:
    assert make(BOARD, 8, pooled=2)(torch.zeros(2, 8, *shape)).shape == (2, 8, *shape)


def test_what_a_point_sees_does_not_depend_on_the_boards_size() -> None:
    block = unsettled(ResidualBlock(BOARD, 8))
    large = torch.randn(1, 8, 19, 19, generator=rng())
    inner = block(large[:, :, :9, :9])[:, :, :7, :7]
    torch.testing.assert_close(block(large)[:, :, :7, :7], inner, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", [ResidualBlock, NestedBottleneck])
def test_a_new_block_changes_nothing_and_learns_at_once(make: Callable[..., nn.Module]) -> None:
    block = make(BOARD, 8, pooled=2)
    maps = torch.randn(2, 8, 9, 9, generator=rng())
    kept = maps.clone()
    found = block(maps)
    assert found.equal(kept)
    assert maps.equal(kept)  # nothing was computed in place of the input
    (found * torch.randn(found.shape, generator=rng(1))).sum().backward()
    last = block.up if isinstance(block, NestedBottleneck) else block.conv2
    assert last.weight.grad.abs().max() > 0  # type: ignore[union-attr]


def test_gradients_are_right_with_relus_in_place() -> None:
    block = unsettled(ResidualBlock(BOARD, 4, pooled=2)).double()
    maps = torch.randn(1, 4, 3, 3, generator=rng(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, (maps,))


@pytest.mark.parametrize("declaration", [PICTURE, BOARD, SPEECH])
def test_signals_keep_their_size_through_a_new_layer(declaration: Declaration) -> None:
    """He initialisation: after a ReLU the mean square is what it was."""
    layer = conv(declaration, 64, 256, padding=0, rng=rng())
    maps = torch.randn(4, 64, 16, 16, generator=rng(1))
    assert layer(maps).relu().square().mean().item() == pytest.approx(1, rel=0.1)


def test_the_same_generator_makes_the_same_network() -> None:
    one, other = (NestedBottleneck(BOARD, 8, pooled=2, rng=rng(3)) for _ in range(2))
    assert all(a.equal(b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_a_generator_s_numbers_and_no_others_are_used() -> None:
    before = torch.get_rng_state()
    layer = conv(BOARD, 4, 8, rng=rng(3))
    NestedBottleneck(BOARD, 8, pooled=2, rng=rng())
    dense(4, 8, rng=rng())
    assert torch.equal(torch.get_rng_state(), before)
    drawn = nn.init.kaiming_normal_(torch.empty(8, 4, 3, 3), nonlinearity="relu", generator=rng(3))
    assert torch.equal(layer.weight, drawn)


def test_channels_last_stays_channels_last() -> None:
    block = nn.Sequential(ResidualBlock(BOARD, 8, pooled=2), NestedBottleneck(BOARD, 8, pooled=2))
    block = block.to(memory_format=torch.channels_last)
    maps = torch.randn(2, 8, 9, 9).to(memory_format=torch.channels_last)
    assert block(maps).is_contiguous(memory_format=torch.channels_last)
