"""How fast is sampling on this machine's processor, and how near to what the processor can multiply?

    python -m benchmarks speed --bs 500 --steps fast [--weights PATH | --untrained] [--threads N] [--compile]
        [--sweep | --profile]

Needs no data: the region is paved with a small fictional town, as its contents do not change the time. Prints
per level the seconds and the GFLOP/s, next to those of large square matrix products with the same dtype and threads,
then the peak memory of the process and the seconds of `generate`: making the context and writing files are not in them.
GFLOP count the network's products and convolutions once per cell and step: neither the halo of tiles is in them, which
is computed twice, nor a level's context, which is computed once and 3% of one evaluation.
"""

import argparse
import math
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import cpu_name, peak_mb
from zoomdiff.checkpoint import SHIPPED, load_model, new_network
from zoomdiff.context import UEC, build_uec
from zoomdiff.context.procedural import procedural_map
from zoomdiff.device import autocast, compile_network
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.generation import TILE, generate
from zoomdiff.inputs import conditions_of
from zoomdiff.levels import HOURS_PER_WEEK, S4T4, Hierarchy
from zoomdiff.region import Region
from zoomdiff.sampling import Callbacks, Sampling

CPU = torch.device("cpu")
SWEEP = (50, 150, 500, 1500, 5000)  # blocks
SMALL = 4  # blocks to warm up and to count on
PROFILED = 3  # evaluations
MATRICES = (1024, 2048, 4096)  # sides; which one is multiplied fastest depends on caches and threads


@dataclass(frozen=True)
class Run:
    """One timed `generate`: seconds, steps and cells per level, coarse to fine; seconds until it returned."""

    seconds: tuple[float, ...]
    steps: tuple[int, ...]
    cells: tuple[int, ...]
    total: float
    peak_mb: float  # most memory that the process had held by then


def frame_of(blocks: int) -> tuple[int, int]:
    """(rows, cols) of the frame nearest to a square that has exactly so many blocks."""
    rows = next(n for n in range(math.isqrt(blocks), 0, -1) if blocks % n == 0)
    return rows, blocks // rows


def paved(raster: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Copies of a raster (..., H, W) side by side, cut to (..., *shape)."""
    for axis, length in zip((-2, -1), shape, strict=True):
        raster = raster.take(np.arange(length), axis, mode="wrap")
    return raster


def city(blocks: int, hierarchy: Hierarchy) -> UEC:
    """A context of exactly so many blocks, all in the region."""
    layers = procedural_map(0, kilometres=2.4)
    town = build_uec(layers, Region.from_bbox(layers.extent, hierarchy=hierarchy))
    region = replace(town.region, blocks=np.ones(frame_of(blocks), bool))
    rasters = {name: paved(getattr(town, name), region.shape) for name in ("structure", "aoi", "poi", "population")}
    return replace(town, region=region, **rasters)


def model_of(options: argparse.Namespace) -> DRDM:
    if not options.untrained:
        return load_model(options.weights or SHIPPED, device="cpu")
    stats = tuple(LevelStats(1.5, 1.0, -1.5, 5.0, spread) for spread in (1.0, 0.4, 0.4, 0.4))
    return DRDM(new_network(S4T4).eval(), ResidualPrior(S4T4, 2e5, stats))


def timed(options: argparse.Namespace, blocks: int) -> Run:
    """Warm up on a small region, then time one run."""
    model = model_of(options)
    if options.compile:
        compile_network(model.network, CPU)
        generate(model, city(options.bs, model.hierarchy), sampling=Sampling(steps=1))  # for its shapes
    generate(model, city(SMALL, model.hierarchy), sampling=Sampling(steps=options.steps))
    uec, ends, cells, taken = city(blocks, model.hierarchy), [], [], {}

    def on_step(k: int, step: int, steps: int) -> None:
        taken[k] = steps

    def on_level(k: int, volumes: np.ndarray) -> None:  # (T_k, H_k, W_k)
        ends.append(time.perf_counter())
        cells.append(volumes[0].size)

    started = time.perf_counter()
    generate(
        model, uec, sampling=Sampling(steps=options.steps), callbacks=Callbacks(on_step=on_step, on_level=on_level)
    )
    total = time.perf_counter() - started
    return Run(tuple(np.diff([started, *ends])), tuple(taken.values()), tuple(cells), total, peak_mb())


def gflop_per_cell(model: DRDM, k: int) -> float:
    """GFLOP of one network evaluation per cell of level k."""
    conditions = conditions_of(city(SMALL, model.hierarchy), "europe").at_level(model.hierarchy, k)
    h, w = conditions.structure.shape[-2:]
    r = torch.zeros(1, HOURS_PER_WEEK // model.hierarchy[k].hours, h, w)
    with autocast(CPU):
        denoise = model.denoiser(r, conditions, k)
        with FlopCounterMode(display=False) as counter:
            denoise(r, torch.tensor(0.5))
    return counter.get_total_flops() / 1e9 / (h * w)


def model_dtype() -> torch.dtype:
    """What the network's matrix products are made in on this machine."""
    with autocast(CPU):
        return (torch.zeros(1, 1) @ torch.zeros(1, 1)).dtype


def matmul_rate(dtype: torch.dtype) -> float:
    """GFLOP/s of the fastest product of two large square matrices."""
    rates = []
    for side in MATRICES:
        a, b = (torch.randn(side, side).to(dtype) for _ in range(2))
        until = time.perf_counter() + 0.5
        while (started := time.perf_counter()) < until:
            a @ b
            rates.append(2 * side**3 / 1e9 / (time.perf_counter() - started))
    return max(rates)


def single(options: argparse.Namespace) -> float:
    """Print one run, level by level; returns its seconds."""
    run, model, matmul = timed(options, options.bs), model_of(options), matmul_rate(model_dtype())
    gflop = [gflop_per_cell(model, k) * n * m for k, (n, m) in enumerate(zip(run.cells, run.steps, strict=True))]
    names = [*(level.name for level in model.hierarchy), "all"]
    columns = ([*column, sum(column)] for column in (run.seconds, run.steps, run.cells, gflop))
    print("level    seconds  steps    cells     GFLOP  GFLOP/s   matmul   share")
    for name, seconds, steps, cells, work in zip(names, *columns, strict=True):
        rate = work / seconds
        print(f"{name:7} {seconds:8.2f} {steps:6} {cells:8} {work:9.1f} {rate:8.1f} {matmul:8.1f} {rate / matmul:7.1%}")
    print(f"\nmaking the levels agree: {run.total - sum(run.seconds):.2f} s\npeak memory: {run.peak_mb:.0f} MB")
    return run.total


def sweep(options: argparse.Namespace) -> float:
    """Print one row per size, each from a fresh process; returns the seconds of all."""
    print(" blocks    grids   seconds  s per 500 BS  peak MB", flush=True)
    total, spawn = 0.0, multiprocessing.get_context("spawn")
    for blocks in SWEEP:
        with ProcessPoolExecutor(1, spawn, torch.set_num_threads, (torch.get_num_threads(),)) as process:
            run = process.submit(timed, options, blocks).result()
        total, per_500 = total + run.total, run.total * 500 / blocks
        print(f"{blocks:7} {run.cells[-1]:8} {run.total:9.2f} {per_500:13.2f} {run.peak_mb:8.0f}", flush=True)
    return total


PRODUCTS = ("aten::mkldnn_convolution", "aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm", "mkldnn::")


def profile(options: argparse.Namespace) -> float:
    """Print where the time of evaluations of the finest level goes; returns their seconds."""
    model = model_of(options)
    uec = city(TILE**2 // model.hierarchy.block**2, model.hierarchy)
    k, matmul = len(model.hierarchy) - 1, matmul_rate(model_dtype())
    conditions = conditions_of(uec, "europe").at_level(model.hierarchy, k)
    r = torch.randn(1, HOURS_PER_WEEK, *uec.region.shape)
    with torch.inference_mode(), autocast(CPU):
        denoise = model.denoiser(r, conditions, k)
        denoise(r, torch.tensor(0.5))
        with torch.profiler.profile() as record:
            for _ in range(PROFILED):
                denoise(r, torch.tensor(0.5))
    events = sorted(record.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events) / 1e6
    products = sum(event.self_cpu_time_total for event in events if event.key.startswith(PRODUCTS)) / 1e6
    gflop = PROFILED * gflop_per_cell(model, k) * r[0, 0].numel()
    for event in events[:12]:
        print(f"{event.key:36} {event.self_cpu_time_total / 1e6 / total:6.1%} of the time, {event.count:5} calls")
    share, rate = products / total, gflop / products
    there = f"{rate:.0f} GFLOP/s there, {rate / matmul:.0%} of matmul's"
    print(f"\nproducts and convolutions: {share:.1%} of the time, {there}")
    return total


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The region's size, the sampler and what to print."""
    parser.add_argument("--bs", type=positive, default=500, help="base-station blocks of 400 m")
    parser.add_argument("--steps", default="fast", help="fast, full, or a number of steps per level")
    parser.add_argument("--compile", action="store_true", help="let torch.compile fuse the network first")
    parser.add_argument("--profile", action="store_true", help="where the time of the finest level goes")
    parser.add_argument("--sweep", action="store_true", help=f"one row each for {SWEEP} blocks; --bs does not count")
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--weights", type=Path, help="default: the shipped ones")
    weights.add_argument("--untrained", action="store_true", help="a network with the default size: as fast as trained")
    parser.add_argument("--threads", type=positive, help="default: what torch takes")


def main(options: argparse.Namespace) -> None:
    """Time one run, a sweep or a profile, and print it."""
    torch.set_num_threads(options.threads or torch.get_num_threads())
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    print(f"{cpu_name()}, {threads}, torch {torch.__version__}, {str(model_dtype()).removeprefix('torch.')}")
    size = "" if options.sweep else ", {} x {} blocks".format(*frame_of(options.bs))
    print(f"steps {options.steps}{size}\n", flush=True)
    total = (profile if options.profile else sweep if options.sweep else single)(options)
    print(f"total seconds: {total:.2f}")
