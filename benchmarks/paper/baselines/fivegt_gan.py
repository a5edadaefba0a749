"""5GT-GAN (Pandey et al., 2023): recurrent generator and discriminator, adversarial and supervised loss."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paper.baselines import SETTINGS
from benchmarks.paper.baselines.adversarial import NOISE, TOKENS, Turns, draw, generate, real_or_not
from benchmarks.paper.baselines.parts import StepCondition, count, seeded
from benchmarks.paper.blocks import Blocks, Places, Shape
from benchmarks.paper.training import Budget

SUPERVISED = 10.0  # weight of the supervised loss


class Generator(nn.Module):
    def __init__(self, shape: Shape, channels: int) -> None:
        super().__init__()
        self.condition = StepCondition(shape, channels)
        self.memory = nn.GRU(channels + NOISE, channels, batch_first=True)
        self.outputs = nn.Linear(channels, 1)

    def forward(self, places: Places, noise: Tensor) -> Tensor:
        """(N, T) for places of one cell."""
        return self.outputs(self.memory(torch.cat([self.condition(places), noise], -1))[0])[..., 0]


class Discriminator(nn.Module):
    def __init__(self, shape: Shape, channels: int) -> None:
        super().__init__()
        self.condition = StepCondition(shape, channels)
        self.memory = nn.GRU(channels + 1, channels, batch_first=True)
        self.outputs = nn.Linear(channels, 1)

    def forward(self, places: Places, y: Tensor) -> Tensor:
        """(N, T) logits: how real the series looks up to each step."""
        return self.outputs(self.memory(torch.cat([self.condition(places), y[..., None]], -1))[0])[..., 0]


class FiveGTGAN:
    """A GRU turns conditions and noise of every step into traffic, another distinguishes it from the true one.

    To the adversarial loss comes the distance to the true series, so that the generator follows its place.
    """

    title, draws, grid = "5GT-GAN", True, SETTINGS
    source = "Pandey et al., 2023; re-implemented from the description, no public code"
    shrunk = "one layer of 64 units each; details re-derived"

    def __init__(self, shape: Shape, learning_rate: float = 1e-3, channels: int = 64, tokens: int = TOKENS) -> None:
        self.shape, self.learning_rate = shape, learning_rate
        self.size = tokens // shape.steps  # cells of a batch
        self.generator, self.discriminator = Generator(shape, channels), Discriminator(shape, channels)

    def fit(self, train: Blocks, budget: Budget, seed: int) -> None:
        rng, noise, cells = np.random.default_rng(seed), seeded(seed), train.cells
        making = Turns(self.generator.parameters(), self.learning_rate)
        judging = Turns(self.discriminator.parameters(), self.learning_rate)
        for share in budget:
            places, y = cells.batch(self.size, rng)
            y = y[..., 0, 0]
            made = self.generator(places, draw(len(y), self.shape.steps, noise))
            true, false = self.discriminator(places, y), self.discriminator(places, made.detach())
            judging.take(real_or_not(true, True) + real_or_not(false, False), share)
            fooled = real_or_not(self.discriminator(places, made), True)
            making.take(fooled + SUPERVISED * functional.l1_loss(made, y), share)

    def sample(self, places: Places, samples: int, seed: int) -> Tensor:
        return generate(self.generator, places, self.shape, samples, 4 * self.size, seed)

    @property
    def parameters(self) -> int:
        return count(self.generator) + count(self.discriminator)
