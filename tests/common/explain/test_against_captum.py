"""The attributions are those of captum, for the same model, input and noise."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_explained import Awkward, seeded
from torch import Tensor, nn

from common import explain, pretrained
from common.pictures import array, fitted, read

captum = pytest.importorskip("captum.attr", reason="captum is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # captum's own

Floats = NDArray[np.float32]
SHARED = Path(__file__).parents[4] / "shared" / "data" / "images"
TARGET = [3, 1]


def same(found: Floats, expected: Tensor, tolerance: float = 1e-4) -> None:
    wanted = expected.detach().numpy()
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=tolerance * max(1.0, np.abs(wanted).max()))
    assert np.abs(wanted).max() > 0


def tensors(model: nn.Module, batch: Floats) -> tuple[nn.Module, Tensor, Tensor]:
    """As captum wants them."""
    return model.eval(), torch.from_numpy(batch).requires_grad_(), torch.tensor(TARGET)


def test_saliency(model: nn.Module, batch: Floats) -> None:
    found = explain.saliency(model, batch, TARGET)
    signed = explain.saliency(model, batch, TARGET, absolute=False)
    model, inputs, target = tensors(model, batch)
    same(found, captum.Saliency(model).attribute(inputs, target))
    same(signed, captum.Saliency(model).attribute(inputs, target, abs=False))


def test_smoothgrad_with_the_same_noise(model: nn.Module, batch: Floats) -> None:
    samples, sigma = 7, 0.2
    rng = torch.Generator().manual_seed(5)
    found = explain.smoothgrad(model, batch, TARGET, samples=samples, sigma=sigma, rng=rng)
    # captum draws its noise itself: here the mean over noisy copies is taken by hand, with ours.
    model, inputs, target = tensors(model, batch)
    rng = torch.Generator().manual_seed(5)
    total = torch.zeros_like(inputs)
    for number, one in enumerate(inputs.detach()):
        noise = torch.randn(samples, *one.shape, generator=rng) * sigma * (one.max() - one.min())
        for some in noise:
            copy = (one + some)[None].requires_grad_()
            total[number] += captum.Saliency(model).attribute(copy, target[number : number + 1])[0]
    same(found, total / samples)


def test_smoothgrad_as_captum_draws_its_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    model = seeded(Awkward, 1).eval()
    one = torch.rand(1, 1, 9, 9, generator=torch.Generator().manual_seed(2))
    sigma = 0.1 * float(one.max() - one.min())
    noise = torch.randn(6, 1, 9, 9, generator=torch.Generator().manual_seed(5)) * sigma

    def given(mean: Tensor, deviation: Tensor) -> Tensor:
        return mean + noise

    monkeypatch.setattr(torch, "normal", given)
    tunnel = captum.NoiseTunnel(captum.Saliency(model))
    expected = tunnel.attribute(one, nt_type="smoothgrad", nt_samples=6, stdevs=sigma, target=2)
    rng = torch.Generator().manual_seed(5)
    same(explain.smoothgrad(model, one, 2, samples=6, sigma=0.1, rng=rng), expected)


@pytest.mark.parametrize("baseline", [0.0, 0.5])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_integrated_gradients(
    model: nn.Module, batch: Floats, baseline: float, batch_size: int
) -> None:
    found = explain.integrated_gradients(
        model, batch, TARGET, steps=30, baseline=baseline, batch=batch_size
    )
    model, inputs, target = tensors(model, batch)
    expected = captum.IntegratedGradients(model).attribute(
        inputs, baselines=baseline, target=target, n_steps=30
    )
    same(found, expected)


def test_the_gap_of_integrated_gradients_is_captum_s_delta(model: nn.Module, batch: Floats) -> None:
    found = explain.integrated_gradients(model, batch, TARGET, steps=5)
    gap = explain.completeness_gap(model, batch, found, TARGET)
    model, inputs, target = tensors(model, batch)
    _, delta = captum.IntegratedGradients(model).attribute(
        inputs, target=target, n_steps=5, return_convergence_delta=True
    )
    np.testing.assert_allclose(-gap, delta.numpy(), atol=1e-5)


@pytest.mark.parametrize("relu", [True, False])
def test_grad_cam(model: nn.Module, batch: Floats, relu: bool) -> None:
    found = explain.grad_cam(model, batch, TARGET, layer="block.1", relu=relu, upsample=False)
    model, inputs, target = tensors(model, batch)
    cam = captum.LayerGradCam(model, model.block[1])  # type: ignore[index]
    expected = cam.attribute(inputs, target, relu_attributions=relu)
    same(found, expected[:, 0])


def test_grad_cam_as_large_as_the_input() -> None:
    rng = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    for values in model.parameters():
        nn.init.uniform_(values, -0.2, 0.4, generator=rng)
    inputs = torch.rand(1, 1, 12, 12, generator=rng)
    found = explain.grad_cam(model, inputs, 1)
    small = captum.LayerGradCam(model, model[0]).attribute(inputs, 1, relu_attributions=True)
    large = captum.LayerAttribution.interpolate(small, (12, 12), "bilinear")
    same(found, large[:, 0])


@pytest.mark.parametrize(
    ("patch", "stride"), [((3, 3), (2, 2)), ((5, 4), (5, 3)), ((1, 13), (1, 13)), ((2, 2), (1, 1))]
)
@pytest.mark.parametrize("fill", [0.0, 0.3])
def test_occlusion(
    model: nn.Module, batch: Floats, patch: tuple[int, int], stride: tuple[int, int], fill: float
) -> None:
    found = explain.occlusion(model, batch, TARGET, patch=patch, stride=stride, fill=fill, batch=11)
    model, inputs, target = tensors(model, batch)
    window = (inputs.shape[1], *patch)
    with torch.no_grad():
        expected = captum.Occlusion(model).attribute(
            inputs, window, strides=(1, *stride), baselines=fill, target=target
        )
    same(found, expected[:, 0])


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_a_natural_image_network() -> None:
    model = pretrained.squeezenet(SHARED / "weights" / "squeezenet1_1_fp16.npz")
    image = fitted(read(SHARED / "photos" / "photo_coffee.jpg"), (112, 112))
    batch = array(image)[None]
    inputs = torch.from_numpy(batch).requires_grad_()
    same(explain.saliency(model, batch, 967), captum.Saliency(model).attribute(inputs, 967))
    integrated = captum.IntegratedGradients(model).attribute(inputs, target=967, n_steps=8)
    same(explain.integrated_gradients(model, batch, 967, steps=8), integrated)
    cam = captum.LayerGradCam(model, model.features[12])
    found = explain.grad_cam(model, batch, 967, layer="features.12", upsample=False)
    same(found, cam.attribute(inputs, 967, relu_attributions=True)[:, 0])
    covered = captum.Occlusion(model).attribute(inputs, (3, 32, 32), (3, 16, 16), target=967)
    same(explain.occlusion(model, batch, 967, patch=32, stride=16), covered[:, 0])
