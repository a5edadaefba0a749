"""What a scenario does: two weeks of one seed, with and without it, compared inside its outlines and around them."""

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt

from zoomdiff.context.scenario import Scenario, touched
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek

AROUND = 400.0  # metres: a base station's reach
ZONES = ("inside", "around", "elsewhere")


def zones_of(region: Region, scenario: Scenario) -> np.ndarray:
    """(H, W) int8 index into ZONES of each finest cell, -1 outside the region.

    Inside are cells that an edit's outline touches, around those whose centre is within AROUND metres of those.
    """
    inside = touched(region, scenario) > 0
    if not inside.any():
        return np.where(region.mask(), ZONES.index("elsewhere"), -1).astype(np.int8)
    metres = distance_transform_edt(~inside) * region.hierarchy.finest.side
    zones = np.select(
        [inside, metres <= AROUND], [ZONES.index("inside"), ZONES.index("around")], ZONES.index("elsewhere")
    )
    return np.where(region.mask(), zones, -1).astype(np.int8)


def effect(before: TrafficWeek, after: TrafficWeek, zones: np.ndarray) -> pd.DataFrame:
    """One row per zone of ZONES: cells, bytes before and after in the week, and `share`.

    `share` is the zone's part of all that changes: of the sum of |after - before| over its cells' weeks, 0 where
    nothing changes.

    Raises
    ------
    ValueError
        The weeks are not of the same region.
    """
    if before.volumes[-1].shape != after.volumes[-1].shape:
        raise ValueError("the two weeks are of different regions")
    week, changed = before.volumes[-1].sum(0), after.volumes[-1].sum(0)
    moved = np.abs(changed - week)
    rows = {}
    for index, name in enumerate(ZONES):
        here = zones == index
        share = moved[here].sum() / moved.sum() if moved.any() else 0.0
        rows[name] = (int(here.sum()), float(week[here].sum()), float(changed[here].sum()), float(share))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["cells", "before", "after", "share"])


def curve(week: TrafficWeek, cells: np.ndarray, k: int = -1) -> np.ndarray:
    """(T_k,) bytes per step of level k, summed over any finest cells (H, W) bool."""
    finest = week.volumes[-1][:, cells].sum(1)
    return np.asarray(finest.reshape(-1, week.level(k).hours).sum(1))
