"""Gradient descent for any network: AdamW, clipped gradients, a learning rate per step, averaged weights."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

State = dict[str, Any]

WEIGHT_DECAY = 1e-3
CLIP = 1.0  # longest gradient
EMA = 0.999


class Descent:
    """What a network is trained with.

    Parameters
    ----------
    network
        Trained in place.
    ema
        Decay of the moving average of the weights.

    Attributes
    ----------
    averaged
        The network with the averaged weights.
    optimiser
        AdamW.
    """

    def __init__(self, network: nn.Module, ema: float = EMA) -> None:
        self.network = network
        self.averaged = AveragedModel(network, multi_avg_fn=moving_average(ema))
        self.optimiser = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)

    def step(self, loss_of: Callable[[], Tensor], learning_rate: float) -> float:
        """One step down the loss; returns it."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        loss = loss_of()
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        self.averaged.update_parameters(self.network)
        return loss.item()

    def state(self) -> State:
        """What `restore` needs to go on exactly."""
        return {
            "network": self.network.state_dict(),
            "ema": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: State) -> None:
        """Go on from a state that `state` gave; another raises what Python raises, or ValueError."""
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["ema"])
        # The groups hold what this class sets itself, and the rate of the last step, which the next one sets.
        groups = self.optimiser.state_dict()["param_groups"]
        moments, weights = state["optimiser"]["state"], list(self.network.parameters())
        for number, of_one in moments.items():
            shapes = {name: x.shape for name, x in of_one.items()}
            shape = weights[number].shape
            if shapes != {"step": torch.Size(), "exp_avg": shape, "exp_avg_sq": shape}:
                raise ValueError("the moments of other weights")
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})


def cosine(highest: float, done: float) -> float:
    """A learning rate that falls from `highest` to zero, where a share of the steps is done."""
    return highest * 0.5 * (1 + math.cos(math.pi * done))


def moving_average(decay: float) -> Callable[..., None]:
    """The exponential moving average of the weights; over the first steps a shorter one, so that short runs count."""

    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], number: Tensor | int) -> None:
        weight = 1 - min(decay, (1 + float(number)) / (10 + float(number)))
        for mean, value in zip(averaged, current, strict=True):
            mean.lerp_(value, weight)

    return update
