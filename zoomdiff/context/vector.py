"""One vector file with OpenStreetMap tags as columns: GeoParquet, GeoPackage, FlatGeobuf, GeoJSON."""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from shapely.errors import ShapelyError

from zoomdiff.context.tagged import KEYS, OSM_LICENCE, Tagged, by_tags, nothing
from zoomdiff.errors import MapError
from zoomdiff.gdal import VECTOR_DRIVERS
from zoomdiff.outline import Bounds

PARQUET, GEOJSON = (".parquet", ".geoparquet"), (".geojson", ".json")
SUFFIXES = (*PARQUET, ".gpkg", ".fgb", *GEOJSON)
# What a layer may be called, in a GeoPackage or as a file in a folder; several of one kind are put together.
LAYER_NAMES = {
    "buildings": ("buildings",),
    "roads": ("roads",),
    "rails": ("transit", "rails"),
    "areas": ("landuse", "natural", "water", "areas"),
    "pois": ("pois",),
    "coastlines": ("coastlines",),
}
GEOJSON_LIMIT = 300  # MB; `python -m benchmarks context --geojson 200` shows how long such a file takes
ALIASES = {"building_levels": "building:levels"}  # of writers that allow no colon


def read(path: Path, bbox: Bounds | None = None) -> Tagged:
    """Read a file, or what touches `bbox` (west, south, east, north in degrees) of it.

    Layers of a GeoPackage that are called buildings, roads, ... (LAYER_NAMES) are taken as such. Any other layer may
    mix all kinds of features: their tags decide what they are. The licence is that of OpenStreetMap, whose tags the
    file has. Raises MapError if the file cannot be read, is too large a GeoJSON, or has no CRS, a wrong one or no tags.
    """
    layers: list[str | None] = [None]
    if path.suffix.lower() not in (*PARQUET, *GEOJSON):  # which have one, and GeoJSON is read through to find it
        with _one_sentence(path):
            layers = [str(name) for name, geometry in pyogrio.list_layers(path) if geometry is not None]
    named = {kind: [one for one in layers if one in names] for kind, names in LAYER_NAMES.items()}
    if len(layers) > 1 and any(named.values()):
        frames = {kind: join([frame(path, bbox, layer) for layer in found]) for kind, found in named.items()}
    else:
        frames = by_tags(join([frame(path, bbox, layer) for layer in layers]), path.name)
    return Tagged(path.name, f"OpenStreetMap, {path.name}", OSM_LICENCE, **frames)


def frame(path: Path, bbox: Bounds | None = None, layer: str | None = None) -> gpd.GeoDataFrame:
    """One layer of a file as a GeoDataFrame in EPSG:4326 with the columns of KEYS that it has; MapError as `read`."""
    if path.suffix.lower() in PARQUET:
        found = parquet(path, (*KEYS, *ALIASES))
    else:
        _check_size(path)
        with _one_sentence(path):
            info = pyogrio.read_info(path, layer=layer)
            _check_driver(path, info["driver"])
            check_crs(path.name, info["crs"], info["total_bounds"])
            mask = None if bbox is None else gpd.GeoSeries([shapely.box(*bbox)], crs=4326)
            columns = [name for name in info["fields"] if name in KEYS or name in ALIASES]
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Non closed ring")  # "fix" closes it
                found = gpd.read_file(path, layer=layer, engine="pyogrio", bbox=mask, columns=columns, on_invalid="fix")
        if not isinstance(found, gpd.GeoDataFrame):
            raise MapError(f"{path.name} has no geometry: export it again with its geometry.")
    with _one_sentence(path):
        found = _tags(in_degrees(path, found))
    return found if bbox is None else found.cx[bbox[0] : bbox[2], bbox[1] : bbox[3]]


def join(frames: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Tables below each other, with the columns of all."""
    if len(frames) < 2:
        return frames[0] if frames else nothing()
    return pd.concat(frames, ignore_index=True)


def in_degrees(path: Path, found: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """What was found in a file, in EPSG:4326; MapError as `check_crs`, and where the CRS is damaged."""
    with _one_sentence(path):
        check_crs(path.name, found.crs, found.total_bounds)
        return found.to_crs(4326)


def check_crs(name: str, crs: pyproj.CRS | str | None, bounds: Sequence[float] | np.ndarray | None) -> None:
    """Raise MapError unless a file says what its coordinates mean and they lie on the earth.

    Parameters
    ----------
    name
        Of the file.
    crs
        As geopandas or pyogrio give it; None if the file has none.
    bounds
        Of its data, in that CRS; None if not known.
    """
    if crs is None:
        raise MapError(
            f"{name} has no coordinate reference system: set it, e.g. with ogr2ogr -a_srs EPSG:4326 in a new file."
        )
    if bounds is None or not np.isfinite(bounds).all():  # not known, or without features
        return
    west, south, east, north = _to_degrees(crs).transform_bounds(*bounds)
    # What cannot be projected becomes infinite; a hair beyond the edge is rounding.
    if not (max(abs(west), abs(east)) <= 180.001 and max(abs(south), abs(north)) <= 90.001):
        raise MapError(
            f"{name} has coordinates off the earth, so its coordinate reference system is a wrong one: set the right "
            "one, e.g. with ogr2ogr -a_srs."
        )


@cache
def _to_degrees(crs: pyproj.CRS | str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, 4326, always_xy=True)


def parquet(path: Path, columns: tuple[str, ...]) -> gpd.GeoDataFrame:
    """The geometry and those columns of a GeoParquet file that it has. Raises MapError if it is none."""
    try:
        schema = pyarrow.parquet.read_schema(path)
        geometry = json.loads((schema.metadata or {}).get(b"geo", b"{}")).get("primary_column")
        wanted = [name for name in schema.names if name in columns or name == geometry]
        found = gpd.read_parquet(path, columns=wanted if geometry else None)  # without one, it says what is wrong
        text = found.select_dtypes("string").columns
        found[text] = found[text].astype(object)  # fails if the file is damaged, and what is read no text
        return found
    except Exception as error:  # damaged metadata fail wherever they are first used: as JSON, as a CRS, as columns
        if "geo metadata" in str(error):
            raise MapError(
                f"{path.name} is a table without a geometry column: export it as GeoParquet, with its geometry."
            ) from error
        raise MapError(f"{path} is not a readable GeoParquet file: export or download it again.") from error


def _tags(found: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Only geometry and OSM keys, as text, with None where the file has an empty text; nothing without a place."""
    found = found.rename(columns={alias: key for alias, key in ALIASES.items() if key not in found})
    found = found[[*(key for key in KEYS if key in found), found.geometry.name]]
    if found.geometry.name != "geometry":
        found = found.rename_geometry("geometry")
    for key in found.columns.drop("geometry"):
        values = found[key]
        if pd.api.types.is_bool_dtype(values):
            found[key] = values.map({True: "yes", False: "no"}).astype(object)
        elif values.dtype == object or isinstance(values.dtype, pd.StringDtype):
            found[key] = values.where(values != "", None)
    return found


def _check_driver(path: Path, driver: str) -> None:
    """Raise MapError unless the driver that GDAL picked by a file's content is that of its suffix."""
    if driver != VECTOR_DRIVERS[path.suffix.lower()]:
        raise MapError(f"{path.name} is a {driver} file: give it the suffix of its kind.")


def _check_size(path: Path) -> None:
    size = path.stat().st_size / 1e6
    if path.suffix.lower() in GEOJSON and size > GEOJSON_LIMIT:
        better = path.with_suffix(".fgb").name
        raise MapError(
            f"{path.name} has {size:,.0f} MB, more than the {GEOJSON_LIMIT} MB of GeoJSON that can be read at once: "
            f"convert it with ogr2ogr {better} {path.name}, or cut out your region."
        )


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    """Turns what GDAL raises about a file into a MapError."""
    try:
        yield
    except (DataSourceError, DataLayerError, OSError, ValueError, RuntimeError, ShapelyError) as error:
        raise MapError(f"{path.name} is damaged or no map: export or download it again.") from error
