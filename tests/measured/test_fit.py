"""Measured traffic on a region's frame: nothing is lost, and one sentence for what cannot be used."""

import re
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from zoomdiff.context.classes import POI_CATEGORIES
from zoomdiff.context.uec import STRUCTURE, UEC
from zoomdiff.errors import DataError
from zoomdiff.frames import to_lonlat
from zoomdiff.levels import HOURS_PER_WEEK
from zoomdiff.measured.fit import NONE, FittedTraffic, fit, hold, served_bytes
from zoomdiff.measured.read import read_measurements
from zoomdiff.measured.traffic import MeasuredTraffic
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek

REGION = Region.of_blocks(32632, 13_300, 1_700, np.array([[True, True, True], [True, True, False]]))
MONDAY = datetime(2025, 3, 3)
RNG = np.random.default_rng(0)


def context(people: np.ndarray) -> UEC:
    """A region of which only the people (168, H, W) are known."""
    nothing = np.zeros((len(STRUCTURE), *REGION.shape), np.float32)
    poi = np.zeros((len(POI_CATEGORIES), *REGION.shape), np.float32)
    aoi = np.zeros(REGION.shape, np.int8)
    return UEC(REGION, nothing, aoi, poi, people.astype(np.float32), ("made up",))


UEC_ = context(RNG.gamma(1, 10, (HOURS_PER_WEEK, *REGION.shape)) * (RNG.random(REGION.shape) > 0.3) * REGION.mask())


def metres(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n, 2) degrees of places by their metres east and south of the frame's corner."""
    west, north = REGION.origin
    return np.stack(to_lonlat(REGION.epsg).transform(west + np.asarray(x, float), north - np.asarray(y, float)), -1)


def measured(lonlat, minutes: int = 60, days: float = 7, start: datetime = MONDAY, **more) -> MeasuredTraffic:
    lonlat = np.asarray(lonlat, float)
    steps = round(days * 1440 / minutes)
    given = {"traffic": np.random.default_rng(1).gamma(1, 1e8, (steps, len(lonlat))), "unit": "bytes"} | more
    return MeasuredTraffic(
        minutes=minutes, name="mine", source="mine.csv", licence="own", start=start, lonlat=lonlat, **given
    )


def squares(side: float, rows: int, cols: int, east: float = 0, south: float = 0) -> np.ndarray:
    """Squares in degrees, row by row from (east, south) metres off the frame's corner."""
    row, col = np.divmod(np.arange(rows * cols), cols)
    x, y = REGION.origin
    west, north = x + east + col * side, y - south - row * side
    boxes = shapely.box(west, north - side, west + side, north)
    return shapely.transform(boxes, to_lonlat(REGION.epsg).transform, interleaved=False)


def of_polygons(polygons: np.ndarray, **more) -> MeasuredTraffic:
    return measured(shapely.get_coordinates(shapely.centroid(polygons)), polygons=polygons, **more)


def any_week(seed: int = 2) -> TrafficWeek:
    """What a model might give: with squares and hours of nothing."""
    rng = np.random.default_rng(seed)
    finest = rng.gamma(0.5, 1e6, (HOURS_PER_WEEK, *REGION.shape)) * (rng.random(REGION.shape) > 0.4) * REGION.mask()
    return TrafficWeek(REGION, tuple(REGION.hierarchy.pyramid(finest)))


def level_sum(known: FittedTraffic) -> float:
    return float(known.volumes.sum())


sites = st.lists(st.tuples(st.floats(1, 1199), st.floats(1, 399)), min_size=1, max_size=30)


@settings(max_examples=25)
@given(sites, st.sampled_from([15, 60, 240, 1440]), st.integers(0, 20), st.integers(0, 100))
def test_every_step_of_every_base_station_is_kept(places, minutes, first_day, seed):
    """Wherever they are, even many within one square, on whichever day the measurements begin."""
    some = measured(metres(*np.array(places).T), minutes, start=MONDAY + timedelta(days=first_day))
    known = fit(some, UEC_)
    total = some.traffic.sum()
    assert level_sum(known) == pytest.approx(total) and known.traffic.sum() == pytest.approx(total)
    assert set(np.unique(known.zones[REGION.mask()])) == set(range(len(known.ids)))
    assert (known.zones[~REGION.mask()] == NONE).all() and not known.volumes[:, ~mask_of(known)].any()
    week = hold(any_week(seed), known)
    np.testing.assert_allclose(served_bytes(week, known), known.traffic, rtol=1e-9, atol=1e-3)
    assert week.total() == pytest.approx(total) and not week.volumes[-1][:, ~REGION.mask()].any()


def mask_of(known: FittedTraffic) -> np.ndarray:
    return REGION.mask(REGION.hierarchy.index(known.level))


def test_base_stations_in_the_middle_of_blocks_serve_the_blocks():
    centres = REGION.centres(0)[REGION.blocks]
    known = fit(measured(centres, 1440), UEC_)
    assert known.level == "bs"
    np.testing.assert_allclose(known.volumes[:, REGION.blocks], known.traffic)
    assert len({*known.zones[:8, :8].ravel()}) == 1


@pytest.mark.parametrize(
    ("side", "minutes", "level"),
    [
        (400, 1440, "bs"),
        (400, 60, "bs"),
        (200, 240, "cell"),
        (200, 60, "cell"),
        (100, 120, "grid100"),
    ],
)
def test_squares_of_a_level_are_that_level(side, minutes, level):
    known = fit(of_polygons(squares(side, 400 // side, 1200 // side), minutes=minutes), UEC_)
    assert known.level == level
    k = REGION.hierarchy.index(level)
    steps = known.traffic.reshape(len(known.volumes), -1, known.traffic.shape[1]).sum(1)
    np.testing.assert_allclose(known.volumes[:, : 400 // side][:, REGION.mask(k)[: 400 // side]], steps)


def test_small_squares_with_long_steps_are_refined_from_base_stations():
    known = fit(of_polygons(squares(200, 2, 6), minutes=1440), UEC_)
    blocks = known.traffic.reshape(7, 2, 3, 2).sum((1, 3))
    assert known.level == "bs"
    np.testing.assert_allclose(known.volumes[:, 0], blocks)


def test_of_a_polygon_half_in_the_region_half_counts():
    some = of_polygons(squares(400, 1, 1, east=-200))
    known = fit(some, UEC_)
    assert known.traffic.sum() == pytest.approx(some.traffic.sum() / 2, rel=1e-3)
    assert (known.zones[:8, :4] == 0).all() and (known.zones[:8, 4:] == NONE).all()
    assert any("lie in no polygon" in note for note in known.notes)
    week = hold(any_week(), known)
    assert week.total() == pytest.approx(known.traffic.sum()) and not week.volumes[-1][:, known.zones == NONE].any()


def test_polygons_that_overlap_or_are_tiny_lose_nothing():
    large, small, tiny = squares(400, 1, 1)[0], squares(100, 1, 1, 100, 100)[0], squares(3, 1, 1, 301, 301)[0]
    some = of_polygons(np.array([large, small, tiny]))
    known = fit(some, UEC_)
    assert known.zones[3, 3] != known.zones[0, 0] and known.traffic.sum() == pytest.approx(some.traffic.sum())
    assert len(known.ids) == 2, "the tiny one is added to the one around it"


def test_people_draw_the_traffic_within_a_base_station():
    people = np.zeros((HOURS_PER_WEEK, *REGION.shape))
    people[:, 2, 20] = 5
    some = measured(metres([600], [200]), 1440)
    known = fit(some, context(people))
    np.testing.assert_allclose(known.volumes[:, 0, 2], known.traffic[:, 0])
    empty = fit(some, context(0 * people))
    np.testing.assert_allclose(empty.volumes[:, REGION.blocks], np.repeat(some.traffic / 5, 5, 1))


def test_the_week_is_rolled_to_monday_and_whole_weeks_come_first():
    lonlat = metres([600], [200])
    rising = np.arange(7 * 24, dtype=float)[:, None] + 1
    known = fit(measured(lonlat, start=MONDAY + timedelta(days=2), traffic=rising), UEC_)
    assert known.traffic[48, 0] == 1 and known.traffic[47, 0] == 168
    assert "Wednesday, 2025-03-05" in known.notes[0]
    long = np.arange(16 * 24, dtype=float)[:, None]
    known = fit(measured(lonlat, start=MONDAY - timedelta(days=3), traffic=long), UEC_)
    assert "Monday, 2025-03-03" in known.notes[0] and known.traffic[0, 0] == 72
    long[80] = np.nan
    known = fit(measured(lonlat, start=MONDAY - timedelta(days=3), traffic=long), UEC_)
    assert "Friday, 2025-03-07" not in known.notes[0] and not np.isnan(known.traffic).any()


def test_notes_say_how_times_were_read_and_which_values_are_guesses():
    filled = np.zeros((168, 1), bool)
    filled[5:7] = True
    some = measured(metres([600], [200]), notes=("Times are read as local time.",), filled=filled)
    notes = fit(some, UEC_).notes
    assert notes[1] == "Times are read as local time."
    assert notes[2].startswith("2 of 168 values are missing, 2 of them filled in: 1 gaps in 1 of 1 cells, the longest")
    assert hold(any_week(), fit(some, UEC_)).provenance["notes"] == list(notes)


def test_utc_is_refined_by_the_local_week():
    """A base station that is busy from 8 to 9 in Shanghai, measured in UTC, is so in the week that is refined."""
    times = pd.date_range("2025-03-02", periods=9 * 24, freq="h")
    ((lon, lat),) = metres([600], [200])
    table = pd.DataFrame({"time": times, "lon": lon, "lat": lat, "bytes": np.where(times.hour == 0, 1e6, 1.0)})
    fitted = fit(read_measurements(table, zone="Asia/Shanghai"), UEC_)
    assert np.flatnonzero(fitted.traffic[:, 0] == 1e6).tolist() == [24 * day + 8 for day in range(7)]
    assert fitted.notes[:2] == (
        "The week is the one from Monday, 2025-03-03.",
        "Times are read as UTC and converted to Asia/Shanghai.",
    )


def test_a_week_in_which_clocks_change_is_not_taken():
    times = pd.date_range("2025-03-23 23:00", periods=15 * 24, freq="h")  # UTC: from a Monday 00:00 in Rome
    ((lon, lat),) = metres([600], [200])
    table = pd.DataFrame({"time": times, "lon": lon, "lat": lat, "bytes": 1.0})
    assert "Monday, 2025-03-31" in fit(read_measurements(table, zone="Europe/Rome"), UEC_).notes[0]
    with pytest.raises(DataError, match="without a change of clocks: give a longer time"):
        fit(read_measurements(table[: 7 * 24], zone="Europe/Rome"), UEC_)


def test_a_base_station_outside_is_left_out_with_a_note():
    known = fit(measured(metres([600, 5000], [200, 200])), UEC_)
    assert len(known.ids) == 1 and any("1 of 2 base stations are in the region" in note for note in known.notes)


def test_cells_of_one_mast_are_summed():
    some = measured(metres([610, 612, 900], [210, 212, 100]), ids=np.array(["a", "b", "c"]))
    known = fit(some, UEC_)
    assert known.ids.tolist() == ["a + b", "c"]
    assert any("3 base stations share 2 places" in note for note in known.notes)
    assert known.traffic.sum() == pytest.approx(some.traffic.sum())


def test_a_name_for_many_cells_stays_short():
    known = fit(measured(metres([610] * 9, [210] * 9), ids=np.array(list("abcdefghi"))), UEC_)
    assert known.ids.tolist() == ["a + b + c + 6 more"]


def test_a_region_far_from_its_only_base_station_gets_a_note():
    wide = Region.of_blocks(32632, 13_300, 1_700, np.ones((1, 20), bool))
    nothing = {"structure": len(STRUCTURE), "poi": len(POI_CATEGORIES), "population": HOURS_PER_WEEK}
    layers = {name: np.zeros((n, *wide.shape), np.float32) for name, n in nothing.items()}
    known = fit(measured(metres([10], [10])), UEC(wide, aoi=np.zeros(wide.shape, np.int8), sources=(), **layers))
    assert any("75% of the region are more than 2 km from any" in note for note in known.notes)


INSIDE = metres([600], [200])
GAP = np.full((168, 1), 5.0)
GAP[7] = np.nan


@pytest.mark.parametrize(
    ("some", "words"),
    [
        (measured(INSIDE, days=6.5), "covers 6.5 days: a whole week of 7 days is needed"),
        (measured(INSIDE, 45), "steps of 45 minutes do not make an hour"),
        (measured(INSIDE, 300), "give steps that divide a day"),
        (measured(INSIDE, 2880, days=14), "give steps that divide a day"),
        (measured(INSIDE, 1440, start=datetime(2025, 3, 3, 2)), "local time already, leave out the time zone (--zone)"),
        (measured(INSIDE, 60, start=datetime(2025, 3, 3, 5, 30)), "steps of 60 minutes from 05:30 local time"),
        (measured(INSIDE, 240, start=MONDAY + timedelta(hours=1)), "steps of 240 minutes from 01:00"),
        (measured(INSIDE, traffic=GAP), "has gaps: 1 of 168 values are missing in its best week, in 1 of 1 cells"),
        (measured(INSIDE, traffic=np.zeros((168, 1))), "there is nothing to refine"),
        (measured(INSIDE, traffic=np.full((168, 1), 1e19)), "check the unit"),
        (measured(INSIDE, unit="activity"), "traffic in activity"),
        (measured([[2.35, 48.85]]), "has nothing in the region: its places are around 48.8500, 2.3500"),
        (measured(INSIDE[:, ::-1]), "longitude and latitude seem to be swapped"),
        (of_polygons(np.array([shapely.box(2, 48, 2.1, 48.1)])), "has nothing in the region"),
        (measured([[-170.0, 89.9]]), "has nothing in the region"),
    ],
)
def test_what_cannot_be_fitted_gets_one_sentence(some, words):
    with pytest.raises(DataError, match=re.escape(words)) as error:
        fit(some, UEC_)
    assert str(error.value).startswith("mine.csv ") and str(error.value).endswith(".")


def test_traffic_without_places():
    some = MeasuredTraffic(np.ones((168, 1)), 60, "bytes", "mine", "mine.csv", "own", start=MONDAY)
    with pytest.raises(DataError, match="add columns lon and lat, or a table of sites"):
        fit(some, UEC_)
