import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zoomdiff.errors import OptionError
from zoomdiff.levels import S4T4, Hierarchy, Level, aggregate, conserve, refine, repeat

FACTORS = st.sampled_from([1, 2, 3, 4])


@st.composite
def volumes(draw, multiple_of=(1, 1)):
    """(B, T, H, W) whole bytes whose T and H, W are multiples of (time, space)."""
    space, time = multiple_of
    shape = (draw(st.integers(1, 2)), time * draw(st.integers(1, 3)), *(space * draw(st.integers(1, 3)) for _ in "hw"))
    return draw(hnp.arrays(np.float64, shape, elements=st.integers(0, 10**12).map(float)))


@st.composite
def volumes_and_factors(draw):
    space, time = draw(FACTORS), draw(FACTORS)
    return draw(volumes((space, time))), space, time


@given(volumes(), FACTORS, FACTORS)
def test_aggregate_undoes_refine(x, space, time):
    np.testing.assert_allclose(aggregate(refine(x, space, time), space, time), x, rtol=1e-14)


@given(volumes_and_factors())
def test_aggregate_keeps_the_total_and_agrees_with_the_slow_sum(case):
    x, space, time = case
    coarse = aggregate(x, space, time)
    assert coarse.sum() == x.sum()
    b, t, h, w = np.unravel_index(coarse.argmax(), coarse.shape)
    block = x[b, t * time : (t + 1) * time, h * space : (h + 1) * space, w * space : (w + 1) * space]
    assert coarse[b, t, h, w] == block.sum()


@given(volumes_and_factors())
def test_numpy_and_torch_agree(case):
    x, space, time = case
    np.testing.assert_array_equal(aggregate(torch.from_numpy(x), space, time).numpy(), aggregate(x, space, time))
    np.testing.assert_array_equal(repeat(torch.from_numpy(x), space, time).numpy(), repeat(x, space, time))


def test_aggregate_refuses_a_ragged_array():
    with pytest.raises(ValueError, match="not a multiple"):
        aggregate(np.ones((3, 4, 4)), 2, 2)


def test_s4t4_is_the_papers():
    assert [(level.side, level.hours) for level in S4T4] == [(400, 24), (200, 4), (100, 2), (50, 1)]
    assert S4T4.block == 8
    assert [S4T4.fine_pieces(k) for k in range(4)] == [64 * 24, 16 * 4, 4 * 2, 1]
    assert [S4T4.between(k, k + 1) for k in range(3)] == [(2, 6), (2, 2), (2, 2)]
    shapes = [x.shape for x in S4T4.pyramid(np.zeros((168, 16, 24)))]
    assert shapes == [(7, 2, 3), (42, 4, 6), (84, 8, 12), (168, 16, 24)]


def test_other_hierarchies_and_units_fit():
    s3t2 = Hierarchy((Level("bs", "", 400, 2), Level("cell", "", 200, 1), Level("grid100", "", 100, 1)))
    assert s3t2.block == 4 and s3t2.between(1, 2) == (2, 1)
    milan = Hierarchy((Level("a", "", 470, 1), Level("b", "", 235, 1)))
    assert milan.pyramid(np.ones((24, 4, 4)))[0].shape == (24, 2, 2)
    with pytest.raises(OptionError, match="evenly"):
        Hierarchy((Level("fine", "", 50, 1), Level("coarse", "", 100, 1)))
    with pytest.raises(OptionError, match="day"):
        Level("odd", "", 50, 5)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "../evil"}, "name of a level must be up to 40 letters"),
        ({"name": ""}, "name of a level"),
        ({"name": 5}, "name of a level"),
        ({"title": "two\nlines"}, "title of a level must be one line of text"),
        ({"side": 0.5}, "side of level a must be a number from 25 to 100,000, not 0.5"),
        ({"side": float("nan")}, "side of level a"),
        ({"side": "50"}, "side of level a"),
        ({"hours": 1.0}, "hours of level a must be a whole number from 1 to 24, not 1.0"),
        ({"hours": True}, "hours of level a"),
    ],
)
def test_levels_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(OptionError, match=words):
        Level(**{"name": "a", "title": "", "side": 50, "hours": 1} | wrong)


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ((), "must be a tuple of 1 to 16"),
        ((1, 2), "must be a tuple of 1 to 16"),
        ([Level("a", "", 50, 1)], "must be a tuple of 1 to 16"),
        (tuple(Level(f"a{k}", "", 50, 1) for k in range(17)), "must be a tuple of 1 to 16"),
        ((Level("a", "", 100, 1), Level("A", "", 50, 1)), "do not all have different names"),
        ((Level("a", "", 6400, 1), Level("b", "", 50, 1)), "128 times as wide as those of b: at most 64"),
    ],
    ids=str,
)
def test_hierarchies_that_cannot_be_are_refused(levels, words):
    with pytest.raises(OptionError, match=words):
        Hierarchy(levels)


SMALL = Hierarchy((Level("a", "", 200, 24), Level("b", "", 100, 12), Level("c", "", 50, 6)))


@st.composite
def free_levels(draw):
    """Levels of SMALL that do not agree, as a sampler makes them."""
    values = st.one_of(st.just(0.0), st.floats(1.0, 1e9))
    shapes = [(24 // level.hours, 200 // level.side, 200 // level.side) for level in SMALL]
    return [draw(hnp.arrays(np.float64, shape, elements=values)) for shape in shapes]


@given(free_levels(), st.sampled_from(["bottom_up", "top_down"]))
def test_conserve_makes_levels_agree_and_keeps_its_reference(levels, mode):
    kept = conserve(levels, SMALL, mode)
    for k in range(2):
        np.testing.assert_allclose(aggregate(kept[k + 1], *SMALL.between(k, k + 1)), kept[k], rtol=1e-9, atol=1e-6)
    assert all((x >= 0).all() for x in kept)
    reference = -1 if mode == "bottom_up" else 0
    np.testing.assert_array_equal(kept[reference], levels[reference])


@given(free_levels())
def test_top_down_keeps_zeros_where_the_block_has_traffic(levels):
    kept = conserve(levels, SMALL, "top_down")
    for k in (1, 2):
        has_traffic = repeat(aggregate(levels[k], *SMALL.between(k - 1, k)) > 0, *SMALL.between(k - 1, k))
        assert (kept[k][has_traffic & (levels[k] == 0)] == 0).all()


def test_conserve_works_on_torch_and_refuses_unknown_modes():
    levels = [torch.ones(1, 1, 1), torch.rand(2, 2, 2) + 0.1, torch.rand(4, 4, 4) + 0.1]
    assert torch.allclose(aggregate(conserve(levels, SMALL, "top_down")[2], 4, 4), levels[0])
    with pytest.raises(ValueError, match="sideways"):
        conserve(levels, SMALL, "sideways")


def test_maps_and_contexts_do_without_torch():
    """Torch takes more than a second to import, which somebody who only wants a context should not wait for."""
    code = "import sys, zoomdiff.context.netcdf, zoomdiff.context.maps; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
