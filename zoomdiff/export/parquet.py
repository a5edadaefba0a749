"""GeoParquet, WGS84: a row per cell with its outline and its week as a list."""

from pathlib import Path

import geopandas as gpd
import shapely

from zoomdiff.export.cells import cells_of, whole_bytes
from zoomdiff.pyramid import TrafficPyramid


def write_parquet(pyramid: TrafficPyramid, k: int, path: Path) -> None:
    """Level k with the columns row, col, h3, traffic (bytes per step) and geometry, the cell's outline.

    What else is to be known (unit, times of the steps, provenance) stands in the frame's `attrs`, which geopandas
    reads back.
    """
    level, cells = pyramid.level(k), cells_of(pyramid.region, k)
    columns = {"row": cells.row, "col": cells.col, "h3": cells.h3, "traffic": list(whole_bytes(pyramid, k).T)}
    frame = gpd.GeoDataFrame(columns, geometry=shapely.polygons(cells.rings), crs=4326)
    frame.attrs = {
        "level": level.title,
        "unit": "byte",
        "step_hours": level.hours,
        "time": [t.isoformat() for t in pyramid.times(k)],
        "raster": {"crs": f"EPSG:{pyramid.region.epsg}", "side_m": level.side},
        "provenance": pyramid.provenance,
    }
    frame.to_parquet(path, index=False, compression="zstd")
