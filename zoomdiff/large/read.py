"""A large week that is complete: any part of any level, as a week that the exports know, piece by piece."""

import json
import math
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
import zarr
from shapely.geometry.base import BaseGeometry

from zoomdiff.arguments import four_numbers, path_of
from zoomdiff.errors import OptionError, RegionError, ZoomDiffError, is_utf8
from zoomdiff.export.netcdf import VARIABLE
from zoomdiff.export.reproduce import check_types
from zoomdiff.extent import STEP, Extent
from zoomdiff.frames import TOP, is_utm, reproject, to_frame
from zoomdiff.isolation import check_file, isolated
from zoomdiff.large.layout import Layout, Window
from zoomdiff.large.store import COMPLETE, WANTED, attributes_of, chunks_of
from zoomdiff.levels import HOURS_PER_WEEK, Hierarchy, Level, aggregate
from zoomdiff.outline import Bounds
from zoomdiff.region import MOST_BLOCKS, Region
from zoomdiff.week import TrafficWeek

MOST_VALUES = 25_000_000  # that are read at once: 200 MB; a piece has 11 million
MOST_CHUNK = HOURS_PER_WEEK * 256 * 256  # values of a chunk, which is read as a whole
MOST_LEVELS = 10
MOST_METADATA = 100_000  # bytes of an array's zarr.json
MOST_BYTES = 1e15  # of a cell in a step: a thousand times the busiest station's day
MOST_TEXTS, LONGEST, LONGEST_NAME = 1000, 20_000, 4096  # sentences, their characters, those of a path
OnPiece = Callable[[str, int, int], None]  # (file, pieces done, pieces)


class Overview(NamedTuple):
    """Sums over the week.

    region   one level of the part, whose cells they are of
    volumes  (H, W) bytes of each cell in the whole week
    """

    region: Region
    volumes: np.ndarray


@dataclass(frozen=True)
class StoredWeek:
    """A week in a store, or the part of it in a box; nothing of it is read before it is asked for.

    Make one with `open_store`.

    Attributes
    ----------
    path
        Of the store.
    layout
        Of its region; in a box, of the region there.
    about
        The attributes of the store.
    box
        (west, south, east, north) in degrees; None: all of the region.
    """

    path: Path
    layout: Layout
    about: dict[str, Any]
    box: Bounds | None = None

    @property
    def hierarchy(self) -> Hierarchy:
        """The levels."""
        return self.layout.hierarchy

    @property
    def provenance(self) -> dict[str, Any]:
        """How the week was made, as in the files of a small one."""
        asked = self.about[WANTED]
        names = ("zoomdiff", "weights_sha256", "seed", "steps", "preset", "guidance")
        found = ("gap_before_conservation", "sources", "notes", "training")
        return {name: asked[name] for name in names} | {name: self.about[name] for name in found}

    @cached_property
    def shown(self) -> Window:
        """The blocks that hold all of it."""
        extent, side = self.layout.extent, self.hierarchy[0].side
        west, south, east, north = extent.outline.bounds
        row, col = math.floor((TOP - north) / side) - extent.row, math.floor(west / side) - extent.col
        end = math.ceil((TOP - south) / side) - extent.row, math.ceil(east / side) - extent.col
        return _both(Window(row, col, end[0] - row, end[1] - col), self.layout.whole)

    @property
    def frame(self) -> Extent:
        """The raster of the blocks that hold all of it."""
        extent, shown = self.layout.extent, self.shown
        return replace(extent, row=extent.row + shown.row, col=extent.col + shown.col, rows=shown.rows, cols=shown.cols)

    def within(self, bbox: Bounds) -> "StoredWeek":
        """The part in a box (west, south, east, north) in degrees: whole blocks, so that its levels agree.

        Raises RegionError where the box has nothing of the region.
        """
        west, south, east, north = four_numbers("The box", bbox, RegionError)
        if not (west < east and south < north):
            raise RegionError("The box is empty or turned around: give W,S,E,N in degrees with W < E and S < N.")
        extent = self.layout.extent
        own = extent.polygon.bounds
        inside = max(west, own[0]), max(south, own[1]), min(east, own[2]), min(north, own[3])
        box = shapely.box(*inside) if inside[0] < inside[2] and inside[1] < inside[3] else shapely.Polygon()
        sides = box if is_utm(extent.epsg) else shapely.segmentize(box, STEP)
        # In the frame: the sides of both are straight there, so that no block is taken that the region does not have.
        outline, polygon = _cut(extent, reproject(sides, to_frame(extent.epsg)), box)
        if not outline.area:
            raise RegionError(
                f"The box has nothing of the region of {self.path.name}: give one within "
                f"{','.join(f'{degrees:.4f}' for degrees in own)}."
            )
        shapely.prepare(outline)
        return replace(
            self,
            layout=Layout(replace(extent, polygon=polygon, outline=outline)),
            box=(west, south, east, north),
        )

    def number(self, level: str) -> int:
        """The number of a level. Raises OptionError."""
        try:
            return self.hierarchy.index(level)
        except KeyError as error:
            names = ", ".join(each.name for each in self.hierarchy)
            raise OptionError(f"There is no level {level!r}: choose from {names}.") from error

    def window(self, level: str, bbox: Bounds | None = None) -> TrafficWeek:
        """One level, read at once: a week with that level only, such as `store.window("cell", bbox)["cell"].volumes`.

        Its chunks are read, and nothing else. Raises OptionError where it is too large to be read at once, or damaged.
        """
        part, k = self.within(bbox) if bbox else self, self.number(level)
        part._check_size(k)
        return part._read(k, part.shown)

    def part(self, bbox: Bounds | None = None, *, finest: str | None = None) -> TrafficWeek:
        """All levels, or those down to `finest`, read at once, as the week of a small region is.

        Errors as of `window`.
        """
        part = self.within(bbox) if bbox else self
        last = len(self.hierarchy) - 1 if finest is None else self.number(finest)
        part._check_size(last)
        region = replace(region_of(part.layout, part.shown), hierarchy=Hierarchy(self.hierarchy.levels[: last + 1]))
        volumes = tuple(part._volumes(k, part.shown, region.mask(k)) for k in range(last + 1))
        try:
            return TrafficWeek(region, volumes, self.provenance)
        except ValueError as error:  # levels that do not agree
            raise damaged(self.path) from error

    def overview(self, level: str, bbox: Bounds | None = None) -> Overview:
        """The sums over the week of each cell of a level, read piece by piece. Errors as of `window`."""
        part, k = self.within(bbox) if bbox else self, self.number(level)
        cells = part.cells(k)
        if cells > MOST_BLOCKS:
            raise _too_large(cells, MOST_BLOCKS)
        region = _one_level(region_of(part.layout, part.shown), k)
        volumes = np.zeros(region.blocks.shape)
        for piece in part.parts(k):
            row, col = piece.region.row - region.row, piece.region.col - region.col
            rows, cols = piece.region.blocks.shape
            volumes[row : row + rows, col : col + cols] = piece.volumes[0].sum(0)
        return Overview(region, volumes)

    def cells(self, k: int) -> int:
        """Cells of level k in the raster that holds all of it."""
        return self.shown.rows * self.shown.cols * self.layout.per_block(k) ** 2

    def pieces(self, k: int) -> list[Window]:
        """What `parts` reads one after the other."""
        return [_both(piece, self.shown) for piece in self.layout.pieces(k)]

    def parts(self, k: int, on_part: Callable[[int, int], None] | None = None) -> Iterator[TrafficWeek]:
        """All of level k, piece by piece, each as `window` gives it; `on_part` is called with (pieces done, pieces).

        Raises OptionError where the store is damaged, also where a chunk was lost, which Zarr takes for silence.
        """
        pieces, total = self.pieces(k), 0.0
        for done, piece in enumerate(pieces, 1):
            part = self._read(k, piece)
            if part.region.blocks.any():
                total += part.total()
                yield part
            if on_part:
                on_part(done, len(pieces))
        if self.box is None and not math.isclose(total, self.about["total_bytes"], rel_tol=1e-9):
            raise damaged(self.path)

    def save(
        self,
        folder: str | Path,
        formats: str | Iterable[str],
        *,
        levels: str | Iterable[str] | None = None,
        on_piece: OnPiece | None = None,
    ) -> list[Path]:
        """Write levels into a folder, piece by piece: all files or none.

        Parameters
        ----------
        folder
            It is made where it does not exist; ~ is the home folder.
        formats
            One or more of parquet, cog and pmtiles (docs/scale.md); a list, or text with commas between.
        levels
            Their names, in the same way; None: all.
        on_piece
            Called with (file, pieces done, pieces) after every piece; an exception that it raises ends the writing.

        Returns
        -------
        list of Path
            One per level and format; that of parquet is a folder.

        Raises
        ------
        OptionError
            An unknown format or level, a file that cannot be written, too many cells for a format, a damaged store.
        """
        from zoomdiff.large.export import write_levels

        return write_levels(self, path_of("The folder", folder), formats, levels, on_piece)

    def _check_size(self, k: int) -> None:
        values = self.cells(k) * self.hierarchy.steps(k % len(self.hierarchy))
        if values > MOST_VALUES:
            raise _too_large(self.cells(k), MOST_VALUES // self.hierarchy.steps(k % len(self.hierarchy)))

    def _read(self, k: int, window: Window) -> TrafficWeek:
        """Level k of a window of blocks. Raises OptionError where it does not agree with the coarsest level."""
        blocks = region_of(self.layout, window)
        region = _one_level(blocks, k)
        volumes = self._volumes(k, window, region.blocks)
        if k % len(self.hierarchy):  # a chunk that was lost is silence
            whole = self._volumes(0, window, blocks.blocks)
            if not np.array_equal(aggregate(volumes, *self.hierarchy.between(0, k)), whole):
                raise damaged(self.path)
        return TrafficWeek(region, (volumes,), self.provenance)

    def _volumes(self, k: int, window: Window, mask: np.ndarray) -> np.ndarray:
        """(T_k, rows, cols) bytes, 0 outside the mask."""
        rows, cols = window.slices(self.layout.per_block(k))
        found = _values(self.path, self.hierarchy[k].name, rows, cols)
        whole = (found >= 0) & (found <= MOST_BYTES) & (found == np.rint(found))
        if found.shape != (self.hierarchy.steps(k), *mask.shape) or not whole.all():
            raise damaged(self.path)
        volumes: np.ndarray = found * mask
        return volumes


def open_store(path: str | Path) -> StoredWeek:
    """A week that `generate_large` has made, to be read part by part.

    Raises
    ------
    OptionError
        There is no such folder; it is of something else, damaged, or not complete.
    """
    path = path_of("The store", path)
    if not path.is_dir():
        raise OptionError(f"There is no store {path}: give the folder that generate --out week.zarr made.")
    layout, about = _look(path)
    shapely.prepare(layout.extent.outline)
    return StoredWeek(path, layout, about)


@isolated(OptionError)
def _look(path: Path) -> tuple[Layout, dict[str, Any]]:
    """The layout and the attributes of a store, once they are known to be right."""
    about = attributes_of(path, "give a store that generate --out week.zarr made")
    if about.get(COMPLETE) is not True:
        raise OptionError(f"{path} is not complete: the command that makes it goes on when it is given again.")
    try:
        _check_types(about)
        hierarchy = Hierarchy(tuple(Level(**level) for level in about["levels"][:MOST_LEVELS]))
        shapes = [_shape(path, level) for level in hierarchy]
        raster, (_, rows, cols) = about["raster"], shapes[0]
        made = Extent.of(shapely.from_geojson(about["region"]), hierarchy)
        found = replace(made, row=raster["row"], col=raster["col"], rows=rows, cols=cols)
        # A block more or less: another version of PROJ may move the outline by the last digit.
        apart = [getattr(made, name) - getattr(found, name) for name in ("row", "col", "rows", "cols")]
        layout = Layout(found)
        right = [(hierarchy.steps(k), *(n * layout.per_block(k) for n in (rows, cols))) for k in range(len(hierarchy))]
        if raster["epsg"] != made.epsg or max(map(abs, apart)) > 1 or shapes != right:
            raise ValueError("the raster is not where the region is")
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        ZoomDiffError,  # of the region
        shapely.errors.ShapelyError,
    ) as error:
        raise damaged(path) from error
    return layout, about


def _check_types(about: dict[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError where an attribute is missing, or is not of its type or range."""
    asked = about[WANTED]
    expected = [
        *((about[name], str) for name in ("region", "training", "license")),
        *((about["raster"][name], int) for name in ("epsg", "row", "col")),
        *((about[name], list) for name in ("levels", "notes", "sources", "gap_before_conservation")),
        *((text, str) for name in ("notes", "sources") for text in about[name]),
        *((gap, float) for gap in about["gap_before_conservation"]),
        (about["total_bytes"], float),
        (about["sha256"], str),
        (asked["seed"], int),
        (asked["steps"], str | int | dict),
        *((asked[name], str) for name in ("zoomdiff", "preset")),
        (asked["guidance"], float | int),
        (asked["weights_sha256"], str | None),
    ]
    check_types(expected)
    texts = [about["training"], about["license"], *about["notes"], *about["sources"]]
    names = [asked["zoomdiff"], asked["preset"], str(asked["map"]), str(asked["population"])]
    if len(texts) > MOST_TEXTS or not all(is_utf8(text) for text in (*texts, *names[:2])):  # paths need not be
        raise ValueError("texts that are none, or too many")
    if any(len(text) > LONGEST for text in texts) or any(len(name) > LONGEST_NAME for name in names):
        raise ValueError("texts that are too long")


def _shape(path: Path, level: Level) -> tuple[int, ...]:
    """Of the array of a level. Raises ValueError where it is none that `Store.create` made."""
    file = path / level.name / VARIABLE / "zarr.json"
    check_file(file, OptionError, MOST_METADATA)
    array = json.loads(file.read_text())
    chunk, encoding = array["chunk_grid"]["configuration"]["chunk_shape"], array["chunk_key_encoding"]
    plain = array["data_type"] == "float64" and array["fill_value"] == 0
    plain &= [codec["name"] for codec in array["codecs"]] == ["bytes", "zstd"]
    plain &= array["codecs"][0]["configuration"]["endian"] == "little"
    plain &= encoding["name"] == "default" and encoding["configuration"]["separator"] == "/"
    shape = tuple(array["shape"])
    if not plain or len(shape) != 3 or not all(isinstance(n, int) and n > 0 for n in (*shape, *chunk)):
        raise ValueError("an array of another kind")
    if math.prod(chunk) > MOST_CHUNK:
        raise ValueError("enormous chunks")
    return shape


@isolated(OptionError, name="The region of the store")
def region_of(layout: Layout, window: Window) -> Region:
    """The region's blocks in a window. Raises OptionError where its outline is too intricate for that."""
    shapely.prepare(layout.extent.outline)
    return layout.region(window)


@isolated(OptionError, name="The region of the store")
def _cut(extent: Extent, in_frame: BaseGeometry, in_degrees: BaseGeometry) -> tuple[BaseGeometry, BaseGeometry]:
    """Outline and polygon of what of a region lies in a box. Raises OptionError as `region_of`."""
    return shapely.intersection(extent.outline, in_frame), shapely.intersection(extent.polygon, in_degrees)


@isolated(OptionError)
def _values(path: Path, level: str, rows: slice, cols: slice) -> np.ndarray:
    """Some cells of a level. Raises OptionError where they cannot be read."""
    try:
        array = zarr.open_array(path / level / VARIABLE, mode="r", zarr_format=3)
        for chunk in chunks_of(path / level / VARIABLE, rows, cols, array.chunks[1]):
            if not stat.S_ISREG(chunk.lstat().st_mode):  # a pipe may never end, a link leads elsewhere
                raise damaged(path)
        return np.asarray(array[:, rows, cols], np.float64)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise damaged(path) from error


def _one_level(region: Region, k: int) -> Region:
    """The same region in cells of level k alone."""
    per_block = region.hierarchy.between(0, k)[0]
    return Region(
        region.polygon,
        region.epsg,
        region.row * per_block,
        region.col * per_block,
        region.mask(k),
        Hierarchy((region.hierarchy[k],)),
    )


def _both(one: Window, other: Window) -> Window:
    """The blocks of two windows that touch."""
    row, col = max(one.row, other.row), max(one.col, other.col)
    end_row, end_col = min(one.row + one.rows, other.row + other.rows), min(one.col + one.cols, other.col + other.cols)
    return Window(row, col, end_row - row, end_col - col)


def _too_large(cells: int, most: int) -> OptionError:
    return OptionError(
        f"The part has {cells:,} cells, and {most:,} are read at once: give a smaller box or a coarser level."
    )


def damaged(path: Path) -> OptionError:
    """The error of a store whose content is not as it was written."""
    return OptionError(f"{path} is damaged, or was not made by ZoomDiff: generate it again.")
