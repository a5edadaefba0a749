"""The context of any place on Earth: across zone borders, far north, in the south, with holes, in parts, very slim.

A fictional town is moved to each place. What is burnt must be what plain geometry finds in the region's blocks.
"""

from dataclasses import replace
from functools import cache

import geopandas as gpd
import numpy as np
import pytest
import shapely

from zoomdiff.context import MapLayers, build_uec
from zoomdiff.context.classes import AOI_INDEX, ROAD_CLASSES
from zoomdiff.context.procedural import CENTRE, UTM, procedural_map
from zoomdiff.context.uec import STRUCTURE, UEC
from zoomdiff.errors import MapError, RegionError
from zoomdiff.region import Region

TOWN = procedural_map(11, kilometres=3.2)
HOME = build_uec(TOWN, Region.from_bbox(TOWN.extent))
HALF = 1600.0  # metres from the middle of the town to its edge
LAYERS = ("buildings", "roads", "rails", "areas", "pois")

PLACES = {  # lon, lat, zone
    "zone border": (12.0, 45.0, None),
    "zone border on the equator": (-66.0, 0.0, None),
    "zone border, far north": (18.0, 69.65, None),
    "Helsinki": (24.94, 60.17, 32635),
    "Svalbard": (15.6, 78.22, 32633),
    "nearly 80 degrees": (20.0, 79.97, 32634),
    "Cape Town": (18.42, -33.93, 32734),
    "southern zone border": (-72.0, -45.57, None),
    "Antarctica": (166.67, -77.85, 32758),
    "equator": (32.5, 0.0, None),
    "Greenwich": (0.0, 51.48, None),
    "east end": (179.975, -16.8, 32760),
    "west end": (-179.975, 51.9, 32601),
}


def local(lon: float, lat: float) -> str:
    """A map of the surroundings of a place in metres, true to them."""
    return f"+proj=aeqd +lon_0={lon} +lat_0={lat} +datum=WGS84 +units=m +no_defs"


@cache
def town_at(lon: float, lat: float) -> MapLayers:
    """The town, moved to a place."""
    moved = {}
    for name in LAYERS:
        layer = getattr(TOWN, name).to_crs(UTM)
        layer.geometry = layer.geometry.translate(-CENTRE[0], -CENTRE[1])
        moved[name] = layer.set_crs(local(lon, lat), allow_override=True).to_crs(4326)
    bounds = np.array([moved[name].total_bounds for name in LAYERS])
    return replace(TOWN, extent=(*bounds[:, :2].min(0), *bounds[:, 2:].max(0)), **moved)


def lonlat(shape: shapely.Geometry, lon: float, lat: float) -> shapely.Geometry:
    """A shape in metres around a place, as lon/lat."""
    return gpd.GeoSeries([shape], crs=local(lon, lat)).to_crs(4326).iloc[0]


def compare(layers: MapLayers, region: Region, uec: UEC) -> None:
    """Everything in the region's blocks is in the rasters, in metres of the region's own zone."""
    west, _, _, north = region.frame_bounds
    rows, cols = np.nonzero(region.blocks)
    blocks = shapely.union_all(
        shapely.box(west + 400 * cols, north - 400 * (rows + 1), west + 400 * (cols + 1), north - 400 * rows)
    )
    inside = region.mask()
    buildings = shapely.union_all(np.asarray(layers.buildings.to_crs(region.crs).geometry.array))
    ground = shapely.intersection(buildings, blocks).area
    cover = uec.structure[STRUCTURE.index("building_cover")][inside].sum(dtype=float) * 2500
    assert cover == pytest.approx(ground, rel=1e-4, abs=0.1)
    roads = layers.roads.to_crs(region.crs)
    for name in ROAD_CLASSES:
        lines = np.asarray(roads.geometry[roads.road == name].array)
        metres = shapely.length(shapely.intersection(lines, blocks)).sum()
        burnt = uec.structure[STRUCTURE.index(name)][inside].sum(dtype=float) * 50
        assert burnt == pytest.approx(metres, rel=1e-3, abs=0.5), name
    points = np.asarray(layers.pois.to_crs(region.crs).geometry.array)
    assert uec.poi[:, inside].sum() == shapely.intersects(blocks, points).sum()


@pytest.mark.parametrize("place", PLACES)
def test_a_town_anywhere(place):
    lon, lat, epsg = PLACES[place]
    layers = town_at(lon, lat)
    region = Region.from_polygon(lonlat(shapely.box(-HALF, -HALF, HALF, HALF), lon, lat))
    assert epsg in (None, region.epsg)
    uec = build_uec(layers, region)
    compare(layers, region, uec)
    assert uec.poi.sum() > 100 and uec.structure[0].sum() * 2500 > 300_000 and uec.population[3].sum() > 5000
    # A house is found by its own lon/lat, so nothing is mirrored or moved.
    house = layers.buildings.geometry.iloc[
        layers.buildings.to_crs(local(lon, lat)).area.argmax()
    ].representative_point()
    assert uec.structure[0][region.cell_at(house.x, house.y)] > 0.3
    # People and uses do not depend on where on Earth it is: a zone's metres are within 0.1 % of true ones.
    assert uec.population[3].sum() == pytest.approx(HOME.population[3].sum(), rel=0.03)
    for use in ("residential", "green", "water"):
        assert (uec.aoi == AOI_INDEX[use]).sum() == pytest.approx((HOME.aoi == AOI_INDEX[use]).sum(), rel=0.15, abs=20)


SHAPES = {  # in metres around the town's middle
    "hole": shapely.box(-1500, -1500, 1500, 1500).difference(shapely.box(-700, -700, 700, 700)),
    "two parts": shapely.union_all([shapely.box(-1500, -1500, -900, -900), shapely.box(800, 700, 1500, 1500)]),
    "a hole with an island": shapely.union_all(
        [shapely.Point(0, 0).buffer(1500).difference(shapely.Point(0, 0).buffer(1000)), shapely.box(-50, -50, 50, 50)]
    ),
    "20 m wide, west to east": shapely.box(-1500, 5, 1500, 25),
    "20 m wide, north to south": shapely.box(5, -1500, 25, 1500),
    "20 m wide, slanted": shapely.LineString([(-1500, -1300), (200, 0), (1500, 1400)]).buffer(10, cap_style="flat"),
    "comb": shapely.union_all([shapely.box(x, -1500, x + 20, 1500) for x in range(-1400, 1500, 900)]),
    "one room": shapely.box(100, 100, 104, 104),
}


@pytest.mark.parametrize("place", ["zone border", "Svalbard", "southern zone border", "equator"])
@pytest.mark.parametrize("shape", SHAPES)
def test_regions_of_any_shape(shape, place):
    lon, lat, _ = PLACES[place]
    layers, drawn = town_at(lon, lat), lonlat(shapely.segmentize(SHAPES[shape], 50), lon, lat)
    region = Region.from_polygon(drawn)
    uec = build_uec(layers, region)
    compare(layers, region, uec)
    assert region.mask().sum() == 64 * region.blocks.sum() and uec.aoi.shape == region.shape
    if shape in ("two parts", "comb", "a hole with an island"):
        assert not region.blocks.all()
    if shape == "hole":
        assert not region.blocks[region.blocks.shape[0] // 2, region.blocks.shape[1] // 2]
    if "20 m" in shape and "slanted" not in shape:
        assert min(region.blocks.shape) <= 2 and max(region.blocks.shape) >= 8


def test_both_sides_of_a_zone_border_are_one_map():
    lon, lat, _ = PLACES["zone border"]
    layers = town_at(lon, lat)
    west = Region.from_polygon(lonlat(shapely.box(-1500, -400, -600, 400), lon, lat))
    east = Region.from_polygon(lonlat(shapely.box(600, -400, 1500, 400), lon, lat))
    both = Region.from_polygon(lonlat(shapely.box(-1500, -400, 1500, 400), lon, lat))
    assert (west.epsg, east.epsg) == (32632, 32633) and both.epsg in (32632, 32633)
    for region in (west, east, both):
        compare(layers, region, build_uec(layers, region))


@pytest.mark.parametrize("place", ["zone border", "Helsinki", "Cape Town", "equator", "east end"])
def test_a_region_off_the_map_gets_one_sentence(place):
    lon, lat, _ = PLACES[place]
    layers = town_at(lon, lat)
    for dx, dy in ((-6000, 0), (0, 6000), (-40_000, -6000)):
        region = Region.from_polygon(lonlat(shapely.box(dx - 100, dy - 100, dx + 100, dy + 100), lon, lat))
        with pytest.raises(MapError, match="outside the map") as caught:
            build_uec(layers, region)
        assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((179.99, -17, -179.99, -16.9), "antimeridian"),
        ((20.0, 79.99, 20.1, 80.01), "80 degrees"),
        ((-70.0, -80.02, -69.9, -80.01), "80 degrees"),
        ((11.0, 45.0, 11.0, 45.1), "empty"),
    ],
)
def test_where_no_frame_is_possible_one_sentence_says_so(box, words):
    with pytest.raises(RegionError, match=words):
        Region.from_bbox(box)
