"""Learning: an experiment's network, trained by `common.Trainer` in a folder that goes away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor, nn

from common.config import TrainConfig
from common.trainer import Trainer

Loss = Callable[[nn.Module, Any], tuple[Tensor, dict[str, Tensor]]]


def learnt(
    network: nn.Module, loss: Loss, batches: Callable[[int], Any], steps: int, **settings: Any
) -> nn.Module:
    """The network after so many steps, with averaged weights, ready to answer.

    AdamW, its rate rising for a twentieth of the steps and falling to nothing along a cosine.
    """
    usual: dict[str, Any] = {
        "peak_rate": 1e-3, "warm_up": steps // 20, "ema": 0.99, "weight_decay": 0.01,
    }  # fmt: skip
    config = TrainConfig(steps=steps, **{**usual, **settings}, checkpoint_every=3600)
    with TemporaryDirectory() as folder:
        return Trainer(network, loss, batches, config, Path(folder)).run().network.eval()


def size(network: nn.Module) -> int:
    """How many weights a network has."""
    return sum(parameter.numel() for parameter in network.parameters())
