"""What several baselines are made of: conditions as tokens, noise levels, convolutions along time."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paper.blocks import Places, Shape
from zoomdiff.diffusion.network import sinusoid

CPU = torch.device("cpu")


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


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def count(module: nn.Module) -> int:
    """Numbers that a module learns."""
    return sum(p.numel() for p in module.parameters())


def in_parts(places: Places, size: int, make: Callable[[Places], Tensor]) -> Tensor:
    """make(places) -> (S, n, ...) for at most `size` places at a time, put together."""
    return torch.cat([make(places[start : start + size]) for start in range(0, len(places), size)], 1)


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
