"""Training data: cities as tensors at all levels, and random block-aligned patches cut from them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from zoomdiff.context.classes import AOI_CLASSES
from zoomdiff.context.uec import UEC
from zoomdiff.data.city import simulate
from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.levels import Hierarchy

INHABITED = 20.0  # people in a block, week's mean, from which patches are centred on it


@dataclass(frozen=True)
class TrainingCity:
    """One city's conditions and several simulated weeks, each at every level (lists are coarse to fine).

    conditions[k] at level k, batch of one; weeks[i][k] (T_k, H_k, W_k) bytes
    """

    hierarchy: Hierarchy
    conditions: list[Conditions]
    weeks: list[list[Tensor]]

    @classmethod
    def simulated(cls, uec: UEC, seeds: range) -> "TrainingCity":
        """The reference city on a UEC, one week per seed."""
        hierarchy = uec.region.hierarchy
        finest = Conditions.from_arrays(uec.structure, uec.aoi, uec.poi, uec.population, len(AOI_CLASSES))
        weeks = [hierarchy.pyramid(torch.from_numpy(simulate(uec, seed))) for seed in seeds]
        return cls(hierarchy, [finest.at_level(hierarchy, k) for k in range(len(hierarchy))], weeks)

    @property
    def blocks(self) -> tuple[int, int]:
        """(rows, columns) of base-station blocks."""
        return tuple(self.weeks[0][0].shape[1:])

    @cached_property
    def inhabited(self) -> np.ndarray:
        """(n, 2) rows and columns of the blocks where people are; all blocks if there are none."""
        people = self.conditions[0].population[0].mean(0).numpy() * self.hierarchy.block**2
        return np.argwhere(people > INHABITED) if (people > INHABITED).any() else np.argwhere(people >= 0)


@dataclass(frozen=True)
class Patches:
    """A batch of patches of one level: x_k and x_{k-1} (None at level 0) in bytes, conditions at level k."""

    x_k: Tensor
    coarser: Tensor | None
    conditions: Conditions


def random_patches(cities: list[TrainingCity], k: int, side: int, batch: int, rng: np.random.Generator) -> Patches:
    """`batch` patches of `side` x `side` blocks (or as many as the smallest city has) at level k.

    Every inhabited block of any city is as likely to lie in a patch's middle; wilderness comes along at the edges.
    Patches are turned and mirrored at random.
    """
    side = min(side, *(n for city in cities for n in city.blocks))
    weight = np.array([len(city.inhabited) for city in cities], float)
    x_k, coarser, conditions = [], [], []
    for i in rng.choice(len(cities), batch, p=weight / weight.sum()):
        city = cities[i]
        week = city.weeks[rng.integers(len(city.weeks))]
        middle = city.inhabited[rng.integers(len(city.inhabited))]
        row, col = (int(np.clip(m - rng.integers(side), 0, n - side)) for m, n in zip(middle, city.blocks, strict=True))
        turn, mirror = int(rng.integers(4)), bool(rng.integers(2))

        def cut(x: Tensor, level: int, row=row, col=col, turn=turn, mirror=mirror, city=city) -> Tensor:
            n = city.hierarchy.block // city.hierarchy.space_factor(level)
            x = x[..., row * n : (row + side) * n, col * n : (col + side) * n]
            x = torch.rot90(x, turn, (-2, -1))
            return x.flip(-1) if mirror else x

        x_k.append(cut(week[k], k))
        if k:
            coarser.append(cut(week[k - 1], k - 1))
        conditions.append(city.conditions[k].map(lambda x, cut=cut: cut(x, k)))
    return Patches(torch.stack(x_k), torch.stack(coarser) if k else None, Conditions.batch(conditions))


def fit_prior(cities: list[TrainingCity]) -> ResidualPrior:
    """The code's scale and each level's statistics, measured on the training cities."""
    hierarchy = cities[0].hierarchy
    finest = torch.cat([week[-1].flatten()[::7] for city in cities for week in city.weeks])
    scale = float(np.quantile(finest[finest > 0].numpy(), 0.1))
    plain = LevelStats(0.0, 1.0, 0.0, 0.0, 1.0)
    prior = ResidualPrior(hierarchy, scale, (plain,) * len(hierarchy))
    stats = []
    for k in range(len(hierarchy)):
        weeks = [week for city in cities for week in city.weeks]
        logs = [prior.encode(week[k], k) for week in weeks]
        flat = torch.cat([x.flatten() for x in logs])
        std = float(flat.std())
        rest = [x - prior.from_coarser(week[k - 1], k) if k else x for x, week in zip(logs, weeks, strict=True)]
        residual = float(torch.cat([x.flatten() for x in rest]).std()) / std
        mean = float(flat.mean())
        low, high = ((float(v) - mean) / std for v in (flat.min(), flat.max()))
        stats.append(LevelStats(mean, std, low, high, residual))
    return ResidualPrior(hierarchy, scale, tuple(stats))
