from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import ortho_group

from zoomdiff import metrics
from zoomdiff.levels import S4T4, Hierarchy, Level, conserve

VOLUME = st.one_of(st.just(0.0), st.floats(1e-3, 1e9))
SHAPE = hnp.array_shapes(min_dims=2, max_dims=3, max_side=4)  # (T, n) or (T, H, W)
SEED = st.integers(0, 2**32 - 1)
EXAMPLE = np.array([[0.0, 2.0], [4.0, 6.0]]), np.array([[1.0, 2.0], [1.0, 8.0]])  # truth, generated (T, n)


def volumes(shape):
    return hnp.arrays(np.float64, shape, elements=VOLUME)


@st.composite
def pairs(draw):
    """Truth and generated of one shape."""
    shape = draw(SHAPE)
    return draw(volumes(shape)), draw(volumes(shape))


@st.composite
def ensembles(draw, min_samples=1):
    """Truth and 1 to 6 samples."""
    shape = draw(SHAPE)
    return draw(volumes(shape)), draw(volumes((draw(st.integers(min_samples, 6)), *shape)))


def week(cells=30, hours=24, noise=0.0, seed=0):
    """(168, n) positive traffic with a rhythm of `hours`, each cell with its own mean."""
    rng = np.random.default_rng(seed)
    rhythm = 1 + 0.8 * np.sin(2 * np.pi * np.arange(168) / hours)
    return rhythm[:, None] * rng.lognormal(3, 1, cells) * np.exp(noise * rng.standard_normal((168, cells)))


# --- the paper's four ---


def test_the_papers_metrics_by_hand():
    assert metrics.mae(*EXAMPLE) == (1 + 0 + 3 + 2) / 4
    assert metrics.rmse(*EXAMPLE) == pytest.approx(np.sqrt((1 + 0 + 9 + 4) / 4))
    assert metrics.sprmse(*EXAMPLE) == pytest.approx(np.sqrt(((2 - 1) ** 2 + (4 - 5) ** 2) / 2))
    assert metrics.psnr(*EXAMPLE) == pytest.approx(10 * np.log10(6**2 / 3.5))
    assert metrics.psnr(*EXAMPLE, peak=60) == pytest.approx(20 + metrics.psnr(*EXAMPLE))


@given(pairs())
def test_mae_and_sprmse_are_at_most_the_rmse(pair):
    bound = metrics.rmse(*pair) * (1 + 1e-9)
    assert metrics.mae(*pair) <= bound and metrics.sprmse(*pair) <= bound


@given(pairs(), SEED)
def test_only_sprmse_ignores_the_order_of_steps(pair, seed):
    truth, generated = pair
    shuffled = np.random.default_rng(seed).permutation(generated)
    assert metrics.sprmse(truth, shuffled) == pytest.approx(metrics.sprmse(truth, generated), rel=1e-6, abs=1e-4)
    assert metrics.sprmse(truth, np.random.default_rng(seed).permutation(truth)) == pytest.approx(0, abs=1e-4)


def test_rmse_sees_the_order_of_steps():
    assert metrics.rmse(week(), week()[::-1]) > 1 and metrics.sprmse(week(), week()[::-1]) < 1e-9


@given(SEED)
def test_psnr_falls_as_noise_grows(seed):
    noise = np.random.default_rng(seed).standard_normal((168, 30))
    falling = [metrics.psnr(week(), week() + sd * noise) for sd in (0, 0.1, 1, 10)]
    assert falling[0] == np.inf and falling == sorted(falling, reverse=True) and len(set(falling)) == 4
    assert falling[1] - falling[2] == pytest.approx(20)  # ten times the noise is 20 dB


@pytest.mark.parametrize("peak", [None, 0, -1])
def test_psnr_needs_a_positive_peak(peak):
    with pytest.raises(ValueError, match="peak"):
        metrics.psnr(np.zeros((2, 2)), np.ones((2, 2)), peak=peak)


def test_float32_volumes_do_not_overflow():
    truth, generated = np.full((2, 3), 1e30, np.float32), np.full((2, 3), 3e30, np.float32)
    assert metrics.rmse(truth, generated) == pytest.approx(2e30)
    assert metrics.rv_coefficient(truth, generated) == pytest.approx(1)
    assert metrics.energy_score(truth, generated[None]) == pytest.approx(2e30 * np.sqrt(2))


def test_mean_and_variance_over_seeds():
    truth = np.zeros((2, 2))
    assert metrics.over_seeds(metrics.mae, truth, [truth + 1, truth - 2, truth + 6]) == (3, (4 + 1 + 9) / 2)
    with pytest.raises(ValueError, match="at least two"):
        metrics.over_seeds(metrics.mae, truth, [truth])


# --- RV-coefficient ---


def test_rv_by_hand():
    a, b = np.array([[1.0], [0.0]]), np.array([[1.0], [1.0]])
    assert metrics.rv_coefficient(a, b) == pytest.approx(1 / 2)  # of single columns: their cosine, squared
    assert metrics.rv_coefficient(a, 1 - a) == 0
    assert np.isnan(metrics.rv_coefficient(a, 0 * b))


@given(SEED, st.integers(2, 5), st.integers(1, 5), st.integers(1, 5))
def test_rv_is_symmetric_within_0_and_1_and_the_printed_traces(seed, m, p, q):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((m, p)), rng.standard_normal((m, q))
    rv = metrics.rv_coefficient(a, b)
    assert 0 <= rv <= 1 + 1e-12 and rv == pytest.approx(metrics.rv_coefficient(b, a))
    aa, bb = a @ a.T, b @ b.T
    assert rv == pytest.approx(np.trace(aa @ bb) / np.sqrt(np.trace(aa @ aa) * np.trace(bb @ bb)))


@given(SEED, st.integers(2, 5), st.floats(1e-3, 1e3))
def test_rv_of_a_rotated_and_scaled_copy_is_1(seed, p, scale):
    a = np.random.default_rng(seed).standard_normal((6, p))
    assert metrics.rv_coefficient(a, scale * a @ ortho_group.rvs(p, random_state=seed)) == pytest.approx(1)


# --- ensembles ---


@given(pairs())
def test_crps_and_energy_score_of_one_sample_are_plain_distances(pair):
    truth, generated = pair
    assert metrics.crps(truth, generated[None]) == pytest.approx(metrics.mae(truth, generated))
    of_weeks = np.linalg.norm(generated - truth, axis=0).mean()
    assert metrics.energy_score(truth, generated[None]) == pytest.approx(of_weeks)


def slow_fair_score(truth, ensemble, distance):
    """E d(X, y) - E d(X, X') / 2 by the double sum over samples X' other than X."""
    s = len(ensemble)
    to_truth = np.mean([distance(x, truth) for x in ensemble])
    between = sum(distance(x, y) for x, y in product(ensemble, ensemble)) / (s * (s - 1))
    return to_truth - between / 2


@given(ensembles(min_samples=2))
def test_crps_is_the_double_sum(case):
    slow = slow_fair_score(*case, lambda x, y: np.abs(x - y).mean())
    assert metrics.crps(*case) == pytest.approx(slow, rel=1e-9, abs=1e-4)


@given(ensembles(min_samples=2))
def test_energy_score_is_the_double_sum(case):
    slow = slow_fair_score(*case, lambda x, y: np.linalg.norm(x - y, axis=0).mean())
    assert metrics.energy_score(*case) == pytest.approx(slow, rel=1e-9, abs=1e-4)


@given(ensembles())
def test_energy_score_of_a_single_step_is_the_crps(case):
    truth, ensemble = case[0][:1], case[1][:, :1]
    assert metrics.energy_score(truth, ensemble) == pytest.approx(metrics.crps(truth, ensemble), rel=1e-9, abs=1e-4)


def test_crps_by_hand():
    assert metrics.crps(np.array([[1.0]]), np.array([0.0, 2.0, 7.0]).reshape(3, 1, 1)) == pytest.approx(
        (1 + 1 + 6) / 3 - (2 + 7 + 5) / 6
    )


@pytest.mark.parametrize("samples", [2, 5, 20])
def test_fair_scores_do_not_depend_on_the_number_of_samples(samples):
    rng = np.random.default_rng(0)
    truth, ensemble = rng.standard_normal((4, 20000)), rng.standard_normal((samples, 4, 20000))
    assert metrics.crps(truth, ensemble) == pytest.approx(1 / np.sqrt(np.pi), abs=0.01)  # E|X - y| / 2 of normals
    # |X - y| / sqrt(2) is a chi variable of 4 degrees of freedom, with mean sqrt(2) Gamma(5/2) / Gamma(2)
    assert metrics.energy_score(truth, ensemble) == pytest.approx(0.75 * np.sqrt(np.pi), abs=0.02)


def test_only_the_energy_score_sees_whether_hours_belong_together():
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.standard_normal((1, 2000)), 24, axis=0)  # a cell's hours are all high or all low
    together = np.repeat(rng.standard_normal((10, 1, 2000)), 24, axis=1)
    apart = rng.standard_normal((10, 24, 2000))
    assert metrics.crps(truth, apart) == pytest.approx(metrics.crps(truth, together), abs=0.03)
    assert metrics.energy_score(truth, apart) > 1.1 * metrics.energy_score(truth, together)


@pytest.mark.parametrize("samples", [9, 16, 30])
def test_coverage_of_a_calibrated_ensemble(samples):
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((10, 2000))
    ensemble = rng.standard_normal((samples, 10, 2000))
    assert metrics.coverage(truth, ensemble) == pytest.approx(0.8, abs=0.025)
    assert metrics.coverage(truth, 0.5 * ensemble) < 0.6
    assert metrics.coverage(truth, 2 * ensemble) > 0.95


@given(volumes(SHAPE), st.integers(1, 20))
def test_coverage_of_the_truth_itself_is_1_and_of_others_0(truth, samples):
    same = np.repeat(truth[None], samples, axis=0)
    assert metrics.coverage(truth, same) == 1
    assert metrics.coverage(truth, 2 * same + 1) == 0


def test_coverage_by_hand():
    ensemble = np.arange(9.0).reshape(9, 1, 1) * np.array([1.0, 1.0, 1.0, 0.0])  # P10 and P90 of nine: their ends
    assert metrics.coverage(np.array([[0.0, 8.0, 8.1, 0.0]]), ensemble) == 3 / 4


# --- distributions ---


@given(volumes(SHAPE), st.floats(0, 1e9))
def test_wasserstein_distance_of_a_shift_is_the_shift(truth, shift):
    assert metrics.wasserstein(truth, truth + shift) == pytest.approx(shift, rel=1e-6, abs=1e-5)
    assert metrics.wasserstein(truth, truth[::-1]) == pytest.approx(0, abs=1e-5)


def test_wasserstein_on_the_log_scale():
    truth = np.expm1(np.array([[0.0, 1.0], [2.0, 3.0]]))
    generated = np.expm1(np.array([[0.5, 1.5], [2.5, 3.5]]))
    assert metrics.wasserstein(truth, generated, log_scale=True) == pytest.approx(0.5)
    assert metrics.wasserstein(truth, np.stack([generated, generated]), log_scale=True) == pytest.approx(0.5)


@given(st.floats(0.1, 10))
def test_spread_ratio_is_that_of_the_logarithms(ratio):
    log = np.random.default_rng(0).uniform(0, 2, (24, 10))
    assert metrics.spread_ratio(np.expm1(log), np.expm1(ratio * log)) == pytest.approx(ratio)
    assert metrics.spread_ratio(np.expm1(log), np.ones((5, 24, 10))) == pytest.approx(0, abs=1e-12)
    assert np.isnan(metrics.spread_ratio(np.full((3, 7), 0.1), log))


# --- rhythm ---


@pytest.mark.parametrize("distance", [metrics.autocorrelation_distance, metrics.spectrum_distance])
def test_rhythm_knows_neither_unit_nor_place_nor_dead_cells(distance):
    truth, other = week(noise=0.3), week(noise=0.8, seed=1)
    apart = distance(truth, other)
    assert apart > 0.01 and distance(other, truth) == pytest.approx(apart)
    assert distance(truth, 1e6 * truth[:, ::-1] + 5) == pytest.approx(0, abs=1e-9)
    grid = [np.concatenate([x, np.full((168, 6), 0.1)], axis=1).reshape(168, 6, 6) for x in (truth, other)]
    assert distance(*grid) == pytest.approx(apart)
    assert np.isnan(distance(truth, np.full_like(truth, 0.1)))


def test_autocorrelation_distance_by_hand():
    one, two = np.array([[1.0], [0.0], [0.0], [1.0]]), np.array([[0.0], [1.0], [0.0], [1.0]])
    # around the mean 1/2, in quarters: (+ - - +) has lags 1, 2 of -1, -2 out of 4; (- + - +) has -3, 2
    assert metrics.autocorrelation_distance(one, two, lags=[1]) == pytest.approx(0.5)
    assert metrics.autocorrelation_distance(one, two, lags=[1, 2]) == pytest.approx((0.5 + 1) / 2)


def test_autocorrelation_distance_falls_with_noise_and_is_of_mean_cells():
    by_noise = [metrics.autocorrelation_distance(week(), week(noise=sd)) for sd in (0.1, 0.5, 2)]
    assert by_noise == sorted(by_noise) and by_noise[0] < 0.05 < 0.3 < by_noise[2]
    truth, generated = week(2, noise=0.5), week(2, noise=0.5, seed=1)
    lag = [np.corrcoef(x[:-24, i], x[24:, i])[0, 1] for x in (truth, generated) for i in range(2)]
    expected = abs(np.mean(lag[:2]) - np.mean(lag[2:])) * 144 / 168  # the usual estimate divides by all steps
    assert metrics.autocorrelation_distance(truth, generated, lags=[24]) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("lags", [[], [0, 1], [-1], [4], range(1, 49)])
def test_lags_must_lie_within_the_series(lags):
    with pytest.raises(ValueError, match="lags must be from 1 to 3 steps"):
        metrics.autocorrelation_distance(np.eye(4), np.eye(4), lags)


def test_spectrum_distance_is_the_variance_at_other_frequencies():
    day, half = week(hours=24), week(hours=12)
    assert metrics.spectrum_distance(day, half) == pytest.approx(1)
    assert metrics.spectrum_distance(day, np.roll(day, 5, axis=0)) == pytest.approx(0, abs=1e-9)
    t = 2 * np.pi * np.arange(168)[:, None]
    mixed = 9 + 2 * np.sin(t / 24) + np.cos(t / 12)  # variances 4 : 1
    assert metrics.spectrum_distance(day[:, :1], mixed) == pytest.approx(1 / 5)
    nyquist = 9 + 2 * np.sin(t / 24) + np.sqrt(2) * np.cos(t / 2)  # variances 2 and 2
    assert metrics.spectrum_distance(day[:, :1], nyquist) == pytest.approx(1 / 2)


# --- scales ---


def test_cross_scale_gap_by_hand():
    two = Hierarchy((Level("a", "", 100, 2), Level("b", "", 50, 1)))
    coarse, fine = np.array([10.0, 30.0]).reshape(1, 1, 2), np.full((2, 2, 4), 2.5)  # sums 20 and 20
    assert metrics.cross_scale_gap([coarse, fine], two) == pytest.approx((10 + 10) / 40)
    assert metrics.cross_scale_gap([coarse], Hierarchy(two.levels[:1])) == 0


@given(SEED)
def test_cross_scale_gap_is_0_with_conservation_only(seed):
    rng = np.random.default_rng(seed)
    week = S4T4.pyramid(rng.lognormal(10, 2, (24, 8, 16)))
    assert metrics.cross_scale_gap(week, S4T4) == pytest.approx(0, abs=1e-12)
    for k in range(4):
        changed = [level * (1.1 if i == k else 1) for i, level in enumerate(week)]
        assert metrics.cross_scale_gap(changed, S4T4) == pytest.approx(0.1, rel=0.1)
        assert metrics.cross_scale_gap(conserve(changed, S4T4), S4T4) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("k", range(4))
def test_cross_scale_gap_is_nan_where_a_level_is(k):
    week = S4T4.pyramid(np.ones((24, 8, 8)))
    week[k] = week[k] * np.nan
    assert np.isnan(metrics.cross_scale_gap(week, S4T4))


def test_cross_scale_gap_refuses_what_is_no_pyramid():
    week = S4T4.pyramid(np.ones((24, 8, 16)))
    with pytest.raises(ValueError, match="3 arrays are not the 4 levels"):
        metrics.cross_scale_gap(week[1:], S4T4)
    with pytest.raises(ValueError, match="level 1 sums to"):
        metrics.cross_scale_gap([week[0][..., :1], *week[1:]], S4T4)  # would broadcast


# --- shapes ---


@pytest.mark.parametrize(
    "metric",
    [
        metrics.mae,
        metrics.rmse,
        metrics.sprmse,
        metrics.psnr,
        metrics.autocorrelation_distance,
        metrics.spectrum_distance,
    ],
)
@pytest.mark.parametrize("shapes", [((4, 3), (4, 1)), ((4, 3), (2, 4, 3)), ((4,), (4,)), ((4, 0), (4, 0))])
def test_metrics_of_pairs_refuse_other_shapes(metric, shapes):
    with pytest.raises(ValueError, match="not two equal shapes"):
        metric(*(np.ones(shape) for shape in shapes))


@pytest.mark.parametrize("metric", [metrics.crps, metrics.energy_score, metrics.coverage])
@pytest.mark.parametrize("shapes", [((4, 3), (4, 3)), ((4, 3), (2, 3, 4)), ((4, 3), (0, 4, 3)), ((4,), (2, 4))])
def test_metrics_of_ensembles_refuse_other_shapes(metric, shapes):
    with pytest.raises(ValueError, match="an ensemble of truth"):
        metric(*(np.ones(shape) for shape in shapes))


@pytest.mark.parametrize("shapes", [((4, 3), (5, 3)), ((4,), (4,)), ((4, 3, 2), (4, 6))])
def test_rv_refuses_other_shapes(shapes):
    with pytest.raises(ValueError, match="same number of rows"):
        metrics.rv_coefficient(*(np.ones(shape) for shape in shapes))


@pytest.mark.parametrize("metric", [metrics.wasserstein, metrics.spread_ratio])
def test_distributions_refuse_the_empty(metric):
    with pytest.raises(ValueError, match="empty"):
        metric(np.ones((2, 2)), np.ones((0, 2)))
