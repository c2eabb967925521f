"""What the tools are tried on: pictures of one and of three channels, and a board's planes."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_explained import Awkward, seeded
from torch import nn

Floats = NDArray[np.float32]


@pytest.fixture(params=[1, 3, 33], ids=["grey", "colour", "board"])
def channels(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def model(channels: int) -> nn.Module:
    return seeded(Awkward, channels)


@pytest.fixture
def batch(channels: int) -> Floats:
    return np.random.default_rng(1).random((2, channels, 19, 13), np.float32)
