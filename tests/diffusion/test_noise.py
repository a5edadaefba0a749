import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zoomdiff.diffusion.noise import WorldNoise


@given(st.integers(0, 2**62), st.integers(0, 3), st.integers(0, 150), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=30)
def test_a_block_has_the_same_noise_in_any_frame(seed, level, step, down, right):
    cells = 4
    large = WorldNoise(seed, 32635, 100, 200)(level, step, (7, 6 * cells, 6 * cells), cells)
    small = WorldNoise(seed, 32635, 100 + down, 200 + right)(level, step, (7, 2 * cells, 3 * cells), cells)
    rows, cols = slice(down * cells, (down + 2) * cells), slice(right * cells, (right + 3) * cells)
    assert torch.equal(small, large[..., rows, cols])


def test_every_part_of_the_address_changes_the_numbers():
    shape = (7, 8, 8)
    base = WorldNoise(1, 32635, 10, 20)(0, 5, shape, 8)
    others = [
        WorldNoise(2, 32635, 10, 20)(0, 5, shape, 8),
        WorldNoise(1, 32636, 10, 20)(0, 5, shape, 8),
        WorldNoise(1, 32635, 11, 20)(0, 5, shape, 8),
        WorldNoise(1, 32635, 10, 21)(0, 5, shape, 8),
        WorldNoise(1, 32635, 10, 20)(1, 5, shape, 8),
        WorldNoise(1, 32635, 10, 20)(0, 6, shape, 8),
    ]
    for other in others:
        correlation = torch.corrcoef(torch.stack([base.flatten(), other.flatten()]))[0, 1]
        assert abs(correlation) < 0.2  # 448 numbers: four standard deviations


def test_it_is_standard_normal():
    field = WorldNoise(3, 32701, 0, 0)(3, 150, (168, 32, 32), 8)
    assert abs(field.mean()) < 0.01 and abs(field.std() - 1) < 0.01
