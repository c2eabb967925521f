import copy
import errno
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_training as tiny
import torch
from torch import Tensor, nn

from common import checkpoint, metrics, trainer
from common.config import TrainConfig
from common.device import World, autocast_dtype, can_compile, find, to_device, to_tensors
from common.errors import CommonError
from common.prefetch import prefetch
from common.step import Stepper
from common.trainer import Result, Trainer, best_network

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small only lose time when their threads wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(
    folder: Path,
    *,
    network: nn.Module | None = None,
    loss: Any = tiny.loss,
    batches: Any = tiny.batches,
    validate: Any = None,
    initial: Path | None = None,
    identity: Any = None,
    **options: Any,
) -> Result:
    config = TrainConfig(**{"steps": 6, "log_every": 1, "checkpoint_every": 0, **options})
    made = Trainer(
        tiny.network() if network is None else network,
        loss, batches, config, folder, validate=validate, initial=initial, identity=identity,
    )  # fmt: skip
    return made.run()


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def rows(folder: Path) -> list[dict[str, Any]]:
    return metrics.read(folder / "metrics.jsonl")


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_network_learns(tmp_path: Path, optimizer: str) -> None:
    result = run(
        tmp_path, steps=80, peak_rate=1e-2, optimizer=optimizer, checkpoint_every=99, ema=0.9,
        validate=tiny.validate, validate_every=20, best="accuracy", precision="fp32",
    )  # fmt: skip
    assert result.step == 80
    assert result.validation["accuracy"] >= 0.75
    assert result.best["accuracy"] >= result.validation["accuracy"]
    assert not result.network.training
    assert (tmp_path / "curves.png").exists()
    log = rows(tmp_path)
    assert log[-2].keys() == {
        "step", "loss", "accuracy", "norm", "rate", "examples/s", "skipped",
    }  # fmt: skip
    assert log[-1] == {"step": 80, "validation/accuracy": result.validation["accuracy"]}


def test_the_settings_that_a_run_used_are_in_its_checkpoint(tmp_path: Path) -> None:
    run(tmp_path, steps=2, seed=5)
    found = checkpoint.load(tmp_path / "step-00000002")
    assert TrainConfig(**found.state["config"]).seed == 5
    assert set(found.weights) == set(found.ema) == set(tiny.network().state_dict())


def test_steps_use_the_micro_batches_in_order(tmp_path: Path) -> None:
    used: list[int] = []

    def batches(index: int) -> dict[str, Tensor]:
        planes, more = to_tensors(tiny.batches(index))
        return {"planes": planes, "more": more, "index": torch.tensor([index])}

    def loss(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        used.append(int(batch["index"]))
        return tiny.loss(model, (batch["planes"], batch["more"]))

    run(tmp_path, batches=batches, loss=loss, steps=3, accumulate=2, workers=3)
    assert used == [0, 1, 2, 3, 4, 5]


def test_accumulation_is_one_larger_batch(tmp_path: Path) -> None:
    def doubled(index: int) -> Any:
        return tuple(
            torch.cat(pair)
            for pair in zip(*(to_tensors(tiny.batches(2 * index + k)) for k in (0, 1)), strict=True)
        )

    network = [tiny.network(plain=True) for _ in range(2)]
    run(tmp_path / "one", network=network[0], batches=doubled, precision="fp32")
    run(tmp_path / "two", network=network[1], accumulate=2, precision="fp32")
    for one, two in zip(*(each.parameters() for each in network), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-5)
    pairs = zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True)
    for one_row, two_row in pairs:
        assert one_row["loss"] == pytest.approx(two_row["loss"], abs=1e-5)
        assert one_row["norm"] == pytest.approx(two_row["norm"], rel=1e-3)


def test_the_number_of_threads_and_the_callers_random_state_do_not_matter(tmp_path: Path) -> None:
    results = []
    for workers in (1, 4):
        torch.manual_seed(workers)
        before = torch.get_rng_state()
        results.append(weights(run(tmp_path / str(workers), workers=workers).network))
        assert torch.equal(torch.get_rng_state(), before)
    assert same(*results)


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    first = run(tmp_path, validate=tiny.validate, best="accuracy")
    again = run(tmp_path, validate=tiny.validate, best="accuracy", batches=None, loss=None)
    assert same(weights(first.network), weights(again.network))
    assert (again.validation, again.best, again.step) == (first.validation, first.best, 6)


def test_a_run_goes_on_past_a_damaged_checkpoint(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", steps=6)
    run(tmp_path / "torn", steps=6)
    (tmp_path / "torn" / "step-00000006" / "weights.safetensors").write_bytes(b"")
    assert same(weights(run(tmp_path / "torn", steps=6).network), weights(whole.network))
    checkpoint.load(tmp_path / "torn" / "step-00000006")


def test_a_run_of_another_network_or_of_other_settings_is_not_continued(tmp_path: Path) -> None:
    run(tmp_path, steps=6)
    with pytest.raises(CommonError, match=r"another network: 2\.weight is absent there"):
        run(tmp_path, steps=6, network=tiny.network(plain=True))
    with pytest.raises(CommonError, match=r"clip was 1\.0, is 2\.0"):
        run(tmp_path, steps=6, clip=2.0)


def test_a_run_is_not_continued_with_other_data(tmp_path: Path) -> None:
    own = {"pictures": np.zeros(3), "labels": ("a", "b")}
    run(tmp_path, identity=own)
    other = {"pictures": np.ones(3), "labels": ("a", "c")}
    with pytest.raises(CommonError, match=r"begun with other .* \(not the same: pictures, labels"):
        run(tmp_path, identity=other)
    run(tmp_path, identity=own)
    run(tmp_path / "old")  # as before there were identities
    run(tmp_path / "old", identity=other)


def test_a_level_rate_lets_a_run_be_made_longer(tmp_path: Path) -> None:
    level = {"schedule": "trapezoid", "decay_share": 0.1, "keep": 99}
    run(tmp_path / "short", steps=6, **level)
    (tmp_path / "short" / "step-00000006" / "state.json").unlink()  # back to before the decay
    longer = run(tmp_path / "short", steps=9, **level)
    assert same(weights(longer.network), weights(run(tmp_path / "long", steps=9, **level).network))


def test_a_new_run_may_start_from_weights_alone(tmp_path: Path) -> None:
    start = run(tmp_path / "first").network
    seen: list[dict[str, Tensor]] = []

    def loss(model: nn.Module, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        seen.append({name: value.clone() for name, value in model.named_parameters()})
        return tiny.loss(model, batch)

    run(tmp_path / "second", loss=loss, initial=tmp_path / "first")
    assert same(seen[0], dict(start.named_parameters()))
    run(tmp_path / "second", steps=6, initial=tmp_path / "absent")  # it has its own by now


def test_best_keeps_the_weights_of_the_best_validation(tmp_path: Path) -> None:
    numbers = iter([3.0, 1.0, 2.0])
    averages: list[dict[str, Tensor]] = []

    def validate(network: nn.Module) -> dict[str, float]:
        assert not network.training
        averages.append(weights(network))
        return {"nats": next(numbers)}

    result = run(tmp_path, validate=validate, validate_every=2, best="-nats")
    assert result.best == {"step": 4, "nats": 1.0}
    kept = checkpoint.latest(tmp_path / "best")
    assert kept is not None
    assert kept.step == 4
    assert same(averages[1], kept.weights)
    assert not same(averages[2], kept.weights)


class Killed(Exception):
    """What a kill leaves behind, without one."""


def test_what_a_killed_run_has_kept_is_never_another_run_s_best(tmp_path: Path) -> None:
    rising = iter(range(9))

    def killed(network: nn.Module) -> dict[str, float]:
        if (number := next(rising)) == 4:
            raise Killed
        return {"accuracy": number}

    how = {"validate_every": 1, "best": "accuracy", "checkpoint_every": 600}
    with pytest.raises(Killed):
        run(tmp_path, validate=killed, steps=20, **how)
    assert (tmp_path / "best" / "step-00000004").exists()
    numbers = iter([1.0, 3.0, 2.0])
    result = run(tmp_path, validate=lambda _: {"accuracy": next(numbers)}, steps=3, **how)
    assert result.best["step"] == 2
    assert [path.name for path in (tmp_path / "best").iterdir()] == ["step-00000002"]
    kept = checkpoint.load(tmp_path / "best" / "step-00000002")
    assert same(weights(best_network(result, tmp_path)), kept.weights)


def test_the_best_that_a_checkpoint_names_is_there_whatever_came_after_it(tmp_path: Path) -> None:
    numbers = iter([1.0, 2.0, 3.0])

    def killed(network: nn.Module) -> dict[str, float]:
        if (number := next(numbers)) == 3.0:
            raise Killed
        return {"accuracy": number}

    how = {"validate_every": 2, "best": "accuracy", "steps": 8}
    save = checkpoint.save

    def saving(folder: Path, made: checkpoint.Checkpoint) -> Path:
        if folder == tmp_path and made.step > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return save(folder, made)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(checkpoint, "save", saving)
        with pytest.raises(Killed):
            run(tmp_path, validate=killed, **how)
    result = run(tmp_path, validate=lambda _: {"accuracy": 0.0}, **how)
    assert result.best == {"step": 2, "accuracy": 1.0}
    kept = checkpoint.load(tmp_path / "best" / "step-00000002")
    assert same(weights(best_network(result, tmp_path)), kept.weights)


def test_a_validation_that_is_not_finite_is_never_the_best(tmp_path: Path) -> None:
    numbers = iter([math.nan, 3.0, -math.inf, 2.0])
    result = run(
        tmp_path, validate=lambda _: {"nats": next(numbers)}, validate_every=1, steps=4,
        best="-nats",
    )  # fmt: skip
    assert result.best == {"step": 4, "nats": 2.0}


def test_a_best_metric_that_nothing_measures_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommonError, match="'top1' is not among what validates: accuracy"):
        run(tmp_path, validate=tiny.validate, validate_every=1, best="top1")
    with pytest.raises(CommonError, match="nothing validates"):
        run(tmp_path, best="top1")


def poisoned(bad: set[int]) -> Any:
    """Batches of which some make the loss, and all that follows from it, infinite or NaN."""

    def batches(index: int) -> tuple[Tensor, Tensor]:
        planes, more = to_tensors(tiny.batches(index))
        return planes.float() * (math.inf if index in bad else 1.0), more

    return batches


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_that_is_not_finite_changes_nothing(tmp_path: Path, optimizer: str) -> None:
    options = {"optimizer": optimizer, "keep": 9, "ema": 0.0, "steps": 5}
    run(tmp_path, batches=poisoned({2}), **options)
    before, after = (checkpoint.load(tmp_path / f"step-0000000{step}") for step in (2, 3))
    floats = [name for name, value in after.weights.items() if value.is_floating_point()]
    assert all(torch.equal(before.weights[name], after.weights[name]) for name in floats)
    assert same(before.optimizer, after.optimizer)
    end = checkpoint.load(tmp_path / "step-00000005")
    assert all(torch.isfinite(value).all() for value in end.weights.values())
    assert [row["skipped"] for row in rows(tmp_path)] == [0, 0, 1, 1, 1]
    assert rows(tmp_path)[2]["loss"] is None


def test_ten_steps_in_a_row_that_are_not_finite_end_the_run(tmp_path: Path) -> None:
    options = {"steps": 40, "log_every": 4, "keep": 99}
    with pytest.raises(CommonError, match=r"not finite in 1\d steps in a row.* another folder"):
        run(tmp_path, batches=poisoned(set(range(5, 40))), **options)
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert all(torch.isfinite(value).all() for value in found.weights.values())
    # Nine are survived, and a good one starts the count again.
    bad = set(range(3, 12)) | set(range(13, 22))
    assert run(tmp_path / "nine", batches=poisoned(bad), **options).step == 40


def full_disk(monkeypatch: pytest.MonkeyPatch, *, while_step: range) -> None:
    save = checkpoint.save

    def saving(folder: Path, made: checkpoint.Checkpoint) -> Path:
        if made.step in while_step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return save(folder, made)

    monkeypatch.setattr(checkpoint, "save", saving)


def test_a_full_disk_is_said_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full_disk(monkeypatch, while_step=range(2, 5))
    run(tmp_path, steps=6)
    told = capsys.readouterr().err
    assert f"step 2 could not be saved in {tmp_path} (No space left on device)" in told
    assert "step 5 could" not in told
    assert {path.name for path in tmp_path.glob("step-*")} == {"step-00000005", "step-00000006"}


def test_a_disk_full_at_the_end_is_an_error_and_not_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        full_disk(patched, while_step=range(4, 99))
        with pytest.raises(CommonError, match=r"step 6 could not be saved in .* make room"):
            run(tmp_path, steps=6)
    assert [path.name for path in sorted(tmp_path.glob("step-*"))][-1] == "step-00000003"
    whole = run(tmp_path / "whole", steps=6)
    assert same(weights(run(tmp_path, steps=6).network), weights(whole.network))


def test_what_a_batch_raises_comes_out_and_ends_the_threads(tmp_path: Path) -> None:
    def batches(index: int) -> Any:
        if index == 3:
            raise CommonError("the corpus is gone")
        return tiny.batches(index)

    threads = threading.active_count()
    with pytest.raises(CommonError, match="the corpus is gone"):
        run(tmp_path, batches=batches, workers=3)
    assert threading.active_count() == threads


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommonError, match=r"cannot write to .*file"):
        run(tmp_path / "file")


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(CommonError, match="no CUDA device"):
        Trainer(
            tiny.network(), tiny.loss, tiny.batches, TrainConfig(steps=1), tmp_path, device="cuda"
        ).run()


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "mps:7"])
def test_a_device_of_another_name_is_told(name: str) -> None:
    with pytest.raises(CommonError, match=name):
        find(name)


def test_the_average_follows_its_definition(tmp_path: Path) -> None:
    """Weights and running statistics, against plain arithmetic."""
    config = TrainConfig(steps=9, ema=0.3, precision="fp32")
    stepper = Stepper(tiny.network(), tiny.loss, config, World(0, 1, CPU))
    stepper.prepare()
    expected = weights(stepper.network)
    feed = (to_tensors(tiny.batches(index)) for index in range(9))
    for number in range(5):
        stepper.step(number, feed)
        decay = min(0.3, (1 + number) / (10 + number))
        for name, value in stepper.network.state_dict().items():
            if value.is_floating_point():
                value = decay * expected[name] + (1 - decay) * value
            expected[name] = value.clone()
    found = stepper.average.state_dict()
    assert found["1.num_batches_tracked"] == 5
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_adamw_with_clipping_is_torchs_own(tmp_path: Path) -> None:
    """The whole loop against the five lines that everybody writes."""
    network, plain = tiny.network(plain=True), tiny.network(plain=True)
    options = {"steps": 7, "clip": 0.05, "ema": 0.0, "precision": "fp32", "warm_up": 3}
    run(tmp_path, network=network, weight_decay=0.1, **options)
    config = TrainConfig(**options)  # type: ignore[arg-type]
    decayed = [p for p in plain.parameters() if p.ndim > 1]
    free = [p for p in plain.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": free, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=config.betas, foreach=False)
    for step in range(7):
        optimizer.zero_grad()
        tiny.loss(plain, to_tensors(tiny.batches(step)))[0].backward()
        nn.utils.clip_grad_norm_(plain.parameters(), 0.05)
        for group in optimizer.param_groups:
            group["lr"] = config.rate(step)
        optimizer.step()
    for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_batches_travel_as_they_are() -> None:
    planes, more = tiny.batches(0)
    planes.flags.writeable = False
    batch = to_device(to_tensors({"planes": planes, "more": more}), CPU, channels_last=True)
    assert batch["planes"].dtype == torch.uint8
    assert batch["planes"].is_contiguous(memory_format=torch.channels_last)
    assert (batch["planes"].numpy() == planes).all()


def test_number_formats_follow_the_device() -> None:
    assert autocast_dtype("fp32", CPU) == torch.float32
    assert autocast_dtype("bf16", CPU) == torch.bfloat16
    assert autocast_dtype("auto", CPU) in (torch.float32, torch.bfloat16)


def test_prefetching_stays_ahead_but_not_far() -> None:
    made: list[int] = []
    feed = prefetch(lambda index: made.append(index) or index, range(100), workers=2)
    assert [next(feed) for _ in range(3)] == [0, 1, 2]
    feed.close()
    assert len(made) <= 8


def test_lines_without_a_terminal_are_few(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, steps=30)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("step 1 of 30  accuracy ")
    assert lines[1].endswith(" left")
    assert capsys.readouterr().out == ""


def test_tensorboard_is_an_extra(tmp_path: Path) -> None:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(CommonError, match=r"pip install convsuite\[tensorboard\]"):
            run(tmp_path, tensorboard=True)
    else:
        run(tmp_path, tensorboard=True)
        assert list((tmp_path / "tensorboard").glob("events*"))


def test_the_public_names_are_there() -> None:
    assert all(hasattr(trainer, name) for name in trainer.__all__)


def test_without_a_compiler_a_run_that_asks_for_one_is_not_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    compiled = run(tmp_path / "asked", compile=True, precision="fp32")
    plain = run(tmp_path / "plain", precision="fp32")
    assert same(weights(compiled.network), weights(plain.network))


@pytest.mark.skipif(not can_compile(CPU), reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # torch's own compiler warns of its own parts
def test_compiled_training_is_the_same_within_rounding(tmp_path: Path) -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(50, 8), nn.ReLU(), nn.Linear(8, 2))
    both = [
        run(tmp_path / name, network=copy.deepcopy(linear), compile=name == "compiled",
            precision="fp32", steps=3, optimizer="adamw")
        for name in ("compiled", "plain")
    ]  # fmt: skip
    one, other = (weights(result.network) for result in both)
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)
