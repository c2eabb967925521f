"""Schedules: how large a step the optimizer takes, and how long the averaged weights remember.

Pure functions of the step; no torch and no state here, so that a resumed run needs nothing but
its step to go on exactly.
"""

import math
from typing import Literal, get_args

Shape = Literal["cosine", "trapezoid"]
SHAPES: tuple[str, ...] = get_args(Shape)


def share_of_peak(
    step: int, *, shape: Shape, steps: int, warm_up: int, decay_share: float
) -> float:
    """The learning rate of a step as a share of the peak rate, in (0, 1].

    Both shapes climb in a straight line over the first `warm_up` steps. Then "cosine" falls along
    half a cosine to the end, while "trapezoid" stays at 1 and falls in a straight line over the
    last `decay_share` of all steps (Hagele et al. 2024, arXiv:2405.18392: as good as cosine, and
    the length of the run need not be known before the decay begins).
    step: 0 <= step < steps. The rate is never 0: the last step still does something.

    >>> trapezoid = dict(shape="trapezoid", steps=10, warm_up=2, decay_share=0.4)
    >>> [round(share_of_peak(step, **trapezoid), 2) for step in range(10)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2]
    """
    if step < warm_up:
        return (step + 1) / warm_up
    if shape == "cosine":
        done = (step - warm_up) / max(1, steps - warm_up)
        return 0.5 * (1.0 + math.cos(math.pi * done))
    decay = max(1, round(steps * decay_share))
    # One more than there are steps in the decay: its first step is already below the peak.
    return min(1.0, (steps - step) / (decay + 1))


def average_decay(step: int, decay: float) -> float:
    """How much of the averaged weights is kept at a step: `decay`, less at the start.

    The warm-up min(decay, (1 + step) / (10 + step)), as in TensorFlow's ExponentialMovingAverage,
    lets the average forget the random weights that it began with.

    >>> [round(average_decay(step, 0.99), 2) for step in (0, 10, 100, 10_000)]
    [0.1, 0.55, 0.92, 0.99]
    """
    return min(decay, (1 + step) / (10 + step))
