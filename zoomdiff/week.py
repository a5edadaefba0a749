"""The result: one week of traffic of a region at all its levels, and what is needed to make it again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoomdiff.arguments import number, path_of
from zoomdiff.equality import ByContent
from zoomdiff.errors import OptionError
from zoomdiff.levels import HOURS_PER_WEEK, Level, aggregate
from zoomdiff.region import Region

if TYPE_CHECKING:
    from geopandas import GeoDataFrame
    from matplotlib.figure import Figure
    from xarray import DataArray

    from zoomdiff.context.uec import UEC

WEEK_START = datetime(2025, 3, 3)  # a Monday of an ordinary week; the model knows weekdays, not dates
UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, eq=False)
class TrafficWeek(ByContent):
    """One week of traffic volumes in bytes, Monday 00:00 to Sunday 24:00 local time.

    Two weeks are equal if region, volumes and provenance are.

    Attributes
    ----------
    region
        The frame; cells outside its mask hold 0.
    volumes
        One array (T_k, H_k, W_k) per level of the region's hierarchy, coarse to fine, whole bytes (float64).
    provenance
        How it was made: seed, steps, weights' hash, map sources, notes; goes into every file.
    uec
        The urban context that it was made for; None for a week from elsewhere.

    Raises
    ------
    ValueError
        A shape does not fit the frame, a value is negative or not finite, or a coarser level is not the sum of the next
        finer one.
    """

    region: Region
    volumes: tuple[np.ndarray, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    uec: "UEC | None" = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        hierarchy = self.region.hierarchy
        for k, x_k in enumerate(self.volumes):
            shape = (HOURS_PER_WEEK // hierarchy[k].hours, *self.region.mask(k).shape)
            if x_k.shape != shape:
                raise ValueError(f"level {hierarchy[k].name}: shape {x_k.shape}, the frame needs {shape}")
            if not np.isfinite(x_k).all() or (x_k < 0).any():
                raise ValueError(f"level {hierarchy[k].name}: negative or not finite volumes")
        for k, (coarse, fine) in enumerate(pairwise(self.volumes)):
            if not np.allclose(coarse, aggregate(fine, *hierarchy.between(k, k + 1)), rtol=1e-6, atol=0.5):
                raise ValueError(f"level {hierarchy[k].name} is not the sum of level {hierarchy[k + 1].name}")

    def __repr__(self) -> str:
        return f"TrafficWeek({self.region!r}, {human_bytes(self.total(0))} in the week)"

    def __getitem__(self, level: str | int) -> "WeekLevel":
        """One level, by its name ("bs", "cell", "grid100", "grid50") or its number. Raises OptionError."""
        names = [each.name for each in self.region.hierarchy]
        if level in names:
            return WeekLevel(self, names.index(level))
        if isinstance(level, int) and -len(names) <= level < len(names):
            return WeekLevel(self, level % len(names))
        raise OptionError(f"There is no level {level!r}: choose from {', '.join(names)}.")

    def __contains__(self, level: object) -> bool:
        return level in [each.name for each in self.region.hierarchy]

    def __iter__(self) -> Iterator["WeekLevel"]:
        return (WeekLevel(self, k) for k in range(len(self.volumes)))

    def save(self, folder: str | Path, formats: str | Iterable[str] = "geojson") -> list[Path]:
        """Write the week into a folder: all files or none.

        Parameters
        ----------
        folder
            It is made where it does not exist; ~ is the home folder.
        formats
            One or more of geojson, geojson-long, parquet, netcdf, zarr, cog, csv, png, uec, reproduce (docs/files.md);
            a list, or text with commas between.

        Returns
        -------
        list of Path
            The files, one per level where a format has one level per file.

        Raises
        ------
        OptionError
            An unknown format, or a file that cannot be written.
        """
        from zoomdiff.export.formats import Export, parse_formats, write_files

        return list(write_files(Export(self), path_of("The folder", folder), parse_formats(formats)))

    def plot(self) -> "Figure":
        """The levels beside each other, each at its busiest step."""
        from zoomdiff.export.picture import plot_levels

        return plot_levels(self)

    def level(self, k: int) -> Level:
        """Name, side and step of level k."""
        return self.region.hierarchy[k]

    def total(self, k: int = -1) -> float:
        """Bytes of the whole region and week, summed at level k."""
        return float(self.volumes[k].sum())

    def peak_step(self, k: int = -1) -> int:
        """Index of the step of level k in which the region carries most."""
        return int(self.volumes[k].sum((1, 2)).argmax())

    def times(self, k: int = -1) -> list[datetime]:
        """Start of each step of level k, local time of a nominal week."""
        return times_of(self.level(k))

    def time_label(self, k: int, t: int) -> str:
        """Step t of level k for people: 'Mon 14:00-16:00', or 'Mon' for a whole day."""
        level = self.level(k)
        day, step = divmod(t, level.steps_per_day)
        if level.steps_per_day == 1:
            return WEEKDAYS[day]
        start = step * level.hours
        return f"{WEEKDAYS[day]} {start:02d}:00-{start + level.hours:02d}:00"


@dataclass(frozen=True)
class WeekLevel:
    """One level of a week, as `week["grid50"]` gives it."""

    week: TrafficWeek
    k: int

    def __repr__(self) -> str:
        steps, rows, cols = self.volumes.shape
        return f"WeekLevel({self.level.title}: {steps} steps x {rows} x {cols} cells)"

    @property
    def level(self) -> Level:
        """Its name, side and step."""
        return self.week.level(self.k)

    @property
    def volumes(self) -> np.ndarray:
        """(T_k, H_k, W_k) bytes per step and cell, row 0 in the north, 0 outside the region."""
        return self.week.volumes[self.k]

    @property
    def times(self) -> list[datetime]:
        """Start of each step, local time of a nominal week."""
        return self.week.times(self.k)

    def to_xarray(self) -> "DataArray":
        """Traffic (time, y, x) in bytes per step, NaN outside the region; x and y in metres of the UTM zone (CF).

        Written with `to_netcdf`, it is the same again through `xarray.open_dataarray(path, decode_coords="all")`, which
        makes the CRS a coordinate.
        """
        from zoomdiff.export.netcdf import to_dataset

        dataset = to_dataset(self.week, self.k)
        return dataset["traffic"].assign_attrs({**dataset.attrs, **dataset["traffic"].attrs})

    def to_geodataframe(self, *, wide: bool = False) -> "GeoDataFrame":
        """One row per cell (WGS84): row, col, h3, traffic (a list of bytes per step) and geometry, the outline.

        What the numbers are (unit, times of the steps, provenance) is in the frame's `attrs`.

        Parameters
        ----------
        wide
            One whole number per step instead of the list, in columns named after its start ("Mon_00", of a daily level
            "Mon"): for formats without lists, such as GeoPackage, which would write the list as text.
        """
        from zoomdiff.export.parquet import to_geodataframe

        return to_geodataframe(self.week, self.k, wide=wide)

    def at(self, lon: float, lat: float) -> np.ndarray:
        """(T_k,) bytes per step in the cell at a place in degrees. Raises OptionError outside the region."""
        cell = self.week.region.cell_at(number("lon", lon, "degrees"), number("lat", lat, "degrees"), self.k)
        if cell is None:
            west, south, east, north = self.week.region.bounds
            raise OptionError(
                f"The place {lon:g},{lat:g} lies outside the region: give lon and lat within "
                f"{west:.4f},{south:.4f},{east:.4f},{north:.4f}."
            )
        series: np.ndarray = self.volumes[:, *cell]
        return series


def times_of(level: Level) -> list[datetime]:
    """Start of each step of a level, local time of a nominal week."""
    return [WEEK_START + timedelta(hours=level.hours * t) for t in range(HOURS_PER_WEEK // level.hours)]


def unit_of(highest: float) -> tuple[float, str]:
    """(factor, unit) for volumes up to `highest` bytes, on an axis or a scale."""
    return next((pair for pair in UNITS if highest >= pair[0]), UNITS[-1])


def human_bytes(volume: float) -> str:
    """A volume for people, in decimal units.

    Examples
    --------
    >>> human_bytes(1_234_567)
    '1.23 MB'
    """
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if volume < 1000 or unit == "PB":
            return f"{volume:.3g} {unit}"
        volume /= 1000
    raise AssertionError("unreachable")
