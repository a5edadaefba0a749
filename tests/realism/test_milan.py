"""Milan: the published layouts written small, the grid's order, and the real files where they are."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zoomdiff.errors import DataError
from zoomdiff.measured.traffic import Excluded
from zoomdiff.realism.milan import read_milan, read_milan_raw

START = 1383260400000  # 1 November 2013 00:00 in Milan, milliseconds since 1970 UTC
TEN_MINUTES = 600_000


def raw_line(square, step, country, internet="") -> str:
    return f"{square}\t{START + step * TEN_MINUTES}\t{country}\t0.1\t\t0.2\t\t{internet}\n"


def raw_file(folder: Path, name="sms-call-internet-mi-2013-11-01.txt") -> Path:
    """Squares 1, 2, 101 and 102: two countries, an empty field, an absent row, and step 2 absent altogether."""
    lines = [
        *(raw_line(1, 0, 39, 10.0), raw_line(1, 0, 33, 0.5), raw_line(2, 0, 39, 20.0), raw_line(101, 0, 39, 30.0)),
        *(raw_line(102, 0, 0), raw_line(1, 1, 39, 1.0), raw_line(102, 1, 39, 4.0), raw_line(2, 3, 39, 7.0)),
    ]
    (folder / name).write_text("".join(lines))
    return folder / name


def test_raw_files_without_header(tmp_path):
    some = read_milan_raw(raw_file(tmp_path))
    assert some.ids.tolist() == ["101", "102", "1", "2"]  # the north comes first
    assert some.grid_shape == (2, 2) and some.minutes == 10 and some.unit == "activity"
    assert some.start.replace(tzinfo=None) == datetime(2013, 11, 1) and str(some.start.tzinfo) == "Europe/Rome"
    np.testing.assert_array_equal(
        some.traffic, [[30, 0, 10.5, 20], [0, 4, 1, 0], [np.nan] * 4, [0, 0, 0, 7]]
    )  # no row: no activity; no row of anyone: a gap


def test_raw_files_with_header(tmp_path):
    text = "datetime,CellID,countrycode,smsin,smsout,callin,callout,internet\n"
    text += "2013-11-01 00:00:00,1,0,0.36,,,0.02,1.5\n2013-11-01 00:00:00,1,39,,,,,50\n"
    text += "2013-11-01 01:00:00,2,39,,,,,\n2013-11-01 02:00:00,2,39,,,,,3\n"
    (tmp_path / "sms-call-internet-mi-2013-11-01.csv").write_text(text)
    some = read_milan_raw(tmp_path)
    assert some.minutes == 60 and some.start.hour == 0 and str(some.start.tzinfo) == "Europe/Rome"
    np.testing.assert_array_equal(some.traffic, [[51.5, 0], [0, 0], [0, 3]])


def test_raw_squares_that_are_chosen(tmp_path):
    some = read_milan_raw(raw_file(tmp_path), squares=[102, 2])
    assert some.ids.tolist() == ["102", "2"] and some.grid_shape == (2, 1)
    # Step 0 is no gap for square 102, nor step 3: others were measured.
    np.testing.assert_array_equal(some.traffic, [[0, 20], [4, 0], [np.nan] * 2, [0, 7]])
    assert read_milan_raw(raw_file(tmp_path), squares=[1, 102]).grid_shape is None


def test_raw_days_follow_each_other(tmp_path):
    raw_file(tmp_path)
    (tmp_path / "sms-call-internet-mi-2013-11-02.txt").write_text(raw_line(1, 144, 39, 8.0))
    some = read_milan_raw(tmp_path)
    assert some.traffic.shape == (145, 4) and some.traffic[144].tolist() == [0, 0, 8, 0]
    again = read_milan_raw([tmp_path / "sms-call-internet-mi-2013-11-02.txt", raw_file(tmp_path)])
    np.testing.assert_array_equal(some.traffic, again.traffic)


def raised(read, *arguments, **options) -> str:
    with pytest.raises(DataError) as error:
        read(*arguments, **options)
    return str(error.value)


def test_raw_errors(tmp_path):
    path = raw_file(tmp_path)
    again = raw_file(tmp_path, "sms-call-internet-mi-2013-11-01.csv")
    assert "holds times that another file holds, too" in raised(read_milan_raw, tmp_path)
    assert "none of the squares" in raised(read_milan_raw, path, squares=[77])
    again.write_text(raw_line(1, 0, 39, 1.0) + raw_line(10001, 0, 39, 1.0))
    assert raised(read_milan_raw, again) == f"{again.name}, line 2: there is no square 10001."
    again.write_text(raw_line(1, 0, 39, 1.0) + raw_line(1, 1, 39, -1.0))
    assert raised(read_milan_raw, again) == f"{again.name}, line 2: the activity -1 is negative or not finite."
    again.write_text("".join(raw_line(1, step, 39, 1.0) for step in (0, 1, 2, 3.5)))
    assert "2013-11-01 00:35 does not fit the step of 10 minutes" in raised(read_milan_raw, again)
    again.write_text("a line\n")
    assert "no column for the cell" in raised(read_milan_raw, again)
    again.write_text("x\ty\tz\t\t\t\t\t\n")
    assert "no column" in raised(read_milan_raw, again)
    again.write_text("1\ty\tz\t\t\t\t\tmuch\n")
    assert "not in the layout" in raised(read_milan_raw, again)
    assert "not in the layout" in raised(read_milan_raw, tmp_path / "none.txt")
    (tmp_path / "empty").mkdir()
    assert "holds no file sms-call-internet-mi-" in raised(read_milan_raw, tmp_path / "empty")


def test_a_time_far_off_is_one_sentence(tmp_path):
    (tmp_path / "day.txt").write_text("1\t1383260400000\t39\t\t\t\t\t1\n1\t13832604000000000\t39\t\t\t\t\t1\n")
    with pytest.raises(DataError, match=r"^day.txt, line 2: its time is no number of milliseconds since 1970"):
        read_milan_raw(tmp_path / "day.txt")


@pytest.mark.parametrize(
    ("times", "squares"),
    [(range(60_000), 10_000), ([0, 1, 2, 500_000], 10_000)],
    ids=["many times and squares", "times far apart"],
)
def test_more_than_was_published_is_refused_before_it_fills_memory(times, squares, tmp_path, monkeypatch):
    lines = [raw_line(1 + step % squares, step, 39, 1.0) for step in times]
    lines += [raw_line(square, 0, 39, 1.0) for square in range(1, squares + 1)]
    (tmp_path / "day.txt").write_text("".join(lines))
    monkeypatch.setattr(pd.Series, "unstack", lambda *args, **options: pytest.fail("it makes the table"))
    said = raised(read_milan_raw, tmp_path / "day.txt")
    assert "10,000 squares, more than the two months that Telecom Italia published: give fewer files" in said


def test_a_grid_that_names_another_file_reads_nothing(tmp_path):
    two = "".join(f"1\t{1383260400000 + 600_000 * step}\t39\t\t\t\t\t1\n" for step in range(2))
    (tmp_path / "day.txt").write_text(two)
    (tmp_path / "real.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    layer = f'<OGRVRTLayer name="real"><SrcDataSource>{tmp_path}/real.geojson</SrcDataSource></OGRVRTLayer>'
    (tmp_path / "grid.geojson").write_text(f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>")
    with pytest.raises(DataError, match=r"^grid.geojson cannot be read: give milano-grid.geojson"):
        read_milan_raw(tmp_path / "day.txt", grid=tmp_path / "grid.geojson")


def test_25_squares(tmp_path):
    numbers = np.arange(150 * 25.0).reshape(150, 25)
    np.savetxt(tmp_path / "25.csv", numbers, delimiter=",")
    some = read_milan(tmp_path / "25.csv")
    assert some.ids[[0, 4, 20, 24]].tolist() == ["4542", "4546", "4142", "4146"]
    np.testing.assert_array_equal(some.grid(), numbers.reshape(150, 5, 5)[:, ::-1])
    assert some.excluded == (Excluded(0, 144, "All Saints' Day"),) and some.weekday == 4
    np.savetxt(tmp_path / "24.csv", numbers[:, 1:], delimiter=",")
    assert raised(read_milan, tmp_path / "24.csv") == "24.csv has 24 columns, not those of 5 x 5 squares."
    assert "cannot be read" in raised(read_milan, tmp_path / "none.csv")
    assert "give milano-grid.geojson" in raised(read_milan, tmp_path / "25.csv", grid=tmp_path / "none.geojson")
    assert "150 rows" not in raised(read_milan, tmp_path / "25.csv", features=tmp_path / "25.csv")
    assert "not one for each of 10,000" in raised(read_milan, tmp_path / "25.csv", features=tmp_path / "25.csv")
    assert "cannot be read as CSV" in raised(read_milan, tmp_path / "25.csv", features=tmp_path / "none.csv")


def test_the_real_files(shared_data):
    folder = shared_data / "traffic" / "milan"
    some = read_milan(
        folder / "dgrn_milan_internet_25cells_10min.csv",
        grid=folder / "milano-grid.geojson",
        features=folder / "stcnet_crawled_feature_100x100.csv",
    )
    assert some.traffic.shape == (4320, 25) and some.grid_shape == (5, 5) and not some.missing.any()
    assert some.poi.shape == (25, 4) and some.poi_names[1] == "BSs"
    lon, lat = some.lonlat.reshape(5, 5, 2).transpose(2, 0, 1)
    assert (np.diff(lon, axis=1) > 0).all() and (np.diff(lat, axis=0) < 0).all()  # east, and south row by row
    assert (lat > 45.44).all() and (lat < 45.46).all() and (lon > 9.13).all() and (lon < 9.15).all()
    assert [polygon.contains(polygon.centroid) for polygon in some.polygons] == [True] * 25

    # The start is inferred: mornings before work (8 h) are quiet on Saturdays, Sundays and the holiday, and only then.
    hours = some.hourly().traffic.sum(1).reshape(30, 24)
    quiet = hours[:, 8] < 0.93 * hours[:, 8].mean()
    weekday = (some.weekday + np.arange(30)) % 7
    assert quiet.tolist() == ((weekday >= 5) | (np.arange(30) == 0)).tolist()
    assert hours.mean(0).argmin() in (3, 4, 5)

    # So is the place: frames of the whole city (row 0 in the north), standardised by one mean and deviation, hold the
    # same numbers there at the same times.
    lowest, deviation = -0.51042817300429, 132.47248595705983  # the value of no activity; found by this matching
    for part, start in (("train", datetime(2013, 11, 18, 0, 20)), ("test", datetime(2013, 11, 3))):
        frames = deviation * (np.load(folder / f"mini_{part}.npy").astype(float) - lowest)
        assert frames.shape[1:] == (100, 100) and frames.min() == 0
        first = some.times().get_loc(start)
        here = frames[:, ::-1][:, 41:46, 41:46][:, ::-1].reshape(len(frames), 25)
        np.testing.assert_allclose(here, some.traffic[first : first + len(frames)], rtol=1e-9)
