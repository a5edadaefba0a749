"""From the known traffic of base stations to 50 m: zero-shot, retrained for it, and CSDI (Table VI).

zero-shot  ZoomDiff as trained for the whole chain, started at its second stage from the true first level
retrained  the same network trained for two levels only, base stations and 50 m, and started likewise
csdi       CSDI trained for 50 m with the block's seven true days as further features

All are trained from nothing with the budget of the work. What refinement gives is scaled to the known totals, CSDI's
too, so that all are compared on the same footing.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.paper import studies
from benchmarks.paper.baselines import baseline
from benchmarks.paper.blocks import Blocks, Places, cut, truth_of, view, volumes_of
from benchmarks.paper.harness import SAMPLES, figures, flat, method, tuned_setting
from benchmarks.paper.ours import PLAN_OF_ENDS
from benchmarks.paper.results import RESULTS, commit, save
from benchmarks.paper.tables import mean_and_variance
from benchmarks.paper.training import Budget
from benchmarks.paper.works import WORKS, Case, Work, ends_of
from zoomdiff.diffusion.prior import ResidualPrior
from zoomdiff.levels import Hierarchy, conserve
from zoomdiff.sampling import Plan

FILE = "refine.json"
SHOWN = ("MAE of one", "MAE of median", "RMSE of mean", "CRPS", "W1", "ln W1", "spectrum")


def two_levels(work: Work) -> Work:
    """The same work with nothing between the first and the last level."""
    tune, test = ([replace(case, city=ends_of(case.city)) for case in cases] for cases in (work.tune, work.test))
    return Work(work.name, [ends_of(city) for city in work.train], tune, test, (1,), work.unit)


def ours(work: Work, budget: Budget, seed: int, setting: dict, plan: Plan | None = None) -> dict[str, Tensor]:
    """Case -> (S, N, T, h, w) volumes of the finest level, from the true first one."""
    model = method("zoomdiff")[1](**setting)
    model.fit(work, work.prior(), budget, seed)
    made = {}
    for case in work.test:
        given = 0, case.city.weeks[0][0][None].float()
        levels = model.levels(case, SAMPLES, seed, given, *([plan] if plan else []))
        made[case.name] = torch.stack([cut(sample, case.city.allowed) for sample in levels[-1]])
    return made


def with_days(places: Places, days: Tensor) -> Places:
    """Places with the code (N, 7, 1, 1) of their block's days as further features."""
    known = days.expand(-1, -1, *places.static.shape[-2:])
    return Places(places.people, torch.cat([places.static, known], 1))


def csdi(work: Work, budget: Budget, seed: int, setting: dict) -> dict[str, Tensor]:
    """The same of CSDI; its weeks are scaled to the known totals."""
    prior, finest = work.prior(), len(work.hierarchy) - 1
    first, last = view(work, 0, prior), view(work, finest, prior)
    n, weeks, *rest = last.train.y.shape  # every week of a block becomes its own place, as its days differ
    places = [x.repeat_interleave(weeks, 0) for x in (last.train.places.people, last.train.places.static)]
    train = Blocks(with_days(Places(*places), first.train.y.flatten(0, 1)), last.train.y.reshape(n * weeks, 1, *rest))
    model = baseline("csdi")(train.shape, **setting)
    model.fit(train, budget, seed)
    return {
        case.name: scaled(work, case, model.sample(_known(last.cases, case, prior), SAMPLES, seed))
        for case in work.test
    }


def _known(cases: dict[str, Places], case: Case, prior: ResidualPrior) -> Places:
    return with_days(cases[case.name], prior.encode(truth_of(case, 0), 0))


def scaled(work: Work, case: Case, y: Tensor) -> Tensor:
    """Volumes of a generated code of the finest level, each block's days scaled to the true ones."""
    finest = len(work.hierarchy) - 1
    ends = Hierarchy((work.hierarchy[0], work.hierarchy.finest))
    known = truth_of(case, 0).double().expand(len(y), -1, -1, -1, -1)
    return conserve([known, volumes_of(y, finest, work.prior()).double()], ends, "top_down")[-1]


def run(budget: Budget, seeds: int, results: Path = RESULTS) -> dict:
    """Train and refine with every seed, and keep the figures."""
    work = WORKS["city50"]()[0]
    pair, finest = two_levels(work), len(work.hierarchy) - 1
    our_setting, their_setting = (tuned_setting(name, results / work.name) for name in ("zoomdiff", "csdi"))
    truth = np.concatenate([flat(truth_of(case, finest), work.unit[0]) for case in work.test], -1)
    rows: dict[str, list[dict]] = {"zero-shot": [], "retrained": [], "CSDI": []}
    for seed in range(seeds):
        torch.manual_seed(seed)
        refined = (
            ours(work, budget, seed, our_setting),
            ours(pair, budget, seed, our_setting, PLAN_OF_ENDS),
            csdi(work, budget, seed, their_setting),
        )
        for name, made in zip(rows, refined, strict=True):
            ensemble = np.concatenate([flat(made[case.name], work.unit[0]) for case in work.test], -1)
            rows[name].append(figures(truth, ensemble, truth.max()))
    result = {"commit": commit(), "budget": budget.seconds, "seeds": seeds, "unit": work.unit[1], "rows": rows}
    save(results / FILE, result)
    return result


def table(result: dict) -> str:
    """Mean (variance) over seeds."""
    rows = {name: pd.DataFrame(seeds) for name, seeds in result["rows"].items()}
    shown = {name: {key: mean_and_variance(seeds[key]) for key in SHOWN} for name, seeds in rows.items()}
    return pd.DataFrame(shown).T.to_markdown()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of a study."""
    studies.add_arguments(parser, budget=True, seeds=True)


def main(options: argparse.Namespace) -> None:
    """Run the study or print its table."""
    studies.show(options, FILE, lambda: run(Budget(options.budget), options.seeds, options.results), table)
