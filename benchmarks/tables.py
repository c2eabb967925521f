"""The README's tables of accuracy, printed from what the model files say of themselves:
python benchmarks/tables.py [--write]

Each stands in README.md below a line `<!-- NAME -->`; --write puts them there.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boardnet
import speechnet

README = Path(__file__).parents[1] / "README.md"
GAMES = {
    "kgs.sgf.xz": "KGS, dan players",
    "pro.sgf.xz": "professionals (on the Fox server)",
    "tygem.sgf.xz": "TYGEM, 9 dan against 9 dan",
    "all": "all of them",
}
CLIPS = {"test.tar": "all", "test.tar/testset12": "of the official test set"}


def games(facts: Mapping[str, Any]) -> str:
    """How often the move played was foreseen, by kind of games, by one look and by eight."""
    whole = [row for row in facts["accuracy"] if not row.get("group")]
    lines = ["| games | top-1 | top-5 | nats | top-1, mean of 8 | nats, mean of 8 |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for file, told in GAMES.items():
        one, eight = (_row(whole, file=file, symmetries=looks) for looks in (1, 8))
        lines.append(
            f"| {told} | {one['top1']:.3f} | {one['top5']:.3f} | {one['nats']:.3f}"
            f" | {eight['top1']:.3f} | {eight['nats']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def phases(facts: Mapping[str, Any]) -> str:
    """The same over the course of a game, all kinds together, by one look."""
    lines = ["| phase | positions | top-1 | top-5 | nats |", "| --- | --- | --- | --- | --- |"]
    for name, told in (("opening", "moves 1 to 50"), ("middle", "51 to 150"), ("end", "later")):
        row = _row(facts["accuracy"], file="all", symmetries=1, group=name)
        shares = f"{row['top1']:.3f} | {row['top5']:.3f} | {row['nats']:.3f}"
        lines.append(f"| {told} | {row['positions']:,} | {shares} |")
    return "\n".join(lines) + "\n"


def clips(facts: Mapping[str, Any]) -> str:
    """How well clips of people are heard of whom nobody was trained on."""
    lines = [
        "| clips | ten command words | words not asked for, called unknown | all clips"
        " | calibration error |",
        "| --- | --- | --- | --- | --- |",
    ]
    for file, told in CLIPS.items():
        row = _row(facts["accuracy"], file=file)
        ten = [row["recall"][word] for word in facts["recipe"]["words"][:10]]
        lines.append(
            f"| {told} | {sum(ten) / 10:.3f} | {row['recall']['unknown']:.3f}"
            f" | {row['accuracy']:.3f} | {row['ece']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def _row(rows: Sequence[Mapping[str, Any]], **wanted: object) -> Mapping[str, Any]:
    return next(row for row in rows if all(row[name] == value for name, value in wanted.items()))


def tables() -> dict[str, str]:
    """All of them, by the names that the README gives them."""
    go, speech = boardnet.load().facts, speechnet.load().facts
    return {"games": games(go), "phases": phases(go), "clips": clips(speech)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into README.md")
    args = parser.parse_args()
    page = README.read_text("utf-8")
    for name, table in tables().items():
        print(table)
        before, _, after = page.partition(f"<!-- {name} -->\n")
        page = f"{before}<!-- {name} -->\n{table}\n{after.partition(chr(10) * 2)[2]}"
    if args.write:
        README.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
