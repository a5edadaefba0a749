import json
import math

import geopandas as gpd
import h3
import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zoomdiff import extent as extent_module
from zoomdiff.errors import RegionError, RegionTooLargeError
from zoomdiff.extent import Extent
from zoomdiff.outline import parse_bbox
from zoomdiff.region import Region

HELSINKI = (24.937, 60.166, 24.951, 60.177)

places = st.tuples(st.floats(-179, 179), st.floats(-79, 79))
spans = st.floats(0.0005, 0.03)  # degrees: from less than a block to a few kilometres


@given(places, spans, spans)
@settings(max_examples=50)
def test_frame_covers_the_region_in_whole_blocks(place, width, height):
    lon, lat = place
    region = Region.from_bbox((lon, lat, lon + width, lat + height))
    west, south, east, north = region.frame_bounds
    assert all(v % 400 == 0 for v in (west, south, east, north))
    assert region.shape == (region.blocks.shape[0] * 8, region.blocks.shape[1] * 8)
    drawn = gpd.GeoSeries([region.polygon], crs=4326).to_crs(region.epsg).iloc[0]
    squares = gpd.GeoSeries(
        [
            shapely.box(west + 400 * c, north - 400 * (r + 1), west + 400 * (c + 1), north - 400 * r)
            for r, c in np.argwhere(region.blocks)
        ]
    )
    uncovered = drawn.difference(squares.union_all()).area
    assert uncovered <= 1.0 * region.blocks.size  # slivers under a square metre are dropped
    assert squares.intersection(drawn).area.min() > 1.0  # and no block is there for nothing


@given(places, spans, st.floats(0.0, 0.03))
@settings(max_examples=50)
def test_a_place_has_the_same_block_whichever_region_is_drawn(place, width, more):
    lon, lat = place
    small = Region.from_bbox((lon, lat, lon + width, lat + width))
    large = Region.from_bbox((lon - more, lat, lon + width + more, lat + width + more))
    assume(small.epsg == large.epsg)  # a region belongs to its centre's zone
    row, col = small.cell_at(lon + width / 2, lat + width / 2, 0)
    row_large, col_large = large.cell_at(lon + width / 2, lat + width / 2, 0)
    assert (small.row + row, small.col + col) == (large.row + row_large, large.col + col_large)
    np.testing.assert_allclose(small.corners(0)[row, col], large.corners(0)[row_large, col_large], atol=1e-9)


@given(places, spans, spans)
@settings(max_examples=20)
def test_a_region_of_given_blocks_is_the_one_drawn_around_them(place, width, height):
    lon, lat = place
    region = Region.from_bbox((lon, lat, lon + width, lat + height))
    again = Region.of_blocks(region.epsg, region.row, region.col, region.blocks)
    assert again.km2 == region.km2 and again.bounds == region.bounds
    drawn = gpd.GeoSeries([again.polygon], crs=4326).to_crs(region.epsg).iloc[0]
    assert drawn.area == pytest.approx(region.km2 * 1e6, rel=1e-4)


def test_mask_has_whole_blocks_at_every_level():
    triangle = shapely.Polygon([(24.90, 60.15), (24.98, 60.15), (24.98, 60.20)])
    region = Region.from_polygon(triangle)
    assert 0 < region.blocks.sum() < region.blocks.size
    for k, per_block in enumerate((1, 2, 4, 8)):
        mask = region.mask(k)
        assert (mask.shape[0] + 1, mask.shape[1] + 1) == region.corners(k).shape[:2]
        assert mask.sum() == region.blocks.sum() * per_block**2
    assert region.km2 == pytest.approx(region.mask().sum() * 0.0025)


def test_geography_of_a_known_place():
    region = Region.from_bbox(HELSINKI)
    assert region.epsg == 32635
    west, south, east, north = region.bounds
    assert west <= HELSINKI[0] and south <= HELSINKI[1] and east >= HELSINKI[2] and north >= HELSINKI[3]
    assert east - HELSINKI[2] < 0.01 and HELSINKI[1] - south < 0.005  # at most a block more
    corners = region.corners(3)
    assert corners.shape == (region.shape[0] + 1, region.shape[1] + 1, 2)
    assert corners[0, 0, 1] > corners[-1, 0, 1] and corners[0, 0, 0] < corners[0, -1, 0]  # row 0 north, column 0 west
    lon, lat = region.centres(0)[1, 2]
    assert region.cell_at(lon, lat, 0) == (1, 2)
    assert region.cell_at(lon + 1, lat, 0) is None


def test_h3_ids_lie_at_the_cells_and_at_the_nearest_resolution():
    region = Region.from_bbox(HELSINKI)
    ids = region.h3_ids(3)
    lon, lat = region.centres(3)[5, 7]
    assert h3.get_resolution(ids[5, 7]) == 11 and h3.latlng_to_cell(lat, lon, 11) == ids[5, 7]


def test_southern_hemisphere_and_multipolygons():
    region = Region.from_bbox((-46.65, -23.56, -46.63, -23.55))
    assert region.epsg == 32723 and region.frame_bounds[1] > 7_000_000
    two = shapely.union_all([shapely.box(11.20, 43.76, 11.21, 43.77), shapely.box(11.25, 43.76, 11.26, 43.77)])
    apart = Region.from_polygon(two)
    assert not apart.blocks.all() and apart.blocks.any(0)[0] and apart.blocks.any(0)[-1]


@pytest.mark.parametrize(
    ("bbox", "words"),
    [
        ((math.nan, 60, 25, 61), "not a number"),
        ((math.inf, 60, 25, 61), "not a number"),
        ((1e300, 0, 1e301, 1), "degrees"),
        ((-200, -95, 200, 95), "degrees"),
        ((25, 60, 24, 61), "turned around"),
        ((24, 61, 25, 60), "turned around"),
        ((24, 60, 24, 60), "empty"),
        ((0, 79.9, 1, 80.5), "80 degrees"),
        ((0, -81, 1, -80.5), "80 degrees"),
        ((179.9, 0, -179.9, 0.1), "antimeridian"),
        ((179.9, 0, 180.1, 0.1), "antimeridian"),
        ((-170, -60, 170, 60), "antimeridian"),
        ((24, 60, 25, 60.5), "limit is 150"),
        ((385000, 6670000, 386000, 6671000), "degrees"),
    ],
)
def test_bad_boxes_get_one_sentence(bbox, words):
    with pytest.raises(RegionError, match=words) as caught:
        Region.from_bbox(bbox, max_km2=150)
    assert str(caught.value).count(". ") == 0 and str(caught.value).endswith(".")


def test_too_large_a_region_says_how_large_and_names_no_option():
    """What raises the limit differs: an option of a command, a variable of the app, an argument."""
    for km2, bbox in (("1,542", (24.5, 60.0, 25.0, 60.5)), ("1.28", (24.95, 60.18, 24.9501, 60.207))):
        with pytest.raises(RegionTooLargeError) as caught:
            Region.from_bbox(bbox, max_km2=1)
        assert str(caught.value) == f"The region is {km2} km2 and the limit is 1 km2: draw a smaller one."


@pytest.mark.parametrize(
    "text", ["", "24.94,60.166,24.95", "24,94;60,166;24,95;60,17", "west,south,east,north", "1,2,3,4,5"]
)
def test_a_typed_box_that_is_not_four_numbers_gets_one_sentence(text):
    with pytest.raises(RegionError, match=r"not four numbers: write W,S,E,N in degrees\.$"):
        parse_bbox(text)


@pytest.mark.parametrize("text", ["24.9,60.1,25,60.2", " 24.9; 60.1; 25; 60.2 ", "24.9 60.1 25 60.2"])
def test_a_typed_box(text):
    assert parse_bbox(text) == (24.9, 60.1, 25.0, 60.2)


def test_bad_polygons_get_one_sentence():
    bow_tie = shapely.Polygon([(24.9, 60.1), (25.0, 60.2), (25.0, 60.1), (24.9, 60.2)])
    for shape, words in [
        (bow_tie, "crosses itself"),
        (shapely.Polygon(), "empty"),
        (shapely.LineString([(24, 60), (25, 60)]), "not an area"),
        (shapely.Point(24, 60), "not an area"),
    ]:
        with pytest.raises(RegionError, match=words):
            Region.from_polygon(shape)


def test_geojson_in_all_its_forms(tmp_path):
    polygon = shapely.box(*HELSINKI)
    geometry = json.loads(shapely.to_geojson(polygon))
    feature = {"type": "Feature", "properties": {}, "geometry": geometry}
    collection = {"type": "FeatureCollection", "features": [feature]}
    whole = Region.from_polygon(polygon)
    for node in (geometry, feature, collection):
        np.testing.assert_array_equal(Region.from_geojson(json.dumps(node)).blocks, whole.blocks)
    file = tmp_path / "region.geojson"
    file.write_text(json.dumps(collection))
    assert Region.from_geojson(file).row == whole.row


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid GeoJSON"),
        ("not json", "not valid GeoJSON"),
        (b"\xff\xfe\x00", "not valid GeoJSON"),
        ("[1, 2]", "not valid GeoJSON"),
        ('{"type": "Nonsense"}', "not valid GeoJSON"),
        ('{"type": "FeatureCollection", "features": []}', "no polygon"),
        ('{"type": "Feature", "geometry": null}', "not valid GeoJSON"),
        ('{"type": "Point", "coordinates": [24, 60]}', "not an area"),
        (
            '{"type": "Polygon", "coordinates": [[[24.9, 60.1], [25, 60.2], [25, 60.1], [24.9, 60.2], [24.9, 60.1]]]}',
            "crosses itself",
        ),
    ],
)
def test_bad_geojson_gets_one_sentence(text, words):
    with pytest.raises(RegionError, match=words):
        Region.from_geojson(text)


def test_missing_region_file(tmp_path):
    with pytest.raises(RegionError, match="cannot be read"):
        Region.from_geojson(tmp_path / "nowhere.geojson")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(10.0, 10.05), st.floats(44.0, 44.05)), min_size=3, max_size=6))
def test_no_polygon_touches_more_blocks_than_its_size_allows(corners):
    polygon = shapely.make_valid(shapely.Polygon(corners), method="structure", keep_collapsed=False)
    assume(polygon.is_valid and not polygon.is_empty)
    extent = Extent.of(polygon)
    assert extent.blocks(0, 0, extent.rows, extent.cols).sum() <= extent.most_blocks


def test_sides_that_cross_by_rounding_only_in_the_frame():
    needle = shapely.Polygon([(10.0, 44.0), (10.0, 44.03125), (10.015625, 44.00000000000001), (10.03125, 44.0)])
    assert needle.is_valid and Extent.of(needle).outline.is_valid
    assert Region.from_polygon(needle).cell_at(10.001, 44.01) is not None


def test_an_outline_of_many_corners_touches_the_same_blocks(monkeypatch):
    angles = np.linspace(0, 2 * np.pi, 3000)
    radius = 0.03 + 0.01 * np.sin(40 * angles)
    star = shapely.Polygon(np.stack([11.2 + radius * np.cos(angles), 43.7 + radius * np.sin(angles)], -1))
    cut = Region.from_polygon(star)
    monkeypatch.setattr(extent_module, "FEW_CORNERS", 10**9)
    np.testing.assert_array_equal(cut.blocks, Region.from_polygon(star).blocks)


def test_a_thin_region_of_a_huge_raster_is_refused_before_it_is_filled(monkeypatch):
    monkeypatch.setattr(Extent, "blocks", lambda *_: pytest.fail("the raster was filled"))
    diagonal = shapely.Polygon([(7, 44), (7.0001, 44), (16, 50), (15.9999, 50)])
    teeth = [(7 + n / 1000, 44 + 4 * (n % 2)) for n in range(1000)]
    comb = shapely.Polygon([*teeth, *((lon, lat - 1e-7) for lon, lat in teeth[::-1])])
    for thin, max_km2 in ((diagonal, None), (diagonal, 150), (comb, 150)):
        with pytest.raises(RegionError, match=r"^The region is thin, or its parts lie far apart: draw smaller"):
            Region.from_polygon(thin, max_km2=max_km2)


def test_parts_that_lie_far_apart_are_refused_before_their_raster_is_filled():
    far = shapely.MultiPolygon([shapely.box(7.0, 45.0, 7.01, 45.01), shapely.box(9.0, 46.5, 9.01, 46.51)])
    with pytest.raises(RegionError, match=r"^The region is thin, or its parts lie far apart: draw smaller"):
        Region.from_polygon(far)
    near = shapely.MultiPolygon([shapely.box(7.0, 45.0, 7.01, 45.01), shapely.box(7.1, 45.1, 7.11, 45.11)])
    assert Region.from_polygon(near).blocks.sum() < 40
