"""Muon: momentum whose update is made orthogonal, for the hidden matrices and filters.

Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/, with the step size of Liu et al.
2025 (arXiv:2502.16982), which lets it share AdamW's learning rate and weight decay.
`torch.optim.Muon` computes the same, but takes only two-dimensional parameters, one at a time;
here filters [out, in, row, column] count as matrices [out, in * row * column], and all of one
shape go through the matrix products as one batch.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

# Chosen in Jordan et al. for a steep slope at zero; singular values end up in about 0.7 to 1.2.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """parameters: of two or more axes, the first being the output. lr and weight_decay: as AdamW.

    dtype: what the matrix products are computed in; bfloat16 is enough where it is fast.
    The attribute `found_inf`, as on torch's fused optimizers, may hold a tensor that is 1 where
    the gradients must not be used; nothing changes then, and nothing waits for the device.
    """

    found_inf: Tensor | None = None

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step along the gradients; parameters without one stay. closure: must be None."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(parameter.shape, []).append(parameter)
            for parameters in by_shape.values():
                self._step_together(parameters, **{key: group[key] for key in self.defaults})

    def _step_together(
        self, parameters: list[Tensor], *, lr: float, weight_decay: float, momentum: float
    ) -> None:
        """The step of parameters of one shape."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        averages = [self._average(parameter) for parameter in parameters]
        flat = torch.stack([gradient.flatten(1) for gradient in gradients])
        skip = flat.new_zeros(()) if self.found_inf is None else self.found_inf
        used = 1.0 - skip
        # Where the gradients must not be used they may be infinite, and 0 * inf is not 0.
        flat = torch.where(skip.bool(), 0.0, flat)
        before = torch.stack([average.flatten(1) for average in averages])
        after = before.lerp(flat, (1.0 - momentum) * used)
        update = orthogonal(flat.lerp(after, momentum), self.dtype)  # [matrix, out, rest]
        # The root mean square of an orthogonal [out, rest] is 1 / sqrt(the longer side), and 0.2
        # is about that of AdamW's updates.
        scale = 0.2 * max(update.shape[1:]) ** 0.5
        update = update.to(flat.dtype) * (lr * scale * used)
        shape = parameters[0].shape
        torch._foreach_mul_(parameters, 1.0 - lr * weight_decay * used)
        torch._foreach_sub_(parameters, [one.view(shape) for one in update])
        torch._foreach_copy_(averages, [one.view(shape) for one in after])

    def _average(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def orthogonal(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """About U @ V.T of each matrix U @ S @ V.T, by five steps of a Newton-Schulz iteration.

    matrices: [matrix, row, column]; any. Returns the same shape in `dtype`, with singular values
    near 1 but for those that were tiny beside the largest.
    """
    a, b, c = COEFFICIENTS
    # Divided before the cast: bfloat16 has the range, but float16 would not.
    norms = torch.linalg.vector_norm(matrices, dim=(1, 2), keepdim=True)
    x: Tensor = (matrices / norms.clamp(min=1e-30)).to(dtype)
    wide = x.shape[1] <= x.shape[2]
    x = x if wide else x.mT  # the products below are of the shorter side
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT
