from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zoomdiff.diffusion.samplers import ancestral, ddim
from zoomdiff.diffusion.schedule import few_steps, nodes, segmented_noise


def test_nodes_are_the_papers():
    assert nodes(4) == [600, 450, 300, 150, 0]
    assert nodes(3, 400) == [400, 266, 133, 0]


@given(st.integers(1, 400))
def test_segmented_noise_is_clean_at_the_node_and_pure_noise_at_the_end(stage_steps):
    abar = segmented_noise(stage_steps)
    assert len(abar) == stage_steps + 1
    assert abar[0] == 1 and abar[-1] == 0
    assert (abar.diff() < 0).all()


@given(st.integers(1, 300), st.data())
def test_few_steps_walk_the_whole_stage_downwards(stage_steps, data):
    budget = data.draw(st.integers(1, stage_steps))
    walk = few_steps(stage_steps, budget)
    assert walk[0] == stage_steps and walk[-1] == 0 and len(walk) == budget + 1
    assert all(a > b for a, b in pairwise(walk))
    assert few_steps(stage_steps, stage_steps) == list(range(stage_steps, -1, -1))


def test_more_strides_than_steps_are_refused():
    with pytest.raises(ValueError, match="strides"):
        few_steps(10, 11)


def sample_by_oracle(sampler, budget, prior, s, stage_steps=150):
    """y = H + s r, r standard normal, generated with the true posterior mean E[r | r_m] = sqrt(abar) r_m."""
    generator = torch.Generator().manual_seed(0)
    abar = segmented_noise(stage_steps).double()

    def noise():
        return torch.randn(prior.shape, generator=generator, dtype=torch.float64)

    r = noise()
    walk = few_steps(stage_steps, budget)
    for m, m_next in pairwise(walk):
        r = sampler(r, abar[m].sqrt() * r, abar[m], abar[m_next], noise)
    return prior + s * r


@pytest.mark.parametrize("prior_scale", [1.0, 3.0])
def test_an_oracle_reproduces_the_prior_with_slope_one(prior_scale):
    prior = prior_scale * torch.randn(200_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = sample_by_oracle(ancestral, 150, prior, s=0.3)
    slope = ((y - y.mean()) * prior).mean() / prior.square().mean()
    assert slope == pytest.approx(1.0, abs=0.01)


def test_eq_11_as_printed_doubles_the_prior():
    """Eq. 11 adds +P, so its state is sqrt(abar)(x + H) + noise, and what a perfect denoiser recovers is x + H."""
    generator = torch.Generator().manual_seed(2)
    prior = torch.randn(200_000, generator=generator, dtype=torch.float64)
    x = prior + 0.3 * torch.randn(prior.shape, generator=generator, dtype=torch.float64)
    abar = torch.tensor(0.9999, dtype=torch.float64)
    state = abar.sqrt() * x + (1 - abar).sqrt() * (0 + (abar / (1 - abar)).sqrt() * prior)
    slope = (state * prior).mean() / prior.square().mean()
    assert slope == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(
    ("sampler", "budget", "least"), [(ancestral, 150, 0.96), (ddim, 150, 0.96), (ancestral, 20, 0.8), (ddim, 10, 0.8)]
)
def test_an_oracle_keeps_the_spread_of_a_small_residual(sampler, budget, least):
    """Few steps shrink the spread a little (method.md section 4); all of them must keep it."""
    y = sample_by_oracle(sampler, budget, torch.zeros(200_000, dtype=torch.float64), s=0.05)
    assert least < y.std() / 0.05 < 1.02


@pytest.mark.parametrize("sampler", [ancestral, ddim])
def test_nodes_are_free_of_noise_and_the_start_is_finite(sampler):
    r, r0 = torch.randn(100), torch.randn(100)

    def noise():
        return torch.full((100,), 1e6)

    one, zero, half = torch.tensor(1.0), torch.tensor(0.0), torch.tensor(0.5)
    torch.testing.assert_close(sampler(r, r0, torch.tensor(0.99), one, noise), r0)
    assert torch.isfinite(sampler(r, r0, zero, half, lambda: torch.zeros(100))).all()
