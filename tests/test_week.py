"""A week and its files: levels agree, words are for people, GeoJSON opens elsewhere and reads back the same."""

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from zoomdiff.errors import OptionError
from zoomdiff.export import read_geojson, to_geojson
from zoomdiff.levels import S4T4
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek, human_bytes


def made_up_week(seed=0, polygon=None) -> TrafficWeek:
    polygon = polygon or shapely.Polygon([(24.93, 60.16), (24.95, 60.16), (24.95, 60.175)])
    region = Region.from_polygon(polygon)
    rng = np.random.default_rng(seed)
    finest = np.round(rng.lognormal(15, 2, (168, *region.shape))) * region.mask()
    return TrafficWeek(region, tuple(S4T4.pyramid(finest)), {"seed": seed, "sources": ["made up"]})


def test_levels_must_agree_fit_and_be_finite():
    good = made_up_week()
    *coarse, finest = good.volumes
    with pytest.raises(ValueError, match="not the sum"):
        TrafficWeek(good.region, (*coarse, finest * 1.01))
    with pytest.raises(ValueError, match="shape"):
        TrafficWeek(good.region, (*coarse, finest[:, :8]))
    with pytest.raises(ValueError, match="negative"):
        TrafficWeek(good.region, (*coarse, -finest))
    totals = [good.total(k) for k in range(4)]
    assert totals == [totals[0]] * 4


def test_words_for_people():
    week = made_up_week()
    assert week.time_label(0, 6) == "Sun"
    assert week.time_label(2, 7) == "Mon 14:00-16:00"
    assert week.time_label(3, 167) == "Sun 23:00-24:00"
    assert week.times(1)[1].isoformat() == "2025-03-03T04:00:00" and week.times(1)[0].weekday() == 0
    assert [human_bytes(v) for v in (0, 999, 1234, 1.5e9, 2e18)] == ["0 B", "999 B", "1.23 kB", "1.5 GB", "2e+03 PB"]
    assert "km2" in repr(week)


@given(st.integers(0, 100))
@settings(max_examples=5)
def test_geojson_round_trip(seed):
    week = made_up_week(seed)
    for k in range(4):
        data = json.loads(to_geojson(week, k))
        assert len(data["time"]) == week.volumes[k].shape[0] and data["unit"] == "byte"
        mask, region = week.region.mask(k), week.region
        assert len(data["features"]) == mask.sum()
        back = np.zeros_like(week.volumes[k])
        per_block = back.shape[1] // region.blocks.shape[0]
        for feature in data["features"]:
            p = feature["properties"]
            back[:, p["row"] - region.row * per_block, p["col"] - region.col * per_block] = p["traffic"]
        np.testing.assert_array_equal(back, week.volumes[k])


def test_files_open_in_geopandas_where_they_belong(tmp_path):
    week = made_up_week()
    paths = week.save(tmp_path / "new" / "folder")
    assert [p.name for p in paths] == ["bs.geojson", "cell.geojson", "grid100.geojson", "grid50.geojson"]
    assert sorted(p.name for p in paths[0].parent.iterdir()) == sorted(p.name for p in paths)
    for k, path in enumerate(paths):
        frame = gpd.read_file(path)
        assert frame.crs.to_epsg() == 4326 and frame.is_valid.all()
        area = frame.to_crs(week.region.epsg).area
        np.testing.assert_allclose(area, S4T4[k].side ** 2, rtol=1e-3)
        # RFC 7946: rings run counter-clockwise. The file itself is checked, as geopandas may reorder.
        ring = json.loads(path.read_text())["features"][0]["geometry"]["coordinates"][0]
        assert shapely.LinearRing(ring).is_ccw and ring[0] == ring[-1]
        lon, lat = week.region.centres(k)[tuple(np.argwhere(week.region.mask(k))[0])]
        assert shapely.Polygon(ring).contains(shapely.Point(lon, lat))


def test_read_geojson_undoes_save(tmp_path):
    week = made_up_week()
    region = week.region
    for k, path in enumerate(week.save(tmp_path)):
        volumes, frame, level = read_geojson(path)
        np.testing.assert_array_equal(volumes, week.volumes[k])
        assert level == S4T4[k].name
        assert (frame.epsg, frame.row, frame.col) == (region.epsg, region.row, region.col)
        np.testing.assert_array_equal(frame.blocks, region.blocks)
    (tmp_path / "other.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(OptionError, match="not a GeoJSON file that ZoomDiff wrote"):
        read_geojson(tmp_path / "other.geojson")


def test_a_folder_that_cannot_be_written_gets_one_sentence_and_no_half_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="cannot be written"):
        made_up_week().save(tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
