"""explain: see what a convolutional network has learnt, and what an answer hangs on.

`explain.NAME(model, input, target, **options) -> array`, for any torch module, and any batch
[batch, channel, *axes]: pictures, boards, spectrograms. Every tool leaves the model as it found it,
also when it is interrupted. Importing this imports torch.
"""

from common.explain.drawing import Scale, figure, heat, overlay, sheet
from common.explain.dream import Dreaming, dream, zoom
from common.explain.filters import feature_maps, filters
from common.explain.hooks import layers
from common.explain.maximize import (
    DIGITS,
    PHOTOGRAPHS,
    Ascent,
    Examples,
    maximize,
    top_examples,
)
from common.explain.occlusion import occlusion
from common.explain.saliency import (
    completeness_gap,
    grad_cam,
    integrated_gradients,
    saliency,
    smoothgrad,
)
from common.explain.scores import (
    Curve,
    deletion,
    insertion,
    judge,
    rank_correlation,
    sanity,
)
from common.explain.style import Styling, style

__all__ = [
    "DIGITS",
    "PHOTOGRAPHS",
    "Ascent",
    "Curve",
    "Dreaming",
    "Examples",
    "Scale",
    "Styling",
    "completeness_gap",
    "deletion",
    "dream",
    "feature_maps",
    "figure",
    "filters",
    "grad_cam",
    "heat",
    "insertion",
    "integrated_gradients",
    "judge",
    "layers",
    "maximize",
    "occlusion",
    "overlay",
    "rank_correlation",
    "saliency",
    "sanity",
    "sheet",
    "smoothgrad",
    "style",
    "top_examples",
    "zoom",
]
