"""The urban context: on the embedded map, on tiny maps made here, and (where they are at hand) on whole cities."""

import numpy as np
import pytest
import shapely
from tiny import TINY, tiny_map

from zoomdiff.context import UEC, build_uec, read_map
from zoomdiff.context.classes import AOI_CLASSES, POI_CATEGORIES
from zoomdiff.context.uec import STRUCTURE
from zoomdiff.errors import MapError
from zoomdiff.region import Region

CITY = Region.from_bbox((24.9362, 60.1660, 24.9520, 60.1780))


@pytest.fixture(scope="module")
def uec(helsinki) -> UEC:
    return build_uec(helsinki, CITY)


def cell(row: int, col: int, part: float = 1.0) -> shapely.Polygon:
    """The west part of one of TINY's 50 m cells."""
    west, north = TINY.origin
    return shapely.box(west + 50 * col, north - 50 * (row + 1), west + 50 * (col + part), north - 50 * row)


def aoi(uec: UEC, row: int, col: int) -> str:
    return AOI_CLASSES[uec.aoi[row, col]]


def channel(uec: UEC, name: str) -> np.ndarray:
    return uec.structure[STRUCTURE.index(name)]


def test_shapes_and_kinds(uec):
    height, width = CITY.shape
    assert uec.structure.shape == (9, height, width) and uec.structure.dtype == np.float32
    assert uec.aoi.shape == (height, width) and uec.aoi.dtype == np.int8
    assert uec.poi.shape == (len(POI_CATEGORIES), height, width) and uec.poi.dtype == np.float32
    assert uec.population.shape == (168, height, width) and uec.population.dtype == np.float32
    assert any("ODbL" in source for source in uec.sources)
    assert any("estimate" in source and "Bergroth" in source for source in uec.sources)
    assert "POIs" in repr(uec) and len(repr(uec)) < 200


def test_helsinki_is_recognisable(uec):
    cover, floors = channel(uec, "building_cover"), channel(uec, "floor_area_ratio")
    assert cover.max() <= 1 and 0.1 < cover[cover > 0].mean() < 0.7
    assert 2 < floors[cover > 0.4].mean() < 8  # blocks of several storeys
    assert aoi(uec, *CITY.cell_at(24.9452, 60.1752)) == "green"  # Kaisaniemi park
    row, col = CITY.cell_at(24.9410, 60.1740)  # tracks of the main station
    assert aoi(uec, row, col) == "transport"
    assert channel(uec, "rail")[row, col] > 3  # several tracks side by side
    assert channel(uec, "motorway").max() == 0


def test_helsinki_has_a_plausible_number_of_people(uec):
    night, noon = uec.population[3].sum(), uec.population[12].sum()
    assert 5_000 < night < 40_000 and 20_000 < noon < 80_000 and noon > night  # a centre fills by day


def test_the_region_must_be_on_the_map(helsinki):
    with pytest.raises(MapError, match=r"outside the map: choose one within 24\.9"):
        build_uec(helsinki, TINY)


def test_nothing_on_the_map_is_a_valid_context():
    empty = build_uec(tiny_map(), TINY)
    assert not empty.structure.any() and not empty.poi.any() and not empty.population.any() and not empty.aoi.any()
    assert any("no streets, buildings or places" in note for note in empty.notes)


def test_open_sea():
    frame = shapely.box(*TINY.frame_bounds).buffer(100)
    sea = build_uec(tiny_map(areas=([frame], {"aoi": ["water"]})), TINY)
    assert (sea.aoi == AOI_CLASSES.index("water")).all() and not sea.population.any() and not sea.structure.any()


def test_structure_of_one_building_and_one_road():
    west, north = TINY.origin
    road = shapely.LineString([(west, north - 225), (west + 400, north - 225)])
    uec = build_uec(
        tiny_map(
            buildings=([cell(2, 3, 0.5)], {"aoi": ["office"], "storeys": [4.0]}),
            roads=([road], {"road": ["primary"]}),
            rails=([road], {}),
        ),
        TINY,
    )
    assert channel(uec, "building_cover")[2, 3] == pytest.approx(0.5, abs=1e-4)
    assert channel(uec, "floor_area_ratio")[2, 3] == pytest.approx(2.0, abs=1e-3)
    assert channel(uec, "indoor_share")[2, 3] == pytest.approx(2 / 2.5, abs=1e-3)
    np.testing.assert_allclose(channel(uec, "primary")[4, :8], 1, atol=1e-3)  # straight through: 1
    np.testing.assert_allclose(channel(uec, "rail"), channel(uec, "primary"))
    assert channel(uec, "secondary").sum() == 0
    assert aoi(uec, 2, 3) == "office" and aoi(uec, 4, 3) == "unknown"


def test_a_building_mapped_twice_counts_once():
    once = tiny_map(buildings=([cell(2, 3)], {"aoi": ["office"], "storeys": [4.0]}))
    twice = tiny_map(buildings=([cell(2, 3)] * 2, {"aoi": ["office"] * 2, "storeys": [4.0] * 2}))
    np.testing.assert_allclose(build_uec(twice, TINY).structure, build_uec(once, TINY).structure, atol=1e-5)


def houses(*places, kind="unknown"):
    return ([cell(r, c, 0.4) for r, c in places], {"aoi": [kind] * len(places), "storeys": [3.0] * len(places)})


def shops(row, col, number):
    return ([cell(row, col).centroid] * number, {"category": ["shop"] * number})


def test_buildings_without_any_hint_are_homes():
    uec = build_uec(tiny_map(buildings=houses((1, 1))), TINY)
    assert aoi(uec, 1, 1) == "residential"
    assert uec.population[3, 1, 1] > uec.population[12, 1, 1] > 0


def test_places_make_homes_mixed_and_then_commercial():
    # 0.4 x 3 storeys x 2500 m2 = 3000 m2 of floor, and a shop takes 150
    assert aoi(build_uec(tiny_map(buildings=houses((1, 1)), pois=shops(1, 1, 1)), TINY), 1, 1) == "residential"
    assert aoi(build_uec(tiny_map(buildings=houses((1, 1)), pois=shops(1, 1, 10)), TINY), 1, 1) == "mixed"
    assert aoi(build_uec(tiny_map(buildings=houses((1, 1)), pois=shops(1, 1, 18)), TINY), 1, 1) == "commercial"


def test_land_use_goes_first_and_residential_is_only_a_backdrop():
    ground = tiny_map(
        areas=(
            [cell(1, 1), cell(1, 1), cell(2, 2), cell(3, 3)],
            {"aoi": ["residential", "education", "green", "residential"]},
        ),
        buildings=houses((1, 1), (2, 2), (3, 3), kind="unknown"),
        pois=shops(3, 3, 18),
    )
    uec = build_uec(ground, TINY)
    assert aoi(uec, 1, 1) == "education"
    assert aoi(uec, 2, 2) == "green" and uec.population[3, 2, 2] > 0  # a house in a wood is a house
    assert aoi(uec, 3, 3) == "commercial"


def test_unknown_storeys_follow_the_density_around():
    unknown = {"aoi": ["unknown"], "storeys": [np.nan]}
    lone = build_uec(tiny_map(buildings=([cell(3, 3, 0.1)], unknown)), TINY)
    storeys = channel(lone, "floor_area_ratio")[3, 3] / channel(lone, "building_cover")[3, 3]
    assert 1.5 <= storeys < 2
    block = [cell(r, c, 0.6) for r in range(7) for c in range(7)]
    dense = build_uec(tiny_map(buildings=(block, {"aoi": ["unknown"] * 49, "storeys": [np.nan] * 49})), TINY)
    storeys = channel(dense, "floor_area_ratio")[3, 3] / channel(dense, "building_cover")[3, 3]
    assert storeys == pytest.approx(4.5, abs=0.1)


def test_a_large_outline_in_the_open_is_a_hall():
    hall = build_uec(tiny_map(buildings=([cell(3, 3)], {"aoi": ["unknown"], "storeys": [np.nan]})), TINY)
    assert aoi(hall, 3, 3) == "industrial"
    assert channel(hall, "floor_area_ratio")[3, 3] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", ["structure", "aoi", "poi", "population"])
def test_a_context_is_checked(name):
    good = build_uec(tiny_map(), TINY)
    parts = {field: getattr(good, field) for field in UEC.__dataclass_fields__}
    with pytest.raises(ValueError, match=f"{name} has shape"):
        UEC(**{**parts, name: parts[name][..., 1:]})
    bad = parts[name].copy()
    bad.flat[0] = -1
    with pytest.raises(ValueError, match=f"{name} has negative"):
        UEC(**{**parts, name: bad})
    if name == "aoi":
        bad.flat[0] = len(AOI_CLASSES)
        with pytest.raises(ValueError, match="aoi has class"):
            UEC(**{**parts, name: bad})
    else:
        bad.flat[0] = np.nan
        with pytest.raises(ValueError, match="not numbers"):
            UEC(**{**parts, name: bad})


CITIES = [  # source, (fewest, most) people by night in it, a place and what it is
    ("firenze", (300_000, 700_000), (11.2531, 43.7680), "water"),  # the Arno under the Ponte Vecchio
    ("monaco_2016_osrm.osm.pbf", (40_000, 150_000), (7.44, 43.72), "water"),  # the sea
    ("liechtenstein_2015_valhalla.osm.pbf", (20_000, 80_000), (9.560, 47.194), "green"),  # woods above Planken
]


@pytest.mark.parametrize("source, people, place, kind", CITIES, ids=[c[0].split("_")[0] for c in CITIES])
def test_whole_cities(source, people, place, kind, shared_data):
    city = read_map(shared_data / "maps" / source)
    region = Region.from_bbox(city.extent)
    uec = build_uec(city, region)
    assert people[0] < uec.population[3].sum() < people[1]
    assert AOI_CLASSES[uec.aoi[region.cell_at(*place)]] == kind


def test_the_notes_say_what_the_map_does_not_have(helsinki):
    east = helsinki.extent[2]
    inside = Region.from_bbox((24.94, 60.168, 24.945, 60.172))
    assert build_uec(helsinki, inside).notes == ()
    half_off = Region.from_bbox((east - 0.005, 60.168, east + 0.005, 60.172))
    (note,) = build_uec(helsinki, half_off).notes
    share = int(note.removeprefix("Only ").split("%")[0])
    assert 30 < share < 70 and "empty ground" in note
