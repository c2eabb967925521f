"""Tracing: follows an input's axes through the operators that really run in a forward pass.

`axes.check` stands on this. Operators that look along an axis or shorten it are held against
the declaration, whether a layer or a function called them (`common.operators`). One through which
an axis cannot be followed proves nothing, and is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from common.declaration import Declaration
from common.errors import CommonError
from common.operators import Call, Dims, Part, Unknown, Window, plain, tensors


def follow(module: nn.Module, declaration: Declaration, example: Sequence[Tensor]) -> list[Window]:
    """Run `module(*example)` and hold what runs against the declaration: see `axes.check`."""
    tracer = Tracer(declaration, type(module).__name__)
    for tensor in example:
        tracer.enter(tensor)
    if not tracer.sizes:
        raise CommonError(
            f"no tensor of the example is [batch, channel, {', '.join(declaration.axes)}]"
        )
    watching = _naming(module, tracer.layers)
    with _evaluating(module), watching, torch.no_grad(), tracer, Recurrences(tracer):
        outcome = module(*example)
    if not all(id(tensor) in tracer.known for tensor in tensors(outcome)):
        raise CommonError(f"{tracer.layers[0]} answers with what does not come from its input")
    return tracer.seen


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def _naming(module: nn.Module, layers: list[str]) -> Iterator[None]:
    """Keep in `layers` the names of the modules that are running, the innermost last."""
    handles = []
    for name, part in module.named_modules():
        if name:
            handles.append(part.register_forward_pre_hook(lambda *_, n=name: layers.append(n)))
            handles.append(part.register_forward_hook(lambda *_: layers.pop() and None))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operator below autograd, with all functions taken apart into operators."""

    def __init__(self, declaration: Declaration, network: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.declaration = declaration
        self.layers = [network]
        self.sizes: dict[str, int] = {}  # of the input's axes
        self.seen: list[Window] = []
        # Tensors are kept alive, or another one could take over their identity.
        self.known: dict[int, tuple[Tensor, Dims]] = {}
        self.paused = False

    def enter(self, tensor: Tensor) -> None:
        """Take in a tensor of the example: [(batch,) channel, *axes], or facts without axes."""
        axes = self.declaration.axes
        dims = list(plain(tensor.shape))
        if len(dims) - len(axes) in (1, 2):
            for at, axis in enumerate(axes, start=len(dims) - len(axes)):
                self.sizes[axis] = tensor.shape[at]
                dims[at] = (Part(axis, tensor.shape[at]),)
        self.known[id(tensor)] = tensor, tuple(dims)

    def dims(self, tensor: Tensor) -> Dims:
        known = self.known.get(id(tensor))
        return known[1] if known else plain(tensor.shape)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.paused:
            return func(*args, **kwargs)
        call = Call(self.declaration, self.sizes, self.layers[-1], func, args, kwargs)
        before = [self.dims(tensor) for tensor in call.inputs]  # an operator may work in place
        outcome = func(*args, **kwargs)
        outputs = list(tensors(outcome))
        if any(id(tensor) in self.known for tensor in call.inputs):
            try:
                found = call.outcome(before, outputs)
            except Unknown:
                axes = " and ".join(self.declaration.axes)
                raise CommonError(
                    f"nothing is proved: {axes} cannot be followed through {call.layer}"
                ) from None
            self.seen += call.seen
            self.known.update((id(t), (t, d)) for t, d in zip(outputs, found, strict=True))
        return outcome


class Recurrences(TorchFunctionMode):
    """Takes a recurrent layer as one operator, which torch takes apart into single positions.

    It reads every position in its order and leaves none out, so it neither slides a filter nor
    subsamples, and it answers for each position. Over one with packed sequences nothing is proved.
    """

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__name__", "") not in RECURRENT or not isinstance(args[2], list):
            return func(*args, **(kwargs or {}))
        self.tracer.paused = True
        try:
            outcome = func(*args, **(kwargs or {}))
        finally:
            self.tracer.paused = False
        before = self.tracer.dims(args[0])  # [batch, position, feature] in whichever order
        for tensor in tensors(outcome):
            found = plain(tensor.shape)
            if tensor is outcome[0]:
                found = (*before[:-1], found[-1])
            self.tracer.known[id(tensor)] = tensor, found
        return outcome


RECURRENT = {"gru", "lstm", "rnn_tanh", "rnn_relu"}
