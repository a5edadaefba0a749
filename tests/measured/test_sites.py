"""Sites: OpenCelliD's layout, who serves which grid, and totals that stay."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from zoomdiff.errors import DataError
from zoomdiff.measured.sites import OPENCELLID, SPACING, USERS_PER_SITE, assign, place_sites, read_opencellid, to_sites
from zoomdiff.region import Region

REGION = Region.from_bbox((11.25, 43.76, 11.262, 43.768))
ROWS = """LTE,222,10,41000,12801,0,11.2501,43.7601,900,12,1,1459692342,1488347104,0
LTE,222,10,41000,12802,0,11.25012,43.76012,1200,8,1,1459692342,1488347104,0
UMTS,222,1,41001,555,0,11.26,43.768,0,1,1,1459692342,1488347104,0
GSM,222,1,41001,556,,11.25011,43.76011,35000,30,1,1459692342,1488347104,
GSM,222,1,41001,557,,12.5,41.9,1000,1,1,1459692342,1488347104,
"""


@st.composite
def some_sites(draw) -> np.ndarray:
    """(n, 2) lon/lat of 1-12 sites in and around REGION; some may stand at the same place."""
    west, south, east, north = REGION.bounds
    place = st.tuples(st.floats(west - 0.01, east + 0.01), st.floats(south - 0.01, north + 0.01))
    return np.array(draw(st.lists(place, min_size=1, max_size=12)))


def distances(sites: np.ndarray) -> np.ndarray:
    """(H, W, n) metres from each grid's centre, the slow and obvious way: through lon/lat and back."""
    to_utm = Transformer.from_crs(4326, REGION.crs, always_xy=True)
    centres = np.stack(to_utm.transform(*np.moveaxis(REGION.centres(), -1, 0)), -1)
    at = np.stack(to_utm.transform(*sites.T), -1)
    return np.sqrt(((centres[:, :, None] - at) ** 2).sum(-1))


def of_chosen(values: np.ndarray, assignment: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, assignment[..., None], -1)[..., 0]


@given(some_sites())
@settings(max_examples=30)
def test_the_nearest_site_wins(sites):
    assignment = assign(REGION, sites)
    assert assignment.shape == REGION.shape
    metres = distances(sites)  # compared as distances: of two at the same one, either may win
    np.testing.assert_allclose(of_chosen(metres, assignment), metres.min(-1), atol=1e-3)


@given(some_sites(), st.integers(0, 1000))
@settings(max_examples=30)
def test_weights_let_strong_sites_reach_further(sites, seed):
    weights = np.random.default_rng(seed).uniform(0.2, 5, len(sites))
    assignment = assign(REGION, sites, weights)
    cost = distances(sites) / weights
    np.testing.assert_allclose(of_chosen(cost, assignment), cost.min(-1), atol=1e-2)


@given(some_sites(), st.floats(0.01, 100))
@settings(max_examples=30)
def test_equal_weights_are_as_none(sites, weight):
    metres = distances(sites)
    weighted = assign(REGION, sites, np.full(len(sites), weight))
    np.testing.assert_allclose(of_chosen(metres, weighted), of_chosen(metres, assign(REGION, sites)), atol=1e-3)


@given(some_sites(), st.integers(0, 1000))
@settings(max_examples=30)
def test_totals_are_kept(sites, seed):
    rng = np.random.default_rng(seed)
    volumes = rng.integers(0, 10**10, (5, *REGION.shape)).astype(float)
    assignment = assign(REGION, sites, rng.uniform(0.5, 2, len(sites)))
    per_site = to_sites(volumes, assignment, len(sites))
    assert per_site.shape == (5, len(sites))
    np.testing.assert_array_equal(per_site.sum(1), volumes.sum((1, 2)))  # whole bytes: exact
    for site in range(len(sites)):
        np.testing.assert_array_equal(per_site[:, site], volumes[:, assignment == site].sum(1))


def test_batches_change_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    sites = rng.uniform((11.25, 43.76), (11.262, 43.768), (9, 2))
    weights = rng.uniform(0.5, 2, 9)
    whole = assign(REGION, sites, weights)
    monkeypatch.setattr("zoomdiff.measured.sites.DISTANCES_AT_ONCE", 100)
    np.testing.assert_array_equal(assign(REGION, sites, weights), whole)


def test_sites_that_cannot_serve():
    for sites, sentence in (
        (np.zeros((0, 2)), "There is no site"),
        (np.array([[11.25, 43.76], [11.25, 95]]), "Site 1 does not stand on Earth"),
        (np.array([[11.25, np.nan]]), "Site 0 does not stand on Earth"),
        (np.array([[101.25, 0.0]]), "Site 0 is too far from the region"),
    ):
        with pytest.raises(DataError, match=sentence):
            assign(REGION, sites)
    for weights in ([1.0], [1.0, 0.0], [1.0, -1.0], [1.0, np.inf]):
        with pytest.raises(DataError, match="not 2 positive numbers"):
            assign(REGION, np.array([[11.25, 43.76], [11.26, 43.76]]), np.array(weights))


def test_sums_need_matching_shapes():
    assignment = np.array([[0, 2]])
    assert to_sites(np.ones((3, 1, 2)), assignment).tolist() == [[1, 0, 1]] * 3
    assert to_sites(np.ones((3, 1, 2), np.float32), assignment, 4).shape == (3, 4)
    with pytest.raises(ValueError, match="the assignment goes to site 2, but there are 2"):
        to_sites(np.ones((3, 1, 2)), assignment, 2)
    with pytest.raises(ValueError, match="do not have the"):
        to_sites(np.ones((3, 2, 2)), assignment)


@pytest.mark.parametrize("header", ["", ",".join(OPENCELLID) + "\n"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_opencellid(tmp_path, header, suffix):
    path = tmp_path / f"222{suffix}"
    text = (header + ROWS).encode()
    path.write_bytes(gzip.compress(text) if suffix == ".csv.gz" else text)
    sites = read_opencellid(path)
    assert sites.columns.to_list() == ["site", "lon", "lat", "cells", "radio", "range", "samples"]
    assert sites.cells.to_list() == [3, 1, 1] and sites.radio.to_list() == ["GSM+LTE", "UMTS", "GSM"]
    assert sites.range.to_list() == [35000, 0, 1000] and sites.samples.to_list() == [50, 1, 1]
    assert sites.lon[0] == pytest.approx(11.25011) and sites.lat[0] == pytest.approx(43.76011)
    near = read_opencellid(path, bounds=(11.2, 43.7, 11.3, 43.8))
    assert len(near) == 2 and set(np.unique(assign(REGION, near))) == {0, 1}
    assert len(read_opencellid(path, decimals=5)) == 5


def test_opencellid_errors(tmp_path):
    path = tmp_path / "222.csv"
    path.write_text(",".join(OPENCELLID) + "\n" + ROWS.replace("11.26,", "11.26 E,"))
    for bounds, text, sentence in (
        (None, path.read_text(), "222.csv, line 4: the longitude '11.26 E' is not a number."),
        (
            None,
            ROWS.replace("43.768", "143.768"),
            "222.csv, line 3: the latitude 143.768 is not within -90..90 degrees.",
        ),
        ((0, 0, 1, 1), ROWS, "222.csv holds no cell inside the bounds."),
        (None, "", "222.csv cannot be read as a CSV file of OpenCelliD."),
    ):
        path.write_text(text)
        with pytest.raises(DataError) as error:
            read_opencellid(path, bounds=bounds)
        assert str(error.value) == sentence
    with pytest.raises(DataError, match="cannot be read as a CSV file"):
        read_opencellid(tmp_path / "none.csv")


def test_chunks_count_lines_through(tmp_path, monkeypatch):
    path = tmp_path / "222.csv"
    path.write_text(ROWS.replace("12.5", "x"))
    monkeypatch.setattr("zoomdiff.measured.sites.ROWS_AT_ONCE", 2)
    with pytest.raises(DataError, match="line 5: the longitude 'x'"):
        read_opencellid(path)
    path.write_text(ROWS)
    assert read_opencellid(path).cells.to_list() == [3, 1, 1]


def test_real_sites_of_milan(shared_data):
    sites = pd.read_csv(shared_data / "traffic" / "milan" / "aggregated_bs_data-LTE.csv").rename(columns={"lng": "lon"})
    region = Region.from_bbox((9.18, 45.46, 9.2, 45.47))
    assignment = assign(region, sites)
    served = np.unique(assignment)
    assert 50 < len(served) < 500  # the city centre: a site every few hundred metres
    centres = region.centres()
    apart = np.hypot(*(centres - sites[["lon", "lat"]].to_numpy()[assignment]).transpose(2, 0, 1))
    assert apart.max() < 0.01  # degrees: nobody is served from far away
    volumes = np.random.default_rng(0).integers(0, 10**9, (24, *region.shape)).astype(float)
    np.testing.assert_array_equal(to_sites(volumes, assignment, len(sites)).sum(1), volumes.sum((1, 2)))


def test_placed_sites_are_closer_where_more_people_are():
    wide = Region.from_bbox((11.20, 43.72, 11.28, 43.78))
    users = np.zeros(wide.shape)
    middle = users.shape[1] // 2
    users[:, :middle] = 10.0  # 4,000 per km2
    users[:, middle : middle + 8] = 0.0
    users[:, middle + 8 :] = 1.0
    sites = place_sites(wide, users, 1)
    served = to_sites(users[None], assign(wide, sites))[0]
    assert served.mean() == pytest.approx(USERS_PER_SITE, rel=0.35)
    west = (assign(wide, sites)[:, :middle]).ravel()
    assert len(np.unique(west)) > 3 * len(np.unique(assign(wide, sites)[:, middle + 8 :]))
    at = distances_between(wide, sites)
    assert at[at > 0].min() > 0.7 * SPACING[0]
    pd.testing.assert_frame_equal(sites, place_sites(wide, users, 1))
    assert not sites[["lon", "lat"]].equals(place_sites(wide, users, 2)[["lon", "lat"]])


def distances_between(region: Region, sites: pd.DataFrame) -> np.ndarray:
    x, y = Transformer.from_crs(4326, region.crs, always_xy=True).transform(sites.lon, sites.lat)
    return np.hypot(np.subtract.outer(x, x), np.subtract.outer(y, y))


def test_no_site_where_nobody_is_and_one_for_a_hamlet():
    users = np.zeros(REGION.shape)
    assert place_sites(REGION, users, 0).empty
    users[3, 4] = 1.0
    sites = place_sites(REGION, users, 0)
    assert len(sites) == 1 and REGION.cell_at(sites.lon[0], sites.lat[0]) == (3, 4)
