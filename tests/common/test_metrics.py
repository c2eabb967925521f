import json
import math
from pathlib import Path

import pytest
import torch

from common import curves, metrics
from common.device import World
from common.metrics import Meter

ALONE = World(0, 1, torch.device("cpu"))


def add(meter: Meter, loss: float, *, skipped: bool = False) -> None:
    meter.add({"loss": torch.tensor(loss)}, torch.tensor(float(skipped)))


def test_readings_are_means_since_the_last_one() -> None:
    meter = Meter(ALONE.device)
    add(meter, 1.0)
    add(meter, 2.0)
    assert meter.read(ALONE) == ({"loss": 1.5}, 0, 0)
    add(meter, 5.0)
    assert meter.read(ALONE) == ({"loss": 5.0}, 0, 0)


def test_skipped_steps_are_counted_and_do_not_spoil_the_mean() -> None:
    meter = Meter(ALONE.device)
    for loss in (1.0, math.nan, math.inf, 3.0, math.nan):
        add(meter, loss, skipped=not math.isfinite(loss))
    assert meter.read(ALONE) == ({"loss": 2.0}, 3, 2)
    add(meter, math.nan, skipped=True)
    add(meter, math.nan, skipped=True)
    assert meter.read(ALONE) == ({"loss": None}, 5, 3)


def test_a_meter_goes_on_from_what_json_kept() -> None:
    one, other = Meter(ALONE.device), Meter(ALONE.device)
    add(one, 0.1)
    add(one, math.nan, skipped=True)
    other.set_state(json.loads(json.dumps(one.state())))
    for meter in (one, other):
        add(meter, 0.2)
    assert one.read(ALONE) == other.read(ALONE)


def test_the_log_is_json_that_anyone_can_read(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    metrics.append(log, {"step": 1, "loss": math.nan, "skipped": 0})
    assert log.read_text() == '{"step": 1, "loss": null, "skipped": 0}\n'


@pytest.mark.parametrize("torn", ["", '{"step": 3, "lo', '{"step": 3}', "[]\n", "null\n"])
def test_a_resumed_run_writes_no_step_twice(tmp_path: Path, torn: str) -> None:
    log = tmp_path / "metrics.jsonl"
    metrics.truncate(log, 0)  # there is none yet
    for step in (1, 2, 2, 3):
        metrics.append(log, {"step": step})
    log.write_text(log.read_text() + torn)
    assert len(metrics.read(log)) == 4
    metrics.truncate(log, 2)
    metrics.append(log, {"step": 3})
    assert [row["step"] for row in metrics.read(log)] == [1, 2, 2, 3]


def write(log: Path) -> None:
    for step in range(10, 1001, 10):
        loss = 5 * math.exp(-step / 300)
        metrics.append(log, {"step": step, "loss": loss, "accuracy": 1 - loss / 5, "rate": 1e-3})
        if step % 100 == 0:
            metrics.append(log, {"step": step, "validation/loss": None, "validation/top1": 0.5})


def test_the_picture_shows_the_curves_in_their_colours(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    log, picture = tmp_path / "metrics.jsonl", tmp_path / "curves.png"
    write(log)
    assert curves.draw(log, picture)
    with image.open(picture) as opened:
        assert opened.size == (curves.SIZE[0], 2 * curves.SIZE[1])
        seen = {colour for _, colour in opened.convert("RGB").getcolors(1 << 20)}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= seen


def test_curves_leave_out_what_is_not_finite_and_what_is_no_measure(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    write(log)
    found = curves.read_curves(log)
    assert list(found) == ["accuracy", "loss", "validation/top1"]
    assert len(found["loss"]) == 100


@pytest.mark.parametrize("lines", ["", '{"step": 5, "loss": null}\n', "junk"])
def test_nothing_to_draw_draws_nothing(tmp_path: Path, lines: str) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text(lines)
    assert not curves.draw(log, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


@pytest.mark.parametrize("values", [[0.0], [2.0, 2.0], [-1.0, 1e9], [1e-12, 2e-12]])
def test_any_values_can_be_drawn(tmp_path: Path, values: list[float]) -> None:
    log = tmp_path / "metrics.jsonl"
    for step, value in enumerate(values, start=1):
        metrics.append(log, {"step": step, "loss": value, "accuracy": 0.0})
    assert curves.draw(log, tmp_path / "curves.png")


def test_a_picture_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    write(log)
    assert not curves.draw(log, tmp_path / "absent" / "curves.png")


def test_tick_marks_are_round_and_inside() -> None:
    assert curves.ticks(0.13, 0.47) == [0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45]
    assert curves.ticks(0, 30_000, 8)[1] == 5_000
