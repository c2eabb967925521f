"""How fast boardnet is, each figure beside what it is a ratio of: python benchmarks/go.py

Run it on an idle machine. Without `--games` the games in `data/games` serve for everything.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from timing import ROOT, best, cold_start, show

GAME = ROOT / "data" / "games" / "ear-reddening-1846.sgf"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=Path, default=ROOT / "data" / "games")
    parser.add_argument("--only", choices=["cold-start", "planes", "step", "latency"])
    args = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "cold-start": lambda: cold_start("boardnet", "predict", str(GAME), goal="<= 0.35"),
        "planes": lambda: planes(args.games),
        "step": lambda: step(args.games),
        "latency": latency,
    }
    for name, part in parts.items():
        if args.only in (None, name):
            part()


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
    ours = best(lambda: packed.examples(picked, which))[0] / len(picked)

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

    theirs = best(replay, rounds=3)[0] / len(picked)
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
    seconds, product = best(
        lambda: stepper.step(3, iter([batch])), lambda: matrix @ matrix, rounds=8
    )
    ours = counter.get_total_flops() / seconds / 1e9
    theirs = 2 * 2048**3 / product / 1e9
    print(f"{'training positions a second':58} {made.batch / seconds:10.4g}  ({dtype})")
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
    ours, theirs = best(
        lambda: predictor.policies(one), lambda: session.run(None, {name: one}), times=20
    )
    show("one position / onnxruntime alone", ours * 1e3, theirs * 1e3, "ms", "<= 1.3")


if __name__ == "__main__":
    main()
