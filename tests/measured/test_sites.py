"""Sites: who serves which grid, and totals that stay."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from zoomdiff.errors import DataError
from zoomdiff.measured.sites import assign, to_sites
from zoomdiff.region import Region

REGION = Region.from_bbox((11.25, 43.76, 11.262, 43.768))


@st.composite
def some_sites(draw) -> np.ndarray:
    """(n, 2) lon/lat of 1-12 sites in and around REGION; some may be at the same place."""
    west, south, east, north = REGION.bounds
    place = st.tuples(st.floats(west - 0.01, east + 0.01), st.floats(south - 0.01, north + 0.01))
    return np.array(draw(st.lists(place, min_size=1, max_size=12)))


def distances(sites: np.ndarray) -> np.ndarray:
    """(H, W, n) metres from each grid's centre, the slow and obvious way: through lon/lat and back."""
    to_frame = Transformer.from_crs(4326, REGION.crs, always_xy=True)
    centres = np.stack(to_frame.transform(*np.moveaxis(REGION.centres(), -1, 0)), -1)
    at = np.stack(to_frame.transform(*sites.T), -1)
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
def test_totals_are_kept(sites, seed):
    rng = np.random.default_rng(seed)
    volumes = rng.integers(0, 10**10, (5, *REGION.shape)).astype(float)
    assignment = assign(REGION, sites)
    per_site = to_sites(volumes, assignment, len(sites))
    assert per_site.shape == (5, len(sites))
    np.testing.assert_array_equal(per_site.sum(1), volumes.sum((1, 2)))  # whole bytes: exact
    for site in range(len(sites)):
        np.testing.assert_array_equal(per_site[:, site], volumes[:, assignment == site].sum(1))


def test_sites_that_cannot_serve():
    for sites, sentence in (
        (np.zeros((0, 2)), "There is no site"),
        (np.array([[11.25, 43.76], [11.25, 95]]), "Site 1 is not within -180..180, -90..90"),
        (np.array([[11.25, np.nan]]), "Site 0 is not within"),
        (np.array([[101.25, 0.0]]), "Site 0 is too far from the region"),
    ):
        with pytest.raises(DataError, match=sentence):
            assign(REGION, sites)


def test_sums_need_matching_shapes():
    assignment = np.array([[0, 2]])
    assert to_sites(np.ones((3, 1, 2)), assignment, 3).tolist() == [[1, 0, 1]] * 3
    assert to_sites(np.ones((3, 1, 2), np.float32), assignment, 4).shape == (3, 4)
    with pytest.raises(ValueError, match="the assignment goes to site 2, but there are 2"):
        to_sites(np.ones((3, 1, 2)), assignment, 2)
    with pytest.raises(ValueError, match="do not have the"):
        to_sites(np.ones((3, 2, 2)), assignment, 3)


def test_real_sites_of_milan(shared_data):
    sites = pd.read_csv(shared_data / "traffic" / "milan" / "aggregated_bs_data-LTE.csv").rename(columns={"lng": "lon"})
    region = Region.from_bbox((9.18, 45.46, 9.2, 45.47))
    assignment = assign(region, sites[["lon", "lat"]].to_numpy())
    served = np.unique(assignment)
    assert 50 < len(served) < 500  # the city centre: a site every few hundred metres
    centres = region.centres()
    apart = np.hypot(*(centres - sites[["lon", "lat"]].to_numpy()[assignment]).transpose(2, 0, 1))
    assert apart.max() < 0.01  # degrees: no square is served from far away
    volumes = np.random.default_rng(0).integers(0, 10**9, (24, *region.shape)).astype(float)
    np.testing.assert_array_equal(to_sites(volumes, assignment, len(sites)).sum(1), volumes.sum((1, 2)))
