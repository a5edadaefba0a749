"""Volumes <-> their code y_k, and the prior H_k: a level as the coarser one lets expect it (docs/method.md, 3)."""

from dataclasses import dataclass
from types import NoneType

import torch
from torch import Tensor

from zoomdiff.arguments import instance, number
from zoomdiff.diffusion.rhythm import Covariance, Rhythm
from zoomdiff.errors import OptionError
from zoomdiff.levels import Hierarchy, repeat

RANGE_MARGIN = 0.5  # standard deviations that a prediction may leave the training range by
EMPTY = -0.5  # the logarithm given to no traffic at all: a gap below any traffic, or noise would fill the sea with some
LARGEST = 1e9  # number that the statistics of a stage may hold: logarithms have a few digits
SMALLEST = 1 / LARGEST  # standard deviation, and scale
MOST_SCALE = 1e18  # bytes


@dataclass(frozen=True)
class LevelStats:
    """What the training set says about one stage: y = (log - mean) / std, log = log1p(intensity / scale).

    Attributes
    ----------
    mean, std
        Of the logarithm; std is above 0.
    low, high
        Range of y in the training set.
    residual_std
        s_k: standard deviation of y - H_k (of y itself at the first stage).
    rhythm
        Of (y - H_k) / s_k, for the filter `wiener`.

    Raises
    ------
    OptionError
        A value has a wrong type or is out of its range.
    """

    mean: float
    std: float
    low: float
    high: float
    residual_std: float
    rhythm: Rhythm | None = None

    def __post_init__(self) -> None:
        for name in ("mean", "low", "high"):
            number(f"The {name} of a level", getattr(self, name), None, -LARGEST, LARGEST)
        for name in ("std", "residual_std"):
            number(f"The {name} of a level", getattr(self, name), None, SMALLEST, LARGEST)
        if self.low > self.high:
            raise OptionError(f"The range of a level goes from {self.low} down to {self.high}: it must go up.")
        instance("The rhythm of a level", self.rhythm, (Rhythm, NoneType), "a Rhythm, or None")


@dataclass(frozen=True)
class ResidualPrior:
    """Volumes in bytes <-> y of unit variance, H_k, and the residual between them.

    Parameters
    ----------
    hierarchy
        The levels that come out.
    scale
        s, bytes per finest cell and step: where the logarithm sets in.
    stats
        Of each stage.
    diffused
        The level of each stage's state: the same levels, or the finest for all (`Design.diffused`).

    Raises
    ------
    OptionError
        The scale is no number above 0, or there are statistics of more or fewer stages than levels.
    """

    hierarchy: Hierarchy
    scale: float
    stats: tuple[LevelStats, ...]
    diffused: Hierarchy = None  # type: ignore[assignment]  # None becomes `hierarchy`

    def __post_init__(self) -> None:
        object.__setattr__(self, "diffused", self.diffused or self.hierarchy)
        number("The scale of the logarithm", self.scale, None, SMALLEST, MOST_SCALE)
        if not len(self.stats) == len(self.hierarchy) == len(self.diffused):
            raise OptionError(f"Statistics of {len(self.stats)} stages do not fit {len(self.hierarchy)} levels.")

    def encode_intensity(self, intensity: Tensor, k: int) -> Tensor:
        """The code y of stage k for an intensity in bytes per finest cell and step."""
        log = torch.where(intensity > 0, torch.log1p(intensity / self.scale), EMPTY)
        return (log - self.stats[k].mean) / self.stats[k].std

    def encode(self, volume: Tensor, k: int) -> Tensor:
        """The code y of stage k for volumes (..., T, H, W) in bytes at the level that it diffuses."""
        return self.encode_intensity(volume / self.diffused.fine_pieces(k), k)

    def decode(self, y: Tensor, k: int) -> Tensor:
        """Volumes in bytes, never negative: the inverse of `encode`."""
        log = y * self.stats[k].std + self.stats[k].mean
        intensity = self.scale * torch.expm1(log.clamp(min=0))
        return torch.where(log > EMPTY / 2, intensity, 0.0) * self.diffused.fine_pieces(k)

    def finer(self, k: int) -> tuple[int, int]:
        """(space, time) factors from level k - 1 to the level that stage k diffuses."""
        coarse, fine = self.hierarchy[k - 1], self.diffused[k]
        return round(coarse.side / fine.side), coarse.hours // fine.hours

    def from_coarser(self, coarser: Tensor, k: int) -> Tensor:
        """H_k = U_k(x_{k-1}): level k-1's volumes, intensity repeated, in stage k's code."""
        intensity = coarser / self.hierarchy.fine_pieces(k - 1)
        return repeat(self.encode_intensity(intensity, k), *self.finer(k))

    def recode(self, y: Tensor, k: int) -> Tensor:
        """A state of stage k - 1 in the code of stage k and at its level: repeated, not denoised."""
        before, here = self.stats[k - 1], self.stats[k]
        coarse, fine = self.diffused[k - 1], self.diffused[k]
        y = (y * before.std + before.mean - here.mean) / here.std
        return repeat(y, round(coarse.side / fine.side), coarse.hours // fine.hours)

    def residual(self, y: Tensor, prior: Tensor, k: int) -> Tensor:
        """The residual r = (y - H_k) / s_k."""
        return (y - prior) / self.stats[k].residual_std

    def restore(self, r: Tensor, prior: Tensor, k: int) -> Tensor:
        """The code y = H_k + s_k r."""
        return prior + self.stats[k].residual_std * r

    def covariance(self, prior: Tensor, k: int) -> Covariance | None:
        """That of the residual along the week in the places of H_k (B, T, H, W), where a rhythm was measured."""
        rhythm = self.stats[k].rhythm
        return None if rhythm is None else rhythm.covariance(prior)

    def clamp(self, y: Tensor, k: int) -> Tensor:
        """The code y within the training range plus a margin: one runaway logarithm ruins a level."""
        stats = self.stats[k]
        return y.clamp(stats.low - RANGE_MARGIN, stats.high + RANGE_MARGIN)
