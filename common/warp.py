"""Warp: random changes to pictures that leave their meaning as it was, a whole batch at once.

Every function is [batch, channel, row, column] -> the same shape, and takes its random numbers from
a generator on the CPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Warp:
    """How far pictures are bent, each by its own amount, uniform from none to this much.

    rotate: degrees, either way. scale: share, larger or smaller; stretch: the same, rows against
    columns. shear: of columns, a row further. shift: share of the picture, along both axes.
    elastic: share of the picture by which single regions move (Simard et al. 2003), in a field of
    `waves` x `waves` random vectors.
    """

    rotate: float = 0.0
    scale: float = 0.0
    stretch: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    waves: int = 4


def warped(batch: Tensor, warp: Warp, rng: torch.Generator, *, outside: str = "zeros") -> Tensor:
    """Rotated, scaled, stretched, sheared, moved and bent. outside: grid_sample's padding mode."""
    count, _, rows, columns = batch.shape
    theta = _affine(count, warp, rng).to(batch)
    grid = functional.affine_grid(theta, [count, 1, rows, columns], align_corners=False)
    if warp.elastic:
        coarse = torch.randn(count, 2, warp.waves, warp.waves, generator=rng).to(batch)
        strength = torch.rand(count, 1, 1, 1, generator=rng).to(batch) * (2 * warp.elastic)
        field = functional.interpolate(
            coarse * strength, (rows, columns), mode="bicubic", align_corners=True
        )
        grid = grid + field.movedim(1, -1)
    found: Tensor = functional.grid_sample(batch, grid, padding_mode=outside, align_corners=False)
    return found


def _affine(count: int, warp: Warp, rng: torch.Generator) -> Tensor:
    """[count, 2, 3]: where each place of the result comes from."""

    def drawn(most: float) -> Tensor:
        return (torch.rand(count, generator=rng) * 2 - 1) * most

    angle = drawn(math.radians(warp.rotate))
    scale = torch.exp(drawn(math.log1p(warp.scale)))
    stretch = torch.exp(drawn(math.log1p(warp.stretch)) / 2)
    shear = drawn(warp.shear)
    cos, sin = angle.cos(), angle.sin()
    wide, high = scale * stretch, scale / stretch
    return torch.stack(
        [
            torch.stack([cos * wide, (cos * shear - sin) * high, drawn(2 * warp.shift)], 1),
            torch.stack([sin * wide, (sin * shear + cos) * high, drawn(2 * warp.shift)], 1),
        ],
        1,
    )


def some(batch: Tensor, changed: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """A random share of the pictures as they were changed, the others as they are."""
    chosen = torch.rand(len(batch), 1, 1, 1, generator=rng) < share
    return torch.where(chosen.to(batch.device), changed, batch)


def flipped(batch: Tensor, rng: torch.Generator) -> Tensor:
    """Half of them seen in a mirror."""
    return some(batch, batch.flip(-1), 0.5, rng)


def coarsened(batch: Tensor, size: int) -> Tensor:
    """As a scanner of `size` x `size` places would have seen them."""
    few = functional.interpolate(batch, (size, size), mode="area")
    return functional.interpolate(few, batch.shape[2:], mode="bilinear", align_corners=False)


def brushed(batch: Tensor, rng: torch.Generator) -> Tensor:
    """Light strokes on black, thinner or thicker, by up to one place on either side."""
    by = torch.rand(len(batch), 1, 1, 1, generator=rng).to(batch) * 2 - 1
    thick = functional.max_pool2d(batch, 3, 1, 1)
    thin = -functional.max_pool2d(-batch, 3, 1, 1)
    return torch.where(by > 0, batch + by * (thick - batch), batch - by * (thin - batch))


def erased(batch: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """A square of each picture, up to `share` of its side, gets the picture's mean (Cutout)."""
    count, _, rows, columns = batch.shape
    side = torch.rand(count, 1, generator=rng) * share / 2

    def within(extent: int) -> Tensor:
        middle = torch.rand(count, 1, generator=rng)
        place = (torch.arange(extent) + 0.5) / extent
        return (place - middle).abs() < side  # [batch, place]

    hidden = within(rows)[:, None, :, None] & within(columns)[:, None, None, :]
    return torch.where(hidden.to(batch.device), batch.mean((2, 3), keepdim=True), batch)


def lit(batch: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Other brightness, contrast and colour balance, each changed by up to this share."""
    count, channels = batch.shape[:2]

    def drawn(*shape: int) -> Tensor:
        return ((torch.rand(*shape, generator=rng) * 2 - 1) * strength).to(batch)

    mean = batch.mean((1, 2, 3), keepdim=True)
    contrast = 1 + drawn(count, 1, 1, 1)
    changed = (batch - mean) * contrast + mean + drawn(count, 1, 1, 1) / 2
    return (changed + drawn(count, channels, 1, 1) / 4).clamp(0, 1)
