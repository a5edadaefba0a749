"""What is in between? The states of CSDI, DiT and ZoomDiff where the chain reaches each level's node (Fig. 10, 11).

CSDI and DiT are trained for the finest level alone. Where a quarter, a half, three quarters and all of their chain is
done, their state is summed to the level that ZoomDiff has ready there and compared with the true traffic of that level.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.paper import studies
from benchmarks.paper.baselines import baseline
from benchmarks.paper.baselines.diffusion import STRIDES, levels_of
from benchmarks.paper.baselines.parts import seeded
from benchmarks.paper.blocks import Places, truth_of, view, volumes_of
from benchmarks.paper.harness import method, tuned_setting
from benchmarks.paper.results import RESULTS, commit, save
from benchmarks.paper.training import Budget
from benchmarks.paper.works import WORKS, Case, Work
from zoomdiff import metrics
from zoomdiff.device import autocast
from zoomdiff.diffusion.prior import ResidualPrior
from zoomdiff.diffusion.samplers import ancestral
from zoomdiff.levels import aggregate

RIVALS = ("csdi", "dit")
FILE = "states.json"


@torch.inference_mode()
def watched(model, places: Places, prior: ResidualPrior, seed: int) -> list[Tensor]:
    """Volumes (N, T, h, w) at the finest level of the states at every node, coarse to fine, of one walk."""
    nodes = len(prior.hierarchy)
    levels = levels_of(model.abars, STRIDES)
    ends = {round(STRIDES * (k + 1) / nodes) for k in range(nodes)}
    generator, step, states = seeded(seed), ancestral(), []
    with autocast(torch.device("cpu")):
        estimate = model.estimate(model.network.side(places))
        state = torch.randn(places.people.shape, generator=generator)
        for number, (abar, abar_next) in enumerate(pairwise(levels), start=1):
            noise = torch.randn(state.shape, generator=generator)
            state = step(state, estimate(state, abar), abar, abar_next, lambda noise=noise: noise)
            if number in ends:
                states.append(volumes_of(state, nodes - 1, prior))
    return states


def compared(work: Work, case: Case, states: list[Tensor]) -> dict[str, dict]:
    """Level -> MAE, RMSE, volume and the curve of the busiest block, of (N, T_k, h, w) states in bytes."""
    rows = {}
    for k, state in enumerate(states):
        level, truth = work.hierarchy[k], truth_of(case, k)
        flat = [x.double().movedim(1, 0).flatten(1).numpy() / work.unit[0] for x in (truth, state)]
        busiest = int(truth.sum((1, 2, 3)).argmax())
        rows[level.name] = {
            "MAE": metrics.mae(*flat),
            "RMSE": metrics.rmse(*flat),
            "volume": float(flat[1].mean() / flat[0].mean()),
            "curve": [round(float(v), 3) for v in state[busiest].double().sum((1, 2)) / work.unit[0]],
            "truth": [round(float(v), 3) for v in truth[busiest].double().sum((1, 2)) / work.unit[0]],
        }
    return rows


def run(budget: Budget, results: Path = RESULTS) -> dict:
    """Train the three, watch one week of each case, keep the means over cases and the curves of the first."""
    work = WORKS["city50"]()[0]
    prior, hierarchy = work.prior(), work.hierarchy
    finest = len(hierarchy) - 1
    level, rows = view(work, finest, prior), {}
    for name in (*RIVALS, "zoomdiff"):
        torch.manual_seed(0)
        setting = tuned_setting(name, results / work.name)
        if name == "zoomdiff":
            model = method(name)[1](**setting)
            model.fit(work, prior, budget, 0)
            model.work = Work(work.name, work.train, work.tune, work.test, tuple(range(len(hierarchy))), work.unit)
            per_case = [compared(work, case, [x[0] for x in model.sample(case, 1, 0).values()]) for case in work.test]
        else:
            model = baseline(name)(level.train.shape, **setting)
            model.fit(level.train, budget.part(1 / len(work.shown)), 0)
            per_case = []
            for case in work.test:
                states = watched(model, level.cases[case.name], prior, 0)
                factors = [(hierarchy.space_factor(k), hierarchy.time_factor(k)) for k in range(len(hierarchy))]
                summed = [aggregate(x, *factor) for x, factor in zip(states, factors, strict=True)]
                per_case.append(compared(work, case, summed))
        rows[name] = {
            each.name: {
                key: float(np.mean([case[each.name][key] for case in per_case])) for key in ("MAE", "RMSE", "volume")
            }
            | {key: per_case[0][each.name][key] for key in ("curve", "truth")}
            for each in hierarchy
        }
    result = {
        "commit": commit(),
        "budget": budget.seconds,
        "case": work.test[0].name,
        "unit": work.unit[1],
        "rows": rows,
    }
    save(results / FILE, result)
    return result


def table(result: dict) -> str:
    """MAE of every method at every node."""
    rows = [
        {"method": name, "level": level} | {key: figures[key] for key in ("MAE", "RMSE", "volume")}
        for name, levels in result["rows"].items()
        for level, figures in levels.items()
    ]
    return (
        pd.DataFrame(rows)
        .set_index(["level", "method"])
        .sort_index(level=0, sort_remaining=False)
        .reset_index()
        .to_markdown(index=False, floatfmt=".3g")
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of a study."""
    studies.add_arguments(parser, budget=True)


def main(options: argparse.Namespace) -> None:
    """Run the study or print its table."""
    studies.show(options, FILE, lambda: run(Budget(options.budget), options.results), table)
