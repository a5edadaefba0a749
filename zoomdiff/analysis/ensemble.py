"""How sure a week is: quantiles over several weeks of the same place."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from zoomdiff.context.uec import UEC
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.equality import ByContent
from zoomdiff.errors import OptionError
from zoomdiff.generation import generate, refine_level
from zoomdiff.levels import HOURS_PER_WEEK
from zoomdiff.metrics import BAND
from zoomdiff.region import Region
from zoomdiff.sampling import Callbacks, Plan, Sampling
from zoomdiff.week import TrafficWeek

MOST_KEPT = 512 * 2**20  # bytes of all weeks of an ensemble at the one level that is kept
FEWEST_WEEKS = 10  # with fewer, P10 and P90 would lie beyond the smallest and the largest of them


@dataclass(frozen=True, eq=False)
class Spread(ByContent):
    """P10, P50 and P90 over several weeks of the same place, at one level.

    Attributes
    ----------
    k
        The level.
    weeks
        How many there are.
    steps
        (3, T_k, H_k, W_k) float32, bytes in each step.
    total
        (3, H_k, W_k) float32, bytes in the week: quantiles of the weeks' totals, not the totals of `steps`.
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


def spread(weeks: Iterable[TrafficWeek], k: int, count: int) -> Spread:
    """Quantiles over `count` weeks of one region; only their level k is kept.

    Quantiles are Weibull's, as in `metrics.coverage`.

    Parameters
    ----------
    weeks
        Best a generator: one week is held at a time.

    Raises
    ------
    OptionError
        As `check_room`.
    """
    others = iter(weeks)
    week = next(others)
    check_room(week.region, k, count)
    kept = np.empty((count, *week.volumes[k].shape), np.float32)
    kept[0] = week.volumes[k]
    for i, week in enumerate(others, 1):
        kept[i] = week.volumes[k]

    def quantiles(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.quantile(x, (BAND[0], 0.5, BAND[1]), axis=0, method="weibull"), np.float32)

    steps = np.stack([quantiles(kept[:, t]) for t in range(kept.shape[1])], 1)  # one step at a time: quantiles copy
    return Spread(k, count, steps, quantiles(kept.sum(1, dtype=np.float64)))


def again(
    model: DRDM,
    week: TrafficWeek,
    uec: UEC,
    seed: int,
    on_step: Callable[[int, int, int], None] | None = None,
) -> TrafficWeek:
    """Another week of the same place, made as `week` was (steps, habits, measurements) from another seed."""
    about = week.provenance
    steps = about.get("steps", "fast")
    sampling = Sampling(
        Plan(**steps) if isinstance(steps, dict) else steps, about.get("preset", "europe"), about.get("guidance", 1.0)
    )
    callbacks = Callbacks(on_step)
    if level := about.get("refined_from"):
        known = week.volumes[week.region.hierarchy.index(level)]
        return refine_level(model, uec, known, level, seed=seed, sampling=sampling, callbacks=callbacks)
    return generate(model, uec, seed=seed, sampling=sampling, callbacks=callbacks)
