"""How large, how long to train, how long to generate? All methods side by side in one run (Table V).

The paper's set-up: four levels of space, all at 1 h (S4T1), 500 base stations. A training epoch shows each of 500
blocks once at every level; generating makes one week of 500 blocks at every level. Both are scaled up from a few
blocks, in CPU seconds of one thread. Diffusion models are timed with as many strides as the benchmark gives them and,
by the cost of a stride, with all steps that their authors take; ours as `fast` and as the full chain of 600 steps.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch

from benchmarks.machine import cpu_name
from benchmarks.paper import studies
from benchmarks.paper.baselines import BASELINES, baseline
from benchmarks.paper.baselines.diffusion import STRIDES
from benchmarks.paper.baselines.parts import count
from benchmarks.paper.blocks import Blocks, view
from benchmarks.paper.ours import CELLS, CPU, GRID, PLAN, ZoomDiff, longest
from benchmarks.paper.results import RESULTS, commit, save
from benchmarks.paper.tables import short
from benchmarks.paper.training import Budget
from benchmarks.paper.works import Case, Work, simulated, window
from zoomdiff.context.procedural import procedural_map
from zoomdiff.diffusion.design import setting
from zoomdiff.training.config import TrainConfig
from zoomdiff.training.loop import Descent
from zoomdiff.training.train import batch_loss

FILE = "efficiency.json"
STATIONS = 500
TRAINED, GENERATED = 3, 4  # steps and blocks that are timed
OUR_BLOCKS = 64  # of the region that ours is timed on: it makes a region at once
AUTHORS_SIZE = {"csdi": {"layers": 4, "heads": 8}}  # where the benchmark's own is smaller
AUTHORS_STEPS = {"csdi": 50, "dit": 1000, "kstdiff": 1000, "netdiffus": 1000, "diffusion-ts": 1000}


def seconds_of(run: Callable[[], object], times: int = 1) -> float:
    """CPU seconds of one run, after one to warm up."""
    run()
    started = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - started) / times


def town() -> Work:
    """A fictional town at S4T1, and a piece of it to generate."""
    hierarchy = setting("S4T1")[0]
    city, _ = simulated(procedural_map(0, kilometres=3.2), "europe", range(1), hierarchy=hierarchy)
    return Work("town", [city], [], [Case("piece", window(city, 0, 0, 2))], tuple(range(len(hierarchy))))


def timed_baseline(name: str, work: Work) -> dict[str, float]:
    """Parameters and seconds of one baseline, trained and sampled level by level."""
    kind, prior, drawn, row = baseline(name), work.prior(), [], {"parameters": 0, "train": 0.0, "generate": 0.0}
    batch = Blocks.batch

    def counted(self: Blocks, size: int, rng: np.random.Generator):
        drawn.append(size * self.y.shape[-2] * self.y.shape[-1])
        return batch(self, size, rng)

    for k in work.shown:
        level = view(work, k, prior)
        places, shape = level.cases["piece"], level.train.shape
        model = kind(shape, **AUTHORS_SIZE.get(name, {}))
        if name == "xgboost":  # grown once: it has no epochs
            started = time.process_time()
            model.fit(level.train, Budget(1e9), 0)
            row["train"] += time.process_time() - started
        else:
            with patch.object(Blocks, "batch", counted):
                model.fit(level.train, Budget(1e9, steps=1), 0)  # to warm up
                drawn.clear()
                started = time.process_time()
                model.fit(level.train, Budget(1e9, steps=TRAINED), 0)
                seconds = time.process_time() - started
            row["train"] += seconds / sum(drawn) * STATIONS * shape.h * shape.w
        row["parameters"] += model.parameters
        row["generate"] += (
            seconds_of(lambda model=model, places=places: model.sample(places, 1, 0)) / GENERATED * STATIONS
        )
    row["generate, all steps"] = row["generate"] * AUTHORS_STEPS.get(name, STRIDES) / STRIDES
    return row


def timed_ours(work: Work) -> dict[str, float]:
    """The same of ZoomDiff: one model."""
    torch.manual_seed(0)
    ours = ZoomDiff(**GRID[0])
    ours.fit(work, work.prior(), Budget(1e9, steps=1), 0)
    model, config, rng = ours.model, TrainConfig(cells=CELLS), np.random.default_rng(0)
    descent, train = Descent(model.network), 0.0
    for k in work.shown:
        side = min(longest(work.hierarchy, k), *work.train[0].blocks)
        cells = side * work.hierarchy.block // work.hierarchy.space_factor(k)
        blocks = max(1, CELLS // cells**2) * side**2

        def step(k: int = k, side: int = side) -> None:
            descent.step(partial(batch_loss, model, work.train, k, side, config, CPU, rng), config.learning_rate)

        train += seconds_of(step, TRAINED) / blocks * STATIONS
    side = round(OUR_BLOCKS**0.5)
    region = Case("region", window(work.train[0], 0, 0, side))
    some = replace(PLAN, budget=(STRIDES,) * len(work.shown))
    fast = seconds_of(lambda: ours.levels(region, 1, 0)) / side**2 * STATIONS
    every = seconds_of(lambda: ours.levels(replace(region, city=window(work.train[0], 0, 0, 2)), 1, 0, plan=some))
    return {
        "parameters": count(model.network),
        "train": train,
        "generate": fast,
        "generate, all steps": every * model.design.stage_steps(0) / STRIDES / GENERATED * STATIONS,
    }


def run(results: Path = RESULTS) -> dict:
    """Time all methods and keep the figures."""
    work = town()
    rows = {name: {"title": baseline(name).title} | timed_baseline(name, work) for name in BASELINES}
    rows["zoomdiff"] = {"title": ZoomDiff.title} | timed_ours(work)
    result = {"machine": f"{cpu_name()}, 1 thread", "torch": torch.__version__, "commit": commit(), "rows": rows}
    save(results / FILE, result)
    return result


def table(result: dict) -> str:
    """A row per method; times relative to ours in brackets."""
    rows, ours = result["rows"].values(), result["rows"]["zoomdiff"]
    names = {"train": "training, s per epoch", "generate": "generating, s", "generate, all steps": "with all steps, s"}
    columns = {
        words: [f"{short(row[key])} ({short(row[key] / ours[key])} x)" for row in rows] for key, words in names.items()
    }
    columns["all steps / our fast"] = [f"{short(row['generate, all steps'] / ours['generate'])} x" for row in rows]
    about = {"method": [row["title"] for row in rows], "parameters": [f"{row['parameters']:,}" for row in rows]}
    return pd.DataFrame(about | columns).to_markdown(index=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of a study."""
    studies.add_arguments(parser)


def main(options: argparse.Namespace) -> None:
    """Run the study or print its table."""
    studies.show(options, FILE, lambda: run(options.results), table)
