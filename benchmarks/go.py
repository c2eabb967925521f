"""How fast boardnet is, each figure beside what it is a ratio of: python benchmarks/go.py

Run it on an idle machine. Without `--games` the games in `data/games` serve for everything.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
GAME = ROOT / "data" / "games" / "ear-reddening-1846.sgf"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=Path, default=ROOT / "data" / "games")
    parser.add_argument("--only", choices=["cold-start", "planes", "step", "latency"])
    args = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "cold-start": cold_start,
        "planes": lambda: planes(args.games),
        "step": lambda: step(args.games),
        "latency": latency,
    }
    for name, part in parts.items():
        if args.only in (None, name):
            part()


def show(what: str, ours: float, other: float, unit: str, goal: str) -> None:
    print(f"{what:58} {ours:10.4g} / {other:10.4g} {unit:10} = {ours / other:7.3f}  {goal}")


def best(work: Callable[[], object], times: int = 20) -> float:
    """The shortest of several times, in seconds: what the work takes when nothing disturbs it."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def cold_start() -> None:
    """Whole commands, interleaved."""
    ours = [sys.executable, "-m", "boardnet", "predict", str(GAME)]
    theirs = [sys.executable, "-c", "import torch"]
    times: dict[str, list[float]] = {"ours": [], "torch": []}
    for _ in range(7):
        for name, command in (("ours", ours), ("torch", theirs)):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
            times[name].append(time.perf_counter() - start)
    medians = [statistics.median(times[name]) for name in ("ours", "torch")]
    show("cold start of predict / import torch", *medians, "s", "<= 0.35")


def planes(folder: Path) -> None:
    """Random positions to planes, one core, beside sgfmill's boards replaying to the same ones."""
    from sgfmill import boards

    from boardnet import corpus, records
    from boardnet.records import files

    games = [game for path in files(folder)[:2] for game in records.iterate(path)]
    games += [game for path in files(folder)[2:] for game in records.iterate(path)]
    games = [game for game in games if (game.rows, game.columns) == (19, 19)][:1000]
    packed, _ = corpus.from_games(games)
    rng = np.random.default_rng(0)
    picked = rng.integers(packed.positions, size=512)
    which = rng.integers(8, size=512)
    packed.examples(picked, which)
    ours = best(lambda: packed.examples(picked, which)) / len(picked)

    def replay() -> None:
        for game, turn in zip(*packed.at(picked), strict=True):
            board = boards.Board(19)
            actions = games[game].actions_before(int(turn))
            for kind, colour, point in actions:
                if point is not None:
                    where = 18 - point[0], point[1]
                    if kind == records.MOVE:
                        board.play(*where, "bw"[colour - 1])
                    else:
                        board.apply_setup(
                            [where] if colour == 1 else [], [where] if colour == 2 else [], []
                        )

    theirs = best(replay, 3) / len(picked)
    show(
        "random positions to planes / sgfmill replaying", 1 / ours, 1 / theirs, "a second", ">= 100"
    )


def step(folder: Path) -> None:
    """A training step's arithmetic beside the rate of the machine's own matrix product."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from boardnet import corpus, records
    from boardnet.network import PolicyNetwork
    from boardnet.records import files
    from boardnet.train import loss, recipe
    from common.device import World, autocast_dtype, to_tensors
    from common.step import Stepper

    made = recipe("small")
    games = (game for path in files(folder)[:8] for game in records.iterate(path))
    packed, _ = corpus.from_games(games)
    sampler = corpus.Sampler(packed, made.batch, 0)
    batch = to_tensors(sampler(0), pin=False)
    cpu = torch.device("cpu")
    network = PolicyNetwork(made.network)
    with FlopCounterMode(display=False) as counter:
        loss(network, batch)[0].backward()
    stepper = Stepper(network, loss, made.train, World(0, 1, cpu))
    stepper.prepare()
    dtype = autocast_dtype("auto", cpu)
    matrix = torch.randn(2048, 2048, dtype=dtype)
    for number in range(3):
        stepper.step(number, iter([batch]))
    seconds, product = [], []
    for number in range(8):
        seconds.append(best(lambda: stepper.step(number, iter([batch])), 1))  # noqa: B023
        product.append(best(lambda: matrix @ matrix, 3))
    ours = counter.get_total_flops() / min(seconds) / 1e9
    theirs = 2 * 2048**3 / min(product) / 1e9
    print(f"{'training positions a second':58} {made.batch / min(seconds):10.4g}  ({dtype})")
    show("training step / matrix product", ours, theirs, "GFLOP/s", ">= 0.5")


def latency() -> None:
    """One position, from planes to probabilities, beside onnxruntime alone."""
    import onnxruntime

    from boardnet import records
    from boardnet.corpus import from_games
    from boardnet.predictor import Predictor

    packed, _ = from_games([records.read(GAME)])
    one, _ = packed.examples(np.array([126]))
    predictor = Predictor.load()
    model = ROOT / "boardnet" / "weights" / "policy.onnx"
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for _ in range(20):
        predictor.policies(one)
        session.run(None, {name: one})
    ours, theirs = [], []
    for _ in range(10):
        ours.append(best(lambda: predictor.policies(one)))
        theirs.append(best(lambda: session.run(None, {name: one})))
    show("one position / onnxruntime alone", min(ours) * 1e3, min(theirs) * 1e3, "ms", "<= 1.3")


if __name__ == "__main__":
    main()
