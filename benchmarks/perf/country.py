"""A fictional country as an .osm.pbf: small towns strewn over a square, with nothing between them but a road."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import osmium
import shapely
from osmium.osm.mutable import Node, Way

from zoomdiff.context import MapLayers
from zoomdiff.context.classes import AOI_OF_TAG, POI_OF_TAG, ROAD_OF_HIGHWAY
from zoomdiff.context.procedural import procedural_map
from zoomdiff.frames import reproject, to_frame, to_lonlat

ZONE, WEST, SOUTH = 32632, 400_000.0, 5_200_000.0  # where it lies: metres of a UTM zone
TOWN_KM, KM2_PER_TOWN = 2.0, 40.0
TOWNS = 5  # different ones; the others are the same elsewhere
Tags = dict[str, str]


def write_country(path: Path, kilometres: float, seed: int = 0) -> int:
    """Write a square country; the number of its towns."""
    rng = np.random.default_rng(seed)
    towns = [procedural_map(1000 + number, kilometres=TOWN_KM) for number in range(TOWNS)]
    count = max(1, round(kilometres**2 / KM2_PER_TOWN))
    places = rng.uniform(0, 1000 * (kilometres - TOWN_KM), (count, 2))
    corner = to_lonlat(ZONE).transform([WEST, WEST + 1000 * kilometres], [SOUTH, SOUTH + 1000 * kilometres])
    header = osmium.io.Header()
    low, high = (osmium.osm.Location(corner[0][i], corner[1][i]) for i in (0, 1))
    header.add_box(osmium.osm.Box(low, high))
    ways: list[Way] = []
    with osmium.SimpleWriter(str(path), header=header, overwrite=True) as writer:
        number = 0

        def node(lon: float, lat: float, tags: Tags) -> int:
            nonlocal number
            number += 1
            writer.add_node(Node(id=number, location=(lon, lat), tags=tags))
            return number

        for at, place in enumerate(places):
            for tags, shape in _features(towns[at % TOWNS], place):
                corners = [(lon, lat) for lon, lat in shapely.get_coordinates(shape)]
                if len(corners) == 1:
                    node(*corners[0], tags)
                    continue
                ring = corners[0] == corners[-1]
                nodes = [node(*corner, {}) for corner in (corners[:-1] if ring else corners)]
                ways.append(Way(id=len(ways) + 1, nodes=[*nodes, *nodes[:1]] if ring else nodes, tags=tags))
        for way in ways:
            writer.add_way(way)
    return count


def _features(town: MapLayers, place: np.ndarray) -> Iterator[tuple[Tags, shapely.Geometry]]:
    """Tags and shape of a town's features, moved to a place (metres from the country's corner)."""
    west, south, _, _ = town.extent
    there, here = to_frame(ZONE), to_lonlat(ZONE)
    x, y = there.transform(west, south)
    shift = WEST + place[0] - x, SOUTH + place[1] - y
    for name, tag in (("buildings", _building), ("roads", _road), ("rails", _rail), ("areas", _area), ("pois", _poi)):
        layer = getattr(town, name).to_crs(ZONE)
        for row, shape in zip(layer.itertuples(), layer.geometry, strict=True):
            moved = shapely.transform(shape, lambda xy: xy + shift)
            for part in shapely.get_parts(moved):
                outline = part.exterior if part.geom_type == "Polygon" else part
                yield tag(row), reproject(outline, here)


def _tag(tables: dict[str, dict[str, str]], name: str, otherwise: Tags) -> Tags:
    """A tag that has the class."""
    found = (
        {key: value} for key, table in tables.items() for value, of in table.items() if of == name and value != "*"
    )
    return next(found, otherwise)


def _building(row) -> Tags:
    kind = _tag({"building": AOI_OF_TAG["building"]}, row.aoi, {"building": "yes"})
    return kind | ({} if np.isnan(row.storeys) else {"building:levels": f"{row.storeys:.0f}"})


def _road(row) -> Tags:
    return _tag({"highway": ROAD_OF_HIGHWAY}, row.road, {})


def _rail(row) -> Tags:
    return {"railway": "rail"}


def _area(row) -> Tags:
    grounds = {key: table for key, table in AOI_OF_TAG.items() if key != "building"}
    return _tag(grounds, row.aoi, {"landuse": "commercial"})


def _poi(row) -> Tags:
    return _tag(POI_OF_TAG, row.category, {"shop": "yes"})
