"""Diffusion-TS (Yuan & Qiao, ICLR 2024): diffusion of a series by a transformer that predicts trend and season."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.baselines import LEARNING_RATES
from benchmarks.baselines.parts import (
    CPU,
    SHORTER,
    STRIDES,
    NoiseLevel,
    StepCondition,
    cosine_abar,
    count,
    generate,
    noised,
    range_of,
    seeded,
)
from benchmarks.blocks import Blocks, Places, Shape, blocks_of_cells
from benchmarks.training import Budget, descend
from zoomdiff.device import autocast

TOKENS = 16_384  # of a batch: cells x steps
DEGREE = 3  # of the trend's polynomial
FREQUENCIES = 8  # that a layer's season may have


class DecoderLayer(nn.Module):
    """Attention and MLP, then what of it is trend (a polynomial) and season (its strongest frequencies)."""

    def __init__(self, shape: Shape, channels: int, heads: int) -> None:
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(
            channels, heads, 2 * channels, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.trend, self.season = nn.Linear(channels, DEGREE + 1), nn.Linear(channels, 1)
        powers = torch.linspace(-1, 1, shape.steps)[:, None] ** torch.arange(DEGREE + 1)
        self.register_buffer("powers", powers, persistent=False)  # (T, DEGREE + 1)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:  # (N, T, C) -> same, (N, T)
        x = self.layer(x, memory)
        trend = self.trend(x.mean(1)).float() @ self.powers.T
        waves = torch.fft.rfft(self.season(x)[..., 0].float(), dim=1)
        weakest = waves.abs().topk(min(FREQUENCIES, waves.shape[1]), 1).values[:, -1:]
        season = torch.fft.irfft(waves * (waves.abs() >= weakest), x.shape[1], dim=1)
        return x, trend + season


class Network(nn.Module):
    def __init__(self, shape: Shape, channels: int, layers: int, heads: int) -> None:
        super().__init__()
        self.condition, self.level = StepCondition(shape, channels), NoiseLevel(channels)
        self.inputs, self.rest = nn.Linear(1, channels), nn.Linear(channels, 1)
        layer = nn.TransformerEncoderLayer(
            channels, heads, 2 * channels, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.decoder = nn.ModuleList(DecoderLayer(shape, channels, heads) for _ in range(layers))

    def side(self, places: Places) -> Tensor:
        """(N, T, C) of places of one cell."""
        return self.condition(places)

    def forward(self, state: Tensor, strength: Tensor, side: Tensor) -> Tensor:
        """The clean series (N, T, 1, 1) for a state like it."""
        x = self.inputs(state[..., 0]) + side + self.level(strength)[:, None]
        memory, made = self.encoder(x), 0.0
        for layer in self.decoder:
            x, part = layer(x, memory)
            made = made + part
        return (made + self.rest(x)[..., 0].float())[..., None, None]


class DiffusionTS:
    """Predicts the clean series as trend + season + rest; L1 loss of it and of its Fourier coefficients; T = 1000.

    The original knows no place: here UEC, people, hour and day are added to every step's token.
    """

    title, draws, grid = "Diffusion-TS", True, LEARNING_RATES
    source = "Yuan & Qiao, ICLR 2024; written anew after the paper"
    shrunk = f"2 + 2 layers of 64 channels, 2 heads; conditions added, the original has none; {SHORTER}"

    def __init__(
        self, shape: Shape, learning_rate: float = 1e-3, channels: int = 64, layers: int = 2, tokens: int = TOKENS
    ) -> None:
        self.shape, self.learning_rate = shape, learning_rate
        self.network = Network(shape, channels, layers, heads=2)
        self.abars = cosine_abar(1000)
        self.size = tokens // shape.steps  # cells of a batch

    def fit(self, train: Blocks, budget: Budget, seed: int) -> None:
        self.limits = range_of(train.y)
        rng, generator, cells = np.random.default_rng(seed), seeded(seed), train.cells

        def loss_of() -> Tensor:
            places, y = cells.batch(self.size, rng)
            state, _, abar = noised(y, self.abars, generator)
            with autocast(CPU):
                made = self.network(state, 1 - abar, self.network.side(places))
            waves, true_waves = (torch.view_as_real(torch.fft.rfft(x, dim=1, norm="ortho")) for x in (made, y))
            return functional.l1_loss(made, y) + functional.l1_loss(waves, true_waves)

        descend(self.network, loss_of, budget, self.learning_rate)

    def sample(self, places: Places, samples: int, seed: int, strides: int = STRIDES) -> Tensor:
        def estimate_of(part: Places):
            side = self.network.side(part)

            def clean(state: Tensor, abar: Tensor) -> Tensor:
                return self.network(state, (1 - abar).expand(len(state)), side).clamp(*self.limits)

            return clean

        y = generate(estimate_of, places.cells(), samples, self.abars, strides, 2 * self.size, seed)
        return blocks_of_cells(y, self.shape.h, self.shape.w)

    @property
    def parameters(self) -> int:
        return count(self.network)
