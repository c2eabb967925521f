import pytest
import tiny_training
import torch
from torch import Tensor, nn

from common import optimizers
from common.config import TrainConfig
from common.errors import CommonError
from common.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(20, 20), (16, 40), (40, 16)])
def test_the_update_keeps_the_directions_and_evens_out_their_lengths(
    shape: tuple[int, int],
) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ orthogonal(matrix[None], torch.float64)[0] @ right.T
    lengths = turned.diagonal()
    assert (turned - lengths.diag()).abs().max() < 1e-9
    assert 0.6 < lengths.min() <= lengths.max() < 1.3


def gradients(parameters: list[nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        numbers = torch.randn(parameter.shape, generator=generator)
        parameter.grad = torch.empty_like(parameter).copy_(numbers)  # laid out as autograd does


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch before 2.9 has no Muon")
def test_matrices_move_as_torchs_own_muon_moves_them() -> None:
    start = [torch.randn(shape, generator=torch.Generator().manual_seed(3))
             for shape in ((16, 24), (40, 16), (16, 24))]  # fmt: skip
    ours, theirs = ([nn.Parameter(one.clone()) for one in start] for _ in range(2))
    one = Muon(ours, lr=0.1, weight_decay=0.05, momentum=0.9, dtype=torch.bfloat16)
    other = torch.optim.Muon(
        theirs, lr=0.1, weight_decay=0.05, momentum=0.9, adjust_lr_fn="match_rms_adamw"
    )
    for seed in range(4):
        for parameters, optimizer in ((ours, one), (theirs, other)):
            gradients(parameters, seed)
            optimizer.step()
    for mine, reference, before in zip(ours, theirs, start, strict=True):
        # Both round to bfloat16, in another order: two digits of how far it moved.
        assert (mine - reference).norm() < 0.02 * (before - reference).norm()


def test_filters_in_any_layout_move_as_the_matrices_that_they_are() -> None:
    start = torch.randn(16, 4, 3, 3)
    matrix = nn.Parameter(start.flatten(1).clone())
    filters = nn.Parameter(start.contiguous(memory_format=torch.channels_last))
    one, other = (Muon([parameter], lr=0.1, weight_decay=0.1) for parameter in (matrix, filters))
    for seed in range(3):
        gradients([matrix], seed)
        assert matrix.grad is not None
        filters.grad = matrix.grad.view(filters.shape).contiguous(memory_format=torch.channels_last)
        one.step()
        other.step()
    torch.testing.assert_close(filters.flatten(1), matrix)


def test_unusable_gradients_change_nothing() -> None:
    parameter = nn.Parameter(torch.randn(16, 16))
    optimizer = Muon([parameter], lr=0.1, weight_decay=0.1)
    gradients([parameter], 0)
    optimizer.step()
    before = parameter.detach().clone()
    momentum = optimizer.state[parameter]["momentum_buffer"].clone()
    parameter.grad = torch.full_like(parameter, torch.inf)
    optimizer.found_inf = torch.ones(())
    optimizer.step()
    assert torch.equal(parameter, before)
    assert torch.equal(optimizer.state[parameter]["momentum_buffer"], momentum)


def names(network: nn.Module, parameters: list[nn.Parameter]) -> list[str]:
    wanted = {id(parameter) for parameter in parameters}
    return [name for name, parameter in network.named_parameters() if id(parameter) in wanted]


def test_muon_takes_the_hidden_matrices_only() -> None:
    network = nn.ModuleDict(
        {
            "first": nn.Conv2d(3, 32, 3),
            "norm": nn.BatchNorm2d(32),
            "hidden": nn.Conv2d(32, 32, 3),
            "each_alone": nn.Conv2d(32, 32, 3, groups=32),
            "lookup": nn.Embedding(64, 32),
            "scale": nn.ParameterList([nn.Parameter(torch.ones(1, 32, 1, 1))]),
            "dense": nn.Linear(64, 32),
            "head": nn.Linear(32, 2),
            "last": nn.Linear(32, 64),
        }
    )
    assert names(network, optimizers.hidden_matrices(network)) == ["hidden.weight", "dense.weight"]
    config = TrainConfig(steps=1, optimizer="muon", weight_decay=0.1)
    muon, adamw = optimizers.build(network, config, dtype=torch.float32)
    assert isinstance(muon, Muon)
    decayed, free = adamw.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert names(network, free["params"]) == [
        name
        for name, _ in network.named_parameters()
        if name.endswith("bias") or name.startswith(("norm", "scale"))
    ]
    held = [p for one in (muon, adamw) for group in one.param_groups for p in group["params"]]
    assert sorted(map(id, held)) == sorted(map(id, network.parameters()))


def test_frozen_parameters_are_left_out() -> None:
    network = tiny_training.network().requires_grad_(False)
    with pytest.raises(CommonError, match="no parameters to train"):
        optimizers.build(network, TrainConfig(steps=1), dtype=torch.float32)


def trained(steps: int, network: nn.Module) -> list[torch.optim.Optimizer]:
    made = optimizers.build(network, TrainConfig(steps=1, optimizer="muon"), dtype=torch.float32)
    for seed in range(steps):
        move(network, made, seed)
    return made


def move(network: nn.Module, made: list[torch.optim.Optimizer], seed: int) -> None:
    gradients(list(network.parameters()), seed)
    for optimizer in made:
        optimizer.step()


def flat(state: dict[str, Tensor]) -> dict[str, list[float]]:
    return {name: value.flatten().tolist() for name, value in state.items()}


def test_optimizers_go_on_from_their_saved_state_in_any_layout() -> None:
    network = tiny_training.network().to(memory_format=torch.channels_last)
    before = trained(3, network)
    state = {name: value.clone() for name, value in optimizers.state_of(network, before).items()}
    assert {"4.weight/momentum_buffer", "0.weight/exp_avg", "0.weight/step"} <= set(state)
    other = tiny_training.network()
    other.load_state_dict(network.state_dict())
    after = trained(0, other)
    optimizers.set_state(other, after, state)
    assert flat(optimizers.state_of(other, after)) == flat(state)
    move(network, before, 9)
    move(other, after, 9)
    for mine, theirs in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_a_state_of_other_parameters_is_refused() -> None:
    network = tiny_training.network()
    with pytest.raises(CommonError, match=r"unknown 77\.weight/exp_avg"):
        optimizers.set_state(network, trained(0, network), {"77.weight/exp_avg": torch.zeros(1)})
    with pytest.raises(CommonError, match=r"does not fit: 0\.weight/exp_avg"):
        optimizers.set_state(network, trained(0, network), {"0.weight/exp_avg": torch.zeros(1)})
