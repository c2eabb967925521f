"""Filters: what the first layer looks for, and what any layer sees of an input."""

from __future__ import annotations

import torch
from torch import nn

from common.errors import CommonError
from common.explain import hooks
from common.explain.hooks import Array, Input

_KINDS = nn.Conv1d | nn.Conv2d | nn.Conv3d


def filters(model: nn.Module, layer: str | None = None) -> Array:
    """The weights of a convolution's filters: [filter, channel, *kernel].

    layer: the first convolution if none is named. Those of the first layer have the input's
    channels, so that they can be drawn as pictures; `drawing.sheet` does.
    """
    if layer is None:
        name, part = first_convolution(model)
    else:
        name, part = layer, hooks.layer(model, layer)
    if not isinstance(part, _KINDS):
        raise CommonError(f"layer {name!r} is a {type(part).__name__}, which has no filters")
    return hooks.array(part.weight.clone())


def first_convolution(model: nn.Module) -> tuple[str, nn.Module]:
    """Its name and itself. Raises CommonError if there is none."""
    for name, part in model.named_modules():
        # A learnt change of colours in front of the network is not a pattern.
        if isinstance(part, _KINDS) and max(part.kernel_size) > 1:
            return name, part
    raise CommonError("the model has no convolution with filters larger than one position")


def feature_maps(model: nn.Module, input: Input, layer: str) -> Array:
    """What a layer makes of an input, [batch, channel, *axes] -> [batch, filter, *axes].

    Any layer will do; a dense one gives [batch, neuron].
    """
    with hooks.looking(model), torch.no_grad(), hooks.recording(model, [layer]) as outputs:
        hooks.run(model, hooks.tensor(model, input))
    return hooks.array(hooks.recorded(outputs, layer))
