"""Runtime: a model file -> answers, by onnxruntime and without torch; by torch on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from common.errors import CommonError
from common.modelfile import Facts, open_model

if TYPE_CHECKING:
    from torch import Tensor, nn

Run = Callable[[NDArray[Any]], NDArray[np.float32]]
Build = Callable[[Mapping[str, "Tensor"], Facts], "nn.Module"]


@dataclass(frozen=True)
class Runtime:
    """A network that is ready to answer.

    run: a batch -> the network's output for it; the same input always gives the same output.
    facts: what the model file says of itself.
    """

    run: Run
    facts: Facts

    @classmethod
    def load(
        cls, path: Path, *, device: str = "cpu", build: Build | None = None, threads: int = 0
    ) -> Runtime:
        """Open a model that `common.export` has written.

        threads: on the CPU, as many as there are cores if 0.

        On the CPU that is the ONNX file `path`. On another device, "cuda" say, it is the file of
        the same name that ends in .safetensors, and `build` makes the torch network from its
        weights and facts.
        Raises CommonError if a file is missing, damaged or something else, or there is no such
        device.
        """
        if device == "cpu":
            return cls(*_onnx(Path(path), threads))
        if build is None:
            raise CommonError(f"this model runs on the CPU only, not on {device!r}")
        return cls(*_torch(Path(path).with_suffix(".safetensors"), device, build))


def _onnx(path: Path, threads: int) -> tuple[Run, Facts]:
    data, facts = open_model(path)
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)  # what it has to say comes as an exception
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # One position is a few milliseconds of work. On a machine that does something else as well,
    # threads that spin while they wait double that time (measured: 7 to 15 ms).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        [port], [_] = session.get_inputs(), session.get_outputs()
    except Exception as error:  # onnxruntime's errors have no common class of their own
        raise CommonError(f"{path} is not a model file, or a damaged one") from error
    name = port.name

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        output: NDArray[np.float32] = session.run(None, {name: batch})[0]
        return output

    return run, facts


def _torch(path: Path, device: str, build: Build) -> tuple[Run, Facts]:
    import torch

    from common.export import load_weights

    weights, facts = load_weights(path)
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise CommonError(f"torch cannot compute on {device!r} here") from error
    network = build(weights, facts).eval().to(place)

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            output: NDArray[np.float32] = network(torch.from_numpy(batch).to(place)).cpu().numpy()
        return output

    return run, facts
