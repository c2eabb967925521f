"""A network small enough to export in a test, with all that the shipped ones are made of."""

import torch
from torch import Tensor, nn

from common.axes import BOARD
from common.conv import NestedBottleneck, ResidualBlock, conv
from common.pool import global_pool


class TinyNetwork(nn.Module):
    """planes [batch, 3, row, column], uint8 -> [batch, row * column + 1]."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.stem = conv(BOARD, 3, 8, 5, bias=False, rng=rng)
        self.trunk = nn.Sequential(
            ResidualBlock(BOARD, 8, pooled=4, rng=rng), NestedBottleneck(BOARD, 8, rng=rng)
        )
        self.norm = nn.BatchNorm2d(8)
        self.points = conv(BOARD, 8, 1, 1, rng=rng)
        self.rest = nn.Linear(16, 1)
        for part in self.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                nn.init.normal_(part.weight, std=0.2, generator=rng)
            if isinstance(part, nn.BatchNorm2d):
                nn.init.normal_(part.running_mean, generator=rng)  # type: ignore[arg-type]
        nn.init.zeros_(self.rest.bias)

    def forward(self, planes: Tensor) -> Tensor:
        trunk = self.norm(self.trunk(self.stem(planes.float()))).relu()
        return torch.cat([self.points(trunk).flatten(1), self.rest(global_pool(trunk))], dim=1)


def boards(batch: int, rows: int, columns: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (batch, 3, rows, columns), generator=rng, dtype=torch.uint8)


SHAPES = [(b, *s) for b in (1, 5) for s in ((9, 9), (13, 13), (19, 19), (13, 19))]
"""batch, rows, columns"""

FACTS = {
    "data": "two games, 棋譜",
    "recipe": {"steps": 3, "rate": 0.01},
    "accuracy": [{"top1": 0.5, "protocol": "by hand"}],
    "licence": "Apache-2.0",
}
