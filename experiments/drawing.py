"""Drawing: a table as a picture, with bars or lines and the standard error over the seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.figure import Figure

from common.curves import COLOURS
from experiments.measuring import Cell, Table

SIZE = (9.0, 4.6)
"""Inches, at DOTS to the inch."""

DOTS = 110

TICKS, NAME = 78, 24
"""Letters to a line: of all that stands below bars together, and of a network's name."""


def bars(
    table: Table, axis: str, *, columns: Sequence[str] | None = None, from_zero: bool = False
) -> Figure:
    """A group of bars for each column, a bar a network, six at most. axis: what the numbers are."""
    figure, plot = _page(table, axis)
    columns = list(columns or table.columns)
    width = 0.84 / len(table.rows)
    least = math.inf
    for place, network in enumerate(table.rows):
        cells = [table.cell(network, column) for column in columns]
        at = [number + width * (place - (len(table.rows) - 1) / 2) for number in range(len(cells))]
        plot.bar(
            at, [cell.mean for cell in cells], width, label=fill(network, NAME),
            color=COLOURS[place], yerr=_errors(cells), capsize=2, error_kw={"lw": 0.8},
        )  # fmt: skip
        least = min(least, *(cell.mean for cell in cells))
    letters = TICKS // len(columns)
    plot.set_xticks(range(len(columns)), [fill(column, letters) for column in columns])
    if not from_zero and least > 0.3:
        # Differences of a point are not seen on bars that start at zero; the axis says where it
        # starts.
        plot.set_ylim(bottom=math.floor(10 * least - 0.5) / 10)
    _legend(plot)
    return figure


def dots(table: Table, axis: str, *, columns: Sequence[str]) -> Figure:
    """A line of dots a network, one for each column: for many networks and few columns."""
    figure, plot = _page(table, "")
    places = range(len(table.rows))
    for number, column in enumerate(columns):
        cells = [table.cell(network, column) for network in table.rows]
        plot.errorbar(
            [cell.mean for cell in cells], places, xerr=_errors(cells), fmt="o",
            label=fill(column, NAME), color=COLOURS[number], capsize=3,
        )  # fmt: skip
    plot.set_yticks(places, table.rows)
    plot.invert_yaxis()
    plot.set_xlabel(axis)
    _legend(plot)
    return figure


def lines(table: Table, at: Sequence[float], along: str, axis: str) -> Figure:
    """A line a network over the columns, which stand at `at` on a logarithmic axis."""
    figure, plot = _page(table, axis)
    for place, network in enumerate(table.rows):
        cells = [table.cell(network, column) for column in table.columns]
        plot.errorbar(
            at, [cell.mean for cell in cells], yerr=_errors(cells),
            label=fill(network, NAME), color=COLOURS[place], marker="o", capsize=3,
        )  # fmt: skip
    plot.set_xscale("log")
    plot.set_xticks(at, [f"{value:,}" for value in at])
    plot.minorticks_off()
    plot.set_xlabel(along)
    _legend(plot)
    return figure


def save(figure: Figure, path: Path) -> None:
    """As a PNG that says nothing of when and where it was made."""
    figure.savefig(path, dpi=DOTS, metadata={"Software": None})


def _page(table: Table, axis: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=SIZE, layout="constrained")
    plot = figure.subplots()
    plot.set_title(table.experiment.title, loc="left")
    plot.set_ylabel(axis)
    plot.grid(axis="y", color="#dddddd")
    plot.set_axisbelow(True)
    plot.spines[["top", "right"]].set_visible(False)
    return figure, plot


def _legend(plot: Any) -> None:
    plot.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def _errors(cells: Sequence[Cell]) -> list[float] | None:
    """What a whisker shows; one seed alone has none."""
    return None if math.isnan(cells[0].error) else [cell.error for cell in cells]
