"""Every baseline on tiny random blocks: it learns, it generates, and the same seed gives the same."""

import numpy as np
import pytest
import torch

from benchmarks.paper.baselines import BASELINES, Baseline, baseline
from benchmarks.paper.baselines.adversarial import Turns, alone
from benchmarks.paper.baselines.diffusion import (
    STRIDES,
    Diffusion,
    cosine_abar,
    from_eps,
    linear_abar,
    noised,
    quadratic_abar,
    walk,
)
from benchmarks.paper.baselines.kegan import gradient_penalty
from benchmarks.paper.baselines.parts import seeded
from benchmarks.paper.baselines.timegan import TimeGAN
from benchmarks.paper.blocks import Blocks, Places
from benchmarks.paper.training import Budget, descend, rate

FEATURES = 5
BLOCKS = 40
SMALL = {"tokens": 512}  # of a batch: enough for so small a work
LEARNING = SMALL | {"learning_rate": 6e-3}


def blocks(per_day: int, side: int, seed: int = 0) -> Blocks:
    """A week that follows the first feature: high where it is high."""
    generator = seeded(seed)
    static = torch.randn(BLOCKS, FEATURES, side, side, generator=generator)
    people = torch.randn(BLOCKS, 7 * per_day, side, side, generator=generator)
    y = static[:, None, :1] + 0.3 * torch.randn(BLOCKS, 2, 7 * per_day, side, side, generator=generator)
    return Blocks(Places(people, static), y)


@pytest.fixture(scope="module")
def data() -> Blocks:
    return blocks(6, 1)


@pytest.fixture(scope="module", params=BASELINES)
def trained(request, data) -> Baseline:
    """Each baseline, trained once for all tests of it; `smoke` in test_harness trains it at three levels of a work."""
    torch.manual_seed(0)
    setting = {"xgboost": {}, "dit": LEARNING | {"channels": 32, "depth": 2}}.get(request.param, LEARNING)
    model = baseline(request.param)(data.shape, **setting)
    model.fit(data, Budget(1000, steps=2 if request.param == "timegan" else 40), 0)
    return model


def test_a_baseline_generates_weeks_of_the_right_shape_alike_for_a_seed(trained, data):
    places = data.places[:3]
    first, again, other = (trained.sample(places, 2, seed) for seed in (1, 1, 2))
    assert first.shape == (2 if trained.draws else 1, 3, 7 * 6, 1, 1)
    assert torch.isfinite(first).all() and trained.parameters > 0
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert trained.draws != torch.equal(first, other)
    assert len(trained.grid) == 3 and trained.title and trained.source and trained.shrunk


def test_a_baseline_learns_to_follow_a_feature(trained, data):
    """Places are distinguished: where y is high, what is generated is higher, far beyond chance."""
    if isinstance(trained, TimeGAN):
        pytest.skip("takes longer to learn: the next test looks at its parts")
    made = trained.sample(data.places, 2, 0).mean((0, 2, 3, 4))
    assert np.corrcoef(made, data.y.mean((1, 2, 3, 4)))[0, 1] > 0.6


def test_timegan_learns_to_embed_and_recover_and_distinguishes_places(data):
    torch.manual_seed(0)
    model = baseline("timegan")(data.shape, learning_rate=3e-3, **SMALL)
    places, y = data.cells.batch(30, np.random.default_rng(0))
    y = y[..., 0, 0]
    before = float(model.networks.reconstruction(places, y).detach())
    alone(model.networks, lambda: model.networks.reconstruction(places, y), Budget(1000, steps=40), 2e-2)
    assert float(model.networks.reconstruction(places, y).detach()) < 0.7 * before
    states = model.networks.embedded(places, y)
    known = model.networks.condition(places)
    assert not torch.allclose(
        model.networks.judged(states, known, True), model.networks.judged(states, known.flip(0), True)
    ), "the discriminator sees the place"


def test_all_ten_are_there():
    assert len(BASELINES) == 10
    assert [baseline(name).draws for name in BASELINES] == [False, False] + 8 * [True]


@pytest.mark.parametrize("abars", [linear_abar(1000), quadratic_abar(50), cosine_abar(1000)])
def test_schedules_fall_from_one_to_nearly_nothing(abars):
    assert abars[0] == 1 and (abars.diff() <= 0).all() and 0 < abars[-1] < 0.01


def test_the_walk_with_a_perfect_estimate_ends_at_the_data():
    x = torch.randn(4, 14, 1, 1, generator=seeded(0))
    noise = torch.randn(4, 14, 1, 1, generator=seeded(1))
    made = walk(lambda state, abar: x, noise, linear_abar(1000), STRIDES, seeded(2))
    torch.testing.assert_close(made, x)


def test_the_clean_state_that_the_true_noise_implies_is_the_data():
    x = torch.randn(500, 7, 1, 1, generator=seeded(0))
    state, eps, abar = noised(x, quadratic_abar(50), seeded(1))
    torch.testing.assert_close(from_eps(state, eps, abar[:, None, None, None]), x, atol=1e-3, rtol=1e-3)


def test_a_network_that_says_nothing_is_the_best_guess_for_data_of_unit_variance():
    """Its clean state is sqrt(abar) times the state, the posterior mean of a standard normal."""

    class Silent:
        def side(self, places):
            return None

        def __call__(self, state, strength, side):
            return torch.zeros_like(state)

    state, abar = torch.randn(3, 7, 1, 1, generator=seeded(0)), torch.tensor(0.3)
    data = blocks(1, 1)
    model = Diffusion(data.shape, Silent(), linear_abar(10), 1e-3, 3)
    model.limits = -1.0, 1.5
    clean = model.estimate(model.network.side(data.places[:3]))(state, abar)
    torch.testing.assert_close(clean, (abar.sqrt() * state).clamp(-1.0, 1.5))


def test_the_penalty_is_none_for_a_critic_of_slope_one():
    direction = torch.nn.functional.normalize(torch.randn(12, generator=seeded(0)), dim=0)
    true, made = (torch.randn(6, 12, generator=seeded(n)) for n in (1, 2))
    places = blocks(1, 1).places[:6]
    assert gradient_penalty(lambda _, y: y @ direction, places, true, made, seeded(3)) < 1e-10
    assert gradient_penalty(lambda _, y: 3 * y @ direction, places, true, made, seeded(3)) == pytest.approx(4, rel=1e-4)


def test_a_turn_changes_its_own_parameters_only():
    mine, theirs = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    before = [x.weight.detach().clone() for x in (mine, theirs)]
    Turns(mine.parameters(), 0.1).take((mine(torch.ones(1, 2)) + theirs(torch.ones(1, 2))).sum(), 0.5)
    assert not torch.equal(mine.weight, before[0]) and torch.equal(theirs.weight, before[1])
    assert theirs.weight.grad is None


def test_a_budget_ends_by_steps_or_by_time_and_can_be_shared_out():
    assert list(Budget(1000, steps=4)) == pytest.approx([0, 0.25, 0.5, 0.75], abs=1e-3)
    assert list(Budget(1e-9)) == []
    assert Budget(10, steps=8).part(0.5) == Budget(5.0, steps=4)
    assert Budget(10).part(0.25) == Budget(2.5)


def test_the_rate_warms_up_and_falls_to_nothing():
    rates = [rate(share, 1.0) for share in np.linspace(0, 1, 201)]
    top = int(np.argmax(rates))
    assert (np.diff(rates[: top + 1]) > 0).all() and (np.diff(rates[top:]) < 0).all()
    assert max(rates) == pytest.approx(1, abs=0.01) and rates[-1] == pytest.approx(0)


def test_descending_finds_a_minimum_and_keeps_averaged_weights():
    torch.manual_seed(0)
    network = torch.nn.Linear(1, 1, bias=False)
    steps = descend(network, lambda: (network.weight - 2).square().sum(), Budget(1000, steps=300), 0.1)
    assert steps == 300 and network.weight.item() == pytest.approx(2, abs=0.2)
    assert not network.training


@pytest.mark.parametrize("name", ["kstdiff", "csdi", "dit"])
def test_a_sample_stays_in_the_range_of_the_training_data(name, data):
    torch.manual_seed(0)
    model = baseline(name)(data.shape, learning_rate=0.3, **SMALL)  # wild: its samples leave the range by far
    model.fit(data, Budget(1000, steps=3), 0)
    made = model.sample(data.places[:4], 2, 0)
    assert data.y.min() - 1e-4 <= made.min() and made.max() <= data.y.max() + 1e-4
    model.limits = -1e6, 1e6
    made = model.sample(data.places[:4], 2, 0)
    assert made.min() < data.y.min() - 1 or made.max() > data.y.max() + 1, "without its limits it leaves the range"
