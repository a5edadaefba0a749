"""People per hour: the curves, what holds people, and scaling to a known total."""

import numpy as np
import pytest

from zoomdiff.context import population
from zoomdiff.context.classes import AOI_CLASSES, POI_CATEGORIES, ROAD_CLASSES

SHAPE = (2, 3)
CELL_M2 = 2500.0
NO_STREETS = np.zeros((len(ROAD_CLASSES), *SHAPE))
NO_GREEN = np.zeros(SHAPE)
MONDAY, SATURDAY = 0, 5 * 24


def floor_of(use: str, m2: float = 1000) -> np.ndarray:
    floor = np.zeros((len(AOI_CLASSES), *SHAPE))
    floor[AOI_CLASSES.index(use), 0, 0] = m2
    return floor


@pytest.mark.parametrize("group", population.PRESENCE)
def test_a_week_of_presence(group):
    week = population.presence(group)
    assert week.shape == (168,) and week.max() == 1 and week.min() > 0
    np.testing.assert_array_equal(week[:24], week[24:48])  # Monday is as Tuesday
    assert np.abs(np.diff(np.r_[week, week[0]])).max() < 0.35  # no jump, not at midnight nor at the week's end


def test_each_group_has_its_hours():
    home, work, leisure = (population.presence(group) for group in ("home", "work", "leisure"))
    assert home[3] > 1.5 * home[12]  # Monday night, Monday noon
    assert work[11] > 5 * work[3] and work[11] > 4 * work[SATURDAY + 11]
    assert leisure[SATURDAY + 15] == 1 and leisure[SATURDAY + 15] > leisure[15]


def test_every_use_of_floor_has_its_people():
    for use, (people, group) in population.PEOPLE_PER_100M2.items():
        estimate = population.estimate(floor_of(use), NO_STREETS, NO_GREEN, CELL_M2)
        assert estimate.shape == (168, *SHAPE) and estimate.dtype == np.float32
        np.testing.assert_allclose(estimate[:, 0, 0], 10 * people * population.presence(group), rtol=1e-5)
        assert estimate[:, 1:].sum() == 0


def test_no_floor_no_people_but_streets_and_parks_have_some():
    nothing = floor_of("residential", 0)
    assert not population.estimate(nothing, NO_STREETS, NO_GREEN, CELL_M2).any()
    streets = NO_STREETS.copy()
    streets[ROAD_CLASSES.index("primary"), 1, 1] = 50
    assert (population.estimate(nothing, streets, NO_GREEN, CELL_M2)[:, 1, 1] > 0).all()
    assert (population.estimate(nothing, NO_STREETS, NO_GREEN + 1, CELL_M2) > 0).all()


def test_scaling_to_known_residents():
    floor = floor_of("residential") + floor_of("office", 300)
    estimate = population.estimate(floor, NO_STREETS, NO_GREEN, CELL_M2, residents=5000)
    assert estimate[3::24].sum((1, 2)).mean() == pytest.approx(5000, rel=1e-5)
    nobody = population.estimate(floor * 0, NO_STREETS, NO_GREEN, CELL_M2, residents=5000)
    assert not nobody.any()  # nowhere to put them


def test_places_stand_for_floor():
    poi = np.zeros((len(POI_CATEGORIES), *SHAPE))
    poi[POI_CATEGORIES.index("shop"), 0, 1] = 3
    m2 = population.poi_floor(poi)
    assert m2.sum() == m2[POI_CATEGORIES.index("shop"), 0, 1] == 3 * population.FLOOR_OF_POI["shop"]


def test_tables_are_complete():
    assert set(population.FLOOR_OF_POI) == set(POI_CATEGORIES)
    assert set(population.PEOPLE_PER_KM) == set(ROAD_CLASSES)
    assert set(population.PEOPLE_PER_100M2) <= set(AOI_CLASSES)
