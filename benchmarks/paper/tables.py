"""From the result files to tables: the paper's Tables I and II, and what generative models need in addition.

The tables are made from the JSON files alone, so they are the same, byte for byte, on every machine.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.paper.harness import METHODS
from benchmarks.paper.results import add_results_option

OURS = "zoomdiff"
COMPARED = ("city50", "nanchang")  # the works of Tables I and II
TRANSFERS = ("firenze-monaco", "monaco-firenze")
TRANSFERRED = ("csdi", OURS)  # the paper's Table VII
ERRORS = ("MAE", "RMSE", "spRMSE", "PSNR")
# Of the whole distribution; smaller is better.
DISTANCES = ("CRPS", "W1", "ln W1", "spectrum", "autocorrelation")
SHARES = ("spread", "coverage", "volume")  # relative to the truth, 1 is best; coverage of P10-P90, 0.8 is best
HIGHER_IS_BETTER = "PSNR"


def read(folder: Path) -> list[dict]:
    """The results of a work, in the order of METHODS and by seed."""
    results = [json.loads(file.read_text()) for file in folder.glob("*.json") if not file.stem.endswith("-tuning")]
    return sorted(results, key=lambda result: (METHODS.index(result["method"]), result["seed"]))


def frame(results: list[dict], group: str = "all") -> pd.DataFrame:
    """One row per method, seed and level with all figures of a group of cases."""
    return pd.DataFrame(
        [
            {"method": result["method"], "title": result["title"], "draws": result["draws"], "seed": result["seed"]}
            | {"level": level}
            | figures
            for result in results
            for level, figures in result["scores"][group].items()
        ]
    )


def short(value: float) -> str:
    """Three significant digits, thousands apart."""
    if value != value:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def mean_and_variance(values: pd.Series) -> str:
    """As in the paper's tables: the mean over seeds and, in brackets, their variance."""
    return short(values.mean()) + (f" ({values.var(ddof=1):.1e})" if len(values) > 1 else "")


def markdown(rows: pd.DataFrame, columns: list[str], best: dict[str, str]) -> str:
    """A Markdown table of one level: a row per method, the best of each column in bold."""
    shown = rows.groupby("method", sort=False)
    table = pd.DataFrame(index=shown.title.first().rename("method"))
    for column in columns:
        cells = shown[column].apply(mean_and_variance)
        table[column] = [f"**{cell}**" if name == best[column] else cell for name, cell in cells.items()]
    return table.to_markdown(colalign=("left", *("right",) * len(columns)))


def best_of(rows: pd.DataFrame, columns: list[str]) -> dict[str, str]:
    """Column -> the method with the best mean over seeds."""
    means = rows.groupby("method", sort=False)[columns].mean()
    best = {}
    for column in columns:
        if column in SHARES:
            wanted = 0.8 if column == "coverage" else 1.0
            best[column] = (means[column] - wanted).abs().idxmin()
        else:
            better = means[column].idxmax if column.startswith(HIGHER_IS_BETTER) else means[column].idxmin
            best[column] = better()
    return best


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """(method, level x metric) means that the ranking counts: smaller is better for all of them.

    Errors are those of the ensemble's mean, a regression's own: a single draw must lose to a conditional mean. PSNR is
    a function of the RMSE at the same peak, so it is not counted twice.
    """
    counted = [f"{name} of mean" for name in ERRORS if name != HIGHER_IS_BETTER] + list(DISTANCES)
    return rows.groupby(["method", "level"], sort=False)[counted].mean().unstack()


def ranking(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean rank over all levels and metrics (1 is best), in how many a method is first, and what ours gains over it.

    Gain is by how much our figures are smaller, the mean over levels and metrics; in errors alone, as the paper counts,
    in distances alone, and in all. An undefined figure, as of a method that collapsed, ranks last and is left out of
    the gain.
    """
    figures = judged(rows)
    ranks = figures.rank(na_option="bottom")
    titles = rows.groupby("method", sort=False).title.first()
    table = pd.DataFrame(
        {"method": titles, "mean rank": ranks.mean(axis=1), "first in": (ranks == 1).sum(axis=1), "of": ranks.shape[1]}
    )
    if OURS in figures.index:
        gains = 1 - figures.loc[OURS] / figures
        distance = figures.columns.get_level_values(0).isin(DISTANCES)
        for name, counted in (("errors", ~distance), ("distances", distance), ("all", np.ones_like(distance))):
            shares = gains.loc[:, counted].mean(axis=1).drop(OURS)
            table[f"our gain, {name}"] = [f"{shares[row]:.1%}" if row in shares else "–" for row in table.index]
    return table.sort_values("mean rank").set_index("method")


def overall(folder: Path, wanted: Sequence[str] = METHODS) -> str:
    """All tables of a work, and which of the wanted methods are missing."""
    results = read(folder)
    if not results:
        return f"There are no results in {folder}: run `python -m benchmarks run {folder.name}` first.\n"
    rows, text = frame(results), []
    seeds = rows.groupby("method").seed.nunique()
    count = " to ".join(map(str, dict.fromkeys((seeds.min(), seeds.max()))))
    text.append(
        f"{folder.name}: mean over seeds, {count} per method (variance in brackets), errors in "
        f"{results[0]['unit']} per cell and step; **best**.\n"
    )
    if missing := [name for name in wanted if name not in set(rows.method)]:
        text.append(f"Not run yet, so the ranking is incomplete: {', '.join(missing)}.\n")
    one, mean = [f"{name} of one" for name in ERRORS], [f"{name} of mean" for name in ERRORS]
    for level, part in rows.groupby("level", sort=False):
        text.append(f"**{level}: errors of the mean of 20 samples** (of a regression: its own)\n")
        text.append(markdown(part, mean, best_of(part, mean)) + "\n")
        drawn = part[part.draws]
        text.append(f"**{level}: errors of a single sample** (generators only)\n")
        text.append(markdown(drawn, one, best_of(drawn, one)) + "\n")
        text.append(f"**{level}: the distribution**\n")
        columns = [*DISTANCES, *SHARES]
        text.append(markdown(part, columns, best_of(part, columns)) + "\n")
    text.append("**Ranking** over all levels, errors of the mean and distances\n")
    table = ranking(rows)
    text.append(table.to_markdown(floatfmt=("", ".2f", ".0f", ".0f"), colalign=("left", *("right",) * table.shape[1])))
    text.append("")
    text.append("**What each is, how large, how long**\n")
    text.append(about(results) + "\n")
    return "\n".join(text)


def about(results: list[dict]) -> str:
    """A row per method: parameters, seconds, the setting that tuning chose, source, and what was shrunk."""
    firsts = {result["method"]: result for result in reversed(results)}
    table = pd.DataFrame(
        [
            {
                "method": result["title"],
                "parameters": f"{result['parameters']:,}",
                "training, CPU s": short(np.mean([r["train_seconds"] for r in results if r["method"] == name])),
                "a week, CPU s": short(np.mean([r["seconds_per_week"] for r in results if r["method"] == name])),
                "setting": ", ".join(f"{key} {_value(value)}" for key, value in result["setting"].items()) or "–",
                "source": result["source"],
                "smaller than theirs": result["shrunk"],
            }
            for name, result in sorted(firsts.items(), key=lambda item: METHODS.index(item[0]))
        ]
    )
    return table.to_markdown(index=False)


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which of the tables."""
    parser.add_argument("--transfer", action="store_true", help="the transfer between cities, not the two works")
    add_results_option(parser)


def main(options: argparse.Namespace) -> None:
    """Print the tables of the saved results."""
    for work in TRANSFERS if options.transfer else COMPARED:
        print(overall(options.results / work, TRANSFERRED if options.transfer else METHODS))
