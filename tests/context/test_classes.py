"""The tables of classes on real maps: next to nothing falls through them, and all features of the file are there."""

import osmium
import pandas as pd
import pyogrio
import pytest

from zoomdiff.context import classes, osm, sources
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
    "buildings": (POLYGONS, {"building": classes.BUILDING_AOI}, classes.LEFT_OUT_BUILDING),
    "roads": (LINES, ROADS, classes.LEFT_OUT_ROAD),
    "rails": (LINES, RAILS, classes.LEFT_OUT_RAIL),
    "areas": (POLYGONS, GROUNDS, classes.LEFT_OUT_AREA),
    "pois": (None, classes.POI_OF_TAG, classes.LEFT_OUT_POI),
}


@pytest.fixture(params=MAPS, ids=[name.split("_")[0] for name in MAPS])
def tagged(request) -> Tagged:
    if request.param == "helsinki":
        return sources.read("helsinki")
    return sources.read(request.getfixturevalue("shared_data") / "maps" / request.param)


def fallen(features: pd.DataFrame, tables: dict, left_out: dict) -> pd.Series:
    """Whether a feature has a value of one of the keys, but none that a table or the list of what is left out knows."""
    keys = [key for key in tables if key in features]
    known = classify(features, tables).notna()
    for key in keys:
        known |= features[key].isin(left_out.get(key, ()))
    return features[keys].notna().any(axis=1) & ~known


@pytest.mark.parametrize("kind", LAYERS)
def test_next_to_nothing_falls_through_the_tables(tagged, kind):
    shapes, tables, left_out = LAYERS[kind]
    features = getattr(tagged, kind)
    features = features[features.geom_type.isin(shapes)] if shapes else features
    lost = fallen(features, tables, left_out)
    assert lost.mean() < MAY_FALL, features[lost].drop(columns="geometry").head(20)


def test_what_is_left_out_has_no_class():
    for _, tables, left_out in LAYERS.values():
        for key, values in left_out.items():
            assert not values & set(tables[key]) and key in tables
    assert (
        fallen(pd.DataFrame({"highway": ["primary", "trail", "skyway", None]}), ROADS, classes.LEFT_OUT_ROAD).sum() == 1
    )


def test_overture_is_put_into_tags_that_have_a_class():
    grounds = {key: table for key, table in classes.AOI_OF_TAG.items() if key != "building"}
    for tag in set(classes.OVERTURE_LAND.values()):
        key, value = tag.split("=")
        assert classify(pd.DataFrame({key: [value]}), grounds).notna().all(), tag
    for tag in set(classes.OVERTURE_PLACE.values()):
        key, value = tag.split("=")
        assert classify(pd.DataFrame({key: [value]}), classes.POI_OF_TAG).notna().all(), tag
    assert {
        classify(pd.DataFrame([dict([tag.split("=")])]), classes.POI_OF_TAG).item()
        for tag in set(classes.OVERTURE_PLACE.values())
    } == set(classes.POI_CATEGORIES)
    for value in classes.OVERTURE_BUILDING.values():
        assert value in classes.BUILDING_AOI or value in classes.NOT_BUILDINGS, value
    assert set(classes.OVERTURE_RAILWAY.values()) <= set(classes.RAILWAYS)
    assert not set(classes.OVERTURE_PLACE) & classes.OVERTURE_LEFT_OUT


# Overture's schema, v1.18: BuildingClass, BuildingSubtype, and road classes.
BUILDING_CLASSES = """agricultural allotment_house apartments barn beach_hut boathouse bridge_structure bungalow bunker
cabin carport cathedral chapel church civic college commercial cowshed detached digester dormitory dwelling_house factory
farm farm_auxiliary fire_station garage garages ger glasshouse government grandstand greenhouse guardhouse hangar
hospital hotel house houseboat hut industrial kindergarten kiosk library manufacture military monastery mosque office
outbuilding parking pavilion post_office presbytery public religious residential retail roof school semi
semidetached_house service shed shrine silo slurry_tank sports_centre sports_hall stable stadium static_caravan
stilt_house storage_tank sty supermarket synagogue temple terrace toilets train_station transformer_tower transportation
trullo university warehouse wayside_shrine civic commercial education entertainment medical""".split()
ROAD_CLASSES = """motorway trunk primary secondary tertiary residential living_street unclassified service pedestrian
footway steps path track cycleway bridleway""".split()
# The 13 branches of the taxonomy of December 2025.
BRANCHES = """arts_and_entertainment community_and_government cultural_and_historic education food_and_drink
geographic_entities health_care lifestyle_services lodging services_and_business shopping sports_and_recreation
travel_and_transportation""".split()


def test_all_of_overtures_words_are_known():
    def known(word: str) -> bool:
        value = classes.OVERTURE_BUILDING.get(word, word)
        return value in classes.BUILDING_AOI or value in classes.NOT_BUILDINGS

    assert [word for word in BUILDING_CLASSES if not known(word)] == ["bunker"]
    assert all(word in classes.ROAD_OF_HIGHWAY for word in ROAD_CLASSES)
    assert all(word in classes.OVERTURE_PLACE or word in classes.OVERTURE_LEFT_OUT for word in BRANCHES)


def test_a_place_is_what_its_most_specific_word_says():
    assert place_tag(["pizza_restaurant", "restaurant", "food_and_drink"]) == "amenity=restaurant"
    assert place_tag(["bookstore", "specialty_store", "shopping"]) == "shop=yes"
    assert place_tag(["museum_of_keys", "museum", "arts_and_entertainment"]) == "tourism=attraction"
    assert place_tag(["atm", "financial_service", "services_and_business"]) is None
    assert place_tag(["a_word_of_tomorrow"]) is None and place_tag([]) is None


PBFS = ("helsinki", *(name for name in MAPS if name.endswith(".pbf")))


@pytest.fixture(scope="module", params=PBFS, ids=[name.split("_")[0] for name in PBFS])
def pbf(request):
    """(path, objects, ways in relations) as osmium reads the file, and what we read."""
    name = request.param
    path = osm.helsinki() if name == "helsinki" else request.getfixturevalue("shared_data") / "maps" / name
    objects = []
    in_relation = set()
    for one in osmium.FileProcessor(str(path)):
        kind = {"n": "node", "w": "way", "r": "relation"}[one.type_str()]
        objects.append((kind, one.id, dict(one.tags)))
        if kind == "relation":
            in_relation |= {member.ref for member in one.members if member.type == "w"}
    return path, objects, in_relation, osm.read(path)


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
    _, objects, in_relation, ours = pbf
    found = getattr(ours, layer)
    found = found[found[key].notna()] if key in found else found[:0]
    read = set(zip(found.osm_type, found.id, strict=True))
    there = {(kind, number) for kind, number, tags in objects if key in tags}
    assert read <= there and {one for one in there if one[0] == "node"} <= read
    # Pyrosm leaves out ways that a relation has as members: outlines of its polygon, whose tags are the relation's.
    missing = there - read
    assert all(number in in_relation for kind, number in missing if kind == "way")
    assert len(missing) <= 0.06 * len(there) + 1


def test_all_streets_are_those_that_osmium_finds(pbf):
    _, objects, _, ours = pbf
    streets = {
        number
        for kind, number, tags in objects
        if kind == "way" and tags.get("highway") in classes.ROAD_OF_HIGHWAY and tags.get("area") != "yes"
    }
    ours = ours.roads[ours.roads.highway.isin(classes.ROAD_OF_HIGHWAY)]
    assert set(ours.id) == streets and len(streets) > 1000


def test_buildings_cover_what_gdal_finds(pbf):
    path, _, _, ours = pbf
    gdal = pyogrio.read_dataframe(path, layer="multipolygons")
    theirs = gdal[gdal.building.notna()]
    ours = ours.buildings[ours.buildings.geom_type.isin(POLYGONS)]
    assert abs(len(ours) - len(theirs)) <= 0.03 * len(theirs)
    metres = ours.estimate_utm_crs()
    assert ours.to_crs(metres).area.sum() == pytest.approx(theirs.to_crs(metres).area.sum(), rel=0.05)
