"""The prior: a level is generated as a residual on top of the coarser one (paper Sec. IV-B1, method.md section 3)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from zoomdiff.levels import Hierarchy, repeat

RANGE_MARGIN = 0.5  # standard deviations that a prediction may leave the training range by
EMPTY = -0.5  # the logarithm given to no traffic at all: a gap below any traffic, or noise would fill the sea with some


@dataclass(frozen=True)
class LevelStats:
    """What the training set says about one level: y = (log - mean) / std, log = log1p(intensity / scale).

    low, high      range of y in the training set
    residual_std   s_k: standard deviation of y - H_k (of y itself at the first level)
    """

    mean: float
    std: float
    low: float
    high: float
    residual_std: float


@dataclass(frozen=True)
class ResidualPrior:
    """Volumes in bytes <-> residuals of unit variance that the network diffuses.

    scale   s, bytes per finest cell and step: where the logarithm sets in
    """

    hierarchy: Hierarchy
    scale: float
    stats: tuple[LevelStats, ...]

    def encode_intensity(self, intensity: Tensor, k: int) -> Tensor:
        """y of level k for an intensity in bytes per finest cell and step."""
        log = torch.where(intensity > 0, torch.log1p(intensity / self.scale), EMPTY)
        return (log - self.stats[k].mean) / self.stats[k].std

    def encode(self, volume: Tensor, k: int) -> Tensor:
        """y of level k for volumes (..., T_k, H_k, W_k) in bytes."""
        return self.encode_intensity(volume / self.hierarchy.fine_pieces(k), k)

    def decode(self, y: Tensor, k: int) -> Tensor:
        """Volumes in bytes, never negative: the inverse of `encode`."""
        log = y * self.stats[k].std + self.stats[k].mean
        intensity = self.scale * torch.expm1(log.clamp(min=0))
        return torch.where(log > EMPTY / 2, intensity, 0.0) * self.hierarchy.fine_pieces(k)

    def from_coarser(self, coarser: Tensor, k: int) -> Tensor:
        """H_k = U_k(x_{k-1}): level k-1's volumes, intensity repeated, in level k's code."""
        intensity = coarser / self.hierarchy.fine_pieces(k - 1)
        return repeat(self.encode_intensity(intensity, k), *self.hierarchy.between(k - 1, k))

    def residual(self, y: Tensor, prior: Tensor, k: int) -> Tensor:
        """r = (y - H_k) / s_k."""
        return (y - prior) / self.stats[k].residual_std

    def restore(self, r: Tensor, prior: Tensor, k: int) -> Tensor:
        """y = H_k + s_k r."""
        return prior + self.stats[k].residual_std * r

    def clamp(self, r: Tensor, prior: Tensor, k: int) -> Tensor:
        """The residual whose y stays in the training range plus a margin: one runaway log value ruins a level."""
        stats = self.stats[k]
        y = self.restore(r, prior, k).clamp(stats.low - RANGE_MARGIN, stats.high + RANGE_MARGIN)
        return self.residual(y, prior, k)
