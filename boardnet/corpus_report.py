"""What is in a corpus: its games by year, rank, length, result ..., as text and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from boardnet.corpus import Corpus
from boardnet.diagram import Diagram, Line, Rectangle, Shape, Text
from boardnet.drawing import PLAIN, Style, bar
from boardnet.labels import FORFEIT, RESIGNED, SCORE, TIME, rank_name
from boardnet.rules import BLACK, WHITE

Counts = Mapping[str, int]

_LENGTH = 50  # moves that are one bar
_MOST = 24  # bars of one kind
_WIDTH = 40  # characters of a full one
_ENDINGS = {SCORE: "by points", RESIGNED: "by resignation", TIME: "on time", FORFEIT: "by forfeit"}
_BLUE, _GRID = "#2f6fe4", "#dddddd"


def summary(corpus: Corpus) -> dict[str, Any]:
    """Plain data: "games", "positions", "size", and counts of games by "years", "ranks" (of the
    weaker player), "lengths" (moves), "results", "handicaps", "komi" and "sources"."""
    labels = corpus.labels
    weaker = np.minimum(labels["black_rank"], labels["white_rank"])
    sources = corpus.facts.get("sources", [])
    return {
        "games": corpus.games,
        "positions": corpus.positions,
        "size": f"{corpus.columns}x{corpus.rows}",
        "years": _counts(labels["date"] // 10_000, lambda year: str(year) if year else "?"),
        "ranks": _counts(weaker, rank_name),
        "lengths": _counts(
            np.diff(corpus.firsts) // _LENGTH * _LENGTH,
            lambda moves: f"{moves}-{moves + _LENGTH - 1}",
        ),
        "results": _results(labels),
        "handicaps": _counts(labels["handicap"], lambda stones: str(stones) if stones else "even"),
        "komi": _counts(
            np.nan_to_num(labels["komi"], nan=-9999),
            lambda komi: "?" if komi == -9999 else f"{komi:g}",
        ),
        "sources": _counts(labels["source"], lambda at: sources[at] if at < len(sources) else "?"),
    }


def _counts(values: Any, name: Any) -> dict[str, int]:
    found, counts = np.unique(np.asarray(values), return_counts=True)
    return {name(value.item()): int(count) for value, count in zip(found, counts, strict=True)}


def _results(labels: Any) -> dict[str, int]:
    found = {}
    for winner, player in ((BLACK, "Black"), (WHITE, "White")):
        for ending, told in {**_ENDINGS, 0: "somehow"}.items():
            count = int(((labels["winner"] == winner) & (labels["ending"] == ending)).sum())
            if count:
                found[f"{player} {told}"] = count
    others = int((labels["winner"] == 0).sum())
    return {**found, **({"nobody, or not known": others} if others else {})}


def text(
    name: str, found: Mapping[str, Any], facts: Mapping[str, Any], style: Style = PLAIN
) -> str:
    """All of a summary for a terminal. name: of the corpus. facts: its own."""
    lines = [f"{name}: {found['games']:,} games, {found['positions']:,} positions, {found['size']}"]
    if wanted := facts.get("wanted"):
        lines.append("only: " + ", ".join(f"{key} {value}" for key, value in wanted.items()))
    if left_out := facts.get("left out"):
        lines.append(
            "left out: " + ", ".join(f"{count:,} {why}" for why, count in left_out.items())
        )
    for kind, counts in _charts(found):
        lines += ["", kind]
        most = max(counts.values())
        wide = max(map(len, counts))
        for key, count in counts.items():
            lines.append(f"  {key:>{wide}} {count:9,}  {bar(count / most, _WIDTH, style)}".rstrip())
    return "\n".join(lines)


def _charts(found: Mapping[str, Any]) -> list[tuple[str, Counts]]:
    """What is drawn: each with its title, and not more than can be looked at; of no games none."""
    titles = {"years": "Year", "ranks": "Rank of the weaker player", "lengths": "Moves",
              "results": "Won by", "handicaps": "Handicap", "komi": "Komi",
              "sources": "Source"}  # fmt: skip
    return [(title, _fewer(found[kind])) for kind, title in titles.items() if found[kind]]


def _fewer(counts: Counts) -> Counts:
    """The largest, in their order, and all others together."""
    if len(counts) <= _MOST:
        return counts
    least = sorted(counts.values(), reverse=True)[_MOST - 2]
    kept = {key: count for key, count in counts.items() if count > least}
    return {**kept, "others": sum(counts.values()) - sum(kept.values())}


def picture(name: str, found: Mapping[str, Any]) -> Diagram:
    """The distributions as a picture: columns of bars, side by side."""
    shapes: list[Shape] = []
    step, wide, gap = 17.0, 330.0, 26.0
    tops = [54.0, 54.0, 54.0]
    for title, counts in _charts(found):
        column = int(np.argmin(tops))
        left, top = gap + column * (wide + gap), tops[column]
        shapes += _chart(title, counts, left, top, wide, step)
        tops[column] = top + step * (len(counts) + 2) + 10
    width, height = gap + 3 * (wide + gap), max(tops)
    heading = f"{name}: {found['games']:,} games, {found['positions']:,} positions"
    shapes.append(Text(gap, 26, heading, 18, anchor="start", bold=True))
    return Diagram(width, height, (Rectangle(0, 0, width, height, "#ffffff"), *shapes))


def _chart(
    title: str, counts: Counts, left: float, top: float, wide: float, step: float
) -> list[Shape]:
    names = 8 + 6.6 * min(22, max(map(len, counts)))
    numbers = 62.0
    most = max(counts.values())
    shapes: list[Shape] = [
        Text(left, top + step / 2, title, 13, anchor="start", bold=True),
        Line(left + names, top + step, left + names, top + step * (len(counts) + 1.2), 1, _GRID),
    ]
    for number, (key, count) in enumerate(counts.items(), 1):
        middle = top + step * (number + 0.6)
        length = max(1.0, (wide - names - numbers) * count / most)
        shown = key if len(key) <= 22 else f"{key[:21]}…"
        shapes += [
            Text(left + names - 6, middle, shown, 11, anchor="end"),
            Rectangle(left + names, middle - 0.36 * step, length, 0.72 * step, _BLUE),
            Text(left + names + length + 5, middle, f"{count:,}", 11, "#666666", "start"),
        ]
    return shapes
