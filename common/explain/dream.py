"""Dream: make more of whatever a layer sees in a picture (Mordvintsev et al. 2015, "Inceptionism").

The picture climbs the mean square of a layer's maps, first small and then larger, an octave each;
what shrinking had lost of the picture comes back at each. A channel instead of the layer dreams of
one thing; a guide picture, of what is in the guide.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn
from torch.nn import functional

from common.errors import CommonError
from common.explain import hooks
from common.explain.hooks import Array, Input, Progress

log = logging.getLogger(__name__)

Objective = Callable[[Tensor], Tensor]
Watch = Callable[[Array], None]


@dataclass(frozen=True, kw_only=True)
class Dreaming:
    """How to dream.

    octaves: sizes, the largest the picture's own; scale: from one to the next. steps: at each.
    rate: of a step, a share of the span from black to white; the gradient's mean size is 1.
    jitter: places by which the picture is moved before each step, so that no edge shows.
    """

    octaves: int = 4
    scale: float = 1.4
    steps: int = 10
    rate: float = 0.012
    jitter: int = 32

    def __post_init__(self) -> None:
        if self.octaves < 1 or self.steps < 1 or not 0 < self.rate < inf or self.jitter < 0:
            raise CommonError(f"octaves, steps and rate must be above 0, jitter not below: {self}")
        if not 1 < self.scale < inf:
            raise CommonError(f"scale must be above 1, got {self.scale}")


def dream(
    model: nn.Module,
    input: Input,
    target: int | None = None,
    *,
    layer: str,
    guide: Input | None = None,
    how: Dreaming | None = None,
    rng: torch.Generator | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Array:
    """Pictures as a layer dreams them on.

    input: [batch, channel, row, column], 0 to 1 -> the same shape. target: a channel of the layer;
    all of them if None. guide: one picture, [1, channel, row, column], of any size; then every
    place becomes like what it resembles most in the guide. rng: on the CPU, seeded with 0 if not
    given. progress: told the steps done and all. watch: shown the pictures after every octave, at
    their full size.
    Octaves too small for the network are left out, which the log tells.
    Raises CommonError for a layer or a channel that is not there.
    """
    how, rng = how or Dreaming(), rng or torch.Generator().manual_seed(0)
    with hooks.looking(model):
        whole = hooks.tensor(model, input)
        if whole.ndim != 4:
            raise CommonError(f"to dream on, [batch, channel, row, column]: {list(whole.shape)}")
        sizes = _sizes(model, whole, layer, how)
        objective = _objective(model, whole, layer, target, guide)
        total, done = len(sizes) * how.steps, 0
        detail = torch.zeros_like(_resized(whole, sizes[0]))
        for size in sizes:
            base = _resized(whole, size)
            picture = (base + _resized(detail, size)).clamp(0, 1)
            for _ in range(how.steps):
                picture = _step(model, picture, layer, objective, how, rng)
                done += 1
                if progress is not None:
                    progress(done, total)
            detail = picture - base
            if watch is not None:
                watch(hooks.array((whole + _resized(detail, sizes[-1])).clamp(0, 1)))
    return hooks.array(picture)


def zoom(
    model: nn.Module,
    input: Input,
    target: int | None = None,
    *,
    layer: str,
    frames: int,
    closer: float = 1.03,
    guide: Input | None = None,
    how: Dreaming | None = None,
    rng: torch.Generator | None = None,
    progress: Progress | None = None,
) -> Iterator[Array]:
    """A film: frame after frame dreamt on and looked at from nearer, [batch, channel, row, column].

    frames: how many. closer: how much larger the middle is in the next. The rest as for `dream`.
    """
    if frames < 1 or not closer >= 1:
        raise CommonError(f"frames and closer must be at least 1, got {frames} and {closer}")
    how, rng = how or Dreaming(octaves=2, steps=6), rng or torch.Generator().manual_seed(0)
    with torch.inference_mode(False), torch.no_grad():
        now = hooks.tensor(model, input)
    for number in range(frames):

        def told(done: int, total: int, before: int = number) -> None:
            if progress is not None:
                progress(before * total + done, frames * total)

        seen = dream(model, now, target, layer=layer, guide=guide, how=how, rng=rng, progress=told)
        yield seen
        with torch.inference_mode(False), torch.no_grad():
            now = _nearer(torch.from_numpy(seen).to(now), closer)


def _nearer(pictures: Tensor, closer: float) -> Tensor:
    """The middle of pictures at their size."""
    rows, columns = pictures.shape[2:]
    theta = torch.tensor([[1 / closer, 0, 0], [0, 1 / closer, 0]]).to(pictures)
    grid = functional.affine_grid(
        theta.expand(len(pictures), 2, 3), [len(pictures), 1, rows, columns], align_corners=False
    )
    found: Tensor = functional.grid_sample(
        pictures, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    return found.clamp(0, 1)


def _sizes(model: nn.Module, whole: Tensor, layer: str, how: Dreaming) -> list[tuple[int, int]]:
    """Rows and columns of the octaves, the smallest first, as far as the network takes them."""
    rows, columns = whole.shape[2:]
    _maps(model, whole, layer)  # a wrong layer, or a picture too small by itself, is told here
    sizes = [(rows, columns)]
    for octave in range(1, how.octaves):
        by = how.scale**octave
        size = (round(rows / by), round(columns / by))
        try:
            fits = min(size) >= 1 and _maps(model, _resized(whole[:1], size), layer).numel() > 0
        except CommonError:  # too small for the network
            fits = False
        if not fits:
            log.warning("octave %d, %d x %d, is too small for the network", octave + 1, *size)
            break
        sizes.append(size)
    return sizes[::-1]


def _maps(model: nn.Module, pictures: Tensor, layer: str) -> Tensor:
    with hooks.recording(model, [layer]) as outputs:
        hooks.run(model, pictures)
    return hooks.recorded(outputs, layer)


def _objective(
    model: nn.Module, whole: Tensor, layer: str, target: int | None, guide: Input | None
) -> Objective:
    """What climbs: of a layer's maps one number for each picture."""
    if guide is not None:
        if target is not None:
            raise CommonError("a dream follows a channel or a guide, not both")
        with torch.no_grad():
            seen = _maps(model, hooks.tensor(model, guide)[:1], layer)
        wanted = seen.flatten(2)[0]  # [channel, place of the guide]

        def like_the_guide(maps: Tensor) -> Tensor:
            places = maps.flatten(2)  # [batch, channel, place]
            alike = places.transpose(1, 2) @ wanted
            return alike.amax(2).mean(1)

        return like_the_guide
    if target is None:
        return lambda maps: maps.flatten(1).pow(2).mean(1)
    with torch.no_grad():
        count = _maps(model, whole[:1], layer).shape[1]
    if not 0 <= target < count:
        raise CommonError(f"layer {layer!r} has no channel {target}: they go from 0 to {count - 1}")
    return lambda maps: maps[:, target].flatten(1).mean(1)


def _step(
    model: nn.Module,
    picture: Tensor,
    layer: str,
    objective: Objective,
    how: Dreaming,
    rng: torch.Generator,
) -> Tensor:
    """One step uphill."""
    most = [min(how.jitter, size // 2) for size in picture.shape[2:]]
    shifts = [int(torch.randint(-far, far + 1, (1,), generator=rng)) for far in most]
    shown = picture.roll(shifts, (2, 3)).detach().requires_grad_()
    score = objective(_maps(model, shown, layer))
    uphill = hooks.gradient(score, shown, f"layer {layer!r}")
    size = uphill.abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-20)
    moved = (shown.detach() + how.rate * uphill / size).clamp(0, 1)
    return moved.roll([-shift for shift in shifts], (2, 3))


def _resized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(pictures.shape[2:]) == size:
        return pictures
    shrinks = size[0] < pictures.shape[2]
    found: Tensor = functional.interpolate(
        pictures, size, mode="bicubic", align_corners=False, antialias=shrinks
    )
    return found
