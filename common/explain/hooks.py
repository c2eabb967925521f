"""Hooks: how the tools of this package look into a model, and leave it as they found it.

Any torch module will do. What is looked at runs as for inference, with gradients where they are
needed; nothing is moved between devices but the input. No pictures here.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from common.errors import CommonError

Array = NDArray[np.float32]
Input = ArrayLike | Tensor
Target = int | Sequence[int] | Tensor | Callable[[Any], Tensor] | None
"""What of a model's output is asked about, for each input of the batch.

An index into the output (flattened, if it has several axes), one for all or one for each input;
None, the output's highest; or a function of what the model returns that gives [batch].
"""
Progress = Callable[[int, int], None]  # called with what is done, and with all there is to do


@contextmanager
def looking(model: nn.Module) -> Iterator[None]:
    """Inference mode of every part, and gradients on, until the end of the block or an exception.

    Gradients are only ever taken with respect to inputs, so that parameters and their `grad` are
    not touched.
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = False
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def tensor(model: nn.Module, values: Input) -> Tensor:
    """An input as the model takes it: a new float tensor on its device, in its precision.

    values: [batch, channel, *axes] or [batch, feature].
    Raises CommonError if it is not a batch of numbers.
    """
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    if not isinstance(values, Tensor):
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise CommonError(f"an input is an array of numbers, got one of {array.dtype}")
        values = torch.from_numpy(np.ascontiguousarray(array))
    if values.ndim < 2 or values.numel() == 0:
        raise CommonError(
            "an input is a batch, [batch, channel, *axes], with at least one value in it; got the"
            f" shape {list(values.shape)}"
        )
    return values.detach().to(like.device, like.dtype, copy=True)


def array(values: Tensor) -> Array:
    """Back to numpy, in fp32."""
    result: Array = values.detach().to("cpu", torch.float32).numpy()
    return result


def layer(model: nn.Module, name: str) -> nn.Module:
    """The part of a model with this dotted name ("features.3.squeeze").

    Raises CommonError naming those that exist.
    """
    names: dict[str, nn.Module] = dict(model.named_modules())
    names.pop("", None)
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name, names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    listed = ", ".join(names) or "none: it is a single layer"
    raise CommonError(f"the model has no layer {name!r}{hint} Its layers: {listed}")


@contextmanager
def recording(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """The outputs of layers, by name, filled in whenever the model runs inside the block.

    The next layer gets a copy, so that one that works in place does not change what was recorded,
    and gradients flow through it. A layer that runs several times shows its last.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str, module: nn.Module, inputs: object, output: object) -> Tensor:
        if not isinstance(output, Tensor):
            kind = type(output).__name__
            raise CommonError(f"layer {name!r} gives a {kind}, not a tensor: name a part of it")
        outputs[name] = output
        return output.clone()

    with ExitStack() as stack:
        for name in names:
            stack.enter_context(layer(model, name).register_forward_hook(partial(keep, name)))
        yield outputs


def recorded(outputs: dict[str, Tensor], name: str) -> Tensor:
    """One of the outputs. Raises CommonError if the layer took no part in the answer."""
    if name not in outputs:
        raise CommonError(f"layer {name!r} did not run for this input: name another")
    return outputs[name]


def run(model: nn.Module, inputs: Tensor) -> Any:
    """The model's answer. A copy goes in: a first layer that works in place may spoil it.

    Raises CommonError if the model does not take such an input: too small, or other channels.
    """
    try:
        return model(inputs.clone())
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        why = str(error).partition("\n")[0]
        raise CommonError(
            f"the model cannot take an input of shape {list(inputs.shape)}: {why}"
        ) from error


def scores(output: Any, target: Target) -> Tensor:
    """The numbers asked about: [batch]. Raises CommonError if there are none such."""
    if callable(target) and not isinstance(target, Tensor):
        found = target(output)
        if found.ndim != 1:
            raise CommonError(f"a target function gives [batch], got {list(found.shape)}")
        return found
    flat = flattened(output)
    chosen = indices(flat, target)
    return flat.gather(1, chosen[:, None])[:, 0]


def flattened(output: Any) -> Tensor:
    """The output as [batch, value]."""
    if not isinstance(output, Tensor):
        raise CommonError(
            f"the model gives a {type(output).__name__}, not a tensor: pass a function as the"
            " target that makes one number an input of it"
        )
    return output.flatten(1) if output.ndim > 1 else output[:, None]


def indices(flat: Tensor, target: int | Sequence[int] | Tensor | None) -> Tensor:
    """Which value of each row is asked about: int64 [batch]."""
    if target is None:
        return flat.argmax(1)
    chosen = _one_each(target, len(flat)).to(flat.device)
    wrong = chosen[(chosen < 0) | (chosen >= flat.shape[1])]
    if len(wrong):
        last = flat.shape[1] - 1
        raise CommonError(f"there is no output {int(wrong[0])}: they go from 0 to {last}")
    return chosen


def _one_each(target: int | Sequence[int] | Tensor, inputs: int) -> Tensor:
    """An index for each of so many inputs: int64 [input]."""
    try:
        chosen = torch.as_tensor(target)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CommonError(f"a target is an index, or one index an input, not {target}") from error
    if chosen.dtype.is_floating_point or chosen.dtype == torch.bool or chosen.ndim > 1:
        raise CommonError("a target is an index, or one index an input")
    if chosen.ndim == 1 and len(chosen) != inputs:
        raise CommonError(f"there are {len(chosen)} targets for {inputs} inputs")
    return chosen.long().expand(inputs)


def settled(model: nn.Module, inputs: Tensor, target: Target) -> Target:
    """The same target whatever is done to the inputs: None becomes what is highest now."""
    if target is None:
        with torch.no_grad():
            return indices(flattened(run(model, inputs)), None)
    if isinstance(target, Tensor | Sequence):
        return _one_each(target, len(inputs))
    return target


def part_of(target: Target, rows: Tensor) -> Target:
    """The targets of some inputs of a batch. rows: int64 [part], indices of inputs."""
    if isinstance(target, Tensor) and target.ndim == 1:
        return target[rows.to(target.device)]
    return target


def gradient(score: Tensor, wanted: Tensor, what: str = "the input") -> Tensor:
    """d(sum of scores) / d(wanted). Raises CommonError if the scores do not depend on it."""
    if not score.requires_grad:
        raise CommonError(f"the score does not depend on {what}: no gradient reaches it")
    (found,) = torch.autograd.grad(score.sum(), wanted, allow_unused=True)
    if found is None:
        raise CommonError(f"the score does not depend on {what}: no gradient reaches it")
    return found


def input_gradient(model: nn.Module, inputs: Tensor, target: Target) -> Tensor:
    """dy/dx, the shape of the inputs [batch, channel, *axes]."""
    watched = inputs.detach().requires_grad_()
    return gradient(scores(run(model, watched), target), watched)


def chunks(total: int, size: int) -> Iterator[slice]:
    """`total` things, at most `size` at a time."""
    if size < 1:
        raise CommonError(f"batch must be at least 1, got {size}")
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))


def resized(maps: Tensor, axes: Sequence[int]) -> Tensor:
    """Maps [batch, channel, *axes] at another size, linearly between their values."""
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}.get(len(axes))
    if mode is None or maps.ndim != len(axes) + 2:
        raise CommonError(f"maps of shape {list(maps.shape)} cannot be made {list(axes)} large")
    return nn.functional.interpolate(maps, tuple(axes), mode=mode, align_corners=False)


def per_axis(value: int | Sequence[int], axes: Sequence[int], what: str) -> tuple[int, ...]:
    """One whole number, at least 1, for each axis of an input."""
    found = (value,) * len(axes) if isinstance(value, int) else tuple(value)
    if len(found) != len(axes) or min(found, default=1) < 1:
        raise CommonError(
            f"{what} is a number from 1 for each of the input's {len(axes)} axes, got {value}"
        )
    return found


def weighted(model: nn.Module, input: Input) -> list[str]:
    """The parts with weights of their own that run for an input, in order, whatever they give; the
    model itself, if it is one, is "".

    >>> weighted(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), np.zeros((1, 1, 8, 8)))
    ['0']
    """
    ran: dict[str, None] = {}

    def keep(name: str, part: nn.Module, inputs: object, output: object) -> None:
        if next(part.parameters(recurse=False), None) is not None:
            ran[name] = None

    _run_watched(model, input, keep)
    return list(ran)


def layers(model: nn.Module, input: Input) -> dict[str, tuple[int, ...]]:
    """The layers that run for an input, in order, and the shapes of what they give.

    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    >>> layers(model, np.zeros((1, 1, 8, 8)))
    {'0': (1, 4, 6, 6), '1': (1, 4, 6, 6)}
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def keep(name: str, part: nn.Module, inputs: object, output: object) -> None:
        if name and isinstance(output, Tensor):
            shapes[name] = tuple(output.shape)

    _run_watched(model, input, keep)
    return shapes


def _run_watched(
    model: nn.Module, input: Input, keep: Callable[[str, nn.Module, object, object], None]
) -> None:
    """Run a model once; `keep` is called for each part, the model itself with the name "", when it
    has run: name, part, inputs, output."""
    with looking(model), torch.no_grad(), ExitStack() as stack:
        for name, part in model.named_modules():
            stack.enter_context(part.register_forward_hook(partial(keep, name)))
        run(model, tensor(model, input))
