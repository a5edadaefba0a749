"""How alike the levels of a week are: RV-coefficients of hourly traffic by use of the ground (paper Fig. 3)."""

import numpy as np

from zoomdiff.analysis.surroundings import main_use, use_shares
from zoomdiff.context.classes import AOI_CLASSES
from zoomdiff.context.uec import UEC
from zoomdiff.levels import aggregate
from zoomdiff.metrics import rv_coefficient
from zoomdiff.week import TrafficWeek

WHOLE = "whole region"


def hourly(week: TrafficWeek, k: int) -> np.ndarray:
    """(168, H_k, W_k) bytes of the cells of level k, hour by hour: levels then differ in their cells only."""
    cells: np.ndarray = aggregate(week.volumes[-1], week.region.hierarchy.space_factor(k), 1)
    return cells


def rv_by_use(week: TrafficWeek, uec: UEC, *, centred: bool = True) -> dict[str, np.ndarray]:
    """(levels, levels) RV-coefficients of hourly traffic at two levels, by the main use of cells (paper Fig. 3, Eq. 1).

    The first entry is of all cells (WHOLE), the others are the uses from the most frequent one on. NaN where a level
    has no cell of that use, or these have no traffic.

    Parameters
    ----------
    centred
        Take every cell's mean out first, as Robert & Escoufier do; Eq. 1 as printed does not, and is near 1 for any two
        levels (see `metrics.rv_coefficient`).
    """
    levels = range(len(week.volumes))
    cells, uses = [], [main_use(uec, k) for k in levels]
    for k in levels:
        x = hourly(week, k)
        cells.append(x - x.mean(0) if centred else x)
    named = {name: AOI_CLASSES.index(name) for name in use_shares(uec)}
    found = {}
    for name, use in {WHOLE: None, **named}.items():
        chosen = [x[:, (at >= 0) if use is None else (at == use)] for x, at in zip(cells, uses, strict=True)]
        table = np.empty((len(levels), len(levels)))
        for i in levels:
            for j in range(i + 1):
                table[i, j] = table[j, i] = rv_coefficient(chosen[i], chosen[j])
        found[name] = table
    return found
