"""Train a method, let it generate, score it, and keep what came out as one JSON file per method and seed.

Every method gets the same budget of CPU seconds for a work: a method of a single level divides it among the levels that
are shown, ours spends it on its one model. Before, each setting of its grid (three for every method) gets a part of the
budget, and the best on the cases for tuning is taken, once for all seeds and folds.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from benchmarks.machine import cpu_name
from benchmarks.paper.baselines import BASELINES, Baseline, baseline
from benchmarks.paper.blocks import truth_of, view, volumes_of
from benchmarks.paper.ours import Profile, Regression, ZoomDiff
from benchmarks.paper.results import add_results_option, commit, save
from benchmarks.paper.training import Budget
from benchmarks.paper.works import WORKS, Case, Work
from zoomdiff import metrics
from zoomdiff.diffusion.prior import ResidualPrior

# CPU seconds per method, seed and fold
BUDGETS = {"city50": 100.0, "nanchang": 20.0, "firenze-monaco": 100.0, "monaco-firenze": 100.0}
SAMPLES = 20
SINGLE = 5  # samples that the errors of a single one are the mean of
TUNING = 0.15  # share of the budget that each setting gets
TUNING_SAMPLES = 4


class Method(Protocol):
    """All levels of a work at once; see `Baseline` for the fields."""

    title: str
    source: str
    shrunk: str
    draws: bool
    grid: tuple[Mapping[str, float | str], ...]

    def fit(self, work: Work, prior: ResidualPrior, budget: Budget, seed: int) -> None: ...

    def sample(self, case: Case, samples: int, seed: int) -> dict[int, Tensor]:
        """Shown level -> (S, N, T, h, w) volumes in bytes."""
        ...

    @property
    def parameters(self) -> int: ...


class PerLevel:
    """A baseline, trained for each of the shown levels anew with an equal part of the budget."""

    def __init__(self, kind: type[Baseline], **setting) -> None:
        self.kind, self.setting = kind, setting

    def fit(self, work: Work, prior: ResidualPrior, budget: Budget, seed: int) -> None:
        self.prior, self.views, self.models = prior, {}, {}
        for k in work.shown:
            level = view(work, k, prior)
            model = self.kind(level.train.shape, **self.setting)
            model.fit(level.train, budget.part(1 / len(work.shown)), seed)
            self.views[k], self.models[k] = level.cases, model

    def sample(self, case: Case, samples: int, seed: int) -> dict[int, Tensor]:
        return {
            k: volumes_of(model.sample(self.views[k][case.name], samples, seed), k, self.prior)
            for k, model in self.models.items()
        }

    @property
    def parameters(self) -> int:
        return sum(model.parameters for model in self.models.values())


OWN = {"profile": Profile, "regression": Regression, "zoomdiff": ZoomDiff}
METHODS = ("profile", "regression", *BASELINES, "zoomdiff")  # in the order of the tables


def method(name: str) -> tuple[type, Callable[..., Method]]:
    """(class with the fields of `Method`, how one is made of a setting). Raises KeyError for an unknown name."""
    if name in OWN:
        return OWN[name], OWN[name]
    kind = baseline(name)
    return kind, partial(PerLevel, kind)


def flat(x: Tensor, unit: float) -> np.ndarray:
    """(..., N, T, h, w) volumes -> (..., T, N h w) of a unit."""
    x = x.double().movedim(-3, -4).flatten(-3)
    return x.numpy() / unit


def figures(truth: np.ndarray, made: np.ndarray, peak: float) -> dict[str, float]:
    """All scores of an ensemble (S, T, n) against the truth (T, n), in the work's unit."""
    few, mean = made[:SINGLE], made.mean(0)
    points = {"MAE": metrics.mae, "RMSE": metrics.rmse, "spRMSE": metrics.sprmse}
    points["PSNR"] = lambda a, b: metrics.psnr(a, b, peak=peak)
    lags = range(1, min(49, len(truth)))
    row = {f"{name} of one": float(np.mean([score(truth, x) for x in few])) for name, score in points.items()}
    row |= {f"{name} of mean": score(truth, mean) for name, score in points.items()}
    return row | {
        "MAE of median": metrics.mae(truth, np.median(made, 0)),
        "CRPS": metrics.crps(truth, made),
        "W1": metrics.wasserstein(truth, made),
        "ln W1": metrics.wasserstein(truth, made, log_scale=True),
        "spectrum": float(np.mean([metrics.spectrum_distance(truth, x) for x in few])),
        "autocorrelation": float(np.mean([metrics.autocorrelation_distance(truth, x, lags) for x in few])),
        "spread": metrics.spread_ratio(truth, made),
        "coverage": metrics.coverage(truth, made),
        "volume": float(made.mean() / truth.mean()),
    }


def score(method: Method, work: Work, cases: list[Case], samples: int, seed: int) -> tuple[dict, float]:
    """({group: {level: figures}}, CPU seconds per week of a case); groups are all cases and, if few, each of them."""
    started = time.process_time()
    made = {case.name: method.sample(case, samples, seed) for case in cases}
    seconds = (time.process_time() - started) / (samples * len(cases))
    groups = {"all": cases} | ({case.name: [case] for case in cases} if 1 < len(cases) <= 4 else {})
    scores: dict[str, dict] = {}
    for k in work.shown:
        truths = {case.name: flat(truth_of(case, k), work.unit[0]) for case in cases}
        peak = max(truth.max() for truth in truths.values())
        for group, members in groups.items():
            truth = np.concatenate([truths[case.name] for case in members], -1)
            ensemble = np.concatenate([flat(made[case.name][k], work.unit[0]) for case in members], -1)
            scores.setdefault(group, {})[work.hierarchy[k].name] = figures(truth, ensemble, peak)
    return scores, seconds


def tune(name: str, work: Work, budget: Budget, folder: Path) -> dict:
    """{"setting": the best of the grid, "tried": [[setting, CRPS at the finest level], ...]}, found once and kept."""
    file = folder / f"{name}-tuning.json"
    if file.exists():
        return json.loads(file.read_text())
    kind, make = method(name)
    prior, tried = work.prior(), []
    for setting in kind.grid if len(kind.grid) > 1 else ():
        torch.manual_seed(0)
        tried_one = make(**setting)
        tried_one.fit(work, prior, budget.part(TUNING), 0)
        scores, _ = score(tried_one, work, work.tune, TUNING_SAMPLES, 0)
        tried.append([setting, scores["all"][work.hierarchy.finest.name]["CRPS"]])
    best = min(tried, key=lambda pair: pair[1])[0] if tried else kind.grid[0]
    result = {"setting": best, "tried": tried}
    save(file, result)
    return result


def tuned_setting(name: str, folder: Path) -> dict:
    """The setting that `tune` chose in a folder of results, for the studies; the grid's first where it has not run."""
    file = folder / f"{name}-tuning.json"
    return json.loads(file.read_text())["setting"] if file.exists() else method(name)[0].grid[0]


def run(
    name: str, works: list[Work], budget: Budget, seed: int, folder: Path, samples: int = SAMPLES, tuned: bool = True
) -> dict:
    """Train and score a method on every work (fold) and keep the means; not tuned: with the last, smallest setting."""
    kind, make = method(name)
    setting = tune(name, works[0], budget, folder)["setting"] if tuned else kind.grid[-1]
    folds, trained, generating = [], [], []
    for work in works:
        torch.manual_seed(seed)
        trained_one, started = make(**setting), time.process_time()
        trained_one.fit(work, work.prior(), budget, seed)
        trained.append(time.process_time() - started)
        scores, seconds = score(trained_one, work, work.test, samples if kind.draws else 1, seed)
        folds.append(scores)
        generating.append(seconds)
    result = {
        "method": name,
        "title": kind.title,
        "source": kind.source,
        "shrunk": kind.shrunk,
        "draws": kind.draws,
        "seed": seed,
        "setting": setting,
        "parameters": trained_one.parameters,
        "unit": works[0].unit[1],
        "budget": budget.seconds,
        "train_seconds": float(np.mean(trained)),
        "seconds_per_week": float(np.mean(generating)),
        "machine": f"{cpu_name()}, 1 thread, {platform.python_implementation()} {platform.python_version()}",
        "torch": torch.__version__,
        "commit": commit(),
        "date": date.today().isoformat(),
        "scores": mean_of(folds),
    }
    save(folder / f"{name}-{seed}.json", result)
    return result


def mean_of(folds: list[dict]) -> dict:
    """The mean of equally nested dictionaries of numbers."""
    if isinstance(folds[0], dict):
        return {key: mean_of([fold[key] for fold in folds]) for key in folds[0]}
    return float(np.mean(folds))


def run_all(work: str, names: Iterable[str], seeds: int, budget: Budget, folder: Path, **options) -> None:
    """Every method with every seed; existing results are kept. Options as `run`."""
    commit()
    works = WORKS[work]()
    for seed in range(seeds):
        for name in names:
            if (folder / f"{name}-{seed}.json").exists():
                continue
            started = time.monotonic()
            result = run(name, works, budget, seed, folder, **options)
            finest = result["scores"]["all"][works[0].hierarchy.finest.name]
            scored = f"CRPS {finest['CRPS']:.4g}, MAE of one {finest['MAE of one']:.4g}"
            print(f"{work} {name} seed {seed}: {time.monotonic() - started:.0f} s, {scored}", flush=True)


def one_thread() -> None:
    """A budget is CPU time, and two processes use two cores better than two threads."""
    torch.set_num_threads(1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The work, and what of it to run."""
    parser.add_argument("work", choices=[work for work in WORKS if work != "smoke"])
    parser.add_argument("--methods", help=f"names separated by commas, of {', '.join(METHODS)}")
    parser.add_argument("--budget", type=float, help="CPU seconds of training per method, seed and fold")
    parser.add_argument("--seeds", type=int, default=3)
    add_results_option(parser)


def main(options: argparse.Namespace) -> None:
    """Run what has no result file yet."""
    one_thread()
    names = options.methods.split(",") if options.methods else METHODS
    budget = Budget(options.budget or BUDGETS[options.work])
    run_all(options.work, names, options.seeds, budget, options.results / options.work)
