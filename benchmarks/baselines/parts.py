"""What several baselines are made of: conditions as tokens, noise levels, the walk back from noise."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.blocks import Places, Shape
from zoomdiff.device import autocast
from zoomdiff.diffusion.network import sinusoid
from zoomdiff.diffusion.samplers import ancestral

CPU = torch.device("cpu")
STRIDES = 15  # of the walk back, where the authors take all steps: a choice of ours, for two cores
SHORTER = f"sampled in {STRIDES} strides of the 1000 steps"

Estimate = Callable[[Tensor, Tensor], Tensor]  # (state, abar) -> clean state


class Denoiser(Protocol):
    """A network that predicts from the state (N, T, h, w) and its noise strength (N,) a field like the state."""

    def side(self, places: Places) -> Tensor:
        """What is known of N places, the same in every step."""
        ...

    def __call__(self, state: Tensor, strength: Tensor, side: Tensor) -> Tensor: ...


class StepCondition(nn.Module):
    """What is known of a place at each step of the week, as (N, T, C): people, UEC, hour of the day, day of the week.

    For places of one cell, (N, T, 1, 1) people and (N, F, 1, 1) features.
    """

    def __init__(self, shape: Shape, channels: int) -> None:
        super().__init__()
        self.people = nn.Linear(1, channels)
        self.static = nn.Sequential(nn.Linear(shape.features, channels), nn.SiLU(), nn.Linear(channels, channels))
        self.hour = nn.Embedding(shape.per_day, channels)
        self.day = nn.Embedding(7, channels)
        self.per_day = shape.per_day

    def forward(self, places: Places) -> Tensor:
        step = torch.arange(places.people.shape[1])
        when = self.hour(step % self.per_day) + self.day(step // self.per_day)  # (T, C)
        of_place = self.static(places.static[:, :, 0, 0])  # (N, C)
        return self.people(places.people[:, :, 0, 0, None]) + of_place[:, None] + when


class NoiseLevel(nn.Module):
    """A noise strength 1 - abar in 0..1 -> (N, C), the usual sinusoid and two layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(128, channels), nn.SiLU(), nn.Linear(channels, channels))

    def forward(self, strength: Tensor) -> Tensor:
        return self.layers(sinusoid(1000 * strength))


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


def eps_loss(
    network: Denoiser, places: Places, y: Tensor, abars: Tensor, generator: torch.Generator, loss=functional.mse_loss
) -> Tensor:
    """How badly the network guesses the noise at random levels (Ho et al. 2020, Eq. 14)."""
    state, eps, abar = noised(y, abars, generator)
    with autocast(CPU):
        return loss(eps_of(network, state, abar, network.side(places)), eps)


def range_of(y: Tensor) -> tuple[float, float]:
    """Lowest and highest of the training data: what a clean estimate is kept within, as DDPM's clipping does."""
    return float(y.min()), float(y.max())


def eps_estimate(network: Denoiser, limits: tuple[float, float], places: Places) -> Estimate:
    """(state, abar) -> clean state within the limits, by a network that predicts eps."""
    side = network.side(places)

    def clean(state: Tensor, abar: Tensor) -> Tensor:
        return from_eps(state, eps_of(network, state, abar.expand(len(state)), side), abar).clamp(*limits)

    return clean


@torch.inference_mode()
def generate(
    estimate_of: Callable[[Places], Estimate],
    places: Places,
    samples: int,
    abars: Tensor,
    strides: int,
    size: int,
    seed: int,
) -> Tensor:
    """(S, N, T, h, w): a walk for each sample of each place, `size` places at a time, conditions made once for all."""
    generator = seeded(seed)

    def some(part: Places, number: int) -> Tensor:
        with autocast(CPU):
            estimate = estimate_of(part)
            starts = (torch.randn(part.people.shape, generator=generator) for _ in range(samples))
            return torch.stack([walk(estimate, start, abars, strides, generator) for start in starts])

    return in_parts(places, size, some)


def from_eps(state: Tensor, eps: Tensor, abar: Tensor) -> Tensor:
    """The clean state that a predicted eps implies."""
    return (state - (1 - abar).sqrt() * eps) / abar.sqrt()


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def count(module: nn.Module) -> int:
    """Numbers that a module learns."""
    return sum(p.numel() for p in module.parameters())


def in_parts(places: Places, size: int, make: Callable[[Places, int], Tensor]) -> Tensor:
    """make(places, number) -> (S, n, ...) for at most `size` places at a time, put together."""
    starts = range(0, len(places), size)
    return torch.cat([make(places[start : start + size], number) for number, start in enumerate(starts)], 1)


class TemporalBlock(nn.Module):
    """A dilated convolution along time with a way past it: (N, T, C) -> (N, T, C)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.along = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.along(self.norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.out(functional.silu(y))
