"""Convolutions and residual blocks, made from what their input declares about its axes.

A filter extends only along the axes over which it may slide; a layer that breaks its declaration
cannot be constructed. Nothing here depends on the size of the input: the same network takes a
board of 9x9 and one of 19x19. Blocks are pre-activated (norm, ReLU, convolution), so that a
trunk of them needs one norm and ReLU before its heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from common.declaration import Declaration, per_axis
from common.errors import CommonError
from common.pool import GlobalPoolingBias


class Whole(int):
    """An extent along an axis that covers it from end to end, so that the filter does not slide.

    `conv(SPEECH, 1, 32, kernel=(5, Whole(98)))`: five bands, all of the 98 frames.
    """


def conv(
    declaration: Declaration,
    in_channels: int,
    out_channels: int,
    kernel: int | Sequence[int] | Mapping[str, int] = 3,
    *,
    stride: int | Sequence[int] | Mapping[str, int] = 1,
    padding: int | Sequence[int] | Mapping[str, int] | None = None,
    bias: bool = True,
    rng: torch.Generator | None = None,
) -> nn.Conv2d:
    """A convolution that keeps to the declaration, He-initialised with zero bias.

    kernel, stride, padding: positions; an int for the axes that allow it (1, 1 and 0 along the
    others), or one for each axis by order or by name. A `Whole` extent may lie along any axis.
    padding: zeros at either end; by default half of the kernel, so that stride 1 keeps the size.
    rng: what the weights are drawn from; torch's own generator, as in torch's layers, if none is
    given.
    Raises CommonError naming the property of the input that the layer would break.
    """
    extents = per_axis(declaration, kernel, along=declaration.slides, otherwise=1)
    steps = per_axis(declaration, stride, along=declaration.pools or declaration.axes, otherwise=1)
    for axis, extent, step in zip(declaration.axes, extents, steps, strict=True):
        if extent < 1 or step < 1:
            raise CommonError(f"kernel and stride must be at least 1, got {extents} and {steps}")
        whole = isinstance(extent, Whole)
        declaration.allow_filter("a convolution", axis, extent, whole=whole)
        if step > 1:
            declaration.allow_subsampling("a convolution", axis, f"takes steps of {step}")
    layer = nn.Conv2d(
        in_channels,
        out_channels,
        extents,  # type: ignore[arg-type]
        stride=steps,  # type: ignore[arg-type]
        padding=_padding(declaration, extents, padding),  # type: ignore[arg-type]
        bias=bias,
        device="meta",  # where torch draws no numbers from its global generator
    ).to_empty(device=torch.get_default_device())
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def dense(inputs: int, outputs: int, rng: torch.Generator | None = None) -> nn.Linear:
    """A dense layer, He-initialised as `conv` is, with zero bias."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device=torch.get_default_device())
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
    nn.init.zeros_(layer.bias)
    return layer


def _padding(
    declaration: Declaration,
    extents: Sequence[int],
    padding: int | Sequence[int] | Mapping[str, int] | None,
) -> tuple[int, ...]:
    if padding is not None:
        return per_axis(declaration, padding, along=declaration.slides, otherwise=0)
    if any(extent % 2 == 0 for extent in extents if not isinstance(extent, Whole)):
        raise CommonError(
            f"a kernel of {tuple(extents)} has no middle, so it needs its padding said"
        )
    return tuple(0 if isinstance(extent, Whole) else extent // 2 for extent in extents)


class ResidualBlock(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x)))))), He et al. 2016, "Identity mappings".

    pooled: so many of the first convolution's channels become a `GlobalPoolingBias` on the others.
    The last convolution starts at zero, so that a new block changes nothing.
    """

    def __init__(
        self,
        declaration: Declaration,
        channels: int,
        *,
        kernel: int = 3,
        pooled: int = 0,
        rng: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = conv(declaration, channels, channels, kernel, bias=False, rng=rng)
        self.norm2 = nn.BatchNorm2d(channels)
        # The bias comes after the norm: one norm serves the pooled channels and the others.
        self.pooling = GlobalPoolingBias(channels, pooled, rng=rng) if pooled else nn.Identity()
        self.conv2 = conv(declaration, channels - pooled, channels, kernel, bias=False, rng=rng)
        nn.init.zeros_(self.conv2.weight)
        self.relu = nn.ReLU(inplace=True)  # only ever on what a norm or a sum has just made

    def forward(self, maps: Tensor) -> Tensor:
        """maps: [batch, channel, *axes] -> the same shape."""
        branch = self.conv1(self.relu(self.norm1(maps)))
        branch = self.conv2(self.relu(self.pooling(self.norm2(branch))))
        total: Tensor = maps + branch
        return total


class NestedBottleneck(nn.Module):
    """KataGo's nested bottleneck: 1x1 down to half the channels, two residual blocks, 1x1 up.

    At the same cost deeper than residual blocks of full width (docs/KataGoMethods.md, "nbt").
    pooled: so many of the inner channels are pooled in the first of the two blocks.
    """

    def __init__(
        self,
        declaration: Declaration,
        channels: int,
        *,
        kernel: int = 3,
        pooled: int = 0,
        rng: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        inner = channels // 2
        self.norm1 = nn.BatchNorm2d(channels)
        self.down = conv(declaration, channels, inner, 1, bias=False, rng=rng)
        self.blocks = nn.Sequential(
            ResidualBlock(declaration, inner, kernel=kernel, pooled=pooled, rng=rng),
            ResidualBlock(declaration, inner, kernel=kernel, rng=rng),
        )
        self.norm2 = nn.BatchNorm2d(inner)
        self.up = conv(declaration, inner, channels, 1, bias=False, rng=rng)
        nn.init.zeros_(self.up.weight)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """maps: [batch, channel, *axes] -> the same shape."""
        inner = self.blocks(self.down(self.relu(self.norm1(maps))))
        branch = self.up(self.relu(self.norm2(inner)))
        total: Tensor = maps + branch
        return total
