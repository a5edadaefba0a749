"""TimeGAN (Yoon et al., NeurIPS 2019): a GAN in a learnt latent space, supervised step by step."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paper.baselines import NARROW
from benchmarks.paper.baselines.adversarial import NOISE, TOKENS, Turns, alone, draw, generate, real_or_not
from benchmarks.paper.baselines.parts import StepCondition, count, seeded
from benchmarks.paper.blocks import Blocks, Places, Shape
from benchmarks.paper.training import Budget

HIDDEN, LAYERS = 24, 3
PHASES = (0.25, 0.25, 0.5)  # of the budget: embedding, supervisor, all together


class Recurrent(nn.Module):
    """GRU layers and a linear map at every step, to the unit interval where it makes a latent state."""

    def __init__(self, inputs: int, outputs: int, layers: int = LAYERS, latent: bool = False) -> None:
        super().__init__()
        self.memory, self.out = nn.GRU(inputs, HIDDEN, layers, batch_first=True), nn.Linear(HIDDEN, outputs)
        self.latent = latent

    def forward(self, *parts: Tensor) -> Tensor:  # (N, T, .) each -> (N, T, outputs)
        y = self.out(self.memory(torch.cat(parts, -1))[0])
        return y.sigmoid() if self.latent else y


class Networks(nn.Module):
    """The five networks (their Fig. 2), and conditions that embedder, generator and discriminator share."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.condition = StepCondition(shape, HIDDEN)
        self.embedder = Recurrent(1 + HIDDEN, HIDDEN, latent=True)
        self.recovery = Recurrent(HIDDEN, 1)
        self.generator = Recurrent(NOISE + HIDDEN, HIDDEN, latent=True)
        self.supervisor = Recurrent(HIDDEN, HIDDEN, LAYERS - 1, latent=True)
        self.discriminator = Recurrent(2 * HIDDEN, 1)

    def embedded(self, places: Places, y: Tensor) -> Tensor:
        """Latent states (N, T, HIDDEN) of true series (N, T)."""
        return self.embedder(y[..., None], self.condition(places))

    def imagined(self, places: Places, noise: Tensor) -> Tensor:
        """Latent states of made series, before the supervisor."""
        return self.generator(noise, self.condition(places))

    def judged(self, states: Tensor, condition: Tensor, real: bool) -> Tensor:
        """How far the discriminator is from calling states real (or not), knowing the place."""
        return real_or_not(self.discriminator(states, condition), real)

    def reconstruction(self, places: Places, y: Tensor) -> Tensor:
        """How far a series is from itself after embedding and recovery."""
        return functional.mse_loss(self.recovery(self.embedded(places, y))[..., 0], y)

    def step_ahead(self, states: Tensor) -> Tensor:
        """How far the supervisor's next states are from the next states."""
        return functional.mse_loss(self.supervisor(states[:, :-1]), states[:, 1:])

    def forward(self, places: Places, noise: Tensor) -> Tensor:
        """(N, T) for places of one cell."""
        return self.recovery(self.supervisor(self.imagined(places, noise)))[..., 0]


class TimeGAN:
    """All three phases of the original: embedding, supervisor, joint; gamma = 1, eta = 10.

    The original knows no place: here UEC, people, hour and day go into embedder, generator and discriminator.
    """

    title, draws, grid = "TimeGAN", True, NARROW
    source = "Yoon et al., NeurIPS 2019; written anew after the paper"
    shrunk = "phases by shares of the budget, all parts take equal turns; conditions added, the original has none"

    def __init__(self, shape: Shape, learning_rate: float = 1e-3, tokens: int = TOKENS) -> None:
        self.shape, self.learning_rate = shape, learning_rate
        self.size = tokens // shape.steps  # cells of a batch
        self.networks = Networks(shape)

    def fit(self, train: Blocks, budget: Budget, seed: int) -> None:
        rng, cells, networks = np.random.default_rng(seed), train.cells, self.networks

        def batch() -> tuple[Places, Tensor]:
            places, y = cells.batch(self.size, rng)
            return places, y[..., 0, 0]

        def supervised() -> Tensor:
            places, y = batch()
            return networks.step_ahead(networks.embedded(places, y).detach())

        embedding, supervising, joint = (budget.part(share) for share in PHASES)
        alone(networks, lambda: networks.reconstruction(*batch()), embedding, self.learning_rate)
        alone(networks.supervisor, supervised, supervising, self.learning_rate)
        self.together(batch, joint, seeded(seed))

    def together(self, batch, budget: Budget, noise: torch.Generator) -> None:
        """The third phase: generator and supervisor, then embedder and recovery, then the discriminator."""
        net, rate = self.networks, self.learning_rate
        making = Turns([*net.generator.parameters(), *net.supervisor.parameters()], rate)
        embedding = Turns([*net.embedder.parameters(), *net.recovery.parameters(), *net.condition.parameters()], rate)
        judging = Turns(net.discriminator.parameters(), rate)
        for share in budget:
            places, y = batch()
            raw = net.imagined(places, draw(len(y), self.shape.steps, noise))
            states, true = net.supervisor(raw), net.embedded(places, y).detach()
            made = net.recovery(states)[..., 0]
            moments = sum(
                (of(made, 0) - of(y, 0)).abs().mean() for of in (torch.mean, lambda x, dim: (x.var(dim) + 1e-6).sqrt())
            )
            known = net.condition(places).detach()
            fooled = net.judged(states, known, True) + net.judged(raw, known, True)
            making.take(fooled + 100 * net.step_ahead(true).sqrt() + 100 * moments, share)
            embedding.take(
                10 * net.reconstruction(places, y).sqrt() + 0.1 * net.step_ahead(net.embedded(places, y)), share
            )
            false = sum(net.judged(x.detach(), known, False) for x in (states, raw))
            judging.take(net.judged(true, known, True) + false, share)

    def sample(self, places: Places, samples: int, seed: int) -> Tensor:
        return generate(self.networks, places, self.shape, samples, 4 * self.size, seed)

    @property
    def parameters(self) -> int:
        return count(self.networks)
