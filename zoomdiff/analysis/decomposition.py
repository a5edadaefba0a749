"""An hourly series as trend, daily pattern and rest (paper Fig. 4)."""

from dataclasses import dataclass

import numpy as np

from zoomdiff.levels import HOURS_PER_DAY


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
