"""GeoJSON as a table of measurements."""

import json

import numpy as np
import pytest

from zoomdiff.errors import DataError
from zoomdiff.measured.read import read_measurements
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek

HOURS = [f"2025-03-03T{hour:02d}:00:00" for hour in range(3)]


def point(lon: float, lat: float, **properties) -> dict:
    return {"type": "Feature", "properties": properties, "geometry": {"type": "Point", "coordinates": [lon, lat]}}


@pytest.fixture
def written(tmp_path):
    """Writes features, and further members of the file, to mine.geojson and gives its path."""

    def write(features, **members):
        path = tmp_path / "mine.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", **members, "features": features}))
        return path

    return write


def test_a_row_per_feature(written):
    rows = [point(11 + i, 43, time=hour, bytes=i + h) for i in range(2) for h, hour in enumerate(HOURS)]
    some = read_measurements(written(rows))
    assert some.traffic.tolist() == [[0, 1], [1, 2], [2, 3]] and some.polygons is None
    np.testing.assert_allclose(some.lonlat, [[11, 43], [12, 43]])
    named = read_measurements(written([row | {"properties": row["properties"] | {"site": "a"}} for row in rows[:3]]))
    assert named.ids.tolist() == ["a"]


def test_an_array_per_feature(written):
    features = [point(11, 43, site="<b>a</b>", traffic=[1, 2, None]), point(12, 43, site="b", traffic=[4, 5, 6])]
    some = read_measurements(written(features, time=HOURS))
    np.testing.assert_array_equal(some.traffic, [[1, 4], [2, 5], [np.nan, 6]])
    assert some.ids.tolist() == ["<b>a</b>", "b"]


def test_what_zoomdiff_writes_comes_back(tmp_path):
    region = Region.from_bbox((11.001, 43.001, 11.003, 43.003))
    finest = np.round(np.random.default_rng(0).gamma(1, 1e6, (168, *region.shape)))
    week = TrafficWeek(region, tuple(region.hierarchy.pyramid(finest)))
    for k, path in enumerate(week.save(tmp_path)):
        some = read_measurements(path)
        assert some.minutes == 60 * week.level(k).hours and some.polygons is not None
        np.testing.assert_array_equal(some.traffic, week.volumes[k].reshape(len(some.traffic), -1))
        np.testing.assert_allclose(some.lonlat, region.centres(k).reshape(-1, 2), atol=1e-6)


def test_another_crs_is_turned_into_degrees(written):
    rows = [point(681_000, 4_849_000, time=hour, bytes=1) for hour in HOURS]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    some = read_measurements(written(rows, crs=crs))
    assert some.lonlat[0].tolist() == pytest.approx([11.25, 43.77], abs=0.02)


def test_sites_as_points(written, tmp_path):
    table = tmp_path / "traffic.csv"
    table.write_text("time,site,bytes\n2025-03-03 00:00,a,1\n2025-03-03 01:00,a,2\n")
    assert read_measurements(table, sites=written([point(11, 43, site="a")])).lonlat.tolist() == [[11, 43]]


GOOD = [point(11, 43, time=hour, bytes=1) for hour in HOURS]
METRES = [point(681_000, 4_849_000, time=hour, bytes=1) for hour in HOURS]


@pytest.mark.parametrize(
    ("features", "members", "sentence"),
    [
        ([], {}, "mine.geojson is not a GeoJSON FeatureCollection with features in it: save it as one."),
        ("abc", {}, "mine.geojson is not a GeoJSON FeatureCollection with features in it: save it as one."),
        ([*GOOD, {"type": "Feature"}], {}, "mine.geojson, feature 4: it has no valid geometry or no properties."),
        ([*GOOD, 7], {}, "mine.geojson, feature 4: it has no valid geometry or no properties."),
        (
            [*GOOD, {"properties": {}, "geometry": {"type": "Polygon", "coordinates": [1]}}],
            {},
            "mine.geojson, feature 4: it has no valid geometry or no properties.",
        ),
        (METRES, {}, "mine.geojson, value 1: 'POINT (681000 4849000)' is not a geometry in degrees."),
        (GOOD, {"crs": {"properties": {"name": "moon"}}}, "mine.geojson names a CRS that is unknown: save it in WGS84"),
        (GOOD, {"crs": "moon"}, "mine.geojson names a CRS that is unknown: save it in WGS84 (EPSG:4326)."),
        (GOOD, {"time": HOURS}, "mine.geojson has a list of times but no array of traffic in its features"),
        ([point(11, 43, traffic=[1])], {"time": HOURS}, "mine.geojson, feature 1: it has 1 values for 3 times."),
        ([point(11, 43, traffic=[1, -2, 3])], {"time": HOURS}, "mine.geojson, value 2: the volume -2 is negative."),
        (
            [point(11, 43, traffic=[1, {}, 3])],
            {"time": HOURS},
            "mine.geojson, value 2: the volume '{}' is not a number",
        ),
        (
            [point(11, 43, traffic=[1, 2, 3])],
            {"time": [0, [], {}]},
            "mine.geojson, value 1: the time '0' cannot be read",
        ),
    ],
)
def test_bad_files_get_one_sentence(written, features, members, sentence):
    with pytest.raises(DataError) as error:
        read_measurements(written(features, **members))
    assert str(error.value).startswith(sentence) and str(error.value).endswith(".")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"<VRTDataset/>", b"[" * 100_000, b"[1]"])
def test_files_that_are_no_geojson(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"mine.json is no"):
        read_measurements(path)
