"""A simulated week as one picture: when and where a city is busy. Made for looking at it.

    python -m benchmarks week-panel --map ../shared/data/maps/firenze --bbox 11.21,43.745,11.29,43.80 --preset china

The upper rows show the traffic of a 50 m grid and hour (logarithm). The lower ones show where the city is at that hour:
how much a 200 m cell carries relative to its usual share of the city's traffic, over the workdays and the weekends of
ten weeks. Roads and rails stand out at the rush hours, workplaces by day, homes in the evening and at the weekend.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from plotly.colors import sample_colorscale, unlabel_rgb

from benchmarks.paper import places
from benchmarks.paper.places import context_of
from zoomdiff.levels import HOURS_PER_DAY, aggregate, repeat
from zoomdiff.simulator.city import config_of, simulate

HOURS = (4, 8, 12, 15, 18, 21)
DAYS = {"Wednesday": (2, range(5), "Workdays"), "Sunday": (6, range(5, 7), "Weekend")}
COARSE = 4  # grids along a cell of the relative rows
WEEKS = 10  # behind the lower rows: single hours of one week are noise at 200 m
PIXELS = 2  # per grid
MARGIN, HEAD = 150, 40


def colours(values: np.ndarray, scale: str) -> np.ndarray:
    """(H, W, 3) uint8 for values in 0..1 on a Plotly colour scale."""
    table = np.array([unlabel_rgb(c) for c in sample_colorscale(scale, np.linspace(0, 1, 256))])
    return table[(values.clip(0, 1) * 255).astype(int)].astype(np.uint8)


def absolute(hour: np.ndarray, most: float) -> np.ndarray:
    """Traffic (H, W) on a logarithmic scale of three decades up to `most`."""
    return colours(np.log10(np.maximum(hour, 1) / most) / 3 + 1, "Inferno")


def relative(hour: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The place's share of the hour over its usual one, a half (blue) to twice (red); grey where there is little."""
    share, usual = hour / hour.sum(), mean / mean.sum()
    ratio = np.log2(np.divide(share, usual, out=np.ones_like(share), where=usual > 0).clip(0.5, 2))
    picture = colours(ratio / 2 + 0.5, "RdBu_r")
    picture[mean < 0.1 * mean.mean()] = 225
    return np.stack([repeat(picture[None, ..., c], COARSE, 1)[0] for c in range(3)], -1)


def panel(traffic: np.ndarray, coarse: np.ndarray) -> Image.Image:
    """4 x 6 pictures of a week (168, H, W) of bytes, and of the mean (168, H / 4, W / 4) over several."""
    most = np.quantile(traffic[traffic > 0], 0.999)
    h, w = (PIXELS * n for n in traffic.shape[1:])
    image = Image.new("RGB", (MARGIN + len(HOURS) * (w + 6), HEAD + 2 * len(DAYS) * (h + 6)), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(22)
    for j, hour in enumerate(HOURS):
        draw.text((MARGIN + j * (w + 6) + w / 2, 8), f"{hour}-{hour + 1} h", "black", font, anchor="ma")
        for i, (name, (day, days, together)) in enumerate(DAYS.items()):
            several = np.mean([coarse[HOURS_PER_DAY * d + hour] for d in days], axis=0)
            rows = {
                i: (absolute(traffic[HOURS_PER_DAY * day + hour], most), f"{name},\nbytes"),
                i + len(DAYS): (relative(several, coarse.mean(0)), f"{together},\nshare over\nusual share"),
            }
            for row, (picture, words) in rows.items():
                top, large = HEAD + row * (h + 6), Image.fromarray(picture).resize((w, h), Image.Resampling.NEAREST)
                image.paste(large, (MARGIN + j * (w + 6), top))
                draw.multiline_text((8, top + h / 2), words, "black", font, anchor="lm")
    return image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The place, and the picture's file."""
    places.add_arguments(parser, preset="china")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/week.png"))


def main(options: argparse.Namespace) -> None:
    """Simulate and draw."""
    uec = context_of(options)
    weeks = (simulate(uec, options.seed + i, config_of(options.preset)).traffic for i in range(WEEKS))
    first = next(weeks).astype(float)
    coarse = sum((aggregate(week.astype(float), COARSE, 1) for week in weeks), aggregate(first, COARSE, 1)) / WEEKS
    panel(first, coarse).convert("P", palette=Image.Palette.ADAPTIVE).save(options.out, optimize=True)
    print(options.out)
