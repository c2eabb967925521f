"""How fast `common.explain` is beside captum, on the same model, input and work:
python benchmarks/explain.py

Run it on an idle machine. A ratio below 1 says that ours is faster. Each pair agrees (tests/common/
explain/test_against_captum.py) and takes the same batches, on one core.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import captum.attr as captum
import numpy as np
import torch
from timing import best, show
from torch import nn

from common import explain, mnist
from common.pretrained import SqueezeNet


def main() -> None:
    warnings.filterwarnings("ignore")  # captum's own
    torch.set_num_threads(1)
    torch.manual_seed(0)  # of the network whose weights do not matter here
    digits, photographs = mnist.load(), SqueezeNet().eval()
    rng = np.random.default_rng(0)
    compare("digits", digits, rng.random((4, 1, 28, 28), np.float32), "features.3", 4, 2)
    compare(
        "SqueezeNet", photographs, rng.random((1, 3, 224, 224), np.float32), "features.12", 32, 16
    )


def compare(
    name: str, model: nn.Module, batch: np.ndarray, layer: str, patch: int, stride: int
) -> None:
    """Every method, in turns."""
    inputs = torch.from_numpy(batch)
    target = torch.arange(len(batch))
    channels = batch.shape[1]

    def theirs_smooth() -> object:
        return captum.NoiseTunnel(captum.Saliency(model)).attribute(
            inputs, target=target, nt_type="smoothgrad", nt_samples=20, stdevs=0.15,
            nt_samples_batch_size=8,
        )  # fmt: skip

    def theirs_cam() -> object:
        cam = captum.LayerGradCam(model, model.get_submodule(layer))
        found = cam.attribute(inputs, target=target, relu_attributions=True)
        return captum.LayerAttribution.interpolate(found, batch.shape[2:], "bilinear")

    def theirs_occlusion() -> object:
        return captum.Occlusion(model).attribute(
            inputs, target=target, sliding_window_shapes=(channels, patch, patch),
            strides=(channels, stride, stride), perturbations_per_eval=16,
        )  # fmt: skip

    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "saliency": (
            lambda: explain.saliency(model, batch, target),
            lambda: captum.Saliency(model).attribute(inputs, target=target),
        ),
        "smoothgrad, 20 samples": (
            lambda: explain.smoothgrad(model, batch, target, samples=20, batch=8 * len(batch)),
            theirs_smooth,
        ),
        "integrated gradients, 50 steps": (
            lambda: explain.integrated_gradients(model, batch, target, batch=16),
            lambda: captum.IntegratedGradients(model).attribute(
                inputs, target=target, n_steps=50, internal_batch_size=16
            ),
        ),
        "Grad-CAM": (lambda: explain.grad_cam(model, batch, target, layer=layer), theirs_cam),
        f"occlusion, {patch}x{patch} by {stride}": (
            lambda: explain.occlusion(
                model, batch, target, patch=patch, stride=stride, batch=16 * len(batch)
            ),
            theirs_occlusion,
        ),
    }
    for method, (ours, theirs) in pairs.items():
        a, b = best(ours, theirs, rounds=15)
        show(f"{name}: {method}", a * 1e3, b * 1e3, "ms", "<= 1")


if __name__ == "__main__":
    main()
