"""Scenarios: laws on the centre of Helsinki; an edited context must be that of an edited map; files."""

import json
from itertools import permutations
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TINY, tiny_map

from zoomdiff.context import UEC, build_uec, population
from zoomdiff.context.classes import AOI_CLASSES, POI_CATEGORIES, ROAD_CLASSES
from zoomdiff.context.edits import Build, CloseRoad, Demolish, Event, Park, Scale
from zoomdiff.context.raster import coverage
from zoomdiff.context.scenario import (
    PLACES_PER_1000M2,
    Scenario,
    apply,
    read_ground,
    read_scenario,
    to_geojson,
    touched,
)
from zoomdiff.context.uec import STRUCTURE
from zoomdiff.errors import OptionError
from zoomdiff.frames import to_lonlat
from zoomdiff.region import Region

EXAMPLE = Path(__file__).parents[2] / "docs" / "scenario_example.geojson"
CENTRE = Region.from_bbox((24.937, 60.166, 24.951, 60.177))  # of the fixture centre
LAYERS = ("structure", "aoi", "poi", "population")
CELL_M2 = 2500
EVERYWHERE = shapely.box(24.9, 60.1, 25.0, 60.2)


def tiny(**given) -> UEC:
    """The context of `tiny_map`."""
    return build_uec(tiny_map(**given), TINY)


def box(row: float, col: float, rows: float = 1, cols: float = 1, region: Region = TINY) -> shapely.Polygon:
    """A rectangle in UTM metres by its north-west corner and size in cells."""
    west, north = region.origin
    return shapely.box(west + 50 * col, north - 50 * (row + rows), west + 50 * (col + cols), north - 50 * row)


def drawn(shape: shapely.Geometry, region: Region = TINY) -> shapely.Geometry:
    """A shape in UTM metres as a person draws it, in lon/lat."""
    return shapely.transform(shape, to_lonlat(region.epsg).transform, interleaved=False)


def edited(uec: UEC, *edits) -> UEC:
    return apply(uec, Scenario(edits))


def channel(uec: UEC, name: str) -> np.ndarray:
    return uec.structure[STRUCTURE.index(name)]


def floor(uec: UEC) -> float:
    """m2 in the region."""
    return channel(uec, "floor_area_ratio").sum(dtype=float) * CELL_M2


def assert_same(one: UEC, other: UEC, where: np.ndarray | slice = np.s_[:]) -> None:
    """Bit by bit in the cells."""
    for name in LAYERS:
        np.testing.assert_array_equal(getattr(one, name)[..., where], getattr(other, name)[..., where], err_msg=name)


def assert_close(one: UEC, other: UEC) -> None:
    for name in LAYERS:
        a, b = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4, err_msg=name)


polygons = st.builds(  # rectangles at any angle, within the centre's frame or reaching beyond it
    lambda row, col, rows, cols, angle: shapely.affinity.rotate(box(row, col, rows, cols, CENTRE), angle),
    st.floats(0, 30),
    st.floats(0, 20),
    st.floats(0.1, 8),
    st.floats(0.1, 8),
    st.floats(0, 90),
)
uses = st.sampled_from(list(population.PEOPLE_PER_100M2))


# What must hold for any edit


@given(polygons, uses, st.floats(1, 200_000), st.none() | st.floats(0.01, 1))
@settings(max_examples=25)
def test_new_floor_and_its_people_are_what_was_asked_for(centre, shape, use, m2, cover):
    after = edited(centre, Build(drawn(shape, CENTRE), use, m2, cover))
    asked = m2 * shape.intersection(shapely.box(*CENTRE.frame_bounds)).area / shape.area
    assert floor(after) == pytest.approx(floor(centre) + asked, rel=1e-6)
    people, group = population.PEOPLE_PER_100M2[use]
    expected = centre.population.sum((1, 2), dtype=float) + asked / 100 * people * population.presence(group)
    np.testing.assert_allclose(after.population.sum((1, 2), dtype=float), expected, rtol=1e-6)
    for category, number in PLACES_PER_1000M2.get(use, {}).items():
        k = POI_CATEGORIES.index(category)
        more = after.poi[k].sum(dtype=float) - centre.poi[k].sum(dtype=float)
        assert more == pytest.approx(asked / 1000 * number, rel=1e-4, abs=1e-4)
    beside = coverage(gpd.GeoSeries([shape.buffer(0.01)], crs=CENTRE.crs), CENTRE) < 1e-12
    assert_same(after, centre, beside)


@given(polygons, st.floats(0, 1e5), st.integers(0, 6), st.integers(0, 23), st.integers(0, 24))
@settings(max_examples=25)
def test_visitors_are_there_in_their_hours_only(centre, shape, visitors, day, start, end):
    if start == end:
        end += 1
    event = Event(drawn(shape, CENTRE), visitors, day, start, end)
    after = edited(centre, event)
    hours = [t % 168 for t in range(24 * day + start, 24 * day + (end if end > start else end + 24))]
    asked = visitors * shape.intersection(shapely.box(*CENTRE.frame_bounds)).area / shape.area
    before = centre.population.sum((1, 2), dtype=float)
    np.testing.assert_allclose(after.population[hours].sum((1, 2), dtype=float), before[hours] + asked, rtol=1e-6)
    others = np.setdiff1d(np.arange(168), hours)
    np.testing.assert_array_equal(after.population[others], centre.population[others])
    for name in ("structure", "aoi", "poi"):
        np.testing.assert_array_equal(getattr(after, name), getattr(centre, name))


@given(polygons)
@settings(max_examples=25)
def test_after_demolition_nothing_is_left_inside(centre, shape):
    ground = drawn(shape, CENTRE)
    share = coverage(gpd.GeoSeries([shape], crs=CENTRE.crs), CENTRE)
    inside = share > 1 - 1e-9
    closed = [CloseRoad(ground, road) for road in ROAD_CLASSES]
    after = edited(centre, Demolish(ground), *closed)
    built = [STRUCTURE.index(name) for name in ("building_cover", "floor_area_ratio", "indoor_share", *ROAD_CLASSES)]
    assert not after.structure[built][:, inside].any()
    assert not after.poi[:, inside].any() and not after.population[:, inside].any()
    assert set(after.aoi[inside]) <= {AOI_CLASSES.index(name) for name in ("unknown", "green", "water", "farmland")}
    np.testing.assert_allclose(after.poi, centre.poi * (1 - share), rtol=1e-5, atol=1e-6)
    assert_same(after, centre, share < 1e-12)


@given(polygons, st.floats(0, 10))
@settings(max_examples=25)
def test_scaling_the_population_scales_nothing_else(centre, shape, factor):
    after = edited(centre, Scale(drawn(shape, CENTRE), factor))
    share = coverage(gpd.GeoSeries([shape], crs=CENTRE.crs), CENTRE)
    expected = centre.population * (1 + (factor - 1) * share)
    np.testing.assert_allclose(after.population, expected, rtol=1e-5, atol=1e-5)
    for name in ("structure", "aoi", "poi"):
        np.testing.assert_array_equal(getattr(after, name), getattr(centre, name))


def test_without_edits_and_scaled_by_one_nothing_changes(centre):
    untouched = apply(centre, Scenario())
    assert_same(untouched, centre)
    assert (untouched.sources, untouched.notes) == (centre.sources, centre.notes)
    assert_same(edited(centre, Scale(EVERYWHERE, 1)), centre)


def test_the_order_of_edits_means_nothing(centre):
    # The first three share cells without overlapping; the fourth is built on what the first demolishes.
    demolished, mall = drawn(box(5.2, 4.3, 3, 2.2, CENTRE), CENTRE), drawn(box(5.2, 6.5, 3, 2, CENTRE), CENTRE)
    edits = [
        Demolish(demolished),
        Build(mall, "commercial", 20_000),
        Scale(drawn(box(8.2, 4.3, 2, 5, CENTRE), CENTRE), 0.5),
        Build(demolished, "office", 9_000, 0.4),
        CloseRoad(EVERYWHERE, "primary"),
    ]
    first = edited(centre, *edits)
    assert not np.array_equal(first.population, centre.population)
    for order in list(permutations(edits))[1::17]:
        assert_close(edited(centre, *order), first)


def test_edits_twice_on_the_same_ground(centre):
    ground = drawn(box(5.2, 4.3, 3, 2.2, CENTRE), CENTRE)
    for edit in (Demolish(ground), Park(ground), CloseRoad(ground)):
        assert_same(edited(centre, edit, edit), edited(centre, edit))
    later = edited(centre, Scale(ground, 3), Scale(EVERYWHERE, 2))
    np.testing.assert_allclose(later.population, 2 * centre.population, rtol=1e-6)
    twice = edited(centre, *[Event(ground, 500, 0, 8, 9)] * 2)
    assert_close(twice, edited(centre, Event(ground, 1000, 0, 8, 9)))


def test_edits_outside_the_region_do_nothing_and_say_so(centre):
    for far in (shapely.box(2.30, 48.85, 2.31, 48.86), shapely.box(-179.9, -89.9, -179.8, -89.8)):
        after = edited(centre, Park(far))
        assert_same(after, centre)
        assert after.sources == centre.sources
        assert after.notes == (
            *centre.notes,
            "Edit 1 of the scenario (park) lies outside the region and changes nothing.",
        )


def test_only_blocks_of_the_region_are_edited(helsinki):
    """The frame of an L-shaped region holds a block that is not in it."""
    region = Region.of_blocks(CENTRE.epsg, CENTRE.row, CENTRE.col, np.array([[True, False], [True, True]]))
    uec = build_uec(helsinki, region)
    away = drawn(box(2, 10, 4, 4, region), region)
    assert_same(edited(uec, Demolish(away)), uec)
    across = edited(uec, Build(drawn(box(6, 10, 4, 4, region), region), "office", 10_000))
    assert floor(across) == pytest.approx(floor(uec) + 5_000, rel=1e-6)
    assert across.notes[-1] == (
        "Of edit 1 of the scenario (build 10,000 m2 of office floor), 50% lie in the region and count."
    )


def test_the_sources_say_what_was_edited(centre):
    after = edited(centre, Event(EVERYWHERE, 5000, "friday", 22, 2), CloseRoad(EVERYWHERE, "primary"))
    assert after.sources[:-1] == centre.sources
    assert "event with 5,000 visitors, Friday 22:00-02:00; close primary roads" in after.sources[-1]


# The edited context of a map is the context of the edited map


@pytest.mark.parametrize("use", ["residential", "office", "industrial", "education"])
def test_a_new_building_is_as_one_on_the_map(use):
    on_map = tiny(buildings=([box(2, 3, 0.8, 1)], {"aoi": [use], "storeys": [3.0]}))
    edit = Build(drawn(box(2, 3, 0.8, 1)), use, 3 * 0.8 * CELL_M2, 1)
    after = edited(tiny(), edit)
    after.poi[:] = 0  # it brings places, which the map has as separate points
    assert_close(after, on_map)


def test_a_demolished_map_is_a_map_with_streets_only():
    west, north = TINY.origin
    streets = ([shapely.LineString([(west, north - 125), (west + 400, north - 125)])], {"road": ["primary"]})
    houses = ([box(2, 3), box(2, 5, 1, 0.5)], {"aoi": ["residential", "office"], "storeys": [3.0, 5.0]})
    shops = ([box(2, 3).centroid], {"category": ["shop"]})
    full = tiny(roads=streets, buildings=houses, pois=shops)
    assert_close(edited(full, Demolish(drawn(box(1, 2, 3, 5)))), tiny(roads=streets))
    assert_close(edited(full, Demolish(drawn(box(1, 2, 3, 5))), CloseRoad(drawn(box(2, 0, 1, 8)))), tiny())


def test_a_park_is_as_one_on_the_map():
    houses = ([box(2, 3), box(2, 4)], {"aoi": ["residential"] * 2, "storeys": [3.0] * 2})
    green = ([box(2, 3, 1, 2)], {"aoi": ["green"]})
    assert_close(edited(tiny(buildings=houses), Park(drawn(box(2, 3, 1, 2)))), tiny(areas=green))


def test_a_drawn_line_closes_the_road_below_it():
    west, north = TINY.origin
    road = shapely.LineString([(west, north - 125), (west + 400, north - 125)])
    uec = tiny(roads=([road, road, road], {"road": ["primary", "local", "path"]}))
    path_only = tiny(roads=([road], {"road": ["path"]}))
    assert_close(edited(uec, CloseRoad(drawn(road))), path_only)
    assert_close(edited(uec, CloseRoad(drawn(road)), CloseRoad(drawn(road), "path")), tiny())
    half = edited(uec, CloseRoad(drawn(box(2, 0, 0.5, 8)), "primary"))
    np.testing.assert_allclose(channel(half, "primary"), channel(uec, "primary") / 2, atol=1e-4)
    np.testing.assert_array_equal(channel(half, "local"), channel(uec, "local"))


def test_building_on_a_quay_leaves_the_water_open():
    house, sea = (
        ([box(2, 3, 1, 0.2)], {"aoi": ["office"], "storeys": [4.0]}),
        ([box(2, 3.6, 1, 0.4)], {"aoi": ["water"]}),
    )
    more = ([box(2, 3, 1, 0.2), box(2, 3.2, 1, 0.2)], {"aoi": ["office"] * 2, "storeys": [4.0] * 2})
    after = edited(tiny(buildings=house, areas=sea), Build(drawn(box(2, 3.2, 1, 0.2)), "office", 0.2 * 4 * CELL_M2, 1))
    np.testing.assert_allclose(after.structure, tiny(buildings=more, areas=sea).structure, atol=1e-4)


@given(st.lists(st.tuples(st.floats(24.935, 24.953), st.floats(0, 1e-5)), min_size=3, max_size=8))
@settings(max_examples=50)
def test_narrow_polygons_do_no_harm(centre, corners):
    """Their outline can cross itself by rounding, once it is in metres."""
    polygon = shapely.Polygon([(x, 60.17 + y) for x, y in corners])
    try:
        edits = [kind(polygon) for kind in (Demolish, Park, CloseRoad)] + [Scale(polygon, 2), Scale(polygon, 3)]
    except OptionError as error:
        assert "no area" in str(error) or "crosses itself" in str(error)
        return
    after = edited(centre, *edits, Build(polygon, "office", 1000))
    assert floor(after) < floor(centre) + 1000 * (1 + 1e-6)


@pytest.mark.parametrize(
    ("ground", "edit", "expected"),
    [
        ("residential", Build(drawn(box(2, 3)), "office", 10_000), "office"),
        ("residential", Build(drawn(box(2, 3)), "office", 5_000), "mixed"),
        ("residential", Build(drawn(box(2, 3)), "office", 500), "residential"),
        ("green", Build(drawn(box(2, 3, 1, 0.4)), "office", 20_000), "green"),
        ("green", Build(drawn(box(2, 3, 1, 0.6)), "office", 20_000), "office"),
        ("residential", Demolish(drawn(box(2, 3, 1, 0.4))), "residential"),
        ("residential", Demolish(drawn(box(2, 3, 1, 0.6))), "unknown"),
        ("residential", Park(drawn(box(2, 3, 1, 0.6))), "green"),
        ("green", Demolish(drawn(box(2, 3))), "green"),
    ],
)
def test_the_class_of_an_edited_cell(ground, edit, expected):
    houses = ([box(2, 3)], {"aoi": ["residential"], "storeys": [2.0]})
    uec = tiny(buildings=houses) if ground == "residential" else tiny(areas=([box(2, 3)], {"aoi": [ground]}))
    assert AOI_CLASSES[uec.aoi[2, 3]] == ground
    assert AOI_CLASSES[edited(uec, edit).aoi[2, 3]] == expected


def test_a_new_building_covers_what_its_storeys_need():
    ground = drawn(box(2, 3))
    for m2, cover, expected in ((5_000, None, 0.5), (5_000, 0.9, 0.9), (500, 0.9, 0.2), (50_000, None, 1)):
        after = edited(tiny(), Build(ground, "office", m2, cover))
        assert channel(after, "building_cover")[2, 3] == pytest.approx(expected, abs=1e-4)


# Files


def feature(properties: dict, kind: str = "Polygon", coordinates: list | None = None) -> dict:
    square = [[[24.94, 60.17], [24.95, 60.17], [24.95, 60.175], [24.94, 60.17]]]
    geometry = {"type": kind, "coordinates": square if coordinates is None else coordinates}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def text(*features: dict) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features})


BUILD = {"edit": "build", "use": "office", "floor_m2": 1000}
EVENT = {"edit": "event", "visitors": 100, "day": 5, "from_hour": 18, "to_hour": 22}
CROSSING = [[[24.94, 60.17], [24.95, 60.175], [24.95, 60.17], [24.94, 60.175], [24.94, 60.17]]]


edits = st.builds(
    lambda shape, make: make(drawn(shape, CENTRE)),
    polygons,
    st.one_of(
        st.just(Park),
        st.just(Demolish),
        st.builds(lambda use, m2, cover: lambda g: Build(g, use, m2, cover), uses, st.floats(1, 1e6), st.none()),
        st.builds(lambda road: lambda g: CloseRoad(g, road), st.none() | st.sampled_from(list(ROAD_CLASSES))),
        st.builds(
            lambda n, day, hour: lambda g: Event(g, n, day, hour, 24),
            st.integers(0, 10**6),
            st.integers(0, 6),
            st.integers(0, 23),
        ),
        st.builds(lambda factor: lambda g: Scale(g, factor), st.floats(0, 1000)),
    ),
)


@given(st.lists(edits, max_size=4))
def test_a_written_file_is_read_as_the_same_scenario(made):
    assert read_scenario(to_geojson(Scenario(tuple(made)))) == Scenario(tuple(made))


def test_what_an_edit_touches(centre):
    share = touched(CENTRE, Scenario((Park(drawn(box(2, 3, 1, 1.5, CENTRE), CENTRE)),)))
    assert share[2, 3] == 1 and share[2, 4] == pytest.approx(0.5) and share.sum() == pytest.approx(1.5)
    assert not touched(CENTRE, Scenario()).any()


def test_the_ground_of_an_edit_from_a_file():
    square = {"type": "Polygon", "coordinates": [[[24.94, 60.17], [24.95, 60.17], [24.95, 60.175], [24.94, 60.17]]]}
    point = {"type": "Point", "coordinates": [24.94, 60.17]}
    line = {"type": "LineString", "coordinates": [[24.94, 60.17], [24.95, 60.17]]}

    def file(*shapes: dict) -> str:
        features = [{"type": "Feature", "properties": {}, "geometry": shape} for shape in shapes]
        return json.dumps({"type": "FeatureCollection", "features": features})

    assert read_ground(json.dumps(square)).equals(shapely.Polygon(square["coordinates"][0]))
    assert read_ground(file(point, square, line).encode()).geom_type == "Polygon"
    assert read_ground(file(line)).geom_type == "LineString"
    crossing = read_ground(file(square, {"type": "Polygon", "coordinates": CROSSING}))
    with pytest.raises(OptionError, match="crosses itself"):
        Park(crossing)
    for bad in ("", "no", b"\xff", "{}", '{"type": "Polygon", "coordinates": [[1]]}'):
        with pytest.raises(OptionError, match="not valid GeoJSON"):
            read_ground(bad)
    for none in (json.dumps(point), file(), file(point)):
        with pytest.raises(OptionError, match="no polygon"):
            read_ground(none)


def test_a_file_is_read(tmp_path):
    scenario = read_scenario(
        text(
            feature(BUILD | {"cover": None, "day": None, "name": "a tower"}),  # null as in a table with empty columns
            feature(EVENT | {"day": "SUNDAY", "from_hour": 22.0, "to_hour": 2}),
            feature({"edit": "close road"}, "LineString", [[24.94, 60.17, 3.5], [24.95, 60.17, 3.5]]),
        )
    )
    build, event, road = scenario.edits
    assert (build.use, build.floor_m2, build.cover) == ("office", 1000, None)
    assert event.hours.tolist() == [166, 167, 0, 1]
    assert road.ground.geom_type == "LineString" and not road.ground.has_z
    assert "build 1,000 m2 of office floor; event" in repr(scenario)
    file = tmp_path / "change.geojson"
    file.write_bytes(b"\xef\xbb\xbf" + text(feature(BUILD)).encode())  # a byte order mark, as from Windows
    assert read_scenario(file).edits == (build,)
    assert read_scenario(text()).edits == ()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (Path("nowhere.geojson"), "cannot be read"),
        (Path("."), "cannot be read"),
        ("", "not JSON"),
        ("change.geojson", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no GeoJSON FeatureCollection"),
        ('{"type": "FeatureCollection"}', "no GeoJSON FeatureCollection"),
        (json.dumps(feature(BUILD)), "no GeoJSON FeatureCollection"),
        (text({"type": "Polygon"}), "no GeoJSON feature"),
        (text([]), "no GeoJSON feature"),
        (text(feature(None)), "must have the property edit"),
        (text(feature("park")), "must have the property edit"),
        (text(feature({"edit": "explode"})), "build, demolish, scale, event, close road, park; it has 'explode'"),
        (text(feature({"edit": ["park"]})), "must have the property edit"),
        (text(feature({"edit": "build"})), "needs the property use and floor_m2"),
        (text(feature(EVENT | {"day": None})), "needs the property day"),
        (text(feature({"edit": "scale"})), "needs the property factor"),
        (text(feature(BUILD | {"use": "mall"})), "use must be one of residential, commercial"),
        (text(feature(BUILD | {"use": "mixed"})), "draw mixed uses as several features"),
        (text(feature(BUILD | {"use": ["office"]})), "use must be one of"),
        (
            text(feature(BUILD | {"floor_m2": "1000"})),
            "floor_m2 must be a number from 1 to 1e9 square metres, not '1000'",
        ),
        (text(feature(BUILD | {"floor_m2": True})), "floor_m2 must be"),
        (text(feature(BUILD | {"floor_m2": -5})), "floor_m2 must be"),
        (text(feature(BUILD | {"floor_m2": float("nan")})), "floor_m2 must be"),
        (text(feature(BUILD | {"floor_m2": 10**400})), "floor_m2 must be"),
        (text(feature(BUILD | {"cover": 40})), "cover must be"),
        (text(feature({"edit": "scale", "factor": -1})), "factor must be"),
        (text(feature({"edit": "scale", "factor": float("inf")})), "factor must be"),
        (text(feature({"edit": "close road", "road": "highway"})), "road must be one of motorway"),
        (text(feature(EVENT | {"visitors": "many"})), "visitors must be"),
        (text(feature(EVENT | {"day": "Caturday"})), "day must be 0 (Monday) to 6 (Sunday)"),
        (text(feature(EVENT | {"day": 7})), "day must be"),
        (text(feature(EVENT | {"from_hour": 24})), "from_hour must be a whole hour from 0 to 23, not 24"),
        (text(feature(EVENT | {"to_hour": 25})), "to_hour must be"),
        (text(feature(EVENT | {"to_hour": 20.5})), "to_hour must be"),
        (text(feature(EVENT | {"to_hour": 18})), "both 18"),
        (text(feature({"edit": "park"}, "Point", [24.94, 60.17])), "the geometry is a Point: draw a Polygon"),
        (text(feature({"edit": "park"}, "LineString", [[24.94, 60.17], [24.95, 60.17]])), "is a LineString"),
        (text(feature({"edit": "park"}, "Circle", [24.94, 60.17])), "no valid geometry"),
        (text(feature({"edit": "park"}, "Polygon", [[["a", "b"]]])), "no valid geometry"),
        (text(feature({"edit": "park"}, "Polygon", [[[1, 2], [1, 3], [2, 3]]])), "no valid geometry"),
        (text(feature({"edit": "park"}) | {"geometry": None}), "geometry"),
        (text(feature({"edit": "park"}, "Polygon", [])), "empty"),
        (text(feature({"edit": "park"}, "Polygon", CROSSING)), "crosses itself"),
        (text(feature({"edit": "close road"}, "LineString", [[24, 60], [24, 60]])), "broken"),
        (text(feature({"edit": "park"}, "Polygon", [[[24, 60], [24, 60.01], [24.00000001, 60], [24, 60]]])), "no area"),
        (text(feature({"edit": "park"}, "Polygon", [[[0, 0], [9, 0], [9, 9], [0, 0]]])), "more than 5 degrees"),
        (
            text(
                feature(
                    {"edit": "park"},
                    "Polygon",
                    [[[385000, 6671000], [385100, 6671000], [385100, 6671100], [385000, 6671000]]],
                )
            ),
            "not in degrees",
        ),
    ],
)
def test_bad_files_get_one_sentence(bad, words):
    with pytest.raises(OptionError) as error:
        read_scenario(bad)
    message = str(error.value)
    assert words in message and "\n" not in message and message.endswith(".")
    assert message.startswith(("The scenario", "Feature 1 of the scenario"))


def test_the_feature_at_fault_is_named():
    with pytest.raises(OptionError, match=r"^Feature 2 of the scenario \(scale\): factor must be"):
        read_scenario(text(feature(BUILD), feature({"edit": "scale", "factor": "2"})))


def test_the_example(centre):
    scenario = read_scenario(EXAMPLE)
    assert [type(edit) for edit in scenario.edits] == [Build, Park, CloseRoad, Event]
    after = apply(centre, scenario)
    assert after.notes == centre.notes  # all of it lies in the region
    mall, park, road, stadium = (CENTRE.cell_at(*edit.ground.centroid.coords[0]) for edit in scenario.edits)
    assert AOI_CLASSES[after.aoi[mall]] == "commercial" and after.poi[:, *mall].sum() > centre.poi[:, *mall].sum()
    assert AOI_CLASSES[centre.aoi[park]] != "green" and AOI_CLASSES[after.aoi[park]] == "green"
    assert (
        channel(centre, "secondary")[road] > 1
        and channel(after, "secondary")[road] < channel(centre, "secondary")[road] / 2
    )
    saturday = 5 * 24
    more = after.population[:, *stadium] - centre.population[:, *stadium]
    assert (more[saturday + 18 : saturday + 22] > 500).all() and more.sum() == more[saturday + 18 : saturday + 22].sum()
    assert "Saturday 18:00-22:00" in after.sources[-1]
