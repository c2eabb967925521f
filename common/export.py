"""Export: a trained network -> model files that explain themselves.

Twice: ONNX, for inference without torch, and safetensors, for training on and for explaining. Each
holds the same facts as JSON: what it was trained on and how, its measured accuracy, its input.
The same network and facts give the same bytes.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor, nn

from common.errors import CommonError
from common.modelfile import Facts, open_model, seal_onnx, seal_weights, write_model

TOLERANCE = 1e-4
"""Largest difference between torch's and onnxruntime's outputs, as a share of the largest output
(of 1 where that is smaller)."""


def export_onnx(
    network: nn.Module,
    examples: Sequence[Tensor],
    path: Path,
    *,
    facts: Mapping[str, Any],
    names: tuple[str, str] = ("input", "output"),
    dynamic: Mapping[int, str] | None = None,
) -> float:
    """Write `network`, of one input and one output, as ONNX, once it answers as torch does.

    examples: inputs of different shapes where axes are dynamic; the first one is traced.
    names: of input and output. dynamic: axes of the input that may have any length, and their
    names; axis 0, the batch, is also the output's.
    Returns the largest difference found. Raises CommonError if it is above TOLERANCE, if the file
    would be too large, or if the disk does not take it. The network is left as it was.
    """
    network = copy.deepcopy(network).cpu().float().eval()
    data = seal_onnx(_trace(network, examples[0], names, dict(dynamic or {0: "batch"})), facts)
    worst = _difference(network, examples, data)
    write_model(path, data)
    return worst


def export_weights(network: nn.Module, path: Path, *, facts: Mapping[str, Any]) -> None:
    """Write the weights of `network` as safetensors. Raises CommonError as `export_onnx` does."""
    state = network.state_dict().items()
    # A copy of each, for tensors that share their numbers cannot be written.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state}
    write_model(path, seal_weights(safetensors.save(tensors), facts))


def load_weights(path: Path) -> tuple[dict[str, Tensor], Facts]:
    """What `export_weights` has written: a state dict on the CPU, and the facts.

    Raises CommonError if the file is missing, damaged, or of another program.
    """
    data, facts = open_model(path)
    try:
        return safetensors.load(data), facts
    except SafetensorError as error:
        raise CommonError(f"{path} is not a safetensors file, or a damaged one") from error


def _trace(
    network: nn.Module, example: Tensor, names: tuple[str, str], axes: Mapping[int, str]
) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but its successor needs onnxscript and twenty times
        # as long; what it might get wrong, a shape taken for a constant, the comparison shows.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            buffer,  # type: ignore[arg-type]  # the tracing exporter takes a file, too
            dynamo=False,
            opset_version=17,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_axes={
                names[0]: dict(axes),
                names[1]: {0: axes.get(0, "batch"), 1: "answer"},
            },
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _difference(network: nn.Module, examples: Sequence[Tensor], data: bytes) -> float:
    """The largest difference between torch and onnxruntime over the examples."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it has to say comes as an exception
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    [port] = session.get_inputs()
    worst = 0.0
    for example in examples:
        with torch.no_grad():
            expected = network(example).numpy()
        try:
            [found] = session.run(None, {port.name: example.numpy()})
            difference = float(np.abs(found - expected).max())
        except Exception as error:  # onnxruntime's errors have no common class of their own
            raise CommonError(
                f"the exported network does not take an input of {tuple(example.shape)}: name the"
                f" axes that may have any length, and avoid shapes as constants"
            ) from error
        if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise CommonError(
                f"the exported network differs from torch's by {difference:.1e} for an input of"
                f" {tuple(example.shape)}, more than {TOLERANCE:.0e} of its output"
            )
        worst = max(worst, difference)
    return worst
