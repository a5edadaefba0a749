"""ZoomDiff in the benchmark: one model for all levels, trained from nothing on the same blocks within the same budget;
and the direct regression with the same network."""

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from benchmarks.paper.baselines.parts import count
from benchmarks.paper.blocks import cut
from benchmarks.paper.training import Budget, descend
from benchmarks.paper.works import Case, Work, nodes_of
from zoomdiff.device import autocast
from zoomdiff.diffusion.design import Design
from zoomdiff.diffusion.drdm import DRDM, rrdp
from zoomdiff.diffusion.network import DayTokenNetwork
from zoomdiff.diffusion.noise import WorldNoise
from zoomdiff.diffusion.prior import ResidualPrior
from zoomdiff.generation import FAST, POWER, SPREAD, TILE
from zoomdiff.levels import Hierarchy, conserve
from zoomdiff.sampling import Plan
from zoomdiff.training.config import TrainConfig
from zoomdiff.training.patches import random_patches, with_rhythm
from zoomdiff.training.train import LONGEST_SIDE, batch_loss

CPU = torch.device("cpu")
# What differs from training proper, as trainings here are more than fifty times shorter (docs/benchmarks.md):
CELLS, FEW_CELLS = 512, 128  # of a batch in place of 2048: more steps in the same time; few where there is little data
# Weak noise takes longest to learn, but with the filter `wiener` strong noise, where the map decides what a week is
# like: (at the first level, at the others).
NOISE_POWER = {"fade": (0.7, 0.7), "wiener": (1.0, 2.0)}
# Steps per level: the first is soon learnt by heart, and most of the last follows from the one before.
FIRST, BETWEEN, LAST = 1, 3, 2
GRID = (
    {"learning_rate": 2e-3, "state_filter": "wiener"},
    {"learning_rate": 5e-3, "channels": 48, "blocks": 4, "state_filter": "wiener"},
    {"learning_rate": 1e-2, "channels": 48, "blocks": 2, "cells": FEW_CELLS},
)
REGRESSION_GRID = (
    {"learning_rate": 1e-3},
    {"learning_rate": 2e-3, "channels": 48, "blocks": 4},
    {"learning_rate": 5e-3, "channels": 48, "blocks": 2, "cells": 64},
)
PLAN = Plan(FAST, "ancestral", POWER, SPREAD, tile=TILE)
# From the first level to the last in one stage, with as many strides as `fast` takes in its three.
PLAN_OF_ENDS = Plan((30, 38), "ancestral", POWER[:2], SPREAD, tile=TILE)


def untrained(work: Work, prior: ResidualPrior, channels: int, blocks: int, state_filter: str) -> DRDM:
    """The default design, but for the filter, for a work's levels and inputs."""
    finest = work.train[0].conditions[-1]
    sizes = {name: getattr(finest, name).shape[1] for name in ("structure", "aoi", "poi")}
    presets = 1 + max(int(city.conditions[0].preset) for city in work.train)
    design = Design(nodes=nodes_of(work.hierarchy), state_filter=state_filter)
    network = DayTokenNetwork(
        work.hierarchy,
        design,
        preset=presets,
        channels=channels,
        blocks=blocks,
        **sizes,
    )
    return DRDM(network, with_rhythm(prior, work.train, design))


def steps_share(levels: int) -> np.ndarray:
    """(levels,) share of the training steps, see FIRST."""
    share = np.array([FIRST, *[BETWEEN] * (levels - 2), LAST])
    return share / share.sum()


def longest(hierarchy: Hierarchy, k: int) -> int:
    """Longest side of a training patch in blocks: as in training proper; patches without a place are one block."""
    return LONGEST_SIDE.get(hierarchy[k].side, 1)


def weeks_of(levels: Sequence[Tensor], case: Case, work: Work) -> dict[int, Tensor]:
    """Levels (S, T_k, H_k, W_k) of a case -> shown level -> (S, N, T_k, h, w) volumes, blocks as in `truth_of`."""
    return {k: torch.stack([cut(sample, case.city.allowed) for sample in levels[k]]) for k in work.shown}


class ZoomDiff:
    """The default design (residual prior, v, SN, SA, SD) and size, sampled by `fast`; levels agree top down."""

    title, draws, grid = "ZoomDiff", True, GRID
    source = "this repository"
    shrunk = "nothing; one model for all levels"

    def __init__(
        self,
        learning_rate: float = 1e-3,
        channels: int = 64,
        blocks: int = 6,
        cells: int = CELLS,
        state_filter: str = "fade",
    ) -> None:
        self.learning_rate, self.channels, self.blocks, self.cells = learning_rate, channels, blocks, cells
        self.state_filter = state_filter

    def fit(self, work: Work, prior: ResidualPrior, budget: Budget, seed: int) -> None:
        self.work = work
        started = time.process_time()
        self.model = untrained(work, prior, self.channels, self.blocks, self.state_filter)
        left = Budget(budget.seconds - (time.process_time() - started), budget.steps)
        rng = np.random.default_rng(seed)
        descend(self.model.network, lambda: self.loss(rng), left, self.learning_rate)

    def loss(self, rng: np.random.Generator) -> Tensor:
        hierarchy = self.work.hierarchy
        k = int(rng.choice(len(hierarchy), p=steps_share(len(hierarchy))))
        side = int(rng.integers(1, longest(hierarchy, k) + 1))
        power = NOISE_POWER[self.state_filter][min(k, 1)]
        config = TrainConfig(cells=self.cells, condition_drop=0.0, noise_power=power)  # as no guidance is used
        return batch_loss(self.model, self.work.train, k, side, config, CPU, rng)

    def sample(self, case: Case, samples: int, seed: int) -> dict[int, Tensor]:
        return weeks_of(self.levels(case, samples, seed), case, self.work)

    def levels(
        self, case: Case, samples: int, seed: int, given: tuple[int, Tensor] | None = None, plan: Plan = PLAN
    ) -> list[Tensor]:
        """(S, T_k, H_k, W_k) volumes of every level; `given` as in `rrdp`: those from there on."""
        fields = [WorldNoise(1000 * seed + number, 0, case.row, case.col) for number in range(samples)]
        with autocast(CPU):
            raw = rrdp(
                self.model,
                case.city.conditions[-1],
                lambda *address: torch.cat([field(*address) for field in fields]),
                plan,
                given=given,
            )
            levels = [x_k.double() for _, x_k in raw]
        if given:
            known = given[1].double().expand(samples, -1, -1, -1)
            return conserve([known, *levels], Hierarchy(self.work.hierarchy.levels[given[0] :]), "top_down")
        return conserve(levels, self.work.hierarchy, "top_down")

    @property
    def parameters(self) -> int:
        return count(self.model.network)


def regressed(model: DRDM, conditions, k: int, shape: torch.Size) -> torch.Tensor:
    """y of level k from the map alone: the network at the strongest noise, with a state of zeros."""
    nothing = torch.zeros(shape)
    one, zero = torch.ones(shape[0]), torch.zeros(shape[0])
    return model.network(nothing, one, model.network.context(nothing, conditions, k), k, zero).float()


class Regression(ZoomDiff):
    """The same network predicts every level at once from the map alone, by the mean absolute error of y."""

    title, draws, grid = "Regression (our network)", False, REGRESSION_GRID
    shrunk = "nothing; one model for all levels"

    def loss(self, rng: np.random.Generator) -> Tensor:
        hierarchy = self.work.hierarchy
        k = int(rng.integers(len(hierarchy)))
        side = int(rng.integers(1, longest(hierarchy, k) + 1))
        cells = (side * hierarchy.block // hierarchy.space_factor(k)) ** 2
        patches = random_patches(self.work.train, k, side, max(1, self.cells // cells), rng)
        with autocast(CPU):
            y = regressed(self.model, patches.conditions, k, patches.x_k.shape)
        return (y - self.model.prior.encode(patches.x_k, k)).abs().mean()

    @torch.inference_mode()
    def sample(self, case: Case, samples: int, seed: int) -> dict[int, Tensor]:
        levels = []
        for k, conditions in enumerate(case.city.conditions):
            with autocast(CPU):
                y = regressed(self.model, conditions, k, case.city.weeks[0][k][None].shape)
            levels.append(self.model.prior.decode(self.model.prior.clamp(y, k), k))
        return weeks_of(levels, case, self.work)


class Profile:
    """No skill at all: for each use of the ground the median week of its training cells. The floor of every table."""

    title, draws, grid = "Median profile by AOI", False, ({},)
    source, shrunk = "a floor", "nothing"

    def fit(self, work: Work, prior: ResidualPrior, budget: Budget, seed: int) -> None:
        self.work, self.prior, self.profiles = work, prior, []
        for k in range(len(work.hierarchy)):
            y = torch.cat([cut(prior.encode(week[k], k), city.inhabited) for city in work.train for week in city.weeks])
            use = torch.cat([self.uses(city, k, city.inhabited) for city in work.train for _ in city.weeks])
            y, use = y.permute(0, 2, 3, 1).flatten(0, 2), use.flatten()  # (cells, T)
            self.profiles.append(torch.stack([self.median(y, use == n) for n in range(self.count(work))]))

    @staticmethod
    def count(work: Work) -> int:
        return work.train[0].conditions[0].aoi.shape[1]

    @staticmethod
    def uses(city, k: int, shown: np.ndarray) -> Tensor:
        """(N, h, w) index of the most frequent use."""
        return cut(city.conditions[k].aoi[0], shown).argmax(1)

    @staticmethod
    def median(y: Tensor, of: Tensor) -> Tensor:
        return (y[of] if of.any() else y).median(0).values

    def sample(self, case: Case, samples: int, seed: int) -> dict[int, Tensor]:
        made = {}
        for k in self.work.shown:
            y = self.profiles[k][self.uses(case.city, k, case.city.allowed)].movedim(-1, 1)  # (N, T, h, w)
            made[k] = self.prior.decode(y, k)[None]
        return made

    @property
    def parameters(self) -> int:
        return sum(profile.numel() for profile in self.profiles)
