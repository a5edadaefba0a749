"""A map in tiles: a part of it is what the map itself has there."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from zoomdiff.context import read_map
from zoomdiff.context.layers import LAYERS
from zoomdiff.context.osm import helsinki
from zoomdiff.context.raster import coverage
from zoomdiff.large import tiles
from zoomdiff.large.tiles import Cutter, MapTiles, cut_map
from zoomdiff.region import Region


@pytest.fixture(scope="module")
def whole():
    return read_map("helsinki")


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """The embedded map in tiles of about 200 m."""
    folder = tmp_path_factory.mktemp("tiles")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "DEGREES", (0.004, 0.002))
        cut_map.here(helsinki(), "helsinki", None, into=folder)
        yield MapTiles(folder)


def same(one: gpd.GeoDataFrame, other: gpd.GeoDataFrame) -> bool:
    return sorted(shapely.to_wkb(one.geometry.array)) == sorted(shapely.to_wkb(other.geometry.array))


@settings(max_examples=15)
@given(west=st.floats(24.935, 24.950), south=st.floats(60.164, 60.178), wide=st.floats(1e-4, 0.01))
def test_a_part_has_every_feature_once(cut, whole, west, south, wide):
    bounds = (west, south, west + wide, south + wide / 2)
    part = cut.read(bounds)
    for name in ("buildings", "roads", "rails", "pois"):  # wide grounds are cut
        expected = getattr(whole, name).cx[bounds[0] : bounds[2], bounds[1] : bounds[3]]
        found = getattr(part, name)
        assert same(found, expected) and list(found.columns) == list(expected.columns)


def test_features_come_in_the_order_of_the_map(cut, whole):
    found = cut.read(whole.extent)
    for name in ("buildings", "roads", "pois"):
        expected = getattr(whole, name).cx[whole.extent[0] : whole.extent[2], whole.extent[1] : whole.extent[3]]
        assert list(shapely.to_wkb(found.__dict__[name].geometry.array)) == list(
            shapely.to_wkb(expected.geometry.array)
        )


def test_grounds_that_are_cut_cover_what_they_covered(cut, whole):
    region = Region.from_bbox((24.938, 60.166, 24.950, 60.176))
    for name in ("green", "water", "transport"):
        expected = coverage(whole.areas.geometry[whole.areas.aoi == name], region)
        areas = cut.read(region.bounds).areas
        np.testing.assert_allclose(coverage(areas.geometry[areas.aoi == name], region), expected, atol=1e-4)


def test_what_the_map_is_stays(cut, whole):
    about = cut.about()
    assert (about.name, about.licence, about.source, about.date) == (
        whole.name,
        whole.licence,
        whole.source,
        whole.date,
    )
    assert about.extent == whole.extent and about.repaired == whole.repaired
    assert all(len(getattr(cut.read((10, 10, 10.1, 10.1)), name)) == 0 for name in LAYERS)


def test_many_flushes_are_as_one(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(tiles, "FLUSH", 100)
    cutter = Cutter(tmp_path)
    for start in range(0, len(whole.buildings), 50):
        cutter.add({"buildings": whole.buildings.iloc[start : start + 50]})
    cutter.finish(replace(whole, name="some"))
    assert cutter.flushes > 2
    read = MapTiles(tmp_path).read(whole.extent).buildings
    assert list(shapely.to_wkb(read.geometry.array)) == list(shapely.to_wkb(whole.buildings.geometry.array))
    np.testing.assert_array_equal(read.storeys, whole.buildings.storeys)
