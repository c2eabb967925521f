"""Which optimizer moves which parameter, and their state as named tensors."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from common.config import TrainConfig
from common.errors import CommonError
from common.muon import Muon

# A matrix with a shorter side than this is a head or a lookup, not a hidden map: Muon would
# give each of its few directions the same weight, whatever the gradient says.
THIN = 16


def build(
    network: nn.Module, config: TrainConfig, *, dtype: torch.dtype
) -> list[torch.optim.Optimizer]:
    """The optimizers of a network's parameters that want a gradient; each parameter in one.

    dtype: of Muon's matrix products. Weight decay is for matrices and filters; norms and biases,
    which set a level and not a pattern, go without.
    """
    wanted = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not wanted:
        raise CommonError("the network has no parameters to train")
    hidden = hidden_matrices(network) if config.optimizer == "muon" else []
    taken = {id(parameter) for parameter in hidden}
    rest = [parameter for parameter in wanted if id(parameter) not in taken]
    groups = [
        {"params": [p for p in rest if not _is_vector(p)], "weight_decay": config.weight_decay},
        {"params": [p for p in rest if _is_vector(p)], "weight_decay": 0.0},
    ]
    found: list[torch.optim.Optimizer] = []
    if hidden:
        found.append(
            Muon(
                hidden,
                lr=config.peak_rate,
                weight_decay=config.weight_decay,
                momentum=config.momentum,
                dtype=dtype,
            )
        )
    if any(group["params"] for group in groups):
        groups = [group for group in groups if group["params"]]
        found.append(torch.optim.AdamW(groups, lr=config.peak_rate, betas=config.betas, fused=True))
    return found


def hidden_matrices(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that Muon is for: matrices and filters inside the network.

    Not the first and the last (which face the input and the answer), not thin ones (other heads,
    filters of one channel each), not embeddings, not vectors.
    """
    embeddings = {
        id(parameter)
        for module in network.modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag)
        for parameter in module.parameters()
    }
    matrices = [p for p in network.parameters() if p.requires_grad and not _is_vector(p)]
    return [
        parameter
        for parameter in matrices[1:-1]
        if id(parameter) not in embeddings and min(parameter.shape[0], parameter[0].numel()) >= THIN
    ]


def _is_vector(parameter: Tensor) -> bool:
    """Whether at most one axis is longer than 1, as in biases and norms of any spelling."""
    return parameter.ndim < 2 or parameter.numel() == max(parameter.shape)


def state_of(network: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """All that the optimizers remember, as {"PARAMETER/ENTRY": tensor}."""
    return {
        f"{name}/{entry}": value
        for name, parameter in network.named_parameters()
        for optimizer in optimizers
        if parameter in optimizer.state
        for entry, value in optimizer.state[parameter].items()
    }


def set_state(
    network: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    state: Mapping[str, Tensor],
) -> None:
    """Give the optimizers back what `state_of` gave.

    Raises CommonError if it was not made by these optimizers for this network.
    """
    owners = {id(p): o for o in optimizers for group in o.param_groups for p in group["params"]}
    parameters = dict(network.named_parameters())
    for key, value in state.items():
        name, _, entry = key.rpartition("/")
        parameter = parameters.get(name)
        if parameter is None or id(parameter) not in owners:
            raise CommonError(f"the optimizer's state in the checkpoint has an unknown {key}")
        if value.ndim and value.shape != parameter.shape:
            raise CommonError(f"the optimizer's state in the checkpoint does not fit: {key}")
        # In the memory layout of the parameter, because the fused kernels walk both as one.
        kept = torch.empty_like(parameter, dtype=value.dtype) if value.ndim else None
        copy = value.to(parameter.device, copy=True) if kept is None else kept.copy_(value)
        owners[id(parameter)].state[parameter][entry] = copy
