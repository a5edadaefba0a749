"""The zoom levels: how the same week of traffic is cut into coarser and finer pieces of space and time.

Traffic is an array (..., T, H, W) of volumes (bytes) per step and grid cell. All functions work alike on numpy arrays
and torch tensors and keep their dtype. Volumes add up (`aggregate`); the intensity of a cell is what every one of its
finest pieces would carry if it were spread evenly, so refining a volume divides it (`refine`).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

HOURS_PER_DAY = 24
DAYS_PER_WEEK = 7
HOURS_PER_WEEK = DAYS_PER_WEEK * HOURS_PER_DAY


@dataclass(frozen=True)
class Level:
    """One zoom level: square cells of `side` metres, time steps of `hours`."""

    name: str  # used in file names and options
    title: str  # shown to people
    side: float  # metres
    hours: int

    @property
    def steps_per_day(self) -> int:
        return HOURS_PER_DAY // self.hours


@dataclass(frozen=True)
class Hierarchy:
    """Levels from coarse to fine, each no coarser than the one before (paper Sec. III-B).

    Raises ValueError where a level is coarser than the one before, or does not divide it evenly.
    """

    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        for level in self.levels:
            if level.hours < 1 or HOURS_PER_DAY % level.hours:
                raise ValueError(f"level {level.name}: {level.hours} h does not divide a day evenly")
        for coarse, fine in pairwise(self.levels):
            if coarse.side % fine.side or coarse.hours % fine.hours:
                raise ValueError(f"level {fine.name} does not divide level {coarse.name} evenly")

    def __iter__(self):
        return iter(self.levels)

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, k: int) -> Level:
        return self.levels[k]

    def index(self, name: str) -> int:
        """Position of the level called `name`; KeyError if there is none."""
        for k, level in enumerate(self.levels):
            if level.name == name:
                return k
        raise KeyError(name)

    @property
    def finest(self) -> Level:
        return self.levels[-1]

    @property
    def block(self) -> int:
        """Finest cells along the side of one coarsest cell: regions are multiples of it."""
        return self.space_factor(0)

    def space_factor(self, k: int) -> int:
        """Finest cells along the side of a cell of level k."""
        return round(self.levels[k].side / self.finest.side)

    def time_factor(self, k: int) -> int:
        """Finest time steps in one step of level k."""
        return self.levels[k].hours // self.finest.hours

    def fine_pieces(self, k: int) -> int:
        """Finest cells x steps in one value of level k: volume = intensity x fine_pieces."""
        return self.space_factor(k) ** 2 * self.time_factor(k)

    def between(self, coarse: int, fine: int) -> tuple[int, int]:
        """(space, time) factors from level `coarse` to the finer or equal level `fine`."""
        return (
            round(self.levels[coarse].side / self.levels[fine].side),
            self.levels[coarse].hours // self.levels[fine].hours,
        )

    def pyramid(self, finest) -> list:
        """All levels, coarse to fine, as exact aggregates of the finest volumes (..., T, H, W)."""
        return [aggregate(finest, self.space_factor(k), self.time_factor(k)) for k in range(len(self))]


S4T4 = Hierarchy(
    (
        Level("bs", "1 day · base station (400 m)", 400, 24),
        Level("cell", "4 h · cell (200 m)", 200, 4),
        Level("grid100", "2 h · 100 m grid", 100, 2),
        Level("grid50", "1 h · 50 m grid", 50, 1),
    )
)


def aggregate(x, space: int, time: int):
    """Sum volumes (..., T, H, W) over blocks of `time` steps and `space` x `space` cells.

    Raises ValueError if a dimension is not a multiple of its block.
    """
    t, h, w = x.shape[-3:]
    if t % time or h % space or w % space:
        raise ValueError(f"({t}, {h}, {w}) is not a multiple of blocks ({time}, {space}, {space})")
    return _blocks(x, space, time).sum(axis=(-5, -3, -1))


def repeat(x, space: int, time: int):
    """Repeat every value of (..., T, H, W) over a block of `time` x `space` x `space`: the U_k of an intensity."""
    xp = _library(x)
    *rest, t, h, w = x.shape
    blocks = xp.broadcast_to(_of_blocks(x), (*rest, t, time, h, space, w, space))
    return blocks.reshape(*rest, t * time, h * space, w * space)


def refine(x, space: int, time: int):
    """Spread volumes (..., T, H, W) evenly over blocks: aggregate(refine(x)) == x."""
    return repeat(x / (space * space * time), space, time)


def conserve(levels: list, hierarchy: Hierarchy, mode: str = "bottom_up") -> list:
    """Make levels of volumes agree, so that zooming never changes a total (docs/method.md section 6.1).

    bottom_up   every coarser level becomes the exact sum of the finest one, which stays as it is.
    top_down    every level is rescaled block by block to the (already rescaled) coarser one; zeros and signs stay. A
                block without any fine traffic takes an even share, as there is nothing to scale.
    """
    if mode == "bottom_up":
        return hierarchy.pyramid(levels[-1])
    if mode != "top_down":
        raise ValueError(f"unknown conservation mode {mode!r}")
    kept = [levels[0]]
    for k in range(1, len(hierarchy)):
        space, time = hierarchy.between(k - 1, k)
        xp = _library(levels[k])
        target = kept[-1]
        have = aggregate(levels[k], space, time)
        empty = have <= 0
        ratio = target / xp.where(empty, xp.ones_like(have), have)
        pieces = _blocks(levels[k], space, time)
        scaled = xp.where(_of_blocks(empty), _of_blocks(target / (space**2 * time)), pieces * _of_blocks(ratio))
        kept.append(scaled.reshape(levels[k].shape))
    return kept


def gaps(volumes: list, hierarchy: Hierarchy) -> list[float]:
    """Relative difference of each level from the sum of the next finer one: what conservation removes."""
    return [
        float(abs(aggregate(fine, *hierarchy.between(k, k + 1)) - coarse).sum() / max(1.0, float(coarse.sum())))
        for k, (coarse, fine) in enumerate(pairwise(volumes))
    ]


def _library(x):
    """numpy or torch, whichever x is of. Torch is imported for tensors only: maps and contexts do without it."""
    if isinstance(x, np.ndarray):
        return np
    import torch

    return torch


def _blocks(x, space: int, time: int):
    """(..., T, H, W) -> (..., T', time, H', space, W', space), a view."""
    *rest, t, h, w = x.shape
    return x.reshape(*rest, t // time, time, h // space, space, w // space, space)


def _of_blocks(x):
    """One value per block (..., T', H', W'), to broadcast against `_blocks`."""
    return x[..., :, None, :, None, :, None]
