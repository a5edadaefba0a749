"""How many steps, and by which sampler? Against a simulated week of a map that training never saw.

    python -m benchmarks.sampling --map monaco --bbox 7.40,43.72,7.44,43.75
        [--samples 4] [--only fast] [--out benchmarks/results/sampling.json]

Per sampler 4 to 150 strides per level; then, at the strides of `fast`, their power (2: shorter towards the node) and
the spread kept or not (`Plan`). MAE of a single sample and CRPS of the ensemble,
relative to the full chain; what the samples carry in all, how unequal they are (spread of log traffic) and how noisy
their hours are, each relative to the simulated week; seconds per sample. "fast" and "full" are what `generate` does by
these names.
"""

import argparse
import itertools
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from zoomdiff import metrics
from zoomdiff.checkpoint import SHIPPED, load_model
from zoomdiff.context import UEC, build_uec
from zoomdiff.data import realism
from zoomdiff.data.city import PRESETS, simulate
from zoomdiff.data.maps import find_map
from zoomdiff.diffusion.drdm import DRDM, Plan
from zoomdiff.generate import FAST, POWER, SPREAD, TILE, ensemble
from zoomdiff.region import Region, parse_bbox

TRUTH_SEED = 900_000  # of no training city
STRIDES = (4, 8, 16, 32, 64, 150)  # per level
LEVELS = ("bs", "grid50")


def plans() -> dict[str, str | Plan]:
    """Name -> what to ask `ensemble` for; the full chain first."""
    named = {"full": "full", "fast": "fast"}
    spreads = {"ddim": SPREAD, "dpm": SPREAD, "ancestral": 0.0}
    for sampler, strides in itertools.product(spreads, STRIDES):
        named[f"{sampler} {strides}"] = Plan((strides,) * 4, sampler, POWER, spreads[sampler], tile=TILE)
    for sampler, power in itertools.product(spreads, (1.0, 1.5, 2.0)):
        for spread in sorted({0.0, spreads[sampler]}):
            name = f"{sampler} {'+'.join(map(str, FAST))} power {power:g}" + (" spread kept" if spread else "")
            named[name] = Plan(FAST, sampler, power, spread, tile=TILE)
    return named


def block_noise(finest: np.ndarray) -> float:
    """ln-sd of a block's hours around its own workdays, median block: noise that no level but the finest makes."""
    sample = realism.HourlyGrid.of_week(finest, 8)
    return realism.own_profile_deviation(sample.cells, sample.weekday)


def measure(
    model: DRDM, uec: UEC, truth: list[np.ndarray], steps: str | Plan, samples: int, preset: str
) -> dict[str, float]:
    """One row of the table."""
    started = time.monotonic()
    weeks = [ensemble(model, uec, [seed], steps=steps, preset=preset)[0] for seed in range(samples)]
    row = {"seconds": (time.monotonic() - started) / samples}
    for level in LEVELS:
        k = model.hierarchy.index(level)
        made = np.stack([week.volumes[k] for week in weeks]) / 1e6
        row[f"MAE {level}"] = float(np.mean([metrics.mae(truth[k], x) for x in made]))
        row[f"CRPS {level}"] = metrics.crps(truth[k], made)
        row[f"spread {level}"] = metrics.spread_ratio(truth[k], made)
    row["volume"] = float(np.mean([week.total() for week in weeks]) / 1e6 / truth[-1].sum())
    row["noise"] = float(np.mean([block_noise(week.volumes[-1]) for week in weeks]) / block_noise(truth[-1]))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--map", required=True)
    parser.add_argument("--bbox", type=parse_bbox)
    parser.add_argument("--preset", choices=PRESETS, default="europe")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--only", help="names of plans to compare with full, with commas between, such as fast")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    options = parser.parse_args()
    layers = find_map(options.map)
    uec = build_uec(layers, Region.from_bbox(options.bbox or layers.extent))
    model = load_model(options.weights)
    week = simulate(uec, TRUTH_SEED, PRESETS[options.preset]).traffic.astype(float) * uec.region.mask() / 1e6
    truth = model.hierarchy.pyramid(week)
    print(f"{uec.region!r}, {options.preset}, {options.samples} samples each", flush=True)
    rows = {}
    asked = plans() if not options.only else {name: plans()[name] for name in ("full", *options.only.split(","))}
    for name, steps in asked.items():  # full first, as the others are given relative to it
        rows[name] = measure(model, uec, truth, steps, options.samples, options.preset)
        print(name, {key: round(value, 3) for key, value in rows[name].items()}, flush=True)
    table = pd.DataFrame(rows).T
    for level in LEVELS:
        for error in ("MAE", "CRPS"):
            table[f"{error} {level}"] /= table.loc["full", f"{error} {level}"]
    print("\nMAE and CRPS relative to the full chain; spread, volume and noise relative to the simulated week")
    print(table.to_markdown(floatfmt=".3f"))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(
            json.dumps({"region": repr(uec.region), "preset": options.preset, "rows": rows}, indent=1)
        )


if __name__ == "__main__":
    main()
