"""Is traffic realistic? Statistics of hourly traffic on a grid, beside what open measurements show.

Functions take `traffic` (T, n): hourly volumes of n active cells over whole days, NaN where nothing ordinary was
measured; where workdays and weekends matter also `weekday` (T / 24,), 0 = Monday; and where neighbours matter the whole
grid (T, H, W). No result depends on the unit of volume.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from esda import Moran
from libpysal.weights import lat2W, w_subset

from zoomdiff.data.measured import MeasuredTraffic
from zoomdiff.levels import HOURS_PER_DAY, aggregate

SATURDAY = 5
ACTIVE = 0.01  # of the mean cell; the quietest cells of real sets carry 0.1-1 % of it, maps have countryside below


@dataclass(frozen=True)
class HourlyGrid:
    """Hourly traffic on a grid: what all statistics are taken of.

    traffic  (T, H, W) volumes of whole days; NaN where nothing ordinary was measured
    weekday  (T / 24,) of each day, 0 = Monday

    Raises ValueError if T is not whole days, or there are fewer than five days.
    """

    traffic: np.ndarray
    weekday: np.ndarray

    def __post_init__(self) -> None:
        if len(self.traffic) != HOURS_PER_DAY * len(self.weekday) or len(self.weekday) < 5:
            raise ValueError(f"{len(self.traffic)} hours are not {len(self.weekday)} whole days, at least five")

    @classmethod
    def of_week(cls, finest: np.ndarray, cells: int = 1) -> "HourlyGrid":
        """One week (168, H, W), Monday first, simulated or generated; summed over `cells` x `cells` of its cells."""
        _, h, w = finest.shape
        return cls(aggregate(finest[:, : h - h % cells, : w - w % cells], cells, 1), np.arange(len(finest) // 24) % 7)

    @classmethod
    def of_measured(cls, measured: MeasuredTraffic) -> "HourlyGrid":
        """The ordinary hours of a measurement on a grid or in patches, whole days from midnight.

        Patches are set side by side with an empty row between, so that they are no neighbours of each other.
        """
        hourly = measured.hourly()
        hour = hourly.hour_of_week()
        first = int(-hour[0] % HOURS_PER_DAY)
        days = (len(hour) - first) // HOURS_PER_DAY
        whole = slice(first, first + days * HOURS_PER_DAY)
        traffic = np.where(hourly.ordinary[:, None], hourly.traffic, np.nan)[whole]
        grid = traffic.reshape(-1, *hourly.grid_shape)
        if grid.ndim == 4:
            grid = np.pad(grid, ((0, 0), (0, 0), (0, 1), (0, 0))).reshape(len(grid), -1, grid.shape[-1])
        return cls(grid, (hour[whole][::HOURS_PER_DAY] // HOURS_PER_DAY).astype(int))

    @cached_property
    def cells(self) -> np.ndarray:
        """(T, n) traffic of the active cells."""
        return self.traffic[:, active_cells(self.traffic)]


def active_cells(grid: np.ndarray) -> np.ndarray:
    """(H, W) bool: the cells of (T, H, W) that carry at least ACTIVE of what the mean cell with traffic carries."""
    mean = np.nanmean(grid, 0)
    return mean >= ACTIVE * mean[mean > 0].mean() if (mean > 0).any() else np.zeros(mean.shape, bool)


def log_mean_sd(traffic: np.ndarray) -> float:
    """Standard deviation over cells of ln(mean): how unequal places are."""
    return float(np.log(np.nanmean(traffic, 0)).std())


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
    return np.nanmean(_days(_city(traffic))[weekday < SATURDAY], 0)


def peak_hour(traffic: np.ndarray, weekday: np.ndarray) -> float:
    """Hour of the day in which the city carries most on workdays."""
    return float(workday_profile(traffic, weekday).argmax())


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
    """b of variance = a mean^b over cells (Taylor's law): 1 for independent sessions, 2 for one shared rhythm.

    NaN where all cells are alike, or one never changes.
    """
    mean, variance = np.nanmean(traffic, 0), np.nanvar(traffic, 0)
    if np.ptp(mean) < 1e-9 * mean.max() or not variance.all():
        return float("nan")
    return float(np.polyfit(np.log(mean), np.log(variance), 1)[0])


def temporal_cv(traffic: np.ndarray) -> float:
    """Coefficient of variation over hours, median cell."""
    return float(np.median(np.nanstd(traffic, 0) / np.nanmean(traffic, 0)))


def own_profile_deviation(traffic: np.ndarray, weekday: np.ndarray) -> float:
    """ln-sd of a cell's hours around its own mean workday, median cell; hours without traffic are left out."""
    days = _days(traffic)[weekday < SATURDAY]  # (days, 24, n)
    days = days[~np.isnan(days).all((1, 2))]
    profile = np.nanmean(days, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.where((days > 0) & (profile > 0), np.log(days) - np.log(profile), np.nan)
    freedom = len(days) / max(1, len(days) - 1)  # the profile was fitted to the same days
    return float(np.nanmedian(np.nanstd(rest.reshape(-1, traffic.shape[1]), axis=0)) * np.sqrt(freedom))


def city_correlation(traffic: np.ndarray) -> float:
    """Correlation of a cell's hours with the city's, median cell."""
    return float(np.nanmedian(_correlation(traffic, _city(traffic)[:, None])))


def morans_i(grid: np.ndarray) -> float:
    """Moran's I of ln(mean), neighbours by edge (rook), inactive cells left out."""
    active = active_cells(grid)
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


def child_share_sd(grid: np.ndarray) -> float:
    """sd of ln(share) of the 2 x 2 children of a block in its traffic; children without any are left out."""
    _, h, w = grid.shape
    total = np.nanmean(grid[:, : h - h % 2, : w - w % 2], 0)
    shares = total / np.kron(aggregate(total[None], 2, 1)[0], np.ones((2, 2))).clip(min=1e-300)
    some = shares > 1e-4
    return float(np.log(shares[some]).std())


@dataclass(frozen=True)
class Row:
    """One statistic and what it is on open data (the table of ../shared/design/data.md, hourly, active cells)."""

    name: str
    of: Callable[[HourlyGrid], float]
    real: dict[str, float]

    @property
    def span(self) -> tuple[float, float]:
        """Smallest and largest real value."""
        return min(self.real.values()), max(self.real.values())

    def inside(self, value: float) -> bool:
        low, high = self.span
        return low <= value <= high


def _cells(statistic: Callable, *arguments) -> Callable[[HourlyGrid], float]:
    """A statistic of the active cells as one of an HourlyGrid."""
    return lambda sample: statistic(sample.cells, *arguments)


def _calendar(statistic: Callable) -> Callable[[HourlyGrid], float]:
    """A statistic of the active cells and the weekdays as one of an HourlyGrid."""
    return lambda sample: statistic(sample.cells, sample.weekday)


def _near(statistic: Callable, *arguments) -> Callable[[HourlyGrid], float]:
    """A statistic of the whole grid as one of an HourlyGrid."""
    return lambda sample: statistic(sample.traffic, *arguments)


def _real(*values: float | None) -> dict[str, float]:
    cities = ("Beijing", "Nanjing", "Nanchang", "Jinan", "Milan")
    return {city: value for city, value in zip(cities, values, strict=True) if value is not None}


# Measured beforehand (the table of the project's data design), but for Nanjing's peak: the design took its first day
# for a Monday; by the file's own weekdays (`read_nanjing`) ordinary workdays peak at 12 h, not at 21 h.
ROWS = (
    Row("sd of ln(mean) over cells", _cells(log_mean_sd), _real(0.80, 1.20, 1.32, 1.45, 1.27)),
    Row("Gini", _cells(gini), _real(0.38, 0.53, 0.56, 0.58, 0.61)),
    Row("share of top 10 %", _cells(top_share), _real(0.26, 0.39, 0.39, 0.40, 0.48)),
    Row("workday peak, hour", _calendar(peak_hour), _real(12, 12, 12, 12, 18)),
    Row("peak / trough", _calendar(peak_to_trough), _real(11.0, 4.7, 5.0, 8.7, 2.4)),
    Row("weekend / workday volume", _calendar(weekend_to_workday), _real(0.94, 1.00, 0.93, 0.99, 0.94)),
    Row("autocorrelation, 1 h", _cells(autocorrelation, 1), _real(0.89, 0.90, 0.80, 0.92, 0.86)),
    Row("autocorrelation, 24 h", _cells(autocorrelation, 24), _real(0.92, 0.93, 0.83, 0.96, 0.74)),
    Row("Taylor exponent", _cells(taylor_exponent), _real(1.78, 1.75, 1.75, 1.83, 1.61)),
    Row("temporal CV, median cell", _cells(temporal_cv), _real(0.55, 0.45, 0.52, 0.47, 0.35)),
    Row("ln-sd around own profile", _calendar(own_profile_deviation), _real(0.16, 0.21, 0.23, 0.10, 0.18)),
    Row("Moran's I of ln(mean)", _near(morans_i), _real(0.42, 0.45, None, 0.37, 0.68)),
    Row("correlation, 1 cell away", _near(neighbour_correlation, 1), _real(0.43, 0.47, 0.29, None, 0.94)),
    Row("correlation, 2 cells away", _near(neighbour_correlation, 2), _real(0.32, 0.27, 0.20, None, 0.86)),
    Row("correlation, 4 cells away", _near(neighbour_correlation, 4), _real(0.33, 0.10, None, None, 0.75)),
    Row("correlation, 8 cells away", _near(neighbour_correlation, 8), _real(0.24, 0.03, None, None, 0.61)),
)


def realism_table(samples: dict[str, HourlyGrid]) -> pd.DataFrame:
    """One row per statistic, one column per sample, then the real columns and their span.

    A column `<name> inside` tells whether the value lies within the real span.
    """
    table = pd.DataFrame(index=[row.name for row in ROWS])
    for name, sample in samples.items():
        table[name] = [row.of(sample) for row in ROWS]
        table[f"{name} inside"] = [row.inside(value) for row, value in zip(ROWS, table[name], strict=True)]
    for city in ROWS[0].real:
        table[city] = [row.real.get(city, np.nan) for row in ROWS]
    table["from"], table["to"] = zip(*(row.span for row in ROWS), strict=True)
    return table


def _days(series: np.ndarray) -> np.ndarray:
    """(T, ...) -> (days, 24, ...)."""
    return series.reshape(-1, HOURS_PER_DAY, *series.shape[1:])


def _city(traffic: np.ndarray) -> np.ndarray:
    """(T,) mean over the cells that were measured in an hour; NaN where none was."""
    measured = np.isfinite(traffic).sum(1)
    return np.divide(np.nansum(traffic, 1), measured, out=np.full(len(traffic), np.nan), where=measured > 0)


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n,) correlation over time of the columns of two (T, n) arrays where both have values; NaN for a constant one."""
    both = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(both, a, np.nan), np.where(both, b, np.nan)
    a, b = a - np.nanmean(a, 0), b - np.nanmean(b, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nanmean(a * b, 0) / np.sqrt(np.nanmean(a**2, 0) * np.nanmean(b**2, 0))
