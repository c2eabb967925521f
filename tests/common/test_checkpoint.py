import errno
import json
import logging
import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from common import checkpoint
from common.checkpoint import MAX_BYTES, Checkpoint
from common.errors import CommonError


def make(step: int, size: int = 4) -> Checkpoint:
    values = torch.arange(size, dtype=torch.float32) + step
    return Checkpoint(
        step=step,
        weights={"a.weight": values.reshape(2, -1), "a.count": torch.tensor(step)},
        optimizer={"a.weight/exp_avg": values},
        state={"best": {"top1": 0.1 + 0.2}},
    )


def steps(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, make(7))
    assert path == tmp_path / "step-00000007"
    found = checkpoint.load(path)
    assert found.step == 7
    assert found.state == {"best": {"top1": 0.1 + 0.2}}
    assert found.ema == {}
    for part in ("weights", "optimizer"):
        saved, loaded = getattr(make(7), part), getattr(found, part)
        assert list(saved) == sorted(loaded, key=list(saved).index)
        assert all(torch.equal(saved[name], loaded[name]) for name in saved)


def test_any_layout_and_shared_memory_is_saved_as_plain_numbers(tmp_path: Path) -> None:
    filters = torch.randn(4, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    weights = {"one": filters, "tied": filters, "slice": filters[:, 1]}
    found = checkpoint.load(checkpoint.save(tmp_path, Checkpoint(step=1, weights=weights)))
    assert all(torch.equal(found.weights[name], weights[name]) for name in weights)
    assert all(tensor.is_contiguous() for tensor in found.weights.values())


def test_the_last_two_stay(tmp_path: Path) -> None:
    for step in (5, 10, 9_999_999, 100_000_000):
        checkpoint.save(tmp_path, make(step))
        checkpoint.keep_last(tmp_path, step, 2)
    assert steps(tmp_path) == ["step-09999999", "step-100000000"]
    newest = checkpoint.latest(tmp_path)
    assert newest is not None
    assert newest.step == 100_000_000


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, make(3))
    checkpoint.save(tmp_path, make(3, size=8))
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.weights["a.weight"].shape == (2, 4)


def test_no_file_outgrows_what_can_be_carried(tmp_path: Path) -> None:
    tensors = {f"layer{index}": torch.full((1_000_000,), index) for index in range(5)}  # 8 MB each
    path = checkpoint.save(tmp_path, Checkpoint(step=1, weights=tensors))
    sizes = {file.name: file.stat().st_size for file in path.iterdir()}
    assert max(sizes.values()) <= MAX_BYTES
    assert {"weights.safetensors", "weights-1.safetensors", "weights-4.safetensors"} <= set(sizes)
    assert set(checkpoint.load(path).weights) == set(tensors)


def test_the_checksums_are_those_of_sha256sum(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, make(1))
    run = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=path, check=False)
    assert run.returncode == 0


@pytest.mark.parametrize("name", ["weights.safetensors", "state.json", "SHA256SUMS"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_used(
    tmp_path: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint.save(tmp_path, make(1))
    path = checkpoint.save(tmp_path, make(2))
    data = (path / name).read_bytes()
    (path / name).write_bytes(
        {"flip": data[:20] + bytes([data[20] ^ 1]) + data[21:], "cut": data[:30]}.get(damage, b"")
    )
    if damage == "remove":
        (path / name).unlink()
    with caplog.at_level(logging.WARNING):
        found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.step == 1
    assert str(path) in caplog.text


def test_nothing_whole_is_an_error_and_nothing_at_all_is_none(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path) is None
    assert checkpoint.latest(tmp_path / "absent") is None
    (tmp_path / "step-00000001").mkdir()
    with pytest.raises(CommonError, match="holds no checkpoint that is whole"):
        checkpoint.latest(tmp_path)


def test_a_newer_format_is_not_called_damaged(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, make(1))
    state = json.loads((path / "state.json").read_text())
    digest = checkpoint._write(path / "state.json", json.dumps({**state, "format": 99}).encode())
    (path / "SHA256SUMS").write_text(f"{digest}  state.json\n")
    with pytest.raises(CommonError, match="another version"):
        checkpoint.load(path)


def test_a_folder_left_half_written_is_passed_over_and_removed(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, make(1))
    (tmp_path / "step-00000002.tmp").mkdir()
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.step == 1
    assert steps(tmp_path) == ["step-00000001"]


@pytest.mark.parametrize("file", range(4))
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, make(1))
    write, left = checkpoint._write, [file]

    def full(path: Path, data: bytes) -> str:
        if left[0] == 0:
            path.write_bytes(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        return write(path, data)

    monkeypatch.setattr(checkpoint, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, make(2))
    assert steps(tmp_path) == ["step-00000001"]
    assert checkpoint.load(tmp_path / "step-00000001").step == 1


def test_weights_to_start_from_come_from_a_file_or_a_run(tmp_path: Path) -> None:
    weights = {"a": torch.ones(2)}
    averaged = {"a": torch.zeros(2)}
    save_file(weights, tmp_path / "model.safetensors")
    assert torch.equal(checkpoint.load_weights(tmp_path / "model.safetensors")["a"], weights["a"])
    made = Checkpoint(step=1, weights=weights, ema=averaged)
    path = checkpoint.save(tmp_path / "run", made)
    for source in (path, tmp_path / "run"):
        assert torch.equal(checkpoint.load_weights(source)["a"], averaged["a"])


def test_what_are_no_weights_is_named(tmp_path: Path) -> None:
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"not at all" * 10)
    for source in (junk, tmp_path, tmp_path / "absent"):
        with pytest.raises(CommonError, match=str(source)):
            checkpoint.load_weights(source)


def test_weights_of_another_network_are_told_by_the_first_that_differs() -> None:
    ours = {"a": torch.zeros(2, 3), "b": torch.zeros(1)}
    checkpoint.check_fits(ours, dict(ours), "it")
    with pytest.raises(CommonError, match=r"it is of another network: a is \(3, 2\) there and"):
        checkpoint.check_fits(ours, {"a": torch.zeros(3, 2), "b": torch.zeros(1)}, "it")
    with pytest.raises(CommonError, match="b is absent there"):
        checkpoint.check_fits(ours, {"a": torch.zeros(2, 3)}, "it")
    with pytest.raises(CommonError, match=r"c is \(1,\) there and absent here"):
        checkpoint.check_fits(ours, {**ours, "c": torch.zeros(1)}, "it")
