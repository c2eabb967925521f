"""Maximize: the input that a filter, a neuron or a class answers to most.

By gradient ascent, many units at once; and, beside it, the real inputs that excite a unit most.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from common.errors import CommonError
from common.explain import hooks
from common.explain.hooks import Array, Input, Progress
from common.warp import Warp, warped

log = logging.getLogger(__name__)

# How the colours of natural photographs vary together: the root of their covariance (ImageNet,
# from tensorflow/lucid, lucid/optvis/param/color.py), scaled to a largest column of length 1.
_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))

_KEEP = 10  # steps from one look at what was reached to the next, in the last quarter


@dataclass(frozen=True, kw_only=True)
class Ascent:
    """How to climb.

    steps, rate: of Adam; the rate is a share of the span. l1: less of everything, so that only
    what matters is drawn. l2: nothing extreme. tv: smooth. Each is in units of the score's
    gradient, whose root mean square is 1 everywhere, so that it suits any network.
    jitter: places by which the input is moved at random before each step, around the edges; bend:
    how far it is then warped, pictures only: what holds for one place and size alone is not drawn.
    fourier: climb in frequencies rather than points, so that coarse shapes come first.
    colours: climb in colours as photographs mix them; three channels only.
    pen: draw with strokes of this deviation, in places, light on dark; 0 draws points.
    against: of a class climb the log-probability, so that it counts, too, what speaks against the
    others; else its score alone.
    span: the lowest and the highest value of an input. noise: deviation of the start, as a share.
    """

    steps: int = 256
    rate: float = 0.05
    l1: float = 0.0
    l2: float = 0.0
    tv: float = 0.0
    jitter: int = 0
    bend: Warp | None = None
    fourier: bool = False
    colours: bool = False
    pen: float = 0.0
    against: bool = False
    span: tuple[float, float] = (0.0, 1.0)
    noise: float = 0.01

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.rate < math.inf:
            raise CommonError(f"steps and rate must be above 0, got {self.steps} and {self.rate}")
        shares = (self.l1, self.l2, self.tv, self.jitter, self.noise, self.pen)
        if not all(0 <= share < math.inf for share in shares):
            raise CommonError("l1, l2, tv, jitter, noise and pen must not be below 0")
        if not -math.inf < self.span[0] < self.span[1] < math.inf:
            raise CommonError(f"span goes from low to high, got {self.span}")
        if self.fourier and self.pen:
            raise CommonError("an input is drawn by a pen or in frequencies, not both")


# Chosen so that the digit CNN's classes are read as such by CNNs that were trained apart from it.
DIGITS = Ascent(
    steps=500, rate=0.02, l1=0.2, pen=0.9, against=True,
    bend=Warp(rotate=15, scale=0.15, shift=0.07, shear=0.2, elastic=0.05),
)  # fmt: skip
# What lucid found to make textures of (Olah et al. 2017), chosen by eye on SqueezeNet.
PHOTOGRAPHS = Ascent(
    steps=300, rate=0.05, jitter=8, fourier=True, colours=True,
    bend=Warp(rotate=8, scale=0.1),
)  # fmt: skip


def maximize(
    model: nn.Module,
    input: Input,
    target: int | Sequence[int] | None = None,
    *,
    layer: str | None = None,
    how: Ascent | None = None,
    rng: torch.Generator | None = None,
    batch: int = 64,
    progress: Progress | None = None,
) -> Array:
    """argmax_x a_k(x), a_k the sum of filter k's map, neuron k, or class k.

    input: [1, channel, *axes], where to start: for pictures, grey (not used if `fourier`).
    target: the units, all of the layer's if None. layer: where they are; the output if None.
    rng: on the CPU, seeded with 0 if not given. batch: units at a time.
    Returns [unit, channel, *axes]. A unit that nothing moves is dead: it is told in the log, and
    its picture is NaN.
    """
    how, rng = how or Ascent(), rng or torch.Generator().manual_seed(0)
    with hooks.looking(model):
        start = hooks.tensor(model, input)
        if len(start) != 1 or start.ndim < 3:
            raise CommonError(
                f"to start from, one input is needed, [1, channel, *axes]; got {list(start.shape)}"
            )
        units = _units(model, start, layer, target)
        found = []
        for some in hooks.chunks(len(units), batch):

            def tell(step: int, done: int = some.start) -> None:
                if progress is not None:
                    whole = math.ceil(len(units) / batch) * how.steps
                    progress(done // batch * how.steps + step, whole)

            found.append(_climb(model, start, layer, units[some], how, rng, tell))
    pictures = np.concatenate([hooks.array(part) for part in found])
    dead = [int(unit) for unit, one in zip(units, pictures, strict=True) if np.isnan(one).all()]
    if dead:
        log.warning("dead in %s: %s", layer or "the output", ", ".join(map(str, dead)))
    return pictures


def _units(
    model: nn.Module, start: Tensor, layer: str | None, target: int | Sequence[int] | None
) -> Tensor:
    """int64 [unit]. Raises CommonError for one that the layer does not have."""
    with torch.no_grad():
        total = activations(model, start, layer).shape[1]
    asked = [target] if isinstance(target, int) else range(total) if target is None else target
    if not len(asked):
        raise CommonError("name at least one unit")
    for unit in asked:
        if not 0 <= unit < total:
            place = f"layer {layer!r}" if layer else "the output"
            raise CommonError(f"{place} has no unit {unit}: they go from 0 to {total - 1}")
    return torch.tensor([int(unit) for unit in asked])


def activations(model: nn.Module, inputs: Tensor, layer: str | None) -> Tensor:
    """a_k of every unit k: [batch, unit]; maps are summed over their places."""
    found = _maps(model, inputs, layer)
    return found.flatten(2).sum(2) if found.ndim > 2 else found


def _maps(model: nn.Module, inputs: Tensor, layer: str | None) -> Tensor:
    """[batch, unit, *axes], or [batch, unit] of a dense layer and of the output."""
    if layer is None:
        return hooks.flattened(hooks.run(model, inputs))
    with hooks.recording(model, [layer]) as outputs:
        hooks.run(model, inputs)
    return hooks.recorded(outputs, layer)


def _climb(
    model: nn.Module,
    start: Tensor,
    layer: str | None,
    units: Tensor,
    how: Ascent,
    rng: torch.Generator,
    tell: Callable[[int], None],
) -> Tensor:
    """The pictures of some units: [unit, channel, *axes]."""
    parameter, draw = _canvas(start, len(units), how, rng)
    climber = torch.optim.Adam([parameter], lr=how.rate)
    chosen = units.to(start.device)[:, None]
    moved = torch.zeros(len(units), dtype=torch.bool, device=start.device)
    best = torch.full((len(units),), -math.inf, device=start.device)
    result = torch.full((len(units), *start.shape[1:]), math.nan).to(parameter)
    axes = list(range(2, start.ndim))

    def score(shown: Tensor) -> Tensor:
        found = activations(model, shown.to(start.dtype), layer).float()
        return (found.log_softmax(1) if how.against and layer is None else found).gather(1, chosen)

    def keep() -> None:
        # A step upwards under one bend can be one downwards as it stands: the last is not the best.
        nonlocal best, result
        with torch.no_grad():
            picture = _full_contrast(draw(), how) if how.pen else draw()
            reached = score(picture)[:, 0]
        better = moved & (reached > best)
        best = torch.where(better, reached, best)
        result[better] = picture[better]

    for step in range(how.steps):
        picture = draw()
        watched = picture.detach().requires_grad_()
        shown = watched.roll([_draw(how.jitter, rng) for _ in axes], axes)
        if how.bend is not None:
            shown = warped(shown, how.bend, rng, outside="reflection" if how.fourier else "zeros")
        uphill = hooks.gradient(score(shown), watched)
        size = uphill.flatten(1).pow(2).mean(1).sqrt().view(-1, *[1] * (start.ndim - 1))
        moved |= size.flatten() > 0
        uphill = uphill / size.clamp(min=1e-30) - _cost(picture.detach(), how)
        (parameter.grad,) = torch.autograd.grad(picture, parameter, -uphill)
        climber.step()
        with torch.no_grad():
            # A unit that is silent at first has no gradient: it is looked for farther and farther.
            noise = torch.randn(parameter.shape, generator=rng).to(parameter) * 0.05
            parameter.add_(noise * (~moved).view(-1, *[1] * (parameter.ndim - 1)))
            if not how.fourier:
                parameter.clamp_(0, 1)
        if step + 1 == how.steps or (step > how.steps * 3 // 4 and step % _KEEP == 0):
            keep()
        tell(step + 1)
    return result


def _draw(most: int, rng: torch.Generator) -> int:
    return int(torch.randint(-most, most + 1, (1,), generator=rng)) if most else 0


def _cost(picture: Tensor, how: Ascent) -> Tensor:
    """The gradient of what the regularisers count, for pictures on a scale of 0 to 1."""
    low, high = how.span
    scaled = (picture - low) / (high - low)
    cost = how.l1 * torch.ones_like(scaled) + how.l2 * 2 * scaled
    if how.tv:
        for axis in range(2, picture.ndim):
            rise = scaled.diff(dim=axis).clamp(-0.1, 0.1) * 10  # a sign, but smooth around 0
            none = torch.zeros_like(scaled.narrow(axis, 0, 1))
            cost += how.tv * (torch.cat([none, rise], axis) - torch.cat([rise, none], axis))
    return cost


def _canvas(
    start: Tensor, count: int, how: Ascent, rng: torch.Generator
) -> tuple[nn.Parameter, Callable[[], Tensor]]:
    """What is climbed, and how it is drawn as pictures [count, channel, *axes]. Both are of
    single precision at least: half has neither the steps for small changes nor an FFT."""
    start = start.to(torch.promote_types(start.dtype, torch.float32))
    low, high = how.span
    axes = start.shape[2:]
    if how.colours and start.shape[1] != 3:
        raise CommonError(f"colours need three channels, the input has {start.shape[1]}")
    if not how.fourier:
        scaled = ((start - low) / (high - low)).clamp(0, 1).expand(count, *start.shape[1:])
        noise = torch.randn(scaled.shape, generator=rng).to(start) * how.noise
        points = nn.Parameter((scaled + noise).clamp(0, 1))
        if how.pen:
            return points, lambda: low + (high - low) * _drawn_by_pen(points, how.pen)
        return points, lambda: low + (high - low) * points

    frequencies = [torch.fft.fftfreq(size) for size in axes[:-1]] + [torch.fft.rfftfreq(axes[-1])]
    radius = sum(part**2 for part in torch.meshgrid(*frequencies, indexing="ij"))
    assert isinstance(radius, Tensor)
    # The spectrum of photographs falls as 1 / frequency: equal steps then look equally large.
    scale = (1 / radius.sqrt().clamp(min=1 / max(axes))).to(start)
    shape = (count, start.shape[1], *scale.shape, 2)
    spectrum = nn.Parameter(torch.randn(shape, generator=rng).to(start) * how.noise)
    mix = torch.tensor(_COLOURS).to(start)
    mix = mix / mix.norm(dim=0).max()

    def draw() -> Tensor:
        waves = torch.view_as_complex(spectrum) * scale
        plain = torch.fft.irfftn(waves, s=axes, dim=tuple(range(2, start.ndim)), norm="ortho") / 4
        if how.colours:
            plain = torch.einsum("ij,bj...->bi...", mix, plain)
        drawn: Tensor = low + (high - low) * plain.sigmoid()
        return drawn

    return spectrum, draw


def _drawn_by_pen(points: Tensor, deviation: float) -> Tensor:
    """Every point as a soft blot; ink upon ink gets no lighter than white. The same shape."""
    for axis in range(2, points.ndim):
        place = torch.arange(points.shape[axis], device=points.device, dtype=points.dtype)
        blot = torch.exp(-((place[:, None] - place) ** 2) / (2 * deviation**2))
        blot = blot / (deviation * math.sqrt(2 * math.pi))
        points = (points.movedim(axis, -1) @ blot).movedim(-1, axis)
    return 1 - torch.exp(-4 * points)


def _full_contrast(pictures: Tensor, how: Ascent) -> Tensor:
    """As light as writing is: the lightest eleventh of each picture is white."""
    low, high = how.span
    ink = (pictures - low) / (high - low)
    most = ink.flatten(1).quantile(1 - 1 / 11, dim=1).clamp(min=1e-6)
    return low + (high - low) * (ink / most.view(-1, *[1] * (ink.ndim - 1))).clamp(0, 1)


@dataclass(frozen=True)
class Examples:
    """The inputs that excite units most, the strongest first.

    index: int64 [unit, rank], which input. score: [unit, rank], how much. place: int64
    [unit, rank, axis], where in the layer's map it is strongest (no axis for a dense layer).
    """

    index: NDArray[np.int64]
    score: Array
    place: NDArray[np.int64]


def top_examples(
    model: nn.Module,
    input: Input,
    target: int | Sequence[int] | None = None,
    *,
    layer: str | None = None,
    count: int = 9,
    batch: int = 256,
    progress: Progress | None = None,
) -> Examples:
    """The real inputs that excite a unit most, by the strongest place of its map.

    input: [example, channel, *axes], for instance the training pictures; an array that numpy
    reads from disk piece by piece will do. target, layer: as for `maximize`.
    """
    values = input if isinstance(input, Tensor) else np.asanyarray(input)
    if not len(values):
        raise CommonError("there are no examples to choose from")
    with hooks.looking(model):
        units = _units(model, hooks.tensor(model, values[:1]), layer, target)
    kept: list[tuple[Tensor, Tensor]] = []  # of each part its best: strength and place in the map
    names: list[Tensor] = []
    axes: tuple[int, ...] = ()
    for some in hooks.chunks(len(values), batch):
        with hooks.looking(model), torch.no_grad():
            inputs = hooks.tensor(model, values[some])
            maps = _maps(model, inputs, layer)[:, units]  # [batch, unit, *axes]
        axes = tuple(maps.shape[2:])
        strength, place = maps.flatten(2).max(2) if axes else (maps, torch.zeros_like(maps).long())
        best = strength.topk(min(count, len(strength)), dim=0)
        kept.append((best.values.cpu(), place.gather(0, best.indices).cpu()))
        names.append(best.indices.cpu() + some.start)
        if progress is not None:
            progress(some.stop, len(values))
    strength, place = (torch.cat(parts) for parts in zip(*kept, strict=True))
    best = strength.topk(min(count, len(strength)), dim=0)
    index = torch.cat(names).gather(0, best.indices)
    flat = place.gather(0, best.indices).T.numpy()
    where = np.stack(np.unravel_index(flat, axes), -1) if axes else np.zeros((*flat.shape, 0), int)
    return Examples(index.T.numpy(), hooks.array(best.values.T), where.astype(np.int64))
