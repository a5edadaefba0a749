"""Does the model answer to scenarios, where and when it should, and does it leave the rest alone?

    python -m benchmarks scenarios --map monaco.osm.pbf --bbox 7.405,43.722,7.430,43.740 --at 7.4154,43.7276 [--seeds 3]

Each change is a square around the place `--at`; the week is generated with and without it from the same seeds. Per
change: bytes of the week inside its outline, up to 400 m around, and farther, in per cent of before; the share of all
that changes that lies inside; the people that the change brings; the hours that change most inside.
"""

import argparse
from itertools import pairwise

import numpy as np
import pandas as pd
import shapely

from benchmarks.paper import places
from zoomdiff.analysis.effect import ZONES, curve, effect, zones_of
from zoomdiff.checkpoint import load_model
from zoomdiff.context import UEC, build_uec, read_map
from zoomdiff.context.edits import Build, CloseRoad, Demolish, Edit, Event, Park
from zoomdiff.context.scenario import Scenario, apply
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.frames import to_frame, to_lonlat
from zoomdiff.generation import ensemble
from zoomdiff.region import Region
from zoomdiff.sampling import Sampling
from zoomdiff.week import WEEKDAYS


def square(region: Region, lon: float, lat: float, side: float) -> shapely.Polygon:
    """A square of `side` metres around a place, in degrees."""
    x, y = to_frame(region.epsg).transform(lon, lat)
    box = shapely.box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return shapely.transform(box, to_lonlat(region.epsg).transform, interleaved=False)


def changes(region: Region, lon: float, lat: float) -> dict[str, Edit]:
    """What is tried, by name."""
    small, middle, large = (square(region, lon, lat, side) for side in (150, 250, 400))
    return {
        "event, 30,000 visitors, Sat 18-22 h": Event(middle, 30_000, "Saturday", 18, 22),
        "event, 30,000 visitors, Wed 19-22 h": Event(middle, 30_000, "Wednesday", 19, 22),
        "event, 3,000 visitors, Sat 18-22 h": Event(middle, 3_000, "Saturday", 18, 22),
        "mall, 40,000 m2": Build(middle, "commercial", 40_000),
        "offices, 40,000 m2": Build(middle, "office", 40_000),
        "flats, 40,000 m2": Build(middle, "residential", 40_000),
        "park, 400 m": Park(large),
        "demolish, 400 m": Demolish(large),
        "closed roads, 150 m": CloseRoad(small),
        "closed roads, 400 m": CloseRoad(large),
    }


def measure(model: DRDM, uec: UEC, edit: Edit, before: list, preset: str) -> dict:
    """One row of the table, mean over the seeds."""
    seeds = list(range(len(before)))
    scenario = Scenario((edit,))
    changed = apply(uec, scenario)
    after = list(ensemble(model, changed, seeds, sampling=Sampling(preset=preset)))
    zones = zones_of(uec.region, scenario)
    inside = zones == 0
    tables = [effect(*pair, zones) for pair in zip(before, after, strict=True)]
    table = sum(tables[1:], tables[0]) / len(tables)
    growth = (table.after / table.before - 1) * 100
    rise = np.mean([curve(b, inside) - curve(a, inside) for a, b in zip(before, after, strict=True)], 0)
    people = (changed.population - uec.population)[:, inside].sum(1)
    quiet = people == 0
    top = np.argsort(-np.abs(rise))[:4]
    return {
        **{f"{name} %": growth[name] for name in ZONES},
        "GB inside": (table.after - table.before)["inside"] / 1e9,
        "share inside %": 100 * table.share["inside"],
        "share around %": 100 * table.share["around"],
        "people x h": people.sum(),
        "kB / person h": rise.sum() / people.sum() / 1e3 if people.sum() else np.nan,
        "of rise in hours with new people %": 100 * rise[~quiet].sum() / rise.sum() if rise.any() else np.nan,
        "hours": ", ".join(_hour(t) for t in sorted(top)),
    }


def _hour(t: int) -> str:
    return f"{WEEKDAYS[t // 24]} {t % 24}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The place of the changes."""
    places.add_arguments(parser, map_="helsinki")
    parser.add_argument("--at", required=True, help="lon,lat")
    parser.add_argument("--seeds", type=int, default=2)


def main(options: argparse.Namespace) -> None:
    """Apply each change and print what it does."""
    layers = read_map(options.map, bbox=options.bbox)
    region = Region.from_bbox(options.bbox or layers.extent)
    uec, model = build_uec(layers, region), load_model()
    lon, lat = map(float, options.at.split(","))
    before = list(ensemble(model, uec, range(options.seeds), sampling=Sampling(preset=options.preset)))
    apart = [abs(a.total() / b.total() - 1) for a, b in pairwise(before)]
    print(f"{region!r}; totals of seeds differ by {100 * max(apart, default=0):.1f} %")
    rows = {}
    for name, edit in changes(region, lon, lat).items():
        rows[name] = measure(model, uec, edit, before, options.preset)
    pd.set_option("display.width", 250, "display.max_columns", None)
    print(pd.DataFrame.from_dict(rows, orient="index").to_string(float_format="{:.2f}".format))
