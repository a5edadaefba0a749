"""Statistics of traffic: known on made-up traffic, and as published on real files; the table of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from zoomdiff.measured.traffic import MeasuredTraffic
from zoomdiff.realism import statistics
from zoomdiff.realism.compare import compare
from zoomdiff.realism.datasets import read_nanchang, read_nanjing
from zoomdiff.realism.statistics import HourlyGrid
from zoomdiff.realism.table import CITIES, ROWS, format_table, realism_table, rows_inside

RNG = np.random.default_rng(0)
WEEK = np.arange(7)
DAY = 1 + 0.8 * np.sin(2 * np.pi * (np.arange(168) - 8) / 24)  # peak at 14 h, trough at 2 h


def rhythm(means, noise_sd=0.0):
    """(168, n): every cell its mean times the same day, times log-normal noise."""
    noise = np.exp(noise_sd * RNG.standard_normal((168, len(means))) - noise_sd**2 / 2)
    return DAY[:, None] * np.asarray(means)[None] * noise


@pytest.fixture(scope="module")
def lively() -> tuple[np.ndarray, list[float]]:
    """A week (168, 12, 12) with noise, and the value of every row for it."""
    grid = rhythm(RNG.lognormal(0, 1, 144), 0.2).reshape(168, 12, 12)
    sample = HourlyGrid.of_week(grid)
    return grid, [row.of(sample) for row in ROWS]


@given(st.floats(0.01, 1e9))
@settings(max_examples=20)
def test_no_statistic_depends_on_the_unit(lively, scale):
    grid, ones = lively
    other = HourlyGrid.of_week(grid * scale)
    for row, one in zip(ROWS, ones, strict=True):
        assert row.of(other) == pytest.approx(one, rel=1e-6, nan_ok=True), row.name


def test_inequality():
    equal, one = np.ones((168, 100)), np.zeros((168, 100)) + 1e-12
    one[:, 3] = 1
    assert statistics.gini(equal) == pytest.approx(0, abs=1e-9) and statistics.gini(one) == pytest.approx(
        0.99, abs=1e-6
    )
    assert statistics.top_share(equal) == pytest.approx(0.1) and statistics.top_share(one) == pytest.approx(1)
    assert statistics.log_mean_sd(rhythm(np.exp(RNG.normal(0, 1.3, 5000)))) == pytest.approx(1.3, rel=0.05)


def test_the_citys_day_and_week():
    traffic = rhythm(np.ones(50))
    traffic[120:] *= 0.9
    assert statistics.peak_hour(traffic, WEEK) == 14
    assert statistics.peak_to_trough(traffic, WEEK) == pytest.approx(9, rel=1e-3)
    assert statistics.weekend_to_workday(traffic, WEEK) == pytest.approx(0.9)
    assert statistics.city_correlation(traffic) == pytest.approx(1)


def test_autocorrelation_of_an_autoregression():
    series = np.zeros((2000, 50))
    for t in range(1, 2000):
        series[t] = 0.7 * series[t - 1] + RNG.standard_normal(50)
    assert statistics.autocorrelation(10 + series, 1) == pytest.approx(0.7, abs=0.03)
    assert statistics.autocorrelation(10 + series, 2) == pytest.approx(0.49, abs=0.05)
    assert np.isnan(statistics.autocorrelation(series[:100], 168))


def test_taylor_separates_sessions_from_rhythm():
    means = RNG.lognormal(3, 1, 400)
    assert statistics.taylor_exponent(RNG.poisson(means, (2000, 400)).astype(float)) == pytest.approx(1, abs=0.05)
    assert statistics.taylor_exponent(rhythm(means)) == pytest.approx(2, abs=1e-6)


def test_own_profile_deviation_finds_the_noise_that_was_put_in():
    assert statistics.own_profile_deviation(rhythm(np.ones(500), 0.2), WEEK) == pytest.approx(0.2, rel=0.08)
    assert statistics.temporal_cv(rhythm(np.ones(50))) == pytest.approx(0.8 / np.sqrt(2), rel=1e-6)


def test_neighbours():
    smooth = np.exp(8 * gaussian_filter(RNG.standard_normal((40, 40)), 3, mode="wrap"))
    rough = np.exp(0.5 * RNG.standard_normal((40, 40)))
    for grid, low, high in ((smooth, 0.8, 1.0), (rough, -0.15, 0.15)):
        week = DAY[:, None, None] * grid
        assert low < statistics.morans_i(week) < high
        assert low < statistics.neighbour_correlation(week, 1) < high
    assert statistics.neighbour_correlation(DAY[:, None, None] * smooth, 8) < 0.5
    assert np.isnan(statistics.neighbour_correlation(np.ones((168, 2, 2)), 1))


def test_inactive_cells_are_left_out():
    grid = rhythm(np.full(100, 50.0)).reshape(168, 10, 10)
    grid[:, 0] = 0
    grid[:, 1] *= 0.001
    assert statistics.active_cells(grid).sum() == 80
    assert ROWS[0].of(HourlyGrid.of_week(grid)) == pytest.approx(0, abs=1e-9)


def test_child_shares():
    assert statistics.child_share_sd(np.ones((168, 8, 8))) == pytest.approx(0)
    alike = np.ones((168, 8, 8))
    alike[:, 1, 1] = 0  # a block with a cell that is not compared is left out
    assert statistics.child_share_sd(alike) == pytest.approx(0)
    assert statistics.child_share_sd(np.exp(RNG.normal(0, 1, (1, 64, 64)))) > 0.5
    assert np.isnan(statistics.child_share_sd(np.ones((168, 1, 1))))


def test_urban_clusters_are_dense_and_large():
    people = np.zeros((40, 40))
    people[5:15, 5:15] = 100  # 10,000 together
    people[15, 15] = 100  # hangs on by a corner
    people[30, 30] = 4000  # dense, but alone
    people[20:22] = 20  # a large area below the density
    urban = statistics.urban_clusters(people, 400.0)
    assert urban.sum() == 101 and urban[15, 15] and not urban[30, 30]
    assert not statistics.urban_clusters(np.zeros((3, 3)), 400.0).any()


def test_places_become_alike_when_they_are_summed():
    week = np.exp(RNG.normal(0, 1, (1, 40, 40))) * DAY[:, None, None]
    sds = [statistics.coarser_log_mean_sd(week, cells) for cells in (1, 2, 4)]
    assert sds == sorted(sds, reverse=True) and sds[0] == pytest.approx(1, rel=0.1)
    ragged = week.copy()
    ragged[:, ::5] = 0  # no block of 5 x 5 is whole any more
    assert np.isnan(statistics.coarser_log_mean_sd(ragged, 5))


def test_users_and_places_explain_what_they_caused():
    users = np.tile(RNG.lognormal(3, 1, 300), (168, 1))
    assert statistics.users_correlation(5.0 * users, users) == pytest.approx(1)
    assert abs(statistics.users_correlation(RNG.lognormal(3, 1, (168, 300)), users)) < 0.2
    poi = RNG.poisson(5, 300)
    assert statistics.poi_correlation((1.0 + poi) * np.ones((168, 1)), poi) == pytest.approx(1)


def test_noise_of_neighbours_is_separate_from_what_all_share():
    own, shared = np.exp(0.2 * RNG.standard_normal((168, 12, 12))), np.exp(0.2 * RNG.standard_normal((168, 1, 1)))
    both = np.exp(0.2 * gaussian_filter(RNG.standard_normal((168, 12, 12)), (0, 1, 1), mode="wrap") * 3.5)
    day = DAY[:, None, None]
    assert abs(statistics.residual_correlation(day * own * shared, WEEK)) < 0.05
    assert statistics.residual_correlation(day * both * shared, WEEK) > 0.5


def test_noise_falls_with_longer_steps():
    noise = rhythm(np.ones(500), 0.2)
    hours = [statistics.own_profile_deviation(noise, WEEK, n) for n in (1, 2, 4, 24)]
    assert hours == sorted(hours, reverse=True) and hours[2] == pytest.approx(0.1, rel=0.15)


def test_the_table_marks_what_is_outside():
    table = realism_table({"mine": HourlyGrid.of_week(rhythm(RNG.lognormal(0, 0.1, 100)).reshape(168, 10, 10))})
    assert not table.loc["sd of ln(mean) over cells", "mine inside"]  # nearly alike
    assert table.loc["peak / trough", "mine inside"]
    good, of, missed = rows_inside(table, "mine")
    assert of == 11 and 0 < good < of and "sd of ln(mean) over cells" in missed
    assert table.loc["Gini", "Milan"] == 0.61 and table.loc["Gini", "to"] == 0.61
    with pytest.raises(ValueError, match="whole days"):
        HourlyGrid.of_week(np.ones((100, 4, 4)))


def test_the_table_as_text_shows_samples_first_and_marks_what_is_outside():
    table = realism_table({"mine": HourlyGrid.of_week(rhythm(RNG.lognormal(0, 0.1, 100)).reshape(168, 10, 10))})
    header, *rows = format_table(table).splitlines()
    assert header.split() == ["mine", *CITIES, "from", "to"]
    assert (
        next(row for row in rows if row.startswith("sd of ln(mean) over cells")).split()[5]
        == f"{table['mine'].iloc[0]:.2f}*"
    )
    assert next(row for row in rows if row.startswith("traffic ~ users")).split()[5] == "-"  # users are not known
    good, of, missed = rows_inside(table, "mine")
    assert rows[-1] == f"mine: {good} of {of} rows inside; outside: {', '.join(missed)}"


def test_files_of_one_name_are_all_compared(tmp_path):
    times = pd.date_range("2024-03-04", periods=24 * 7, freq="h")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        rows = [(t, f"cell {c}", (2 + np.sin(t.hour / 4)) * (c + 1)) for t in times for c in range(20)]
        pd.DataFrame(rows, columns=["time", "cell", "bytes"]).to_csv(tmp_path / folder / "mine.csv", index=False)
    table, notes = compare([tmp_path / "a" / "mine.csv", tmp_path / "b" / "mine.csv"])
    assert len(notes) == 4 and table["mine"].equals(table[str(tmp_path / "b" / "mine.csv")].rename("mine"))


def test_excluded_days_and_gaps_do_not_count():
    clean = rhythm(RNG.lognormal(0, 1, 144), 0.1).reshape(168, 12, 12)
    more = np.concatenate([clean, clean])
    more[168 + 48 : 168 + 72] = np.nan  # one day that is no ordinary one
    for row in ROWS:
        one, other = HourlyGrid(clean, WEEK), HourlyGrid(more, np.tile(WEEK, 2))
        if np.isfinite(row.of(one)):  # a single week has no memory of a week
            assert row.of(other) == pytest.approx(row.of(one), rel=0.15, abs=0.02), row.name


def test_patches_are_no_neighbours():
    patches = np.ones((168, 2 * 4 * 4)) * np.repeat([1.0, 1000.0], 16)
    measured = MeasuredTraffic(patches, 60, "bytes", "made up", "", "", weekday=0, grid_shape=(2, 4, 4))
    grid = HourlyGrid.of_measured(measured)
    assert grid.traffic.shape == (168, 10, 4) and (grid.traffic[:, [4, 9]] == 0).all()
    log = np.log(grid.traffic[0, [3, 5], 0])
    assert log[0] != log[1]


@pytest.mark.parametrize("city", ["Nanjing", "Nanchang"])
def test_a_real_file_has_the_figures_of_the_table(city, shared_data):
    """Our functions on the real files against figures that were measured on them beforehand by other code."""
    files = {"Nanjing": "nanjing_grid/MobileNJ.npy", "Nanchang": "nanchang_patches/uomo_NC.npz"}
    read = {"Nanjing": read_nanjing, "Nanchang": read_nanchang}[city]
    sample = HourlyGrid.of_measured(read(shared_data / "traffic" / files[city]))
    for row in ROWS:
        if city in row.real and row.group and "autocorrelation" not in row.name:  # taken over other days
            assert row.of(sample) == pytest.approx(row.real[city], abs=0.06, rel=0.12), row.name
