"""Random and mangled GTP lines, very many of them: python benchmarks/gtp.py --lines 100000

Each must be answered in the specification's form, without a traceback; the slowest is told. A short
run of the same is a test.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from boardnet.engine import Engine
from boardnet.gtp import Session
from boardnet.predictor import Predictor

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "boardnet"))
from test_gtp import FORM, mangled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    session = Session(Engine(Predictor.load()), "0")
    commands = list(session.commands)
    answered = refused = analyses = 0
    slowest, culprit = 0.0, ""
    start = time.perf_counter()
    for number in range(args.lines):
        if number % 1000 == 0:
            session.answer("boardsize 7")  # so that most of the time goes to the protocol
        line = mangled(rng, commands)
        before = time.perf_counter()
        found = session.answer(line)
        took = time.perf_counter() - before
        if took > slowest:
            slowest, culprit = took, line
        if found is None:
            continue
        text, analysis = found
        answered += 1
        refused += text.startswith("?")
        if analysis is not None:
            analyses += 1
        elif not FORM.fullmatch(text):
            raise SystemExit(f"line {number}, {line!r}, was answered with {text!r}")
    seconds = time.perf_counter() - start
    print(
        f"{args.lines} lines in {seconds:.0f} s: {answered} answered in form, {refused} of them"
        f" refused, {analyses} analyses; the slowest took {slowest:.2f} s: {culprit!r}"
    )


if __name__ == "__main__":
    main()
