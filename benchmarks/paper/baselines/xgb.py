"""XGBoost (Chen & Guestrin, KDD 2016): boosted trees from what is known of a cell and a step to its traffic."""

import numpy as np
import torch
import xgboost
from torch import Tensor

from benchmarks.paper.blocks import Blocks, Places, Shape, join_cells
from benchmarks.paper.training import Budget

TREES = 200
ROWS = 300_000  # of all cells x steps, drawn at random


class Clock(xgboost.callback.TrainingCallback):
    """Ends the boosting where the budget is used up."""

    def __init__(self, budget: Budget) -> None:
        self.left = iter(budget)
        next(self.left, None)  # the first tree's; making the rows counts, too

    def after_iteration(self, model, epoch: int, evals_log: dict) -> bool:
        return next(self.left, None) is None


class XGBoost:
    """One row is a cell's step: UEC, people, hour and day; 200 trees on the absolute error, their depth tuned.

    A regression: it gives the middle week of a place, always the same.
    """

    title, draws, grid = "XGBoost", False, ({"depth": 4}, {"depth": 6}, {"depth": 8})
    source = "Chen & Guestrin, KDD 2016; library xgboost"
    shrunk = f"trained on {ROWS:,} rows drawn at random"

    def __init__(self, shape: Shape, depth: int = 6) -> None:
        self.shape, self.depth = shape, depth

    def rows(self, places: Places, cell: np.ndarray, step: np.ndarray) -> np.ndarray:
        """(n, features) of n cells of `places` (of one cell each) at n steps."""
        people = places.people[cell, step, 0, 0].numpy()
        hour, day = step % self.shape.per_day, step // self.shape.per_day
        return np.column_stack([places.static[cell, :, 0, 0].numpy(), people, hour, day])

    def fit(self, train: Blocks, budget: Budget, seed: int) -> None:
        clock, rng, cells = Clock(budget), np.random.default_rng(seed), train.cells
        size = min(ROWS, cells.y.numel())
        cell, week, step = (rng.integers(n, size=size) for n in cells.y.shape[:3])
        y = cells.y[cell, week, step, 0, 0].numpy()
        data = xgboost.DMatrix(self.rows(cells.places, cell, step), y, nthread=1)
        settings = {"objective": "reg:absoluteerror", "max_depth": self.depth, "nthread": 1, "seed": seed}
        self.trees = xgboost.train(settings, data, TREES, callbacks=[clock])

    def sample(self, places: Places, samples: int, seed: int) -> Tensor:
        cells, steps = places.cells(), self.shape.steps
        rows = self.rows(cells, np.repeat(np.arange(len(cells)), steps), np.tile(np.arange(steps), len(cells)))
        y = torch.from_numpy(self.trees.predict(xgboost.DMatrix(rows, nthread=1)))
        return join_cells(y.reshape(1, len(cells), steps, 1, 1), self.shape.h, self.shape.w)

    @property
    def parameters(self) -> int:
        """Leaves of all trees."""
        return sum(tree.count("leaf=") for tree in self.trees.get_dump())
