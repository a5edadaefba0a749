"""Milan's mobile internet activity, November and December 2013: the Telecom Italia Big Data Challenge.

A grid of 100 x 100 squares of 235 m. Square 1 lies in the south-west, 100 in the south-east and 10,000 in the
north-east. Activity is proportional to the number of records that calls on the internet leave, by a secret factor.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from zoomdiff.errors import DataError
from zoomdiff.isolation import isolated
from zoomdiff.measured.tables import Table, first_row
from zoomdiff.measured.times import read_times, regular_steps
from zoomdiff.measured.traffic import Excluded, MeasuredTraffic
from zoomdiff.shapes import repair

SIDE = 235.0  # metres
ALONG = 100  # squares along a side
MOST_VALUES = 62 * 144 * ALONG**2  # of two months every 10 minutes
SOURCE = "Telecom Italia Big Data Challenge (Barlacchi et al. 2015, doi 10.1038/sdata.2015.55)"
LICENCE = "ODbL 1.0"
ZONE = "Europe/Rome"
COLUMNS = ("square", "time", "country", "smsin", "smsout", "callin", "callout", "internet")


def read_milan(
    path: str | Path, *, grid: str | Path | None = None, features: str | Path | None = None
) -> MeasuredTraffic:
    """Milan: internet activity of 5 x 5 squares (rows and columns 41-45 from the south-west, counted from 0), 10 min.

    4320 steps from Friday 1 November 2013 00:00 local time; that day is a public holiday and excluded. Neither the date
    nor the place is in the file. Its holiday, weekends and nights give the date; frames of the whole city, which repeat
    its numbers to all digits, give the place.

    Source: Telecom Italia by way of github.com/suemon-suemon/DGRN-wireless-traffic-forecast; ODbL 1.0.

    Parameters
    ----------
    path
        CSV without header: a line per step, the squares row by row from the south-west.
    grid
        `milano-grid.geojson`: adds polygons and centres.
    features
        `stcnet_crawled_feature_100x100.csv` (a line per square): adds its counts as poi.

    Raises
    ------
    DataError
        A file cannot be read or is another one.
    """
    traffic = _numbers(path)
    if not (np.isfinite(traffic).all() and (traffic >= 0).all()):
        raise DataError(f"{Path(path).name} has values that are negative or no numbers.")
    if traffic.shape[1] != 25:
        raise DataError(f"{Path(path).name} has {traffic.shape[1]} columns, not those of 5 x 5 squares.")
    rows, cols = np.mgrid[41:46, 41:46]
    squares = (ALONG * rows + cols + 1).ravel()
    return _squares(
        traffic,
        squares,
        10,
        datetime(2013, 11, 1),
        "Milan, 5 x 5 squares",
        grid,
        excluded=(Excluded(0, 144, "All Saints' Day"),) if len(traffic) >= 144 else (),
        features=features,
    )


def read_milan_raw(
    path: str | Path | Iterable[str | Path], *, grid: str | Path | None = None, squares: Sequence[int] | None = None
) -> MeasuredTraffic:
    """Milan as Telecom Italia published it: internet activity, summed over country codes.

    A square without a row, or with an empty field, had no activity: 0. A step without any row is a gap.

    Source: Harvard Dataverse, doi 10.7910/DVN/EGZHFV; ODbL 1.0.

    Parameters
    ----------
    path
        Files `sms-call-internet-mi-*.txt` or `.csv` (one per day), or the folder that holds them. Without header:
        square id, milliseconds since 1970 UTC, country code, SMS in, SMS out, calls in, calls out, internet, with tabs
        between. With header, in any order and with commas between (as on Kaggle, by the hour): datetime in local time,
        CellID, countrycode, ..., internet.
    grid
        `milano-grid.geojson`: adds polygons and centres.
    squares
        Ids 1..10,000 to keep; all that occur without it (a month of 10 minutes then takes 350 MB).

    Raises
    ------
    DataError
        A file cannot be read or is another one, naming the line where one is at fault.
    """
    days, times = [], pd.DatetimeIndex([])
    for file in _files(path):
        day = _read_day(file)
        measured = day.index.unique("time")
        if times.isin(measured).any():
            raise DataError(f"{file.name} holds times that another file holds, too: give each day once.")
        # Which steps were measured is known from all squares, also those that are not kept.
        times = times.union(pd.DatetimeIndex(measured))
        days.append(day if squares is None else day[day.index.isin(squares, level="square")])
    rows = pd.concat(days)
    found = rows.index.unique("square")
    if found.empty:
        raise DataError("The files hold none of the squares asked for.")
    local = pd.Series(times, range(1, len(times) + 1)).dt.tz_localize("UTC").dt.tz_convert(ZONE)
    minutes, step, start = regular_steps(Table(local.to_frame(), "The data of Milan", "time"), local)
    steps = int(step.max()) + 1
    if steps * len(found) > MOST_VALUES:
        raise DataError(
            f"The files span {steps:,} steps and have {len(found):,} squares, more than the two months that Telecom "
            "Italia published: give fewer files, or fewer squares."
        )
    activity = rows.unstack("square", fill_value=0.0).reindex(times, fill_value=0.0)  # (times, squares)
    traffic = np.full((steps, activity.shape[1]), np.nan)
    traffic[step] = activity.to_numpy()
    return _squares(traffic, activity.columns.to_numpy(), minutes, start, "Milan", grid)


def _squares(
    traffic: np.ndarray,
    squares: np.ndarray,
    minutes: int,
    start: datetime | None,
    name: str,
    grid: str | Path | None,
    *,
    excluded: tuple[Excluded, ...] = (),
    features: str | Path | None = None,
) -> MeasuredTraffic:
    """Traffic (T, n) of Milan squares by id, put in order from the north-west, with what files say of the squares."""
    row, col = np.divmod(squares - 1, ALONG)  # row 0 in the south
    order = np.lexsort((col, -row))
    squares, row, col = squares[order], row[order], col[order]
    shape = (int(np.ptp(row)) + 1, int(np.ptp(col)) + 1)
    polygons = None if grid is None else _polygons(grid)[squares - 1]
    poi, poi_names = (None, None) if features is None else _features(features)
    return MeasuredTraffic(
        traffic=traffic[:, order],
        minutes=minutes,
        unit="activity",
        name=name,
        source=SOURCE,
        licence=LICENCE,
        start=start,
        excluded=excluded,
        ids=squares.astype(str),
        grid_shape=shape if np.prod(shape) == len(squares) else None,
        side=SIDE,
        polygons=polygons,
        lonlat=None if polygons is None else shapely.get_coordinates(shapely.centroid(polygons)),
        poi=None if poi is None else poi[squares - 1],
        poi_names=poi_names,
    )


@isolated(DataError)
def _numbers(path: str | Path) -> np.ndarray:
    """(T, n) numbers of a CSV without header."""
    try:
        return np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(f"{Path(path).name} cannot be read as numbers with commas between.") from error


@isolated(DataError)
def _polygons(path: str | Path) -> np.ndarray:
    """(10000,) polygons of the squares 1, 2, ..."""
    try:
        grid = gpd.read_file(Path(path), columns=["cellId"]).to_crs(4326)
        if set(grid.cellId) != set(range(1, ALONG**2 + 1)):
            raise DataError(f"{Path(path).name} does not hold the squares 1 to 10,000.")
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        raise DataError(f"{Path(path).name} cannot be read: give milano-grid.geojson.") from error
    return repair(grid.sort_values("cellId").geometry.to_numpy())


@isolated(DataError)
def _features(path: str | Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """(10000, categories) counts of the squares 1, 2, ..., and the names of the categories."""
    try:
        features = pd.read_csv(Path(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{Path(path).name} cannot be read as CSV.") from error
    if len(features) != ALONG**2:
        raise DataError(f"{Path(path).name} has {len(features):,} rows, not one for each of 10,000 squares.")
    return features.to_numpy(float), tuple(features.columns)


def _files(path: str | Path | Iterable[str | Path]) -> list[Path]:
    """The files in their order; those of a folder by name, DataError if it holds none."""
    if not isinstance(path, str | Path):
        if not (files := sorted(Path(file) for file in path)):
            raise DataError("There is no file of Milan's activity: give at least one.")
        return files
    path = Path(path)
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.glob("sms-call-internet-mi-*") if file.suffix in (".txt", ".csv"))
    if not files:
        raise DataError(f"{path} holds no file sms-call-internet-mi-*.txt or .csv.")
    return files


@isolated(DataError)
def _read_day(path: Path) -> pd.Series:
    """Internet activity of one file by (time in UTC without zone, square), summed over country codes."""
    try:
        with path.open() as file:
            first_line = file.readline()
        has_header = first_line[:1].isalpha()
        separator = max("\t,", key=first_line.count)
        names = None if has_header else COLUMNS
        table = Table(pd.read_csv(path, sep=separator, names=names), path.name, "line")
        columns = [table.need(role, {"bytes": "internet"}) for role in ("cell", "time", "bytes")]
        rows = table.frame[columns].set_axis(["square", "time", "internet"], axis=1)
        rows = rows.astype({"square": int, "internet": float}).fillna({"internet": 0.0})
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} is not in the layout of the Telecom Italia files.") from error
    rows.index += 2 if has_header else 1
    table = Table(rows, path.name, "line")
    if (row := first_row(~rows.square.between(1, ALONG**2))) is not None:
        raise table.error(row, f"there is no square {rows.square[row]}")
    if (row := first_row((rows.internet < 0) | ~np.isfinite(rows.internet))) is not None:
        raise table.error(row, f"the activity {rows.internet[row]:g} is negative or not finite")
    if pd.api.types.is_numeric_dtype(rows.time):
        rows["time"] = pd.to_datetime(rows.time, unit="ms", errors="coerce")
        if (row := first_row(rows.time.isna())) is not None:
            raise table.error(row, "its time is no number of milliseconds since 1970")
    else:
        local, _ = read_times(table, "time")
        if local.dt.tz is None:
            local = local.dt.tz_localize(ZONE, ambiguous="NaT", nonexistent="NaT")
        if (row := first_row(local.isna())) is not None:
            raise table.error(row, "its hour is repeated or skipped where the clocks change")
        rows["time"] = local.dt.tz_convert("UTC").dt.tz_localize(None)
    return rows.groupby(["time", "square"]).internet.sum()
