"""The type that all readers return: what it refuses, hours, calendar and gaps."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from zoomdiff.measured.traffic import Excluded, MeasuredTraffic


def measured(steps=12, cells=6, minutes=10, **more) -> MeasuredTraffic:
    traffic = np.arange(steps * cells, dtype=float).reshape(steps, cells)
    fields = {"unit": "bytes", "name": "made up", "source": "a test", "licence": "none"} | more
    return MeasuredTraffic(**({"traffic": traffic, "minutes": minutes} | fields))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"traffic": np.zeros((2, 3, 4))}, "traffic must be floats"),
        ({"traffic": np.zeros((2, 3), int)}, "traffic must be floats"),
        ({"traffic": np.zeros((0, 3))}, "traffic must be floats"),
        ({"unit": "pints"}, "unknown unit 'pints'"),
        ({"traffic": np.full((2, 6), -1.0)}, "negative or infinite"),
        ({"traffic": np.full((2, 6), np.inf), "unit": "z-score"}, "negative or infinite"),
        ({"minutes": 0}, "a step of 0 minutes"),
        ({"side": 0.0}, "side of 0.0 m"),
        ({"ids": np.array(["a", "b"])}, "ids has shape"),
        ({"ids": np.array(list("abcdea"))}, "same id"),
        ({"grid_shape": (2, 4)}, "6 cells are not a grid of \\(2, 4\\)"),
        ({"grid_shape": (6,)}, "not a grid"),
        ({"lonlat": np.zeros((6, 3))}, "lonlat has shape"),
        ({"lonlat": np.full((6, 2), 100.0)}, "not within"),
        ({"polygons": np.array([shapely.box(0, 0, 1, 1)])}, "polygons has shape"),
        ({"users": np.zeros((12, 5))}, "users has shape"),
        ({"filled": np.zeros((11, 6), bool)}, "filled has shape"),
        ({"split": np.array(["train"])}, "split has shape"),
        ({"poi": np.zeros((5, 2))}, "poi has shape"),
        ({"poi": np.zeros((6, 2)), "poi_names": ("food",)}, "poi_names"),
        ({"poi_names": ("food",)}, "poi_names"),
        ({"start": datetime(2025, 3, 3), "weekday": 1}, "2025-03-03 is not weekday 1"),
        ({"weekday": 7}, "weekday 7"),
        ({"excluded": (Excluded(5, 13, "fair"),)}, "5..13 \\(fair\\)"),
        ({"excluded": (Excluded(5, 5, "nothing"),)}, "nothing"),
    ],
)
def test_what_does_not_fit_is_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        measured(**fields)


def test_it_says_in_a_line_what_it_is():
    some = measured(grid_shape=(2, 3), start=datetime(2025, 3, 3))
    assert repr(some) == "MeasuredTraffic(made up: 6 cells = 2 x 3, 12 x 10 min from 2025-03-03 00:00)"
    assert "1.4% missing" in repr(replace(some, traffic=np.where(some.traffic == 7, np.nan, some.traffic)))
    z_scores = measured(traffic=np.full((2, 6), -1.0), unit="z-score")
    assert "2 x 10 min)" in repr(z_scores)


def test_grids_and_patches():
    some = measured(grid_shape=(2, 3))
    assert some.grid().shape == (12, 2, 3) and some.grid()[1, 1, 2] == some.traffic[1, 5]
    assert replace(some, grid_shape=(3, 2, 1)).grid().shape == (12, 3, 2, 1)
    with pytest.raises(ValueError, match="no grid"):
        measured().grid()


def test_hours_are_sums_users_are_means_and_a_gap_stays_a_gap():
    some = measured(steps=13, users=np.full((13, 6), 5.0), filled=np.zeros((13, 6), bool))
    some.traffic[2, 0] = np.nan
    some.filled[7, 1] = True
    hours = some.hourly()
    assert hours.minutes == 60 and hours.traffic.shape == (2, 6)  # the thirteenth step is no whole hour
    np.testing.assert_allclose(hours.traffic[1], some.traffic[6:12].sum(0))
    assert np.isnan(hours.traffic[0, 0]) and np.isfinite(hours.traffic[0, 1:]).all()
    assert (hours.users == 5).all()
    assert hours.filled.tolist() == [[False] * 6, [False, True] + [False] * 4]


def test_hours_are_those_of_the_clock():
    some = measured(steps=15, start=datetime(2025, 3, 2, 23, 40), excluded=(Excluded(0, 3, "a"), Excluded(9, 10, "b")))
    hours = some.hourly()
    assert hours.start == datetime(2025, 3, 3) and hours.weekday == 0
    np.testing.assert_allclose(hours.traffic, [some.traffic[2:8].sum(0), some.traffic[8:14].sum(0)])
    assert hours.excluded == (Excluded(0, 1, "a"), Excluded(1, 2, "b"))
    india = measured(start=datetime(2025, 3, 3, 0, 0, tzinfo=ZoneInfo("Asia/Kolkata"))).hourly()  # UTC+5:30
    assert india.start.minute == 0 and len(india.traffic) == 2


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"minutes": 45}, "45 minutes do not make an hour"),
        ({"minutes": 120}, "120 minutes do not make an hour"),
        ({"start": datetime(2025, 3, 3, 0, 5)}, "5 minutes off the full hour"),
        ({"steps": 5}, "no whole hour"),
    ],
)
def test_what_makes_no_hours(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        measured(**fields).hourly()


@settings(max_examples=40)
@given(minutes=st.sampled_from([5, 10, 15, 20, 30, 60]), late=st.integers(0, 11), steps=st.integers(30, 60))
def test_whole_hours_keep_their_total(minutes, late, steps):
    some = measured(steps=steps, minutes=minutes, start=datetime(2025, 3, 3, 9, late * minutes % 60))
    hours = some.hourly()
    times = some.times()
    inside = (times >= hours.start) & (times < hours.times()[-1] + np.timedelta64(60, "m"))
    assert hours.traffic.sum() == some.traffic[inside].sum()
    assert hours.start.minute == 0 and (~inside).sum() < 2 * 60 / minutes


def test_calendar():
    tuesday = measured(minutes=60, steps=168, weekday=1)
    hours = tuesday.hour_of_week()
    assert hours[0] == 24 and hours[-1] == 23 and hours.max() == 167
    np.testing.assert_array_equal(hours, measured(minutes=60, steps=168, start=datetime(2025, 3, 4)).hour_of_week())
    assert measured(minutes=30, weekday=0).hour_of_week()[1] == 0.5
    with pytest.raises(ValueError, match="weekday of the first step is unknown"):
        measured().hour_of_week()
    with pytest.raises(ValueError, match="date of the first step is unknown"):
        tuesday.times()


def test_steps_keep_their_length_when_the_clocks_change():
    start = datetime(2025, 3, 30, 1, tzinfo=ZoneInfo("Europe/Rome"))
    assert measured(minutes=60, steps=3, start=start).times().hour.tolist() == [1, 3, 4]


def test_ordinary_steps():
    some = measured(excluded=(Excluded(2, 4, "fair"), Excluded(11, 12, "match")))
    assert np.flatnonzero(~some.ordinary).tolist() == [2, 3, 11]


def test_gaps_are_reported_with_their_place():
    some = measured(ids=np.array(list("abcdef")), start=datetime(2025, 3, 3))
    assert some.gaps().empty and some.gap_report() == "No value is missing."
    some.traffic[[0, 1, 5, 11], 1] = np.nan
    some.traffic[:, 4] = np.nan
    gaps = some.gaps()
    assert gaps.to_numpy().tolist() == [["b", 0, 2], ["b", 5, 1], ["b", 11, 1], ["e", 0, 12]]
    assert some.gap_report() == (
        "16 of 72 values are missing: 4 gaps in 2 of 6 cells, the longest 12 steps from 2025-03-03 00:00 in cell e."
    )
    assert some.active.tolist() == [True, True, True, True, False, True]
    assert "from step 0 in cell 4" in replace(some, ids=None, start=None, weekday=None).gap_report()
