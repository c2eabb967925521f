"""The training loop of every network here: any module, any loss, any source of batches.

A run is its settings, its batches and its step. Batches are a pure function of their index, and
what the network draws (dropout) comes from a generator seeded anew for each step, so a run that
goes on from a checkpoint gives, bit for bit, what it would have given without the stop.

`step` computes, `checkpoint` and `metrics` keep files, `progress` shows; here they come together.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from common import checkpoint, curves, metrics
from common.checkpoint import Checkpoint
from common.config import TrainConfig, check_resumable
from common.device import World, batch_size, join, to_tensors
from common.errors import CommonError
from common.interrupt import Interrupt, Stopped, interruptible
from common.prefetch import prefetch
from common.progress import Display
from common.step import Loss, Stepper

__all__ = ["Result", "Stopped", "TrainConfig", "Trainer", "best_network"]

Validate = Callable[[nn.Module], dict[str, float]]

SKIPPED_IN_A_ROW = 10  # steps without a finite gradient that end a run


@dataclass(frozen=True)
class Result:
    """What a run came to. network: with the averaged weights, in eval mode. step: steps done.

    validation: of `network`, by name. best: the same of the weights kept in FOLDER/best, with
    their "step"; empty where none are kept. seconds: spent, over all resumptions.
    """

    network: nn.Module
    step: int
    validation: dict[str, float]
    best: dict[str, float]
    seconds: float


def best_network(result: Result, folder: Path) -> nn.Module:
    """The network with the best weights of its run in FOLDER, or else its last, on the CPU."""
    if result.best:
        found = checkpoint.load(checkpoint.place(folder / "best", int(result.best["step"])))
        result.network.load_state_dict(found.weights)
    return result.network.float().cpu().eval()


class Trainer:
    """Trains a network; `run()` starts, or goes on from the newest checkpoint in `folder`.

    loss(network, batch): the loss and what else to show, by name ("accuracy"); scalars. Under
    bf16 the network's answer is bfloat16: make it float32 before a logarithm.
    batches(index): micro-batch number `index`, an array or tensor or a tuple or dict of them on
    the CPU; a pure function, called by several threads. Step s of W processes that accumulate A
    uses in process r the micro-batches (s * A + k) * W + r for k < A.
    folder: gets step-NNNNNNNN/ and best/step-NNNNNNNN/ (see `checkpoint`), metrics.jsonl and
    curves.png. validate(network): numbers by name, of the averaged weights in eval mode; called
    by the leading process alone.
    device: "cpu", "cuda"; several processes come from torchrun. initial: weights to start from
    where the folder has no checkpoint yet (see `checkpoint.load_weights`).
    identity: what else makes the run what it is, by name: what JSON can hold, and arrays. A run
    that has one is not continued with another.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        batches: Callable[[int], Any],
        config: TrainConfig,
        folder: Path,
        *,
        validate: Validate | None = None,
        device: str = "cpu",
        initial: Path | None = None,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        if config.best and validate is None:
            raise CommonError(f"best={config.best!r} names a metric, but nothing validates")
        self.network, self.loss, self.batches = network, loss, batches
        self.config, self.folder, self.validate = config, Path(folder), validate
        self.device, self.initial = device, initial
        self.identity = checkpoint.identified(identity or {})

    def run(self) -> Result:
        """Train to the last step.

        Raises Stopped after SIGINT or SIGTERM, with everything saved, and CommonError if the
        folder or the settings do not fit, the loss stays infinite or there is nowhere to save.
        """
        with join(self.device) as world, _reproducible(world, self.config.deterministic):
            run = _Run(self, world)
            run.begin()
            with interruptible() as interrupt, run.display:
                run.train(interrupt)
            return run.result()


class _Run:
    """One call of `Trainer.run`: the stepper and what is counted beside it."""

    def __init__(self, trainer: Trainer, world: World) -> None:
        self.trainer, self.config, self.world = trainer, trainer.config, world
        self.folder = trainer.folder
        self.log: metrics.Log | None = None  # of the leading process alone
        self.stepper = Stepper(trainer.network, trainer.loss, trainer.config, world)
        self.done = 0
        self.seconds = 0.0
        self.skipped = 0
        self.validation: dict[str, float] = {}
        self.best: dict[str, float] = {}
        self.examples = 0  # of this process, since the last reading
        self.read_at = self.saved_at = self.began = time.monotonic()

    def begin(self) -> None:
        """Take over the newest checkpoint, or the initial weights, or start as the network is."""
        trainer = self.trainer
        found = self.world.share(checkpoint.latest(self.folder) if self.world.leads else None)
        if found is not None:
            self._resume(found)
        elif trainer.initial is not None:
            weights = checkpoint.load_weights(trainer.initial)
            self.stepper.set_weights(weights, str(trainer.initial))
        self.stepper.prepare()
        self.display = Display(
            start=self.done, steps=self.config.steps, silent=not self.world.leads
        )
        if self.world.leads:
            # A run that was killed may have kept better ones since, or never saved: not ours.
            self._forget_others()
            self.log = metrics.Log(self.folder, done=self.done, tensorboard=self.config.tensorboard)

    def train(self, interrupt: Interrupt) -> None:
        """All steps that are left."""
        config, world = self.config, self.world
        make = partial(self._make, pin=world.device.type == "cuda")
        feed = prefetch(make, self._indices(), workers=config.workers)
        self.read_at = self.saved_at = self.began = time.monotonic()
        try:
            while self.done < config.steps:
                self.stepper.step(self.done, self._counted(feed))
                self.done += 1
                last = self.done == config.steps
                if last or self.done % config.log_every == 0:
                    self._read()
                if last or self.done % config.validate_every == 0:
                    self._validate()
                if not last and self._asked_to_stop(interrupt):
                    self._stop(interrupt)
                if last or time.monotonic() - self.saved_at >= config.checkpoint_every:
                    self._save(must=last)
        finally:
            feed.close()
            if self.log is not None:
                self.log.close()

    def result(self) -> Result:
        network = self.stepper.average.eval()
        return Result(network, self.done, self.validation, self.best, self._seconds())

    def _indices(self) -> Iterator[int]:
        """The micro-batches of this process, in order."""
        accumulate, size = self.config.accumulate, self.world.size
        for micro in range(self.done * accumulate, self.config.steps * accumulate):
            yield micro * size + self.world.rank

    def _make(self, index: int, *, pin: bool) -> Any:
        if pin:
            # A thread starts on device 0, and memory is pinned by the device that it is on.
            torch.cuda.set_device(self.world.device)
        return to_tensors(self.trainer.batches(index), pin=pin)

    def _counted(self, feed: Iterator[Any]) -> Iterator[Any]:
        for batch in feed:
            self.examples += batch_size(batch) * self.world.size
            yield batch

    def _read(self) -> None:
        """Log and show the means since the last reading; end a run that has gone astray."""
        means, self.skipped, in_a_row = self.stepper.meter.read(self.world)
        now = time.monotonic()
        speed = self.examples / max(1e-9, now - self.read_at)
        self.read_at, self.examples = now, 0
        rate = self.config.rate(self.done - 1)
        self._record({**means, "rate": rate, "examples/s": round(speed, 1),
                      "skipped": self.skipped})  # fmt: skip
        shown = {name: value for name, value in means.items() if name != "norm"}
        if self.skipped:
            shown["skipped"] = self.skipped
        self.display.update(self.done, {**shown, "examples/s": speed})
        if in_a_row >= SKIPPED_IN_A_ROW:
            raise CommonError(
                f"the loss or its gradient was not finite in {in_a_row} steps in a row, the last "
                f"by step {self.done}: look at the data, or begin anew in another folder with a "
                f"lower peak_rate; {self.folder} keeps the last good checkpoint"
            )

    def _validate(self) -> None:
        validate = self.trainer.validate
        if validate is None or self.log is None:
            return
        network = self.stepper.average.eval()
        with torch.no_grad(), self.stepper.autocast():
            numbers = validate(network)
        self.validation = {name: float(value) for name, value in numbers.items()}
        self._record({f"validation/{name}": value for name, value in self.validation.items()})
        told = "  ".join(f"{name} {value:.4g}" for name, value in self.validation.items())
        self.display.note(f"step {self.done}  validation: {told}")
        self._keep_best()
        curves.draw(self.log.path, self.folder / "curves.png")
        self.read_at = time.monotonic()  # the speed is that of training

    def _keep_best(self) -> None:
        name = self.config.best.removeprefix("-")
        if not name:
            return
        if name not in self.validation:
            known = ", ".join(self.validation) or "none"
            raise CommonError(f"best={self.config.best!r} is not among what validates: {known}")
        sign = -1.0 if self.config.best.startswith("-") else 1.0
        value = sign * self.validation[name]
        if not math.isfinite(value) or (self.best and value <= sign * self.best[name]):
            return
        best = {"step": float(self.done), **self.validation}
        part = self.stepper.tensors()
        kept = Checkpoint(
            step=self.done,
            weights=part["ema"] or part["weights"],
            state={"config": self.config.as_dict(), "validation": self.validation},
        )
        # Those before it stay until a checkpoint names this one: a kill may come in between.
        if self._write(self.folder / "best", kept):
            self.best = best

    def _save(self, *, must: bool = False) -> None:
        """Write a checkpoint. must: raise CommonError if that is not possible, else go on."""
        self.saved_at = time.monotonic()
        if not self.world.leads:
            return
        state = {
            "config": self.config.as_dict(),
            "identity": self.trainer.identity,
            "world": self.world.size,
            "seconds": self._seconds(),
            "meter": self.stepper.meter.state(),
            "validation": self.validation,
            "best": self.best,
        }
        made = Checkpoint(step=self.done, state=state, **self.stepper.tensors())
        if self._write(self.folder, made):
            checkpoint.keep_last(self.folder, self.done, self.config.keep)
            self._forget_others()
        elif must:
            raise CommonError(
                f"step {self.done} could not be saved in {self.folder}; make room there, and the "
                "same command goes on from the last checkpoint"
            )

    def _forget_others(self) -> None:
        """Leave nothing in FOLDER/best but what this run calls its best."""
        checkpoint.keep_only(self.folder / "best", int(self.best["step"]) if self.best else None)

    def _write(self, folder: Path, made: Checkpoint) -> bool:
        """Save; False, with a sentence on the display, if the disk does not take it."""
        try:
            checkpoint.save(folder, made)
        except OSError as error:
            self.display.note(
                f"step {made.step} could not be saved in {folder} ({error.strerror}); "
                "the checkpoint before it stays, and training goes on"
            )
            return False
        return True

    def _resume(self, found: Checkpoint) -> None:
        state = found.state
        checkpoint.check_identity(state.get("identity", {}), self.trainer.identity, self.folder)
        check_resumable(
            state["config"],
            self.config,
            step=found.step,
            saved_world=state["world"],
            world=self.world.size,
        )
        self.stepper.set_tensors(
            weights=found.weights,
            ema=found.ema,
            optimizer=found.optimizer,
            source=f"the checkpoint of step {found.step} in {self.folder}",
        )
        self.stepper.meter.set_state(state["meter"])
        self.done, self.seconds = found.step, state["seconds"]
        self.validation, self.best = state["validation"], state["best"]

    def _asked_to_stop(self, interrupt: Interrupt) -> bool:
        """Whether any process was asked to; all of them learn it at the same step."""
        if self.world.size == 1:
            return interrupt.signal != 0
        # Where asking waits for the device, ask seldom.
        if self.world.device.type != "cpu" and self.done % self.config.log_every:
            return False
        asked = torch.tensor(interrupt.signal, device=self.world.device)
        interrupt.signal = int(self.world.maximum(asked).item())
        return interrupt.signal != 0

    def _stop(self, interrupt: Interrupt) -> None:
        self._save(must=True)
        raise Stopped(
            f"stopped at step {self.done} of {self.config.steps}; "
            "the same command goes on from there",
            interrupt.signal,
        )

    def _record(self, row: dict[str, Any]) -> None:
        """One line of metrics.jsonl; a disk that does not take it costs the line, not the run."""
        if self.log is None:
            return
        try:
            self.log.write({"step": self.done, **row})
        except OSError as error:
            self.display.note(f"no line written to {self.log.path} ({error.strerror})")

    def _seconds(self) -> float:
        return self.seconds + time.monotonic() - self.began


@contextmanager
def _reproducible(world: World, deterministic: bool) -> Iterator[None]:
    """The caller's random numbers stay as they were; CUDA convolutions repeat, or are tried out."""
    cuda = [world.device.index] if world.device.type == "cuda" else []
    flags = torch.backends.cudnn.flags(
        enabled=True, benchmark=not deterministic, deterministic=deterministic
    )
    with torch.random.fork_rng(devices=cuda), flags:
        yield
