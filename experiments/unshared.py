"""Unshared: a layer of filters that see small patches, each place with filters of its own.

What is left of a convolution when the second property, the same pattern elsewhere, is taken away
and the first, small patterns, is kept ("locally connected", LeCun 1989).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Unshared(nn.Module):
    """[batch, channel, row, column] -> [batch, out, row, column], filters of `kernel` squared.

    size: rows and columns of the input. padding: zeros around it.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        size: tuple[int, int],
        *,
        kernel: int = 3,
        padding: int = 0,
        rng: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.kernel, self.padding = kernel, padding
        self.places = tuple(extent + 2 * padding - kernel + 1 for extent in size)
        seen = channels * kernel**2
        places = self.places[0] * self.places[1]
        # By place first: the product over all places is then one batched matrix product.
        self.weight = nn.Parameter(torch.empty(places, seen, out))
        self.bias = nn.Parameter(torch.zeros(out, *self.places))
        nn.init.normal_(self.weight, std=(2 / seen) ** 0.5, generator=rng)

    def forward(self, maps: Tensor) -> Tensor:
        patches = functional.unfold(maps, self.kernel, padding=self.padding)  # [batch, seen, place]
        answers = torch.bmm(patches.permute(2, 0, 1), self.weight.to(patches.dtype))
        placed: Tensor = answers.permute(1, 2, 0).reshape(len(maps), -1, *self.places) + self.bias
        return placed
