"""Checkpoints: the whole state of a training run as a folder of plain, verifiable files.

A checkpoint is `FOLDER/step-00001234/` with
    weights.safetensors      the network's parameters and buffers
    ema.safetensors          the same, averaged over the steps (absent where no average is kept)
    optimizer.safetensors    the optimizer's state, as "PARAMETER/ENTRY"
    state.json               format, step, settings, counters, best so far
    SHA256SUMS               of all of the above; `sha256sum -c SHA256SUMS` checks it by hand
Any of the three goes on as NAME-1.safetensors, NAME-2... where one would outgrow MAX_BYTES.
It is written under another name, synced to the disk and renamed into place, so a folder of this
name is whole, whatever was killed when; the checksums notice what the disk did to it later.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from common.errors import CommonError

log = logging.getLogger(__name__)

FORMAT = 1
MAX_BYTES = 15 * 2**20  # of one file, unless a single tensor is larger
_HEADROOM = 2**16  # of a file, for the names and shapes before the numbers
_SUMS = "SHA256SUMS"
_PARTS = ("weights", "ema", "optimizer")

Tensors = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """step: steps done. ema: empty where no average is kept. state: anything JSON can hold."""

    step: int
    weights: Tensors
    ema: Tensors = field(default_factory=dict)
    optimizer: Tensors = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write `folder/step-NNNNNNNN` and return it.

    Raises OSError (a full disk, say); nothing half-written is left then, and what else is there
    is as it was.
    """
    target = place(folder, checkpoint.step)
    partial = target.with_name(target.name + ".tmp")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        sums = [f"{_write(partial / name, data)}  {name}\n" for name, data in _files(checkpoint)]
        _write(partial / _SUMS, "".join(sums).encode())
        _sync_folder(partial)
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)
        _sync_folder(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return target


def place(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step:08d}"


def keep_last(folder: Path, step: int, count: int) -> None:
    """Of the checkpoints up to a step remove all but the last ones."""
    for old in [path for path in _steps(folder) if path <= place(folder, step)][:-count]:
        shutil.rmtree(old, ignore_errors=True)


def keep_only(folder: Path, step: int | None) -> None:
    """Remove all checkpoints but that of a step; all of them if it is None."""
    for path in _steps(folder):
        if step is None or path != place(folder, step):
            shutil.rmtree(path, ignore_errors=True)


def load(path: Path) -> Checkpoint:
    """Read one checkpoint folder, on the CPU.

    Raises CommonError, naming the folder, if it is not a checkpoint or is damaged.
    """
    try:
        files = _verified(path)
        state = json.loads(files["state.json"])
        if state.pop("format") != FORMAT:
            raise CommonError(f"{path} was written by another version of this program")
        parts: dict[str, Tensors] = {part: {} for part in _PARTS}
        for name, data in files.items():
            if name.endswith(".safetensors"):
                part = name.removesuffix(".safetensors").split("-")[0]
                parts[part].update(safetensors.load(data))
        return Checkpoint(step=state.pop("step"), state=state, **parts)
    except OSError as error:
        raise CommonError(f"cannot read the checkpoint {path}: {error.strerror}") from error
    except (ValueError, KeyError, AttributeError, SafetensorError) as error:
        raise CommonError(f"{path} is not a checkpoint, or a damaged one") from error


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint in `folder` that is whole; None if there never was one.

    A damaged one is named in a warning and left alone. Raises CommonError if all are damaged.
    """
    for partial in folder.glob("step-*.tmp"):
        shutil.rmtree(partial, ignore_errors=True)
    paths = _steps(folder)
    for path in reversed(paths):
        try:
            return load(path)
        except CommonError as error:
            log.warning("%s; looking for an older one", error)
    if paths:
        raise CommonError(f"{folder} holds no checkpoint that is whole: remove it to start again")
    return None


def load_weights(path: Path) -> Tensors:
    """The weights to start from: of a safetensors file, a checkpoint, or a folder of checkpoints.

    Of a checkpoint the averaged weights, where it has them. Raises CommonError.
    """
    if path.is_dir():
        found = load(path) if (path / _SUMS).exists() else latest(path)
        if found is None:
            raise CommonError(f"{path} holds no checkpoint")
        return found.ema or found.weights
    try:
        return safetensors.load(path.read_bytes())
    except OSError as error:
        raise CommonError(f"cannot read {path}: {error.strerror}") from error
    except SafetensorError as error:
        raise CommonError(f"{path} is not a safetensors file, or a damaged one") from error


def check_fits(expected: Mapping[str, Tensor], given: Mapping[str, Tensor], source: str) -> None:
    """Raise CommonError, naming the first tensor that differs, if weights are not a network's."""
    for name in [*expected, *given]:
        ours, theirs = (
            tuple(group[name].shape) if name in group else "absent" for group in (expected, given)
        )
        if ours != theirs:
            raise CommonError(
                f"{source} is of another network: {name} is {theirs} there and {ours} here"
            )


def identified(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a run what it is, as a checkpoint gives it back: of an array the digest."""
    found: dict[str, Any] = json.loads(json.dumps(identity, default=_digest))
    return found


def check_identity(saved: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Raise CommonError, naming what differs, if the run in a folder was begun with something else.

    A checkpoint of before there were identities says nothing of it.
    """
    if differ := [name for name in now if name in saved and saved[name] != now[name]]:
        raise CommonError(
            f"the run in {folder} was begun with other data or settings "
            f"(not the same: {', '.join(differ)}): use those again, or another folder for a new run"
        )


def _digest(array: Any) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def _files(checkpoint: Checkpoint) -> list[tuple[str, bytes]]:
    """The files of a checkpoint, by name."""
    state = {"format": FORMAT, "step": checkpoint.step, **checkpoint.state}
    files = [("state.json", json.dumps(state, indent=1).encode())]
    for part in _PARTS:
        shards = _shards(getattr(checkpoint, part))
        for number, shard in enumerate(shards):
            name = f"{part}-{number}.safetensors" if number else f"{part}.safetensors"
            files.append((name, safetensors.save(shard)))
    return files


def _shards(tensors: Mapping[str, Tensor]) -> list[Tensors]:
    """Split so that each shard fits into a file of MAX_BYTES."""
    shards: list[Tensors] = []
    room = 0
    for name, tensor in tensors.items():
        # A copy of its own, because the format has neither strides nor shared memory.
        plain = tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        if not shards or plain.nbytes > room:
            shards.append({})
            room = MAX_BYTES - _HEADROOM
        shards[-1][name] = plain
        room -= plain.nbytes
    return shards


def _write(path: Path, data: bytes) -> str:
    """Write a file through to the disk. Returns its SHA-256 in hex."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(data).hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk, where the system can do that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _verified(path: Path) -> dict[str, bytes]:
    """The files of a checkpoint by name. Raises CommonError if one is not as it was written."""
    files = {}
    for line in (path / _SUMS).read_text().splitlines():
        digest, _, name = line.partition("  ")
        files[name] = (path / name).read_bytes()
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise CommonError(f"the checkpoint {path} is damaged: {name} is not as it was written")
    return files


def _steps(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first."""
    found = [path for path in folder.glob("step-*") if path.name[5:].isdecimal()]
    return sorted(found, key=lambda path: int(path.name[5:]))
