"""The sea from coastlines: water on their right."""

import geopandas as gpd
import pytest
import shapely

from zoomdiff.context.coast import sea

EXTENT = (0.0, 0.0, 1.0, 1.0)


def area(*lines) -> float:
    return shapely.area(sea(gpd.GeoSeries(list(lines), crs=4326), EXTENT)).sum()


def line(*points) -> shapely.LineString:
    return shapely.LineString(points)


def test_water_is_right_of_the_coast():
    north_going = line((0.3, -0.1), (0.3, 1.1))
    assert area(north_going) == pytest.approx(0.7)
    assert area(north_going.reverse()) == pytest.approx(0.3)


def test_a_coast_in_pieces_that_stops_just_short_of_the_edge():
    assert area(line((0.3, 0.001), (0.3, 0.5)), line((0.3, 0.5), (0.3, 0.999))) == pytest.approx(0.7, abs=0.01)


def test_an_island_in_the_sea():
    island = shapely.orient_polygons(shapely.box(0.4, 0.4, 0.6, 0.6)).exterior
    assert area(shapely.LineString(island)) == pytest.approx(0.96)
    assert area(shapely.Polygon(island)) == pytest.approx(0.96)
    coast = line((0.3, -0.1), (0.3, 1.1))
    assert area(coast, shapely.LineString(island)) == pytest.approx(0.66)


def test_two_coasts_make_a_strait():
    assert area(line((0.3, -0.1), (0.3, 1.1)), line((0.6, 1.1), (0.6, -0.1))) == pytest.approx(0.3)


def test_a_coast_that_ends_in_the_middle_bounds_nothing():
    assert area(line((0.3, 0.2), (0.3, 0.8))) == 0


def test_contradicting_coasts_leave_no_sea_in_doubt():
    # Both say that the water is right of them, so what lies between them is sea for one and land for the other.
    assert area(line((0.3, -0.1), (0.3, 1.1)), line((0.6, -0.1), (0.6, 1.1))) == pytest.approx(0.4)


def test_no_coast_no_sea():
    assert area() == 0
    assert area(line((2, 2), (3, 3))) == 0
