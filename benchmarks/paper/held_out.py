"""Is the chain worth its trouble? A city that training never saw, against simpler and against special models.

    python -m benchmarks held-out --train both               (once, half an hour: the models to compare with)
    python -m benchmarks held-out [--map monaco] [--bbox W,S,E,N] [--samples 20] [--out FILE.json]

* regression: the same network, given only the map, predicts each level's traffic at once (mean absolute error of
  y, so its best guess is the median). Like `retrained` it starts from the shipped weights and goes on with that task.
* retrained: the same network refines known traffic of base stations to 50 m in one stage instead of three (to be
  compared with the shipped model, which refines without having been trained for it).

All are trained on the same cities and compared with a simulated week of another seed. A single sample of a perfect
model must lose to the median in MAE by theory, so the median of the ensemble is what is compared with a regression.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import trange

from benchmarks.paper import places
from benchmarks.paper.ours import CPU, PLAN_OF_ENDS, regressed
from benchmarks.paper.places import context_of, simulated_week
from benchmarks.paper.results import save
from benchmarks.paper.works import ends_of
from zoomdiff import metrics
from zoomdiff.checkpoint import SHIPPED, load_model, new_network, save_model
from zoomdiff.context import UEC
from zoomdiff.device import autocast
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.network import DayTokenNetwork
from zoomdiff.diffusion.prior import ResidualPrior
from zoomdiff.generation import generate, refine_level
from zoomdiff.inputs import conditions_of
from zoomdiff.levels import S4T4, Hierarchy, aggregate
from zoomdiff.sampling import Sampling
from zoomdiff.training.config import TrainConfig, read_config
from zoomdiff.training.loop import Descent, cosine
from zoomdiff.training.patches import TrainingCity, random_patches
from zoomdiff.training.train import LONGEST_SIDE, batch_loss, gather_cities

ENDS = (0, len(S4T4) - 1)  # base stations per day, 50 m per hour
TWO = Hierarchy(tuple(S4T4[k] for k in ENDS))
PER_LEVEL = ("fold", "fold_prior", "f_population", "spe", "unfold")  # parts of the network with one copy per level


def fit(network: DayTokenNetwork, loss_of: Callable[[np.random.Generator], torch.Tensor], steps: int) -> None:
    """The loop of `train` with a cosine, then the averaged weights, as in `train`."""
    descent, recent = Descent(network), []
    for step in trange(steps, mininterval=10):
        rng = np.random.default_rng([7, step])
        recent.append(descent.step(partial(loss_of, rng), cosine(6e-4, step / steps)))
        if (step + 1) % 500 == 0:
            print(f"step {step + 1}, loss {np.mean(recent[-500:]):.4f}", flush=True)
    network.load_state_dict(descent.averaged.module.state_dict())


def patches_of(cities: list[TrainingCity], k: int, rng: np.random.Generator, cells: int):
    level = cities[0].hierarchy[k]
    side = int(rng.integers(2, LONGEST_SIDE[level.side] + 1))
    n = side * cities[0].hierarchy.block // cities[0].hierarchy.space_factor(k)
    return random_patches(cities, k, side, max(1, cells // n**2), rng)


def train_regression(cities: list[TrainingCity], steps: int, cells: int, out: Path) -> None:
    model = load_model(SHIPPED, device="cpu")
    model.network.train()

    def loss_of(rng: np.random.Generator) -> torch.Tensor:
        k = int(rng.choice(ENDS, p=(0.2, 0.8)))
        patches = patches_of(cities, k, rng, cells)
        with autocast(CPU):
            y = regressed(model, patches.conditions, k, patches.x_k.shape)
        return (y - model.prior.encode(patches.x_k, k)).abs().mean()

    fit(model.network, loss_of, steps)
    save_model(model, out)


def train_retrained(cities: list[TrainingCity], steps: int, cells: int, out: Path) -> None:
    """A model of two stages: the shipped one's first, and from there to 50 m at once, starting from its last."""
    shipped = load_model(SHIPPED, device="cpu")
    two = [ends_of(city) for city in cities]
    network = new_network(TWO, replace(shipped.design, nodes=(300, 150, 0)))
    theirs, state = shipped.network.state_dict(), {}
    for name in network.state_dict():
        part, _, rest = name.partition(".")
        if part in PER_LEVEL:
            level, _, rest = rest.partition(".")
            state[name] = theirs[".".join(filter(None, (part, str(ENDS[int(level)]), rest)))]
        else:
            state[name] = theirs[name][list(ENDS)] if part == "level" else theirs[name]
    network.load_state_dict(state)
    stats = [shipped.prior.stats[k] for k in ENDS]
    prior = ResidualPrior(TWO, shipped.prior.scale, tuple(stats))
    some = torch.cat([(prior.encode(c.weeks[0][1], 1) - prior.from_coarser(c.weeks[0][0], 1)).flatten() for c in two])
    prior = replace(prior, stats=(stats[0], replace(stats[1], residual_std=float(some.std()))))
    model = DRDM(network.train(), prior)

    def loss_of(rng: np.random.Generator) -> torch.Tensor:
        side = int(rng.integers(2, LONGEST_SIDE[TWO.finest.side] + 1))
        return batch_loss(model, two, 1, side, TrainConfig(cells=cells), CPU, rng)

    fit(network, loss_of, steps)
    save_model(model, out)


TRAINED = {"regression": train_regression, "retrained": train_retrained}


def direct(model: DRDM, uec: UEC, preset: str) -> list[np.ndarray]:
    """What the regression says of both ends, MB."""
    finest = conditions_of(uec, preset)
    levels = []
    for k in ENDS:
        conditions = finest.at_level(S4T4, k)
        shape = (1, 168 // S4T4[k].hours, *conditions.structure.shape[-2:])
        with torch.inference_mode(), autocast(CPU):
            y = model.prior.clamp(regressed(model, conditions, k, torch.Size(shape)), k)
        levels.append(model.prior.decode(y, k)[0].numpy() * uec.region.mask(k) / 1e6)
    return levels


def figures(truth: np.ndarray, made: np.ndarray) -> dict[str, float]:
    """Point errors of one sample and of the median, then scores of the ensemble; made (S, T, H, W)."""
    median = np.median(made, 0)
    return {
        "MAE of one": float(np.mean([metrics.mae(truth, x) for x in made])),
        "MAE of the median": metrics.mae(truth, median),
        "CRPS": metrics.crps(truth, made),
        "W1": metrics.wasserstein(truth, made),
        "ln W1": metrics.wasserstein(truth, made, log_scale=True),
        "spread": metrics.spread_ratio(truth, made),
        "autocorrelation": float(np.mean([_autocorrelation(truth, x) for x in made[:4]])),
        "spectrum": float(np.mean([metrics.spectrum_distance(truth, x) for x in made[:4]])),
        "volume": float(made.mean() / truth.mean()),
    }


def covered(truth: np.ndarray, made: np.ndarray) -> dict[str, float]:
    """Share of the truth between P10 and P90: of all values, and of those that are not certainly zero."""
    open_ = (truth > 0) | (made > 0).any(0)
    shape = (1, 1, -1)  # metrics want (T, H, W)
    return {
        "all": metrics.coverage(truth, made),
        "not empty": metrics.coverage(truth[open_].reshape(shape), made[:, open_].reshape(len(made), *shape)),
    }


def _autocorrelation(truth: np.ndarray, made: np.ndarray) -> float:
    return metrics.autocorrelation_distance(truth, made, range(1, min(49, len(truth))))


def compare(options: argparse.Namespace) -> dict:
    uec = context_of(options)
    truth = [x / 1e6 for x in S4T4.pyramid(simulated_week(uec, options.preset))]
    model = load_model(SHIPPED, device="cpu")
    weeks = [
        generate(model, uec, seed=seed, sampling=Sampling(preset=options.preset)) for seed in range(options.samples)
    ]
    regression = direct(load_model(options.runs / "regression.safetensors", device="cpu"), uec, options.preset)
    result = {"region": repr(uec.region), "preset": options.preset, "samples": options.samples, "levels": {}}
    for guess, k in zip(regression, ENDS, strict=True):
        made = np.stack([one.volumes[k] for one in weeks]) / 1e6
        result["levels"][S4T4[k].name] = {
            "chain": figures(truth[k], made),
            "regression": figures(truth[k], guess[None]),
            "covered": covered(truth[k], made),
        }

    known, seeds = truth[0] * 1e6, range(min(4, options.samples))
    zero_shot = [
        refine_level(model, uec, known, "bs", seed=seed, sampling=Sampling(preset=options.preset)).volumes[-1]
        for seed in seeds
    ]
    special = load_model(options.runs / "retrained.safetensors", device="cpu")
    there = replace(uec, region=replace(uec.region, hierarchy=TWO))
    retrained = [
        refine_level(
            special, there, known, "bs", seed=seed, sampling=Sampling(steps=PLAN_OF_ENDS, preset=options.preset)
        ).volumes[-1]
        for seed in seeds
    ]
    gap = max(float(np.abs(aggregate(x, 8, 24) - known).sum() / known.sum()) for x in zero_shot)
    result["refinement"] = {
        name: figures(truth[-1], np.stack(made) / 1e6)
        for name, made in (("zero-shot", zero_shot), ("retrained", retrained))
    } | {"gap of block totals": gap}
    return result


def show(result: dict) -> None:
    print(f"{result['region']}, {result['preset']}, {result['samples']} samples; MAE, CRPS and W1 in MB\n")
    for level, rows in result["levels"].items():
        table = pd.DataFrame({name: rows[name] for name in ("chain", "regression")}).T
        print(f"{level}\n\n{table.to_markdown(floatfmt='.3f')}\n")
        print(", ".join(f"P10-P90 covers {value:.1%} of {name}" for name, value in rows["covered"].items()), "\n")
    refinement = dict(result["refinement"])
    gap = refinement.pop("gap of block totals")
    print(f"base stations -> 50 m\n\n{pd.DataFrame(refinement).T.to_markdown(floatfmt='.3f')}\n")
    print(f"totals of blocks differ from the given ones by {gap:.1e} of all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Train the models to compare with, or compare in a place."""
    parser.add_argument("--train", choices=("both", *TRAINED), help="train the models to compare with, or one of them")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--runs", type=Path, default=Path("runs/held_out"))
    places.add_arguments(parser, map_="monaco")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")


def main(options: argparse.Namespace) -> None:
    """Train, or compare and print."""
    if options.train:
        config = replace(read_config("shipped"), held_out=None)
        cities, _ = gather_cities(config, print)
        options.runs.mkdir(parents=True, exist_ok=True)
        for name in TRAINED if options.train == "both" else (options.train,):
            TRAINED[name](cities, options.steps, config.cells, options.runs / f"{name}.safetensors")
        return
    result = compare(options)
    show(result)
    if options.out:
        save(options.out, result)
