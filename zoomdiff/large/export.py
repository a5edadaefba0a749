"""Files of a large week, written piece by piece: GeoParquet in parts, GeoTIFF, and PMTiles for maps on the web."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyogrio
import shapely

from zoomdiff.errors import OptionError
from zoomdiff.export.cells import cells_of, whole_bytes
from zoomdiff.export.cog import Part, write_parts
from zoomdiff.export.formats import parse_names
from zoomdiff.export.netcdf import credit
from zoomdiff.export.parquet import write_parquet
from zoomdiff.files import ABOUT, check_free, whole_set
from zoomdiff.large.read import OnPiece, StoredWeek
from zoomdiff.levels import DAYS_PER_WEEK
from zoomdiff.week import WEEKDAYS, TrafficWeek, times_of

MOST_BANDS = 200_000_000  # values of a GeoTIFF: about two minutes
MOST_TILED = 1_000_000  # cells of PMTiles: GDAL takes 0.1 ms for each and zoom
CELLS_A_TILE = 128  # along the side of a tile at the lowest zoom
ZOOMS = 2  # above it, viewers enlarge the tiles
EQUATOR_M = 40_075_017  # width of the tile 0/0/0
LOSSLESS = {"MAX_SIZE": 100_000_000, "MAX_FEATURES": 1_000_000}  # GDAL leaves features out of a tile beyond these
TILES = "PMTiles"

OnPart = Callable[[int, int], None]


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes
    ----------
    ending
        Of the file's name, after the level's.
    write
        Writes level k of a store to a path.
    check
        Raises OptionError where that is not possible.
    is_folder
        Whether it is a folder of parts.
    """

    ending: str
    write: Callable[[StoredWeek, int, Path, OnPart], None]
    check: Callable[[StoredWeek, int], None] = lambda store, k: None
    is_folder: bool = False


def write_levels(
    store: StoredWeek,
    folder: Path,
    formats: str | Iterable[str],
    levels: str | Iterable[str] | None,
    on_piece: OnPiece | None,
) -> list[Path]:
    """As `StoredWeek.save`."""
    kinds = [FORMATS[name] for name in parse_names("format", formats, FORMATS)]
    known = [level.name for level in store.hierarchy]
    chosen = [store.number(name) for name in parse_names("level", known if levels is None else levels, known)]
    files = [(kind, k, f"{known[k]}{kind.ending}") for kind in kinds for k in chosen]
    for kind, k, name in files:
        kind.check(store, k)
        check_free(folder / name, is_folder=kind.is_folder)
    say = on_piece or (lambda file, done, pieces: None)
    with whole_set(folder) as new:
        for kind, k, name in files:
            kind.write(store, k, new / name, partial(say, name))
    return [folder / name for _, _, name in files]


def _write_parquet(store: StoredWeek, k: int, path: Path, on_part: OnPart) -> None:
    """A folder with a GeoParquet file for each piece, which readers of data sets open as one table."""
    path.mkdir()
    for number, part in enumerate(store.parts(k, on_part)):
        write_parquet(part, 0, path / f"part-{number:06}.parquet")
    about = {"level": store.hierarchy[k].title, **_credit(store), "provenance": store.provenance}
    (path / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False))


def _write_cog(store: StoredWeek, k: int, path: Path, on_part: OnPart) -> None:
    frame, per_block = store.frame, store.layout.per_block(k)

    def parts() -> Iterator[Part]:
        for part in store.parts(k, on_part):
            region = part.region
            volumes = np.where(region.blocks, part.volumes[0], np.nan)
            yield region.row - frame.row * per_block, region.col - frame.col * per_block, volumes

    write_parts(parts(), frame, k, path, times=times_of(frame.hierarchy[k]), provenance=store.provenance)


def _check_raster(store: StoredWeek, k: int) -> None:
    values = store.cells(k) * store.hierarchy.steps(k)
    if values > MOST_BANDS:
        raise OptionError(
            f"Level {store.hierarchy[k].name} has {values:,} values, and a GeoTIFF takes {MOST_BANDS:,}: choose a "
            "coarser --level, or a part with --bbox; GDAL opens the store itself, too."
        )


def _check_tiles(store: StoredWeek, k: int) -> None:
    if "w" not in pyogrio.list_drivers().get(TILES, ""):
        raise OptionError("This build of GDAL writes no PMTiles: install pyogrio with pip, or choose another --format.")
    cells = round(store.layout.extent.outline.area / store.hierarchy[k].side ** 2)
    if cells > MOST_TILED:
        raise OptionError(
            f"Level {store.hierarchy[k].name} has about {cells:,} cells, and PMTiles take {MOST_TILED:,}: choose a "
            "coarser --level, or a part with --bbox."
        )


def _write_tiles(store: StoredWeek, k: int, path: Path, on_part: OnPart) -> None:
    """A feature per cell, with its bytes in the week and on each day."""
    level, (_, south, _, north) = store.hierarchy[k], store.layout.extent.polygon.bounds
    width = EQUATOR_M * math.cos(math.radians((south + north) / 2))
    lowest = max(0, math.ceil(math.log2(width / (CELLS_A_TILE * level.side))))
    about = _credit(store)
    zooms = range(lowest, lowest + ZOOMS)
    failed: list[BaseException] = []
    total = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal total
        try:
            for part in store.parts(k, on_part):
                total += int(part.total())
                yield from _table(part).to_batches()
        except (Exception, KeyboardInterrupt) as error:  # GDAL would make another one of it
            failed.append(error)
            raise

    try:
        rows = batches()
        first = next(rows)  # whose schema is that of all
        pyogrio.write_arrow(
            pa.RecordBatchReader.from_batches(first.schema, chain([first], rows)),
            path,
            driver=TILES,
            layer=level.name,
            geometry_type="Polygon",
            geometry_name="geometry",
            crs="EPSG:4326",
            dataset_options={
                "NAME": f"A week of mobile traffic, {level.title}, bytes",
                "DESCRIPTION": json.dumps({**about, "provenance": store.provenance}, ensure_ascii=False),
                "MINZOOM": zooms[0],
                "MAXZOOM": zooms[-1],
                **LOSSLESS,
            },
        )
    except Exception as error:
        raise (failed[0] if failed else OSError(str(error))) from error
    for zoom in zooms:  # GDAL makes the tiles when it closes the file, and does not say whether all were written
        if _total(path, level.name, zoom) != total:
            raise OSError("the tiles are incomplete, which a full disk may be the reason of")


def _total(path: Path, layer: str, zoom: int) -> int | None:
    """Bytes of all cells in the tiles of a zoom; None where they cannot be read."""
    columns = ["row", "col", "traffic"]
    try:
        found = pyogrio.read_dataframe(path, layer=layer, columns=columns, read_geometry=False, ZOOM_LEVEL=zoom)
    except pyogrio.errors.DataSourceError:
        return None
    cells = found.drop_duplicates(["row", "col"])  # one at the edge of a tile is in several
    return sum(map(int, cells.traffic))


def _table(part: TrafficWeek) -> pa.Table:
    """The cells of a part with their sums."""
    cells, traffic = cells_of(part.region, 0), whole_bytes(part, 0)
    days = traffic.reshape(DAYS_PER_WEEK, -1, traffic.shape[1]).sum(1)
    columns = {"row": cells.row, "col": cells.col, "h3": cells.h3, "traffic": days.sum(0)}
    frame = gpd.GeoDataFrame(
        columns | dict(zip(WEEKDAYS, days, strict=True)), geometry=shapely.polygons(cells.rings), crs=4326
    )
    return pa.table(frame.to_arrow(index=False, geometry_encoding="WKB"))


def _credit(store: StoredWeek) -> dict[str, str]:
    return credit(store.about["sources"], store.about["training"])


FORMATS = {
    "parquet": Format(".parquet", _write_parquet, is_folder=True),
    "cog": Format(".tif", _write_cog, _check_raster),
    "pmtiles": Format(".pmtiles", _write_tiles, _check_tiles),
}
