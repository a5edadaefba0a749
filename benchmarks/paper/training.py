"""How long a method may learn, and the loop that those share which learn by gradient descent."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from zoomdiff.training.loop import Descent, cosine

WARMUP = 0.03  # share of the budget


@dataclass
class Budget:
    """CPU seconds (of all threads of the process) that a training may use, or steps where less is enough.

    Iterating yields, before every step, the share that is used up, from 0 to below 1.
    """

    seconds: float
    steps: int | None = None

    def __iter__(self) -> Iterator[float]:
        started, done = time.process_time(), 0
        while True:
            share = (time.process_time() - started) / self.seconds
            if self.steps is not None:
                share = max(share, done / self.steps)
            if share >= 1:
                return
            yield share
            done += 1

    def part(self, share: float) -> "Budget":
        """A share of it, for a phase."""
        return Budget(self.seconds * share, None if self.steps is None else max(1, round(self.steps * share)))


def rate(share: float, highest: float) -> float:
    """Learning rate: linear warm-up, then a cosine down to zero at the end of the budget."""
    if share < WARMUP:
        return highest * (share + 0.1 * WARMUP) / (1.1 * WARMUP)
    return cosine(highest, (share - WARMUP) / (1 - WARMUP))


def descend(network: nn.Module, loss_of: Callable[[], Tensor], budget: Budget, learning_rate: float = 1e-3) -> int:
    """AdamW on `loss_of()`, the gradient clipped; the network ends with its averaged weights. Returns the steps done.

    The same for every method that is a single network with a single loss.
    """
    descent, steps = Descent(network), 0
    network.train()
    for share in budget:
        descent.step(loss_of, rate(share, learning_rate))
        steps += 1
    network.load_state_dict(descent.averaged.module.state_dict())
    network.eval()
    return steps
