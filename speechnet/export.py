"""Export: a training run -> the model files of `speechnet/weights`."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from common import checkpoint
from common.axes import SPEECH, check
from common.export import export_onnx, export_weights
from speechnet.classifier import FILES, Classifier
from speechnet.errors import SpeechnetError
from speechnet.evaluate import calibration_error, evaluate
from speechnet.labels import UNKNOWN
from speechnet.network import NetworkConfig, WordNetwork
from speechnet.spectrogram import FrontEnd, log_mel
from speechnet.windows import evaluation_window
from speechnet.words import Clip

WEIGHTS = "words.safetensors"

SHAPES = ((1, 61), (3, 61), (2, 7))
"""Batch and frames that the exported networks are compared with torch on."""

TEMPERATURES = np.geomspace(0.3, 3.0, 116)
"""Tried for the one that makes the validation clips least surprising."""


def export(
    run: Path, folder: Path, *, validation: Sequence[Clip] = (), test: Sequence[Path] = ()
) -> list[Path]:
    """Write frames.onnx, words.onnx and words.safetensors of a run's averaged weights.

    validation: clips that were not trained on; the probabilities are calibrated on them (one
    temperature, Guo et al. 2017). test: sources on which the accuracy is measured and kept in the
    files. Raises CommonError if `run` has no checkpoint.
    """
    found = checkpoint.latest(run)
    if found is None:
        raise SpeechnetError(f"{run} holds no checkpoint: train with speechnet train first")
    try:
        about = json.loads((run / "run.json").read_text("utf-8"))
        front = FrontEnd.from_facts(about["front"])
        config = NetworkConfig(**about["recipe"]["network"])
        network = WordNetwork(config, bands=front.bands, labels=about["labels"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpeechnetError(f"{run}/run.json is missing or damaged: train once more") from error
    state = found.ema or found.weights
    network.load_state_dict(state)
    facts: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "step": found.step,
        "hours": round(found.state["seconds"] / 3600, 2),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "licence": "Apache-2.0",
        "run": _digest(state),
        **about,
    }
    if validation:
        facts |= calibrate(network, validation, front)
    paths = write(network, front, folder, facts)
    if test:
        classifier = Classifier.load(folder)
        facts["accuracy"] = [vars(score) for score in evaluate(classifier, test)]
        write(network, front, folder, facts)
    return paths


def calibrate(network: WordNetwork, clips: Sequence[Clip], front: FrontEnd) -> dict[str, Any]:
    """The temperature for the clips, and the calibration error with it and without.

    Every class counts alike, however many clips it has.
    """
    truth = np.array(
        [
            network.labels.index(clip.word if clip.word in network.labels else UNKNOWN)
            for clip in clips
        ]
    )
    mel = log_mel(np.stack([evaluation_window(clip.samples) for clip in clips]), front)
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(mel)).double().numpy()
    weight = 1 / np.bincount(truth, minlength=len(network.labels))[truth]
    nats = [_nats(logits / value, truth, weight) for value in TEMPERATURES]
    temperature = float(TEMPERATURES[int(np.argmin(nats))])
    errors = {}
    for name, value in (("ece", temperature), ("ece uncalibrated", 1.0)):
        chances = np.exp(_log_softmax(logits / value))
        right = chances.argmax(axis=1) == truth
        errors[name] = round(calibration_error(chances.max(axis=1), right), 4)
    return {
        "temperature": round(temperature, 4),
        "calibration": {"clips": len(clips), "nats": round(min(nats), 4), **errors},
    }


def write(network: WordNetwork, front: FrontEnd, folder: Path, facts: dict[str, Any]) -> list[Path]:
    """The three files, once the rule is proved and the answers are torch's."""
    rng = torch.Generator().manual_seed(0)
    network = network.eval()
    mel = [torch.randn(batch, front.bands, frames, generator=rng) for batch, frames in SHAPES]
    check(network, SPEECH, mel[0])
    features = [network.frames(one).detach() for one in mel]
    paths = [folder / FILES[0], folder / FILES[1], folder / WEIGHTS]
    export_onnx(
        network.frames,
        mel,
        paths[0],
        facts={name: facts[name] for name in ("front", "run", "licence")},
        names=("mel", "features"),
        dynamic={0: "batch", 2: "frame"},
    )
    export_onnx(
        network.head,
        features,
        paths[1],
        facts=facts,
        names=("features", "logits"),
        dynamic={0: "batch", 1: "frame"},
    )
    export_weights(network, paths[2], facts=facts)
    return paths


def _digest(state: Any) -> str:
    """A name for these weights, in both ONNX files, so that no two networks' are mixed."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode() + state[name].numpy().tobytes())
    return digest.hexdigest()[:16]


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def _nats(
    logits: NDArray[np.float64], truth: NDArray[np.int64], weight: NDArray[np.float64]
) -> float:
    chances = _log_softmax(logits)[np.arange(len(truth)), truth]
    return float(-(chances * weight).sum() / weight.sum())
