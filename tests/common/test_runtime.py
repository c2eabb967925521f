"""The runtime: answers from a model file, without torch, quietly."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_models import FACTS, TinyNetwork, boards
from torch import Tensor

from common import runtime
from common.errors import CommonError
from common.export import export_onnx, export_weights
from common.modelfile import Facts, seal_onnx
from common.runtime import Runtime


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.onnx"
    axes = {0: "batch", 2: "row", 3: "column"}
    export_onnx(TinyNetwork(), [boards(1, 9, 9)], path, facts=FACTS, dynamic=axes)
    export_weights(TinyNetwork(), path.with_suffix(".safetensors"), facts=FACTS)
    return path


def build(weights: Mapping[str, Tensor], facts: Facts) -> TinyNetwork:
    assert facts == FACTS
    network = TinyNetwork(seed=99)
    network.load_state_dict(weights)
    return network


def test_it_answers_as_the_network_did(path: Path) -> None:
    model = Runtime.load(path)
    expected = TinyNetwork().eval()(boards(3, 13, 9)).detach().numpy()
    np.testing.assert_allclose(model.run(boards(3, 13, 9).numpy()), expected, atol=1e-4)
    assert model.facts == FACTS


def test_the_same_input_gives_the_same_output(path: Path) -> None:
    planes = boards(4, 19, 19).numpy()
    one, other = Runtime.load(path), Runtime.load(path)
    assert len({run(planes).tobytes() for run in (one.run, one.run, other.run)}) == 1


def test_torch_answers_the_same_from_the_weights(path: Path) -> None:
    run, facts = runtime._torch(path.with_suffix(".safetensors"), "cpu", build)
    planes = boards(3, 9, 9).numpy()
    answer = run(planes)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, Runtime.load(path).run(planes), atol=1e-4)
    assert facts == FACTS


def test_a_device_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(CommonError, match="torch cannot compute on 'nonsense' here"):
        Runtime.load(path, device="nonsense", build=build)
    with pytest.raises(CommonError, match="runs on the CPU only, not on 'cuda'"):
        Runtime.load(path, device="cuda")


def test_answering_needs_no_torch_and_is_quiet(path: Path) -> None:
    code = (
        "import sys, numpy; from pathlib import Path; from common.runtime import Runtime;"
        "Runtime.load(Path(sys.argv[1])).run(numpy.zeros((1, 3, 9, 9), numpy.uint8));"
        "sys.exit(bool({'torch', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_onnxruntime_keeps_and_sends_no_telemetry(tmp_path: Path) -> None:
    clip = Path(__file__).parents[2] / "data" / "clips" / "yes.wav"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    subprocess.run(
        [sys.executable, "-m", "speechnet", "classify", clip],
        check=True, capture_output=True, env={**inherited, "XDG_CACHE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert not (tmp_path / "Microsoft").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommonError, match=r"cannot read the model .*none\.onnx: No such file"):
        Runtime.load(tmp_path / "none.onnx")


def test_a_torn_file_is_named(path: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CommonError, match=r"torn\.onnx"):
        Runtime.load(torn)


def test_a_file_that_only_looks_like_a_model_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shell = tmp_path / "shell.onnx"
    node = onnx.helper.make_node("NoSuchOperator", ["a"], ["b"])
    a, b = (onnx.helper.make_tensor_value_info(name, 1, [1]) for name in "ab")
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "graph", [a], [b]))
    for content in (b"", model.SerializeToString()):
        shell.write_bytes(seal_onnx(content, {}))
        with pytest.raises(CommonError, match=r"shell\.onnx is not a model file, or a damaged one"):
            Runtime.load(shell)
    assert capfd.readouterr() == ("", "")
