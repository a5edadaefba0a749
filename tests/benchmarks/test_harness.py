"""Every method end to end, what is kept of a run, and how results become tables."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.paper import harness, report, smoke, tables
from benchmarks.paper.blocks import cut, truth_of
from benchmarks.paper.ours import Profile, Regression, ZoomDiff
from benchmarks.paper.training import Budget
from benchmarks.paper.works import Case
from zoomdiff.levels import aggregate


@pytest.fixture(scope="module")
def ours(work):
    torch.manual_seed(0)
    method = ZoomDiff(channels=16, blocks=1)
    method.fit(work, work.prior(), Budget(1000, steps=2), 0)
    return method


@pytest.fixture(scope="module")
def smoked(tmp_path_factory) -> Path:
    """The results of `python -m benchmarks smoke`: every method trained at every level, once for all tests."""
    folder = tmp_path_factory.mktemp("results") / "smoke"
    smoke.run(folder)
    return folder


def test_every_method_runs_end_to_end(smoked):
    results = tables.read(smoked)
    assert [result["method"] for result in results] == list(harness.METHODS)
    for result in results:
        assert result["setting"] in [dict(setting) for setting in harness.method(result["method"])[0].grid]
        assert result["parameters"] > 0 and result["scores"]["all"].keys() == {"bs", "grid100", "grid50"}
        for figures in result["scores"]["all"].values():
            assert np.isfinite([figures["CRPS"], figures["MAE of one"], figures["W1"], figures["volume"]]).all()


def test_what_has_a_result_is_not_run_again(smoked):
    kept = {file.name: file.read_bytes() for file in smoked.iterdir()}
    smoke.run(smoked)
    assert {file.name: file.read_bytes() for file in smoked.iterdir()} == kept


def test_results_become_tables_and_a_plot(smoked, tmp_path):
    results, text = tables.read(smoked), tables.overall(smoked)
    assert text == tables.overall(smoked) and all(result["title"] in text for result in results)
    report.plot_levels(results, tmp_path / "levels.png")
    assert (tmp_path / "levels.png").stat().st_size > 5000


def test_tuning_tries_the_grid_and_is_done_once(work, tmp_path, monkeypatch):
    tuned = harness.tune("regression", work, Budget(1000, steps=7), tmp_path)
    best, _ = min(tuned["tried"], key=lambda pair: pair[1])
    assert len(tuned["tried"]) == 3 and tuned["setting"] == best
    assert harness.tuned_setting("regression", tmp_path) == best and harness.tuned_setting("csdi", tmp_path) == {
        "learning_rate": 1e-3
    }
    monkeypatch.setattr(harness, "method", None)  # no method is made again
    assert harness.tune("regression", work, Budget(1000, steps=7), tmp_path) == json.loads(json.dumps(tuned))


def test_levels_of_ours_agree_and_a_place_has_its_own_noise(ours, work):
    case = work.test[0]
    levels = ours.levels(case, 2, 0)
    for k in range(3):
        finer = aggregate(levels[k + 1], *work.hierarchy.between(k, k + 1))
        torch.testing.assert_close(finer, levels[k], rtol=1e-6, atol=1.0)
    torch.testing.assert_close(ours.levels(case, 1, 0)[-1][0], levels[-1][0])
    elsewhere = Case(case.name, case.city, case.row + 1, case.col)
    assert not torch.equal(ours.levels(elsewhere, 1, 0)[0], levels[0][:1])


def test_refinement_keeps_what_is_given(ours, work):
    case = work.test[0]
    given = case.city.weeks[0][0][None].float()
    levels = ours.levels(case, 2, 0, (0, given))
    assert len(levels) == 4
    torch.testing.assert_close(aggregate(levels[-1], 8, 24), given.double().expand(2, -1, -1, -1), rtol=1e-6, atol=1.0)


def test_floors_give_one_week_whatever_the_seed(work):
    for kind in (Profile, Regression):
        torch.manual_seed(0)
        method = kind()
        method.fit(work, work.prior(), Budget(1000, steps=1), 0)
        first, second = (method.sample(work.test[0], 3, seed) for seed in (0, 1))
        for k in work.shown:
            assert first[k].shape == (1, *truth_of(work.test[0], k).shape)
            torch.testing.assert_close(first[k], second[k], rtol=0, atol=0)


def test_the_profile_is_the_median_of_its_use(work):
    method = Profile()
    method.fit(work, work.prior(), Budget(1), 0)
    city, k = work.train[0], work.shown[0]
    use = cut(city.conditions[k].aoi[0], city.inhabited).argmax(1)
    y = cut(work.prior().encode(city.weeks[0][k], k), city.inhabited)
    most = int(use.flatten().mode().values)
    torch.testing.assert_close(method.profiles[k][most], y.permute(0, 2, 3, 1)[use == most].median(0).values)


def test_a_perfect_week_has_no_error_and_all_of_its_spread():
    rng = np.random.default_rng(0)
    truth = rng.gamma(1, 1, (168, 20))
    row = harness.figures(truth, np.repeat(truth[None], 3, 0), truth.max())
    zero = ("MAE of one", "RMSE of mean", "spRMSE of one", "MAE of median", "CRPS", "W1", "ln W1", "spectrum")
    assert max(abs(row[name]) for name in zero) < 1e-12
    assert row["PSNR of one"] == np.inf and row["coverage"] == 1
    assert row["spread"] == pytest.approx(1) and row["volume"] == pytest.approx(1)


def test_flat_brings_steps_first_and_keeps_every_volume():
    x = torch.arange(2 * 3 * 4 * 2 * 2, dtype=torch.float32).reshape(2, 3, 4, 2, 2)  # (S, N, T, h, w)
    y = harness.flat(x, 2.0)
    assert y.shape == (2, 4, 12)
    np.testing.assert_array_equal(y[1, 2].reshape(3, 2, 2), x[1, :, 2].numpy() / 2)


def made_up(folder, crps):
    """Result files of methods that differ by a factor only."""
    keys = [f"{name} of {kind}" for name in tables.ERRORS for kind in ("one", "mean")]
    for method, seeds in crps.items():
        for seed, value in enumerate(seeds):
            figures = dict.fromkeys([*keys, *tables.DISTANCES, "MAE of median"], value) | dict.fromkeys(
                tables.SHARES, 1
            )
            result = {"method": method, "title": method.upper(), "draws": True, "seed": seed, "unit": "MB"}
            result |= {"scores": {"all": {"bs": figures, "grid50": figures}}, "setting": {}, "parameters": 5}
            result |= {"train_seconds": 1.0, "seconds_per_week": 0.1, "source": "s", "shrunk": "nothing"}
            harness.save(folder / f"{method}-{seed}.json", result)
    harness.save(folder / "csdi-tuning.json", {"setting": {}})


def test_tables_rank_by_means_over_seeds_and_show_the_gain(tmp_path):
    made_up(tmp_path, {"zoomdiff": (7.0, 9.0), "csdi": (10.0, 10.0), "dit": (20.0, 21.0)})
    rows = tables.frame(tables.read(tmp_path))
    ranking = tables.ranking(rows)
    assert ranking["mean rank"].to_dict() == {"ZOOMDIFF": 1, "CSDI": 2, "DIT": 3}
    assert ranking["our gain, all"].to_dict() == {"ZOOMDIFF": "–", "CSDI": "20.0%", "DIT": f"{1 - 8 / 20.5:.1%}"}
    text = tables.overall(tmp_path)
    assert "**8 (2.0e+00)**" in text and "20.0% |" in text
    assert "**20.5 (5.0e-01)**" in text, "the highest PSNR is the best"
    assert "Not run yet" in text and "timegan" in text


def test_without_results_one_sentence_says_what_to_run(tmp_path):
    assert "python -m benchmarks run" in tables.overall(tmp_path / "city50")


def test_results_are_whole_or_not_there(tmp_path):
    harness.save(tmp_path / "a" / "b.json", {"x": 1})
    assert json.loads((tmp_path / "a" / "b.json").read_text()) == {"x": 1}
    with pytest.raises(TypeError):
        harness.save(tmp_path / "a" / "c.json", {"x": object()})
    assert not (tmp_path / "a" / "c.json").exists()
