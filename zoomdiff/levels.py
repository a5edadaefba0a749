"""The zoom levels: how the same week of traffic is cut into coarser and finer pieces of space and time.

Traffic is an array (..., T, H, W) of volumes (bytes) per step and grid cell. All functions work alike on numpy arrays
and torch tensors and keep their dtype. Volumes add up (`aggregate`); the intensity of a cell is what every one of its
finest pieces would carry if it were spread evenly, so refining a volume divides it (`refine`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from zoomdiff.arguments import number, text, whole, wrong
from zoomdiff.errors import OptionError

if TYPE_CHECKING:
    import torch

ArrayT = TypeVar("ArrayT", np.ndarray, "torch.Tensor")

HOURS_PER_DAY = 24
DAYS_PER_WEEK = 7
HOURS_PER_WEEK = DAYS_PER_WEEK * HOURS_PER_DAY

LEAST_SIDE, MOST_SIDE = 25, 100_000  # metres: finer cells would make a raster of nearly any region too large
MOST_LEVELS, MOST_BLOCK = 16, 64
NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,39}")  # of a level: files are called by it
LONGEST_TITLE = 100  # characters


@dataclass(frozen=True)
class Level:
    """One zoom level: square cells and equal time steps.

    Attributes
    ----------
    name
        As in file names and options: up to 40 letters a-z, digits, - and _.
    title
        As shown to people: one line.
    side
        Of a cell, 25 to 100,000 metres.
    hours
        In a time step; a day has a whole number of them.

    Raises
    ------
    OptionError
        A value has a wrong type or is out of its range.
    """

    name: str
    title: str
    side: float
    hours: int

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise wrong(
                "The name of a level", self.name, "up to 40 letters a-z, digits, - and _, as files are named so"
            )
        text("The title of a level", self.title, LONGEST_TITLE)
        number(f"The side of level {self.name}", self.side, None, LEAST_SIDE, MOST_SIDE)
        if HOURS_PER_DAY % whole(f"The hours of level {self.name}", self.hours, range(1, HOURS_PER_DAY + 1)):
            raise OptionError(f"The {self.hours} hours of level {self.name} do not divide a day evenly.")

    @property
    def steps_per_day(self) -> int:
        """Time steps in a day."""
        return HOURS_PER_DAY // self.hours


@dataclass(frozen=True)
class Hierarchy:
    """Levels from coarse to fine, each no coarser than the one before (paper Sec. III-B).

    Raises
    ------
    OptionError
        There is no level or there are too many, two have the same name, or one is coarser than the one before, or does
        not divide it evenly.

    Examples
    --------
    >>> [(level.name, level.side, level.hours) for level in S4T4]
    [('bs', 400, 24), ('cell', 200, 4), ('grid100', 100, 2), ('grid50', 50, 1)]
    >>> S4T4.block, S4T4.between(0, 3)
    (8, (8, 24))
    """

    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        levels = self.levels
        some = isinstance(levels, tuple) and all(isinstance(level, Level) for level in levels)
        if not some or not 1 <= len(levels) <= MOST_LEVELS:
            raise wrong("The levels of a hierarchy", levels, f"a tuple of 1 to {MOST_LEVELS} of type Level")
        names = [level.name for level in levels]
        if len({name.lower() for name in names}) < len(names):  # some systems take a.json and A.json for one file
            raise OptionError(
                f"The levels {', '.join(names)} do not all have different names: files are called by them."
            )
        for coarse, fine in pairwise(levels):
            if coarse.side % fine.side or coarse.hours % fine.hours:
                raise OptionError(f"The level {fine.name} does not divide the level {coarse.name} evenly.")
        if self.block > MOST_BLOCK:
            raise OptionError(
                f"The cells of level {names[0]} are {self.block} times as wide as those of {names[-1]}: at most "
                f"{MOST_BLOCK} times is possible."
            )

    def __iter__(self) -> Iterator[Level]:
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
        """The last level."""
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

    def steps(self, k: int) -> int:
        """Time steps of level k in a week."""
        return HOURS_PER_WEEK // self.levels[k].hours

    def fine_pieces(self, k: int) -> int:
        """Finest cells x steps in one value of level k: volume = intensity x fine_pieces."""
        return self.space_factor(k) ** 2 * self.time_factor(k)

    def between(self, coarse: int, fine: int) -> tuple[int, int]:
        """(space, time) factors from level `coarse` to the finer or equal level `fine`."""
        return (
            round(self.levels[coarse].side / self.levels[fine].side),
            self.levels[coarse].hours // self.levels[fine].hours,
        )

    def pyramid(self, finest: ArrayT) -> list[ArrayT]:
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


def aggregate(x: ArrayT, space: int, time: int) -> ArrayT:
    """Sum volumes over blocks of `time` steps and `space` x `space` cells.

    Parameters
    ----------
    x
        (..., T, H, W) volumes.
    space, time
        Side and length of a block.

    Returns
    -------
    np.ndarray or torch.Tensor
        (..., T / time, H / space, W / space), of the kind and dtype of `x`.

    Raises
    ------
    ValueError
        A dimension is not a multiple of its block.

    Examples
    --------
    >>> aggregate(np.arange(8.0).reshape(2, 2, 2), space=2, time=1)
    array([[[ 6.]],
    <BLANKLINE>
           [[22.]]])
    """
    t, h, w = x.shape[-3:]
    if t % time or h % space or w % space:
        raise ValueError(f"({t}, {h}, {w}) is not a multiple of blocks ({time}, {space}, {space})")
    total: ArrayT = _blocks(x, space, time).sum((-5, -3, -1))
    return total


def repeat(x: ArrayT, space: int, time: int) -> ArrayT:
    """Repeat every value of (..., T, H, W) over a block of `time` x `space` x `space`: the U_k of an intensity."""
    xp = _library(x)
    *rest, t, h, w = x.shape
    blocks: ArrayT = xp.broadcast_to(_per_block(x), (*rest, t, time, h, space, w, space))
    return blocks.reshape(*rest, t * time, h * space, w * space)


def refine(x: ArrayT, space: int, time: int) -> ArrayT:
    """Spread volumes (..., T, H, W) evenly over blocks: aggregate(refine(x)) == x."""
    return repeat(x / (space * space * time), space, time)


def conserve(levels: Sequence[ArrayT], hierarchy: Hierarchy, mode: str = "bottom_up") -> list[ArrayT]:
    """Make levels of volumes agree, so that zooming never changes a total (docs/method.md section 6.1).

    Parameters
    ----------
    levels
        (..., T_k, H_k, W_k) volumes, coarse to fine.
    hierarchy
        What the levels are.
    mode
        "bottom_up": every coarser level becomes the exact sum of the finest one, which stays as it is. "top_down":
        every level is rescaled block by block to the (already rescaled) coarser one; zeros and signs stay. A block
        without any fine traffic takes an even share, as it has nothing to scale.

    Raises
    ------
    ValueError
        The mode is unknown.
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
        even = _per_block(target / (space**2 * time))
        scaled: ArrayT = xp.where(_per_block(empty), even, pieces * _per_block(ratio))
        kept.append(scaled.reshape(levels[k].shape))
    return kept


def gaps(volumes: Sequence[ArrayT], hierarchy: Hierarchy) -> list[float]:
    """Relative difference of each level from the sum of the next finer one: what conservation removes."""
    return [float(gap / max(1.0, float(volume))) for gap, volume in gap_sums(volumes, hierarchy)]


def gap_sums(volumes: Sequence[ArrayT], hierarchy: Hierarchy) -> list[tuple[ArrayT, ArrayT]]:
    """What `gaps` divides: of each level the sum of its differences, and its total; those of parts add up."""
    return [
        (abs(aggregate(fine, *hierarchy.between(k, k + 1)) - coarse).sum(), coarse.sum())
        for k, (coarse, fine) in enumerate(pairwise(volumes))
    ]


def _library(x: "np.ndarray | torch.Tensor") -> ModuleType:
    """Numpy or torch, as `x` is of. Torch is imported for tensors only: maps and contexts do without it."""
    if isinstance(x, np.ndarray):
        return np
    import torch

    return torch


def _blocks(x: ArrayT, space: int, time: int) -> ArrayT:
    """(..., T, H, W) -> (..., T', time, H', space, W', space), a view."""
    *rest, t, h, w = x.shape
    return x.reshape(*rest, t // time, time, h // space, space, w // space, space)


def _per_block(x: ArrayT) -> ArrayT:
    """One value per block (..., T', H', W'), to broadcast against `_blocks`."""
    return x[..., :, None, :, None, :, None]
