"""keGAN (Hui et al., KDD 2023): traffic from banks of daily and weekly patterns, against a Wasserstein critic."""

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.paper.baselines import NARROW
from benchmarks.paper.baselines.adversarial import NOISE, TOKENS, Turns, draw, generate
from benchmarks.paper.baselines.parts import StepCondition, TemporalBlock, count, seeded
from benchmarks.paper.blocks import Blocks, Places, Shape
from benchmarks.paper.training import Budget

CRITIC_STEPS = 5  # to one of the generator
PENALTY = 10.0  # lambda of the gradient penalty
PATTERNS = 16  # in each bank
DILATIONS = (1, 2, 4, 8)


class Generator(nn.Module):
    """A mixture of learnt patterns by the place's condition and noise, and what convolutions add to it."""

    def __init__(self, shape: Shape, channels: int) -> None:
        super().__init__()
        self.condition = StepCondition(shape, channels)
        self.days = nn.Parameter(0.1 * torch.randn(PATTERNS, shape.per_day))
        self.weeks = nn.Parameter(0.1 * torch.randn(PATTERNS, shape.steps))
        self.choose = nn.Sequential(
            nn.Linear(channels + NOISE, channels), nn.SiLU(), nn.Linear(channels, 2 * PATTERNS + 1)
        )
        self.inputs = nn.Linear(channels + NOISE + 1, channels)
        self.blocks = nn.Sequential(*(TemporalBlock(channels, dilation) for dilation in DILATIONS))
        self.outputs = nn.Linear(channels, 1)

    def forward(self, places: Places, noise: Tensor) -> Tensor:
        """(N, T) for places of one cell."""
        known = torch.cat([self.condition(places), noise], -1)  # (N, T, C + NOISE)
        of_place = torch.cat([known[..., :-NOISE].mean(1), noise[:, 0]], -1)  # a week is chosen once
        of_days, of_weeks, level = self.choose(of_place).split([PATTERNS, PATTERNS, 1], -1)
        patterns = (of_days.softmax(-1) @ self.days).repeat(1, 7) + of_weeks.softmax(-1) @ self.weeks + level
        rest = self.outputs(self.blocks(self.inputs(torch.cat([known, patterns[..., None]], -1))))
        return patterns + rest[..., 0]


class Critic(nn.Module):
    def __init__(self, shape: Shape, channels: int) -> None:
        super().__init__()
        self.condition = StepCondition(shape, channels)
        self.inputs = nn.Linear(channels + 1, channels)
        self.blocks = nn.Sequential(*(TemporalBlock(channels, dilation) for dilation in DILATIONS))
        self.outputs = nn.Linear(channels, 1)

    def forward(self, places: Places, y: Tensor) -> Tensor:
        """(N,): how true a series looks."""
        x = self.inputs(torch.cat([self.condition(places), y[..., None]], -1))
        return self.outputs(self.blocks(x)).mean((1, 2))


def gradient_penalty(critic, places: Places, true: Tensor, made: Tensor, generator: torch.Generator) -> Tensor:
    """How far the critic's slope between true and made series is from one (Gulrajani et al. 2017)."""
    mix = torch.rand(len(true), 1, generator=generator)
    between = (mix * true + (1 - mix) * made).requires_grad_()
    (slope,) = torch.autograd.grad(critic(places, between).sum(), between, create_graph=True)
    return (slope.norm(dim=1) - 1).square().mean()


class KeGAN:
    """WGAN-GP, five steps of the critic to one of the generator, lambda = 10.

    The embedding of the urban knowledge graph is replaced by the UEC features ("no KG"); patterns are chosen by them.
    """

    title, draws, grid = "keGAN", True, NARROW
    source = "Hui et al., KDD 2023; written anew after the paper"
    shrunk = f"no knowledge graph; banks of {PATTERNS} patterns; 32 channels"

    def __init__(self, shape: Shape, learning_rate: float = 1e-3, channels: int = 32, tokens: int = TOKENS) -> None:
        self.shape, self.learning_rate = shape, learning_rate
        self.size = tokens // shape.steps  # cells of a batch
        self.generator, self.critic = Generator(shape, channels), Critic(shape, channels)

    def fit(self, train: Blocks, budget: Budget, seed: int) -> None:
        rng, noise, cells = np.random.default_rng(seed), seeded(seed), train.cells
        making = Turns(self.generator.parameters(), self.learning_rate)
        judging = Turns(self.critic.parameters(), self.learning_rate)
        for number, share in enumerate(budget):
            places, y = cells.batch(self.size, rng)
            y = y[..., 0, 0]
            made = self.generator(places, draw(len(y), self.shape.steps, noise))
            if number % (CRITIC_STEPS + 1) == CRITIC_STEPS:
                making.take(-self.critic(places, made).mean(), share)
                continue
            made = made.detach()
            distance = self.critic(places, y).mean() - self.critic(places, made).mean()
            judging.take(PENALTY * gradient_penalty(self.critic, places, y, made, noise) - distance, share)

    def sample(self, places: Places, samples: int, seed: int) -> Tensor:
        return generate(self.generator, places, self.shape, samples, 4 * self.size, seed)

    @property
    def parameters(self) -> int:
        return count(self.generator) + count(self.critic)
