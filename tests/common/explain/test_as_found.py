"""Every tool leaves the model as it found it, also when it is interrupted."""

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_explained import Awkward, seeded
from torch import Tensor, nn

from common import explain
from common.errors import CommonError
from common.explain import Ascent

Floats = NDArray[np.float32]
GREY = np.random.default_rng(0).random((2, 1, 11, 9), np.float32)
HOW = Ascent(steps=3)

ONE_RUN = ("feature_maps", "grad_cam", "integrated_gradients", "layers", "saliency")
TOOLS: dict[str, Callable[[nn.Module], Any]] = {
    "saliency": lambda model: explain.saliency(model, GREY, 1),
    "smoothgrad": lambda model: explain.smoothgrad(model, GREY, 1, samples=3),
    "integrated_gradients": lambda model: explain.integrated_gradients(model, GREY, 1, steps=3),
    "grad_cam": lambda model: explain.grad_cam(model, GREY, 1),
    "occlusion": lambda model: explain.occlusion(model, GREY, 1, patch=4),
    "filters": lambda model: explain.filters(model),
    "feature_maps": lambda model: explain.feature_maps(model, GREY, "block.1"),
    "maximize": lambda model: explain.maximize(model, GREY[:1], layer="block.1", how=HOW),
    "top_examples": lambda model: explain.top_examples(model, GREY, layer="first", count=1).score,
    "deletion": lambda model: explain.deletion(model, GREY, GREY[:, 0], 1).area,
    "insertion": lambda model: explain.insertion(model, GREY, GREY[:, 0], 1).area,
    "sanity": lambda model: list(
        explain.sanity(model, GREY, lambda other: explain.saliency(other, GREY, 1)).values()
    ),
    "layers": lambda model: list(explain.layers(model, GREY)),
}


def state(model: nn.Module) -> list[Any]:
    """All that a tool could have changed."""
    hooks = [
        len(table)
        for part in model.modules()
        for table in (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
    ]
    modes = [part.training for part in model.modules()]
    asked = [p.requires_grad for p in model.parameters()]
    grads = [None if p.grad is None else p.grad.clone().tolist() for p in model.parameters()]
    values = [value.tolist() for value in model.state_dict().values()]
    return [hooks, modes, asked, grads, values]


@pytest.fixture(params=["training", "evaluating", "frozen", "half a step done"])
def model(request: pytest.FixtureRequest) -> nn.Module:
    model = seeded(Awkward, 1)
    model.train(request.param == "training")
    if request.param == "frozen":
        model.requires_grad_(False)
    if request.param == "half a step done":
        model(torch.from_numpy(GREY)).sum().backward()
    return model


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_leaves_the_model_as_it_found_it(name: str, model: nn.Module) -> None:
    before = state(model)
    found = TOOLS[name](model)
    assert len(found)
    assert state(model) == before


@pytest.mark.parametrize("name", [name for name in TOOLS if name != "filters"])
def test_also_when_it_is_interrupted(name: str, model: nn.Module) -> None:
    runs = 0

    def interrupt(*given: object) -> None:
        nonlocal runs
        runs += 1
        if runs > (name not in ONE_RUN):
            raise KeyboardInterrupt

    with model.get_submodule("dense").register_forward_pre_hook(interrupt):
        before = state(model)
        with pytest.raises(KeyboardInterrupt):
            TOOLS[name](model)
        assert state(model) == before


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_off(name: str, around: Callable[[], Any]) -> None:
    model = seeded(Awkward, 1)
    expected = TOOLS[name](model)
    with around():
        found = TOOLS[name](model)
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other) if not isinstance(one, str) else one == other


@pytest.mark.parametrize("name", ["saliency", "occlusion", "grad_cam", "maximize"])
def test_nothing_grows_over_many_calls(name: str) -> None:
    model = seeded(Awkward, 1)

    def alive() -> int:
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    TOOLS[name](model)
    before = alive()
    for _ in range(5):
        TOOLS[name](model)
    assert alive() <= before


def test_the_input_is_not_changed() -> None:
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(99, 5))
    batch = GREY - 0.5
    kept = batch.copy()
    explain.saliency(model, batch, 1)
    explain.occlusion(model, batch, 1)
    np.testing.assert_array_equal(batch, kept)


def test_a_missing_layer_is_told_with_those_that_exist() -> None:
    model = seeded(Awkward, 1)
    with pytest.raises(CommonError, match=r"no layer 'blok\.1'; did you mean 'block\.1'\?.*dense"):
        explain.feature_maps(model, GREY, "blok.1")
    with pytest.raises(CommonError, match=r"no layer 'features\.9'\. Its layers: first, relu"):
        explain.grad_cam(model, GREY, 1, layer="features.9")


@pytest.mark.parametrize("target", [5, -1, [0, 9]])
def test_a_missing_class_is_told(target: int | list[int]) -> None:
    with pytest.raises(CommonError, match="they go from 0 to 4"):
        explain.saliency(seeded(Awkward, 1), GREY, target)


@pytest.mark.parametrize("target", ["five", 99999999999999999999, [[1]]])
def test_what_is_no_class_is_told(target: Any) -> None:
    with pytest.raises(CommonError, match="a target is an index"):
        explain.saliency(seeded(Awkward, 1), GREY, target)


def test_a_score_that_does_not_depend_on_the_input_is_told() -> None:
    class Blind(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return torch.zeros(len(inputs), 3)

    with pytest.raises(CommonError, match="does not depend on the input"):
        explain.saliency(Blind(), GREY, 1)


@pytest.mark.parametrize("shape", [(), (3,), (0, 1, 4, 4)])
def test_what_is_no_batch_is_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(CommonError, match="batch"):
        explain.saliency(seeded(Awkward, 1), np.zeros(shape, np.float32))


def test_a_sound_s_frames_will_do() -> None:
    model = seeded(Awkward, 4, 1)
    wave = np.random.default_rng(0).random((2, 4, 30), np.float32)
    for tool in (explain.saliency, explain.smoothgrad, explain.integrated_gradients):
        assert tool(model, wave, 1).shape == wave.shape  # type: ignore[operator]
    assert explain.grad_cam(model, wave, 1).shape == (2, 30)
    assert explain.occlusion(model, wave, 1).shape == (2, 30)
    found = explain.maximize(model, wave[:1], [2], layer="first", how=HOW)
    assert found.shape == (1, 4, 30)


def test_a_function_may_ask_about_any_answer() -> None:
    class Two(nn.Module):
        def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
            return inputs.flatten(1), inputs.flatten(1) * 3

    found = explain.saliency(Two(), GREY, lambda answer: answer[1][:, 4])
    expected = np.zeros((2, 99), np.float32)
    expected[:, 4] = 3
    np.testing.assert_array_equal(found.reshape(2, 99), expected)
