"""docs/benchmarks.md: every table and plot of the benchmark, made of the result files that are there."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen is needed

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.paper import ablation, correlations, efficiency, refinement, states, tables
from benchmarks.paper.tables import frame, read

DOCS = Path(__file__).parents[2] / "docs"
WORKS = {
    "city50": "the reference city (simulated) on real maps, S4T4",
    "nanchang": "measured traffic of Nanchang, S3T4, five folds",
}
TRANSFERS = ("firenze-monaco", "monaco-firenze")
STUDIES = {
    "Efficiency (Table V)": ("efficiency", efficiency),
    "Refinement, base stations to 50 m (Table VI)": ("refine", refinement),
    "Intermediate states (Fig. 10)": ("states", states),
    "Correlations between levels (Fig. 3, 4)": ("correlations", correlations),
}
WIDEST = 4.0  # of a bar, in units of the best: longer ones are cut, and the number tells
INTRO = """# Benchmark

ZoomDiff against the paper's ten baselines and two honest floors, on the same blocks, with the same inputs and the same
budget of training. Made by `python -m benchmarks report` of the files in `benchmarks/results/`; [how it is
done](#how-it-is-done) is below the tables.
"""
SAID = """## What the tables say

Written by hand of the results that are committed; other results may say otherwise.

* ZoomDiff has the best mean rank on both works and the best CRPS at every level of both, and at four of the six its
  P10-P90 cover most nearly what they should. It is one model, sampled for all levels at once, where each baseline is
  trained and sampled level by level.
* It is not first everywhere. **Errors of the mean, city50**: XGBoost is a little ahead at 100 m, and in MAE it and
  several others are at 50 m; it is told of each cell's block and of the blocks around it as plain columns, where
  ZoomDiff must learn to see them in its convolutions. Base stations are 16 places, so little separates the first ones.
* **Rhythm, city50**: at 50 m NetDiffus, which convolves a picture of days x hours along the hours, is ahead in spectrum
  and autocorrelation. At 100 m, where it once was far ahead, the filter of the training weeks' covariance has made them
  equal.
* **A 2 x 2 of cells, Nanchang**: the regression with our network and NetDiffus have the lower errors of the mean; ours
  pays for the noise of the level above, which it starts from, and for a mean of 20 draws in place of a mean.
* **A single sample**: 5GT-GAN's errors are small because its samples hardly differ. Its P10-P90 hold 4 % to 39 % of
  what happens, where 80 % is right. On city50 ours errs more than NetDiffus, CSDI and DiT at 100 m and 50 m: it makes
  as much traffic as there is, where they make two thirds of it, and its samples differ a little too much (93 % of the
  days of base stations are in P10-P90). A sample that is lower and more alike errs less.
* **Transfer** from one real city to the other: ahead of CSDI in CRPS and in the errors of the mean at every level, both
  ways; at base stations CSDI's days have the better rhythm, and its single samples err less in half of the figures, as
  they hold less. **Refinement** to 50 m without training for it is better than with, and ahead of CSDI but for the
  errors of a single sample and the distribution of volumes. **On the way** ZoomDiff's states are the coarser levels;
  those of CSDI and DiT hold a tenth of the traffic, or less, at the first node.
* keGAN and TimeGAN, and Diffusion-TS on Nanchang, rank behind the profile of the training cells: they are not learnt in
  these budgets. Their rows say what they give for the same cost, not what they can do in days on a GPU. The same holds,
  less so, for CSDI.
"""
ABLATION = """`python -m benchmarks prior`, `stpe`, `schedules` and `rgp` print these one by one; what they say, and how
they were run, is in [results.md](results.md#which-choices-matter).
"""
HOW = """## How it is done

* `python -m benchmarks run city50` (and `nanchang`, `firenze-monaco`, `monaco-firenze`) trains, tunes, generates and
  scores; one JSON file per method and seed, and what is there is not run again. `smoke` runs all on a tiny case.
* **Works** (`works.py`). City-50: Florence and Liechtenstein outside their test bands, four fictional towns, both
  presets; tested on the busiest 2 x 2 blocks of either test band, of an unseen town, and of Monaco, which no method
  saw. Nanchang: 37 measured patches of 4 x 4 cells with measured users and points of interest, split by patch.
  A test proves that no block is in two parts.
* **Inputs** (`blocks.py`). All get the same code of the traffic, scaled by the training blocks, and the same UEC: of
  the cell, of its block and of the blocks around it, the people of every hour, and the preset. ZoomDiff gets its
  surroundings by its convolutions, and turns and mirrors its patches as in training proper.
* **Budget** (`training.py`). The same CPU seconds of one thread for every method, seed and fold: with more, the errors
  of all would fall, of some more than of others. A method of one level divides them among its levels, as their total
  cost counts; ZoomDiff spends them on its one model. Before, each of three settings of every method, ours included
  (learning rate, size of a batch and of the network; depth of trees), gets 15 % of the budget, and the best CRPS on
  places kept for tuning is taken.
  A CPU second of a virtual machine is not always worth the same: when ZoomDiff ran on city50 and between the cities
  (commit eee03b9) the same code took 1.6 to 1.8 times as long as when the others ran, so it had fewer steps than they.
* **ZoomDiff's training** (`ours.py`) is more than fifty times shorter than that of the shipped weights, so it differs
  from theirs: no conditions are dropped (guidance is not used), the first level gets fewer steps than the others, and
  noise is taken from a state before the network sees it (`Design.state_filter`): in the first two settings by the
  filter that the covariance of the training blocks along the week gives ([method.md](method.md), section 3; measuring
  it counts as training), in the third, for little data, by letting the state fade; strong noise is met more often with
  the former, weak noise with the latter. These were chosen on places kept for tuning and four more fictional towns,
  and on the tuning patches of all five folds of Nanchang (each of which is in another fold's test); the baselines are
  as their authors describe them.
* **Scores** (`harness.py`, `zoomdiff/metrics.py`). 20 samples per place. A single draw loses to a conditional mean by
  theory, so regressions are compared with the mean of the ensemble, generators with each other on both.
"""


def write(results: Path, docs: Path = DOCS) -> str:
    """Write the page and its pictures; returns a sentence."""
    text = [INTRO]
    for work, title in WORKS.items():
        if found := read(results / work):
            picture = f"benchmarks_{work}.png"
            plot_levels(found, docs / picture)
            text += [f"## {work}: {title}\n", machine(found), tables.overall(results / work), f"![CRPS]({picture})\n"]
    for work in TRANSFERS:
        if read(results / work):
            text += [f"## Transfer: {work.replace('-', ' to ')} (Table VII)\n"]
            text += [tables.overall(results / work, tables.TRANSFERRED)]
    text.append(SAID)
    for title, (command, study) in STUDIES.items():
        if (file := results / study.FILE).exists():
            result = json.loads(file.read_text())
            told = "".join(f" --{option} {result[option]:g}" for option in ("budget", "seeds") if option in result)
            text += [f"## {title}\n", f"`python -m benchmarks {command} --run{told}`, commit {result['commit']}.\n"]
            text.append(f"{result['machine']}. {efficiency.NOTE}\n" if study is efficiency else "")
            text.append(study.table(result) + "\n")
            if study is states:
                plot_states(result, docs / "benchmarks_states.png")
                text.append("![The busiest block at every node](benchmarks_states.png)\n")
    if (file := results / "ablation.json").exists():
        text += ["## Prior, StPE, schedules, RGP, conservation (Fig. 12, 13, Tables III, IV)\n", ABLATION]
        text.append(ablation.tables(json.loads(file.read_text())))
    text.append(HOW)
    page = docs / "benchmarks.md"
    page.write_text("\n".join(part for part in text if part))
    return f"{page} has been written."


def machine(results: list[dict]) -> str:
    """Where and when the results of a work were made, and how long all took."""
    hours = sum(result["train_seconds"] for result in results) / 3600
    machines, commits = (sorted({result[key] for result in results}) for key in ("machine", "commit"))
    days = sorted({result["date"] for result in results})
    return (
        f"{'; '.join(machines)}; torch {results[0]['torch']}; commits {', '.join(commits)}; {days[0]} to {days[-1]}; "
        f"{results[0]['budget']:g} CPU seconds of training per method, seed and fold, {hours:.1f} CPU hours in all for "
        "one fold.\n"
    )


def plot_levels(results: list[dict], path: Path) -> None:
    """CRPS of every method at every level, relative to the best."""
    crps = frame(results).groupby(["title", "level"], sort=False).CRPS.mean().unstack()
    crps = crps[list(dict.fromkeys(frame(results).level))]
    relative = crps / crps.min()
    figure, axes = plt.subplots(1, len(relative.columns), figsize=(11, 0.32 * len(relative) + 1), sharey=True)
    for axis, level in zip(axes, relative.columns, strict=True):
        colours = ["#c2476a" if title == "ZoomDiff" else "#7a8794" for title in relative.index]
        bars = axis.barh(relative.index, relative[level].clip(upper=WIDEST), color=colours)
        axis.bar_label(bars, [f" {value:.3g}" for value in relative[level]], fontsize=8)
        axis.set(xlim=(0, WIDEST * 1.12), title=level, xlabel="CRPS / best")
        axis.grid(axis="x", alpha=0.3)
        axis.invert_yaxis() if axis is axes[0] else None
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def plot_states(result: dict, path: Path) -> None:
    """Curves of the busiest block at the nodes: rows are methods, columns levels."""
    rows = result["rows"]
    levels = list(next(iter(rows.values())))
    figure, axes = plt.subplots(len(rows), len(levels), figsize=(3.1 * len(levels), 2.0 * len(rows)), squeeze=False)
    for line, (name, figures) in zip(axes, rows.items(), strict=True):
        for axis, level in zip(line, levels, strict=True):
            for key, colour in (("truth", "#7a8794"), ("curve", "#c2476a")):
                values = pd.Series(figures[level][key])
                hours = values.index * 168 / len(values) / 24
                axis.step(hours, values, where="post", color=colour, lw=1.1)
            axis.set(title=f"{name}, {level}", xlabel="day of the week", ylabel=f"{result['unit']} per step")
            axis.set_ylim(bottom=0)
    figure.legend(["truth", "state"], loc="upper center", ncols=2, frameon=False)  # once: in an axis it hides curves
    figure.tight_layout(rect=(0, 0, 1, 0.96))
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)
