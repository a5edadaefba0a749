"""Pieces: together the region, each with the ground that it sees."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from zoomdiff.extent import Extent
from zoomdiff.large.layout import Layout, Window
from zoomdiff.region import Region


def layout(west: float, south: float, wide: float, high: float) -> Layout:
    return Layout(Extent.of(shapely.box(west, south, west + wide, south + high)))


boxes = st.builds(layout, st.floats(7, 8), st.floats(45, 46), st.floats(0.005, 0.2), st.floats(0.005, 0.2))


@given(boxes)
def test_the_pieces_of_each_level_are_the_region(layout):
    inside = layout.region(layout.whole).blocks
    for k in range(4):
        seen = np.zeros((layout.whole.rows, layout.whole.cols), int)
        for piece in layout.pieces(k):
            seen[piece.slices(1)] += 1
        assert (seen[inside] == 1).all() and seen.max() == 1


@given(boxes)
def test_the_region_is_that_of_a_small_one(layout):
    region = Region.from_polygon(layout.extent.polygon)
    found = layout.region(layout.whole)
    row, col = region.row - found.row, region.col - found.col
    rows, cols = region.blocks.shape
    assert found.blocks.sum() == region.blocks.sum()
    np.testing.assert_array_equal(found.blocks[row : row + rows, col : col + cols], region.blocks)


def test_pieces_that_the_region_does_not_touch_are_left_out():
    corner = shapely.Polygon([(7, 45), (7.5, 45), (7, 45.5)])
    layout = Layout(Extent.of(corner))
    here, all_pieces = layout.pieces(-1), list(layout._grid(layout.side(-1)))
    assert 0.4 * len(all_pieces) < len(here) < 0.8 * len(all_pieces)
    assert sum(layout.region(piece).blocks.sum() for piece in here) == Region.from_polygon(corner).blocks.sum()


def test_what_is_seen_around_ends_with_the_raster():
    of = layout(7, 45, 0.1, 0.1)
    assert of.around(of.whole, 5) == of.whole
    assert of.around(Window(3, 4, 2, 2), 2) == Window(1, 2, 6, 6)
    assert Window(3, 4, 2, 2).within(Window(1, 2, 6, 6)).slices(8) == (slice(16, 32), slice(16, 32))


@pytest.mark.parametrize("k, side", [(0, 16), (1, 8), (2, 4), (3, 2)])
def test_a_piece_has_as_many_cells_at_each_level(k, side):
    assert layout(7, 45, 0.1, 0.1).side(k) == side
