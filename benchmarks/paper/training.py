"""How long a method may learn, and the loop that those share which learn by gradient descent."""

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from zoomdiff.training.train import moving_average

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
    return highest * 0.5 * (1 + np.cos(np.pi * (share - WARMUP) / (1 - WARMUP)))


def descend(network: nn.Module, loss_of: Callable[[], Tensor], budget: Budget, learning_rate: float = 1e-3) -> int:
    """AdamW on `loss_of()`, the gradient clipped; the network ends with its averaged weights. Returns the steps done.

    The same for every method that is a single network with a single loss.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-3)
    averaged, update, steps = deepcopy(network), moving_average(0.999), 0
    network.train()
    for share in budget:
        for group in optimiser.param_groups:
            group["lr"] = rate(share, learning_rate)
        optimiser.zero_grad()
        loss = loss_of()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        update(list(averaged.parameters()), list(network.parameters()), torch.tensor(steps))
        steps += 1
    network.load_state_dict(averaged.state_dict())
    network.eval()
    return steps
