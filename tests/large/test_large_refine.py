"""Measured traffic of a network, refined piece by piece: as in one piece, and every base station keeps its bytes."""

from datetime import datetime
from functools import partial

import numpy as np
import pytest
import shapely
import xarray as xr
from quick import QUICK, digest

from zoomdiff.context import build_uec, read_map
from zoomdiff.errors import DataError, OptionError
from zoomdiff.generation import refine
from zoomdiff.large import open_store
from zoomdiff.large.reproduce import StoreRecipe
from zoomdiff.measured.fit import NONE, fit
from zoomdiff.measured.traffic import MeasuredTraffic
from zoomdiff.region import Region

BOX = (24.9362, 60.1660, 24.9520, 60.1780)


def network(sites: int, hours: int) -> MeasuredTraffic:
    """Sites in and around the region, two of them in one square, one of them silent."""
    chance = np.random.default_rng(sites)
    lonlat = chance.uniform((24.932, 60.164), (24.956, 60.180), (sites, 2))
    lonlat[1] = lonlat[0] = 24.944, 60.172
    traffic = chance.integers(1, 10**9, (168 // hours, sites)).astype(float)
    traffic[:, 2] = 0
    about = {"unit": "bytes", "name": "a network", "source": "network.csv", "licence": "none"}
    return MeasuredTraffic(traffic, 60 * hours, **about, start=datetime(2025, 3, 3), lonlat=lonlat)


@pytest.fixture(scope="module")
def in_one_piece(model):
    """The measured traffic, what it is in the region, and the week refined at once."""
    uec = build_uec(read_map("helsinki"), Region.from_bbox(BOX))

    def made(sites, hours):
        measured = network(sites, hours)
        fitted = fit(measured, uec)
        return measured, fitted, refine(model, uec, fitted, seed=1, sampling=QUICK)

    return made


@pytest.mark.parametrize(("sites", "hours", "level"), [(9, 24, "bs"), (60, 4, "cell"), (300, 1, "grid100")])
def test_it_is_the_refined_week_of_one_piece(run, in_one_piece, sites, hours, level):
    measured, fitted, expected = in_one_piece(sites, hours)
    store = run(region=BOX, measured=measured)
    finest = xr.open_zarr(store, group="grid50", consolidated=False).traffic.to_numpy()
    assert abs(finest - expected.volumes[-1]).max() <= 1e-4 * expected.volumes[-1].max()
    for k in range(len(fitted.ids)):  # every step of every base station has its bytes
        of_site = finest[:, fitted.zones == k].sum(1).reshape(-1, hours).sum(1)
        np.testing.assert_allclose(of_site, fitted.traffic[:, k], rtol=1e-9, atol=1e-3)
    assert not finest[:, fitted.zones == NONE].any()
    about = open_store(store).about
    assert about["refined_from"] == level == fitted.level and about["held_to"] == expected.provenance["held_to"]
    assert about["notes"] == expected.provenance["notes"]


def test_a_stop_changes_no_byte(run):
    measured = network(9, 4)
    whole = digest(run("whole.zarr", region=BOX, measured=measured))

    class Stop(Exception):
        pass

    def stop(stage, *at, name, done):
        if (stage, at[0]) == (name, done):
            raise Stop

    for name in ("context", "spread", "grid50", "hold"):
        with pytest.raises(Stop):
            run(region=BOX, measured=measured, on_piece=partial(stop, name=name, done=2))
    store = run(region=BOX, measured=measured)
    assert digest(store) == whole
    with pytest.raises(OptionError, match="was made with another measured traffic"):
        run(region=BOX, measured=network(10, 4))
    with pytest.raises(OptionError, match="was refined from measured traffic: give the table to zoomdiff refine"):
        StoreRecipe.of(open_store(store))


def test_where_nothing_was_measured_nothing_is(run):
    measured = network(60, 4)
    measured.traffic[:, 2:] = 0  # but at one place
    store = run(region=BOX, measured=measured)
    finest = xr.open_zarr(store, group="grid50", consolidated=False).traffic
    np.testing.assert_allclose(finest.sum(), measured.traffic.sum(), rtol=1e-9)
    assert (finest.sum("time") > 0).sum() < 100


def test_what_cannot_be_refined_is_one_sentence(run):
    far = network(9, 4)
    far.lonlat[:] = 5.0, 50.0
    with pytest.raises(DataError, match=r"^network.csv has nothing in the region: its places are around 50.0000"):
        run(region=BOX, measured=far)
    squares = np.array([shapely.box(24.94, 60.17, 24.95, 60.18)] * 9)
    polygons = network(9, 4)
    object.__setattr__(polygons, "polygons", squares)
    with pytest.raises(DataError, match=r"^network.csv has polygons, which are refined for regions that are made at"):
        run(region=BOX, measured=polygons)
