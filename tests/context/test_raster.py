"""Exact rasters against a slow, obvious oracle: intersect every geometry with every cell that it touches."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from zoomdiff.context import raster, read_map
from zoomdiff.context.raster import count, coverage, length, nearest_cells
from zoomdiff.errors import MapError
from zoomdiff.region import Region

REGION = Region.from_bbox((24.936, 60.166, 24.947, 60.172))  # 2 x 2 blocks or so of Helsinki
WEST, SOUTH, EAST, NORTH = REGION.frame_bounds
CELL = REGION.hierarchy.finest.side


def cells(region: Region = REGION) -> np.ndarray:
    """(H * W,) the raster's squares, row by row from the north-west."""
    height, width = region.shape
    west, north = region.origin
    row, col = np.divmod(np.arange(height * width), width)
    return shapely.box(west + col * CELL, north - (row + 1) * CELL, west + (col + 1) * CELL, north - row * CELL)


def oracle(geoms, measure, weight=None, region: Region = REGION) -> np.ndarray:
    """Sum over geometries of measure(geometry within the cell), by STRtree and intersection."""
    squares = cells(region)
    geoms = shapely.make_valid(np.asarray(geoms, dtype=object), method="structure", keep_collapsed=False)
    weight = np.ones(len(geoms)) if weight is None else weight
    which, square = shapely.STRtree(squares).query(geoms, predicate="intersects")
    values = measure(shapely.intersection(geoms[which], squares[square])) * weight[which]
    return np.bincount(square, values, len(squares)).reshape(region.shape)


def utm(geoms) -> gpd.GeoSeries:
    return gpd.GeoSeries(list(geoms), crs=REGION.crs)


def square(col: float, row: float, size: float) -> shapely.Polygon:
    """A square by its north-west corner in cells."""
    return shapely.box(WEST + col * CELL, NORTH - (row + size) * CELL, WEST + (col + size) * CELL, NORTH - row * CELL)


# Coordinates beyond the frame on all sides, and often exactly on cell edges: that is where such code goes wrong.
metres_x = st.one_of(
    st.floats(WEST - 300, EAST + 300), st.integers(-3, REGION.shape[1] + 3).map(lambda i: WEST + i * CELL)
)
metres_y = st.one_of(
    st.floats(SOUTH - 300, NORTH + 300), st.integers(-3, REGION.shape[0] + 3).map(lambda i: NORTH - i * CELL)
)
rings = st.lists(st.tuples(metres_x, metres_y), min_size=3, max_size=9)


@st.composite
def polygons(draw):
    """Any ring, crossing itself or not, sometimes with a hole, sometimes two at once."""
    shape = shapely.make_valid(shapely.Polygon(draw(rings)))
    if draw(st.booleans()):
        shape = shape.difference(shapely.make_valid(shapely.Polygon(draw(rings))))
    if draw(st.booleans()):
        shape = shape.union(shapely.make_valid(shapely.Polygon(draw(rings))))
    return shape


@settings(max_examples=150, deadline=None)
@given(st.lists(polygons(), min_size=1, max_size=4), st.data())
def test_coverage_is_exact(shapes, data):
    weight = np.array(data.draw(st.lists(st.floats(0, 9), min_size=len(shapes), max_size=len(shapes))))
    expected = oracle(shapes, shapely.area, weight) / CELL**2
    np.testing.assert_allclose(coverage(utm(shapes), REGION, weight), expected, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(rings)
def test_coverage_of_self_crossing_outlines_is_that_of_the_repaired_ones(ring):
    shape = shapely.Polygon(ring)
    np.testing.assert_allclose(coverage(utm([shape]), REGION), oracle([shape], shapely.area) / CELL**2, atol=1e-6)


def test_what_juts_out_of_its_outline_or_overlaps_itself_counts_once():
    jutting = shapely.Polygon(square(2, 2, 4).exterior, [square(4, 4, 4).exterior])  # a quarter of the hole is inside
    twice = shapely.MultiPolygon([square(8, 8, 2), square(9, 9, 2)])
    assert coverage(utm([jutting]), REGION).sum() == pytest.approx(16 - 4)
    assert coverage(utm([twice]), REGION).max() == pytest.approx(1)


@pytest.mark.parametrize(
    ("measure", "shapes"), [(coverage, [square(0, 0, 32)] * 250_000), (length, [square(0, 0, 32).exterior] * 250_000)]
)
def test_more_edges_than_any_town_has_are_refused_before_they_are_cut(measure, shapes):
    with pytest.raises(
        MapError, match=r"^The map's shapes have more than 5,0\d{2},\d{3} edges in the region: simplify"
    ):
        measure(utm(shapes), REGION)


def test_of_a_line_that_runs_far_away_only_what_is_here_is_cut(monkeypatch):
    monkeypatch.setattr(raster, "MOST_PIECES", 500_000)  # of 2.2 million
    far = [(WEST + 1e7, NORTH + 1e6 * n) for n in range(100)]
    line = shapely.LineString([(WEST, NORTH - CELL / 2), (WEST + 3 * CELL, NORTH - CELL / 2), *far])
    assert length(utm([line]), REGION)[0, :3].sum() == pytest.approx(3 * CELL)


# Not on cell edges, where the oracle would find a line in the cells on both sides.
off_edge = st.tuples(
    st.integers(int(WEST) - 300, int(EAST) + 300).map(lambda x: x + 0.37),
    st.integers(int(SOUTH) - 300, int(NORTH) + 300).map(lambda y: y + 0.41),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(off_edge, min_size=2, max_size=6), min_size=1, max_size=3))
def test_length_is_exact(lines):
    lines = [shapely.LineString(line) for line in lines]
    # A line's own crossings must not merge, so the oracle goes segment by segment.
    segments = [shapely.LineString(pair) for line in lines for pair in zip(line.coords, line.coords[1:], strict=False)]
    np.testing.assert_allclose(length(utm(lines), REGION), oracle(segments, shapely.length), atol=1e-6)


def test_the_centre_of_florence_is_exact(shared_data):
    folder = shared_data / "maps" / "firenze"
    if not folder.exists():
        pytest.skip(f"{folder} is not here")
    region = Region.from_bbox((11.24, 43.76, 11.27, 43.78))
    layers = read_map(folder, bbox=region.bounds)
    buildings = layers.buildings.to_crs(region.crs).geometry
    storeys = layers.buildings.storeys.fillna(2.5).to_numpy()
    expected = oracle(buildings.array, shapely.area, storeys, region) / CELL**2
    assert len(buildings) > 5000 and expected.max() > 2
    np.testing.assert_allclose(coverage(buildings, region, storeys), expected, atol=1e-6)


def test_whole_cells_a_hole_and_overlaps():
    ring = square(2, 3, 3).difference(square(3, 4, 1))
    cover = coverage(utm([ring, square(2, 3, 1)]), REGION)
    expected = np.zeros(REGION.shape)
    expected[3:6, 2:5] = 1
    expected[4, 3] = 0
    expected[3, 2] = 2
    np.testing.assert_allclose(cover, expected, atol=1e-9)


def test_ring_direction_does_not_matter():
    ring = square(1.5, 1.5, 2)
    np.testing.assert_allclose(coverage(utm([ring]), REGION), coverage(utm([ring.reverse()]), REGION), atol=1e-12)


def test_lon_lat_is_projected():
    lonlat = utm([square(2, 2, 2)]).to_crs(4326)
    cover = coverage(lonlat, REGION)
    assert cover.sum() == pytest.approx(4, abs=1e-4)
    np.testing.assert_allclose(coverage(gpd.GeoSeries(list(lonlat)), REGION), cover)  # no CRS means lon/lat


def test_a_line_along_a_cell_edge_counts_once():
    line = shapely.LineString([(WEST + 100, NORTH - 300), (WEST + 100, NORTH - 100)])
    assert length(utm([line]), REGION).sum() == pytest.approx(200)


def test_points_are_counted_in_their_cell_and_dropped_outside():
    points = utm([shapely.Point(WEST, NORTH), shapely.Point(WEST + 1, NORTH - 51), shapely.Point(EAST + 1, NORTH - 1)])
    counts = count(points, REGION)
    assert counts.sum() == 2 and counts[0, 0] == 1 and counts[1, 0] == 1
    rows, cols = nearest_cells(points, REGION)
    assert rows.tolist() == [0, 1, 0] and cols.tolist() == [0, 0, REGION.shape[1] - 1]


@pytest.mark.parametrize("geoms", [[], [None], [shapely.Polygon()], [shapely.Point(0, 0)]])
def test_nothing_burns_to_zeros(geoms):
    series = gpd.GeoSeries(geoms, crs=REGION.crs)
    for burn in (coverage, length):
        result = burn(series, REGION)
        assert result.shape == REGION.shape and not result.any()
    assert not count(series, REGION).any()
