"""What the speed benchmark samples; not how fast."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.speed import city, frame_of, paved
from zoomdiff.levels import S4T4


@pytest.mark.parametrize(
    ("blocks", "frame"), [(1, (1, 1)), (7, (1, 7)), (50, (5, 10)), (500, (20, 25)), (5000, (50, 100))]
)
def test_a_frame_has_exactly_the_blocks_asked_for(blocks, frame):
    assert frame_of(blocks) == frame


@pytest.mark.parametrize("shape", [(1, 2), (2, 3), (5, 7)])
def test_paving_repeats_and_cuts(shape):
    raster = np.arange(12).reshape(2, 2, 3)
    np.testing.assert_array_equal(paved(raster, shape), np.tile(raster, (1, 3, 3))[:, : shape[0], : shape[1]])


@pytest.mark.parametrize("blocks", [1, 60])
def test_a_city_of_any_size_is_whole(blocks):
    region = city(blocks, S4T4).region
    assert region.blocks.all() and region.blocks.sum() == blocks
