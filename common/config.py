"""The settings of a training run: one frozen, self-checking record, saved in every checkpoint.

No torch here: commands build and check a configuration before they import anything slow.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from common.errors import CommonError
from common.schedule import Shape, share_of_peak

Optimizer = Literal["adamw", "muon"]
Precision = Literal["fp32", "bf16", "auto"]

# What may differ when a run goes on: how and where it is computed, watched and kept.
# `steps` and `accumulate` may differ too, under the conditions that `check_resumable` states.
MAY_CHANGE = frozenset(
    {
        "precision", "channels_last", "compile", "deterministic", "checkpoint_every",
        "validate_every", "log_every", "keep", "workers", "tensorboard",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What a training run is. Raises CommonError for a value that makes no sense.

    steps: optimizer steps in all. accumulate: micro-batches a step (and a process).
    peak_rate: the learning rate after the warm-up; the same serves both optimizers (see `muon`).
    optimizer: "muon" takes the hidden matrices and leaves the rest to AdamW; "adamw" takes all.
    weight_decay: decoupled, on matrices and filters only; betas: AdamW's; momentum: Muon's.
    schedule, warm_up (steps), decay_share (of `steps`): see `schedule.share_of_peak`.
    clip: the largest global norm of the gradient; 0 leaves it alone.
    ema: decay of the averaged weights that are validated and shipped; 0 keeps no average.
    precision: "auto" is bf16 autocast where the device gains by it (see `device.autocast_dtype`).
    compile: by torch.compile, where the machine has what that needs (on a CPU a C++ compiler).
    deterministic: on CUDA, only convolution algorithms that give the same bits every time.
    checkpoint_every: seconds between checkpoints, of which the last `keep` stay; a run that ends
    or is stopped saves as well. Seconds, because that is what a crash costs.
    validate_every, log_every: steps. best: the validation metric that decides which weights are
    kept in `best`: "top1" for the highest, "-loss" for the lowest; "" keeps none.
    workers: threads that make batches ahead of time.
    """

    steps: int
    peak_rate: float = 1e-3
    optimizer: Optimizer = "adamw"
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    momentum: float = 0.95
    schedule: Shape = "cosine"
    warm_up: int = 0
    decay_share: float = 0.2
    clip: float = 1.0
    accumulate: int = 1
    ema: float = 0.999
    precision: Precision = "auto"
    channels_last: bool = True
    compile: bool = False
    deterministic: bool = True
    seed: int = 0
    checkpoint_every: float = 600.0
    keep: int = 2
    validate_every: int = 1000
    log_every: int = 20
    best: str = ""
    workers: int = 2
    tensorboard: bool = False

    def __post_init__(self) -> None:
        # A list is what TOML and JSON make of a tuple.
        object.__setattr__(self, "betas", tuple(self.betas))
        choices = {"optimizer": Optimizer, "schedule": Shape, "precision": Precision}
        for name, kind in choices.items():
            if getattr(self, name) not in get_args(kind):
                wanted = " or ".join(repr(choice) for choice in get_args(kind))
                raise CommonError(f"{name}={getattr(self, name)!r} must be {wanted}")
        for name in ("steps", "accumulate", "keep", "validate_every", "log_every", "workers"):
            _require(self, name, at_least=1)
        for name in ("warm_up", "seed", "clip", "weight_decay", "checkpoint_every"):
            _require(self, name, at_least=0)
        for name in ("ema", "momentum"):
            _require(self, name, at_least=0, below=1)
        if not self.peak_rate > 0:
            raise CommonError(f"peak_rate={self.peak_rate} must be more than 0")
        if not 0 < self.decay_share <= 1:
            raise CommonError(f"decay_share={self.decay_share} must be in (0, 1]")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise CommonError(f"betas={self.betas} must be two numbers in [0, 1)")

    def rate(self, step: int) -> float:
        """The learning rate of a step, 0 <= step < steps."""
        share = share_of_peak(
            step,
            shape=self.schedule,
            steps=self.steps,
            warm_up=self.warm_up,
            decay_share=self.decay_share,
        )
        return self.peak_rate * share

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**asdict(self), "betas": list(self.betas)}


def _require(config: TrainConfig, name: str, *, at_least: float, below: float = 1e18) -> None:
    value = getattr(config, name)
    if not at_least <= value < below:
        limit = f" and below {below:g}" if below < 1e18 else ""
        raise CommonError(f"{name}={value} must be at least {at_least:g}{limit}")


def check_resumable(
    saved: Mapping[str, Any], config: TrainConfig, *, step: int, saved_world: int, world: int
) -> None:
    """Raise CommonError, naming the fields, if a run saved with `saved` cannot go on as `config`.

    step: steps done. world: processes, now and then. Allowed, beside MAY_CHANGE:
    `steps`, while the learning rates already used stay what they were (so in the warm-up or on
    the level part of a trapezoid, not under a cosine); `accumulate`, while it times the number
    of processes stays the same, since a step then still sees the same micro-batches.
    """
    now = config.as_dict()
    free = set(MAY_CHANGE)
    if saved.get("accumulate", 0) * saved_world == config.accumulate * world:
        free.add("accumulate")
    elif config.accumulate == saved.get("accumulate"):
        raise CommonError(
            f"the run was saved with {saved_world} processes and is now {world}: change accumulate "
            "so that it times the number of processes stays the same"
        )
    differ = [field.name for field in fields(config) if saved.get(field.name) != now[field.name]]
    differ = [name for name in differ if name not in free]
    if differ == ["steps"] and _same_rates(saved, config, step):
        return
    if differ:
        told = ", ".join(f"{name} was {saved.get(name)!r}, is {now[name]!r}" for name in differ)
        raise CommonError(
            f"the checkpoint was made with other settings ({told}): "
            "use those again, or another folder for a new run"
        )


def _same_rates(saved: Mapping[str, Any], config: TrainConfig, step: int) -> bool:
    """Whether the steps done had the rates that `config` gives them.

    The last one decides: before the decay all are alike, and a decay only grows apart.
    """
    if step > config.steps:
        return False
    before = TrainConfig(**{**config.as_dict(), "steps": saved["steps"]})
    return step == 0 or before.rate(step - 1) == config.rate(step - 1)
