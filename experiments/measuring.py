"""Measuring: an experiment's runs -> its table, kept as numbers beside the code.

A run is one network trained with one seed. Its numbers are kept as soon as it is done, so that an
experiment that was stopped goes on, and every table can be made again from what was measured.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from common import writing

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Run:
    """What one network with one seed came to. measured: by the names of the table's columns."""

    network: str
    seed: int
    parameters: int
    measured: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One claim, put to the test.

    claim: in words, what would be so if the lecture were right. networks: the rows, in order.
    measure(network, seed, data) -> Run. setting: what was the same for all, in one line.
    draw: makes the picture of the finished table. digits: after the point.
    """

    name: str
    title: str
    claim: str
    setting: str
    networks: Sequence[str]
    measure: Callable[[str, int, Path], Run]
    draw: Callable[[Table], Any]
    seeds: int = 3
    digits: int = 3

    def runs(
        self, data: Path, seeds: int, done: Sequence[Run] = (), jobs: int = 1
    ) -> Iterator[Run]:
        """All runs that are not among those done; seed after seed, so that every row has one.

        jobs: how many are measured at a time, each by a process with its share of the cores.
        """
        had = {(run.network, run.seed) for run in done}
        missing = [
            (network, seed)
            for seed in range(seeds)
            for network in self.networks
            if (network, seed) not in had
        ]
        if jobs == 1:
            yield from (self.measure(network, seed, data) for network, seed in missing)
            return
        threads = max(1, (os.cpu_count() or 1) // jobs)
        pool = ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (threads,))
        try:
            begun = [pool.submit(self.measure, network, seed, data) for network, seed in missing]
            yield from (one.result() for one in as_completed(begun))
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Cell:
    """The mean over the seeds, and its standard error (NaN for one seed alone)."""

    mean: float
    error: float


@dataclass(frozen=True)
class Table:
    """Rows by network, columns by what was measured."""

    experiment: Experiment
    runs: Sequence[Run] = field(default_factory=tuple)

    @property
    def columns(self) -> list[str]:
        """What was measured, in the order of the first run."""
        return list(self.runs[0].measured) if self.runs else []

    @property
    def complete(self) -> bool:
        """Whether there is a run of every network: then the page tells of it."""
        return {(run.network, run.seed) for run in self.runs} >= {
            (network, 0) for network in self.experiment.networks
        }

    @property
    def rows(self) -> list[str]:
        """The networks of which there are runs."""
        had = {run.network for run in self.runs}
        return [network for network in self.experiment.networks if network in had]

    def cell(self, network: str, column: str) -> Cell:
        """What was measured of a network."""
        values = [run.measured[column] for run in self.runs if run.network == network]
        error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
        return Cell(mean(values), error)

    def markdown(self) -> str:
        """The table as it stands in docs/experiments.md."""
        head = ["network", "weights", *self.columns]
        lines = [head, ["---"] * len(head)]
        for network in self.rows:
            count = next(run.parameters for run in self.runs if run.network == network)
            cells = [self._told(self.cell(network, column)) for column in self.columns]
            lines.append([network, f"{count:,}", *cells])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"

    def _told(self, cell: Cell) -> str:
        digits = self.experiment.digits
        if math.isnan(cell.error):
            return f"{cell.mean:.{digits}f}"
        return f"{cell.mean:.{digits}f} ± {cell.error:.{digits}f}"


def kept(name: str, folder: Path = RESULTS) -> list[Run]:
    """The runs that were kept of an experiment; none if it was never run."""
    path = folder / f"{name}.json"
    if not path.exists():
        return []
    return [Run(**run) for run in json.loads(path.read_text("utf-8"))["runs"]]


def keep(experiment: Experiment, runs: Sequence[Run], folder: Path = RESULTS) -> None:
    """Write the runs of an experiment beside those of the others."""
    order = sorted(runs, key=lambda run: (run.seed, experiment.networks.index(run.network)))
    found = {"setting": experiment.setting, "runs": [asdict(run) for run in order]}
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    writing.put(folder / f"{experiment.name}.json", text.encode())


def into_page(page: str, table: Table) -> str:
    """The page with an experiment's table anew, between `<!-- NAME -->` and the next empty line."""
    mark = f"<!-- {table.experiment.name} -->\n"
    before, found, after = page.partition(mark)
    if not found:
        return page
    _, _, rest = after.partition("\n\n")
    return f"{before}{mark}{table.markdown()}\n{rest}"
