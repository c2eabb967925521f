"""Scores: whether a map of what matters is any good.

Take away what a map says matters and the answer should go soon (deletion); bring it back and the
answer should come soon (insertion; Petsiuk et al. 2018). A random order scores too, so it always
stands beside. And a map that stays the same when the weights are made random shows the input, not
the model (Adebayo et al. 2018).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from common.errors import CommonError
from common.explain import hooks
from common.explain.hooks import Array, Input
from common.explain.saliency import baseline_of


@dataclass(frozen=True)
class Curve:
    """How likely the answer is as more and more of the places are changed.

    share: [step], of the places, 0 to 1. chance: [batch, step]. area: [batch], under the curve.
    """

    share: Array
    chance: Array
    area: Array


def probability(output: Tensor) -> Tensor:
    """Logits [batch, *any] to probabilities [batch, value]."""
    return output.flatten(1).softmax(1)


def deletion(
    model: nn.Module,
    input: Input,
    map: ArrayLike,
    target: int | Tensor | None = None,
    *,
    steps: int = 28,
    fill: float | Input = 0.0,
    chance: Callable[[Tensor], Tensor] = probability,
) -> Curve:
    """Cover places, what matters most first. A good map has a small area.

    input: [batch, channel, *axes]. map: [batch, *axes], or of the input's shape (then channels are
    added up, without sign). fill: what stands for nothing. chance: output -> [batch, value].
    """
    with hooks.looking(model), torch.no_grad():
        inputs = hooks.tensor(model, input)
        nothing = baseline_of(model, inputs, fill)
        return _curve(model, inputs, inputs, nothing, map, target, steps, chance)


def insertion(
    model: nn.Module,
    input: Input,
    map: ArrayLike,
    target: int | Tensor | None = None,
    *,
    steps: int = 28,
    start: Input | None = None,
    chance: Callable[[Tensor], Tensor] = probability,
) -> Curve:
    """Uncover places, what matters most first. A good map has a large area.

    start: what is there before, an array that fits the input; the input `blurred` if not said.
    """
    with hooks.looking(model), torch.no_grad():
        inputs = hooks.tensor(model, input)
        nothing = blurred(inputs) if start is None else baseline_of(model, inputs, start)
        return _curve(model, inputs, nothing, inputs, map, target, steps, chance)


def _curve(
    model: nn.Module,
    inputs: Tensor,
    before: Tensor,
    after: Tensor,
    map: ArrayLike,
    target: int | Tensor | None,
    steps: int,
    chance: Callable[[Tensor], Tensor],
) -> Curve:
    if steps < 1:
        raise CommonError(f"steps must be at least 1, got {steps}")
    order = _order(inputs, map)  # [batch, place]
    chosen = hooks.settled(model, inputs, target)
    share = np.linspace(0, 1, steps + 1, dtype=np.float32)
    places = order.shape[1]
    edges = [round(step * places / steps) for step in range(steps + 1)]
    chances = []
    now = before.flatten(2).clone()
    for start, end in pairwise([0, *edges]):
        some = order[:, start:end]
        index = some[:, None].expand(-1, now.shape[1], -1)
        now.scatter_(2, index, after.flatten(2).gather(2, index))
        output = model(now.view_as(inputs).clone())
        chances.append(hooks.scores(chance(output), chosen))
    found = hooks.array(torch.stack(chances, 1))
    area = np.trapezoid(found, share, axis=1)
    return Curve(share, found, np.asarray(area, np.float32))


def _order(inputs: Tensor, map: ArrayLike) -> Tensor:
    """Places, what matters most first: int64 [batch, place]."""
    values = torch.as_tensor(np.asarray(map), device=inputs.device)
    if values.shape == inputs.shape:
        values = values.abs().sum(1)
    if values.shape != (len(inputs), *inputs.shape[2:]):
        raise CommonError(
            f"a map of shape {list(values.shape)} does not fit an input of {list(inputs.shape)}"
        )
    order: Tensor = values.flatten(1).argsort(stable=True, dim=1, descending=True)
    return order


def blurred(inputs: Tensor, sigma: float | None = None) -> Tensor:
    """Smoothed along every axis by a Gaussian. sigma: positions; a 30th of each axis if not said.

    inputs: [batch, channel, *axes] -> the same shape.
    """
    for axis in range(2, inputs.ndim):
        size = inputs.shape[axis]
        wide = sigma or size / 30
        place = torch.arange(size, device=inputs.device, dtype=inputs.dtype)
        weight = torch.exp(-((place[:, None] - place) ** 2) / (2 * wide**2))
        weight = weight / weight.sum(1, keepdim=True)
        inputs = (inputs.movedim(axis, -1) @ weight.T).movedim(-1, axis)
    return inputs


def judge(
    model: nn.Module,
    input: Input,
    maps: Mapping[str, ArrayLike],
    target: int | Tensor | None = None,
    *,
    steps: int = 28,
    fill: float | Input = 0.0,
    start: Input | None = None,
    rng: torch.Generator | None = None,
) -> dict[str, tuple[float, float]]:
    """Deletion and insertion areas of maps, mean over the batch, and of a "random order".

    fill, start: what stands for nothing in `deletion` and in `insertion`.
    """
    rng = rng or torch.Generator().manual_seed(0)
    shape = hooks.tensor(model, input).shape
    random = torch.rand((shape[0], *shape[2:]), generator=rng).numpy()
    rows = {}
    for name, map in {**maps, "random order": random}.items():
        out = deletion(model, input, map, target, steps=steps, fill=fill)
        back = insertion(model, input, map, target, steps=steps, start=start)
        rows[name] = (float(out.area.mean()), float(back.area.mean()))
    return rows


def sanity(
    model: nn.Module,
    input: Input,
    method: Callable[[nn.Module], ArrayLike],
    *,
    rng: torch.Generator | None = None,
) -> dict[str, float]:
    """How alike a method's map stays as layers are made random, from the last to the first.

    method: a model -> its map, with a fixed target: `lambda m: saliency(m, input, 3)`.
    Returns, by layer, the rank correlation of the map with the first one when this layer and all
    behind it are random. A method that shows what the model learnt falls towards 0.
    Raises CommonError if no part of the model that runs has weights.
    """
    rng = rng or torch.Generator().manual_seed(0)
    ran = hooks.weighted(model, input)
    if not ran:
        raise CommonError("nothing that runs in the model has weights to make random")
    before = np.asarray(method(model))
    with torch.inference_mode(False), torch.no_grad():
        spoilt = copy.deepcopy(model)
    found = {}
    for name in reversed(ran):
        with torch.inference_mode(False), torch.no_grad():
            for values in spoilt.get_submodule(name).parameters(recurse=False):
                deviation = float(values.float().std(correction=0))
                noise = torch.randn(values.shape, generator=rng) * deviation
                # The same mean, or a norm's scales of about 1 would silence the network.
                values.copy_(noise.to(values) + values.mean())
        found[name] = rank_correlation(before, np.asarray(method(spoilt)))
    return found


def rank_correlation(one: ArrayLike, other: ArrayLike) -> float:
    """Spearman's, from -1 to 1; 0 where one of them is the same everywhere.

    >>> round(rank_correlation([1, 2, 9], [10, 20, 30]), 6)
    1.0
    """
    ranks = [_ranks(np.asarray(values).ravel()) for values in (one, other)]
    centred = [rank - rank.mean() for rank in ranks]
    size = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float(centred[0] @ centred[1]) / size if size else 0.0


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks; equal values share the mean of theirs."""
    _, which, times = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(times)
    ranks: NDArray[np.float64] = (last - (times - 1) / 2)[which]
    return ranks
