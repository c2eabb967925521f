"""A small network that the tools of `explain` have to cope with, as people's own models are."""

import torch
from torch import Tensor, nn


class Awkward(nn.Module):
    """What people's own models are like: nested, one ReLU used twice and in place, dropout."""

    def __init__(self, channels: int, axes: int = 2) -> None:
        super().__init__()
        kind = {1: nn.Conv1d, 2: nn.Conv2d}[axes]
        norm = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}[axes]
        self.first = kind(channels, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.block = nn.Sequential(norm(6), kind(6, 8, 3, padding=1))
        self.dropout = nn.Dropout(0.5)
        self.dense = nn.Linear(8, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        maps = self.relu(self.block(self.relu(self.first(inputs))))
        logits: Tensor = self.dense(self.dropout(maps.flatten(2).mean(2)))
        return logits


def seeded(make: type[nn.Module], *args: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make(*args)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean = torch.linspace(-0.5, 0.5, part.num_features)
            part.running_var = torch.linspace(0.5, 2, part.num_features)
    return model
