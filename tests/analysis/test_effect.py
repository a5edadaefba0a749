"""What a scenario does to a week, by place."""

import numpy as np
import pytest
import shapely

from zoomdiff.analysis.effect import AROUND, curve, effect, zones_of
from zoomdiff.context.edits import CloseRoad, Park
from zoomdiff.context.scenario import Scenario
from zoomdiff.frames import to_lonlat
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek

REGION = Region.of_blocks(32632, 13_300, 1_700, np.array([[True, True, True], [True, True, False]]))


def ground(row: float, col: float, rows: float, cols: float) -> shapely.Polygon:
    """A rectangle by its north-west corner and size in finest cells, in degrees."""
    west, north = REGION.origin
    box = shapely.box(west + 50 * col, north - 50 * (row + rows), west + 50 * (col + cols), north - 50 * row)
    return shapely.transform(box, to_lonlat(REGION.epsg).transform, interleaved=False)


def week(finest: np.ndarray) -> TrafficWeek:
    return TrafficWeek(REGION, tuple(REGION.hierarchy.pyramid(finest * REGION.mask())))


def test_zones_are_inside_around_and_elsewhere():
    zones = zones_of(REGION, Scenario((Park(ground(4, 4, 1, 2)),)))
    assert (zones[4, 4:6] == 0).all() and (zones == 0).sum() == 2
    assert (zones == -1).tolist() == (~REGION.mask()).tolist()
    rows, cols = np.indices(zones.shape)
    metres = 50 * np.hypot(rows - 4, np.maximum(np.maximum(4 - cols, cols - 5), 0))
    np.testing.assert_array_equal(zones == 1, (metres > 0) & (metres <= AROUND) & REGION.mask())


def test_an_edit_outside_the_region_has_no_inside():
    zones = zones_of(REGION, Scenario((Park(ground(100, 100, 2, 2)),)))
    assert set(np.unique(zones)) == {-1, 2}


def test_a_line_counts_with_the_roads_that_it_closes():
    line = shapely.LineString(shapely.get_coordinates(ground(2.5, 2, 0.01, 3))[[0, 3]])
    inside = zones_of(REGION, Scenario((CloseRoad(line),))) == 0
    assert inside.any() and set(np.nonzero(inside)[0]) <= {1, 2, 3}


def test_the_table_shows_where_the_change_is():
    rng = np.random.default_rng(0)
    before = np.round(rng.gamma(1, 1e6, (168, *REGION.shape)))
    after = before.copy()
    after[:, 4, 4] += 300
    after[:, 4, 6] -= 100
    zones = zones_of(REGION, Scenario((Park(ground(4, 4, 1, 1)),)))
    table = effect(week(before), week(after), zones)
    assert table.share.tolist() == pytest.approx([0.75, 0.25, 0.0])
    assert (table.after - table.before).tolist() == pytest.approx([168 * 300, -168 * 100, 0])
    assert table.cells.sum() == REGION.mask().sum() and table.before.sum() == pytest.approx(week(before).total())
    assert effect(week(before), week(before), zones).share.tolist() == [0, 0, 0]


@pytest.mark.parametrize("k", range(4))
def test_a_curve_has_the_steps_of_the_level_and_all_bytes(k):
    finest = np.random.default_rng(1).gamma(1, 1e6, (168, *REGION.shape))
    cells = np.zeros(REGION.shape, bool)
    cells[3:7, 2] = True
    bytes_ = curve(week(finest), cells, k)
    assert len(bytes_) == 168 // REGION.hierarchy[k].hours
    assert bytes_.sum() == pytest.approx(finest[:, cells].sum())


def test_weeks_of_two_regions_cannot_be_compared():
    other = Region.of_blocks(32632, 13_300, 1_700, np.ones((1, 1), bool))
    small = TrafficWeek(other, tuple(other.hierarchy.pyramid(np.ones((168, 8, 8)))))
    with pytest.raises(ValueError, match="different regions"):
        effect(week(np.ones((168, *REGION.shape))), small, np.zeros(REGION.shape))
