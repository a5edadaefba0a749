"""The drawn basemap: is everything where the map says."""

import io
from dataclasses import replace

import numpy as np
import pytest
import shapely
from PIL import Image, ImageColor
from zoomdiff.app.basemap import BUILDING, GROUND, LAND, ROAD, Frame, darkened, draw_basemap


@pytest.fixture(scope="module")
def frame(region, layers) -> Frame:
    return Frame.around(region, layers.extent)


@pytest.fixture(scope="module")
def picture(layers, frame) -> Image.Image:
    return Image.open(io.BytesIO(draw_basemap(layers, frame))).convert("RGBA")


def colour_at(picture: Image.Image, frame: Frame, region, east: float, north: float) -> tuple[int, ...]:
    """RGBA at metres from the centre of the south-west block."""
    west, south, _, _ = region.frame_bounds
    x, y = west + 200 + east, south + 200 + north
    left, _, right, top = frame.bounds
    pixel = (right - left) / picture.width
    return picture.getpixel((round((x - left) / pixel), round((top - y) / pixel)))


@pytest.mark.parametrize(
    ("east", "north", "colour"),
    [
        (0, 0, BUILDING),  # the house on the island
        (28, 0, LAND),  # the island: a hole in the lake
        (70, 0, GROUND["water"]),
        (-150, 150, GROUND["green"]),
        (300, -160, ROAD),  # the street, which the grid's convergence tilts
        (150, 60, LAND),
    ],
)
def test_things_lie_where_they_are(picture, frame, region, east, north, colour):
    seen = colour_at(picture, frame, region, east, north)
    assert seen[3] == 255
    assert np.abs(np.array(seen[:3]) - ImageColor.getrgb(colour)).max() <= 10  # WebP is not exact


def test_beyond_the_map_is_transparent(layers, region):
    wide = Frame(region.epsg, tuple(np.add(region.frame_bounds, (-900, -900, 900, 900))))
    picture = Image.open(io.BytesIO(draw_basemap(layers, wide)))
    alpha = np.asarray(picture.convert("RGBA"))[..., 3]
    assert alpha[0, 0] == 0 and alpha[-1, -1] == 0 and alpha[alpha.shape[0] // 2, alpha.shape[1] // 2] == 255


def test_the_frame_holds_region_and_surroundings_but_not_the_world(region, frame):
    west, south, east, north = region.frame_bounds
    assert frame.bounds[0] < west and frame.bounds[1] < south and frame.bounds[2] > east and frame.bounds[3] > north
    assert frame.bounds[2] - frame.bounds[0] < east - west + 400  # the map ends after some metres


def test_the_frame_of_a_region_is_turned_against_the_parallels(region):
    quad = np.array(Frame.of(region).quad)
    np.testing.assert_allclose(quad[[1, 2, 3, 0]], region.corners(0)[[0, 0, -1, -1], [0, -1, -1, 0]], atol=1e-12)
    south_west, _, _, south_east = quad
    tilt = np.degrees(np.arctan2((south_east - south_west)[1] * 2.01, (south_east - south_west)[0]))
    assert 1.5 < abs(tilt) < 2.1  # degrees of grid convergence in Helsinki


def test_a_map_of_nothing_is_drawn_as_land(layers, frame):
    empty = {name: getattr(layers, name).iloc[:0] for name in ("buildings", "roads", "rails", "areas", "pois")}
    colours = Image.open(io.BytesIO(draw_basemap(replace(layers, **empty), frame))).convert("RGB")
    middle = colours.getpixel((colours.width // 2, colours.height // 2))
    assert np.abs(np.array(middle) - ImageColor.getrgb(LAND)).max() <= 4


def test_multipolygons_and_polygons_among_the_roads(layers, frame):
    """Squares mapped as areas are roads too; lakes come as multipolygons."""
    areas = layers.areas.copy()
    areas.loc[0, "geometry"] = shapely.MultiPolygon([areas.geometry[0], areas.geometry[1]])
    roads = layers.roads.copy()
    roads.loc[0, "geometry"] = areas.geometry[1]
    assert len(draw_basemap(replace(layers, areas=areas, roads=roads), frame)) > 500


def test_on_a_dark_page_light_and_dark_change_places_and_hues_stay(layers, frame, picture, region):
    dark = Image.open(io.BytesIO(darkened(draw_basemap(layers, frame)))).convert("RGBA")
    assert dark.size == picture.size and dark.getchannel("A").tobytes() == picture.getchannel("A").tobytes()
    land, lake = (colour_at(dark, frame, region, *at) for at in ((170, 170), (70, 0)))
    assert max(land[:3]) < 60 and max(lake[:3]) < 120
    assert lake[2] > lake[0], "water is blue"
