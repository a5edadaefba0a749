"""How many steps, and by which sampler? Against a simulated week of a map that training never saw.

    python -m benchmarks sampling --map monaco --bbox 7.40,43.72,7.44,43.75
        [--samples 4] [--only fast] [--first | --refine] [--out benchmarks/results/sampling.json]

Per sampler 4 to 150 strides per level; then, at the strides of `fast`, their power (2: shorter towards the node), the
same in all levels, and the spread kept or not (`Plan`). MAE of a single sample (± its standard error over samples) and
CRPS of the ensemble, relative to the full chain; what the samples carry in all, how unequal they are (spread of log
traffic) and how noisy their hours are, each relative to the simulated week; seconds per sample. "fast" and "full" are
what `generate` does by these names.

A week is good or bad as a whole, by what its base stations carry, so a few weeks show little of small differences.
`--first` stops after the first level, which costs next to nothing, so that hundreds of weeks can be had; `--refine`
starts from the simulated traffic of base stations, so that the finer levels are compared without that chance.
"""

import argparse
import itertools
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.paper import places
from benchmarks.paper.places import context_of, simulated_week
from benchmarks.paper.results import save
from zoomdiff import metrics
from zoomdiff.checkpoint import SHIPPED, load_model
from zoomdiff.context import UEC
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.generation import FAST, POWER, SPREAD, TILE, generate, refine_level
from zoomdiff.realism import statistics
from zoomdiff.sampling import Callbacks, Plan, Sampling

STRIDES = (4, 8, 16, 32, 64, 150)  # per level
LEVELS = ("bs", "grid50")


def plans() -> dict[str, str | Plan]:
    """Name -> what to ask `ensemble` for; the full chain first."""
    named = {"full": "full", "fast": "fast"}
    samplers = ("ancestral", "ddim", "dpm")
    for sampler, strides in itertools.product(samplers, STRIDES):
        named[f"{sampler} {strides}"] = Plan((strides,) * 4, sampler, POWER, SPREAD, tile=TILE)
    for sampler, power, spread in itertools.product(samplers, (1.0, 1.5, 2.0), (0.0, SPREAD)):
        name = f"{sampler} {'+'.join(map(str, FAST))} power {power:g}" + (" spread kept" if spread else "")
        named[name] = Plan(FAST, sampler, power, spread, tile=TILE)
    return named


def block_noise(finest: np.ndarray) -> float:
    """ln-sd of a block's hours around its own workdays, median block: noise that no level but the finest makes."""
    sample = statistics.HourlyGrid.of_week(finest, 8)
    return statistics.own_profile_deviation(sample.cells, sample.weekday)


def whole(model: DRDM, uec: UEC, seed: int, truth: list[np.ndarray], **options) -> dict[str, np.ndarray]:
    """A week from nothing but the map: level -> MB."""
    week = generate(model, uec, seed=seed, sampling=Sampling(**options))
    return {level: week.volumes[model.hierarchy.index(level)] / 1e6 for level in LEVELS}


def refined(model: DRDM, uec: UEC, seed: int, truth: list[np.ndarray], **options) -> dict[str, np.ndarray]:
    """The same from the true traffic of base stations."""
    return {
        LEVELS[-1]: refine_level(
            model, uec, truth[0] * 1e6, LEVELS[0], seed=seed, sampling=Sampling(**options)
        ).volumes[-1]
        / 1e6
    }


class Enough(Exception):
    """The first level is made: the rest is not needed."""


def first(model: DRDM, uec: UEC, seed: int, truth: list[np.ndarray], **options) -> dict[str, np.ndarray]:
    """The first level alone."""

    def stop(k: int, volumes: np.ndarray) -> None:
        raise Enough(volumes.astype(float) / 1e6)

    try:
        generate(model, uec, seed=seed, sampling=Sampling(**options), callbacks=Callbacks(on_level=stop))
    except Enough as enough:
        return {LEVELS[0]: enough.args[0]}
    raise AssertionError("a week has a first level")


def measure(make: Callable[[int], dict[str, np.ndarray]], truth: dict[str, np.ndarray], samples: int) -> dict:
    """One row of the table, of the levels that `make` makes."""
    started = time.monotonic()
    weeks = [make(seed) for seed in range(samples)]
    row = {"seconds": (time.monotonic() - started) / samples}
    for level in weeks[0]:
        made = np.stack([week[level] for week in weeks])
        errors = [metrics.mae(truth[level], x) for x in made]
        row[f"MAE {level}"] = float(np.mean(errors))
        row[f"± {level}"] = float(np.std(errors) / samples**0.5)
        row[f"CRPS {level}"] = metrics.crps(truth[level], made)
        row[f"spread {level}"] = metrics.spread_ratio(truth[level], made)
        row["volume"] = float(made.mean() / truth[level].mean())
        if level == LEVELS[-1]:
            row["noise"] = float(np.mean([block_noise(x) for x in made]) / block_noise(truth[level]))
    return row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The place, the plans and the number of samples."""
    places.add_arguments(parser)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--only", help="names of plans to compare with full, with commas between, such as fast")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--first", dest="make", action="store_const", const=first, help="only the first level")
    part.add_argument("--refine", dest="make", action="store_const", const=refined, help="from true base stations")
    parser.set_defaults(make=whole)


def main(options: argparse.Namespace) -> None:
    """Compare the plans and print the table."""
    uec, model = context_of(options), load_model(options.weights)
    truth = model.hierarchy.pyramid(simulated_week(uec, options.preset) / 1e6)
    ends = {level: truth[model.hierarchy.index(level)] for level in LEVELS}
    print(f"{uec.region!r}, {options.preset}, {options.samples} samples each", flush=True)
    rows = {}
    asked = plans() if not options.only else {name: plans()[name] for name in ("full", *options.only.split(","))}
    for name, steps in asked.items():  # full first, as the others are given relative to it
        make = partial(options.make, model, uec, truth=truth, steps=steps, preset=options.preset)
        rows[name] = measure(make, ends, options.samples)
        print(name, {key: round(value, 3) for key, value in rows[name].items()}, flush=True)
    table = pd.DataFrame(rows).T
    for level in LEVELS:
        if f"MAE {level}" in table:
            table[f"± {level}"] /= table.loc["full", f"MAE {level}"]
            for error in ("MAE", "CRPS"):
                table[f"{error} {level}"] /= table.loc["full", f"{error} {level}"]
    print("\nMAE and CRPS relative to the full chain; spread, volume and noise relative to the simulated week")
    print(table.to_markdown(floatfmt=".3f"))
    if options.out:
        save(options.out, {"region": repr(uec.region), "preset": options.preset, "rows": rows})
