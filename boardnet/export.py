"""Export: a training run -> the two files of `boardnet/weights`."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

from boardnet import records
from boardnet.errors import BoardnetError
from boardnet.evaluate import calibrated, drawn, evaluate, value
from boardnet.game import Game
from boardnet.network import Heads, NetworkConfig, PolicyNetwork
from boardnet.planes import NAMES
from boardnet.predictor import Predictor
from boardnet.records import files
from boardnet.review import reference
from common import checkpoint, runs
from common.axes import BOARD, check
from common.export import export_onnx, export_weights, load_weights
from common.modelfile import restate
from common.quantize import quantize_convolutions

SHAPES = ((1, 19, 19), (5, 9, 9), (2, 13, 19))
"""Batch, rows and columns that the exported network is compared with torch on."""

GAMES = 100
"""Of each file, for what is usual."""

CALIBRATED = 256
"""Positions of each file, for the scales of integers."""

POSITIONS, SEED = 2000, 0
"""Of the measured accuracy: what `boardnet evaluate` takes by default."""


def export(
    run: Path,
    folder: Path,
    *,
    calibrate: Path | None = None,
    test: Path | None = None,
    usual: Path | None = None,
) -> list[Path]:
    """Write policy.onnx and policy.safetensors of a run's averaged weights into `folder`.

    run: a run's folder, or the policy.safetensors of a model, which is then measured anew.
    calibrate: games that were trained on; the trunk of policy.onnx then computes with integers of 8
    bits, whose scales are set on them: twice as fast. The heads, which tell answers apart that are
    nearly as good, keep floats; so do the weights in policy.safetensors.
    test: games that were not trained on; the accuracy on them is measured and kept in the files.
    usual: games of strong players; how surprising these are is kept, for `review` to compare with.
    A value head's chances to win are calibrated on them, and measured on those of `test`.
    Raises CommonError if `run` has no checkpoint.
    """
    network, facts = _model(run) if run.suffix == ".safetensors" else _trained(run)
    facts.pop("integers", None)  # of the model that is measured anew
    paths = _write(network, folder, facts)
    if calibrate is not None:
        facts["integers"] = _integers(paths[0], calibrate)
    predictor = Predictor.load(paths[0])
    if test is not None:
        facts["accuracy"] = [
            {**vars(score), "file": Path(score.file).name}
            for looks in (1, 8)
            for score in evaluate(
                predictor, files(test), positions=POSITIONS, seed=SEED, symmetries=looks, by="phase"
            )
        ]
    if usual is not None:
        if network.config.value:
            facts["value"] = _calibration(predictor, usual, test)
        games = (game for path in files(usual) for game in _sample(path))
        facts["surprise"] = reference(predictor, games)
    for path in paths:
        restate(path, facts)
    return paths


def _trained(run: Path) -> tuple[PolicyNetwork, dict[str, Any]]:
    """The network of a run, and what is known of it."""
    found = checkpoint.latest(run)
    if found is None:
        raise BoardnetError(f"{run} holds no checkpoint: train with boardnet train first")
    about = runs.described(run)
    try:
        network = PolicyNetwork(NetworkConfig(**about["recipe"]["network"]))
    except (ValueError, KeyError, TypeError) as error:
        raise runs.damaged(run) from error
    network.load_state_dict(found.ema or found.weights)
    return network, {
        "planes": list(NAMES),
        "board": [19, 19],
        "step": found.step,
        "hours": round(found.state["seconds"] / 3600, 2),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "licence": "Apache-2.0",
        **about,
    }


def _model(path: Path) -> tuple[PolicyNetwork, dict[str, Any]]:
    """The network of a model, and what its file says."""
    weights, facts = load_weights(path)
    try:
        network = PolicyNetwork(NetworkConfig(**facts["recipe"]["network"]))
        network.load_state_dict(weights)
    except (KeyError, TypeError, RuntimeError) as error:
        raise BoardnetError(f"{path} does not hold a policy of boardnet") from error
    return network, dict(facts)


def _integers(path: Path, games: Path) -> dict[str, Any]:
    """Integers for the trunk of a model; what is said of them in its file."""
    examples = [
        found.examples(picked)[0]
        for found, picked in (drawn(one, CALIBRATED, SEED) for one in files(games))
    ]
    quantize_convolutions(path, examples, within="/(stem|trunk)/")
    return {"trunk": "8 bits", "calibrated on": sum(map(len, examples))}


def _calibration(predictor: Predictor, usual: Path, test: Path | None) -> dict[str, Any]:
    temperature = calibrated(predictor, files(usual), positions=5 * POSITIONS, seed=SEED)
    measured = (
        value(predictor, files(test), temperature, positions=5 * POSITIONS, seed=SEED)
        if test is not None
        else {}
    )
    return {"temperature": round(temperature, 4), **measured}


def _sample(path: Path) -> list[Game]:
    """GAMES of a file's games, evenly through it."""
    games = list(records.iterate(path, refused=lambda error: None))
    step = max(1, len(games) // GAMES)
    return games[::step][:GAMES]


def _write(network: PolicyNetwork, folder: Path, facts: dict[str, Any]) -> list[Path]:
    rng = torch.Generator().manual_seed(0)
    examples = [
        torch.randint(0, 2, (batch, len(NAMES), rows, columns), generator=rng, dtype=torch.uint8)
        for batch, rows, columns in SHAPES
    ]
    check(Heads(network.eval()), BOARD, examples[0])
    paths = [folder / "policy.onnx", folder / "policy.safetensors"]
    export_onnx(
        network,
        examples,
        paths[0],
        facts=facts,
        names=("planes", "logits"),
        dynamic={0: "batch", 2: "row", 3: "column"},
    )
    export_weights(network, paths[1], facts=facts)
    return paths
