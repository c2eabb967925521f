"""Quantize: an ONNX model whose weights are kept in 8 bits: a quarter of the size, the same speed.

Only weights, and only large ones, become integers, each row on a scale of its own (symmetric, as in
Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference"). The runtime makes floats of them when it loads the model, and
computes as before; so recurrences are quantized, too, for which it has no integer arithmetic, and
nothing has to be calibrated.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from common.modelfile import open_model, seal_onnx, write_model

SMALLEST = 1024
"""Numbers of a tensor that is worth it."""


def quantize(source: Path, target: Path) -> float:
    """Write the model file `source` with weights of 8 bits to `target`.

    Returns the share of the size that is left. Raises CommonError if `source` is no model file of
    ours, or `target` cannot be written.
    """
    data, facts = open_model(source)
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
