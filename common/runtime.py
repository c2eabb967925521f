"""Runtime: a model file -> answers, by onnxruntime and without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from common.errors import CommonError


class Runtime:
    """A network that is ready to answer. facts: what the model file says of itself."""

    def __init__(self, session: Any, facts: dict[str, Any]) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self.facts = facts

    @classmethod
    def load(cls, path: Path) -> Runtime:
        """Open an ONNX file that `common.export` has written.

        Raises CommonError if it is missing or something else.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise CommonError(f"cannot read the model {path}: {error.strerror}") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # its own words about a broken file say less than ours
        # One position is a millisecond or two of work: threads that spin would only steal it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(
                data, sess_options=options, providers=["CPUExecutionProvider"]
            )
            facts = json.loads(session.get_modelmeta().custom_metadata_map["facts"])
        except KeyError as error:
            raise CommonError(f"the model {path} was not made by this suite's export") from error
        except Exception as error:  # onnxruntime's errors have no common class of their own
            raise CommonError(f"the model {path} is damaged or no ONNX file") from error
        return cls(session, facts)

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """The network's output for a batch. The same input always gives the same output."""
        output: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0]
        return output
