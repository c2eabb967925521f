"""A declaration: along which axes of an input the three properties hold, and what that allows.

`axes` has those of the inputs of this repository. No torch here: declarations are light to import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.errors import CommonError

SMALL = "small patterns"  # a telling pattern is much smaller than the whole input
ELSEWHERE = "the same pattern elsewhere"  # one filter serves every place
SUBSAMPLING = "subsampling changes nothing"  # half of the positions show the same thing


@dataclass(frozen=True)
class Declaration:
    """An input's axes, in the order of a tensor's last dimensions, and what may be done along them.

    slides: axes along which the same pattern turns up elsewhere, so that a filter may slide.
    pools: axes along which subsampling changes nothing, so that the input may be made smaller.
    """

    name: str
    axes: tuple[str, ...]
    slides: tuple[str, ...]
    pools: tuple[str, ...]

    def __post_init__(self) -> None:
        for axis in (*self.slides, *self.pools):
            self.index(axis)

    def index(self, axis: str) -> int:
        """Which of the input's axes this is, 0 the first. Raises CommonError for another name."""
        if axis not in self.axes:
            raise CommonError(f"a {self.name} has no axis {axis!r}, only {_list(self.axes)}")
        return self.axes.index(axis)

    def allow_filter(self, layer: str, axis: str, extent: int, *, whole: bool = False) -> None:
        """Raise CommonError unless a filter may see `extent` positions along `axis`.

        whole: the filter covers the axis from end to end, in one place, and does not slide.
        """
        if extent > 1 and not whole and axis not in self.slides:
            raise CommonError(
                f"{layer} slides a filter of extent {extent} along {axis}, which breaks"
                f' "{ELSEWHERE}": in a {self.name} that holds along {_list(self.slides)} only, so'
                f" along {axis} a filter has extent 1 or covers the whole axis"
            )

    def allow_size(self, layer: str, axis: str, extent: int, size: int) -> None:
        """Raise CommonError if a filter is larger along `axis` than the input, `size` positions."""
        if extent > size:
            raise CommonError(
                f"{layer} has a filter of extent {extent} along {axis}, where the whole {self.name}"
                f' has {size} positions, which breaks "{SMALL}": make the filter smaller'
            )

    def allow_subsampling(self, layer: str, axis: str, how: str) -> None:
        """Raise CommonError unless positions along `axis` may be merged or left out."""
        if axis not in self.pools:
            raise CommonError(
                f'{layer} {how} along {axis}, which breaks "{SUBSAMPLING}": in a {self.name} that'
                f" holds along {_list(self.pools)}"
            )


def per_axis(
    declaration: Declaration,
    value: int | Sequence[int] | Mapping[str, int],
    along: Sequence[str],
    otherwise: int,
) -> tuple[int, ...]:
    """One number an axis. An int holds along the axes `along`, `otherwise` along the others.

    >>> speech = Declaration("spectrogram", ("frequency", "time"), ("frequency",), ())
    >>> per_axis(speech, 3, along=("frequency",), otherwise=1)
    (3, 1)
    >>> per_axis(speech, {"time": 98}, along=("frequency",), otherwise=1)
    (1, 98)
    """
    if isinstance(value, int):
        value = {axis: value for axis in along}
    if isinstance(value, Mapping):
        for axis in value:
            declaration.index(axis)
        return tuple(value.get(axis, otherwise) for axis in declaration.axes)
    if len(value) != len(declaration.axes):
        raise CommonError(
            f"{tuple(value)} does not give one number for each of {_list(declaration.axes)}"
        )
    return tuple(value)


def _list(names: Sequence[str]) -> str:
    return " and ".join(names) or "no axis"
