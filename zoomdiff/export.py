"""Files for others. GeoJSON: RFC 7946, WGS84, one feature per cell with its week as an array."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from zoomdiff.errors import OptionError
from zoomdiff.levels import S4T4
from zoomdiff.pyramid import TrafficPyramid
from zoomdiff.region import Region

DEGREE_DECIMALS = 7  # about 1 cm


def to_geojson(pyramid: TrafficPyramid, k: int) -> bytes:
    """Level k as a GeoJSON FeatureCollection.

    One Polygon per cell of the region with `traffic` (bytes per step), its place in the zone's raster (`row`, `col`,
    stable whichever region is drawn) and the H3 index of its centre; one top-level `time` list (ISO 8601, local time
    of a nominal week) shared by all.
    """
    region, level = pyramid.region, pyramid.level(k)
    corners = region.corners(k).round(DEGREE_DECIMALS)
    # RFC 7946: outer rings run counter-clockwise; row 0 is north, so: south-west, south-east, north-east, north-west.
    rings = np.stack([corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:], corners[:-1, :-1], corners[1:, :-1]], 2)
    h3_ids = region.h3_ids(k)
    per_block = round(region.hierarchy[0].side / level.side)
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [rings[row, col].tolist()]},
            "properties": {
                "row": region.row * per_block + int(row),
                "col": region.col * per_block + int(col),
                "h3": h3_ids[row, col],
                "traffic": np.rint(pyramid.volumes[k][:, row, col]).astype(np.int64).tolist(),
            },
        }
        for row, col in zip(*np.nonzero(region.mask(k)), strict=True)
    ]
    return orjson.dumps(
        {
            "type": "FeatureCollection",
            "name": f"zoomdiff-{level.name}",
            "level": level.title,
            "unit": "byte",
            "step_hours": level.hours,
            "time": [t.isoformat() for t in pyramid.times(k)],
            "raster": {"crs": f"EPSG:{region.epsg}", "side_m": level.side},
            "provenance": pyramid.provenance,
            "features": features,
        }
    )


def write_geojson(pyramid: TrafficPyramid, folder: Path) -> list[Path]:
    """Write every level as `folder/<level name>.geojson`, all or none; returns the paths. Raises OptionError."""
    paths = [folder / f"{level.name}.geojson" for level in pyramid.region.hierarchy]
    parts = [path.with_suffix(".part") for path in paths]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for k, part in enumerate(parts):
                part.write_bytes(to_geojson(pyramid, k))
            for part, path in zip(parts, paths, strict=True):
                os.replace(part, path)
        finally:
            for part in parts:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise OptionError(f"The results cannot be written to {folder}: {error.strerror}.") from error
    return paths


class LevelFile(NamedTuple):
    """One level as read from a file.

    volumes  (T, H, W) bytes on the frame of whole blocks that holds all its cells, 0 where the file has none
    region   the blocks that the file has cells of
    level    name
    """

    volumes: np.ndarray
    region: Region
    level: str


def read_geojson(path: Path) -> LevelFile:
    """A level that `write_geojson` wrote. Raises OptionError."""
    try:
        file = orjson.loads(path.read_bytes())
        cells = [feature["properties"] for feature in file["features"]]
        at = np.array([(cell["row"], cell["col"]) for cell in cells])
        traffic = np.array([cell["traffic"] for cell in cells], float)
        epsg, side = int(file["raster"]["crs"].removeprefix("EPSG:")), file["raster"]["side_m"]
        per_block = round(S4T4[0].side / side)
        first = at.min(0) // per_block
        blocks = np.zeros(at.max(0) // per_block - first + 1, bool)
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
