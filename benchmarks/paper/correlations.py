"""Do levels belong together as in the truth? RV-coefficients between levels and decomposed weeks (Fig. 3, 4).

A simulated week of a place and one that the shipped model generates for it, side by side: the RV-coefficient of hourly
traffic at levels that follow each other, by the use of the ground, and what shares of a busy base station's variance
lie in trend, daily pattern and rest.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.paper import studies
from benchmarks.paper.places import simulated_week
from benchmarks.paper.results import RESULTS, commit, save
from zoomdiff.analysis import correlation, decomposition
from zoomdiff.checkpoint import load_model
from zoomdiff.context import UEC, build_uec, read_map
from zoomdiff.generation import generate
from zoomdiff.levels import S4T4
from zoomdiff.region import Region
from zoomdiff.sampling import Sampling
from zoomdiff.week import TrafficWeek

FILE = "correlations.json"
PLACE = "monaco", (7.39, 43.72, 7.45, 43.76)
PRESET = "europe"


def figures(week: TrafficWeek, uec: UEC) -> dict:
    """{"rv": use -> level pair -> RV, "parts": level -> part -> share of variance} of one week."""
    levels = list(week.region.hierarchy)
    pairs = {f"{a.name} ~ {b.name}": (k, k + 1) for k, (a, b) in enumerate(pairwise(levels))}
    rv = {
        use: {pair: float(table[at]) for pair, at in pairs.items()}
        for use, table in correlation.rv_by_use(week, uec).items()
        if not np.isnan(table).any()
    }
    parts = {}
    for k, level in enumerate(levels):
        hours = correlation.hourly(week, k)
        row, col = np.unravel_index(hours.sum(0).argmax(), hours.shape[1:])
        busiest = decomposition.decompose(hours[:, row, col])
        variances = {name: float(getattr(busiest, name).var()) for name in ("trend", "daily", "rest")}
        parts[level.name] = {name: value / sum(variances.values()) for name, value in variances.items()}
    return {"rv": rv, "parts": parts}


def run(results: Path = RESULTS) -> dict:
    """Compare and keep the figures."""
    name, bbox = PLACE
    uec = build_uec(read_map(name), Region.from_bbox(bbox))
    truth = simulated_week(uec, PRESET)
    weeks = {
        "simulated": TrafficWeek(uec.region, tuple(S4T4.pyramid(np.round(truth)))),
        "generated": generate(load_model(device="cpu"), uec, seed=0, sampling=Sampling(preset=PRESET)),
    }
    result = {"commit": commit(), "place": repr(uec.region), "preset": PRESET}
    result |= {kind: figures(week, uec) for kind, week in weeks.items()}
    save(results / FILE, result)
    return result


def table(result: dict) -> str:
    """Two tables: RV by use and pair of levels, and the parts of variance, each simulated / generated."""
    kinds = ("simulated", "generated")

    def both(part: str) -> str:
        rows = {
            row: {column: " / ".join(f"{result[kind][part][row][column]:.2f}" for kind in kinds) for column in columns}
            for row, columns in result["simulated"][part].items()
            if row in result["generated"][part]
        }
        return pd.DataFrame(rows).T.to_markdown()

    return (
        f"RV-coefficient, simulated / generated\n\n{both('rv')}\n\nShare of variance, busiest cell\n\n{both('parts')}\n"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of a study."""
    studies.add_arguments(parser)


def main(options: argparse.Namespace) -> None:
    """Run the study or print its table."""
    studies.show(options, FILE, lambda: run(options.results), table)
