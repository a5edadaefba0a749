"""CSDI (Tashiro et al., NeurIPS 2021): a diffusion model with attention over time and over the cells of a block."""

from torch import Tensor, nn

from benchmarks.paper.baselines import SETTINGS
from benchmarks.paper.baselines.diffusion import STRIDES, Diffusion, quadratic_abar
from benchmarks.paper.baselines.parts import NoiseLevel, StepCondition
from benchmarks.paper.blocks import Places, Shape, join_cells, split_blocks

TOKENS = 16_384  # of a batch: cells x steps


class ResidualBlock(nn.Module):
    """Attention over time, then over cells, then a gated unit with the side information (their Fig. 6)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.level = nn.Linear(channels, channels)
        self.time, self.cells = (
            nn.TransformerEncoderLayer(channels, heads, 64, dropout=0.0, activation="gelu", batch_first=True)
            for _ in range(2)
        )
        self.middle, self.side = nn.Linear(channels, 2 * channels), nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, 2 * channels)

    def forward(self, x: Tensor, side: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:  # (N, K, T, C), same, (N, C)
        n, cells, steps, channels = x.shape
        y = x + self.level(level)[:, None, None]
        y = self.time(y.reshape(n * cells, steps, channels)).reshape(x.shape)
        if cells > 1:
            y = self.cells(y.transpose(1, 2).reshape(n * steps, cells, channels))
            y = y.reshape(n, steps, cells, channels).transpose(1, 2)
        gate, value = (self.middle(y) + self.side(side)).chunk(2, -1)
        rest, skip = self.out(gate.sigmoid() * value.tanh()).chunk(2, -1)
        return (x + rest) / 2**0.5, skip


class Network(nn.Module):
    def __init__(self, shape: Shape, channels: int, layers: int, heads: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(1, channels)
        self.condition, self.level = StepCondition(shape, channels), NoiseLevel(channels)
        self.blocks = nn.ModuleList(ResidualBlock(channels, heads) for _ in range(layers))
        self.outputs = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, 1))
        nn.init.zeros_(self.outputs[-1].weight)

    def side(self, places: Places) -> Tensor:
        """(N, K, T, C): what is known, the same in every step."""
        return self.condition(places.cells()).unflatten(0, (len(places), -1))

    def forward(self, state: Tensor, strength: Tensor, side: Tensor) -> Tensor:
        """eps (N, T, h, w) for a state like it."""
        n, _, h, w = state.shape
        x = self.inputs(split_blocks(state)[..., 0]).relu().unflatten(0, (n, h * w))  # (N, K, T, C)
        level, skips = self.level(strength), 0.0
        for block in self.blocks:
            x, skip = block(x, side, level)
            skips = skips + skip
        y = self.outputs(skips / len(self.blocks) ** 0.5)  # (N, K, T, 1)
        return join_cells(y.flatten(0, 1)[..., None], h, w)


class CSDI(Diffusion):
    """T = 50 quadratic betas from 1e-4 to 0.5 and 64 channels, as its authors have it; they take 4 layers and 8 heads.

    Nothing is observed, everything is to be generated, so there is no imputation mask; UEC, people and hours are the
    side information. The features of a sample are the cells of a block.
    """

    title, draws, grid = "CSDI", True, SETTINGS
    source = "Tashiro et al., NeurIPS 2021; written anew after the paper"
    shrunk = f"2 layers and 2 heads for 4 and 8; {STRIDES} respaced strides for 50; features are the cells of one block"

    def __init__(
        self,
        shape: Shape,
        learning_rate: float = 1e-3,
        channels: int = 64,
        layers: int = 2,
        heads: int = 2,
        tokens: int = TOKENS,
    ) -> None:
        network = Network(shape, channels, layers, heads)
        super().__init__(shape, network, quadratic_abar(50), learning_rate, tokens // (shape.h * shape.w * shape.steps))
