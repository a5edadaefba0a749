"""Users' own tables: the layouts, gaps, and one sentence for everything that can be wrong."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from zoomdiff.errors import DataError
from zoomdiff.measured.read import fill_gaps, read_measurements
from zoomdiff.measured.tables import SYNONYMS

CELLS = """time,cell,bytes
2025-03-03 00:00,b,1
2025-03-03 00:00,a,2
2025-03-03 01:00,b,3
2025-03-03 01:00,a,4
2025-03-03 02:00,b,5.5
2025-03-03 02:00,a,6e3
"""
WEEK = [[1, 2], [3, 4], [5.5, 6000]]


@pytest.fixture
def table(tmp_path):
    """Writes a text to traffic.csv and gives its path."""

    def write(text: str, name: str = "traffic.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def raised(*arguments, **options) -> str:
    with pytest.raises(DataError) as error:
        read_measurements(*arguments, **options)
    sentence = str(error.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


# --- what can be read ---------------------------------------------------------------------------------------------


def test_cells_by_id(table):
    some = read_measurements(table(CELLS))
    np.testing.assert_array_equal(some.traffic, WEEK)
    assert some.ids.tolist() == ["b", "a"] and some.lonlat is None
    assert some.minutes == 60 and some.start == datetime(2025, 3, 3) and some.weekday == 0
    assert (some.unit, some.name, some.source, some.licence) == ("bytes", "traffic", "traffic.csv", "not stated")
    assert some.gap_report() == "No value is missing."


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_rows_in_any_order_blank_lines_and_delimiters(table, delimiter):
    header, *rows = CELLS.splitlines()
    text = "\ufeff" + "\n\n".join([header, *reversed(rows), ""]).replace(",", delimiter)
    some = read_measurements(table(text))
    np.testing.assert_array_equal(some.traffic[:, ::-1], WEEK)


def test_places_are_cells(table):
    text = "Timestamp;Longitude;Latitude;Traffic volume\n"
    for hour in range(2):
        for k, (lon, lat) in enumerate(((11.3, 43.8), (11.2, 43.8), (11.2, 43.7))):
            text += f"2025-03-03T{hour:02d}:00;{lon};{lat};{10 * hour + k}\n"
    some = read_measurements(table(text))
    np.testing.assert_array_equal(some.traffic, [[0, 1, 2], [10, 11, 12]])
    np.testing.assert_array_equal(some.lonlat, [[11.3, 43.8], [11.2, 43.8], [11.2, 43.7]])
    assert some.ids.tolist() == ["11.3, 43.8", "11.2, 43.8", "11.2, 43.7"]


def test_cells_by_id_with_place(table):
    header, *rows = CELLS.splitlines()
    places = {"a": "11.2,43.7", "b": "11.3,43.8"}
    text = "\n".join([header + ",lon,lat", *(f"{row},{places[row.split(',')[1]]}" for row in rows)])
    some = read_measurements(table(text))
    np.testing.assert_array_equal(some.lonlat, [[11.3, 43.8], [11.2, 43.7]])
    assert raised(table(text.replace("6e3,11.2", "6e3,11.21"))) == (
        "traffic.csv, line 7: its cell lies elsewhere than in line 3."
    )


def test_sites_with_a_table(table):
    sites = table("site,lon,lat,height\nc,1,1,30\na,11.2,43.7,30\nb,11.3,43.8,20\n", "sites.csv")
    for text in (CELLS, CELLS.replace("cell", "BS ID")):
        some = read_measurements(table(text), sites=sites)
        np.testing.assert_array_equal(some.traffic, WEEK)
        np.testing.assert_array_equal(some.lonlat, [[11.3, 43.8], [11.2, 43.7]])
    frame = pd.DataFrame({"site": ["a", "b"], "lon": [11.2, 11.3], "lat": [43.7, 43.8]})
    np.testing.assert_array_equal(read_measurements(table(CELLS), sites=frame).lonlat, some.lonlat)


def test_parquet(tmp_path):
    frame = pd.read_csv(StringIO(CELLS), parse_dates=["time"])
    frame.to_parquet(tmp_path / "traffic.parquet")
    np.testing.assert_array_equal(read_measurements(tmp_path / "traffic.parquet").traffic, WEEK)
    np.testing.assert_array_equal(read_measurements(frame).traffic, WEEK)
    frame["time"] = frame.time.dt.tz_localize("Europe/Rome")
    frame.to_parquet(tmp_path / "traffic.parquet")
    assert str(read_measurements(tmp_path / "traffic.parquet").start) == "2025-03-03 00:00:00+01:00"
    frame.loc[2, "bytes"] = -1
    frame.to_parquet(tmp_path / "traffic.parquet")
    assert raised(tmp_path / "traffic.parquet") == "traffic.parquet, row 3: the volume -1 is negative."


def test_geoparquet_and_wkt(tmp_path, table):
    boxes = {"a": shapely.box(11.2, 43.7, 11.201, 43.702), "b": shapely.box(11.3, 43.8, 11.301, 43.802)}
    frame = pd.read_csv(StringIO(CELLS))
    shapes = gpd.GeoSeries([boxes[cell] for cell in frame.cell], crs=4326)
    gpd.GeoDataFrame(frame, geometry=shapes).to_crs(32632).to_parquet(tmp_path / "t.parquet")
    some = read_measurements(tmp_path / "t.parquet")
    np.testing.assert_allclose(some.lonlat, [[11.3005, 43.801], [11.2005, 43.701]], atol=1e-6)
    assert [p.equals_exact(boxes[k], 1e-9) for k, p in zip("ba", some.polygons, strict=True)] == [True, True]

    frame["geometry"] = shapes.to_wkb()
    frame.to_parquet(tmp_path / "t.parquet")
    assert read_measurements(tmp_path / "t.parquet").polygons[0] == boxes["b"]
    frame["geometry"] = shapes.to_wkt()
    text = frame.to_csv(index=False)
    assert read_measurements(table(text)).polygons[0] == boxes["b"]
    frame["geometry"] = shapely.to_wkt(shapely.centroid(shapes))
    assert read_measurements(table(frame.to_csv(index=False))).polygons is None
    assert raised(table(text.replace("POLYGON", "POLY"))).startswith("traffic.csv, line 2: 'POLY ((11.301 43.8")
    assert raised(table(text.replace("11.301", "1130.1"))).endswith("is not a geometry in degrees.")


def test_columns_by_argument_and_units(table):
    text = CELLS.replace("time,cell,bytes", "when,where,DL")
    columns = {"time": "when", "cell": "where", "bytes": "DL"}
    some = read_measurements(table(text), columns=columns, unit="MB")
    np.testing.assert_array_equal(some.traffic, 1e6 * np.array(WEEK))
    assert raised(table(text), columns=columns | {"bytes": "UL"}) == (
        "traffic.csv has no column 'UL': its columns are when, where, DL."
    )
    assert raised(table(text), unit="MiB") == "The unit 'MiB' is unknown: give one of bytes, kB, MB, GB."


@pytest.mark.parametrize("word", [word for role in ("time", "bytes", "cell") for word in SYNONYMS[role]])
def test_every_synonym_is_known(table, word):
    role = next(role for role in ("time", "bytes", "cell") if word in SYNONYMS[role])
    assert read_measurements(table(CELLS.replace(role, word.title(), 1))).traffic.shape == (3, 2)


def test_other_steps_and_times(table):
    day = CELLS.replace("03 01:00", "04 00:00").replace("03 02:00", "05 00:00")
    assert read_measurements(table(day)).minutes == 24 * 60
    assert read_measurements(table(CELLS.replace("01:00", "00:15").replace("02:00", "00:30"))).minutes == 15
    some = read_measurements(table(CELLS.replace("2025-03-03", "03/03/25")), time_format="%d/%m/%y %H:%M")
    assert some.start == datetime(2025, 3, 3)
    assert raised(table(CELLS), time_format="%d/%m/%y").startswith("traffic.csv, line 2: the time '2025-03-03 00:00'")
    assert raised(table(CELLS), minutes=0) == "A step of 0 minutes is none: give at least 1."
    single = "\n".join(CELLS.splitlines()[:3])
    assert read_measurements(table(single), minutes=30).traffic.shape == (1, 2)
    assert raised(table(single)) == "traffic.csv has no cell with two times, so its step is unknown: give minutes."


def test_times_without_an_offset_are_local_or_with_a_zone_utc(table):
    local = read_measurements(table(CELLS))
    assert local.start == datetime(2025, 3, 3) and local.start.tzinfo is None
    assert local.notes == ("Times are read as local time.",)
    for zone, start in (("Europe/Rome", "2025-03-03 01:00:00+01:00"), ("Asia/Shanghai", "2025-03-03 08:00:00+08:00")):
        there = read_measurements(table(CELLS), zone=zone)
        assert str(there.start) == start and there.start == datetime(2025, 3, 3, tzinfo=UTC)
        assert there.notes == (f"Times are read as UTC and converted to {zone}.",)
    frame = pd.read_csv(StringIO(CELLS), parse_dates=["time"])
    assert str(read_measurements(frame, zone="Asia/Shanghai").start) == "2025-03-03 08:00:00+08:00"
    assert raised(table(CELLS), zone="Europe/Roma") == (
        "There is no time zone 'Europe/Roma': give one such as Europe/Rome or Asia/Shanghai."
    )


def test_times_with_an_offset_are_converted_to_the_zone_or_kept(table):
    for offset in ("+01:00", "+0100", "+01"):
        text = CELLS.replace(":00,", f":00{offset},")
        kept = read_measurements(table(text))
        assert str(kept.start) == "2025-03-03 00:00:00+01:00"
        assert kept.notes == (
            "Times are read as the local time of their offset, UTC+01:00; give a time zone if the place has another.",
        )
        there = read_measurements(table(text), zone="Asia/Shanghai")
        assert str(there.start) == "2025-03-03 07:00:00+08:00"
        assert there.notes == ("Times are converted from their offset to Asia/Shanghai.",)
    utc = read_measurements(table(CELLS.replace(":00,", ":00Z,")), zone="Asia/Shanghai")
    assert str(utc.start) == "2025-03-03 08:00:00+08:00"
    other = CELLS.replace("2025-03-03", "03/03/25").replace(":00,", ":00+01:00,")
    assert read_measurements(table(other), time_format="%d/%m/%y %H:%M%z").start == datetime(2025, 3, 2, 23, tzinfo=UTC)
    assert read_measurements(table(other), time_format="%d/%m/%y %H:%M%z").start.hour == 0
    # Different offsets say which instant is meant; with a zone there is one local time, too.
    spring = ["2025-03-30 01:00+01:00", "2025-03-30 03:00+02:00", "2025-03-30 04:00+02:00"]
    text = "time,cell,bytes\n" + "".join(f"{time},a,1\n" for time in spring)
    some = read_measurements(table(text), zone="Europe/Rome")
    assert not some.missing.any() and some.times().hour.tolist() == [1, 3, 4]


@pytest.mark.parametrize(("year", "shown"), [("0001", 1), ("9999", 9999)])
@pytest.mark.parametrize("zone", [None, "America/New_York", "Asia/Shanghai"])
def test_years_that_no_zone_can_shift(table, year, shown, zone):
    text = CELLS.replace("2025-03-03", f"{year}-12-31" if shown > 1 else f"{year}-01-01").replace("02:00", "23:00")
    sentence = f"traffic.csv, line 2: the year {shown} is out of range: check the time."
    assert raised(table(text), zone=zone) == sentence


def test_a_table_with_a_named_zone(table):
    frame = pd.read_csv(StringIO(CELLS), parse_dates=["time"])
    frame["time"] = frame.time.dt.tz_localize("Europe/Rome")
    some = read_measurements(frame)
    assert str(some.start) == "2025-03-03 00:00:00+01:00" and some.notes == ("Times are local time in Europe/Rome.",)
    assert str(read_measurements(frame, zone="Asia/Shanghai").start) == "2025-03-03 07:00:00+08:00"


@pytest.mark.parametrize(
    ("first", "hours"),
    [("2025-10-25 22:00", [0, 1, 2, 2, 3, 4]), ("2025-03-29 23:00", [0, 1, 3, 4, 5, 6])],
    ids=["back", "forward"],
)
def test_utc_has_no_gap_and_no_double_hour_where_clocks_change(table, first, hours):
    times = pd.date_range(first, periods=6, freq="h").strftime("%Y-%m-%d %H:%M")
    text = "time,cell,bytes\n" + "".join(f"{time},a,{n}\n" for n, time in enumerate(times))
    some = read_measurements(table(text), zone="Europe/Rome")
    assert some.traffic[:, 0].tolist() == [0, 1, 2, 3, 4, 5] and not some.missing.any()
    assert some.times().hour.tolist() == hours


def test_local_times_where_clocks_change(table):
    """An hour that clocks repeat is a row too many, one that they skip is a gap."""
    text = "time,cell,bytes\n" + "".join(f"2025-10-26 {hour:02d}:00,a,1\n" for hour in (0, 1, 2, 2, 3, 4))
    assert raised(table(text)) == (
        "traffic.csv, line 5: cell a at 2025-10-26 02:00 is already in line 4: keep one of the two, or give times in "
        "UTC and a time zone if the clocks went back."
    )
    text = "time,cell,bytes\n" + "".join(f"2025-03-30 {hour:02d}:00,a,1\n" for hour in (0, 1, 3, 4))
    assert np.isnan(read_measurements(table(text)).traffic[:, 0]).tolist() == [False, False, True, False, False]


# --- gaps -----------------------------------------------------------------------------------------------------------


def test_gaps_are_reported_and_filled_on_request(table):
    rows = CELLS.replace("b,3", "b,").splitlines()  # an empty value
    path = table("\n".join([*rows, "2025-03-03 05:00,b,10", "2025-03-03 06:00,b,7"]))
    some = read_measurements(path)
    nan = np.nan
    np.testing.assert_array_equal(
        some.traffic, [[1, 2], [nan, 4], [5.5, 6000], [nan, nan], [nan, nan], [10, nan], [7, nan]]
    )
    report = (
        "7 of 14 values are missing{}: 3 gaps in 2 of 2 cells, the longest 4 steps from 2025-03-03 03:00 in cell a."
    )
    assert some.gap_report() == report.format("")
    filled = read_measurements(path, fill="interpolate")
    np.testing.assert_allclose(
        filled.traffic, [[1, 2], [3.25, 4], [5.5, 6000], [7, 6000], [8.5, 6000], [10, 6000], [7, 6000]]
    )
    assert filled.gap_report() == report.format(", 7 of them filled in")
    assert (filled.missing == some.missing).all()
    zeros = read_measurements(path, fill=0)
    np.testing.assert_array_equal(zeros.traffic, np.nan_to_num(some.traffic))
    for wrong in ("mean", -1, float("nan")):
        with pytest.raises(DataError, match="Gaps cannot be filled with"):
            fill_gaps(some, wrong)


def test_a_cell_without_any_value_cannot_be_interpolated(table):
    path = table(CELLS + "2025-03-03 00:00,c,\n")
    assert raised(path, fill="interpolate") == ("Cell c has no value to interpolate: take it out, or fill gaps with 0.")
    assert read_measurements(path, fill=0).traffic[:, 2].tolist() == [0, 0, 0]


# --- what is wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "time,cell,bytes",
            "time,cell,amount",
            "traffic.csv has no column for the bytes among time, cell, amount: call it 'bytes', "
            "or name it with columns={'bytes': ...}.",
        ),
        (
            "time,cell,bytes",
            "time,date,bytes",
            "traffic.csv has 2 columns that may be the time (time, date): name one of them, columns={'time': 'time'}.",
        ),
        ("time,cell,bytes", "time,spot,bytes", "traffic.csv has no column for the lon among time, spot, bytes: "),
        ("time,cell,bytes", "time,site,bytes", "traffic.csv names sites but not where they are: give a table of "),
        ("01:00,a,4", "01:00,a,4,5", "traffic.csv, line 5: 4 fields where the header has 3."),
        ("bytes\n2025", "bytes\n1,2025", "traffic.csv, line 2: more fields than the header has."),
        ("01:00,a", "25:00,a", "traffic.csv, line 5: the time '2025-03-03 25:00' cannot be read: write it as "),
        ("2025-03-03 01:00,a", "03/03/2025 01:00,a", "traffic.csv, line 5: the time '03/03/2025 01:00' cannot be read"),
        ("2025-03-03 01:00,a", ",a", "traffic.csv, line 5: the time is missing."),
        (
            "01:00,a",
            "01:00+01:00,a",
            "traffic.csv, line 5: the time '2025-03-03 01:00+01:00' has an offset while the first time has none: "
            "give one in all rows or in none.",
        ),
        (
            "01:00,a,4",
            "01:00,b,4",
            "traffic.csv, line 5: cell b at 2025-03-03 01:00 is already in line 4: keep one of the two",
        ),
        ("01:00,a", "01:20,a", "traffic.csv, line 5: the time 2025-03-03 01:20 does not fit the step of 60 minutes."),
        ("00:00,b", "00:07,b", "traffic.csv, line 2: the time 2025-03-03 00:07 does not fit the step of "),
        ("01:00,a,4", "01:00,a,-4", "traffic.csv, line 5: the volume -4 is negative."),
        ("01:00,a,4", "01:00,a,4 MB", "traffic.csv, line 5: the volume '4 MB' is not a number."),
        ("01:00,a,4", '01:00,a,"4,000"', "traffic.csv, line 5: the volume '4,000' is not a number."),
        ("01:00,a,4", "01:00,a,inf", "traffic.csv, line 5: the volume 'inf' is not a number."),
        ("01:00,a", "01:00,", "traffic.csv, line 5: the cell is missing."),
        (
            "2025-03-03 02:00,a",
            "9025-03-03 02:00,a",
            "traffic.csv, line 7: the time 9025-03-03 02:00 is so far from the others that it must be wrong.",
        ),
    ],
)
def test_errors_name_the_line(table, old, new, sentence):
    assert old in CELLS
    assert raised(table(CELLS.replace(old, new, 1))).startswith(sentence)


def test_mixed_offsets(table):
    text = CELLS.replace(":00,", ":00+01:00,")
    assert raised(table(text.replace("01:00+01:00,a", "01:00+02:00,a"))) == (
        "traffic.csv, line 5: the time '2025-03-03 01:00+02:00' has the offset +0200 while the first time has +0100: "
        "give the time zone of the place."
    )
    assert raised(table(text.replace("01:00+01:00,a", "01:00,a")), zone="Europe/Rome") == (
        "traffic.csv, line 5: the time '2025-03-03 01:00' has no offset while the first time has +0100: "
        "give one in all rows or in none."
    )


def test_places_out_of_range(table):
    text = "time,lon,lat,bytes\n2025-03-03 00:00,11.2,43.7,1\n2025-03-03 01:00,{},{},1\n"
    for lon, lat, sentence in (
        ("181", "43.7", "traffic.csv, line 3: the longitude 181 is not within -180..180 degrees."),
        ("11.2", "-91.5", "traffic.csv, line 3: the latitude -91.5 is not within -90..90 degrees."),
        ("east", "43.7", "traffic.csv, line 3: the longitude 'east' is not a number."),
        ("11.2", "", "traffic.csv, line 3: the latitude is missing."),
    ):
        assert raised(table(text.format(lon, lat))) == sentence


def test_sites_that_do_not_fit(table):
    def with_sites(text: str) -> str:
        return raised(table(CELLS), sites=table(text, "sites.csv"))

    assert with_sites("site,lon,lat\na,1,1\n") == "traffic.csv, line 2: the site b is not in sites.csv."
    assert with_sites("site,lon,lat\na,1,1\nb,1,1\na,2,1\n") == "sites.csv, line 4: the site a is listed twice."
    assert with_sites("site,lon,lat\na,1,1\nb,200,1\n") == (
        "sites.csv, line 3: the longitude 200 is not within -180..180 degrees."
    )
    assert with_sites("site,lat\na,1\n").startswith("sites.csv has no column for the lon among site, lat:")
    assert with_sites("spot,lon,lat\na,1,1\n").startswith("sites.csv has no column for the site")
    places = table("time,lon,lat,bytes\n2025-03-03 00:00,1,1,1\n")
    assert "no column for the site" in raised(places, sites=table("site,lon,lat\na,1,1\n", "sites.csv"))


def test_files_that_are_not_tables(tmp_path, table):
    assert raised(tmp_path / "none.csv") == "none.csv cannot be read: No such file or directory."
    assert raised(tmp_path / "none.parquet") == "none.parquet cannot be read: No such file or directory."
    assert raised(table("", "t.xlsx")).startswith("t.xlsx is not a table that can be read")
    assert raised(table("not parquet", "t.parquet")) == "t.parquet is damaged or not what its name says."
    assert raised(table("")) == "traffic.csv is damaged or not what its name says."
    assert raised(table("time,cell,bytes\n")) == "traffic.csv holds no rows."
    assert raised(table("a,b\n1,2,3\n4,5,6\n")) == "traffic.csv, line 2: more fields than the header has."
    (tmp_path / "latin.csv").write_bytes("time,città,bytes\n".encode("latin-1"))
    assert raised(tmp_path / "latin.csv") == "latin.csv is not text in UTF-8: save it again as CSV UTF-8."
    seconds = "time,cell,bytes\n" + "".join(f"2025-03-03 00:00:{s},a,1\n" for s in ("00", "30"))
    assert raised(table(seconds)) == "traffic.csv has steps of 30 seconds: bring them to whole minutes."


# --- any table ------------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(
    minutes=st.sampled_from([5, 10, 15, 30, 60, 240]),
    shape=st.tuples(st.integers(3, 12), st.integers(1, 4)),
    seed=st.integers(0, 10_000),
)
def test_what_was_measured_comes_back(minutes, shape, seed):
    """Rows of any table, shuffled and with some left out, land in their step and cell; the rest is a gap."""
    rng = np.random.default_rng(seed)
    traffic = rng.integers(0, 10**9, shape).astype(float)
    # Steps 0 and 1 and the last are complete, so that the step and the span are known from the table.
    there = rng.random(shape) < 0.7
    there[[0, 1, -1]] = True
    step, cell = np.nonzero(there)
    times = [datetime(2025, 3, 3, 7) + timedelta(minutes=int(minutes * k)) for k in step]
    frame = pd.DataFrame({"time": times, "cell": cell, "bytes": traffic[there]})
    some = read_measurements(frame.sample(frac=1, random_state=seed), minutes=minutes)
    order = np.argsort(some.ids.astype(int))
    np.testing.assert_array_equal(some.traffic[:, order], np.where(there, traffic, np.nan))
    assert some.gaps().steps.sum() == (~there).sum()
    assert some.start == datetime(2025, 3, 3, 7)


@settings(max_examples=40)
@given(
    row=st.integers(0, 47),
    wrong=st.sampled_from(
        [("time", "yesterday"), ("time", ""), ("bytes", "-1"), ("bytes", "many"), ("lon", "200"), ("lat", "-90.1")]
    ),
)
def test_the_wrong_line_is_named_wherever_it_is(tmp_path_factory, row, wrong):
    times = pd.date_range("2025-03-03", periods=24, freq="h").strftime("%Y-%m-%d %H:%M")
    frame = pd.DataFrame({"time": times.repeat(2), "lon": [11.2, 11.3] * 24, "lat": 43.7, "bytes": 5.0}).astype(str)
    frame.loc[row, wrong[0]] = wrong[1]
    path = tmp_path_factory.getbasetemp() / "wrong.csv"
    frame.to_csv(path, index=False)
    assert raised(path).startswith(f"wrong.csv, line {row + 2}: ")
