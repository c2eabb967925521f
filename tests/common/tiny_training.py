"""A training run of a second, for the tests; as a program, one that can be killed.

python tiny_training.py FOLDER '{"config": {...}, "die": ["loss", 3]}'
die: where the process is to kill itself: ["loss", n] in call n (from 0) of the loss function,
["write", n] in write n of a file of a checkpoint, half of it written, ["validate", n]; then, if
given, the signal instead of SIGKILL, and the rank of the process that does so instead of 0.
A third element is another signal than SIGKILL, a fourth the only rank that gets it.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from common import checkpoint
from common.config import TrainConfig
from common.trainer import Stopped, Trainer

SMALL: dict[str, Any] = {
    "steps": 12, "optimizer": "muon", "warm_up": 2, "peak_rate": 3e-3, "validate_every": 5,
    "log_every": 4, "best": "accuracy", "checkpoint_every": 0.0,
}  # fmt: skip


def network(*, plain: bool = False, norm: bool = False) -> nn.Module:
    """plain: without batch norm and dropout, whose results depend on how a batch is cut; norm:
    batch norm of the planes themselves, and little else."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if norm:
            return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(50), nn.Linear(50, 2))
        middle = [] if plain else [nn.BatchNorm2d(16), nn.Dropout(0.2)]
        return nn.Sequential(
            nn.Conv2d(2, 16, 3, padding=1),
            *middle,
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 2),
        )


def batches(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of two planes has more stones: uint8 [16, 2, 5, 5], int64 [16]."""
    planes = np.random.default_rng(index).integers(0, 2, (16, 2, 5, 5), np.uint8)
    more = planes[:, 0].sum((1, 2)) > planes[:, 1].sum((1, 2))
    return planes, more.astype(np.int64)


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    planes, wanted = batch
    answer = model(planes.float()).float()
    right = (answer.argmax(dim=1) == wanted).float().mean()
    return nn.functional.cross_entropy(answer, wanted), {"accuracy": right}


def validate(model: nn.Module) -> dict[str, float]:
    pairs = zip(*(batches(10**6 + index) for index in range(8)), strict=True)
    planes, wanted = (torch.from_numpy(np.concatenate(parts)) for parts in pairs)
    return {"accuracy": (model(planes.float()).argmax(dim=1) == wanted).double().mean().item()}


def dying(function: Any, *, after: int, number: int = signal.SIGKILL) -> Any:
    """The function, but call number `after` (from 0) kills the process instead."""
    left = [after]

    def call(*arguments: Any, **named: Any) -> Any:
        if left[0] == 0:
            if function is checkpoint._write:
                arguments[0].write_bytes(arguments[1][: len(arguments[1]) // 2])
            os.kill(os.getpid(), number)
        left[0] -= 1
        return function(*arguments, **named)

    return call


def main(folder: str, options: dict[str, Any]) -> None:
    """Train, and end the process as the command of a product would."""
    os.environ.update(options.get("environ", {}))
    config = TrainConfig(**{**SMALL, **options.get("config", {})})
    parts = {"loss": loss, "validate": validate, "write": checkpoint._write}
    if "die" in options:
        what, after, *rest = options["die"]
        number, rank = [*rest, *[signal.SIGKILL, None][len(rest) :]]
        if rank is None or int(os.environ["RANK"]) == rank:
            parts[what] = dying(parts[what], after=after, number=number)
    checkpoint._write = parts["write"]  # type: ignore[assignment]
    trainer = Trainer(
        network(plain=options.get("plain", False), norm=options.get("norm", False)),
        parts["loss"],
        batches,
        config,
        Path(folder),
        validate=parts["validate"],
    )
    try:
        trainer.run()
    except Stopped as stopped:
        sys.exit(stopped.status)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
