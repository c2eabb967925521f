"""The policy network: planes of a board -> how likely each move is, and who is ahead.

A residual trunk without any pooling over the board (half a board is another game), made from the
declaration BOARD, so that a layer which pooled could not be constructed. What the whole board
says reaches every point through global-pooling biases (GoNN, KataGo), which subsample nothing.
Fully convolutional: the same weights serve every board size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from boardnet.errors import BoardnetError
from boardnet.planes import NAMES
from common.axes import BOARD
from common.conv import NestedBottleneck, ResidualBlock, conv, dense
from common.pool import global_pool


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The shape of a network.

    blocks: residual blocks in the trunk. channels: its width. nested: blocks are nested
    bottlenecks. pooled: channels that become a global-pooling bias, in every `pool_every`-th
    block. head: channels of the policy head. stem: extent of the first filters, in points.
    value: channels of the value head, 0 for none.
    """

    channels: int = 64
    blocks: int = 6
    nested: bool = False
    pooled: int = 16
    pool_every: int = 2
    head: int = 32
    stem: int = 5
    value: int = 0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0 or (value < 1 and name not in ("nested", "value")):
                raise BoardnetError(f"{name} of a network must be at least 1, got {value}")


class PolicyNetwork(nn.Module):
    """Logits of every point and of a pass, for the player to move."""

    def __init__(self, config: NetworkConfig, rng: torch.Generator | None = None) -> None:
        super().__init__()
        rng = rng or torch.Generator().manual_seed(0)
        self.config = config
        channels, head = config.channels, config.head
        self.stem = conv(BOARD, len(NAMES), channels, config.stem, bias=False, rng=rng)
        block = NestedBottleneck if config.nested else ResidualBlock
        self.trunk = nn.Sequential(
            *(
                block(
                    BOARD,
                    channels,
                    pooled=config.pooled if (number + 1) % config.pool_every == 0 else 0,
                    rng=rng,
                )
                for number in range(config.blocks)
            )
        )
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.local = conv(BOARD, channels, head, 1, bias=False, rng=rng)
        self.overall = conv(BOARD, channels, head, 1, bias=False, rng=rng)
        self.bias = dense(2 * head, head, rng)
        self.point = conv(BOARD, head, 1, 1, bias=False, rng=rng)
        self.no_point = dense(2 * head, 1, rng)
        if config.value:
            self.judged = conv(BOARD, channels, config.value, 1, rng=rng)
            self.verdict = nn.Sequential(
                dense(2 * config.value, 64, rng), nn.ReLU(inplace=True), dense(64, 2, rng)
            )

    def forward(self, planes: Tensor) -> Tensor:
        """planes: [batch, plane, row, column], uint8 or float -> logits [batch, cell], row by row;
        the last is the pass. With a value head two numbers follow, see `boardnet.value`."""
        points, *others = self.heads(planes)
        return torch.cat([points.flatten(1), *others], dim=1)

    def heads(self, planes: Tensor) -> tuple[Tensor, ...]:
        """Logits of the points, [batch, 1, row, column], and of a pass, [batch, 1]; what a value
        head says of the lead, [batch, 2]."""
        trunk = self.trunk(self.stem(planes.to(self.stem.weight.dtype)))
        return self.answers(self.relu(self.norm(trunk)))

    def answers(self, trunk: Tensor) -> tuple[Tensor, ...]:
        """What the heads make of the trunk's maps, [batch, channel, row, column]."""
        board = global_pool(self.relu(self.overall(trunk)))  # [batch, 2 * head]
        local = self.relu(self.local(trunk) + self.bias(board)[:, :, None, None])
        policy = (self.point(local), self.no_point(board))
        if not self.config.value:
            return policy
        return *policy, self.verdict(global_pool(self.relu(self.judged(trunk))))


class Heads(nn.Module):
    """A network up to where its answers are joined in one row: what `axes.check` can follow."""

    def __init__(self, network: PolicyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, planes: Tensor) -> tuple[Tensor, ...]:
        """planes: [batch, plane, row, column] -> what PolicyNetwork.heads returns."""
        return self.network.heads(planes)
