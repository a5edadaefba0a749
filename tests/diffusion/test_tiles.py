import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoomdiff.diffusion.tiles import tiles


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(0, 20), st.sampled_from([1, 2, 4, 8]))
def test_tiles_cover_every_cell_once_and_see_around_it(rows, cols, side, halo, block):
    shape = rows * block, cols * block
    covered = np.zeros(shape, int)
    for tile in tiles(shape, side * block, halo, block):
        covered[tile.target] += 1
        for (outer, inner, target), size in zip(zip(*tile, strict=True), shape, strict=True):
            assert inner.stop - inner.start == target.stop - target.start
            assert outer.start + inner.start == target.start
            assert outer.start <= max(0, target.start - halo) and outer.stop >= min(size, target.stop + halo)
            assert outer.start % block == 0 and outer.stop % block == 0
    assert (covered == 1).all()


def test_pieces_of_blocks_are_refused():
    with pytest.raises(ValueError, match="whole blocks"):
        list(tiles((16, 16), 12, 6, 8))
    with pytest.raises(ValueError, match="whole blocks"):
        list(tiles((16, 12), 8, 6, 8))
