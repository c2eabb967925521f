"""Devices and processes: what number format pays, moving a batch, and the world of torchrun."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from common.config import Precision
from common.errors import CommonError

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """The processes that train together; a run without torchrun is a world of one."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes, shows and validates."""
        return self.rank == 0

    def share(self, value: T) -> T:
        """The value that the leading process has."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def maximum(self, values: Tensor) -> Tensor:
        """The largest of each value over the processes, in place."""
        if self.size > 1:
            dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return values

    def total(self, values: Tensor) -> Tensor:
        """The sum of each value over the processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values


def leads() -> bool:
    """Whether this process is the one of torchrun's that speaks, before a world and after it."""
    return os.environ.get("RANK", "0") == "0"


def find(device: str) -> torch.device:
    """The device of this name; under torchrun, of "cuda" the one of this process.

    Raises CommonError if it is not there.
    """
    try:
        where = torch.device(device)
        if where.type != "cuda":
            torch.empty(0, device=where)
            return where
    except (RuntimeError, AssertionError) as error:
        raise CommonError(f"torch knows no device {device!r} here: name cpu or cuda") from error
    count = torch.cuda.device_count()
    if not count:
        raise CommonError(f"device {device} is not there: torch sees no CUDA device")
    local = int(os.environ.get("LOCAL_RANK", torch.cuda.current_device()))
    index = local if where.index is None else where.index
    if index >= count:
        raise CommonError(f"device cuda:{index} is not there: the last is cuda:{count - 1}")
    return torch.device("cuda", index)


@contextmanager
def join(device: str) -> Iterator[World]:
    """The world that this process is in, as torchrun's environment tells; left again at the end.

    device: "cpu", "cuda" (under torchrun, the one of this process) or "cuda:1".
    """
    where = find(device)
    if where.type == "cuda":
        torch.cuda.set_device(where)
    ours = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized()
    if ours:
        dist.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        if dist.is_initialized():
            yield World(dist.get_rank(), dist.get_world_size(), where)
        else:
            yield World(0, 1, where)
    finally:
        if ours:
            dist.destroy_process_group()


def can_compile(device: torch.device) -> bool:
    """Whether torch.compile finds what it needs: for the CPU a C++ compiler, which many lack."""
    compilers = (os.environ.get("CXX"), "g++", "clang++", "cl")
    return device.type != "cpu" or any(name and shutil.which(name) for name in compilers)


def autocast_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """bfloat16 where it is asked for, or "auto" and the device computes it faster; else float32."""
    if precision == "auto":
        return torch.bfloat16 if _bf16_pays(device) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def _bf16_pays(device: torch.device) -> bool:
    """Whether the device has instructions that multiply bfloat16 matrices."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    # Not public, and absent from some versions: then float32, which is right everywhere.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    checks: list[Callable[[], bool]] = [getattr(torch.cpu, name, bool) for name in names]
    return any(check() for check in checks)


def to_tensors(batch: Any, *, pin: bool = False) -> Any:
    """The batch, an array or a tuple, list or dict of them, with every array as a tensor.

    pin: in memory from which a CUDA device can copy while the processor goes on.
    """

    def convert(value: np.ndarray[Any, Any] | Tensor) -> Tensor:
        if not isinstance(value, Tensor):
            # torch shares the array's memory, which it cannot do with a read-only one.
            value = torch.from_numpy(value if value.flags.writeable else value.copy())
        return value.pin_memory() if pin else value

    return _each(batch, convert)


def to_device(batch: Any, device: torch.device, *, channels_last: bool) -> Any:
    """The batch on the device; tensors of four axes with the channel innermost, if asked for."""

    def move(value: Tensor) -> Tensor:
        value = value.to(device, non_blocking=True)
        if channels_last and value.ndim == 4:
            value = value.contiguous(memory_format=torch.channels_last)
        return value

    return _each(batch, move)


def batch_size(batch: Any) -> int:
    """The examples in a batch: the length of the first axis of its first tensor."""
    sizes: list[int] = []
    _each(batch, lambda value: sizes.append(len(value)))
    return sizes[0]


def _each(batch: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(batch, dict):
        return {name: change(value) for name, value in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(change(value) for value in batch)
    return change(batch)
