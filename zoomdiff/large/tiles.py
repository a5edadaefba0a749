"""A map that is cut once into tiles: a reader of a part opens only the tiles there, whatever the size of the map.

Each tile is a folder of Parquet files, one for every flush of the cutting. A feature is in every tile that it touches,
with the same number, so that a reader of several tiles takes it once; the number is its place in the map. Grounds that
are wider than a tile, such as the sea, are cut at the tiles' edges.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from zoomdiff.context import MapLayers
from zoomdiff.context.layers import LAYERS, stream
from zoomdiff.errors import MapError
from zoomdiff.isolation import isolated
from zoomdiff.outline import Bounds

DEGREES = (0.2, 0.1)  # along a tile, of longitude and of latitude: about 10 km
FLUSH = 400_000  # features that are held before they are written: below 1 GB
ABOUT = "map.json"
CUTTING = 30.0  # seconds of processor time for each MB of a map: it is cut once, however large it is
VALUE = {"buildings": "aoi", "roads": "road", "areas": "aoi", "pois": "category"}  # the class of a layer's features


class Cutter:
    """Writes a map's features into tiles, some at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.features = self.flushes = 0
        self._waiting: list[gpd.GeoDataFrame] = []

    def add(self, layers: dict[str, gpd.GeoDataFrame]) -> None:
        """Features of the layers of a map, as `MapLayers` has them."""
        self._waiting += [_flat(name, layer) for name, layer in layers.items() if len(layer)]
        if sum(map(len, self._waiting)) >= FLUSH:
            self._flush()

    def _flush(self) -> None:
        """Write the features that wait."""
        if not self._waiting:
            return
        table = _split(pd.concat(self._waiting, ignore_index=True))
        table["number"] = self.features + np.arange(len(table))
        self.features += len(table)
        feature, tile = _tiles_of(table.bounds.to_numpy())
        for place, rows in pd.Series(feature).groupby(tile):
            folder = self.folder / str(place)
            folder.mkdir(exist_ok=True)
            table.iloc[rows].to_parquet(folder / f"{self.flushes:06}.parquet", compression="zstd", index=False)
        self.flushes += 1
        self._waiting = []

    def finish(self, about: MapLayers) -> None:
        """Write what waits, and what the map is; the layers of `about` do not matter."""
        self._flush()
        names = ("name", "source", "licence", "extent", "date", "repaired")
        text = json.dumps({name: getattr(about, name) for name in names})
        (self.folder / ABOUT).write_text(text)


@isolated(MapError, into="into", seconds_per_mb=CUTTING)
def cut_map(path: Path, source: str, bbox: Bounds | None, *, into: Path) -> None:
    """Cut the map at a path, or what touches `bbox` of it, into tiles in the folder `into`.

    `source` is the map's name as for `sources.stream`. Raises MapError.
    """
    cutter = Cutter(into)
    for part in stream(path, source, bbox):
        cutter.add({name: getattr(part, name) for name in LAYERS})
    cutter.finish(part)


def write_tiles(layers: MapLayers, folder: Path) -> None:
    """Write a map that is in memory as tiles."""
    cutter = Cutter(folder)
    cutter.add({name: getattr(layers, name) for name in LAYERS})
    cutter.finish(layers)


@dataclass(frozen=True)
class MapTiles:
    """A map in tiles.

    Parameters
    ----------
    folder
        As `Cutter` wrote it.
    """

    folder: Path

    def about(self) -> MapLayers:
        """What the map is, without its features."""
        about = json.loads((self.folder / ABOUT).read_text())
        about["extent"] = tuple(about["extent"])
        return MapLayers(**about, **{name: _layer(_nothing(), name) for name in LAYERS})

    def read(self, bounds: Bounds) -> MapLayers:
        """The features that touch the bounds (west, south, east, north in degrees), in the map's order."""
        wanted = np.unique(_tiles_of(np.array([bounds]))[1])
        files = [file for tile in wanted for file in sorted((self.folder / str(tile)).glob("*.parquet"))]
        found = [gpd.read_parquet(BytesIO(file.read_bytes())) for file in files]  # whatever the folder's name is
        table = pd.concat(found, ignore_index=True) if found else _nothing()
        west, south, east, north = bounds
        table = table.drop_duplicates("number").sort_values("number").cx[west:east, south:north]
        about = self.about()
        return MapLayers(
            about.name,
            about.source,
            about.licence,
            about.extent,
            **{name: _layer(table[table.layer == name], name) for name in LAYERS},
            date=about.date,
            repaired=about.repaired,
        )


def _flat(name: str, layer: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """A layer with the columns that all have."""
    value = layer[VALUE[name]] if name in VALUE else pd.Series([None] * len(layer), dtype=object)
    storeys = layer.storeys if name == "buildings" else pd.Series(np.full(len(layer), np.nan))
    geometry = shapely.force_2d(np.asarray(layer.geometry.array))
    columns = {"layer": name, "value": np.asarray(value), "storeys": np.asarray(storeys)}
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=4326)


def _layer(table: gpd.GeoDataFrame, name: str) -> gpd.GeoDataFrame:
    """The layer of a map again."""
    columns = {VALUE[name]: table["value"].to_numpy(object)} if name in VALUE else {}
    if name == "buildings":
        columns["storeys"] = table["storeys"].to_numpy(float)
    return gpd.GeoDataFrame(columns, geometry=np.asarray(table.geometry.array), crs=4326)


def _nothing() -> gpd.GeoDataFrame:
    columns: dict[str, list[object]] = {"layer": [], "value": [], "storeys": [], "number": []}
    return gpd.GeoDataFrame(columns, geometry=[], crs=4326)


def _split(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Grounds that are wider than a tile, cut at the tiles' edges."""
    west, south, east, north = table.bounds.to_numpy().T
    wide = (table["layer"] == "areas") & ((east - west > DEGREES[0]) | (north - south > DEGREES[1]))
    if not wide.any():
        return table
    parts = [table[~wide]]
    for _, area in table[wide].iterrows():
        boxes = np.array(list(_boxes(area.geometry.bounds)))
        pieces = shapely.intersection(area.geometry, shapely.box(*boxes.T))
        pieces = pieces[shapely.area(pieces) > 0]
        rows = pd.DataFrame([area.drop("geometry")] * len(pieces)).assign(geometry=pieces)
        parts.append(gpd.GeoDataFrame(rows, geometry="geometry", crs=4326))
    return pd.concat(parts, ignore_index=True)


def _boxes(bounds: Bounds) -> Iterator[Bounds]:
    """The tiles that bounds touch."""
    wide, high = DEGREES
    for col in range(math.floor(bounds[0] / wide), math.floor(bounds[2] / wide) + 1):
        for row in range(math.floor(bounds[1] / high), math.floor(bounds[3] / high) + 1):
            yield col * wide, row * high, (col + 1) * wide, (row + 1) * high


def _tiles_of(bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For bounds (n, 4): index of the bounds, and name of the tile, of each pair that touches."""
    low = np.floor(bounds[:, :2] / DEGREES).astype(int)
    high = np.floor(bounds[:, 2:] / DEGREES).astype(int)
    index, names = [], []
    for number, ((col, row), (end_col, end_row)) in enumerate(zip(low, high, strict=True)):
        for each in range(col, end_col + 1):
            for other in range(row, end_row + 1):
                index.append(number)
                names.append(f"{each}_{other}")
    return np.array(index, int), np.array(names)
