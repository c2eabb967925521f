"""Style: one picture's things in another's manner (Gatys, Ecker and Bethge 2016).

What is where tell a late layer's maps; the manner tells which of a layer's filters answer together
anywhere: the Gram matrices of several layers. The picture is moved until both fit, first small and
then larger. Each layer's loss is divided by its target's power, so that the weights of this module
suit any network.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from common.errors import CommonError
from common.explain import hooks
from common.explain.hooks import Array, Input

log = logging.getLogger(__name__)

Watch = Callable[[int, int, float, Callable[[], Array]], None]
"""Called after every step: steps done, all, the loss, and what draws the picture as it is now."""

# The change from RGB to brightness and two colours (ITU-R BT.601).
_YUV = ((0.299, 0.587, 0.114), (-0.14713, -0.28886, 0.436), (0.615, -0.51499, -0.10001))


@dataclass(frozen=True, kw_only=True)
class Styling:
    """How to paint.

    scales: sizes, each the root of two larger than the one before. steps: at the smallest; the
    others take a share of `fewer` each. optimizer: "adam", with its rate, or "lbfgs".
    content: how much the things weigh against the manner, which weighs 1. smooth: total variation.
    colours: of the styles, or of the content, whose brightness alone is then painted.
    """

    scales: int = 4
    steps: int = 200
    fewer: float = 0.6
    optimizer: Literal["adam", "lbfgs"] = "adam"
    rate: float = 0.03
    content: float = 0.04
    smooth: float = 2.0
    colours: Literal["style", "content"] = "style"

    def __post_init__(self) -> None:
        if self.scales < 1 or self.steps < 1 or not 0 < self.rate < inf or not 0 < self.fewer <= 1:
            raise CommonError(f"scales, steps, rate and fewer must be above 0: {self}")
        if not (0 <= self.content < inf and 0 <= self.smooth < inf):
            raise CommonError(f"content and smooth must not be below 0: {self}")
        if self.optimizer not in ("adam", "lbfgs") or self.colours not in ("style", "content"):
            raise CommonError(
                f'optimizer is "adam" or "lbfgs", colours "style" or "content": {self}'
            )

    def plan(self) -> list[int]:
        """Steps at each scale, the smallest first.

        >>> Styling(scales=3, steps=100, fewer=0.5).plan()
        [100, 50, 25]
        """
        return [max(1, round(self.steps * self.fewer**scale)) for scale in range(self.scales)]


def style(
    model: nn.Module,
    content: Input,
    styles: Input | Sequence[Input],
    *,
    weights: Sequence[float] | None = None,
    style_layers: Sequence[str] | None = None,
    content_layer: str | None = None,
    how: Styling | None = None,
    watch: Watch | None = None,
) -> Array:
    """The content's things in the styles' manner.

    content: [1, 3, row, column], 0 to 1 -> the same shape. styles: one such picture or several, of
    any sizes; weights: what share each has, all the same if not said.
    style_layers, content_layer: the first of each block and the second of the fourth, for a VGG.
    Nothing is random: the picture starts as the content. Scales too small for the network are left
    out, which the log tells. Raises CommonError if all are.
    """
    how = how or Styling()
    with hooks.looking(model):
        things = hooks.tensor(model, content)
        manners = [hooks.tensor(model, one) for one in _several(styles)]
        shares = _shares(weights, len(manners))
        _check(things, manners)
        if how.colours == "content":
            manners = [_grey(one) for one in manners]
        names, what = list(style_layers or ()), content_layer
        if not names or what is None:
            found, second = vgg_layers(model)
            names, what = names or found, what or second
        target_at = partial(_Target, model, things, manners, shares, names, what)
        targets = _as_far_as_taken(target_at, how.scales)
        picture, plan = things, how.plan()[: len(targets)]
        for scale, (target, steps) in enumerate(zip(targets, plan, strict=True)):
            told = _told(watch, plan, scale, things, how)
            picture = _paint(_resized(picture, target.size), target, how, steps, told)
        return hooks.array(_finished(picture, things, how))


def vgg_layers(model: nn.Module) -> tuple[list[str], str]:
    """For a trunk of convolutions and pools: the first ReLU of each block, and the one for content.

    Raises CommonError if the model has none such.
    """
    blocks: list[list[str]] = [[]]
    for name, part in model.named_modules():
        if isinstance(part, nn.ReLU):
            blocks[-1].append(name)
        elif isinstance(part, nn.MaxPool2d | nn.AvgPool2d):
            blocks.append([])
        elif isinstance(part, nn.Linear):
            break
    blocks = [block for block in blocks if block]
    if not blocks:
        raise CommonError("the model has no ReLU to take the manner from: name the layers")
    deep = blocks[min(3, len(blocks) - 1)]
    return [block[0] for block in blocks[:5]], deep[min(1, len(deep) - 1)]


def _as_far_as_taken(target_at: Callable[[float], _Target], scales: int) -> list[_Target]:
    """The targets at the scales that the network takes, the smallest first. target_at: makes that
    of a share of the pictures' sides."""
    found: list[_Target] = []
    for scale in range(scales):
        smaller = 2 ** (-scale / 2)
        try:
            found.append(target_at(smaller))
        except CommonError:
            if not found:
                raise
            log.warning("pictures at %.0f%% are too small for the network", 100 * smaller)
            break
    return found[::-1]


class _Target:
    """What the picture is to be like, at one scale."""

    def __init__(
        self,
        model: nn.Module,
        things: Tensor,
        manners: Sequence[Tensor],
        shares: Sequence[float],
        names: Sequence[str],
        what: str,
        smaller: float,
    ) -> None:
        self.model, self.names, self.what = model, names, what
        self.size = [max(1, round(side * smaller)) for side in things.shape[2:]]
        with torch.no_grad():
            self.things = self._maps(_resized(things, self.size))[what]
            self.grams = {name: torch.zeros(()) for name in names}
            for manner, share in zip(manners, shares, strict=True):
                size = [max(1, round(side * smaller)) for side in manner.shape[2:]]
                maps = self._maps(_resized(manner, size))
                for name in names:
                    self.grams[name] = self.grams[name].to(maps[name]) + share * gram(maps[name])

    def loss(self, picture: Tensor, how: Styling) -> Tensor:
        maps = self._maps(picture)
        total = how.content * _apart(maps[self.what], self.things)
        for name in self.names:
            total = total + _apart(gram(maps[name]), self.grams[name]) / len(self.names)
        if how.smooth:
            rough = [(picture.diff(dim=axis) ** 2).mean() for axis in (2, 3)]
            total = total + how.smooth * (rough[0] + rough[1])
        return total

    def _maps(self, picture: Tensor) -> dict[str, Tensor]:
        wanted = {*self.names, self.what}
        with hooks.recording(self.model, sorted(wanted)) as outputs:
            hooks.run(self.model, picture)
        return {name: hooks.recorded(outputs, name) for name in wanted}


def gram(maps: Tensor) -> Tensor:
    """Which filters answer together: [batch, filter, *axes] -> [batch, filter, filter], means.

    >>> gram(torch.ones(1, 2, 3, 3)).tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def _apart(found: Tensor, wanted: Tensor) -> Tensor:
    return (found - wanted).pow(2).sum() / wanted.pow(2).sum().clamp(min=1e-12)


def _paint(
    picture: Tensor,
    target: _Target,
    how: Styling,
    steps: int,
    told: Callable[[int, float, Tensor], None],
) -> Tensor:
    canvas = nn.Parameter(picture.detach().clone())
    brush: torch.optim.Optimizer
    if how.optimizer == "adam":
        brush = torch.optim.Adam([canvas], lr=how.rate, betas=(0.9, 0.99))
    else:
        brush = torch.optim.LBFGS([canvas], max_iter=1, history_size=20, tolerance_grad=0,
                                  tolerance_change=0)  # fmt: skip

    def closure() -> Tensor:
        loss = target.loss(canvas, how)
        (canvas.grad,) = torch.autograd.grad(loss, canvas)
        return loss

    # The mean over the last steps has less grain than the last of them.
    mean, weight = torch.zeros_like(canvas), 0.0
    for step in range(steps):
        loss = brush.step(closure)  # type: ignore[no-untyped-call,arg-type,unused-ignore]
        with torch.no_grad():
            canvas.clamp_(0, 1)
            mean, weight = mean * 0.95 + canvas * 0.05, weight * 0.95 + 0.05
        told(step + 1, float(loss.detach()), mean / weight)
    return (mean / weight).detach()


def _told(
    watch: Watch | None, plan: Sequence[int], scale: int, things: Tensor, how: Styling
) -> Callable[[int, float, Tensor], None]:
    before, total = sum(plan[:scale]), sum(plan)

    def told(step: int, loss: float, picture: Tensor) -> None:
        if watch is not None:
            watch(
                before + step,
                total,
                loss,
                lambda: hooks.array(_finished(picture.detach(), things, how)),
            )

    return told


def _finished(picture: Tensor, things: Tensor, how: Styling) -> Tensor:
    """At the content's size; with its colours, if they are kept."""
    picture = _resized(picture, things.shape[2:]).clamp(0, 1)
    if how.colours == "content":
        change = torch.tensor(_YUV).to(things)
        bright = torch.einsum("c,bcxy->bxy", change[0], picture)
        own = torch.einsum("dc,bcxy->bdxy", change, things)
        mixed = torch.cat([bright[:, None], own[:, 1:]], 1)
        picture = torch.einsum("cd,bdxy->bcxy", torch.linalg.inv(change), mixed).clamp(0, 1)
    return picture


def _grey(picture: Tensor) -> Tensor:
    bright = torch.einsum("c,bcxy->bxy", torch.tensor(_YUV[0]).to(picture), picture)
    return bright[:, None].repeat(1, 3, 1, 1)


def _several(styles: Input | Sequence[Input]) -> list[Input]:
    if isinstance(styles, list | tuple):
        return list(styles)
    return [styles]  # type: ignore[list-item]


def _shares(weights: Sequence[float] | None, count: int) -> list[float]:
    shares = [1.0] * count if weights is None else [float(weight) for weight in weights]
    if len(shares) != count or min(shares) < 0 or not 0 < sum(shares) < inf:
        raise CommonError(f"each of the {count} styles needs a weight, above 0 together: {weights}")
    return [share / sum(shares) for share in shares]


def _check(things: Tensor, manners: Sequence[Tensor]) -> None:
    for one in (things, *manners):
        if one.ndim != 4 or len(one) != 1 or one.shape[1] != 3:
            raise CommonError(
                f"content and styles are one colour picture each, [1, 3, row, column]; got the"
                f" shape {list(one.shape)}"
            )


def _resized(pictures: Tensor, size: Sequence[int]) -> Tensor:
    if list(pictures.shape[2:]) == list(size):
        return pictures
    found: Tensor = functional.interpolate(
        pictures, tuple(size), mode="bicubic", align_corners=False, antialias=True
    )
    return found.clamp(0, 1)
