"""Burn map geometries to a region's finest raster, exactly: area shares, metres of line, points per cell.

Every function takes a GeoSeries (any CRS; lon/lat if it has none), projects it to the region's UTM zone and returns
(H, W) float64 with row 0 in the north. What lies outside the frame is cut off; empty and missing geometries count for
nothing.

How areas become exact without intersecting polygons with cells: walk along every ring, cut each edge where it crosses
a raster line, and let each short piece add its signed area to its own cell and to all cells east of it (a cumulative
sum along the row). Outer rings add, holes subtract, and what remains is the area inside. It is one pass of numpy over
all edges.
"""

import math
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import shapely

from zoomdiff.errors import MapError
from zoomdiff.region import Region
from zoomdiff.shapes import repair

POLYGON = 3  # shapely's type id
# Pieces of edges in all cells together, about 150 bytes each: old towns have some 20 in a cell. Of a hostile file, a
# few kilobytes can become millions.
MOST_PIECES, MOST_PIECES_PER_CELL = 5_000_000, 50


class Pieces(NamedTuple):
    """Polygons' edges, cut so that each piece lies in one cell: cut once, burn with any weights.

    Attributes
    ----------
    cell
        (n,) index into an (H, W + 1) raster.
    height
        (n,) cells that the piece runs south, negative where what is east of it is not inside.
    west
        (n,) share of the cell that lies west of the piece.
    polygon
        (n,) which of the geometries it is from.
    """

    cell: np.ndarray
    height: np.ndarray
    west: np.ndarray
    polygon: np.ndarray


def coverage(geoms: gpd.GeoSeries, region: Region, weight: np.ndarray | None = None) -> np.ndarray:
    """Area of the polygons in each cell, as a share of the cell: (H, W).

    Overlapping polygons add up, so a sum can exceed 1. `weight` (one number per geometry, e.g. storeys) multiplies each
    polygon's area. Lines and points have no area and add nothing.
    """
    return burn(cut(geoms, region), region, np.ones(len(geoms)) if weight is None else weight)


def cut(geoms: gpd.GeoSeries, region: Region) -> Pieces:
    """The polygons' edges inside the frame, cut at the cells' sides: the slow part of `coverage`."""
    height, width = region.shape
    polygons, source = _polygons_in_frame(geoms, region)
    rings, ring_polygon = shapely.get_rings(polygons, return_index=True)

    # get_rings lists a polygon's outer ring first. Files differ in which way round rings go, so the sign is made from
    # what the ring is (outer or hole) and how it runs.
    outer = np.r_[True, ring_polygon[1:] != ring_polygon[:-1]][: len(rings)]
    sign = np.where(shapely.is_ccw(rings) == outer, 1.0, -1.0)

    start, end, ring = _edges(rings, region)
    slanted = start[:, 1] != end[:, 1]  # edges along a row enclose nothing to their east
    start, end, ring = _cut_at_grid(start[slanted], end[slanted], ring[slanted], region)

    middle = (start + end) / 2
    col = np.clip(np.floor(middle[:, 0]).astype(np.int64), 0, width - 1)
    row = np.clip(np.floor(middle[:, 1]).astype(np.int64), 0, height - 1)
    cell = row * (width + 1) + col  # one spare column takes what would fall east of the frame
    return Pieces(cell, (end[:, 1] - start[:, 1]) * sign[ring], middle[:, 0] - col, source[ring_polygon[ring]])


def burn(pieces: Pieces, region: Region, weight: np.ndarray) -> np.ndarray:
    """Area in each cell, as a share of the cell, of the polygons that were cut, each times its weight: (H, W)."""
    height, width = region.shape
    weight = np.asarray(weight, float)[pieces.polygon]
    used = weight != 0
    cell, west = pieces.cell[used], pieces.west[used]
    # The strip east of the piece: its own cell gets the part right of the piece, every further cell the whole height.
    strip = pieces.height[used] * weight[used]
    size = height * (width + 1)
    steps = np.bincount(cell, strip * (1 - west), size) + np.bincount(cell + 1, strip * west, size)[:size]
    area: np.ndarray = np.maximum(np.cumsum(steps.reshape(height, width + 1), axis=1)[:, :width], 0.0)
    return area  # not below zero: rounding leaves -1e-16 in empty cells


def length(geoms: gpd.GeoSeries, region: Region) -> np.ndarray:
    """Metres of line in each cell: (H, W). Where lines run over each other, or back over themselves, each run counts.

    A line along a cell's north or west edge belongs to that cell.
    """
    # Not clipped by shapely, which would merge runs that lie on each other: pieces outside are dropped at the end.
    lines, _ = _parts(_projected(geoms, region))
    lines = lines[np.isin(shapely.get_type_id(lines), (1, 2))]  # LineString, LinearRing
    start, end, _ = _edges(lines, region)
    inside = ((np.maximum(start, end) >= 0) & (np.minimum(start, end) <= region.shape[::-1])).all(1)
    start, end, _ = _cut_at_grid(start[inside], end[inside], np.zeros(inside.sum(), np.int64), region)
    metres = np.hypot(*(end - start).T) * region.hierarchy.finest.side
    return _sum_in_cells((start + end) / 2, metres, region)


def count(points: gpd.GeoSeries, region: Region) -> np.ndarray:
    """Points in each cell: (H, W). A point on a cell's north or west edge belongs to that cell."""
    xy = _to_cells(shapely.get_coordinates(_projected(points, region)), region)
    return _sum_in_cells(xy, np.ones(len(xy)), region)


def nearest_cells(points: gpd.GeoSeries, region: Region) -> tuple[np.ndarray, np.ndarray]:
    """(rows, cols) of the cell that each point is in; points outside the frame take the nearest cell at its edge."""
    height, width = region.shape
    xy = _to_cells(shapely.get_coordinates(_projected(points, region)), region)
    col, row = np.floor(xy).astype(np.int64).T
    return np.clip(row, 0, height - 1), np.clip(col, 0, width - 1)


def _projected(geoms: gpd.GeoSeries, region: Region) -> np.ndarray:
    """The geometries in the region's UTM zone, as an array."""
    geoms = gpd.GeoSeries(geoms)
    geoms = geoms.set_crs(4326) if geoms.crs is None else geoms
    return np.asarray(geoms.to_crs(region.crs).array, dtype=object)


def _clip(geoms: np.ndarray, region: Region) -> np.ndarray:
    """Cut geometries at the frame; only those that cross it are touched, as cutting is the slow part."""
    west, south, east, north = region.frame_bounds
    own = shapely.bounds(geoms)  # not a number where a geometry is missing or empty
    crossing = ~((own[:, :2] >= (west, south)) & (own[:, 2:] <= (east, north))).all(1) & ~shapely.is_missing(geoms)
    geoms = geoms.copy()
    geoms[crossing] = shapely.intersection(geoms[crossing], shapely.box(west, south, east, north))
    return geoms


def _polygons_in_frame(geoms: gpd.GeoSeries, region: Region) -> tuple[np.ndarray, np.ndarray]:
    """Simple valid polygons inside the frame, and for each the index of the geometry it came from."""
    parts, source = _parts(_clip(repair(_projected(geoms, region)), region))
    polygon = shapely.get_type_id(parts) == POLYGON
    return parts[polygon], source[polygon]


def _parts(geoms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points, lines and polygons that the geometries consist of, and for each the index of what it is part of.

    Repeated, as make_valid and intersection can return a collection that holds a multipolygon. Only what consists of
    parts is taken apart, as this copies geometries.
    """
    source = np.arange(len(geoms))
    while (whole := (shapely.get_type_id(geoms) <= POLYGON) & ~shapely.is_missing(geoms)).sum() < len(geoms):
        parts, part_of = shapely.get_parts(geoms[~whole], return_index=True)
        index = np.concatenate([np.flatnonzero(whole), np.flatnonzero(~whole)[part_of]])
        order = np.argsort(index, kind="stable")  # parts take the place of the whole
        geoms, source = np.concatenate([geoms[whole], parts])[order], source[index[order]]
    return geoms, source


def _to_cells(xy: np.ndarray, region: Region) -> np.ndarray:
    """UTM metres (n, 2) -> cells east of the west edge and cells south of the north edge (n, 2)."""
    west, north = region.origin
    return np.stack([xy[:, 0] - west, north - xy[:, 1]], 1) / region.hierarchy.finest.side


def _sum_in_cells(xy: np.ndarray, values: np.ndarray, region: Region) -> np.ndarray:
    """Sum the values at places xy (n, 2), in cells, into the cell of each: (H, W). Places outside are dropped."""
    height, width = region.shape
    col, row = np.floor(xy).astype(np.int64).T
    inside = (col >= 0) & (col < width) & (row >= 0) & (row < height)
    cell = (row * width + col)[inside]
    return np.bincount(cell, values[inside], height * width).reshape(height, width)


def _edges(lines: np.ndarray, region: Region) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Straight edges of lines or rings: start (n, 2), end (n, 2) in cells, and the index of the line of each."""
    xy, line = shapely.get_coordinates(lines, return_index=True)
    xy = _to_cells(xy, region)
    joined = line[1:] == line[:-1]
    return xy[:-1][joined], xy[1:][joined], line[:-1][joined]


def _cut_at_grid(
    start: np.ndarray, end: np.ndarray, label: np.ndarray, region: Region
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut edges at every whole x and y, so that each piece lies in one cell; `label` is carried along.

    Raises MapError where that makes too many pieces.
    """
    most = MOST_PIECES + MOST_PIECES_PER_CELL * math.prod(region.shape)
    for axis in (0, 1):
        start, end, label = _cut(start, end, label, axis, most)
    return start, end, label


def _cut(
    start: np.ndarray, end: np.ndarray, label: np.ndarray, axis: int, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut edges at the whole numbers strictly between their ends along one axis, to `most` pieces at most."""
    a, b = start[:, axis], end[:, axis]
    low, high = np.minimum(a, b), np.maximum(a, b)
    first = np.floor(low).astype(np.int64) + 1  # the first whole number above the lower end
    cuts = np.maximum(np.ceil(high).astype(np.int64) - first, 0)
    pieces = cuts + 1
    if pieces.sum() > most:
        raise MapError(
            f"The map's shapes have more than {most:,} edges in the region: simplify them, or look for shapes that are "
            "there many times."
        )
    edge = np.repeat(np.arange(len(a)), pieces)
    nth = np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)

    # Positions along the edge (0 = its lower end, 1 = its upper end) where piece number nth begins and stops.
    span = np.where(high > low, high - low, 1.0)[edge]
    begin = np.where(nth == 0, 0.0, (first[edge] + nth - 1 - low[edge]) / span)
    stop = np.where(nth == cuts[edge], 1.0, (first[edge] + nth - low[edge]) / span)
    falling = (b < a)[edge]
    begin, stop = np.where(falling, 1 - stop, begin), np.where(falling, 1 - begin, stop)
    along = (end - start)[edge]
    return start[edge] + begin[:, None] * along, start[edge] + stop[:, None] * along, label[edge]
