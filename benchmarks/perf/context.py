"""How long does it take to make a context, and how much memory? Per phase: reading the map, building, the file.

    python -m benchmarks context --map firenze [--bbox W,S,E,N] [--population raster.tif] [--runs 3]
    python -m benchmarks context --geojson 200 [--runs 1]

Seconds are the fastest run's, as other work on the machine only adds to them; in brackets every run's, and the least
processor time, which other work changes little. Memory is the process' peak so far, libraries included. --geojson times
reading a GeoJSON file of that many megabytes, made of small houses.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.machine import cpu_name, peak_mb
from zoomdiff.context import build_uec, read_map
from zoomdiff.context.netcdf import read_netcdf, write_netcdf
from zoomdiff.context.plot import write_plot
from zoomdiff.errors import MapError
from zoomdiff.outline import parse_bbox
from zoomdiff.region import Region

T = TypeVar("T")


def phase(words: str, run: Callable[[], T], runs: int) -> tuple[T, float]:
    """Run, print and return the result and the fastest run's seconds."""
    seconds, busy = [], []
    for _ in range(runs):
        started, worked = time.perf_counter(), time.process_time()
        result = run()
        seconds.append(time.perf_counter() - started)
        busy.append(time.process_time() - worked)
    every = ", ".join(f"{s:.2f}" for s in seconds)
    print(
        f"{words:24} {min(seconds):6.2f} s ({every}; processor {min(busy):.2f}); peak memory {peak_mb():.0f} MB",
        flush=True,
    )
    return result, min(seconds)


def write_houses(path: Path, megabytes: float) -> int:
    """Write a GeoJSON file of that size, houses of 10 x 10 m around Florence as GDAL writes them; how many they are."""
    house = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) * 1e-4
    houses = 0
    with path.open("w") as file:
        file.write('{"type":"FeatureCollection","features":[\n')
        while file.tell() < megabytes * 1e6:
            corner = np.array([11.1 + houses % 2000 * 2e-4, 43.6 + houses // 2000 * 2e-4])
            ring = (corner + house).round(7).tolist()
            tags = f'{{"building":"house","name":"{houses}","height":"{3 + houses % 20}"}}'
            shape = f'{{"type":"Polygon","coordinates":[{ring}]}}'
            file.write(f'{"," if houses else ""}{{"type":"Feature","properties":{tags},"geometry":{shape}}}\n')
            houses += 1
        file.write("]}\n")
    return houses


def time_geojson(megabytes: float, runs: int) -> None:
    """Print how long it takes to read a GeoJSON file of that size, all of it and a small box, or why it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "houses.geojson"
        print(f"{write_houses(path, megabytes):,} houses, {path.stat().st_size / 1e6:.0f} MB")
        try:
            phase("read_map, a small box", lambda: read_map(path, bbox=(11.11, 43.6, 11.12, 43.61)), runs)
            print(phase("read_map, all of it", lambda: read_map(path), runs)[0])
        except MapError as error:
            print(error)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The map, or a GeoJSON file to make."""
    parser.add_argument("--map", default="firenze")
    parser.add_argument("--bbox", type=parse_bbox)
    parser.add_argument("--population", type=Path)
    parser.add_argument("--geojson", type=float, metavar="MB")
    parser.add_argument("--runs", type=int, default=3)


def main(options: argparse.Namespace) -> None:
    """Time each phase and print it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load, version = os.getloadavg()[0], platform.python_version()
    print(f"{cpu_name()}, {cores} of {os.cpu_count()} cores allowed, load {load:.1f}, Python {version}")
    print(f"libraries imported: {peak_mb():.0f} MB")
    if options.geojson:
        time_geojson(options.geojson, options.runs)
        return

    layers, reading = phase("read_map", lambda: read_map(options.map, bbox=options.bbox), options.runs)
    region = Region.from_bbox(options.bbox or layers.extent)
    uec, building = phase("build_uec", lambda: build_uec(layers, region, population=options.population), options.runs)
    print(f"{'map to context':24} {reading + building:6.2f} s; {layers!r}; {uec!r}")
    with tempfile.TemporaryDirectory() as folder:
        path, _ = phase("write_netcdf", lambda: write_netcdf(uec, Path(folder) / "uec.nc"), 1)
        print(f"{'':24} {path.stat().st_size / 1e6:.1f} MB")
        phase("read_netcdf", lambda: read_netcdf(path), 1)
        phase("write_plot", lambda: write_plot(uec, Path(folder) / "uec.png", layers.name), 1)
