"""What a week of traffic and its place show: how alike levels are, trend and daily pattern, how sure a week is.

`week` is a TrafficPyramid, `uec` the context that it was made for, on the same region.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zoomdiff.context.classes import AOI_CLASSES, POI_CATEGORIES, ROAD_CLASSES
from zoomdiff.context.uec import STRUCTURE, UEC
from zoomdiff.diffusion.drdm import DRDM, Plan
from zoomdiff.errors import OptionError
from zoomdiff.generate import generate, refine
from zoomdiff.levels import HOURS_PER_DAY, HOURS_PER_WEEK, aggregate
from zoomdiff.metrics import BAND, rv_coefficient
from zoomdiff.pyramid import TrafficPyramid
from zoomdiff.region import Region

WHOLE = "whole region"
MOST_KEPT = 512 * 2**20  # bytes of all weeks of an ensemble at the one level that is kept
FEWEST_WEEKS = 10  # with fewer, P10 and P90 would lie beyond the smallest and the largest of them
FEWEST_BLOCKS = 30  # below that the busiest tenth, one of the statistics, is one or two blocks


def use_shares(uec: UEC) -> dict[str, float]:
    """Share of the region's ground by main use, largest first; uses that are not there are left out."""
    inside = uec.region.mask()
    share = np.bincount(uec.aoi[inside], minlength=len(AOI_CLASSES)) / inside.sum()
    return _ordered(AOI_CLASSES, share)


def cover_by_use(uec: UEC) -> dict[str, float]:
    """Share of the ground that buildings cover, by the main use of the ground, largest first."""
    inside = uec.region.mask()
    use, cover = uec.aoi[inside], uec.structure[STRUCTURE.index("building_cover")][inside]
    squares = np.bincount(use, minlength=len(AOI_CLASSES))
    return _ordered(AOI_CLASSES, np.bincount(use, cover, len(AOI_CLASSES)) / np.maximum(squares, 1))


def road_metres(uec: UEC) -> np.ndarray:
    """(len(ROAD_CLASSES), H, W) metres of road in each of the finest cells; 0 outside the region."""
    channels = [STRUCTURE.index(name) for name in ROAD_CLASSES]
    return uec.structure[channels] * uec.region.hierarchy.finest.side * uec.region.mask()


def poi_counts(uec: UEC) -> dict[str, float]:
    """Points of interest by category, most frequent first; categories without any are left out."""
    return _ordered(POI_CATEGORIES, uec.poi[:, uec.region.mask()].sum(1))


def people_by_hour(uec: UEC) -> np.ndarray:
    """(168,) people present in the region."""
    return uec.population[:, uec.region.mask()].sum(1, dtype=np.float64)


def main_use(uec: UEC, k: int) -> np.ndarray:
    """(H_k, W_k) int8: the class of most of a level-k cell's finest cells; -1 outside the region."""
    side = uec.region.hierarchy.space_factor(k)
    squares = [aggregate((uec.aoi == use)[None], side, 1)[0] for use in range(len(AOI_CLASSES))]
    return np.where(uec.region.mask(k), np.argmax(squares, 0), -1).astype(np.int8)


def hourly(week: TrafficPyramid, k: int) -> np.ndarray:
    """(168, H_k, W_k) bytes of the cells of level k, hour by hour: levels then differ in their cells only."""
    return aggregate(week.volumes[-1], week.region.hierarchy.space_factor(k), 1)


def rv_by_use(week: TrafficPyramid, uec: UEC, *, centred: bool = True) -> dict[str, np.ndarray]:
    """(levels, levels) RV-coefficients of hourly traffic at two levels, by the main use of cells (paper Fig. 3, Eq. 1).

    centred  take every cell's mean out first, as Robert & Escoufier do; Eq. 1 as printed does not, and is near 1
             whatever is compared (see `metrics.rv_coefficient`)

    The first entry is of all cells (WHOLE), the others are the uses from the most frequent one on. NaN where a level
    has no cell of that use, or these have no traffic.
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


@dataclass(frozen=True)
class Decomposition:
    """An hourly series (168,) as the sum of three: its trend, the same daily pattern on every day, and the rest."""

    trend: np.ndarray
    daily: np.ndarray
    rest: np.ndarray

    @property
    def explained(self) -> float:
        """Share of the series' variance that is not rest; NaN for a series that never changes."""
        series = self.trend + self.daily + self.rest
        return float(1 - self.rest.var() / series.var()) if series.var() > 0 else float("nan")


def decompose(series: np.ndarray) -> Decomposition:
    """The classical additive decomposition with a period of a day (paper Fig. 4): the trend is the mean of 24 hours.

    In the first and last twelve hours, which have no full day around them, the trend goes on in a straight line.
    """
    from statsmodels.tsa.seasonal import seasonal_decompose  # takes a second to load

    parts = seasonal_decompose(np.asarray(series, np.float64), period=HOURS_PER_DAY, extrapolate_trend="period")
    return Decomposition(parts.trend, parts.seasonal, parts.resid)


@dataclass(frozen=True)
class Spread:
    """P10, P50 and P90 over several weeks of the same place, at one level k.

    steps  (3, T_k, H_k, W_k) float32, bytes in each step
    total  (3, H_k, W_k) float32, bytes in the week: of the weeks' totals, not the totals of `steps`
    """

    k: int
    weeks: int
    steps: np.ndarray
    total: np.ndarray


def check_room(region: Region, k: int, weeks: int) -> None:
    """Raise OptionError unless so many weeks of level k give quantiles and fit into memory."""
    if weeks < FEWEST_WEEKS:
        raise OptionError(f"{weeks} weeks are too few for P10 and P90: take at least {FEWEST_WEEKS}.")
    needed = 4 * weeks * HOURS_PER_WEEK // region.hierarchy[k].hours * region.mask(k).size
    if needed > MOST_KEPT:
        raise OptionError(
            f"{weeks} weeks of {region.mask(k).sum():,} cells of {region.hierarchy[k].side:g} m take too much memory: "
            "take fewer weeks, a coarser zoom or a smaller region."
        )


def spread(weeks: Iterable[TrafficPyramid], k: int, count: int) -> Spread:
    """Quantiles over `count` weeks of one region; only their level k is kept, so `weeks` should be a generator.

    Quantiles are Weibull's, as in `metrics.coverage`. Raises OptionError as `check_room`.
    """
    kept = None
    for i, week in enumerate(weeks):
        if kept is None:
            check_room(week.region, k, count)
            kept = np.empty((count, *week.volumes[k].shape), np.float32)
        kept[i] = week.volumes[k]

    def quantiles(x: np.ndarray) -> np.ndarray:
        return np.quantile(x, (BAND[0], 0.5, BAND[1]), axis=0, method="weibull").astype(np.float32)

    steps = np.stack([quantiles(kept[:, t]) for t in range(kept.shape[1])], 1)  # one step at a time: quantiles copy
    return Spread(k, count, steps, quantiles(kept.sum(1, dtype=np.float64)))


def again(
    model: DRDM,
    week: TrafficPyramid,
    uec: UEC,
    seed: int,
    on_step: Callable[[int, int, int], None] | None = None,
) -> TrafficPyramid:
    """Another week of the same place, made as `week` was (steps, habits, measurements) from another seed."""
    about = week.provenance
    steps = about.get("steps", "fast")
    how = {"steps": Plan(**steps) if isinstance(steps, dict) else steps, "preset": about.get("preset", "europe")}
    if level := about.get("refined_from"):
        known = week.volumes[week.region.hierarchy.index(level)]
        return refine(model, uec, known, level, seed=seed, on_step=on_step, **how)
    return generate(model, uec, seed=seed, on_step=on_step, **how)


def beside_real_cities(week: TrafficPyramid, uec: UEC) -> pd.DataFrame:
    """The realism table (`data.realism_table`) with the week as its sample "week", in blocks of 400 m.

    Compared are the urban blocks that carry traffic, as open measurements are of cities; statistics that a week of this
    region does not have are left out. Raises OptionError where these are fewer than FEWEST_BLOCKS.
    """
    from zoomdiff.data.realism import HourlyGrid  # takes four seconds to load
    from zoomdiff.data.realism_table import realism_table
    from zoomdiff.data.samples import City

    block = week.region.hierarchy.block
    urban = City("here", uec).urban & week.region.blocks
    sample = HourlyGrid.of_week(week.volumes[-1], block, urban=urban, poi=uec.poi.sum(0))
    if (blocks := sample.cells.shape[1]) < FEWEST_BLOCKS:
        km2 = FEWEST_BLOCKS * (week.region.hierarchy[0].side / 1000) ** 2
        raise OptionError(
            f"Only {blocks} base stations of this region stand in a town and are busy, too few to compare with a city: "
            f"take a region with at least {FEWEST_BLOCKS} of them, about {km2:.0f} km²."
        )
    table = realism_table({"week": sample})
    return table[table["week"].notna()]


def _ordered(names: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    """{name: value}, largest first, without zeros."""
    pairs = sorted(zip(names, values.tolist(), strict=True), key=lambda pair: -pair[1])
    return {name: value for name, value in pairs if value > 0}
