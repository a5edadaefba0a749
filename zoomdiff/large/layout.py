"""How the raster of a large region is cut into pieces, each small enough for the memory of one worker."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import shapely

from zoomdiff.extent import Extent
from zoomdiff.frames import TOP
from zoomdiff.levels import Hierarchy
from zoomdiff.region import Region

CELLS = 192  # along the side of a piece, at every level: a worker takes 1.2 GB
CHUNK = 96  # cells along the side of a chunk: what a reader gets at once
# Cells around a piece that its stage sees, by the side of a cell: `python -m benchmarks scale --what halo` compares.
HALO: dict[float, int] = {400: 16, 200: 16, 100: 16, 50: 16}
CONTEXT_HALO_M = 1600.0  # around a piece of the context: pixels of 1 km of a population raster are seen whole


class Window(NamedTuple):
    """Blocks of a raster, counted from its north-west corner."""

    row: int
    col: int
    rows: int
    cols: int

    @property
    def name(self) -> str:
        """In the names of files of a run."""
        return "_".join(map(str, self))

    def slices(self, per_block: int) -> tuple[slice, slice]:
        """Rows and columns of cells, of which `per_block` are along a block."""
        return (
            slice(self.row * per_block, (self.row + self.rows) * per_block),
            slice(self.col * per_block, (self.col + self.cols) * per_block),
        )

    def within(self, other: "Window") -> "Window":
        """The same window counted from the corner of another one."""
        return Window(self.row - other.row, self.col - other.col, self.rows, self.cols)


@dataclass(frozen=True)
class Layout:
    """The pieces of an extent."""

    extent: Extent

    @property
    def hierarchy(self) -> Hierarchy:
        """The zoom levels."""
        return self.extent.hierarchy

    def per_block(self, k: int) -> int:
        """Cells of level k along a block."""
        return self.hierarchy.between(0, k)[0]

    def side(self, k: int) -> int:
        """Blocks along a piece of level k."""
        return max(1, CELLS // self.per_block(k))

    def chunk(self, k: int) -> int:
        """Cells of level k along a chunk of the result, which is made by one piece of the finest level."""
        return min(CHUNK, self.side(-1) * self.per_block(k))

    def halo(self, k: int) -> int:
        """Blocks around a piece of level k that its stage sees."""
        return -(-HALO.get(self.hierarchy[k].side, max(HALO.values())) // self.per_block(k))

    @cached_property
    def whole(self) -> Window:
        """All blocks."""
        return Window(0, 0, self.extent.rows, self.extent.cols)

    def pieces(self, k: int) -> list[Window]:
        """The pieces of level k that the region touches, row by row."""
        return [piece for piece in self._grid(self.side(k)) if self._touches(piece, 0)]

    def context_pieces(self) -> list[Window]:
        """The pieces whose context some stage sees."""
        farthest = max(self.halo(k) for k in range(len(self.hierarchy)))
        return [piece for piece in self._grid(self.side(-1)) if self._touches(piece, farthest)]

    def around(self, piece: Window, blocks: int) -> Window:
        """The piece with so many blocks around it, as far as the raster goes."""
        row, col = max(0, piece.row - blocks), max(0, piece.col - blocks)
        end_row = min(self.whole.rows, piece.row + piece.rows + blocks)
        end_col = min(self.whole.cols, piece.col + piece.cols + blocks)
        return Window(row, col, end_row - row, end_col - col)

    def context_halo(self) -> int:
        """Blocks around a piece that its context needs."""
        return -(-round(CONTEXT_HALO_M) // round(self.hierarchy[0].side))

    def region(self, window: Window) -> Region:
        """The region's blocks in a window."""
        return Region.part_of(self.extent, *window)

    def _grid(self, side: int) -> Iterator[Window]:
        for row in range(0, self.whole.rows, side):
            for col in range(0, self.whole.cols, side):
                yield Window(row, col, min(side, self.whole.rows - row), min(side, self.whole.cols - col))

    def _touches(self, piece: Window, blocks: int) -> bool:
        side = self.hierarchy[0].side
        west, north = (self.extent.col + piece.col) * side, TOP - (self.extent.row + piece.row) * side
        box = shapely.box(west, north - piece.rows * side, west + piece.cols * side, north)
        return bool(shapely.dwithin(self.extent.outline, box, blocks * side))
