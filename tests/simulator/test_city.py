from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoomdiff.context import UEC, build_uec, read_map
from zoomdiff.context.classes import AOI_CLASSES, AOI_INDEX, POI_CATEGORIES
from zoomdiff.context.population import presence
from zoomdiff.context.procedural import procedural_map
from zoomdiff.context.uec import STRUCTURE
from zoomdiff.levels import aggregate
from zoomdiff.presets import PRESETS
from zoomdiff.realism.samples import City
from zoomdiff.realism.table import realism_table, rows_inside
from zoomdiff.region import Region
from zoomdiff.simulator import city
from zoomdiff.simulator.city import CHINA, CONFIGS, EUROPE, config_of, simulate

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


@given(st.integers(0, 1000), st.sampled_from(AOI_CLASSES), st.sampled_from(sorted(PRESETS)))
@settings(max_examples=6)
def test_volumes_are_sound_and_repeat_with_the_seed(seed, aoi, preset):
    config = config_of(preset)
    week = simulate(flat_uec(aoi), seed, config)
    for x in week:
        assert x.shape == (168, *REGION.shape) and x.dtype == np.float32
        assert np.isfinite(x).all() and (x >= 0).all() and x.sum() > 0
    assert (week.users == np.round(week.users)).all() and ((week.traffic > 0) <= (week.users > 0)).all()
    for x, again in zip(week, simulate(flat_uec(aoi), seed, config), strict=True):
        np.testing.assert_array_equal(x, again)
    assert (week.traffic != simulate(flat_uec(aoi), seed + 1, config).traffic).any()


@given(st.integers(0, 1000))
@settings(max_examples=5)
def test_levels_are_exact_aggregates(seed):
    week = simulate(flat_uec(), seed, CHINA).traffic.astype(float)
    levels = REGION.hierarchy.pyramid(week)
    for k in range(3):
        np.testing.assert_allclose(aggregate(levels[k + 1], *REGION.hierarchy.between(k, k + 1)), levels[k], rtol=1e-12)
    assert levels[0].sum() == pytest.approx(week.sum(), rel=1e-12)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_nothing_where_nobody_is(config):
    week = simulate(flat_uec(people=0, road=2.0), 1, config)
    assert week.traffic.sum() == 0 and week.users.sum() == 0


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_traffic_doubles_with_the_people(config):
    one, two = (
        np.sum([simulate(flat_uec(people=p), seed, config).traffic.sum() for seed in (5, 6)]) for p in (100, 200)
    )
    assert two / one == pytest.approx(2, rel=0.02)


def workday(uec, config=CHINA):
    weeks = [simulate(uec, seed, config).traffic.sum((1, 2)) for seed in range(8)]  # a small region varies by itself
    return np.mean(weeks, 0)[:120].reshape(5, 24).mean(0)


def test_homes_are_busy_in_the_evening_offices_by_day_roads_at_the_rush_hours():
    def at(aoi, group):
        return workday(
            replace(flat_uec(aoi), population=flat_uec().population * presence(group)[:, None, None]), EUROPE
        )

    home, office = at("residential", "home"), at("office", "work")
    assert 18 <= home.argmax() <= 22 and home.argmin() in (3, 4, 5)
    assert 9 <= office.argmax() <= 14 and office[9:17].mean() > 3 * office[20:].mean()
    rush = city.travellers(flat_uec(road=1.0), CHINA).sum((1, 2))[:24]
    assert set(np.argsort(rush)[-2:]) == {8, 18}


def test_china_has_its_noon_and_europe_a_flatter_day():
    china, europe = (workday(flat_uec("residential"), config) for config in (CHINA, EUROPE))
    assert china[12] > 1.1 * (china[11] + china[13]) / 2
    assert europe[12] < 1.1 * (europe[11] + europe[13]) / 2
    assert europe.max() / europe.min() < 0.8 * china.max() / china.min()


def test_noise_has_the_spread_and_memory_of_its_config():
    rng = np.random.default_rng(0)
    noise = city.hourly_noise((96, 96), rng, CHINA, 50.0)
    assert noise.std() == pytest.approx(CHINA.hourly_sd, rel=0.1)
    step = np.mean([np.corrcoef(noise[t].ravel(), noise[t + 1].ravel())[0, 1] for t in range(100)])
    assert step == pytest.approx(CHINA.hourly_memory, abs=0.1)
    effect = city.unobserved((200, 200), rng, 0.7, CHINA, 50.0)
    assert effect.std() == pytest.approx(0.7, rel=0.1)
    assert np.exp(effect).mean() == pytest.approx(1, rel=0.1)


def test_users_come_and_go_but_their_number_stays_poisson():
    expected = np.repeat(np.array([2.0, 4.0, 1.0], np.float32), 56)[:, None, None] * np.ones((1, 80, 80), np.float32)
    users = city.come_and_go(expected, np.random.default_rng(0), CHINA)
    for t in (0, 55, 60, 167):
        assert users[t].mean() == pytest.approx(expected[t, 0, 0], rel=0.05)
        assert users[t].var() == pytest.approx(expected[t, 0, 0], rel=0.1)
    again = np.corrcoef(users[20].ravel(), users[21].ravel())[0, 1]
    assert again == pytest.approx(CHINA.stays, abs=0.05)


def test_who_goes_out_stays_near_and_is_not_lost():
    uec = flat_uec(road=0.5)
    water = uec.aoi.copy()
    water[:, :4] = AOI_INDEX["water"]
    uec = replace(uec, aoi=water)
    users = np.zeros((2, *REGION.shape), np.float32)
    users[:, 8, 12] = 100
    out = city.on_foot(users, uec, CHINA)
    np.testing.assert_allclose(out.sum((1, 2)), 100, rtol=1e-4)
    assert out[0, 8, 12] == pytest.approx(85, rel=0.02) and out[0, 8, 13] > out[0, -1, -1]
    assert (out[:, :, :4] == 0).all()


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
    mean = simulate(uec, 1, EUROPE).traffic.mean(0)
    assert mean[uec.aoi == AOI_INDEX["residential"]].mean() > 2 * mean[uec.aoi == AOI_INDEX["farmland"]].mean()


@cache
def town() -> City:
    """On a map that everybody has."""
    return City.on(read_map("town7"))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_simulated_town_lies_among_open_measurements(preset):
    most_rows_are_inside(town(), preset, weeks=1)


MONACO = (7.39, 43.715, 7.45, 43.755)  # the town without its bay


@pytest.mark.parametrize(
    "name, box, preset, weeks", [("firenze", None, "china", 1), ("monaco_2016_osrm.osm.pbf", MONACO, "europe", 3)]
)
def test_simulated_real_cities_lie_among_open_measurements(name, box, preset, weeks, shared_data):
    most_rows_are_inside(City.on(read_map(shared_data / "maps" / name, bbox=box)), preset, weeks)


def most_rows_are_inside(place: City, preset: str, weeks: int) -> None:
    """At least 9 of the 11 rows of the table, for each week."""
    samples = {f"seed {seed}": place.simulated(preset, seed) for seed in range(weeks)}
    table = realism_table(samples)
    for sample in samples:
        good, of, missed = rows_inside(table, sample)
        assert of == 11 and good >= 9, missed
