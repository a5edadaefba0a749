"""Where a polygon lies on its frame's raster of base-station blocks, however large it is."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from zoomdiff.errors import RegionError
from zoomdiff.frames import TOP, crs_of, frame_of, is_utm, reproject, to_frame
from zoomdiff.levels import S4T4, Hierarchy
from zoomdiff.outline import Bounds, check_polygon
from zoomdiff.shapes import repair

NO_AREA = "The region has no area: draw a polygon or a box of at least a few metres."
STEP = 0.05  # degrees: how finely a wide polygon's straight sides are followed into its frame
FEW_CORNERS = 2_000  # of an outline that meets each square as a whole
SLIVER_M2 = 1.0  # a block touched by less than this is rounding, not the user's wish


class Framed:
    """What lies on a frame's raster of blocks.

    Attributes
    ----------
    epsg, row, col, hierarchy
        As of `Region`.
    """

    epsg: int
    row: int
    col: int
    hierarchy: Hierarchy

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        raise NotImplementedError

    @property
    def crs(self) -> CRS:
        """Of the frame."""
        return crs_of(self.epsg)

    @property
    def origin(self) -> tuple[float, float]:
        """(x, y) in metres of the north-west corner."""
        side = self.hierarchy[0].side
        return self.col * side, TOP - self.row * side

    @property
    def frame_bounds(self) -> Bounds:
        """(west, south, east, north) of the raster in metres."""
        x, y = self.origin
        side, (rows, cols) = self.hierarchy[0].side, self.size
        return x, y - rows * side, x + cols * side, y

    def axes(self, k: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """X (W_k,), and y (H_k,) from north to south, in metres of the cells' centres at level k."""
        side, (rows, cols) = self.hierarchy[k].side, self.size
        west, _, _, north = self.frame_bounds
        times = round(self.hierarchy[0].side / side)
        return west + side * (np.arange(cols * times) + 0.5), north - side * (np.arange(rows * times) + 0.5)


@dataclass(frozen=True, eq=False)
class Extent(Framed):
    """A polygon in its frame, of any size: no array is made of it, its regions are made part by part.

    Attributes
    ----------
    polygon
        What was asked for, lon/lat (WGS84).
    outline
        The same in metres of the frame.
    epsg, row, col, hierarchy
        As of `Region`.
    rows, cols
        Blocks of the raster that holds all of it.
    """

    polygon: BaseGeometry
    outline: BaseGeometry
    epsg: int
    row: int
    col: int
    rows: int
    cols: int
    hierarchy: Hierarchy

    @classmethod
    def of(cls, polygon: BaseGeometry, hierarchy: Hierarchy = S4T4) -> "Extent":
        """The extent of a polygon. Raises RegionError where it has no frame."""
        check_polygon(polygon)
        epsg, side = frame_of(polygon), hierarchy[0].side
        sides = polygon if is_utm(epsg) else shapely.segmentize(polygon, STEP)
        outline = reproject(sides, to_frame(epsg))
        if not np.isfinite(outline.bounds).all():
            raise RegionError("The region spans too much of the Earth for one frame: draw one city or area at a time.")
        outline = repair(np.array([outline]))[0]  # sides that meet at next to no angle may cross by rounding
        if outline.is_empty:
            raise RegionError(NO_AREA)
        west, south, east, north = outline.bounds
        row0, row1 = math.floor((TOP - north) / side), math.ceil((TOP - south) / side)
        col0, col1 = math.floor(west / side), math.ceil(east / side)
        shapely.prepare(outline)
        return cls(polygon, outline, epsg, row0, col0, row1 - row0, col1 - col0, hierarchy)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        return self.rows, self.cols

    @property
    def most_blocks(self) -> float:
        """No fewer than the blocks that the polygon touches."""
        side = self.hierarchy[0].side
        # Those within it, and those on its edges: an edge touches three, and one more for each line that it crosses.
        on_edges = 3 * shapely.get_num_coordinates(self.outline) + 2 * self.outline.length / side
        return float(self.outline.area / side**2 + on_edges)

    def blocks(self, row: int, col: int, rows: int, cols: int) -> npt.NDArray[np.bool_]:
        """(rows, cols) True for the blocks that the polygon touches, counted from the extent's first."""
        side = self.hierarchy[0].side
        c, r = np.meshgrid(self.col + col + np.arange(cols), self.row + row + np.arange(rows))
        squares = shapely.box(c * side, TOP - (r + 1) * side, (c + 1) * side, TOP - r * side)
        blocks: npt.NDArray[np.bool_] = shapely.contains(self.outline, squares)
        edge = shapely.intersects(self.outline, squares) & ~blocks
        blocks[edge] = _areas(self.outline, squares[edge]) > SLIVER_M2
        return blocks


def _areas(outline: BaseGeometry, squares: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
    """(n,) m2 of each square that lie within the outline.

    An outline of many corners is cut in halves with their squares, again and again: not every square meets all corners.
    """
    if len(squares) == 1 or shapely.get_num_coordinates(outline) <= FEW_CORNERS:
        return np.asarray(shapely.area(shapely.intersection(outline, squares)))
    west, south, east, north = shapely.bounds(squares).T
    across = np.ptp(west) >= np.ptp(south)
    order = np.argsort(west if across else south, kind="stable")
    areas = np.zeros(len(squares))
    for half in np.array_split(order, 2):
        box = shapely.box(west[half].min(), south[half].min(), east[half].max(), north[half].max())
        areas[half] = _areas(shapely.intersection(outline, box), squares[half])
    return areas
