"""Times of measurements: bringing them to local time, and the regular step between them."""

from datetime import MAXYEAR, MINYEAR, datetime, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from zoomdiff.errors import DataError
from zoomdiff.measured.tables import Table, first_row

# What follows the minutes, seconds and fractions of an ISO 8601 time: Z, +01, +0100 or +01:00.
OFFSET = r":\d\d(?::\d\d)?(?:[.,]\d+)?\s*(Z|z|[+-]\d\d(?::?\d\d)?)$"
# A table is refused if it has this many steps x cells, and so many times as many as rows: a wrong date must not fill
# memory.
MIN_TOO_SPARSE, MAX_SPARSENESS = 1_000_000, 100


def read_times(
    table: Table, column: str, zone: str | None = None, time_format: str | None = None
) -> tuple[pd.Series, str]:
    """The local time of each row, and one sentence on how times were read.

    With a zone, times without offset are UTC and all times are converted to it; local time is then right across
    changes of the clocks. Without one, times without offset are local already, and times with an offset are local time
    at that offset.

    Parameters
    ----------
    zone
        Name such as "Europe/Rome".
    time_format
        As for strptime; otherwise ISO 8601, such as 2025-03-03 14:00 or 2025-03-03T14:00:00+01:00.

    Returns
    -------
    times, note
        datetime64 of each row, with a time zone where one is known.

    Raises
    ------
    DataError
        Naming the row: a time that cannot be read, times with and without offset, or different offsets without a zone.
    """
    there = _zone(zone)
    values = table.frame[column]
    if isinstance(values.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(values):
        if (row := first_row(values.isna())) is not None:
            raise table.error(row, "the time is missing")
        return _local(table, values, there)
    # A table names each time once per cell: every distinct one is read once.
    codes, names = pd.factorize(table.text(column))
    distinct = pd.Series(np.asarray(names, dtype=object), dtype=str)
    rows = table.frame.index[np.unique(codes, return_index=True)[1]]  # where each is first
    offset = distinct.str.extract(OFFSET, expand=True)[0]
    has_offset = bool(offset.notna().any())
    style = time_format or "ISO8601"
    try:
        read = pd.Series(pd.to_datetime(distinct, format=style, errors="coerce", utc=has_offset))
    except ValueError as error:
        raise DataError(f"{table.name}: the time format {time_format!r} is not one for strptime.") from error
    if (k := first_row(read.isna())) is not None:
        problem = f"the time {distinct[k]!r} cannot be read: write it as 2025-03-03 14:00" if distinct[k] else None
        raise table.error(rows[k], problem or "the time is missing")
    if has_offset:
        # As numbers: Z, +00 and +00:00 are the same offset.
        apart = offset.str.upper().replace("Z", "+00").str.replace(":", "").str.ljust(5, "0").fillna("none")
        k = first_row(apart != apart[0])
        if k is not None and (there is None or (apart == "none").any()):
            raise table.error(rows[k], _mixed(distinct[k], apart[k], apart[0]))
        if there is None:
            read = read.dt.tz_convert(pd.to_datetime(distinct[0], format=style).tz)
    return _local(table, read.take(codes).set_axis(values.index), there)


def regular_steps(
    table: Table, times: pd.Series, cells: np.ndarray | None = None, minutes: int | None = None
) -> tuple[int, np.ndarray, datetime]:
    """The length of a step in minutes, the step (rows,) of each row, and the local time of step 0.

    Whole steps may be missing.

    Parameters
    ----------
    times
        (rows,) as `read_times` returns them.
    cells
        (rows,) number of the cell of each row; one cell without it.
    minutes
        Length of a step; default: the most frequent distance between a cell's times.

    Raises
    ------
    DataError
        Naming the row: a time off the steps, or so far from the others that next to nothing would be measured in
        between.
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
    if (row := first_row(seconds % step != phase)) is not None:
        raise table.error(row, f"the time {_show(times[row])} does not fit the step of {step // 60} minutes")
    first = int(seconds.argmin())
    number = ((seconds - seconds.iloc[first]) // step).to_numpy()
    if (number.max() + 1) * (cells.max() + 1) > max(MIN_TOO_SPARSE, MAX_SPARSENESS * len(times)):
        farthest = int((seconds - seconds.median()).abs().argmax())
        problem = f"the time {_show(times.iloc[farthest])} is so far from the others that it must be wrong"
        raise table.error(times.index[farthest], problem)
    return step // 60, number, times.iloc[first].to_pydatetime()


def _zone(name: str | None) -> ZoneInfo | None:
    """The time zone of that name; DataError for an unknown one."""
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DataError(f"There is no time zone {name!r}: give one such as Europe/Rome or Asia/Shanghai.") from error


def _local(table: Table, times: pd.Series, zone: ZoneInfo | None) -> tuple[pd.Series, str]:
    """Times as local time of the zone if one is given, and the sentence that says so."""
    if (row := first_row(~times.dt.year.between(MINYEAR + 1, MAXYEAR - 1))) is not None:  # in a zone it may be none
        raise table.error(row, f"the year {times[row].year} is out of range: check the time")
    own = times.dt.tz
    if zone is None:
        if own is None:
            return times, "Times are read as local time."
        if not isinstance(own, timezone):  # not a fixed offset but a place
            return times, f"Times are local time in {own}."
        note = f"Times are read as the local time of their offset, {own}"
        return times, f"{note}; give a time zone if the place has another."
    if own is None:
        return times.dt.tz_localize("UTC").dt.tz_convert(zone), f"Times are read as UTC and converted to {zone.key}."
    return times.dt.tz_convert(zone), f"Times are converted from their offset to {zone.key}."


def _mixed(time: str, offset: str, usual: str) -> str:
    """What is wrong with a time whose offset is not that of the first one."""
    if "none" in (offset, usual):
        has, other = ("no offset", usual) if offset == "none" else ("an offset", "none")
        return f"the time {time!r} has {has} while the first time has {other}: give one in all rows or in none"
    problem = f"the time {time!r} has the offset {offset} while the first time has {usual}"
    return f"{problem}: give the time zone of the place"


def _show(time: pd.Timestamp) -> str:
    """A time without its seconds if they are 0."""
    return f"{time:%Y-%m-%d %H:%M}" if not time.second else f"{time:%Y-%m-%d %H:%M:%S}"
