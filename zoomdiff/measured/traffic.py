"""Measured mobile traffic, whoever measured it: the one type that every reader in this package returns."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

# What a number of `traffic` means. Activity is proportional to traffic by an undisclosed factor.
UNITS = ("bytes", "activity", "z-score", "not stated")
MINUTES_PER_DAY = 24 * 60
MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY


class Excluded(NamedTuple):
    """Steps first <= t < end are measured, but are not ordinary days; the reason in a few words."""

    first: int
    end: int
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class MeasuredTraffic:
    """Traffic as it was measured, of any place and time: n cells over T equal steps (on a region: `FittedTraffic`).

    Attributes after `licence` are None, or empty, where unknown.

    Attributes
    ----------
    traffic
        (T, n) float volumes per step; NaN where nothing was measured.
    minutes
        Length of a step.
    unit
        Of the traffic, one of UNITS.
    name, source, licence
        For people, and for every file made from it.
    start
        Local time of the first step, with or without time zone.
    weekday
        Of the first step, 0 = Monday; taken from `start` where that is known. Where only the weekday is, the first step
        begins at midnight.
    excluded
        Ranges of steps that are not ordinary, such as holidays.
    ids
        (n,) str, the name of each cell.
    grid_shape
        (rows, cols) of a grid, row 0 in the north where `lonlat` is known; (patches, rows, cols) of patches without
        position; None if the cells form no grid. Cells are in C order.
    side
        Of a square cell, in metres.
    lonlat
        (n, 2) degrees: the cell's centre or the site.
    polygons
        (n,) shapely polygons in degrees.
    users
        (T, n) users, on average over the step.
    poi, poi_names
        (n, categories) points of interest, and the names of the categories.
    split
        (n,) 'train', 'val' or 'test', as published.
    filled
        (T, n) bool: True where a gap was filled in, so the value is a guess.
    notes
        Sentences for the user on how the file was read.

    Raises
    ------
    ValueError
        They do not fit together.
    """

    traffic: np.ndarray
    minutes: int
    unit: str
    name: str
    source: str
    licence: str
    start: datetime | None = None
    weekday: int | None = None
    excluded: tuple[Excluded, ...] = ()
    ids: np.ndarray | None = None
    grid_shape: tuple[int, ...] | None = None
    side: float | None = None
    lonlat: np.ndarray | None = None
    polygons: np.ndarray | None = None
    users: np.ndarray | None = None
    poi: np.ndarray | None = None
    poi_names: tuple[str, ...] | None = None
    split: np.ndarray | None = None
    filled: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.traffic.ndim != 2 or not self.traffic.size or self.traffic.dtype.kind != "f":
            raise ValueError(f"traffic must be floats (steps, cells), not {self.traffic.dtype} {self.traffic.shape}")
        if self.unit not in UNITS:
            raise ValueError(f"unknown unit {self.unit!r}: one of {', '.join(UNITS)}")
        if np.isinf(self.traffic).any() or (self.unit != "z-score" and (self.traffic < 0).any()):
            raise ValueError("traffic has negative or infinite volumes")
        if self.minutes < 1:
            raise ValueError(f"a step of {self.minutes} minutes")
        if self.side is not None and not self.side > 0:
            raise ValueError(f"cells with a side of {self.side} m")
        self._check_shapes()
        self._check_calendar()

    def _check_shapes(self) -> None:
        steps, cells = self.traffic.shape
        shapes = {"ids": (cells,), "lonlat": (cells, 2), "polygons": (cells,), "split": (cells,)}
        shapes |= {"users": (steps, cells), "filled": (steps, cells)}
        for field, shape in shapes.items():
            value = getattr(self, field)
            if value is not None and value.shape != shape:
                raise ValueError(f"{field} has shape {value.shape}, the traffic needs {shape}")
        if self.ids is not None and len(np.unique(self.ids)) != cells:
            raise ValueError("two cells have the same id")
        if self.grid_shape is not None and (len(self.grid_shape) not in (2, 3) or np.prod(self.grid_shape) != cells):
            raise ValueError(f"{cells} cells are not a grid of {self.grid_shape}")
        if self.lonlat is not None and not (np.abs(self.lonlat) <= (180, 90)).all():
            raise ValueError("lonlat is not within -180..180, -90..90 degrees")
        if self.poi is not None and (self.poi.ndim != 2 or len(self.poi) != cells):
            raise ValueError(f"poi has shape {self.poi.shape}, the traffic needs ({cells}, categories)")
        if self.poi_names is not None and (self.poi is None or len(self.poi_names) != self.poi.shape[1]):
            raise ValueError("poi_names does not name each column of poi")

    def _check_calendar(self) -> None:
        if self.start is not None:
            if self.weekday not in (None, self.start.weekday()):
                raise ValueError(f"{self.start:%Y-%m-%d} is not weekday {self.weekday} (0 = Monday)")
            object.__setattr__(self, "weekday", self.start.weekday())
        if self.weekday is not None and self.weekday not in range(7):
            raise ValueError(f"weekday {self.weekday} is not 0 (Monday) .. 6 (Sunday)")
        for first, end, reason in self.excluded:
            if not 0 <= first < end <= len(self.traffic):
                raise ValueError(f"excluded steps {first}..{end} ({reason}) are not within 0..{len(self.traffic)}")

    def __repr__(self) -> str:
        steps, cells = self.traffic.shape
        shape = "" if self.grid_shape is None else f" = {' x '.join(map(str, self.grid_shape))}"
        start = "" if self.start is None else f" from {self.start:%Y-%m-%d %H:%M}"
        missing = f", {self.missing.mean():.1%} missing" if self.missing.any() else ""
        return f"MeasuredTraffic({self.name}: {cells} cells{shape}, {steps} x {self.minutes} min{start}{missing})"

    @property
    def active(self) -> np.ndarray:
        """(n,) bool: cells that ever carry traffic."""
        return np.asarray((np.nan_to_num(self.traffic) != 0).any(0))

    @property
    def missing(self) -> np.ndarray:
        """(T, n) bool: not measured, whether a gap still or filled in since."""
        gaps = np.isnan(self.traffic)
        return gaps if self.filled is None else np.asarray(gaps | self.filled)

    @property
    def ordinary(self) -> np.ndarray:
        """(T,) bool: steps outside the excluded ranges."""
        steps = np.ones(len(self.traffic), bool)
        for first, end, _ in self.excluded:
            steps[first:end] = False
        return steps

    def times(self) -> pd.DatetimeIndex:
        """Local time at which each step begins; ValueError where the start is unknown.

        With a time zone, steps keep their length when the clocks change.
        """
        if self.start is None:
            raise ValueError(f"{self.name}: the date of the first step is unknown")
        return pd.date_range(self.start, periods=len(self.traffic), freq=f"{self.minutes}min")

    def hour_of_week(self) -> np.ndarray:
        """(T,) hours from Monday 00:00 to each step's begin, 0 <= h < 168; ValueError where the weekday is unknown."""
        if self.start is not None:
            times = self.times()
            return (24 * times.day_of_week + times.hour + times.minute / 60).to_numpy(float)
        if self.weekday is None:
            raise ValueError(f"{self.name}: the weekday of the first step is unknown")
        minutes = self.weekday * MINUTES_PER_DAY + self.minutes * np.arange(len(self.traffic))
        return minutes % MINUTES_PER_WEEK / 60

    def grid(self) -> np.ndarray:
        """(T, rows, cols) traffic of a grid, (T, patches, rows, cols) of patches; ValueError if it is neither."""
        if self.grid_shape is None:
            raise ValueError(f"{self.name}: the cells form no grid")
        return self.traffic.reshape(-1, *self.grid_shape)

    def hourly(self) -> "MeasuredTraffic":
        """The same by the hour: volumes add up, users are averaged, an hour with any gap in it is a gap.

        Only whole hours of the local clock are kept. Raises ValueError if steps do not divide the hour, or lie across
        its full hours.
        """
        if 60 % self.minutes:
            raise ValueError(f"{self.name}: steps of {self.minutes} minutes do not make an hour")
        each = 60 // self.minutes
        into_hour = 0 if self.start is None else self.start.minute
        if into_hour % self.minutes:
            raise ValueError(f"{self.name}: steps begin {into_hour % self.minutes} minutes off the full hour")
        skip = -into_hour // self.minutes % each  # steps before the first full hour
        hours = (len(self.traffic) - skip) // each
        if not hours:
            raise ValueError(f"{self.name}: no whole hour is measured")

        def by_hour(x: np.ndarray) -> np.ndarray:  # (hours, steps in each, cells)
            return x[skip : skip + hours * each].reshape(hours, each, -1)

        ranges = ((max((x.first - skip) // each, 0), min(-(-(x.end - skip) // each), hours), x) for x in self.excluded)
        return replace(
            self,
            traffic=by_hour(self.traffic).sum(1),
            minutes=60,
            start=None if self.start is None else self.start + timedelta(minutes=skip * self.minutes),
            # The skipped steps may end with the day: the new start then gives the weekday.
            weekday=self.weekday if self.start is None else None,
            excluded=tuple(Excluded(first, end, x.reason) for first, end, x in ranges if first < end),
            users=None if self.users is None else by_hour(self.users).mean(1),
            filled=None if self.filled is None else np.asarray(by_hour(self.filled).any(1)),
        )

    def gaps(self) -> pd.DataFrame:
        """Each run of missing steps: columns cell (its id, or its number without ids), first (step) and steps."""
        missing = self.missing.T  # (n, T): each row's runs begin and end where it changes
        edges = np.diff(np.pad(missing, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        cell, first = np.nonzero(edges == 1)
        _, end = np.nonzero(edges == -1)
        names = cell if self.ids is None else self.ids[cell]
        return pd.DataFrame({"cell": names, "first": first, "steps": end - first})

    def gap_report(self) -> str:
        """One sentence on what is missing: how much, in how many cells, and where the longest gap is."""
        gaps = self.gaps()
        if gaps.empty:
            return "No value is missing."
        longest = gaps.iloc[int(gaps.steps.argmax())]
        when = f"step {longest['first']}" if self.start is None else f"{self.times()[longest['first']]:%Y-%m-%d %H:%M}"
        filled = "" if self.filled is None or not self.filled.any() else f", {self.filled.sum():,} of them filled in"
        return (
            f"{self.missing.sum():,} of {self.missing.size:,} values are missing{filled}: "
            f"{len(gaps):,} gaps in {gaps.cell.nunique():,} of {self.missing.shape[1]:,} cells, "
            f"the longest {longest.steps:,} steps from {when} in cell {longest.cell}."
        )
