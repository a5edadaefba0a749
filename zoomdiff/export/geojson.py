"""GeoJSON, RFC 7946, WGS84: a feature per cell with its week as an array, or a feature per cell and step."""

from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from zoomdiff.errors import OptionError
from zoomdiff.export.cells import WEEK, cells_of, steps_in, whole_bytes
from zoomdiff.isolation import isolated
from zoomdiff.levels import S4T4
from zoomdiff.region import MOST_BLOCKS, Region
from zoomdiff.week import TrafficWeek

DEGREE_DECIMALS = 7  # about 1 cm


def to_geojson(week: TrafficWeek, k: int) -> bytes:
    """Level k as a GeoJSON FeatureCollection.

    One Polygon per cell of the region with `traffic` (bytes per step), its place in the zone's raster (`row`, `col`,
    stable whichever region is drawn) and the H3 index of its centre; one top-level `time` list (ISO 8601, local time
    of a nominal week) shared by all.
    """
    cells, traffic = cells_of(week.region, k), whole_bytes(week, k)
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring.tolist()]},
            "properties": {"row": int(row), "col": int(col), "h3": h3, "traffic": series.tolist()},
        }
        for row, col, h3, ring, series in zip(
            cells.row, cells.col, cells.h3, cells.rings.round(DEGREE_DECIMALS), traffic.T, strict=True
        )
    ]
    time = [t.isoformat() for t in week.times(k)]
    return orjson.dumps(_about(week, k) | {"time": time, "features": features})


def to_long_geojson(week: TrafficWeek, k: int, hours: range = WEEK) -> bytes:
    """Level k in the hours of the week `hours`: one feature per cell and step.

    Each has `time` and `time_end` (ISO 8601), by which QGIS' temporal controller plays them, and `traffic` as a number.
    """
    cells, traffic = cells_of(week.region, k), whole_bytes(week, k)
    outlines = [
        orjson.Fragment(orjson.dumps({"type": "Polygon", "coordinates": [ring]}))
        for ring in cells.rings.round(DEGREE_DECIMALS).tolist()
    ]
    places = list(zip(outlines, cells.row.tolist(), cells.col.tolist(), cells.h3.tolist(), strict=True))
    times, step = week.times(k), timedelta(hours=week.level(k).hours)
    features = [
        {
            "type": "Feature",
            "geometry": outline,
            "properties": {"row": row, "col": col, "h3": h3, "time": start, "time_end": end, "traffic": volume},
        }
        for t, start, end in (
            (t, times[t].isoformat(), (times[t] + step).isoformat()) for t in steps_in(week, k, hours)
        )
        for (outline, row, col, h3), volume in zip(places, traffic[t].tolist(), strict=True)
    ]
    return orjson.dumps(_about(week, k) | {"features": features})


def _about(week: TrafficWeek, k: int) -> dict[str, object]:
    """The members of the collection that describe its numbers."""
    level = week.level(k)
    return {
        "type": "FeatureCollection",
        "name": f"zoomdiff-{level.name}",
        "level": level.title,
        "unit": "byte",
        "step_hours": level.hours,
        "raster": {"crs": f"EPSG:{week.region.epsg}", "side_m": level.side},
        "provenance": week.provenance,
    }


class LevelFile(NamedTuple):
    """One level as read from a file.

    volumes  (T, H, W) bytes on the frame of whole blocks that holds all its cells, 0 where the file has none
    region   the blocks that the file has cells of
    level    name
    """

    volumes: np.ndarray
    region: Region
    level: str


@isolated(OptionError)
def read_geojson(path: Path) -> LevelFile:
    """A level as `to_geojson` writes it. Raises OptionError."""
    try:
        file = orjson.loads(path.read_bytes())
        cells = [feature["properties"] for feature in file["features"]]
        at = np.array([(cell["row"], cell["col"]) for cell in cells])
        traffic = np.array([cell["traffic"] for cell in cells], float)
        epsg, side = int(file["raster"]["crs"].removeprefix("EPSG:")), file["raster"]["side_m"]
        per_block = round(S4T4[0].side / side)
        first = at.min(0) // per_block
        size = at.max(0) // per_block - first + 1
        if not len(traffic) or not 0 < size.prod() <= MOST_BLOCKS:
            raise ValueError("no cells, or far apart")
        blocks = np.zeros(size, bool)
        blocks[tuple((at // per_block - first).T)] = True
        grid = np.zeros((traffic.shape[1], *(per_block * n for n in blocks.shape)))
        grid[:, *(at - first * per_block).T] = traffic.T
        region = Region.of_blocks(epsg, int(first[0]), int(first[1]), blocks)
        name = file["name"].removeprefix("zoomdiff-")
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise OptionError(f"{path.name} is not a GeoJSON file that ZoomDiff wrote.") from error
    return LevelFile(grid, region, name)
