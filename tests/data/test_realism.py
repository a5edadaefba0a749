import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from zoomdiff.data import realism
from zoomdiff.data.realism import ROWS, realism_table

RNG = np.random.default_rng(0)
DAY = 1 + 0.8 * np.sin(2 * np.pi * (np.arange(168) - 8) / 24)  # peak at 14 h, trough at 2 h


def rhythm(means, noise_sd=0.0):
    """(168, n): every cell its mean times the same day, times log-normal noise."""
    noise = np.exp(noise_sd * RNG.standard_normal((168, len(means))) - noise_sd**2 / 2)
    return DAY[:, None] * np.asarray(means)[None] * noise


@given(st.floats(0.01, 1e9))
def test_no_statistic_depends_on_the_unit(scale):
    grid = rhythm(RNG.lognormal(0, 1, 144), 0.2).reshape(168, 12, 12)
    for row in ROWS:
        assert row.of(grid * scale) == pytest.approx(row.of(grid), rel=1e-6, nan_ok=True)


def test_inequality():
    equal, one = np.ones((168, 100)), np.zeros((168, 100)) + 1e-12
    one[:, 3] = 1
    assert realism.gini(equal) == pytest.approx(0, abs=1e-9) and realism.gini(one) == pytest.approx(0.99, abs=1e-6)
    assert realism.top_share(equal) == pytest.approx(0.1) and realism.top_share(one) == pytest.approx(1)
    assert realism.log_mean_sd(rhythm(np.exp(RNG.normal(0, 1.3, 5000)))) == pytest.approx(1.3, rel=0.05)


def test_the_citys_day_and_week():
    traffic = rhythm(np.ones(50))
    traffic[120:] *= 0.9
    assert realism.peak_hour(traffic) == 14
    assert realism.peak_to_trough(traffic) == pytest.approx(9, rel=1e-3)
    assert realism.weekend_to_workday(traffic) == pytest.approx(0.9)
    assert realism.city_correlation(traffic) == pytest.approx(1)


def test_autocorrelation_of_an_autoregression():
    series = np.zeros((2000, 50))
    for t in range(1, 2000):
        series[t] = 0.7 * series[t - 1] + RNG.standard_normal(50)
    assert realism.autocorrelation(10 + series, 1) == pytest.approx(0.7, abs=0.03)
    assert realism.autocorrelation(10 + series, 2) == pytest.approx(0.49, abs=0.05)
    assert np.isnan(realism.autocorrelation(series[:100], 168))


def test_taylor_tells_sessions_from_rhythm():
    means = RNG.lognormal(3, 1, 400)
    assert realism.taylor_exponent(RNG.poisson(means, (2000, 400)).astype(float)) == pytest.approx(1, abs=0.05)
    assert realism.taylor_exponent(rhythm(means)) == pytest.approx(2, abs=1e-6)


def test_own_profile_deviation_finds_the_noise_that_was_put_in():
    assert realism.own_profile_deviation(rhythm(np.ones(500), 0.2)) == pytest.approx(0.2, rel=0.08)
    assert realism.temporal_cv(rhythm(np.ones(50))) == pytest.approx(0.8 / np.sqrt(2), rel=1e-6)


def test_neighbours():
    smooth = np.exp(8 * gaussian_filter(RNG.standard_normal((40, 40)), 3, mode="wrap"))
    rough = np.exp(0.5 * RNG.standard_normal((40, 40)))
    for grid, low, high in ((smooth, 0.8, 1.0), (rough, -0.15, 0.15)):
        week = DAY[:, None, None] * grid
        assert low < realism.morans_i(week) < high
        assert low < realism.neighbour_correlation(week, 1) < high
    assert realism.neighbour_correlation(DAY[:, None, None] * smooth, 8) < 0.5
    assert np.isnan(realism.neighbour_correlation(np.ones((168, 2, 2)), 1))


def test_inactive_cells_are_left_out():
    grid = rhythm(np.full(100, 50.0)).reshape(168, 10, 10)
    grid[:, 0] = 0
    grid[:, 1] *= 0.001
    assert realism.active_cells(grid).sum() == 80
    assert ROWS[0].of(grid) == pytest.approx(0, abs=1e-9)


def test_child_shares():
    assert realism.child_share_sd(np.ones((168, 8, 8))) == pytest.approx(0)
    assert realism.child_share_sd(np.exp(RNG.normal(0, 1, (1, 64, 64)))) > 0.5


def test_the_table_marks_what_is_outside():
    table = realism_table({"mine": rhythm(np.ones(100)).reshape(168, 10, 10)})
    assert not table.loc["sd of ln(mean) over cells", "mine inside"]  # all cells alike
    assert table.loc["peak / trough", "mine inside"]
    assert table.loc["Gini", "Milan"] == 0.61 and table.loc["Gini", "to"] == 0.61
    with pytest.raises(ValueError, match="whole week"):
        realism_table({"short": np.ones((100, 4, 4))})


def test_nanjing_has_the_figures_of_the_design(shared_data):
    """Our functions on the real file against the figures that were measured on it beforehand."""
    week = np.load(shared_data / "traffic" / "nanjing_grid" / "MobileNJ.npy")[:, :, 0].astype(float)
    normal = np.concatenate([week[:168], week[336:504]]).reshape(-1, 20, 28)  # week 2 is Spring Festival
    for row in ROWS:
        assert row.of(normal) == pytest.approx(row.real["Nanjing"], abs=0.05, rel=0.06), row.name
