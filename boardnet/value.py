"""Value: who is winning, from what the network says of the lead.

The network sees the board but not the komi. It answers with two numbers, the lead of the player to
move in tens of points and how unsure that is; with the komi they give the chance to win,

    logit = (lead + komi) / width,    width = 1 + 10 softplus(unsure),

komi from the side of the player to move. So one answer serves every komi, and what is learnt from
won and lost games alone is, too, an estimate of the lead. Plain numpy here; torch for training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.floating]
POINTS = 10.0  # that the network's unit of a lead has


def win_logit(said: Tensor, komi: Tensor) -> Tensor:
    """said: [position, 2]. komi: [position], points given to the player to move -> [position]."""
    from torch.nn import functional

    width = 1 + POINTS * functional.softplus(said[:, 1])
    logit: Tensor = (POINTS * said[:, 0] + komi) / width
    return logit


def winrate(said: Floats, komi: Floats, temperature: float = 1.0) -> Floats:
    """The same in numpy, as a chance, 0 to 1. temperature: what the logit is divided by."""
    width = 1 + POINTS * np.logaddexp(0, said[:, 1])
    logit = (POINTS * said[:, 0] + komi) / width / temperature
    chance: Floats = 1 / (1 + np.exp(-logit))
    return chance
