"""Saliency: which values of an input an answer hangs on, by gradients.

Each function asks about the score `target` of a model's output, best before any softmax.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from common.errors import CommonError
from common.explain import hooks
from common.explain.hooks import Array, Input, Target


def saliency(
    model: nn.Module, input: Input, target: Target = None, *, absolute: bool = True
) -> Array:
    """|dy/dx|: how much the score changes with each value (Simonyan et al. 2013).

    input: [batch, channel, *axes] -> the same shape. absolute: without the sign.
    """
    with hooks.looking(model):
        found = hooks.input_gradient(model, hooks.tensor(model, input), target)
    return hooks.array(found.abs() if absolute else found)


def smoothgrad(
    model: nn.Module,
    input: Input,
    target: Target = None,
    *,
    samples: int = 50,
    sigma: float = 0.15,
    absolute: bool = True,
    rng: torch.Generator | None = None,
    batch: int = 32,
) -> Array:
    """The mean of `saliency` over noisy copies of the input (Smilkov et al. 2017).

    input: [batch, channel, *axes] -> the same shape. sigma: the noise's deviation, as a share of
    each input's range. rng: on the CPU; the noise is `torch.randn(samples, channel, *axes)` for
    one input after the other; without one it is seeded with 0. batch: copies at a time.
    """
    rng = rng or torch.Generator().manual_seed(0)
    if samples < 1 or sigma < 0:
        raise CommonError(f"samples must be at least 1 and sigma 0, got {samples} and {sigma}")
    with hooks.looking(model):
        inputs = hooks.tensor(model, input)
        target = hooks.settled(model, inputs, target)
        total = torch.zeros_like(inputs)
        for number, one in enumerate(inputs):
            spread = sigma * (one.max() - one.min())
            noise = torch.randn(samples, *one.shape, generator=rng).to(one) * spread
            for some in hooks.chunks(samples, batch):
                of = torch.full((some.stop - some.start,), number)
                found = hooks.input_gradient(model, one + noise[some], hooks.part_of(target, of))
                total[number] += (found.abs() if absolute else found).sum(0)
    return hooks.array(total / samples)


def integrated_gradients(
    model: nn.Module,
    input: Input,
    target: Target = None,
    *,
    baseline: float | Input = 0.0,
    steps: int = 50,
    batch: int = 32,
) -> Array:
    """(x - x0) times the mean gradient on the way from x0 to x (Sundararajan et al. 2017).

    input: [batch, channel, *axes] -> the same shape, adding up to y(x) - y(x0); what is missing
    from that is told by `completeness_gap`. baseline: x0, a number or an array that fits the
    input. steps: points of Gauss-Legendre integration. batch: of them at a time.
    """
    if steps < 1:
        raise CommonError(f"steps must be at least 1, got {steps}")
    points, weights = np.polynomial.legendre.leggauss(steps)
    with hooks.looking(model):
        inputs = hooks.tensor(model, input)
        target = hooks.settled(model, inputs, target)
        start = baseline_of(model, inputs, baseline)
        shares = torch.from_numpy((points + 1) / 2).to(inputs)
        weight = torch.from_numpy(weights / 2).to(inputs)
        mean = torch.zeros_like(inputs)
        rows = torch.arange(len(inputs)).repeat_interleave(steps)  # of input and of step
        columns = torch.arange(steps).repeat(len(inputs))
        for some in hooks.chunks(len(rows), batch):
            row, share = rows[some], shares[columns[some]].view(-1, *[1] * (inputs.ndim - 1))
            between = start[row] + share * (inputs[row] - start[row])
            found = hooks.input_gradient(model, between, hooks.part_of(target, row))
            part = found * weight[columns[some]].view_as(share)
            mean.index_add_(0, row.to(mean.device), part)
    return hooks.array((inputs - start) * mean)


def completeness_gap(
    model: nn.Module,
    input: Input,
    attribution: Array,
    target: Target = None,
    *,
    baseline: float | Input = 0.0,
) -> Array:
    """What integrated gradients miss: y(x) - y(x0) - their sum, [batch]. More steps make it less.

    target, baseline: as they were given to `integrated_gradients`.
    """
    with hooks.looking(model), torch.no_grad():
        inputs = hooks.tensor(model, input)
        target = hooks.settled(model, inputs, target)
        start = baseline_of(model, inputs, baseline)
        rise = hooks.scores(hooks.run(model, inputs), target)
        rise = rise - hooks.scores(hooks.run(model, start), target)
    gap: Array = hooks.array(rise) - attribution.reshape(len(attribution), -1).sum(1)
    return gap


def baseline_of(model: nn.Module, inputs: Tensor, baseline: float | Input) -> Tensor:
    """A number or an array, as an input like the others. Raises CommonError if it does not fit."""
    if isinstance(baseline, int | float):
        return torch.full_like(inputs, float(baseline))
    given = torch.as_tensor(np.asarray(baseline) if not isinstance(baseline, Tensor) else baseline)
    try:
        return given.detach().to(inputs).expand_as(inputs).clone()
    except RuntimeError as error:
        raise CommonError(
            f"what stands for nothing, of shape {list(given.shape)}, does not fit an input of"
            f" {list(inputs.shape)}"
        ) from error


def grad_cam(
    model: nn.Module,
    input: Input,
    target: Target = None,
    *,
    layer: str | None = None,
    relu: bool = True,
    upsample: bool = True,
) -> Array:
    """ReLU of a layer's maps, weighted by their mean gradients (Selvaraju et al. 2017).

    input: [batch, channel, *axes] -> [batch, *axes]; at the layer's own size if not `upsample`.
    layer: the last convolution if none is named. relu: only what speaks for the target.
    """
    with hooks.looking(model):
        inputs = hooks.tensor(model, input)
        name = layer or last_convolution(model)
        with hooks.recording(model, [name]) as outputs:
            # A gradient is wanted even where no weight before the layer asks for one.
            score = hooks.scores(hooks.run(model, inputs.requires_grad_()), target)
        maps = hooks.recorded(outputs, name)  # [batch, channel, *axes]
        if maps.ndim != inputs.ndim or maps.ndim < 3:
            raise CommonError(f"layer {name!r} gives {list(maps.shape)}, which is no map: name one")
        slopes = hooks.gradient(score, maps, f"layer {name!r}")
        axes = tuple(range(2, maps.ndim))
        heat = (slopes.mean(axes, keepdim=True) * maps).sum(1, keepdim=True)
        heat = heat.relu() if relu else heat
        heat = hooks.resized(heat, inputs.shape[2:]) if upsample else heat
    return hooks.array(heat[:, 0])


def last_convolution(model: nn.Module) -> str:
    """The name of the last convolution. Raises CommonError if there is none."""
    kinds = nn.Conv1d | nn.Conv2d | nn.Conv3d
    names: list[str] = [
        name for name, part in model.named_modules() if isinstance(part, kinds) and name
    ]
    if not names:
        raise CommonError("the model has no convolution with a name: name a layer that gives maps")
    return names[-1]
