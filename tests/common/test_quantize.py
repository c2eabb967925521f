"""Weights in 8 bits: smaller files that still answer, by the same runtime."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from common.errors import CommonError
from common.export import export_onnx
from common.modelfile import read_facts
from common.quantize import quantize, rounded


class Mixed(nn.Module):
    """A convolution, a recurrence both ways and a dense layer, as networks of speech have them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv1d(16, 64, 3, padding=1)
        self.recurrence = nn.GRU(64, 48, batch_first=True, bidirectional=True)
        self.dense = nn.Linear(96, 40)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.recurrence(self.conv(x).transpose(1, 2))
        answer: Tensor = self.dense(states[:, -1])
        return answer


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    export_onnx(Mixed(), [torch.randn(2, 16, 9)], folder / "a.onnx", facts={"name": "mixed"})
    assert quantize(folder / "a.onnx", folder / "b.onnx") < 0.4
    return folder / "a.onnx", folder / "b.onnx"


def test_a_quantized_model_answers_nearly_alike(models: tuple[Path, Path]) -> None:
    x = np.random.default_rng(0).standard_normal((5, 16, 9)).astype(np.float32)
    before, after = (
        onnxruntime.InferenceSession(path).run(None, {"input": x})[0] for path in models
    )
    assert 0 < np.abs(before - after).max() < 0.02 * np.abs(before).max()


def test_it_says_what_it_is(models: tuple[Path, Path]) -> None:
    assert read_facts(models[1]) == {"name": "mixed", "weights": "int8"}


def test_integers_are_at_most_half_a_step_off() -> None:
    weights = np.random.default_rng(0).standard_normal((2, 30, 20)).astype(np.float32)
    for axis in range(3):
        whole, scale = rounded(weights, axis)
        assert scale.shape == (weights.shape[axis],)
        shape = [-1 if one == axis else 1 for one in range(3)]
        error = np.abs(whole * scale.reshape(shape) - weights)
        assert (error <= 0.5001 * scale.reshape(shape)).all()


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    with pytest.raises(CommonError, match="not a model file"):
        quantize(tmp_path / "a.onnx", tmp_path / "b.onnx")
