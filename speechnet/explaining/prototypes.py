"""Prototypes: what the network waits for, whatever it is given to hear.

For a word, the spectrogram that it takes for it before all others; for a filter of its first layer,
the pattern over neighbouring bands that it answers to. By `common.explain`, unchanged; torch is
needed here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from torch import Tensor, nn

from common import explain
from common.explain import Ascent
from common.explain.hooks import Progress
from common.warp import Warp
from speechnet.explaining.explain import Explainer, Floats, Heard
from speechnet.sound.spectrogram import FrontEnd
from speechnet.sound.windows import WINDOW
from speechnet.training.sampling import band_centres

LOUDEST = 2.5
"""Deviations above a band's mean to which is drawn what the network waits for: in real clips one
cell of 250 is louder. The network has counted both as it learnt."""

BLOT = (0.8, 1.2)
"""Deviations, in bands and frames, of the blots that it is drawn with."""

DRAWING = Ascent(
    steps=150, rate=0.03, l1=0.15,
    bend=Warp(scale=0.1, stretch=0.15, shift=0.05, elastic=0.02),
)  # fmt: skip
"""How it is looked for: with little sound, and so that it may come sooner or later, higher or
lower, faster or slower. Chosen by eye, so that a person sees formants."""

PATTERNS = (
    (
        ("loud", "quiet"),
        ("louder below", "louder above"),
        ("dip", "peak"),
        ("stripes", "stripes"),
    ),
    (
        ("rising", "falling"),
        ("rising below", "rising above"),
        ("falling within", "rising within"),
        ("rising stripes", "rising stripes"),
    ),
    (
        ("lull", "burst"),
        ("lull below", "lull above"),
        ("burst within", "lull within"),
        ("short stripes", "short stripes"),
    ),
)
"""What a filter answers to: by the plane that most of it is about (how loud a band is, how it
rises, how it bends), the strongest cosine there (no wave over its bands, half a wave, a whole one,
more) and this one's sign."""


class Drawn(nn.Module):
    """Log-odds of what is drawn, with soft blots, on a canvas.

    0 is quiet and 1 as loud as speech gets in a band. Towards both ends of the second it fades
    away, or the word would cling to one of them, where less speaks against it.
    """

    def __init__(self, heard: Heard, front: FrontEnd) -> None:
        super().__init__()
        self.heard, self.quiet = heard, float(np.log(front.floor))
        level = heard.network.frames.level
        assert level.running_mean is not None
        assert level.running_var is not None
        frames = front.frames(WINDOW)
        self.loud = (level.running_mean + LOUDEST * level.running_var.sqrt())[:, None]
        self.up, self.across = _blots(front.bands, BLOT[0]), _blots(frames, BLOT[1])
        self.fade = torch.hann_window(frames + 2, periodic=False)[1:-1].sqrt()

    def spectrogram(self, canvas: Tensor) -> Tensor:
        """canvas: [batch, 1, band, frame], from 0 to 1. Returns log-powers of the same shape."""
        drawn = self.up @ canvas @ self.across.T * self.fade
        return self.quiet + drawn * (self.loud - self.quiet)

    def forward(self, canvas: Tensor) -> Tensor:
        """Log-odds of each class."""
        odds: Tensor = self.heard(self.spectrogram(canvas))
        return odds


def _blots(size: int, deviation: float) -> Tensor:
    """A matrix that makes a blot of each point, [place, point], which add up to at most 1."""
    place = torch.arange(size, dtype=torch.float32)
    blots = torch.exp(-((place[:, None] - place) ** 2) / (2 * deviation**2))
    return blots / blots.sum(dim=1).max()


def maximize(
    explainer: Explainer,
    words: list[str],
    how: Ascent = DRAWING,
    *,
    progress: Progress | None = None,
) -> Floats:
    """The spectrograms that the network takes for these words before all others: log-powers,
    [word, band, frame]. Raises SpeechnetError for a word that it does not know."""
    drawn = Drawn(explainer.heard, explainer.front).eval()
    empty = np.zeros((1, 1, explainer.front.bands, explainer.front.frames(WINDOW)), np.float32)
    numbers = [explainer.number(word) for word in words]
    found = explain.maximize(drawn, empty, numbers, how=how, progress=progress)
    with torch.no_grad():
        return np.asarray(drawn.spectrogram(torch.from_numpy(found))[:, 0].numpy())


def filters(explainer: Explainer) -> list[Filter]:
    """Those of the first layer, alike ones beside each other: by what they are about, the
    pattern's half waves, its kind and its share."""
    layer = explain.filters(explainer.heard, "network.frames.stem")[:, :, :, 0]
    levels = explainer.heard.network.frames.place.detach().numpy()[0, :, :, 0]
    hertz = band_centres(explainer.front)[::2]  # the layer stands on every second band
    found = [
        Filter(number, weights, levels[number], hertz, *pattern(weights))
        for number, weights in enumerate(layer)
    ]
    return sorted(found, key=lambda one: (one.about, min(one.order, 3), one.kind, -one.share))


@dataclass(frozen=True, eq=False)
class Filter:
    """A filter of the first layer.

    number: in the layer, from 0. weights: [plane, band], of neighbouring bands, the lowest first:
    how loud they are, how they rise, how they bend. levels: [place], what its channel starts from
    along the spectrum, at the middles `hertz`. about: the plane with most of its power.
    kind: of PATTERNS, what it answers to there; order: how many half waves that has.
    share: of the power in that plane, that this pattern has.
    """

    number: int
    weights: Floats
    levels: Floats
    hertz: NDArray[np.float64]
    about: int
    kind: str
    order: int
    share: float

    @property
    def strongest(self) -> float:
        """Hz, where the level is highest, smoothed over three places."""
        padded = np.pad(self.levels, 1, mode="edge")
        return float(self.hertz[int(np.convolve(padded, np.ones(3), "valid").argmax())])


def pattern(weights: Floats) -> tuple[int, str, int, float]:
    """What a filter [plane, band] answers to: the plane that it is about, and there its kind, of
    how many half waves, and their share.

    >>> pattern(np.array([[-1, 0, 2, 0, -1], [0, 1, 1, 0, 0]], np.float32))[:3]
    (0, 'peak', 2)
    """
    about = int((weights**2).sum(axis=1).argmax())
    waves = fft.dct(weights[about].astype(np.float64), norm="ortho")
    order = int(np.abs(waves).argmax())
    share = float(waves[order] ** 2 / max(1e-12, (waves**2).sum()))
    kinds = PATTERNS[about][min(order, len(PATTERNS[about]) - 1)]
    return about, kinds[int(waves[order] < 0)], order, share
