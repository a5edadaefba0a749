"""How a week is made, and what is reported while it is made: the two arguments that all of `generate` shares."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from zoomdiff.diffusion.drdm import Plan

OnStep = Callable[[int, int, int], None]
OnLevel = Callable[[int, np.ndarray], None]


@dataclass(frozen=True)
class Sampling:
    """How a week is made.

    Parameters
    ----------
    steps
        "fast" (a few ancestral strides per level), "full" (all 600), a number of strides per level, or a `Plan`, which
        then also sets guidance and tile.
    preset
        Whose habits the people have: "china" or "europe".
    guidance
        Above 1 the map counts for more, and variety for less (classifier-free guidance; doubles the time).
    tile
        Finest cells along the side of the pieces that larger regions are made in; None: what suits the device. The
        result is the same.
    """

    steps: "str | int | Plan" = "fast"
    preset: str = "europe"
    guidance: float = 1.0
    tile: int | None = None


@dataclass(frozen=True)
class Callbacks:
    """What is called while a week is made. An exception that a callback raises ends the run.

    Parameters
    ----------
    on_step
        Called with (k, step, steps) after every denoising step of level k.
    on_level
        Called with (k, volumes) as soon as level k exists: (T_k, H_k, W_k) bytes, before the levels are made to agree.
    """

    on_step: OnStep | None = None
    on_level: OnLevel | None = None
