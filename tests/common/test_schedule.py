import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import TrainConfig, check_resumable
from common.errors import CommonError
from common.schedule import SHAPES, average_decay, share_of_peak


def rates(**options: object) -> list[float]:
    config = TrainConfig(**{"steps": 10, "peak_rate": 2.0, **options})  # type: ignore[arg-type]
    return [config.rate(step) for step in range(config.steps)]


def test_cosine_climbs_and_falls_along_half_a_cosine() -> None:
    found = rates(schedule="cosine", warm_up=2)
    assert found[:3] == [1.0, 2.0, 2.0]
    assert found[6] == pytest.approx(1.0)
    assert found[9] == pytest.approx(1 + math.cos(math.pi * 7 / 8))


def test_trapezoid_stays_level_until_its_decay() -> None:
    found = rates(schedule="trapezoid", warm_up=1, decay_share=0.3)
    assert found == pytest.approx([2, 2, 2, 2, 2, 2, 2, 1.5, 1, 0.5])


@given(
    shape=st.sampled_from(SHAPES),
    steps=st.integers(1, 500),
    warm_up=st.integers(0, 600),
    decay=st.floats(0.001, 1),
)
def test_a_rate_is_a_share_that_rises_then_never_rises_again(
    shape: str, steps: int, warm_up: int, decay: float
) -> None:
    found = [
        share_of_peak(step, shape=shape, steps=steps, warm_up=warm_up, decay_share=decay)  # type: ignore[arg-type]
        for step in range(steps)
    ]
    assert all(0 < share <= 1 for share in found)
    level = found[min(warm_up, steps) :]
    assert found[:warm_up] == sorted(found[:warm_up])
    assert level == sorted(level, reverse=True)


def test_the_average_forgets_its_beginning_quickly() -> None:
    assert average_decay(0, 0.999) == 0.1
    assert average_decay(100_000, 0.999) == 0.999


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, "steps=0 must be at least 1"),
        ({"optimizer": "sgd"}, "optimizer='sgd' must be 'adamw' or 'muon'"),
        ({"ema": 1.0}, "ema=1.0 must be at least 0 and below 1"),
        ({"decay_share": 0.0}, "decay_share=0.0 must be"),
        ({"peak_rate": math.nan}, "peak_rate=nan must be"),
        ({"betas": [0.9]}, "betas="),
        ({"clip": -1.0}, "clip=-1.0"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(CommonError, match=sentence.replace("(", r"\(")):
        TrainConfig(**{"steps": 5, **options})  # type: ignore[arg-type]


def go_on(
    saved: TrainConfig, config: TrainConfig, *, step: int = 5, saved_world: int = 1, world: int = 1
) -> None:
    check_resumable(saved.as_dict(), config, step=step, saved_world=saved_world, world=world)


def test_how_a_run_is_computed_may_change() -> None:
    go_on(
        TrainConfig(steps=9),
        TrainConfig(steps=9, precision="fp32", workers=4, checkpoint_every=1, compile=True),
    )


def test_what_a_run_is_may_not_change() -> None:
    with pytest.raises(CommonError, match="seed was 0, is 1") as raised:
        go_on(TrainConfig(steps=9), TrainConfig(steps=9, seed=1, ema=0.5))
    assert "ema was 0.999, is 0.5" in str(raised.value)


def test_processes_may_be_traded_for_accumulation() -> None:
    go_on(TrainConfig(steps=9, accumulate=4), TrainConfig(steps=9, accumulate=2), world=2)
    with pytest.raises(CommonError, match="saved with 2 processes and is now 1"):
        go_on(TrainConfig(steps=9), TrainConfig(steps=9), saved_world=2)
    with pytest.raises(CommonError, match="accumulate was 1, is 2"):
        go_on(TrainConfig(steps=9), TrainConfig(steps=9, accumulate=2))


def test_a_run_may_be_made_longer_before_its_rate_depends_on_its_length() -> None:
    short, long = (TrainConfig(steps=n, schedule="trapezoid", warm_up=3) for n in (100, 200))
    go_on(short, long, step=80)  # the last of its level steps is done
    with pytest.raises(CommonError, match="steps was 100, is 200"):
        go_on(short, long, step=81)
    with pytest.raises(CommonError, match="steps was 100, is 50"):
        go_on(short, TrainConfig(steps=50, schedule="trapezoid", warm_up=3), step=60)
    with pytest.raises(CommonError, match="steps was 100, is 200"):
        go_on(TrainConfig(steps=100), TrainConfig(steps=200), step=5)
