"""CSV, long: a row per cell and step, with units in the header."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.csv import CSVWriter, WriteOptions

from zoomdiff.export.cells import WEEK, cells_of, steps_in, whole_bytes
from zoomdiff.pyramid import TrafficPyramid
from zoomdiff.region import Region

DEGREE_DECIMALS = 7  # about 1 cm
GZIP_ABOVE = 250_000  # rows, about 20 MB


def is_packed(region: Region, k: int, steps: int) -> bool:
    """Whether the file has so many rows that it is written as .csv.gz."""
    return int(region.mask(k).sum()) * steps > GZIP_ABOVE


def write_csv(pyramid: TrafficPyramid, k: int, path: Path, hours: range = WEEK) -> None:
    """Level k in the hours of the week `hours`; through gzip where it `is_packed`."""
    cells, traffic = cells_of(pyramid.region, k), whole_bytes(pyramid, k)
    lon, lat = cells.lonlat.round(DEGREE_DECIMALS).T
    place = {"row": cells.row, "col": cells.col, "h3": cells.h3, "lon_degrees": lon, "lat_degrees": lat}
    steps, times = steps_in(pyramid, k, hours), pyramid.times(k)
    packed = is_packed(pyramid.region, k, len(steps))

    def table(t: int) -> pa.Table:
        start = np.full(len(lon), times[t].isoformat())
        return pa.table({"time_local": start, **place, "traffic_bytes": traffic[t]})

    with (
        pa.output_stream(str(path), compression="gzip" if packed else None) as stream,
        CSVWriter(
            stream, table(0).schema, write_options=WriteOptions(quoting_style="none", quoting_header="none")
        ) as writer,
    ):
        for t in steps:
            writer.write(table(t))
