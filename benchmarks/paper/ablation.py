"""Which choices matter? Every variant of the model trained on the same towns for as many steps, tested on other towns.

    python -m benchmarks ablation [--only prior,stpe] [--seeds 3] [--steps 1000]
    python -m benchmarks ablation --table
    python -m benchmarks ablation --weights assets/zoomdiff-s4t4.safetensors   (conservation alone, of a trained model)

Groups: prior (none, the paper's noise fusion for D = 4..64 with and without H_k as an input, blend, residual), stpe
(position codes on and off, Fig. 13), scheme (Table III), rgp (Table IV, S3T2), conservation. Needs no data: towns are
procedural. Each run's figures are added to the results as soon as they exist; existing runs are not run again.
Rows in MAIN are run with every seed, the others with the first alone.
"""

import argparse
import json
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.paper.places import simulated_week
from benchmarks.paper.results import RESULTS, save
from zoomdiff import metrics
from zoomdiff.checkpoint import load_model
from zoomdiff.context import UEC, build_uec
from zoomdiff.context.procedural import procedural_map
from zoomdiff.diffusion.design import SCHEMES, Design
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.generation import TILE, generate
from zoomdiff.levels import conserve
from zoomdiff.region import Region
from zoomdiff.sampling import Callbacks, Plan, Sampling
from zoomdiff.training.config import TrainConfig
from zoomdiff.training.train import train

FILE = "ablation.json"
TEST_TOWNS = (990_001, 990_002)  # seeds of no training town
SAMPLES = 4
STRIDES = 20  # per stage, ancestral: the sampler that every design can use
MAIN = (
    *("prior/residual, v", "prior/residual, eps", "prior/none", "prior/none, H_k as input", "prior/blend"),
    *("prior/noise, D = 32", "prior/noise, D = 32, H_k as input"),
    *(f"scheme/{scheme}" for scheme in SCHEMES),
    *(f"rgp/{preference}" for preference in ("uniform", "coarse", "fine")),
    *(f"conservation/{mode}" for mode in ("off", "top_down", "bottom_up")),
)
BASE = TrainConfig(towns=6, weeks=1, presets=("europe",), cells=1024, channels=48, blocks=4, warmup=100)


@dataclass(frozen=True)
class Variant:
    """One row: what is trained, and how generated levels are made to agree (None: not at all)."""

    config: TrainConfig
    conservation: str | None = None


def variants() -> dict[str, Variant]:
    """By "group/name"; the default design is in the groups prior, stpe and scheme, with a name of each group."""
    noise = Design(prior="noise", prediction="eps")
    designs = {
        "prior/residual, v": Design(),
        "prior/residual, eps": Design(prediction="eps"),
        "prior/none": Design(prior="none", sees_prior=False),
        "prior/none, H_k as input": Design(prior="none"),
        "prior/blend": Design(prior="blend", prediction="eps", sees_prior=False),
    }
    for latent in (4, 8, 16, 32, 64):
        designs[f"prior/noise, D = {latent}"] = replace(noise, latent=latent, sees_prior=False)
        designs[f"prior/noise, D = {latent}, H_k as input"] = replace(noise, latent=latent)
    for tpe, spe, name in ((1, 1, "TPE & SPE"), (0, 1, "SPE"), (1, 0, "TPE"), (0, 0, "w/o PE")):
        designs[f"stpe/{name}"] = Design(tpe=bool(tpe), spe=bool(spe))
    for scheme in SCHEMES:
        designs[f"scheme/{scheme}"] = Design(scheme)
    rows = {name: Variant(replace(BASE, design=design)) for name, design in designs.items()}
    for preference in ("uniform", "coarse", "fine"):
        rows[f"rgp/{preference}"] = Variant(replace(BASE, setting="S3T2", preference=preference))
    for mode in ("off", "top_down", "bottom_up"):
        rows[f"conservation/{mode}"] = Variant(BASE, None if mode == "off" else mode)
    return rows


def test_towns(config: TrainConfig) -> list[UEC]:
    """Towns that no run trains on, on the variant's rasters."""
    maps = [procedural_map(seed, kilometres=3.2) for seed in TEST_TOWNS]
    return [build_uec(layers, Region.from_bbox(layers.extent, hierarchy=config.hierarchy)) for layers in maps]


def raw_levels(model: DRDM, uec: UEC, seed: int) -> list[np.ndarray]:
    """Generated levels in MB as they come out of the chain, before they are made to agree."""
    plan = Plan((STRIDES,) * len(model.hierarchy), "ancestral", tile=TILE)
    levels = {}
    generate(model, uec, seed=seed, sampling=Sampling(steps=plan), callbacks=Callbacks(on_level=levels.__setitem__))
    return [levels[k].astype(float) / 1e6 for k in range(len(model.hierarchy))]


def score(model: DRDM, variant: Variant) -> dict[str, float | dict[str, dict[str, float]]]:
    """{"levels": level -> figures, "gap": between levels}, means over the test towns."""
    gaps: list[float] = []
    rows: dict[str, list[dict[str, float]]] = {level.name: [] for level in model.hierarchy}
    for uec in test_towns(variant.config):
        week = simulated_week(uec, "europe") / 1e6
        samples = [raw_levels(model, uec, seed) for seed in range(SAMPLES)]
        if variant.conservation:
            samples = [conserve(levels, model.hierarchy, variant.conservation) for levels in samples]
        gaps += [metrics.cross_scale_gap(levels, model.hierarchy) for levels in samples]
        for k, truth in enumerate(model.hierarchy.pyramid(week)):
            made = np.stack([levels[k] for levels in samples])
            rows[model.hierarchy[k].name].append(
                {
                    "MAE": float(np.mean([metrics.mae(truth, x) for x in made])),
                    "CRPS": metrics.crps(truth, made),
                    "ln W1": metrics.wasserstein(truth, made, log_scale=True),
                    "volume": float(made.mean() / truth.mean()),
                }
            )
    levels = {name: pd.DataFrame(figures).mean().to_dict() for name, figures in rows.items()}
    return {"levels": levels, "gap": float(np.mean(gaps))}


def run(name: str, variant: Variant, seed: int, steps: int, runs: Path) -> dict:
    """Train one variant and score it; variants of the same training (conservation) share it."""
    config = replace(variant.config, seed=1000 * seed, steps=steps, save_every=steps)
    group = "base" if variant.config == BASE else name.replace("/", "_").replace(" ", "")
    folder = runs / f"{group}-{steps}-{seed}"
    weights = folder / "zoomdiff-s4t4.safetensors"
    if not weights.exists():
        train(folder, config, say=lambda text: None)
    return {"name": name, "seed": seed, "steps": steps} | score(load_model(weights), variant)


def tables(results: list[dict]) -> str:
    """One Markdown table per group: the coarsest and the finest level, mean ± sd over seeds, best CRPS first.

    MAE of one sample and CRPS in MB per cell and step; W1 of ln(1 + MB); volume relative to the simulated week; gap is
    the largest disagreement between levels that follow each other (`metrics.cross_scale_gap`).
    """
    rows = []
    for result in results:
        group, _, name = result["name"].partition("/")
        levels = list(result["levels"])
        for level in (levels[0], levels[-1]):
            figures = result["levels"][level]
            about = {"group": group, "variant": name, "level": level, "seeds": result["seed"], "gap": result["gap"]}
            rows.append(about | figures)
    frame, text = pd.DataFrame(rows), []
    for group, part in frame.groupby("group", sort=False):
        figures = list(part.columns[5:])
        first, last = part.level.unique()
        cells = part.groupby(["variant", "level"])
        mean, sd = cells[figures].mean().unstack(), cells[figures].std().unstack()
        shown = pd.DataFrame(index=mean[("CRPS", last)].sort_values().index)
        for level in (first, last):
            for figure in figures:
                value, spread = mean[(figure, level)], sd[(figure, level)]
                shown[f"{figure}, {level}"] = [
                    _short(value[name]) + (f" ± {_short(spread[name])}" if spread[name] == spread[name] else "")
                    for name in shown.index
                ]
        shown["gap"] = part.groupby("variant").gap.mean().map("{:.2g}".format)
        shown["seeds"] = part.groupby("variant").seeds.nunique()
        text.append(f"{group}\n\n{shown.to_markdown()}\n")
    return "\n".join(text)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to run, and where results go."""
    parser.add_argument("--only", help="groups separated by commas, of prior, stpe, scheme, rgp, conservation")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--out", type=Path, default=RESULTS / FILE, help="the result file")
    parser.add_argument("--table", action="store_true", help="only print the tables of the saved results")
    parser.add_argument("--weights", type=Path, help="compare modes of conservation on these weights")


def main(options: argparse.Namespace) -> None:
    """Run what the result file does not hold yet, then print the tables."""
    if options.weights:
        rows = {name: row for name, row in variants().items() if name.startswith("conservation/")}
        model = load_model(options.weights)
        print(tables([{"name": name, "seed": 0} | score(model, row) for name, row in rows.items()]))
        return
    results = json.loads(options.out.read_text()) if options.out.exists() else []
    groups = options.only.split(",") if options.only else None

    def wanted(name: str) -> bool:
        return groups is None or name.partition("/")[0] in groups

    if not options.table:
        done = {(r["name"], r["seed"], r["steps"]) for r in results}
        for seed, (name, variant) in product(range(options.seeds), variants().items()):
            if not wanted(name) or (name, seed, options.steps) in done or (seed and name not in MAIN):
                continue
            results.append(run(name, variant, seed, options.steps, options.runs))
            save(options.out, results)
            print(name, seed, {k: round(v["CRPS"], 2) for k, v in results[-1]["levels"].items()}, flush=True)
    print(tables([row for row in results if wanted(row["name"])]))
