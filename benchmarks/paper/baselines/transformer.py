"""Transformer (Vaswani et al., NeurIPS 2017): attention along the week of a cell, straight to its traffic."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paper.baselines import SETTINGS
from benchmarks.paper.baselines.parts import CPU, StepCondition, count, in_parts
from benchmarks.paper.blocks import Blocks, Places, Shape, join_cells
from benchmarks.paper.training import Budget, descend
from zoomdiff.device import autocast

TOKENS = 16_384  # of a batch: cells x steps


class Network(nn.Module):
    def __init__(self, shape: Shape, channels: int, layers: int, heads: int) -> None:
        super().__init__()
        self.condition = StepCondition(shape, channels)
        layer = nn.TransformerEncoderLayer(
            channels, heads, 4 * channels, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(channels), enable_nested_tensor=False)
        self.outputs = nn.Linear(channels, 1)

    def forward(self, places: Places) -> Tensor:
        """y (N, T, 1, 1) of places of one cell."""
        return self.outputs(self.encoder(self.condition(places)))[..., None]


class Transformer:
    """One token per step of a cell's week: people, UEC, hour and day. d = 64, 3 layers, 4 heads, absolute error.

    A regression: it gives the middle week of a place, always the same.
    """

    title, draws, grid = "Transformer", False, SETTINGS
    source = "Vaswani et al., NeurIPS 2017; torch.nn.TransformerEncoder"
    shrunk = "the encoder only, 3 layers of 64 channels; every cell on its own"

    def __init__(
        self, shape: Shape, learning_rate: float = 1e-3, channels: int = 64, layers: int = 3, tokens: int = TOKENS
    ) -> None:
        self.shape, self.learning_rate = shape, learning_rate
        self.network = Network(shape, channels, layers, heads=4)
        self.size = tokens // shape.steps  # cells of a batch

    def fit(self, train: Blocks, budget: Budget, seed: int) -> None:
        rng, cells = np.random.default_rng(seed), train.cells

        def loss_of() -> Tensor:
            places, y = cells.batch(self.size, rng)
            with autocast(CPU):
                predicted = self.network(places)
            return functional.l1_loss(predicted.float(), y)

        descend(self.network, loss_of, budget, self.learning_rate)

    @torch.inference_mode()
    def sample(self, places: Places, samples: int = 1, seed: int = 0) -> Tensor:
        def some(part: Places) -> Tensor:
            with autocast(CPU):
                return self.network(part)[None].float()

        y = in_parts(places.cells(), 4 * self.size, some)
        return join_cells(y, self.shape.h, self.shape.w)

    @property
    def parameters(self) -> int:
        return count(self.network)
