"""The prior, the network, the loss and the sampler, on small made-up tensors."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.diffusion.design import PRIORS, SCHEMES, Design
from zoomdiff.diffusion.drdm import DRDM, Hooks, hnap_loss, rrdp
from zoomdiff.diffusion.network import DayTokenNetwork, sinusoid
from zoomdiff.diffusion.noise import WorldNoise
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.diffusion.rhythm import Rhythm
from zoomdiff.diffusion.variants import target_of
from zoomdiff.errors import OptionError
from zoomdiff.levels import S4T4, gaps, repeat
from zoomdiff.sampling import Plan

STATS = tuple(LevelStats(mean=1.0, std=1.5, low=-1.0, high=4.0, residual_std=s) for s in (1.0, 0.5, 0.4, 0.6))
PRIOR = ResidualPrior(S4T4, scale=1e6, stats=STATS)


def with_rhythms(prior):
    """Of days that are all alike, but for some noise."""
    rng = torch.Generator().manual_seed(0)
    stats = []
    for k, level in enumerate(S4T4):
        days = torch.randn(1, level.steps_per_day, 300, generator=rng).expand(7, -1, -1).flatten(0, 1)
        states = 0.3 * days + 0.1 * torch.randn(days.shape, generator=rng)
        stats.append(replace(prior.stats[k], rhythm=Rhythm.fit(torch.rand(300, generator=rng), states)))
    return replace(prior, stats=tuple(stats))


both_priors = pytest.mark.parametrize("prior", [PRIOR, with_rhythms(PRIOR)], ids=["white", "with rhythms"])


@pytest.fixture
def network():
    torch.manual_seed(0)
    return DayTokenNetwork(S4T4, structure=9, aoi=12, poi=10, preset=2, channels=16, blocks=2)


def conditions(rows=2, cols=3, seed=0):
    rng = np.random.default_rng(seed)
    h, w = rows * 8, cols * 8
    return Conditions.from_arrays(
        rng.random((9, h, w)),
        rng.integers(0, 12, (h, w)),
        rng.poisson(1, (10, h, w)),
        50 * rng.random((168, h, w)),
        aoi_classes=12,
        preset=seed % 2,
    )


@given(st.lists(st.one_of(st.just(0.0), st.floats(1e3, 1e12)), min_size=1, max_size=20), st.integers(0, 3))
def test_decode_undoes_encode(values, k):
    volume = torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1)
    back = PRIOR.decode(PRIOR.encode(volume, k), k)
    torch.testing.assert_close(back, volume, rtol=1e-6, atol=1e-3)
    assert ((back == 0) == (volume == 0)).all()


@given(st.integers(1, 3), st.integers(0, 1000))
def test_restore_undoes_residual_and_even_traffic_has_none(k, seed):
    coarser = 1e9 * torch.rand(168 // S4T4[k - 1].hours, 2, 2, generator=torch.Generator().manual_seed(seed))
    prior_k = PRIOR.from_coarser(coarser, k)
    space, time = S4T4.between(k - 1, k)
    even = repeat(coarser, space, time) / (space * space * time)
    assert torch.allclose(PRIOR.residual(PRIOR.encode(even, k), prior_k, k), torch.zeros_like(prior_k), atol=1e-4)
    r = torch.randn(prior_k.shape, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(PRIOR.residual(PRIOR.restore(r, prior_k, k), prior_k, k), r, atol=1e-4)


def test_clamp_holds_the_training_range_plus_margin():
    wild = torch.full((7, 2, 2), 100.0)
    assert PRIOR.clamp(wild, 1).max() == pytest.approx(4.5) and PRIOR.clamp(-wild, 1).min() == pytest.approx(-1.5)
    tame = torch.full((7, 2, 2), 0.3)
    assert torch.equal(PRIOR.clamp(tame, 1), tame)


def test_conditions_average_over_space_and_time():
    finest = conditions()
    coarse = finest.at_level(S4T4, 1)
    assert coarse.population.shape == (1, 42, 4, 6)
    torch.testing.assert_close(coarse.population[0, 0, 0, 0], finest.population[0, :4, :4, :4].mean())
    torch.testing.assert_close(coarse.aoi.sum(1), torch.ones(1, 4, 6))


def test_tpe_is_equation_6():
    code = sinusoid(torch.tensor([5.0]))[0]
    assert code.shape == (128,)
    assert code[3] == pytest.approx(np.sin(5 / 10000 ** (6 / 128)), abs=1e-6)
    assert code[64 + 3] == pytest.approx(np.cos(5 / 10000 ** (6 / 128)), abs=1e-6)


def test_the_shipped_size_is_within_its_budget():
    network = DayTokenNetwork(S4T4, structure=9, aoi=12, poi=10, preset=2)
    assert sum(p.numel() for p in network.parameters()) <= 600_000
    names = {name for name, _ in network.named_parameters()}
    assert {"spe.0", "spe.3"} <= names  # position embeddings are trained and saved


@pytest.mark.parametrize("k", range(4))
def test_every_level_runs_at_its_own_resolution(network, k):
    c = conditions().at_level(S4T4, k)
    shape = c.population.shape
    context = network.context(torch.randn(shape), c, k)
    assert context.shape == (1, 7, *shape[-2:], 16)
    v = network(torch.randn(shape), torch.ones(1), context, k, torch.zeros(1))
    assert v.shape == shape


def test_a_distant_change_of_the_map_does_not_reach_a_place(network):
    """No normalisation over space: traffic depends on the surroundings only, not on how large the region is."""
    wide, narrow = conditions(cols=8), conditions(cols=8)
    narrow = narrow.map(lambda x: x[..., :48])
    with torch.no_grad():
        out = []
        for c in (wide, narrow):
            prior_k = torch.zeros(c.population.shape)
            for head in network.unfold:
                torch.nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(1))
            out.append(network(prior_k, torch.ones(1), network.context(prior_k, c, 3), 3, torch.zeros(1)))
    torch.testing.assert_close(out[0][..., :40], out[1][..., :40])


def test_hnap_loss_falls_when_trained_on_one_city(network):
    torch.manual_seed(0)
    k, c = 2, conditions().at_level(S4T4, 2)
    coarser = 1e9 * torch.rand(1, 42, 4, 6)
    x_k = repeat(coarser, 2, 2) / 8 * (1 + 0.5 * (c.population > 25))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)

    @torch.no_grad()
    def mean_loss() -> float:  # over the same steps and noise
        generator = torch.Generator().manual_seed(1)
        return np.mean([float(hnap_loss(DRDM(network, PRIOR), x_k, coarser, c, k, generator)) for _ in range(40)])

    before = mean_loss()
    for _ in range(120):
        loss = hnap_loss(DRDM(network, PRIOR), x_k, coarser, c, k)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert mean_loss() < 0.8 * before
    assert network.spe[k].grad is not None and network.fold_prior[k].weight.grad.abs().sum() > 0


class Oracle:
    """A network that knows every level's true traffic and predicts accordingly, whatever the design."""

    def __init__(self, design, truth, prior):
        self.design, self.prior, self.calls, self.priors = design, prior, [], []
        self.truth = [truth[-1]] * len(truth) if design.continuous_adding else truth
        self.fusion = (lambda own, implied: own) if design.prior == "noise" else None
        self.cells, self.reach = [1, 2, 4, 8], 6

    def context(self, prior_k, conditions, k, keep=None):
        self.priors.append(prior_k)
        return prior_k

    def __call__(self, r, strength, prior_k, k, prior_noise):
        self.calls.append((k, 1 - float(strength[0])))
        abar = (1 - strength[0]).to(r.dtype)
        r0 = target_of(self.design, self.prior).state(self.prior.encode(self.truth[k], k), prior_k, k)
        eps = (r - abar.sqrt() * r0) / (1 - abar).sqrt()
        if self.design.prediction == "v":
            return abar.sqrt() * eps - (1 - abar).sqrt() * r0
        if self.design.prior == "blend":
            return 2 * eps - (r - abar.sqrt() * prior_k) / (1 - abar).sqrt()
        return eps


def oracle(design=None, seed=0):
    """A model with an oracle for a network, and the truth (1, T_k, H_k, W_k) that it knows."""
    design = design or Design()
    finest = 1e7 * torch.rand(1, 168, 16, 24, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    truth = S4T4.pyramid(finest)
    prior = ResidualPrior(S4T4, 1e6, STATS, design.diffused(S4T4))
    return DRDM(Oracle(design, truth, prior), prior), truth


def field(*address):
    return WorldNoise(1, 32635, 0, 0)(*address).double()


PLAN = Plan((2, 3, 4, 5))


def test_rrdp_yields_each_level_at_its_node_and_feeds_it_on():
    model, truth = oracle()
    calls = model.network.calls
    seen = []
    for k, x_k in rrdp(model, conditions(), field, PLAN):
        seen.append(x_k)
        assert len(calls) == sum(PLAN.budget[: k + 1])  # nothing of the next stage has run yet
        torch.testing.assert_close(x_k, truth[k], rtol=1e-4, atol=1)
        if k:
            torch.testing.assert_close(model.network.priors[k], PRIOR.from_coarser(seen[k - 1], k))
    assert [abar for k, abar in calls if k == 0] == [0.0, 0.5]
    assert max(gaps(seen, S4T4)) < 1e-4


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("prediction", ["eps", "v"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_oracle_recovers_the_truth_under_every_design(scheme, prediction, prior):
    if prior in ("noise", "blend") and prediction == "v":
        with pytest.raises(OptionError, match="predict eps"):
            Design(scheme, prior=prior, prediction=prediction)
        return
    model, truth = oracle(Design(scheme, prior=prior, prediction=prediction))
    for sampler in ("ddim", "ancestral"):
        levels = [x for _, x in rrdp(model, conditions(), field, Plan((12,) * 4, sampler))]
        torch.testing.assert_close(levels[-1], truth[-1], rtol=1e-3, atol=100)
        for k in range(3):
            error = (levels[k] / truth[k] - 1).abs().mean()
            if "SN" in scheme:
                assert error < 1e-3, "a node is free of noise"
            else:
                assert error > 0.02, "continuous noise leaves some in every level but the last"


def test_known_traffic_is_the_start_and_no_stage_before_it_runs():
    model, truth = oracle()
    levels = dict(rrdp(model, conditions(), field, PLAN, given=(1, truth[1])))
    assert set(levels) == {2, 3} and {k for k, _ in model.network.calls} == {2, 3}
    torch.testing.assert_close(model.network.priors[0], PRIOR.from_coarser(truth[1], 2))


def test_what_carries_nothing_at_one_level_carries_nothing_at_finer_ones():
    model, truth = oracle()
    known = truth[0].clone()
    known[..., 0, 1] = 0
    levels = dict(rrdp(model, conditions(), field, PLAN, given=(0, known)))
    for k in (1, 2, 3):
        n = 8 // S4T4.space_factor(k)
        assert (levels[k][..., :n, n : 2 * n] == 0).all() and (levels[k][..., :n, :n] > 0).all()


def test_any_step_can_be_watched():
    model, truth = oracle()
    seen = {}
    list(rrdp(model, conditions(), field, PLAN, hooks=Hooks(watch=(599, 420, 301, 150, 1), on_state=seen.__setitem__)))
    assert list(seen) == [599, 420, 301, 150, 1]
    assert seen[420].shape == truth[1].shape and seen[1].shape == truth[3].shape
    errors = [(seen[n] - truth[k]).abs().mean() / truth[k].mean() for n, k in ((420, 1), (301, 1))]
    assert errors[0] > 3 * errors[1], "nearer to its node a state is cleaner"
    torch.testing.assert_close(seen[150], truth[2], rtol=1e-4, atol=1)


def test_rrdp_reports_progress_and_stops_when_told(network):
    class Stop(Exception):
        pass

    steps = []

    def on_step(k, step, total):
        steps.append((k, step, total))
        if k == 1:
            raise Stop

    run = rrdp(DRDM(network, PRIOR), conditions(), WorldNoise(1, 32635, 0, 0), PLAN, hooks=Hooks(on_step))
    with pytest.raises(Stop):
        list(run)
    assert steps == [(0, 1, 2), (0, 2, 2), (1, 1, 3)]


def lively(network):
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(0))
    return network


@both_priors
def test_tiles_make_the_same_week_as_one_piece(network, prior):
    model, c = DRDM(lively(network), prior), conditions(4, 5)
    whole, tiled = (
        [x for _, x in rrdp(model, c, WorldNoise(1, 32635, 0, 0), Plan((2,) * 4, guidance=g, tile=tile))]
        for g, tile in ((1.5, None), (1.5, 8))
    )
    for a, b in zip(whole, tiled, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e3)


@both_priors
def test_samples_made_together_are_those_made_alone(network, prior):
    model, c = DRDM(lively(network), prior), conditions()
    fields = [WorldNoise(seed, 32635, 0, 0) for seed in (1, 2)]
    both = [x for _, x in rrdp(model, c, lambda *at: torch.cat([f(*at) for f in fields]), PLAN)]
    for i, one in enumerate(fields):
        for a, b in zip(both, rrdp(model, c, one, PLAN), strict=True):
            torch.testing.assert_close(a[i : i + 1], b[1], rtol=1e-3, atol=1e3)
    assert not torch.allclose(both[-1][0], both[-1][1], rtol=0.01)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_design_trains_and_samples(scheme, prior):
    torch.manual_seed(0)
    design = Design(scheme, prior=prior, prediction="eps" if prior in ("noise", "blend") else "v", latent=4)
    network = DayTokenNetwork(S4T4, design, structure=9, aoi=12, poi=10, preset=2, channels=8, blocks=1)
    model = DRDM(network, ResidualPrior(S4T4, 1e6, STATS, design.diffused(S4T4)))
    levels = S4T4.pyramid(1e7 * torch.rand(1, 168, 16, 24))
    for k in range(4):
        at = 3 if design.continuous_adding else k
        loss = hnap_loss(model, levels[at], levels[k - 1] if k else None, conditions().at_level(S4T4, at), k)
        assert torch.isfinite(loss)
        loss.backward()
    assert (network.fusion is not None) == (prior == "noise")
    assert all(p.grad is not None for p in network.unfold.parameters())
    for k, x_k in rrdp(model, conditions(), WorldNoise(1, 32635, 0, 0), Plan((2,) * 4)):
        assert x_k.shape == levels[k].shape and torch.isfinite(x_k).all() and (x_k >= 0).all()


@pytest.mark.parametrize("state_filter", ["fade", "wiener"])
def test_filtered_states_train_and_sample(state_filter):
    torch.manual_seed(0)
    design = Design(state_filter=state_filter)
    network = lively(DayTokenNetwork(S4T4, design, structure=9, aoi=12, poi=10, preset=2, channels=8, blocks=1))
    model = DRDM(network, with_rhythms(PRIOR) if state_filter == "wiener" else PRIOR)
    levels = S4T4.pyramid(1e7 * torch.rand(1, 168, 16, 24))
    for k in range(4):
        loss = hnap_loss(model, levels[k], levels[k - 1] if k else None, conditions().at_level(S4T4, k), k)
        loss.backward()
        assert torch.isfinite(loss) and all(torch.isfinite(p.grad).all() for p in network.unfold[k].parameters())
    for k, x_k in rrdp(model, conditions(), WorldNoise(1, 32635, 0, 0), Plan((2,) * 4, spread=0.5)):
        assert x_k.shape == levels[k].shape and torch.isfinite(x_k).all() and (x_k >= 0).all()


@pytest.mark.parametrize("part", ["tpe", "spe", "sees_prior"])
def test_parts_that_are_off_have_no_parameters(part):
    sizes = {"structure": 9, "aoi": 12, "poi": 10, "preset": 2, "channels": 8, "blocks": 1}
    full, less = (
        {name for name, _ in DayTokenNetwork(S4T4, Design(**{part: on}), **sizes).named_parameters()}
        for on in (True, False)
    )
    assert less < full
    names = {"tpe": "tpe_out", "spe": "spe", "sees_prior": "fold_prior"}
    assert all(name.startswith(names[part]) for name in full - less)


def test_a_low_noise_power_meets_weak_noise_more_often_and_no_drop_keeps_every_map(network, monkeypatch):
    strengths, kept = [], []
    forward, context = network.forward, network.context

    def watched_forward(r, strength, *rest):
        strengths.append(strength)
        return forward(r, strength, *rest)

    def watched_context(prior_k, c, k, keep):
        kept.append(keep)
        return context(prior_k, c, k, keep)

    monkeypatch.setattr(network, "forward", watched_forward)
    monkeypatch.setattr(network, "context", watched_context)
    x_k = 1e9 * torch.rand(4000, 7, 1, 1)
    c = conditions(1, 1).at_level(S4T4, 0)
    for drop, power in ((0.5, 1.0), (0.0, 0.5)):
        hnap_loss(DRDM(network, PRIOR), x_k, None, c, 0, torch.Generator().manual_seed(0), drop, power)
    plain, weak = strengths  # of uniform draws u: 1 - u and 1 - sqrt(u), of mean 1/2 and 1/3
    assert float(plain.mean()) == pytest.approx(1 / 2, abs=0.02)
    assert float(weak.mean()) == pytest.approx(1 / 3, abs=0.02)
    assert 0.45 < float(kept[0].mean()) < 0.55 and kept[1].all()


def test_guidance_of_one_is_the_plain_model_and_more_moves_away_from_the_free_one(network):
    lively(network)
    unclamped = ResidualPrior(S4T4, 1e6, tuple(LevelStats(0.0, 1.0, -1e6, 1e6, 1.0) for _ in S4T4))
    model, c = DRDM(network, unclamped), conditions().at_level(S4T4, 0)
    r, prior_k, abar = torch.randn(1, 7, 2, 3), torch.zeros(1, 7, 2, 3), torch.tensor(0.5)
    with torch.no_grad():
        plain, strong, free = (model.denoiser(prior_k, c, 0, guidance=w)(r, abar) for w in (1.0, 2.0, 0.0))
    torch.testing.assert_close(strong - plain, plain - free, rtol=1e-3, atol=1e-4)
    assert (strong - plain).abs().max() > 1e-4
