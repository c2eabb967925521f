"""Quantize: an ONNX model in 8 bits (Jacob et al. 2018, "Quantization and training of neural
networks for efficient integer-arithmetic-only inference").

Two ways. `quantize` keeps weights in 8 bits: a quarter of the size, the same speed. Only weights,
and only large ones, become integers, each row on a scale of its own; the runtime makes floats of
them when it loads the model, and computes as before. So recurrences are quantized, too, for which
it has no integer arithmetic, and nothing has to be calibrated. `quantize_convolutions` computes
with integers: twice as fast, once the range of what passes through is known from examples.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from common.errors import CommonError
from common.modelfile import open_model, seal_onnx, write_model

SMALLEST = 1024
"""Numbers of a tensor that is worth it."""


def quantize(source: Path, target: Path) -> float:
    """Write the model file `source` with weights of 8 bits to `target`.

    Returns the share of the size that is left. Raises CommonError if `source` is no model file of
    ours or quantized already, or `target` cannot be written.
    """
    data, facts = open_model(source)
    if facts.get("weights") == "int8":
        raise CommonError(f"the weights of {source} have 8 bits already")
    model = onnx.load_model_from_string(data)
    del model.metadata_props[:]
    large = [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= SMALLEST
    ]
    nodes = []
    for tensor in large:
        weights, axis = numpy_helper.to_array(tensor), 1 if len(tensor.dims) == 3 else 0
        whole, scale = rounded(weights, axis)
        name = tensor.name
        model.graph.initializer.remove(tensor)
        model.graph.initializer.extend(
            [
                numpy_helper.from_array(whole, f"{name}.int8"),
                numpy_helper.from_array(scale, f"{name}.scale"),
                numpy_helper.from_array(np.zeros(len(scale), np.int8), f"{name}.zero"),
            ]
        )
        inputs = [f"{name}.int8", f"{name}.scale", f"{name}.zero"]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [name], axis=axis))
    for place, node in enumerate(nodes):
        model.graph.node.insert(place, node)
    content = seal_onnx(model.SerializeToString(deterministic=True), {**facts, "weights": "int8"})
    write_model(target, content)
    return len(content) / len(data)


def quantize_convolutions(path: Path, examples: Sequence[NDArray[Any]], within: str) -> None:
    """Let convolutions of the model file `path` compute with integers of 8 bits.

    examples: batches for its one input, which show how large numbers become inside. within: the
    parts meant, as a regular expression that their nodes' names ("/trunk/trunk.0/up/Conv") begin
    with. Weights have a scale for each filter and 7 of the 8 bits, for processors without AVX-VNNI
    add two products in 16 bits and would overflow: so every processor finds the same integers. What
    the rounded weights of a filter add to its mean answer is taken off it again (Nagel et al. 2019,
    "Data-free quantization through weight equalization and bias correction").
    Raises CommonError as `quantize` does, and if `within` matches no convolution.
    """
    from onnxruntime.quantization.shape_inference import quant_pre_process

    data, facts = open_model(path)
    with TemporaryDirectory() as folder:
        plain, whole = Path(folder) / "plain.onnx", Path(folder) / "whole.onnx"
        plain.write_bytes(data)
        quant_pre_process(plain, plain, skip_symbolic_shape=True)
        model = onnx.load(plain)
        meant = [
            node
            for node in model.graph.node
            if node.op_type == "Conv" and re.match(within, node.name)
        ]
        if not meant:
            raise CommonError(f"{path} has no convolution within {within}")
        names = [node.name for node in meant]
        _static(plain, whole, examples, names)
        _unbias(model, meant, onnx.load(whole), examples)
        onnx.save(model, plain)
        _static(plain, whole, examples, names)
        model = onnx.load(whole)
    del model.metadata_props[:]
    write_model(path, seal_onnx(model.SerializeToString(deterministic=True), facts))


def _static(plain: Path, whole: Path, examples: Sequence[NDArray[Any]], names: list[str]) -> None:
    """onnxruntime's own quantization of the convolutions of these names."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            [port] = onnx.load(plain).graph.input
            self.feeds = iter([{port.name: batch} for batch in examples])

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            return next(self.feeds, None)

    quantize_static(
        plain, whole, Reader(), per_channel=True, reduce_range=True, nodes_to_quantize=names,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip


def _unbias(
    model: onnx.ModelProto, meant: Sequence[Any], whole: Any, examples: Sequence[NDArray[Any]]
) -> None:
    """Take from the biases of `model` what its rounded weights, those of `whole`, add to the mean
    answer of each filter."""
    looking = onnx.ModelProto()
    looking.CopyFrom(model)
    seen = sorted({node.input[0] for node in meant})
    del looking.graph.output[:]
    looking.graph.output.extend([onnx.ValueInfoProto(name=name) for name in seen])
    session = onnxruntime.InferenceSession(looking.SerializeToString())
    [port] = session.get_inputs()
    means = dict.fromkeys(seen, np.float64(0))
    for batch in examples:
        for name, maps in zip(seen, session.run(seen, {port.name: batch}), strict=True):
            means[name] += maps.mean(axis=(0, 2, 3), dtype=np.float64) / len(examples)
    numbers = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    integers = {one.name: numpy_helper.to_array(one) for one in whole.graph.initializer}
    for node in meant:
        weights = node.input[1]
        scale = integers[f"{weights}_scale"].reshape(-1, 1, 1, 1)
        error = integers[f"{weights}_quantized"] * scale - numbers[weights]
        bias = -(error.sum(axis=(2, 3)) @ means[node.input[0]])
        for before in node.input[2:]:
            bias += numbers[before]
            node.input.remove(before)
        name = f"{node.name}.bias"
        node.input.append(name)
        model.graph.initializer.append(numpy_helper.from_array(bias.astype(np.float32), name))
    used = {name for node in model.graph.node for name in node.input}
    for initializer in [one for one in model.graph.initializer if one.name not in used]:
        model.graph.initializer.remove(initializer)


def rounded(
    weights: NDArray[np.float32], axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Integers of -127..127, and the scale of each place along `axis`: weights ~ integers * scale.

    >>> whole, scale = rounded(np.array([[0.5, -1.27], [0.0, 0.0]], np.float32), 0)
    >>> whole.tolist(), [round(float(one), 4) for one in scale]
    ([[50, -127], [0, 0]], [0.01, 1.0])
    """
    others = tuple(one for one in range(weights.ndim) if one != axis)
    peak = np.abs(weights).max(axis=others)
    scale = np.where(peak > 0, peak / 127, 1).astype(np.float32)
    spread = scale.reshape([-1 if one == axis else 1 for one in range(weights.ndim)])
    return np.rint(weights / spread).astype(np.int8), scale
