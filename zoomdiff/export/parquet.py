"""GeoParquet, WGS84: a row per cell with its outline and its week as a list."""

from pathlib import Path

import geopandas as gpd
import shapely

from zoomdiff.export.cells import cells_of, whole_bytes
from zoomdiff.week import WEEKDAYS, TrafficWeek


def to_geodataframe(week: TrafficWeek, k: int, *, wide: bool = False) -> gpd.GeoDataFrame:
    """Level k with the columns row, col, h3, traffic (bytes per step) and geometry, the cell's outline.

    What the numbers are (unit, times of the steps, provenance) is in the frame's `attrs`, which geopandas writes into
    GeoParquet and reads. `wide` as in `WeekLevel.to_geodataframe`.
    """
    level, cells, traffic = week.level(k), cells_of(week.region, k), whole_bytes(week, k)
    hour = "" if level.steps_per_day == 1 else "_%H"
    names = [f"{WEEKDAYS[t.weekday()]}{t.strftime(hour)}" for t in week.times(k)]
    series = dict(zip(names, traffic, strict=True)) if wide else {"traffic": list(traffic.T)}
    columns = {"row": cells.row, "col": cells.col, "h3": cells.h3, **series}
    frame = gpd.GeoDataFrame(columns, geometry=shapely.polygons(cells.rings), crs=4326)
    frame.attrs = {
        "level": level.title,
        "unit": "byte",
        "step_hours": level.hours,
        "time": [t.isoformat() for t in week.times(k)],
        "raster": {"crs": week.region.crs.to_string(), "side_m": level.side},
        "provenance": week.provenance,
    }
    return frame


def write_parquet(week: TrafficWeek, k: int, path: Path) -> None:
    """Write `to_geodataframe`."""
    to_geodataframe(week, k).to_parquet(path, index=False, compression="zstd")
