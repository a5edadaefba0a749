"""How a week is made, and what is reported while it is made: the arguments that all of `generate` shares."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from zoomdiff.arguments import instance, number, whole, wrong
from zoomdiff.errors import OptionError
from zoomdiff.presets import check_preset

COUNTS = range(1, 2**31)
LARGEST = 100  # number that a plan may hold: far above all that is of use, and far below what ends as no number
NAMED_STEPS = ("fast", "full")
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
        for name in ("budget", "power"):  # a list, where it comes from a JSON file
            if isinstance(value := getattr(self, name), Iterable) and not isinstance(value, str):
                object.__setattr__(self, name, tuple(value))
        instance("The budget", self.budget, tuple, "a whole number of strides per stage")
        for strides in self.budget:
            whole("The strides of a stage", strides, COUNTS, "a whole number from 1")
        if self.sampler not in SAMPLERS:
            raise OptionError(f"The sampler {self.sampler!r} is unknown: use one of {', '.join(SAMPLERS)}.")
        powers = self.power if isinstance(self.power, tuple) else (self.power,) * len(self.budget)
        if len(powers) != len(self.budget):
            raise OptionError(f"{len(powers)} powers do not fit {len(self.budget)} stages: give one number for each.")
        for power in powers:
            number("The power of the strides", power, None, 1 / LARGEST, LARGEST)
        number("The spread", self.spread, None, 0, LARGEST)
        number("The prior noise", self.prior_noise, None, 0, LARGEST)
        _check_guided(self.guidance, self.tile)

    def check(self, stage_steps: Sequence[int]) -> None:
        """Raise OptionError unless stages of so many steps can be walked so."""
        if len(self.budget) != len(stage_steps):
            raise OptionError(
                f"The plan has strides for {len(self.budget)} stages, and the model has {len(stage_steps)}."
            )
        for stage, (strides, steps) in enumerate(zip(self.budget, stage_steps, strict=True), start=1):
            if strides > steps:
                raise OptionError(f"Stage {stage} has {steps} steps: it cannot take {strides} strides.")

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

    Raises
    ------
    OptionError
        A value has a wrong type, is unknown or out of its range.
    """

    steps: str | int | Plan = "fast"
    preset: str = "europe"
    guidance: float = 1.0
    tile: int | None = None

    def __post_init__(self) -> None:
        named = isinstance(self.steps, str) and self.steps in NAMED_STEPS
        if not named and not isinstance(self.steps, Plan):
            self.strides(COUNTS[-1])
        check_preset(self.preset)
        _check_guided(self.guidance, self.tile)

    def strides(self, most: int) -> int:
        """The steps, given as a number, of which no level has more than `most`. Raises OptionError."""
        valid = "fast, full or a number from 1" + (f" to {most} per level" if most < COUNTS[-1] else "")
        if isinstance(self.steps, str) and self.steps.isascii() and self.steps.isdecimal() and len(self.steps) < 10:
            return whole("Steps", int(self.steps), range(1, most + 1), valid)
        return whole("Steps", self.steps, range(1, most + 1), valid)


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

    def __post_init__(self) -> None:
        for name, call in (("on_step", self.on_step), ("on_level", self.on_level)):
            if call is not None and not callable(call):
                raise wrong(name, call, "a function")


def _check_guided(guidance: object, tile: object) -> None:
    """Raise OptionError unless a plan and a sampling can have them."""
    number("The guidance", guidance, None, 0, LARGEST)
    if tile is not None:
        whole("The tile", tile, COUNTS, "a whole number of cells from 1, or None")
