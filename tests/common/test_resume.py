"""Real processes that are killed, stopped, and go on."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import tiny_training
import torch

from common import checkpoint, metrics

HERE = Path(__file__).parent
EXACT = {"precision": "fp32"}


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Makes processes from one that has imported torch already: new ones, in no time."""
    context = multiprocessing.get_context("forkserver")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parents[1])]))
        patch.setenv("OMP_NUM_THREADS", "1")
        context.set_forkserver_preload(["tiny_training"])
        context.Process(target=tiny_training.network).start()  # starts the server, with these
    return context


def start(processes: ForkServerContext, folder: Path, **options: Any) -> ForkServerProcess:
    process = processes.Process(target=tiny_training.main, args=(str(folder), options))
    process.start()
    return process


def train(processes: ForkServerContext, folder: Path, **options: Any) -> int | None:
    """Returns the exit status, negative for the signal that killed the process."""
    process = start(processes, folder, **options)
    process.join(timeout=120)
    return process.exitcode


def result(folder: Path) -> dict[str, Any]:
    """Everything that a run leaves behind, but for how long it took."""
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.safetensors"))
    }
    rows = metrics.read(folder / "metrics.jsonl")
    return {**files, "log": [{**row, "examples/s": None} for row in rows]}


def test_a_run_killed_again_and_again_ends_as_if_it_never_was(
    tmp_path: Path, processes: ForkServerContext
) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    assert train(processes, whole) == 0
    # Before the first checkpoint; in a step; in the first file of a checkpoint, in a later file
    # of a later one (five files each) and in the last; while validating; and while keeping the
    # best weights (the three files after the five of step 9).
    deaths = [("loss", 0), ("loss", 3), ("write", 0), ("write", 7), ("validate", 0), ("write", 4)]
    for death in deaths:
        assert train(processes, torn, die=death) == -signal.SIGKILL
    assert train(processes, torn, die=("loss", 2, signal.SIGTERM)) == 143
    assert train(processes, torn) == 0
    assert result(torn) == result(whole)
    assert not list(torn.rglob("*.tmp"))


def test_two_processes_train_as_one_that_accumulates(
    tmp_path: Path, processes: ForkServerContext
) -> None:
    """And where one of the two is asked to stop, both stop at one step, and go on from it."""
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    stopped = together(
        processes, shared, plain=True, die=("loss", 4, signal.SIGTERM, 1),
        config={"checkpoint_every": 1e6, **EXACT},
    )  # fmt: skip
    assert stopped == [143, 143]
    assert [path.name for path in shared.glob("step-*")] == ["step-00000005"]

    torchrun(shared, plain=True, config=EXACT)
    assert train(processes, alone, plain=True, config={"accumulate": 2, **EXACT}) == 0
    ours, theirs = checkpoint.latest(shared), checkpoint.latest(alone)
    assert ours is not None
    assert theirs is not None
    assert ours.step == theirs.step == tiny_training.SMALL["steps"]
    for name, tensor in theirs.weights.items():
        torch.testing.assert_close(ours.weights[name], tensor, rtol=0, atol=1e-5)


def test_two_processes_share_what_batch_norm_has_seen(
    tmp_path: Path, processes: ForkServerContext
) -> None:
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    assert together(processes, shared, norm=True, config=EXACT) == [0, 0]
    assert train(processes, alone, norm=True, config={"accumulate": 2, **EXACT}) == 0
    ours, theirs = checkpoint.latest(shared), checkpoint.latest(alone)
    assert ours is not None
    assert theirs is not None
    mean = torch.zeros(50)
    for step in range(ours.step):
        seen = [tiny_training.batches(2 * step + rank)[0].mean(0) for rank in range(2)]
        mean = 0.9 * mean + 0.1 * torch.from_numpy(sum(seen) / 2).flatten()
    torch.testing.assert_close(ours.weights["1.running_mean"], mean.float())
    for name, tensor in theirs.weights.items():
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(ours.weights[name], tensor, rtol=0, atol=1e-5)


def together(processes: ForkServerContext, folder: Path, **options: Any) -> list[int | None]:
    """Train with two processes, as torchrun would start them. Returns their exit statuses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    pair = [
        start(processes, folder, environ={**world, "WORLD_SIZE": "2", "RANK": str(rank)}, **options)
        for rank in range(2)
    ]
    for process in pair:
        process.join(timeout=120)
    return [process.exitcode for process in pair]


def torchrun(folder: Path, **options: Any) -> None:
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run = subprocess.run(
        [sys.executable, "-m", *launcher, tiny_training.__file__, folder, json.dumps(options)],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert run.returncode == 0, run.stderr


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
    with pytest.raises(tiny_training.Stopped, match="stopped at step 3 of 9; the same") as raised:
        trainer.run()
    assert raised.value.status == 128 + number
    assert signal.getsignal(number) is before
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.step == 3
