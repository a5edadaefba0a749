"""Reading measured traffic: one row per time and cell, in a CSV, GeoJSON, Parquet or GeoParquet file.

    time, lon, lat, bytes                   the place itself is the cell
    time, cell, bytes [, geometry]          cells by id, with or without position
    time, site, bytes + a table of sites    site, lon, lat
    time, bytes, geometry                   the geometry itself is the cell

Columns are found by the names in `measured.tables.SYNONYMS`, or named with `columns`. Rows may come in any order,
and a missing row is a gap.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import shapely

from zoomdiff.errors import DataError
from zoomdiff.isolation import isolated
from zoomdiff.measured.tables import Table, first_row, read_table
from zoomdiff.measured.times import read_times, regular_steps
from zoomdiff.measured.traffic import MeasuredTraffic
from zoomdiff.shapes import repair

BYTES_PER = {"bytes": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}


class _Cells(NamedTuple):
    """The cell of each row, and what is known of each of the n cells."""

    of_row: np.ndarray  # (rows,) number of the cell
    ids: np.ndarray  # (n,) str
    lonlat: np.ndarray | None  # (n, 2)
    polygons: np.ndarray | None  # (n,)


@isolated(DataError, also="sites")
def read_measurements(
    path: str | Path | pd.DataFrame,
    *,
    sites: str | Path | pd.DataFrame | None = None,
    columns: Mapping[str, str] | None = None,
    unit: str = "bytes",
    zone: str | None = None,
    time_format: str | None = None,
    minutes: int | None = None,
    fill: str | float | None = None,
) -> MeasuredTraffic:
    """Read a table of measured traffic: a row per time and cell.

    Cells come in the order in which they first appear. The result is in bytes, and its `notes` say how times were read.

    Parameters
    ----------
    path
        CSV, GeoJSON, Parquet or GeoParquet file, or a DataFrame.
    sites
        Table of sites (site, lon, lat, or GeoJSON points), where rows name a site.
    columns
        Names of columns by role: time, bytes, lon, lat, cell, site, geometry.
    unit
        Of the volumes: "bytes", "kB", "MB" or "GB" (decimal).
    zone
        Time zone of the place, such as "Europe/Rome". Times without offset are then UTC, and all times are converted to
        it. Without a zone, times without offset are local, and times with one are local time at that offset.
    time_format
        As for strptime; ISO 8601 without it.
    minutes
        Length of a step; default: the most frequent distance between a cell's times.
    fill
        None: gaps stay NaN; "interpolate" or a number: see `fill_gaps`.

    Returns
    -------
    MeasuredTraffic
        Its `gap_report` says how much is missing and where, filled or not.

    Raises
    ------
    DataError
        One sentence that names the row where one is at fault: a column missing or doubtful, a time that cannot be read,
        has another offset, is off the step or far from all others, a volume that is negative or not a number, two rows
        for the same time and cell, an unknown site, a place out of range.

    Examples
    --------
    >>> table = pd.DataFrame({"time": ["2025-03-03 00:00", "2025-03-03 01:00"], "site": "A", "lon": 7.4, "lat": 43.7})
    >>> mine = read_measurements(table.assign(volume=[1.5, 2.0]), unit="MB")
    >>> mine
    MeasuredTraffic(The table: 1 cells, 2 x 60 min from 2025-03-03 00:00)
    >>> mine.traffic
    array([[1500000.],
           [2000000.]])
    """
    if unit not in BYTES_PER:
        raise DataError(f"The unit {unit!r} is unknown: give one of {', '.join(BYTES_PER)}.")
    table = read_table(path)
    time_column, volume_column = table.need("time", columns), table.need("bytes", columns)
    cells = _cells(table, None if sites is None else read_table(sites, "The table of sites"), columns)
    times, note = read_times(table, time_column, zone, time_format)
    volumes = _volumes(table, volume_column) * BYTES_PER[unit]
    _check_distinct(table, times, cells)
    minutes, step, start = regular_steps(table, times, cells.of_row, minutes)
    traffic = np.full((step.max() + 1, len(cells.ids)), np.nan)
    traffic[step, cells.of_row] = volumes
    measured = MeasuredTraffic(
        traffic=traffic,
        minutes=minutes,
        unit="bytes",
        name=Path(table.name).stem,
        source=table.name,
        licence="not stated",
        start=start,
        ids=cells.ids,
        lonlat=cells.lonlat,
        polygons=cells.polygons,
        notes=(note,),
    )
    return measured if fill is None else fill_gaps(measured, fill)


def fill_gaps(measured: MeasuredTraffic, how: str | float) -> MeasuredTraffic:
    """The same without NaN; `filled` marks the guesses.

    Parameters
    ----------
    how
        The value of every gap, or "interpolate": a straight line over a gap within its cell; before the first and after
        the last value, the nearest one.

    Raises
    ------
    DataError
        Another word, a negative value, or a cell without any value to interpolate.
    """
    gaps = np.isnan(measured.traffic)
    if how == "interpolate":
        if gaps.all(0).any():
            cell = gaps.all(0).argmax()
            raise DataError(
                f"Cell {cell if measured.ids is None else measured.ids[cell]} has no value to interpolate: "
                "take it out, or fill gaps with 0."
            )
        traffic = pd.DataFrame(measured.traffic).interpolate(limit_direction="both").to_numpy()
    elif isinstance(how, int | float) and how >= 0:
        traffic = np.where(gaps, float(how), measured.traffic)
    else:
        raise DataError(f'Gaps cannot be filled with {how!r}: give "interpolate" or a number such as 0.')
    return replace(measured, traffic=traffic, filled=measured.missing)


def _volumes(table: Table, column: str) -> pd.Series:
    """The column of volumes, NaN where it is empty; DataError where one is negative or not a number."""
    volumes = table.numbers(column, "volume")
    if (row := first_row(volumes < 0)) is not None:
        raise table.error(row, f"the volume {volumes[row]:g} is negative")
    return volumes


def _cells(table: Table, sites: Table | None, columns: Mapping[str, str] | None) -> _Cells:
    """Which cell each row is of, by its id or, without one, by its place."""
    site, cell = table.find("site", columns), table.find("cell", columns)
    column = (site or cell) if sites is not None else (cell or site)
    if column is None:
        if sites is not None:
            table.need("site", columns)
        geometry = table.find("geometry", columns)
        if geometry is not None:
            return _by_shape(table.shapes(geometry))
        lonlat = table.lonlat(table.need("lon", columns), table.need("lat", columns))
        of_row = pd.DataFrame(lonlat).groupby([0, 1], sort=False).ngroup().to_numpy()
        places = lonlat[np.unique(of_row, return_index=True)[1]]
        return _Cells(of_row, np.array([f"{lon}, {lat}" for lon, lat in places.tolist()]), places, None)
    of_row, ids = _ids(table, column)
    if sites is not None:
        return _Cells(of_row, ids, _site_lonlat(table, of_row, ids, sites, columns), None)
    return _Cells(of_row, ids, *_places(table, of_row, column, columns))


def _by_shape(shapes: np.ndarray) -> _Cells:
    """Cells that have a geometry (rows,) and no id: equal ones are one cell, called by its middle."""
    of_row, _ = pd.factorize(shapely.to_wkb(shapes))
    distinct = shapes[np.unique(of_row, return_index=True)[1]]
    places = shapely.get_coordinates(shapely.centroid(distinct))
    ids = np.array([f"{lon:.6f}, {lat:.6f}" for lon, lat in places.tolist()])
    if len(np.unique(ids)) < len(ids):  # two shapes around the same middle
        ids = np.array([f"{name} ({number})" for number, name in enumerate(ids, 1)])
    return _Cells(of_row, ids, places, _areas(distinct))


def _areas(shapes: np.ndarray) -> np.ndarray | None:
    """The shapes without crossings where all are areas, else None."""
    are_areas = np.isin(shapely.get_type_id(shapes), (3, 6)).all()  # Polygon, MultiPolygon
    return repair(shapes) if are_areas else None


def _ids(table: Table, column: str) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) number of the id in a column, (n,) distinct ids; DataError where a row has none."""
    text = table.text(column)
    if (row := first_row(text == "")) is not None:
        raise table.error(row, f"the {column} is missing")
    of_row, ids = pd.factorize(text)
    return of_row, np.asarray(ids, dtype=str)


def _site_lonlat(
    table: Table, of_row: np.ndarray, ids: np.ndarray, sites: Table, columns: Mapping[str, str] | None
) -> np.ndarray:
    """(n, 2) degrees of each id, from the table of sites."""
    column = sites.find("site", columns) or sites.find("cell", columns) or sites.need("site", columns)
    geometry = sites.find("geometry", columns)
    if geometry is not None:
        lonlat = shapely.get_coordinates(shapely.centroid(sites.shapes(geometry)))
    else:
        lonlat = sites.lonlat(sites.need("lon", columns), sites.need("lat", columns))
    number, known = _ids(sites, column)
    again = pd.Series(number).duplicated()
    if (at := first_row(again)) is not None:
        raise sites.error(sites.frame.index[at], f"the site {known[number[at]]} is listed twice")
    where = pd.Index(known).get_indexer(ids)
    if (where < 0).any():
        missing = (where < 0).argmax()
        row = table.frame.index[(of_row == missing).argmax()]
        raise table.error(row, f"the site {ids[missing]} is not in {sites.name[0].lower() + sites.name[1:]}")
    places: np.ndarray = lonlat[where]
    return places


def _places(
    table: Table, of_row: np.ndarray, column: str, columns: Mapping[str, str] | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(n, 2) degrees and (n,) polygons of cells that have an id, each None where the table does not say."""
    geometry, lon, lat = (table.find(role, columns) for role in ("geometry", "lon", "lat"))
    _, first = np.unique(of_row, return_index=True)
    if geometry is not None:  # as long as the table, yet one per cell: the first row of each counts
        shapes = Table(table.frame.iloc[first], table.name, table.row).shapes(geometry)
        return shapely.get_coordinates(shapely.centroid(shapes)), _areas(shapes)
    if lon is None or lat is None:
        if column == table.find("site", columns):
            raise DataError(
                f"{table.name} names sites but not where they are: give a table of sites (sites=, or --sites)."
            )
        return None, None
    lonlat = table.lonlat(lon, lat)
    moved = (lonlat != lonlat[first][of_row]).any(1)
    if moved.any():
        row = table.frame.index[moved.argmax()]
        was = table.frame.index[first[of_row[moved.argmax()]]]
        raise table.error(row, f"its {column} lies elsewhere than in {table.row} {was}")
    return lonlat[first], None


def _check_distinct(table: Table, times: pd.Series, cells: _Cells) -> None:
    """Raise DataError where a time and cell has a second row."""
    keys = pd.DataFrame({"time": times, "cell": cells.of_row})
    if (row := first_row(keys.duplicated())) is not None:
        time, cell = times[row], keys.cell[row]
        before = first_row((keys.time == time) & (keys.cell == cell))
        raise table.error(
            row,
            f"cell {cells.ids[cell]} at {time:%Y-%m-%d %H:%M} is already in {table.row} {before}: keep one of the two, "
            "or give times in UTC and a time zone if the clocks went back",
        )
