"""Pooling: windows that make the input smaller where its declaration allows it, and global pooling.

Global pooling looks at all positions at once and leaves none out, so it subsamples nothing: it is
allowed for every input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from common.declaration import Declaration, per_axis
from common.errors import CommonError


def pool(
    declaration: Declaration,
    size: int = 2,
    kind: Literal["max", "average"] = "max",
    *,
    axes: Sequence[str] | None = None,
) -> nn.MaxPool2d | nn.AvgPool2d:
    """Windows of `size` positions, side by side, along `axes` (all that may be pooled).

    What does not fill a window at the end of an axis is left out: 11 positions become 5.
    Raises CommonError if the input may not be subsampled along one of the axes.
    """
    over = (declaration.pools or declaration.axes) if axes is None else axes
    for axis in over:
        declaration.allow_subsampling("a pool", axis, f"merges windows of {size} positions")
    if size < 1:
        raise CommonError(f"a pool's size must be at least 1, got {size}")
    window = per_axis(declaration, size, along=over, otherwise=1)
    if kind == "max":
        return nn.MaxPool2d(window)
    if kind == "average":
        return nn.AvgPool2d(window)  # type: ignore[arg-type]
    raise CommonError(f'a pool is "max" or "average", got {kind!r}')


def global_pool(maps: Tensor) -> Tensor:
    """Mean and maximum over all positions.

    maps: [batch, channel, *axes] -> [batch, 2 * channel], the means first.
    """
    over = tuple(range(2, maps.ndim))
    return torch.cat([maps.mean(over), maps.amax(over)], dim=1)


class GlobalPoolingBias(nn.Module):
    """Lets what the whole input shows speak into every place: pooled channels bias the others.

    The first `pooled` channels are pooled over all positions (mean, maximum, and the mean scaled by
    the input's width, so that a count can be told from a density); a linear layer makes of these
    one bias for each other channel. From GoNN (David Wu) and KataGo ("global pooling" in
    docs/KataGoMethods.md), whose scale, (width - 14) / 10, suits boards of 9 to 19.
    """

    def __init__(self, channels: int, pooled: int, *, rng: torch.Generator | None = None) -> None:
        super().__init__()
        if not 0 < pooled < channels:
            raise CommonError(
                f"of {channels} channels, 1 to {channels - 1} may be pooled: {pooled}"
            )
        self.pooled = pooled
        self.relu = nn.ReLU()
        linear = nn.Linear(3 * pooled, channels - pooled, bias=False, device="meta")
        self.linear = linear.to_empty(device=torch.get_default_device())
        nn.init.kaiming_normal_(self.linear.weight, nonlinearity="linear", generator=rng)

    def forward(self, maps: Tensor) -> Tensor:
        """maps: [batch, channel, *axes] -> [batch, channel - pooled, *axes]."""
        pooled = self.relu(maps[:, : self.pooled])
        area = maps.shape[-2] * maps.shape[-1]
        mean, most = pooled.mean((2, 3)), pooled.amax((2, 3))  # [batch, pooled]
        scaled = mean * ((area**0.5 - 14) / 10)
        bias: Tensor = self.linear(torch.cat([mean, scaled, most], dim=1))
        return maps[:, self.pooled :] + bias[:, :, None, None]
