"""Does generated traffic follow the map? On ground that training never saw, against the simulator's truth.

    python -m benchmarks follows-map --map ../shared/data/maps/monaco_2016_osrm.osm.pbf
        [--splits assets/splits.json] [--preset europe] [--steps fast] [--seeds 3]

With --splits on the test blocks of the map only.

Prints per level: Spearman correlation of the weekly mean per cell, share of empty values, spread of log traffic and
total volume, generated against simulated; then how quiet parks and water are, and when homes and offices peak.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.paper import places
from benchmarks.paper.places import simulated_week
from zoomdiff.checkpoint import SHIPPED, load_model
from zoomdiff.context import UEC, build_uec, read_map
from zoomdiff.context.classes import AOI_INDEX
from zoomdiff.generation import generate
from zoomdiff.realism import statistics
from zoomdiff.region import Region
from zoomdiff.sampling import Sampling
from zoomdiff.training.splits import TEST, read_splits
from zoomdiff.week import TrafficWeek

SOMETHING = 1e4  # bytes; a fraction of one session


def spearman_of_weekly_mean(generated: np.ndarray, truth: np.ndarray) -> float:
    """Rank correlation over cells of the weekly mean of (T, H, W) volumes."""
    return float(spearmanr(generated.mean(0).ravel(), truth.mean(0).ravel())[0])


def log_spread(volumes: np.ndarray) -> float:
    """Standard deviation of ln(bytes) over values that carry something."""
    return float(np.log(volumes[volumes > SOMETHING]).std())


def mean_by_use(finest: np.ndarray, uec: UEC) -> dict[str, float]:
    """Bytes per 50 m grid and hour by the use of the ground, for the uses that the region has."""
    mean = finest.mean(0)
    return {aoi: float(mean[uec.aoi == i].mean()) for aoi, i in AOI_INDEX.items() if (uec.aoi == i).any()}


def workday_profile(finest: np.ndarray, uec: UEC, use: str) -> np.ndarray:
    """(24,) mean traffic of a use's cells through a workday, relative to its mean."""
    profile = statistics.workday_profile(finest[:, uec.aoi == AOI_INDEX[use]], np.arange(7))
    return profile / profile.mean()


def report(uec: UEC, weeks: list[TrafficWeek], truth: np.ndarray) -> None:
    """Print the comparison of several generated weeks with one simulated week (168, H, W)."""
    hierarchy = uec.region.hierarchy
    true_levels = hierarchy.pyramid(truth)
    print(f"{uec.region!r}, {len(weeks)} seeds, mean over them\n")
    print(f"{'level':10} {'Spearman':>9} {'empty gen/true':>16} {'log sd gen/true':>17} {'volume gen/true':>17}")
    for k, level in enumerate(hierarchy):
        volumes = [week.volumes[k] for week in weeks]
        rank = np.mean([spearman_of_weekly_mean(x, true_levels[k]) for x in volumes])
        empty = np.mean([(x == 0).mean() for x in volumes]), (true_levels[k] == 0).mean()
        spread = np.mean([log_spread(x) for x in volumes]), log_spread(true_levels[k])
        volume = np.mean([x.sum() for x in volumes]) / true_levels[k].sum()
        print(
            f"{level.name:10} {rank:9.3f} {empty[0]:8.2f} /{empty[1]:6.2f} {spread[0]:9.2f} /{spread[1]:6.2f} "
            f"{volume:17.2f}"
        )
    generated = np.mean([week.volumes[-1] for week in weeks], axis=0)
    print(f"\n{'use':12} {'generated':>10} {'simulated':>10}   MB per 50 m grid and hour")
    ours, theirs = mean_by_use(generated, uec), mean_by_use(true_levels[-1], uec)
    for aoi in ours:
        print(f"{aoi:12} {ours[aoi] / 1e6:10.2f} {theirs[aoi] / 1e6:10.2f}")
    for use in ("residential", "office"):
        if use in ours:
            gen, sim = (workday_profile(x, uec, use) for x in (generated, true_levels[-1]))
            print(f"\n{use}: peak at {gen.argmax()} h generated, {sim.argmax()} h simulated; workday by 3 h:")
            print("  generated", " ".join(f"{v:.2f}" for v in gen[::3]))
            print("  simulated", " ".join(f"{v:.2f}" for v in sim[::3]))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The place, and how to generate."""
    places.add_arguments(parser)
    parser.add_argument("--splits", type=Path)
    parser.add_argument("--steps", default="fast")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weights", type=Path, default=SHIPPED)


def main(options: argparse.Namespace) -> None:
    """Generate, simulate and print the comparison."""
    layers = read_map(options.map)
    region = Region.from_bbox(options.bbox or layers.extent)
    if options.splits:
        test = read_splits(options.splits)[layers.name].mask(TEST)
        rows, cols = np.flatnonzero(test.any(1)), np.flatnonzero(test.any(0))
        blocks = test[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        region = Region.of_blocks(region.epsg, region.row + int(rows[0]), region.col + int(cols[0]), blocks)
    uec = build_uec(layers, region)
    model = load_model(options.weights)
    weeks = [
        generate(model, uec, seed=seed, sampling=Sampling(steps=options.steps, preset=options.preset))
        for seed in range(options.seeds)
    ]
    report(uec, weeks, simulated_week(uec, options.preset))
