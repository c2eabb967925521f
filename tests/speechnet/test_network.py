"""The word network keeps to the rule: filters move along frequency, time stays in order."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from common.axes import SPEECH, check
from common.errors import CommonError
from speechnet.errors import SpeechnetError
from speechnet.network import Lesson, NetworkConfig, WordNetwork, slopes

TINY = NetworkConfig(channels=(4, 6), features=8, hidden=5, heads=2, spotter=6, slopes=True)
LABELS = ("yes", "no", "unknown", "silence")


def network(bands: int = 16) -> WordNetwork:
    rng = torch.Generator().manual_seed(0)
    made = WordNetwork(TINY, bands=bands, labels=LABELS, rng=rng)
    for name, buffer in made.named_buffers():  # as if trained: statistics are not 0 and 1
        if buffer.is_floating_point():
            buffer.copy_(torch.rand(buffer.shape, generator=rng) + (0.5 if "var" in name else 0))
    return made.eval()


def mel(frames: int = 9, bands: int = 16, batch: int = 2) -> Tensor:
    return torch.randn(batch, bands, frames, generator=torch.Generator().manual_seed(1))


def test_filters_slide_along_frequency_and_never_along_time() -> None:
    made = network()
    seen = check(made, SPEECH, made.frames.planes(mel()))
    assert {window.kernel for window in seen if window.axis == "time"} == {1}
    assert {window.stride for window in seen if window.axis == "time"} == {1}
    assert max(window.kernel for window in seen if window.axis == "frequency") > 1


def test_a_network_that_slides_along_time_is_found_out() -> None:
    made = network()
    made.frames.stem = nn.Conv2d(3, 4, (5, 3), stride=(2, 1), padding=(2, 1))
    with pytest.raises(CommonError, match="time"):
        check(made, SPEECH, made.frames.planes(mel()))


@torch.no_grad()
def test_a_frame_is_heard_alike_wherever_it_stands() -> None:
    made = network()
    planes = made.frames.planes(mel())
    order = torch.tensor([3, 0, 8, 1, 2, 7, 6, 5, 4])
    torch.testing.assert_close(made.frames(planes[..., order]), made.frames(planes)[:, order])
    torch.testing.assert_close(made.frames(planes), made.frames(mel()))


def test_slopes_are_those_of_the_parabola_that_fits_best() -> None:
    sound = mel()
    rise, bend = slopes(sound)
    five = sound[1, 3, 2:7].numpy()
    curve, line, _ = np.polyfit(np.arange(-2, 3), five, 2)
    assert rise[1, 3, 4] == pytest.approx(line, abs=1e-5)
    assert bend[1, 3, 4] == pytest.approx(2 * curve, abs=1e-5)
    still = slopes(sound[:, :, :1].expand(-1, -1, 6))
    assert all(not one.any() for one in still)


def test_a_network_that_was_made_before_there_were_slopes_is_still_one() -> None:
    rng = torch.Generator().manual_seed(0)
    config = NetworkConfig(channels=(4, 6), features=8, hidden=5, heads=2, spotter=6)
    made = WordNetwork(config, bands=16, labels=LABELS, rng=rng).eval()
    assert made(mel()).shape == (2, len(LABELS))
    assert not [name for name in made.state_dict() if "slopes" in name]


@torch.no_grad()
def test_the_order_of_frames_makes_the_word() -> None:
    made, sound = network(), mel()
    assert not torch.allclose(made(sound), made(sound.flip(2)), atol=1e-3)


@torch.no_grad()
def test_windows_of_a_recording_need_its_frames_heard_only_once() -> None:
    made, planes = network(), network().frames.planes(mel(30))
    heard = made.frames(planes)
    torch.testing.assert_close(made.head(heard[:, 7:16]), made(planes[..., 7:16]))


@torch.no_grad()
def test_a_clip_gets_the_same_answer_in_any_batch() -> None:
    made, sound = network(), mel(batch=3)
    torch.testing.assert_close(made(sound)[1:2], made(sound[1:2]))


def test_the_same_generator_makes_the_same_network() -> None:
    one, other = network().state_dict(), network().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


@torch.no_grad()
def test_the_spotter_knows_the_past_alone() -> None:
    made, sound = network(), mel(20)
    heard = made.frames(sound)
    before = made.spotter(heard)
    heard[:, 12:] = 0
    torch.testing.assert_close(made.spotter(heard)[:, :12], before[:, :12], rtol=0, atol=0)
    assert not torch.allclose(made.spotter(heard)[:, 12:], before[:, 12:], atol=1e-4)


@torch.no_grad()
def test_a_lesson_is_of_a_window_and_of_all_frames() -> None:
    made, sound = network(), mel(30)
    clips, frames = Lesson(made)(sound, torch.arange(7, 16))
    torch.testing.assert_close(clips, made(made.frames.planes(sound)[..., 7:16]))
    torch.testing.assert_close(frames, made.spotter(made.frames(sound)))


def test_a_part_that_is_not_taught_keeps_its_weights_and_its_statistics() -> None:
    made = network()
    before = {name: value.clone() for name, value in made.frames.state_dict().items()}
    lesson = Lesson(made, teaches=("head", "spotter")).train()
    clips, frames = lesson(mel(), torch.arange(9))
    (clips.sum() + frames.sum()).backward()
    assert all(p.grad is None for p in made.frames.parameters())
    assert all(p.grad is not None for p in made.head.parameters())
    assert made.head.training
    after = made.frames.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize(
    ("teaches", "answers"),
    [
        (("frames", "head"), (True, False)),
        (("head",), (True, False)),
        (("spotter",), (False, True)),
    ],
)
def test_a_head_that_is_not_taught_does_not_answer(
    teaches: tuple[str, ...], answers: tuple[bool, bool]
) -> None:
    made, sound, window = network(), mel(30), torch.arange(7, 16)
    whole = Lesson(made).eval()(sound, window)
    lesson = Lesson(made, teaches=teaches)
    found = lesson.eval()(sound, window)
    assert tuple(one is not None for one in found) == answers
    for one, same in zip(found, whole, strict=True):
        if one is not None:
            torch.testing.assert_close(one, same)
    sum(one.sum() for one in lesson.train()(sound, window) if one is not None).backward()
    learning = {name.split(".")[0] for name, p in made.named_parameters() if p.grad is not None}
    assert learning == set(teaches)


@torch.no_grad()
def test_another_networks_weights_are_taken_over_word_by_word() -> None:
    old, rng = network(), torch.Generator().manual_seed(5)
    new = WordNetwork(TINY, bands=16, labels=("maybe", "no", "unknown", "silence"), rng=rng)
    fresh = new.head.word.weight[0].clone()
    new.take(old.state_dict(), {"labels": list(LABELS)})
    torch.testing.assert_close(new.frames(mel()), new.frames(mel()))
    torch.testing.assert_close(new.head.word.weight[1:], old.head.word.weight[1:])
    torch.testing.assert_close(new.spotter.word.bias[1:], old.spotter.word.bias[1:])
    torch.testing.assert_close(new.head.word.weight[0], fresh)
    torch.testing.assert_close(new.head.recurrence.weight_hh_l0, old.head.recurrence.weight_hh_l0)


def test_weights_of_another_shape_are_refused_by_name() -> None:
    wide = WordNetwork(
        NetworkConfig(channels=(4, 6), features=9, hidden=5, heads=2, spotter=6, slopes=True),
        bands=16, labels=LABELS,
    )  # fmt: skip
    with pytest.raises(SpeechnetError, match=r"another shape of frames\.spectrum\.weight"):
        network().take(wide.state_dict(), {"labels": list(LABELS)})


@pytest.mark.parametrize("bands", [16, 17, 40, 64])
def test_any_number_of_bands_serves(bands: int) -> None:
    assert network(bands)(mel(bands=bands)).shape == (2, len(LABELS))


def test_gradients_reach_every_weight() -> None:
    made = network().train()
    clips, frames = Lesson(made)(mel(), torch.arange(2, 8))
    (clips.square().sum() + frames.square().sum()).backward()
    still = [name for name, p in made.named_parameters() if p.grad is None or not p.grad.any()]
    # What comes before a batch norm is centred by it, and a block's last filters start at zero.
    assert all("conv" in name or "norm" in name or "bias" in name for name in still), still


@pytest.mark.parametrize("wrong", [{"channels": ()}, {"hidden": 0}, {"drop": 1.0}])
def test_a_shape_that_no_network_has_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SpeechnetError, match="no network has such a shape"):
        NetworkConfig(**wrong)  # type: ignore[arg-type]
