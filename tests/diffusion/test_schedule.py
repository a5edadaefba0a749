from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zoomdiff.diffusion.design import Design, setting
from zoomdiff.diffusion.samplers import SAMPLERS, ancestral, spread_kept
from zoomdiff.diffusion.schedule import SETTINGS, few_steps, rgp, signal_share
from zoomdiff.errors import OptionError
from zoomdiff.levels import S4T4
from zoomdiff.sampling import SAMPLERS as NAMES


@pytest.mark.parametrize(
    ("preference", "stages"),
    [
        # Of uniform the paper's table calls the second stage (1 h, Cell), too: but time changes at n = 200 only.
        ("uniform", [(400, 2, 267), (200, 2, 200), (200, 1, 133), (100, 1, 0)]),
        ("coarse", [(400, 2, 267), (200, 2, 133), (100, 1, 0)]),
        ("fine", [(400, 2, 267), (200, 1, 133), (100, 1, 0)]),
    ],
)
def test_preferences_are_those_of_table_iv(preference, stages):
    assert [(s.side, s.hours, s.node) for s in rgp(preference, *SETTINGS["S3T2"], 400)] == stages


def test_s3t4_is_the_papers_and_s4t4_the_default():
    hierarchy, nodes = setting("S3T4")
    assert [(level.side, level.hours) for level in hierarchy] == [(200, 24), (100, 4), (50, 2), (50, 1)]
    assert nodes == (600, 450, 300, 150, 0)
    assert setting("S4T4") == (S4T4, Design().nodes)


@given(st.sampled_from(sorted(SETTINGS)), st.sampled_from(["uniform", "coarse", "fine"]), st.integers(50, 1000))
def test_stages_follow_each_other_and_only_get_finer(name, preference, total):
    hierarchy, nodes = setting(name, preference, total)  # Hierarchy refuses a level coarser than the one before
    assert nodes[0] == total and nodes[-1] == 0 and all(a > b for a, b in pairwise(nodes))
    assert len(nodes) == len(hierarchy) + 1 and len({level.name for level in hierarchy}) == len(hierarchy)
    sides, hours = SETTINGS[name]
    assert {level.side for level in hierarchy} == set(sides) and {level.hours for level in hierarchy} == set(hours)
    Design(nodes=nodes)


@given(st.integers(0, 400), st.integers(1, 400))
def test_segmented_noise_is_clean_at_the_node_and_pure_noise_at_the_end(node, stage_steps):
    abar = signal_share("SN", torch.arange(stage_steps + 1), node + stage_steps, node)
    assert len(abar) == stage_steps + 1
    assert abar[0] == 1 and abar[-1] == 0
    assert (abar.diff() < 0).all()


@given(st.integers(2, 600), st.data())
def test_continuous_noise_does_not_stop_at_nodes(total, data):
    node = data.draw(st.integers(1, total - 1))
    late = signal_share("CN", torch.arange(node + 1), node, 0, total)
    early = signal_share("CN", torch.arange(total - node + 1), total, node, total)
    assert late[0] == 1 and early[-1] == 0 and late[-1] == early[0] and (late.diff() < 0).all()


@given(st.integers(1, 300), st.floats(1, 3), st.data())
def test_strides_can_shorten_towards_the_node(stage_steps, power, data):
    budget = data.draw(st.integers(1, stage_steps))
    walk = few_steps(stage_steps, budget, power)
    assert walk[0] == stage_steps and walk[-1] == 0 and len(walk) == budget + 1
    assert all(a > b for a, b in pairwise(walk))
    assert walk[-2] == pytest.approx(stage_steps * budget**-power, abs=1e-8)  # whole or not


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"scheme": "SN,CA,SD"}, "scheme must be one of CN,CA,CD; "),
        ({"scheme": ["SN,SA,SD"]}, "scheme"),
        ({"prior": "magic"}, "prior must be one of none; noise; blend; residual, not 'magic'"),
        ({"prediction": "x0"}, "prediction must be one of eps; v"),
        ({"prior": "blend"}, "predict eps"),
        ({"nodes": (600, 300, 300, 0)}, "nodes must be whole numbers that fall"),
        ({"nodes": (600.5, 300, 0)}, "A node"),
        ({"nodes": (600, 300, False)}, "A node"),
        ({"nodes": ()}, "nodes"),
        ({"nodes": [600, 0]}, "nodes"),
        ({"nodes": 600}, "nodes"),
        ({"nodes": tuple(range(17, -1, -1))}, "in 1 to 16 stages"),
        ({"nodes": (10**9, 0)}, "from 0 to 1,000,000"),
        ({"latent": -1}, "latent must be a whole number from 1 to 4,096, not -1"),
        ({"latent": 32.0}, "latent"),
        ({"spe": 1}, "spe must be true or false, not 1"),
        ({"sees_prior": None}, "sees_prior"),
        ({"tpe": "no"}, "tpe"),
    ],
)
def test_designs_that_do_not_exist_are_refused(wrong, words):
    with pytest.raises(OptionError, match=words):
        Design(**wrong)


def test_a_preference_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="no preference"):
        rgp("greedy", (400,), (1,))


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
    abars = signal_share("SN", torch.tensor(few_steps(stage_steps, budget)).double(), stage_steps, 0)
    step = SAMPLERS[sampler]()

    def noise():
        return torch.randn(prior.shape, generator=generator, dtype=torch.float64)

    r = noise()
    for abar, abar_next in pairwise(abars):
        r = step(r, abar.sqrt() * r, abar, abar_next, noise)
    return prior + s * r


@pytest.mark.parametrize("prior_scale", [1.0, 3.0])
def test_an_oracle_reproduces_the_prior_with_slope_one(prior_scale):
    prior = prior_scale * torch.randn(200_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = sample_by_oracle("ancestral", 150, prior, s=0.3)
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
    ("sampler", "budget", "least"),
    [
        ("ancestral", 150, 0.96),
        ("ddim", 150, 0.96),
        ("dpm", 150, 0.96),
        ("ancestral", 20, 0.8),
        ("ddim", 10, 0.8),
        ("dpm", 10, 0.8),
    ],
)
def test_an_oracle_keeps_the_spread_of_a_small_residual(sampler, budget, least):
    """Few steps shrink the spread a little (method.md section 4); all of them must keep it."""
    y = sample_by_oracle(sampler, budget, torch.zeros(200_000, dtype=torch.float64), s=0.05)
    assert least < y.std() / 0.05 < 1.02


def test_a_plan_can_name_every_sampler():
    assert tuple(SAMPLERS) == NAMES


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_nodes_are_free_of_noise_and_the_start_is_finite(sampler):
    r, r0 = torch.randn(100), torch.randn(100)

    def noise():
        return torch.full((100,), 1e6)

    one, zero, half = torch.tensor(1.0), torch.tensor(0.0), torch.tensor(0.5)
    step = SAMPLERS[sampler]()
    assert torch.isfinite(step(r, r0, zero, half, lambda: torch.zeros(100))).all()
    torch.testing.assert_close(step(r, r0, torch.tensor(0.99), one, noise), r0)


@pytest.mark.parametrize("variance", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_second_order_solver_is_nearer_to_the_truth(variance, power):
    """On Gaussian data the exact chain ends with the data's spread; few steps lose some of it."""
    abars = signal_share("SN", torch.tensor(few_steps(150, 10, power)), 150, 0)
    kept = {name: spread_kept(name, abars, variance) for name in ("ddim", "dpm")}
    assert kept["ddim"] < kept["dpm"] < 1


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
def test_a_scaled_start_keeps_the_spread_that_few_strides_would_lose(sampler):
    abars = signal_share("SN", torch.tensor(few_steps(150, 8, 1.5)).double(), 150, 0)
    start = torch.randn(100_000, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    kept = spread_kept(sampler, abars, 0.5)
    assert 0.8 < kept < 0.95
    r, step = start / kept, SAMPLERS[sampler]()
    for abar, abar_next in pairwise(abars):
        r = step(r, abar.sqrt() * 0.5 / (abar * 0.5 + 1 - abar) * r, abar, abar_next, None)
    assert r.std() == pytest.approx(0.5**0.5, rel=0.01)


@given(st.floats(0.05, 4), st.integers(2, 40), st.floats(1, 2))
@settings(max_examples=25, deadline=None)
def test_ancestral_strides_keep_the_spread_that_they_are_told_of(variance, budget, power):
    """On Gaussian data the state's variance stays abar s^2 + 1 - abar, in however few strides."""
    abars = signal_share("SN", torch.tensor(few_steps(150, budget, power)).double(), 150, 0)
    generator = torch.Generator().manual_seed(5)

    def noise() -> torch.Tensor:
        return torch.randn(20_000, generator=generator, dtype=torch.float64)

    r, step = noise(), ancestral(variance)
    for abar, abar_next in pairwise(abars[:-1]):
        r = step(r, abar.sqrt() * variance / (abar * variance + 1 - abar) * r, abar, abar_next, noise)
        assert r.var() == pytest.approx(float(abar_next * variance + 1 - abar_next), rel=0.06)
