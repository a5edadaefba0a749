"""DiT (Peebles & Xie, ICCV 2023): a diffusion transformer whose conditions steer the normalisation (adaLN-Zero)."""

from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paper.baselines.diffusion import SHORTER, Diffusion, linear_abar
from benchmarks.paper.baselines.parts import NoiseLevel
from benchmarks.paper.blocks import Places, Shape

TOKENS = 1792  # of a batch: days x cells
GRID = (
    {"learning_rate": 1e-3},
    {"learning_rate": 3e-3},
    {"learning_rate": 2e-3, "tokens": TOKENS // 8, "channels": 64},
)


class AdaptiveBlock(nn.Module):
    """Attention and MLP; scale, shift and gate of both come from the condition, gates from zero (their Fig. 3)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.steer = nn.Sequential(nn.SiLU(), nn.Linear(channels, 6 * channels))
        self.attention = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU("tanh"), nn.Linear(4 * channels, channels))
        nn.init.zeros_(self.steer[-1].weight)
        nn.init.zeros_(self.steer[-1].bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:  # (N, L, C), (N, C)
        scale, shift, gate, mlp_scale, mlp_shift, mlp_gate = self.steer(condition)[:, None].chunk(6, -1)
        y = steered(x, scale, shift)
        x = x + gate * self.attention(y, y, y, need_weights=False)[0]
        return x + mlp_gate * self.mlp(steered(x, mlp_scale, mlp_shift))


def steered(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift


class Network(nn.Module):
    """Tokens are the days of the cells of a block: the patch of a token is the steps of its day."""

    def __init__(self, shape: Shape, channels: int, depth: int, heads: int) -> None:
        super().__init__()
        self.per_day = shape.per_day
        self.inputs, self.people = nn.Linear(shape.per_day, channels), nn.Linear(shape.per_day, channels)
        self.static = nn.Sequential(nn.Linear(shape.features, channels), nn.SiLU(), nn.Linear(channels, channels))
        self.day, self.cell = nn.Embedding(7, channels), nn.Embedding(shape.h * shape.w, channels)
        self.pooled, self.level = nn.Linear(channels, channels), NoiseLevel(channels)
        self.blocks = nn.ModuleList(AdaptiveBlock(channels, heads) for _ in range(depth))
        self.steer = nn.Sequential(nn.SiLU(), nn.Linear(channels, 2 * channels))
        self.outputs = nn.Linear(channels, shape.per_day)
        for last in (self.steer[-1], self.outputs):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def tokens(self, x: Tensor) -> Tensor:
        """(N, T, h, w) -> (N, 7 h w, steps per day)."""
        return x.unflatten(1, (7, self.per_day)).movedim(2, -1).flatten(1, 3)

    def side(self, places: Places) -> Tensor:
        """(N, 7 h w, C): people, UEC and place of each token."""
        where = self.static(places.static.flatten(2).transpose(1, 2)) + self.cell.weight  # (N, h w, C)
        where = where[:, None] + self.day.weight[:, None]  # (N, 7, h w, C)
        return self.people(self.tokens(places.people)) + where.flatten(1, 2)

    def forward(self, state: Tensor, strength: Tensor, side: Tensor) -> Tensor:
        """eps (N, T, h, w) for a state like it."""
        n, _, h, w = state.shape
        x = self.inputs(self.tokens(state)) + side
        condition = self.level(strength) + self.pooled(side.mean(1))
        for block in self.blocks:
            x = block(x, condition)
        scale, shift = self.steer(condition)[:, None].chunk(2, -1)
        y = self.outputs(steered(x, scale, shift))  # (N, 7 h w, steps per day)
        return y.reshape(n, 7, h, w, self.per_day).movedim(-1, 2).flatten(1, 2)


class DiT(Diffusion):
    """adaLN-Zero blocks over a block of cells, T = 1000 linear betas, eps.

    Their class label is here what is known of a place: added to its tokens and, as a mean over them, to the noise
    level that steers the blocks. No guidance.
    """

    title, draws, grid = "DiT", True, GRID
    source = "Peebles & Xie, ICCV 2023; written anew after the paper"
    shrunk = f"128 channels, 4 blocks, 4 heads (theirs from 384, 12, 6), no autoencoder; a token is a day; {SHORTER}"

    def __init__(
        self, shape: Shape, learning_rate: float = 1e-3, channels: int = 128, depth: int = 4, tokens: int = TOKENS
    ) -> None:
        network = Network(shape, channels, depth, heads=4)
        super().__init__(shape, network, linear_abar(1000), learning_rate, tokens // (7 * shape.h * shape.w))
