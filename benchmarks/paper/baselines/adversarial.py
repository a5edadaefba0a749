"""What the GANs share: noise, batches of cells, two optimisers taking turns."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paper.baselines.parts import in_parts, seeded
from benchmarks.paper.blocks import Places, Shape, join_cells
from benchmarks.paper.training import Budget, rate

TOKENS = 21_504  # of a batch: cells x steps
NOISE = 8  # numbers drawn for every step
BETAS = (0.5, 0.9)  # of Adam, as GANs want them


class Turns:
    """Adam on `parameters` with the learning rate of the budget's share; `take(loss)` is one step."""

    def __init__(self, parameters: Iterator[nn.Parameter], learning_rate: float) -> None:
        self.highest = learning_rate
        self.parameters = list(parameters)
        self.optimiser = torch.optim.Adam(self.parameters, lr=learning_rate, betas=BETAS)

    def take(self, loss: Tensor, share: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate(share, self.highest)
        grads = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        for parameter, grad in zip(self.parameters, grads, strict=True):
            parameter.grad = grad
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()


def alone(network: nn.Module, loss_of: Callable[[], Tensor], budget: Budget, learning_rate: float) -> None:
    """A phase in which a part learns by itself."""
    turns = Turns(network.parameters(), learning_rate)
    for share in budget:
        turns.take(loss_of(), share)


def draw(cells: int, steps: int, generator: torch.Generator) -> Tensor:
    """(N, T, NOISE) of standard normal noise."""
    return torch.randn(cells, steps, NOISE, generator=generator)


def real_or_not(logits: Tensor, real: bool) -> Tensor:
    """The cross entropy of calling all of them real (or not)."""
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


@torch.inference_mode()
def generate(
    make: Callable[[Places, Tensor], Tensor], places: Places, shape: Shape, samples: int, size: int, seed: int
) -> Tensor:
    """(S, N, T, h, w) of make(places of one cell, noise) -> (n, T), `size` cells at a time."""
    generator = seeded(seed)

    def some(part: Places) -> Tensor:
        return torch.stack([make(part, draw(len(part), shape.steps, generator)) for _ in range(samples)])

    y = in_parts(places.cells(), size, some)  # (S, cells, T)
    return join_cells(y[..., None, None], shape.h, shape.w)
