"""The tables of classes on real maps: next to nothing falls through them, and all features of the file are there."""

import left_out
import osmium
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
from whole_maps import read_source

from zoomdiff.context import classes, osm, read_map
from zoomdiff.context.layers import classify
from zoomdiff.context.overture import place_tag
from zoomdiff.context.tagged import AREA_KEYS, Tagged

MAPS = ("helsinki", "firenze", "monaco_2016_osrm.osm.pbf", "liechtenstein_2015_valhalla.osm.pbf")
POLYGONS, LINES = ("Polygon", "MultiPolygon"), ("LineString", "MultiLineString")
MAY_FALL = 0.05
GROUNDS = {key: classes.AOI_OF_TAG[key] for key in AREA_KEYS}
ROADS = {"highway": classes.ROAD_OF_HIGHWAY}
RAILS = {"railway": dict.fromkeys(classes.RAILWAYS, "rail")}
# What a layer's features are told apart by: their shapes, the tables of classes, and what is left out on purpose.
LAYERS = {
    "buildings": (POLYGONS, {"building": classes.BUILDING_AOI}, left_out.BUILDING),
    "roads": (LINES, ROADS, left_out.ROAD),
    "rails": (LINES, RAILS, left_out.RAIL),
    "areas": (POLYGONS, GROUNDS, left_out.AREA),
    "pois": (None, classes.POI_OF_TAG, left_out.POI),
}


@pytest.fixture(scope="module", params=MAPS, ids=[name.split("_")[0] for name in MAPS])
def tagged(request) -> Tagged:
    if request.param == "helsinki":
        return read_source("helsinki")
    return read_source(request.getfixturevalue("shared_data") / "maps" / request.param)


def fallen(features: pd.DataFrame, tables: dict, without_class: dict) -> pd.Series:
    """Whether a feature has a value of one of the keys, but none that a table or the list of what is left out knows."""
    keys = [key for key in tables if key in features]
    known = classify(features, tables).notna()
    for key in keys:
        known |= features[key].isin(without_class.get(key, ()))
    return features[keys].notna().any(axis=1) & ~known


@pytest.mark.parametrize("kind", LAYERS)
def test_next_to_nothing_falls_through_the_tables(tagged, kind):
    shapes, tables, without_class = LAYERS[kind]
    features = getattr(tagged, kind)
    features = features[features.geom_type.isin(shapes)] if shapes else features
    lost = fallen(features, tables, without_class)
    assert lost.mean() < MAY_FALL, features[lost].drop(columns="geometry").head(20)


def test_what_is_left_out_has_no_class():
    for _, tables, without_class in LAYERS.values():
        for key, values in without_class.items():
            assert not values & set(tables[key]) and key in tables
    assert fallen(pd.DataFrame({"highway": ["primary", "trail", "skyway", None]}), ROADS, left_out.ROAD).sum() == 1


def test_overture_is_put_into_tags_that_have_a_class():
    grounds = {key: table for key, table in classes.AOI_OF_TAG.items() if key != "building"}
    for tag in set(classes.OVERTURE_LAND.values()):
        key, value = tag.split("=")
        assert classify(pd.DataFrame({key: [value]}), grounds).notna().all(), tag
    categories = set()
    for tag in set(classes.OVERTURE_PLACE.values()):
        key, value = tag.split("=")
        categories |= set(classify(pd.DataFrame({key: [value]}), classes.POI_OF_TAG))
    assert categories == set(classes.POI_CATEGORIES)
    for value in classes.OVERTURE_BUILDING.values():
        assert value in classes.BUILDING_AOI or value in classes.NOT_BUILDINGS, value
    assert set(classes.OVERTURE_RAILWAY.values()) <= set(classes.RAILWAYS)
    assert not set(classes.OVERTURE_PLACE) & classes.OVERTURE_LEFT_OUT


# Overture's schema, v1.18: BuildingClass and BuildingSubtype, road classes, the 13 branches of the taxonomy of places.
BUILDING_WORDS = """agricultural allotment_house apartments barn beach_hut boathouse bridge_structure bungalow
bunker cabin carport cathedral chapel church civic college commercial cowshed detached digester dormitory dwelling_house
factory farm farm_auxiliary fire_station garage garages ger glasshouse government grandstand greenhouse guardhouse
hangar hospital hotel house houseboat hut industrial kindergarten kiosk library manufacture military monastery mosque
office outbuilding parking pavilion post_office presbytery public religious residential retail roof school semi
semidetached_house service shed shrine silo slurry_tank sports_centre sports_hall stable stadium static_caravan
stilt_house storage_tank sty supermarket synagogue temple terrace toilets train_station transformer_tower transportation
trullo university warehouse wayside_shrine education entertainment medical"""
ROAD_WORDS = """motorway trunk primary secondary tertiary residential living_street unclassified service pedestrian
footway steps path track cycleway bridleway"""
BRANCHES = """arts_and_entertainment community_and_government cultural_and_historic education food_and_drink
geographic_entities health_care lifestyle_services lodging services_and_business shopping sports_and_recreation
travel_and_transportation"""


def test_all_of_overtures_words_are_known():
    def known(word: str) -> bool:
        value = classes.OVERTURE_BUILDING.get(word, word)
        return value in classes.BUILDING_AOI or value in classes.NOT_BUILDINGS

    assert [word for word in BUILDING_WORDS.split() if not known(word)] == ["bunker"]
    assert all(word in classes.ROAD_OF_HIGHWAY for word in ROAD_WORDS.split())
    assert all(word in classes.OVERTURE_PLACE or word in classes.OVERTURE_LEFT_OUT for word in BRANCHES.split())


def test_a_place_is_what_its_most_specific_word_says():
    assert place_tag(["pizza_restaurant", "restaurant", "food_and_drink"]) == "amenity=restaurant"
    assert place_tag(["bookstore", "specialty_store", "shopping"]) == "shop=yes"
    assert place_tag(["museum_of_keys", "museum", "arts_and_entertainment"]) == "tourism=attraction"
    assert place_tag(["atm", "financial_service", "services_and_business"]) is None
    assert place_tag(["a_word_of_tomorrow"]) is None and place_tag([]) is None


PBFS = ("helsinki", *(name for name in MAPS if name.endswith(".pbf")))


@pytest.fixture(scope="module", params=PBFS, ids=[name.split("_")[0] for name in PBFS])
def pbf(request):
    """(path, tags, points, members, ours): what osmium reads, by (type, id), and what we read of the file.

    points   how many different nodes of a way are in the file: an extract cuts ways at its edge
    members  the ways that a relation has
    """
    name = request.param
    path = osm.helsinki() if name == "helsinki" else request.getfixturevalue("shared_data") / "maps" / name
    tags, points, members, nodes = {}, {}, set(), set()
    for one in osmium.FileProcessor(str(path)):
        if one.is_node():
            nodes.add(one.id)
            tags["node", one.id] = dict(one.tags)
        elif one.is_way():
            tags["way", one.id] = dict(one.tags)
            points[one.id] = len({node.ref for node in one.nodes} & nodes)
        else:
            tags["relation", one.id] = dict(one.tags)
            members |= {member.ref for member in one.members if member.type == "w"}
    return path, tags, points, members, read_source("helsinki" if name == "helsinki" else path)


@pytest.mark.parametrize(
    "layer, key",
    [
        ("buildings", "building"),
        ("rails", "railway"),
        ("areas", "landuse"),
        ("areas", "leisure"),
        ("pois", "shop"),
        ("pois", "amenity"),
    ],
)
def test_all_features_are_those_that_osmium_finds(pbf, layer, key):
    _, tags, points, members, ours = pbf
    found = getattr(ours, layer)
    found = found[found[key].notna()]
    read = set(zip(found.osm_type, found.id, strict=True))
    there = {one for one, of in tags.items() if key in of}
    missing = there - read
    assert read <= there and not [one for one in missing if one[0] == "node"]
    # Left out are ways of which the extract has too little to draw, and some that a relation has as members: mostly
    # outlines of polygons, which have the polygon's tags (see the note in osm.py).
    in_relations = [number for kind, number in missing if kind == "way" and points[number] > 2]
    assert set(in_relations) <= members and len(in_relations) <= 0.005 * len(there) + 2
    assert len([one for one in missing if one[0] == "relation"]) <= 4


def test_all_streets_are_those_that_osmium_finds(pbf):
    _, tags, points, _, ours = pbf
    streets = {
        number
        for (kind, number), of in tags.items()
        if kind == "way" and of.get("highway") in classes.ROAD_OF_HIGHWAY and of.get("area") != "yes"
    }
    ours = ours.roads[ours.roads.highway.isin(classes.ROAD_OF_HIGHWAY)]
    assert set(ours.id) == {number for number in streets if points[number] > 1} and len(ours) > 1000


def test_buildings_cover_what_gdal_finds(pbf):
    path, _, _, _, ours = pbf
    theirs = pyogrio.read_dataframe(path, layer="multipolygons", on_invalid="ignore")
    theirs = theirs[theirs.building.notna() & theirs.geometry.notna()]
    ours = ours.buildings[ours.buildings.geom_type.isin(POLYGONS)]
    assert len(ours) == pytest.approx(len(theirs), rel=0.02)
    metres = ours.estimate_utm_crs()
    assert ours.to_crs(metres).area.sum() == pytest.approx(theirs.to_crs(metres).area.sum(), rel=0.02)


def test_florence_has_the_rows_that_pyarrow_counts(shared_data):
    folder = shared_data / "maps" / "firenze"
    files = {file.stem: pq.read_table(file).drop_columns("geometry").to_pandas() for file in folder.glob("*.parquet")}
    ours = read_source(folder)
    assert len(ours.buildings) == len(files["buildings"]) == 48_780
    assert len(ours.roads) == len(files["roads"]) == 28_925 and len(ours.pois) == len(files["pois"]) == 8405
    assert len(ours.rails) == len(files["transit"])
    assert len(ours.areas) == len(files["landuse"]) + len(files["natural"]) + len(files["water"])

    roads = files["roads"]
    below = pd.to_numeric(roads.layer, errors="coerce") < 0
    tunnel = roads.tunnel.notna() & ~roads.tunnel.isin(["no", "building_passage", "covered"])
    expected = roads.highway[~below & ~tunnel].map(classes.ROAD_OF_HIGHWAY).value_counts().to_dict()
    assert read_map(folder).roads.road.value_counts().to_dict() == expected
