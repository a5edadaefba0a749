"""What the map component is sent, and what is believed of its answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from zoomdiff.app import zoommap
from zoomdiff.app.colours import Scale

from zoomdiff.levels import S4T4

VOLUMES = arrays(np.float64, st.integers(1, 40), elements=st.integers(0, 10**15).map(float))


def decode(codes: np.ndarray, most: float) -> np.ndarray:
    """As app/frontend/src/colour.ts does."""
    return most * (codes / 255.0) ** 3


@given(VOLUMES)
def test_codes_give_volumes_to_a_few_per_cent(volumes):
    codes, most = zoommap.encode(volumes)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes > 0, volumes > 0)
    large = volumes > most / 1000  # three decades, as many as a logarithmic scale shows
    np.testing.assert_allclose(decode(codes, most)[large], volumes[large], rtol=0.065)


@given(VOLUMES)
def test_codes_keep_the_order(volumes):
    codes, _ = zoommap.encode(volumes)
    assert (np.diff(codes[np.argsort(volumes)].astype(int)) >= 0).all()
    assert codes.max() == (255 if volumes.any() else 0)


def test_a_sheet_is_named_by_what_it_holds(week):
    scale = Scale.of(week.volumes[1])
    one, same = zoommap.sheet(week.volumes[1], scale), zoommap.sheet(week.volumes[1], scale)
    assert one == same and len(one.codes) == week.volumes[1].size and one.top == scale.top
    assert zoommap.sheet(week.volumes[1] * 2, scale).feed != one.feed, "equal codes of other volumes"
    assert zoommap.sheet(week.volumes[1], scale, "live").feed == "live"


def test_a_view_is_read():
    sent = {"level": 2, "hour": 66, "places": [[1, 2], [23, 15]]}
    assert zoommap._read_view(sent, S4T4, (24, 16)) == zoommap.View(2, 66, ((1, 2), (23, 15)))
    assert zoommap._read_view(sent | {"look": "logarithmic"}, S4T4, (24, 16)).logarithmic
    assert not zoommap._read_view(sent | {"look": ["?"]}, S4T4, (24, 16)).logarithmic


@pytest.mark.parametrize(
    "change",
    [
        {"level": 4},
        {"level": -1},
        {"level": "two"},
        {"hour": 168},
        {"hour": None},
        {"places": [[24, 0]]},
        {"places": [[0, -1]]},
        {"places": [[1]]},
        {"places": 3},
    ],
)
def test_a_view_that_makes_no_sense_is_not_believed(change):
    assert zoommap._read_view({"level": 2, "hour": 66, "places": [], **change}, S4T4, (24, 16)) is None
    assert zoommap._read_view(None, S4T4, (24, 16)) is None
