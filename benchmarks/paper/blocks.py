"""Blocks of a level as tensors: the one form in which every single-level method gets its data.

A block is a base station's 400 m (in Nanchang a patch): at level k it holds h x w cells. All methods get the same code
y of the traffic (`Work.prior`) and the same inputs, scaled by the training blocks' own mean and spread.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from torch import Tensor

from benchmarks.paper.works import Case, Work
from zoomdiff.diffusion.prior import ResidualPrior
from zoomdiff.training.patches import TrainingCity


@dataclass(frozen=True)
class Places:
    """Where traffic is to be generated: N blocks, with everything that a method may know.

    people  (N, T, h, w)   people of each step, as log1p, scaled
    static  (N, F, h, w)   the UEC of the cell, of its block, and of the blocks around, and the preset, scaled
    """

    people: Tensor
    static: Tensor

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, index: Tensor | slice) -> "Places":
        return Places(self.people[index], self.static[index])

    def cells(self) -> "Places":
        """Every cell as its own block: N h w places of (T, 1, 1) and (F, 1, 1)."""
        return Places(split_blocks(self.people), split_blocks(self.static))


@dataclass(frozen=True)
class Blocks:
    """Places and their traffic: y (N, W, T, h, w), W weeks of each."""

    places: Places
    y: Tensor

    def __len__(self) -> int:
        return len(self.places)

    @property
    def shape(self) -> "Shape":
        _, _, steps, h, w = self.y.shape
        return Shape(steps, steps // 7, h, w, self.places.static.shape[1])

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Places, Tensor]:
        """Places drawn at random and one week of each, (size, T, h, w)."""
        index = torch.from_numpy(rng.integers(len(self), size=size))
        week = torch.from_numpy(rng.integers(self.y.shape[1], size=size))
        return self.places[index], self.y[index, week]

    @cached_property
    def cells(self) -> "Blocks":
        """Every cell as its own block."""
        n, weeks, steps, h, w = self.y.shape
        y = self.y.permute(0, 3, 4, 1, 2).reshape(n * h * w, weeks, steps, 1, 1)
        return Blocks(self.places.cells(), y)


@dataclass(frozen=True)
class Shape:
    """Sizes that a method is built for: steps of the week and of the day, cells of a block, static features."""

    steps: int
    per_day: int
    h: int
    w: int
    features: int


def split_blocks(x: Tensor) -> Tensor:
    """(N, C, h, w) -> (N h w, C, 1, 1)."""
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n * h * w, c, 1, 1)


def join_cells(x: Tensor, h: int, w: int) -> Tensor:
    """(..., N h w, T, 1, 1) -> (..., N, T, h, w): the inverse of `split_blocks`."""
    *rest, cells, steps, _, _ = x.shape
    return x.reshape(*rest, cells // (h * w), h, w, steps).movedim(-1, -3)


@dataclass(frozen=True)
class LevelView:
    """One level of a work: blocks to learn from, and the places of every case to tune and to test on, by name."""

    train: Blocks
    cases: dict[str, Places]


def view(work: Work, k: int, prior: ResidualPrior) -> LevelView:
    """Level k of a work."""
    raw = [_raw(city, k, city.inhabited) for city in work.train]
    people, static = (torch.cat(parts) for parts in zip(*raw, strict=True))
    scale = [
        (x.mean((0, *over), keepdim=True), x.std((0, *over), keepdim=True).clamp(min=1e-3))
        for x, over in ((people, (1, 2, 3)), (static, (2, 3)))
    ]

    def places(*unscaled: Tensor) -> Places:
        return Places(*((x - mean) / sd for x, (mean, sd) in zip(unscaled, scale, strict=True)))

    y = torch.cat(
        [torch.stack([cut(prior.encode(week[k], k), city.inhabited) for week in city.weeks], 1) for city in work.train]
    )
    cases = {case.name: places(*_raw(case.city, k, case.city.allowed)) for case in (*work.tune, *work.test)}
    return LevelView(Blocks(places(people, static), y), cases)


def truth_of(case: Case, k: int) -> Tensor:
    """(N, T, h, w) volumes of a case at level k, blocks in the order of `places`."""
    return cut(case.city.weeks[0][k], case.city.allowed)


def volumes_of(y: Tensor, k: int, prior: ResidualPrior) -> Tensor:
    """Volumes for a generated code, kept to the training range as ours are."""
    return prior.decode(prior.clamp(y, k), k)


def _raw(city: TrainingCity, k: int, shown: np.ndarray) -> tuple[Tensor, Tensor]:
    """People and static features of the blocks `shown` (rows, cols) of a city at level k, not scaled yet."""
    here = city.conditions[k]
    logs = [torch.log1p(x[0]) for x in (here.structure, here.poi, here.users)]
    own = torch.cat([*logs, here.aoi[0]])  # (F, H, W)
    rows, cols = city.blocks
    h, w = own.shape[1] // rows, own.shape[2] // cols
    block = own.reshape(-1, rows, h, cols, w).mean((2, 4))
    # Nothing of blocks that are not allowed is visible, not even from their neighbours.
    seen = torch.from_numpy(uniform_filter(city.allowed.astype(np.float32), 3, mode="constant"))
    around = (block * torch.from_numpy(city.allowed)).numpy()
    around = torch.from_numpy(uniform_filter(around, (0, 3, 3), mode="constant")) / seen.clamp(min=1e-6)
    coarse = torch.cat([block, around]).repeat_interleave(h, 1).repeat_interleave(w, 2)
    preset = torch.full_like(own[:1], float(here.preset))
    place = torch.stack(torch.meshgrid(torch.arange(h) / h, torch.arange(w) / w, indexing="ij")).repeat(1, rows, cols)
    return cut(torch.log1p(here.population[0]), shown), cut(torch.cat([own, coarse, place, preset]), shown)


def cut(x: Tensor, shown: np.ndarray) -> Tensor:
    """(C, H, W) -> (N, C, h, w): the blocks of `shown` (rows, cols), row by row."""
    rows, cols = shown.shape
    c, height, width = x.shape
    parts = x.reshape(c, rows, height // rows, cols, width // cols).permute(1, 3, 0, 2, 4)
    return parts[torch.from_numpy(shown)]
