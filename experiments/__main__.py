"""The lecture's claims, measured: python -m experiments [NAME ...] --data DATA

DATA holds images/mnist, go/{train,val} and speech/{commands,fsdd,noise,synthetic}, laid out as
docs/experiments.md says. Each experiment is trained anew with all its seeds (but for the long runs
of speech-whole, which are kept in runs/ and go on there); then its numbers go into
experiments/results, its picture into docs/pictures, its table into docs/experiments.md. What was
stopped goes on with --go-on; --draw only makes pictures and tables of what is there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from common.errors import CommonError
from experiments import (
    board_pooling,
    board_rank,
    board_sharing,
    digits_sharing,
    digits_subsampling,
    speech_recipe,
    speech_sliding,
    speech_speakers,
    speech_twins,
    speech_whole,
)
from experiments.drawing import save
from experiments.measuring import Experiment, Run, Table, into_page, keep, kept

ALL = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (
        digits_sharing, digits_subsampling, board_pooling, board_sharing, speech_sliding,
        speech_twins, speech_whole, speech_recipe, speech_speakers, board_rank,
    )
}  # fmt: skip
DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "experiments.md"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the experiments; returns the exit status: 0 done, 1 unusable data, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}")
    parser.add_argument("--data", type=Path, help="not needed with --draw")
    parser.add_argument("--seeds", type=int, help="instead of the experiment's own number")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--go-on", action="store_true", help="keep the runs that are there")
    parser.add_argument("--draw", action="store_true", help="train nothing")
    args = parser.parse_args(argv)
    unknown = [name for name in args.names if name not in ALL]
    if unknown:
        parser.error(f"there is no experiment {unknown[0]}: name one of {', '.join(ALL)}")
    if args.data is None and not args.draw:
        parser.error("name the folder of the data: --data DATA")
    failed = False
    for name in args.names or ALL:
        experiment = ALL[name]
        runs = kept(name) if args.draw or args.go_on else []
        try:
            if not args.draw:
                seeds = args.seeds or experiment.seeds
                runs = measured(experiment, args.data, runs, seeds, args.jobs)
        except CommonError as error:  # the others may need nothing of what is missing
            print(f"experiments: {name}: {error}", file=sys.stderr)
            failed = True
            continue
        table = Table(experiment, runs)
        if table.complete:
            show(table)
    return int(failed)


def measured(
    experiment: Experiment, data: Path, runs: list[Run], seeds: int, jobs: int
) -> list[Run]:
    """Train what is missing; each run is kept as it is done."""
    begun = time.monotonic()
    for run in experiment.runs(data, seeds, runs, jobs):
        runs.append(run)
        keep(experiment, runs)
        numbers = "  ".join(f"{name} {value:.4f}" for name, value in run.measured.items())
        minutes = (time.monotonic() - begun) / 60
        print(f"{minutes:.1f} min  {run.network}, seed {run.seed}: {numbers}", file=sys.stderr)
    return runs


def show(table: Table) -> None:
    """Print the table, draw its picture, and put both into the page."""
    name = table.experiment.name
    print(f"{table.experiment.title}\n{table.experiment.claim}\n\n{table.markdown()}")
    save(table.experiment.draw(table), DOCS / "pictures" / f"experiment-{name}.png")
    if PAGE.exists():
        PAGE.write_text(into_page(PAGE.read_text("utf-8"), table), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
