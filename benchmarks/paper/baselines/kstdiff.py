"""KSTDiff (Zhou et al., SIGSPATIAL 2023): a volume estimator, and diffusion whose mean shifts towards its estimate."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paper.baselines import SETTINGS
from benchmarks.paper.baselines.diffusion import SHORTER, Diffusion, cosine_abar, eps_of, noised
from benchmarks.paper.baselines.parts import CPU, NoiseLevel, StepCondition, TemporalBlock
from benchmarks.paper.blocks import Places, Shape, join_cells, split_blocks
from zoomdiff.device import autocast

TOKENS = 21_504  # of a batch: cells x steps
DILATIONS = (1, 2, 4, 8, 16, 1)


class Network(nn.Module):
    """Convolutions along the week of a cell; between them each cell hears the mean of its block's."""

    def __init__(self, shape: Shape, channels: int) -> None:
        super().__init__()
        self.condition, self.level = StepCondition(shape, channels), NoiseLevel(channels)
        self.volume = nn.Sequential(nn.SiLU(), nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, 1))
        self.inputs, self.outputs = nn.Linear(1, channels), nn.Linear(channels, 1)
        self.blocks = nn.ModuleList(TemporalBlock(channels, dilation) for dilation in DILATIONS)
        self.neighbours = nn.ModuleList(nn.Linear(channels, channels) for _ in DILATIONS)
        nn.init.zeros_(self.outputs.weight)

    def side(self, places: Places) -> Tensor:
        """(N, K, T, C): what is known of the K cells of N blocks."""
        return self.condition(places.cells()).unflatten(0, (len(places), -1))

    def expected(self, side: Tensor, h: int, w: int) -> Tensor:
        """f(c) (N, T, h, w): the week that the volume estimator expects."""
        return join_cells(self.volume(side).flatten(0, 1)[..., None], h, w)

    def forward(self, state: Tensor, strength: Tensor, side: Tensor) -> Tensor:
        """eps (N, T, h, w) for a state like it."""
        n, steps, h, w = state.shape
        x = self.inputs(split_blocks(state)[..., 0]).unflatten(0, (n, h * w)) + side  # (N, K, T, C)
        x = x + self.level(strength)[:, None, None]
        for block, neighbours in zip(self.blocks, self.neighbours, strict=True):
            x = x + neighbours(x.mean(1, keepdim=True))
            x = block(x.flatten(0, 1)).reshape(x.shape)
        return join_cells(self.outputs(x.relu()).reshape(n * h * w, steps, 1, 1), h, w)


class KSTDiff(Diffusion):
    """x_t = sqrt(abar) x_0 + (1 - sqrt(abar)) f(c) + sqrt(1 - abar) eps: the plain diffusion of x_0 - f(c).

    T = 1000, cosine, L1 loss of eps; f learns at the same time by the absolute error. Cells of a block exchange
    messages in place of the knowledge graph's regions ("no KG"): the UEC holds what the graph would.
    """

    title, draws, grid = "KSTDiff", True, SETTINGS
    source = "Zhou et al., SIGSPATIAL 2023; written anew after the paper"
    shrunk = f"no knowledge graph: adjacency within a block; 64 channels; {SHORTER}"

    def __init__(self, shape: Shape, learning_rate: float = 1e-3, channels: int = 64, tokens: int = TOKENS) -> None:
        network = Network(shape, channels)
        super().__init__(shape, network, cosine_abar(1000), learning_rate, tokens // (shape.h * shape.w * shape.steps))

    def centre(self, side: Tensor) -> Tensor:
        return self.network.expected(side, self.shape.h, self.shape.w).float()

    def loss(self, places: Places, y: Tensor, generator: torch.Generator) -> Tensor:
        with autocast(CPU):
            side = self.network.side(places)
            expected = self.centre(side)
        state, eps, abar = noised(y - expected.detach(), self.abars, generator)
        with autocast(CPU):
            predicted = eps_of(self.network, state, abar, side)
        return functional.l1_loss(predicted, eps) + functional.l1_loss(expected, y)
