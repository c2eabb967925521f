"""Export: a trained network -> model files that explain themselves.

Twice: ONNX, for inference without torch, and safetensors, for training on and for explaining. Each
holds the same facts as JSON: what it was trained on and how, its measured accuracy, its input.
"""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.torch import save
from torch import Tensor, nn

from common.errors import CommonError

FACTS = "facts"
"""Key of the facts in both files' metadata."""

MAX_BYTES = 16 << 20
"""Of one file: small enough to travel in the package and in a repository."""

TOLERANCE = 1e-4
"""Largest difference between torch's outputs and onnxruntime's, beside outputs of size 1 to 20."""


def export_onnx(
    network: nn.Module,
    examples: Sequence[Tensor],
    path: Path,
    *,
    facts: Mapping[str, Any],
    names: tuple[str, str] = ("input", "output"),
    dynamic: Mapping[int, str] | None = None,
) -> float:
    """Write `network` as ONNX, after comparing it with torch on every example.

    examples: inputs of different shapes where axes are dynamic; the first one is traced.
    names: of input and output. dynamic: axes of the input that may have any length, and their
    names; axis 0 is also the output's.
    Returns the largest difference found. Raises CommonError if it is above TOLERANCE, if the file
    would be too large, or if the disk does not take it.
    """
    network = network.eval().cpu().float()
    axes = dict(dynamic or {0: "batch"})
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The tracing exporter is old, but needs no further package; its result is compared below.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (examples[0],),
            buffer,  # type: ignore[arg-type]  # the tracing exporter takes a file, too
            dynamo=False,
            opset_version=17,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_axes={names[0]: axes, names[1]: {0: axes.get(0, "batch"), 1: "answer"}},
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    onnx.helper.set_model_props(model, {FACTS: dump_facts(facts)})
    data = model.SerializeToString(deterministic=True)
    worst = _difference(network, examples, data)
    if not worst <= TOLERANCE:
        raise CommonError(
            f"the exported network differs from torch's by {worst:.1e}, more than {TOLERANCE:.0e}"
        )
    write_model(path, data)
    return worst


def export_weights(network: nn.Module, path: Path, *, facts: Mapping[str, Any]) -> None:
    """Write the weights of `network` as safetensors. Raises CommonError as `export_onnx` does."""
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    write_model(path, save(tensors, metadata={FACTS: dump_facts(facts)}))


def dump_facts(facts: Mapping[str, Any]) -> str:
    """Facts as JSON, the same bytes for the same facts."""
    return json.dumps(facts, ensure_ascii=False, sort_keys=True)


def write_model(path: Path, data: bytes) -> None:
    """Write beside the path, then rename. Raises CommonError if it is too large or fails."""
    if len(data) > MAX_BYTES:
        raise CommonError(
            f"{path} would have {len(data) / 2**20:.1f} MiB; a model file is at most "
            f"{MAX_BYTES >> 20} MiB: make the network smaller"
        )
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CommonError(f"cannot write {path}: {error.strerror}") from error


def _difference(network: nn.Module, examples: Sequence[Tensor], data: bytes) -> float:
    """The largest difference between torch and onnxruntime over the examples."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    [port] = session.get_inputs()
    worst = 0.0
    for example in examples:
        with torch.no_grad():
            expected = network(example).numpy()
        [found] = session.run(None, {port.name: example.numpy()})
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst
