"""Times of measurements: reading them with or without time zone, and the regular step between them."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from zoomdiff.errors import DataError
from zoomdiff.measured.tables import Table

# What follows the minutes, seconds and fractions of an ISO 8601 time: Z, +01, +0100 or +01:00.
OFFSET = r":\d\d(?::\d\d)?(?:[.,]\d+)?\s*(Z|z|[+-]\d\d(?::?\d\d)?)$"
# A table is refused if it has this many steps x cells, and so many times as many as rows: a wrong date must not fill
# memory.
MIN_TOO_SPARSE, MAX_SPARSENESS = 1_000_000, 100


def read_times(table: Table, column: str, zone: str | None = None, time_format: str | None = None) -> pd.Series:
    """The local time of each row: datetime64, with a time zone where the table or `zone` tells one.

    zone         name such as "Europe/Rome": times without offset are read as its local time, others are turned into it
    time_format  as for strptime; otherwise ISO 8601, such as 2025-03-03 14:00 or 2025-03-03T14:00:00+01:00

    Raises DataError, naming the row, for a time that cannot be read, for times with and without offset or (without
    `zone`) with different offsets, and for a local time that occurs twice or never because the clocks change.
    """
    zone_info = _zone(zone)
    values = table.frame[column]
    if isinstance(values.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(values):
        if values.isna().any():
            raise table.error(values.isna().idxmax(), "the time is missing")
        return _in_zone(table, values, zone_info)
    # A table names each time once per cell: every distinct one is read once.
    codes, distinct = pd.factorize(table.text(column))
    distinct = pd.Series(distinct, dtype=str)
    first_row = pd.Series(table.frame.index).groupby(codes).first()
    offset = distinct.str.extract(OFFSET, expand=False)
    has_offset = offset.notna().any()
    try:
        read = pd.to_datetime(distinct, format=time_format or "ISO8601", errors="coerce", utc=bool(has_offset))
    except ValueError as error:
        raise DataError(f"{table.name}: the time format {time_format!r} is not one for strptime.") from error
    if read.isna().any():
        k = int(read.isna().argmax())
        problem = f"the time {distinct[k]!r} cannot be read: write it as 2025-03-03 14:00" if distinct[k] else None
        raise table.error(first_row[k], problem or "the time is missing")
    if has_offset:
        # As numbers: Z, +00 and +00:00 are the same offset.
        apart = offset.str.upper().replace("Z", "+00").str.replace(":", "").str.ljust(5, "0").fillna("none")
        differs = apart != apart[0]
        if differs.any() and (zone_info is None or (apart == "none").any()):
            k = int(differs.argmax())
            raise table.error(first_row[k], _mixed(distinct[k], apart[k], apart[0]))
        if zone_info is None:
            read = read.dt.tz_convert(pd.Timestamp(distinct[0]).tz if time_format is None else "UTC")
    times = pd.Series(read.to_numpy(), dtype=read.dtype).take(codes).set_axis(values.index)
    return _in_zone(table, times, zone_info)


def regular_steps(
    table: Table, times: pd.Series, cells: np.ndarray | None = None, minutes: int | None = None
) -> tuple[int, np.ndarray, datetime]:
    """The step of a table: (minutes, (rows,) number of each row's step, local time of step 0).

    times    (rows,) as `read_times` gives them
    cells    (rows,) number of the cell that a row is of; all rows are of one without it
    minutes  the step; without it, the most frequent distance from one time of a cell to its next

    Whole steps may be missing. Raises DataError, naming the row, for a time off the steps, or so far from the others
    that next to nothing would be measured in between.
    """
    instants = times.dt.tz_convert("UTC").dt.tz_localize(None) if times.dt.tz is not None else times
    seconds = instants.astype("datetime64[s]").astype("int64")
    cells = np.zeros(len(times), int) if cells is None else cells
    if minutes is None:
        order = np.lexsort((seconds, cells))
        distances = np.diff(seconds.to_numpy()[order])[np.diff(cells[order]) == 0]
        if not distances.size:
            raise DataError(f"{table.name} has no cell with two times, so its step is unknown: give minutes.")
        step = int(pd.Series(distances).mode()[0])
    elif minutes < 1:
        raise DataError(f"A step of {minutes} minutes is none: give at least 1.")
    else:
        step = 60 * minutes
    if step % 60:
        raise DataError(f"{table.name} has steps of {step} seconds: bring them to whole minutes.")
    # Not the first time but the most frequent phase is right: the first may be the one that is wrong.
    phase = int((seconds % step).mode()[0])
    off = seconds % step != phase
    if off.any():
        row = off.idxmax()
        raise table.error(row, f"the time {_show(times[row])} does not fit the step of {step // 60} minutes")
    first = seconds.idxmin()
    number = ((seconds - seconds[first]) // step).to_numpy()
    if (number.max() + 1) * (cells.max() + 1) > max(MIN_TOO_SPARSE, MAX_SPARSENESS * len(times)):
        row = (seconds - seconds.median()).abs().idxmax()
        raise table.error(row, f"the time {_show(times[row])} is so far from the others that it must be wrong")
    return step // 60, number, times[first].to_pydatetime()


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DataError(f"There is no time zone {name!r}: give one such as Europe/Rome or Asia/Shanghai.") from error


def _in_zone(table: Table, times: pd.Series, zone: ZoneInfo | None) -> pd.Series:
    """Times in `zone`: turned into it if they have a zone, read as its local time if not."""
    if zone is None:
        return times
    if times.dt.tz is not None:
        return times.dt.tz_convert(zone)
    known = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward")
    if known.isna().any():
        row = known.isna().idxmax()
        problem = f"{_show(times[row])} occurs twice in {zone.key}, when the clocks go back"
        raise table.error(row, f"{problem}: give times in UTC or with an offset")
    known = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    if known.isna().any():
        row = known.isna().idxmax()
        problem = f"{_show(times[row])} does not exist in {zone.key}, when the clocks go forward"
        raise table.error(row, f"{problem}: give times in UTC or with an offset")
    return known


def _mixed(time: str, offset: str, usual: str) -> str:
    if offset == "none":
        return f"the time {time!r} has no offset while the first time has {usual}"
    if usual == "none":
        return f"the time {time!r} has an offset while the first time has none"
    return f"the time {time!r} has the offset {offset} while the first time has {usual}: tell the time zone with zone="


def _show(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if not time.second else f"{time:%Y-%m-%d %H:%M:%S}"
