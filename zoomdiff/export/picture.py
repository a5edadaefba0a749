"""A picture of one level at one step: a map with its legend, scale, title and sources."""

import json
import textwrap
from pathlib import Path

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from zoomdiff.context.plot import INK, SMALL, base_map, draw_cells, place_words, save_png
from zoomdiff.context.uec import UEC
from zoomdiff.outline import Bounds
from zoomdiff.week import TrafficWeek, unit_of

DPI = 120
LONGER, NARROWEST = 7.5, 5.2  # inches: the longer side of the map, and what the title needs
EDGE, HEAD, BAR = 0.3, 0.85, 0.95  # inches: the margin, and what is above and below the map
TOP_QUANTILE = 0.995  # the scale's top: one very busy cell must not make all others look empty
LOG_DECADES = 3
PANEL = 3.0  # inches: the height of one level of `plot_levels`
# cmocean's "matter" (Thyng et al. 2016): perceptually uniform, pale yellow to dark purple.
MATTER = LinearSegmentedColormap.from_list(
    "matter",
    [
        *("#fdedb0", "#facd91", "#f6ad77", "#f08e62", "#e76d54", "#d85053"),
        *("#c3385a", "#a82860", "#8a1d63", "#6b185d", "#4c1550", "#2f0f3d"),
    ],
)


def plot_view(week: TrafficWeek, uec: UEC, k: int, step: int, *, logarithmic: bool = False) -> Figure:
    """Step `step` of level k on one page, north up, over the water.

    The colour scale is that of all steps of the level; what carries nothing has no colour. Not pyplot: the figure
    belongs to the caller and is drawn on whichever thread.
    """
    region, level, x_k = week.region, week.level(k), week.volumes[k]
    rows, cols = region.blocks.shape
    width, height = LONGER * cols / max(rows, cols), LONGER * rows / max(rows, cols)
    page = max(width, NARROWEST) + 2 * EDGE
    about = week.provenance
    made = f"Made by ZoomDiff {about.get('zoomdiff', '')}, seed {about.get('seed')}. {about.get('training', '')}"
    words = " ".join((place_words(region, k), *uec.sources, "What carries nothing has no colour.", made))
    lines = textwrap.wrap(words, int(15 * page))
    foot = EDGE + 0.14 * len(lines)
    tall = foot + BAR + height + HEAD
    figure = Figure(figsize=(page, tall), dpi=DPI, facecolor="white")

    def inches(x: float, y: float, w: float, h: float) -> Bounds:
        return x / page, y / tall, w / page, h / tall

    hours, _, cell = level.title.replace("grid", "square").partition(" · ")
    left, top = EDGE / page, 1 - 0.3 / tall
    title = f"Mobile traffic per {cell.partition(' (')[0]} and {hours}"
    figure.text(left, top, title, fontsize=15, weight="bold", color=INK, va="center")
    axes = figure.add_axes(inches(EDGE, foot + BAR, width, height))
    base_map(axes, uec, f"{week.time_label(k, step)}, local time of an ordinary week")

    highest = _highest(x_k)
    factor, unit = unit_of(highest)
    full = highest / factor
    norm = LogNorm(full / 10**LOG_DECADES, full) if logarithmic else Normalize(0, full)
    image = draw_cells(axes, region, np.ma.masked_less_equal(x_k[step] / factor, 0), MATTER, norm, k)
    beside = figure.add_axes(inches(EDGE, foot + 0.6, max(width, NARROWEST) * 0.75, 0.13))
    bar = figure.colorbar(
        image, cax=beside, orientation="horizontal", extend="both" if logarithmic else "max", format="{x:g}"
    )
    bar.set_label(f"{unit} per {cell} in {hours}", fontsize=10, color=INK)
    foot_words = figure.text(left, 0.5 * EDGE / tall, "\n".join(lines), fontsize=7.5, color=SMALL)
    foot_words.set(linespacing=1.25, verticalalignment="bottom", parse_math=False)
    return figure


def plot_levels(week: TrafficWeek) -> Figure:
    """All levels beside each other, each at its busiest step, on its own linear scale."""
    levels, region = len(week.volumes), week.region
    rows, cols = region.blocks.shape
    width = PANEL * min(1.6, max(0.6, cols / rows))
    figure = Figure(figsize=(levels * (width + 0.2), PANEL + 1.3), dpi=DPI, facecolor="white", layout="constrained")
    west, south, east, north = (metres / 1000 for metres in region.frame_bounds)
    for k, axes in enumerate(figure.subplots(1, levels, squeeze=False)[0]):
        level, step = week.level(k), week.peak_step(k)
        x_k = week.volumes[k][step]
        factor, unit = unit_of(_highest(x_k))
        image = axes.imshow(
            np.ma.masked_less_equal(x_k / factor, 0),
            cmap=MATTER,
            norm=Normalize(0, _highest(x_k) / factor),
            extent=(0, east - west, 0, north - south),
            interpolation="nearest",
        )
        hours, _, cell = level.title.partition(" · ")
        axes.set_title(f"{cell}\n{week.time_label(k, step)}", fontsize=10, color=INK)
        axes.set_xlabel("km east", fontsize=8)
        axes.set_ylabel("km north" if k == 0 else "", fontsize=8)
        axes.tick_params(labelsize=7)
        bar = figure.colorbar(image, ax=axes, orientation="horizontal", extend="max", shrink=0.9)
        bar.set_label(f"{unit} per cell in {hours}", fontsize=8, color=INK)
        bar.ax.tick_params(labelsize=7)
    return figure


def _highest(x: np.ndarray) -> float:
    """The scale's top for volumes x."""
    return float(np.quantile(x[x > 0], TOP_QUANTILE)) if (x > 0).any() else 1.0


def write_picture(week: TrafficWeek, uec: UEC, k: int, step: int, path: Path, *, logarithmic: bool = False) -> None:
    """Write `plot_view` as a PNG, the provenance in its text."""
    comment = json.dumps(week.provenance, ensure_ascii=False)
    save_png(plot_view(week, uec, k, step, logarithmic=logarithmic), path, comment)
