"""docs/benchmarks.md: fills its marked places with tables of the result files, and makes its plots.

A place is a pair of comments, `<!-- report: NAME -->` and `<!-- end -->`, with a name of PLACES; the text between them
is replaced. All other text of the page is written by hand and kept.
"""

import argparse
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import matplotlib

matplotlib.use("Agg")  # no screen is needed

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.paper import ablation, correlations, efficiency, refinement, states, tables
from benchmarks.paper.results import add_results_option
from benchmarks.paper.tables import frame, read
from zoomdiff.errors import DataError
from zoomdiff.files import whole_file

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
STUDIES = {"efficiency": efficiency, "refine": refinement, "states": states, "correlations": correlations}
MARKED = re.compile(r"(<!-- report: (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
WIDEST = 4.0  # of a bar, in units of the best: longer ones are cut, and the number shows it


def compared(work: str, results: Path) -> str:
    """All tables of a work, and the machine they were made on."""
    found = read(results / work)
    return (machine(found) + "\n" if found else "") + tables.overall(results / work)


def transferred(work: str, results: Path) -> str:
    """The tables of a transfer."""
    return tables.overall(results / work, tables.TRANSFERRED)


def studied(command: str, study: ModuleType, results: Path) -> str:
    """The table of a study, and the command, commit and machine it was made with."""
    file = results / study.FILE
    if not file.exists():
        return f"There is no result yet: run `python -m benchmarks {command} --run`."
    result = json.loads(file.read_text())
    options = "".join(f" --{option} {result[option]:g}" for option in ("budget", "seeds") if option in result)
    by = f"`python -m benchmarks {command} --run{options}`, commit {result['commit']}"
    return f"{by}{', ' + result['machine'] if 'machine' in result else ''}.\n\n{study.table(result)}"


def ablated(results: Path) -> str:
    """The ablation's tables."""
    file = results / ablation.FILE
    if not file.exists():
        return "There is no result yet: run `python -m benchmarks ablation`."
    return ablation.tables(json.loads(file.read_text()))


PLACES: dict[str, Callable[[Path], str]] = {
    **{work: partial(compared, work) for work in tables.COMPARED},
    **{work: partial(transferred, work) for work in tables.TRANSFERS},
    **{command: partial(studied, command, study) for command, study in STUDIES.items()},
    "ablation": ablated,
}


def filled(page: str, results: Path) -> str:
    """The text of a page with its places written anew; DataError for a place that is not of PLACES."""

    def place(match: re.Match[str]) -> str:
        begin, name, _, end = match.groups()
        if name not in PLACES:
            raise DataError(f"The page has a place {name!r}, which is none of {', '.join(PLACES)}.")
        return f"{begin}\n{PLACES[name](results).strip()}\n\n{end}"

    return MARKED.sub(place, page)


def plots(results: Path, folder: Path) -> None:
    """The pictures that the page shows, of the results that exist."""
    for work in tables.COMPARED:
        if found := read(results / work):
            plot_levels(found, folder / f"benchmarks_{work}.png")
    if (file := results / states.FILE).exists():
        plot_states(json.loads(file.read_text()), folder / "benchmarks_states.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The results, and the page."""
    add_results_option(parser)
    parser.add_argument("--page", type=Path, default=PAGE, help="Markdown file; its plots go to the same folder")


def main(options: argparse.Namespace) -> None:
    """Fill the page and make its plots."""
    text = filled(options.page.read_text(encoding="utf-8"), options.results)
    with whole_file(options.page, "The page") as part:
        part.write_text(text, encoding="utf-8")
    plots(options.results, options.page.parent)
    print(f"{options.page} has been written.")


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
