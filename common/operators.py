"""Operators: what each operator of torch does with the axes of the input that come into it.

For every tensor that comes from the input this module knows what lies along each dimension: an axis
of the input, several of them flattened into one, or none. A `Call` finds out the same for an
operator's result, and holds against the declaration what the operator does along an axis.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from common.declaration import Declaration


class Part(NamedTuple):
    """What lies along a dimension: an axis of the input, or None for anything else."""

    axis: str | None
    size: int


Along = tuple[Part, ...]  # one dimension; several parts where it was flattened, none for size 1
Dims = tuple[Along, ...]  # one tensor


@dataclass(frozen=True)
class Window:
    """Evidence: a filter or pool that ran. kernel, stride, dilation: positions along `axis`."""

    layer: str
    operator: str
    axis: str
    kernel: int
    stride: int
    dilation: int = 1


class Unknown(Exception):
    """The axes cannot be followed through an operator."""


def plain(shape: Sequence[int]) -> Dims:
    """A tensor's dimensions with no axis along any."""
    return tuple((Part(None, size),) for size in shape)


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in nested arguments or results."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tensors(item)


def _size(along: Along) -> int:
    return prod(part.size for part in along)


def _has_axis(along: Along) -> bool:
    return any(part.axis is not None for part in along)


class Call:
    """One operator with its arguments by name, and the rules for what its result has where."""

    def __init__(
        self,
        rule: Declaration,
        sizes: Mapping[str, int],
        where: str,
        func: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        self.rule = rule
        self.sizes = sizes  # of the input's axes
        self.where = where
        self.seen: list[Window] = []
        space, _, name = func._schema.name.partition("::")
        self.name = name if space == "aten" else f"{space}::{name}"
        self.in_place = name.endswith("_") and not name.endswith("__")
        self.layer = f"layer {where} ({self.name})"
        self.pointwise = torch.Tag.pointwise in func.tags
        spec = func._schema.arguments
        self.given = {item.name: item.default_value for item in spec if item.has_default_value()}
        self.given |= dict(zip((item.name for item in spec), args, strict=False)) | dict(kwargs)
        self.inputs = list(tensors(self.given))

    def outcome(self, before: list[Dims], outputs: list[Tensor]) -> list[Dims]:
        """What lies along the dimensions of each output."""
        if not any(_has_axis(along) for dims in before for along in dims):
            return [plain(tensor.shape) for tensor in outputs]
        if self.pointwise or self.name in BROADCAST:
            found = [self.broadcast(before, tensor) for tensor in outputs]
        else:
            rule = RULES.get(self.name.removesuffix("_") if self.in_place else self.name)
            if rule is None:
                raise Unknown
            found = []
            for tensor in outputs:  # most operators with several outputs return them alike
                alike = found and tensor.shape == outputs[0].shape
                found.append(found[0] if alike else rule(self, before, tensor))
        # What is written into a piece of a tensor cannot be followed to the rest of it.
        if self.in_place and found[0] != before[0] and "transpose" not in self.name:
            raise Unknown
        return found

    def allow_loss(self, along: Along, size: int, how: str = "") -> None:
        """Hold it against the declaration that of the positions along a dimension `size` remain."""
        for axis, had in along:
            if axis is not None and size < had:
                self.rule.allow_subsampling(self.layer, axis, how or f"keeps {size} of {had}")

    def broadcast(self, before: list[Dims], output: Tensor) -> Dims:
        found = list(plain(output.shape))
        for dims in before:
            for at, along in enumerate(reversed(dims), start=1):
                if _has_axis(along) and _size(along) == output.shape[-at]:
                    if _has_axis(found[-at]) and found[-at] != along:
                        raise Unknown  # rows are added to columns
                    found[-at] = along
        return tuple(found)

    def aligned(self, before: list[Dims], output: Tensor) -> Dims:
        """Each dimension lies where it was; a shorter one has lost positions."""
        if len(before[0]) != output.ndim:
            return plain(output.shape)  # what comes beside the result: statistics, weights
        return tuple(self.resized(*pair) for pair in zip(before[0], output.shape, strict=True))

    def resized(self, along: Along, size: int) -> Along:
        if _size(along) == size:
            return along
        if len(along) > 1 and _has_axis(along):
            raise Unknown
        self.allow_loss(along, size)
        return (Part(along[0].axis if along else None, size),)

    def beside(self, before: list[Dims], output: Tensor) -> Dims:
        """What mixes positions along a dimension in its own way: only where no axis lies."""
        over = self.given.get("dim", self.given.get("dims"))
        for at in [over] if isinstance(over, int) else over or range(len(before[0])):
            if _has_axis(before[0][at]):
                raise Unknown
        return self.aligned(before, output)

    def regrouped(self, before: list[Dims], output: Tensor) -> Dims:
        """The same elements in the same order, in dimensions of other sizes."""
        parts = deque(part for along in before[0] for part in along if part.size > 1)
        return tuple(tuple(self.taken(parts, size)) for size in output.shape)

    def taken(self, parts: deque[Part], size: int) -> Iterator[Part]:
        """The next parts that make up a dimension of `size`; one that is too long is cut."""
        while size > 1:
            axis, has = parts.popleft()
            if size % has == 0:
                yield Part(axis, has)
                size //= has
            elif has % size == 0:
                self.allow_loss((Part(axis, has),), size, f"cuts {has} positions into {size} parts")
                yield Part(axis, size)
                parts.appendleft(Part(None, has // size))
                size = 1
            else:
                raise Unknown

    def permuted(self, before: list[Dims], output: Tensor) -> Dims:
        order = list(range(output.ndim))
        if self.name == "permute":
            order = [at % output.ndim for at in self.given["dims"]]
        else:
            one, other = self.given.get("dim0", 0), self.given.get("dim1", -1)
            order[one], order[other] = order[other], order[one]
        return tuple(before[0][at] for at in order)

    def expanded(self, before: list[Dims], output: Tensor) -> Dims:
        new = output.ndim - len(before[0])
        return plain(output.shape[:new]) + tuple(
            along if _size(along) == size else (Part(None, size),)
            for along, size in zip(before[0], output.shape[new:], strict=True)
        )

    def joined(self, before: list[Dims], output: Tensor) -> Dims:
        if self.name == "stack":
            at = self.given["dim"] % output.ndim
            before = [(*dims[:at], (), *dims[at:]) for dims in before]
        at = self.given["dim"] % output.ndim
        same = [tuple(() if i == at else along for i, along in enumerate(d)) for d in before]
        # Several axes, a flattened board with a pass behind it say, become one that has no name in
        # the declaration, so that nothing may slide over it and nothing of it be left out.
        axes = dict.fromkeys(part.axis for dims in before for part in dims[at] if part.axis)
        found = list(self.broadcast(same, output))
        found[at] = (Part(" and ".join(axes) or None, output.shape[at]),)
        return tuple(found)

    def reduced(self, before: list[Dims], output: Tensor) -> Dims:
        """Over all positions of some dimensions: that looks at the whole and leaves none out."""
        over = self.given.get("dim")
        rank = len(before[0])
        over = (
            range(rank) if over is None or over == [] else [over] if isinstance(over, int) else over
        )
        gone = {at % rank for at in over}
        kept = tuple(() if at in gone else along for at, along in enumerate(before[0]))
        if self.given.get("keepdim"):
            return kept
        return tuple(along for at, along in enumerate(kept) if at not in gone)

    def dropped(self, before: list[Dims], output: Tensor) -> Dims:
        """One position along a dimension, which is gone."""
        at = self.given["dim"] % len(before[0])
        self.allow_loss(before[0][at], 1, "takes single positions")
        return before[0][:at] + before[0][at + 1 :]

    def indexed(self, before: list[Dims], output: Tensor) -> Dims:
        chosen = [at for at, index in enumerate(self.given["indices"]) if index is not None]
        if len(chosen) != 1 or self.given["indices"][chosen[0]].dtype == torch.bool:
            raise Unknown
        if output.ndim != len(before[0]):
            raise Unknown
        return self.chosen(before, output, chosen[0], self.given["indices"][chosen[0]])

    def selected(self, before: list[Dims], output: Tensor) -> Dims:
        return self.chosen(before, output, self.given["dim"] % output.ndim, self.given["index"])

    def chosen(self, before: list[Dims], output: Tensor, at: int, index: Tensor) -> Dims:
        """Positions by their numbers, in order or backwards; a missing one is a loss."""
        along = before[0][at]
        if _has_axis(along):
            size = _size(along)
            numbers = [number % size for number in index.flatten().tolist()]
            left, order = len(set(numbers)), sorted(numbers)
            for axis, _ in along:
                if axis is not None and left < size:
                    self.rule.allow_subsampling(self.layer, axis, f"keeps {left} of {size}")
            # Rows of a flattened board that miss positions are rows no longer.
            mixed = len(along) > 1 if left < size else len(numbers) > size
            if mixed or numbers not in (order, order[::-1]):
                raise Unknown
        return self.aligned(before, output)

    def multiplied(self, before: list[Dims], output: Tensor) -> Dims:
        """Matrix products sum over a whole dimension; bias and scale come first or do not."""
        left, right = before[-2:]
        return (*left[:-1], right[-1])

    def attended(self, before: list[Dims], output: Tensor) -> Dims:
        if output.ndim != len(before[0]):
            return plain(output.shape)
        return (*before[0][:-1], before[2][-1])

    def convolved(self, before: list[Dims], output: Tensor) -> Dims:
        weight: Tensor = self.given["weight"]
        places = range(2, output.ndim)
        if self.given["groups"] > 1 and _has_axis(before[0][1]):
            raise Unknown
        if any(part.axis for along in before[1] for part in along):
            raise Unknown  # the filter itself is made from the input
        result = [before[0][0], (Part(None, output.shape[1]),)]
        windows = [self.given[key] for key in ("stride", "padding", "dilation")]
        for at in places:
            stride, padding, dilation = (w[at - 2] if len(w) > 1 else w[0] for w in windows)
            along, size, kernel = before[0][at], output.shape[at], weight.shape[at]
            whole = kernel == _size(along) and size == 1 and not padding and dilation == 1
            if self.given["transposed"]:
                whole, stride = False, 1
            result.append(self.slid(along, size, kernel, stride, dilation, whole))
        return tuple(result)

    def slid(
        self, along: Along, size: int, kernel: int, stride: int, dilation: int, whole: bool
    ) -> Along:
        """A filter's window along one dimension."""
        if not _has_axis(along):
            return (Part(None, size),)
        if len(along) > 1 and not whole and (kernel > 1 or stride > 1):
            raise Unknown  # it would run over the end of one row into the next
        for axis, _ in along:
            if axis is not None:
                self.seen.append(Window(self.where, self.name, axis, kernel, stride, dilation))
                self.rule.allow_filter(self.layer, axis, kernel, whole=whole)
                extent = (kernel - 1) * dilation + 1
                self.rule.allow_size(self.layer, axis, extent, self.sizes.get(axis, size))
                if stride > 1 and not whole:
                    self.rule.allow_subsampling(self.layer, axis, f"takes steps of {stride}")
        return () if whole else (Part(along[0].axis, size),) if len(along) == 1 else along

    def pooled(self, before: list[Dims], output: Tensor) -> Dims:
        kernel = self.given["kernel_size"]
        stride = self.given["stride"] or kernel
        result = list(before[0])
        for at in range(-len(kernel), 0):
            along, extent, step = before[0][at], kernel[at], stride[at]
            whole = extent == _size(along) and output.shape[at] == 1
            for axis, _ in along:
                if axis is not None:
                    self.seen.append(Window(self.where, self.name, axis, extent, step))
                    if not whole and max(extent, step) > 1:
                        how = f"merges windows of {extent} positions"
                        self.rule.allow_subsampling(self.layer, axis, how)
            result[at] = () if whole else self.resized(along, output.shape[at])
        return tuple(result)

    def adapted(self, before: list[Dims], output: Tensor) -> Dims:
        """Adaptive pools: to one position they are global, else they merge neighbours."""
        return tuple(
            () if size == 1 else self.resized(along, size)
            for along, size in zip(before[0], output.shape, strict=True)
        )

    def unfolded(self, before: list[Dims], output: Tensor) -> Dims:
        """Tensor.unfold: overlapping windows along one dimension, laid out in a new last one."""
        at = self.given["dimension"] % len(before[0])
        size, kernel = output.shape[at], self.given["size"]
        along = self.slid(before[0][at], size, kernel, self.given["step"], 1, size == 1)
        return (*before[0][:at], along, *before[0][at + 1 :], (Part(None, kernel),))

    def windowed(self, before: list[Dims], output: Tensor) -> Dims:
        """im2col: the windows of a convolution as columns."""
        result: list[Part] = []
        for at in (0, 1):
            kernel, stride, padding, dilation = (
                self.given[key][at] for key in ("kernel_size", "stride", "padding", "dilation")
            )
            along = before[0][at - 2]
            size = (_size(along) + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            whole = size == 1 and not padding
            result += self.slid(along, size, kernel, stride, dilation, whole)
        return (*plain(output.shape[:-1]), tuple(result))

    def shuffled(self, before: list[Dims], output: Tensor) -> Dims:
        """Pixel shuffles: between channels and positions."""
        for at in (-2, -1):
            self.allow_loss(before[0][at], output.shape[at])
        return tuple(
            along if _size(along) == size else (Part(along[0].axis if along else None, size),)
            for along, size in zip(before[0], output.shape, strict=True)
        )


# Element by element, but not marked so by torch.
BROADCAST = {"_prelu_kernel", "hardswish", "copy"}

_SAME = """alias clone contiguous detach _to_copy lift_fresh _softmax _log_softmax flip
    native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm
    _batch_norm_no_update _batch_norm_with_update native_group_norm native_layer_norm
    _fused_rms_norm native_dropout _native_multi_head_attention zeros_like ones_like empty_like
    full_like bernoulli fill
    zero slice split split_with_sizes unsafe_split unsafe_split_with_sizes
    glu constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d
    upsample_nearest1d upsample_nearest2d _upsample_nearest_exact2d upsample_linear1d
    upsample_bilinear2d _upsample_bilinear2d_aa upsample_bicubic2d _upsample_bicubic2d_aa"""
_REDUCED = """mean sum prod amax amin max min argmax argmin any all logsumexp var std var_mean
    std_mean median linalg_vector_norm norm"""
_POOLED = """max_pool2d max_pool2d_with_indices avg_pool1d avg_pool2d max_pool3d_with_indices
    avg_pool3d"""
_ADAPTED = "_adaptive_avg_pool2d adaptive_avg_pool1d adaptive_max_pool2d _adaptive_avg_pool3d"
_ATTENDED = """_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention
    _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention"""
_GROUPS: tuple[tuple[str, Callable[[Call, list[Dims], Tensor], Dims]], ...] = (
    (_SAME, Call.aligned),
    ("view _unsafe_view _reshape_alias squeeze unsqueeze", Call.regrouped),
    ("permute transpose t", Call.permuted),
    ("expand", Call.expanded),
    ("cat stack", Call.joined),
    (_REDUCED, Call.reduced),
    ("select unbind", Call.dropped),
    ("index", Call.indexed),
    ("index_select", Call.selected),
    ("mm bmm addmm baddbmm", Call.multiplied),
    (_ATTENDED, Call.attended),
    ("roll cumsum sort topk gather", Call.beside),
    ("convolution", Call.convolved),
    (_POOLED, Call.pooled),
    (_ADAPTED, Call.adapted),
    ("unfold", Call.unfolded),
    ("im2col", Call.windowed),
    ("pixel_shuffle pixel_unshuffle", Call.shuffled),
)
RULES = {name: rule for names, rule in _GROUPS for name in names.split()}
