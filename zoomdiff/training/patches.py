"""Training data: cities as tensors at all levels, and random block-aligned patches cut from them."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from zoomdiff.context.uec import UEC
from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.diffusion.design import Design
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.diffusion.rhythm import Rhythm
from zoomdiff.errors import DataError
from zoomdiff.inputs import conditions_of
from zoomdiff.levels import Hierarchy, repeat
from zoomdiff.simulator.city import config_of, simulate

RHYTHM_PLACES = 2000  # of a city at every level, about: a covariance needs no more
FLATTEST = 1e-6  # standard deviation of logarithms: what varies less is rounding
INHABITED = 20.0  # people in a block, week's mean, from which patches are centred on it


@dataclass(frozen=True)
class TrainingCity:
    """One city's conditions and several simulated weeks, each at every level (lists are coarse to fine).

    Parameters
    ----------
    conditions
        One batch of one per level.
    weeks
        One list per week, with (T_k, H_k, W_k) bytes per level.
    allowed
        (rows, cols) bool: the blocks that patches are cut from.
    weight
        How often a block of it is shown, compared with those of other cities.
    """

    hierarchy: Hierarchy
    conditions: list[Conditions]
    weeks: list[list[Tensor]]
    allowed: np.ndarray
    weight: float = 1.0

    @classmethod
    def simulated(cls, uec: UEC, seeds: range, preset: str, allowed: np.ndarray | None = None) -> "TrainingCity":
        """The reference city on a UEC, one week per seed. Without `allowed`, all blocks are."""
        hierarchy, config = uec.region.hierarchy, config_of(preset)
        weeks = [hierarchy.pyramid(torch.from_numpy(simulate(uec, seed, config).traffic)) for seed in seeds]
        allowed = np.ones_like(uec.region.blocks) if allowed is None else allowed
        return cls(hierarchy, _conditions(uec, preset), weeks, allowed)

    @classmethod
    def known(cls, uec: UEC, week: np.ndarray, preset: str) -> "TrainingCity":
        """A week (168, H, W) of bytes that somebody has, on the frame of the UEC; its region's blocks are allowed."""
        hierarchy = uec.region.hierarchy
        return cls(
            hierarchy, _conditions(uec, preset), [hierarchy.pyramid(torch.from_numpy(week).float())], uec.region.blocks
        )

    @property
    def blocks(self) -> tuple[int, int]:
        """(rows, columns) of base-station blocks."""
        rows, cols = self.weeks[0][0].shape[1:]
        return rows, cols

    @cached_property
    def inhabited(self) -> np.ndarray:
        """(rows, cols) bool: the allowed blocks where people are; all allowed ones if there are none."""
        people = self.conditions[0].population[0].mean(0).numpy() * self.hierarchy.block**2
        inhabited = self.allowed & (people > INHABITED)
        return inhabited if inhabited.any() else self.allowed

    @cached_property
    def interest(self) -> np.ndarray:
        """(rows, cols) how often patches should show a block: 0 where nobody is, elsewhere 1 in the mean.

        Half of it is the same for all; the other half is shared evenly among the uses (AOI classes), so that a block
        with the city's only station or mall is shown more often than one of a thousand with homes.
        """
        share = self.conditions[0].aoi[0].numpy() * self.inhabited
        whole = share.sum((1, 2), keepdims=True)
        rarity = np.divide(share, whole, where=whole > 0, out=np.zeros_like(share)).sum(0) / (whole > 0).sum()
        interest: np.ndarray = 0.5 * self.inhabited + 0.5 * rarity * self.inhabited.sum()
        return interest

    def windows(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """(n, 2) first row and column of every window of `side` x `side` allowed blocks, and (n,) their interest.

        Nothing of a block that is not allowed is ever seen, not even as a neighbour. Windows without people are left
        out; there may be none.
        """
        if side not in self._windows:
            whole = sliding_window_view(self.allowed, (side, side)).all((2, 3))
            interest = sliding_window_view(self.interest, (side, side)).sum((2, 3))
            first = np.argwhere(whole & (interest > 0))
            self._windows[side] = first, interest[tuple(first.T)]
        return self._windows[side]

    @cached_property
    def _windows(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        return {}


@dataclass(frozen=True)
class Patches:
    """A batch of patches for stage k: its state's volumes and x_{k-1} (None at k = 0) in bytes, conditions like x_k."""

    x_k: Tensor
    coarser: Tensor | None
    conditions: Conditions


def random_patches(
    cities: list[TrainingCity], k: int, side: int, batch: int, rng: np.random.Generator, *, finest: bool = False
) -> Patches:
    """`batch` patches of `side` x `side` blocks (or as many as fit into every city) at level k.

    finest: cut x_k and the conditions from the finest level instead, which continuous noise adding (CA) diffuses.

    A city is as likely as its inhabited blocks are many (times its weight), a window in it by its `interest`;
    wilderness comes along at the edges. Patches are turned and mirrored at random.
    """
    side = min(side, *(n for city in cities for n in city.blocks))
    while not all(len(city.windows(side)[0]) for city in cities):
        side -= 1
    weight = np.array([city.weight * city.inhabited.sum() for city in cities])
    x_k, coarser, conditions = [], [], []
    for i in rng.choice(len(cities), batch, p=weight / weight.sum()):
        city = cities[i]
        week = city.weeks[rng.integers(len(city.weeks))]
        first, interest = city.windows(side)
        row, col = (int(n) for n in first[rng.choice(len(first), p=interest / interest.sum())])
        turn, mirror = int(rng.integers(4)), bool(rng.integers(2))

        def cut(
            x: Tensor,
            level: int,
            city: TrainingCity = city,
            place: tuple[int, int] = (row, col),
            turn: int = turn,
            mirror: bool = mirror,
        ) -> Tensor:
            row, col = place
            n = city.hierarchy.block // city.hierarchy.space_factor(level)
            x = x[..., row * n : (row + side) * n, col * n : (col + side) * n]
            x = torch.rot90(x, turn, (-2, -1))
            return x.flip(-1) if mirror else x

        at = len(week) - 1 if finest else k
        x_k.append(cut(week[at], at))
        if k:
            coarser.append(cut(week[k - 1], k - 1))
        conditions.append(city.conditions[at].map(lambda x, cut=cut, at=at: cut(x, at)))
    return Patches(torch.stack(x_k), torch.stack(coarser) if k else None, Conditions.batch(conditions))


def fit_prior(cities: list[TrainingCity], design: Design) -> ResidualPrior:
    """The code's scale and each stage's statistics, measured on the allowed blocks of the training cities.

    Raises DataError for traffic that is nowhere, or the same everywhere.
    """
    hierarchy = cities[0].hierarchy
    weeks = [(city, week) for city in cities for week in city.weeks]
    finest = torch.cat([_of_allowed(week[-1], city)[::7] for city, week in weeks])
    if not (finest > 0).any():
        raise DataError("There is no traffic to learn from: all volumes are 0.")
    scale = float(np.quantile(finest[finest > 0].numpy(), 0.1))
    plain = LevelStats(0.0, 1.0, 0.0, 0.0, 1.0)
    prior = ResidualPrior(hierarchy, scale, (plain,) * len(hierarchy), design.diffused(hierarchy))
    stats = []
    for k in range(len(hierarchy)):
        logs, rests = _Moments(), _Moments()
        for city, week in weeks:
            log = prior.encode(week[-1 if design.continuous_adding else k], k)
            logs.add(_of_allowed(log, city))
            rests.add(_of_allowed(log - prior.from_coarser(week[k - 1], k) if k else log, city))
        if min(logs.std, rests.std) < FLATTEST:
            raise DataError(
                f"There is nothing to learn at level {hierarchy[k].name}: its traffic is the same everywhere, or is "
                "that of the level before spread evenly; give weeks that were measured at the finest level."
            )
        low, high = ((value - logs.mean) / logs.std for value in (logs.low, logs.high))
        stats.append(LevelStats(logs.mean, logs.std, low, high, rests.std / logs.std))
    return with_rhythm(replace(prior, stats=tuple(stats)), cities, design)


def with_rhythm(prior: ResidualPrior, cities: list[TrainingCity], design: Design) -> ResidualPrior:
    """The prior, where the filter is `wiener` with the rhythm of every stage.

    It is measured on the allowed blocks of the training cities.
    """
    if design.state_filter != "wiener":
        return prior
    rhythms = [Rhythm.fit(*_residuals(prior, cities, k, design)) for k in range(len(prior.hierarchy))]
    stats = (replace(before, rhythm=rhythm) for before, rhythm in zip(prior.stats, rhythms, strict=True))
    return replace(prior, stats=tuple(stats))


def _residuals(prior: ResidualPrior, cities: list[TrainingCity], k: int, design: Design) -> tuple[Tensor, Tensor]:
    """For `Rhythm.fit`: the mean of H_k (n,) and the residual (T, n) in allowed places, one week of every city.

    Where level k - 1 has no traffic at some time nothing is diffused then (`rrdp`), so such places are left out.
    """
    means, residuals = [], []
    for city in cities:
        week = city.weeks[0]
        x = week[-1 if design.continuous_adding else k]
        prior_k = prior.from_coarser(week[k - 1], k) if k else torch.zeros_like(x)
        places = _allowed_cells(x, city)
        if k:
            places &= repeat((week[k - 1] > 0).all(0, keepdim=True), prior.finer(k)[0], 1)[0]
        rows, cols = torch.nonzero(places).T
        some = (slice(None), *(each[:: max(1, len(rows) // RHYTHM_PLACES)] for each in (rows, cols)))
        means.append(prior_k[some].mean(0))
        residuals.append(prior.residual(prior.encode(x[some], k), prior_k[some], k))
    return torch.cat(means), torch.cat(residuals, 1)


@dataclass
class _Moments:
    """Mean, standard deviation and range of numbers that come in parts: all weeks at once would not fit in memory."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, x: Tensor) -> None:
        self.count += x.numel()
        self.total += float(x.sum(dtype=torch.float64))
        self.squares += float(x.double().square().sum())
        self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))

    @property
    def mean(self) -> float:
        return self.total / self.count

    @property
    def std(self) -> float:
        return math.sqrt(max(0.0, self.squares / self.count - self.mean**2))


def _conditions(uec: UEC, preset: str) -> list[Conditions]:
    """The UEC at every level."""
    finest = conditions_of(uec, preset)
    return [finest.at_level(uec.region.hierarchy, k) for k in range(len(uec.region.hierarchy))]


def _of_allowed(x: Tensor, city: TrainingCity) -> Tensor:
    """All values of x (T, H, W) in the city's allowed blocks."""
    return x[:, _allowed_cells(x, city)].flatten()


def _allowed_cells(x: Tensor, city: TrainingCity) -> Tensor:
    """(H, W) bool: the cells of x (T, H, W) in the city's allowed blocks."""
    side = x.shape[-1] // city.blocks[1]
    return torch.from_numpy(np.kron(city.allowed, np.ones((side, side), bool)))
