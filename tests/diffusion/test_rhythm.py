"""What is known of a state's way along the week before anything is generated."""

import json
from dataclasses import asdict, replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zoomdiff.diffusion.design import Design
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.diffusion.rhythm import FLOOR, Covariance, Rhythm
from zoomdiff.diffusion.samplers import ancestral
from zoomdiff.diffusion.target import Target
from zoomdiff.diffusion.variants import target_of
from zoomdiff.errors import OptionError
from zoomdiff.levels import S4T4

HOURS = 6  # steps of a day at the level 4 h x 200 m
abars = st.floats(0.0, 1.0).map(torch.tensor)


def weeks(seed: int, places: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    """How busy places are and their states: alike on all days, with a rise in the morning, and little noise beside it
    where it is busy."""
    rng = torch.Generator().manual_seed(seed)
    busy = torch.rand(places, generator=rng)
    level, morning = torch.randn(2, places, generator=rng)
    day = torch.tensor([0.0, 0.0, 1.0, 0.5, 0.0, 0.0])
    noise = (0.6 - 0.5 * busy) * torch.randn(7, HOURS, places, generator=rng)
    return busy, (2 * level + morning * day[:, None] + noise).flatten(0, 1)


@cache
def covariance(seed: int = 0, places: int = 400) -> Covariance:
    """Of 2 x 3 places, from quiet to busy."""
    prior_k = torch.linspace(0, 1, 6).reshape(1, 1, 2, 3).expand(1, 7 * HOURS, 2, 3)
    return Rhythm.fit(*weeks(seed, places)).covariance(prior_k)


def matrix(c: Covariance, row: int, col: int) -> torch.Tensor:
    """(T, T) of one place."""
    eye = torch.eye(7 * HOURS)[..., None, None]  # a batch of unit weeks
    here = Covariance(c.components, c.variance[..., row, col][..., None, None])
    return here.filter(eye, here.variance)[:, :, 0, 0]


def test_it_is_that_of_the_places_it_was_measured_in():
    c = covariance(0, 20_000)
    busy, x = weeks(1, 20_000)
    quiet, loud = (matrix(c, *at) for at in ((0, 0), (1, 2)))
    assert torch.allclose(quiet, quiet.T, atol=1e-5)
    for found, places in ((quiet, busy < 1 / 6), (loud, busy > 5 / 6)):
        true = (x[:, places] @ x[:, places].T / places.sum()).double()
        assert torch.linalg.norm(found.double() - true) < 0.25 * torch.linalg.norm(true)
        rest = torch.diff(x[:, places].unflatten(0, (7, HOURS)), dim=0).var() / 2
        days = found.reshape(7, HOURS, 7, HOURS)
        assert float(days[0, 0, 0, 0] - days[0, 0, 1, 0]) == pytest.approx(float(rest), rel=0.3)


def test_white_noise_has_a_variance_of_one():
    noise = torch.randn(7 * HOURS, 5000, generator=torch.Generator().manual_seed(0))
    rhythm = Rhythm.fit(torch.arange(5000) // 2500, noise)
    assert len(rhythm.edges) == 1, "two kinds of places are two classes"
    assert np.allclose(rhythm.variance, 1, atol=0.15)


def test_few_places_are_one_class_and_nothing_has_no_variance():
    busy, x = weeks(0, 40)
    assert Rhythm.fit(busy, x).edges == ()
    assert np.min(Rhythm.fit(busy, torch.zeros_like(x)).variance) == FLOOR
    assert np.all(np.array(Rhythm.fit(busy[:0], x[:, :0]).variance) == 1)


@given(st.integers(0, 1000))
def test_a_gain_of_one_changes_nothing_and_gains_multiply(seed):
    c = covariance()
    x = torch.randn(2, 7 * HOURS, 2, 3, generator=torch.Generator().manual_seed(seed))
    one, gain = torch.ones_like(c.variance), c.variance.sqrt()
    torch.testing.assert_close(c.filter(x, one), x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(c.filter(c.filter(x, gain), gain), c.filter(x, c.variance), rtol=1e-3, atol=1e-3)


@given(abars, st.integers(0, 1000))
def test_the_estimate_is_that_of_a_gaussian(abar, seed):
    """Against the textbook formula, with the whole matrix: C sqrt(abar) (abar C + (1 - abar) I)^-1 r."""
    c, r = covariance(), torch.randn(1, 7 * HOURS, 2, 3, generator=torch.Generator().manual_seed(seed))
    full, eye = matrix(c, 1, 2).double(), torch.eye(7 * HOURS, dtype=torch.float64)
    told = (
        abar.double().sqrt()
        * full
        @ torch.linalg.solve(abar.double() * full + (1 - abar.double()) * eye, r[0, :, 1, 2].double())
    )
    torch.testing.assert_close(c.estimate(r, abar)[0, :, 1, 2].double(), told, rtol=1e-3, atol=1e-3)


def target(rhythm: Rhythm | None) -> tuple[Target, ResidualPrior]:
    stats = tuple(LevelStats(0.0, 1.0, -1e6, 1e6, 1.0, rhythm) for _ in S4T4)
    prior = ResidualPrior(S4T4, 1e6, stats)
    return target_of(Design(state_filter="none" if rhythm is None else "wiener"), prior), prior


@given(st.floats(0.001, 0.999).map(torch.tensor), st.integers(0, 1000))
def test_the_loss_is_the_error_of_the_clean_state(abar, seed):
    """Whatever the output: error = (r0 - r0_hat) / sqrt(1 - abar), as of v without a rhythm."""
    rng = torch.Generator().manual_seed(seed)
    output, r0, eps, prior_k = torch.randn(4, 2, 7 * HOURS, 2, 3, generator=rng)
    r = abar.sqrt() * r0 + (1 - abar).sqrt() * eps
    each = abar.expand(2)[:, None, None, None]  # as in training
    for rhythm in (None, Rhythm.fit(*weeks(0))):
        made, prior = target(rhythm)
        c = prior.covariance(prior_k, 1)
        wrong = made.error(output, r, r0, eps, each, prior_k, c)
        clean = made.clean(output, r, made.seen(r, abar, c), abar, prior_k, 1, c)
        torch.testing.assert_close(wrong * (1 - abar).sqrt(), r0 - clean, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("abar", [0.0, 1.0])
def test_both_ends_are_finite(abar):
    made, prior = target(Rhythm.fit(*weeks(0)))
    output, r0, eps, prior_k = torch.randn(4, 1, 7 * HOURS, 2, 3)
    c, abar = prior.covariance(prior_k, 1), torch.tensor(abar)
    r = abar.sqrt() * r0 + (1 - abar).sqrt() * eps
    assert made.error(output, r, r0, eps, abar, prior_k, c).isfinite().all()
    clean = made.clean(output, r, made.seen(r, abar, c), abar, prior_k, 1, c)
    assert clean.isfinite().all()
    if abar == 1:
        torch.testing.assert_close(clean, r0, rtol=1e-3, atol=1e-3)
    else:
        assert torch.equal(made.seen(r, abar, c), torch.zeros_like(r)), "pure noise tells nothing"


@pytest.mark.parametrize("strides", [5, 20, 60])
def test_an_untrained_network_already_makes_weeks_of_that_covariance(strides):
    """An output of zero is the Gaussian's own mean, and the strides keep its spread, however few they are."""
    rhythm = Rhythm.fit(*weeks(0))
    made, prior = target(rhythm)
    prior_k = torch.full((1500, 7 * HOURS, 1, 1), 0.5)
    c = prior.covariance(prior_k, 1)
    rng = torch.Generator().manual_seed(strides)
    r = torch.randn(prior_k.shape, generator=rng)
    step, walk = ancestral(1.0, c), torch.linspace(0, 1, strides + 1)
    for here, there in pairwise(walk):
        r0 = made.clean(torch.zeros_like(r), r, made.seen(r, here, c), here, prior_k, 1, c)
        r = step(r, r0, here, there, lambda: torch.randn(prior_k.shape, generator=rng))
    x = r[:, :, 0, 0].T
    found, true = x @ x.T / x.shape[1], matrix(Covariance(c.components, c.variance[:1]), 0, 0)
    assert torch.trace(found) > 0.75 * torch.trace(true) and torch.trace(found) < 1.15 * torch.trace(true)


def test_it_survives_json():
    stats = LevelStats(0.0, 1.0, -1.0, 1.0, 1.0, Rhythm.fit(*weeks(0)))
    read = json.loads(json.dumps(asdict(stats)))
    assert replace(stats, rhythm=Rhythm.from_lists(**read["rhythm"])) == stats


def test_a_fading_state_is_the_estimate_of_a_white_one():
    r, abar = torch.randn(2, 7 * HOURS, 2, 3), torch.tensor(0.3)
    white = Rhythm.fit(torch.zeros(0), torch.zeros(7 * HOURS, 0)).covariance(torch.zeros_like(r))
    _, prior = target(None)
    shown = {name: target_of(Design(state_filter=name), prior).seen(r, abar, None) for name in ("none", "fade")}
    assert torch.equal(shown["none"], r)
    torch.testing.assert_close(shown["fade"], white.estimate(r, abar), rtol=1e-4, atol=1e-4)


def test_filters_are_for_v_and_the_residual():
    for design, said in (
        ({"state_filter": "fade", "prediction": "eps"}, "predict v"),
        ({"state_filter": "wiener", "prior": "none"}, "residual"),
        ({"state_filter": "median"}, "state_filter must be one of none; fade; wiener, not 'median'"),
    ):
        with pytest.raises(OptionError, match=said):
            Design(**design)
