"""The networks that experiments compare: of equal size where that is said, and what they claim."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from common.axes import BOARD, PICTURE, SPEECH, check
from common.errors import CommonError
from experiments import (
    board,
    board_pooling,
    board_sharing,
    digits_sharing,
    digits_subsampling,
    speech_recipe,
    speech_sliding,
    speech_twins,
    speech_whole,
)
from experiments.learning import learnt, size
from experiments.unshared import Unshared
from speechnet.sound.spectrogram import FrontEnd
from speechnet.training import train


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_an_unshared_layer_with_the_same_filters_everywhere_is_a_convolution() -> None:
    layer = Unshared(3, 4, (6, 7), padding=1, rng=rng())
    with torch.no_grad():
        layer.weight[:] = layer.weight[0].clone()
        maps = torch.randn(2, 3, 6, 7, generator=rng(1))
        filters = layer.weight[0].T.reshape(4, 3, 3, 3)
        torch.testing.assert_close(layer(maps), functional.conv2d(maps, filters, padding=1))
    assert size(layer) == 42 * 27 * 4 + 4 * 42


@pytest.mark.parametrize(
    ("build", "names", "allowed"),
    [
        (digits_sharing.build, (digits_sharing.CNN, digits_sharing.DENSE,
                                digits_sharing.UNSHARED), 0.04),
        (digits_subsampling.build, (digits_subsampling.MAX, digits_subsampling.AVERAGE,
                                    digits_subsampling.STRIDE), 0.02),
        (board_pooling.build, (board_pooling.NONE, board_pooling.MAX, board_pooling.AROUND), 0.0),
        (board_sharing.build, (board_sharing.SHARED, board_sharing.UNSHARED), 0.03),
        (speech_sliding.build, speech_sliding.EXPERIMENT.networks, 0.03),
    ],
)  # fmt: skip
def test_networks_that_are_compared_have_as_many_weights(
    build: object, names: tuple[str, ...], allowed: float
) -> None:
    sizes = [size(build(name, rng())) for name in names]  # type: ignore[operator]
    assert max(sizes) <= min(sizes) * (1 + allowed)


def test_the_twins_of_the_shipped_network_are_of_its_size() -> None:
    base = train.recipe("base")
    front = FrontEnd.make(**base.front)
    sizes = [
        size(speech_twins.build(name, base.network, front, base.labels, 0))
        for name in (speech_twins.OURS, speech_twins.BOTH, speech_twins.TIME)
    ]
    assert max(sizes) <= 1.01 * min(sizes)


def test_the_networks_slide_and_pool_where_their_names_say() -> None:
    mel = torch.randn(1, 64, 61, generator=rng())
    planes = torch.zeros(1, board.PLANES, 19, 19)
    for name in (speech_sliding.FREQUENCY, speech_sliding.BOTH, speech_sliding.TIME):
        frames = speech_sliding.build(name, rng()).frames
        if name == speech_sliding.FREQUENCY:
            check(frames, SPEECH, mel)
        else:
            with pytest.raises(CommonError, match="along time"):
                check(frames, SPEECH, mel)
    plain = board_pooling.build(board_pooling.NONE, rng())
    check(plain.first, BOARD, plain.stem(planes))
    pooled = board_pooling.build(board_pooling.MAX, rng())
    with pytest.raises(CommonError, match="subsampling changes nothing"):
        check(pooled.smaller, BOARD, pooled.stem(planes))
    check(pooled.first, PICTURE, pooled.stem(planes))


def test_without_the_recurrence_the_order_of_frames_means_nothing() -> None:
    base = train.recipe("base")
    features = torch.randn(1, 61, 128, generator=rng())
    turned = features.flip(1)
    whole, dense, even = (
        speech_recipe.build(name, base, rng()).head.eval()
        for name in (speech_recipe.WHOLE, speech_recipe.UNORDERED, speech_recipe.EVENLY)
    )
    torch.testing.assert_close(dense(features), dense(turned))
    assert not torch.allclose(whole(features), whole(turned), atol=1e-3)
    assert size(dense) == pytest.approx(size(whole), rel=0.01)
    states, _ = even.recurrence(even.norm(features))
    mean = states.mean(dim=1).repeat(1, base.network.heads)
    torch.testing.assert_close(even(features), even.word(even.hidden(mean).relu()))


def test_digits_are_moved_and_shrunk_within_their_picture() -> None:
    picture = torch.zeros(1, 1, 28, 28)
    picture[0, 0, 10, 12] = 1
    assert digits_subsampling.moved(picture, 4, -2)[0, 0, 14, 10] == 1
    assert digits_subsampling.moved(picture, 0, 4).sum() == 1
    square = torch.zeros(1, 1, 28, 28)
    square[:, :, 4:24, 4:24] = 1
    half = digits_subsampling.shrunk(square, 0.5)
    assert half[0, 0, 9:19, 9:19].min() == 1
    assert half.sum() == pytest.approx(100)


def test_the_mean_of_eight_looks_does_not_depend_on_how_the_board_is_turned() -> None:
    network = board_pooling.build(board_pooling.NONE, rng()).eval()
    planes = np.random.default_rng(0).integers(0, 2, (3, board.PLANES, 19, 19), dtype=np.uint8)
    found = board.answers(network, planes, 8).exp()
    turned = board.answers(network, np.ascontiguousarray(planes.swapaxes(2, 3)), 8).exp()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(3))
    points = turned[:, :-1].reshape(3, 19, 19).transpose(1, 2).flatten(1)
    torch.testing.assert_close(found[:, :-1], points)
    torch.testing.assert_close(found[:, -1], turned[:, -1])
    once = board.answers(network, planes).exp()
    assert not torch.allclose(once, found, atol=1e-5)


def test_distance_is_from_the_move_before() -> None:
    planes = np.zeros((3, board.PLANES, 19, 19), np.uint8)
    planes[0, board.LAST, 3, 3] = planes[1, board.LAST, 3, 3] = 1
    moves = np.array([7 * 19 + 6, 361, 5])  # 4 down and 3 right; a pass; the first move
    assert board.distances(planes, moves)[0] == pytest.approx(5)
    assert np.isnan(board.distances(planes, moves)[1:]).all()


def test_a_few_steps_teach_a_network() -> None:
    pictures = torch.rand(64, 1, 28, 28, generator=rng())
    labels = (pictures[:, 0, :14].mean((1, 2)) > pictures[:, 0, 14:].mean((1, 2))).long()
    made = digits_sharing.build(digits_sharing.DENSE, rng())

    def loss(network: torch.nn.Module, batch: dict[str, torch.Tensor]) -> object:
        return functional.cross_entropy(network(batch["pictures"]).float(), labels), {}

    taught = learnt(made, loss, lambda number: {"pictures": pictures}, 40, ema=0.0)  # type: ignore[arg-type]
    assert (taught(pictures).argmax(dim=1) == labels).float().mean() > 0.95


def test_the_error_over_people_is_that_of_drawing_other_people() -> None:
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(60), rng.integers(1, 9, 60))
    word = rng.integers(0, 3, len(person))
    apart = rng.normal(size=60)[person] + rng.normal(size=len(person))
    mean, error = speech_whole.over_people(apart, word, person)
    drawn = []
    for _ in range(2_000):
        clips = np.concatenate([np.flatnonzero(person == one) for one in rng.integers(0, 60, 60)])
        drawn.append(speech_whole.over_people(apart[clips], word[clips], person[clips])[0])
    assert mean == pytest.approx(np.mean([apart[word == which].mean() for which in range(3)]))
    assert error == pytest.approx(np.std(drawn), rel=0.1)
    assert (
        error > 1.2 * np.sqrt(sum(apart[word == w].var() / (word == w).sum() for w in range(3))) / 3
    )
