"""The prior, the network, the loss and the sampler, on small made-up tensors."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.diffusion.drdm import DRDM, gaps, hnap_loss, rrdp
from zoomdiff.diffusion.network import DayTokenNetwork, sinusoid
from zoomdiff.diffusion.noise import WorldNoise
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.diffusion.samplers import ancestral, ddim
from zoomdiff.levels import S4T4, aggregate, repeat

STATS = tuple(LevelStats(mean=1.0, std=1.5, low=-1.0, high=4.0, residual_std=s) for s in (1.0, 0.5, 0.4, 0.6))
PRIOR = ResidualPrior(S4T4, scale=1e6, stats=STATS)


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
    prior_k = torch.zeros(7, 2, 2)
    wild = torch.full((7, 2, 2), 100.0)
    assert PRIOR.restore(PRIOR.clamp(wild, prior_k, 1), prior_k, 1).max() == pytest.approx(4.5)
    assert PRIOR.restore(PRIOR.clamp(-wild, prior_k, 1), prior_k, 1).min() == pytest.approx(-1.5)
    tame = torch.full((7, 2, 2), 0.3)
    assert torch.allclose(PRIOR.clamp(tame, prior_k, 1), tame)


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
    losses = []
    for _ in range(120):
        loss = hnap_loss(network, PRIOR, x_k, coarser, c, k)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:20])
    assert network.spe[k].grad is not None and network.fold_prior[k].weight.grad.abs().sum() > 0


class Recorder:
    """A denoiser that always answers r0 = 0 and counts its calls."""

    def __init__(self, model):
        self.model, self.calls, self.priors = model, [], []

    @property
    def hierarchy(self):
        return self.model.hierarchy

    @property
    def prior(self):
        return self.model.prior

    def denoiser(self, prior_k, conditions, k, **options):
        self.priors.append(prior_k)

        def denoise(r, abar):
            self.calls.append((k, float(abar)))
            return torch.zeros_like(r)

        return denoise


def test_rrdp_yields_each_level_at_its_node_and_feeds_it_on(network):
    recorder = Recorder(DRDM(network, PRIOR))
    noise = WorldNoise(1, 32635, 0, 0)
    seen = []
    run = rrdp(recorder, conditions(), noise, budget=(2, 3, 4, 5), stage_steps=150, sampler=ddim)
    for k, x_k in run:
        seen.append(x_k)
        assert len(recorder.calls) == sum((2, 3, 4, 5)[: k + 1])  # nothing of the next stage has run yet
        assert x_k.shape == (1, 168 // S4T4[k].hours, 16 // S4T4.space_factor(k), 24 // S4T4.space_factor(k))
    assert [abar for k, abar in recorder.calls if k == 0] == [0.0, 0.5]
    for k in range(1, 4):  # with a residual of zero every level is the first one, refined
        torch.testing.assert_close(aggregate(seen[k], *S4T4.between(k - 1, k)), seen[k - 1], rtol=1e-4, atol=1)
        torch.testing.assert_close(recorder.priors[k], PRIOR.from_coarser(seen[k - 1], k))
    assert max(gaps(seen, S4T4)) < 1e-4


def test_rrdp_reports_progress_and_stops_when_told(network):
    class Stop(Exception):
        pass

    steps = []

    def on_step(k, step, total):
        steps.append((k, step, total))
        if k == 1:
            raise Stop

    run = rrdp(
        DRDM(network, PRIOR),
        conditions(),
        WorldNoise(1, 32635, 0, 0),
        budget=(2, 3, 4, 5),
        stage_steps=150,
        sampler=ancestral,
        on_step=on_step,
    )
    with pytest.raises(Stop):
        list(run)
    assert steps == [(0, 1, 2), (0, 2, 2), (1, 1, 3)]


def test_guidance_of_one_is_the_plain_model_and_more_moves_away_from_the_free_one(network):
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(0))
    unclamped = ResidualPrior(S4T4, 1e6, tuple(LevelStats(0.0, 1.0, -1e6, 1e6, 1.0) for _ in S4T4))
    model, c = DRDM(network, unclamped), conditions().at_level(S4T4, 0)
    r, prior_k, abar = torch.randn(1, 7, 2, 3), torch.zeros(1, 7, 2, 3), torch.tensor(0.5)
    with torch.no_grad():
        plain, strong, free = (model.denoiser(prior_k, c, 0, guidance=w)(r, abar) for w in (1.0, 2.0, 0.0))
    torch.testing.assert_close(strong - plain, plain - free, rtol=1e-3, atol=1e-4)
    assert (strong - plain).abs().max() > 1e-4
