"""One optimizer step: batches in, weights and averaged weights changed, metrics summed.

No files, no clock and no display here, and nothing that waits for the device: what has to be
decided (was the gradient finite?) is decided by arithmetic on the device.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from common import optimizers
from common.checkpoint import Tensors, check_fits
from common.config import TrainConfig
from common.device import World, autocast_dtype, can_compile, to_device
from common.metrics import Meter
from common.schedule import average_decay

Loss = Callable[[nn.Module, Any], tuple[Tensor, dict[str, Tensor]]]


class Stepper:
    """A network in training, and all that changes with it from step to step.

    network: the module itself. average: a copy with the averaged weights, in eval mode; the
    network itself where no average is kept. meter: "loss", the gradient's "norm" and what the
    loss function measures.
    """

    def __init__(self, network: nn.Module, loss: Loss, config: TrainConfig, world: World) -> None:
        self.loss, self.config, self.world = loss, config, world
        self.dtype = autocast_dtype(config.precision, world.device)
        layout = torch.channels_last if config.channels_last else torch.preserve_format
        # mypy knows no overload of `to` that takes a layout beside a device.
        self.network: nn.Module = network.to(world.device, memory_format=layout)  # type: ignore[call-overload]
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.optimizers = optimizers.build(network, config, dtype=self.dtype)
        self.groups = [group for one in self.optimizers for group in one.param_groups]
        self.buffers = [b for b in network.buffers() if b.is_floating_point() and b.numel()]
        self.average = self._copy() if config.ema else network
        self.meter = Meter(world.device)
        self.parallel: DistributedDataParallel | None = None
        self.forward = network

    def prepare(self) -> None:
        """Make the way forward; to be called once the weights are those to start with."""
        forward = self.network
        if self.world.size > 1:
            ids = [self.world.device.index] if self.world.device.type == "cuda" else None
            forward = self.parallel = DistributedDataParallel(forward, device_ids=ids)
        if self.config.compile and can_compile(self.world.device):
            forward = cast(nn.Module, torch.compile(forward))
        self.forward = forward

    def step(self, number: int, batches: Iterator[Any]) -> None:
        """Do step `number`, counted from 0, with the next `accumulate` of `batches`."""
        self._seed(number)
        self.network.train()
        before = _flat(self.buffers)
        measured = self._backward(batches)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        finite = torch.isfinite(norm) & torch.isfinite(measured["loss"])
        skipped = self.world.maximum(1.0 - finite.float())
        if self.config.clip:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.config.clip, norm)
        self._update(number, skipped)
        if self.buffers:
            # Running statistics have seen the batch already: take that back too.
            after = self._shared(before, _flat(self.buffers))
            self._set_buffers(torch.where(skipped.bool(), before, after))
        self._average(number)
        self.meter.add({**measured, "norm": norm}, skipped)

    def tensors(self) -> dict[str, Tensors]:
        """The parts of a checkpoint."""
        return {
            "weights": self.network.state_dict(),
            "ema": self.average.state_dict() if self.config.ema else {},
            "optimizer": optimizers.state_of(self.network, self.optimizers),
        }

    def set_tensors(
        self, *, weights: Tensors, ema: Tensors, optimizer: Tensors, source: str
    ) -> None:
        """Take over the parts of a checkpoint. Raises CommonError if it is another network's."""
        self.set_weights(weights, source)
        if self.config.ema:
            check_fits(self.average.state_dict(), ema, source)
            self.average.load_state_dict(ema)
        optimizers.set_state(self.network, self.optimizers, optimizer)

    def set_weights(self, weights: Tensors, source: str) -> None:
        """Start from these weights. Raises CommonError if they are another network's."""
        check_fits(self.network.state_dict(), weights, source)
        self.network.load_state_dict(weights)
        self.average.load_state_dict(weights)

    def autocast(self) -> torch.autocast:
        """The context in which the network computes."""
        enabled = self.dtype != torch.float32
        return torch.autocast(self.world.device.type, dtype=torch.bfloat16, enabled=enabled)

    def _copy(self) -> nn.Module:
        average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.pairs = (
            [*average.parameters(), *_floating(average)],
            [*self.network.parameters(), *_floating(self.network)],
        )
        return average

    def _seed(self, number: int) -> None:
        """Seed what dropout and its like draw from, for this step and process alone."""
        words = [self.config.seed, number, self.world.rank]
        torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1))

    def _backward(self, batches: Iterator[Any]) -> dict[str, Tensor]:
        """Gradients of the mean over the micro-batches, and the mean of what was measured."""
        count = self.config.accumulate
        measured: dict[str, Tensor] = {}
        for micro in range(count):
            batch = to_device(
                next(batches), self.world.device, channels_last=self.config.channels_last
            )
            last = micro == count - 1
            with nullcontext() if last or self.parallel is None else self.parallel.no_sync():
                with self.autocast():
                    loss, seen = self.loss(self.forward, batch)
                torch.autograd.backward(loss / count)
            for name, value in {"loss": loss, **seen}.items():
                part = value.detach().float() / count
                measured[name] = measured[name] + part if micro else part
        return measured

    def _update(self, number: int, skipped: Tensor) -> None:
        rate = self.config.rate(number)
        for group in self.groups:
            group["lr"] = rate
        for optimizer in self.optimizers:
            # What a GradScaler tells torch's fused optimizers: 1 makes them leave all as it is.
            optimizer.found_inf = skipped  # type: ignore[attr-defined]
            optimizer.step()
            optimizer.zero_grad()

    def _shared(self, before: Tensor, after: Tensor) -> Tensor:
        """What all processes have seen: the mean of their running statistics."""
        if self.world.size == 1:
            return after
        # The mean of the changes, so that what does not change stays as it is to the last bit.
        change = torch.where(after == before, 0.0, after - before)
        return before + self.world.total(change) / self.world.size

    @torch.no_grad()
    def _set_buffers(self, flat: Tensor) -> None:
        parts = torch.split(flat, [buffer.numel() for buffer in self.buffers])
        for buffer, part in zip(self.buffers, parts, strict=True):
            buffer.copy_(part.view(buffer.shape))

    @torch.no_grad()
    def _average(self, number: int) -> None:
        """Move the average towards the network; of what is not a fraction, copy the latest."""
        if not self.config.ema:
            return
        ours, theirs = self.pairs
        torch._foreach_lerp_(ours, theirs, 1.0 - average_decay(number, self.config.ema))
        for old, new in zip(self.average.buffers(), self.network.buffers(), strict=True):
            if not old.is_floating_point():
                old.copy_(new)


def _floating(network: nn.Module) -> list[Tensor]:
    return [buffer for buffer in network.buffers() if buffer.is_floating_point()]


def _flat(tensors: list[Tensor]) -> Tensor:
    """A copy of all their numbers in one row: one operation on the device instead of many."""
    return torch.cat([tensor.flatten() for tensor in tensors]) if tensors else torch.zeros(0)
