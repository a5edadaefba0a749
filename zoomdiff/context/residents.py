"""Who lives where, from a raster that the user gives: people per pixel, as GHS-POP and WorldPop have them.

Both are under CC BY 4.0: GHS-POP of the European Commission's Joint Research Centre, WorldPop of the University of
Southampton. Other rasters have other terms.
"""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from zoomdiff import gdal
from zoomdiff.errors import MapError
from zoomdiff.isolation import isolated
from zoomdiff.region import Region

MOST_PIXELS = 4_000_000  # over the region: finer than 10 m is no population raster, and would not fit in memory
MOST_PEOPLE = 10_000_000  # in a pixel; more is a code for missing values
MOST_BYTES = 500_000_000  # of a strip or tile, which is decompressed whole
SUFFIXES = (".tif", ".tiff")
OUTLINE_STEP = 1000.0  # metres: how finely the frame's straight sides are followed into the raster's CRS
# Word in the file's name or tags -> source and licence, for files that do not state it.
LICENCES = {
    "ghs_pop": "GHS-POP, European Commission JRC, CC BY 4.0",
    "worldpop": "WorldPop, CC BY 4.0",
    "_ppp_": "WorldPop, CC BY 4.0",  # as in ita_ppp_2020.tif: people per pixel
}


class Residents(NamedTuple):
    """Who lives in a region.

    Attributes
    ----------
    people
        (H, W) float64 at night, row 0 in the north.
    on_raster
        (H, W) bool: the raster says something of the cell.
    licence
        Of the raster, as far as known.
    """

    people: np.ndarray
    on_raster: np.ndarray
    licence: str

    def notes(self, mask: np.ndarray) -> tuple[str, ...]:
        """Sentences for the user on the region's cells (H, W)."""
        return raster_notes(int(self.on_raster[mask].sum()), int(mask.sum()), bool(self.people[mask].any()))


def raster_notes(on_raster: int, cells: int, anybody: bool) -> tuple[str, ...]:
    """Sentences for the user on a raster that has so many of a region's cells, and anybody in it or not."""
    notes = []
    if on_raster < 0.99 * cells:
        share = on_raster / cells
        notes.append(f"Only {share:.0%} of the region lies on the population raster; nobody lives on the rest.")
    if not anybody:
        notes.append("The population raster has nobody in this region, so the region is empty by day, too.")
    return tuple(notes)


@isolated(MapError)
def read_residents(path: str | Path, region: Region, homes: np.ndarray, *, part: bool = False) -> Residents:
    """Spread a raster's people over the region's cells, so that their sum stays.

    A pixel that the frame or the region's outline cuts gives to each side what its area has there. So the total in the
    region, and that in the frame, is the sum of the raster's counts weighed by the share of each pixel in it.

    Parameters
    ----------
    path
        Raster file in any CRS, one band, people per pixel; nodata means nobody.
    region
        Where to spread them.
    homes
        (H, W) residential floor of each cell: within a pixel people live where it is, evenly if it has none.
    part
        Whether it is a part of a region, of which other parts may lie on the raster where this one does not.

    Raises
    ------
    MapError
        The file cannot be read, has no CRS, several bands, negative counts or far too fine pixels, or lies elsewhere.
    """
    path = Path(path)
    counts, pixels, on_raster, licence = _read(path, region, part)
    cells = _cells(region)
    pixel, cell = shapely.STRtree(cells).query(pixels, predicate="intersects")
    area = shapely.area(shapely.intersection(pixels[pixel], cells[cell]))  # m2 that each pair shares

    # A zone is a pixel's part inside, or outside, of the region: its people stay in it.
    inside = region.mask()
    zone, zones = 2 * pixel + inside.ravel()[cell], 2 * len(pixels)
    people_of_zone = np.bincount(zone, area, zones) * (counts / shapely.area(pixels)).repeat(2)
    weight = area * homes.ravel()[cell]
    weight = np.where(np.bincount(zone, weight, zones)[zone] > 0, weight, area)
    total = np.bincount(zone, weight, zones)[zone]
    shares = np.divide(weight, total, out=np.zeros(len(zone)), where=total > 0)  # mere touches share nothing
    people = np.bincount(cell, people_of_zone[zone] * shares, inside.size).reshape(region.shape).astype(float)
    return Residents(people, on_raster, licence)


def off_raster(path: Path) -> MapError:
    """The error where a raster has nothing of the region."""
    return MapError(f"The population raster {path.name} does not cover the region: give one of this place.")


def _read(path: Path, region: Region, part: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Read the pixels with people around the frame.

    Counts (n,), outlines in the region's zone (n,), the cells that the raster covers (H, W), and its licence.
    """
    if not path.is_file():
        raise MapError(f"There is no population raster {path}: check the path.")
    if path.suffix.lower() not in SUFFIXES:
        raise MapError(f"{path.name} is not a GeoTIFF file, whose name ends in .tif: convert it with gdal_translate.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # said below, in a sentence
        try:
            with rasterio.Env(**gdal.ALONE), rasterio.open(path.absolute(), driver=gdal.RASTER_DRIVER) as raster:
                if raster.crs is None:
                    raise MapError(f"{path.name} has no CRS: write one into it, for example with gdal_edit.py -a_srs.")
                if raster.count != 1:
                    raise MapError(f"{path.name} has {raster.count} bands: give one band with people per pixel.")
                _check_storage(raster, path)
                to_raster, to_zone = _transformers(raster.crs, region, path)
                window = _window(raster, region, to_raster, path)
                if window is None and not part:
                    raise off_raster(path)
                window = window or Window(0, 0, 1, 1)  # far away: its people reach no cell
                counts = raster.read(1, window=window, masked=True).astype(float).filled(0)
                grid = raster.window_transform(window)
                on_raster = _covered(raster, region, to_raster)
                licence = _licence(raster, path)
        except RasterioError as error:
            raise MapError(f"{path.name} cannot be read as a raster: give a complete GeoTIFF file.") from error
    counts[np.isnan(counts)] = 0
    for worst in (counts.min(), counts.max()):
        if not 0 <= worst <= MOST_PEOPLE:
            raise MapError(
                f"{path.name} has {worst:g} people in a pixel: give counts, and if that number means a missing "
                "value, declare it with gdal_edit.py -a_nodata."
            )
    rows, cols = counts.shape
    x, y = grid @ np.meshgrid(np.arange(cols + 1.0), np.arange(rows + 1.0))
    corners = np.stack(to_zone.transform(x, y), -1)  # (rows + 1, cols + 1, 2)
    rings = np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], 2).reshape(-1, 4, 2)
    # A global raster's corners lie off the Earth; and most of it is empty, which saves time.
    used = np.isfinite(rings).all((1, 2)) & (counts.ravel() > 0)
    return counts.ravel()[used], shapely.polygons(rings[used]), on_raster, licence


def _check_storage(raster: rasterio.DatasetReader, path: Path) -> None:
    """Raise MapError where a piece of the file is far too large once decompressed, or its pixels have no size."""
    rows, cols = raster.block_shapes[0]
    if rows * cols * np.dtype(raster.dtypes[0]).itemsize > MOST_BYTES:
        raise MapError(f"{path.name} is stored in one large piece: write it anew with gdal_translate -co TILED=YES.")
    if raster.transform.is_degenerate:
        raise MapError(f"{path.name} has pixels without a size: write its place into it, with gdal_edit.py -a_ullr.")


def _transformers(crs: rasterio.crs.CRS, region: Region, path: Path) -> tuple[Transformer, Transformer]:
    """From the region's zone to the raster's CRS, and back."""
    try:
        own = CRS.from_wkt(crs.to_wkt())
        return (
            Transformer.from_crs(region.crs, own, always_xy=True),
            Transformer.from_crs(own, region.crs, always_xy=True),
        )
    except ProjError as error:
        raise MapError(f"{path.name} has a CRS that is no place on Earth: export it in EPSG:4326.") from error


def _window(raster: rasterio.DatasetReader, region: Region, to_raster: Transformer, path: Path) -> Window | None:
    """The pixels that the frame touches, and one more on each side; None where it touches none."""
    outline = shapely.segmentize(shapely.box(*region.frame_bounds).exterior, OUTLINE_STEP)
    x, y = to_raster.transform(*shapely.get_coordinates(outline).T)
    cols, rows = ~raster.transform @ (np.asarray(x), np.asarray(y))
    known = np.isfinite(cols).all() and np.isfinite(rows).all()
    if known and cols.max() > 0 and rows.max() > 0 and cols.min() < raster.width and rows.min() < raster.height:
        west, east = max(int(cols.min()) - 1, 0), min(int(cols.max()) + 2, raster.width)
        north, south = max(int(rows.min()) - 1, 0), min(int(rows.max()) + 2, raster.height)
        if (east - west) * (south - north) > MOST_PIXELS:
            raise MapError(f"{path.name} has too fine pixels: sum them up to 10 m or more, or choose a smaller region.")
        return Window(west, north, east - west, south - north)
    return None


def _covered(raster: rasterio.DatasetReader, region: Region, to_raster: Transformer) -> np.ndarray:
    """(H, W) bool: the cell's centre lies on the raster."""
    x, y = to_raster.transform(*np.moveaxis(region.frame_centres(), -1, 0))
    col, row = ~raster.transform @ (np.asarray(x), np.asarray(y))
    on_raster: np.ndarray = (col >= 0) & (col < raster.width) & (row >= 0) & (row < raster.height)
    return on_raster


def _cells(region: Region) -> np.ndarray:
    """(H * W,) squares of the finest raster, row by row from the north-west, in the zone."""
    side = region.hierarchy.finest.side
    x, y = np.moveaxis(region.frame_centres().reshape(-1, 2), -1, 0)
    return shapely.box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def _licence(raster: rasterio.DatasetReader, path: Path) -> str:
    """What the file says about its licence, or what is known of its kind."""
    tags = {key.lower(): value for key, value in raster.tags().items()}
    stated = tags.get("tifftag_copyright") or tags.get("license") or tags.get("licence")
    words = " ".join((path.name, *tags.values())).lower()
    known = next((licence for word, licence in LICENCES.items() if word in words), None)
    return stated or known or "licence not stated in the file"
