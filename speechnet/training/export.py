"""Export: a training run -> the model files of `speechnet/weights`."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from common import checkpoint, runs
from common.axes import SPEECH, check
from common.export import export_onnx, export_weights, load_weights
from common.writing import make_folder
from speechnet.clips.words import Clip
from speechnet.errors import SpeechnetError
from speechnet.hearing.classifier import FILES, Classifier
from speechnet.hearing.detector import FILE as SPOTTER
from speechnet.hearing.detector import Detector
from speechnet.hearing.operating import Operating
from speechnet.judging.evaluate import calibration_error, evaluate
from speechnet.labels import UNKNOWN
from speechnet.network import Lesson, NetworkConfig, WordNetwork
from speechnet.sound.spectrogram import FrontEnd, log_mel
from speechnet.sound.windows import evaluation_window
from speechnet.training.choosing import on_scenes
from speechnet.training.noise import Noise
from speechnet.training.scenes import Stage
from speechnet.training.train import STAGES

WEIGHTS = "words.safetensors"

SCENES, FALSE_ALARMS, RECORDED = 60.0, 60.0, 0.9
"""Minutes of recordings put together to choose the detector's threshold; the false alarms that it
may give in an hour of them, where half of the words are none of those asked for and a sixth of the
time is noise alone; the share of that noise that was recorded."""

SHAPES = ((1, 61), (3, 61), (2, 7))
"""Batch and frames that the exported networks are compared with torch on."""

TEMPERATURES = np.geomspace(0.3, 3.0, 116)
"""Tried for the one that makes the validation clips least surprising."""


def export(
    run: Path,
    folder: Path,
    *,
    validation: Sequence[Clip] = (),
    noise: Sequence[NDArray[np.float32]] = (),
    test: Sequence[Path] = (),
    say: Callable[[str], object] = lambda text: None,
) -> list[Path]:
    """Write frames.onnx, words.onnx, spotter.onnx and words.safetensors of a run's averages.

    validation: clips that were not trained on; the probabilities are calibrated on them (one
    temperature, Guo et al. 2017). noise: that was not trained on, [sample] of -1..1; with it and
    the validation clips the detector's threshold is chosen. test: sources on which the accuracy is
    measured and kept in the files. say: is told what is wrong with these.
    Raises CommonError if `run` has no checkpoint.
    """
    make_folder(folder)
    stages = [checkpoint.latest(run / stage) for stage in STAGES]
    found = stages[-1]
    if found is None:
        raise SpeechnetError(f"{run} holds no checkpoint: train with speechnet train first")
    about = runs.described(run)
    try:
        front = FrontEnd.from_facts(about["front"])
        config = NetworkConfig(**about["recipe"]["network"])
        network = WordNetwork(config, bands=front.bands, labels=about["labels"])
    except (ValueError, KeyError, TypeError) as error:
        raise runs.damaged(run) from error
    state = found.ema or found.weights
    Lesson(network).load_state_dict(state)
    facts: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "step": sum(stage.step for stage in stages if stage),
        "hours": round(sum(stage.state["seconds"] for stage in stages if stage) / 3600, 2),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "licence": "Apache-2.0",
        "run": digest(state),
        **about,
    }
    if validation:
        facts |= calibrate(network, validation, front)
    with TemporaryDirectory() as place:  # what lies in `folder` stays until all is known
        draft = Path(place)
        write(network, front, draft, facts)
        if validation and noise:
            facts["detection"] = _detection(draft, validation, noise)
        if test:
            classifier = Classifier.load(draft)
            facts["accuracy"] = [vars(score) for score in evaluate(classifier, test, say=say)]
    return write(network, front, folder, facts)


def _detection(
    folder: Path, clips: Sequence[Clip], noise: Sequence[NDArray[np.float32]]
) -> dict[str, Any]:
    """How the detector works best on recordings put together from what nobody trained on."""
    detector = Detector.load(folder)
    behind = Noise([(wave * 32767).astype(np.int16) for wave in noise], share=RECORDED)
    about = f"{SCENES:g} minutes put together from validation clips and noise from clean to 0 dB"
    found, _ = on_scenes(
        detector,
        Stage(clips, detector.words, behind),
        minutes=SCENES,
        false_alarms_per_hour=FALSE_ALARMS,
        about=about,
    )
    return found.to_facts()


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
        logits = network.eval()(torch.from_numpy(mel)).numpy()
    return calibrated(logits, truth, len(network.labels))


def calibrated(
    logits: NDArray[np.float32], truth: NDArray[np.int64], classes: int
) -> dict[str, Any]:
    """The temperature for logits [clip, class] whose right classes are known, as facts."""
    weight = 1 / np.bincount(truth, minlength=classes)[truth]
    exact = logits.astype(np.float64)
    nats = [_nats(exact / value, truth, weight) for value in TEMPERATURES]
    temperature = float(TEMPERATURES[int(np.argmin(nats))])
    errors = {}
    for name, value in (("ece", temperature), ("ece uncalibrated", 1.0)):
        chances = np.exp(_log_softmax(exact / value))
        right = chances.argmax(axis=1) == truth
        errors[name] = round(calibration_error(chances.max(axis=1), right), 4)
    return {
        "temperature": round(temperature, 4),
        "calibration": {"clips": len(truth), "nats": round(min(nats), 4), **errors},
    }


def write(network: WordNetwork, front: FrontEnd, folder: Path, facts: dict[str, Any]) -> list[Path]:
    """The four files, once the rule is proved and the answers are torch's."""
    rng = torch.Generator().manual_seed(0)
    network = network.eval()
    mel = [torch.randn(batch, front.bands, frames, generator=rng) for batch, frames in SHAPES]
    check(network, SPEECH, network.frames.planes(mel[0]))
    features = [network.frames(one).detach() for one in mel]
    detection = facts.get("detection", Operating().to_facts())
    paths = [folder / FILES[0], folder / FILES[1], folder / SPOTTER, folder / WEIGHTS]
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
    export_onnx(
        network.spotter,
        features,
        paths[2],
        facts={**{name: facts[name] for name in ("run", "licence")}, "detection": detection},
        names=("features", "logits"),
        dynamic={0: "batch", 1: "frame"},
    )
    export_weights(network, paths[3], facts=facts)
    return paths


def read_weights(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights for torch of a model's folder, and what the file says of itself.

    Raises CommonError if they are not there or damaged.
    """
    path = folder / WEIGHTS
    if not path.exists() and (folder / FILES[0]).exists():
        raise SpeechnetError(
            f"{folder} has no {WEIGHTS}, which quantize leaves out: name the model it was made of"
        )
    return load_weights(path)


def digest(state: Any) -> str:
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
