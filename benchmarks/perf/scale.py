"""Weeks of regions of any size: what a square kilometre costs, what workers gain, and what the pieces change.

    python -m benchmarks scale --what cost --km 10 20 40     fictional countries of 100, 400 and 1,600 km2, one worker
    python -m benchmarks scale --what cost --km 100 --workers 2
    python -m benchmarks scale --what workers --km 30        one worker without and with Ray, and two, each one thread
    python -m benchmarks scale --what halo --km 12.8         pieces against the week in one piece, by cells around them
    python -m benchmarks scale --what map --map country.osm.pbf

Each run is another process. Prints a JSON per run: seconds by pass, peak memory of its largest process (with Ray those
of the workers too), bytes of the store.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import Largest, cpu_name
from benchmarks.perf.country import write_country
from zoomdiff.files import size_of

HALOS = (4, 8, 16, 32)


def one_run(
    map_: str, out: str, workers: int, halo: int | None, cells: int | None, steps: str, results: object
) -> None:
    """Make a store, and put what it cost into a queue."""
    from zoomdiff.checkpoint import load_model
    from zoomdiff.large import engine, layout
    from zoomdiff.large.run import Place, generate_large
    from zoomdiff.sampling import Sampling

    if halo is not None:
        layout.HALO = dict.fromkeys(layout.HALO, halo)
    if cells is not None:
        layout.CELLS = cells
    if workers == 0:  # one worker of Ray
        engine.Here = lambda model: engine.Cluster(model, 1)  # type: ignore[assignment,misc]
        from zoomdiff.large import run

        run.Here = engine.Here
    model, began, passes = load_model(device="cpu"), time.monotonic(), {}

    def on_piece(stage: str, done: int, pieces: int) -> None:
        passes.setdefault(stage, [time.monotonic(), 0.0, pieces])[1] = time.monotonic()

    generate_large(model, Place(map_), out, seed=1, sampling=Sampling(steps), workers=workers or 1, on_piece=on_piece)
    seconds = {stage: round(end - start, 2) for stage, (start, end, _) in passes.items()}
    results.put(
        {
            "seconds": round(time.monotonic() - began, 2),
            "passes, s": seconds,
            "pieces": passes["grid50"][2],
            "store, MB": round(size_of(Path(out)) / 1e6, 1),
        }
    )


def measured(map_: str, out: Path, **options: object) -> dict[str, object]:
    """A run in another process."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    given = {"workers": 1, "halo": None, "cells": None, "steps": "fast"} | options
    process = context.Process(target=one_run, kwargs={"map_": map_, "out": str(out), "results": results, **given})
    process.start()
    largest = Largest(process.pid)
    with largest.watching():
        process.join()
    if process.exitcode:
        return {"failed": 1}
    return results.get() | {"peak of a process, GB": round(largest.gigabytes, 2)}


def in_one_piece(map_: str, steps: str) -> list[np.ndarray]:
    """The week of the whole map at once."""
    from zoomdiff.checkpoint import load_model
    from zoomdiff.context import build_uec, read_map
    from zoomdiff.generation import generate
    from zoomdiff.region import Region
    from zoomdiff.sampling import Sampling

    layers = read_map(map_)
    uec = build_uec(layers, Region.from_bbox(layers.extent))
    return list(generate(load_model(device="cpu"), uec, seed=1, sampling=Sampling(steps)).volumes)


def differences(store: Path, week: list[np.ndarray]) -> dict[str, object]:
    """Of the volumes of each level from those of one piece: where there is 1 MB or more, and of all volume."""
    import xarray as xr

    from zoomdiff.levels import S4T4

    found = {}
    for level, expected in zip(S4T4, week, strict=True):
        volumes = xr.open_zarr(store, group=level.name, consolidated=False).traffic.to_numpy()
        off, much = np.abs(volumes - expected), expected >= 1e6
        relative = off[much] / expected[much]
        found[level.name] = {
            "worst": float(relative.max()),
            "median": float(np.median(relative)),
            "of the volume": float(off.sum() / expected.sum()),
        }
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, and how large."""
    parser.add_argument("--what", choices=["cost", "workers", "halo", "map"], default="cost")
    parser.add_argument("--km", type=float, nargs="+", default=[10.0, 20.0], help="side of the fictional country")
    parser.add_argument("--map", help="map of --what map, or of --what halo instead of a fictional country")
    parser.add_argument("--workers", type=int, default=1, help="of --what cost and map")
    parser.add_argument("--steps", default="fast")
    parser.add_argument("--cells", type=int, help="cells along a piece, for --what halo")


def main(options: argparse.Namespace) -> None:
    """Measure and print."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of each worker
    print(json.dumps({"machine": cpu_name(), "cores": os.cpu_count(), "threads of a worker": 1}))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for km in options.km if options.map is None else [0.0]:
            map_ = options.map
            if map_ is None:
                map_ = str(folder / f"country{km:g}.osm.pbf")
                towns = write_country(Path(map_), km)
                size = Path(map_).stat().st_size / 1e6
                print(json.dumps({"country, km": km, "km2": km**2, "towns": towns, "map, MB": round(size, 2)}))
            if options.what == "workers":
                for name, workers in (("without Ray", 1), ("one worker of Ray", 0), ("two workers", 2)):
                    run = measured(map_, folder / f"{workers}-{km}.zarr", workers=workers, steps=options.steps)
                    print(json.dumps({"workers": name, **run}), flush=True)
            elif options.what == "halo":
                week = in_one_piece(map_, options.steps)
                for halo in HALOS:
                    store = folder / f"{halo}-{km}.zarr"
                    run = measured(map_, store, halo=halo, cells=options.cells, steps=options.steps)
                    print(json.dumps({"halo, cells": halo, **run, **differences(store, week)}), flush=True)
            else:
                run = measured(map_, folder / f"{km}.zarr", steps=options.steps, workers=options.workers)
                print(json.dumps({"workers": options.workers, **run}), flush=True)
