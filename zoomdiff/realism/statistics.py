"""Is traffic realistic? Statistics of hourly traffic on a grid; `table.py` has their values on open data.

Functions take `traffic` (T, n): hourly volumes of n active cells over whole days, NaN where nothing ordinary was
measured; where workdays and weekends matter also `weekday` (T / 24,), 0 = Monday; and where neighbours matter the grid
(T, H, W), 0 where a cell is not compared. No result depends on the unit of volume.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from esda import Moran
from libpysal.weights import lat2W, w_subset
from scipy.ndimage import label, sum_labels

from zoomdiff.levels import HOURS_PER_DAY, aggregate
from zoomdiff.measured.traffic import MeasuredTraffic

SATURDAY = 5
ACTIVE = 0.01  # of the mean cell; the quietest cells of real sets carry 0.1-1 % of it
# Urban clusters of the Degree of Urbanisation (Eurostat, UN Statistical Commission 2020), with our cells for its 1 km2.
URBAN_PER_KM2, URBAN_CLUSTER = 300, 5000


@dataclass(frozen=True)
class HourlyGrid:
    """Hourly traffic on a grid: what all statistics are taken of.

    Attributes
    ----------
    traffic
        (T, H, W) volumes of whole days; NaN where nothing ordinary was measured, 0 where it is not compared.
    weekday
        (T / 24,) of each day, 0 = Monday.
    users
        (T, H, W) on average over the hour, None where unknown.
    poi
        (H, W) points of interest, None where unknown.

    Raises
    ------
    ValueError
        T is not whole days, or there are fewer than five days.
    """

    traffic: np.ndarray
    weekday: np.ndarray
    users: np.ndarray | None = None
    poi: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.traffic) != HOURS_PER_DAY * len(self.weekday) or len(self.weekday) < 5:
            raise ValueError(f"{len(self.traffic)} hours are not {len(self.weekday)} whole days, at least five")

    @classmethod
    def of_week(
        cls,
        finest: np.ndarray,
        cells: int = 1,
        *,
        urban: np.ndarray | None = None,
        users: np.ndarray | None = None,
        poi: np.ndarray | None = None,
    ) -> "HourlyGrid":
        """One week, Monday first, simulated or generated.

        Parameters
        ----------
        finest
            (168, H, W) volumes.
        cells
            They are summed over `cells` x `cells`.
        urban
            (H / cells, W / cells) bool: compare only these; open measurements are of cities, maps have countryside.
        users, poi
            (168, H, W) and (H, W), where known.
        """

        def coarse(x: np.ndarray) -> np.ndarray:
            summed: np.ndarray = aggregate(_whole_blocks(x, cells).astype(float), cells, 1)
            return summed if urban is None else summed * urban

        return cls(
            coarse(finest),
            np.arange(len(finest) // HOURS_PER_DAY) % 7,
            None if users is None else coarse(users),
            None if poi is None else coarse(poi[None])[0],
        )

    @classmethod
    def of_measured(cls, measured: MeasuredTraffic) -> "HourlyGrid":
        """The ordinary hours of a measurement, whole days from midnight.

        Patches are set side by side with an empty row between, so that they are no neighbours of each other; nor are
        cells that form no grid.
        """
        hourly = measured.hourly()
        hour = hourly.hour_of_week()
        first = int(-hour[0] % HOURS_PER_DAY)
        days = (len(hour) - first) // HOURS_PER_DAY
        whole = slice(first, first + days * HOURS_PER_DAY)

        def grid(x: np.ndarray) -> np.ndarray:  # (T, n) -> (T, H, W)
            x = x.reshape(len(x), *(hourly.grid_shape or (x.shape[1], 1, 1)))
            if x.ndim == 4:
                x = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 0))).reshape(len(x), -1, x.shape[-1])
            return x

        return cls(
            grid(np.where(hourly.ordinary[:, None], hourly.traffic, np.nan)[whole]),
            (hour[whole][::HOURS_PER_DAY] // HOURS_PER_DAY).astype(int),
            None if hourly.users is None else grid(hourly.users[whole]),
            None if hourly.poi is None else grid(hourly.poi.sum(1)[None])[0],
        )

    @cached_property
    def cells(self) -> np.ndarray:
        """(T, n) traffic of the active cells."""
        return self.traffic[:, active_cells(self.traffic)]


def active_cells(grid: np.ndarray) -> np.ndarray:
    """(H, W) bool: the cells of (T, H, W) that carry at least ACTIVE of what the mean cell with traffic carries."""
    mean = np.nanmean(grid, 0)
    return np.asarray(mean >= ACTIVE * mean[mean > 0].mean() if (mean > 0).any() else np.zeros(mean.shape, bool))


def urban_clusters(people: np.ndarray, side: float) -> np.ndarray:
    """(H, W) bool: cells of at least 300 people per km2 that hang together with at least 5,000 in all.

    Parameters
    ----------
    people
        (H, W) present on average.
    side
        Of a cell, in metres.
    """
    clusters, number = label(people >= URBAN_PER_KM2 * (side / 1000) ** 2, np.ones((3, 3)))
    size = sum_labels(people, clusters, np.arange(number + 1))
    size[0] = 0
    return np.asarray((size >= URBAN_CLUSTER)[clusters])


def log_mean_sd(traffic: np.ndarray) -> float:
    """Standard deviation over cells of ln(mean): how unequal places are."""
    return float(np.log(np.nanmean(traffic, 0)).std())


def coarser_log_mean_sd(grid: np.ndarray, cells: int) -> float:
    """`log_mean_sd` of blocks of `cells` x `cells` active cells: how fast places become alike. NaN for a few blocks."""
    total = np.nan_to_num(np.nanmean(_whole_blocks(grid, cells), 0))[None]
    whole = aggregate(_whole_blocks(active_cells(grid)[None].astype(int), cells), cells, 1)[0] == cells**2
    return log_mean_sd(aggregate(total, cells, 1)[:, whole]) if whole.sum() >= 10 else float("nan")


def gini(traffic: np.ndarray) -> float:
    """Gini coefficient of the cells' totals: 0 all equal, 1 all in one cell."""
    ordered = np.sort(np.nanmean(traffic, 0))
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def top_share(traffic: np.ndarray, share: float = 0.1) -> float:
    """Part of all traffic that the busiest `share` of the cells carry."""
    ordered = np.sort(np.nanmean(traffic, 0))[::-1]
    return float(ordered[: max(1, round(share * len(ordered)))].sum() / ordered.sum())


def workday_profile(traffic: np.ndarray, weekday: np.ndarray) -> np.ndarray:
    """(24,) city traffic by hour of the day, mean over the workdays."""
    return np.asarray(np.nanmean(_days(_city(traffic))[weekday < SATURDAY], 0))


def peak_hour(traffic: np.ndarray, weekday: np.ndarray) -> float:
    """Hour of the day in which the city carries most on workdays."""
    return float(workday_profile(traffic, weekday).argmax())


def trough_hour(traffic: np.ndarray, weekday: np.ndarray) -> float:
    """Hour of the day in which the city carries least on workdays."""
    return float(workday_profile(traffic, weekday).argmin())


def peak_to_trough(traffic: np.ndarray, weekday: np.ndarray) -> float:
    """Busiest over quietest hour of the city's workday."""
    profile = workday_profile(traffic, weekday)
    return float(profile.max() / profile.min())


def weekend_to_workday(traffic: np.ndarray, weekday: np.ndarray) -> float:
    """Volume of a weekend day relative to a workday."""
    days = _days(_city(traffic)).mean(1)
    return float(np.nanmean(days[weekday >= SATURDAY]) / np.nanmean(days[weekday < SATURDAY]))


def autocorrelation(traffic: np.ndarray, lag: int) -> float:
    """Median over cells of the correlation with itself `lag` hours later; NaN where the series is too short."""
    if len(traffic) <= lag + HOURS_PER_DAY:
        return float("nan")
    return float(np.nanmedian(_correlation(traffic[:-lag], traffic[lag:])))


def taylor_exponent(traffic: np.ndarray) -> float:
    """Exponent b of variance = a mean^b over cells (Taylor's law): 1 for independent sessions, 2 for one shared rhythm.

    NaN where all cells are alike, or one never changes.
    """
    mean, variance = np.nanmean(traffic, 0), np.nanvar(traffic, 0)
    if np.ptp(mean) < 1e-9 * mean.max() or not variance.all():
        return float("nan")
    return float(np.polyfit(np.log(mean), np.log(variance), 1)[0])


def temporal_cv(traffic: np.ndarray) -> float:
    """Coefficient of variation over hours, median cell."""
    return float(np.median(np.nanstd(traffic, 0) / np.nanmean(traffic, 0)))


def own_profile_deviation(traffic: np.ndarray, weekday: np.ndarray, hours: int = 1) -> float:
    """ln-sd of a cell's steps of `hours` around its own mean workday, median cell; steps without traffic left out."""
    rest, days = _around_own_profile(traffic, weekday, hours)
    freedom = days / max(1, days - 1)  # the profile was fitted to the same days
    return float(np.nanmedian(np.nanstd(rest, axis=0)) * np.sqrt(freedom))


def city_correlation(traffic: np.ndarray) -> float:
    """Correlation of a cell's hours with the city's, median cell."""
    return float(np.nanmedian(_correlation(traffic, _city(traffic)[:, None])))


def users_correlation(traffic: np.ndarray, users: np.ndarray) -> float:
    """Correlation over cells of ln(mean traffic) with ln(mean users), both (T, n)."""
    mean = np.nanmean(users, 0)
    some = mean > 0
    return float(np.corrcoef(np.log(np.nanmean(traffic, 0)[some]), np.log(mean[some]))[0, 1])


def poi_correlation(traffic: np.ndarray, poi: np.ndarray) -> float:
    """Correlation over cells of ln(mean traffic) with ln(1 + points of interest) (n,)."""
    return float(np.corrcoef(np.log(np.nanmean(traffic, 0)), np.log1p(poi))[0, 1])


def morans_i(grid: np.ndarray) -> float:
    """Moran's I of ln(mean), neighbours by edge (rook), inactive cells left out; NaN if none has a neighbour."""
    active = active_cells(grid)
    if not (active[1:] & active[:-1]).any() and not (active[:, 1:] & active[:, :-1]).any():
        return float("nan")
    cells = np.flatnonzero(active)
    neighbours = w_subset(lat2W(*active.shape), cells, silence_warnings=True)
    return float(Moran(np.log(np.nanmean(grid, 0).ravel()[cells]), neighbours, permutations=0).I)


def neighbour_correlation(grid: np.ndarray, lag: int) -> float:
    """Correlation of ln(mean) between active cells `lag` cells apart along rows and columns; NaN if there are few."""
    with np.errstate(divide="ignore"):
        log = np.where(active_cells(grid), np.log(np.nanmean(grid, 0)), np.nan)
    a = np.concatenate([log[lag:].ravel(), log[:, lag:].ravel()])
    b = np.concatenate([log[:-lag].ravel(), log[:, :-lag].ravel()])
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() <= 30:
        return float("nan")
    return float(_correlation(a[both, None], b[both, None])[0])


def residual_correlation(grid: np.ndarray, weekday: np.ndarray) -> float:
    """Correlation over time between neighbouring active cells, mean of pairs, of what strays from their own workdays.

    What all cells share in an hour (a rainy afternoon) is taken out first.
    """
    active = active_cells(grid)
    rest, _ = _around_own_profile(np.where(active, grid, np.nan).reshape(len(grid), -1), weekday)
    rest = rest - np.nanmean(rest, 1, keepdims=True)
    rest = rest.reshape(len(rest), *grid.shape[1:])
    pairs = []
    for a, b in ((np.s_[:, 1:, :], np.s_[:, :-1, :]), (np.s_[:, :, 1:], np.s_[:, :, :-1])):
        both = active[a[1:]] & active[b[1:]]
        pairs.append(_correlation(rest[a][:, both], rest[b][:, both]))
    every = np.concatenate(pairs)
    return float(np.nanmean(every)) if np.isfinite(every).any() else float("nan")


def child_share_sd(grid: np.ndarray) -> float:
    """Deviation of ln(share) of the 2 x 2 children of a block in its traffic, where all four children are active.

    NaN if there is no such block.
    """
    total = np.nan_to_num(np.nanmean(_whole_blocks(grid, 2), 0))
    whole = aggregate(_whole_blocks(active_cells(grid)[None].astype(int), 2), 2, 1)[0] == 4
    shares = total / np.kron(aggregate(total[None], 2, 1)[0], np.ones((2, 2))).clip(min=1e-300)
    shares = shares[np.kron(whole, np.ones((2, 2), bool))]
    return float(np.log(shares).std()) if len(shares) else float("nan")


def _whole_blocks(grid: np.ndarray, cells: int) -> np.ndarray:
    """(T, H, W) without the last rows and columns that make no whole block."""
    _, h, w = grid.shape
    return grid[:, : h - h % cells, : w - w % cells]


def _days(series: np.ndarray) -> np.ndarray:
    """(T, ...) -> (days, 24, ...)."""
    return series.reshape(-1, HOURS_PER_DAY, *series.shape[1:])


def _around_own_profile(traffic: np.ndarray, weekday: np.ndarray, hours: int = 1) -> tuple[np.ndarray, int]:
    """(steps, n) ln of workday steps over the cell's own mean workday, NaN where there is no traffic; and the days."""
    days = _days(traffic)[weekday < SATURDAY]  # (days, 24, n)
    days = days[~np.isnan(days).all((1, 2))]
    days = days.reshape(len(days), HOURS_PER_DAY // hours, hours, -1).sum(2)
    with np.errstate(divide="ignore", invalid="ignore"):
        profile = np.nansum(days, 0) / np.isfinite(days).sum(0)
        rest = np.where((days > 0) & (profile > 0), np.log(days) - np.log(profile), np.nan)
    return rest.reshape(-1, traffic.shape[1]), len(days)


def _city(traffic: np.ndarray) -> np.ndarray:
    """(T,) mean over the cells that were measured in an hour; NaN where none was."""
    measured = np.isfinite(traffic).sum(1)
    mean = np.divide(np.nansum(traffic, 1), measured, out=np.full(len(traffic), np.nan), where=measured > 0)
    return np.asarray(mean)


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n,) correlation over time of the columns of two (T, n) arrays where both have values; NaN for a constant one."""
    both = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(both, a, np.nan), np.where(both, b, np.nan)
    a, b = a - np.nanmean(a, 0), b - np.nanmean(b, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nanmean(a * b, 0) / np.sqrt(np.nanmean(a**2, 0) * np.nanmean(b**2, 0)))
