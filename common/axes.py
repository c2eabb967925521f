"""Axes: what an input says about itself, and what a network may therefore do to it.

A convolutional network leans on three properties of its input. They hold for a picture along both
of its axes, but not for everything that looks like a picture. Here an input declares along which
axes they hold; `conv` and `pool` make layers from the declaration, and `check` proves of any torch
module that it keeps to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.declaration import Declaration

if TYPE_CHECKING:
    from torch import Tensor, nn

    from common.operators import Window

PICTURE = Declaration("picture", ("row", "column"), ("row", "column"), ("row", "column"))
BOARD = Declaration("board", ("row", "column"), ("row", "column"), ())
SPEECH = Declaration("spectrogram", ("frequency", "time"), ("frequency",), ("frequency",))


def check(module: nn.Module, declaration: Declaration, *example: Tensor) -> list[Window]:
    """Prove that a network keeps to the declaration of its input, by what really runs.

    example: what the module is called with. A tensor [batch, channel, *axes] or [batch, *axes] is
    the declared input; any other is taken as facts about it without axes.
    Returns the filters and pools that were seen, one for each layer and axis, as evidence.
    Raises CommonError naming the layer and the property that it breaks, or the operator through
    which the axes cannot be followed, so that nothing is proved.

    The forward pass is run once as for inference; the module is left as it was.
    """
    from common.tracing import follow  # needs torch, the declarations do not

    return follow(module, declaration, example)
