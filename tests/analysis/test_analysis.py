"""What is read off a week and its place."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zoomdiff.analysis import correlation, decomposition, ensemble, realism, surroundings
from zoomdiff.checkpoint import new_network
from zoomdiff.context import UEC
from zoomdiff.context.classes import AOI_CLASSES, AOI_INDEX, POI_CATEGORIES, ROAD_CLASSES
from zoomdiff.context.uec import STRUCTURE
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.errors import OptionError
from zoomdiff.generation import generate, refine_level
from zoomdiff.levels import S4T4
from zoomdiff.region import Region
from zoomdiff.sampling import Plan, Sampling
from zoomdiff.week import TrafficWeek

HOURS = np.arange(168)


def region_of(rows: int, cols: int) -> Region:
    """So many blocks near Helsinki."""
    one = Region.from_bbox((24.94, 60.166, 24.9401, 60.1661))
    return replace(one, blocks=np.ones((rows, cols), bool))


@pytest.fixture(scope="module")
def uec() -> UEC:
    """Two blocks: in the west housing with a park, in the east offices; the park is one 200 m cell."""
    region = region_of(1, 2)
    aoi = np.full(region.shape, AOI_INDEX["residential"], np.int8)
    aoi[:4, :4] = AOI_INDEX["green"]
    aoi[:, 8:] = AOI_INDEX["office"]
    structure = np.zeros((len(STRUCTURE), *region.shape), np.float32)
    structure[STRUCTURE.index("building_cover")] = np.where(aoi == AOI_INDEX["green"], 0, 0.25)
    structure[STRUCTURE.index("local"), 0] = 1.0  # 50 m in each of 16 squares
    poi = np.zeros((len(POI_CATEGORIES), *region.shape), np.float32)
    poi[POI_CATEGORIES.index("food"), 3, 3] = 7
    poi[POI_CATEGORIES.index("shop"), 3, 12] = 9
    people = np.ones((168, *region.shape), np.float32)
    people[9:17] = 3
    return UEC(region, structure, aoi, poi, people, ("made up",))


@pytest.fixture(scope="module")
def week(uec) -> TrafficWeek:
    rng = np.random.default_rng(0)
    return pyramid(uec.region, np.round(rng.gamma(0.8, 1e6, (168, *uec.region.shape))))


@pytest.fixture(scope="module")
def model() -> DRDM:
    torch.manual_seed(0)
    stats = tuple(LevelStats(1.5, 1.0, -1.5, 5.0, spread) for spread in (1.0, 0.4, 0.4, 0.4))
    return DRDM(new_network(channels=16, blocks=1).eval(), ResidualPrior(S4T4, 2e5, stats))


def pyramid(region: Region, finest: np.ndarray) -> TrafficWeek:
    return TrafficWeek(region, tuple(region.hierarchy.pyramid(finest * region.mask())))


def test_the_place_in_figures(uec):
    assert surroundings.use_shares(uec) == {"office": 0.5, "residential": 0.375, "green": 0.125}
    assert surroundings.cover_by_use(uec) == {"residential": 0.25, "office": 0.25}
    assert surroundings.road_metres(uec).sum((1, 2))[ROAD_CLASSES.index("local")] == pytest.approx(16 * 50)
    assert surroundings.poi_counts(uec) == {"shop": 9, "food": 7}
    people = surroundings.people_by_hour(uec)
    assert people.shape == (168,) and people[8] == 128 and people[9] == 3 * 128


def test_nothing_outside_the_region_counts(uec):
    half = replace(uec, region=replace(uec.region, blocks=np.array([[True, False]])))
    assert surroundings.use_shares(half) == {"residential": 0.75, "green": 0.25}
    assert surroundings.road_metres(half).sum() == pytest.approx(8 * 50)
    assert surroundings.poi_counts(half) == {"food": 7}
    assert surroundings.people_by_hour(half)[0] == 64
    assert (surroundings.main_use(half, 0) == [[AOI_INDEX["residential"], -1]]).all()


def test_main_use_is_that_of_most_squares(uec):
    assert (surroundings.main_use(uec, 3) == uec.aoi).all()
    assert (
        surroundings.main_use(uec, 1)[0]
        == [AOI_INDEX["green"], *[AOI_INDEX[n] for n in ("residential", "office", "office")]]
    ).all()
    assert (surroundings.main_use(uec, 0) == [[AOI_INDEX["residential"], AOI_INDEX["office"]]]).all()


@settings(max_examples=40)
@given(st.integers(0, 3), hnp.arrays(np.int8, (8, 16), elements=st.integers(0, len(AOI_CLASSES) - 1)))
def test_no_other_use_has_more_squares(k, aoi):
    region = region_of(1, 2)
    shape = region.shape
    zeros = [np.zeros((n, *shape), np.float32) for n in (len(STRUCTURE), len(POI_CATEGORIES), 168)]
    side = region.hierarchy.space_factor(k)
    use = surroundings.main_use(UEC(region, zeros[0], aoi, zeros[1], zeros[2], ()), k)
    for (row, col), found in np.ndenumerate(use):
        squares = np.bincount(aoi[row * side : (row + 1) * side, col * side : (col + 1) * side].ravel(), minlength=12)
        assert squares[found] == squares.max()


def test_hourly_traffic_of_a_level_adds_up_to_its_volumes(week):
    for k, level in enumerate(week.region.hierarchy):
        summed = correlation.hourly(week, k).reshape(-1, level.hours, *week.region.mask(k).shape).sum(1)
        np.testing.assert_array_equal(summed, week.volumes[k])


def test_levels_are_alike_where_all_cells_share_a_rhythm(uec):
    rhythm = 100 + 50 * np.sin(2 * np.pi * HOURS / 24)
    size = np.random.default_rng(1).integers(1, 99, uec.region.shape)
    tables = correlation.rv_by_use(pyramid(uec.region, rhythm[:, None, None] * size), uec)
    assert list(tables) == [correlation.WHOLE, "office", "residential", "green"]
    for name in (correlation.WHOLE, "office", "residential"):
        np.testing.assert_allclose(tables[name], 1, atol=1e-12)
    np.testing.assert_allclose(tables["green"][1:, 1:], 1, atol=1e-12)
    assert np.isnan(tables["green"][0]).all() and np.isnan(tables["green"][:, 0]).all()  # no base station is green


def test_levels_differ_where_squares_go_their_own_ways(uec, week):
    for table in correlation.rv_by_use(week, uec).values():
        np.testing.assert_array_equal(table, table.T)
    random = correlation.rv_by_use(week, uec)[correlation.WHOLE]
    assert random[0, 3] < random[2, 3] < 0.95
    assert correlation.rv_by_use(week, uec, centred=False)[correlation.WHOLE][0, 3] > random[0, 3]


def test_one_use_does_not_see_the_traffic_of_another(uec, week):
    other = week.volumes[-1].copy()
    other[:, :, 8:] = np.random.default_rng(2).gamma(0.8, 1e6, (168, 8, 8)).round()
    before, after = (correlation.rv_by_use(w, uec) for w in (week, pyramid(uec.region, other)))
    np.testing.assert_array_equal(before["residential"], after["residential"])
    assert (before["office"] != after["office"]).any()


def test_a_silent_use_has_no_coefficient(uec, week):
    silent = week.volumes[-1] * (uec.aoi != AOI_INDEX["office"])
    assert np.isnan(correlation.rv_by_use(pyramid(uec.region, silent), uec)["office"]).all()


def test_decomposition_finds_the_trend_and_the_day_that_a_series_was_made_of():
    day = np.tile(np.sin(2 * np.pi * np.arange(24) / 24), 7)
    parts = decomposition.decompose(50 + 0.1 * HOURS + 5 * day)
    np.testing.assert_allclose(parts.trend, 50 + 0.1 * HOURS, atol=1e-9)
    np.testing.assert_allclose(parts.daily, 5 * day, atol=1e-9)
    np.testing.assert_allclose(parts.rest, 0, atol=1e-9)
    assert parts.explained == pytest.approx(1)


@settings(max_examples=40)
@given(hnp.arrays(np.float64, 168, elements=st.floats(0, 1e9)))
def test_decomposition_adds_up_and_its_day_repeats(series):
    parts = decomposition.decompose(series)
    scale = max(series.max(), 1)
    np.testing.assert_allclose(parts.trend + parts.daily + parts.rest, series, atol=1e-9 * scale)
    np.testing.assert_allclose(parts.daily[24:], parts.daily[:-24], atol=1e-9 * scale)
    assert abs(parts.daily[:24].sum()) <= 1e-8 * scale


def test_noise_is_not_explained_and_silence_has_no_share():
    noise = decomposition.decompose(np.random.default_rng(0).normal(size=168))
    assert noise.explained < 0.5
    assert np.isnan(decomposition.decompose(np.zeros(168)).explained)


def test_quantiles_of_weeks_that_are_known(uec):
    """Weeks 1 to 19 of the same volume: Weibull's P10, P50, P90 are the 2nd, the 10th and the 18th."""
    rng = np.random.default_rng(0)
    ones = np.ones((168, *uec.region.shape))
    found = ensemble.spread((pyramid(uec.region, n * ones) for n in 1 + rng.permutation(19)), 1, 19)
    assert found.k == 1 and found.weeks == 19
    assert found.steps.shape == (3, 42, 2, 4) and found.total.shape == (3, 2, 4)
    one = 4 * 4 * 4  # squares and hours in a value of the cell level
    for i, n in enumerate((2, 10, 18)):
        np.testing.assert_allclose(found.steps[i], n * one)
        np.testing.assert_allclose(found.total[i], 42 * n * one)


def test_the_spread_of_weeks_is_not_the_sum_of_that_of_hours(uec):
    rng = np.random.default_rng(0)
    weeks = (pyramid(uec.region, np.round(rng.gamma(0.5, 1e4, (168, *uec.region.shape)))) for _ in range(12))
    found = ensemble.spread(weeks, 3, 12)
    assert (found.steps[0] <= found.steps[1]).all() and (found.steps[1] <= found.steps[2]).all()
    assert (found.total[2] < found.steps[2].sum(0)).all() and (found.total[0] > found.steps[0].sum(0)).all()


def test_only_one_level_and_one_week_are_held_at_a_time(uec):
    """Nobody but the caller holds a week when the next one is made."""
    alive = []

    def weeks():
        for _ in range(10):
            assert sum(ref() is not None for ref in alive) <= 1
            week = pyramid(uec.region, np.ones((168, *uec.region.shape)))
            alive.append(weakref.ref(week))
            yield week
            del week
        alive.clear()  # the caller may do something after the last week

    ensemble.spread(weeks(), 0, 10)
    assert not alive


@pytest.mark.parametrize(("rows", "weeks", "sentence"), [(1, 9, "at least 10"), (30, 40, "take too much memory")])
def test_weeks_that_cannot_be_kept(rows, weeks, sentence):
    with pytest.raises(OptionError, match=sentence) as caught:
        ensemble.check_room(region_of(rows, 30), 3, weeks)
    assert str(caught.value).count(".") == 1
    ensemble.check_room(region_of(rows, 30), 0, 40)


def test_another_week_is_made_as_the_first_was(model, uec):
    week = generate(model, uec, seed=3, sampling=Sampling(steps=2, preset="china"))
    same, other = (ensemble.again(model, week, uec, seed) for seed in (3, 4))
    np.testing.assert_array_equal(same.volumes[-1], week.volumes[-1])
    assert other.provenance["seed"] == 4 and other.provenance["preset"] == "china" and other.provenance["steps"] == 2
    assert (other.volumes[-1] != week.volumes[-1]).any()


def test_another_week_of_a_plan_and_of_measurements(model, uec):
    planned = generate(model, uec, seed=1, sampling=Sampling(steps=Plan((2, 2, 2, 2), "dpm")))
    np.testing.assert_array_equal(ensemble.again(model, planned, uec, 1).volumes[-1], planned.volumes[-1])

    measured = np.random.default_rng(0).gamma(2, 1e8, (7, 1, 2)).round()
    refined = refine_level(model, uec, measured, "bs", seed=1, sampling=Sampling(steps=2))
    other = ensemble.again(model, refined, uec, 2)
    np.testing.assert_array_equal(other.volumes[0], measured)  # what was measured is sure
    assert (other.volumes[-1] != refined.volumes[-1]).any()


def test_what_ends_a_week_ends_all(model, uec, week):
    def stop(k: int, step: int, steps: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        ensemble.again(model, week, uec, 1, stop)


def test_a_small_region_is_not_compared_with_cities(uec, week):
    with pytest.raises(OptionError, match=r"at least 30 of them, about 5 km²") as caught:
        realism.beside_real_cities(week, uec)
    assert "Only 2 base stations" in str(caught.value)


def test_a_town_is_compared_in_blocks():
    region = region_of(6, 7)
    rng = np.random.default_rng(0)
    day = np.tile(2 + np.sin(2 * np.pi * (np.arange(24) - 6) / 24), 7)  # busiest at 12
    size = rng.lognormal(10, 1, region.shape)
    finest = np.round(day[:, None, None] * size * rng.lognormal(0, 0.2, (168, *region.shape)))
    structure = np.zeros((len(STRUCTURE), *region.shape), np.float32)
    poi = rng.poisson(1, (len(POI_CATEGORIES), *region.shape)).astype(np.float32)
    people = np.ones((168, *region.shape), np.float32)
    uec = UEC(region, structure, np.zeros(region.shape, np.int8), poi, people, ())
    table = realism.beside_real_cities(pyramid(region, finest), uec)
    assert table.loc["workday peak, hour", "week"] == 12 and table.loc["workday peak, hour", "week inside"]
    assert table.loc["peak / trough", "week"] == pytest.approx(3, rel=0.1)
    assert table["week"].notna().all() and "traffic ~ users, log-log r" not in table.index
    assert table.loc["Gini", "Milan"] == 0.61
