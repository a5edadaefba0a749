"""How a week is made, and what is reported while it is made: the arguments that all of `generate` shares."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from zoomdiff.errors import OptionError

SAMPLERS = ("ancestral", "ddim", "dpm")  # see `diffusion.samplers`
OnStep = Callable[[int, int, int], None]
OnLevel = Callable[[int, np.ndarray], None]


@dataclass(frozen=True)
class Plan:
    """How to walk the stages.

    Parameters
    ----------
    budget
        Strides of each stage, coarse to fine.
    sampler
        One of SAMPLERS.
    power
        Of the strides of each stage, see `diffusion.schedule.few_steps`; one number for all.
    spread
        Variance of a Gaussian whose spread the strides are to keep, though they are few: the ancestral sampler adds the
        noise that they leave out, for the others the starting noise is scaled up by what they lose.
    guidance
        w of classifier-free guidance: free + w (conditioned - free); 1 costs no second pass.
    prior_noise
        How noisy H_k is, for the network.
    tile
        Cells along the side of a tile, None for one piece; rounded down to whole blocks.

    Raises
    ------
    OptionError
        A value is unknown or out of its range, or `power` has another length than `budget`.
    """

    budget: tuple[int, ...]
    sampler: str = "ddim"
    power: float | tuple[float, ...] = 1.0
    spread: float = 0.0
    guidance: float = 1.0
    prior_noise: float = 0.0
    tile: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "budget", tuple(self.budget))
        if isinstance(self.power, Iterable):  # a list, where it comes from a JSON file
            object.__setattr__(self, "power", tuple(self.power))
        if not all(isinstance(strides, int) and strides >= 1 for strides in self.budget):
            raise OptionError(f"The strides of a stage are whole numbers from 1, not {self.budget}.")
        if self.sampler not in SAMPLERS:
            raise OptionError(f"The sampler {self.sampler!r} is unknown: use one of {', '.join(SAMPLERS)}.")
        powers = self.power if isinstance(self.power, tuple) else (self.power,) * len(self.budget)
        if len(powers) != len(self.budget):
            raise OptionError(f"{len(powers)} powers do not fit {len(self.budget)} stages: give one number for each.")
        if not all(math.isfinite(power) and power > 0 for power in powers):
            raise OptionError(f"The powers of the strides must be above 0, not {self.power}.")
        if not all(math.isfinite(value) and value >= 0 for value in (self.spread, self.prior_noise)):
            raise OptionError(f"Spread and prior noise must be 0 or more, not {self.spread} and {self.prior_noise}.")
        if not math.isfinite(self.guidance):
            raise OptionError(f"The guidance must be a finite number, not {self.guidance}.")
        if self.tile is not None and self.tile < 1:
            raise OptionError(f"A tile has at least one cell along its side, not {self.tile}.")

    def check(self, stage_steps: Sequence[int]) -> None:
        """Raise OptionError unless stages of so many steps can be walked so."""
        if len(self.budget) != len(stage_steps):
            raise OptionError(
                f"The plan has strides for {len(self.budget)} stages, and the model has {len(stage_steps)}."
            )
        for number, (strides, steps) in enumerate(zip(self.budget, stage_steps, strict=True), start=1):
            if strides > steps:
                raise OptionError(f"Stage {number} has {steps} steps: it cannot take {strides} strides.")

    def power_of(self, k: int) -> float:
        """Of stage k."""
        return self.power[k] if isinstance(self.power, tuple) else self.power


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

    steps: str | int | Plan = "fast"
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
