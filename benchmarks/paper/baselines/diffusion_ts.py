"""Diffusion-TS (Yuan & Qiao, ICLR 2024): diffusion of a series by a transformer that predicts trend and season."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paper.baselines import SETTINGS
from benchmarks.paper.baselines.diffusion import SHORTER, Diffusion, Estimate, cosine_abar, noised
from benchmarks.paper.baselines.parts import CPU, NoiseLevel, StepCondition
from benchmarks.paper.blocks import Places, Shape
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


class DiffusionTS(Diffusion):
    """Predicts the clean series as trend + season + rest; L1 loss of it and of its Fourier coefficients; T = 1000.

    The original knows no place: here UEC, people, hour and day are added to every step's token.
    """

    title, draws, grid = "Diffusion-TS", True, SETTINGS
    source = "Yuan & Qiao, ICLR 2024; written anew after the paper"
    shrunk = f"2 + 2 layers of 64 channels, 2 heads; conditions added, the original has none; {SHORTER}"

    def __init__(
        self, shape: Shape, learning_rate: float = 1e-3, channels: int = 64, layers: int = 2, tokens: int = TOKENS
    ) -> None:
        network = Network(shape, channels, layers, heads=2)
        super().__init__(shape, network, cosine_abar(1000), learning_rate, tokens // shape.steps, cells=True)

    def loss(self, places: Places, y: Tensor, generator: torch.Generator) -> Tensor:
        state, _, abar = noised(y, self.abars, generator)
        with autocast(CPU):
            made = self.network(state, 1 - abar, self.network.side(places))
        waves, true_waves = (torch.view_as_real(torch.fft.rfft(x, dim=1, norm="ortho")) for x in (made, y))
        return functional.l1_loss(made, y) + functional.l1_loss(waves, true_waves)

    def estimate(self, side: Tensor) -> Estimate:
        def clean(state: Tensor, abar: Tensor) -> Tensor:
            return self.network(state, (1 - abar).expand(len(state)), side).clamp(*self.limits)

        return clean
