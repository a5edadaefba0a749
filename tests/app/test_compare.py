"""Curves, the colours of a difference, and words."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from zoomdiff.app import compare


@pytest.mark.parametrize("steps", [7, 42, 84, 168])
def test_the_area_below_a_curve_is_the_week_whatever_its_steps(steps):
    values = np.random.default_rng(0).gamma(1, 1e9, steps)
    figure = compare.curves({"given": values, "hours": np.full(168, 1e6)})
    line = figure.data[0]
    assert (line.name, line.line.shape, len(line.x)) == ("given", "hv", steps + 1)
    unit, _, words = figure.layout.yaxis.title.text.partition(" ")
    assert (np.diff(line.x) * line.y[:-1]).sum() * {"GB": 1e9, "MB": 1e6}[unit] == pytest.approx(values.sum())
    assert words == "per hour" and line.y[-1] == line.y[-2]
    assert figure.data[0].line.color != figure.data[1].line.color
    assert figure.data[0].line.width != figure.data[1].line.width, "distinct without colours"


@given(st.floats(1e-3, 1e15), st.floats(-2, 2))
def test_a_difference_and_its_opposite_have_opposite_colours(top, share):
    entries = compare.difference_entries(np.array([share * top, -share * top, 0.0]), top).astype(int)
    assert entries[0] - 128 == 128 - entries[1] and entries[2] == 128
    assert entries[0] == 255 or share < 1


def test_no_change_is_transparent_and_large_ones_are_not():
    alpha = compare.DIFFERENCE[:, 3]
    assert alpha[0] == alpha[128] == 0 and alpha[1] == alpha[255] == 255
    red, _, blue = compare.DIFFERENCE[255, :3].astype(int)
    assert red > blue and compare.DIFFERENCE[1, 2] > compare.DIFFERENCE[1, 0]


def test_many_tiny_changes_do_not_set_the_scale():
    difference = np.full((100, 100), 1e-3)
    difference[:3, :3] = -5e6
    assert compare.difference_top(difference) == 5e6
    assert compare.difference_top(np.zeros((3, 3))) == 1


def test_the_legend_tells_what_the_ends_mean():
    legend = compare.difference_legend("A <b> minus B", 2e9, 0.9)
    assert "−2 GB (less)" in legend and "+2 GB (more)" in legend and "no change" in legend
    assert "A &lt;b&gt; minus B" in legend


def test_outlines_of_polygons_with_holes_and_of_lines():
    square = shapely.box(0, 0, 2, 2) - shapely.box(0.5, 0.5, 1, 1)
    layer = compare.outlines_layer([square, shapely.LineString([(0, 0), (1, 1)])])
    assert [len(each["p"]) for each in layer.data] == [5, 5, 2]


@pytest.mark.parametrize(
    ("before", "after", "words"), [(100, 150, "+50.0 %"), (100, 87.66, "−12.3 %"), (100, 100, "+0.0 %"), (0, 5, "–")]
)
def test_changes_in_per_cent(before, after, words):
    assert compare.percent(before, after) == words


@pytest.mark.parametrize(("volume", "words"), [(1.5e6, "+1.5 MB"), (-4000, "−4 kB"), (0, "0 B")])
def test_changes_in_bytes(volume, words):
    assert compare.signed_bytes(volume) == words


def test_on_a_dark_page_more_change_is_lighter():
    less, more = compare.DIFFERENCE_ON_DARK[1, :3].astype(int), compare.DIFFERENCE_ON_DARK[255, :3].astype(int)
    assert less[2] > less[0] and more[0] > more[2], "blue is less, red is more"
    assert min(less.sum(), more.sum()) > 2 * compare.DIFFERENCE_ON_DARK[[120, 136], :3].sum(1).max()
