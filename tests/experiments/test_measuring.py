"""Tables of experiments: means, errors, and that the page says what was measured."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from common.errors import CommonError
from experiments.measuring import Experiment, Run, Table, into_page, keep, kept

RUNS = [
    Run("with", 0, 1200, {"top-1": 0.5, "nats": 2.0}),
    Run("with", 1, 1200, {"top-1": 0.7, "nats": 2.0}),
    Run("with", 2, 1200, {"top-1": 0.6, "nats": 2.0}),
    Run("without", 0, 900, {"top-1": 0.25, "nats": 3.0}),
]


def experiment(**other: object) -> Experiment:
    usual = {
        "name": "claim", "title": "A claim", "claim": "so", "setting": "few",
        "networks": ("without", "with"), "measure": _measure, "draw": lambda table: None,
    }  # fmt: skip
    return Experiment(**{**usual, **other})  # type: ignore[arg-type]


def _measure(network: str, seed: int, data: Path) -> Run:
    return Run(network, seed, 1, {"top-1": seed / 10})


def _failing(network: str, seed: int, data: Path) -> Run:
    (data / network).touch()
    if network != "network 0":
        time.sleep(0.1)
    raise CommonError("there is no data")


def test_a_cell_is_the_mean_over_the_seeds_with_its_standard_error() -> None:
    table = Table(experiment(), RUNS)
    found = table.cell("with", "top-1")
    assert found.mean == pytest.approx(0.6)
    assert found.error == pytest.approx(0.1 / math.sqrt(3))  # the deviation of 5, 6, 7 is 1
    assert math.isnan(table.cell("without", "top-1").error)


def test_a_table_has_its_rows_in_the_order_of_the_experiment() -> None:
    assert Table(experiment(), RUNS).markdown() == (
        "| network | weights | top-1 | nats |\n"
        "| --- | --- | --- | --- |\n"
        "| without | 900 | 0.250 | 3.000 |\n"
        "| with | 1,200 | 0.600 ± 0.058 | 2.000 ± 0.000 |\n"
    )


def test_what_was_stopped_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    one = experiment()
    every = [(run.network, run.seed) for run in one.runs(tmp_path, seeds=2)]
    assert every == [("without", 0), ("with", 0), ("without", 1), ("with", 1)]
    done = list(one.runs(tmp_path, seeds=2))[:3]
    keep(one, done, tmp_path)
    assert kept("claim", tmp_path) == done
    rest = list(one.runs(tmp_path, 2, kept("claim", tmp_path)))
    assert [(run.network, run.seed) for run in rest] == [("with", 1)]
    assert kept("another", tmp_path) == []


def test_runs_at_a_time_are_the_same_runs_and_are_kept_in_the_same_order(tmp_path: Path) -> None:
    one = experiment()
    together = list(one.runs(tmp_path, seeds=2, jobs=2))
    keep(one, together[::-1], tmp_path)
    assert kept("claim", tmp_path) == list(one.runs(tmp_path, seeds=2))


def test_a_run_that_fails_ends_those_that_have_not_begun(tmp_path: Path) -> None:
    one = experiment(measure=_failing, networks=tuple(f"network {at}" for at in range(40)))
    with pytest.raises(CommonError, match="no data"):
        list(one.runs(tmp_path, seeds=1, jobs=2))
    assert len(list(tmp_path.iterdir())) < 40


def test_an_experiment_is_complete_when_every_network_was_measured() -> None:
    assert Table(experiment(), RUNS).complete
    assert not Table(experiment(), RUNS[:3]).complete
    assert not Table(experiment(), []).complete


def test_a_table_goes_into_its_place_in_the_page_and_leaves_the_rest() -> None:
    page = "# Claims\n\n<!-- claim -->\nold\nolder\n\nand so on\n\n<!-- other -->\nkept\n\n"
    table = Table(experiment(), RUNS)
    made = into_page(page, table)
    assert made == page.replace("old\nolder\n", table.markdown())
    assert into_page(made, table) == made
    assert into_page("nothing of it here\n", table) == "nothing of it here\n"
