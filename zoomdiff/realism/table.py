"""Statistics of traffic beside those of open measurements, as a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zoomdiff.realism import statistics
from zoomdiff.realism.statistics import HourlyGrid

CITIES = ("Beijing", "Nanjing", "Nanchang", "Jinan", "Milan")
INSIDE = " inside"  # ends the name of the column that says whether a sample is


@dataclass(frozen=True)
class Row:
    """One statistic and what it is on open data (hourly, active cells).

    Attributes
    ----------
    name
        As in the table.
    of
        The statistic.
    real
        Its values by city.
    group
        Statistics of one group count as one of eleven rows in `rows_inside`; None for those that do not count.
    more
        (low, high) over open data of unknown cities.
    """

    name: str
    of: Callable[[HourlyGrid], float]
    real: dict[str, float]
    group: str | None = None
    more: tuple[float, ...] = ()

    @property
    def span(self) -> tuple[float, float]:
        """Smallest and largest real value."""
        values = (*self.real.values(), *self.more)
        return min(values), max(values)

    def inside(self, value: float) -> bool:
        """Whether it lies in the span, to the two decimals to which real values are given."""
        low, high = self.span
        return low <= round(value, 2) <= high


def _cells(statistic: Callable[..., float], *arguments: int) -> Callable[[HourlyGrid], float]:
    """A statistic of the active cells as one of an HourlyGrid."""
    return lambda sample: statistic(sample.cells, *arguments)


def _calendar(statistic: Callable[..., float], *arguments: int) -> Callable[[HourlyGrid], float]:
    """A statistic of the active cells and the weekdays as one of an HourlyGrid."""
    return lambda sample: statistic(sample.cells, sample.weekday, *arguments)


def _near(statistic: Callable[..., float], *arguments: int) -> Callable[[HourlyGrid], float]:
    """A statistic of the whole grid as one of an HourlyGrid."""
    return lambda sample: statistic(sample.traffic, *arguments)


def _users(sample: HourlyGrid) -> float:
    """Correlation with users; NaN where they are unknown."""
    if sample.users is None:
        return float("nan")
    active = statistics.active_cells(sample.traffic)
    return statistics.users_correlation(sample.cells, sample.users[:, active])


def _poi(sample: HourlyGrid) -> float:
    """Correlation with points of interest; NaN where they are unknown."""
    if sample.poi is None:
        return float("nan")
    return statistics.poi_correlation(sample.cells, sample.poi[statistics.active_cells(sample.traffic)])


def _real(*values: float | None) -> dict[str, float]:
    """Values by city, in the order of CITIES; None where it was not measured."""
    return {city: value for city, value in zip(CITIES, values, strict=True) if value is not None}


# Measured beforehand on the open data sets (grids of Beijing, Nanjing and Jinan, Nanchang patches, Milan), but for
# Nanjing's peak: by the file's own weekdays (`read_nanjing`) its ordinary workdays peak at 12 h, not at 21 h.
ROWS = (
    Row("sd of ln(mean) over cells", _cells(statistics.log_mean_sd), _real(0.80, 1.20, 1.32, 1.45, 1.27), "sd"),
    Row("Gini", _cells(statistics.gini), _real(0.38, 0.53, 0.56, 0.58, 0.61), "Gini"),
    Row("share of top 10 %", _cells(statistics.top_share), _real(0.26, 0.39, 0.39, 0.40, 0.48), "top share"),
    Row("workday peak, hour", _calendar(statistics.peak_hour), _real(12, 12, 12, 12, 18), "peak"),
    Row("peak / trough", _calendar(statistics.peak_to_trough), _real(11.0, 4.7, 5.0, 8.7, 2.4), "peak"),
    Row(
        "weekend / workday volume",
        _calendar(statistics.weekend_to_workday),
        _real(0.94, 1.00, 0.93, 0.99, 0.94),
        "weekend",
    ),
    Row("autocorrelation, 1 h", _cells(statistics.autocorrelation, 1), _real(0.89, 0.90, 0.80, 0.92, 0.86), "memory"),
    Row("autocorrelation, 24 h", _cells(statistics.autocorrelation, 24), _real(0.92, 0.93, 0.83, 0.96, 0.74), "memory"),
    Row("Taylor exponent", _cells(statistics.taylor_exponent), _real(1.78, 1.75, 1.75, 1.83, 1.61), "Taylor"),
    Row("temporal CV, median cell", _cells(statistics.temporal_cv), _real(0.55, 0.45, 0.52, 0.47, 0.35), "CV"),
    Row(
        "ln-sd around own profile",
        _calendar(statistics.own_profile_deviation),
        _real(0.16, 0.21, 0.23, 0.10, 0.18),
        "noise",
    ),
    Row("Moran's I of ln(mean)", _near(statistics.morans_i), _real(0.42, 0.45, None, 0.37, 0.68), "Moran"),
    Row(
        "correlation, 1 cell away",
        _near(statistics.neighbour_correlation, 1),
        _real(0.43, 0.47, 0.29, None, 0.94),
        "distance",
    ),
    Row(
        "correlation, 2 cells away",
        _near(statistics.neighbour_correlation, 2),
        _real(0.32, 0.27, 0.20, None, 0.86),
        "distance",
    ),
    Row(
        "correlation, 4 cells away",
        _near(statistics.neighbour_correlation, 4),
        _real(0.33, 0.10, None, None, 0.75),
        "distance",
    ),
    Row(
        "correlation, 8 cells away",
        _near(statistics.neighbour_correlation, 8),
        _real(0.24, 0.03, None, None, 0.61),
        "distance",
    ),
    # Further statistics of the same data sets.
    Row("autocorrelation, 168 h", _cells(statistics.autocorrelation, 168), _real(None, 0.75, None, 0.97, 0.71)),
    Row("workday trough, hour", _calendar(statistics.trough_hour), {}, more=(3, 5)),
    Row("correlation with the city", _cells(statistics.city_correlation), {}, more=(0.77, 0.95)),
    Row("sd of ln(mean), 2 x 2 cells", _near(statistics.coarser_log_mean_sd, 2), _real(0.72, 1.01, None, None, None)),
    Row("sd of ln(mean), 4 x 4 cells", _near(statistics.coarser_log_mean_sd, 4), _real(0.63, 0.89, None, None, None)),
    Row("ln-sd, steps of 2 h", _calendar(statistics.own_profile_deviation, 2), _real(0.18, None, 0.20, None, None)),
    Row("ln-sd, steps of 4 h", _calendar(statistics.own_profile_deviation, 4), _real(0.14, None, 0.16, None, None)),
    Row("ln-sd, whole days", _calendar(statistics.own_profile_deviation, 24), _real(0.08, None, 0.09, None, None)),
    Row(
        "correlation of neighbours' noise",
        lambda s: statistics.residual_correlation(s.traffic, s.weekday),
        {},
        more=(0.05, 0.10),
    ),
    Row("sd of ln(share) of 2 x 2 children", _near(statistics.child_share_sd), {}, more=(0.56, 1.03)),
    Row("traffic ~ users, log-log r", _users, _real(None, None, 0.92, None, None), more=(0.92, 0.996)),
    Row("traffic ~ POIs, log-log r", _poi, _real(None, None, 0.24, None, None), more=(0.24, 0.73)),
)


def realism_table(samples: Mapping[str, HourlyGrid]) -> pd.DataFrame:
    """One row per statistic, one column per sample, then the real columns and their span.

    A column `<name> inside` says whether the value of a sample is within the real span.
    """
    table = pd.DataFrame(index=[row.name for row in ROWS])
    for name, sample in samples.items():
        table[name] = [row.of(sample) for row in ROWS]
        table[name + INSIDE] = [row.inside(value) for row, value in zip(ROWS, table[name], strict=True)]
    for city in CITIES:
        table[city] = [row.real.get(city, np.nan) for row in ROWS]
    table["from"], table["to"] = zip(*(row.span for row in ROWS), strict=True)
    return table


def rows_inside(table: pd.DataFrame, name: str) -> tuple[int, int, list[str]]:
    """How many of eleven rows of a sample are inside, of how many, and the names of the statistics that are not.

    A row is a group of statistics, and inside if all of them are. Rows that the sample is too small or too short for do
    not count.
    """
    rows = [row for row in ROWS if row.group and table[name].notna()[row.name]]
    outside = [row for row in rows if not table[name + INSIDE][row.name]]
    groups, missed = {row.group for row in rows}, {row.group for row in outside}
    return len(groups - missed), len(groups), [row.name for row in outside]


def format_table(table: pd.DataFrame) -> str:
    """A `realism_table` as text, the samples first, * at what is outside; then how many rows of each are inside."""
    names = [str(column).removesuffix(INSIDE) for column in table if str(column).endswith(INSIDE)]
    shown = {}
    for name in names:
        cells = zip(table[name], table[name + INSIDE], strict=True)
        shown[name] = ["-" if np.isnan(value) else f"{value:.2f}{' ' if inside else '*'}" for value, inside in cells]
    real = table[[*CITIES, "from", "to"]]
    lines = [pd.DataFrame(shown, table.index).join(real).to_string(float_format="{:.2f}".format, na_rep="-")]
    for name in names:
        good, of, missed = rows_inside(table, name)
        lines.append(f"{name}: {good} of {of} rows inside" + (f"; outside: {', '.join(missed)}" if missed else ""))
    return "\n".join(lines)
