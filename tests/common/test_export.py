"""Model files: they answer as torch does, explain themselves, and are whole or refused."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from tiny_models import FACTS, SHAPES, TinyNetwork, boards
from torch import Tensor, nn

from common import modelfile
from common.axes import BOARD, check
from common.errors import CommonError
from common.export import export_onnx, export_weights, load_weights
from common.modelfile import read_facts, restate, seal_onnx, seal_weights, write_model

DYNAMIC = {0: "batch", 2: "row", 3: "column"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds tiny.onnx and tiny.safetensors."""
    folder = tmp_path_factory.mktemp("models")
    export(folder / "tiny.onnx")
    export_weights(TinyNetwork(), folder / "tiny.safetensors", facts=FACTS)
    return folder


def export(path: Path) -> float:
    examples = [boards(*shape) for shape in SHAPES]
    return export_onnx(TinyNetwork(), examples, path, facts=FACTS, dynamic=DYNAMIC)


def test_onnxruntime_answers_as_torch_at_sizes_that_were_not_traced(folder: Path) -> None:
    session = onnxruntime.InferenceSession(folder / "tiny.onnx")
    network = TinyNetwork().eval()
    for shape in [*SHAPES, (2, 5, 25), (7, 6, 6)]:
        planes = boards(*shape, seed=1)
        [found] = session.run(None, {"input": planes.numpy()})
        expected = network(planes).detach().numpy()
        assert found.shape == (shape[0], shape[1] * shape[2] + 1)
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_difference_that_was_found_is_returned(tmp_path: Path) -> None:
    assert 0 <= export(tmp_path / "tiny.onnx") < 1e-4


def test_the_exported_network_keeps_its_declaration() -> None:
    check(TinyNetwork(), BOARD, boards(2, 9, 13))


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.safetensors"])
def test_a_model_file_explains_itself(folder: Path, name: str) -> None:
    assert read_facts(folder / name) == FACTS


def test_other_programs_read_the_facts_as_well(folder: Path) -> None:
    text = modelfile.dump_facts(FACTS)
    model = onnx.load(folder / "tiny.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {entry.key: entry.value for entry in model.metadata_props}["facts"] == text
    session = onnxruntime.InferenceSession(folder / "tiny.onnx")
    assert session.get_modelmeta().custom_metadata_map["facts"] == text
    with safe_open(folder / "tiny.safetensors", "pt") as file:
        assert file.metadata()["facts"] == text


def test_facts_that_onnx_wrote_are_read(folder: Path, tmp_path: Path) -> None:
    model = onnx.load(folder / "tiny.onnx")
    onnx.helper.set_model_props(model, {"other": "x" * 300, "facts": '{"a": 1}'})
    (tmp_path / "other.onnx").write_bytes(model.SerializeToString())
    assert read_facts(tmp_path / "other.onnx") == {"a": 1}


def test_facts_are_read_without_torch_and_onnx(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from common.modelfile import read_facts;"
        "[read_facts(Path(p)) for p in sys.argv[1:]];"
        "sys.exit(bool({'torch', 'onnx', 'onnxruntime', 'numpy'} & set(sys.modules)))"
    )
    paths = [folder / "tiny.onnx", folder / "tiny.safetensors"]
    assert subprocess.run([sys.executable, "-c", code, *paths], check=False).returncode == 0


def test_the_same_network_and_facts_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    export(tmp_path / "again.onnx")
    export_weights(
        TinyNetwork(), tmp_path / "again.safetensors", facts=dict(reversed(FACTS.items()))
    )
    for kind in ("onnx", "safetensors"):
        again = (tmp_path / f"again.{kind}").read_bytes()
        assert again == (folder / f"tiny.{kind}").read_bytes()


def test_weights_come_back_as_they_were(folder: Path) -> None:
    weights, facts = load_weights(folder / "tiny.safetensors")
    expected = TinyNetwork().state_dict()
    assert facts == FACTS
    assert weights.keys() == expected.keys()
    assert all(weights[name].equal(value) for name, value in expected.items())


def test_shared_and_turned_tensors_can_be_written(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    network.register_buffer("turned", torch.arange(6.0).reshape(2, 3).T)
    export_weights(network, tmp_path / "shared.safetensors", facts={})
    weights, _ = load_weights(tmp_path / "shared.safetensors")
    assert weights["turned"].equal(network.turned)
    assert weights["1.weight"].equal(weights["0.weight"])


def test_the_network_is_left_as_it_was(tmp_path: Path) -> None:
    network = TinyNetwork().double().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    export_onnx(network, [boards(1, 9, 9)], tmp_path / "tiny.onnx", facts={})
    assert network.training
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())


class CountsTheFirstBoard(nn.Module):
    """A shape becomes a constant while tracing."""

    def forward(self, planes: Tensor) -> Tensor:
        return planes.float().flatten(1) * int(planes.shape[2])


class TakesOnlyTheFirstShape(nn.Module):
    def forward(self, planes: Tensor) -> Tensor:
        return planes.float().reshape(int(planes.shape[0]), 3 * int(planes.shape[2]) ** 2)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (CountsTheFirstBoard(), r"differs from torch's by .* for an input of \(1, 3, 9, 9\)"),
        (TakesOnlyTheFirstShape(), r"does not take an input of \(1, 3, 9, 9\)"),
    ],
)
def test_a_network_that_answers_otherwise_is_not_written(
    network: nn.Module, sentence: str, tmp_path: Path
) -> None:
    examples = [boards(1, 5, 5), boards(1, 9, 9)]
    with pytest.raises(CommonError, match=sentence):
        export_onnx(network, examples, tmp_path / "bad.onnx", facts={}, dynamic=DYNAMIC)
    assert not list(tmp_path.iterdir())


def test_a_file_that_would_be_too_large_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modelfile, "MAX_BYTES", 1000)
    with pytest.raises(CommonError, match="make the network smaller"):
        export_weights(TinyNetwork(), tmp_path / "large.safetensors", facts={})
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fails_leaves_the_file_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    write_model(path, b"good")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CommonError, match=r"cannot write .*model\.onnx: No space left on device"):
        write_model(path, b"better")
    assert path.read_bytes() == b"good"
    assert list(tmp_path.iterdir()) == [path]


def test_facts_that_are_no_json_are_refused(tmp_path: Path) -> None:
    for facts in ({"accuracy": float("nan")}, {"path": tmp_path}):
        with pytest.raises(CommonError, match="the facts about a model must fit into JSON"):
            export_weights(nn.Linear(1, 1), tmp_path / "a.safetensors", facts=facts)


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_torn_file_is_refused(folder: Path, tmp_path: Path, kind: str, share: float) -> None:
    whole = (folder / f"tiny.{kind}").read_bytes()
    path = tmp_path / f"torn.{kind}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CommonError, match=r"torn\."):
        read_facts(path)


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
@settings(deadline=None, max_examples=30)
@given(place=st.floats(0, 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, kind: str, place: float, bit: int
) -> None:
    data = bytearray((folder / f"tiny.{kind}").read_bytes())
    # Before the checksum at the end of ONNX; and not in the name of that of safetensors, without
    # which a file is one of before there were checksums.
    at, name = int(place * (len(data) - 80)), data.find(b'"sha256"')
    assume(kind == "onnx" or not name <= at < name + 8)
    data[at] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / f"flipped.{kind}"
    path.write_bytes(data)
    with pytest.raises(CommonError, match=r"flipped\."):
        read_facts(path)


def test_missing_and_foreign_files_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CommonError, match=r"cannot read the model .*none\.onnx: No such file"):
        read_facts(tmp_path / "none.onnx")
    with pytest.raises(CommonError, match="Is a directory"):
        read_facts(tmp_path)
    model = onnx.load(folder / "tiny.onnx")
    del model.metadata_props[:]
    foreign = tmp_path / "foreign.onnx"
    foreign.write_bytes(model.SerializeToString())
    with pytest.raises(CommonError, match=r"foreign\.onnx does not say how it was made"):
        read_facts(foreign)
    for junk in (b"", b"junk", b"\xff" * 100, b"(;GM[1]SZ[19])", bytes(1000)):
        for name in ("junk.onnx", "junk.safetensors"):
            (tmp_path / name).write_bytes(junk)
            with pytest.raises(CommonError, match="junk"):
                read_facts(tmp_path / name)


@settings(deadline=None, max_examples=30)
@given(st.binary(max_size=300), st.dictionaries(st.text(), st.text(max_size=300)))
def test_sealing_keeps_the_content_and_says_its_sum(content: bytes, facts: dict[str, str]) -> None:
    sealed = seal_onnx(content, facts)
    assert sealed.startswith(content)
    assert hashlib.sha256(sealed[:-76]).hexdigest().encode() == sealed[-64:]
    weights = (2).to_bytes(8, "little") + b"{}" + content
    assert seal_weights(weights, facts).endswith(content)


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.safetensors"])
def test_other_facts_of_the_same_numbers(tmp_path: Path, name: str) -> None:
    path, fresh = tmp_path / name, tmp_path / "fresh" / name
    facts = {"accuracy": 0.5, "words": ["ä", "b"]}
    for where, said in ((path, FACTS), (fresh, facts)):
        export_onnx(TinyNetwork(), [boards(1, 9, 9)], where.with_suffix(".onnx"), facts=said)
        export_weights(TinyNetwork(), where.with_suffix(".safetensors"), facts=said)
    restate(path, facts)
    assert read_facts(path) == facts
    assert path.read_bytes() == fresh.read_bytes()
