"""Occlusion: cover each place of an input, and see by how much the score falls."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from common.errors import CommonError
from common.explain import hooks
from common.explain.hooks import Array, Input, Progress, Target
from common.explain.saliency import baseline_of


def occlusion(
    model: nn.Module,
    input: Input,
    target: Target = None,
    *,
    patch: int | Sequence[int] | None = None,
    stride: int | Sequence[int] | None = None,
    fill: float | Input = 0.0,
    batch: int = 64,
    progress: Progress | None = None,
) -> Array:
    """How much of the score goes when a place is covered (Zeiler and Fergus 2014).

    input: [batch, channel, *axes] -> [batch, *axes], the mean fall over all patches that cover a
    place; below zero where covering helps.
    patch, stride: positions, along every axis or one number for each; a seventh of the axis, and
    half of the patch, if not said. A patch at the end of an axis is cut off there.
    fill: what covers, in all channels: a number or an array that fits the input (an empty board).
    batch: covered copies at a time. progress: told the copies done and all of them.
    """
    with hooks.looking(model), torch.no_grad():
        inputs = hooks.tensor(model, input)
        axes = inputs.shape[2:]
        if not axes:
            raise CommonError(f"an input of shape {list(inputs.shape)} has no places to cover")
        patch = [math.ceil(size / 7) for size in axes] if patch is None else patch
        extent = hooks.per_axis(patch, axes, "patch")
        stride = [max(1, size // 2) for size in extent] if stride is None else stride
        step = hooks.per_axis(stride, axes, "stride")
        places = windows(axes, extent, step)
        target = hooks.settled(model, inputs, target)
        whole = hooks.scores(hooks.run(model, inputs), target)  # [batch]
        cover = baseline_of(model, inputs, fill)
        fall = inputs.new_zeros(len(inputs), *axes)
        times = inputs.new_zeros(axes)
        for place in places:
            times[place] += 1
        done, total = 0, len(places) * len(inputs)
        for number in range(len(inputs)):
            for some in hooks.chunks(len(places), batch):
                now = places[some]
                copies = covered(inputs[number], cover[number], now)
                of = torch.full((len(now),), number)
                left = hooks.scores(model(copies), hooks.part_of(target, of))
                for place, lost in zip(now, whole[number] - left, strict=True):
                    fall[number][place] += lost
                done += len(now)
                if progress is not None:
                    progress(done, total)
    if int(times.min()) == 0:
        times = times.clamp(min=1)  # a stride wider than the patch leaves places uncovered: 0
    return hooks.array(fall / times)


def windows(
    axes: Sequence[int], extent: Sequence[int], step: Sequence[int]
) -> list[tuple[slice, ...]]:
    """Where the patches lie, along each axis from its start, the last one reaching its end.

    >>> windows([5], [3], [2])
    [(slice(0, 3, None),), (slice(2, 5, None),)]
    """
    starts = [
        [number * by for number in range(max(0, math.ceil((size - long) / by)) + 1)]
        for size, long, by in zip(axes, extent, step, strict=True)
    ]
    return [
        tuple(slice(at, at + long) for at, long in zip(corner, extent, strict=True))
        for corner in itertools.product(*starts)
    ]


def covered(one: Tensor, cover: Tensor, places: Sequence[tuple[slice, ...]]) -> Tensor:
    """An input [channel, *axes], another place covered in each copy: [place, channel, *axes]."""
    copies = one.repeat(len(places), *[1] * one.ndim)
    for copy, place in zip(copies, places, strict=True):
        copy[(slice(None), *place)] = cover[(slice(None), *place)]
    return copies
