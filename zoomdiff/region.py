"""A region: what the user drew, snapped to whole base-station blocks of its frame's own raster (see `frames`).

Block rows and columns count from the frame's fixed origin (row 0 at northing 10,000 km, going south; column 0 at
easting 0), so the same place has the same block number whichever region is drawn around it.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import h3
import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from zoomdiff.arguments import instance, number, wrong
from zoomdiff.equality import ByContent
from zoomdiff.errors import RegionError, RegionTooLargeError
from zoomdiff.extent import NO_AREA, Extent, Framed
from zoomdiff.frames import TOP, reproject, to_frame, to_lonlat
from zoomdiff.isolation import isolated
from zoomdiff.levels import S4T4, Hierarchy, repeat
from zoomdiff.outline import Bounds, box_of, read_polygon

MOST_BLOCKS = 4_000_000  # of the raster of a region that is made at once
EMPTY_BLOCKS, EMPTY_SHARE = 10_000, 20  # blocks of a raster, and how many of them for one of the region, at most
SHORT = 20_000  # characters of GeoJSON that are read at once: outlines drawn by hand, at most 1,000 corners


@dataclass(frozen=True, eq=False)
class Region(Framed, ByContent):
    """A block-aligned raster frame and the blocks in it that belong to the region.

    Make one with `from_bbox`, `from_polygon` or `from_geojson`. Levels `k` count from the coarsest, 0, to the finest,
    also -1.

    Attributes
    ----------
    polygon
        What was asked for, lon/lat (WGS84).
    epsg
        UTM zone, 326xx north or 327xx south; of very wide regions see `frames.frame_of`.
    row, col
        Of its north-west block in the frame's raster.
    blocks
        (block rows, block cols) True where the block belongs to the region.
    hierarchy
        The zoom levels; a block is one cell of the coarsest.

    Examples
    --------
    >>> region = Region.from_bbox((24.938, 60.165, 24.952, 60.175))
    >>> region
    Region(1.92 km2, 12 of 4 x 3 blocks, EPSG:32635)
    >>> region.shape
    (32, 24)
    """

    polygon: BaseGeometry
    epsg: int
    row: int
    col: int
    blocks: npt.NDArray[np.bool_]
    hierarchy: Hierarchy = S4T4

    @classmethod
    def from_polygon(
        cls, polygon: BaseGeometry, *, max_km2: float | None = None, hierarchy: Hierarchy = S4T4
    ) -> "Region":
        """Snap a polygon to all blocks that it touches.

        Parameters
        ----------
        polygon
            Polygon or MultiPolygon, lon/lat (WGS84).
        max_km2
            The largest area allowed once snapped. None: any.
        hierarchy
            The zoom levels.

        Raises
        ------
        RegionError
            The polygon is empty, not an area, self-crossing, outside 80 S..80 N, across the antimeridian, or too large.
        """
        instance("The region", polygon, BaseGeometry, "a polygon of shapely", RegionError)
        instance("The hierarchy", hierarchy, Hierarchy, "a Hierarchy, such as S4T4")
        if max_km2 is not None:
            number("The argument max_km2", max_km2, "a number of square kilometres from 0, or None", 0)
        extent = Extent.of(polygon, hierarchy)
        # Before any array is made: a polygon as wide as a continent must not fill memory.
        if max_km2 is not None and extent.outline.area / 1e6 > max_km2:
            raise _too_large(extent.outline.area / 1e6, max_km2)
        # Whatever blocks the polygon touches: making their raster takes long where it is huge.
        allowed = math.inf if max_km2 is None else max_km2 * 1e6 / hierarchy[0].side ** 2
        _check_spread(extent.rows * extent.cols, min(extent.most_blocks, allowed))
        check_size(extent.rows, extent.cols)
        region = cls.part_of(extent, 0, 0, extent.rows, extent.cols)
        if not region.blocks.any():
            raise RegionError(NO_AREA)
        if max_km2 is not None and region.km2 > max_km2:
            raise _too_large(region.km2, max_km2)
        _check_spread(region.blocks.size, region.blocks.sum())
        rows, cols = np.flatnonzero(region.blocks.any(1)), np.flatnonzero(region.blocks.any(0))
        return replace(
            region,
            row=region.row + int(rows[0]),
            col=region.col + int(cols[0]),
            blocks=region.blocks[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1],
        )

    @classmethod
    def part_of(cls, extent: Extent, row: int, col: int, rows: int, cols: int) -> "Region":
        """The blocks `row` .. `row + rows`, counted from the extent's first, that its polygon touches."""
        blocks = extent.blocks(row, col, rows, cols)
        return cls(extent.polygon, extent.epsg, extent.row + row, extent.col + col, blocks, extent.hierarchy)

    @classmethod
    def from_bbox(cls, bbox: Bounds, *, max_km2: float | None = None, hierarchy: Hierarchy = S4T4) -> "Region":
        """The region of a box (west, south, east, north) in degrees; options and errors as `from_polygon`.

        Examples
        --------
        >>> region = Region.from_bbox((24.940, 60.1665, 24.950, 60.1745))
        >>> region
        Region(0.96 km2, 6 of 3 x 2 blocks, EPSG:32635)
        >>> region.shape
        (24, 16)
        """
        return cls.from_polygon(box_of(bbox), max_km2=max_km2, hierarchy=hierarchy)

    @classmethod
    def of_blocks(
        cls, epsg: int, row: int, col: int, blocks: npt.NDArray[np.bool_], hierarchy: Hierarchy = S4T4
    ) -> "Region":
        """The region of given blocks (rows, cols) of a zone's raster, the first one at (row, col)."""
        side = hierarchy[0].side
        rows, cols = np.nonzero(blocks)
        west, north = (col + cols) * side, TOP - (row + rows) * side
        area = shapely.union_all(shapely.box(west, north - side, west + side, north))
        polygon = reproject(area, to_lonlat(epsg))
        return cls(polygon, epsg, row, col, blocks, hierarchy)

    @classmethod
    def from_geojson(
        cls, source: str | bytes | Path, *, max_km2: float | None = None, hierarchy: Hierarchy = S4T4
    ) -> "Region":
        """The region of all polygons in a GeoJSON file (a Path) or its text; options and errors as `from_polygon`."""
        instance("The region", source, (str, bytes, Path), "the Path of a GeoJSON file, or its text", RegionError)
        if isinstance(source, str) and source.lower().endswith((".geojson", ".json")):
            raise wrong("The region", source, "the text of a GeoJSON file; of a file give the Path", RegionError)
        if isinstance(source, Path):
            return _from_geojson(source.expanduser(), max_km2, hierarchy)
        read = _from_geojson if len(source) > SHORT else _from_geojson.here
        return read(source, max_km2, hierarchy)

    def __repr__(self) -> str:
        rows, cols = self.blocks.shape
        return f"Region({self.km2:.2f} km2, {self.blocks.sum()} of {rows} x {cols} blocks, EPSG:{self.epsg})"

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        rows, cols = self.blocks.shape
        return rows, cols

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the finest raster."""
        rows, cols = self.size
        return rows * self.hierarchy.block, cols * self.hierarchy.block

    @property
    def km2(self) -> float:
        """Area of the region's blocks."""
        return float(self.blocks.sum()) * self.hierarchy[0].side ** 2 / 1e6

    @cached_property
    def bounds(self) -> Bounds:
        """(west, south, east, north) of the frame in degrees: the box that holds all of it."""
        corners = self.corners(0)
        west, south = corners.min((0, 1))
        east, north = corners.max((0, 1))
        return float(west), float(south), float(east), float(north)

    def mask(self, k: int = -1) -> npt.NDArray[np.bool_]:
        """(H_k, W_k) True for the cells of level k that belong to the region."""
        k = k % len(self.hierarchy)
        times = round(self.hierarchy[0].side / self.hierarchy[k].side)
        mask: npt.NDArray[np.bool_] = repeat(self.blocks[None], times, 1)[0]
        return mask

    def corners(self, k: int = -1) -> npt.NDArray[np.float64]:
        """(H_k + 1, W_k + 1, 2) lon/lat of the grid's vertices at level k, row 0 in the north."""
        side = self.hierarchy[k].side
        west, south, east, north = self.frame_bounds
        x, y = np.meshgrid(
            west + side * np.arange(round((east - west) / side) + 1),
            north - side * np.arange(round((north - south) / side) + 1),
        )
        return np.stack(to_lonlat(self.epsg).transform(x, y), -1)

    def frame_centres(self, k: int = -1) -> npt.NDArray[np.float64]:
        """(H_k, W_k, 2) metres in the frame of the cells' centres at level k."""
        return np.stack(np.meshgrid(*self.axes(k)), -1)

    def centres(self, k: int = -1) -> npt.NDArray[np.float64]:
        """(H_k, W_k, 2) lon/lat of the cells' centres at level k."""
        x, y = np.moveaxis(self.frame_centres(k), -1, 0)
        return np.stack(to_lonlat(self.epsg).transform(x, y), -1)

    def h3_ids(self, k: int = -1) -> npt.NDArray[np.str_]:
        """(H_k, W_k) H3 index of the cell's centre, at the H3 resolution nearest to its area."""
        area = self.hierarchy[k].side ** 2
        resolution = min(range(16), key=lambda res: abs(math.log(h3.average_hexagon_area(res, unit="m^2") / area)))
        centres = self.centres(k)
        ids = [h3.latlng_to_cell(lat, lon, resolution) for lon, lat in centres.reshape(-1, 2)]
        return np.array(ids).reshape(centres.shape[:2])

    def cell_at(self, lon: float, lat: float, k: int = -1) -> tuple[int, int] | None:
        """(row, col) of the level-k cell at a place, or None outside the region.

        Examples
        --------
        >>> Region.from_bbox((24.938, 60.165, 24.952, 60.175)).cell_at(24.941, 60.172, k=3)
        (9, 11)
        """
        x, y = to_frame(self.epsg).transform(lon, lat)
        west, _, _, north = self.frame_bounds
        side = self.hierarchy[k].side
        row, col = math.floor((north - y) / side), math.floor((x - west) / side)
        mask = self.mask(k)
        inside = 0 <= row < mask.shape[0] and 0 <= col < mask.shape[1] and mask[row, col]
        return (row, col) if inside else None


def check_size(rows: int, cols: int) -> None:
    """Raise RegionError for a raster of blocks that is too large to be made at once."""
    if rows * cols > MOST_BLOCKS:
        raise RegionError(
            "The region spans too much of the Earth to be made at once: draw one city or area at a time, or "
            "generate it into a store (--out week.zarr)."
        )


def _check_spread(raster: int, blocks: float) -> None:
    """Raise RegionError where the blocks are so far apart that their raster is nearly empty, and huge."""
    if raster > max(EMPTY_BLOCKS, EMPTY_SHARE * blocks):
        raise RegionError("The region is thin, or its parts lie far apart: draw smaller regions, one after the other.")


def _too_large(km2: float, limit: float) -> RegionTooLargeError:
    """The error; callers with an option for the limit add its name."""
    return RegionTooLargeError(f"The region is {km2:,.4g} km2 and the limit is {limit:,.4g} km2: draw a smaller one.")


@isolated(RegionError)
def _from_geojson(source: str | bytes | Path, max_km2: float | None, hierarchy: Hierarchy) -> Region:
    """As `Region.from_geojson`."""
    return Region.from_polygon(read_polygon.here(source), max_km2=max_km2, hierarchy=hierarchy)
