"""CSV, long: a row per cell and step; `measured.read` reads it, too."""

import gzip
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow.csv import CSVWriter, WriteOptions

from zoomdiff.export.cells import WEEK, cells_of, steps_in, whole_bytes
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek

DEGREE_DECIMALS = 7  # about 1 cm
GZIP_ABOVE = 250_000  # rows, about 20 MB
GZIP_LEVEL = 4


def is_packed(region: Region, k: int, steps: int) -> bool:
    """Whether the file has so many rows that it is written as .csv.gz."""
    return int(region.mask(k).sum()) * steps > GZIP_ABOVE


def write_csv(week: TrafficWeek, k: int, path: Path, hours: range = WEEK) -> None:
    """Level k in the hours of the week `hours`; through gzip where it `is_packed`."""
    cells, traffic = cells_of(week.region, k), whole_bytes(week, k)
    lon, lat = cells.lonlat.round(DEGREE_DECIMALS).T
    place = {"row": cells.row, "col": cells.col, "h3": cells.h3, "lon": lon, "lat": lat}
    steps, times = steps_in(week, k, hours), week.times(k)

    def table(t: int) -> pa.Table:
        start = np.full(len(lon), times[t].isoformat())
        return pa.table({"time": start, **place, "traffic_bytes": traffic[t]})

    with ExitStack() as stack:
        file: BinaryIO | gzip.GzipFile = stack.enter_context(path.open("wb"))
        if is_packed(week.region, k, len(steps)):  # without name and time, so that the same week has the same bytes
            file = stack.enter_context(gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0))
        plain = WriteOptions(quoting_style="none", quoting_header="none")
        writer = stack.enter_context(CSVWriter(file, table(0).schema, write_options=plain))
        for t in steps:
            writer.write(table(t))
