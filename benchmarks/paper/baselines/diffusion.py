"""What the diffusion baselines share: schedules, the loss of a network that predicts eps, the walk back from noise."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.paper.baselines.parts import CPU, count, in_parts, seeded
from benchmarks.paper.blocks import Blocks, Places, Shape, join_cells
from benchmarks.paper.training import Budget, descend
from zoomdiff.device import autocast
from zoomdiff.diffusion.samplers import ancestral

STRIDES = 15  # of the walk back, where the authors take all steps: a choice of ours, for two cores
SHORTER = f"sampled in {STRIDES} strides of the 1000 steps"

Estimate = Callable[[Tensor, Tensor], Tensor]  # (state, abar) -> clean state


class Denoiser(Protocol):
    """A network that predicts from the state (N, T, h, w) and its noise strength (N,) a field like the state."""

    def side(self, places: Places) -> Tensor:
        """What is known of N places, the same in every step."""
        ...

    def __call__(self, state: Tensor, strength: Tensor, side: Tensor) -> Tensor: ...


def linear_abar(steps: int, first: float = 1e-4, last: float = 0.02) -> Tensor:
    """(steps + 1,) signal shares of DDPM's linear betas, 1 at step 0."""
    return _abar(torch.linspace(first, last, steps, dtype=torch.float64))


def quadratic_abar(steps: int, first: float = 1e-4, last: float = 0.5) -> Tensor:
    """(steps + 1,) signal shares of CSDI's quadratic betas."""
    return _abar(torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2)


def cosine_abar(steps: int, offset: float = 0.008) -> Tensor:
    """(steps + 1,) signal shares of the cosine schedule (Nichol & Dhariwal 2021)."""
    angle = (torch.arange(steps + 1, dtype=torch.float64) / steps + offset) / (1 + offset) * math.pi / 2
    return (angle.cos() / angle[0].cos()).square().clamp(min=1e-5).float()


def _abar(beta: Tensor) -> Tensor:
    return torch.cat([torch.ones(1), torch.cumprod(1 - beta, 0).float()])


def noised(x: Tensor, abars: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A batch at random noise levels: (state, eps, abar (N,)), Eq. 3."""
    step = torch.randint(1, len(abars), (len(x),), generator=generator)
    abar, eps = abars[step], torch.randn(x.shape, generator=generator)
    each = abar.reshape(-1, *[1] * (x.dim() - 1))
    return each.sqrt() * x + (1 - each).sqrt() * eps, eps, abar


def levels_of(abars: Tensor, strides: int) -> Tensor:
    """(strides + 1,) signal shares of an evenly respaced schedule, from noise to data."""
    return abars[torch.linspace(len(abars) - 1, 0, strides + 1).round().long()]


@torch.inference_mode()
def walk(estimate: Estimate, state: Tensor, abars: Tensor, strides: int, generator: torch.Generator) -> Tensor:
    """From noise to data in `strides` ancestral steps over an evenly respaced schedule (DDPM; Nichol & Dhariwal)."""
    step, shape = ancestral(), state.shape
    for abar, abar_next in pairwise(levels_of(abars, strides)):
        state = step(state, estimate(state, abar), abar, abar_next, lambda: torch.randn(shape, generator=generator))
    return state


def eps_of(network: Denoiser, state: Tensor, abar: Tensor, side: Tensor) -> Tensor:
    """The predicted noise: what it is for data of unit variance about which nothing is known, and the network's share.

    So an untrained network, whose output is zero, guesses sensibly; the budgets are too small to learn that, too.
    """
    each = abar.reshape(-1, *[1] * (state.dim() - 1))
    return (1 - each).sqrt() * state + network(state, 1 - abar, side).float()


def from_eps(state: Tensor, eps: Tensor, abar: Tensor) -> Tensor:
    """The clean state that a predicted eps implies."""
    return (state - (1 - abar).sqrt() * eps) / abar.sqrt()


class Diffusion:
    """A baseline whose network predicts eps, learns by the squared error, and is walked back with `walk`.

    size   blocks of a batch (cells, if each is its own place)
    cells  whether every cell is its own place, or a block is made at once
    """

    def __init__(
        self, shape: Shape, network: Denoiser, abars: Tensor, learning_rate: float, size: int, cells: bool = False
    ) -> None:
        self.shape, self.network, self.abars = shape, network, abars
        self.learning_rate, self.size, self.cells = learning_rate, max(1, size), cells

    def fit(self, train: Blocks, budget: Budget, seed: int) -> None:
        rng, generator = np.random.default_rng(seed), seeded(seed)
        data, self.limits = train.cells if self.cells else train, (float(train.y.min()), float(train.y.max()))
        descend(self.network, lambda: self.loss(*data.batch(self.size, rng), generator), budget, self.learning_rate)

    def centre(self, side: Tensor) -> Tensor | float:
        """The expected y, by what is known of the places: the state is y - centre, noised."""
        return 0.0

    def loss(self, places: Places, y: Tensor, generator: torch.Generator) -> Tensor:
        """How badly the network guesses the noise at random levels (Ho et al. 2020, Eq. 14)."""
        state, eps, abar = noised(y, self.abars, generator)
        with autocast(CPU):
            return functional.mse_loss(eps_of(self.network, state, abar, self.network.side(places)), eps)

    def estimate(self, side: Tensor) -> Estimate:
        """(state, abar) -> clean state, of places by what is known of them.

        It is kept within the range of the training data, as DDPM's clipping does.
        """
        centre = self.centre(side)

        def clean(state: Tensor, abar: Tensor) -> Tensor:
            x = from_eps(state, eps_of(self.network, state, abar.expand(len(state)), side), abar)
            return (x + centre).clamp(*self.limits) - centre

        return clean

    @torch.inference_mode()
    def sample(self, places: Places, samples: int, seed: int, strides: int = STRIDES) -> Tensor:
        """(S, N, T, h, w): a walk for each sample of each place, a few places at a time."""
        walked = partial(self._walked, samples=samples, strides=strides, generator=seeded(seed))
        y = in_parts(places.cells() if self.cells else places, 2 * self.size, walked)
        return join_cells(y, self.shape.h, self.shape.w) if self.cells else y

    def _walked(self, places: Places, *, samples: int, strides: int, generator: torch.Generator) -> Tensor:
        with autocast(CPU):
            side = self.network.side(places)
            estimate = self.estimate(side)
            starts = (torch.randn(places.people.shape, generator=generator) for _ in range(samples))
            walks = [walk(estimate, start, self.abars, strides, generator) for start in starts]
            return torch.stack(walks) + self.centre(side)

    @property
    def parameters(self) -> int:
        return count(self.network)
