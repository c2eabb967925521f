"""Intervals: how far the truth may be from what was counted, at 95% if nothing else is said."""

from __future__ import annotations

import math


def poisson(events: int, share: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval for the mean of a Poisson count (Garwood 1936).

    >>> [round(end, 2) for end in poisson(3)]
    [0.62, 8.77]
    """
    from scipy.stats import chi2

    rest = (1 - share) / 2
    low = float(chi2.ppf(rest, 2 * events)) / 2 if events else 0.0
    return low, float(chi2.isf(rest, 2 * events + 2)) / 2


def poisson_bound(events: int, share: float = 0.95) -> float:
    """What the mean of a Poisson count stays below, one-sided; of none, 3.0 ("rule of three")."""
    from scipy.stats import chi2

    return float(chi2.ppf(share, 2 * events + 2)) / 2


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95% interval of a share of `count` (Wilson 1927, "Probable inference ...").

    >>> [round(end, 3) for end in wilson(0.5, 10)]
    [0.237, 0.763]
    """
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)
