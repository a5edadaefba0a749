from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoomdiff.context import UEC, build_uec
from zoomdiff.context.classes import AOI_CLASSES, AOI_INDEX, POI_CATEGORIES
from zoomdiff.context.uec import STRUCTURE
from zoomdiff.data import city
from zoomdiff.data.city import CHINA, simulate
from zoomdiff.data.procedural import procedural_map
from zoomdiff.region import Region

REGION = Region.from_bbox((11.25, 43.76, 11.262, 43.768))


def flat_uec(aoi="residential", people=100.0, road=0.0) -> UEC:
    """The same in every cell: `people` per cell at all hours and `road` metres of main road per metre."""
    structure = np.zeros((len(STRUCTURE), *REGION.shape), np.float32)
    structure[STRUCTURE.index("primary")] = road
    return UEC(
        region=REGION,
        structure=structure,
        aoi=np.full(REGION.shape, AOI_INDEX[aoi], np.int8),
        poi=np.zeros((len(POI_CATEGORIES), *REGION.shape), np.float32),
        population=np.full((168, *REGION.shape), people, np.float32),
        sources=("made up",),
    )


@given(st.integers(0, 1000), st.sampled_from(AOI_CLASSES))
@settings(max_examples=8)
def test_volumes_are_sound_and_repeat_with_the_seed(seed, aoi):
    week = simulate(flat_uec(aoi), seed)
    assert week.shape == (168, *REGION.shape) and week.dtype == np.float32
    assert np.isfinite(week).all() and (week >= 0).all() and week.sum() > 0
    np.testing.assert_array_equal(week, simulate(flat_uec(aoi), seed))
    assert (week != simulate(flat_uec(aoi), seed + 1)).any()


def test_nothing_where_nobody_is():
    assert simulate(flat_uec(people=0, road=2.0), 1).sum() == 0


def test_traffic_doubles_with_the_people():
    ratio = simulate(flat_uec(people=200), 5).sum() / simulate(flat_uec(people=100), 5).sum()
    assert ratio == pytest.approx(2, rel=0.02)


def test_homes_peak_in_the_evening_offices_at_noon_roads_at_the_rush_hours():
    def profile(uec):
        weeks = [simulate(uec, seed).sum((1, 2)) for seed in range(8)]  # a small region has its own weather
        return np.mean(weeks, 0)[:120].reshape(5, 24).mean(0)

    home, office = profile(flat_uec("residential")), profile(flat_uec("office"))
    assert home.argmax() in (20, 21, 22) and office.argmax() in (11, 12, 13)
    assert home.argmin() in (3, 4, 5) and office.argmin() in (3, 4, 5)
    rush = city.road_users(flat_uec(road=1.0), CHINA).sum((1, 2))[:24]
    assert set(np.argsort(rush)[-2:]) == {8, 18}


def test_noise_has_the_spread_and_memory_of_its_config():
    rng = np.random.default_rng(0)
    noise = city.hourly_noise((64, 64), rng, CHINA, 50.0)
    assert noise.std() == pytest.approx(CHINA.hourly_sd, rel=0.1)
    step = np.mean([np.corrcoef(noise[t].ravel(), noise[t + 1].ravel())[0, 1] for t in range(100)])
    assert step == pytest.approx(CHINA.hourly_memory, abs=0.1)
    effect = city.spatial_effect((200, 200), rng, CHINA, 50.0)
    assert effect.std() == pytest.approx(CHINA.spatial_sd, rel=0.1)
    assert np.exp(effect).mean() == pytest.approx(1, rel=0.1)


def test_events_bring_crowds_and_can_be_switched_off():
    rng = np.random.default_rng(0)
    assert (city.rare_events((40, 40), rng, replace(CHINA, event_rate=0), 50.0) == 1).all()
    crowds = city.rare_events((40, 40), rng, replace(CHINA, event_rate=5), 50.0)
    assert crowds.max() > 2 and crowds.min() == 1


def test_a_procedural_town_is_a_town():
    town = procedural_map(7)
    again = procedural_map(7)
    assert town.buildings.geometry.equals(again.buildings.geometry)
    assert not town.buildings.geometry.equals(procedural_map(8).buildings.geometry)
    assert len(town.buildings) > 500 and len(town.roads) > 50 and len(town.pois) > 50
    assert town.buildings.is_valid.all() and town.areas.is_valid.all()
    uec = build_uec(town, Region.from_bbox(town.extent))
    people = uec.population.mean(0)
    built = uec.structure[STRUCTURE.index("floor_area_ratio")]
    assert np.corrcoef(people.ravel(), built.ravel())[0, 1] > 0.5
    week = simulate(uec, 1)
    assert (
        week.mean(0)[uec.aoi == AOI_INDEX["residential"]].mean()
        > 5 * week.mean(0)[uec.aoi == AOI_INDEX["farmland"]].mean()
    )
