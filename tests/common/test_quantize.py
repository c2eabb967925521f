"""Weights in 8 bits: smaller files that still answer, by the same runtime."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from common.errors import CommonError
from common.export import export_onnx
from common.modelfile import read_facts
from common.quantize import quantize, quantize_convolutions, rounded


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


def test_what_has_8_bits_is_not_quantized_again(models: tuple[Path, Path]) -> None:
    with pytest.raises(CommonError, match="8 bits already"):
        quantize(models[1], models[1].with_name("c.onnx"))


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


class Pictured(nn.Module):
    """Convolutions with and without biases, of which the last gives the answer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.trunk = nn.Sequential(
            nn.Conv2d(4, 24, 5, padding=2), nn.ReLU(),
            nn.Conv2d(24, 24, 3, padding=1, bias=False), nn.ReLU(),
            nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.point = nn.Conv2d(24, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.point(self.trunk(x.float())).flatten(1)
        return answer


def boards(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (count, 4, 9, 9), dtype=np.uint8)


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pictured")
    board = torch.from_numpy(boards(2, 0))
    export_onnx(Pictured(), [board], folder / "a.onnx", facts={"name": "boards"})
    shutil.copy(folder / "a.onnx", folder / "b.onnx")
    quantize_convolutions(folder / "b.onnx", [boards(16, seed) for seed in range(8)], "/trunk/")
    return folder / "a.onnx", folder / "b.onnx"


def test_convolutions_of_integers_answer_nearly_alike(pictured: tuple[Path, Path]) -> None:
    x = boards(200, 99)
    before, after = (
        onnxruntime.InferenceSession(path).run(None, {"input": x})[0] for path in pictured
    )
    spread = before.std(axis=0).mean()
    assert 0 < np.abs(after - before).mean() < 0.1 * spread
    assert np.abs((after - before).mean(axis=0)).max() < 0.03 * spread


def test_only_the_convolutions_meant_compute_with_integers(pictured: tuple[Path, Path]) -> None:
    graph = onnx.load(pictured[1]).graph
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    whole = {
        node.name: all(made_by.get(name) == "DequantizeLinear" for name in node.input)
        for node in graph.node
        if node.op_type == "Conv"
    }
    assert sorted(whole.values()) == [False, True, True, True]
    assert [name for name, integer in whole.items() if not integer] == ["/point/Conv"]
    assert read_facts(pictured[1]) == {"name": "boards"}


def test_no_sum_of_two_products_overflows_16_bits(pictured: tuple[Path, Path]) -> None:
    graph = onnx.load(pictured[1]).graph
    weights = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.name.endswith("weight_quantized")
    ]
    assert len(weights) == 3
    for tensor in weights:
        assert tensor.dtype == np.int8
        assert 2 * 255 * int(np.abs(tensor.astype(int)).max()) < 2**15


def test_the_same_examples_give_the_same_file(pictured: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copy(pictured[0], tmp_path / "c.onnx")
    quantize_convolutions(tmp_path / "c.onnx", [boards(16, seed) for seed in range(8)], "/trunk/")
    assert (tmp_path / "c.onnx").read_bytes() == pictured[1].read_bytes()


def test_a_part_that_is_not_there_is_refused(pictured: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copy(pictured[0], tmp_path / "c.onnx")
    with pytest.raises(CommonError, match="has no convolution within /tail/"):
        quantize_convolutions(tmp_path / "c.onnx", [boards(2, 0)], "/tail/")
    assert (tmp_path / "c.onnx").read_bytes() == pictured[0].read_bytes()
