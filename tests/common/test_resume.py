"""Real processes that are killed, stopped, and go on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_training
import torch

from common import checkpoint, metrics

ROOT = Path(__file__).parents[2]


def train(folder: Path, *, processes: int = 1, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", tiny_training.__file__]
    if processes > 1:
        launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [sys.executable, "-m", *launcher, tiny_training.__file__]
    return subprocess.run(
        [*command, str(folder), json.dumps(options)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def result(folder: Path) -> dict[str, Any]:
    """Everything that a run leaves behind, but for how long it took."""
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.safetensors"))
    }
    rows = metrics.read(folder / "metrics.jsonl")
    return {**files, "log": [{**row, "examples/s": None} for row in rows]}


def test_a_run_killed_again_and_again_ends_as_if_it_never_was(tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    assert train(whole).returncode == 0
    # Before the first checkpoint; in a step; in the first, a middle and the last file of a
    # checkpoint (five each); while validating.
    deaths = [("loss", 0), ("loss", 3), ("write", 0), ("write", 9), ("validate", 0)]
    for death in deaths:
        run = train(torn, die=death)
        assert run.returncode == -signal.SIGKILL, run.stderr
    run = train(torn, die=("loss", 2, signal.SIGTERM))
    assert run.returncode == 143
    assert "the same command goes on from there" in run.stderr
    assert train(torn).returncode == 0
    assert result(torn) == result(whole)
    assert not list(torn.rglob("*.tmp"))


def test_two_processes_train_as_one_that_accumulates(tmp_path: Path) -> None:
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    # One process of the two is asked to stop: both stop at the same step, and go on from it.
    stopped = train(
        shared, processes=2, plain=True, die=("loss", 4, signal.SIGTERM, 1),
        config={"checkpoint_every": 1e6},
    )  # fmt: skip
    assert stopped.returncode != 0
    found = checkpoint.latest(shared)
    assert found is not None, stopped.stderr
    assert found.step == 5
    assert train(shared, processes=2, plain=True).returncode == 0
    assert train(alone, plain=True, config={"accumulate": 2}).returncode == 0
    ours, theirs = checkpoint.latest(shared), checkpoint.latest(alone)
    assert ours is not None
    assert theirs is not None
    for name, tensor in theirs.weights.items():
        torch.testing.assert_close(ours.weights[name], tensor, rtol=0, atol=1e-3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_obeyed_between_two_steps(tmp_path: Path, number: int) -> None:
    """In this very process, whose handlers are as before afterwards."""
    before = signal.getsignal(number)
    trainer = tiny_training.Trainer(
        tiny_training.network(),
        tiny_training.dying(tiny_training.loss, after=2, number=number),
        tiny_training.batches,
        tiny_training.TrainConfig(steps=9),
        tmp_path,
    )
    with pytest.raises(tiny_training.Stopped, match="stopped at step 3 of 9") as raised:
        trainer.run()
    assert raised.value.status == 128 + number
    assert signal.getsignal(number) is before
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.step == 3
