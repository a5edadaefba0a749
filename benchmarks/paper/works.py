"""The two works of the benchmark: for every method the same blocks to learn from, the same inputs, the same test.

city50    The reference city (simulated) at S4T4 on real and procedural maps, both presets. Test: windows of 2 x 2
          blocks in the test bands of Florence and Liechtenstein (`assets/splits.json`), in an unseen town, and in
          Monaco, a city that no method ever saw.
nanchang  Measured traffic of Nanchang (UoMo), 37 patches of 4 x 4 cells with measured users and points of interest, at
          S3T4, split by patch into five folds.
smoke     Two small procedural towns: needs no data and measures nothing; every method must run through it.

Maps and measurements are not part of ZoomDiff: `--data` or $ZOOMDIFF_DATA names the folder that holds maps/ and
traffic/.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.paper.places import TRUTH_SEED
from zoomdiff.context import MapLayers, build_uec, read_map
from zoomdiff.context.procedural import procedural_map
from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.diffusion.design import Design
from zoomdiff.diffusion.prior import ResidualPrior
from zoomdiff.diffusion.schedule import TOTAL_STEPS, rgp
from zoomdiff.errors import DataError
from zoomdiff.files import ASSETS
from zoomdiff.levels import HOURS_PER_WEEK, S4T4, Hierarchy, Level, aggregate
from zoomdiff.presets import PRESETS
from zoomdiff.realism.datasets import read_nanchang
from zoomdiff.region import Region
from zoomdiff.training.patches import TrainingCity, fit_prior
from zoomdiff.training.splits import TEST, TRAIN, read_splits

SPLITS = ASSETS / "splits.json"
TRAIN_TOWNS, TUNE_TOWN, TEST_TOWN = (0, 1, 2, 3), 700, 800  # numbers of procedural towns
TOWN_KM = 4.0
WEEKS = 2  # simulated weeks per city and preset to learn from
WINDOW = 2  # blocks along a test window
FOLDS = 5


@dataclass(frozen=True)
class Case:
    """A place to generate: all its blocks are scored against the one week of `city`.

    row, col  of its first block in the world's raster, for noise that belongs to the place
    """

    name: str
    city: TrainingCity
    row: int = 0
    col: int = 0


@dataclass(frozen=True)
class Work:
    """What a method learns from, what it may be tuned on, and what it is tested on; no block is in two of them.

    shown  levels that the tables show, indices into the hierarchy
    unit   of errors: its size and its name
    """

    name: str
    train: list[TrainingCity]
    tune: list[Case]
    test: list[Case]
    shown: tuple[int, ...]
    unit: tuple[float, str] = (1e6, "MB")

    @property
    def hierarchy(self) -> Hierarchy:
        return self.train[0].hierarchy

    def prior(self) -> ResidualPrior:
        """The scaler that all methods share, measured on the training blocks."""
        return fit_prior(self.train, Design(nodes=nodes_of(self.hierarchy)))


def nodes_of(hierarchy: Hierarchy) -> tuple[int, ...]:
    """As many diffusion steps for each level."""
    return tuple(TOTAL_STEPS - k * TOTAL_STEPS // len(hierarchy) for k in range(len(hierarchy) + 1))


def window(city: TrainingCity, row: int, col: int, side: int) -> TrainingCity:
    """`side` x `side` blocks of a city, all allowed."""

    def cut(x: torch.Tensor, k: int) -> torch.Tensor:
        n = city.hierarchy.block // city.hierarchy.space_factor(k)
        return x[..., row * n : (row + side) * n, col * n : (col + side) * n]

    return replace(
        city,
        conditions=[each.map(partial(cut, k=k)) for k, each in enumerate(city.conditions)],
        weeks=[[cut(x, k) for k, x in enumerate(week)] for week in city.weeks],
        allowed=np.ones((side, side), bool),
    )


def ends_of(city: TrainingCity) -> TrainingCity:
    """The same city with nothing between the first and the last level."""
    ends = (0, len(city.hierarchy) - 1)
    return replace(
        city,
        hierarchy=Hierarchy(tuple(city.hierarchy[k] for k in ends)),
        conditions=[city.conditions[k] for k in ends],
        weeks=[[week[k] for k in ends] for week in city.weeks],
    )


def busiest(city: TrainingCity, side: int) -> tuple[int, int]:
    """First row and column of the window of allowed blocks with the most people."""
    first, _ = city.windows(side)
    people = city.conditions[0].population[0].mean(0).numpy()
    return max(map(tuple, first.tolist()), key=lambda at: people[at[0] : at[0] + side, at[1] : at[1] + side].sum())


def simulated(
    layers: MapLayers, preset: str, seeds: range, part: str | None = None, hierarchy: Hierarchy = S4T4
) -> tuple[TrainingCity, Region]:
    """The reference city over a map; of a map in the splits only the blocks of `part` are allowed."""
    region = Region.from_bbox(layers.extent, hierarchy=hierarchy)
    split = read_splits(SPLITS)[layers.name] if part else None
    if split and not split.fits(region):
        raise DataError(f"assets/splits.json was made for another extent of {layers.name}: make the splits again.")
    return TrainingCity.simulated(build_uec(layers, region), seeds, preset, split and split.mask(part)), region


def simulated_case(layers: MapLayers, preset: str, part: str | None = None, side: int = WINDOW) -> Case:
    """The busiest window of a map (in its test band, if it is in the splits) with one week of another seed."""
    city, region = simulated(layers, preset, range(TRUTH_SEED, TRUTH_SEED + 1), part)
    row, col = busiest(city, side)
    name = f"{layers.name}, {preset}"
    return Case(name, window(city, row, col, side), region.row + row, region.col + col)


def city50() -> list[Work]:
    """One work. Raises DataError with what to do where the maps are absent."""
    firenze, liechtenstein, monaco = (_need(name) for name in ("firenze", "liechtenstein", "monaco"))
    train = []
    for number, preset in enumerate(PRESETS):
        seeds = range(1000 * number, 1000 * number + WEEKS)
        train += [simulated(layers, preset, seeds, TRAIN)[0] for layers in (firenze, liechtenstein)]
        train += [simulated(procedural_map(town, kilometres=TOWN_KM), preset, seeds)[0] for town in TRAIN_TOWNS]
    tune = [simulated_case(procedural_map(TUNE_TOWN, kilometres=TOWN_KM), preset) for preset in PRESETS]
    test = [
        simulated_case(firenze, "china", TEST),
        simulated_case(liechtenstein, "europe", TEST),
        simulated_case(procedural_map(TEST_TOWN, kilometres=TOWN_KM), "china"),
        simulated_case(monaco, "europe"),
    ]
    return [Work("city50", train, tune, test, (0, 2, 3))]


def transfer(learnt: str, asked: str) -> list[Work]:
    """Learn from all of one real city, be tested in the other (Table VII). Raises DataError as `city50`."""
    train = [
        simulated(_need(learnt), preset, range(1000 * number, 1000 * number + WEEKS))[0]
        for number, preset in enumerate(PRESETS)
    ]
    tune = [simulated_case(procedural_map(TUNE_TOWN, kilometres=TOWN_KM), preset) for preset in PRESETS]
    test = [simulated_case(_need(asked), preset) for preset in PRESETS]
    return [Work(f"{learnt}-{asked}", train, tune, test, (0, 2, 3))]


def smoke() -> list[Work]:
    """Towns of a few blocks."""
    train = [simulated(procedural_map(town, kilometres=1.6), "europe", range(1))[0] for town in TRAIN_TOWNS[:1]]
    tune, test = (
        [simulated_case(procedural_map(town, kilometres=0.8), "europe", side=1)] for town in (TUNE_TOWN, TEST_TOWN)
    )
    return [Work("smoke", train, tune, test, (0, 2, 3))]


def nanchang() -> list[Work]:
    """One work per fold: a fifth of the patches tests, one more eighth of the rest is for tuning.

    Sides are in cells, as the publisher does not give metres. A patch is one block: nothing is known of its neighbours.
    Raises DataError where the file is absent.
    """
    path = _data() / "traffic" / "nanchang_patches" / "uomo_NC.npz"
    if not path.exists():
        raise DataError(
            f"There is no file {path}: get uomo_NC.npz of github.com/tsinghua-fib-lab/UoMo, or name another folder "
            "with --data."
        )
    measured = read_nanchang(path)
    patches, rows, cols = measured.grid_shape
    half_hours = 2 * HOURS_PER_WEEK

    def hourly(x: np.ndarray) -> np.ndarray:  # (T, cells) -> (patches, 168, rows, cols)
        return np.moveaxis(aggregate(x[:half_hours, None], 1, 2).reshape(HOURS_PER_WEEK, patches, rows, cols), 1, 0)

    hierarchy = nanchang_hierarchy()
    traffic = hourly(measured.traffic[:, None, :].reshape(len(measured.traffic), -1))
    users = hourly(measured.users) / 2
    poi = measured.poi.T.reshape(-1, patches, rows, cols)
    cases = []
    for number in range(patches):
        conditions = Conditions.from_arrays(
            np.zeros((1, rows, cols)),
            np.zeros((rows, cols), int),
            poi[:, number],
            users[number],
            aoi_classes=1,
            preset=0,
        )
        week = hierarchy.pyramid(torch.from_numpy(traffic[number]).float())
        levels = [conditions.at_level(hierarchy, k) for k in range(len(hierarchy))]
        cases.append(
            Case(f"patch {number}", TrainingCity(hierarchy, levels, [week], np.ones((1, 1), bool)), row=number)
        )
    order = np.random.default_rng(0).permutation(patches)
    works = []
    for fold in range(FOLDS):
        tested = set(order[fold::FOLDS])
        rest = [number for number in order if number not in tested]
        tuned = rest[:: len(rest) // 4]
        works.append(
            Work(
                f"nanchang-{fold}",
                [cases[number].city for number in rest if number not in tuned],
                [cases[number] for number in tuned],
                [cases[number] for number in sorted(tested)],
                (0, 1, 3),
                (1e3, "thousand units"),
            )
        )
    return works


def nanchang_hierarchy() -> Hierarchy:
    """S3T4 on patches of 4 x 4 cells, the paper's fine preference; the width of a cell, here 1 km, plays no part."""
    names = {4000: "patch", 2000: "quarter", 1000: "cell"}
    stages = rgp("fine", tuple(names), (24, 4, 2, 1))
    return Hierarchy(
        tuple(Level(f"{names[s.side]}-{s.hours}h", f"{s.hours} h · {names[s.side]}", s.side, s.hours) for s in stages)
    )


WORKS: dict[str, Callable[[], list[Work]]] = {
    "city50": city50,
    "nanchang": nanchang,
    "smoke": smoke,
    "firenze-monaco": partial(transfer, "firenze", "monaco"),
    "monaco-firenze": partial(transfer, "monaco", "firenze"),
}


def _data() -> Path:
    folder = os.environ.get("ZOOMDIFF_DATA")
    if not folder:
        raise DataError(
            "This needs maps and measurements: name the folder that holds maps/ and traffic/ with --data or "
            "$ZOOMDIFF_DATA."
        )
    return Path(folder)


def _need(name: str) -> MapLayers:
    """The map of a name; DataError says where it must be where it is missing."""
    if not list((_data() / "maps").glob(f"{name}*")):
        raise DataError(
            f"There is no map {name} in {_data() / 'maps'}: name the folder with --data. A map of the place from "
            "OpenStreetMap (.osm.pbf) will do, but figures then differ from the published ones."
        )
    return read_map(name)
