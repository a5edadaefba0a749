"""The studies run on a tiny work, keep what their tables are made of, and count right."""

import json

import numpy as np
import pytest
import torch

from benchmarks.paper import efficiency, harness, refinement, report, states
from benchmarks.paper.blocks import truth_of, view
from benchmarks.paper.results import save
from benchmarks.paper.training import Budget
from benchmarks.paper.works import simulated, window
from zoomdiff.context.procedural import procedural_map
from zoomdiff.diffusion.design import setting
from zoomdiff.levels import aggregate

TINY = Budget(1000, steps=1)


@pytest.fixture
def small(work, tmp_path, monkeypatch):
    """The smoke work in place of city50, tuned to the smallest settings, and few samples."""
    for name in ("zoomdiff", "csdi", "dit"):
        save(tmp_path / work.name / f"{name}-tuning.json", {"setting": harness.method(name)[0].grid[-1]})
    for module in (states, refinement):
        monkeypatch.setattr(module, "WORKS", {"city50": lambda: [work]})
    monkeypatch.setattr(refinement, "SAMPLES", 2)
    monkeypatch.setattr(states, "STRIDES", 4)


def test_states_of_three_methods_at_four_nodes(small, tmp_path):
    result = states.run(TINY, tmp_path)
    assert json.loads((tmp_path / states.FILE).read_text()) == result
    assert list(result["rows"]) == ["csdi", "dit", "zoomdiff"]
    for levels in result["rows"].values():
        assert list(levels) == ["bs", "cell", "grid100", "grid50"]
        assert [len(figures["curve"]) for figures in levels.values()] == [7, 42, 84, 168]
        week = [sum(figures["truth"]) for figures in levels.values()]
        np.testing.assert_allclose(week, week[0], rtol=1e-3)
    assert all(name in states.table(result) for name in ("csdi", "zoomdiff", "grid100"))
    report.plot_states(result, tmp_path / "states.png")
    assert (tmp_path / "states.png").stat().st_size > 5000


def test_refined_weeks_keep_the_known_totals_and_the_table_has_three_rows(small, tmp_path):
    result = refinement.run(TINY, 1, tmp_path)
    assert list(result["rows"]) == ["zero-shot", "retrained", "CSDI"]
    assert refinement.table(result).count("\n") == 4
    for (row,) in result["rows"].values():
        assert row["volume"] == pytest.approx(1, rel=1e-4) and np.isfinite(row["CRPS"])


def test_csdi_gets_its_own_blocks_week(work):
    prior, case = work.prior(), work.test[0]
    places = view(work, 3, prior).cases[case.name]
    known = refinement.with_days(places, prior.encode(truth_of(case, 0), 0))
    assert known.static.shape[1] == places.static.shape[1] + 7
    torch.testing.assert_close(known.static[:, -7:, 3, 5], prior.encode(truth_of(case, 0), 0)[..., 0, 0])


def test_two_levels_are_the_ends_of_the_same_weeks(work):
    pair = refinement.two_levels(work)
    coarse, fine = pair.test[0].city.weeks[0]
    torch.testing.assert_close(aggregate(fine, 8, 24), coarse)
    assert [level.name for level in pair.hierarchy] == ["bs", "grid50"] and len(pair.train) == len(work.train)


def test_times_are_scaled_to_five_hundred_base_stations(monkeypatch):
    small = {"OUR_BLOCKS": 4, "TRAINED": 1, "CELLS": 64, "GRID": ({"channels": 16, "blocks": 1},)}
    for name, value in small.items():
        monkeypatch.setattr(efficiency, name, value)
    monkeypatch.setitem(efficiency.AUTHORS_SIZE, "dit", {"channels": 32, "depth": 1, "tokens": 448})
    city, _ = simulated(procedural_map(0, kilometres=1.6), "europe", range(1), hierarchy=setting("S4T1")[0])
    work = efficiency.Work("town", [city], [], [efficiency.Case("piece", window(city, 0, 0, 2))], (0, 1, 2, 3))
    ours, theirs = efficiency.timed_ours(work), efficiency.timed_baseline("dit", work)
    for row in (ours, theirs):
        assert row["parameters"] > 1e4 and min(row.values()) > 0
    assert theirs["generate, all steps"] == pytest.approx(theirs["generate"] * 1000 / efficiency.STRIDES)
    rows = {"dit": {"title": "DiT"} | theirs, "zoomdiff": {"title": "ZoomDiff"} | ours}
    table = efficiency.table({"rows": rows})
    assert "(1 x)" in table.splitlines()[-1] and "DiT" in table
